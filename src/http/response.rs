//! An answer, and the bytes it becomes.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::date;
use crate::trace;

/// What a request asks to be done with its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// To send what is there.
    Get,
    /// To send the head that GET would get, and no body (RFC 9110 §9.3.2).
    Head,
    /// To take the body and do something with it.
    Post,
    /// To say what can be done.
    Options,
    /// To become a tunnel: never done here, but its target has a form of its own.
    Connect,
    /// Known to RFC 9110 or RFC 5789 and allowed on no path here.
    Known,
    /// Not known: 501.
    Unknown,
}

impl Method {
    /// The method of that name; names are case-sensitive (RFC 9110 §9.1).
    pub fn of(name: &str) -> Method {
        match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "OPTIONS" => Method::Options,
            "CONNECT" => Method::Connect,
            "PUT" | "DELETE" | "TRACE" | "PATCH" => Method::Known,
            _ => Method::Unknown,
        }
    }

    /// What can be said of bytes that are refused: HEAD if they begin so, however
    /// wrong the rest, for its answer has no content (RFC 9110 §9.3.2).
    pub fn of_beginning(mut bytes: &[u8]) -> Method {
        while let [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] = bytes {
            bytes = rest; // empty lines before it
        }
        if bytes.starts_with(b"HEAD ") { Method::Head } else { Method::Unknown }
    }
}

/// What follows the head of an answer.
#[derive(Debug)]
pub enum Body {
    /// These bytes.
    Bytes(Cow<'static, [u8]>),
    /// This many bytes of the demo pattern, made when they are sent.
    Pattern(usize),
    /// A part of a file, read when it is sent.
    File {
        /// The open file.
        file: File,
        /// Where the part begins.
        start: u64,
        /// Its length in bytes.
        length: usize,
    },
}

impl Body {
    /// Its length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Body::Bytes(bytes) => bytes.len(),
            Body::Pattern(length) | Body::File { length, .. } => *length,
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends bytes `from..from + most` of the body, or up to its end.
    ///
    /// # Errors
    /// A file cannot be read, or is shorter than it was. What was promised in
    /// the head cannot be kept then: the connection has to be closed.
    pub fn piece(&self, from: usize, most: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let to = self.len().min(from.saturating_add(most));
        match self {
            Body::Bytes(bytes) => into.extend_from_slice(&bytes[from..to]),
            Body::Pattern(_) => append_pattern(from, to, into),
            Body::File { file, start, .. } => {
                let end = into.len();
                into.resize(end + (to - from), 0);
                let pause = trace::step_enters("file reads", format_args!("{} bytes", to - from));
                let read = file.read_exact_at(&mut into[end..], start + from as u64);
                pause.leave("file read", None, "");
                if read.is_err() {
                    into.truncate(end);
                }
                read?;
            }
        }
        Ok(())
    }
}

const LINE: &[u8; 61] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX\n";

/// Byte `position` of the demo pattern: lines of 60 characters. The period is
/// 61, so that a lost or repeated block cannot go unseen.
pub fn pattern(position: usize) -> u8 {
    LINE[position % LINE.len()]
}

fn append_pattern(from: usize, to: usize, into: &mut Vec<u8>) {
    let mut at = from;
    while at < to {
        let line = &LINE[at % LINE.len()..];
        let n = line.len().min(to - at);
        into.extend_from_slice(&line[..n]);
        at += n;
    }
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// What kind of content it is.
    pub content_type: Cow<'static, str>,
    /// More header fields, as lines that end with CRLF.
    pub fields: String,
    /// The content.
    pub body: Body,
}

impl Response {
    /// A text.
    pub fn text(status: u16, text: impl Into<Cow<'static, str>>) -> Response {
        let bytes = match text.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Response { status, ..Response::ok(Body::Bytes(bytes)) }
    }

    /// 200 with this content, a text.
    pub fn ok(body: Body) -> Response {
        let content_type = Cow::Borrowed("text/plain; charset=utf-8");
        Response { status: 200, content_type, fields: String::new(), body }
    }

    /// A status without content: 204, 304.
    pub fn empty(status: u16) -> Response {
        Response { status, ..Response::ok(Body::Bytes(Cow::Borrowed(b""))) }
    }

    /// With one more header field.
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Response {
        // Writing to a String cannot fail.
        let _ = write!(self.fields, "{name}: {value}\r\n");
        self
    }

    /// 405 with the methods that would do (RFC 9110 §15.5.6: it must name them).
    pub fn method_not_allowed(allow: &'static str) -> Response {
        Response::text(405, format!("this path allows {allow}\n")).with("Allow", allow)
    }

    /// Whether its status is one that has content: 204 and 304 have none, and no
    /// Content-Length either (RFC 9110 §8.6 forbids it in the first, and allows
    /// only the one of the 200 in the second).
    fn has_content(&self) -> bool {
        !matches!(self.status, 100..200 | 204 | 304)
    }

    /// Appends the status line and header fields, with the empty line that ends them.
    pub fn append_head(&self, keep_alive: bool, into: &mut Vec<u8>) {
        let line = |into: &mut Vec<u8>, parts: &[&[u8]]| {
            parts.iter().for_each(|part| into.extend_from_slice(part));
        };
        let status = Decimal::new(self.status.into());
        line(into, &[b"HTTP/1.1 ", status.digits(), b" ", reason(self.status).as_bytes()]);
        into.extend_from_slice(b"\r\nDate: ");
        date::append(into);
        if self.has_content() {
            let length = Decimal::new(self.body.len());
            line(into, &[b"\r\nContent-Type: ", self.content_type.as_bytes()]);
            line(into, &[b"\r\nContent-Length: ", length.digits()]);
        }
        into.extend_from_slice(b"\r\n");
        into.extend_from_slice(self.fields.as_bytes());
        into.extend_from_slice(match keep_alive {
            true => b"Connection: keep-alive\r\n\r\n",
            false => b"Connection: close\r\n\r\n",
        });
    }

    /// The whole answer as bytes, to be sent at once.
    pub fn into_bytes(self, method: Method, keep_alive: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.append_head(keep_alive, &mut bytes);
        if method != Method::Head && self.has_content() {
            // Of the stages that send at once, none serves files.
            let _ = self.body.piece(0, self.body.len(), &mut bytes);
        }
        bytes
    }
}

/// A number as text, without the machinery of `fmt`: there are two in each answer,
/// and it would take longer than all the rest of the head.
struct Decimal {
    text: [u8; 20],
    start: usize,
}

impl Decimal {
    fn new(mut number: usize) -> Decimal {
        let mut decimal = Decimal { text: [b'0'; 20], start: 20 };
        loop {
            decimal.start -= 1;
            decimal.text[decimal.start] += (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return decimal;
            }
        }
    }

    fn digits(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

/// The reason phrase: for people, no client reads it (RFC 9112 §4).
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}
