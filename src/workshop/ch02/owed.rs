//! Who leaves while something is owed to it: closed, told of, and forgotten.

use super::rest::slow_reader;
use super::{Came, answer, goes_on, guest, story_of, until};
use crate::workshop::scarce::{is_said, lines};
use crate::workshop::{Attempt, Finding, Verdict, failed, passed};
use common::lab::{Record, Result, Server};

pub(super) fn takes_it_along(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let (rude, fd) = slow_reader(a, &server)?;
    let (mark, said) = (server.mark(), lines(a).len());
    rude.reset()?;
    let is_error = |r: &Record| {
        let error = r.errno.as_deref().filter(|errno| *errno != "EAGAIN");
        r.is_call("write") && r.fd == Some(fd) && error.is_some()
    };
    let closed = until(&server, "A's close", |records| {
        let since = &records[records.partition_point(|r| r.seq <= mark)..];
        let closed = since.iter().any(|r| r.did("close", fd));
        let errors = since.iter().filter(|r| is_error(r)).count();
        (closed || errors > 2).then_some(closed)
    })?;
    let finding = |expected: &str, seen: &str| {
        let did = "A asks for 8 MiB and does not read; while it is owed the rest, it resets.";
        Finding::new(did, expected, seen).shown_by(story_of(&server.records(), fd))
    };
    if !matches!(closed, Ok(true)) {
        return failed(finding("A is closed.", "It is kept.").usually(
            "Only EAGAIN says: no room yet. After any other error nothing more can be sent, and the \
             client is closed with what was owed to it; who keeps it asks it in vain for ever.",
        ));
    }
    goes_on(&server, fd)?;
    let records = server.records();
    let since = || records.iter().filter(|r| r.seq > mark);
    if let (Some(error), false) = (since().find(|r| is_error(r)), is_said(a, said, since())) {
        let errno = error.errno.clone().unwrap_or_default();
        let expected = format!("A line on stderr that says so ({errno}).");
        return failed(finding(&expected, "No line.").usually(
            "An error that is thrown away: nobody will know why a client did not get all of its \
             answer. log::failed prints it in one line.",
        ));
    }
    next_one(a, &server)
}

/// The next client, which has the number that is free: it begins with nothing.
fn next_one(a: &Attempt, server: &Server) -> Result<Verdict> {
    let (mut next, fd) = guest(a, server, "B")?;
    let accept = server.accept_of(next.local())?;
    let did = "A asks for 8 MiB and does not read; while it is owed the rest, it resets. Then B \
               connects, and asks for /.";
    let finding = |expected: &str, seen: &str| {
        let records = server.records();
        let since = records.iter().filter(|r| r.seq >= accept.seq).cloned().collect::<Vec<_>>();
        Finding::new(did, expected, seen).shown_by(story_of(&since, fd))
    };
    let first = until(server, "B's turn", |records| {
        let talks = |r: &&Record| r.fd == Some(fd) && (r.is_call("read") || r.is_call("write"));
        records.iter().filter(|r| r.seq > accept.seq).find(talks).cloned()
    })?;
    if first.is_ok_and(|first| first.is_call("write")) {
        return failed(
            finding("B is asked first, and owed nothing.", "B is written to before it has asked.")
                .usually(
                    "It gets what A was owed: the rest was kept under A's descriptor, and that number \
                     is B's now. Whoever is closed takes along all that was kept for it.",
                ),
        );
    }
    next.get("/")?;
    match answer(server, &mut next)? {
        Came::Answer(answer) if answer.status == 200 => {
            passed("A left while it was owed 8 MiB: it was closed, and a line told of it")
        }
        _ => failed(finding("B is answered.", "It is not.")),
    }
}
