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
    /// It is not watched until then.
    paused_until: Option<Instant>,
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
        sys::set_nonblocking(&socket).trying("set O_NONBLOCK")?;
        sys::bind(&socket, address).trying(format_args!("bind to {address}"))?;
        sys::listen(&socket, BACKLOG).trying(format_args!("listen on {address}"))?;
        let token = Token::new(&socket);
        Ok(Listener { socket, token, errors: log::Repeated::new(), paused_until: None })
    }
    // ANCHOR_END: open

    /// Says on stdout where it can be reached; for when all is ready.
    ///
    /// # Errors
    /// Those of [`sys::local_address`].
    #[track_caller]
    pub fn announce(&self) -> Result<(), Failure> {
        cli::announce(sys::local_address(&self.socket).trying("ask for the port")?);
        Ok(())
    }

    // ANCHOR: accept
    /// Accepts one client and makes it non-blocking.
    ///
    /// # Errors
    /// Those of [`sys::accept`]; `EAGAIN` says that nobody is waiting.
    #[track_caller]
    pub fn accept(&self) -> io::Result<(Fd, SocketAddr)> {
        let (client, peer) = sys::accept(&self.socket)?;
        sys::set_nonblocking(&client)?;
        Ok((client, peer))
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
    ///
    /// # Errors
    /// Those of [`Queue::delete`].
    #[track_caller]
    pub fn pause(&mut self, queue: &Queue) -> Result<(), Failure> {
        self.paused_until = Some(Instant::now() + PAUSE);
        queue.delete(&self.socket).trying("pause the listener")
    }

    /// A descriptor has come free: the pause, if there is one, is over.
    pub fn cut_pause_short(&mut self) {
        self.paused_until = self.paused_until.map(|_| Instant::now());
    }

    /// Ends the pause, if there is one, now.
    ///
    /// # Errors
    /// Those of [`Queue::add`].
    #[track_caller]
    pub fn end_pause(&mut self, queue: &Queue) -> Result<(), Failure> {
        self.cut_pause_short();
        self.resume(queue)
    }

    /// Watches again when the pause is over.
    ///
    /// # Errors
    /// Those of [`Queue::add`].
    #[track_caller]
    pub fn resume(&mut self, queue: &Queue) -> Result<(), Failure> {
        if self.paused_until.is_none_or(|end| Instant::now() < end) {
            return Ok(());
        }
        self.paused_until = None;
        self.watch(queue, Mode::Level)
    }

    /// Whether somebody may be waiting for whom there was no descriptor.
    pub fn is_paused(&self) -> bool {
        self.paused_until.is_some()
    }

    /// How long the next wait may last: until the pause is over, if there is
    /// one; else for ever.
    pub fn patience(&self) -> Option<Duration> {
        self.paused_until.map(|end| end.saturating_duration_since(Instant::now()))
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
