//! What stands on either side of a connection: bytes read, bytes to write.

use std::io;

use crate::http::{
    Body, Chunks, Framing, Head, Limits, Method, Parsed, Refusal, Request, Response,
};
use crate::log;

use super::spare;

/// How much one `read` asks for.
pub const READ_SIZE: usize = 16 * 1024;

/// Answers are gathered up to this size, then written at once.
pub(super) const WRITE_SIZE: usize = 64 * 1024;

/// What a thread lends a connection to read into: for one `read`, behind the
/// largest part of a head.
pub(super) const ROOM: usize = 2 * READ_SIZE;

/// A thread keeps no larger buffer to write from.
pub(super) const MOST_OUTPUT: usize = WRITE_SIZE + ANSWER_HEAD;

/// Up to so many bytes left over are copied out of the room that was lent.
const COPIED: usize = 4 * 1024;

/// The field lines of one answer; the longest is a Location: the target of the
/// request, percent-encoded.
const ANSWER_HEAD: usize = 32 * 1024;

// ANCHOR: most_memory
/// The most memory that the buffers of one connection ever hold, in bytes, if a
/// turn reads `turn` bytes at most.
///
/// It reads only while it has no complete request: to less than a head and a
/// body come one turn's bytes and room for one more read. It answers only while
/// less than a write's worth waits: to that comes one answer, which may return a
/// whole body. A `Vec` that grows doubles, so each may be twice as large. For so
/// much it takes a client that sends the largest body and reads no answer; an
/// idle connection has given it all back.
pub fn most_memory(limits: &Limits, turn: usize) -> usize {
    let input = limits.head + limits.body + turn + 2 * READ_SIZE;
    let output = WRITE_SIZE + ANSWER_HEAD + limits.body;
    2 * (input + output)
}
// ANCHOR_END: most_memory

/// Bytes read.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// Room, all of it initialised; `start..end` of it holds bytes not yet answered.
    room: Vec<u8>,
    start: usize,
    end: usize,
    /// The head at `start`, once it is complete (its body may not be), or why
    /// there is none.
    head: Option<Result<Head, Refusal>>,
    /// How far the body has come, if it comes in chunks. Their content is moved
    /// together behind the head.
    chunks: Chunks,
    /// The client will send no more (`read` returned 0).
    pub(super) ended: bool,
}

// ANCHOR: output
/// Bytes to write.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    /// Those before this position are written.
    pub(super) start: usize,
    /// What follows them, and how much of it has been made into bytes. Nothing
    /// can be answered meanwhile: answers go out in the order of their requests.
    pub(super) body: Option<(Body, usize)>,
}
// ANCHOR_END: output

impl Input {
    /// Room for one `read`.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.room.len() - self.end < READ_SIZE {
            let left = self.end - self.start;
            if self.room.len() < ROOM && left <= READ_SIZE {
                let mut room = spare::input();
                room[..left].copy_from_slice(self.bytes());
                self.room = room;
            } else {
                self.room.copy_within(self.start..self.end, 0);
                self.room.resize(self.room.len().max(left + READ_SIZE), 0);
            }
            (self.start, self.end) = (0, left);
        }
        &mut self.room[self.end..self.end + READ_SIZE]
    }

    /// So many bytes came.
    pub(super) fn came(&mut self, n: usize) {
        self.end += n;
        self.ended |= n == 0;
    }

    /// Bytes that are not answered.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.room[self.start..self.end]
    }

    /// Nothing has come but empty lines, which some clients send behind a body and
    /// nobody answers (RFC 9112 §2.2): no request has begun.
    pub(super) fn is_blank(&self) -> bool {
        self.bytes().iter().all(|b| matches!(b, b'\r' | b'\n'))
    }

    // ANCHOR: has_request
    pub(super) fn has_request(&mut self, limits: &Limits) -> bool {
        if self.head.is_none() && self.start < self.end {
            self.head = match Head::parse(self.bytes(), limits) {
                Parsed::Complete(head) => Some(Ok(head)),
                Parsed::Refused(refusal) => Some(Err(refusal)),
                Parsed::Partial => None,
            };
        }
        match self.head {
            Some(Ok(head)) => match head.body {
                Framing::Length(length) => self.end - self.start - head.length >= length,
                Framing::Chunked => self.has_all_chunks(head.length, limits),
            },
            Some(Err(_)) => true,
            None => false,
        }
    }

    fn has_all_chunks(&mut self, head: usize, limits: &Limits) -> bool {
        let from = self.start + head + self.chunks.content;
        match self.chunks.decode(&mut self.room[from..self.end], limits) {
            Ok(done) if done.read > done.written => {
                self.room.copy_within(from + done.read..self.end, from + done.written);
                self.end -= done.read - done.written;
            }
            Ok(_) => {}
            Err(refusal) => {
                self.refuse(refusal);
                return true;
            }
        }
        self.chunks.is_complete()
    }
    // ANCHOR_END: has_request

    /// The bytes that came are no request, for this reason.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.head = Some(Err(refusal));
    }

    /// Why the oldest bytes are no request, if [`Input::has_request`] says so for that.
    pub(super) fn take_refusal(&mut self) -> Option<Refusal> {
        self.head.take_if(|head| head.is_err())?.err()
    }

    /// The oldest request, if [`Input::has_request`] and there is no refusal to take.
    pub(super) fn take_request(&mut self) -> Option<Request<'_>> {
        let head = self.head.take()?.ok()?;
        let length = match head.body {
            Framing::Length(length) => length,
            Framing::Chunked => std::mem::take(&mut self.chunks).content,
        };
        let body = self.start + head.length;
        let request = (self.start..body, body..body + length);
        self.start = body + length;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        Some(Request::new(head, &self.room[request.0], &self.room[request.1]))
    }

    /// After a turn: gives back what was lent, and keeps what is left over.
    pub(super) fn tidy(&mut self) {
        let left = self.end - self.start;
        if left <= COPIED && self.room.len() > COPIED {
            let left_over = self.bytes().to_vec();
            spare::give_input(std::mem::replace(&mut self.room, left_over));
            (self.start, self.end) = (0, left);
        }
    }

    /// What is left of it when nobody will look at it any more.
    pub(super) fn discard(&mut self) {
        (self.start, self.end, self.head) = (0, 0, None);
    }

    /// Whether a head is complete and its body is not.
    pub(super) fn is_in_body(&self) -> bool {
        matches!(self.head, Some(Ok(_)))
    }

    /// Whether the client waits to be told that it may send the body (RFC 9110
    /// §10.1.1); says so once per request.
    pub(super) fn takes_continue(&mut self) -> bool {
        let come = self.end - self.start;
        match &mut self.head {
            Some(Ok(head)) => {
                let is_complete = match head.body {
                    Framing::Length(length) => come - head.length >= length,
                    Framing::Chunked => self.chunks.is_complete(),
                };
                !is_complete && std::mem::take(&mut head.expects_continue)
            }
            _ => false,
        }
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.room.capacity()
    }
}

impl Output {
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.bytes.len() && self.body.is_none()
    }

    pub(super) fn is_large(&self) -> bool {
        self.body.is_some() || self.bytes.len() >= WRITE_SIZE
    }

    /// The bytes, to append to.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = spare::output();
        }
        &mut self.bytes
    }

    /// Queues an answer. What is short goes out with its head, and with the
    /// answers before it; what is long is made into bytes as it is sent.
    pub(super) fn answer(&mut self, response: Response, method: Method, keep_alive: bool) {
        let before = self.room().len();
        response.append_head(keep_alive, &mut self.bytes);
        if method == Method::Head {
            return;
        }
        match response.body {
            Body::Bytes(bytes) => self.bytes.extend_from_slice(&bytes),
            body if self.bytes.len() + body.len() <= WRITE_SIZE => {
                if let Err(error) = body.piece(0, body.len(), &mut self.bytes) {
                    log::failed("read a file", &error);
                    self.bytes.truncate(before);
                    let sorry = Response::text(500, "the file cannot be read\n");
                    self.answer(sorry, method, keep_alive);
                }
            }
            body => self.body = Some((body, 0)),
        }
    }

    // ANCHOR: refill
    /// Makes the next piece of the body into bytes if all others are written;
    /// returns whether there are bytes to write.
    ///
    /// # Errors
    /// Those of [`Body::piece`].
    pub(super) fn refill(&mut self) -> io::Result<bool> {
        if self.start == self.bytes.len() {
            self.start = 0;
            self.bytes.clear();
        }
        if let Some((body, made)) = &mut self.body
            && self.bytes.len() < WRITE_SIZE
        {
            let before = self.bytes.len();
            body.piece(*made, WRITE_SIZE - before, &mut self.bytes)?;
            *made += self.bytes.len() - before;
            if *made == body.len() {
                self.body = None;
            }
        }
        Ok(self.start < self.bytes.len())
    }
    // ANCHOR_END: refill

    /// After a turn: gives back what was lent.
    pub(super) fn tidy(&mut self) {
        if self.is_empty() {
            self.start = 0;
            spare::give_output(std::mem::take(&mut self.bytes));
        }
    }
}

/// Whatever ends a connection, the thread has its room again.
impl Drop for Input {
    fn drop(&mut self) {
        spare::give_input(std::mem::take(&mut self.room));
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        spare::give_output(std::mem::take(&mut self.bytes));
    }
}
