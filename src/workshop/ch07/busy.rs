//! Step 6: a crowd waits in the kernel.

use super::look::{
    Came, NOBODY_CALLS, PATIENT, about, came, found_or_rests, in_handler, last_lines, lines,
    longest_turn, settled,
};
use super::{Case, EARLIER, Part, first, held, limits, vain};
use crate::workshop::{Attempt, Verdict};
use common::lab::client::request;
use common::lab::{Client, Record, Result, Server};

const BUSY: &str = "ch07-6.html#the-code";

/// Step 6.
pub(super) fn leaves_them_in_the_kernel(attempt: &Attempt) -> Result<Verdict> {
    first(
        attempt,
        &[
            who_is_ready_waits_in_the_kernel,
            held::nobody_for_nothing,
            held::two_slow_jobs,
            new_clients_are_accepted,
            held::time_passes_all_the_same,
            limits::paused_while_main_holds,
            everybody_has_a_turn,
        ],
        "while jobs wait, a crowd stays in the kernel, and then comes with one wait",
    )
}

pub(super) fn start(attempt: &Attempt) -> Result<Server> {
    let args: Vec<&str> = ["--workers", "2"].iter().chain(&PATIENT).copied().collect();
    let server = attempt.start(&args)?;
    settled(&server, 2)?;
    Ok(server)
}

pub(super) fn known(attempt: &Attempt, server: &Server, count: usize) -> Result<Vec<Client>> {
    let connect = |n| attempt.play().connect_quietly(&format!("C{n}"), server);
    let clients: Vec<Client> = (0..count).map(connect).collect::<Result<_>>()?;
    let accepted = |records: &[Record]| {
        (records.iter().filter_map(Record::accepted).count() >= count).then_some(())
    };
    server.wait_for("all to be accepted", accepted)?;
    server.wait_until_quiet()?;
    Ok(clients)
}

/// A and B are in handlers that sleep, and C waits for a worker. Returns them, and the
/// number of the record with which C was queued: `None` if it was not.
pub(super) fn occupied(
    attempt: &Attempt,
    server: &Server,
    ms: u32,
) -> Result<(Vec<Client>, Option<u64>)> {
    let mut busy = vec![
        in_handler(attempt.play(), server, "A", ms)?,
        in_handler(attempt.play(), server, "B", ms)?,
        attempt.connect("C", server)?,
    ];
    let fd = server.fd_of(busy[2].local())?;
    busy[2].get("/")?;
    let queued = found_or_rests(server, "C to be queued", |records| {
        records.iter().find(|r| r.is_step("queued") && r.fd == Some(fd)).map(|r| r.seq)
    })?;
    Ok((busy, queued))
}

fn who_is_ready_waits_in_the_kernel(attempt: &Attempt) -> Part {
    let case = Case {
        did: "with two workers: A and B asked for something slow, and C for /; then eight \
              more asked for /",
        expected: "the eight stay in the kernel until a worker runs dry and calls main; then \
                   one wait brings them all",
        page: BUSY,
    };
    let server = start(attempt)?;
    let mut ready = known(attempt, &server, 8)?;
    let (mut busy, queued) = occupied(attempt, &server, 2000)?;
    let Some(queued) = queued else {
        return case.part("C was never queued", EARLIER, last_lines(&server.records()));
    };
    // Main looks once more, or not; then it sleeps: in what?
    let sleep =
        server.wait_record("main to sleep", queued, |r| r.thread == "main" && r.is_enter())?;
    for client in &mut ready {
        client.send_quietly(request("/").as_bytes())?;
    }
    let fds: Vec<i32> = ready.iter().map(|c| server.fd_of(c.local())).collect::<Result<_>>()?;
    for client in busy.iter_mut().chain(&mut ready) {
        if let Came::Answer(_) = came(&server, client)? {
            continue;
        }
        let records = server.records();
        return case.part(
            "the workers are free, all threads sleep, and those who have asked get no \
             answer",
            NOBODY_CALLS,
            lines(&records, |r| r.seq > sleep.seq),
        );
    }
    let records = attempt.finish(server)?;
    let slept = records.iter().find(|r| r.is_step("handler slept")).map_or(0, |r| r.seq);
    let early = |r: &Record| {
        r.is_step("queued") && r.seq < slept && r.fd.is_some_and(|fd| fds.contains(&fd))
    };
    let taken_early = records.iter().filter(|r| early(r)).count();
    if taken_early > 0 {
        return case.part(
            format!(
                "{taken_early} of the eight were taken out of the kernel while both workers \
                 slept in handlers"
            ),
            "They wait in a queue of yours instead of one of the kernel's, and main was \
             woken for that. While jobs wait for a worker, main asks about the listener \
             and the wake-up alone: `queue::poll`. `push_batch` and `look` of the \
             `Handoff` return what main is to do (`Pace`).",
            lines(&records, |r| r.seq >= sleep.seq && r.seq < slept),
        );
    }
    if let Some(verdict) = vain::ticks_while_it_holds(&records, sleep.seq, slept, case)? {
        return Ok(Some(verdict));
    }
    let most = records.iter().filter(|r| r.is_wait()).map(|r| r.events.len()).max();
    if most < Some(8) {
        return case.part(
            format!("no wait brought more than {} of the eight", most.unwrap_or(0)),
            "They have all been ready for a while. Is there room for more in `Events`?",
            lines(&records, |r| r.is_wait() && r.seq > slept),
        );
    }
    Ok(None)
}

fn new_clients_are_accepted(attempt: &Attempt) -> Part {
    let case = Case {
        did: "with two workers: A and B asked for something slow, and C for /; then D connected",
        expected: "D is accepted although every worker is busy",
        page: BUSY,
    };
    let server = start(attempt)?;
    let (_busy, _) = occupied(attempt, &server, 2000)?;
    let slept = |r: &Record| r.is_step("handler slept");
    let d = attempt.connect("D", &server)?;
    let note = format!("({})", d.local());
    let accepted = server.wait_for("D to be accepted, or a worker to be free", |records| {
        let first =
            records.iter().find(|r| slept(r) || r.accepted().is_some() && r.note == note)?;
        Some(first.accepted().is_some())
    })?;
    if !accepted {
        return case.part(
            "D was accepted only when a worker was free",
            "Its time begins with the accept, and its kernel has told it that it is \
             connected. While main holds it asks about two descriptors: the wake-up and \
             the listener (unless this is paused).",
            last_lines(&server.records()),
        );
    }
    Ok(None)
}

fn everybody_has_a_turn(attempt: &Attempt) -> Part {
    const REQUESTS: usize = 400;
    let case = Case {
        did: "with two workers: A, B and C sent 400 requests each, for 5 ms each, in one \
              go; then D asked for /",
        expected: "D is answered when the others have had a few turns more",
        page: BUSY,
    };
    let server = start(attempt)?;
    let mut d = known(attempt, &server, 1)?.remove(0);
    let mut greedy: Vec<Client> =
        ["A", "B", "C"].iter().map(|name| attempt.connect(name, &server)).collect::<Result<_>>()?;
    let all = request("/slow?ms=5").repeat(REQUESTS);
    for client in &mut greedy {
        client.send(all.as_bytes())?;
    }
    let fds: Vec<i32> = greedy.iter().map(|c| server.fd_of(c.local())).collect::<Result<_>>()?;
    let second = found_or_rests(&server, "all three to have a second turn", |records| {
        let turns = |fd| records.iter().filter(|r| r.is_step("took") && r.fd == Some(fd)).count();
        fds.iter().all(|fd| turns(*fd) >= 2).then_some(())
    })?;
    if second.is_none() {
        return case.part(
            "not all three get a second turn",
            ONE_TURN,
            last_lines(&server.records()),
        );
    }
    let fd = server.fd_of(d.local())?;
    let mark = server.mark();
    d.get("/")?;
    let Came::Answer(_) = came(&server, &mut d)? else {
        return case.part("D got no answer", EARLIER, last_lines(&server.records()));
    };
    let written = server.wait_record("D's answer", mark, |r| r.did("write", fd))?.seq;
    let records = server.records();
    let slept = |r: &&Record| r.is_step("handler slept") && r.seq > mark && r.seq < written;
    if let Some((fd, requests)) = longest_turn(&records, &fds).filter(|(_, n)| *n > LONG_TURN) {
        return case.part(
            format!("one of the others had {requests} requests in one turn, for 5 ms each"),
            "A turn ends after 10 ms, however many requests there are: `clock` says when the \
             last answer was ready. What is left is for the next turn.",
            lines(&records, about(fd)),
        );
    }
    let before = records.iter().filter(slept).count();
    if before > REQUESTS {
        return case.part(
            format!(
                "the others had their turn again and again, {before} requests, before D had \
                 its first"
            ),
            "Jobs that are queued again keep every worker from running dry, so nobody \
             calls main, and who is ready stays in the kernel. So they are marked \
             (`push_again`), a worker that comes round to them calls main, too, and main \
             has to ask the kernel once (`has_gone_round`). And a turn ends after 10 ms, however many requests \
             there are.",
            lines(&records, about(fd)),
        );
    }
    Ok(None)
}

const ONE_TURN: &str = "Their other requests have been read, and stand in our own buffers: no kernel \
                        will ever report them. Who has one left when its turn is over is queued \
                        again (`Next::Again`).";

/// More handlers of 5 ms than fit into 10 ms.
const LONG_TURN: usize = 8;
