//! When nothing more will come of a server by itself.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Record;
use super::observed::is_quiet;
use super::record::Kind;

/// How long a server that sleeps by its trace must be found so in every look:
/// what a client has sent may be on its way to a thread not yet woken.
const SHORT: Duration = Duration::from_millis(200);

/// The same where the system does not tell whether a thread has been woken, and of
/// threads that sleep in no call of the trace (for a lock).
const LONG: Duration = Duration::from_secs(2);

/// Looks again and again whether a server has come to rest.
#[derive(Debug, Default)]
pub struct Rest {
    since: Option<Instant>,
    looks: u32,
    records: usize,
}

impl Rest {
    /// Whether it rests: every thread sleeps, without a time limit, and did so in
    /// each look for `at_least`.
    pub fn look(&mut self, pid: u32, records: &[Record], at_least: Duration) -> bool {
        let asleep = is_asleep(pid);
        let needed = match (asleep, is_quiet(records)) {
            (Some(true), true) => SHORT,
            (None, true) => LONG,
            (Some(true), false) if records.len() == self.records => LONG,
            _ => Duration::MAX,
        };
        self.records = records.len();
        if needed == Duration::MAX || wakes_by_itself(records) {
            (self.since, self.looks) = (None, 0);
            return false;
        }
        self.looks += 1;
        let since = *self.since.get_or_insert_with(Instant::now);
        self.looks > 5 && since.elapsed() >= needed.max(at_least)
    }
}

/// Whether the last call of some thread will end by itself: a wait with a time
/// limit, a handler that sleeps.
fn wakes_by_itself(records: &[Record]) -> bool {
    let mut seen: Vec<u64> = Vec::new();
    for record in records.iter().rev().filter(|r| r.kind != Kind::Log) {
        if seen.contains(&record.tid) {
            continue;
        }
        seen.push(record.tid);
        let works = record.kind == Kind::StepEnter && record.call != "waiting for work";
        if works || record.time_limit().is_some() {
            return true;
        }
        if seen.len() >= 64 {
            break;
        }
    }
    false
}

/// Whether no thread of the process runs or is about to, as Linux's /proc tells;
/// elsewhere nobody can say.
pub fn is_asleep(pid: u32) -> Option<bool> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    Some(tasks.flatten().all(|task| sleeps(task.path().join("stat")) != Some(false)))
}

/// Whether the thread of this /proc/…/stat sleeps; `None` if there is none.
pub(super) fn sleeps(stat: impl AsRef<Path>) -> Option<bool> {
    // "1234 (name) S …": a name may hold anything, but the last ") " ends it.
    let stat = fs::read_to_string(stat).ok()?;
    stat.rsplit_once(") ").map(|(_, rest)| rest.starts_with('S'))
}

/// How a server is called of which [`Naps`] are known.
pub const NAPS: &str = "sleeps by itself, again and again";

/// How long main must have been found asleep by itself, and in how many looks: a
/// program that naps comes to what is waited for all the same, if it will at all.
const NAPPED: Duration = Duration::from_secs(5);
const NAPS_SEEN: u32 = 50;

/// Looks again and again whether main sleeps by itself, in no call of the trace and in no
/// handler. Whoever waits for it meanwhile is not served. (Linux tells; others do not.)
#[derive(Debug, Default)]
pub struct Naps {
    since: Option<Instant>,
    looks: u32,
    naps: u32,
}

impl Naps {
    /// Whether most of the looks have found it so.
    pub fn look(&mut self, pid: u32, records: &[Record]) -> bool {
        self.looks += 1;
        let since = *self.since.get_or_insert_with(Instant::now);
        let last = records.iter().rev().find(|r| r.tid == u64::from(pid) && r.kind != Kind::Log);
        // A handler's sleep is in the trace.
        if last.is_some_and(|r| !r.is_enter()) && naps(pid) {
            self.naps += 1;
        }
        let most = self.naps >= NAPS_SEEN && self.naps * 2 > self.looks;
        most && since.elapsed() >= NAPPED
    }
}

/// Whether the process's main thread sleeps for a time of its own choice.
fn naps(pid: u32) -> bool {
    let call = fs::read_to_string(format!("/proc/{pid}/task/{pid}/wchan"));
    call.is_ok_and(|call| call.contains("nanosleep"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_that_sleeps_will_wake_and_a_worker_without_work_will_not() {
        let enter = |call: &str| {
            let line = format!(
                r#"{{"seq":1,"us":1,"kind":"step","phase":"enter","thread":"worker-1","tid":1,"call":"{call}","args":"","note":"","at":"a:1"}}"#
            );
            [Record::parse(&line).expect("a record")]
        };
        assert!(wakes_by_itself(&enter("handler sleeps")));
        assert!(!wakes_by_itself(&enter("waiting for work")));
    }
}
