//! Step 5, too: whether main knows of a client's deadline, and if not, why.

use super::look::{
    Came, LONG, came, found_or_rests, in_handler, last_lines, main_sleeps, time_limit, wake_ends,
};
use super::{Case, Part};
use crate::workshop::Attempt;
use common::lab::{Record, Result, Server};

/// Whether main's sleep, if nobody does anything, lasts longer than `seconds`: for
/// ever, or until somebody else's deadline. `since` is when the client was parked. A
/// wake-up that main has not heard yet is no sleep.
fn oversleeps(records: &[Record], since: u64, seconds: f64) -> Option<bool> {
    let sleep = main_sleeps(records)?;
    let rung = |r: &Record| {
        r.seq > sleep.seq
            && r.is_call("write")
            && r.fd.is_some_and(|fd| wake_ends(records).contains(&fd))
    };
    if sleep.seq < since && records.iter().any(rung) {
        return None;
    }
    Some(time_limit(sleep).is_none_or(|limit| limit > seconds))
}

/// In which state a client is that has a deadline.
#[derive(Clone, Copy)]
pub(super) enum Who {
    /// It has said nothing yet.
    New,
    /// It has said a part of its first request, and was parked again.
    Parked,
    /// It was answered.
    Served,
}

const NOT_TOLD: &str = "The timer is set, and nobody has told main, which went to sleep before \
                        that. `set_timer` returns whether main would sleep for too long: then \
                        wake it (`stop.wake`).";

const NO_TIMER: &str = "Main does not know of this deadline: no timer was set for this client when \
                        it was parked, or one for a wrong time (`client.rest(Instant::now())` \
                        comes before `set_timer`), or nobody told main (`set_timer` says whether \
                        it has to be woken), or the wait does not ask `timers.patience()`. An entry \
                        is forgotten when it is due while a worker has the client; so whoever \
                        parks a client sets its timer anew, under the lock of its place: in `arm`.";

const NO_TIMER_FOR_THE_NEW: &str = "No timer was set for this client when it was accepted. Who \
                                    connects and never says a word is late, too, and no worker \
                                    will ever park it: `set_timer` in the `arm` of `accept_one`.";

const NO_REST: &str = "A timer is set, but for a wrong time: the client still counts as one that \
                       waits with its first head, and has --header-timeout from its accept on. \
                       Whoever parks a client notes first what it waits for from now on: \
                       `client.rest(Instant::now())`, before `set_timer`.";

/// Whether a client that was answered still counts as one with its first head: then it is late
/// at once, if the answer took longer than a head may.
fn forgets_to_rest(attempt: &Attempt) -> Result<bool> {
    let args = ["--workers", "2", "--header-timeout", "1", "--idle-timeout", LONG];
    let server = attempt.start(&args)?;
    let mut a = in_handler(attempt.play(), &server, "A", 1600)?;
    let fd = server.fd_of(a.local())?;
    let Came::Answer(_) = came(&server, &mut a)? else { return Ok(false) };
    let written = server.wait_record("the answer", 0, |r| r.did("write", fd))?.seq;
    let ends = |r: &Record| {
        r.seq > written && (r.did("close", fd) || r.did("write", fd) || r.did("shutdown", fd))
    };
    let end =
        found_or_rests(&server, "its end", |records| records.iter().find(|r| ends(r)).cloned())?;
    Ok(end.is_some())
}

/// The client with this descriptor was parked at `parked`, and has a deadline `seconds`
/// from then: main has to know. If it does not, says which of two mistakes it is.
pub(super) fn main_knows(
    attempt: &Attempt,
    server: &Server,
    fd: i32,
    parked: u64,
    seconds: f64,
    (case, client): (Case, Who),
) -> Part {
    // Main may have seen to it meanwhile: it is told so, or closed.
    let is_over = |r: &Record| {
        r.seq > parked && (r.did("close", fd) || r.did("write", fd) || r.did("shutdown", fd))
    };
    let mut looks = 0;
    let oversleeps = server.wait_for("main to sleep", |records| {
        let quiet = server.is_quiet(records);
        match oversleeps(records, parked, seconds) {
            _ if records.iter().any(is_over) => Some(false),
            Some(false) => Some(false),
            Some(true) if quiet => {
                looks += 1;
                (looks > 5).then_some(true)
            }
            _ => {
                looks = 0;
                None
            }
        }
    })?;
    if !oversleeps {
        return Ok(None);
    }
    let records = server.records();
    let sleep = main_sleeps(&records);
    let limit = sleep.and_then(time_limit);
    let seen = match limit {
        Some(limit) => format!("main sleeps in its wait, for up to {limit} s"),
        None => "main sleeps in its wait, without a time limit".to_string(),
    };
    let trace = last_lines(&records);
    // Another client's event ends the sleep: does main know then?
    let mark = server.mark();
    let _other = attempt.connect("B", server)?;
    let next =
        server.wait_record("main to sleep again", mark, |r| r.thread == "main" && r.is_enter())?;
    let knows = time_limit(&next).is_some_and(|limit| limit <= seconds);
    let mistake = match (knows, client) {
        (true, _) => NOT_TOLD,
        (false, Who::New) => NO_TIMER_FOR_THE_NEW,
        (false, Who::Served) if forgets_to_rest(attempt)? => NO_REST,
        (false, Who::Served | Who::Parked) => NO_TIMER,
    };
    case.part(seen, mistake, trace)
}

/// When the client with this descriptor was given into the kernel's care last, after
/// `mark`.
pub(super) fn parked(server: &Server, fd: i32, mark: u64) -> Result<u64> {
    let arms = |r: &Record| {
        r.seq > mark && r.fd == Some(fd) && matches!(r.op.as_deref(), Some("add" | "rearm"))
    };
    Ok(server.wait_record("it to be parked", mark, arms)?.seq)
}
