//! Drain, and step back, step by step.

use std::time::Duration;

use super::abort::{goes_on, goes_on_at_enfile};
use super::{Rest, full, idle, is_op, listener, watch};
use crate::workshop::scarce::is_said;
use crate::workshop::{Attempt, Finding, Step, Verdict, failed, passed};
use common::lab::scenarios::{How, Seen};
use common::lab::{Record, Result, Server, Trouble};

pub(super) const STEPS: &[Step] = &[
    Step { title: "it accepts until nobody is left", check: until_nobody_is_left },
    Step { title: "it steps back", check: step_back },
    Step { title: "it comes back", check: come_back },
    Step { title: "at once, when there is room", check: as_soon_as_there_is_room },
];

const FULL: &str = "40 clients connect and say nothing; your server may have 32 descriptors.";

fn until_nobody_is_left(a: &Attempt) -> Result<Verdict> {
    let seen = a.scenario("burst", |seen| match seen {
        Seen::Works(what) => Verdict::Passed(what),
        Seen::Fails(how, what) => Finding::new(
            "Stops your server while 100 clients connect, then lets it go on.",
            "One event on the listener, and all who are waiting are accepted: a few waits.",
            format!("{what} ({how})."),
        )
        .usually(match how {
            How::Stranded => "an edge-triggered listener is reported once: what is left, stays",
            _ => {
                "One accept per event: a loop round accept_one takes all who are there, until \
                 EAGAIN says that nobody is."
            }
        })
        .page("ch04.html#accept-until-it-has-nothing")
        .into(),
    })?;
    if matches!(seen, Verdict::Failed(_)) {
        return Ok(seen);
    }
    let server = a.start(&[])?;
    let client = a.connect("A", &server)?;
    let accept = server.accept_of(client.local())?;
    let records = server.wait_for("the wait after A's accept", |records| {
        let after = records.iter().position(|r| r.seq == accept.seq)?;
        let wait = records[after..].iter().position(|r| r.is_wait_enter() || r.is_wait())?;
        Some(records[after..=after + wait].to_vec())
    })?;
    let listener = listener(&server.records()).ok_or_else(|| Trouble("nobody listens".into()))?;
    if records.iter().any(|r| is_op(r, "delete", listener)) {
        return failed(
            Finding::new(
                "A connects, and nobody else.",
                "A is accepted, accept says EAGAIN, and your server waits for the next.",
                "The listener is taken out of the event queue.",
            )
            .usually(
                "EAGAIN says that nobody is left. That is the usual end, and no reason to pause.",
            )
            .shown_by(&records),
        );
    }
    let one = goes_on(a)?;
    let Verdict::Passed(one) = one else { return Ok(one) };
    passed(format!("100 clients in a few waits, and EAGAIN is the end of each; {one}"))
}

fn step_back(a: &Attempt) -> Result<Verdict> {
    if let Some(finding) = idle(a)? {
        return failed(finding);
    }
    let (server, _clients) = full(a)?;
    let what = "the listener to leave the event queue, and a wait with a limit";
    let rest = watch(&server, what, |records, listener| {
        let deletes = (0..records.len()).filter(|at| is_op(&records[*at], "delete", listener));
        let mut waits = deletes.filter_map(|at| records[at..].iter().find(|r| r.is_wait_enter()));
        waits.any(|wait| wait.time_limit().is_some())
    })?;
    let expected = "The listener leaves the event queue, and the next wait has a limit.";
    let finding = |seen: &str, records: &[Record]| {
        Finding::new(FULL, expected, seen).shown_by(records).page("ch04.html#accept-when-it-fails")
    };
    if let (Rest::Right, Some(wait)) = (&rest, too_long(&server.records())) {
        let limit = wait.time_limit().unwrap_or_default();
        return failed(finding(&format!("The next wait may last {limit:?}."), &[wait]).usually(
            "So long nobody looks whether there is room, and who has come waits outside: a pause is \
             a moment. listener.patience() is what is left of it.",
        ));
    }
    match rest {
        Rest::Right => match said_nothing(a, &server) {
            None => match goes_on_at_enfile(a)? {
                Some(finding) => failed(finding),
                None => passed(
                    "at EMFILE the listener leaves the event queue, a line says why, and the wait has a limit",
                ),
            },
            Some(records) => failed(
                Finding::new(FULL, "A line on stderr that says so (EMFILE).", "No line.")
                    .usually(
                        "An error of accept that is thrown away: nobody gets in, and nobody is told \
                         why. listener.errors prints it, at most once a second.",
                    )
                    .shown_by(&records)
                    .page("ch04.html#accept-when-it-fails"),
            ),
        },
        Rest::Spins(records) => {
            let is_delete = |r: &Record| r.op.as_deref() == Some("delete");
            let is_paused = server.records().iter().any(is_delete);
            failed(finding(&turned(&records), &records).usually(match is_paused {
                true => {
                    "It has been paused, and accept is called again all the same, to fail as before: \
                     leave the loop when the pause begins."
                }
                false => NO_PAUSE,
            }))
        }
        Rest::BackAtOnce(records) => failed(finding(BACK, &records).usually(ENDED_AT_ONCE)),
        Rest::Naps(records) => {
            let seen = "Main sleeps by itself, again and again; the listener stays in the queue.";
            failed(finding(seen, &records).usually(
                "It only sleeps: while main sleeps in a call of its own (thread::sleep), nobody is \
                 served, and those who are connected wait as well. Pause the listener, not the \
                 server: listener.pause takes it out of the queue, and the others wake the wait.",
            ))
        }
        Rest::ForEver(records) => failed(finding("A wait without a limit.", &records).usually(
            "The listener is not watched, so nothing it does can end this wait; if no client says a \
             word your server will sleep for ever. listener.patience() is the limit.",
        )),
        Rest::StaysAway(records) => failed(finding("Waits that find nothing.", &records)),
    }
}

const NO_PAUSE: &str = "EMFILE is about us: the next accept fails as this one did, and the listener \
                        stays readable. Have it paused, and leave the loop.";
const BACK: &str = "It leaves the event queue, and is back before the next wait.";
const ENDED_AT_ONCE: &str = "The pause was ended as soon as it had begun: it must last over a wait, \
                             whose limit is the pause's end. end_pause and cut_pause_short end it \
                             now, resume when its time is over.";

/// Whether the listener has left the queue last, and is not back.
fn is_paused(records: &[Record]) -> bool {
    let Some(listener) = listener(records) else { return false };
    let is_its = |r: &&Record| is_op(r, "add", listener) || is_op(r, "delete", listener);
    records.iter().rfind(is_its).is_some_and(|r| r.op.as_deref() == Some("delete"))
}

/// A wait in a pause that may last longer than anybody should be kept outside.
fn too_long(records: &[Record]) -> Option<Record> {
    let emfile = records.iter().position(|r| r.failed("accept", "EMFILE"))?;
    let wait = records[emfile..].iter().find(|r| r.is_wait_enter())?;
    wait.time_limit().is_some_and(|limit| limit > Duration::from_secs(1)).then(|| wait.clone())
}

/// What was done between the first `EMFILE` and the next wait, if no line told of it.
fn said_nothing(a: &Attempt, server: &Server) -> Option<Vec<Record>> {
    let records = server.records();
    let emfile = records.iter().position(|r| r.failed("accept", "EMFILE"))?;
    let since = &records[emfile..];
    let wait = since.iter().position(|r| r.is_wait_enter() || r.is_wait()).unwrap_or(since.len());
    (!is_said(a, 0, &since[..wait])).then(|| since[..wait].to_vec())
}

/// What a turn of the loop that spins does.
fn turned(records: &[Record]) -> String {
    match records.iter().rfind(|r| r.times > 0) {
        Some(turns) => format!("The loop turns without end, and each turn is: {}.", turns.note),
        None => "The loop turns without end, and nobody is accepted.".to_string(),
    }
}

pub(super) fn come_back(a: &Attempt) -> Result<Verdict> {
    let (server, _clients) = full(a)?;
    let rest = watch(&server, "the listener to be watched again", |records, listener| {
        let mut pauses = records.iter().enumerate().filter(|(_, r)| is_op(r, "delete", listener));
        pauses.any(|(at, _)| {
            let since = &records[at..];
            let back = since.iter().position(|r| is_op(r, "add", listener));
            // Whoever ends the pause as soon as it has begun has had no wait.
            let waits = |r: &Record| r.is_wait_enter() || r.is_wait() || r.times > 0;
            back.is_some_and(|back| since[..back].iter().any(waits))
        })
    })?;
    let expected = "When the pause is over the listener is watched again, though nobody spoke.";
    let finding = |seen: &str, records: &[Record]| {
        Finding::new(FULL, expected, seen).shown_by(records).page("ch04.html#the-code")
    };
    match rest {
        Rest::Right => passed("the listener was watched again, and nobody had said a word"),
        Rest::ForEver(records) => failed(finding("A wait without a limit.", &records).usually(
            "The pause is a moment at which it ends, and somebody must be awake then: your server will \
             sleep for ever. listener.patience() is the limit.",
        )),
        Rest::Naps(records) => {
            failed(finding("Main sleeps by itself, and the listener was never paused.", &records))
        }
        Rest::BackAtOnce(records) => failed(finding(BACK, &records).usually(ENDED_AT_ONCE)),
        Rest::Spins(records) if !is_paused(&server.records()) => {
            failed(finding(&turned(&records), &records).usually(NO_PAUSE))
        }
        Rest::Spins(records) | Rest::StaysAway(records) => {
            failed(finding("The wait ends with 0 events, again and again.", &records).usually(
                "The pause is over, and nobody watches the listener again. A wait whose time is \
                 up brings no events: which lines of your loop run then?",
            ))
        }
    }
}

pub(super) fn as_soon_as_there_is_room(a: &Attempt) -> Result<Verdict> {
    let (server, mut clients) = full(a)?;
    let listener = listener(&server.records()).ok_or_else(|| Trouble("nobody listens".into()))?;
    let mut in_vain = None;
    // Five leave, one after the other, each in a pause.
    for _ in 0..5 {
        server.wait_for("a pause", |records| {
            let last_op = records.iter().rfind(|r| r.fd == Some(listener) && r.op.is_some())?;
            let waits = records.last()?.is_wait_enter();
            (waits && last_op.op.as_deref() == Some("delete")).then_some(())
        })?;
        let client = clients.remove(0);
        let fd = server.fd_of(client.local())?;
        let mark = server.mark();
        client.close();
        let between = server.wait_for("the wait after its close", |records| {
            let close = records.iter().position(|r| r.seq > mark && r.did("close", fd))?;
            let wait = records[close..].iter().position(|r| r.is_wait_enter() || r.is_wait())?;
            Some((records[..close].to_vec(), records[close..=close + wait].to_vec()))
        })?;
        let (before, after) = between;
        let op = |r: &&Record| {
            r.fd == Some(listener) && matches!(r.op.as_deref(), Some("add" | "delete"))
        };
        let is_paused = before.iter().rfind(op).is_some_and(|r| r.op.as_deref() == Some("delete"));
        let asks_again = after.iter().any(|r| is_op(r, "add", listener) || r.is_call("accept"));
        if !is_paused || asks_again {
            continue;
        }
        // The pause has been ended, and nobody has resumed: that wait ends at once. (It
        // may also have been over by then: once only.)
        if after.last().and_then(Record::time_limit) == Some(Duration::ZERO) {
            in_vain = Some(after);
            continue;
        }
        return failed(
            still_paused("The next wait begins, and the listener is still paused.", &after)
                .usually(
                    "Who waits outside waits to the end of the pause, though there is room: \
                     listener.cut_pause_short() belongs where a client may have been closed, before \
                     resume.",
                ),
        );
    }
    if let Some(after) = in_vain {
        let seen = "The next wait begins, with a limit of 0, and the listener is still paused.";
        return failed(still_paused(seen, &after).usually(
            "It costs a wait in vain: the pause is over when the client is closed, and resume comes \
             only after that wait. It belongs behind the events, at the end of the turn.",
        ));
    }
    passed("five left, and each time the listener was watched again at once")
}

fn still_paused(seen: &str, records: &[Record]) -> Finding {
    let did = format!("{FULL} In a pause, one of those who are connected leaves.");
    let expected = "Its descriptor is free, so the listener is watched again before the next wait.";
    Finding::new(did, expected, seen).shown_by(records).page("ch04.html#the-code")
}
