//! A server as a process: that it has started, that it sleeps, how it ended.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::observed::{Observed, tail};
use super::rest::{Rest, is_asleep};
use super::{PATIENCE, Record};
use crate::sys;

/// How often to look again for what nobody reports.
const LOOK: Duration = Duration::from_millis(20);

/// How long a server must have rested that has not said where it listens: its line
/// may be on its way.
const SILENT: Duration = Duration::from_secs(2);

/// How many other lines it may print before that.
const LINES: u32 = 1000;

/// Waits for the line on stdout that says where it listens. (A program of a
/// learner's may print other things before, do neither, or end.)
pub(super) fn announced(
    stdout: &Receiver<String>,
    observed: &Observed,
    pid: u32,
) -> Result<SocketAddr, String> {
    let give_up = Instant::now() + PATIENCE;
    let (mut rest, mut silent_since, mut lines) = (Rest::default(), Instant::now(), 0);
    loop {
        match stdout.recv_timeout(LOOK) {
            Ok(line) => {
                let address = line.strip_prefix("listening on http://");
                if let Some(address) = address.and_then(|a| a.trim().parse().ok()) {
                    return Ok(address);
                }
                lines += 1;
                if lines > LINES {
                    return Err(format!("it prints {line:?} and so on, not where it listens"));
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err("it ended, or closed stdout, before it said where it listens".into());
            }
            Err(RecvTimeoutError::Timeout) => {
                let seen = observed.lock();
                let last = tail(&seen.records, 6);
                // Before its first call there is no trace to tell.
                if !seen.records.is_empty() || is_asleep(pid) != Some(true) {
                    silent_since = Instant::now();
                }
                if rest.look(pid, &seen.records, SILENT) || silent_since.elapsed() > SILENT {
                    return Err(format!("it sleeps and has not said where it listens\n{last}"));
                }
                if seen.flooded || Instant::now() > give_up {
                    return Err(format!("it goes on without saying where it listens\n{last}"));
                }
            }
        }
    }
}

static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This one runs from now on.
pub(super) fn began(pid: u32) {
    running().insert(pid);
}

/// This one is about to be reaped: from then on its number may be another's.
pub(super) fn ends(pid: u32) {
    running().remove(&pid);
}

/// Kills the servers that this program has started and that still run: for a
/// program that is itself told to end.
pub fn end_all() {
    for pid in running().iter() {
        let _ = sys::send_signal(*pid, libc::SIGKILL);
    }
}

/// How a server has ended, and what it said.
#[derive(Debug, Default)]
pub struct LastWords {
    /// Its exit status, if it exited by itself.
    pub exit: Option<i32>,
    /// The signal that ended it; SIGKILL is how the lab ends a server.
    pub signal: Option<i32>,
    /// The lines on stderr that are no records of the trace.
    pub lines: Vec<String>,
    /// Its trace in causal order.
    pub records: Vec<Record>,
    /// It wrote more records than anybody keeps.
    pub flooded: bool,
}

impl Observed {
    pub(super) fn last_words(&self) -> LastWords {
        let seen = self.lock();
        let mut records = seen.records.clone();
        records.sort_by_key(|r| r.seq);
        LastWords {
            exit: seen.usage.and_then(|used| used.exit),
            signal: seen.usage.and_then(|used| used.signal),
            lines: seen.lines.clone(),
            records,
            flooded: seen.flooded,
        }
    }
}
