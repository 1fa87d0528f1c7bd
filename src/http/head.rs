//! The request line and the header fields of one request.
//!
//! `httparse` takes the bytes apart; what may stand in them is decided here and
//! in [`super::rules`]. A refusal is always followed by a close: where the next
//! request would begin is then anybody's guess, and guessing is how requests are
//! smuggled (RFC 9112 §11.2).

use std::borrow::Cow;
use std::mem::MaybeUninit;
use std::ops::Range;

use super::rules::{self, Coding};
use super::{Method, Response};

// ANCHOR: limits
/// How much of a request is kept in memory before it is refused.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the request line (414 beyond). RFC 9112 §3 recommends at least 8,000.
    pub line: usize,
    /// Bytes of request line and header fields together (431 beyond).
    pub head: usize,
    /// Bytes of the body (413 beyond).
    pub body: usize,
}

impl Limits {
    /// No limit: whoever sends without end fills the memory.
    pub const NONE: Limits = Limits { line: usize::MAX, head: usize::MAX, body: usize::MAX };

    /// What a small server needs.
    pub const DEFAULT: Limits = Limits { line: 8 * 1024, head: 16 * 1024, body: 1024 * 1024 };
}
// ANCHOR_END: limits

/// More header fields than this are refused (431).
const MAX_FIELDS: usize = 100;

/// A request's head: everything up to the empty line. The bytes themselves stay
/// where they were read; [`Request`] brings both together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What is to be done.
    pub method: Method,
    /// The client may send another request on this connection (RFC 9112 §9.3).
    pub keep_alive: bool,
    /// How the end of the body is found.
    pub body: Framing,
    /// The client waits for a `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// How many bytes the head itself took.
    pub length: usize,
    method_at: (u32, u32),
    target_at: (u32, u32),
}

/// How the end of a request's body is found (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes follow the head.
    Length(usize),
    /// It comes in chunks, and a last one of size 0.
    Chunked,
}

/// What a run of bytes is.
#[derive(Debug)]
pub enum Parsed {
    /// It begins with a complete head.
    Complete(Head),
    /// It may become one.
    Partial,
    /// It never will; say this and close the connection.
    Refused(Refusal),
}

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status code that says so.
    pub status: u16,
    /// A line that says more.
    pub text: &'static str,
}

impl Refusal {
    /// A refusal with this status; the text ends with a line feed.
    pub const fn new(status: u16, text: &'static str) -> Refusal {
        Refusal { status, text }
    }

    /// The answer that says it.
    pub fn response(self) -> Response {
        Response::text(self.status, self.text)
    }
}

impl Head {
    /// Looks for a complete head at the beginning of `bytes`.
    ///
    /// What it says of a beginning, other than `Partial`, it says of everything
    /// that begins so: each limit is looked at when the first byte beyond it is
    /// there, however much more came with it.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Parsed {
        let line_end = end_of_line(bytes);
        let line_is_long = line_end.unwrap_or(bytes.len()) > limits.line;
        let within =
            &bytes[..bytes.len().min(if line_is_long { limits.line } else { limits.head })];

        let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(within, &mut fields) {
            Ok(httparse::Status::Complete(length)) => {
                match Head::from_parts(&request, bytes, length, limits) {
                    Ok(head) => Parsed::Complete(head),
                    Err(refusal) => Parsed::Refused(refusal),
                }
            }
            Ok(httparse::Status::Partial) if within.len() == bytes.len() => Parsed::Partial,
            Ok(httparse::Status::Partial) => Parsed::Refused(too_long(within, line_is_long)),
            Err(error) => Parsed::Refused(explain(error, within)),
        }
    }

    fn from_parts(
        request: &httparse::Request<'_, '_>,
        bytes: &[u8],
        length: usize,
        limits: &Limits,
    ) -> Result<Head, Refusal> {
        let is_1_1 = request.version == Some(1);
        let (method, target) = (request.method.unwrap_or(""), request.path.unwrap_or(""));
        let mut head = Head {
            method: Method::of(method),
            keep_alive: is_1_1,
            body: Framing::Length(0),
            expects_continue: false,
            length,
            method_at: position(method, bytes),
            target_at: position(target, bytes),
        };
        rules::target(head.method, target)?;
        let (mut hosts, mut close) = (0, false);
        let (mut body_length, mut coding) = (None, Coding::None);
        for field in request.headers.iter() {
            let value = field.value.trim_ascii();
            if field.name.eq_ignore_ascii_case("host") {
                hosts += 1;
                rules::host(value)?;
            } else if field.name.eq_ignore_ascii_case("connection") {
                // A list of tokens, in any case, possibly on several lines (RFC 9110 §7.6.1).
                for token in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
                    close |= token.eq_ignore_ascii_case(b"close");
                    head.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if field.name.eq_ignore_ascii_case("content-length") {
                let n = rules::content_length(value)?;
                if body_length.is_some_and(|other| other != n) {
                    return Err(Refusal::new(400, "two Content-Lengths that differ\n"));
                }
                body_length = Some(n);
            } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
                coding = rules::transfer_encoding(coding, value);
            } else if field.name.eq_ignore_ascii_case("expect") && is_1_1 {
                // To HTTP/1.0 an Expect means nothing (RFC 9110 §10.1.1).
                head.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
                if !head.expects_continue {
                    return Err(Refusal::new(417, "the only expectation met is 100-continue\n"));
                }
            }
        }
        // RFC 9112 §3.2: exactly one Host in HTTP/1.1; HTTP/1.0 may have none.
        if hosts > 1 || (is_1_1 && hosts == 0) {
            return Err(Refusal::new(400, "a request needs exactly one Host\n"));
        }
        head.keep_alive &= !close;
        head.body = rules::framing(coding, body_length, is_1_1)?;
        if matches!(head.body, Framing::Length(n) if n > limits.body) {
            return Err(rules::BODY_TOO_LARGE);
        }
        Ok(head)
    }
}

/// Where the request line ends: httparse, as RFC 9112 §2.2 asks, skips empty
/// lines before it.
fn end_of_line(bytes: &[u8]) -> Option<usize> {
    let start = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n'))?;
    bytes[start..].iter().position(|&b| b == b'\n').map(|at| start + at + 1)
}

fn too_long(within: &[u8], line_is_long: bool) -> Refusal {
    let is_empty = within.iter().all(|b| matches!(b, b'\r' | b'\n'));
    let is_method = !within.contains(&b' ');
    match line_is_long {
        true if is_empty => Refusal::new(400, "empty lines and no request\n"),
        // RFC 9112 §3: longer than any method that is implemented.
        true if is_method => Refusal::new(501, "no method has so long a name\n"),
        true => Refusal::new(414, "the request line is too long\n"),
        false => Refusal::new(431, "the request head is too large\n"),
    }
}

fn explain(error: httparse::Error, bytes: &[u8]) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => {
            Refusal::new(431, "the request has too many header fields\n")
        }
        httparse::Error::Version if names_another_version(bytes) => {
            Refusal::new(505, "this server speaks HTTP/1.1 and HTTP/1.0\n")
        }
        httparse::Error::HeaderName => Refusal::new(400, "not the name of a header field\n"),
        httparse::Error::HeaderValue => Refusal::new(400, "not the value of a header field\n"),
        _ => Refusal::new(400, "not an HTTP request\n"),
    }
}

/// `GET / HTTP/2.0` is of another version; `GET / FTP` or `HTTP/1,1` is none at
/// all. httparse refuses them as soon as it can: a major version other than 1
/// before what follows it can be known.
fn names_another_version(bytes: &[u8]) -> bool {
    let version = bytes.trim_ascii_start().split(|&b| b == b' ').nth(2).unwrap_or(b"");
    match version.strip_prefix(b"HTTP/").unwrap_or(b"") {
        [b'1', rest @ ..] => matches!(rest, [b'.', minor, ..] if minor.is_ascii_digit()),
        other => other.first().is_some_and(u8::is_ascii_digit),
    }
}

/// Where `part` stands in `whole`, of which it is a part.
fn position(part: &str, whole: &[u8]) -> (u32, u32) {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    (start as u32, (start + part.len()) as u32)
}

/// A complete request: its head, and the bytes that it came in.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What was understood of the head.
    pub head: Head,
    bytes: &'a [u8],
    /// The content that came with it.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Of a head, the bytes that it was parsed from, and the body.
    pub fn new(head: Head, bytes: &'a [u8], body: &'a [u8]) -> Request<'a> {
        Request { head, bytes, body }
    }

    /// The method as sent; methods are case-sensitive (RFC 9110 §9.1).
    pub fn method(&self) -> &'a str {
        self.text(self.head.method_at)
    }

    /// The target as sent: `/path?query`, or an absolute URI, or `*`.
    pub fn target(&self) -> &'a str {
        self.text(self.head.target_at)
    }

    /// Path and query of the target; of an absolute URI (RFC 9112 §3.2.2) those
    /// that follow its authority. An empty path is `/` (RFC 9110 §4.2.3).
    pub fn path_and_query(&self) -> (&'a str, &'a str) {
        let target = rules::without_authority(self.target());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        (if path.is_empty() { "/" } else { path }, query)
    }

    /// The same request with a target that lacks this beginning of its path, if
    /// the path begins so.
    pub fn below(&self, prefix: &str) -> Option<Request<'a>> {
        let target = rules::without_authority(self.target());
        let rest = target.strip_prefix(prefix).filter(|rest| rest.starts_with('/'))?;
        let head = Head { target_at: position(rest, self.bytes), ..self.head };
        Some(Request { head, ..*self })
    }

    /// The value of the header field of that name; of several lines they are one
    /// list (RFC 9110 §5.3). Looks through the head again: for the few requests
    /// that ask.
    pub fn field(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        request.parse(self.bytes).ok()?;
        let found = request.headers.iter().filter(|f| f.name.eq_ignore_ascii_case(name));
        found.map(|f| Cow::Borrowed(f.value.trim_ascii())).reduce(|mut list, value| {
            list.to_mut().extend_from_slice(b", ");
            list.to_mut().extend_from_slice(&value);
            list
        })
    }

    fn text(&self, (start, end): (u32, u32)) -> &'a str {
        let range: Range<usize> = start as usize..end as usize;
        // It was a str when it was parsed, and the bytes are the same.
        std::str::from_utf8(&self.bytes[range]).unwrap_or("")
    }
}
