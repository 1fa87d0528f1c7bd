//! A server that may open nothing more: what becomes of an error of `accept`.

use super::{Attempt, Finding};
use common::lab::record::Kind;
use common::lab::{Record, Result, Trouble};

/// What is wrong with how the server takes an error of `accept`.
///
/// # Errors
/// It does not start with so few descriptors, or `accept` does not fail.
pub(super) fn accept_fails(a: &Attempt) -> Result<Option<Finding>> {
    // Room for what is open up to the listener (3, unless this process has handed one
    // down): for no client.
    let listens = |r: &Record| r.is_call("listen");
    let listener = a.start(&[])?.wait_record("its listen", 0, listens)?.fd.unwrap_or(3);
    let server = a.start_with(&[], listener as u64 + 1)?;
    // Linux wants a free descriptor before it looks for a client, others after that.
    // A server that has ended already cannot be connected to: its trace tells.
    let _a = a.connect("A", &server);
    let is_full = |r: &Record| r.failed("accept", "EMFILE");
    let goes_on = server.wait_for("the next accept after EMFILE", |records| {
        let full = records.iter().position(is_full)?;
        let again = |r: &Record| r.call == "accept" || r.times > 0;
        let next = records[full + 1..].iter().position(again)?;
        Some(records[full..full + next + 2].to_vec())
    });
    let did = "Starts your server with room for no descriptor after its listener's: accept fails \
               for want of one (EMFILE).";
    let finding = |expected: &str, seen: &str, records: &[Record]| {
        Finding::new(did, expected, seen)
            .shown_by(records)
            .page("calls/accept.html#errors-and-how-to-cause-them")
    };
    match goes_on {
        Err(Trouble(why)) => {
            let records = server.records();
            let Some(full) = records.iter().position(is_full) else { return Err(Trouble(why)) };
            let expected = "It says so in a line, and asks again.";
            let seen = match why.contains("the server has ended") {
                true => "Your server ended.",
                false => "Your server does not ask again.",
            };
            Ok(Some(finding(expected, seen, &records[full..]).usually(
                "An error of accept was taken for the end of the server: those who are connected \
                 lose it, too, and in a moment there may be room again. Print it, and go on.",
            )))
        }
        Ok(records) if !is_said(a, 0, &records) => {
            let expected = "A line on stderr that says so.";
            Ok(Some(finding(expected, "No line: it asks again in silence.", &records).usually(
                "An error of accept that is thrown away: nobody gets in, and nobody is told why. \
                 A log::Repeated prints it, at most once a second.",
            )))
        }
        Ok(_) => Ok(None),
    }
}

/// What the server that was started last has said on stderr beside its trace, line by
/// line; how many there are is a mark for [`is_said`].
pub(super) fn lines(a: &Attempt) -> Vec<String> {
    let words = a.play().last_words().unwrap_or_default();
    // The trace's header is nothing that it says.
    words.lines.into_iter().filter(|line| !line.starts_with('{')).collect()
}

/// Whether it has said something: in a line of `common::log`, which is one of these
/// records, or in one of its own on stderr, after so many others.
pub(super) fn is_said<'a>(
    a: &Attempt,
    before: usize,
    records: impl IntoIterator<Item = &'a Record>,
) -> bool {
    records.into_iter().any(|r| r.kind == Kind::Log) || lines(a).len() > before
}

/// A `read` that had room for nothing: a `Vec` that was given a capacity, and no length.
pub(super) fn no_room(records: &[Record]) -> Option<Finding> {
    let is_empty = |r: &&Record| r.is_call("read") && r.args.ends_with(", 0");
    let read = records.iter().find(is_empty)?;
    let expected = "read is given a buffer of 16 KiB.";
    let finding = Finding::new("A client connects.", expected, "It is given room for 0 bytes.");
    Some(finding.shown_by([read]).usually(
        "Vec::with_capacity reserves memory, and has no length: as a slice it is empty, and read \
         says 0 at once. [0; 16 * 1024] or vec![0; 16 * 1024] is a buffer.",
    ))
}
