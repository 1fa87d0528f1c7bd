//! Many clients: bursts, too many, one after another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::requests::{is_hello, is_pattern};
use super::{DROPS_WITHOUT_DESCRIPTOR, How, Seen, fails, open_descriptors, works};
use crate::lab::client::request;
use crate::lab::record::Kind;
use crate::lab::{Client, Play, Record, Result, Server, Stage, Trouble, trouble};
use crate::sys;

pub(super) fn burst(play: &Play) -> Result<Seen> {
    const BURST: usize = 100;
    let server = play.start(&[])?;
    let mut probe = play.connect("P", &server)?;
    let probe_fd = server.fd_of(probe.local())?;
    server.wait_until_asleep()?;
    let mark = server.mark();
    play.say("the server is stopped (SIGSTOP) while 100 clients connect, then goes on");
    server.freeze()?;
    let mut clients = Vec::new();
    for i in 0..BURST {
        clients.push(play.connect_quietly(&format!("C{i}"), &server)?);
    }
    server.thaw()?;
    let accepted_of = |records: &[Record]| {
        records.iter().filter(|r| r.seq > mark).filter_map(Record::accepted).count()
    };
    // All accepted; or main asleep, it seems, with some left.
    let all = server.wait_for("a hundred connections, or sleep after fewer", |records| {
        let last = records.iter().rev().find(|r| r.thread == "main")?;
        let asleep = last.is_wait_enter() && last.us + 200_000 < sys::monotonic_us();
        match accepted_of(records) {
            BURST => Some(true),
            1.. if asleep => Some(false),
            _ => None,
        }
    })?;
    if !all {
        // The proof: an event of another socket wakes main; were the listener
        // reported again and again, it would be accepted from then, too.
        let before = accepted_of(&server.records());
        is_hello(&probe.ask("/")?)?;
        server.wait_record("the probe's answer", mark, |r| r.did("write", probe_fd))?;
        server.wait_until_quiet()?;
        if accepted_of(&server.records()) != before {
            // It was awake, and had not had the processor for so long.
            server.wait_for("a hundred connections", |records| {
                (accepted_of(records) == BURST).then_some(())
            })?;
        }
    }
    let records = server.records();
    let accepted = accepted_of(&records);
    let listener = |r: &Record| r.events.iter().any(|e| Some(e.fd) == listener_fd(&records));
    let trips = records.iter().filter(|r| r.is_wait() && r.seq > mark && listener(r)).count();
    if accepted == BURST {
        for client in &mut clients {
            client.send_quietly(request("/").as_bytes())?;
            is_hello(&client.answer_quietly()?)?;
        }
    }
    drop(clients);
    play.finish(server)?;
    match (accepted, trips) {
        (BURST, 0..=10) => works("at most 10 trips for 100 connections"),
        (BURST, BURST..) => fails(How::PerTrip, "100 trips for 100 connections"),
        (n, t) if n < BURST => {
            let left = BURST - n;
            fails(
                How::Stranded,
                format_args!("{t} trip: {n} accepted, {left} wait, and main sleeps"),
            )
        }
        (n, t) => trouble(format!("{t} trips for {n} connections")),
    }
}

fn listener_fd(records: &[Record]) -> Option<i32> {
    records.iter().find(|r| r.is_call("listen"))?.fd
}

pub(super) fn no_descriptors(play: &Play) -> Result<Seen> {
    const LIMIT: u64 = 32;
    // By default the complete server accepts no more than it has descriptors for.
    let more: &[&str] =
        if play.stage == Stage::Ch07 { &["--max-connections", "1000"] } else { &[] };
    let server = play.start_with(more, Some(LIMIT))?;
    play.say("40 clients connect and say nothing");
    let mut clients = Vec::new();
    for i in 0..40 {
        clients.push(play.connect_quietly(&format!("C{i}"), &server)?);
    }
    let full = server.wait_for("accept to fail with EMFILE", |records| {
        records.iter().find(|r| r.failed("accept", "EMFILE")).map(|r| r.seq)
    })?;
    // Either it sleeps with the listener out of the queue, or it spins.
    let spins = server.wait_for("sleep or a thousand turns", |records| {
        let turns: u64 = records.iter().filter(|r| r.seq > full).map(|r| r.times).sum();
        if turns >= 1000 {
            return Some(true);
        }
        let last = records.iter().rev().find(|r| r.thread == "main")?;
        let paused = records.iter().any(|r| r.seq > full && r.op.as_deref() == Some("delete"));
        // Who does not pause sleeps on macOS only: when all who waited have been dropped.
        (last.is_wait_enter() && (paused || DROPS_WITHOUT_DESCRIPTOR)).then_some(!paused)
    })?;
    // Whichever it does, it must serve again when there is room.
    play.say("all but 5 of them leave");
    clients.truncate(5);
    is_hello(&play.connect("A", &server)?.ask("/")?)?;
    drop(clients);
    let records = server.records();
    let lines = records.iter().filter(|r| r.kind == Kind::Log && r.note.contains("EMFILE")).count();
    play.finish(server)?;
    if lines == 0 {
        return trouble("EMFILE was not logged");
    }
    match spins {
        true if DROPS_WITHOUT_DESCRIPTOR => {
            fails(How::Burns, "accepts that fail in a row, until nobody waits: each lost a client")
        }
        true => {
            fails(How::Burns, "1,000 failing accepts in a row; serves again when there is room")
        }
        false => {
            works("it stops watching the listener, sleeps, and serves again when there is room")
        }
    }
}

pub(super) fn endless_sender(play: &Play) -> Result<Seen> {
    let server = play.start(&["--workers", "1"])?;
    let mut a = play.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    play.say("A sends requests for ever, many at a time, and reads the answers");
    let sender = thread::spawn(move || -> Client {
        let many = request("/").repeat(500);
        while !stopped.load(Ordering::Relaxed) && a.send_quietly(many.as_bytes()).is_ok() {
            if (0..500).any(|_| a.answer_quietly().is_err()) {
                break; // the stages without keep-alive end it after one answer
            }
        }
        a
    });
    let served = server
        .wait_record("A's first answer", 0, |r| r.did("write", fd))
        .and_then(|_| play.connect("B", &server)?.ask("/"));
    stop.store(true, Ordering::Relaxed);
    let a = sender.join().map_err(|_| Trouble("the sender panicked".to_string()))?;
    is_hello(&served?)?;
    drop(a);
    let records = play.finish(server)?;
    let turns = records.iter().filter(|r| r.is_step("took") || r.call == "took").count();
    match turns {
        0 | 1 => trouble("one turn was all there was"),
        _ => works("B is answered by the only worker while A goes on"),
    }
}

pub(super) fn all_busy(play: &Play) -> Result<Seen> {
    let server = play.start(&["--workers", "2"])?;
    let mut slow = Vec::new();
    for name in ["A", "B"] {
        let mut client = play.connect(name, &server)?;
        client.get("/slow?ms=250")?;
        slow.push(client);
    }
    server.wait_for("both workers to be busy", |records| {
        (records.iter().filter(|r| r.is_step("handler sleeps")).count() == 2).then_some(())
    })?;
    let mut c = play.connect("C", &server)?;
    let fd = server.fd_of(c.local())?;
    c.get("/")?;
    is_hello(&c.answer()?)?;
    for client in &mut slow {
        client.answer()?;
    }
    // The number may have been somebody else's before.
    let accepted = server.accept_of(c.local())?.seq;
    let queued = |r: &Record| r.is_step("queued") && r.fd == Some(fd) && r.seq > accepted;
    server.wait_record("C to be queued", accepted, queued)?; // its answer may be here before
    match server.records().iter().filter(|r| queued(r)).count() {
        1 => {
            play.finish(server)?;
            works("its descriptor is queued once, and answered when a worker is free")
        }
        n => {
            play.say(format_args!("its descriptor was queued {n} times"));
            fails(How::TwoOwners, "its descriptor is queued again and again while it waits")
        }
    }
}

/// Clients come and go, each with an answer of a length of its own.
fn come_and_go(play: &Play, server: &Server, rounds: usize) -> Result<()> {
    let threads: Vec<_> = (0..4)
        .map(|t| {
            let address = server.address();
            let script = play.quiet_script();
            thread::spawn(move || -> Result<()> {
                for round in 0..rounds {
                    let bytes = 1 + t * 1000 + round * 7;
                    let mut client =
                        Client::connect_to(&format!("T{t}"), address, Arc::clone(&script))?;
                    client.send_quietly(request(&format!("/big?bytes={bytes}")).as_bytes())?;
                    let answer = client.answer_quietly()?;
                    if answer.body.len() != bytes {
                        return trouble(format!(
                            "asked for {bytes} bytes, got {}: somebody else's answer",
                            answer.body.len()
                        ));
                    }
                    is_pattern(&answer.body)?;
                    if round % 5 == 4 {
                        client.reset()?;
                    }
                }
                Ok(())
            })
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| Trouble("a client panicked".to_string()))??;
    }
    Ok(())
}

/// Waits until `count` clients have come and all are closed; returns the trace.
fn settle(server: &Server, count: usize) -> Result<Vec<Record>> {
    server.wait_for("all clients to be closed", |records| {
        let accepted = records.iter().filter(|r| r.accepted().is_some()).count();
        let client = |r: &&Record| r.is_call("close") && r.role.as_deref() == Some("client");
        let closed = records.iter().filter(client).count();
        (accepted >= count && closed >= count).then(|| records.to_vec())
    })
}

pub(super) fn churn(play: &Play) -> Result<Seen> {
    let server = play.start(&[])?;
    play.say("4 clients at a time come and go, each wants a length of its own");
    come_and_go(play, &server, 25)?;
    let records = settle(&server, 100)?;
    let mut numbers: Vec<i32> = records.iter().filter_map(Record::accepted).collect();
    let connections = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    play.finish(server)?;
    match numbers.len() < connections {
        true => works("100 connections, fewer numbers, every answer its own"),
        false => trouble("no descriptor was used twice"),
    }
}

pub(super) fn one_owner(play: &Play) -> Result<Seen> {
    let server = play.start(&["--workers", "4"])?;
    // One worker is kept busy, so that at least two have clients in hand.
    let mut a = play.connect("A", &server)?;
    a.get("/slow?ms=10000")?;
    server.wait_record("the handler to sleep", 0, |r| r.is_step("handler sleeps"))?;
    play.say("4 clients at a time come and go, with 4 workers");
    come_and_go(play, &server, 25)?;
    settle(&server, 100)?;
    let records = play.finish(server)?;
    let mut workers: Vec<&str> =
        records.iter().filter(|r| r.call == "took").map(|r| r.thread.as_str()).collect();
    let hands = workers.len();
    workers.sort_unstable();
    workers.dedup();
    match (hands, workers.len()) {
        (100.., 2..) => works("every hand-over had one owner (checked on every recorded run)"),
        (h, w) => trouble(format!("{h} hand-overs to {w} workers: not enough to tell")),
    }
}

pub(super) fn descriptors_back(play: &Play) -> Result<Seen> {
    let server = play.start(&[])?;
    is_hello(&play.connect("A", &server)?.ask("/")?)?;
    let before = open_descriptors(&settle(&server, 1)?);
    let by_proc = super::signals::open_by_proc(server.pid());
    come_and_go(play, &server, 10)?;
    let after = open_descriptors(&settle(&server, 41)?);
    let by_proc_after = super::signals::open_by_proc(server.pid());
    play.finish(server)?;
    match (after == before, by_proc == by_proc_after) {
        (true, true) => works("as many open descriptors as before"),
        (true, false) => trouble(format!("by /proc {by_proc:?} before, {by_proc_after:?} after")),
        (false, _) => trouble(format!("{before} descriptors before, {after} after")),
    }
}
