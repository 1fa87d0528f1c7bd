//! What a server has said so far.

use std::io::{self, BufRead, BufReader, Read};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Record;
use super::record::Kind;
use super::rest::{Rest, is_asleep, sleeps};
use crate::sys;

/// What its stderr has said so far, filled by a thread of its own: a server
/// whose stderr nobody reads would block as soon as the pipe is full.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) seen: Mutex<Seen>,
    pub(super) changed: Condvar,
    /// Whoever waits for a server that has come to rest need not wait for long.
    pub(super) impatient: bool,
    /// The thread that fills it, while every line that it has read is in here and it asks
    /// for more; 0 while it has something.
    pub(super) asks: AtomicU64,
}

/// Nobody's thread id: everything has been read.
const NO_MORE: u64 = u64::MAX;

#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) records: Vec<Record>,
    /// Lines that are no records.
    pub(super) lines: Vec<String>,
    /// stderr is closed: the process has ended.
    pub(super) ended: bool,
    /// How it ended, once that is known.
    pub(super) usage: Option<sys::Usage>,
    /// Its trace, or what it says besides, was longer than [`MOST`].
    pub(super) flooded: bool,
}

/// How long a server must have rested before an impatient scenario gives it up:
/// another client may be about to do something.
const RESTED: Duration = Duration::from_secs(3);

/// How many records an impatient scenario keeps: a loop that spins writes
/// millions, and nobody who plays to a learner's program needs so many.
const MOST: usize = 50_000;

/// How long a line may be: a program may write one without an end.
const LONGEST: u64 = 1024 * 1024;

impl Observed {
    pub(super) fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether to wait for it no longer: it rests, and nothing is to be expected
    /// but of what it does by itself.
    pub(super) fn rests(&self, rest: &mut Rest, seen: &Seen, pid: u32) -> bool {
        self.impatient && rest.look(pid, &seen.records, RESTED)
    }

    /// Whether to wait for it no longer: these records say twice that thousands of
    /// turns of its loop have found nothing. (The first may count turns from before.)
    pub(super) fn turns_in_vain(&self, records: &[Record]) -> bool {
        self.impatient && records.iter().filter(|r| r.times >= 1000).count() >= 2
    }

    /// Whether the process sleeps (or has ended), and all it has said is known to whoever
    /// holds the lock. Where the system does not tell who sleeps, the records alone must do.
    pub(super) fn is_asleep(&self, pid: u32) -> bool {
        let asks = self.asks.load(Ordering::SeqCst);
        let asleep = is_asleep(pid);
        if asks == NO_MORE || asleep.is_none() {
            return true;
        }
        // Twice: between two threads' states the one may have woken the other, and slept.
        // Who has run since has said so, and that is in the pipe. (A thread on its way to
        // sleep has the state of one that sleeps: some instructions remain in doubt.)
        if asks == 0 || asleep == Some(false) || is_asleep(pid) == Some(false) {
            return false;
        }
        // The reader sleeps in its read if the pipe is empty, or waits for the lock.
        let reads = sleeps(format!("/proc/{}/task/{asks}/stat", process::id()));
        reads != Some(false) && self.asks.load(Ordering::SeqCst) == asks
    }

    pub(super) fn drain(&self, stderr: impl Read, show: bool) {
        let asking = Asking { stderr, asks: &self.asks, thread: sys::thread_id() };
        let mut reader = BufReader::with_capacity(64 * 1024, asking);
        let mut bytes = Vec::new();
        while matches!(reader.by_ref().take(LONGEST).read_until(b'\n', &mut bytes), Ok(1..)) {
            let line = String::from_utf8_lossy(&bytes);
            let record = Record::parse(&line);
            if show && let Some(r) = &record {
                println!("       {}", show_record(r));
            }
            let mut seen = self.lock();
            match record {
                Some(_) if self.impatient && seen.records.len() >= MOST => seen.flooded = true,
                Some(record) => seen.records.push(record),
                None if self.impatient && seen.lines.len() >= MOST => seen.flooded = true,
                None => seen.lines.push(line.trim_end().to_string()),
            }
            drop(seen);
            bytes.clear();
            // Who waits looks at the whole trace: once per batch will do.
            if reader.buffer().is_empty() {
                self.changed.notify_all();
            }
        }
        self.asks.store(NO_MORE, Ordering::SeqCst);
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

/// Under a buffer: it is read when all that was in the buffer has been taken.
struct Asking<'a, R> {
    stderr: R,
    asks: &'a AtomicU64,
    thread: u64,
}

impl<R: Read> Read for Asking<'_, R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.asks.store(self.thread, Ordering::SeqCst);
        let length = self.stderr.read(room);
        self.asks.store(0, Ordering::SeqCst);
        length
    }
}

/// Whether the last record of every thread says that it sleeps. With workers,
/// no record may be missing either: a number is drawn before some calls and
/// written after them, so a gap is a thread in the middle of one.
pub fn is_quiet(records: &[Record]) -> bool {
    let workers = records.iter().any(|r| r.thread.starts_with("worker"));
    if workers && without_gaps(records).len() < records.len() {
        return false;
    }
    let mut last: Vec<&Record> = Vec::new();
    for record in records.iter().filter(|r| r.kind != Kind::Log) {
        match last.iter_mut().find(|r| r.tid == record.tid) {
            Some(place) => *place = record,
            None => last.push(record),
        }
    }
    !last.is_empty() && last.iter().all(|r| r.is_enter() || r.call == "no more work")
}

/// The trace up to the first number that is missing.
pub(super) fn without_gaps(records: &[Record]) -> &[Record] {
    let gap = records.windows(2).position(|pair| pair[1].seq != pair[0].seq + 1);
    &records[..gap.map_or(records.len(), |at| at + 1)]
}

/// A record as `--trace` prints it.
pub fn show_record(r: &Record) -> String {
    let errno = r.errno.as_ref().map_or(String::new(), |e| format!(" {e}"));
    let what = match r.kind {
        Kind::Call => {
            let ret = r.ret.unwrap_or(0);
            format!("{}({}) = {ret}{errno} {}", r.call, r.args, r.note)
        }
        Kind::Enter => {
            let fd = r.args.split(',').next().unwrap_or_default();
            format!("blocked in: {} {fd}", r.call)
        }
        Kind::Turns => format!("-- {} more turns of: {}", r.times, r.note),
        Kind::Log => r.note.clone(),
        _ => {
            let fd = r.fd.map_or(String::new(), |fd| format!(" {fd}"));
            format!("-- {}{fd} {}", r.call, r.note)
        }
    };
    format!("[{}] {}", r.thread, what.trim_end())
}

/// The last records, one a line.
pub fn tail(records: &[Record], count: usize) -> String {
    let from = records.len().saturating_sub(count);
    let lines = records[from..].iter().map(|r| format!("  {}", show_record(r)));
    lines.collect::<Vec<_>>().join("\n")
}
