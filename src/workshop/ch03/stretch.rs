//! What is checked of silent clients and their deadlines.

use std::time::Duration;

use super::watched::unanswered;
use crate::workshop::{Attempt, Finding, Reached, Verdict, failed, passed};
use common::lab::{Client, Record, Result, Server};

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
        Reached::Yes((Some(close), _)) => {
            if let Some(finding) = ended_wrongly(&server.records(), &accept, &close) {
                return failed(finding);
            }
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

/// More waits than this in vain, for one client: a loop that looks at the clock.
const IN_VAIN: u64 = 10;

/// What is wrong with how a silent client's time ends, as the waits tell it: of a clock a
/// busy machine may have its part.
fn ended_wrongly(records: &[Record], accept: &Record, close: &Record) -> Option<Finding> {
    let finding = |expected: &str, seen: String, shown: &[&Record]| {
        Finding::new("A connects and says nothing.", expected, seen)
            .shown_by(shown.iter().copied())
            .page("ch03.html#the-code")
    };
    let meanwhile = records.iter().filter(|r| r.seq > accept.seq && r.seq <= close.seq);
    let all = Duration::from_micros(SILENT_US + 1000); // epoll counts in whole milliseconds
    let (mut spent, mut last, mut waits) = (Duration::ZERO, Duration::ZERO, 0);
    for r in meanwhile.clone().filter(|r| (r.is_wait() && r.events.is_empty()) || r.times > 0) {
        if let Some(limit) = r.time_limit() {
            last = limit;
        }
        let times = r.times.max(1);
        (spent, waits) = (spent + last * u32::try_from(times).unwrap_or(u32::MAX), waits + times);
    }
    let is_long = |r: &&Record| r.is_wait_enter() && r.time_limit().is_some_and(|t| t > all);
    if let Some(wait) = meanwhile.clone().find(is_long) {
        let seen = format!("It may last {:?}.", wait.time_limit().unwrap_or_default());
        let expected = "While A is there no wait lasts longer than the 300 ms that it has.";
        return Some(finding(expected, seen, &[accept, wait]).usually(
            "Whoever has said nothing for 300 ms is closed: the wait ends when the first has.",
        ));
    }
    if spent.saturating_sub(last) > all {
        let seen = format!("It is closed after {} ms.", (close.us - accept.us) / 1000);
        return Some(finding("After 300 ms A is closed.", seen, &[accept, close]).usually(
            "The waits that ended in vain have taken longer than that: look whose time is over \
             whenever one has ended.",
        ));
    }
    if waits > IN_VAIN {
        let seen = format!("Main wakes up {waits} times, in vain.");
        let shown: Vec<&Record> =
            meanwhile.filter(|r| r.is_wait() || r.times > 0).take(4).collect();
        return Some(finding("Main wakes up when A's time is over.", seen, &shown).usually(
            "A wait with a time limit so short is a look at the clock, again and again: it may last \
             until the first deadline.",
        ));
    }
    let mut story = records.iter().filter(|r| r.fd == close.fd && r.seq > accept.seq);
    let op = story.clone().rfind(|r| r.op.is_some() && r.seq < close.seq);
    if op.is_none_or(|r| r.op.as_deref() != Some("delete")) {
        let shown: Vec<&Record> = story.by_ref().take(6).collect();
        let seen = "It was closed while the kernel still watches it.".to_string();
        return Some(finding("A is deleted from the queue, then closed.", seen, &shown).usually(
            "Whoever is let go is let go as the others are: delete first, then close. (Who is only \
             taken out of the map is closed, too, when it is dropped.)",
        ));
    }
    None
}

/// One that connects and has asked before the server comes to see it: it is not silent for
/// a moment, on a busy machine either.
fn asks_at_once(attempt: &Attempt, server: &Server, name: &str, path: &str) -> Result<Client> {
    server.freeze()?;
    let mut client = attempt.connect(name, server)?;
    client.get(path)?;
    server.thaw()?;
    Ok(client)
}

/// How long B's handler sleeps while A is there.
const SLOW_MS: u64 = 50;

pub(super) fn limit_shrinks(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&[])?;
    let a = attempt.connect("A", &server)?;
    let accept = server.accept_of(a.local())?;
    // So long, at least, has A been silent then.
    let mut b = asks_at_once(attempt, &server, "B", &format!("/slow?ms={SLOW_MS}"))?;
    if let Some(finding) = unanswered(attempt.answer_or_rest(&server, &mut b)?, "B", "A is silent")
    {
        return failed(finding);
    }
    let b_fd = server.fd_of(b.local())?;
    let closed = server.wait_record("B to be closed", 0, |r| r.did("close", b_fd))?;
    server.wait_record("the next wait", closed.seq, Record::is_wait_enter)?;
    let c = attempt.connect("C", &server)?;
    let came = server.accept_of(c.local())?;
    server.wait_record("the next wait", came.seq, Record::is_wait_enter)?;
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
                    "A connects and says nothing; B asks and is answered; C connects.",
                    "No wait lasts longer than A has left.",
                    match pair[1].time_limit() {
                        Some(limit) => {
                            format!("It may last {limit:?}; A has less than {left:?} left.")
                        }
                        None => "It has no limit.".to_string(),
                    },
                )
                .usually(
                    "The limit starts anew with every wait, or with what others do: as long as \
                     they come and speak, the silent are never let go. Keep a deadline for each \
                     client, set once, not a limit.",
                )
                .shown_by(pair),
            );
        }
    }
    match although_others_come(attempt)? {
        Some(finding) => failed(finding),
        None => passed("each wait lasts no longer than the first deadline"),
    }
}

/// A's time is over, and there are events all the same: what is wrong with what follows.
fn although_others_come(attempt: &Attempt) -> Result<Option<Finding>> {
    let server = attempt.start(&[])?;
    let a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    let _b = asks_at_once(attempt, &server, "B", "/slow?ms=310")?;
    server.wait_record("the handler", 0, |r| r.is_step("handler sleeps"))?;
    let _c = attempt.connect("C", &server)?; // somebody waits when the handler is done
    server.wait_record("A's close", 0, |r| r.did("close", fd))?;
    let records = server.records();
    let slept = records.iter().position(|r| r.is_step("handler slept")).unwrap_or(records.len());
    let close = records.iter().position(|r| r.did("close", fd)).unwrap_or(0);
    let between = records.get(slept..close).unwrap_or_default();
    let waits: u64 = between.iter().filter(|r| r.is_wait()).map(|r| r.times.max(1)).sum();
    Ok((waits > 1).then(|| {
        let did = "A connects and says nothing; B's handler works for 310 ms; meanwhile C connects.";
        let expected = "When the handler is done A's time is over: A is closed in the next turn.";
        Finding::new(did, expected, format!("{waits} waits go by, and then it is closed."))
            .usually(
                "Time goes by in a wait that brings events, too: whenever one has ended, look whose \
                 time is over. On a busy day no wait ends without an event.",
            )
            .shown_by(between.iter().filter(|r| !r.is_enter()))
    }))
}

pub(super) fn no_dead_deadline(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&[])?;
    let mut a = asks_at_once(attempt, &server, "A", "/")?;
    if let Some(finding) = unanswered(attempt.answer_or_rest(&server, &mut a)?, "A", "it is alone")
    {
        return failed(finding);
    }
    let fd = server.fd_of(a.local())?;
    let asleep = server.wait_for("main to sleep after A's end", |records| {
        let close = records.iter().find(|r| r.did("close", fd))?;
        // The first: when its time is over a later one may have no limit.
        let waits = |r: &&Record| r.seq > close.seq && (r.is_wait_enter() || r.is_wait());
        records.iter().find(waits).map(|wait| vec![close.clone(), wait.clone()])
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
