//! Step 5: nobody is waited for without end, and nothing grows without a limit.

use super::knows::{Who, main_knows, parked};
use super::limits::listener;
use super::look::{
    Came, LONG, about, came, found_or_rests, in_handler, last_lines, lines, wake_ends,
};
use super::{Case, EARLIER, Part, crowd, farewell, first, limits, resets};
use crate::workshop::{Attempt, Verdict};
use common::lab::{Client, End, Record, Result, Server};

const PAGE: &str = "ch07-5.html#the-code";

/// Step 5.
pub(super) fn deadlines_and_limits(attempt: &Attempt) -> Result<Verdict> {
    first(
        attempt,
        &[
            half_a_head,
            silent,
            idle,
            while_a_worker_had_it,
            crowd::who_asks_when_others_are_late,
            too_long,
            too_many,
            limits::all,
            farewell::who_still_reads,
        ],
        "heads and idle clients have a deadline, lines a length, and the server a \
         number of clients",
    )
}

fn is_closed(client: &mut Client, server: &Server, case: Case) -> Part {
    let fd = server.fd_of(client.local())?;
    let (bytes, end) = client.rest()?;
    match (bytes.len(), end) {
        (0, End::Eof) => Ok(None),
        (n, end) => case.part(
            format!("it got {n} bytes, then {end:?}"),
            "`time_is_up` says what becomes of a client that is late: closed, or parked \
             once more.",
            lines(&server.records(), about(fd)),
        ),
    }
}

fn half_a_head(attempt: &Attempt) -> Part {
    let case = Case {
        did: "started it with --header-timeout 1; A sent half a head, `GET / HT`, and no more",
        expected: "main's wait is over in 1 s, and A is told 408",
        page: PAGE,
    };
    let args = ["--workers", "2", "--header-timeout", "1", "--idle-timeout", LONG];
    let server = attempt.start(&args)?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    a.send(b"GET / HT")?;
    let read = server.wait_record("A to be read", 0, |r| r.did("read", fd))?.seq;
    let (at, client) = (parked(&server, fd, read)?, (case, Who::Parked));
    if let Some(verdict) = main_knows(attempt, &server, fd, at, 1.1, client)? {
        return Ok(Some(verdict));
    }
    match came(&server, &mut a)? {
        Came::Answer(answer) if answer.status == 408 => Ok(None),
        other => {
            let seen = match other {
                Came::Answer(answer) => format!("A was answered {}", answer.status),
                Came::End(got) => format!("A got {got} bytes, then the end"),
                Came::Rest => "A got nothing, and all threads sleep".to_string(),
            };
            let mistake = "After the events of a turn, main looks at those whose time is up: \
                           `expire` of `deadlines.rs`.";
            case.part(seen, mistake, lines(&server.records(), about(fd)))
        }
    }
}

fn silent(attempt: &Attempt) -> Part {
    let case = Case {
        did: "started it with --header-timeout 1; A connected, and never said a word",
        expected: "main's wait is over in 1 s, and A is closed",
        page: PAGE,
    };
    let args = ["--workers", "2", "--header-timeout", "1", "--idle-timeout", LONG];
    let server = attempt.start(&args)?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    let (at, client) = (parked(&server, fd, 0)?, (case, Who::New));
    if let Some(verdict) = main_knows(attempt, &server, fd, at, 1.1, client)? {
        return Ok(Some(verdict));
    }
    is_closed(&mut a, &server, case)
}

fn idle(attempt: &Attempt) -> Part {
    let case = Case {
        did: "started it with --idle-timeout 1; A asked for /, and then said nothing",
        expected: "after 1 s A is closed without a word",
        page: PAGE,
    };
    let args = ["--workers", "2", "--header-timeout", LONG, "--idle-timeout", "1"];
    let server = attempt.start(&args)?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    a.get("/")?;
    let Came::Answer(_) = came(&server, &mut a)? else {
        return case.part("A got no answer", EARLIER, lines(&server.records(), about(fd)));
    };
    let written = server.wait_record("the answer", 0, |r| r.did("write", fd))?.seq;
    let (at, client) = (parked(&server, fd, written)?, (case, Who::Served));
    if let Some(verdict) = main_knows(attempt, &server, fd, at, 1.1, client)? {
        return Ok(Some(verdict));
    }
    is_closed(&mut a, &server, case)
}

fn while_a_worker_had_it(attempt: &Attempt) -> Part {
    let case = Case {
        did: "started it with both time-outs at 1; A asked for something that takes 1.6 s",
        expected: "A gets its answer, for a handler has no deadline; 1 s after it, A is closed",
        page: PAGE,
    };
    let args = ["--workers", "2", "--header-timeout", "1", "--idle-timeout", "1"];
    let server = attempt.start(&args)?;
    let mut a = in_handler(attempt.play(), &server, "A", 1600)?;
    let fd = server.fd_of(a.local())?;
    let Came::Answer(_) = came(&server, &mut a)? else {
        return case.part(
            "A was closed without its answer",
            "Only who is parked can be late. A worker that has a client is at work for it.",
            lines(&server.records(), about(fd)),
        );
    };
    let written = server.wait_record("the answer", 0, |r| r.did("write", fd))?.seq;
    let (at, client) = (parked(&server, fd, written)?, (case, Who::Served));
    if let Some(verdict) = main_knows(attempt, &server, fd, at, 1.1, client)? {
        return Ok(Some(verdict));
    }
    is_closed(&mut a, &server, case)
}

fn too_long(attempt: &Attempt) -> Part {
    let case = Case {
        did: "A asked for a path of 20,000 letters",
        expected: "A is told 414, then FIN is sent (`shutdown`), and A is listened to until it \
                   has gone",
        page: PAGE,
    };
    let server = attempt.start(&["--workers", "2"])?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    a.get(&format!("/{}", "a".repeat(20_000)))?;
    let answer = came(&server, &mut a)?;
    let status = if let Came::Answer(answer) = &answer { answer.status } else { 0 };
    if status != 414 {
        let seen = match answer {
            Came::Answer(_) => format!("A was answered {status}"),
            _ => "A got no answer".to_string(),
        };
        let mistake = "Without limits a head may be of any length, and it is kept in memory \
                       until it is complete: `Limits::DEFAULT`.";
        return case.part(seen, mistake, lines(&server.records(), about(fd)));
    }
    let end = |r: &Record| r.did("shutdown", fd) || r.did("close", fd);
    let end = server.wait_record("the end of A", 0, end)?;
    if !end.is_call("shutdown") {
        return case.part(
            "A was closed at once",
            "A close that finds unread bytes sends a reset, and a client that is still \
             sending loses the answer that was on its way. Who is finished leaves in \
             stages: `hang_up`, in its turn and, while it is leaving, in each turn after \
             that.",
            lines(&server.records(), about(fd)),
        );
    }
    if farewell::closed_after_fin(&server, fd, end.seq)? {
        let trace = lines(&server.records(), about(fd));
        return case.part(farewell::CLOSED_AFTER_FIN, farewell::IN_STAGES, trace);
    }
    a.half_close()?;
    server.wait_record("A to be closed", 0, |r| r.did("close", fd))?;
    attempt.finish(server)?;
    Ok(None)
}

/// There is no room for C, and nobody leaves: the listener is not to be paused for a moment,
/// and again.
fn pauses_for_a_moment(server: &Server, mark: u64, case: Case) -> Part {
    /// The first pause may be one for the client before.
    const OFTEN: usize = 4;
    let fd = listener(&server.records());
    let pauses = |r: &Record| r.seq > mark && r.fd == fd && r.op.as_deref() == Some("delete");
    let often = found_or_rests(server, "rest", |records| {
        (records.iter().filter(|r| pauses(r)).count() >= OFTEN).then_some(())
    })?;
    if often.is_none() {
        return Ok(None);
    }
    let records = server.records();
    let of_listener = |r: &Record| r.seq > mark && r.fd == fd;
    case.part(
        format!("the listener was paused {OFTEN} times, and watched again each time, though nobody has left"),
        "While there are as many clients as there may be, to look again is to look in vain. `pause` \
         lasts 100 ms: it is for errors of `accept` that may pass. `pause_until_told` lasts until \
         somebody has left; and what cuts it short (`cut_pause_short`) is called only while \
         `wants_room` is not set, which `is_full` sets.",
        lines(&records, of_listener),
    )
}

/// As many clients as there may be, and one more.
pub(super) fn too_many(attempt: &Attempt) -> Part {
    let case = Case {
        did: "started it with --max-connections 2; A, B and C connected and asked for /; \
              then A left",
        expected: "C waits in the accept queue while A and B are there, and is answered when A \
                   has gone",
        page: PAGE,
    };
    let args = ["--workers", "2", "--header-timeout", LONG, "--idle-timeout", LONG];
    let args: Vec<&str> = args.iter().chain(&["--max-connections", "2"]).copied().collect();
    let server = attempt.start(&args)?;
    let mut clients = Vec::new();
    for name in ["A", "B"] {
        let mut client = attempt.connect(name, &server)?;
        client.get("/")?;
        let Came::Answer(_) = came(&server, &mut client)? else {
            let trace = last_lines(&server.records());
            return case.part(format!("{name} got no answer"), EARLIER, trace);
        };
        clients.push(client);
    }
    let mark = server.mark();
    let mut c = attempt.connect("C", &server)?;
    c.get("/")?;
    if let Some(verdict) = pauses_for_a_moment(&server, mark, case)? {
        return Ok(Some(verdict));
    }
    if let Came::Answer(_) | Came::End(..) = came(&server, &mut c)? {
        let mistake = "Each client costs a descriptor and memory. Before it accepts, main asks \
                       whether there are as many as there may be (`is_full`); then the \
                       listener is paused, and the next one waits in the kernel.";
        let trace = lines(&server.records(), |r| r.accepted().is_some());
        return case.part("C was accepted, as the third of two", mistake, trace);
    }
    let mark = server.mark();
    clients.swap_remove(0).close();
    match came(&server, &mut c)? {
        Came::Answer(answer) if answer.status == 200 => {}
        _ => {
            let records = server.records();
            let ends = wake_ends(&records);
            let is_wake_up = |r: &Record| {
                r.seq > mark && r.is_call("write") && r.fd.is_some_and(|fd| ends.contains(&fd))
            };
            let mistake = if records.iter().any(is_wake_up) {
                "Main was woken, and left the listener paused: it ends the pause when \
                 `wants_room` is not set any more. Who wakes main for room takes the flag back: \
                 `swap(false)`."
            } else {
                "The listener is paused until it is told, and nobody has told main that \
                 there is room. Whoever closes a client looks whether somebody waits for \
                 that (`wants_room`), and wakes main, after the close."
            };
            let trace = lines(&records, |r| r.seq > mark);
            return case.part("A has gone, and C waits for ever", mistake, trace);
        }
    }
    let b = clients.swap_remove(0);
    if let Some(verdict) = resets::while_full(attempt, &server, b)? {
        return Ok(Some(verdict));
    }
    found_or_rests(&server, "rest", |_| None::<()>)?;
    attempt.finish(server)?;
    Ok(None)
}
