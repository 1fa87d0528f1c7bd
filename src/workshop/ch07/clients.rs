//! Step 3: what one client costs.

use super::look::{
    Came, PATIENT, about, came, found_or_rests, in_handler, lines, reported, settled,
};
use super::{Case, Part, first, vain};
use crate::workshop::{Attempt, Verdict};
use common::lab::record::Kind;
use common::lab::{Play, Record, Result, Server};

const ONESHOT: &str = "ch07-3.html#the-code";

/// Step 3.
pub(super) fn one_change_each(attempt: &Attempt) -> Result<Verdict> {
    first(
        attempt,
        &[one_event_each, one_change_per_request, before_the_arming],
        "each request costs a read, a write and one change of the interest list",
    )
}

pub(super) fn start(play: &Play, workers: &str) -> Result<Server> {
    let args: Vec<&str> = ["--workers", workers].iter().chain(&PATIENT).copied().collect();
    let server = play.start(&args)?;
    settled(&server, workers.parse().unwrap_or(1))?;
    Ok(server)
}

/// The changes of the interest list for this descriptor, after `mark`.
fn changes(records: &[Record], fd: i32, mark: u64) -> Vec<&Record> {
    let change = |r: &&Record| {
        r.seq > mark
            && r.fd == Some(fd)
            && matches!(r.op.as_deref(), Some("add" | "rearm" | "delete"))
    };
    records.iter().filter(change).collect()
}

/// The client's last lines, and in front of them a change of the interest list that failed.
fn with_failed_changes(server: &Server, fd: i32) -> Result<Vec<String>> {
    server.wait_until_quiet()?; // the client may know of it before the trace does
    let records = &server.records();
    let failed = |r: &Record| r.fd == Some(fd) && r.op.is_some() && r.errno.is_some();
    let last = lines(records, about(fd));
    let mut trace = lines(records, failed);
    trace.retain(|line| !last.contains(line));
    trace.extend(last);
    Ok(trace)
}

fn one_event_each(attempt: &Attempt) -> Part {
    let case = Case {
        did: "A asked for something that takes 0.15 s, and meanwhile for something else",
        expected: "the kernel reports A once, and says no more about it until it is armed again",
        page: ONESHOT,
    };
    let server = start(attempt.play(), "2")?;
    let mut a = in_handler(attempt.play(), &server, "A", 150)?;
    let fd = server.fd_of(a.local())?;
    let taken =
        server.wait_record("A to be taken", 0, |r| r.is_step("took") && r.fd == Some(fd))?;
    a.get("/")?; // now it is readable, while a worker has it
    let slept = server.wait_record("the handler to end", 0, |r| r.is_step("handler slept"));
    let Ok(slept) = slept else {
        // The loop turns so quickly that the wait was given up.
        let records = server.records();
        let taken = |r: &&Record| r.seq > taken.seq;
        let times = reported(records.iter().filter(taken), &[fd], &format!("client {fd} "));
        return reported_meanwhile(case, &records, fd, times);
    };
    let mut is_answered = true;
    for _ in 0..2 {
        is_answered = is_answered && matches!(came(&server, &mut a)?, Came::Answer(_));
    }
    // A count of turns is written when something else happens: B comes.
    let mark = server.mark();
    let _b = attempt.play().connect("B", &server)?;
    server.wait_record("B to be accepted", mark, |r| r.call == "accept" && r.ret >= Some(0))?;
    let records = server.records();
    let woke = slept.us + slept.dur;
    let meanwhile = |r: &&Record| {
        let began = matches!(r.kind, Kind::Turns) && r.us < woke;
        r.seq > taken.seq && (r.seq < slept.seq || began)
    };
    let times = reported(records.iter().filter(meanwhile), &[fd], &format!("client {fd} "));
    if times > 0 {
        let until_then: Vec<Record> =
            records.iter().filter(|r| r.seq < slept.seq).cloned().collect();
        return reported_meanwhile(case, &until_then, fd, times);
    }
    match is_answered {
        true => Ok(None),
        false => {
            let trace = with_failed_changes(&server, fd)?;
            case.part(not_served(&server.records(), fd, "A got no answer"), NOT_ARMED, trace)
        }
    }
}

/// The kernel has reported a client that a worker had.
fn reported_meanwhile(case: Case, records: &[Record], fd: i32, times: u64) -> Part {
    let add = lines(records, |r| r.op.as_deref() == Some("add") && r.fd == Some(fd));
    let taken = records.iter().find(|r| r.is_step("took") && r.fd == Some(fd)).map_or(0, |r| r.seq);
    let woken = lines(records, |r| r.seq > taken && about(fd)(r));
    case.part(
        format!("the kernel reported A {times} times while a worker had it"),
        "In `Mode::Level` a wait reports a client for as long as it is readable, or \
         its end has come, and the worker has not read yet or will not read on. Main \
         finds nobody in the table, and turns round and round. In `Mode::Oneshot` \
         the kernel says it once.",
        add.into_iter().chain(woken).collect(),
    )
}

/// What has become of a client that did not get what it waited for: `otherwise`, or a change of
/// the interest list that failed, and what followed.
fn not_served(records: &[Record], fd: i32, otherwise: &str) -> String {
    let failed = |r: &&Record| r.fd == Some(fd) && r.op.is_some() && r.errno.is_some();
    let Some(failed) = records.iter().find(failed) else { return otherwise.to_string() };
    let errno = failed.errno.as_deref().unwrap_or_default();
    let was_answered = records.iter().any(|r| r.seq < failed.seq && r.did("write", fd));
    let was_closed = records.iter().any(|r| r.seq > failed.seq && r.did("close", fd));
    match (was_answered, was_closed) {
        (true, true) => format!(
            "A was answered, could not be armed again ({errno}), and was closed: a reset, if its next \
             request lay unread, and that may cost A the answer, too"
        ),
        (false, true) => format!("A could not be armed ({errno}), and was closed"),
        (_, false) => format!("{otherwise}; to arm A has failed ({errno})"),
    }
}

const NOT_ARMED: &str = "A client that was answered is given into the kernel's care again, and \
                         armed: `rearm` for whom the queue knows already, `add` for who is \
                         new. (epoll: to add somebody twice is EEXIST, to change somebody who \
                         is not there is ENOENT.)";

fn one_change_per_request(attempt: &Attempt) -> Part {
    let case = Case {
        did: "A asked for / three times, one after the other",
        expected: "three answers, and for each of them one change of the interest list: the \
                   arming",
        page: ONESHOT,
    };
    let server = start(attempt.play(), "2")?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    let added = server
        .wait_record("A to be added", 0, |r| r.op.as_deref() == Some("add") && r.fd == Some(fd))?;
    for n in 1..=3 {
        server.wait_until_quiet()?; // who finds a worker asleep needs nobody else
        a.get("/")?;
        let Came::Answer(_) = came(&server, &mut a)? else {
            let trace = with_failed_changes(&server, fd)?;
            let seen = not_served(&server.records(), fd, &format!("A got no answer number {n}"));
            return case.part(seen, NOT_ARMED, trace);
        };
    }
    let armed = found_or_rests(&server, "A to be armed", |records| {
        let arms = changes(records, fd, added.seq)
            .into_iter()
            .filter(|r| r.op.as_deref() != Some("delete"));
        (arms.count() >= 3).then_some(())
    })?;
    let records = server.records();
    let trace = lines(&records, |r| r.seq > added.seq && about(fd)(r));
    if armed.is_none() {
        return case.part(
            "A has three answers, and was not armed after each of them",
            NOT_ARMED,
            trace,
        );
    }
    let changes = changes(&records, fd, added.seq);
    let deletes = changes.iter().filter(|r| r.op.as_deref() == Some("delete")).count();
    if deletes > 0 {
        return case.part(
            format!(
                "A was taken out of the interest list {deletes} times: one call too many for \
                 each request"
            ),
            "A oneshot entry that has been reported is silent. That is the delete which \
             chapter 6 made by hand, and the kernel makes it for nothing. What is left \
             is the arming: `rearm`.",
            trace,
        );
    }
    if let Some(verdict) = armed_for_writing(&records, fd, case)? {
        return Ok(Some(verdict));
    }
    if changes.len() != 3 {
        let seen = format!("{} changes for three requests", changes.len());
        return case.part(seen, "Each arming is an entry into the kernel.", trace);
    }
    let in_vain = records.iter().filter(|r| r.failed("read", "EAGAIN") && r.fd == Some(fd)).count();
    if in_vain > 0 {
        return case.part(
            format!("{in_vain} reads of A were made only to be told EAGAIN"),
            "A read that returns less than it asked for has emptied the receive buffer \
             (`read_to_short`). What comes a moment later is found by the arming: to arm \
             is to look.",
            trace,
        );
    }
    server.wait_until_quiet()?;
    a.close();
    server.wait_record("A to be closed", 0, |r| r.did("close", fd))?;
    server.wait_until_quiet()?;
    let records = attempt.finish(server)?;
    vain::wake_ups(&records, ONESHOT)
}

/// A client that got its small answers was armed for room all the same.
pub(super) fn armed_for_writing(records: &[Record], fd: i32, case: Case) -> Part {
    let for_room =
        |r: &Record| r.fd == Some(fd) && r.op.is_some() && r.want.as_deref() == Some("write");
    match records.iter().filter(|r| for_room(r)).count() {
        0 => Ok(None),
        n => case.part(
            format!("A was armed for writing {n} times, and nothing waited to be sent"),
            "There is nearly always room in a send buffer, so who is armed for it is reported at \
             once (EPOLLOUT, EVFILT_WRITE), with nothing to do. A client that was answered is \
             armed for its next request: `Want::Read`. Room is what step 4 is about.",
            lines(records, about(fd)),
        ),
    }
}

fn before_the_arming(attempt: &Attempt) -> Part {
    let case = Case {
        did: "while A's first request was in its handler, A sent the second one",
        expected: "both are answered: to arm is to look, so the second is reported at once",
        page: ONESHOT,
    };
    let server = start(attempt.play(), "2")?;
    let mut a = in_handler(attempt.play(), &server, "A", 100)?;
    let fd = server.fd_of(a.local())?;
    a.get("/")?;
    for n in 1..=2 {
        if !matches!(came(&server, &mut a)?, Came::Answer(_)) {
            let trace = with_failed_changes(&server, fd)?;
            let seen = format!("A's answer number {n} does not come");
            return case.part(not_served(&server.records(), fd, &seen), NOT_ARMED, trace);
        }
    }
    attempt.finish(server)?;
    Ok(None)
}
