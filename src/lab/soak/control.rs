//! How long this program itself was kept from running: a client that waited for
//! its own driver has no complaint against the server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What is shorter is the ordinary life of a thread.
const NOTABLE: Duration = Duration::from_millis(50);

/// How long the witness sleeps between two looks at the clock.
const LOOK: Duration = Duration::from_millis(10);

type Spans = Arc<Mutex<Vec<(Instant, Instant)>>>;

/// Times at which nobody can blame the server.
pub(super) struct Control {
    spans: Spans,
    ends: Arc<AtomicBool>,
}

impl Control {
    /// Starts the witness: a thread that sleeps, and notes by how much too long.
    pub fn new() -> Control {
        let control = Control { spans: Spans::default(), ends: Arc::default() };
        let (spans, ends) = (Arc::clone(&control.spans), Arc::clone(&control.ends));
        thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                let due = Instant::now() + LOOK;
                // The sleep itself is measured: how late it ends is the machine's delay.
                thread::sleep(LOOK);
                note(&spans, due, Instant::now());
            }
        });
        control
    }

    /// The server was frozen until now, by this program.
    pub fn add(&self, frozen: Duration) {
        let now = Instant::now();
        note(&self.spans, now - frozen, now);
    }

    /// The driver should have been done, or awake, at `due`, and is at `now`.
    pub fn was_due(&self, due: Instant, now: Instant) {
        note(&self.spans, due, now);
    }

    /// The longest of all.
    pub fn longest(&self) -> Duration {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.iter().map(|(from, to)| *to - *from).max().unwrap_or_default()
    }

    /// How much of that time was lost, spans that overlap counted once.
    pub fn lost_between(&self, from: Instant, to: Instant) -> Duration {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone();
        spans.sort();
        let (mut at, mut lost) = (from, Duration::ZERO);
        for (begin, end) in spans {
            let (begin, end) = (begin.max(at), end.min(to));
            if begin < end {
                lost += end - begin;
                at = end;
            }
        }
        lost
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

fn note(spans: &Spans, from: Instant, to: Instant) {
    if to.saturating_duration_since(from) > NOTABLE {
        spans.lock().unwrap_or_else(PoisonError::into_inner).push((from, to));
    }
}
