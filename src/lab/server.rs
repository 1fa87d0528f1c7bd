//! A stage as a process of its own, and its trace as it comes in.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::observed::{Observed, tail, without_gaps};
pub use super::observed::{is_quiet, show_record};
use super::rest::{NAPS, Naps, Rest};
use super::{PATIENCE, Record, Result, Stage, Trouble, process, trouble};
use crate::sys;

/// A running stage.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    pub(super) observed: Arc<Observed>,
    ended: bool,
    /// What it has used, once it has ended.
    usage: Option<sys::Usage>,
}

impl Server {
    /// Starts a stage on a port that the kernel chooses, with its trace on, and
    /// waits for the line that says where it listens.
    pub fn start(
        program: &Path,
        args: &[&str],
        descriptors: Option<u64>,
        show_trace: bool,
    ) -> Result<Server> {
        Server::start_watched(program, args, descriptors, show_trace, Arc::default())
    }

    /// The same; what is known of it stands in `observed`, even if it does not start.
    pub(super) fn start_watched(
        program: &Path,
        args: &[&str],
        descriptors: Option<u64>,
        show_trace: bool,
        observed: Arc<Observed>,
    ) -> Result<Server> {
        let mut command = Command::new(program);
        command.args(args).args(["--port", "0", "--trace=json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if observed.impatient {
            command.env("RUST_BACKTRACE", "1"); // a learner is told in which line it panicked
        }
        sys::prepare(&mut command, descriptors);
        let mut child = super::socket::alone(|| command.spawn())
            .map_err(|e| Trouble(format!("cannot start {}: {e}", program.display())))?;

        process::began(child.id());

        if let Some(stderr) = child.stderr.take() {
            let observed = Arc::clone(&observed);
            thread::spawn(move || observed.drain(stderr, show_trace));
        }
        let stdout = super::plain::lines(child.stdout.take());
        let address = SocketAddr::from(([0; 4], 0));
        let mut server = Server { child, address, observed, ended: false, usage: None };
        match process::announced(&stdout, &server.observed, server.pid()) {
            Ok(address) => server.address = address,
            Err(why) => {
                server.kill();
                let said = server.observed.lock().lines.join("; ");
                return trouble(format!("{} did not start: {why} {said}", program.display()));
            }
        }
        Ok(server)
    }

    /// Starts a stage by way of another program, which is given all of `args`.
    pub fn start_under(program: &Path, args: &[&str]) -> Result<Server> {
        Server::start(program, args, None, false)
    }

    /// The process id that the trace's header names; not ours if it was started
    /// by way of another program.
    ///
    /// # Errors
    /// There is no header.
    pub fn traced_pid(&self) -> Result<u32> {
        let seen = self.observed.lock();
        let header =
            seen.lines.iter().find_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
        let pid = header.and_then(|h| h["pid"].as_u64());
        pid.map(|pid| pid as u32).ok_or_else(|| Trouble("the trace has no header".to_string()))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The trace so far, in causal order.
    pub fn records(&self) -> Vec<Record> {
        let mut records = self.observed.lock().records.clone();
        records.sort_by_key(|r| r.seq);
        records
    }

    /// The last record of the trace so far; a `seq` to look after.
    pub fn mark(&self) -> u64 {
        self.observed.lock().records.iter().map(|r| r.seq).max().unwrap_or(0)
    }

    /// Waits until `find` finds what it looks for in the trace (in causal order
    /// as far as it has come in).
    ///
    /// # Errors
    /// The server has ended, or [`PATIENCE`] has: with the last records.
    pub fn wait_for<T>(
        &self,
        what: &str,
        mut find: impl FnMut(&[Record]) -> Option<T>,
    ) -> Result<T> {
        let give_up = Instant::now() + PATIENCE;
        let (mut rest, mut naps) = (Rest::default(), Naps::default());
        let mut seen = self.observed.lock();
        let begun = seen.records.len();
        loop {
            seen.records.sort_by_key(|r| r.seq);
            if let Some(found) = find(&seen.records) {
                return Ok(found);
            }
            let left = give_up.saturating_duration_since(Instant::now());
            let rests = self.observed.rests(&mut rest, &seen, self.pid());
            let spins = seen.flooded || self.observed.turns_in_vain(&seen.records[begun..]);
            let naps = self.observed.impatient && naps.look(self.pid(), &seen.records);
            if seen.ended || spins || rests || naps || left.is_zero() {
                let state = match (seen.ended, spins) {
                    (true, _) => "the server has ended".to_string(),
                    (_, true) => "the server's loop turns in vain".to_string(),
                    _ if naps => format!("the server {NAPS}"),
                    _ if rests => "every thread of the server sleeps".to_string(),
                    _ if seen.records.len() > begun => {
                        "for 30 s it was busy with other things".to_string()
                    }
                    _ => "nothing for 30 s".to_string(),
                };
                let tail = tail(&seen.records, 12);
                return trouble(format!("waited for {what}: {state}; its last records:\n{tail}"));
            }
            // Looks again now and then, for what is not in the trace.
            let pause = left.min(Duration::from_millis(20));
            let waited = self.observed.changed.wait_timeout(seen, pause);
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends a signal to the process.
    ///
    /// # Errors
    /// What kill(2) says.
    pub fn signal(&self, signal: i32) -> Result<()> {
        Ok(sys::send_signal(self.pid(), signal)?)
    }

    /// Stops the process (SIGSTOP) and waits until it is stopped.
    ///
    /// # Errors
    /// What kill(2) says; the server has ended.
    pub fn freeze(&self) -> Result<()> {
        self.signal(libc::SIGSTOP)?;
        match sys::wait_until_stopped(self.pid())? {
            true => Ok(()),
            false => trouble("the server has ended"),
        }
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// What kill(2) says.
    pub fn thaw(&self) -> Result<()> {
        self.signal(libc::SIGCONT)
    }

    /// Lets it go on, with a signal. On Linux main handles it, before anything else.
    /// Elsewhere it is sent to the process, and whichever thread is first to go on handles
    /// it (signal(7)): main may have done much until then.
    ///
    /// # Errors
    /// What kill(2) or tgkill(2) say.
    pub fn thaw_with_signal_to_main(&self, signal: i32) -> Result<()> {
        match cfg!(target_os = "linux") {
            true => sys::send_signal_to_thread(self.pid(), self.pid().into(), signal)?,
            false => self.signal(signal)?,
        }
        self.thaw()
    }

    /// Waits until the process has ended by itself; says how, and gives the
    /// whole trace.
    ///
    /// # Errors
    /// It has not within [`PATIENCE`].
    pub fn wait_for_end(&mut self) -> Result<(sys::Usage, Vec<Record>)> {
        let give_up = Instant::now() + PATIENCE;
        let mut seen = self.observed.lock();
        while !seen.ended {
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let tail = tail(&seen.records, 12);
                return trouble(format!("the server did not end; its last records:\n{tail}"));
            }
            let waited = self.observed.changed.wait_timeout(seen, left);
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(seen);
        process::ends(self.pid());
        let usage = sys::wait_until_ended(self.pid())?;
        (self.ended, self.usage) = (true, Some(usage));
        self.observed.lock().usage = Some(usage);
        Ok((usage, self.records()))
    }

    /// Ends the process, if it has not ended, at a moment when no thread is in
    /// the middle of something, so that its trace has no hole.
    ///
    /// # Errors
    /// Its threads do not come to rest.
    pub fn finish(mut self, stage: Stage) -> Result<(Option<sys::Usage>, Vec<Record>)> {
        if !self.ended && stage.has_workers() {
            self.wait_until_quiet()?;
        }
        let ended_by_itself = self.ended;
        let usage = self.kill();
        let mut records = self.records();
        if !ended_by_itself && stage.has_workers() {
            // A thread may have been killed between a call and its record.
            records.truncate(without_gaps(&records).len());
        }
        Ok((usage, records))
    }

    fn kill(&mut self) -> Option<sys::Usage> {
        if !self.ended {
            // Started by way of strace: the stage would outlive it.
            if let Ok(pid) = self.traced_pid()
                && pid != self.pid()
            {
                let _ = sys::send_signal(pid, libc::SIGKILL);
            }
            let _ = self.child.kill();
            process::ends(self.pid());
            self.usage = sys::wait_until_ended(self.pid()).ok();
            self.ended = true;
            let mut seen = self.observed.lock();
            seen.usage = self.usage;
            let give_up = Instant::now() + PATIENCE;
            while !seen.ended && Instant::now() < give_up {
                let waited = self.observed.changed.wait_timeout(seen, PATIENCE);
                seen = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        self.usage
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
