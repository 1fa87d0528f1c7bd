//! Deadlines: main sleeps until the next one, and looks.
//!
//! A connection's deadline moves with every request, and nearly always to later.
//! To move an entry of a heap each time would cost O(log n) and a lock. So an
//! entry says only *when to look*: not later than the deadline. Who finds a
//! deadline that is later than its entry does nothing (one load); when main
//! looks and finds it has moved, it makes a new entry. A connection that a
//! worker has is not touched: its entry is forgotten, and the worker makes a new
//! one when it parks it.
//!
//! There is one entry for each descriptor, whoever has it. One that was overtaken,
//! because a deadline came nearer, is out of date; such entries are thrown out when
//! they are half of the heap. So it is bounded by the number of descriptors, not by
//! how quickly clients come and go.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::by_fd::ByFd;

/// When to look at which connection.
pub struct Timers {
    /// Times are microseconds since then.
    start: Instant,
    heap: Mutex<Heap>,
    /// The entry of each descriptor that counts.
    entries: ByFd<Entry>,
}

#[derive(Default)]
struct Heap {
    entries: BinaryHeap<Reverse<(u64, RawFd)>>,
    /// Those that counted when it was last tidied up.
    counted: usize,
}

/// A heap as small as this is not worth tidying up.
const SMALL: usize = 64;

/// Microseconds; [`NEVER`] if there is none.
struct Entry(AtomicU64);

const NEVER: u64 = u64::MAX;

impl Default for Entry {
    fn default() -> Entry {
        Entry(AtomicU64::new(NEVER))
    }
}

impl Timers {
    /// None are set.
    pub fn new() -> Timers {
        let (start, heap) = (Instant::now(), Mutex::new(Heap::default()));
        Timers { start, heap, entries: ByFd::new() }
    }

    // ANCHOR: set
    /// Sees to it that this descriptor is looked at, at its deadline or before.
    /// Call it with the connection in hand, under the lock of its place. Returns
    /// whether it is the earliest of all: if main sleeps, it has to be woken.
    pub fn set(&self, fd: RawFd, deadline: Instant) -> bool {
        let Some(Entry(entry)) = self.entries.get(fd) else { return false };
        // Rounded up: who looks at the time of the entry finds the deadline past.
        let at = self.micros(deadline) + 1;
        if entry.load(Ordering::SeqCst) <= at {
            return false;
        }
        entry.store(at, Ordering::SeqCst);
        let mut heap = self.lock();
        let is_first = heap.entries.peek().is_none_or(|Reverse((first, _))| at < *first);
        heap.entries.push(Reverse((at, fd)));
        if heap.entries.len() > 2 * heap.counted.max(SMALL) {
            heap.entries.retain(|Reverse((at, fd))| {
                self.entries
                    .get(*fd)
                    .is_some_and(|Entry(entry)| entry.load(Ordering::SeqCst) == *at)
            });
            heap.counted = heap.entries.len();
        }
        is_first
    }
    // ANCHOR_END: set

    // ANCHOR: due
    /// How long until somebody has to be looked at.
    pub fn patience(&self) -> Option<Duration> {
        let Reverse((first, _)) = *self.lock().entries.peek()?;
        Some(Duration::from_micros(first.saturating_sub(self.micros(Instant::now()))))
    }

    /// Whether somebody has to be looked at by now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.lock().entries.peek().is_some_and(|Reverse((first, _))| *first <= self.micros(now))
    }

    /// Takes out one descriptor that has to be looked at by now. It has no entry
    /// any more; if its connection is parked and not yet due, [`Timers::set`] it.
    pub fn take_due(&self, now: Instant) -> Option<RawFd> {
        let now = self.micros(now);
        let mut heap = self.lock();
        while let Some(&Reverse((at, fd))) = heap.entries.peek()
            && at <= now
        {
            heap.entries.pop();
            let Entry(entry) = self.entries.get(fd)?;
            // One that was overtaken by an earlier one is out of date.
            if entry.compare_exchange(at, NEVER, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                return Some(fd);
            }
        }
        None
    }
    // ANCHOR_END: due

    /// How many entries there are, those out of date included.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn micros(&self, time: Instant) -> u64 {
        u64::try_from(time.saturating_duration_since(self.start).as_micros()).unwrap_or(NEVER - 1)
    }

    fn lock(&self) -> MutexGuard<'_, Heap> {
        self.heap.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Timers {
    fn default() -> Timers {
        Timers::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_earliest_comes_first_and_only_when_it_is_due() {
        let (timers, now) = (Timers::new(), Instant::now());
        assert!(timers.patience().is_none());
        assert!(!timers.is_due(now + SECOND));
        assert!(timers.set(7, now + 3 * SECOND), "main must wake up");
        assert!(!timers.set(8, now + 4 * SECOND));
        assert!(timers.set(9, now + 2 * SECOND));
        assert!(timers.patience().is_some_and(|p| p > SECOND && p <= 2 * SECOND + SECOND));
        assert_eq!(timers.take_due(now + SECOND), None);
        assert!(!timers.is_due(now + SECOND) && timers.is_due(now + 3 * SECOND));
        let later = now + 5 * SECOND;
        assert_eq!([9, 7, 8].map(|_| timers.take_due(later).unwrap()), [9, 7, 8]);
        assert_eq!(timers.take_due(later), None);
    }

    #[test]
    fn a_deadline_that_moves_on_costs_no_entry() {
        let (timers, now) = (Timers::new(), Instant::now());
        timers.set(7, now + SECOND);
        for n in 2..100 {
            assert!(!timers.set(7, now + n * SECOND));
        }
        assert_eq!(timers.len(), 1);
        assert_eq!(timers.take_due(now + 2 * SECOND), Some(7), "to be looked at, not yet due");
        assert!(timers.set(7, now + 99 * SECOND));
    }

    #[test]
    fn a_deadline_that_comes_nearer_overtakes_its_entry() {
        let (timers, now) = (Timers::new(), Instant::now());
        timers.set(7, now + 60 * SECOND);
        assert!(timers.set(7, now + SECOND));
        assert_eq!(timers.take_due(now + 2 * SECOND), Some(7));
        timers.set(7, now + 90 * SECOND);
        // The entry for second 60 is out of date.
        assert_eq!(timers.take_due(now + 61 * SECOND), None);
        assert_eq!(timers.take_due(now + 91 * SECOND), Some(7));
    }

    #[test]
    fn clients_that_come_and_go_leave_no_entries_behind() {
        let (timers, now) = (Timers::new(), Instant::now());
        for n in 0..10_000 {
            timers.set(7, now + 10 * SECOND + n * SECOND / 1000);
        }
        assert_eq!(timers.len(), 1);
    }

    #[test]
    fn entries_that_were_overtaken_do_not_gather() {
        let (timers, now) = (Timers::new(), Instant::now());
        // Ten descriptors, again and again: a head's deadline, then a goodbye's.
        for n in 0..10_000 {
            let (fd, now) = (n % 10, now + n as u32 * SECOND / 100);
            timers.set(fd, now + 3600 * SECOND);
            timers.set(fd, now + SECOND);
            while timers.take_due(now).is_some() {}
            assert!(timers.len() <= 2 * SMALL + 1, "{}", timers.len());
        }
        let last = now + 200 * SECOND;
        assert_eq!((0..10).filter(|_| timers.take_due(last).is_some()).count(), 10);
    }

    #[test]
    fn when_an_entry_is_due_its_deadline_is_past() {
        let timers = Timers::new();
        for n in 0..1000 {
            let deadline = Instant::now() + Duration::from_nanos(n * 37);
            timers.set(7, deadline);
            let now = loop {
                let now = Instant::now();
                if timers.take_due(now).is_some() {
                    break now;
                }
            };
            assert!(now >= deadline);
        }
    }
}
