//! What is checked on the way from chapter 2 to chapter 3.

use super::unwatched;
use super::watched::{is_op, listener, unanswered};
use crate::workshop::{Attempt, Finding, Outcome, Reached, Verdict, failed, passed};
use common::lab::scenarios::{How, Seen};
use common::lab::{Record, Result};

pub(super) fn watches_listener(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&[])?;
    let added = |records: &[Record]| {
        let fd = listener(records)?;
        records.iter().find(|r| is_op(r, "add", fd)).cloned()
    };
    match attempt.until(&server, "the listener to be added to a queue", added)? {
        // By the time the announcement is read, whatever came before it has been traced.
        Reached::Yes(add) => {
            let records = server.records();
            let announced = |r: &&Record| r.is_call("getsockname") && r.seq < add.seq;
            match records.iter().find(announced) {
                None => passed("the listener is in the queue before anybody knows of it"),
                Some(announced) => failed(
                    Finding::new(
                        "The server is started; nobody connects.",
                        "The listener is added to the queue, and then announced.",
                        "It was announced before it was watched.",
                    )
                    .usually(
                        "Whoever reads the line may connect at once. Say where you listen when all \
                         is ready: if a call between the two fails, nobody has been promised anything.",
                    )
                    .shown_by([announced, &add])
                    .page("ch03.html#the-code"),
                ),
            }
        }
        Reached::Asleep(last) | Reached::Spins(last) => failed(
            Finding::new(
                "The server is started; nobody connects.",
                "It opens an event queue, and adds the listener to it.",
                "The listener is in no queue.",
            )
            .usually(
                "Nobody has told the kernel which sockets matter. The queue is opened once, in \
                 Server::new; the listener is added once, before announce.",
            )
            .shown_by(&last)
            .page("ch03.html#the-system-calls"),
        ),
    }
}

pub(super) fn watches_clients(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&[])?;
    let mut a = attempt.connect("A", &server)?;
    let a_fd = server.fd_of(a.local())?;
    let added = |records: &[Record]| records.iter().find(|r| is_op(r, "add", a_fd)).cloned();
    let add = match attempt.until(&server, "A to be added to the queue", added)? {
        Reached::Yes(add) => add,
        Reached::Asleep(last) | Reached::Spins(last) => {
            return failed(
                Finding::new(
                    "A connects and says nothing yet.",
                    "A is accepted and added to the queue.",
                    "A is accepted, and in no queue.",
                )
                .usually(
                    "You have a client and never told the kernel about it: when A speaks, nothing \
                     wakes the server. Give A a token, and add it with the interest in reading.",
                )
                .shown_by(&last)
                .page("ch03.html#the-code"),
            );
        }
    };
    if add.want.as_deref() != Some("read") {
        return failed(
            Finding::new(
                "A connects and says nothing yet.",
                "A is watched for reading.",
                "A is watched for writing.",
            )
            .usually("A socket has room to write nearly always: the wait returns at once, always.")
            .shown_by([&add]),
        );
    }
    let mut b = attempt.connect("B", &server)?;
    b.get("/")?;
    let outcome = attempt.answer_or_rest(&server, &mut b)?;
    let note = format!("({})", b.local());
    let is_in = server.records().iter().any(|r| r.accepted().is_some() && r.note == note);
    if let (Outcome::Asleep(last) | Outcome::Spins(last), false) = (&outcome, is_in) {
        return failed(
            Finding::new(
                "A connects and says nothing; then B connects, and asks for /.",
                "B is accepted as A was.",
                "B waits in the accept queue, and the server sleeps.",
            )
            .usually(
                "A listener that was added with Mode::Oneshot is told of once, and one with \
                 Mode::Edge once for all who have come by then: it must be Mode::Level.",
            )
            .shown_by(last)
            .page("ch03.html#the-code"),
        );
    }
    if let Some(finding) = unanswered(outcome, "B", "A is silent") {
        return failed(finding);
    }
    a.get("/")?;
    if let Some(finding) = unanswered(attempt.answer_or_rest(&server, &mut a)?, "A", "B is gone") {
        return failed(finding);
    }
    match unwatched::finding(attempt)? {
        Some(finding) => failed(finding),
        None => passed(format!(
            "both are watched, and each is answered when it speaks{}",
            unwatched::not_checked()
        )),
    }
}

pub(super) fn crowd(attempt: &Attempt) -> Result<Verdict> {
    const SILENT: usize = 20;
    let server = attempt.start(&[])?;
    let mut crowd = Vec::new();
    for n in 0..SILENT {
        let client = attempt.play().connect_quietly(&format!("I{n}"), &server)?;
        server.accept_of(client.local())?; // one by one: a burst is another step's matter
        crowd.push(client);
    }
    let mut b = attempt.connect("B", &server)?;
    let fd = server.fd_of(b.local())?;
    server.wait_until_asleep()?;
    let mark = server.mark();
    b.get("/")?;
    if let Some(finding) =
        unanswered(attempt.answer_or_rest(&server, &mut b)?, "B", "20 are silent")
    {
        return failed(finding);
    }
    let closed = server.wait_record("B to be closed", mark, |r| r.did("close", fd))?;
    server.wait_record("the next wait", closed.seq, Record::is_wait_enter)?;
    let records = server.records();
    let of_listener = |r: &&Record| r.seq > mark && r.is_call("accept");
    let asked: Vec<&Record> = records.iter().filter(of_listener).collect();
    if !asked.is_empty() {
        return failed(
            Finding::new(
                format!("{SILENT} clients connect and say nothing; B asks for /."),
                "One event, B's: one read, and no accept.",
                format!("{} accepts, though nobody had come.", asked.len()),
            )
            .usually(
                "Whenever the server wakes it asks the listener, too, though the wait has said who \
                 it is. Accept at the listener's event only: its token is listener.token.",
            )
            .shown_by(asked.into_iter().take(4))
            .page("ch03.html#the-code"),
        );
    }
    let of_others = |r: &&Record| r.seq > mark && r.is_call("read") && r.fd != Some(fd);
    let in_vain: Vec<&Record> = records.iter().filter(of_others).collect();
    match in_vain.len() {
        0 => passed("one event, one read"),
        n => failed(
            Finding::new(
                format!("{SILENT} clients connect and say nothing; B asks for /."),
                "One event, one read: B's.",
                format!("{n} reads of clients that have said nothing."),
            )
            .usually(
                "Whenever the server wakes it asks all of them, though the wait has said who it \
                 is. Look the event's client up by its token, and read from that one only.",
            )
            .shown_by(in_vain.into_iter().take(4))
            .page("ch03.html#the-code"),
        ),
    }
}

pub(super) fn burst(attempt: &Attempt) -> Result<Verdict> {
    attempt.scenario("burst", |seen| match seen {
        Seen::Works(what) => Verdict::Passed(format!(
            "{what}: you accept until nobody waits. This is already chapter 4"
        )),
        // One trip each: as this chapter's server does it.
        Seen::Fails(How::PerTrip, what) => Verdict::Passed(what),
        Seen::Fails(how, what) => Finding::new(
            "A hundred clients connect while the server stands still; then it goes on.",
            "All of them are accepted, one for each time the wait says so.",
            format!("{what} ({how})."),
        )
        .usually(
            "The listener is edge-triggered (or oneshot): the kernel tells once that somebody has \
             come, and does not repeat it for those who still wait. With one accept per event it \
             must be Mode::Level.",
        )
        .page("ch03.html#the-code")
        .into(),
    })
}
