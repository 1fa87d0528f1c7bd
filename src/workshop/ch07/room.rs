//! Step 4: what a slow reader costs.

use super::clients::start;
use super::look::{
    Came, NOBODY_CALLS, Outcome, about, came, ends_or_rests, found_or_rests, holds, last_lines,
    lines, settled,
};
use super::stop::patient;
use super::{Case, Part, first, vain};
use crate::workshop::{Attempt, Verdict};
use common::lab::record::Kind;
use common::lab::{Client, Record, Result, Server};

const WRITE: &str = "ch07-4.html#the-code";

/// Step 4.
pub(super) fn slow_readers(attempt: &Attempt) -> Result<Verdict> {
    first(
        attempt,
        &[slow_reader, quick_reader, stop_while_slow],
        "a slow reader gets its answer whole, and costs no worker and no wake-up in vain",
    )
}

/// What is wrong with what a server does when A's send buffer is full, if anything;
/// `fd` is A's.
pub(super) fn when_it_is_full(server: &Server, fd: i32, case: Case) -> Part {
    let full = |r: &Record| r.failed("write", "EAGAIN") && r.fd == Some(fd);
    let is_about = |r: &Record| {
        r.fd == Some(fd)
            && (r.op.is_some() || r.is_call("close") || r.is_call("shutdown") || full(r))
            || r.kind == Kind::Turns && r.note.contains(&format!("write({fd}, "))
    };
    let first = found_or_rests(server, "a full send buffer", |records| {
        records.iter().find(|r| full(r)).map(|r| r.seq)
    })?;
    let Some(first) = first else {
        let trace = lines(&server.records(), about(fd));
        return case.part(
            "A's answer never filled the send buffer",
            "Is all of it written?",
            trace,
        );
    };
    let next = found_or_rests(server, "what follows", |records| {
        records.iter().find(|r| r.seq > first && is_about(r)).cloned()
    })?;
    let records = server.records();
    let trace = lines(&records, |r| r.seq >= first && r.seq < first + 40 && about(fd)(r));
    let (seen, mistake) = match next {
        Some(r) if r.op.is_some() && r.want.as_deref() == Some("write") => return Ok(None),
        Some(r) if r.op.is_some() && r.want.as_deref() == Some("read") => (
            "the rest of the answer waits, and A is armed for reading",
            "A waits for the rest, and the server for A. Nobody will say anything any \
             more. Who has something to be sent is parked to be told when there is room: \
             `Want::Write`.",
        ),
        Some(r) if r.op.is_some() || r.is_call("close") => (
            "the send buffer is full, and A is closed",
            "A full send buffer (EAGAIN) is no error: the client reads too slowly. Park \
             it, to be told when there is room: `Want::Write`.",
        ),
        Some(r) if r.is_call("shutdown") => (
            "FIN was sent with a part of the answer unsent",
            "`hang_up` is for when everything is sent. After it nothing goes out any \
             more, and the rest of the answer is lost; the client sees the end of the \
             stream too early. Which arm of `turn` calls it, and for which `Sent`?",
        ),
        Some(_) => (
            "the send buffer is full, and the worker tries again and again",
            "Each write says EAGAIN until the client reads, and the worker does nothing \
             else. The kernel knows when there is room: park the client for writing, and \
             leave the worker to somebody else.",
        ),
        None => ("the server rests, with a part of the answer unsent", "Nobody waits for room."),
    };
    case.part(seen, mistake, trace)
}

/// A reads it all: whether it is whole.
pub(super) fn reads_it_all(server: &Server, a: &mut Client, bytes: usize, case: Case) -> Part {
    let fd = server.fd_of(a.local())?;
    match came(server, a)? {
        Came::Answer(answer) if answer.body.len() == bytes => Ok(None),
        came => {
            let is_end = matches!(came, Came::End(..));
            let seen = match came {
                Came::Answer(answer) => format!("it got an answer of {} bytes", answer.body.len()),
                Came::End(got) => format!("it got {got} bytes, and then the end"),
                Came::Rest => "a part of the answer has come, and all threads sleep".to_string(),
            };
            let mistake = "Each turn sends what there is room for, and ends with the client \
                           armed for writing until everything is sent.";
            let records = server.records();
            let of_listener = |r: &Record| r.role.as_deref() == Some("listener");
            let stops = records.iter().any(|r| r.is_call("close") && of_listener(r));
            let written: i64 =
                records.iter().filter(|r| r.did("write", fd)).filter_map(|r| r.ret).sum();
            let (seen, mistake) = match is_end && stops && written > bytes as i64 {
                true => (
                    format!("all of the answer was written, and {seen}"),
                    "To close a connection whose receive buffer holds something is to reset it, and \
                     a reset takes from A what it has not read yet. When all is sent and a stop was \
                     asked for, `turn` looks once more whether a request has come (`has_arrived`); \
                     then there is one more turn.",
                ),
                false if holds(&records) => (seen, NOBODY_CALLS),
                false if vain::event_is_lost(&records, fd) => (seen, vain::LOST),
                false => (seen, mistake),
            };
            case.part(seen, mistake, lines(&records, about(fd)))
        }
    }
}

fn slow_reader(attempt: &Attempt) -> Part {
    const BYTES: usize = 4_000_000;
    let case = Case {
        did: "with two workers: A and C asked for 4 MB each and did not read; then B \
              asked for /; then A and C read",
        expected: "B is answered meanwhile, A and C get their answers whole, and then the \
                   server sleeps",
        page: WRITE,
    };
    let play = attempt.play();
    let server = start(play, "2")?;
    let mut slow = Vec::new();
    for name in ["A", "C"] {
        let mut client = play.connect_small(name, &server)?;
        client.get(&format!("/big?bytes={BYTES}"))?;
        let fd = server.fd_of(client.local())?;
        if let Some(verdict) = when_it_is_full(&server, fd, case)? {
            return Ok(Some(verdict));
        }
        slow.push((client, fd));
    }
    let mut b = attempt.connect("B", &server)?;
    b.get("/")?;
    if !matches!(came(&server, &mut b)?, Came::Answer(_)) {
        let mistake = "A slow reader must not keep a worker.";
        return case.part("B got no answer", mistake, last_lines(&server.records()));
    }
    for (client, fd) in &mut slow {
        if let Some(verdict) = reads_it_all(&server, client, BYTES, case)? {
            return Ok(Some(verdict));
        }
        if let Some(verdict) = rests_armed_for_reading(&server, *fd, case)? {
            return Ok(Some(verdict));
        }
    }
    Ok(None)
}

/// Who reads quickly has room, and takes turns with the others all the same.
fn quick_reader(attempt: &Attempt) -> Part {
    const BYTES: usize = 8_000_000;
    let case = Case {
        did: "A asked for 8 MB, and read",
        expected: "a turn sends so many bytes; for the rest A is armed for writing, behind \
                   whoever else is ready",
        page: WRITE,
    };
    let server = start(attempt.play(), "2")?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    a.get(&format!("/big?bytes={BYTES}"))?;
    if let Some(verdict) = reads_it_all(&server, &mut a, BYTES, case)? {
        return Ok(Some(verdict));
    }
    let records = attempt.finish(server)?;
    let again = |r: &Record| r.is_step("queued") && r.fd == Some(fd) && r.thread != "main";
    match records.iter().find(|r| again(r)) {
        None => Ok(None),
        Some(first) => case.part(
            "a worker has queued A again, with a part of the answer unsent",
            "`Sent::More`: the turn is over, and there may be room. The kernel says so when A \
             is armed for writing, and meanwhile the others have their turn, also those whom \
             main has not yet asked for: `Next::Write`.",
            lines(&records, |r| r.seq <= first.seq && about(fd)(r)),
        ),
    }
}

/// A client whose answer was made before the stop, and sent to its end after it.
fn stop_while_slow(attempt: &Attempt) -> Part {
    let case = Case {
        did: "A asked for 3 MB and did not read; SIGTERM was sent; then A read",
        expected: "A gets its answer whole, and the server ends: A is owed nothing more",
        page: "ch07-2.html#the-code",
    };
    if let Some(verdict) = stopped_while_slow(attempt, case, false)? {
        return Ok(Some(verdict));
    }
    let case = Case {
        did: "A asked for 3 MB and did not read, and then for 7 bytes; SIGTERM was sent; then A read",
        expected: "A gets both answers whole, and the server ends: A is owed nothing more",
        ..case
    };
    stopped_while_slow(attempt, case, true)
}

fn stopped_while_slow(attempt: &Attempt, case: Case, asks_again: bool) -> Part {
    const BYTES: usize = 3_000_000;
    let mut server = attempt.play().start(&patient(&[]))?;
    settled(&server, 2)?;
    let mut a = attempt.play().connect_small("A", &server)?;
    let fd = server.fd_of(a.local())?;
    a.get(&format!("/big?bytes={BYTES}"))?;
    server.wait_record("A to wait for room", 0, |r| {
        r.fd == Some(fd) && r.want.as_deref() == Some("write")
    })?;
    if asks_again {
        a.get("/big?bytes=7")?;
    }
    let mark = server.mark();
    server.signal(libc::SIGTERM)?;
    server.wait_record("the listener to be closed", mark, |r| {
        r.is_call("close") && r.role.as_deref() == Some("listener")
    })?;
    if let Some(verdict) = reads_it_all(&server, &mut a, BYTES, case)? {
        return Ok(Some(verdict));
    }
    let is_second = |came| matches!(came, Came::Answer(answer) if answer.body.len() == 7);
    if asks_again && !is_second(came(&server, &mut a)?) {
        return case.part(
            "A got the long answer, and none to its second request, which had arrived before the \
             stop",
            "The answer before it was made when nobody had asked for a stop, and nothing is read \
             while it waits for room. So `turn` puts the question a second time, when all is sent \
             and a stop was asked for: `has_arrived`; then there is one more turn.",
            lines(&server.records(), |r| r.seq > mark && about(fd)(r)),
        );
    }
    let after = server.mark();
    let (mut outcome, mut records) = ends_or_rests(&mut server, after)?;
    // Who is done with A may listen to it for a while: step 5 sees to its end.
    let said_goodbye = |r: &Record| r.did("shutdown", fd);
    if !matches!(outcome, Outcome::Ended(_)) && records.iter().any(said_goodbye) {
        a.half_close()?;
        let after = server.mark();
        (outcome, records) = ends_or_rests(&mut server, after)?;
    }
    if let Outcome::Ended(_) = outcome {
        return Ok(None);
    }
    case.part(
        "A has its answer, and the server does not end",
        "A worker has parked A, main was not told, and would sleep until the drain's deadline. \
         Who parks a client while the server stops wakes main, as who closes one does \
         (`stop.wake`): in its next turn main takes leave of it.",
        lines(&records, |r| r.seq > mark && about(fd)(r)),
    )
}

/// Everything is sent, and nobody asks: nothing may happen, and A waits to be read.
pub(super) fn rests_armed_for_reading(server: &Server, fd: i32, case: Case) -> Part {
    /// So many times armed, and nobody has done anything.
    const OFTEN: usize = 100;
    let arms = |r: &Record| r.fd == Some(fd) && matches!(r.op.as_deref(), Some("add" | "rearm"));
    let mark = server.mark();
    let restless = found_or_rests(server, "the server to come to rest", |records| {
        (records.iter().filter(|r| r.seq > mark && arms(r)).count() > OFTEN).then_some(())
    })?;
    let records = server.records();
    let last = records.iter().rfind(|r| arms(r));
    // Everything was sent with the last write: who was armed for room after it wanted none.
    let sent = records.iter().rfind(|r| r.did("write", fd)).map_or(0, |r| r.seq);
    let in_vain =
        records.iter().any(|r| r.seq > sent && arms(r) && r.want.as_deref() == Some("write"));
    if in_vain || restless.is_some() || last.is_none_or(|r| r.want.as_deref() != Some("read")) {
        return case.part(
            "a client is armed for writing, and nothing is to be written",
            "There is nearly always room in a send buffer, so a descriptor that is \
             watched for it is ready at once, and again, and again. Ask for room only \
             while something waits to be sent; then ask for the next request.",
            lines(&records, about(fd)),
        );
    }
    Ok(None)
}
