//! Step 2, too: a stop while one request is in its handler.

use super::drain::DRAIN;
use super::hunts::woken_before_the_close;
use super::look::{
    Came, Outcome, about, came, ends_or_rests, in_handler, last_lines, lines, reported, wake_ends,
};
use super::stop::{patient, strange_end};
use super::{Case, Part};
use crate::workshop::Attempt;
use common::lab::record::Kind;
use common::lab::scenarios::open_descriptors;
use common::lab::{Record, Result};

const CASE: Case = Case {
    did: "sent SIGTERM while A's request was in a handler that sleeps",
    expected: "A gets its answer, with `Connection: close`, and then the server ends with status 0",
    page: DRAIN,
};

/// More waits than a drain makes for one client, before its handler is done.
pub(super) const OFTEN: u64 = 20;

/// A stop while a handler sleeps.
pub(super) fn in_flight(attempt: &Attempt) -> Part {
    // On a busy machine the signal may come late: then the handler is to sleep for longer.
    for ms in [600, 2000, 6000] {
        if let Judged::In(part) = with_a_handler_of(attempt, ms)? {
            return Ok(part);
        }
    }
    Ok(None)
}

/// Whether the stop came in time to be judged.
enum Judged {
    In(Option<crate::workshop::Verdict>),
    TooLate,
}

fn judged(part: Part) -> Result<Judged> {
    part.map(Judged::In)
}

fn with_a_handler_of(attempt: &Attempt, ms: u32) -> Result<Judged> {
    let play = attempt.play();
    let mut server = play.start(&patient(&[]))?;
    let mut a = in_handler(play, &server, "A", ms)?;
    let fd = server.fd_of(a.local())?;
    let mark = server.mark();
    server.signal(libc::SIGTERM)?;
    let came = came(&server, &mut a)?;
    drop(a); // it sees the end, and closes
    let after = server.mark();
    let (outcome, records) = ends_or_rests(&mut server, after)?;
    let ends = wake_ends(&records);
    let of_main = |r: &Record| r.seq > mark && r.thread == "main";
    let wakes = reported(records.iter().filter(|r| r.seq > mark), &ends, "[wake readable]");
    if wakes > 50 {
        return judged(CASE.part(
            format!("main's wait returned {wakes} times meanwhile, at once each time"),
            "The byte is still there. The queue watches the wake-up level-triggered, so \
             it goes on reporting it. Who is told must listen: `stop.heard()` takes the \
             bytes out.",
            lines(&records, of_main),
        ));
    }
    let slept = records.iter().find(|r| r.is_step("handler slept")).map_or(u64::MAX, |r| r.seq);
    let waits = waits_without_a_reason(&records, mark, slept);
    if waits > OFTEN {
        return judged(CASE.part(
            format!("main's wait returned {waits} times while A's handler slept, and nobody had called main"),
            "When the listener is closed, a drain sleeps until somebody has left or is ready. The \
             limit of its wait is what is left of the drain's time; a short one is for a listener \
             that is still open, because not everybody could be accepted.",
            lines(&records, |r| of_main(r) && (r.is_wait() || r.kind == Kind::Turns)),
        ));
    }
    if let Some(trace) = woken_before_the_close(&records, fd, mark) {
        return judged(CASE.part(
            "main was woken first, and A was closed after that",
            "Main looks at once, and A is still there; if it is quick, it sleeps again before A \
             is closed, and nobody wakes it then. To wake it (`stop.wake`) is the last thing that \
             is done for a client: after the close.",
            trace,
        ));
    }
    let Outcome::Ended(usage) = outcome else {
        let closed = records.iter().any(|r| r.did("close", fd));
        let mistake = match closed {
            true => {
                "A has its answer and is closed: nobody is left, and main does not know. It \
                 went to sleep while A was there. Whoever closes a client while the server \
                 stops has to wake main (`stop.wake`), and this after the close."
            }
            false => {
                "A is still there, and main has nothing that would wake it. Who is parked \
                 and owed nothing is closed in each turn of the drain (`take_idle`, \
                 `dismiss`)."
            }
        };
        let seen = match outcome {
            Outcome::Spins => "main turns and turns, and the server does not end",
            _ => "all threads sleep, and the server does not end",
        };
        return judged(CASE.part(seen, mistake, last_lines(&records)));
    };
    let Came::Answer(answer) = came else {
        return judged(CASE.part(
            "A got no byte, and then the end",
            "Main has left its loop, and the process has ended with a worker in \
             mid-answer. To stop is a state of the loop, not the way out of it: go on \
             with the same calls until nobody is owed anything.",
            last_lines(&records),
        ));
    };
    if usage.exit != Some(0) {
        return strange_end(CASE, &usage, &records).map(Some).map(Judged::In);
    }
    if !answer.says_close() {
        if !is_heard_in_time(&records, mark) {
            return Ok(Judged::TooLate);
        }
        return judged(CASE.part(
            "A got its answer, and it does not say that it is the last one",
            "A client that keeps its connection may send its next request into a socket \
             that is being closed. In `turn`: if a stop was asked for and nothing more \
             has arrived, this answer is the last one.",
            lines(&records, |r| r.seq > mark && about(fd)(r)),
        ));
    }
    let open = open_descriptors(&records);
    if open != 0 {
        return judged(CASE.part(
            format!("{open} descriptors were not closed by hand"),
            "The table below says which were opened and closed. Are the workers joined, \
             so that `Arc::into_inner` gives the server back? Is `stop` closed?",
            lines(&records, |r| r.is_call("close") || r.is_call("socketpair")),
        ));
    }
    Ok(Judged::In(None))
}

/// Whether main has heard of the stop, after `mark`, before the handler had slept. (The flag is
/// set before the byte that ends main's wait.)
pub(super) fn is_heard_in_time(records: &[Record], mark: u64) -> bool {
    let ends = wake_ends(records);
    let slept = records.iter().find(|r| r.is_step("handler slept")).map_or(u64::MAX, |r| r.seq);
    let hears = |r: &Record| {
        r.is_wait() && (r.errno.is_some() || r.events.iter().any(|e| ends.contains(&e.fd)))
    };
    let meanwhile = |r: &&Record| r.thread == "main" && r.seq > mark && r.seq < slept;
    records.iter().filter(meanwhile).any(hears)
}

/// How often main's wait has returned between the listener's close and the end of the handler.
/// A count of turns is written later than it began.
pub(super) fn waits_without_a_reason(records: &[Record], mark: u64, slept: u64) -> u64 {
    let closes =
        |r: &&Record| r.seq > mark && r.is_call("close") && r.role.as_deref() == Some("listener");
    let Some(closed) = records.iter().find(closes) else { return 0 };
    let woke = records.iter().find(|r| r.seq == slept).map_or(u64::MAX, |r| r.us + r.dur);
    let times = |r: &Record| match r.kind {
        Kind::Turns if r.thread == "main" && r.us >= closed.us && r.us < woke => r.times,
        _ if r.is_wait() && r.seq > closed.seq && r.seq < slept => 1,
        _ => 0,
    };
    records.iter().map(times).sum()
}
