//! The clients that come while calls fail. A connection may be lost to a fault;
//! an answer that comes must be the right one, and nobody may wait for ever.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::plan::Fault;
use crate::http::pattern;
use crate::lab::client::{Window, take_answer};
use crate::lab::socket::open;
use crate::lab::{PATIENCE, Result, Stage, Trouble, trouble};
use crate::sys;

/// What became of the clients.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub answers: usize,
    pub lost: usize,
}

/// One client.
pub(super) struct Guest {
    stream: TcpStream,
    received: Vec<u8>,
}

/// The connection ended before the answer was whole.
pub(super) struct Lost;

impl Guest {
    pub fn connect(to: SocketAddr, window: Window) -> Result<Guest> {
        let stream = open(to, window)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Guest { stream, received: Vec::new() })
    }

    /// A write to somebody who has gone fails; the read that follows tells.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match self.stream.write_all(bytes) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => trouble("it reads nothing for 30 s"),
            _ => Ok(()),
        }
    }

    /// The next answer must be this one; or the connection ends.
    pub fn expect(&mut self, status: u16, body: &[u8]) -> Result<std::result::Result<(), Lost>> {
        let mut room = [0; 16 * 1024];
        loop {
            if let Some((answer, length)) = take_answer(&self.received)? {
                self.received.drain(..length);
                if answer.status == status && answer.body == body {
                    return Ok(Ok(()));
                }
                return trouble(format!("wrong: {:?} instead of {status}", answer.head));
            }
            match self.stream.read(&mut room) {
                Ok(0) => return Ok(Err(Lost)),
                Ok(n) => self.received.extend_from_slice(&room[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    return trouble("a client waits for its answer for 30 s");
                }
                Err(_) => return Ok(Err(Lost)),
            }
        }
    }

    /// Asks and looks at the answer; says whether it came.
    pub fn ask(&mut self, request: &str, status: u16, body: &[u8]) -> Result<bool> {
        self.send(request.as_bytes())?;
        Ok(self.expect(status, body)?.is_ok())
    }

    /// The connection ends, one way or the other, with nothing more before it.
    pub fn ends(mut self) -> Result<()> {
        match self.stream.read(&mut [0; 64]) {
            Ok(1..) => trouble("more came than was asked for"),
            Err(e) if e.kind() == ErrorKind::WouldBlock => trouble("it is not closed for 30 s"),
            _ => Ok(()),
        }
    }

    fn reset(self) -> Result<()> {
        let fd = sys::Fd::from(std::os::fd::OwnedFd::from(self.stream));
        sys::set_linger_zero(&fd)?;
        sys::close(fd);
        Ok(())
    }
}

/// `GET /`, and the connection stays or goes.
pub(super) fn hello(connection: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: lab\r\nConnection: {connection}\r\n\r\n")
}

pub(super) const HELLO: &[u8] = b"Hello World\n";

/// A request that is in its handler for a while, and its answer.
pub(super) const SLOW: &[u8] = b"GET /slow?ms=100 HTTP/1.1\r\nHost: lab\r\n\r\n";
pub(super) const SLEPT: &[u8] = b"slept 100 ms\n";

/// The same for a shorter while.
pub(super) fn slow(connection: &str) -> String {
    format!("GET /slow?ms=10 HTTP/1.1\r\nHost: lab\r\nConnection: {connection}\r\n\r\n")
}

pub(super) const SLEPT_A_LITTLE: &[u8] = b"slept 10 ms\n";

const BIG: usize = 300_000;

fn big_answer() -> Vec<u8> {
    (0..BIG).map(pattern).collect()
}

/// What a request without Host is told.
const NO_HOST: &[u8] = b"a request needs exactly one Host\n";

const A_PART: &[u8] = b"GET / HTTP/1.1\r\n";

/// What a client is told that began a request and did not end it in time.
const LATE: &[u8] = b"the request did not come in time\n";

/// So many are late at once.
const MANY_LATE: usize = 12;

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    OneRequest,
    Reset,
    ManyRequests,
    BadRequest,
    PipelineAndHalfClose,
    SlowReader,
    /// It begins a request, and many others do: the server finds them all late.
    Late,
    /// It asks for what takes a while, and others come meanwhile.
    Busy,
}

impl Kind {
    /// What a stage has ways to bear, and makes the call. Who resets is answered by a
    /// line on stderr, and that is a write, too: nobody may, where writes are counted.
    pub fn all_for(stage: Stage, fault: &Fault) -> Vec<Kind> {
        use Kind::*;
        let call = fault.call;
        if fault.needs_deadlines() {
            return vec![Late];
        } else if call == "poll" {
            return vec![Busy, OneRequest, Reset];
        }
        let mut kinds = match stage {
            Stage::Ch07 => vec![ManyRequests, BadRequest, PipelineAndHalfClose, SlowReader],
            Stage::Ch06 => vec![ManyRequests, PipelineAndHalfClose],
            _ => vec![],
        };
        kinds.push(OneRequest);
        if call != "write" {
            kinds.push(Reset);
        }
        kinds
    }
}

/// One client after another, `rounds` times one of each kind.
pub(super) fn party(to: SocketAddr, kinds: &[Kind], rounds: usize) -> Result<Tally> {
    let mut tally = Tally::default();
    for round in 0..rounds {
        for &kind in kinds {
            let came = one(to, round, kind).map_err(|t| Trouble(format!("{kind:?}: {t}")))?;
            tally.answers += came;
            tally.lost += usize::from(came == 0);
        }
    }
    Ok(tally)
}

/// How many right answers it got.
fn one(to: SocketAddr, round: usize, kind: Kind) -> Result<usize> {
    let window = if kind == Kind::SlowReader { Window::Small } else { Window::Usual };
    let mut guest = Guest::connect(to, window)?;
    let mut came = 0;
    match kind {
        Kind::ManyRequests => {
            let body = format!("echo of round {round}");
            let echo = format!(
                "POST /echo HTTP/1.1\r\nHost: lab\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            for (request, body) in
                [(hello("keep-alive").as_str(), HELLO), (&echo, body.as_bytes())].repeat(2)
            {
                if !guest.ask(request, 200, body)? {
                    break;
                }
                came += 1;
            }
        }
        Kind::OneRequest => {
            came += usize::from(guest.ask(&hello("close"), 200, HELLO)?);
            guest.ends()?;
        }
        Kind::BadRequest => {
            came += usize::from(guest.ask("GET / HTTP/1.1\r\n\r\n", 400, NO_HOST)?);
            guest.ends()?;
        }
        Kind::PipelineAndHalfClose => {
            guest.send(hello("keep-alive").repeat(3).as_bytes())?;
            let _ = guest.stream.shutdown(Shutdown::Write);
            while came < 3 && guest.expect(200, HELLO)?.is_ok() {
                came += 1;
            }
            guest.ends()?;
        }
        Kind::Reset => {
            guest.send(hello("keep-alive").as_bytes())?;
            guest.reset()?;
            came = 1; // it wanted none
        }
        Kind::SlowReader => {
            let big = format!("GET /big?bytes={BIG} HTTP/1.1\r\nHost: lab\r\n\r\n");
            came += usize::from(guest.ask(&big, 200, &big_answer())?);
        }
        Kind::Late => {
            let mut late = vec![guest];
            late[0].send(A_PART)?;
            while late.len() < MANY_LATE {
                let mut another = Guest::connect(to, window)?;
                another.send(A_PART)?;
                late.push(another);
            }
            let mut lost = false;
            for mut guest in late {
                lost |= guest.expect(408, LATE)?.is_err();
                guest.ends()?;
            }
            came += usize::from(!lost);
        }
        Kind::Busy => {
            guest.send(SLOW)?;
            let mut others = Vec::new();
            for _ in 0..3 {
                let mut other = Guest::connect(to, window)?;
                other.send(hello("close").as_bytes())?;
                others.push(other);
            }
            let mut lost = guest.expect(200, SLEPT)?.is_err();
            for mut other in others {
                lost |= other.expect(200, HELLO)?.is_err();
                other.ends()?;
            }
            came += usize::from(!lost);
        }
    }
    Ok(came)
}
