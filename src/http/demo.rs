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
//! Anything else is 404, a bad number 400, a known path with another method 405,
//! an unknown method 501. `OPTIONS` names the methods of a path.

use std::borrow::Cow;
use std::thread;
use std::time::Duration;

use super::{Body, Method, Request, Response};
use crate::trace;

const MAX_MS: usize = 10_000;
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The methods of a path that is read.
const READ: &str = "GET, HEAD, OPTIONS";
/// The methods of `/echo`.
const ECHO: &str = "POST, OPTIONS";

/// Answers a request that has no use for its body: chapters 1 to 5.
#[track_caller]
pub fn respond(request: &Request<'_>) -> Response {
    let (path, query) = request.path_and_query();
    let is_known = matches!(path, "/" | "/slow" | "/big");
    match (path, request.head.method) {
        (_, Method::Unknown) => Response::text(501, "no such method is known here\n"),
        ("*", _) => options(READ),
        ("/", Method::Get | Method::Head) => Response::text(200, "Hello World\n"),
        ("/slow", Method::Get | Method::Head) => match number(query, "ms", MAX_MS) {
            Ok(ms) => slow(ms),
            Err(refused) => refused,
        },
        ("/big", Method::Get | Method::Head) => match number(query, "bytes", MAX_BYTES) {
            Ok(bytes) => Response::ok(Body::Pattern(bytes)),
            Err(refused) => refused,
        },
        (_, Method::Options) if is_known => options(READ),
        _ if is_known => Response::method_not_allowed(READ),
        _ => Response::text(404, "there is nothing here\n"),
    }
}

/// Answers a request together with its body: from chapter 6 on.
#[track_caller]
pub fn respond_with_body(request: &Request<'_>) -> Response {
    match (request.path_and_query().0, request.head.method) {
        ("/echo", Method::Post) => Response::ok(Body::Bytes(Cow::Owned(request.body.to_vec()))),
        ("/echo", Method::Options) => options(ECHO),
        ("/echo", method) if method != Method::Unknown => Response::method_not_allowed(ECHO),
        _ => respond(request),
    }
}

fn options(allow: &'static str) -> Response {
    Response::empty(204).with("Allow", allow)
}

/// A handler that waits for something, as handlers do: a disk, a database. The
/// thread that runs it can do nothing else meanwhile.
#[track_caller]
fn slow(ms: usize) -> Response {
    let pause = trace::step_enters("handler sleeps", format_args!("{ms} ms"));
    thread::sleep(Duration::from_millis(ms as u64));
    pause.leave("handler slept", None, "");
    Response::text(200, format!("slept {ms} ms\n"))
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
            Err(Response::text(400, text))
        }
    }
}
