//! Step 6, too: what goes on while main holds: a second worker is woken, clients are late,
//! and the drain has an end.

use super::busy::{known, occupied, start};
use super::look::{
    Came, LONG, Outcome, came, ends_or_rests, found_or_rests, last_lines, lines, main_sleeps,
    time_limit,
};
use super::{Case, EARLIER, Part};
use crate::workshop::Attempt;
use common::lab::client::request;
use common::lab::record::Kind;
use common::lab::rest;
use common::lab::{Record, Result};

const BUSY: &str = "ch07-6.html#the-code";

/// A main that looks again within a tick sleeps for no longer than that; in seconds.
const ABOUT_A_TICK: f64 = 0.5;

/// Eight clients connect and say nothing: no job, and nobody to be woken for one.
pub(super) fn nobody_for_nothing(attempt: &Attempt) -> Part {
    let case = Case {
        did: "with two workers: eight clients connected, one after the other, and said nothing",
        expected: "main accepts them, and the workers sleep on: there is nothing to do for them",
        page: BUSY,
    };
    let server = start(attempt)?;
    let mark = server.mark();
    let mut silent = Vec::new();
    for n in 1..=8 {
        // One wait for each: who comes with others costs no wake-up more.
        silent.push(attempt.play().connect_quietly(&format!("C{n}"), &server)?);
        server.wait_for("it to be accepted, and main to sleep", |records| {
            let accepted = records.iter().filter_map(Record::accepted).count();
            (accepted == n && main_sleeps(records).is_some()).then_some(())
        })?;
        // Who has been woken has run, too: else the next wake-up would be saved.
        match rest::is_asleep(server.pid()) {
            Some(_) => found_or_rests(&server, "rest", |_| None::<()>).map(drop)?,
            None => server.wait_until_quiet()?, // the system does not say it
        }
    }
    let records = attempt.finish(server)?;
    let in_vain = |r: &Record| match r.kind {
        _ if r.seq <= mark || r.thread == "main" => 0,
        Kind::Turns => r.times,
        _ => u64::from(r.is_step("found nothing")),
    };
    match records.iter().map(in_vain).sum::<u64>() {
        // A thread may wake up without a reason.
        0 | 1 => Ok(None),
        n => case.part(
            format!("a worker was woken {n} times, and found nothing"),
            "`push_batch` wakes a worker for what it is given, and does not look whether that is \
             anything. In `hand_over`: push only if the batch is not empty.",
            lines(&records, |r| in_vain(r) > 0 || r.seq > mark && r.accepted().is_some()),
        ),
    }
}

/// A batch of two slow jobs: both workers are at work for it.
pub(super) fn two_slow_jobs(attempt: &Attempt) -> Part {
    // A busy machine may run the second worker late: then both are to be at work for longer.
    for ms in [700, 2500, 6000] {
        match one_batch(attempt, ms)? {
            Batch::Judged(part) => return Ok(part),
            Batch::OneAfterTheOther(part) if ms == 6000 => return Ok(part),
            Batch::OneAfterTheOther(_) => {}
        }
    }
    Ok(None)
}

/// How two jobs fared.
enum Batch {
    Judged(Option<crate::workshop::Verdict>),
    OneAfterTheOther(Option<crate::workshop::Verdict>),
}

fn one_batch(attempt: &Attempt, ms: u32) -> Result<Batch> {
    let case = Case {
        did: "with two workers: stopped the process (SIGSTOP), let A and B ask for something slow, \
              and let it go on, so that one wait brings both",
        expected: "a worker is woken for the batch; when it does not get on within a tick, main \
                   wakes the second one, and both handlers are at work at the same time",
        page: BUSY,
    };
    let server = start(attempt)?;
    let mut both = known(attempt, &server, 2)?;
    let fds: Vec<i32> = both.iter().map(|c| server.fd_of(c.local())).collect::<Result<_>>()?;
    server.freeze()?;
    let mark = server.mark();
    for client in &mut both {
        client.send_quietly(request(&format!("/slow?ms={ms}")).as_bytes())?;
    }
    server.thaw()?;
    for client in &mut both {
        if !matches!(came(&server, client)?, Came::Answer(_)) {
            let trace = lines(&server.records(), |r| r.seq > mark);
            return case.part("not both were answered", EARLIER, trace).map(Batch::Judged);
        }
    }
    let records = attempt.finish(server)?;
    let of_both = |r: &Record| fds.iter().all(|fd| r.events.iter().any(|e| e.fd == *fd));
    let first = |name: &str, after: u64| {
        records.iter().find(|r| r.seq > after && r.is_step(name)).map_or(u64::MAX, |r| r.seq)
    };
    // One wait for each of them wakes a worker for each of them.
    let Some(wait) = records.iter().find(|r| r.is_wait() && r.seq > mark && of_both(r)) else {
        return Ok(Batch::Judged(None));
    };
    let begun = first("handler sleeps", wait.seq);
    let (second, over) = (first("handler sleeps", begun), first("handler slept", begun));
    if second < over {
        return Ok(Batch::Judged(None));
    }
    let sleeps = |r: &&Record| r.thread == "main" && r.is_enter() && r.seq > wait.seq;
    let has_tick = |r: &Record| time_limit(r).is_some_and(|limit| limit < ABOUT_A_TICK);
    let ticks = records.iter().find(sleeps).is_some_and(has_tick);
    let trace = lines(&records, |r| r.seq >= wait.seq && r.seq <= second);
    let part = case.part(
        "both handlers ran one after the other, in one worker, and the other worker slept \
         beside them",
        "A batch wakes one worker. `Pace::Watch` says: others sleep, so look again when a tick \
         (`TICK`) is over, and tell `look` that it is; it then wakes one more, if the first does \
         not get on. So main's wait has a time limit while the pace is `Watch`: what is left \
         until `look_at`. With `Pace::Hold` every worker is awake already.",
        trace,
    )?;
    Ok(if ticks { Batch::OneAfterTheOther(part) } else { Batch::Judged(part) })
}

/// Clients are late, and a drain is over, also while main leaves them in the kernel.
pub(super) fn time_passes_all_the_same(attempt: &Attempt) -> Part {
    let case = Case {
        did: "with two workers and --header-timeout 0.5: A and B asked for something that takes \
              6 s, and C for /; then D connected and said nothing",
        expected: "D is closed after 0.5 s, although main holds",
        page: BUSY,
    };
    let args = ["--workers", "2", "--header-timeout", "0.5", "--idle-timeout", LONG];
    let args: Vec<&str> = args.iter().chain(&["--drain-timeout", "0.3"]).copied().collect();
    let mut server = attempt.start(&args)?;
    super::look::settled(&server, 2)?;
    let (_busy, queued) = occupied(attempt, &server, 6000)?;
    if queued.is_none() {
        return case.part("C was never queued", EARLIER, last_lines(&server.records()));
    }
    let d = attempt.connect("D", &server)?;
    let fd = server.fd_of(d.local())?;
    let slept = |r: &Record| r.is_step("handler slept");
    let end = found_or_rests(&server, "the end of D", |records| {
        records.iter().find(|r| r.did("close", fd) || slept(r)).cloned()
    })?;
    if end.is_none_or(|end| slept(&end)) {
        let main = |r: &Record| r.thread == "main";
        return case.part(
            "D was still there when a handler had slept its 6 s",
            "While main holds it asks about two descriptors only, and the time goes on: the \
             limit of `queue::poll` is that of every wait, the smallest of what is left of \
             the caller's time, `timers.patience()`, and of the tick.",
            lines(&server.records(), main),
        );
    }
    let case = Case {
        did: "with two workers and --drain-timeout 0.3: A and B asked for something that takes \
              6 s, and C for /; then SIGTERM was sent",
        expected: "after 0.3 s the server ends, with status 3, although main holds",
        ..case
    };
    server.signal(libc::SIGTERM)?;
    let (outcome, records) = ends_or_rests(&mut server, u64::MAX)?;
    let trace = lines(&records, |r| r.thread == "main");
    match outcome {
        Outcome::Ended(_) if !records.iter().any(slept) => Ok(None),
        Outcome::Ended(_) => case.part("the server ended when the handlers did", NO_LIMIT, trace),
        _ => case.part("the server does not end", NO_LIMIT, trace),
    }
}

const NO_LIMIT: &str = "The drain has a deadline, and while main holds it sleeps in `queue::poll`: \
                        what is left of the drain's time is a limit there, too.";
