//! Hunt the bug: workers that sleep while there is work.

use super::super::{Attempt, Finding, Reached, Verdict, failed, passed};
use super::again;
use common::lab::record::Kind;
use common::lab::scenarios::Seen;
use common::lab::{Record, Result, Server};

const WAITING: &str = "waiting for work";

/// Both workers are busy when C is queued: nobody sleeps who could be woken. So a
/// worker that goes to sleep before C is taken has not looked into the queue.
pub(super) fn rush(attempt: &Attempt) -> Result<Verdict> {
    // On a busy machine C may come late: then the handlers are to sleep for longer.
    for ms in [300, 1500, 5000] {
        if let Some(verdict) = with_handlers_of(attempt, ms)? {
            return Ok(verdict);
        }
    }
    passed(AT_ONCE)
}

const AT_ONCE: &str = "C was taken by the first worker that was free, without a pause";

/// The verdict; if nothing is amiss, only if C was queued while both handlers slept. (B's
/// sleeps for twice as long as A's.)
fn with_handlers_of(attempt: &Attempt, ms: u32) -> Result<Option<Verdict>> {
    let server = attempt.start(&["--workers", "2"])?;
    // A worker that has not begun to wait yet would miss the first signal.
    let waits = attempt.until(&server, "both workers to wait", |records| {
        let waiting = super::threads(records, |r| r.kind == Kind::StepEnter && r.call == WAITING);
        (waiting.len() == 2).then_some(())
    })?;
    if let Reached::Asleep(last) | Reached::Spins(last) = &waits {
        let seen = match waits {
            Reached::Spins(_) => "somebody looks again and again, and never says that it waits",
            _ => "all threads sleep, and not both workers have said that they wait",
        };
        let finding = Finding::new(
            "starts the server with --workers 2; nobody connects",
            "both workers say in the trace that they wait for work, and sleep",
            seen,
        );
        let why = "Who finds nothing sleeps until somebody signals (`sleep`, which tells the trace): \
                   to look all the time keeps a processor busy for nothing.";
        return failed(finding.usually(why).shown_by(last)).map(Some);
    }
    server.wait_until_quiet()?;
    let mut busy = Vec::new();
    // B's handler ends when A's worker has long gone to sleep, or taken C.
    for (name, ms) in [("A", ms), ("B", 2 * ms)] {
        let mut client = attempt.connect(name, &server)?;
        client.get(&format!("/slow?ms={ms}"))?;
        let fd = server.fd_of(client.local())?;
        server.wait_record("a handler to sleep", 0, |r| r.is_step("handler sleeps"))?;
        if name == "A"
            && let Some(finding) = untold(&server, fd)
        {
            return failed(finding).map(Some);
        }
        server.wait_for("its handler to sleep", |records| {
            let taken = records.iter().find(|r| r.call == "took" && r.fd == Some(fd))?;
            let sleeps = |r: &&Record| r.tid == taken.tid && r.is_step("handler sleeps");
            records.iter().find(sleeps).map(|_| ())
        })?;
        busy.push(client);
    }
    let mut c = attempt.connect("C", &server)?;
    c.get("/")?;
    let fd = server.fd_of(c.local())?;
    let of_c = |r: &Record, call| r.fd == Some(fd) && r.call == call;
    let queued = server.wait_record("C to be queued", 0, |r| of_c(r, "queued"))?;
    let idle = server.wait_record("main to wait again", queued.seq, Record::is_wait_enter)?;
    server.wait_for("both handlers to end", |records| {
        (records.iter().filter(|r| r.is_step("handler slept")).count() == 2).then_some(())
    })?;
    // Either somebody takes C, or everybody sleeps and nobody ever will.
    let taken = attempt.until(&server, "C to be taken", |records| {
        records.iter().find(|r| of_c(r, "took")).cloned()
    })?;
    let taken = match taken {
        Reached::Yes(taken) => Some(taken),
        Reached::Asleep(_) | Reached::Spins(_) => None,
    };
    let records = server.records();
    // Who took C came from a handler; if it has slept in between, C had to wait.
    let slept = records.iter().find(|r| {
        is_rest(r)
            && r.seq > idle.seq
            && taken.as_ref().is_none_or(|t| t.tid == r.tid && r.seq < t.seq)
    });
    let slept = match (slept, &taken) {
        (Some(slept), Some(taken)) if has_only_looked(attempt, &server, slept, taken)? => None,
        (slept, _) => slept,
    };
    let Some(slept) = slept else {
        for client in &mut busy {
            client.answer()?;
        }
        c.answer()?;
        attempt.finish(server)?;
        let too_late = |r: &Record| r.is_step("handler slept") && r.seq < idle.seq;
        return match records.iter().any(too_late) {
            true => Ok(None),
            false => passed(AT_ONCE).map(Some),
        };
    };
    let who = &slept.thread;
    let finding = Finding::new(
        "A and B keep both workers busy; C asks for /, and is queued; then A's handler ends",
        "the worker that is free takes C at once",
        format!("{who} went to sleep although C stood in the queue"),
    );
    let finding = match &taken {
        Some(taken) => finding
            .usually(
                "C was taken in the end, because something else woke the worker: a time-out, or \
                 a signal for somebody else. That only hides it.",
            )
            .shown_by([&queued, slept, taken]),
        None => finding
            .usually(
                "Main has signalled when it put C into the queue. Nobody was asleep then, and a \
                 condition variable remembers nothing. How does a worker learn of what was put \
                 there before it fell asleep?",
            )
            .shown_by([&queued, slept]),
    };
    failed(finding.page("ch05.html#a-lock-and-a-place-to-sleep")).map(Some)
}

/// How long a worker may say that it waits, and be said to have looked.
const A_LOOK: u64 = 5_000;

/// The worker has said that it waits, and took C at once, with nobody's help: it has looked
/// into the queue before it slept (`wait_while` does). Unless it is one that looks again
/// and again: that shows when nobody asks.
fn has_only_looked(
    attempt: &Attempt,
    server: &Server,
    slept: &Record,
    taken: &Record,
) -> Result<bool> {
    let meanwhile = |r: &&Record| r.seq > slept.seq && r.seq < taken.seq;
    if server.records().iter().filter(meanwhile).any(|r| r.is_step("handler slept")) {
        return Ok(false); // the other worker may have woken it
    }
    if super::sleeps(server).is_none() {
        return Ok(taken.us - slept.us < A_LOOK);
    }
    Ok(matches!(again::idle(attempt)?, Verdict::Passed(_)))
}

pub(super) fn is_rest(r: &Record) -> bool {
    r.kind == Kind::StepEnter && r.call == WAITING
}

/// What the trace does not tell, though A is in its handler: that it was queued, or that
/// a worker took it. These steps are the file's own.
pub(super) fn untold(server: &Server, fd: i32) -> Option<Finding> {
    let records = server.records();
    let tells = |step: &str| records.iter().any(|r| r.call == step && r.fd == Some(fd));
    let missing: Vec<&str> = ["queued", "took"].into_iter().filter(|step| !tells(step)).collect();
    let of_it = records.iter().filter(|r| r.fd == Some(fd));
    (!missing.is_empty()).then(|| {
        Finding::new(
            "A asks for /slow, and its handler sleeps",
            "the trace says that A was queued, and that a worker took it",
            format!("a worker has A, and the trace has no step {:?} about it", missing.join(", ")),
        )
        .usually(
            "The steps of the trace in the file (`trace::step_gives(\"queued\", …)`, \"waiting for \
             work\", \"took\") are not the mistake. The check reads them: whatever you put in \
             place of the queue, it is to say the same.",
        )
        .shown_by(of_it)
    })
}

/// One worker sleeps in A's handler, the other one is free. B must be taken before
/// that handler ends.
pub(super) fn in_line(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&["--workers", "2"])?;
    let mut a = attempt.connect("A", &server)?;
    a.get("/slow?ms=3000")?;
    let sleeps = server.wait_record("A's handler", 0, |r| r.is_step("handler sleeps"))?;
    if let Some(finding) = untold(&server, server.fd_of(a.local())?) {
        return failed(finding);
    }
    let mut b = attempt.connect("B", &server)?;
    b.get("/")?;
    let fd = server.fd_of(b.local())?;
    let taken = server.wait_record("B to be taken", 0, |r| r.call == "took" && r.fd == Some(fd))?;
    let records = server.records();
    let slept = records.iter().find(|r| r.is_step("handler slept") && r.seq < taken.seq);
    let Some(slept) = slept else {
        b.answer()?;
        drop(server); // nobody needs to wait for A's three seconds
        return passed("the second worker took B while A's handler slept");
    };
    let queued = records.iter().find(|r| r.is_step("queued") && r.fd == Some(fd));
    // The other worker, all the time.
    let waits = |r: &&Record| is_rest(r) && r.tid != sleeps.tid && r.seq < slept.seq;
    let waits = records.iter().rfind(waits);
    let mut shown: Vec<&Record> =
        [Some(&sleeps), waits, queued, Some(slept), Some(&taken)].into_iter().flatten().collect();
    shown.sort_by_key(|r| r.seq);
    failed(
        Finding::new(
            "there are two workers; A asks for /slow?ms=3000, then B for /",
            "the second worker takes B while the first one sleeps in A's handler",
            "B was queued at once, and taken only when A's handler had ended",
        )
        .usually(
            "The other worker had nothing to do, and waited all the time. For what? Not for a \
             client: there was one.",
        )
        .shown_by(shown)
        .page("ch05.html#a-lock-and-a-place-to-sleep"),
    )
}

/// The lab's scenario: clients that come and go, every fifth with a reset.
pub(super) fn churn(attempt: &Attempt) -> Result<Verdict> {
    attempt.scenario("churn", |seen| match seen {
        Seen::Works(what) => Verdict::Passed(what),
        Seen::Fails(_, what) => {
            Finding::new("4 clients at a time come and go", "each gets its own answer", what)
                .usually("Is there a way out of `answer` that closes somebody else?")
                .into()
        }
    })
}

/// The lab's scenario.
pub(super) fn slow_handler(attempt: &Attempt) -> Result<Verdict> {
    attempt.scenario("slow-handler", |seen| match seen {
        Seen::Works(what) => Verdict::Passed(what),
        Seen::Fails(_, what) => {
            let did = "A asks for /slow, B for /";
            Finding::new(did, "another worker answers B meanwhile", what)
                .usually("Is a lock held while a handler runs?")
                .into()
        }
    })
}

/// The lab's scenario.
pub(super) fn all_busy(attempt: &Attempt) -> Result<Verdict> {
    attempt.scenario("all-busy", |seen| match seen {
        Seen::Works(what) => Verdict::Passed(what),
        Seen::Fails(_, what) => {
            Finding::new("both workers are busy; C asks for /", "C is queued once", what)
                .usually("Main must delete a client before it hands it over.")
                .page("ch05.html#delete-before-dispatch")
                .into()
        }
    })
}
