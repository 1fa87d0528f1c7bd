//! The request line and the header fields of one request.

use super::{Method, Response};

/// How much of a request is kept in memory before it is refused.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of request line and header fields together.
    pub head: usize,
    /// Bytes of the body.
    pub body: usize,
}

impl Limits {
    /// No limit: whoever sends without end fills the memory.
    pub const NONE: Limits = Limits { head: usize::MAX, body: usize::MAX };

    /// What a small server needs.
    pub const DEFAULT: Limits = Limits { head: 16 * 1024, body: 1024 * 1024 };
}

/// More header fields than this are refused (431).
const MAX_FIELDS: usize = 100;

/// A request's head: everything up to the empty line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// As sent; methods are case-sensitive (RFC 9110 §9.1).
    pub method: String,
    /// As sent: `/path?query`, or an absolute URI.
    pub target: String,
    /// The client may send another request on this connection (RFC 9112 §9.3).
    pub keep_alive: bool,
    /// How many bytes of body follow the head.
    pub body_length: usize,
    /// The client waits for a `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// How many bytes the head itself took.
    pub length: usize,
}

/// What a run of bytes is.
#[derive(Debug)]
pub enum Parsed {
    /// It begins with a complete head.
    Complete(Head),
    /// It may become one.
    Partial,
    /// It never will; say this and close the connection.
    Refused(Response),
}

impl Head {
    /// Looks for a complete head at the beginning of `bytes`.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Parsed {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        let parsed = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) if length <= limits.head => {
                Head::from_parts(&request, length, limits)
            }
            Ok(httparse::Status::Partial) if bytes.len() <= limits.head => return Parsed::Partial,
            Ok(_) => Err(Response::text(431, "the request head is too large\n")),
            Err(httparse::Error::TooManyHeaders) => {
                Err(Response::text(431, "the request has too many header fields\n"))
            }
            Err(httparse::Error::Version) => {
                Err(Response::text(505, "this server speaks HTTP/1.1 and HTTP/1.0\n"))
            }
            Err(error) => Err(Response::text(400, &format!("not an HTTP request: {error}\n"))),
        };
        match parsed {
            Ok(head) => Parsed::Complete(head),
            Err(response) => Parsed::Refused(response),
        }
    }

    fn from_parts(
        request: &httparse::Request<'_, '_>,
        length: usize,
        limits: &Limits,
    ) -> Result<Head, Response> {
        let is_1_1 = request.version == Some(1);
        let mut head = Head {
            method: request.method.unwrap_or_default().to_string(),
            target: request.path.unwrap_or_default().to_string(),
            keep_alive: is_1_1,
            body_length: 0,
            expects_continue: false,
            length,
        };
        let (mut hosts, mut body_length, mut close) = (0, None, false);
        for field in request.headers.iter() {
            let value = field.value.trim_ascii();
            if field.name.eq_ignore_ascii_case("host") {
                hosts += 1;
            } else if field.name.eq_ignore_ascii_case("connection") {
                // A list of tokens, in any case, possibly on several lines (RFC 9110 §7.6.1).
                for token in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
                    close |= token.eq_ignore_ascii_case(b"close");
                    head.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if field.name.eq_ignore_ascii_case("content-length") {
                let n = content_length(value).ok_or_else(|| bad("not a Content-Length"))?;
                if body_length.is_some_and(|other| other != n) {
                    return Err(bad("two Content-Lengths that differ"));
                }
                body_length = Some(n);
            } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
                // RFC 9112 §6.1: a coding that is not understood SHOULD get 501.
                return Err(Response::text(
                    501,
                    "this server reads bodies by Content-Length only\n",
                ));
            } else if field.name.eq_ignore_ascii_case("expect") {
                head.expects_continue = is_1_1 && value.eq_ignore_ascii_case(b"100-continue");
            }
        }
        // RFC 9112 §3.2: exactly one Host in HTTP/1.1; HTTP/1.0 may have none.
        if hosts > 1 || (is_1_1 && hosts == 0) {
            return Err(bad("a request needs exactly one Host"));
        }
        head.keep_alive &= !close;
        head.body_length = body_length.unwrap_or(0);
        if head.body_length > limits.body {
            return Err(Response::text(413, "the request body is too large\n"));
        }
        Ok(head)
    }

    /// Which kind of answer the method asks for.
    pub fn answer_to(&self) -> Method {
        match self.method.as_str() {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            _ => Method::Other,
        }
    }
}

fn bad(reason: &str) -> Response {
    Response::text(400, &format!("{reason}\n"))
}

/// RFC 9110 §8.6: digits only, no sign; a list of equal values counts as one.
fn content_length(value: &[u8]) -> Option<usize> {
    let mut found = None;
    for item in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
        if item.is_empty() || !item.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let n = std::str::from_utf8(item).ok()?.parse().ok()?;
        if found.is_some_and(|other| other != n) {
            return None;
        }
        found = Some(n);
    }
    found
}
