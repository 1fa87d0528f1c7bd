//! What the conditions of a request make of an answer (RFC 9110 §13, §14).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::http::{Method, Request};

/// So long after a change, another one may have the same time: file systems count
/// in ticks of the kernel's clock, the coarsest in two seconds.
const TICK: Duration = Duration::from_secs(2);

/// The state of a file, as far as a client can name it.
#[derive(Debug)]
pub(super) struct State {
    /// Bytes.
    pub length: usize,
    /// The entity tag. It holds the time of the last change of any kind (ctime),
    /// which nobody can set back as they can the other one. While that time may
    /// yet come to stand for something else, it is a weak tag (RFC 9110 §8.8.1),
    /// and not the one that it will have later.
    pub tag: String,
    /// When its content changed, not later than now: a time to come would never
    /// be reached by a cache (RFC 9110 §8.8.2.1).
    pub modified: SystemTime,
    /// Whether `modified` names one state and no other (RFC 9110 §8.8.2.2).
    is_settled: bool,
}

/// What is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everything.
    Whole,
    /// From the first byte to the last, both included.
    Part(usize, usize),
    /// The part that is asked for is not there.
    Beyond,
    /// The client has it already.
    NotModified,
    /// It is not what the client takes it for.
    Changed,
}

impl State {
    /// Of a file, as it is now.
    pub fn of(metadata: &Metadata, now: SystemTime) -> State {
        let seconds = |time: i64| UNIX_EPOCH + Duration::from_secs(time.max(0) as u64);
        let is_past = |time: i64| seconds(time) < now - TICK;
        let (length, time, ns) = (metadata.len(), metadata.ctime(), metadata.ctime_nsec());
        let name = format!("{length:x}-{time:x}.{ns:x}");
        State {
            length: usize::try_from(length).unwrap_or(usize::MAX),
            tag: if is_past(time) { format!("\"{name}\"") } else { format!("W/\"{name}-new\"") },
            modified: seconds(metadata.mtime()).min(now),
            is_settled: is_past(time) && is_past(metadata.mtime()),
        }
    }

    // ANCHOR: judge
    /// In the order of RFC 9110 §13.2.2.
    pub fn judge(&self, request: &Request<'_>) -> Verdict {
        let date = |field| {
            let value = request.field(field)?;
            httpdate::parse_http_date(std::str::from_utf8(&value).ok()?).ok()
        };
        let is_older = |than: SystemTime| self.modified <= than;
        let as_it_was = match request.field("if-match") {
            Some(tags) => names(&tags, &self.tag, false),
            None => date("if-unmodified-since").is_none_or(is_older),
        };
        if !as_it_was {
            return Verdict::Changed;
        }
        let is_known = match request.field("if-none-match") {
            Some(tags) => names(&tags, &self.tag, true),
            None => date("if-modified-since").is_some_and(is_older),
        };
        if is_known {
            return Verdict::NotModified;
        }
        // §14.2: Range is defined for GET alone. §13.1.5: of another state of the
        // file no part is wanted, and of which it is, only a strong validator tells.
        let is_same = |named: &[u8]| {
            (named == self.tag.as_bytes() && named.starts_with(b"\""))
                || (self.is_settled && date("if-range") == Some(self.modified))
        };
        match request.field("range") {
            Some(part)
                if request.head.method == Method::Get
                    && request.field("if-range").is_none_or(|named| is_same(&named)) =>
            {
                range(&part, self.length)
            }
            _ => Verdict::Whole,
        }
    }
    // ANCHOR_END: judge
}

/// Whether a list of entity tags names this one (RFC 9110 §8.8.3.2). Compared
/// weakly, `W/"x"` is the same as `"x"`; strongly, not even as itself.
fn names(list: &[u8], tag: &str, weakly: bool) -> bool {
    let ours = opaque(tag.as_bytes(), weakly);
    let mut items = list.split(|&b| b == b',').map(<[u8]>::trim_ascii);
    list == b"*" || (ours.is_some() && items.any(|item| opaque(item, weakly) == ours))
}

/// What of a tag is compared, if it can be.
fn opaque(tag: &[u8], weakly: bool) -> Option<&[u8]> {
    match tag.strip_prefix(b"W/") {
        Some(rest) => weakly.then_some(rest),
        None => Some(tag),
    }
}

/// RFC 9110 §14.1.2: `bytes=0-99`, `bytes=100-`, `bytes=-100`.
fn range(field: &[u8], length: usize) -> Verdict {
    let text = std::str::from_utf8(field).unwrap_or("");
    let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
        // So large a number is beyond any file.
        true if !text.is_empty() => Some(text.parse().unwrap_or(usize::MAX)),
        _ => None,
    };
    let Some((unit, spec)) = text.split_once('=') else { return Verdict::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Verdict::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Verdict::Whole;
    }
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Verdict::Whole, // no valid range
        (Some(_), None) if !last.is_empty() => Verdict::Whole,
        (Some(first), _) if first >= length => Verdict::Beyond,
        (Some(first), last) => Verdict::Part(first, last.unwrap_or(length).min(length - 1)),
        (None, Some(0)) if first.is_empty() => Verdict::Beyond,
        // The last bytes of nothing are all of it, and no Content-Range can say so.
        (None, Some(_)) if first.is_empty() && length == 0 => Verdict::Whole,
        (None, Some(suffix)) if first.is_empty() => {
            Verdict::Part(length.saturating_sub(suffix), length - 1)
        }
        _ => Verdict::Whole,
    }
}
