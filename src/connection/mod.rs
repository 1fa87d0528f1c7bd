//! One client: what was read from it and not yet understood, what is still to
//! be written to it.
//!
//! TCP carries a stream of bytes, not messages. One `read` may return half a
//! request, or three of them; one `write` may take half an answer. A connection
//! keeps the rest on both sides. It never waits and never closes itself: who has
//! it decides what happens next.

mod buffers;
mod ending;
mod spare;

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use crate::http::{Limits, Method, Refused, Request, Response};
use crate::queue::Token;
use crate::sys::{self, Fd};
use crate::table::Client;
use buffers::{Input, Output};
pub use buffers::{READ_SIZE, most_memory};
pub use ending::Patience;
use ending::Waits;

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    token: Token,
    socket: Fd,
    /// The client's address, for messages.
    pub peer: SocketAddr,
    limits: Limits,
    input: Input,
    output: Output,
    state: State,
    /// The client asked for a close after the answer to its last request.
    wishes_to_close: bool,
    /// A refusal has been answered; for who keeps a log.
    pub refused: Option<Box<Refused>>,
    waits: Waits,
    /// Since when it has been waiting so.
    since: Instant,
    /// Something was completed since then.
    progress: bool,
    is_looked_at: bool, // once more before it is armed
    last_look: bool,    // by the drain, for what has arrived
    written: u32,       // bytes given to the kernel, modulo 2^32
    taken: u32,         // of these, acknowledged at the last look
}

/// How far the talk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Requests are answered.
    Open,
    /// The last answer is given.
    Closing,
    /// FIN is sent; what the client still sends is thrown away.
    Leaving,
}

/// What a connection wants after its turn; who has it sees to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// To be told when there is something to read.
    Read,
    /// To be told when there is room to write.
    Write,
    /// Another turn. What is left stands in our own buffers: no kernel would
    /// ever report it.
    Again,
    /// To be closed.
    Close,
}

/// How far [`Connection::send`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Everything is in the kernel's hands.
    All,
    /// The send buffer is full (`EAGAIN`): the client reads too slowly.
    Full,
    /// There is more, and perhaps room for it; but it is somebody else's turn.
    More,
}

impl Client for Connection {
    fn token(&self) -> Token {
        self.token
    }

    fn socket(&self) -> &Fd {
        &self.socket
    }

    fn into_socket(self) -> Fd {
        self.socket
    }

    fn is_owed(&self) -> bool {
        !self.output.is_empty() || self.state == State::Leaving
    }
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(socket: Fd, peer: SocketAddr, limits: Limits) -> Connection {
        Connection {
            token: Token::new(&socket),
            socket,
            peer,
            limits,
            input: Input::default(),
            output: Output::default(),
            state: State::Open,
            wishes_to_close: false,
            refused: None,
            waits: Waits::Head,
            since: Instant::now(),
            progress: false,
            is_looked_at: false,
            last_look: false,
            written: 0,
            taken: 0,
        }
    }

    // ANCHOR: read
    /// Reads until there is nothing more (`EAGAIN`, EOF) or about `most` bytes
    /// have come. Does nothing while something is left to answer or to send: who
    /// does not take answers is not asked for more questions.
    ///
    /// # Errors
    /// `ECONNRESET` and the like: the connection is gone.
    #[track_caller]
    pub fn read_to_eagain(&mut self, most: usize) -> io::Result<()> {
        self.read_while(most, |n| n > 0)
    }

    /// The same, but a *short* read ends it, too: it has emptied the receive
    /// buffer, so the next one could only say `EAGAIN`. What arrives in between
    /// is not lost, because arming the descriptor again looks.
    ///
    /// # Errors
    /// As above.
    #[track_caller]
    pub fn read_to_short(&mut self, most: usize) -> io::Result<()> {
        self.read_while(most, |n| n == READ_SIZE)
    }

    #[track_caller]
    fn read_while(&mut self, most: usize, go_on: impl Fn(usize) -> bool) -> io::Result<()> {
        if self.has_request() || !self.output.is_empty() {
            return Ok(());
        }
        let mut received = 0;
        while received < most {
            let n = self.read()?;
            received += n;
            if !go_on(n) {
                break;
            }
        }
        Ok(())
    }

    /// For the drain: whether one more request has arrived. Looks for it in the
    /// kernel, too, once and for about `most` bytes: what a client goes on sending
    /// has not arrived before the stop. Reads although answers may wait to be sent.
    ///
    /// # Errors
    /// As above.
    #[track_caller]
    pub fn has_arrived(&mut self, most: usize) -> io::Result<bool> {
        self.is_looked_at = false; // by this
        if !self.has_request() && self.state == State::Open && !self.last_look {
            self.last_look = true;
            let mut received = 0;
            while received < most {
                match self.read()? {
                    0 => break,
                    n => received += n,
                }
            }
        }
        Ok(self.has_request())
    }

    /// One `read`; 0 if nothing came.
    #[track_caller]
    fn read(&mut self) -> io::Result<usize> {
        loop {
            match sys::read(&self.socket, self.input.room()) {
                Ok(n) => {
                    self.input.came(n);
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                // A signal came first: nothing is lost, and nothing read.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    // ANCHOR_END: read

    // ANCHOR: next_request
    /// Whether there is something to answer among the bytes read: a complete
    /// request, or one that breaks the rules.
    pub fn has_request(&mut self) -> bool {
        self.state == State::Open && self.input.has_request(&self.limits)
    }

    /// The oldest complete request among the bytes read. One that breaks the
    /// rules is answered here, and is the last one answered. `None` also while so
    /// much is to be sent that sending comes first.
    pub fn next_request(&mut self) -> Option<Request<'_>> {
        if self.output.is_large() || !self.has_request() {
            return None;
        }
        self.progress = true;
        if let Some(refusal) = self.input.take_refusal() {
            // What is answered must not depend on the pieces in which it came.
            let n = self.input.bytes().len().min(self.limits.line);
            let refused = Refused::new(refusal, &self.input.bytes()[..n]);
            self.wishes_to_close = false;
            self.state = State::Closing;
            self.output.answer(refusal.response(), refused.method, false);
            self.refused = Some(Box::new(refused));
            return None;
        }
        let request = self.input.take_request()?;
        self.wishes_to_close = !request.head.keep_alive;
        Some(request)
    }
    // ANCHOR_END: next_request

    /// Queues an answer. Without `keep_alive` it is the last one.
    pub fn answer(&mut self, response: Response, method: Method, keep_alive: bool) {
        let keep_alive = keep_alive && self.state == State::Open;
        if !keep_alive {
            self.state = State::Closing;
        }
        self.output.answer(response, method, keep_alive);
    }

    // ANCHOR: send
    /// Writes until everything is written, the send buffer is full, or about
    /// `most` bytes are through. Then, and not after the last answer, it is the
    /// turn of a client that waits to be told to go on.
    ///
    /// # Errors
    /// `EPIPE`, `ECONNRESET`: the connection is gone. An error of a file whose
    /// length was promised already.
    #[track_caller]
    pub fn send(&mut self, most: usize) -> io::Result<Sent> {
        let mut sent = 0;
        while self.output.refill()? || self.queue_continue() {
            if sent >= most {
                return Ok(Sent::More);
            }
            match sys::write(&self.socket, &self.output.bytes[self.output.start..]) {
                Ok(n) => {
                    self.output.start += n;
                    self.written = self.written.wrapping_add(n as u32);
                    self.progress = true;
                    sent += n;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Sent::Full),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.input.tidy();
        self.output.tidy();
        Ok(Sent::All)
    }

    /// Queues a `100 Continue` if the client waits for one. Here and not where requests are
    /// looked for: those before it may have used up the turn, and then nobody looks.
    fn queue_continue(&mut self) -> bool {
        let waits = !self.is_finished() && self.input.takes_continue();
        if waits {
            self.output.room().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        waits
    }
    // ANCHOR_END: send

    /// Bytes of memory in its buffers.
    pub fn memory(&self) -> usize {
        self.input.memory() + self.output.bytes.capacity()
    }
}

#[cfg(test)]
mod tests;
