//! The application: a few routes that make a server's behaviour visible. They
//! are the same in every chapter.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | `Hello World` |
//! | `GET /slow?ms=N` | blocks its thread for N ms (at most 10,000), then answers |
//! | `GET /big?bytes=N` | N bytes (at most 64 MiB) |
//! | `POST /echo` | the request's body (from chapter 6 on) |
//!
//! Anything else is 404, a bad number 400, a known path with another method 405.

use std::thread;
use std::time::Duration;

use super::{Body, Head, Response};
use crate::trace;

const MAX_MS: usize = 10_000;
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Answers a request that has no use for its body: chapters 1 to 5.
#[track_caller]
pub fn respond(head: &Head) -> Response {
    let (path, query) = split(&head.target);
    match (path, head.method.as_str()) {
        ("/", "GET" | "HEAD") => Response::text(200, "Hello World\n"),
        ("/slow", "GET" | "HEAD") => match number(query, "ms", MAX_MS) {
            Ok(ms) => slow(ms),
            Err(refused) => refused,
        },
        ("/big", "GET" | "HEAD") => match number(query, "bytes", MAX_BYTES) {
            Ok(bytes) => Response::ok(Body::Pattern(bytes)),
            Err(refused) => refused,
        },
        ("/" | "/slow" | "/big", _) => Response::method_not_allowed("GET, HEAD"),
        _ => Response::text(404, "there is nothing here\n"),
    }
}

/// Answers a request together with its body: from chapter 6 on.
#[track_caller]
pub fn respond_with_body(head: &Head, body: &[u8]) -> Response {
    match (split(&head.target).0, head.method.as_str()) {
        ("/echo", "POST") => Response::ok(Body::Bytes(body.to_vec())),
        ("/echo", _) => Response::method_not_allowed("POST"),
        _ => respond(head),
    }
}

/// A handler that waits for something, as handlers do: a disk, a database. The
/// thread that runs it can do nothing else meanwhile.
#[track_caller]
fn slow(ms: usize) -> Response {
    let pause = trace::step_enters("handler sleeps", format_args!("{ms} ms"));
    thread::sleep(Duration::from_millis(ms as u64));
    pause.leave("handler slept", None, "");
    Response::text(200, &format!("slept {ms} ms\n"))
}

/// Path and query of a target; of an absolute URI (RFC 9112 §3.2.2) those that
/// follow its authority.
fn split(target: &str) -> (&str, &str) {
    let target = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => target,
    };
    target.split_once('?').unwrap_or((target, ""))
}

/// The number in `name=N`, which must be there and at most `max`.
fn number(query: &str, name: &str, max: usize) -> Result<usize, Response> {
    let value = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value));
    let digits = value.filter(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()));
    match digits.and_then(|v| v.parse().ok()) {
        Some(n) if n <= max => Ok(n),
        _ => {
            let text = format!("this path needs ?{name}=N with a whole number of at most {max}\n");
            Err(Response::text(400, &text))
        }
    }
}
