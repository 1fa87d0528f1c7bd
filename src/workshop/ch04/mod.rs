//! The exercises of chapter 4.

mod abort;
mod build;
mod failing;
mod pause;
mod reserve;

use super::{Attempt, Demo, Exercise, Expect, Finding, Kind, Of, Wrong};
use common::lab::rest::Naps;
use common::lab::{Client, Record, Result, Server, Stage};

pub(super) const EXERCISES: &[Exercise] = &[
    Exercise {
        name: "ch04-build",
        stage: Stage::Ch04,
        kind: Kind::Build,
        binary: "ex04_accept_drain",
        title: "drain, and step back",
        minutes: 30,
        page: "ch04.html#the-system-calls",
        demo: Demo {
            of: Of::Stage(Stage::Ch03),
            scenario: "no-descriptors",
            look: "accept fails with EMFILE, the listener stays readable: a thousand turns in vain",
        },
        steps: build::STEPS,
        start: Expect { step: 1, says: "accept per event" },
        wrong: &[
            Wrong { slug: "pause-at-eagain", step: 1, says: "nobody is left" },
            Wrong { slug: "pause-at-all", step: 1, says: "about one client only" },
            Wrong { slug: "return-at-all", step: 1, says: "about one client only" },
            Wrong { slug: "sleeps", step: 2, says: "It only sleeps" },
            Wrong { slug: "always-a-limit", step: 2, says: "in vain. Only a pause" },
            Wrong { slug: "ends-the-pause", step: 2, says: "as soon as it had begun" },
            Wrong { slug: "pauses-and-tries-on", step: 2, says: "leave the loop" },
            Wrong { slug: "pauses-in-silence", step: 2, says: "nobody is told why" },
            Wrong { slug: "emfile-alone", step: 2, says: "not the only error" },
            Wrong { slug: "no-pause", step: 2, says: "stays readable" },
            Wrong { slug: "try-on", step: 2, says: "stays readable" },
            Wrong { slug: "no-patience", step: 2, says: "sleep for ever" },
            Wrong { slug: "no-resume", step: 3, says: "nobody watches the listener again" },
            Wrong { slug: "no-cut", step: 4, says: "to the end of the pause" },
        ],
    },
    Exercise {
        name: "ch04-hunt-pause",
        stage: Stage::Ch04,
        kind: Kind::Hunt,
        binary: "hunt04_pause",
        title: "the pause that does not end",
        minutes: 20,
        page: "ch04.html#a-wait-with-a-limit",
        demo: Demo {
            of: Of::Yours,
            scenario: "no-descriptors",
            look: "it passes: in this scenario clients leave, and each one who does is an event",
        },
        steps: pause::STEPS,
        start: Expect { step: 1, says: "0 events, again and again" },
        wrong: &[
            Wrong { slug: "for-ever", step: 1, says: "A wait without a limit" },
            Wrong { slug: "longer-naps", step: 1, says: "0 events, again and again" },
            Wrong { slug: "always-a-limit", step: 1, says: "nobody is paused" },
            Wrong { slug: "after-the-wait", step: 2, says: "a wait in vain" },
        ],
    },
    Exercise {
        name: "ch04-stretch-reserve",
        stage: Stage::Ch04,
        kind: Kind::Stretch,
        binary: "stretch04_reserve",
        title: "a descriptor in reserve",
        minutes: 35,
        page: "ch04.html#in-production",
        demo: Demo {
            of: Of::Stage(Stage::Ch04),
            scenario: "no-descriptors",
            look: "those who find no descriptor wait in the accept queue, and are told nothing",
        },
        steps: reserve::STEPS,
        start: Expect { step: 1, says: "paused" },
        wrong: &[
            Wrong { slug: "keep-the-client", step: 1, says: "kept" },
            Wrong { slug: "pauses-at-the-end", step: 1, says: "Nobody was left" },
            Wrong { slug: "once-only", step: 1, says: "was not taken again" },
            Wrong { slug: "reopen-first", step: 1, says: "was not taken again" },
            Wrong { slug: "sends-away-at-all", step: 1, says: "about one client only" },
            Wrong { slug: "no-pause", step: 1, says: "reserve does not help" },
        ],
    },
];

/// So many descriptors the server may have.
const LIMIT: u64 = 32;

/// More clients than that.
const CLIENTS: usize = 40;

/// A server without a descriptor left: as many clients as there is room for are
/// connected, and the others wait. None of them has said a word.
fn full(a: &Attempt) -> Result<(Server, Vec<Client>)> {
    let server = a.start_with(&[], LIMIT)?;
    a.play().say("40 clients connect and say nothing");
    let mut clients = Vec::new();
    server.freeze()?; // so that somebody waits when it has run out of descriptors
    for i in 0..CLIENTS {
        clients.push(a.play().connect_quietly(&format!("C{i}"), &server)?);
    }
    server.thaw()?;
    server.wait_record("accept to fail with EMFILE", 0, |r| r.failed("accept", "EMFILE"))?;
    Ok((server, clients))
}

/// How the loop goes on while nobody says a word.
enum Rest {
    /// As was looked for.
    Right,
    /// It turns, and nothing happens.
    Spins(Vec<Record>),
    /// It sleeps without a limit, and the listener is not watched.
    ForEver(Vec<Record>),
    /// Waits go by, and the listener is not watched again.
    StaysAway(Vec<Record>),
    /// It is watched again before the next wait, though nobody has left.
    BackAtOnce(Vec<Record>),
    /// Main sleeps by itself, and the listener is watched all the time.
    Naps(Vec<Record>),
}

/// Watches a server without a descriptor left, whose clients are silent, until
/// `right` finds in the records since the first `EMFILE` what it looks for, which is
/// called `what`.
fn watch(server: &Server, what: &str, right: impl Fn(&[Record], i32) -> bool) -> Result<Rest> {
    let mut naps = Naps::default();
    server.wait_for(what, |records| {
        let listener = listener(records)?;
        let emfile = records.iter().position(|r| r.failed("accept", "EMFILE"))?;
        let after = &records[emfile..];
        if right(after, listener) {
            return Some(Rest::Right);
        }
        // (A count of turns that began earlier was of something else.)
        let us = records[emfile].us;
        let turns = |records: &[Record]| -> u64 {
            records.iter().filter(|r| r.us >= us).map(|r| r.times).sum()
        };
        if turns(after) >= 1000 {
            return Some(Rest::Spins(tail(after)));
        }
        let Some(deleted) = after.iter().rposition(|r| is_op(r, "delete", listener)) else {
            return naps.look(server.pid(), records).then(|| Rest::Naps(tail(after)));
        };
        if let Some(turn) = back_at_once(after, listener) {
            return Some(Rest::BackAtOnce(turn.to_vec()));
        }
        let since = &after[deleted..];
        if since.iter().any(|r| is_op(r, "add", listener)) {
            return None;
        }
        let is_for_ever = |r: &Record| r.is_wait_enter() && r.time_limit().is_none();
        if since.last().is_some_and(is_for_ever) {
            return Some(Rest::ForEver(tail(after)));
        }
        let in_vain = since.iter().filter(|r| r.is_wait() && r.events.is_empty()).count();
        (in_vain as u64 + turns(since) >= 8).then(|| Rest::StaysAway(head(since)))
    })
}

/// Pauses that were over before a wait, and before anybody was closed: the last one.
fn back_at_once(records: &[Record], listener: i32) -> Option<&[Record]> {
    // On a busy machine the time of one or two may be up by then.
    const PAUSES: usize = 5;
    let ends = |r: &Record| r.is_wait_enter() || r.is_wait() || r.is_call("close");
    let at_once = |(at, _): (usize, &Record)| {
        let since = &records[at..];
        let end = since.iter().position(|r| ends(r) || is_op(r, "add", listener))?;
        is_op(&since[end], "add", listener).then(|| &since[..=end])
    };
    let pauses = records.iter().enumerate().filter(|(_, r)| is_op(r, "delete", listener));
    pauses.filter_map(at_once).nth(PAUSES - 1)
}

/// A wait that has a limit although the listener is watched.
fn limit_without_a_pause(records: &[Record]) -> Option<&Record> {
    let listener = listener(records)?;
    let mut paused = false;
    records.iter().find(|r| {
        let op = r.op.as_deref().filter(|_| r.fd == Some(listener));
        match op {
            Some("delete") => paused = true,
            Some("add") => paused = r.errno.is_some(),
            _ => {}
        }
        (r.is_wait_enter() || r.is_wait()) && r.time_limit().is_some() && !paused
    })
}

/// What is wrong with the wait while nobody is there, and when one has come.
fn idle(a: &Attempt) -> Result<Option<Finding>> {
    let server = a.start(&[])?;
    let waits = |r: &Record| r.is_wait_enter() || r.is_wait();
    server.wait_record("the first wait", 0, waits)?;
    let client = a.connect("A", &server)?;
    let accept = server.accept_of(client.local())?;
    server.wait_record("the next wait", accept.seq, waits)?;
    Ok(limit_without_a_pause(&server.records()).map(|wait| {
        let seen = match wait.time_limit() {
            Some(limit) => format!("Its wait ends by itself, after {limit:?}, and nobody is paused."),
            None => String::new(),
        };
        let expected = "Without a pause, your server sleeps until somebody wakes it.";
        Finding::new("Starts your server; nobody has run out of anything.", expected, seen)
            .usually(
                "A wait with a constant limit wakes an idle server again and again, in vain. Only a \
                 pause has an end that nobody announces: listener.patience() is None without one.",
            )
            .shown_by([wait])
            .page("ch04.html#a-wait-with-a-limit")
    }))
}

fn tail(records: &[Record]) -> Vec<Record> {
    records[records.len().saturating_sub(8)..].to_vec()
}

fn head(records: &[Record]) -> Vec<Record> {
    records[..records.len().min(8)].to_vec()
}

/// The listener's descriptor.
fn listener(records: &[Record]) -> Option<i32> {
    records.iter().find(|r| r.is_call("listen"))?.fd
}

/// This call on the event queue, for the listener.
fn is_op(r: &Record, op: &str, listener: i32) -> bool {
    r.op.as_deref() == Some(op) && r.errno.is_none() && r.fd == Some(listener)
}
