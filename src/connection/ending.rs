//! How long a connection may wait for what, and how it is left.
//!
//! Whoever waits for a client's bytes without a limit can be kept waiting by a
//! client that sends none, or one a minute. So each kind of waiting has an end.
//! The end of a head's waiting covers the whole head: a byte now and then does
//! not put it off.

use std::io;
use std::time::{Duration, Instant};

use super::{Connection, Next, READ_SIZE, Sent, State};
use crate::http::Refusal;
use crate::sys;

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a whole head: from its first byte, of the first one from the accept.
    pub head: Duration,
    /// For the next request; for a whole body; for room in the send buffer.
    pub idle: Duration,
    /// For a client to notice that it has been answered for the last time.
    pub goodbye: Duration,
}

/// What it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    Request,
    Head,
    Body,
    Room,
    Goodbye,
}

const TOO_LATE: Refusal = Refusal::new(408, "the request did not come in time\n");

/// How many reads of a turn may throw bytes away.
const DISCARD_READS: usize = 16;

impl Connection {
    // ANCHOR: deadline
    /// After a turn: notes what it waits for from now on.
    pub fn rest(&mut self, now: Instant) {
        let waits = match self.state {
            State::Leaving => Waits::Goodbye,
            _ if !self.output.is_empty() => Waits::Room,
            _ if self.input.is_in_body() => Waits::Body,
            _ if !self.input.is_blank() => Waits::Head,
            // Who has never asked for anything is still in its first head.
            _ if self.waits == Waits::Head && !self.progress => Waits::Head,
            _ => Waits::Request,
        };
        if self.progress || waits != self.waits {
            (self.waits, self.since, self.progress) = (waits, now, false);
        }
        self.is_looked_at = false;
    }

    /// Whether anything was answered since it last came to rest, and it may ask again.
    pub fn is_answered(&self) -> bool {
        self.progress && self.state == State::Open
    }

    /// As [`Connection::rest`], for who is looked at once more before it is armed.
    pub fn rest_until_looked_at(&mut self, now: Instant) {
        self.rest(now);
        self.is_looked_at = true;
    }

    /// Whether it still rests so: nothing has been found yet.
    pub fn is_looked_at(&self) -> bool {
        self.is_looked_at && !self.progress
    }

    /// Whether it has rested so, and was answered since.
    pub fn was_looked_at(&self) -> bool {
        self.is_looked_at && self.progress
    }

    /// When that has lasted too long.
    pub fn deadline(&self, patience: &Patience) -> Instant {
        self.since
            + match self.waits {
                Waits::Head => patience.head,
                Waits::Request | Waits::Body | Waits::Room => patience.idle,
                Waits::Goodbye => patience.goodbye,
            }
    }

    /// It has lasted too long. Who has sent a part of a request is told so; the
    /// others know without being told. `stops` is whether the server does.
    ///
    /// # Errors
    /// Those of [`Connection::send`].
    #[track_caller]
    pub fn time_is_up(&mut self, stops: bool) -> io::Result<Next> {
        match self.waits {
            Waits::Room => return self.wait_for_room(),
            Waits::Goodbye => return Ok(self.wait_for_acknowledgement(stops)),
            Waits::Request | Waits::Head | Waits::Body => {}
        }
        let is_late = matches!(self.waits, Waits::Head | Waits::Body);
        if !is_late || self.input.is_blank() {
            return Ok(Next::Close);
        }
        self.input.refuse(TOO_LATE);
        let _ = self.next_request(); // answers the refusal
        match self.send(usize::MAX)? {
            Sent::All => Ok(self.hang_up()),
            Sent::Full | Sent::More => Ok(Next::Write),
        }
    }

    /// The kernel reports room when about a third of the send buffer is free (Linux:
    /// `sk_stream_is_writeable`). A client that takes a little at a time may not get so
    /// far before its time is up. It has more time if it has taken anything.
    #[track_caller]
    fn wait_for_room(&mut self) -> io::Result<Next> {
        if self.has_taken().is_none() {
            self.send(usize::MAX)?; // then there is some room
        }
        Ok(if self.progress { Next::Write } else { Next::Close })
    }

    /// What was sent may still be on its way, and be lost to a client that is slow to read
    /// and speaks on when nobody listens. So it has time as long as it takes something
    /// now and then; at a stop, as long as there is any: the drain has its own deadline.
    #[track_caller]
    fn wait_for_acknowledgement(&mut self, stops: bool) -> Next {
        let is_left = self.has_taken().is_some_and(|left| left > 0);
        self.progress = is_left && (stops || self.progress);
        if self.progress { Next::Read } else { Next::Close }
    }

    /// Looks whether the client's kernel has taken anything since the last look: that is
    /// progress, too. How much it has not taken.
    #[track_caller]
    fn has_taken(&mut self) -> Option<usize> {
        let left = self.unacknowledged()?;
        let taken = self.written.wrapping_sub(left as u32);
        self.progress |= taken != self.taken;
        self.taken = taken;
        Some(left)
    }

    /// How much of what was sent the client's kernel does not have yet; `None` where the
    /// system does not say.
    #[track_caller]
    pub fn unacknowledged(&self) -> Option<usize> {
        let fin = usize::from(cfg!(target_os = "linux") && self.is_leaving());
        sys::unacknowledged(&self.socket).map(|bytes| bytes.saturating_sub(fin))
    }
    // ANCHOR_END: deadline

    // ANCHOR: hang_up
    /// A close in stages (RFC 9112 §9.6), for when everything is sent. First FIN,
    /// so that the client knows the answer is whole. Then its bytes are taken out
    /// of the receive buffer and thrown away: a close that finds some there sends
    /// RST, as it does for those that come later, and what the client has not
    /// read by then is lost to it. So a client that may still be sending is
    /// listened to until it ends its side, or for so long that it must have got
    /// the answer; [`Next::Read`] says that it is not yet time to close.
    #[track_caller]
    pub fn hang_up(&mut self) -> Next {
        if self.input.ended {
            return Next::Close; // the client began; it sends no more
        }
        let begins = self.state != State::Leaving;
        // Who wished to close has nothing more to say.
        let wished = self.wishes_to_close && self.input.bytes().is_empty();
        if begins {
            self.state = State::Leaving;
            // ENOTCONN (usual on macOS): the client has gone already.
            let _ = sys::shutdown_write(&self.socket);
        }
        let next = self.throw_away(begins && wished);
        self.input.tidy();
        next
    }

    #[track_caller]
    fn throw_away(&mut self, wished: bool) -> Next {
        self.input.discard();
        for n in 0..DISCARD_READS {
            match sys::read(&self.socket, self.input.room()) {
                Ok(0) => return Next::Close,
                Ok(READ_SIZE) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return if wished && n == 0 { Next::Close } else { Next::Read };
                }
                Ok(_) => return Next::Read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Next::Close, // ECONNRESET: it has gone
            }
        }
        Next::Read
    }

    /// The server stops, and this client is owed nothing. Who has had an answer may still
    /// be reading it, and is not just closed; who has never said a word has not.
    #[track_caller]
    pub fn part(&mut self) -> Next {
        let is_silent = self.waits == Waits::Head && self.input.is_blank() && !self.progress;
        if is_silent { Next::Close } else { self.hang_up() }
    }

    /// Nothing more will be read: the last answer is given, or the client has ended its
    /// side (requests that came before may still be unanswered).
    pub fn is_finished(&self) -> bool {
        self.state != State::Open || self.input.ended
    }

    /// Whether [`Connection::hang_up`] has begun, and there is nothing else to do.
    pub fn is_leaving(&self) -> bool {
        self.state == State::Leaving
    }
    // ANCHOR_END: hang_up
}
