//! The listening socket: opened as chapter 2 opens it, watched by the queue,
//! and left alone for a moment when the descriptors have run out (chapter 4).

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::cli::{self, Failure, Trying};
use crate::log;
use crate::queue::{Mode, Queue, Token, Want};
use crate::sys::{self, Fd};

/// How many finished connections may wait for `accept`. The kernel clamps it.
const BACKLOG: i32 = 1024;

/// How long to leave the listener alone when there is no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// A non-blocking listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: Fd,
    /// What the queue calls it.
    pub token: Token,
    /// For what `accept` says when it fails.
    pub errors: log::Repeated,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Watched,
    /// Not watched until then.
    PausedUntil(Instant),
    /// Not watched until somebody says so.
    Paused,
}

impl Listener {
    // ANCHOR: open
    /// Opens it. From here on clients can connect; they wait in the kernel.
    ///
    /// # Errors
    /// Whatever the calls say; the words name the call and the address.
    #[track_caller]
    pub fn open(address: SocketAddr) -> Result<Listener, Failure> {
        let socket = sys::socket(address).trying("open a socket")?;
        sys::set_reuse_address(&socket).trying("set SO_REUSEADDR")?;
        Listener::listen(socket, address)
    }

    #[track_caller]
    fn listen(socket: Fd, address: SocketAddr) -> Result<Listener, Failure> {
        sys::set_nonblocking(&socket).trying("set O_NONBLOCK")?;
        sys::bind(&socket, address).trying(format_args!("bind to {address}"))?;
        sys::listen(&socket, BACKLOG).trying(format_args!("listen on {address}"))?;
        let token = Token::new(&socket);
        Ok(Listener { socket, token, errors: log::Repeated::new(), state: State::Watched })
    }
    // ANCHOR_END: open

    /// The same on a port that others of this process listen on, too.
    ///
    /// # Errors
    /// As above.
    #[track_caller]
    pub fn open_shared(address: SocketAddr) -> Result<Listener, Failure> {
        let socket = sys::socket(address).trying("open a socket")?;
        sys::set_reuse_address(&socket).trying("set SO_REUSEADDR")?;
        sys::set_reuse_port(&socket).trying("set SO_REUSEPORT")?;
        Listener::listen(socket, address)
    }

    /// Where it listens, if the port was the kernel's choice.
    ///
    /// # Errors
    /// Those of [`sys::local_address`].
    #[track_caller]
    pub fn address(&self) -> Result<SocketAddr, Failure> {
        sys::local_address(&self.socket).trying("ask for the port")
    }

    /// Says on stdout where it can be reached; for when all is ready.
    ///
    /// # Errors
    /// Those of [`sys::local_address`].
    #[track_caller]
    pub fn announce(&self) -> Result<(), Failure> {
        cli::announce(self.address()?);
        Ok(())
    }

    // ANCHOR: accept
    /// Accepts one client and makes it non-blocking. A signal that came first
    /// (`EINTR`) is no error: nothing is lost, and nobody accepted.
    ///
    /// # Errors
    /// Those of [`sys::accept`]; `EAGAIN` says that nobody is waiting.
    #[track_caller]
    pub fn accept(&self) -> io::Result<(Fd, SocketAddr)> {
        loop {
            match sys::accept(&self.socket) {
                Ok((client, peer)) => {
                    sys::set_nonblocking(&client)?;
                    return Ok((client, peer));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    // ANCHOR_END: accept

    /// The socket itself.
    pub fn socket(&self) -> &Fd {
        &self.socket
    }

    /// Has the queue say when somebody is waiting; in [`Mode::Level`] it says so
    /// again while somebody still is.
    ///
    /// # Errors
    /// Those of [`Queue::add`].
    #[track_caller]
    pub fn watch(&self, queue: &Queue, mode: Mode) -> Result<(), Failure> {
        let watch = queue.add(&self.socket, self.token, Want::Read, mode);
        watch.trying("watch the listener")
    }

    // ANCHOR: pause
    /// Stops watching for a moment. Without a descriptor nobody can be
    /// accepted, and a listener that stays readable would make the loop spin.
    #[track_caller]
    pub fn pause(&mut self, queue: &Queue) {
        self.unwatch(queue, State::PausedUntil(Instant::now() + PAUSE));
    }

    /// Stops watching until [`Listener::end_pause`].
    #[track_caller]
    pub fn pause_until_told(&mut self, queue: &Queue) {
        self.unwatch(queue, State::Paused);
    }

    #[track_caller]
    fn unwatch(&mut self, queue: &Queue, state: State) {
        self.state = state;
        if let Err(error) = queue.delete(&self.socket) {
            self.errors.failed("pause the listener", &error);
        }
    }

    /// There may be a descriptor again: the pause, if there is one, is over.
    pub fn cut_pause_short(&mut self) {
        if self.is_paused() {
            self.state = State::PausedUntil(Instant::now());
        }
    }

    /// Ends the pause, if there is one, now.
    #[track_caller]
    pub fn end_pause(&mut self, queue: &Queue) {
        self.cut_pause_short();
        self.resume(queue);
    }

    /// Watches again when the pause is over. If that fails (`ENOMEM`), the pause
    /// goes on.
    #[track_caller]
    pub fn resume(&mut self, queue: &Queue) {
        let State::PausedUntil(end) = self.state else { return };
        let now = Instant::now();
        if now < end {
            return;
        }
        self.state = match queue.add(&self.socket, self.token, Want::Read, Mode::Level) {
            Ok(()) => State::Watched,
            Err(error) => {
                self.errors.failed("watch the listener", &error);
                // EEXIST: the delete before the pause had failed.
                let _ = queue.delete(&self.socket);
                State::PausedUntil(now + PAUSE)
            }
        };
    }

    /// Whether somebody may be waiting for whom there was no room.
    pub fn is_paused(&self) -> bool {
        self.state != State::Watched
    }

    /// How long the next wait may last: until the pause is over, if it has an
    /// end; else for ever.
    pub fn patience(&self) -> Option<Duration> {
        match self.state {
            State::PausedUntil(end) => Some(end.saturating_duration_since(Instant::now())),
            State::Watched | State::Paused => None,
        }
    }
    // ANCHOR_END: pause

    /// Stops watching and closes. A connection that is still in the accept
    /// queue is *reset* by this: accept them all first.
    #[track_caller]
    pub fn close(self, queue: &Queue) {
        log::check("delete the listener", queue.delete(&self.socket));
        sys::close(self.socket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_could_not_be_taken_out_is_watched_again() {
        let queue = Queue::new().unwrap();
        let mut listener = Listener::open(([127, 0, 0, 1], 0).into()).unwrap();
        listener.watch(&queue, Mode::Level).unwrap();
        listener.state = State::PausedUntil(Instant::now()); // but the delete has failed
        for _ in 0..2 {
            listener.end_pause(&queue); // epoll: EEXIST; kqueue: it may be added again
        }
        assert!(!listener.is_paused());
        listener.pause(&queue);
        assert!(listener.is_paused());
        listener.end_pause(&queue);
        assert!(!listener.is_paused());
    }
}
