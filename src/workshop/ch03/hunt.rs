//! What is checked of a client that leaves.

use crate::workshop::{Attempt, Finding, Reached, Verdict, failed, passed, show};
use common::lab::scenarios::Seen;
use common::lab::{Record, Result};

/// How often this client was found at its end.
fn ends_read(records: &[Record], fd: i32) -> usize {
    records.iter().filter(|r| is_end(r, fd)).count()
}

fn is_end(r: &Record, fd: i32) -> bool {
    r.did("read", fd) && r.ret == Some(0)
}

/// One turn in which it was found so, with its wait; and how many more there were.
fn turn_of_end(records: &[Record], fd: i32) -> Vec<String> {
    let first = records.iter().position(|r| is_end(r, fd)).unwrap_or(0);
    let wait = records[..first].iter().rposition(Record::is_wait).unwrap_or(first);
    let turn = records[wait..=first].iter().filter(|r| !r.is_enter());
    let more = format!("-- {} more turns of this", ends_read(records, fd) - 1);
    turn.map(show).chain([more]).collect()
}

pub(super) fn lets_go(attempt: &Attempt) -> Result<Verdict> {
    let did = "A connects, says nothing, and ends its side.";
    let expected = "A is closed, and main sleeps.";
    let server = attempt.start(&[])?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    a.half_close()?;
    let closed_or_again = |records: &[Record]| {
        let closed = records.iter().any(|r| r.did("close", fd));
        let at_its_end = ends_read(records, fd) > 2;
        (closed || at_its_end).then_some(closed)
    };
    match attempt.until(&server, "A to be closed", closed_or_again)? {
        Reached::Yes(true) => match a.rest()?.0.len() {
            0 => passed("A is closed at its end"),
            n => failed(
                Finding::new(
                    did,
                    expected,
                    format!("It is closed, and was sent {n} bytes before."),
                )
                .usually(
                    "0 is not a request of no bytes. Who has asked nothing is answered nothing.",
                )
                .page("ch03.html#the-code"),
            ),
        },
        // A hunt: why it comes again and again is for the learner to find.
        Reached::Yes(false) => failed(
            Finding::new(did, expected, "The same read of 0 bytes, again and again.")
                .lines(turn_of_end(&server.records(), fd))
                .page("ch03.html#the-code"),
        ),
        Reached::Asleep(last) | Reached::Spins(last) => failed(
            Finding::new(did, expected, "A has left, and its descriptor was never closed.")
                .usually(
                    "To stop watching is not enough: the descriptor is still the server's, and \
                     it has only so many of them.",
                )
                .shown_by(&last),
        ),
    }
}

pub(super) fn half_close(attempt: &Attempt) -> Result<Verdict> {
    attempt.scenario("half-close", |seen| match seen {
        Seen::Works(what) => Verdict::Passed(what),
        Seen::Fails(how, what) => Finding::new(
            "A sends a request and ends its side at once.",
            "A is answered: it can still read.",
            format!("{what} ({how})."),
        )
        .usually("The bytes come before the end: answer what was read, then close.")
        .into(),
    })
}
