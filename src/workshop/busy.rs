//! A server that looks again and again for what has not come, in no call of the trace.

use std::fs;
use std::time::{Duration, Instant};

use common::lab::Record;

/// How long it must have been so; and how often its threads must have let go of the
/// processor meanwhile.
const BURNT: Duration = Duration::from_secs(5);
const SWITCHES: u64 = 500;

/// Looks again and again whether a server works and works, and nothing comes of it: no
/// record since some moment, and its threads have run most of the time since then, or
/// have woken up hundreds of times. (Linux tells; others do not.)
#[derive(Debug, Default)]
pub(super) struct Burns {
    since: Option<(Instant, usize, Activity)>,
}

impl Burns {
    /// Whether it has been so for long.
    pub(super) fn look(&mut self, pid: u32, records: &[Record]) -> bool {
        let Some(now) = Activity::of(pid) else { return false };
        match self.since {
            Some((since, count, before)) if count == records.len() => {
                let elapsed = since.elapsed();
                let ran = now.ran.saturating_sub(before.ran) >= elapsed / 2;
                let woke = now.switches.saturating_sub(before.switches) >= SWITCHES;
                elapsed >= BURNT && (ran || woke)
            }
            _ => {
                self.since = Some((Instant::now(), records.len(), now));
                false
            }
        }
    }
}

/// What the threads of a process have done, all together. Of those that sleep nothing
/// changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Activity {
    /// How long they have run.
    pub(super) ran: Duration,
    /// How often they have let go of the processor, or lost it.
    pub(super) switches: u64,
}

impl Activity {
    /// Of this process; Linux tells.
    pub(super) fn of(pid: u32) -> Option<Activity> {
        let mut all = Activity { ran: Duration::ZERO, switches: 0 };
        for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
            let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            // "nanoseconds on the processor, nanoseconds in line for it, turns"
            let ran = read("schedstat").split(' ').next().and_then(|n| n.parse().ok());
            all.ran += Duration::from_nanos(ran.unwrap_or(0));
            for line in read("status").lines().filter(|line| line.contains("ctxt_switches:")) {
                let count = line.rsplit('\t').next().and_then(|n| n.parse::<u64>().ok());
                all.switches += count.unwrap_or(0);
            }
        }
        Some(all)
    }
}
