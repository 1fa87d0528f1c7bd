//! What stands on either side of a connection: bytes read, bytes to write.

use crate::http::{Body, Head, Limits, Parsed, Response};

/// Answers are gathered up to this size, then written at once.
pub(super) const WRITE_SIZE: usize = 64 * 1024;

/// An empty buffer keeps so much memory at most.
const KEPT: usize = 4 * 1024;

/// Bytes read.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) bytes: Vec<u8>,
    /// Those before this position belong to requests already answered.
    pub(super) start: usize,
    /// The head at `start`, once it is complete (its body may not be), or why
    /// there is none.
    pub(super) head: Option<Result<Head, Response>>,
    /// The client will send no more (`read` returned 0).
    pub(super) ended: bool,
}

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

impl Input {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The bytes before `end` are answered.
    pub(super) fn consume(&mut self, end: usize) {
        self.start = end;
        if self.start == self.bytes.len() {
            self.start = 0;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT); // an idle connection keeps no large buffer
        }
    }

    pub(super) fn has_request(&mut self, limits: &Limits) -> bool {
        let rest = &self.bytes[self.start..];
        if self.head.is_none() && !rest.is_empty() {
            self.head = match Head::parse(rest, limits) {
                Parsed::Complete(head) => Some(Ok(head)),
                Parsed::Refused(response) => Some(Err(response)),
                Parsed::Partial => None,
            };
        }
        match &self.head {
            Some(Ok(head)) => rest.len() - head.length >= head.body_length,
            Some(Err(_)) => true,
            None => false,
        }
    }

    /// Whether the client waits to be told that it may send the body (RFC 9110
    /// §10.1.1); says so once per request.
    pub(super) fn takes_continue(&mut self) -> bool {
        let rest = self.bytes.len() - self.start;
        match &mut self.head {
            Some(Ok(head)) if rest - head.length < head.body_length => {
                std::mem::take(&mut head.expects_continue)
            }
            _ => false,
        }
    }
}

impl Output {
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.bytes.len() && self.body.is_none()
    }

    pub(super) fn is_large(&self) -> bool {
        self.body.is_some() || self.bytes.len() >= WRITE_SIZE
    }

    /// Makes the next piece of the body into bytes if all others are written;
    /// returns whether there are bytes to write.
    pub(super) fn refill(&mut self) -> bool {
        if self.start == self.bytes.len() {
            self.start = 0;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
        }
        if let Some((body, made)) = &mut self.body
            && self.bytes.len() < WRITE_SIZE
        {
            let before = self.bytes.len();
            body.piece(*made, WRITE_SIZE - before, &mut self.bytes);
            *made += self.bytes.len() - before;
            if *made == body.len() {
                self.body = None;
            }
        }
        self.start < self.bytes.len()
    }
}
