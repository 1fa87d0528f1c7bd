//! A client that resets its connection while its handler is at work. The error comes out of
//! `turn`, and whoever waits for the client to leave has to hear of that, too.

use super::drain::DRAIN;
use super::look::{
    Came, Outcome, about, came, ends_or_rests, found_or_rests, in_handler, last_lines, lines,
    reported,
};
use super::stop::{patient, strange_end};
use super::{Case, Part};
use crate::workshop::Attempt;
use common::lab::{Client, Record, Result, Server};

const WAY_OUT: &str = "The connection is gone: a read or a write fails (ECONNRESET, EPIPE), and \
                       `turn` ends with an error. Who is closed for that leaves \
                       as anybody else does, and main has to hear of it. One way out for both: \
                       `close`, with the wake-up behind it.";

const DROPPED: &str = "The connection is gone: a read or a write fails (ECONNRESET, EPIPE), \
                       `turn` ends with an error, and the client was dropped. That closes the \
                       descriptor, and the table goes on counting it. Whoever has a client gives it \
                       back: here, to `close`.";

/// Who is told why: by what has become of the client with this descriptor.
fn why(records: &[Record], fd: i32) -> &'static str {
    let dropped = |r: &Record| r.did("close", fd) && r.note.contains("dropped");
    if records.iter().any(dropped) { DROPPED } else { WAY_OUT }
}

/// Step 2: at a stop.
pub(super) fn at_a_stop(attempt: &Attempt) -> Part {
    // On a busy machine the answer may be out before the reset.
    for ms in [400, 1500, 6000] {
        let (part, has_failed) = with_a_handler_of(attempt, ms)?;
        if part.is_some() || has_failed {
            return Ok(part);
        }
    }
    Ok(None)
}

/// The verdict, and whether the reset was met as an error.
fn with_a_handler_of(
    attempt: &Attempt,
    ms: u32,
) -> Result<(Option<crate::workshop::Verdict>, bool)> {
    let case = Case {
        did: "sent SIGTERM while A's request was in a handler that sleeps; then A reset its \
              connection",
        expected: "the answer cannot be sent, A is closed, and the server ends: nobody else is \
                   there",
        page: DRAIN,
    };
    let mut server = attempt.play().start(&patient(&[]))?;
    let a = in_handler(attempt.play(), &server, "A", ms)?;
    let fd = server.fd_of(a.local())?;
    let mark = server.mark();
    server.signal(libc::SIGTERM)?;
    // Main sleeps in its drain by then.
    found_or_rests(&server, "the listener to be closed", |records| {
        let closes = |r: &Record| r.is_call("close") && r.role.as_deref() == Some("listener");
        let closed = records.iter().find(|r| closes(r))?.seq;
        let asleep = |r: &Record| r.seq > closed && r.thread == "main" && r.is_enter();
        records.iter().any(|r| asleep(r) || r.is_step("handler slept")).then_some(())
    })?;
    a.reset()?;
    let (outcome, records) = ends_or_rests(&mut server, mark)?;
    let fails = |r: &Record| {
        (r.is_call("write") || r.is_call("read"))
            && r.errno.as_deref().is_some_and(|e| e != "EAGAIN")
    };
    // Whose answer was written before the reset may be closed without an error.
    let has_failed = records.iter().any(|r| fails(r) && r.fd == Some(fd))
        && !records.iter().any(|r| r.did("write", fd));
    let part = match outcome {
        Outcome::Ended(usage) if usage.exit == Some(0) => None,
        Outcome::Ended(usage) => Some(strange_end(case, &usage, &records)?),
        Outcome::Spins if reported(&records, &[fd], &format!("client {fd} ")) > 100 => case.part(
            "the kernel reported A again and again while a worker had it, and the server spins",
            "In `Mode::Level` a wait reports a client for as long as its end has come and nobody has \
             closed it. Whoever gives a client to a worker takes it out of the interest list \
             (`delete`), until step 3 has a way that costs nothing: `Mode::Oneshot`.",
            lines(&records, about(fd)),
        )?,
        Outcome::Spins => {
            case.part("the server spins, and does not end", why(&records, fd), last_lines(&records))?
        }
        Outcome::Rests => case.part(
            "A has gone, all threads sleep, and the server does not end",
            why(&records, fd),
            lines(&records, |r| r.seq > mark && (about(fd)(r) || r.thread == "main")),
        )?,
    };
    Ok((part, has_failed))
}

/// Step 5: there is no room for D until B has gone, and B resets in its handler.
pub(super) fn while_full(attempt: &Attempt, server: &Server, mut b: Client) -> Part {
    let case = Case {
        did: "started it with --max-connections 2, and two were there; B asked for something that \
              takes 0.3 s, D connected and asked for /, and B reset its connection",
        expected: "B's answer cannot be sent, B is closed, and D is accepted and answered",
        page: "ch07-5.html#the-code",
    };
    let fd = server.fd_of(b.local())?;
    let mark = server.mark();
    b.get("/slow?ms=300")?;
    server.wait_record("the handler to sleep", mark, |r| r.is_step("handler sleeps"))?;
    let mut d = attempt.connect("D", server)?;
    d.get("/")?;
    b.reset()?;
    match came(server, &mut d)? {
        Came::Answer(answer) if answer.status == 200 => Ok(None),
        _ => {
            let records = server.records();
            let trace = lines(&records, |r| r.seq > mark && (about(fd)(r) || r.thread == "main"));
            case.part("B has gone, and D waits for ever", why(&records, fd), trace)
        }
    }
}
