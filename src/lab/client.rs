//! A client that does one thing at a time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use super::answer::{Answer, request, take_answer};
use super::answer::{TOO_MUCH, is_too_much};
use super::observed::Observed;
use super::rest::{NAPS, Naps, Rest};
use super::socket::open;
use super::{Deed, PATIENCE, Result, Script, Server, Trouble, trouble};
use crate::sys;

/// How long to look whether something has come.
const LOOK: Duration = Duration::from_millis(20);

/// How much the client's kernel takes before the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// As the system sets it up.
    Usual,
    /// As small as it gets, and small segments: so that the server's send buffer
    /// fills as it would across a slow network. (Loopback's buffers would take
    /// megabytes.)
    Small,
}

/// How a connection ended, seen from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server has finished sending: FIN.
    Eof,
    /// The connection was torn down: RST.
    Reset,
}

/// What has come so far.
#[derive(Debug)]
pub enum Poll {
    /// A whole answer.
    Answer(Answer),
    /// The connection's end, and the bytes before it.
    End(Vec<u8>, End),
    /// Neither.
    NotYet,
}

/// A connected client.
#[derive(Debug)]
pub struct Client {
    name: String,
    stream: TcpStream,
    local: SocketAddr,
    script: Arc<Script>,
    /// Received and not yet taken as part of an answer.
    received: Vec<u8>,
    /// The server that need not be waited for when it rests.
    server: Option<(u32, Arc<Observed>)>,
}

impl Client {
    pub(super) fn connect(
        name: &str,
        to: SocketAddr,
        window: Window,
        script: Arc<Script>,
    ) -> Result<Client> {
        // Noted as begun before: the server may be quicker than the next line.
        let since = sys::monotonic_us();
        let stream = open(to, window)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let local = stream.local_addr()?;
        let (name_, received) = (name.to_string(), Vec::new());
        let client = Client { name: name_, stream, local, script, received, server: None };
        let from = Some(local.to_string());
        client.script.note_since(since, Deed::Connect, name, from, "connects");
        Ok(client)
    }

    /// Connects without a scenario's help, for threads of clients.
    pub fn connect_to(name: &str, to: SocketAddr, script: Arc<Script>) -> Result<Client> {
        Client::connect(name, to, Window::Usual, script)
    }

    /// One that does not wait for a server that has come to rest.
    pub(super) fn watching(self, server: &Server) -> Client {
        Client { server: Some((server.pid(), Arc::clone(&server.observed))), ..self }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn note(&self, deed: Deed, what: impl std::fmt::Display) {
        self.script.note(deed, &self.name, Some(self.local.to_string()), what);
    }

    /// Its own address, by which the server's trace names it.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let line = bytes.split(|&b| b == b'\r').next().unwrap_or_default();
        let shown = &line[..line.len().min(40)];
        let what = format!("sends \"{}\" ({} bytes)", shown.escape_ascii(), bytes.len());
        self.note(Deed::Send(bytes.len()), what);
        self.send_quietly(bytes)
    }

    /// Sends bytes without writing it down, for those who send many.
    pub fn send_quietly(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).map_err(|e| self.failed("send", &e))
    }

    /// Asks for a path.
    pub fn get(&mut self, target: &str) -> Result<()> {
        self.send(request(target).as_bytes())
    }

    /// Asks for a path and reads the answer.
    pub fn ask(&mut self, target: &str) -> Result<Answer> {
        self.get(target)?;
        self.answer()
    }

    /// Says that it reads from now on, where nobody would see when that began.
    pub fn begins_to_read(&self) {
        self.note(Deed::Say, "begins to read");
    }

    /// Reads one whole answer.
    ///
    /// # Errors
    /// The connection ended first, or nothing came for [`PATIENCE`].
    pub fn answer(&mut self) -> Result<Answer> {
        let answer = self.answer_quietly()?;
        let (status, length) = (answer.status, answer.body.len());
        let received = Deed::Receive(answer.head.len() + length);
        self.note(received, format_args!("gets {status} with {length} bytes"));
        Ok(answer)
    }

    /// The same without writing it down, for those who read many.
    pub fn answer_quietly(&mut self) -> Result<Answer> {
        loop {
            if let Some((answer, length)) = take_answer(&self.received)? {
                self.received.drain(..length);
                return Ok(answer);
            }
            if let Some(end) = self.fill()? {
                let got = self.received.len();
                return trouble(format!(
                    "{} waited for an answer: the connection ended ({end:?}) after {got} bytes",
                    self.name
                ));
            }
        }
    }

    /// An answer, or the end, if there is one by now; waits a few milliseconds.
    ///
    /// # Errors
    /// What came is no answer.
    pub fn poll_answer(&mut self) -> Result<Poll> {
        if let Some((answer, length)) = take_answer(&self.received)? {
            self.received.drain(..length);
            let received = Deed::Receive(length);
            self.note(received, format_args!("gets {}", answer.status));
            return Ok(Poll::Answer(answer));
        }
        if !self.has_something()? {
            return Ok(Poll::NotYet);
        }
        match self.fill()? {
            Some(end) => Ok(Poll::End(self.take_rest(end), end)),
            None => self.poll_answer(),
        }
    }

    /// How many bytes have come that no answer has been made of yet.
    pub fn untaken(&self) -> usize {
        self.received.len()
    }

    /// Reads until the server ends the connection; everything not yet taken.
    ///
    /// # Errors
    /// It does not end within [`PATIENCE`] of its last byte.
    pub fn rest(&mut self) -> Result<(Vec<u8>, End)> {
        loop {
            if let Some(end) = self.fill()? {
                return Ok((self.take_rest(end), end));
            }
        }
    }

    fn take_rest(&mut self, end: End) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.received);
        let how = if end == End::Eof { "the end" } else { "a reset" };
        let deed = Deed::ReceiveEnd(bytes.len(), end);
        self.note(deed, format_args!("gets {} bytes, then {how}", bytes.len()));
        bytes
    }

    /// Reads until what has come is enough, or the end; all that came.
    ///
    /// # Errors
    /// No end of it comes, or nothing for [`PATIENCE`].
    pub fn until(&mut self, enough: impl Fn(&[u8]) -> bool) -> Result<(Vec<u8>, Option<End>)> {
        loop {
            if enough(&self.received) {
                return Ok((std::mem::take(&mut self.received), None));
            }
            if let Some(end) = self.fill()? {
                return Ok((std::mem::take(&mut self.received), Some(end)));
            }
        }
    }

    /// Looks whether there is something to read: bytes, an end, an error.
    fn has_something(&self) -> io::Result<bool> {
        self.stream.set_read_timeout(Some(LOOK))?;
        let is_there = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(PATIENCE))?;
        let nothing = [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted];
        Ok(!is_there.is_err_and(|e| nothing.contains(&e.kind())))
    }

    /// Waits for at least one more byte.
    fn fill(&mut self) -> Result<Option<End>> {
        if let Some((pid, observed)) = &self.server {
            let (mut rest, mut naps) = (Rest::default(), Naps::default());
            let (name, give_up) = (&self.name, Instant::now() + PATIENCE);
            while !self.has_something()? && Instant::now() < give_up {
                let seen = observed.lock();
                if observed.rests(&mut rest, &seen, *pid) {
                    return trouble(format!("{name} waits, and every thread of the server sleeps"));
                }
                if naps.look(*pid, &seen.records) {
                    return trouble(format!("{name} waits, and the server {NAPS}"));
                }
            }
        }
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => Ok(Some(End::Eof)),
            Ok(n) => {
                self.received.extend_from_slice(&buffer[..n]);
                match is_too_much(&self.received) {
                    true => trouble(format!("{} is sent {TOO_MUCH}", self.name)),
                    false => Ok(None),
                }
            }
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => Ok(Some(End::Reset)),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(e) => Err(self.failed("read", &e)),
        }
    }

    fn failed(&self, what: &str, error: &io::Error) -> Trouble {
        let why = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "nothing for 30 s".to_string(),
            _ => sys::describe(error),
        };
        Trouble(format!("client {}: {what}: {why}", self.name))
    }

    /// Ends its own side (FIN); it can still read.
    pub fn half_close(&mut self) -> Result<()> {
        self.note(Deed::HalfClose, "ends its side");
        Ok(self.stream.shutdown(std::net::Shutdown::Write)?)
    }

    /// Goes away politely.
    pub fn close(self) {
        self.note(Deed::Close, "closes");
    }

    /// Goes away with a reset (RST).
    pub fn reset(self) -> Result<()> {
        self.note(Deed::Reset, "resets");
        let fd = sys::Fd::from(OwnedFd::from(self.stream));
        sys::set_linger_zero(&fd)?;
        sys::close(fd);
        Ok(())
    }
}
