//! HTTP/1.1, as much of it as these servers speak (RFC 9110, RFC 9112).
//!
//! [`Head::parse`] finds a request in bytes that were read (with `httparse`),
//! [`demo::respond`] is the application, [`Response`] turns its answer back into
//! bytes. None of it knows sockets.

pub mod demo;
mod head;
mod response;

pub use head::{Head, Limits, Parsed};
pub use response::{Body, Method, Response, pattern};

/// The whole conversation of chapters 1 to 5: the bytes of one `read` in, the
/// bytes of one answer out, and the connection is closed.
///
/// One read is taken for one request. A head that is not complete in it is
/// refused with 400: chapter 6 learns to wait for the rest.
#[track_caller]
pub fn answer_once(bytes: &[u8]) -> Vec<u8> {
    let (response, method) = match Head::parse(bytes, &Limits::NONE) {
        Parsed::Complete(head) => (demo::respond(&head), head.answer_to()),
        Parsed::Partial => (
            Response::text(
                400,
                "this server reads once, and your request was not complete in it\n",
            ),
            Method::Other,
        ),
        Parsed::Refused(response) => (response, Method::Other),
    };
    response.into_bytes(method, false)
}

#[cfg(test)]
mod tests;
