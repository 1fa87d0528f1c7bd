//! Stretch: edge-triggered, added once.

use super::super::{Attempt, Finding, Reached, Verdict, failed, parting, passed};
use super::{answer, left};
use common::lab::client::request;
use common::lab::record::Kind;
use common::lab::{Client, Record, Result, Server, invariants};

/// Step 1: twenty requests, and the event queue is told of the client once.
pub(super) fn added_once(attempt: &Attempt) -> Result<Verdict> {
    const MANY: usize = 20;
    let server = attempt.start(&["--workers", "2"])?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    let accepted = server.accept_of(a.local())?.seq;
    let did = "A asks 20 times on one connection";
    let expected = "A is added once, in Mode::Edge, and not deleted as long as it is there";
    for n in 1..=MANY {
        let mark = server.mark();
        a.send_quietly(request(&format!("/big?bytes={n}")).as_bytes())?;
        if let Err(finding) = answer(attempt, &server, &mut a, did, expected)? {
            return failed(finding.usually(
                "An edge is reported once. Was it lost: is the client's flag set back when its \
                 worker lets go?",
            ));
        }
        // The next one, when the worker has let go: meanwhile is another step.
        let wrote = server.wait_record("the answer", mark, |r| r.did("write", fd))?;
        let rests = |r: &Record| {
            r.tid == wrote.tid && r.kind == Kind::StepEnter && r.call == "waiting for work"
        };
        server.wait_record("its worker to rest", wrote.seq, rests)?;
        if n == 1
            && let Some(finding) = left::idle(attempt, &server)?
        {
            return failed(finding);
        }
    }
    let records = server.records();
    let told: Vec<&Record> =
        records.iter().filter(|r| r.seq > accepted && r.fd == Some(fd) && r.op.is_some()).collect();
    let adds = told.iter().filter(|r| r.op.as_deref() == Some("add")).count();
    let mode = told.first().and_then(|r| r.mode.clone()).unwrap_or_default();
    if told.len() != 1 || mode != "edge" {
        let seen = match told.len() {
            1 => format!("it was added once, in mode {mode}"),
            _ => format!("it was added {adds} times and deleted {} times", told.len() - adds),
        };
        return failed(
            Finding::new(did, expected, seen)
                .usually(
                    "One `queue.add` with Mode::Edge when it is accepted. `dispatch` does not \
                     delete, and nobody parks.",
                )
                .shown_by(told.into_iter().take(6))
                .page("ch03.html#level-and-edge"),
        );
    }
    passed("20 requests, one call about A to the event queue")
}

/// A worker is in A's handler, and A sends more: waits until main has heard of it.
pub(super) fn send_meanwhile(
    server: &Server,
    a: &mut Client,
    first: &str,
    more: &str,
) -> Result<Record> {
    let fd = server.fd_of(a.local())?;
    a.send(first.as_bytes())?;
    let asleep = server.wait_record("the handler to sleep", 0, |r| r.is_step("handler sleeps"))?;
    a.send(more.as_bytes())?;
    let news = |r: &Record| r.is_wait() && r.events.iter().any(|e| e.fd == fd);
    let told = server.wait_record("main to hear of it", asleep.seq, news)?;
    server.wait_record("main to wait again", told.seq, Record::is_wait_enter)
}

/// Step 2: what is reported while a worker has the client is neither lost nor a job
/// for a second worker.
pub(super) fn news(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&["--workers", "2"])?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    let did = "A asks for /slow?ms=1000; while a worker is in its handler, it asks for 5 bytes";
    let expected = "one worker at a time; both answers, in order";
    let (first, second) = (request("/slow?ms=1000"), request("/big?bytes=5"));
    let told = send_meanwhile(&server, &mut a, &first, &second)?;
    let records = server.records();
    let queued: Vec<&Record> =
        records.iter().filter(|r| r.is_step("queued") && r.fd == Some(fd)).collect();
    let is_over = records.iter().any(|r| r.is_step("handler slept") && r.seq < told.seq);
    if queued.len() > 1 && !is_over {
        return failed(
            Finding::new(did, expected, "main gave A to a second worker")
                .usually(
                    "An event is for the one who has the client already. Main may push it only \
                     if nobody has it; else it leaves a note (the flag), and does so in one step.",
                )
                .shown_by(queued)
                .page("ch05.html#delete-before-dispatch"),
        );
    }
    server.wait_record("the handler's end", 0, |r| r.is_step("handler slept"))?;
    for length in ["slept 1000 ms\n".len(), 5] {
        match answer(attempt, &server, &mut a, did, expected)? {
            Ok(answer) if answer.body.len() == length => {}
            Ok(answer) => {
                let seen = format!("an answer with {} bytes", answer.body.len());
                return failed(Finding::new(did, expected, seen));
            }
            Err(finding) => {
                return failed(finding.usually(
                    "The kernel has reported the second request, once, while a worker had A. If \
                     main throws that away, it is lost. Whoever lets go of A has to see that there \
                     was news, and take another turn.",
                ));
            }
        }
    }
    passed("the second request was reported while a worker had A, and answered by it")
}

/// Step 4: eight clients at a time, and each fd with one owner at a time.
pub(super) fn many(attempt: &Attempt) -> Result<Verdict> {
    const CLIENTS: usize = 8;
    const ROUNDS: usize = 20;
    let server = attempt.start(&["--workers", "4"])?;
    let mut clients = Vec::new();
    for n in 0..CLIENTS {
        clients.push(attempt.play().connect_quietly(&format!("C{n}"), &server)?);
    }
    let did = "8 clients ask at the same time, 20 times each, then leave";
    for round in 0..ROUNDS {
        let bytes = |n: usize| 1 + n * 1000 + round;
        for (n, client) in clients.iter_mut().enumerate() {
            client.send_quietly(request(&format!("/big?bytes={}", bytes(n))).as_bytes())?;
        }
        for (n, client) in clients.iter_mut().enumerate() {
            match answer(attempt, &server, client, did, "each gets its own answers")? {
                Ok(answer) if answer.body.len() == bytes(n) => {}
                Ok(answer) => {
                    let seen = format!("C{n} got an answer with {} bytes", answer.body.len());
                    return failed(
                        Finding::new(did, format!("an answer with {} bytes", bytes(n)), seen)
                            .usually("Two workers had one client."),
                    );
                }
                Err(finding) => {
                    return failed(finding.usually("News was lost, or nobody saw the flag."));
                }
            }
        }
    }
    drop(clients);
    let closed = attempt.until(&server, "8 closes", |records| {
        let closes = records.iter().filter(|r| r.did("close", r.fd.unwrap_or(-1)));
        (closes.count() == CLIENTS).then(|| records.to_vec())
    })?;
    match closed {
        Reached::Yes(records) => {
            invariants::check(&records)?;
            for close in records.iter().filter(|r| r.did("close", r.fd.unwrap_or(-1))) {
                if let Some((seen, why)) = parting::mistake(&records, close) {
                    let expected = "each is deleted from the event queue, then closed";
                    let finding = Finding::new(did, expected, seen).usually(why);
                    return failed(finding.shown_by(parting::story(&records, close)));
                }
            }
            match left::reset(attempt)? {
                Some(finding) => failed(finding),
                None => passed("one owner at a time, each its own answers, and all closed"),
            }
        }
        Reached::Asleep(last) | Reached::Spins(last) => failed(
            Finding::new(did, "each is closed when it has left", "some are not closed")
                .usually("A client's end is news, too, and comes once.")
                .shown_by(&last),
        ),
    }
}
