//! Build it: the pool.

use std::time::{Duration, Instant};

use super::super::busy::Burns;
use super::super::{Attempt, Finding, Outcome, Verdict, failed, passed};
use super::{alive, thread_count, threads};
use common::lab::client::Poll;
use common::lab::record::Kind;
use common::lab::server::is_quiet;
use common::lab::{Answer, Client, PATIENCE, Record, Result, Server, Trouble};

/// How long a thread may take to its first word in the trace.
const A_WHILE: Duration = Duration::from_secs(3);

/// Step 1: as many workers as were asked for, and all of them sleep.
pub(super) fn workers(attempt: &Attempt) -> Result<Verdict> {
    const WORKERS: usize = 3;
    let server = attempt.start(&["--workers", "3"])?;
    let mut a = attempt.connect("A", &server)?;
    server.accept_of(a.local())?; // so main is past the start of its workers
    let begun = Instant::now();
    loop {
        let records = server.records();
        let waiting = threads(&records, |r| r.is_step("waiting for work")).len();
        // main and the workers: if there are not so many, none is yet to come. Those that are
        // there have a while to say that they wait.
        let have_spoken = |threads| waiting + 1 >= threads || begun.elapsed() > A_WHILE;
        let are_missing = thread_count(&server).is_some_and(|n| n <= WORKERS && have_spoken(n));
        if waiting == WORKERS {
            return passed("3 threads wait for work");
        }
        if waiting > WORKERS || are_missing || begun.elapsed() > PATIENCE {
            let seen = match waiting > WORKERS {
                true => format!("{waiting} threads have waited for work; 3 workers were asked for"),
                false => format!("{waiting} of the 3 workers have waited for work"),
            };
            let expected = "3 threads that call `take` and sleep there, for want of work";
            return failed(
                Finding::new("starts the server with --workers 3; A connects", expected, seen)
                    .usually(
                        "`Pool::start` is to be given `options.workers` and what each of them \
                         runs: `work`, whose loop calls `self.jobs.take()`.",
                    )
                    .shown_by(records.iter().rev().take(1))
                    .page("ch05.html#the-queue-of-jobs"),
            );
        }
        a.poll_answer()?; // looks for a moment, and so do we
    }
}

/// Step 2: who reads is a worker, every time; and a slow one stops nobody else.
pub(super) fn hand_over(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&["--workers", "2"])?;
    for name in ["A", "B", "C", "D", "E"] {
        let mut client = attempt.connect(name, &server)?;
        if let Err(finding) = ask(attempt, &server, &mut client, name)? {
            return failed(*finding);
        }
        let fd = server.fd_of(client.local())?;
        let accepted = server.accept_of(client.local())?.seq;
        let of_it = |r: &Record| r.is_call("read") && r.fd == Some(fd);
        let read = server.wait_record("its read", accepted, of_it)?;
        if read.thread == "main" {
            let finding = Finding::new(
                format!("{name} asks for /"),
                "a worker takes the client, reads and answers",
                "main read the request itself",
            );
            return failed(
                finding
                    .usually(
                        "`dispatch` still answers. It has the client: it pushes it to \
                         `self.jobs`, and answering is what `work` does with what it took.",
                    )
                    .shown_by([&read])
                    .page("ch05.html#delete-before-dispatch-is-a-move"),
            );
        }
        server.wait_record("its close", accepted, |r| r.did("close", fd))?;
    }
    let did = "A asks for /slow?ms=3000; while the handler sleeps, B asks for /";
    let mut a = attempt.connect("A", &server)?;
    a.get("/slow?ms=3000")?;
    let sleeps = server.wait_record("the handler", 0, |r| r.is_step("handler sleeps"))?;
    let mut b = attempt.connect("B", &server)?;
    if let Err(finding) = ask(attempt, &server, &mut b, "B")? {
        return failed(*finding);
    }
    let records = server.records();
    match records.iter().find(|r| r.is_step("handler slept")) {
        None => passed("a worker reads each request, and B is answered while A's handler sleeps"),
        Some(slept) => failed(
            Finding::new(did, "the other worker answers B", "B had to wait for A's handler")
                .usually(
                    "Is the handler called by the worker that took the client, and by no other?",
                )
                .shown_by([&sleeps, slept]),
        ),
    }
}

/// Step 3: out of the event queue before it is in the queue of jobs.
pub(super) fn delete_first(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&["--workers", "2"])?;
    let mut busy = Vec::new();
    for name in ["A", "B"] {
        let mut client = attempt.connect(name, &server)?;
        client.get("/slow?ms=250")?;
        busy.push(client);
    }
    server.wait_for("both workers to be busy", |records| {
        let asleep = records.iter().filter(|r| r.is_step("handler sleeps"));
        (asleep.count() == 2).then_some(())
    })?;
    let mut c = attempt.connect("C", &server)?;
    if let Err(finding) = ask(attempt, &server, &mut c, "C")? {
        return failed(*finding);
    }
    for client in &mut busy {
        client.answer()?;
    }
    let fd = server.fd_of(c.local())?;
    let accepted = server.accept_of(c.local())?.seq;
    let records = server.records();
    let of_c: Vec<&Record> =
        records.iter().filter(|r| r.seq > accepted && concerns(r, fd)).collect();
    let queued = of_c.iter().find(|r| r.is_step("queued")).map_or(u64::MAX, |r| r.seq);
    let deleted = of_c.iter().any(|r| r.seq < queued && r.op.as_deref() == Some("delete"));
    if !deleted {
        // Equal turns of main's loop stand in the trace as one record with their number.
        let waits = of_c.iter().filter(|r| r.is_wait()).count() as u64;
        let turns = |r: &&Record| r.kind == Kind::Turns && r.seq > queued;
        let times = waits + records.iter().filter(turns).map(|r| r.times).sum::<u64>();
        let add = records.iter().rfind(|r| r.seq < queued && r.fd == Some(fd) && r.op.is_some());
        let is_oneshot = add.is_some_and(|r| r.mode.as_deref() == Some("oneshot"));
        let (seen, mistake) = match is_oneshot {
            false => (
                format!("C was queued, still watched, and main was told of it {times} times"),
                "The event queue is level-triggered: until somebody reads, it reports C at each \
                 wait, and main spins. A delete by the worker, when it takes C or when it closes \
                 it, comes too late.",
            ),
            true => (
                "C was queued without a delete: it is added in Mode::Oneshot".to_string(),
                "That is sound, too: with the one event the queue has fallen silent about C. But \
                 it is chapter 7's way; here the delete is to be done by hand, and the mode is \
                 Mode::Level.",
            ),
        };
        let finding = Finding::new(
            "A and B keep both workers busy for 250 ms; C asks for /",
            "main takes C out of the event queue before it is queued for a worker",
            seen,
        );
        return failed(
            finding
                .usually(mistake)
                .shown_by(of_c.into_iter().take(8))
                .page("ch05.html#delete-before-dispatch"),
        );
    }
    attempt.finish(server)?;
    passed("C was deleted, then queued, once, and main slept until it was answered")
}

/// One delete and one close for each, in this order.
pub(super) fn each_once(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&["--workers", "2"])?;
    for n in 0..20 {
        let name = format!("C{n}");
        let mut client = attempt.connect(&name, &server)?;
        if let Err(finding) = ask(attempt, &server, &mut client, &name)? {
            return failed(*finding);
        }
        let fd = server.fd_of(client.local())?;
        let accepted = server.accept_of(client.local())?.seq;
        server.wait_record("its close", accepted, |r| r.did("close", fd))?;
        let records = server.records();
        let of_it: Vec<&Record> =
            records.iter().filter(|r| r.seq > accepted && concerns(r, fd)).collect();
        let deletes = of_it.iter().filter(|r| r.op.as_deref() == Some("delete")).count();
        let is_dropped = of_it.iter().any(|r| r.call == "close" && r.note.contains("dropped"));
        let (seen, mistake) = match (deletes, is_dropped) {
            (1, false) => continue,
            (1, true) => (
                "its descriptor was closed because its value was dropped".to_string(),
                "A client ends with `self.clients.close(client)`: the table has to know, too.",
            ),
            (n, _) => (
                format!("it was deleted {n} times"),
                "Main has deleted it before it was handed over. What the worker deletes is a \
                 number that the event queue does not know; that is one call in vain.",
            ),
        };
        return failed(
            Finding::new(format!("{name} asks for /"), "one delete, by main; one close", seen)
                .usually(mistake)
                .shown_by(of_it)
                .page("ch05.html#the-table"),
        );
    }
    attempt.finish(server)?;
    passed("20 clients: 20 deletes, 20 closes")
}

/// Whether a record is about this descriptor, or reports it.
fn concerns(r: &Record, fd: i32) -> bool {
    r.fd == Some(fd) || r.events.iter().any(|e| e.fd == fd)
}

pub(super) type Asked = std::result::Result<Answer, Box<Finding>>;

/// The client asks for `/`: its answer, or what became of it. A worker that has
/// ended says nothing in the trace, and the server without it never comes to rest:
/// so that is looked at first.
pub(super) fn ask(
    attempt: &Attempt,
    server: &Server,
    client: &mut Client,
    name: &str,
) -> Result<Asked> {
    client.get("/")?;
    let did = format!("{name} asks for /");
    let expected = "the answer 200";
    let (give_up, mut burns) = (Instant::now() + PATIENCE, Burns::default());
    loop {
        match client.poll_answer()? {
            Poll::Answer(answer) if answer.status == 200 => return Ok(Ok(answer)),
            Poll::Answer(answer) => {
                let seen = format!("the answer {}", answer.status);
                return Ok(Err(Box::new(Finding::new(did, expected, seen))));
            }
            Poll::End(..) => {
                let finding = Finding::new(did, expected, "the connection ended without one")
                    .usually("Who has the client has closed it, or dropped it, unanswered.")
                    .shown_by(server.records().iter().rev().take(4).rev());
                return Ok(Err(Box::new(finding)));
            }
            Poll::NotYet => {}
        }
        let records = server.records();
        let workers = threads(&records, |r| r.thread.starts_with("worker"));
        if !workers.is_empty() && alive(server, &workers) == 0 {
            let last = records.iter().rev().find(|r| r.is_step("queued"));
            let finding =
                Finding::new(did, expected, "it was queued, and no worker is left to take it")
                    .usually(
                        "A worker's thread ends when `work` returns. It is to take the next \
                         client after each one, in a loop, until `take` says `None`.",
                    )
                    .shown_by(last)
                    .page("ch05.html#the-queue-of-jobs");
            return Ok(Err(Box::new(finding)));
        }
        // A handler that sleeps ends by itself.
        let handlers = |name| records.iter().filter(|r| r.is_step(name)).count();
        if is_quiet(&records) && handlers("handler sleeps") == handlers("handler slept") {
            break;
        }
        if burns.look(server.pid(), &records) {
            break;
        }
        if Instant::now() > give_up {
            return Err(Trouble(format!("{name} has no answer after 30 s")));
        }
    }
    Ok(match attempt.answer_or_rest(server, client)? {
        Outcome::Answered(answer) => Ok(answer),
        Outcome::Ended(..) => {
            Err(Box::new(Finding::new(did, expected, "the connection ended without one")))
        }
        Outcome::Asleep(last) | Outcome::Spins(last) => {
            let finding = Finding::new(did, expected, "none, and all threads sleep (or spin)")
                .usually("The client is in nobody's hands: was it pushed to the workers?")
                .shown_by(&last);
            Err(Box::new(finding))
        }
    })
}
