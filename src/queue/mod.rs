//! The kernel's event queue behind one small interface: kqueue on macOS and
//! the BSDs, epoll on Linux.
//!
//! The server tells the kernel which descriptors matter ([`Queue::add`]) and
//! then asks one question in its loop: which of them are ready?
//! ([`Queue::wait`]). The kernel keeps the list, so neither the question nor the
//! answer grows with the number of clients that have nothing to say.
//!
//! | | kqueue | epoll |
//! |---|---|---|
//! | [`Queue::new`] | `kqueue()` | `epoll_create1(EPOLL_CLOEXEC)` |
//! | [`Queue::add`] | `kevent` with `EV_ADD` | `epoll_ctl` with `EPOLL_CTL_ADD` |
//! | [`Queue::rearm`] | `kevent` with `EV_ADD\|EV_ONESHOT` | `epoll_ctl` with `EPOLL_CTL_MOD` |
//! | [`Queue::delete`] | `kevent` with `EV_DELETE` | `epoll_ctl` with `EPOLL_CTL_DEL` |
//! | [`Queue::wait`] | `kevent` with an event list | `epoll_wait` |
//!
//! Two rules that the interface cannot enforce: *one* thread waits (any thread
//! may register), and a descriptor that is armed is deleted *before* it is closed.
//! epoll goes on reporting a closed number while a duplicate of it lives
//! (epoll(7)), and libkqueue cannot see a close at all. (A oneshot that has fired
//! is armed for nothing: kqueue has dropped it, epoll drops it at the close, as
//! long as nobody duplicated the descriptor.)
#![allow(unsafe_code)]

#[cfg(epoll)]
mod epoll;
#[cfg(kqueue)]
mod kqueue;
#[cfg(all(kqueue, target_os = "linux"))]
mod libkqueue;
mod poll;

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(epoll)]
pub use epoll::{Events, NAME, Queue};
#[cfg(kqueue)]
pub use kqueue::{Events, NAME, Queue};

pub use poll::poll;

use crate::sys::Fd;
use crate::trace;

// A token is a generation and a descriptor in one word, and that word must fit
// into what both kernels carry for us (`udata`: a pointer; `u64`).
const _: () = assert!(usize::BITS >= 64, "these servers need a 64-bit target");

// ANCHOR: token
/// Names one connection for its whole life. The kernel carries it and gives it
/// back with each event.
///
/// A descriptor alone would not do: event 3 of a batch may close descriptor 9,
/// `accept` may hand number 9 to somebody else, and event 7 of the same batch
/// still says 9. The generation in the upper half tells the two apart; it comes
/// round after 2^32 connections, long after any batch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(u64);

impl Token {
    /// A token that no other connection has or had.
    pub fn new(fd: &Fd) -> Token {
        static GENERATION: AtomicU32 = AtomicU32::new(1);
        let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
        Token(u64::from(generation) << 32 | u64::from(fd.raw() as u32))
    }
    // ANCHOR_END: token

    /// The descriptor in the lower half.
    pub fn fd(self) -> RawFd {
        self.0 as u32 as RawFd
    }

    fn generation(self) -> u64 {
        self.0 >> 32
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({}#{})", self.fd(), self.generation())
    }
}

// ANCHOR: want_and_mode
/// What to be told about a descriptor. Never both at once: kqueue keeps reading
/// and writing as two entries, and one wait could return both, so that two
/// workers would own one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// There is something to read, or to accept, or EOF, or an error.
    Read,
    /// There is room in the send buffer, or an error.
    Write,
}

/// How often to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every wait reports it for as long as it is so.
    Level,
    /// Only a change is reported; who does not drain it loses the rest.
    Edge,
    /// Reported once, then silent until [`Queue::rearm`].
    Oneshot,
}
// ANCHOR_END: want_and_mode

// ANCHOR: event
/// One descriptor that is ready.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// Whose.
    pub token: Token,
    /// Reading will not block; it may still find EOF, an error, or nothing.
    pub readable: bool,
    /// Writing will not block; it may still find an error.
    pub writable: bool,
}
// ANCHOR_END: event

impl Event {
    /// `client 7 readable`, for the trace.
    fn describe(&self) -> String {
        let ready = match (self.readable, self.writable) {
            (true, true) => "readable and writable",
            (true, false) => "readable",
            (false, true) => "writable",
            (false, false) => "in error",
        };
        format!("{} {ready}", trace::who(self.token.fd()))
    }
}

/// What the trace says about the result of a wait: a remark and JSON fields.
fn tell(events: impl Iterator<Item = Event> + Clone) -> (String, String) {
    let said: Vec<String> = events.clone().map(|e| e.describe()).collect();
    let fields: Vec<String> = events
        .map(|e| {
            format!(
                "{{\"fd\":{},\"generation\":{},\"readable\":{},\"writable\":{}}}",
                e.token.fd(),
                e.token.generation(),
                e.readable,
                e.writable
            )
        })
        .collect();
    (format!("[{}]", said.join(", ")), format!("\"op\":\"wait\",\"events\":[{}]", fields.join(",")))
}

/// JSON fields of a registration.
fn registration(op: &str, token: Option<Token>, want: Option<Want>, mode: Option<Mode>) -> String {
    let mut fields = format!("\"op\":\"{op}\"");
    if let Some(token) = token {
        fields.push_str(&format!(",\"generation\":{}", token.generation()));
    }
    if let Some(want) = want {
        fields.push_str(&format!(",\"want\":\"{want:?}\""));
    }
    if let Some(mode) = mode {
        fields.push_str(&format!(",\"mode\":\"{mode:?}\""));
    }
    fields.to_lowercase()
}

#[cfg(test)]
mod tests;
