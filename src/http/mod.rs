//! HTTP/1.1, as much of it as these servers speak (RFC 9110, RFC 9112).
//!
//! [`Head::parse`] finds a request in bytes that were read (with `httparse`),
//! [`demo::respond`] is the application, [`Response`] turns its answer back into
//! bytes. None of it knows sockets.

mod chunked;
mod date;
pub mod demo;
mod head;
mod refused;
mod response;
mod rules;

pub use chunked::{Chunks, Decoded};
pub use head::{Framing, Head, Limits, Parsed, Refusal, Request};
pub use refused::Refused;
pub use response::{Body, Method, Response, pattern};

// ANCHOR: answer_once
/// The whole conversation of chapters 1 to 5: the bytes of one `read` in, the
/// bytes of one answer out, and the connection is closed.
///
/// One read is taken for one request. A head that is not complete in it is
/// refused with 400: chapter 6 learns to wait for the rest.
#[track_caller]
pub fn answer_once(bytes: &[u8]) -> Vec<u8> {
    const NOT_COMPLETE: Refusal =
        Refusal::new(400, "this server reads once, and your request was not complete in it\n");
    let method = Method::of_beginning(bytes);
    let (response, method) = match Head::parse(bytes, &Limits::NONE) {
        Parsed::Complete(head) => {
            let request = Request::new(head, bytes, &bytes[head.length..]);
            (demo::respond(&request), head.method)
        }
        Parsed::Partial => (NOT_COMPLETE.response(), method),
        Parsed::Refused(refusal) => (refusal.response(), method),
    };
    response.into_bytes(method, false)
}
// ANCHOR_END: answer_once

#[cfg(test)]
mod tests;
