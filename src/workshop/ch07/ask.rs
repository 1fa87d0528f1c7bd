//! The stretch: SIGUSR1 is a question.

use super::look::{
    Came, Outcome, PATIENT, came, ends_or_rests, found_or_rests, last_lines, lines, settled,
};
use super::vain::polls;
use super::{Case, EARLIER};
use crate::workshop::{Attempt, Verdict, passed};
use common::lab::record::Kind;
use common::lab::{Record, Result, Server};
use common::sys;

const CASE: Case = Case {
    did: "sent SIGUSR1 while nothing was going on",
    expected: "main wakes up, prints the line of its report once, and goes on",
    page: "ch07-1.html#the-code",
};

fn is_report(r: &Record) -> bool {
    r.kind == Kind::Log && r.note.contains("served ")
}

fn ask(server: &Server) -> Result<()> {
    // To the thread of a worker, where a thread can be chosen: the kernel may do so, too.
    if cfg!(target_os = "linux") {
        let worker = server.wait_record("a worker", 0, |r| r.is_step("waiting for work"))?.tid;
        sys::send_signal_to_thread(server.pid(), worker, libc::SIGUSR1)?;
        return Ok(());
    }
    server.signal(libc::SIGUSR1)
}

/// The one step.
pub(super) fn answers(attempt: &Attempt) -> Result<Verdict> {
    let args: Vec<&str> = ["--workers", "2"].iter().chain(&PATIENT).copied().collect();
    let mut server = attempt.start(&args)?;
    settled(&server, 2)?;
    let mut a = attempt.connect("A", &server)?;
    a.get("/")?;
    if !matches!(came(&server, &mut a)?, Came::Answer(_)) {
        return CASE.failed(
            "A's request before it got no answer",
            EARLIER,
            last_lines(&server.records()),
        );
    }
    for n in 1..=2 {
        server.wait_until_quiet()?;
        let mark = server.mark();
        ask(&server)?;
        let found = found_or_rests(&server, "the line", |records| {
            records.iter().find(|r| r.seq > mark && is_report(r)).cloned()
        });
        let line = match found {
            Err(polls_only) if polls(&server.records()) => return Err(polls_only),
            found => found,
        };
        let Ok(line) = line else {
            let (usage, records) = server.wait_for_end()?;
            let (seen, mistake) = match usage.signal {
                Some(libc::SIGUSR1) => (
                    "SIGUSR1 has ended the process".to_string(),
                    "The kernel does so with a process that has said nothing about this \
                     signal. `signal_hook::low_level::pipe::register_raw` installs a handler \
                     that sends a byte; section 7.1 has the rest.",
                ),
                _ => {
                    (format!("the process has ended: {usage:?}"), "It was a question, not a stop.")
                }
            };
            return CASE.failed(seen, mistake, last_lines(&records));
        };
        let line = match line {
            Some(line) => line,
            None => match not_at_once(attempt, &server, mark)? {
                Ok(line) => line,
                Err(verdict) => return Ok(verdict),
            },
        };
        if line.thread != "main" {
            return CASE.failed(
                format!("the line was printed by {}, in the handler", line.thread),
                "A handler runs between any two instructions of its thread, which may have \
                 the lock of stderr or of the allocator at that moment. Then it waits for \
                 itself. It may set an atomic variable and send a byte; main does the rest.",
                lines(&server.records(), |r| r.seq > mark),
            );
        }
        let (outcome, records) = ends_or_rests(&mut server, mark)?;
        let printed = records.iter().filter(|r| r.seq > mark && is_report(r)).count();
        let waits = records.iter().filter(|r| r.seq > mark && r.is_wait()).count();
        match outcome {
            Outcome::Rests if printed == 1 && waits < 10 => {}
            Outcome::Ended(usage) => {
                let seen = format!("after the line the process ended: {usage:?}");
                return CASE.failed(seen, "It was a question, not a stop.", last_lines(&records));
            }
            _ => {
                return CASE.failed(
                    format!(
                        "it was one question, and it was answered {printed} times (question \
                         {n})"
                    ),
                    "The byte is still there, so the queue reports it again and again. Who is \
                     told must take it out.",
                    lines(&records, |r| r.seq > mark),
                );
            }
        }
    }
    a.get("/")?;
    if !matches!(came(&server, &mut a)?, Came::Answer(_)) {
        return CASE.failed(
            "A's request after it got no answer",
            EARLIER,
            last_lines(&server.records()),
        );
    }
    let mark = server.mark();
    server.signal(libc::SIGTERM)?;
    match ends_or_rests(&mut server, mark)? {
        (Outcome::Ended(usage), _) if usage.exit == Some(0) => {
            passed("main prints a line for each question, and SIGTERM stops it as ever")
        }
        (_, records) => CASE.failed(
            "SIGTERM does not stop it any more",
            "The two signals have different meanings: each needs a flag, or a \
             descriptor, of its own.",
            last_lines(&records),
        ),
    }
}

/// The ends of all socket pairs: the wake-up's, and those of a pair of the learner's own.
fn bells(records: &[Record]) -> Vec<i32> {
    let pairs = records.iter().filter(|r| r.is_call("socketpair"));
    let ends = pairs.flat_map(|r| r.note.trim_matches(['[', ']']).split(", "));
    ends.filter_map(|fd| fd.parse().ok()).collect()
}

/// All threads sleep, and there is no line. Somebody connects: main wakes up for that, if
/// it has not woken up for the question.
fn not_at_once(
    attempt: &Attempt,
    server: &Server,
    mark: u64,
) -> Result<std::result::Result<Record, Verdict>> {
    let _b = attempt.connect("B", server)?;
    let woke =
        server.wait_record("main to wake up", mark, |r| r.is_wait() && !r.events.is_empty())?;
    let line = found_or_rests(server, "the line", |records| {
        records.iter().find(|r| r.seq > mark && is_report(r)).cloned()
    })?;
    let records = server.records();
    let listener = records.iter().find(|r| r.is_call("listen")).and_then(|r| r.fd);
    let for_the_guest = woke.events.iter().any(|e| Some(e.fd) == listener);
    let once = |r: &Record| {
        r.op.as_deref() == Some("add")
            && r.mode.as_deref() == Some("oneshot")
            && r.fd.is_some_and(|fd| bells(&records).contains(&fd))
    };
    let once = records.iter().any(once);
    let (seen, mistake) = match line {
        Some(line) if !for_the_guest => return Ok(Ok(line)),
        _ if once => (
            "the byte has come, and main slept on: the wake-up is watched for one event only",
            "`Mode::Oneshot` reports once, and then nothing until somebody arms it again. A wake-up \
             that is to be heard each time is watched with `Mode::Level`, and read empty.",
        ),
        Some(_) => (
            "main slept on. The line came when somebody else connected",
            "The flag is set, and nothing has made main's wait return: a worker ran the \
             handler. It takes a byte, sent into a socket that the queue watches.",
        ),
        None => (
            "no line comes",
            "The signal is taken, and nobody prints. `log::line` prints, and `report` is \
             what it prints.",
        ),
    };
    CASE.failed(seen, mistake, lines(&records, |r| r.seq > mark)).map(Err)
}
