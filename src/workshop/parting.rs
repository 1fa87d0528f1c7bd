//! How a client was closed: out of the event queue first, and by somebody who meant it.

use common::lab::Record;
use common::lab::record::Kind;

/// What is wrong with this close, and what it usually is. `records` are in order, and
/// reach as far as the close.
pub(super) fn mistake(records: &[Record], close: &Record) -> Option<(&'static str, &'static str)> {
    if close.note.contains("dropped") {
        return Some((
            "its descriptor was closed because its value was dropped",
            "A drop is the net below, for what nobody has thought of. Who closes a client says \
             so, when all that knew it has forgotten it: `sys::close`.",
        ));
    }
    let of_it = |r: &&Record| r.fd == close.fd && r.seq < close.seq && r.kind == Kind::Call;
    let last = records.iter().rev().filter(of_it).find(|r| r.op.is_some());
    let is_deleted = last.is_none_or(|r| r.op.as_deref() == Some("delete"));
    (!is_deleted).then_some((
        "it was closed while the kernel still watched it",
        "`queue.delete` comes before the close. The close takes the descriptor out of the queue \
         only if nobody holds a copy of it; and after it the number is free for the next client.",
    ))
}

/// The life of this descriptor up to its close, in short.
pub(super) fn story<'a>(records: &'a [Record], close: &Record) -> Vec<&'a Record> {
    let of_it = |r: &&Record| r.fd == close.fd && r.seq <= close.seq && r.kind == Kind::Call;
    let all: Vec<&Record> = records.iter().filter(of_it).collect();
    all[all.len().saturating_sub(4)..].to_vec()
}
