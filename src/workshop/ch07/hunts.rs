//! The hunts: each looks for what its bug does, and for what a repair may break.

use super::look::{
    Came, LONG, Outcome, PATIENT, about, came, ends_or_rests, found_or_rests, last_lines, lines,
    settled, wake_ends,
};
use super::room::{reads_it_all, rests_armed_for_reading, when_it_is_full};
use super::{Case, EARLIER, Part, farewell, first, flight, late, resets};
use crate::workshop::{Attempt, Finding, Verdict, passed};
use common::lab::{Client, Record, Result, Server};

pub(super) const DRAIN: &str = "ch07-2.html#the-code";
const WRITE: &str = "ch07-4.html#the-code";
pub(super) const BYTES: usize = 3_000_000;

pub(super) fn start(attempt: &Attempt, workers: &str) -> Result<Server> {
    let args = ["--workers", workers, "--drain-timeout", LONG];
    let args: Vec<&str> = args.iter().chain(&PATIENT).copied().collect();
    let server = attempt.start(&args)?;
    settled(&server, workers.parse().unwrap_or(1))?;
    Ok(server)
}

/// What the hunt's own bug does is shown, and not explained: to find out why is the hunt,
/// and the last hint says it.
fn unexplained(attempt: &Attempt, verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Failed(finding) if finding.seen.contains(attempt.exercise.start.says) => {
            Finding { mistake: String::new(), ..finding }.into()
        }
        verdict => verdict,
    }
}

/// `late`, 1.
pub(super) fn ends_in_time(attempt: &Attempt) -> Result<Verdict> {
    // On a busy machine the signal may come late: then the handler is to sleep for longer.
    for ms in [600, 2000, 6000] {
        let (part, in_time) = ends_with_a_handler_of(attempt, ms)?;
        if let Some(verdict) = part {
            return Ok(verdict);
        }
        if in_time {
            break;
        }
    }
    match resets::at_a_stop(attempt)? {
        Some(verdict) => Ok(verdict),
        None => passed("the stop is over when A has its answer, or has gone"),
    }
}

/// The verdict, and whether the stop came before the handler had slept.
fn ends_with_a_handler_of(attempt: &Attempt, ms: u32) -> Result<(Option<Verdict>, bool)> {
    let case = Case {
        did: "A asked, with `Connection: close`, for something that takes a while, and \
              SIGTERM was sent meanwhile",
        expected: "A gets its answer, and with it the server ends: nobody else is there",
        page: DRAIN,
    };
    let mut server = start(attempt, "2")?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    let request = format!("GET /slow?ms={ms} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n");
    a.send(request.as_bytes())?;
    server.wait_record("the handler to sleep", 0, |r| r.is_step("handler sleeps"))?;
    let mark = server.mark();
    server.signal(libc::SIGTERM)?;
    let (outcome, records) = ends_or_rests(&mut server, mark)?;
    let slept = records.iter().find(|r| r.is_step("handler slept")).map_or(u64::MAX, |r| r.seq);
    let in_time = flight::is_heard_in_time(&records, mark);
    if let Some(trace) = woken_before_the_close(&records, fd, mark) {
        let part = case.part(
            "main was woken first, and A was closed after that",
            "Main looks at once, and A is still there; if it is quick, it sleeps again before A \
             is closed, and nobody wakes it then. To wake it is the last thing that is done \
             for a client: after the close.",
            trace,
        )?;
        return Ok((part, in_time));
    }
    let part = match outcome {
        Outcome::Ended(usage) if usage.exit == Some(0) && !a.rest()?.0.is_empty() => {
            let waits = flight::waits_without_a_reason(&records, mark, slept);
            if waits > flight::OFTEN {
                let seen = format!("main's wait returned {waits} times while A's handler slept");
                let mistake = "To look again every few milliseconds hides that nobody tells main, \
                               and costs a wake-up each time.";
                let waits = |r: &Record| r.seq > mark && r.thread == "main" && r.is_wait();
                return Ok((case.part(seen, mistake, lines(&records, waits))?, in_time));
            }
            None
        }
        Outcome::Ended(usage) => {
            let seen = format!("it ended with {usage:?}");
            case.part(seen, "A was owed an answer.", last_lines(&records))?
        }
        Outcome::Spins => case.part("the server spins", EARLIER, last_lines(&records))?,
        Outcome::Rests => case.part(
            "A is answered and closed, and all threads sleep; the server ends when the \
             drain's time is up",
            "",
            lines(&records, |r| r.seq > mark),
        )?,
    };
    Ok((part, in_time))
}

/// Whether a worker woke main on account of a client before it closed that client, and not
/// after it: the lines that show it.
pub(super) fn woken_before_the_close(
    records: &[Record],
    fd: i32,
    mark: u64,
) -> Option<Vec<String>> {
    let ends = wake_ends(records);
    let rings = |r: &Record| r.seq > mark && rings(r, &ends);
    // Main needs not be told of what it does itself.
    let by_worker = |r: &Record| r.seq > mark && r.did("close", fd) && r.thread != "main";
    let closed = records.iter().find(|r| by_worker(r))?;
    let last = records.iter().rfind(|r| rings(r))?;
    let shown = |r: &Record| rings(r) || r.seq == closed.seq;
    (last.seq < closed.seq).then(|| lines(records, shown))
}

/// A worker wakes main.
fn rings(r: &Record, ends: &[i32]) -> bool {
    r.is_call("write") && r.thread != "main" && r.fd.is_some_and(|fd| ends.contains(&fd))
}

/// `late`, 2: main is told when it waits for somebody to leave, and only then.
pub(super) fn woken_for_a_reason(attempt: &Attempt) -> Result<Verdict> {
    first(
        attempt,
        &[not_for_nothing, late::too_many],
        "main is woken when it waits for somebody to leave, and only then",
    )
}

fn not_for_nothing(attempt: &Attempt) -> Part {
    let case = Case {
        did: "A, B and C came one after the other, each with one request and `Connection: \
              close`",
        expected: "nobody waits for room and nobody stops the server, so main is not woken \
                   when they leave",
        page: DRAIN,
    };
    let server = start(attempt, "2")?;
    let ends = wake_ends(&server.records());
    for name in ["A", "B", "C"] {
        let mut client = attempt.connect(name, &server)?;
        let fd = server.fd_of(client.local())?;
        let mark = server.mark();
        client.send(b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")?;
        client.rest()?;
        server.wait_record("it to be closed", mark, |r| r.did("close", fd))?;
    }
    server.wait_until_quiet()?;
    let records = server.records();
    let rings = |r: &Record| rings(r, &ends);
    match records.iter().filter(|r| rings(r)).count() {
        0 => Ok(None),
        n => case.part(
            format!("main is woken for nothing: {n} bytes for three clients that left"),
            "A wake-up costs a write, a wait that returns, a read, and two switches \
             between threads. `wants_room` and `stop.is_requested` say when main waits \
             for somebody to leave.",
            lines(&records, |r| rings(r) || r.events.iter().any(|e| ends.contains(&e.fd))),
        ),
    }
}

/// A has asked for more than the send buffer takes, and for a close after it.
fn last_and_long(attempt: &Attempt, server: &Server) -> Result<Client> {
    let mut a = attempt.play().connect_small("A", server)?;
    let head = format!(
        "GET /big?bytes={BYTES} HTTP/1.1\r\nHost: lab\r\nConnection: \
                        close\r\n\r\n"
    );
    a.send(head.as_bytes())?;
    Ok(a)
}

const CUT: Case = Case {
    did: "with one worker: A asked for 3 MB with `Connection: close`, and did not read at \
          first; B asked for /; A sent 1000 bytes that nobody wants, and then read",
    expected: "A waits for room without a worker, and when it reads, its answer arrives whole; \
               then FIN says that this was all",
    page: WRITE,
};

/// `cut`.
pub(super) fn last_answer_is_whole(attempt: &Attempt) -> Result<Verdict> {
    let server = start(attempt, "1")?;
    let mut a = last_and_long(attempt, &server)?;
    let fd = server.fd_of(a.local())?;
    if let Some(verdict) = when_it_is_full(&server, fd, CUT)? {
        return Ok(unexplained(attempt, verdict));
    }
    let mut b = attempt.connect("B", &server)?;
    b.get("/")?;
    if !matches!(came(&server, &mut b)?, Came::Answer(_)) {
        let mistake = "A slow reader must not keep the only worker.";
        return CUT.failed("B got no answer meanwhile", mistake, last_lines(&server.records()));
    }
    // They lie in the receive buffer when everything is sent.
    a.send(&[b'x'; 1000])?;
    let whole = reads_it_all(&server, &mut a, BYTES, CUT)?;
    let end = |r: &Record| r.did("shutdown", fd) || r.is_call("close") && r.fd == Some(fd);
    let end =
        found_or_rests(&server, "the end of A", |records| records.iter().find(|r| end(r)).cloned());
    match (end, whole) {
        (Ok(Some(end)), _) if end.is_call("close") => CUT.failed(
            "A was closed at once, with bytes of A in the receive buffer",
            "The kernel answers those bytes with a reset, and what A has not received by then \
             is lost to it. Who is finished leaves in stages: first FIN (`shutdown`), then it \
             is listened to until it has gone. That is `hang_up`.",
            lines(&server.records(), about(fd)),
        ),
        (_, Some(verdict)) => Ok(verdict),
        (end, None) => match end? {
            Some(end) if farewell::closed_after_fin(&server, fd, end.seq)? => CUT.failed(
                farewell::CLOSED_AFTER_FIN,
                farewell::IN_STAGES,
                lines(&server.records(), about(fd)),
            ),
            Some(_) => passed("3,000,000 bytes, and then the end; and B was answered meanwhile"),
            None => CUT.failed(
                "A has its answer, and its connection does not end",
                "A asked for a close: FIN says that everything was sent (`hang_up`).",
                lines(&server.records(), about(fd)),
            ),
        },
    }
}

/// `restless`.
pub(super) fn comes_to_rest(attempt: &Attempt) -> Result<Verdict> {
    let case = Case {
        did: "with one worker: A asked for 3 MB and read slowly; then B asked for /, and \
              then nobody anything",
        expected: "A's answer arrives whole, B has its own, and then all threads sleep",
        page: WRITE,
    };
    let server = start(attempt, "1")?;
    let mut a = attempt.play().connect_small("A", &server)?;
    let of_a = server.fd_of(a.local())?;
    a.get(&format!("/big?bytes={BYTES}"))?;
    if let Some(verdict) = when_it_is_full(&server, of_a, case)? {
        return Ok(verdict);
    }
    if let Some(verdict) = reads_it_all(&server, &mut a, BYTES, case)? {
        return Ok(verdict);
    }
    let mut b = attempt.connect("B", &server)?;
    let fd = server.fd_of(b.local())?;
    b.get("/")?;
    if !matches!(came(&server, &mut b)?, Came::Answer(_)) {
        return case.failed("B got no answer", EARLIER, last_lines(&server.records()));
    }
    for fd in [fd, of_a] {
        if let Some(verdict) = rests_armed_for_reading(&server, fd, case)? {
            return Ok(unexplained(attempt, verdict));
        }
    }
    passed("all threads sleep, and both clients are armed for reading")
}
