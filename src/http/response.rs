//! An answer, and the bytes it becomes.

use std::fmt::Write;

/// What a request's method means for the shape of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Send the body.
    Get,
    /// Send the head that GET would get, and no body (RFC 9110 §9.3.2).
    Head,
    /// Send the body; the request had one, too.
    Post,
    /// Anything else.
    Other,
}

/// What follows the head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// This many bytes of the demo pattern, made when they are sent.
    Pattern(usize),
}

impl Body {
    /// Its length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Body::Bytes(bytes) => bytes.len(),
            Body::Pattern(length) => *length,
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes `from..from + most` of the body, or up to its end.
    pub fn piece(&self, from: usize, most: usize, into: &mut Vec<u8>) {
        let to = self.len().min(from + most);
        match self {
            Body::Bytes(bytes) => into.extend_from_slice(&bytes[from..to]),
            Body::Pattern(_) => into.extend((from..to).map(pattern)),
        }
    }
}

/// Byte `position` of the demo pattern: lines of 60 characters. The period is
/// 61, so that a lost or repeated block cannot go unseen.
pub fn pattern(position: usize) -> u8 {
    const LINE: &[u8; 61] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX\n";
    LINE[position % LINE.len()]
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// What the 405 of a known path must carry (RFC 9110 §15.5.6).
    pub allow: Option<&'static str>,
    /// The content.
    pub body: Body,
}

impl Response {
    /// A short text.
    pub fn text(status: u16, text: &str) -> Response {
        Response { status, allow: None, body: Body::Bytes(text.as_bytes().to_vec()) }
    }

    /// 200 with this content.
    pub fn ok(body: Body) -> Response {
        Response { status: 200, allow: None, body }
    }

    /// 405 with the methods that would do.
    pub fn method_not_allowed(allow: &'static str) -> Response {
        Response {
            allow: Some(allow),
            ..Response::text(405, &format!("this path allows {allow}\n"))
        }
    }

    /// The status line and header fields, with the empty line that ends them.
    pub fn head(&self, keep_alive: bool) -> String {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n",
            self.status,
            reason(self.status),
            self.body.len(),
        );
        // Writing to a String cannot fail.
        if let Some(allow) = self.allow {
            let _ = write!(head, "Allow: {allow}\r\n");
        }
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let _ = write!(head, "Connection: {connection}\r\n\r\n");
        head
    }

    /// The whole answer as bytes, to be sent at once.
    pub fn into_bytes(self, method: Method, keep_alive: bool) -> Vec<u8> {
        let mut bytes = self.head(keep_alive).into_bytes();
        if method != Method::Head {
            self.body.piece(0, self.body.len(), &mut bytes);
        }
        bytes
    }
}

/// The reason phrase: for people, no client reads it (RFC 9112 §4).
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}
