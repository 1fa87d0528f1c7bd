//! One question for all: poll(2) in place of the scan.

use super::super::ch01::told;
use super::guest;
use crate::workshop::inject::{Injection, is_possible};
use crate::workshop::{Attempt, Finding, Outcome, Reached, Step, Verdict, failed, passed};
use common::lab::record::Kind;
use common::lab::{Record, Result, Trouble};

pub(super) const STEPS: &[Step] = &[
    Step { title: "it sleeps", check: sleeps },
    Step { title: "only who is ready is asked", check: asks_the_ready },
];

fn sleeps(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let finding = |seen: &str, shown: &[Record]| {
        let expected = "One poll, for the listener and all clients, that sleeps until one of them can be read.";
        Finding::new("Starts your server; nobody connects.", expected, seen).shown_by(shown)
    };
    let asked =
        a.until(&server, "a poll", |records| records.iter().find(|r| r.call == "poll").cloned())?;
    match asked {
        Reached::Yes(poll) if !asks_for_the_listener(&poll, &server.records()) => {
            let seen = "It sleeps in a poll that is not for the listener.";
            failed(finding(seen, &[poll]).usually(
                "The listener is not in the list that poll was given, so nobody who connects wakes \
                 the loop. Put it into the list in every turn, before the clients.",
            ))
        }
        Reached::Yes(poll) if poll.args.ends_with(", -1") => passed("the thread sleeps in poll, without a limit"),
        Reached::Yes(poll) => {
            let limit = poll.args.rsplit(", ").next().unwrap_or_default();
            let seen = format!("It ends by itself, after {limit} ms.");
            failed(finding(&seen, &[poll]).usually(
                "A wait with a limit of time ends when the time is up, and the loop turns for nothing: \
                 it still burns the core, or makes each request wait. None is no limit.",
            ))
        }
        Reached::Spins(records) => failed(finding("It asks everybody, in every turn.", &records).usually(
            "Make the list, ask once for all of it (queue::poll), and only then each who is ready.",
        )),
        Reached::Asleep(records) => failed(finding("It sleeps in another call.", &records).usually(
            "Who sleeps in a call for one descriptor does not hear the others.",
        )),
    }
}

/// Whether the listener is in the list that this poll was given.
fn asks_for_the_listener(poll: &Record, records: &[Record]) -> bool {
    let Some(listener) = records.iter().find(|r| r.is_call("listen")).and_then(|r| r.fd) else {
        return true;
    };
    let list = poll.args.split_once('[').map_or("", |(_, list)| list);
    let list = list.split(']').next().unwrap_or_default();
    list.split([',', ' ']).any(|fd| fd.parse() == Ok(listener))
}

fn asks_the_ready(a: &Attempt) -> Result<Verdict> {
    const IDLE: usize = 40;
    let server = a.start(&[])?;
    a.play().say("40 clients connect and say nothing");
    let mut idle = Vec::new();
    for i in 0..IDLE {
        idle.push(a.play().connect_quietly(&format!("I{i}"), &server)?);
    }
    let (mut client, fd) = guest(a, &server, "B")?;
    server.wait_until_quiet()?;
    let mark = server.mark();
    client.get("/")?;
    let outcome = a.answer_or_rest(&server, &mut client)?;
    let did =
        "40 clients connect and say nothing; B connects; when your server sleeps, B asks for /.";
    match outcome {
        Outcome::Answered(answer) if answer.status == 200 => {}
        Outcome::Asleep(records) => {
            return failed(
                Finding::new(did, "B is answered.", "Your server sleeps on.").shown_by(&records).usually(
                    "B is not in the list that poll was given, so nobody wakes up for B: the list \
                     holds the listener and every client, in every turn.",
                ),
            );
        }
        _ => return Err(Trouble("B asked for / and did not get 200".into())),
    }
    // All of that turn, to the next sleep: who is asked, and in which order, is chance.
    let records = server.wait_for("the poll after B's close", |records| {
        let close = records.iter().position(|r| r.seq > mark && r.did("close", fd))?;
        let poll = records[close..].iter().position(|r| r.call == "poll")?;
        Some(records[..close + poll].to_vec())
    })?;
    let calls: Vec<&Record> =
        records.iter().filter(|r| r.kind == Kind::Call && r.seq > mark).collect();
    let in_vain: Vec<&Record> = calls.iter().filter(|r| r.is_call("accept")).copied().collect();
    if !in_vain.is_empty() {
        return failed(
            Finding::new(
                did,
                "Only B is asked.",
                "The listener is asked, too, though nobody had come.",
            )
            .usually("The listener is one of the list: accept when ready names it, and only then.")
            .shown_by(in_vain.into_iter().take(4)),
        );
    }
    // A poll, a read, a write and a close; or two turns.
    if calls.len() > 8 {
        return failed(
            Finding::new(
                did,
                "A poll, a read, a write and a close.",
                format!("{} calls until your server sleeps again.", calls.len()),
            )
            .usually(
                "poll has said who is ready, and yet the loop asks everybody: go through ready.iter(), \
                 not through the clients.",
            )
            .shown_by(calls.into_iter().take(8)),
        );
    }
    if let Some(finding) = not_yet(a)? {
        return failed(finding);
    }
    let mut what =
        "with 40 idle clients, a request costs a poll, a read, a write and a close".to_string();
    if !is_possible() {
        what += " (not checked, for want of an strace that may attach: an EAGAIN after poll)";
    }
    passed(what)
}

/// poll has named a client, and its read says EAGAIN all the same, once: that may be
/// (strace brings it about). What is wrong with how it is taken.
fn not_yet(a: &Attempt) -> Result<Option<Finding>> {
    let server = a.start(&[])?;
    let (mut client, fd) = guest(a, &server, "A")?;
    server.wait_until_quiet()?;
    let injection = Injection::once(server.pid().into(), "read", "EAGAIN");
    let Some(_injection) = injection else { return Ok(None) };
    client.get("/")?;
    let outcome = a.answer_or_rest(&server, &mut client)?;
    let records = server.records();
    let is_named = |r: &Record| r.fd == Some(fd) && r.failed("read", "EAGAIN");
    let Some(first) = records.iter().rposition(is_named) else { return Ok(None) };
    if matches!(&outcome, Outcome::Answered(answer) if answer.status == 200) {
        return Ok(None);
    }
    let did = "A asks for /; poll names A, and yet its read says EAGAIN, once.";
    Ok(Some(
        Finding::new(did, "A is kept, and answered when poll names it again.", told(&outcome))
            .usually("Ready is a hint, and EAGAIN says: not yet. It is no reason to close.")
            .shown_by(records[first..].iter().take(6)),
    ))
}
