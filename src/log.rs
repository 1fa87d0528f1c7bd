//! Lines for the person who runs the server: on stderr, each in one write.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

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

/// Errors that may come back thousands of times a second: says each kind once, then at
/// most once a second, with how often it was left out. A kind is an errno.
#[derive(Debug, Default)]
pub struct Repeated {
    kinds: [Kind; KINDS],
}

/// How many kinds are told apart; further ones count as one with the last.
const KINDS: usize = 6;

#[derive(Debug, Default)]
struct Kind {
    /// 0 if there was none yet; [`NO_ERRNO`] for an error that is no system call's.
    errno: AtomicI32,
    next_us: AtomicU64,
    left_out: AtomicU64,
}

const NO_ERRNO: i32 = -1;

impl Kind {
    const fn new() -> Kind {
        let (errno, next_us) = (AtomicI32::new(0), AtomicU64::new(0));
        Kind { errno, next_us, left_out: AtomicU64::new(0) }
    }

    /// Whether it is of this kind, or of none yet and now of this.
    fn is(&self, errno: i32) -> bool {
        match self.errno.compare_exchange(0, errno, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => true,
            Err(already) => already == errno,
        }
    }
}

impl Repeated {
    /// Nothing said yet.
    pub const fn new() -> Repeated {
        Repeated { kinds: [const { Kind::new() }; KINDS] }
    }

    /// Prints what failed and why, or counts it.
    #[track_caller]
    pub fn failed(&self, what: impl fmt::Display, error: &io::Error) {
        let errno = error.raw_os_error().unwrap_or(NO_ERRNO);
        let kind = self.kinds.iter().find(|kind| kind.is(errno));
        let Kind { next_us, left_out, .. } = kind.unwrap_or(&self.kinds[KINDS - 1]);
        let now = sys::monotonic_us();
        let next = next_us.load(Ordering::Relaxed);
        let claimed = now >= next
            && next_us
                .compare_exchange(next, now + 1_000_000, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !claimed {
            left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match left_out.swap(0, Ordering::Relaxed) {
            0 => failed(what, error),
            n => failed(format_args!("{what} (and {n} more of the kind, not printed)"), error),
        }
    }

    /// At the end: how many of each kind were left out, and not told since.
    #[track_caller]
    pub fn flush(&self, what: impl fmt::Display) {
        for Kind { errno, left_out, .. } in &self.kinds {
            match (left_out.swap(0, Ordering::Relaxed), errno.load(Ordering::Relaxed)) {
                (0, _) => {}
                (n, NO_ERRNO) => line(format_args!("{what}: {n} more, not printed")),
                (n, errno) => failed(
                    format_args!("{what}: {n} more, not printed"),
                    &io::Error::from_raw_os_error(errno),
                ),
            }
        }
    }
}
