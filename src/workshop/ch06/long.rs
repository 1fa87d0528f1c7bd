//! Build it: an answer that is longer than one write.

use super::super::{Attempt, Finding, Outcome, Reached};
use crate::lab::record::Kind;
use crate::lab::{Record, Result};

/// More than any one write of a turn; and less than a send buffer takes on most systems.
const LONG: usize = 100_000;

/// More than all buffers on the way take: 8 MiB.
const TOO_LONG: usize = 8 << 20;

const PAGE: &str = "ch06.html#one-turn";

/// Long answers: one is read, and comes whole; one is not, and keeps no worker busy.
pub(super) fn answers(attempt: &Attempt) -> Result<Option<Finding>> {
    match read(attempt)? {
        Some(finding) => Ok(Some(finding)),
        None => unread(attempt),
    }
}

fn read(attempt: &Attempt) -> Result<Option<Finding>> {
    let server = attempt.start(&["--workers", "1"])?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    a.get(&format!("/big?bytes={LONG}"))?;
    let outcome = attempt.answer_or_rest(&server, &mut a)?;
    let seen = match outcome {
        Outcome::Answered(answer) if answer.body.len() == LONG => return Ok(None),
        Outcome::Answered(answer) => {
            format!("the answer {}, with {} bytes", answer.status, answer.body.len())
        }
        Outcome::Ended(bytes, _) => format!("{} bytes, then the end", bytes.len()),
        Outcome::Asleep(_) => format!("{} bytes, and all threads sleep", a.untaken()),
        Outcome::Spins(_) => format!("{} bytes, and the server spins", a.untaken()),
    };
    let records = server.records();
    let writes = || records.iter().filter(|r| r.is_call("write") && r.fd == Some(fd));
    // Who is told that there is no room may cut the answer off, until chapter 7.
    if writes().any(|r| r.errno.is_some() || r.ret < offered(r)) {
        return Ok(None);
    }
    Ok(Some(
        Finding::new(
            format!("A asks for {LONG} bytes, and reads what comes"),
            "the answer, whole",
            seen,
        )
        .usually(
            "`send` writes so many bytes at most, and says how far it came. `Sent::More`: there is \
             more to write, and the kernel has room for it; so the connection wants another turn.",
        )
        .shown_by(writes())
        .page(PAGE),
    ))
}

/// How many bytes were offered: `write(7, 65536)`.
fn offered(write: &Record) -> Option<i64> {
    write.args.rsplit(", ").next()?.parse().ok()
}

/// The worker is told that there is no room: it does not ask again and again.
fn unread(attempt: &Attempt) -> Result<Option<Finding>> {
    let server = attempt.start(&["--workers", "1"])?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    a.get(&format!("/big?bytes={TOO_LONG}"))?;
    let full = |r: &Record| r.is_call("write") && r.fd == Some(fd) && r.errno.is_some();
    let reached = attempt.until(&server, "its end", |records| {
        records.iter().any(|r| r.did("close", fd)).then_some(())
    })?;
    // Who sleeps waits for room: that is more than was asked.
    let Reached::Spins(_) = reached else { return Ok(None) };
    let records = server.records();
    let times = records.iter().filter(|r| full(r)).count();
    let of_it = |r: &&Record| r.kind != Kind::Log && r.fd == Some(fd);
    let last: Vec<&Record> = records.iter().filter(of_it).collect();
    Ok(Some(
        Finding::new(
            format!("A asks for {TOO_LONG} bytes, and reads nothing"),
            "the worker learns that the send buffer is full, once, and gives up this client \
             (`Next::Write`: chapter 7 knows more)",
            format!("the worker asks a full send buffer {times} times"),
        )
        .usually(
            "`Sent::Full` is not `Sent::More`: there is no room, and there will be none before \
             the client reads. `Next::Again` sends the next worker to the same wall.",
        )
        .shown_by(last[last.len().saturating_sub(6)..].iter().copied())
        .page(PAGE),
    ))
}
