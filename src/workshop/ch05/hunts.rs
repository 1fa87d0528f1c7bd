//! Hunt the bug: workers that sleep while there is work.

use super::super::{Attempt, Finding, Reached, Verdict, failed, passed};
use crate::lab::record::Kind;
use crate::lab::scenarios::Seen;
use crate::lab::{Record, Result, Server, trouble};

const WAITING: &str = "waiting for work";

/// Both workers are busy when C is queued: nobody sleeps who could be woken. So a
/// worker that goes to sleep before C is taken has not looked into the queue.
pub(super) fn rush(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&["--workers", "2"])?;
    // A worker that has not begun to wait yet would miss the first signal.
    server.wait_for("both workers to wait", |records| {
        let waiting = super::threads(records, |r| r.kind == Kind::StepEnter && r.call == WAITING);
        (waiting.len() == 2).then_some(())
    })?;
    server.wait_until_quiet()?;
    let mut busy = Vec::new();
    // B's handler ends when A's worker has long gone to sleep, or taken C.
    for (name, target) in [("A", "/slow?ms=300"), ("B", "/slow?ms=600")] {
        let mut client = attempt.connect(name, &server)?;
        client.get(target)?;
        let fd = server.fd_of(client.local())?;
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
    let Some(slept) = slept else {
        for client in &mut busy {
            client.answer()?;
        }
        c.answer()?;
        attempt.finish(server)?;
        return passed("C was taken by the first worker that was free, without a pause");
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
    failed(finding.page("ch05.html#a-lock-and-a-place-to-sleep"))
}

pub(super) fn is_rest(r: &Record) -> bool {
    r.kind == Kind::StepEnter && r.call == WAITING
}

/// One worker sleeps in A's handler, the other one is free. B must be taken before
/// that handler ends.
pub(super) fn in_line(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&["--workers", "2"])?;
    let mut a = attempt.connect("A", &server)?;
    a.get("/slow?ms=3000")?;
    let sleeps = server.wait_record("A's handler", 0, |r| r.is_step("handler sleeps"))?;
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
    // What the worker that took B had done before.
    let waited = records.iter().rfind(|r| r.tid == taken.tid && r.seq < taken.seq);
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
        .shown_by([&sleeps].into_iter().chain(waited).chain(queued).chain([slept, &taken]))
        .page("ch05.html#a-lock-and-a-place-to-sleep"),
    )
}

/// How a client is rude.
#[derive(Clone, Copy, PartialEq)]
enum Rude {
    /// It connects and resets, so that the worker's read fails. (Not over libkqueue, which
    /// takes the error out of the socket when it reports it.)
    SaysNothing,
    /// It asks and resets while its handler sleeps, so that the worker's write fails.
    Asks,
}

/// Two workers, two rude clients: a third one is still answered, and the two are gone
/// for good.
pub(super) fn slower(attempt: &Attempt) -> Result<Verdict> {
    for rude in [Rude::SaysNothing, Rude::Asks] {
        if let Some(finding) = after_rude_clients(attempt, rude)? {
            return failed(finding);
        }
    }
    passed("both workers are still there, and the clients that reset are gone")
}

fn after_rude_clients(attempt: &Attempt, rude: Rude) -> Result<Option<Finding>> {
    let server = attempt.start(&["--workers", "2"])?;
    let did = match rude {
        Rude::SaysNothing => {
            "there are two workers; two clients connect and reset, one after the other"
        }
        Rude::Asks => {
            "there are two workers; two clients, one after the other, ask for /slow and reset \
             before their answer comes"
        }
    };
    let mut closes = Vec::new();
    for (name, polite) in [("A", "B"), ("C", "D")] {
        let close = match rude {
            Rude::SaysNothing => resets(attempt, &server, name)?,
            Rude::Asks => resets_before_the_answer(attempt, &server, name)?,
        };
        let mut client = attempt.connect(polite, &server)?;
        if let Err(finding) = super::build::ask(attempt, &server, &mut client, polite)? {
            let records = server.records();
            let last = |worker: &str| {
                let mut of_worker = records.iter().rev().filter(|r| r.thread == worker);
                of_worker.find(|r| r.kind == Kind::Call && r.errno.is_some()).cloned()
            };
            let shown: Vec<Record> =
                ["worker-1", "worker-2"].into_iter().filter_map(last).collect();
            let finding = Finding { did: format!("{did}; {polite} asks for /"), ..*finding };
            return Ok(Some(finding.usually("").shown_by(&shown)));
        }
        closes.push(close);
    }
    if closes.iter().all(|close| !close.note.contains("dropped")) {
        return Ok(None);
    }
    let seen = "the descriptor was closed because its value was dropped";
    let finding = Finding::new(did, "a client that fails is closed as any other one", seen)
        .usually(
            "Nobody told the table that this client is gone: it counts it for ever, as being in \
             somebody's hands. Every way out of a worker's turn ends in `park` or in `close`.",
        )
        .shown_by(&closes)
        .page("ch05.html#the-table");
    Ok(Some(finding))
}

/// A client that resets without a word: the record of its close.
fn resets(attempt: &Attempt, server: &Server, name: &str) -> Result<Record> {
    let client = attempt.connect(name, server)?;
    let fd = server.fd_of(client.local())?;
    let accepted = server.accept_of(client.local())?.seq;
    client.reset()?;
    let of_it = |r: &Record| r.is_call("close") && r.fd == Some(fd);
    server.wait_record("its descriptor to be closed", accepted, of_it)
}

/// How long its handler sleeps, in ms. Tried again, longer, should this program be held
/// up so that the answer was there first.
const HANDLERS: [u32; 3] = [200, 1_000, 5_000];

/// A client that resets while its handler sleeps: the record of its close.
fn resets_before_the_answer(attempt: &Attempt, server: &Server, name: &str) -> Result<Record> {
    for ms in HANDLERS {
        let mut client = attempt.connect(name, server)?;
        let fd = server.fd_of(client.local())?;
        let accepted = server.accept_of(client.local())?.seq;
        client.get(&format!("/slow?ms={ms}"))?;
        server.wait_record("its handler to sleep", accepted, |r| r.is_step("handler sleeps"))?;
        client.reset()?;
        let of_it = |r: &Record, call| r.is_call(call) && r.fd == Some(fd);
        let write = server.wait_record("its answer", accepted, |r| of_it(r, "write"))?;
        let close =
            server.wait_record("its descriptor to be closed", accepted, |r| of_it(r, "close"))?;
        if write.errno.is_some() {
            return Ok(close);
        }
    }
    trouble("no reset came before the answer")
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
