//! Stop is an event: a flag that says so, and a wake-up that makes main look.
//!
//! A signal handler may do next to nothing (signal-safety(7)): it must not lock,
//! allocate or print. So the handler sets a flag and sends one byte into a
//! socket pair; the other end is watched by the queue like any socket.
//!
//! It takes both. The byte alone would have to be understood; the flag alone can
//! be set in the instant between main's look at it and main's sleep, or be set
//! while a *worker* runs the handler, and then main sleeps on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

use crate::cli::{Failure, Trying};
use crate::queue::{Mode, Queue, Token, Want};
use crate::sys::{self, Fd};

/// How often to try to wake main when there is no memory for it.
const WAKE_TRIES: usize = 16;

/// A request to stop, by SIGINT or SIGTERM.
#[derive(Debug)]
pub struct Stop {
    requested: Arc<AtomicBool>,
    /// What the queue calls the watched end.
    pub token: Token,
    watched: Fd,
    waker: Fd,
    /// The handlers that write, to be taken out before the end.
    writers: Vec<SigId>,
}

impl Stop {
    // ANCHOR: on_signals
    /// Installs the handlers. Do so before any thread is started.
    ///
    /// The handlers of one signal run in the order in which they are registered:
    /// first the one that ends the process *if* the flag is set already (a
    /// second Ctrl-C: exit status 130, for SIGTERM 143), then the one that sets
    /// it, then the one that wakes main.
    ///
    /// # Errors
    /// `EMFILE`, or what sigaction(2) says.
    #[track_caller]
    pub fn on_signals() -> Result<Stop, Failure> {
        let (watched, waker) = wake_up().trying("open a socket pair for the wake-up")?;
        let requested = Arc::new(AtomicBool::new(false));
        let install = |signal| install(signal, &requested, &waker);
        let writers = [SIGINT, SIGTERM].into_iter().map(install).collect::<io::Result<_>>();
        let writers = writers.trying("install a signal handler")?;
        let token = Token::new(&watched);
        Ok(Stop { requested, token, watched, waker, writers })
    }
    // ANCHOR_END: on_signals

    /// Has main's wait return when a signal, or a worker, has written.
    ///
    /// # Errors
    /// Those of [`Queue::add`].
    #[track_caller]
    pub fn watch(&self, queue: &Queue) -> Result<(), Failure> {
        let watch = queue.add(&self.watched, self.token, Want::Read, Mode::Level);
        watch.trying("watch the wake-up")
    }

    /// The end that becomes readable, for who does not ask the queue.
    pub fn watched(&self) -> (&Fd, Token) {
        (&self.watched, self.token)
    }

    /// Whether a stop was asked for.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    // ANCHOR: wake
    /// Makes main's wait return; any thread may call it. A full socket (`EAGAIN`)
    /// is fine: then a wake-up is on its way already. A signal that came first
    /// (`EINTR`), or no memory for the one byte (`ENOBUFS`), is not, and main
    /// would sleep on.
    #[track_caller]
    pub fn wake(&self) {
        for _ in 0..WAKE_TRIES {
            match sys::write(&self.waker, b"w") {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    }

    /// Main is awake: takes the bytes out, so that the next wait can sleep.
    #[track_caller]
    pub fn heard(&self) {
        let mut buffer = [0; 64];
        while matches!(sys::read(&self.watched, &mut buffer), Ok(n) if n == buffer.len()) {}
    }
    // ANCHOR_END: wake

    /// Closes everything. A second Ctrl-C still ends the process at once.
    #[track_caller]
    pub fn close(self) {
        for writer in self.writers {
            low_level::unregister(writer); // closes the descriptor it was given
        }
        sys::close(self.watched);
        sys::close(self.waker);
    }
}

// ANCHOR: wake_up
#[track_caller]
fn wake_up() -> io::Result<(Fd, Fd)> {
    let (watched, waker) = sys::socket_pair()?;
    for end in [&watched, &waker] {
        sys::set_nonblocking(end)?;
        sys::set_cloexec(end)?;
    }
    Ok((watched, waker))
}
// ANCHOR_END: wake_up

// ANCHOR: install
#[track_caller]
fn install(signal: i32, requested: &Arc<AtomicBool>, waker: &Fd) -> io::Result<SigId> {
    flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(requested))?;
    flag::register(signal, Arc::clone(requested))?;
    // signal-hook owns the descriptor it writes to, so it gets one of its own.
    low_level::pipe::register_raw(signal, sys::duplicate(waker)?.into())
}
// ANCHOR_END: install
