//! What is checked of silent clients and their deadlines.

use std::time::Duration;

use super::watched::unanswered;
use crate::lab::{Record, Result};
use crate::workshop::{Attempt, Finding, Reached, Verdict, failed, passed};

/// What the stretch calls too long.
const SILENT_US: u64 = 300_000;

pub(super) fn silence_ends(attempt: &Attempt) -> Result<Verdict> {
    let did = "A connects and says nothing.";
    let expected = "After 300 ms A is deleted and closed.";
    let server = attempt.start(&[])?;
    let mut a = attempt.connect("A", &server)?;
    let accept = server.accept_of(a.local())?;
    let fd = server.fd_of(a.local())?;
    let closed_or_endless = |records: &[Record]| {
        let close = records.iter().find(|r| r.did("close", fd)).cloned();
        let enter = records.iter().rev().find(|r| r.thread == "main")?;
        let endless =
            enter.is_wait_enter() && enter.time_limit().is_none() && enter.seq > accept.seq;
        (close.is_some() || endless).then(|| (close, enter.clone()))
    };
    match attempt.until(&server, "A to be closed", closed_or_endless)? {
        Reached::Yes((Some(close), _)) if close.us < accept.us + SILENT_US => failed(
            Finding::new(
                did,
                expected,
                format!("It was closed after {} ms.", (close.us - accept.us) / 1000),
            )
            .usually("The limit counts from the accept; a wait that ends early ends nobody's time.")
            .shown_by([&accept, &close]),
        ),
        Reached::Yes((Some(_), _)) => {
            let (bytes, _) = a.rest()?;
            match bytes.len() {
                0 => passed("A is let go when its time is over"),
                n => failed(
                    Finding::new(did, expected, format!("A was sent {n} bytes."))
                        .usually("Who has asked nothing is answered nothing."),
                ),
            }
        }
        Reached::Yes((None, enter)) => failed(
            Finding::new(did, expected, "A is there, and main sleeps for ever.")
                .usually(
                    "No wait has a time limit. While somebody is there, the wait may last until \
                     the first deadline, and no longer.",
                )
                .shown_by([&enter]),
        ),
        Reached::Asleep(last) | Reached::Spins(last) => failed(
            Finding::new(did, expected, "A's descriptor stays open.")
                .usually("When a wait ends, look whose time is over, before or after its events.")
                .shown_by(&last),
        ),
    }
}

/// How long B's handler sleeps while A is there.
const SLOW_MS: u64 = 20;

pub(super) fn limit_shrinks(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&[])?;
    let a = attempt.connect("A", &server)?;
    let accept = server.accept_of(a.local())?;
    let mut b = attempt.connect("B", &server)?;
    b.get(&format!("/slow?ms={SLOW_MS}"))?; // so long, at least, has A been silent then
    if let Some(finding) = unanswered(attempt.answer_or_rest(&server, &mut b)?, "B", "A is silent")
    {
        return failed(finding);
    }
    let b_fd = server.fd_of(b.local())?;
    let closed = server.wait_record("B to be closed", 0, |r| r.did("close", b_fd))?;
    server.wait_record("the next wait", closed.seq, Record::is_wait_enter)?;
    let records = server.records();
    // While A is there, no wait may last longer than A has left.
    let fd = accept.accepted();
    let gone = records.iter().position(|r| r.is_call("close") && r.fd == fd);
    let with_a = &records[..gone.unwrap_or(records.len())];
    let slept = records.iter().find(|r| r.is_step("handler slept")).map_or(u64::MAX, |r| r.seq);
    for pair in with_a.windows(2).filter(|p| p[1].is_wait_enter() && p[0].seq > accept.seq) {
        // What the handler has slept A has less, for certain: of all else a busy machine
        // may have its part. (epoll counts in whole milliseconds.)
        let spent = if pair[1].seq > slept { SLOW_MS * 1000 } else { 0 };
        let left = Duration::from_micros(SILENT_US - spent + 1000);
        if pair[1].time_limit().is_none_or(|limit| limit > left) {
            return failed(
                Finding::new(
                    "A connects and says nothing; B asks and is answered.",
                    "The wait after that lasts no longer than A has left.",
                    match pair[1].time_limit() {
                        Some(limit) => {
                            format!("It may last {limit:?}; A has less than {left:?} left.")
                        }
                        None => "It has no limit.".to_string(),
                    },
                )
                .usually(
                    "The limit starts anew with every wait: as long as others speak, the silent \
                     are never let go. Keep a deadline for each client, not a limit.",
                )
                .shown_by(pair),
            );
        }
    }
    passed("each wait lasts no longer than the first deadline")
}

pub(super) fn no_dead_deadline(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&[])?;
    let mut a = attempt.connect("A", &server)?;
    a.get("/")?;
    if let Some(finding) = unanswered(attempt.answer_or_rest(&server, &mut a)?, "A", "it is alone")
    {
        return failed(finding);
    }
    let fd = server.fd_of(a.local())?;
    let asleep = server.wait_for("main to sleep after A's end", |records| {
        let close = records.iter().find(|r| r.did("close", fd))?;
        let last = records.iter().rev().find(|r| r.thread == "main")?;
        (last.is_wait_enter() && last.seq > close.seq).then(|| vec![close.clone(), last.clone()])
    })?;
    match asleep.last().and_then(Record::time_limit) {
        None => passed("nobody is there, and main sleeps for ever"),
        Some(_) => failed(
            Finding::new(
                "A asks, is answered and closed; now nobody is there.",
                "Main sleeps without a time limit.",
                "The next wait has one.",
            )
            .usually(
                "It will wake for a client that has gone: forget the deadline with the client.",
            )
            .shown_by(&asleep),
        ),
    }
}
