//! A client that does one thing at a time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, RwLock};

use super::{PATIENCE, Result, Script, Trouble, trouble};
use crate::sys;

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

/// One HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Status line and header fields, as sent.
    pub head: String,
    /// The content.
    pub body: Vec<u8>,
}

impl Answer {
    /// The server will close the connection after this.
    pub fn says_close(&self) -> bool {
        self.head.to_ascii_lowercase().contains("\r\nconnection: close")
    }
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
}

impl Client {
    pub(super) fn connect(
        name: &str,
        to: SocketAddr,
        window: Window,
        script: Arc<Script>,
    ) -> Result<Client> {
        let socket = not_inherited(|| sys::socket(to))?;
        if window == Window::Small {
            sys::set_receive_buffer(&socket, 4096)?;
            // Not every system lets a client choose it; the buffer alone will do.
            let _ = sys::set_max_segment(&socket, 536);
        }
        sys::connect(&socket, to)?;
        let stream = TcpStream::from(OwnedFd::from(socket));
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let local = stream.local_addr()?;
        let client = Client { name: name.to_string(), stream, local, script, received: Vec::new() };
        client.note("connects");
        Ok(client)
    }

    /// Connects without a scenario's help, for threads of clients.
    pub fn connect_to(name: &str, to: SocketAddr, script: Arc<Script>) -> Result<Client> {
        Client::connect(name, to, Window::Usual, script)
    }

    fn note(&self, what: impl std::fmt::Display) {
        self.script.note(&self.name, Some(self.local.to_string()), what);
    }

    /// Its own address, by which the server's trace names it.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let line = bytes.split(|&b| b == b'\r').next().unwrap_or_default();
        let shown = &line[..line.len().min(40)];
        self.note(format_args!("sends \"{}\" ({} bytes)", shown.escape_ascii(), bytes.len()));
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

    /// Reads one whole answer.
    ///
    /// # Errors
    /// The connection ended first, or nothing came for [`PATIENCE`].
    pub fn answer(&mut self) -> Result<Answer> {
        let answer = self.answer_quietly()?;
        let status = answer.status;
        self.note(format_args!("gets {status} with {} bytes", answer.body.len()));
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

    /// Reads until the server ends the connection; everything not yet taken.
    ///
    /// # Errors
    /// It does not end within [`PATIENCE`] of its last byte.
    pub fn rest(&mut self) -> Result<(Vec<u8>, End)> {
        loop {
            if let Some(end) = self.fill()? {
                let bytes = std::mem::take(&mut self.received);
                let how = if end == End::Eof { "the end" } else { "a reset" };
                self.note(format_args!("gets {} bytes, then {how}", bytes.len()));
                return Ok((bytes, end));
            }
        }
    }

    /// Reads until what has come is enough, or the end; all that came.
    ///
    /// # Errors
    /// Nothing for [`PATIENCE`].
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

    /// Waits for at least one more byte.
    fn fill(&mut self) -> Result<Option<End>> {
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => Ok(Some(End::Eof)),
            Ok(n) => {
                self.received.extend_from_slice(&buffer[..n]);
                Ok(None)
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
        self.note("ends its side");
        Ok(self.stream.shutdown(std::net::Shutdown::Write)?)
    }

    /// Goes away politely.
    pub fn close(self) {
        self.note("closes");
    }

    /// Goes away with a reset (RST).
    pub fn reset(self) -> Result<()> {
        self.note("resets");
        let fd = sys::Fd::from(OwnedFd::from(self.stream));
        sys::set_linger_zero(&fd)?;
        sys::close(fd);
        Ok(())
    }
}

/// A socket that no server started meanwhile inherits: a copy of it there would
/// keep the connection open after the client has closed it. (Opening and marking
/// it are two calls; a fork between them would copy it.)
fn not_inherited(open: impl FnOnce() -> io::Result<sys::Fd>) -> io::Result<sys::Fd> {
    let _nobody_forks = FORKING.read();
    let socket = open()?;
    sys::set_cloexec(&socket)?;
    Ok(socket)
}

/// Runs `fork` at a moment when nobody opens a socket.
pub(super) fn alone<T>(fork: impl FnOnce() -> T) -> T {
    let _nobody_opens = FORKING.write();
    fork()
}

static FORKING: RwLock<()> = RwLock::new(());

/// The request for a path.
pub fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: lab\r\n\r\n")
}

/// The first answer in `bytes`, if it is complete, and its length.
pub fn take_answer(bytes: &[u8]) -> Result<Option<(Answer, usize)>> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..end + 4]).into_owned();
    let status = head.get(9..12).and_then(|s| s.parse().ok());
    let Some(status) = status.filter(|_| head.starts_with("HTTP/1.1 ")) else {
        return trouble(format!("not an HTTP answer: {head:?}"));
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .and_then(|n| n.trim().parse::<usize>().ok());
    let Some(length) = length else { return trouble(format!("no Content-Length: {head:?}")) };
    let body = &bytes[end + 4..];
    if body.len() < length {
        return Ok(None);
    }
    Ok(Some((Answer { status, head, body: body[..length].to_vec() }, end + 4 + length)))
}
