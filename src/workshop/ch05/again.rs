//! Who has found nothing to do: a client goes back to be watched, a worker sleeps.

use std::time::{Duration, Instant};

use super::super::busy::Activity;
use super::super::inject::Injection;
use super::super::{Attempt, Finding, Outcome, Verdict, failed, passed};
use super::{build, sleeps, threads};
use common::lab::record::Kind;
use common::lab::{Record, Result, Trouble};

/// Step 4 of the pool: one delete and one close for each; or, if there was nothing to
/// read, the client is added again.
pub(super) fn once_or_back(attempt: &Attempt) -> Result<Verdict> {
    let once = build::each_once(attempt)?;
    let Verdict::Passed(once) = once else { return Ok(once) };
    let back = back(attempt)?;
    let Verdict::Passed(back) = back else { return Ok(back) };
    passed(format!("{once}; {back}"))
}

/// A worker whose read finds nothing. No client can cause that for certain, strace can.
fn back(attempt: &Attempt) -> Result<Verdict> {
    let not_checked =
        "not checked, for want of an strace that may attach: a client whose read finds nothing";
    let server = attempt.start(&["--workers", "1"])?;
    let tid = server.wait_for("the worker to wait", |records| {
        let waits = |r: &Record| r.kind == Kind::StepEnter && r.call == "waiting for work";
        threads(records, waits).first().copied()
    })?;
    let Some(_injection) = Injection::once(tid, "read", "EAGAIN") else {
        return passed(not_checked);
    };
    let did = "A asks for /, and the worker's first read says EAGAIN";
    let expected = "A is added to the event queue again, reported again, and answered";
    let mut a = attempt.connect("A", &server)?;
    a.get("/")?;
    let outcome = attempt.answer_or_rest(&server, &mut a)?;
    let fd = server.fd_of(a.local())?;
    // The client may have its answer before the trace has the call that wrote it.
    attempt.until(&server, "A's answer", |records| {
        records.iter().any(|r| r.is_call("write") && r.fd == Some(fd)).then_some(())
    })?;
    let records = server.records();
    let of_a = || records.iter().filter(|r| r.fd == Some(fd) && r.kind == Kind::Call);
    if !of_a().any(|r| r.failed("read", "EAGAIN")) {
        return passed(not_checked);
    }
    let seen = match outcome {
        Outcome::Answered(answer) if answer.status == 200 => {
            let added = of_a().filter(|r| r.op.as_deref() == Some("add")).count();
            if added > 1 {
                return passed("who had nothing to read was watched again");
            }
            "a worker read again at once, though nobody had said that there was more".to_string()
        }
        Outcome::Answered(answer) => format!("the answer {}", answer.status),
        Outcome::Ended(..) => "the connection was closed".to_string(),
        Outcome::Asleep(_) => "A is in the table, and nobody watches it".to_string(),
        Outcome::Spins(_) => "none, and the server spins".to_string(),
    };
    failed(
        Finding::new(did, expected, seen)
            .usually(
                "Main has deleted A before it was handed over. So a worker that gives it back has \
                 to add it again, as a new one: `self.park(client)`. The queue of jobs is for who \
                 has something to read.",
            )
            .shown_by(of_a())
            .page("ch05.html#delete-before-dispatch-is-a-move"),
    )
}

/// How long nobody may wake up; and how often that is looked for.
const WINDOW: Duration = Duration::from_millis(300);
const WINDOWS: usize = 10;

/// Nobody asks: so nobody wakes up, in one of ten windows at least. (Who polls wakes up
/// in each. Whatever else the machine does, a thread that sleeps does not.)
pub(super) fn idle(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&["--workers", "2"])?;
    let mut a = attempt.connect("A", &server)?;
    if let Err(finding) = build::ask(attempt, &server, &mut a, "A")? {
        return failed(*finding);
    }
    server.wait_until_quiet()?;
    if sleeps(&server).is_none() {
        return passed("not checked, for this system does not tell: that nobody polls");
    }
    let mut nobody = attempt.play().connect_quietly("nobody", &server)?;
    server.accept_of(nobody.local())?;
    let count = || match (sleeps(&server), Activity::of(server.pid())) {
        (Some(sleeps), Some(all)) => Ok((sleeps, all)),
        _ => Err(Trouble("its threads cannot be seen".into())),
    };
    let mut woken = Vec::new();
    while woken.len() < WINDOWS {
        let (before, end) = (count()?, Instant::now() + WINDOW);
        while Instant::now() < end {
            nobody.poll_answer()?; // looks for a moment, and so do we
        }
        let after = count()?;
        if after == before {
            return passed("nobody asks, and nobody wakes up");
        }
        woken.push((after.0 - before.0, after.1.ran.saturating_sub(before.1.ran)));
    }
    let least = woken.iter().map(|(sleeps, _)| *sleeps).min().unwrap_or_default();
    let used: Duration = woken.iter().map(|(_, used)| *used).sum();
    let seen = match least {
        0 => format!(
            "somebody does not: in 3 s, threads have kept a processor busy, for {} ms",
            used.as_millis()
        ),
        _ => format!(
            "somebody does not: in each 300 ms a thread gave up the processor {least} times at least"
        ),
    };
    failed(
        Finding::new(
            "A has its answer, and nobody asks for anything",
            "all threads sleep until there is something to do",
            seen,
        )
        .usually(
            "A worker that looks now and then works for nothing when there is nothing, and comes \
             late when there is something; one that looks all the time keeps a processor busy. \
             `recv` sleeps until a client comes; what must not last \
             as long as the answer is the lock.",
        )
        .page("ch05.html#the-queue-of-jobs"),
    )
}
