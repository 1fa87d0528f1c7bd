//! One client: what was read from it and not yet understood, what is still to
//! be written to it.
//!
//! TCP carries a stream of bytes, not messages. One `read` may return half a
//! request, or three of them; one `write` may take half an answer. A connection
//! keeps the rest on both sides. It never waits and never closes itself: who has
//! it decides what happens next.

mod buffers;

use std::io;
use std::net::SocketAddr;

use crate::http::{Body, Head, Limits, Method, Response};
use crate::queue::Token;
use crate::sys::{self, Fd};
use crate::table::Client;
use buffers::{Input, Output};

/// How much one `read` asks for.
pub const READ_SIZE: usize = 16 * 1024;

/// How many reads a last goodbye may take.
const DISCARD_READS: usize = 16;

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
    /// Nothing more will be answered; close once the output is written.
    closing: bool,
}

/// A complete request.
#[derive(Debug)]
pub struct Request {
    /// Request line and header fields.
    pub head: Head,
    /// The content that came with it.
    pub body: Vec<u8>,
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

    fn owes_output(&self) -> bool {
        !self.output.is_empty()
    }
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(socket: Fd, peer: SocketAddr, limits: Limits) -> Connection {
        let token = Token::new(&socket);
        let (input, output) = (Input::default(), Output::default());
        Connection { token, socket, peer, limits, input, output, closing: false }
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
        if self.has_request() || self.owes_output() {
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

    /// For the drain: whether one more request has arrived, be it that its bytes
    /// are still in the kernel. Reads although answers may wait to be sent.
    ///
    /// # Errors
    /// As above.
    #[track_caller]
    pub fn has_arrived(&mut self, most: usize) -> io::Result<bool> {
        let mut received = 0;
        while !self.has_request() && !self.closing && received < most {
            match self.read()? {
                0 => break,
                n => received += n,
            }
        }
        Ok(self.has_request())
    }

    /// One `read`; 0 if nothing came.
    #[track_caller]
    fn read(&mut self) -> io::Result<usize> {
        let mut buffer = [0; READ_SIZE];
        match sys::read(&self.socket, &mut buffer) {
            Ok(0) => {
                self.input.ended = true;
                Ok(0)
            }
            Ok(n) => {
                self.input.push(&buffer[..n]);
                Ok(n)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }
    // ANCHOR_END: read

    // ANCHOR: next_request
    /// Whether there is something to answer among the bytes read: a complete
    /// request, or one that breaks the rules.
    pub fn has_request(&mut self) -> bool {
        !self.closing && self.input.has_request(&self.limits)
    }

    /// The oldest complete request among the bytes read. One that breaks the
    /// rules is answered here, and is the last one answered. `None` also while so
    /// much is to be sent that sending comes first.
    pub fn next_request(&mut self) -> Option<Request> {
        if self.output.is_large() || !self.has_request() {
            return None;
        }
        match self.input.head.take()? {
            Ok(head) => {
                let body = self.input.start + head.length;
                let end = body + head.body_length;
                let body = self.input.bytes[body..end].to_vec();
                self.input.consume(end);
                Some(Request { head, body })
            }
            Err(refusal) => {
                self.answer(refusal, Method::Other, false);
                None
            }
        }
    }
    // ANCHOR_END: next_request

    /// Queues an answer. Without `keep_alive` it is the last one.
    pub fn answer(&mut self, response: Response, method: Method, keep_alive: bool) {
        let keep_alive = keep_alive && !self.closing;
        self.closing = !keep_alive;
        self.output.bytes.extend_from_slice(response.head(keep_alive).as_bytes());
        if method == Method::Head {
            return;
        }
        match response.body {
            Body::Bytes(bytes) => self.output.bytes.extend_from_slice(&bytes),
            body @ Body::Pattern(_) => self.output.body = Some((body, 0)),
        }
    }

    // ANCHOR: send
    /// Writes until everything is written, the send buffer is full, or about
    /// `most` bytes are through. Then, and not after the last answer, it is the
    /// turn of a client that waits to be told to go on.
    ///
    /// # Errors
    /// `EPIPE`, `ECONNRESET`: the connection is gone.
    #[track_caller]
    pub fn send(&mut self, most: usize) -> io::Result<Sent> {
        let mut sent = 0;
        while self.output.refill() || self.queue_continue() {
            if sent >= most {
                return Ok(Sent::More);
            }
            match sys::write(&self.socket, &self.output.bytes[self.output.start..]) {
                Ok(n) => {
                    self.output.start += n;
                    sent += n;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Sent::Full),
                Err(error) => return Err(error),
            }
        }
        Ok(Sent::All)
    }

    /// Queues a `100 Continue` if the client waits for one. It stands here and
    /// not where requests are looked for: those that arrived before it may have
    /// used up the turn, and then nobody looks until the client says more.
    fn queue_continue(&mut self) -> bool {
        let waits = !self.is_finished() && self.input.takes_continue();
        if waits {
            self.output.bytes.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        waits
    }
    // ANCHOR_END: send

    /// Before a close that the server begins: sends FIN, so that the client knows
    /// the answer is whole, and takes unread bytes out of the receive buffer. A
    /// close that finds some there sends RST, and what the client has not read by
    /// then is lost to it (RFC 9112 §9.6). Bytes that come later still do that
    /// harm: to wait for them takes a deadline.
    #[track_caller]
    pub fn hang_up(&mut self) {
        if self.input.ended {
            return; // the client began; it sends no more
        }
        // ENOTCONN (usual on macOS): the client has gone already.
        let _ = sys::shutdown_write(&self.socket);
        let mut buffer = [0; READ_SIZE];
        for _ in 0..DISCARD_READS {
            if !matches!(sys::read(&self.socket, &mut buffer), Ok(READ_SIZE)) {
                break;
            }
        }
    }

    /// How much memory its buffers hold, in bytes.
    pub fn memory(&self) -> usize {
        self.input.bytes.capacity() + self.output.bytes.capacity()
    }

    /// Nothing more will be read or answered: the last answer is given, or the
    /// client has ended its side and its last complete request is answered.
    pub fn is_finished(&self) -> bool {
        self.closing || self.input.ended
    }
}

#[cfg(test)]
mod tests;
