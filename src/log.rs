//! Lines for the person who runs the server: on stderr, each in one write.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{sys, trace};

/// Prints one line on stderr, in a single write (with `eprintln!` each
/// fragment is a write of its own, and threads mix inside a line).
#[track_caller]
pub fn line(message: fmt::Arguments<'_>) {
    trace::message(&message.to_string());
}

/// Prints what failed and why: `client 7: Broken pipe (EPIPE)`.
#[track_caller]
pub fn failed(what: impl fmt::Display, error: &io::Error) {
    line(format_args!("{what}: {}", sys::describe(error)));
}

/// Prints why something failed, if it did; for what must not stop the server.
#[track_caller]
pub fn check(what: impl fmt::Display, result: io::Result<()>) {
    if let Err(error) = result {
        failed(what, &error);
    }
}

/// An error that may come back thousands of times a second: says it once, then
/// at most once a second, with how often it was left out.
#[derive(Debug, Default)]
pub struct Repeated {
    next_us: AtomicU64,
    left_out: AtomicU64,
}

impl Repeated {
    /// Nothing said yet.
    pub const fn new() -> Repeated {
        Repeated { next_us: AtomicU64::new(0), left_out: AtomicU64::new(0) }
    }

    /// Prints what failed and why, or counts it.
    #[track_caller]
    pub fn failed(&self, what: impl fmt::Display, error: &io::Error) {
        let now = sys::monotonic_us();
        let next = self.next_us.load(Ordering::Relaxed);
        let claimed = now >= next
            && self
                .next_us
                .compare_exchange(next, now + 1_000_000, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !claimed {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match self.left_out.swap(0, Ordering::Relaxed) {
            0 => failed(what, error),
            n => failed(format_args!("{what} ({n} more times)"), error),
        }
    }
}
