//! Step 1: a stop is an event.

use super::Case;
use super::look::{LONG, Outcome, PATIENT, ends_or_rests, last_lines, lines, settled, wake_ends};
use crate::workshop::{Attempt, Verdict, passed};
use common::lab::{Record, Result};
use common::sys::{self, Usage};

const SIGNALS: &str = "ch07-1.html#the-code";

/// The options of a server whose drain takes as long as it must, so that it is seen
/// to sleep when it should have ended.
pub(super) fn patient(more: &[&'static str]) -> Vec<&'static str> {
    let base = ["--workers", "2", "--drain-timeout", LONG];
    base.iter().chain(&PATIENT).chain(more).copied().collect()
}

fn name(signal: i32) -> &'static str {
    if signal == libc::SIGINT { "SIGINT" } else { "SIGTERM" }
}

/// The server came to an end that is neither status 0 nor what a check wants to see.
pub(super) fn strange_end(case: Case, usage: &Usage, records: &[Record]) -> Result<Verdict> {
    let (seen, mistake) = match (usage.signal, usage.exit) {
        (Some(signal @ (libc::SIGINT | libc::SIGTERM)), _) => (
            format!("{} has ended the process", name(signal)),
            "Nobody has said what is to happen at this signal, so the kernel does the \
             default. `Stop::on_signals` installs the handlers: in `Server::new`, before \
             there are threads.",
        ),
        (Some(signal), _) => (
            format!("the process was ended by signal {signal}"),
            "It has not ended by itself. What it said last stands below.",
        ),
        (None, exit) => (
            format!("its exit status is {}", exit.unwrap_or(-1)),
            "Status 0 says that nothing was cut off; 3, that the drain deadline has cut \
             somebody off. What it said last stands below.",
        ),
    };
    case.failed(seen, mistake, last_lines(records))
}

/// Step 1.
pub(super) fn is_an_event(attempt: &Attempt) -> Result<Verdict> {
    let play = attempt.play();
    let case = Case {
        did: "sent SIGINT while nothing was going on",
        expected: "main wakes up, leaves its loop, and the process ends with status 0",
        page: SIGNALS,
    };
    let mut server = play.start(&patient(&[]))?;
    settled(&server, 2)?;
    let mark = server.mark();
    server.signal(libc::SIGINT)?;
    let (outcome, records) = ends_or_rests(&mut server, mark)?;
    let ends = wake_ends(&records);
    if let Outcome::Ended(usage) = &outcome
        && usage.exit != Some(0)
    {
        return strange_end(case, usage, &records);
    }
    let watched =
        |r: &Record| r.op.as_deref() == Some("add") && r.fd.is_some_and(|fd| ends.contains(&fd));
    if !records.iter().any(watched) {
        return case.failed(
            "the flag was set, and it is chance whether main sees it. The wake-up is not \
             watched",
            "The kernel lets any thread run the handler. If it is main, its wait ends \
             with EINTR. If it is a worker, or if main has looked at the flag and not \
             yet begun its wait, main sleeps on with the flag set. The byte is there for \
             that, and only a descriptor that the queue watches wakes main: \
             `stop.watch(&queue)`.",
            lines(&records, |r| r.is_call("socketpair") || r.op.as_deref() == Some("add")),
        );
    }
    if !matches!(outcome, Outcome::Ended(_)) {
        return case.failed(
            "main woke up, and went back into its wait",
            "The flag is set, and nobody has looked at it. It is the condition of the \
             loop: `while !server.stop.is_requested()`.",
            lines(&records, |r| r.seq > mark),
        );
    }
    if cfg!(target_os = "linux") {
        let case = Case { did: "sent SIGTERM to the thread of a worker", ..case };
        let mut server = play.start(&patient(&[]))?;
        settled(&server, 2)?;
        let worker = server.wait_record("a worker", 0, |r| r.is_step("waiting for work"))?.tid;
        let mark = server.mark();
        sys::send_signal_to_thread(server.pid(), worker, libc::SIGTERM)?;
        let (outcome, records) = ends_or_rests(&mut server, mark)?;
        match outcome {
            Outcome::Ended(usage) if usage.exit == Some(0) => {
                let ends = wake_ends(&records);
                let heard = |r: &Record| {
                    r.seq > mark && r.is_call("read") && r.fd.is_some_and(|fd| ends.contains(&fd))
                };
                if !records.iter().any(heard) {
                    return case.failed(
                        "main woke up because of the byte, and left it where it was. The byte is \
                         still there",
                        "The queue watches the wake-up level-triggered, so it goes on reporting \
                         it: with the drain of step 2 each wait will return at once. Who is told \
                         must listen: in `dispatch`, `stop.heard()` takes the bytes out.",
                        lines(&records, |r| r.seq > mark && r.thread == "main"),
                    );
                }
            }
            Outcome::Ended(usage) => return strange_end(case, &usage, &records),
            _ => {
                return case.failed(
                    "main does not end",
                    "The byte has come, and main goes on all the same. Is the flag the \
                     condition of the loop?",
                    lines(&records, |r| r.seq > mark),
                );
            }
        }
    }
    passed("SIGINT and SIGTERM end it with status 0, whichever thread runs the handler")
}
