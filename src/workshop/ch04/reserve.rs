//! A descriptor in reserve: who finds no place is told at once.

use super::super::ch01::told;
use super::{CLIENTS, failing, full, is_op, listener};
use crate::workshop::inject::is_possible;
use crate::workshop::{Attempt, Finding, Outcome, Reached, Step, Verdict, failed, passed};
use common::lab::invariants::opened;
use common::lab::{End, Record, Result, Trouble};

pub(super) const STEPS: &[Step] = &[
    Step { title: "who finds no place is told", check: send_away },
    Step { title: "the others are served on", check: serve_on },
];

const DID: &str = "40 clients connect and say nothing; your server may have 32 descriptors.";

fn accepts(records: &[Record]) -> usize {
    records.iter().filter(|r| r.accepted().is_some()).count()
}

/// Whether all of them were accepted, or the server has given up on some.
fn all_or_fewer(a: &Attempt, server: &common::lab::Server) -> Result<Reached<bool>> {
    a.until(server, "all to be accepted", |records| {
        let listener = listener(records)?;
        let emfile = records.iter().position(|r| r.failed("accept", "EMFILE"))?;
        if records[emfile..].iter().any(|r| is_op(r, "delete", listener)) {
            return Some(false);
        }
        let last = records.iter().rposition(|r| r.accepted().is_some())?;
        let turn_is_over = records[last..].iter().any(|r| r.is_wait_enter() || r.is_wait());
        (accepts(records) >= CLIENTS && turn_is_over).then_some(true)
    })
}

fn send_away(a: &Attempt) -> Result<Verdict> {
    let (server, mut clients) = full(a)?;
    let reached = all_or_fewer(a, &server)?;
    let records = server.records();
    if !matches!(reached, Reached::Yes(true)) {
        return failed(why_not(&records));
    }
    if let Some(finding) = place_taken(&records) {
        return failed(finding);
    }
    let mut last = clients.pop().ok_or_else(|| Trouble("no clients".into()))?;
    match a.answer_or_rest(&server, &mut last)? {
        Outcome::Ended(bytes, End::Eof) if bytes.is_empty() => {}
        other => {
            return failed(
                Finding::new(DID, "The last one gets the end, and nothing else.", told(&other))
                    .usually(
                        "It was accepted, and is kept. Who finds no place is accepted with the \
                         reserve's descriptor, and closed at once: to close another for it would \
                         take a place from somebody who has it.",
                    )
                    .shown_by(&records[records.len().saturating_sub(8)..]),
            );
        }
    }
    match a.answer_or_rest(&server, &mut ask(&mut clients, 0)?)? {
        Outcome::Answered(answer) if answer.status == 200 => {
            if let Some(finding) = failing::finding(a)? {
                return failed(finding);
            }
            let mut what =
                "all 40 were accepted; those without a place got the end at once".to_string();
            if !is_possible() {
                what +=
                    " (not checked, for want of an strace that may attach: other errors of accept)";
            }
            passed(what)
        }
        other => failed(
            Finding::new(
                format!("{DID} Then the first asks for /."),
                "It is answered.",
                told(&other),
            )
            .usually("Those who have a place keep it."),
        ),
    }
}

/// One who had a place before there were none left has been closed since: nobody left.
fn place_taken(records: &[Record]) -> Option<Finding> {
    let emfile = records.iter().position(|r| r.failed("accept", "EMFILE"))?;
    let (before, after) = records.split_at(emfile);
    let had = |fd: i32| before.iter().any(|r| r.accepted() == Some(fd));
    let is_taken = |r: &Record| r.is_call("close") && r.fd.is_some_and(had);
    let close = after.iter().position(is_taken)?;
    let seen = "One of those who have a place is closed.";
    Some(
        Finding::new(DID, "Those who have a place keep it.", seen)
            .usually(
                "Who has come first was promised a place. The descriptor for the one who finds none \
                 is the reserve's: accept with it, and close that one at once.",
            )
            .shown_by(after[..=close].iter().rev().take(6).rev())
            .page("ch04.html#in-production"),
    )
}

/// The client at this place, which has asked for /.
fn ask(clients: &mut Vec<common::lab::Client>, at: usize) -> Result<common::lab::Client> {
    let mut client = clients.remove(at);
    client.get("/")?;
    Ok(client)
}

/// Fewer than all were accepted: what was done after the first `EMFILE`.
fn why_not(records: &[Record]) -> Finding {
    let emfile = records.iter().position(|r| r.failed("accept", "EMFILE")).unwrap_or(0);
    let after = &records[emfile..];
    if accepts(records) >= CLIENTS {
        return paused_for_nobody(after, listener(records));
    }
    let finding = |seen: String| {
        let expected = "All 40 are accepted, those without a place only to be closed at once.";
        Finding::new(DID, expected, seen)
            .shown_by(after.iter().take(10))
            .page("ch04.html#in-production")
    };
    let seen = format!("{} were accepted, and then no more.", accepts(records));
    let next = after.iter().position(|r| r.accepted().is_some());
    let Some(first) = next else {
        return finding(seen).usually(
            "The listener is paused, and those who wait are told nothing. With one descriptor in \
             reserve there is a way to take them in, and to send them away.",
        );
    };
    let rest = &after[first + 1..];
    let fd = after[first].accepted().unwrap_or(-1);
    let until_next = rest.iter().position(|r| r.is_call("accept")).unwrap_or(rest.len());
    let then = &rest[..until_next];
    if !then.iter().any(|r| r.did("close", fd)) {
        return finding(seen).usually(
            "The client that was accepted with the reserve's descriptor was kept, and so there is no \
             reserve for the next one: close it at once.",
        );
    }
    if !then.iter().any(|r| r.accepted().is_none() && !opened(r).is_empty()) {
        return finding(seen).usually(
            "The reserve was not taken again, so it served once. Take it when the client is closed: \
             before that there is no number free.",
        );
    }
    finding(seen).usually("After one was sent away, accept the next: the loop goes on.")
}

/// All were accepted, and then the listener was paused.
fn paused_for_nobody(after: &[Record], listener: Option<i32>) -> Finding {
    let is_pause = |r: &Record| listener.is_some_and(|fd| is_op(r, "delete", fd));
    let end = after.iter().position(is_pause).map_or(after.len(), |at| at + 1);
    Finding::new(
        DID,
        "All 40 are accepted, those without a place are closed, and the listener stays watched.",
        "All 40 were accepted, and then the listener was taken out of the event queue.",
    )
    .usually(
        "Nobody was left. Linux says EMFILE before it looks whether somebody waits, so the accept with \
         the reserve's number may say EAGAIN: take the reserve again and return, without a pause.",
    )
    .shown_by(&after[end.saturating_sub(8)..end])
    .page("ch04.html#in-production")
}

fn serve_on(a: &Attempt) -> Result<Verdict> {
    let (server, mut clients) = full(a)?;
    if !matches!(all_or_fewer(a, &server)?, Reached::Yes(true)) {
        return failed(why_not(&server.records()));
    }
    let did = format!("{DID} The first one leaves, then M connects, then N, then M asks for /.");
    let first = clients.remove(0);
    let fd = server.fd_of(first.local())?;
    first.close();
    server.wait_record("its close", 0, |r| r.did("close", fd))?;
    let mut place = a.connect("M", &server)?;
    server.accept_of(place.local())?;
    let mut none = a.connect("N", &server)?;
    match a.answer_or_rest(&server, &mut none)? {
        Outcome::Ended(bytes, End::Eof) if bytes.is_empty() => {}
        other => {
            return failed(
                Finding::new(did, "N finds no place, and gets the end.", told(&other))
                    .usually("The reserve is for every time, not for the first.")
                    .shown_by(server.records().iter().rev().take(8).rev()),
            );
        }
    }
    place.get("/")?;
    match a.answer_or_rest(&server, &mut place)? {
        Outcome::Answered(answer) if answer.status == 200 => {
            passed("who left made room for the next, and the one after was sent away")
        }
        other => failed(
            Finding::new(did, "M has the free place, and is answered.", told(&other))
                .usually("Send away only when accept says EMFILE."),
        ),
    }
}
