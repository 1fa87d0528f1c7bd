//! Requests, each with the answer that is due.

use std::borrow::Cow;
use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::connection::READ_SIZE;
use crate::connection::buffers::WRITE_SIZE;
use crate::http::{Body, Head, Limits, Method, Parsed, Response};

/// One request, and the answer that is due.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) bytes: Vec<u8>,
    pub(super) answer: Vec<u8>,
    /// How much of `bytes` the head takes, if the client waits for a 100 there.
    pub(super) waits_after: Option<usize>,
}

/// Its beginning; a body may be long.
impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, shown) = (self.bytes.len(), &self.bytes[..self.bytes.len().min(120)]);
        write!(f, "{all} bytes \"{}\"", shown.escape_ascii())
    }
}

impl Ask {
    pub(super) fn new(
        line: &str,
        fields: &str,
        body: &[u8],
        response: Response,
        keep_alive: bool,
    ) -> Ask {
        let mut bytes = format!("{line} HTTP/1.1\r\nHost: x\r\n{fields}").into_bytes();
        if !body.is_empty() {
            bytes.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
        }
        bytes.extend(b"\r\n");
        let waits_after = fields.contains("100-continue").then_some(bytes.len());
        bytes.extend(body);
        let method = if line.starts_with("HEAD") { Method::Head } else { Method::Get };
        Ask { bytes, answer: response.into_bytes(method, keep_alive), waits_after }
    }

    pub(super) fn hello(fields: &str, keep_alive: bool) -> Ask {
        Ask::new("GET /", fields, b"", Response::text(200, "Hello World\n"), keep_alive)
    }

    pub(super) fn big(bytes: usize) -> Ask {
        let response = Response::ok(Body::Pattern(bytes));
        Ask::new(&format!("GET /big?bytes={bytes}"), "", b"", response, true)
    }

    pub(super) fn echo(fields: &str, body: &[u8]) -> Ask {
        Ask::new(
            "POST /echo",
            fields,
            body,
            Response::ok(Body::Bytes(Cow::Owned(body.to_vec()))),
            true,
        )
    }

    /// What breaks the rules gets the parser's answer, and no other after it.
    pub(super) fn refused(bytes: &[u8]) -> Ask {
        let Parsed::Refused(refusal) = Head::parse(bytes, &Limits::DEFAULT) else {
            panic!("{} is a request", bytes.escape_ascii());
        };
        let answer = refusal.response().into_bytes(Method::Get, false);
        Ask { bytes: bytes.to_vec(), answer, waits_after: None }
    }
}

pub(super) fn bytes_of(asks: &[Ask]) -> Vec<u8> {
    asks.iter().flat_map(|ask| ask.bytes.clone()).collect()
}

pub(super) fn answers_to(asks: &[Ask]) -> Vec<u8> {
    asks.iter().flat_map(|ask| ask.answer.clone()).collect()
}

pub(super) fn a_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..80),
        2 => Just(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()), // never taken for a request
        1 => vec(any::<u8>(), READ_SIZE - 2..READ_SIZE + 40),
    ]
}

pub(super) fn an_ask() -> impl Strategy<Value = Ask> {
    let put = |body: Vec<u8>| {
        Ask::new("PUT /", "", &body, Response::method_not_allowed("GET, HEAD, OPTIONS"), true)
    };
    let nothing = Response::text(404, "there is nothing here\n");
    prop_oneof![
        2 => "[ -~]{0,40}".prop_map(|value| Ask::hello(&format!("X: {value}\r\n"), true)),
        1 => (0_usize..600).prop_map(Ask::big),
        1 => (WRITE_SIZE - 200..3 * WRITE_SIZE).prop_map(Ask::big),
        1 => (0_usize..600).prop_map(|n| {
            let line = format!("HEAD /big?bytes={n}");
            Ask::new(&line, "", b"", Response::ok(Body::Pattern(n)), true)
        }),
        3 => a_body().prop_map(|body| Ask::echo("", &body)),
        1 => a_body().prop_map(put),
        1 => Just(Ask::new("GET /x", "", b"", nothing, true)),
    ]
}

/// Requests that are the last ones answered, whatever follows.
pub(super) fn a_last_ask() -> impl Strategy<Value = Ask> {
    proptest::sample::select(vec![
        Ask::hello("Connection: close\r\n", false),
        Ask::hello("connection: x, CLOSE\r\n", false),
        Ask::refused(b"GET / HTTP/1.1\r\n\r\n"),
        Ask::refused(b"NONSENSE\r\n\r\n"),
        Ask::refused(b"GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
        Ask::refused(b"GET / HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n"),
        Ask::refused(b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
        Ask::refused(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n..."),
    ])
}
