//! What RFC 9110 and RFC 9112 demand of the parts of a head.
//!
//! Each rule takes one part and says nothing, or why the request is refused.
//! Where the RFC leaves a choice between mending and refusing, it is refused:
//! two parsers on one path that mend differently are a way in.

use super::{Framing, Method, Refusal};

pub(super) const BODY_TOO_LARGE: Refusal = Refusal::new(413, "the request body is too large\n");

const BAD_TARGET: Refusal = Refusal::new(400, "not a request target\n");
const NO_TUNNEL: Refusal = Refusal::new(501, "no tunnels here\n");
const NO_TLS: Refusal = Refusal::new(421, "https is not spoken here\n");
const BAD_HOST: Refusal = Refusal::new(400, "not a Host\n");
const BAD_LENGTH: Refusal = Refusal::new(400, "not a Content-Length\n");

/// RFC 9112 §3.2: which form of target goes with which method.
pub(super) fn target(method: Method, target: &str) -> Result<(), Refusal> {
    if !target.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return Err(BAD_TARGET);
    }
    match method {
        // What follows may be meant for the tunnel already: it is never looked at.
        Method::Connect if host_and_port(target.as_bytes()) && target.contains(':') => {
            Err(NO_TUNNEL)
        }
        Method::Connect => Err(BAD_TARGET),
        Method::Options if target == "*" => Ok(()),
        _ if target.starts_with('/') => path(target),
        _ => {
            let (is_tls, rest) = scheme(target).ok_or(BAD_TARGET)?;
            let authority = rest.split(['/', '?']).next().unwrap_or("");
            if !host_and_port(authority.as_bytes()) {
                return Err(BAD_TARGET);
            }
            // RFC 9110 §7.4: never without TLS what is to be had by TLS alone.
            if is_tls { Err(NO_TLS) } else { path(&rest[authority.len()..]) }
        }
    }
}

/// RFC 3986 §2.1: in a path, `%` begins two hexadecimal digits. The query is
/// looked at by nobody here, and browsers send it as it was typed.
fn path(target: &str) -> Result<(), Refusal> {
    let path = target.split('?').next().unwrap_or("");
    let is_encoded = |rest: &str| rest.as_bytes().first_chunk().is_some_and(are_hex);
    if path.split('%').skip(1).all(is_encoded) { Ok(()) } else { Err(BAD_TARGET) }
}

fn are_hex(digits: &[u8; 2]) -> bool {
    digits.iter().all(u8::is_ascii_hexdigit)
}

/// Whether it is `https`, and what follows `http://` or `https://`, in any case
/// (RFC 3986 §3.1).
fn scheme(target: &str) -> Option<(bool, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    let is_tls = scheme.eq_ignore_ascii_case("https");
    (is_tls || scheme.eq_ignore_ascii_case("http")).then_some((is_tls, rest))
}

/// The path and query of any target; of an absolute URI the path may be empty.
pub(super) fn without_authority(target: &str) -> &str {
    if target.starts_with('/') {
        return target;
    }
    match scheme(target) {
        Some((_, rest)) => rest.find(['/', '?']).map_or("", |at| &rest[at..]),
        None => target,
    }
}

/// RFC 9112 §3.2: an invalid Host gets 400. It may be empty.
pub(super) fn host(value: &[u8]) -> Result<(), Refusal> {
    if value.is_empty() || host_and_port(value) { Ok(()) } else { Err(BAD_HOST) }
}

/// `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 3986 §3.2.2).
fn host_and_port(value: &[u8]) -> bool {
    let (host, port) = if value.first() == Some(&b'[') {
        let Some(end) = value.iter().position(|&b| b == b']') else { return false };
        let inside = &value[1..end];
        let is_address = std::str::from_utf8(inside)
            .is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
        if !is_address {
            return false;
        }
        (&b""[..], &value[end + 1..])
    } else {
        let colon = value.iter().position(|&b| b == b':').unwrap_or(value.len());
        if colon == 0 {
            return false;
        }
        value.split_at(colon)
    };
    registered_name(host)
        && match port.split_first() {
            None => true,
            Some((b':', digits)) => digits.is_empty() || is_port(digits),
            Some(_) => false,
        }
}

/// Digits only, also zeros in front, and not more than TCP has room for.
fn is_port(digits: &[u8]) -> bool {
    let text = std::str::from_utf8(digits).unwrap_or("");
    digits.iter().all(u8::is_ascii_digit) && text.parse::<u16>().is_ok()
}

/// Unreserved, percent-encoded, sub-delims.
fn registered_name(name: &[u8]) -> bool {
    let mut rest = name;
    while let Some((&b, after)) = rest.split_first() {
        rest = match b {
            b'%' => match after.split_first_chunk() {
                Some((digits, after)) if are_hex(digits) => after,
                _ => return false,
            },
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+'
            | b',' | b';' | b'=' => after,
            b if b.is_ascii_alphanumeric() => after,
            _ => return false,
        };
    }
    true
}

/// RFC 9110 §8.6: digits only, no sign; a list of equal values counts as one.
pub(super) fn content_length(value: &[u8]) -> Result<usize, Refusal> {
    let mut found = None;
    for item in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
        if item.is_empty() || !item.iter().all(u8::is_ascii_digit) {
            return Err(BAD_LENGTH);
        }
        let n = std::str::from_utf8(item).ok().and_then(|text| text.parse().ok());
        let n = n.ok_or(BAD_LENGTH)?;
        if found.is_some_and(|other| other != n) {
            return Err(BAD_LENGTH);
        }
        found = Some(n);
    }
    found.ok_or(BAD_LENGTH)
}

/// What the Transfer-Encoding lines so far add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// There are none.
    None,
    /// `chunked`, and nothing else.
    Chunked,
    /// Others, and not yet `chunked`.
    Others,
    /// Others, and `chunked` at the end.
    OthersChunked,
    /// Something after `chunked`.
    Unframed,
}

/// Takes one more line into account (RFC 9112 §6.1).
pub(super) fn transfer_encoding(so_far: Coding, value: &[u8]) -> Coding {
    let items = value.split(|&b| b == b',').map(<[u8]>::trim_ascii);
    items.fold(so_far, |coding, item| match (coding, item.eq_ignore_ascii_case(b"chunked")) {
        (Coding::None, true) => Coding::Chunked,
        (Coding::None | Coding::Others, false) => Coding::Others,
        (Coding::Others, true) => Coding::OthersChunked,
        (Coding::Chunked | Coding::OthersChunked | Coding::Unframed, _) => Coding::Unframed,
    })
}

// ANCHOR: framing
/// RFC 9112 §6.3: how the end of the body is found, if there is one way only.
pub(super) fn framing(
    coding: Coding,
    length: Option<usize>,
    is_1_1: bool,
) -> Result<Framing, Refusal> {
    match (coding, length) {
        (Coding::None, length) => Ok(Framing::Length(length.unwrap_or(0))),
        (_, Some(_)) => Err(Refusal::new(400, "both a Content-Length and a Transfer-Encoding\n")),
        // HTTP/1.0 has no transfer codings: whoever passed this on did not understand it.
        (_, None) if !is_1_1 => Err(Refusal::new(400, "a Transfer-Encoding in HTTP/1.0\n")),
        (Coding::Chunked, None) => Ok(Framing::Chunked),
        (Coding::OthersChunked, None) => {
            Err(Refusal::new(501, "the only transfer coding understood is chunked\n"))
        }
        (Coding::Others | Coding::Unframed, None) => {
            Err(Refusal::new(400, "a Transfer-Encoding that does not end with chunked, once\n"))
        }
    }
}
// ANCHOR_END: framing
