//! Many at once: more in the accept queue than one wait brings, and one that asks in the moment
//! in which others are late.

use std::time::Duration;

use super::drain::DRAIN;
use super::look::{Came, LONG, Outcome, about, came, ends_or_rests, last_lines, lines, settled};
use super::stop::{patient, strange_end};
use super::{Case, Part, vain};
use crate::workshop::Attempt;
use common::lab::record::Kind;
use common::lab::{Client, Record, Result};
use common::sys;

/// More than `EVENTS`.
const CROWD: usize = 600;

/// Whether an accept queue takes so many, and there are descriptors for them.
pub(in crate::workshop) fn is_possible() -> bool {
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap_or_default();
    let most: usize = most.trim().parse().unwrap_or(0);
    let descriptors = sys::raise_descriptor_limit().unwrap_or(0);
    most > CROWD + 100 && descriptors > 2 * CROWD as u64
}

/// Step 2: a stop, with a crowd in the accept queue.
pub(super) fn in_the_accept_queue(attempt: &Attempt) -> Part {
    let case = Case {
        did: "stopped the process (SIGSTOP), let 600 clients connect and ask, sent SIGTERM, and let \
              it go on",
        expected: "all of them are accepted and answered, and the server ends with status 0",
        page: DRAIN,
    };
    if !is_possible() {
        return Ok(None);
    }
    let mut server = attempt.play().start(&patient(&[]))?;
    settled(&server, 2)?;
    server.freeze()?;
    let connect = |n| {
        let mut client = attempt.play().connect_quietly(&format!("C{n}"), &server)?;
        client.send_quietly(common::lab::client::request("/").as_bytes())?;
        Ok(client)
    };
    let clients: Vec<Client> = (0..CROWD).map(connect).collect::<Result<_>>()?;
    let mark = server.mark();
    server.thaw_with_signal_to_main(libc::SIGTERM)?;
    let mut answered = 0;
    for mut client in clients {
        answered += usize::from(matches!(came(&server, &mut client)?, Came::Answer(_)));
    }
    let (outcome, records) = ends_or_rests(&mut server, u64::MAX)?;
    if answered < CROWD {
        let accepted = records.iter().filter_map(Record::accepted).count();
        let of_listener = |r: &Record| {
            r.seq > mark && r.role.as_deref() == Some("listener") && r.kind == Kind::Call
        };
        return case.part(
            format!("{accepted} were accepted, and {answered} answered"),
            "Who accepts so many at once and no more has to say that there may be others: \
             `accept_all` returns `true` only if `accept` has said EAGAIN. To close the listener \
             before that is to reset who is still in its accept queue.",
            lines(&records, of_listener),
        );
    }
    match outcome {
        Outcome::Ended(usage) if usage.exit == Some(0) => Ok(None),
        Outcome::Ended(usage) => strange_end(case, &usage, &records).map(Some),
        _ => case.part("all are answered, and the server does not end", "", last_lines(&records)),
    }
}

/// How long who connects may take for its first head, and how many take longer.
const HEAD: Duration = Duration::from_millis(400);
const LATE: u32 = 24;

/// How far they are apart, and how long before the first and after the last of them is late B
/// asks.
const APART: Duration = Duration::from_millis(3);
const AROUND: Duration = Duration::from_millis(10);

/// Step 5: to look at those who are late asks the queue again, and what it says takes the
/// place of what main's own wait has brought.
pub(super) fn who_asks_when_others_are_late(attempt: &Attempt) -> Part {
    let case = Case {
        did: "started it with --header-timeout 0.4; A and many others sent half a head each; when \
              they were late, B asked for / again and again",
        expected: "B is answered each time, whoever else is late",
        page: "ch07-5.html#the-code",
    };
    let args = ["--workers", "2", "--header-timeout", "0.4", "--idle-timeout", LONG];
    let server = attempt.start(&args)?;
    settled(&server, 2)?;
    let mut b = attempt.play().connect_quietly("B", &server)?;
    let fd = server.fd_of(b.local())?;
    b.ask("/")?;
    let mut late = Vec::new();
    for n in 0..LATE {
        let mut client = attempt.play().connect_quietly(&format!("A{n}"), &server)?;
        client.send_quietly(b"GET / HT")?;
        late.push(client);
        std::thread::sleep(APART);
    }
    let accepted = |client: &Client| server.accept_of(client.local()).map(|r| r.us);
    let us = |time: Duration| time.as_micros() as u64;
    let first = accepted(&late[0])? + us(HEAD) - us(AROUND);
    let last = accepted(&late[late.len() - 1])? + us(HEAD) + us(AROUND);
    let left = first.saturating_sub(sys::monotonic_us());
    std::thread::sleep(Duration::from_micros(left));
    while sys::monotonic_us() < last {
        b.get("/")?;
        if matches!(came(&server, &mut b)?, Came::Answer(_)) {
            continue;
        }
        let records = server.records();
        let seen = "one of B's requests is not answered, and all threads sleep";
        let trace = lines(&records, about(fd));
        let mistake = if vain::event_is_lost(&records, fd) { LATE_FIRST } else { super::EARLIER };
        return case.part(seen, mistake, trace);
    }
    attempt.finish(server)?;
    Ok(None)
}

const LATE_FIRST: &str = "A wait has reported B, and nobody was given B: `expire` asks the queue again \
                          (`catch_up`), and what that brings takes the place of the events before it. \
                          First dispatch what the wait has brought, and hand it over; then look at \
                          those whose time is up.";
