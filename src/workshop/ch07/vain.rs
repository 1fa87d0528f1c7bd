//! What is done in vain: wake-ups that nobody needs, waits that bring nothing, and an event
//! that was taken from the kernel and given to nobody.

use super::look::{lines, time_limit, wake_ends};
use super::{Case, Part};
use common::lab::Record;
use common::lab::record::Kind;

/// What is said of a main that polls; the judge knows it by its end (`POLLS`).
pub(super) const MAIN_POLLS: &str = "main wakes up again and again, and finds nothing";

/// So many waits in a row, and for so long (in microseconds).
const IN_A_ROW: u64 = 150;
const SO_LONG: u64 = 3_000_000;

/// Whether main has done nothing for seconds but wait, again and again, in vain. A right one
/// has a short time limit for a moment only: a tick, a listener without a descriptor.
pub(super) fn polls(records: &[Record]) -> bool {
    let (mut waits, mut until) = (0, 0);
    let of_main = |r: &&Record| r.thread == "main" && r.kind != Kind::Log && !r.is_enter();
    for r in records.iter().rev().filter(of_main) {
        match brought_nothing(r) {
            0 if r.kind == Kind::Call && r.errno.is_some() => {}
            0 => return false,
            n => waits += n,
        }
        until = until.max(r.us + r.dur);
        if waits >= IN_A_ROW && until.saturating_sub(r.us) >= SO_LONG {
            return true;
        }
    }
    false
}

/// How many waits of the queue, or of poll, this record tells of that brought nothing.
fn brought_nothing(r: &Record) -> u64 {
    match r.kind {
        Kind::Turns => r.times,
        _ if r.is_wait() || r.is_call("poll") => u64::from(r.ret == Some(0)),
        _ => 0,
    }
}

/// More waits in vain than ticks, until every worker is awake.
const OFTEN: u64 = 20;

/// Step 6: between these records both workers slept in handlers, and one job waited.
pub(super) fn ticks_while_it_holds(records: &[Record], from: u64, to: u64, case: Case) -> Part {
    let begins = |seq: u64| records.iter().find(|r| r.seq >= seq).map_or(u64::MAX, |r| r.us);
    let (since, until) = (begins(from), begins(to));
    // A count of turns is written later than it began.
    let between = |r: &Record| match r.kind {
        Kind::Turns => r.us >= since && r.us < until,
        _ => r.seq > from && r.seq < to,
    };
    let in_vain = |r: &Record| r.thread == "main" && between(r) && brought_nothing(r) > 0;
    match records.iter().filter(|r| in_vain(r)).map(brought_nothing).sum::<u64>() {
        n if n > OFTEN => case.part(
            format!("main's wait returned {n} times, with nothing, while both workers were busy"),
            "With `Pace::Hold` every worker is awake: there is nobody to be woken, and no tick to \
             wait for. The first that runs dry calls main. Only `Pace::Watch` has a time limit \
             (`look_at`).",
            lines(records, in_vain),
        ),
        _ => Ok(None),
    }
}

/// Nobody stops the server, nobody waits for room, and no timer was moved nearer: main is
/// woken by the kernel alone.
pub(super) fn wake_ups(records: &[Record], page: &'static str) -> Part {
    let case = Case {
        did: "A asked for / three times, one after the other, and then left",
        expected: "the kernel alone wakes main: nobody stops the server, and nobody waits for room",
        page,
    };
    let ends = wake_ends(records);
    let rings = |r: &Record| {
        r.is_call("write")
            && r.fd.is_some_and(|fd| ends.contains(&fd))
            && !tells_of_a_timer(records, r)
    };
    let times = match records.iter().filter(|r| rings(r)).count() {
        0 => return Ok(None),
        1 => "once".to_string(),
        n => format!("{n} times"),
    };
    case.part(
        format!("main was woken by a byte {times}, for nothing"),
        "A wake-up costs a write, a wait that returns, a read, and two switches between threads. \
         Main is woken (`stop.wake`) if it would sleep on otherwise: whoever parks or closes a \
         client asks first whether a stop was requested (and from step 5 on, whether main waits \
         for room, or `set_timer` says so). Main itself is awake.",
        lines(records, |r| rings(r) || r.events.iter().any(|e| ends.contains(&e.fd))),
    )
}

/// Main slept without a time limit when a worker woke it, and has one since: it was told of a
/// deadline. (That it did not know of one before is for step 5 to say.)
fn tells_of_a_timer(records: &[Record], ring: &Record) -> bool {
    let sleeps = |r: &&Record| r.thread == "main" && r.is_enter();
    let before = records.iter().rfind(|r| r.seq < ring.seq && sleeps(r));
    let after = records.iter().find(|r| r.seq > ring.seq && sleeps(r));
    ring.thread != "main"
        && before.is_some_and(|r| time_limit(r).is_none())
        && after.is_some_and(|r| time_limit(r).is_some())
}

pub(super) const LOST: &str = "A wait has reported the client, and nobody was given it: its event is \
                               gone with that, for it was armed for one. What a wait has brought is \
                               dispatched and handed over, each time, in the drain as in main's own \
                               loop, before anything else asks the queue again.";

/// Whether the last thing that happened to a client is that main's wait reported it.
pub(super) fn event_is_lost(records: &[Record], fd: i32) -> bool {
    let touches = |r: &&Record| r.fd == Some(fd) && r.kind != Kind::Log;
    let last = records.iter().rfind(touches).map_or(0, |r| r.seq);
    let reports = |r: &Record| r.is_wait() && r.events.iter().any(|e| e.fd == fd);
    last > 0 && records.iter().any(|r| r.seq > last && reports(r))
}
