//! Step 5, too: who makes room, and for whom there is none.

use super::busy::occupied;
use super::look::{
    Came, LONG, Outcome, PATIENT, came, ends_or_rests, found_or_rests, last_lines, lines,
};
use super::{Case, EARLIER, Part, stop};
use crate::workshop::Attempt;
use common::lab::record::Kind;
use common::lab::{Record, Result, Server};

const PAGE: &str = "ch07-5.html#the-code";

pub(super) fn listener(records: &[Record]) -> Option<i32> {
    records.iter().find(|r| r.is_call("listen")).and_then(|r| r.fd)
}

/// All of them.
pub(super) fn all(attempt: &Attempt) -> Part {
    let parts = [
        room_by_a_deadline,
        stop_while_full,
        silent_behind_the_full,
        out_of_descriptors,
        late_in_the_drain,
    ];
    for part in parts {
        if let Some(verdict) = part(attempt)? {
            return Ok(Some(verdict));
        }
    }
    Ok(None)
}

/// The only client there may be is closed by main itself, for it is late.
fn room_by_a_deadline(attempt: &Attempt) -> Part {
    let case = Case {
        did: "started it with --max-connections 1 and --idle-timeout 1; A asked for /, and then \
              said nothing; B connected and asked for /",
        expected: "B waits in the accept queue; after 1 s main closes A, and B is answered",
        page: PAGE,
    };
    let args = ["--workers", "2", "--header-timeout", LONG, "--idle-timeout", "1"];
    let args: Vec<&str> = args.iter().chain(&["--max-connections", "1"]).copied().collect();
    let server = attempt.start(&args)?;
    let mut a = attempt.connect("A", &server)?;
    a.get("/")?;
    let Came::Answer(_) = came(&server, &mut a)? else {
        return case.part("A got no answer", EARLIER, last_lines(&server.records()));
    };
    let mark = server.mark();
    let mut b = attempt.connect("B", &server)?;
    b.get("/")?;
    if let Came::Answer(_) = came(&server, &mut b)? {
        return Ok(None);
    }
    case.part(
        "main has closed A, all threads sleep, and B waits for ever",
        "Main has made room itself, and does not know: the listener stays paused for as long \
         as `wants_room` is set. Who closes a client takes that back; in `dismiss` main does \
         so for itself, without a wake-up.",
        lines(&server.records(), |r| r.seq > mark && r.thread == "main"),
    )
}

/// Without a descriptor to spare nobody can be accepted; to try again at once is to spin.
fn out_of_descriptors(attempt: &Attempt) -> Part {
    const DESCRIPTORS: u64 = 24;
    let case = Case {
        did: "started it with 24 descriptors and --max-connections 1000, and 30 clients connected",
        expected: "accept fails with EMFILE; the listener is paused for a moment, and main sleeps",
        page: PAGE,
    };
    let args: Vec<&str> =
        ["--workers", "2", "--max-connections", "1000"].iter().chain(&PATIENT).copied().collect();
    let server = attempt.start_with(&args, DESCRIPTORS)?;
    let connect = |n| attempt.play().connect_quietly(&format!("C{n}"), &server);
    let _crowd = (0..30).map(connect).collect::<Result<Vec<_>>>()?;
    let Some(full) = found_or_rests(&server, "EMFILE", |records| {
        records.iter().find(|r| r.failed("accept", "EMFILE")).map(|r| r.seq)
    })?
    else {
        return case.part("accept never failed", EARLIER, last_lines(&server.records()));
    };
    let pauses = found_or_rests(&server, "main's next waits", |records| {
        pauses(&records[records.partition_point(|r| r.seq <= full)..], listener(records)?)
    })?;
    let records = server.records();
    match pauses {
        Some(true) => Ok(None),
        Some(false) => case.part(
            "main's next wait reports the listener at once: main tries again and again",
            "The pause was cut short in the same turn of the loop, since nobody had said that \
             the listener waits for room. Where `accept` fails for want of descriptors, set \
             `wants_room` before you pause.",
            lines(&records, |r| r.seq >= full && r.thread == "main"),
        ),
        None => case.part(
            "the listener was paused, and main sleeps until a client leaves",
            "What is missing may come back from elsewhere, without a client that leaves: the whole \
             system is short of descriptors (ENFILE) or of memory. After an error of `accept` look \
             again in a moment: `pause`, not `pause_until_told`.",
            lines(&records, |r| r.seq >= full && r.thread == "main"),
        ),
    }
}

/// Whether main has waited while the listener was not watched, or has been told of it again
/// and again. A pause may be over before main comes to wait, on a busy machine: not each time.
fn pauses(records: &[Record], listener: i32) -> Option<bool> {
    const OFTEN: usize = 5;
    let (mut is_paused, mut again) = (false, 0);
    for r in records.iter().filter(|r| r.thread == "main") {
        match r.op.as_deref() {
            Some("delete") if r.fd == Some(listener) => is_paused = true,
            Some("add") if r.fd == Some(listener) => is_paused = false,
            _ if r.kind == Kind::Turns => return Some(is_paused),
            _ if r.is_wait() && is_paused => return Some(true),
            _ if r.is_wait() && r.events.iter().any(|e| e.fd == listener) => again += 1,
            _ => {}
        }
        if again == OFTEN {
            return Some(false);
        }
    }
    None
}

/// A stop suspends no deadline.
fn late_in_the_drain(attempt: &Attempt) -> Part {
    let case = Case {
        did: "started it with --idle-timeout 1 and --drain-timeout 600; A asked for 3 MB and did \
              not read; then SIGTERM was sent",
        expected: "after 1 s without room A is closed, in the drain as at any other time, and the \
                   server ends",
        page: PAGE,
    };
    let args = ["--workers", "2", "--header-timeout", LONG, "--idle-timeout", "1"];
    let args: Vec<&str> = args.iter().chain(&["--drain-timeout", LONG]).copied().collect();
    let mut server = attempt.start(&args)?;
    let mut a = attempt.play().connect_small("A", &server)?;
    let fd = server.fd_of(a.local())?;
    a.get("/big?bytes=3000000")?;
    server.wait_record("A to wait for room", 0, |r| {
        r.fd == Some(fd) && r.want.as_deref() == Some("write")
    })?;
    let mark = server.mark();
    server.signal(libc::SIGTERM)?;
    let (outcome, records) = ends_or_rests(&mut server, mark)?;
    if let Outcome::Ended(_) = outcome {
        return Ok(None);
    }
    case.part(
        "A's time is up, and the server does not end",
        "A client that never reads would hold up a stop until the drain's deadline. In each \
         turn of the drain, look at those whose time is up (`expire`), behind `catch_up`.",
        last_lines(&records),
    )
}

/// A stop while the listener is paused: the drain makes room by itself.
fn stop_while_full(attempt: &Attempt) -> Part {
    let case = Case {
        did: "started it with --max-connections 1; A asked for /, and then said nothing; B \
              connected and asked for /; then SIGTERM was sent",
        expected: "A is closed, for it is owed nothing, and B is accepted and answered; then the \
                   server ends",
        page: PAGE,
    };
    let args = ["--workers", "2", "--max-connections", "1", "--drain-timeout", LONG];
    let args: Vec<&str> = args.iter().chain(&PATIENT).copied().collect();
    let mut server: Server = attempt.start(&args)?;
    let mut a = attempt.connect("A", &server)?;
    a.get("/")?;
    let Came::Answer(_) = came(&server, &mut a)? else {
        return case.part("A got no answer", EARLIER, last_lines(&server.records()));
    };
    let mut b = attempt.connect("B", &server)?;
    b.get("/")?;
    found_or_rests(&server, "rest", |_| None::<()>)?;
    let mark = server.mark();
    server.signal(libc::SIGTERM)?;
    let Came::Answer(_) = came(&server, &mut b)? else {
        // The client hears of its end before the trace does.
        let (_, records) = ends_or_rests(&mut server, mark)?;
        return case.part(
            "B got no answer",
            "The listener stays open until `accept_all` finds nobody left; with each turn of the \
             drain there may be room for one more.",
            lines(&records, |r| r.seq > mark && r.thread == "main"),
        );
    };
    drop((a, b));
    let (_, records) = ends_or_rests(&mut server, mark)?;
    let listener = listener(&records);
    let twice =
        |r: &Record| r.fd == listener && r.op.as_deref() == Some("delete") && r.errno.is_some();
    if records.iter().any(twice) {
        return case.part(
            "the listener was taken out of the interest list twice",
            "It was paused already when the stop came. A drain begins with a listener that is \
             watched: `end_pause`, in each turn, before `accept_all`.",
            lines(&records, |r| r.seq > mark && r.fd == listener),
        );
    }
    Ok(None)
}

/// The same, and who is accepted in the drain says nothing: idle clients come as long as the
/// listener is open.
fn silent_behind_the_full(attempt: &Attempt) -> Part {
    let case = Case {
        did: "started it with --max-connections 1; A asked for /, and then said nothing; B \
              connected and said nothing; then SIGTERM was sent",
        expected: "A is owed nothing and is closed, B is accepted, and closed as well; then the \
                   server ends with status 0",
        page: PAGE,
    };
    let args = ["--workers", "2", "--max-connections", "1", "--drain-timeout", LONG];
    let args: Vec<&str> = args.iter().chain(&PATIENT).copied().collect();
    let mut server: Server = attempt.start(&args)?;
    let mut a = attempt.connect("A", &server)?;
    a.get("/")?;
    let Came::Answer(_) = came(&server, &mut a)? else {
        return case.part("A got no answer", EARLIER, last_lines(&server.records()));
    };
    let b = attempt.connect("B", &server)?;
    found_or_rests(&server, "rest", |_| None::<()>)?;
    let mark = server.mark();
    server.signal(libc::SIGTERM)?;
    a.rest()?;
    drop(a); // who is told goodbye closes
    server.wait_record("B to be accepted", mark, |r| r.accepted().is_some())?;
    let (outcome, records) = ends_or_rests(&mut server, mark)?;
    drop(b);
    match outcome {
        Outcome::Ended(usage) if usage.exit == Some(0) => Ok(None),
        Outcome::Ended(usage) => stop::strange_end(case, &usage, &records).map(Some),
        _ => case.part(
            "B was accepted in the drain, and the server waits for it, though it is owed nothing",
            "Idle clients are closed in each turn of the drain (`take_idle`), not only in the \
             first: as long as the listener is open, others may come.",
            lines(&records, |r| r.seq > mark && r.thread == "main"),
        ),
    }
}

/// Step 6: main holds, and the listener is paused. Who asks about it all the same is told at
/// once, again and again.
pub(super) fn paused_while_main_holds(attempt: &Attempt) -> Part {
    let case = Case {
        did: "with two workers and --max-connections 3: A and B asked for something slow, and C \
              for /; then D connected",
        expected: "there is no room for D: the listener is paused, and main sleeps until a worker \
                   calls it",
        page: "ch07-6.html#the-code",
    };
    let args = ["--workers", "2", "--max-connections", "3"];
    let args: Vec<&str> = args.iter().chain(&PATIENT).copied().collect();
    let server = attempt.start(&args)?;
    let (_busy, _) = occupied(attempt, &server, 2000)?;
    let listener = listener(&server.records());
    let pauses = |r: &Record| r.fd == listener && r.op.as_deref() == Some("delete");
    // Main has accepted C, and knows that C is the last one.
    let first = server.wait_record("the listener to be paused", 0, pauses)?.seq;
    let _d = attempt.connect("D", &server)?;
    let next = server.wait_record("a worker to be free, or one more pause", first, |r| {
        r.is_step("handler slept") || pauses(r)
    })?;
    if !pauses(&next) {
        return Ok(None);
    }
    case.part(
        "the listener was paused, and then reported once more",
        "`queue::poll` knows nothing of a pause: it says what is readable of those that it is \
         asked about. Leave the listener out while it is paused (`is_paused`).",
        lines(&server.records(), |r| r.seq >= first && r.seq <= next.seq && r.thread == "main"),
    )
}
