//! Step 2: nobody loses an answer by a stop.

use super::clients::armed_for_writing;
use super::look::{
    Came, Outcome, PATIENT, about, came, ends_or_rests, in_handler, last_lines, lines, main_sleeps,
    settled,
};
use super::stop::{patient, strange_end};
use super::{Case, Part, crowd, first, flight, resets};
use crate::workshop::{Attempt, Verdict};
use common::lab::client::request;
use common::lab::{Client, End, Record, Result, Server};

pub(super) const DRAIN: &str = "ch07-2.html#the-code";

/// Step 2.
pub(super) fn loses_no_answer(attempt: &Attempt) -> Result<Verdict> {
    first(
        attempt,
        &[
            flight::in_flight,
            resets::at_a_stop,
            in_the_accept_queue,
            crowd::in_the_accept_queue,
            idle,
            behind,
            at_the_deadline,
        ],
        "every answer that was owed is given, idle clients are closed, the deadline is kept",
    )
}

fn who(count: usize) -> String {
    match count {
        5 => "all of them were".to_string(),
        1 => "one of them was".to_string(),
        n => format!("{n} of them were"),
    }
}

fn in_the_accept_queue(attempt: &Attempt) -> Part {
    let case = Case {
        did: "stopped the process (SIGSTOP), let five clients connect and ask, sent \
              SIGTERM, and let it go on",
        expected: "all five are accepted and answered, and the server ends with status 0",
        page: DRAIN,
    };
    let play = attempt.play();
    let mut server = play.start(&patient(&[]))?;
    settled(&server, 2)?;
    server.freeze()?;
    let mut clients = Vec::new();
    for name in ["A", "B", "C", "D", "E"] {
        let mut client = play.connect(name, &server)?;
        client.get("/")?;
        clients.push(client);
    }
    let mark = server.mark();
    server.thaw_with_signal_to_main(libc::SIGTERM)?;
    let mut answered = 0;
    for mut client in clients {
        // Who has its answer, or the end, closes.
        answered += usize::from(matches!(came(&server, &mut client)?, Came::Answer(_)));
    }
    let after = server.mark();
    let (outcome, records) = ends_or_rests(&mut server, after)?;
    let accepted: Vec<i32> = records.iter().filter_map(Record::accepted).collect();
    let Outcome::Ended(usage) = outcome else {
        return case.part(
            "the server does not end",
            "Somebody is left, or main thinks so. Who is parked and owed nothing is \
             closed in each turn of the drain; and who parks or closes a client then \
             wakes main.",
            last_lines(&records),
        );
    };
    let listener = lines(&records, |r| r.role.as_deref() == Some("listener") && r.seq > mark);
    match (accepted.len(), answered, usage.exit) {
        (5, 5, Some(0)) => Ok(None),
        (5, 5, _) => strange_end(case, &usage, &records).map(Some),
        (5, _, _) => case.part(
            format!("all five were accepted, and {} closed without an answer", who(5 - answered)),
            "Whether a new client has asked for something, nobody has looked yet. A wait \
             with a limit of zero says it (`catch_up`): after the last accept, and before \
             those who are owed nothing are closed.",
            accepted.last().map_or(Vec::new(), |fd| lines(&records, about(*fd))),
        ),
        (n, ..) => case.part(
            format!("{n} were accepted; to close the listener was to reset the others"),
            "A connection in the accept queue is one that its client believes in. Accept \
             until EAGAIN, also if the flag was set before main saw the listener's \
             event, and close the listener then.",
            listener,
        ),
    }
}

fn idle(attempt: &Attempt) -> Part {
    let case = Case {
        did: "sent SIGTERM while A was idle, after its answer, and B had said nothing yet",
        expected: "both are closed, and the server ends at once with status 0",
        page: DRAIN,
    };
    let play = attempt.play();
    let mut server = play.start(&patient(&[]))?;
    let (mut a, mut b) = (play.connect("A", &server)?, play.connect("B", &server)?);
    let fds = [server.fd_of(a.local())?, server.fd_of(b.local())?];
    a.ask("/")?;
    let parked =
        |r: &Record| r.fd == Some(fds[0]) && matches!(r.op.as_deref(), Some("add" | "rearm"));
    server.wait_for("A to be parked again", |records| {
        (records.iter().filter(|r| parked(r)).count() >= 2).then_some(())
    })?;
    let mark = server.mark();
    server.signal(libc::SIGTERM)?;
    let (outcome, records) = ends_or_rests(&mut server, mark)?;
    let Outcome::Ended(usage) = outcome else {
        if let Some(verdict) = armed_for_writing(&records, fds[0], case)? {
            return Ok(Some(verdict));
        }
        return case.part(
            "the server waits for clients that are owed nothing",
            "They have no answer to come, and may stay for as long as they like. Take \
             out of the table who is parked and owed nothing (`take_idle`), and close \
             them (`dismiss`).",
            last_lines(&records),
        );
    };
    for (client, fd) in [&mut a, &mut b].into_iter().zip(fds) {
        let (rest, end) = client.rest()?;
        if (rest.len(), end) != (0, End::Eof) {
            let seen = format!("an idle client got {} bytes, then {end:?}", rest.len());
            return case.part(
                seen,
                "It should get the end of the stream, and nothing else.",
                lines(&records, about(fd)),
            );
        }
    }
    if usage.exit != Some(0) {
        return strange_end(case, &usage, &records).map(Some);
    }
    Ok(None)
}

fn behind(attempt: &Attempt) -> Part {
    // On a busy machine the signal may come late: then the handler is to sleep for longer.
    for ms in [600, 2000, 6000] {
        let (part, in_time) = behind_a_handler_of(attempt, ms)?;
        if part.is_some() || in_time {
            return Ok(part);
        }
    }
    Ok(None)
}

/// The verdict, and whether the stop came before the handler had slept.
fn behind_a_handler_of(attempt: &Attempt, ms: u32) -> Result<(Option<Verdict>, bool)> {
    let case = Case {
        did: "A asked for something that takes a while, then for /, and while the first \
              handler slept, SIGTERM was sent",
        expected: "both requests have arrived before the stop: both are answered",
        page: DRAIN,
    };
    let play = attempt.play();
    let mut server = play.start(&patient(&[]))?;
    let mut a: Client = in_handler(play, &server, "A", ms)?;
    let fd = server.fd_of(a.local())?;
    a.send(request("/").as_bytes())?;
    let mark = server.mark();
    server.signal(libc::SIGTERM)?;
    let mut answers = 0;
    while answers < 2 && matches!(came(&server, &mut a)?, Came::Answer(_)) {
        answers += 1;
    }
    drop(a);
    let after = server.mark();
    let (outcome, records) = ends_or_rests(&mut server, after)?;
    let trace = lines(&records, |r| r.seq > mark && about(fd)(r));
    let in_time = flight::is_heard_in_time(&records, mark);
    let judged = |part: Part| part.map(|part| (part, in_time));
    let Outcome::Ended(usage) = outcome else {
        let sleeps = main_sleeps(&records).is_some();
        let seen =
            if sleeps { "the server does not end" } else { "the server spins, and does not end" };
        return judged(case.part(
            seen,
            "`has_arrived` looks for one more request, once for each connection. Who has \
             asked for nothing more gets no further turn.",
            trace,
        ));
    };
    judged(match answers {
        2 if usage.exit == Some(0) => Ok(None),
        2 => strange_end(case, &usage, &records).map(Some),
        n => case.part(
            format!("A got {n} of its two answers"),
            "Its second request lay in the receive buffer when the stop came, and was \
             not looked for. `turn` asks twice: before an answer says that it is the \
             last one, and when all is sent (`has_arrived`). An answer that says \
             `Connection: close` is a promise to read no more.",
            trace,
        ),
    })
}

fn at_the_deadline(attempt: &Attempt) -> Part {
    let case = Case {
        did: "started it with --drain-timeout 0.2, and sent SIGTERM while A's handler \
              slept for 5 s",
        expected: "after 0.2 s the server ends all the same, with status 3, and says that \
                   somebody was cut off",
        page: DRAIN,
    };
    let play = attempt.play();
    let args = ["--workers", "2", "--drain-timeout", "0.2"];
    let args: Vec<&str> = args.iter().chain(&PATIENT).copied().collect();
    let mut server: Server = play.start(&args)?;
    let _a = in_handler(play, &server, "A", 5000)?;
    server.signal(libc::SIGTERM)?;
    // It may be busy until then: whether it ends is the question.
    let (outcome, records) = ends_or_rests(&mut server, u64::MAX)?;
    let Outcome::Ended(usage) = outcome else {
        return case.part(
            "the server does not end",
            "The drain has a deadline: how much of its time is left is the time limit of \
             its wait, and when none is left, it is over.",
            last_lines(&records),
        );
    };
    let slept = records.iter().any(|r| r.is_step("handler slept"));
    let said = records.iter().any(|r| r.note.contains("cut off"));
    match (usage.exit, slept, said) {
        (Some(3), false, true) => Ok(None),
        (_, true, _) => case.part(
            "the server ended when the handler did, after 5 s",
            "The drain has a deadline: how much of its time is left is the time limit of \
             its wait, and when none is left, it is over.",
            last_lines(&records),
        ),
        _ => strange_end(case, &usage, &records).map(Some),
    }
}
