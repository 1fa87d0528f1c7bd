//! An HTTP answer, taken out of what a client has received.

use super::{Result, trouble};

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

/// The request for a path.
pub fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: lab\r\n\r\n")
}

/// How a client begins to say that a server sends and sends.
pub const TOO_MUCH: &str = "more than an answer has promised, and no end of it comes";

/// How many bytes a client takes that no answer has promised, and how many in all: a
/// server that sends without end would fill the memory of whoever listens to its end.
const SURPLUS: usize = 1024 * 1024;
const MOST: usize = 256 * SURPLUS;

/// Whether nobody need read on: so many bytes are of no use.
pub(super) fn is_too_much(bytes: &[u8]) -> bool {
    bytes.len() > SURPLUS && (surplus(bytes) > SURPLUS || bytes.len() > MOST)
}

/// How many of these bytes are no part of an answer that promised its length: what a
/// server sends that does not know what it has sent already.
fn surplus(mut bytes: &[u8]) -> usize {
    const HEAD: usize = 64 * 1024;
    loop {
        let start = &bytes[..bytes.len().min(HEAD)];
        let Some(end) = start.windows(4).position(|w| w == b"\r\n\r\n") else {
            return bytes.len();
        };
        if !bytes.starts_with(b"HTTP/1.") {
            return bytes.len();
        }
        let head = String::from_utf8_lossy(&bytes[..end]);
        // Without a promise nobody can say.
        let Some(length) = content_length(&head) else { return 0 };
        let Some(rest) = bytes.get((end + 4).saturating_add(length)..) else { return 0 };
        bytes = rest;
    }
}

fn content_length(head: &str) -> Option<usize> {
    let value = head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?;
    value.trim().parse().ok()
}

/// The first answer in `bytes`, if it is complete, and its length.
pub fn take_answer(bytes: &[u8]) -> Result<Option<(Answer, usize)>> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..end + 4]).into_owned();
    let status = head.get(9..12).and_then(|s| s.parse().ok());
    let Some(status) = status.filter(|_| head.starts_with("HTTP/1.1 ")) else {
        return trouble(format!("not an HTTP answer: {head:?}"));
    };
    let Some(length) = content_length(&head) else {
        return trouble(format!("no Content-Length: {head:?}"));
    };
    let body = &bytes[end + 4..];
    if body.len() < length {
        return Ok(None);
    }
    Ok(Some((Answer { status, head, body: body[..length].to_vec() }, end + 4 + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_answer_promised_is_counted() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(surplus(answer.as_bytes()), 0);
        assert_eq!(surplus(&answer.as_bytes()[..answer.len() - 1]), 0);
        assert_eq!(surplus(answer.repeat(2).as_bytes()), 0);
        assert_eq!(surplus(format!("{answer}bcbcbc").as_bytes()), 6);
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n";
        assert_eq!(surplus(head.as_bytes()), 0);
    }
}
