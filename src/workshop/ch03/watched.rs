//! What the kernel watches, as the trace tells it; for more than one exercise.

use crate::workshop::{Attempt, Finding, Outcome, Reached, Verdict, failed, passed};
use common::lab::{Record, Result};

/// The listener's descriptor.
pub(super) fn listener(records: &[Record]) -> Option<i32> {
    records.iter().find(|r| r.is_call("listen"))?.fd
}

/// A call on the queue, for this descriptor.
pub(super) fn is_op(r: &Record, op: &str, fd: i32) -> bool {
    r.op.as_deref() == Some(op) && r.fd == Some(fd)
}

pub(super) fn sleeps(attempt: &Attempt) -> Result<Verdict> {
    let did = "The server is started; nobody connects.";
    let expected = "Main sleeps in one wait, until somebody comes.";
    let server = attempt.start(&[])?;
    let asleep = |records: &[Record]| {
        let last = records.iter().rev().find(|r| r.thread == "main")?;
        last.is_wait_enter().then(|| last.clone())
    };
    match attempt.until(&server, "main to sleep in the queue's wait", asleep)? {
        Reached::Yes(enter) => match enter.time_limit() {
            None => {}
            Some(limit) => {
                let seen = format!("Its wait ends by itself, after {limit:?}.");
                return failed(
                    Finding::new(did, expected, seen)
                        .usually(
                            "With a time limit the loop asks again and again, only more slowly: \
                             each wake-up costs, and each is in vain. The kernel wakes you when \
                             there is something; without it the limit is None.",
                        )
                        .shown_by([&enter])
                        .page("ch03.html#the-system-calls"),
                );
            }
        },
        Reached::Asleep(last) => {
            return failed(
                Finding::new(did, expected, "Main sleeps, but in another call.")
                    .usually("Only the queue's wait wakes for every socket at once.")
                    .shown_by(&last),
            );
        }
        Reached::Spins(last) => {
            return failed(
                Finding::new(did, expected, "Its loop turns and turns: it burns a core.")
                    .usually(
                        "The loop does not begin with queue.wait, or what the wait reports is \
                         never dealt with, so that it is reported again at once.",
                    )
                    .shown_by(&last)
                    .page("ch03.html#the-code"),
            );
        }
    }
    let a = attempt.connect("A", &server)?;
    let note = format!("({})", a.local());
    let accepted = |records: &[Record]| {
        records.iter().find(|r| r.accepted().is_some() && r.note == note).map(drop)
    };
    match attempt.until(&server, "A to be accepted", accepted)? {
        Reached::Yes(()) => passed("main sleeps without a time limit, and A wakes it"),
        Reached::Asleep(last) | Reached::Spins(last) => failed(
            Finding::new(
                "Main sleeps; A connects.",
                "The wait returns the listener's event, and A is accepted.",
                "A is not accepted.",
            )
            .usually(
                "An event is told by its token: the listener's is listener.token; every other \
                 one is a client's.",
            )
            .shown_by(&last)
            .page("ch03.html#the-code"),
        ),
    }
}

/// What it means that a client has not been answered.
pub(super) fn unanswered(outcome: Outcome, who: &str, while_: &str) -> Option<Finding> {
    let did = format!("{who} asks for / while {while_}.");
    let expected = format!("{who}'s event is returned by the wait, and {who} is answered.");
    let (seen, mistake, last) = match outcome {
        Outcome::Answered(_) => return None,
        Outcome::Asleep(last) => (
            format!("The request waits in {who}'s socket, and the server sleeps."),
            "Either the kernel does not watch this client, or its event was taken for another's: \
             compare the token that was added with the one you look up.",
            last,
        ),
        Outcome::Spins(last) => (
            format!("The request waits in {who}'s socket, and the loop turns in vain."),
            "The wait reports the client again and again, and nobody reads from it: is its token \
             kept with the client when it is added?",
            last,
        ),
        Outcome::Ended(bytes, end) => (
            format!("The connection ended ({end:?}) after {} bytes.", bytes.len()),
            "It was closed before it was answered: EAGAIN is no error, the client stays.",
            Vec::new(),
        ),
    };
    Some(Finding::new(did, expected, seen).usually(mistake).shown_by(&last))
}

pub(super) fn deletes(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&[])?;
    for (name, speaks) in [("A", true), ("B", false)] {
        let mut client = attempt.connect(name, &server)?;
        let fd = server.fd_of(client.local())?;
        let mark = server.mark();
        match speaks {
            true => {
                client.get("/")?;
                let outcome = attempt.answer_or_rest(&server, &mut client)?;
                if let Some(finding) = unanswered(outcome, name, "nobody else is there") {
                    return failed(finding);
                }
            }
            false => client.half_close()?,
        }
        let closed = |records: &[Record]| {
            let close = records.iter().position(|r| r.seq > mark && r.did("close", fd))?;
            let of_client = |r: &&Record| r.fd == Some(fd) || r.accepted() == Some(fd);
            let story = records[..=close].iter().filter(of_client);
            Some(story.cloned().collect::<Vec<_>>())
        };
        let did = match speaks {
            true => format!("{name} asks for /, is answered, and closed."),
            false => format!("{name} connects, and ends its side without a word."),
        };
        let what = format!("{name} to be closed");
        let story = match attempt.until(&server, &what, closed)? {
            Reached::Yes(story) => story,
            Reached::Asleep(last) | Reached::Spins(last) => {
                return failed(
                    Finding::new(did, "It is deleted and closed.", "Its descriptor stays open.")
                        .usually("Whoever has had its answer, or has ended its side, is closed.")
                        .shown_by(&last),
                );
            }
        };
        let deleted = story.iter().rev().find(|r| r.op.is_some());
        if deleted.is_none_or(|r| r.op.as_deref() != Some("delete")) {
            return failed(
                Finding::new(
                    did,
                    "It is deleted from the queue, then closed.",
                    format!("Descriptor {} was closed while the kernel still watches it.", fd),
                )
                .usually(
                    "Often the close takes it out by itself; not where a copy of the descriptor \
                     lives on, and not on every system. Delete first, then close.",
                )
                .shown_by(&story)
                .page("ch03.html#the-code"),
            );
        }
    }
    passed("delete, then close: for one who was answered and one who was not")
}
