//! Equal turns of a loop in which nothing happened become one record.
//!
//! A loop that scans a list (ch02), or that is told again and again of a
//! connection it has no descriptor for (ch03), would write megabytes a second.
//! So each thread keeps the last turn it printed; while the same calls come
//! again with the same results, they are counted instead of printed. The count
//! goes out when something else happens, at the thousandth turn, and once a
//! second.
//!
//! *Nothing happened* means: a call failed (`EAGAIN`, `EMFILE` …), or it was
//! the queue's wait. A call that succeeded, or a step, is always printed.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::emit;
use super::record::{Kind, Record};
use crate::sys;

/// One second, on the trace's clock.
const SECOND: u64 = 1_000_000;
/// The count is printed early once it reaches this.
const EARLY: u64 = 1_000;
/// How long an `enter` record may be held back.
const PATIENCE: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Turns {
    /// The turn: calls in order, as last printed.
    turn: Vec<Record>,
    /// `turn` has come round once; further equal turns are counted.
    known: bool,
    /// Records of the turn now running; they equal the first ones of `turn`.
    held: Vec<Record>,
    /// Equal turns counted and not yet printed.
    times: u64,
    /// Of those: when the first began, when the last ended, its `seq`.
    since: u64,
    until: u64,
    seq: u64,
    /// Turns printed so far of this kind.
    printed: u64,
}

/// Prints the record, now or as part of a count.
pub(super) fn pass(record: Record) {
    let mut record = Some(record);
    let passed = LOCAL.try_with(|turns| {
        if let Some(record) = record.take() {
            lock(turns).pass(record);
        }
    });
    // The thread is ending and its store is gone: nothing is held back there.
    if let (Err(_), Some(record)) = (passed, record) {
        emit(&record);
    }
}

/// Prints what every thread holds back.
pub(super) fn flush_all() {
    for turns in lock(&ALL).iter() {
        lock(turns).reset();
    }
}

static ALL: Mutex<Vec<Arc<Mutex<Turns>>>> = Mutex::new(Vec::new());

thread_local! {
    static LOCAL: Arc<Mutex<Turns>> = {
        let turns = Arc::new(Mutex::new(Turns::default()));
        lock(&ALL).push(Arc::clone(&turns));
        turns
    };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turns {
    fn pass(&mut self, record: Record) {
        if !record.is_idle() {
            self.reset();
            emit(&record);
        } else if self.known {
            self.count(record);
        } else if self.turn.first().is_some_and(|first| first.equals(&record)) {
            self.known = true;
            self.count(record);
        } else {
            emit(&record);
            self.turn.push(record);
        }
    }

    fn count(&mut self, record: Record) {
        if !self.turn[self.held.len()].equals(&record) {
            self.reset();
            return self.pass(record);
        }
        if record.kind == Kind::Enter {
            watch_for_sleepers();
        }
        if self.held.is_empty() && self.times == 0 {
            self.since = record.us;
        }
        self.held.push(record);
        if self.held.len() == self.turn.len() {
            // Only now: the records of a turn that breaks off are printed one by
            // one, and no two lines of a trace may have the same `seq`.
            for record in self.held.drain(..) {
                self.until = record.us + record.dur.unwrap_or(0);
                self.seq = self.seq.max(record.seq);
            }
            self.times += 1;
            let early = self.printed == 0 && self.times >= EARLY;
            if early || self.until - self.since >= SECOND {
                self.print_count();
            }
        }
    }

    /// Something else happened: prints the count and the unfinished turn.
    fn reset(&mut self) {
        self.print_count();
        for record in mem::take(&mut self.held) {
            emit(&record);
        }
        self.turn.clear();
        self.known = false;
        self.printed = 0;
        self.seq = 0;
    }

    fn print_count(&mut self) {
        if self.times == 0 {
            return;
        }
        let calls = self.turn.iter().filter(|r| r.kind == Kind::Call);
        let mut shown: Vec<String> = calls.map(Record::call_text).collect();
        let count = shown.len();
        if count > 6 {
            shown.truncate(5);
            shown.push(format!("… {} more", count - 5));
        }
        let first = &self.turn[0];
        let mut record = Record::new(Kind::Turns, "turns", self.seq, first.at);
        record.thread = Arc::clone(&first.thread);
        record.tid = first.tid;
        record.us = self.since;
        record.dur = Some(self.until.saturating_sub(self.since));
        record.times = mem::take(&mut self.times);
        record.note = shown.join(", ");
        record.more = format!("\"calls\":{count}");
        self.printed += record.times;
        emit(&record);
    }
}

impl Record {
    fn is_idle(&self) -> bool {
        match self.kind {
            Kind::Enter => true,
            Kind::Call => self.errno.is_some() || self.is_wait(),
            _ => false,
        }
    }

    fn is_wait(&self) -> bool {
        // kevent also registers; a wait is the one that may sleep.
        self.call == "epoll_wait" || (self.call == "kevent" && self.slept)
    }

    fn equals(&self, other: &Record) -> bool {
        self.kind == other.kind
            && self.call == other.call
            && self.args == other.args
            && self.ret == other.ret
            && self.errno == other.errno
            && self.note == other.note
            && std::ptr::eq(self.at, other.at)
    }
}

/// A thread that spins around a wait may fall asleep in it at last, with the
/// `enter` record held back and nobody left to print it. From the first such
/// record on, a thread of the trace's own looks after that.
fn watch_for_sleepers() {
    static WATCHER: OnceLock<()> = OnceLock::new();
    WATCHER.get_or_init(|| {
        let watch = || loop {
            std::thread::sleep(PATIENCE);
            let now = sys::monotonic_us();
            for turns in lock(&ALL).iter() {
                let mut turns = lock(turns);
                let asleep = turns.held.last().is_some_and(|last| {
                    last.kind == Kind::Enter
                        && now.saturating_sub(last.us) >= PATIENCE.as_micros() as u64
                });
                if asleep {
                    turns.reset();
                }
            }
        };
        // Without that thread the trace is late, not wrong.
        let _ = std::thread::Builder::new().name("trace".into()).spawn(watch);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::Location;

    fn call(name: &'static str, errno: Option<i32>, at: &'static Location<'static>) -> Record {
        let mut record = Record::new(Kind::Call, name, 1, at);
        record.errno = errno;
        record.ret = Some(if errno.is_some() { -1 } else { 0 });
        record
    }

    #[test]
    fn equal_idle_turns_are_counted_and_others_are_not() {
        let at = Location::caller();
        let mut turns = Turns::default();
        for _ in 0..5 {
            turns.pass(call("accept", Some(libc::EAGAIN), at));
            turns.pass(call("read", Some(libc::EAGAIN), at));
        }
        // The first turn was printed, four equal ones are counted.
        assert_eq!((turns.turn.len(), turns.times, turns.held.len()), (2, 4, 0));
        turns.pass(call("accept", None, at));
        assert_eq!((turns.turn.len(), turns.times), (0, 0));
    }

    #[test]
    fn a_turn_that_differs_starts_anew() {
        let at = Location::caller();
        let mut turns = Turns::default();
        for name in ["accept", "read", "accept", "read", "accept", "write"] {
            turns.pass(call(name, Some(libc::EAGAIN), at));
        }
        // accept read | accept read (counted) | accept (held) then write: not equal.
        assert_eq!(turns.times, 0);
        assert!(!turns.known);
    }
    #[test]
    fn a_count_has_no_seq_that_another_record_has() {
        let at = Location::caller();
        let mut turns = Turns::default();
        for seq in 1..=5 {
            let name = if seq % 2 == 1 { "accept" } else { "read" };
            turns.pass(Record { seq, ..call(name, Some(libc::EAGAIN), at) });
        }
        // 1 and 2 were printed, 3 and 4 are counted, 5 is held and may be printed.
        assert_eq!((turns.times, turns.seq, turns.held[0].seq), (1, 4, 5));
    }
}
