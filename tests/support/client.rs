//! A client that writes bytes as they are, and believes no answer.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime};

use super::WAIT;

/// A connection, and what came out of it and was not yet looked at.
pub struct Client {
    pub stream: TcpStream,
    received: Vec<u8>,
    /// The answer whose head has been read, and the length of its content, if that has
    /// not all come.
    begun: Option<(Answer, usize)>,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server closed its side: FIN.
    Fin,
    /// It was reset: RST.
    Reset,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Client {
    pub fn connect(to: SocketAddr) -> Client {
        let stream = TcpStream::connect_timeout(&to, WAIT).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        stream.set_write_timeout(Some(WAIT)).unwrap();
        Client { stream, received: Vec::new(), begun: None }
    }

    /// A client whose kernel takes little at a time: a receive buffer of so many bytes.
    pub fn connect_with_buffer(to: SocketAddr, bytes: i32) -> Client {
        let socket = common::sys::socket(to).unwrap();
        common::sys::set_receive_buffer(&socket, bytes).unwrap();
        common::sys::set_cloexec(&socket).unwrap();
        common::sys::connect(&socket, to).unwrap();
        let stream = TcpStream::from(std::os::fd::OwnedFd::from(socket));
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        stream.set_write_timeout(Some(WAIT)).unwrap();
        Client { stream, received: Vec::new(), begun: None }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends to a server that may have refused and closed already.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        match self.stream.write_all(bytes.as_ref()) {
            Ok(()) => true,
            Err(error) => {
                let gone =
                    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
                assert!(gone, "{error}");
                false
            }
        }
    }

    /// Sends what the server takes before the write times out; whether that was all.
    pub fn offer(&mut self, bytes: &[u8]) -> bool {
        match self.stream.write_all(bytes) {
            Ok(()) => true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                false
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The next answer to a request of another method than HEAD.
    pub fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    /// The next answer to a request of this method.
    pub fn answer_to(&mut self, method: &str) -> Answer {
        self.answer_or_end(method).unwrap_or_else(|end| panic!("{end:?} instead of an answer"))
    }

    /// The next answer, or how the connection ended: never within an answer.
    pub fn answer_or_end(&mut self, method: &str) -> Result<Answer, End> {
        self.head_or_end(method)?;
        loop {
            if let Some((mut answer, length)) =
                self.begun.take_if(|(_, length)| self.received.len() >= *length)
            {
                let rest = self.received.split_off(length);
                answer.body = std::mem::replace(&mut self.received, rest);
                return Ok(answer);
            }
            if let Some(end) = self.receive(WAIT) {
                panic!("{end:?} after {:?} {:?}", self.begun, text(&self.received));
            }
        }
    }

    /// Reads on until the head of the next answer has come: whoever is going to take
    /// its content later has to, or its Date is an old one by then.
    pub fn head_or_end(&mut self, method: &str) -> Result<(), End> {
        while self.begun.is_none() {
            if let Some((answer, length, content)) = take_head(&self.received, method) {
                self.received.drain(..length);
                self.begun = Some((answer, content));
            } else if let Some(end) = self.receive(WAIT) {
                assert!(self.received.is_empty(), "{end:?} after {:?}", text(&self.received));
                return Err(end);
            }
        }
        Ok(())
    }

    /// Asks for a path, and returns the answer.
    pub fn get(&mut self, target: &str) -> Answer {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        self.answer()
    }

    /// Everything that still comes, and how it ends.
    pub fn rest(&mut self) -> (String, End) {
        loop {
            if let Some(end) = self.receive(WAIT) {
                return (text(&self.received), end);
            }
        }
    }

    /// Nothing more comes but FIN.
    #[track_caller]
    pub fn is_closed(&mut self) {
        assert_eq!(self.rest(), (String::new(), End::Fin));
    }

    /// Whether nothing comes for so long, no end either: for what must *not* happen.
    pub fn is_quiet_for(&mut self, length: Duration) -> bool {
        assert!(self.received.is_empty());
        let start = Instant::now();
        self.stream.set_read_timeout(Some(length)).unwrap();
        let quiet = matches!(self.stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        self.stream.set_read_timeout(Some(WAIT)).unwrap();
        quiet && start.elapsed() >= length
    }

    /// Receives until at least so many bytes wait to be looked at, or the end.
    pub fn read_some(&mut self, most: usize) {
        let enough = self.received.len() + most;
        while self.received.len() < enough && self.receive(WAIT).is_none() {}
    }

    /// Whether the server has not ended it, as far as what has arrived tells.
    pub fn is_open(&self) -> bool {
        !matches!(self.stream.peek(&mut [0]), Ok(0))
    }

    /// One read; says how it ended, if it has.
    fn receive(&mut self, patience: Duration) -> Option<End> {
        let mut room = [0; 64 * 1024];
        match self.stream.read(&mut room) {
            Ok(0) => Some(End::Fin),
            Ok(n) => {
                self.received.extend_from_slice(&room[..n]);
                None
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Some(End::Reset),
            Err(error) => {
                panic!("nothing for {patience:?} ({error}) after {:?}", text(&self.received))
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Answer {
    /// The value of a field that is there once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(n, _)| n == name);
        let (_, value) = found.next()?;
        assert!(found.next().is_none(), "{name} twice in {self:?}");
        Some(value)
    }

    pub fn text(&self) -> String {
        text(&self.body)
    }

    /// Whether it announces that the connection is closed behind it.
    pub fn says_close(&self) -> bool {
        self.field("connection") == Some("close")
    }
}

/// The first answer of these bytes if its head is complete, with no content yet; the
/// length of the head, and of the content. Panics if it is not as RFC 9110 and RFC
/// 9112 have it. (Once for each answer: a content that takes long to come does not
/// make its Date an old one.)
fn take_head(bytes: &[u8], method: &str) -> Option<(Answer, usize, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return None,
        Err(error) => panic!("{error}: {:?}", text(bytes)),
    };
    let lines = text(&bytes[..head]);
    assert!(lines.starts_with("HTTP/1.1 "), "{lines:?}");
    assert!(!lines.replace("\r\n", "").contains(['\r', '\n']), "a line ends with CRLF: {lines:?}");
    let fields = response.headers.iter();
    let fields = fields.map(|f| (f.name.to_ascii_lowercase(), text(f.value))).collect();
    let answer = Answer { status: response.code.unwrap(), fields, body: Vec::new() };

    assert_eq!(answer.field("transfer-encoding"), None);
    let length = answer.field("content-length").map(|n| n.parse::<usize>().unwrap());
    if answer.status == 100 {
        assert_eq!(lines, "HTTP/1.1 100 Continue\r\n\r\n");
        return Some((answer, head, 0));
    }
    let date = answer.field("date").and_then(|date| httpdate::parse_http_date(date).ok());
    let age = SystemTime::now().duration_since(date.expect("a Date")).expect("not from the future");
    assert!(age < WAIT, "a Date of now: {lines:?}");
    assert!(matches!(answer.field("connection"), Some("close" | "keep-alive")), "{lines:?}");
    // RFC 9110 §8.6, §15.4.5: no content, and no length but that of another answer.
    let has_content = method != "HEAD" && !matches!(answer.status, 204 | 304);
    if answer.status == 204 || answer.status == 304 {
        assert_eq!(length, None, "{lines:?}");
    } else {
        assert!(length.is_some(), "a Content-Length: {lines:?}");
        assert!(answer.field("content-type").is_some(), "{lines:?}");
    }
    if answer.status == 405 {
        assert!(answer.field("allow").is_some(), "RFC 9110 §15.5.6: {lines:?}");
    }
    let length = length.filter(|_| has_content).unwrap_or(0);
    Some((answer, head, length))
}
