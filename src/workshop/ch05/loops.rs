//! Stretch: one event loop per thread.

use super::super::inject::Injection;
use super::super::{Attempt, Finding, Outcome, Verdict, failed, parting, passed};
use super::threads;
use common::lab::record::Kind;
use common::lab::{Record, Result, Server, invariants};
use common::sys;

const LOOPS: usize = 3;

fn start(attempt: &Attempt) -> Result<Server> {
    attempt.start(&["--workers", "3"])
}

fn of_call<'a>(records: &'a [Record], call: &str) -> Vec<&'a Record> {
    records.iter().filter(|r| r.is_call(call)).collect()
}

/// The bind that has failed because the port was in use.
fn in_use(attempt: &Attempt) -> Option<Record> {
    let records = attempt.play().last_words()?.records;
    records.into_iter().find(|r| r.failed("bind", "EADDRINUSE"))
}

/// Step 1: as many listeners as loops, on one port.
pub(super) fn one_port(attempt: &Attempt) -> Result<Verdict> {
    let expected = "3 listeners on one port: each asks for SO_REUSEPORT before its bind";
    let finding = |seen: String| Finding::new("starts the server with --workers 3", expected, seen);
    let server = match (start(attempt), in_use(attempt)) {
        (Ok(server), _) => server,
        (Err(_), Some(bind)) => {
            let seen = "it ended, because a bind said EADDRINUSE".to_string();
            let why = "A port that is bound is in use, unless *all* its sockets have asked for \
                       SO_REUSEPORT before their bind: `Listener::open_shared`.";
            return failed(finding(seen).usually(why).shown_by([&bind]));
        }
        (Err(trouble), None) => return Err(trouble),
    };
    let listen = |records: &[Record]| of_call(records, "listen").len();
    attempt.until(&server, "3 listeners", |records| (listen(records) == LOOPS).then_some(()))?;
    let records = server.records();
    let listeners = of_call(&records, "listen");
    if listeners.len() != LOOPS {
        let seen = match listeners.len() {
            1 => "1 listener".to_string(),
            n => format!("{n} listeners"),
        };
        return failed(
            finding(seen)
                .usually("One `Listener::open_shared` for each loop, before the server announces.")
                .shown_by(listeners),
        );
    }
    let binds = of_call(&records, "bind");
    let port = server.address().port();
    let to_port = |r: &&&Record| r.args.contains(&format!(":{port}"));
    // The first may have left the choice to the kernel.
    if binds.iter().filter(to_port).count() + 1 < LOOPS {
        return failed(
            finding("listeners on different ports".to_string())
                .usually(
                    "With port 0 the kernel chooses, a port of its own for each bind. Ask the \
                     first listener for its address, and open the others with that.",
                )
                .shown_by(binds),
        );
    }
    passed(format!("3 listeners on port {port}"))
}

/// Step 2: as many queues as loops, and one thread that waits on each.
pub(super) fn own_queues(attempt: &Attempt) -> Result<Verdict> {
    let server = start(attempt)?;
    // Threads may start before the server announces itself, or after.
    let count = |records: &[Record]| threads(records, Record::is_wait_enter).len();
    attempt.until(&server, "3 threads that wait for events", |records| {
        (count(records) == LOOPS).then_some(())
    })?;
    let records = server.records();
    let waits = records.iter().filter(|r| r.is_wait_enter());
    let mut queues: Vec<Option<i32>> = waits.clone().map(|r| r.fd).collect();
    queues.sort_unstable();
    queues.dedup();
    let (seen, mistake) = match (count(&records), queues.len()) {
        (LOOPS, LOOPS) => return passed("3 threads wait, each on a queue of its own"),
        (LOOPS, _) => (
            "3 threads share an event queue".to_string(),
            "A level-triggered queue tells everybody who waits on it of the same event: two owners \
             for one client. Each loop opens its own (`Queue::new`), and watches its own listener \
             with it.",
        ),
        (n, _) => (
            format!("{n} of the 3 threads wait for events, and nobody else will"),
            "Each loop is the life of a thread: as many threads as `--workers` says, main among \
             them or not, and each calls `wait` on the queue that it has opened.",
        ),
    };
    failed(
        Finding::new(
            "starts the server with --workers 3",
            "3 threads, each of which waits on an event queue of its own",
            seen,
        )
        .usually(mistake)
        .shown_by(waits),
    )
}

/// Step 3: one thread for the whole life of a client; several threads in all.
pub(super) fn no_hand_off(attempt: &Attempt) -> Result<Verdict> {
    const CLIENTS: usize = 64;
    let server = start(attempt)?;
    let mut acceptors = Vec::new();
    for n in 0..CLIENTS {
        let name = format!("C{n}");
        let did = format!("64 clients, one after another, ask for /; this is {name}");
        let expected = "the thread that accepts it reads, answers and closes it";
        let mut client = attempt.play().connect_quietly(&name, &server)?;
        client.send_quietly(common::lab::client::request("/").as_bytes())?;
        match attempt.answer_or_rest(&server, &mut client)? {
            Outcome::Answered(answer) if answer.status == 200 => {}
            Outcome::Asleep(last) | Outcome::Spins(last) => {
                let finding = Finding::new(did, expected, "it has no answer, and all sleep");
                let mistake = "Does every loop watch its own listener, with its own queue?";
                return failed(finding.usually(mistake).shown_by(&last));
            }
            other => {
                return failed(Finding::new(did, expected, format!("{other:?}")));
            }
        }
        let accept = server.accept_of(client.local())?;
        let fd = server.fd_of(client.local())?;
        let close = server.wait_record("its close", accept.seq, |r| r.did("close", fd))?;
        let records = server.records();
        // After the close the number may be somebody else's.
        let its_life = accept.seq..=close.seq;
        let of_it =
            |r: &&Record| its_life.contains(&r.seq) && (r.fd == Some(fd) || r.seq == accept.seq);
        let other = records.iter().filter(of_it).find(|r| r.tid != accept.tid);
        let queued = records.iter().filter(of_it).find(|r| r.is_step("queued"));
        if let Some(stranger) = other.or(queued) {
            let seen = format!("{} accepted it, and handed it over", accept.thread);
            return failed(
                Finding::new(did, expected, seen)
                    .usually("There is no pool any more: the loop calls `answer` itself.")
                    .shown_by([&accept, stranger]),
            );
        }
        if let Some((seen, why)) = parting::mistake(&records, &close) {
            let finding = Finding::new(did, "it is deleted from its queue, then closed", seen);
            return failed(finding.usually(why).shown_by(parting::story(&records, &close)));
        }
        acceptors.push(accept.tid);
    }
    acceptors.sort_unstable();
    acceptors.dedup();
    // All are closed. (Main may only wait for the others to end: no call of the trace, so that
    // the server never looks as if it slept.)
    invariants::check(&server.records())?;
    drop(server);
    for check in [out_of_descriptors, nothing_to_read] {
        if let Some(finding) = check(attempt)? {
            return failed(finding);
        }
    }
    match acceptors.len() {
        1 if sys::REUSE_PORT_BALANCES => failed(Finding::new(
            "64 clients ask for /",
            "the kernel spreads them over the listeners",
            "one thread accepted all of them",
        )),
        1 => passed("no hand-off; this system gives all connections to one listener"),
        n => passed(format!("no hand-off, and {n} threads have accepted")),
    }
}

/// How often accept may fail within the time in which it may fail a few times.
const FAILURES: u64 = 100;
const A_WHILE: u64 = 300_000;

/// A client for whom there is no descriptor: each loop pauses, as chapter 4's did.
fn out_of_descriptors(attempt: &Attempt) -> Result<Option<Finding>> {
    let server = start(attempt)?;
    let a = attempt.connect("A", &server)?;
    let all = server.fd_of(a.local())?; // the first number that is not the server's own
    drop((server, a));
    let server = attempt.start_with(&["--workers", "3"], all as u64)?;
    let _a = attempt.connect("A", &server)?;
    let is_full = |r: &Record| r.failed("accept", "EMFILE");
    let spins = server.wait_for("accept to be tried again after EMFILE", |records| {
        let full = records.iter().position(is_full)?;
        let later = &records[full..];
        let turns = later.iter().filter(|r| r.kind == Kind::Turns).map(|r| r.times).sum::<u64>();
        let fails = turns + later.iter().filter(|r| is_full(r)).count() as u64;
        let is_late = |r: &Record| is_full(r) && r.us - records[full].us >= A_WHILE;
        match fails >= FAILURES {
            true => Some(Some(fails)),
            false => later.iter().any(is_late).then_some(None),
        }
    })?;
    let Some(fails) = spins else { return Ok(None) };
    let records = server.records();
    let full = records.iter().position(is_full).unwrap_or_default();
    Ok(Some(
        Finding::new(
            "your server has no descriptor left; A connects",
            "accept says EMFILE, and the loop leaves its listener alone for a while",
            format!("accept was called in vain, {fails} times and more, without a pause"),
        )
        .usually(
            "Each loop has its own listener, and has to do all that chapter 4's loop did: pause \
             the listener at EMFILE, wait with its patience, and resume.",
        )
        .shown_by(&records[full..records.len().min(full + 6)])
        .page("ch04.html#accept-when-it-fails"),
    ))
}

/// A client whose read finds nothing. No client can cause that for certain, strace can.
fn nothing_to_read(attempt: &Attempt) -> Result<Option<Finding>> {
    let server = attempt.start(&["--workers", "1"])?;
    let tid = server.wait_record("a loop to wait", 0, Record::is_wait_enter)?.tid;
    let Some(_injection) = Injection::once(tid, "read", "EAGAIN") else { return Ok(None) };
    let mut a = attempt.connect("A", &server)?;
    a.get("/")?;
    let outcome = attempt.answer_or_rest(&server, &mut a)?;
    let fd = server.fd_of(a.local())?;
    let records = server.records();
    let of_a = || records.iter().filter(|r| r.fd == Some(fd) && r.kind == Kind::Call);
    let seen = match outcome {
        Outcome::Answered(_) => return Ok(None),
        _ if !of_a().any(|r| r.failed("read", "EAGAIN")) => return Ok(None),
        Outcome::Ended(..) => "the connection was closed",
        Outcome::Asleep(_) => "no answer: A is open, and nobody watches it",
        Outcome::Spins(_) => "no answer, and the server spins",
    };
    Ok(Some(
        Finding::new(
            "A asks for /, and the first read says EAGAIN",
            "A stays in the event queue, is reported again, and answered",
            seen,
        )
        .usually(
            "`Next::Keep` is no `Next::Close`: who has nothing to say yet stays. It is still in \
             the event queue, since nobody has deleted it.",
        )
        .shown_by(of_a()),
    ))
}
