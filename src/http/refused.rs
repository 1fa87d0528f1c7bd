//! A refusal as the log tells it.

use super::{Method, Refusal};

/// The beginning of what was no request, and why.
#[derive(Debug)]
pub struct Refused {
    /// What its client was told.
    pub refusal: Refusal,
    /// What can be said of the method.
    pub method: Method,
    /// Its method and target, or what stands in their place: the first line up to its second
    /// space or to [`Refused::SHOWN`] bytes, in ASCII, and nothing in it ends the quotes that a
    /// log puts around it. (Of a line that was refused before all of it had come, as much as
    /// had.)
    pub line: String,
}

impl Refused {
    /// As much of a line is shown.
    pub const SHOWN: usize = 100;

    /// These bytes were refused, or what began so.
    pub fn new(refusal: Refusal, bytes: &[u8]) -> Refused {
        let is_end = |b: &u8| matches!(b, b'\r' | b'\n');
        let first = bytes.split(is_end).find(|line| !line.is_empty()).unwrap_or_default();
        let mut spaces = first.iter().enumerate().filter(|(_, b)| **b == b' ');
        let asked = &first[..spaces.nth(1).map_or(first.len(), |(at, _)| at)];
        let shown = &asked[..asked.len().min(Refused::SHOWN)];
        let more = if shown.len() < asked.len() { "..." } else { "" };
        let line = format!("{}{more}", shown.escape_ascii());
        Refused { refusal, method: Method::of_beginning(bytes), line }
    }
}
