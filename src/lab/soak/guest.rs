//! One client: a list of things to do, done one after another as the kernel lets it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::scripts::Kind;
use crate::lab::client::take_answer;
use crate::queue::{Token, Want};
use crate::sys::{self, Fd};

/// What an answer must be.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub status: u16,
    pub body: Vec<u8>,
}

/// One thing to do.
#[derive(Debug)]
pub(super) enum Act {
    Send(Vec<u8>),
    /// Byte by byte, with a pause after each.
    Trickle(Vec<u8>, Duration),
    Answer(Expected),
    /// Reads an answer in sips of so many bytes, with a pause after each.
    Sip(Expected, usize, Duration),
    Pause(Duration),
    HalfClose,
    Reset,
    /// Whatever comes until the server closes must be whole answers of these kinds.
    End(&'static [u16]),
    /// The server cuts it off: what comes until then is a part of an answer.
    CutOff,
}

/// What it needs to go on.
#[derive(Debug)]
pub(super) enum Need {
    Ready(Want),
    Time(Instant),
    Over(Outcome),
}

/// How it went.
#[derive(Debug)]
pub(super) enum Outcome {
    Done,
    /// The connection ended where an answer was awaited, and no byte of it had come.
    Unanswered,
    /// It ended within an answer.
    Truncated(String),
    /// It was told that its request did not come in time.
    TooLate,
    Wrong(String),
}

pub(super) struct Guest {
    pub kind: Kind,
    pub token: Token,
    pub socket: Fd,
    acts: VecDeque<Act>,
    received: Vec<u8>,
    /// How much of the present act is done: bytes sent, or read.
    done: usize,
    /// It pauses until then.
    until: Option<Instant>,
    /// When it had asked for what it has not yet.
    pub asked: Instant,
    /// When it got its last answer, or connected. What it sends puts none of the
    /// server's deadlines off.
    pub active: Instant,
    /// When any byte came, or it connected.
    pub heard: Instant,
    /// When each answer was asked for and had come.
    pub waits: Vec<(Instant, Instant)>,
    pub answers: usize,
}

impl Guest {
    /// Begins to connect.
    pub fn new(kind: Kind, to: SocketAddr, acts: VecDeque<Act>) -> io::Result<Guest> {
        let socket = sys::socket(to)?;
        sys::set_cloexec(&socket)?;
        if kind.has_small_window() {
            sys::set_receive_buffer(&socket, 4096)?;
            sys::set_max_segment(&socket, 536)?;
        }
        sys::set_nonblocking(&socket)?;
        match sys::connect(&socket, to) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        let (token, now) = (Token::new(&socket), Instant::now());
        Ok(Guest {
            kind,
            token,
            socket,
            acts,
            received: Vec::new(),
            done: 0,
            until: None,
            asked: now,
            active: now,
            heard: now,
            waits: Vec::new(),
            answers: 0,
        })
    }

    /// Whether it has asked for something and waits.
    pub fn has_asked(&self) -> bool {
        matches!(self.acts.front(), Some(Act::Answer(_) | Act::Sip(..)))
    }

    /// Goes on as far as it can.
    pub fn step(&mut self, now: Instant) -> Need {
        while let Some(act) = self.acts.pop_front() {
            if let Some(need) = self.play(&act, now) {
                self.acts.push_front(act);
                return need;
            }
            self.done = 0;
            self.until = None;
            if matches!(act, Act::Answer(_)) {
                self.active = now;
            }
        }
        Need::Over(Outcome::Done)
    }

    /// `None`: it is done.
    fn play(&mut self, act: &Act, now: Instant) -> Option<Need> {
        if let Some(until) = self.until.filter(|until| *until > now) {
            return Some(Need::Time(until));
        }
        match act {
            Act::Send(bytes) => self.send(bytes, None, now),
            Act::Trickle(bytes, pace) => self.send(bytes, Some(*pace), now),
            Act::Answer(expected) => self.answer(expected, None, now),
            Act::Sip(expected, most, pace) => self.answer(expected, Some((*most, *pace)), now),
            Act::Pause(length) => {
                let is_over = std::mem::replace(&mut self.done, 1) == 1;
                self.until = Some(now + *length);
                (!is_over).then(|| Need::Time(now + *length))
            }
            Act::HalfClose => {
                let _ = sys::shutdown_write(&self.socket); // ENOTCONN: it has gone
                None
            }
            Act::Reset => {
                let _ = sys::set_linger_zero(&self.socket);
                None // the close follows
            }
            Act::End(statuses) => self.end(statuses),
            Act::CutOff => match self.read(READ) {
                Ok(0) => None,
                Ok(_) => {
                    self.received.clear();
                    Some(Need::Ready(Want::Read))
                }
                Err(error) if is_not_now(&error) => Some(Need::Ready(Want::Read)),
                Err(_) => None,
            },
        }
    }

    fn send(&mut self, bytes: &[u8], pace: Option<Duration>, now: Instant) -> Option<Need> {
        while self.done < bytes.len() {
            let end = if pace.is_some() { self.done + 1 } else { bytes.len() };
            match sys::write(&self.socket, &bytes[self.done..end]) {
                Ok(n) => self.done += n,
                Err(error) if is_not_now(&error) => return Some(Need::Ready(Want::Write)),
                Err(_) => break, // it has gone, and the read that follows tells
            }
            if let Some(pace) = pace
                && self.done < bytes.len()
            {
                // Byte by byte also where time has to be made up.
                let until = self.until.unwrap_or(now) + pace;
                self.until = Some(until);
                if until > now {
                    return Some(Need::Time(until));
                }
            }
        }
        self.asked = now;
        None
    }

    fn answer(
        &mut self,
        expected: &Expected,
        sips: Option<(usize, Duration)>,
        now: Instant,
    ) -> Option<Need> {
        loop {
            match take_answer(&self.received) {
                Ok(Some((answer, length))) => {
                    self.received.drain(..length);
                    if answer.status != expected.status || answer.body != expected.body {
                        let why = format!("{:?} instead of {}", answer.head, expected.status);
                        let is_late = answer.status == 408;
                        let outcome = if is_late { Outcome::TooLate } else { Outcome::Wrong(why) };
                        return Some(Need::Over(outcome));
                    }
                    self.answers += 1;
                    if sips.is_none() {
                        self.waits.push((self.asked, now));
                    }
                    return None;
                }
                Ok(None) => {}
                Err(trouble) => return Some(Need::Over(Outcome::Wrong(trouble.to_string()))),
            }
            let end = match self.read(sips.map_or(READ, |(most, _)| most)) {
                Ok(0) => "the end".to_string(),
                Ok(_) => {
                    let Some((_, pace)) = sips else { continue };
                    self.until = Some(now + pace);
                    return Some(Need::Time(now + pace));
                }
                Err(error) if is_not_now(&error) => return Some(Need::Ready(Want::Read)),
                Err(error) => sys::describe(&error),
            };
            return Some(Need::Over(match self.received.len() {
                0 => Outcome::Unanswered,
                n => Outcome::Truncated(format!("{end} after {n} bytes of an answer")),
            }));
        }
    }

    /// Everything up to the end must be whole answers.
    fn end(&mut self, statuses: &[u16]) -> Option<Need> {
        loop {
            match self.read(READ) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if is_not_now(&error) => return Some(Need::Ready(Want::Read)),
                Err(_) => break, // it had not read all that was sent
            }
        }
        while !self.received.is_empty() {
            let wrong = match take_answer(&self.received) {
                Ok(Some((answer, length))) if statuses.contains(&answer.status) => {
                    self.received.drain(..length);
                    self.answers += 1;
                    continue;
                }
                Ok(Some((answer, _))) => Outcome::Wrong(format!("{:?}", answer.head)),
                Ok(None) => {
                    Outcome::Truncated(format!("{} bytes of an answer", self.received.len()))
                }
                Err(trouble) => Outcome::Wrong(trouble.to_string()),
            };
            return Some(Need::Over(wrong));
        }
        None
    }

    fn read(&mut self, most: usize) -> io::Result<usize> {
        let mut room = [0; READ];
        let n = sys::read(&self.socket, &mut room[..most])?;
        self.received.extend_from_slice(&room[..n]);
        self.heard = Instant::now();
        Ok(n)
    }
}

const READ: usize = 16 * 1024;

/// Not yet connected counts, too.
fn is_not_now(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
