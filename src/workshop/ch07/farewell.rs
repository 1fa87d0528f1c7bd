//! Step 5: a close in stages, and the end of those who still read when the server stops.

use super::look::{LONG, PATIENT, about, found_or_rests, lines, settled};
use super::room::reads_it_all;
use super::{Case, Part};
use crate::workshop::Attempt;
use common::lab::{Record, Result, Server};

pub(super) const CLOSED_AFTER_FIN: &str = "FIN was sent, and A was closed at once";

pub(super) const IN_STAGES: &str = "To close is to listen no longer: whatever A still sends is answered \
                                    with a reset, and what A has not received by then is lost to it. \
                                    `hang_up` says what comes next: `Next::Read` means that it is not \
                                    yet time to close.";

/// Whether the client with this descriptor, which has not ended its side, was closed after
/// FIN (the record `fin`) without being listened to: armed once more.
pub(super) fn closed_after_fin(server: &Server, fd: i32, fin: u64) -> Result<bool> {
    let next = |r: &Record| {
        r.seq > fin && r.fd == Some(fd) && (r.is_call("close") || r.want.as_deref() == Some("read"))
    };
    let next = found_or_rests(server, "what comes after FIN", |records| {
        records.iter().find(|r| next(r)).cloned()
    })?;
    Ok(next.is_some_and(|r| r.is_call("close")))
}

/// The whole answer is in the send buffer, and the client has not got it yet.
pub(super) fn who_still_reads(attempt: &Attempt) -> Part {
    let case = Case {
        did: "A asked for 20,000 bytes and did not read; when all of them were in the send buffer, \
              SIGTERM was sent",
        expected: "A is sent FIN behind its answer (`shutdown`), and is listened to until it has \
                   all of it",
        page: "ch07-2.html#the-code",
    };
    if let Some(verdict) = parted_with(attempt, 20_000, case)? {
        return Ok(Some(verdict));
    }
    let case = Case {
        did: "A asked for 3 MB and did not read; SIGTERM was sent; then A read",
        expected: "when the last of it is in the send buffer, A is sent FIN (`shutdown`), and is \
                   listened to until it has all of it",
        ..case
    };
    parted_with(attempt, 3_000_000, case)
}

fn parted_with(attempt: &Attempt, bytes: usize, case: Case) -> Part {
    let args = ["--workers", "2", "--drain-timeout", LONG];
    let args: Vec<&str> = args.iter().chain(&PATIENT).copied().collect();
    let server = attempt.start(&args)?;
    settled(&server, 2)?;
    let mut a = attempt.play().connect_small("A", &server)?;
    let fd = server.fd_of(a.local())?;
    a.get(&format!("/big?bytes={bytes}"))?;
    let written = server.wait_record("the answer", 0, |r| r.did("write", fd))?.seq;
    server.wait_record("A to be parked", written, |r| r.fd == Some(fd) && r.want.is_some())?;
    server.wait_until_quiet()?;
    server.signal(libc::SIGTERM)?;
    let is_end = |r: &Record| r.did("shutdown", fd) || r.is_call("close") && r.fd == Some(fd);
    // Who is parked and waits for room is sent the rest first.
    if server
        .records()
        .iter()
        .rfind(|r| r.fd == Some(fd))
        .is_some_and(|r| r.want.as_deref() == Some("write"))
        && let Some(verdict) = reads_it_all(&server, &mut a, bytes, case)?
    {
        return Ok(Some(verdict));
    }
    // The process may end with its client.
    let end = found_or_rests(&server, "the end of A", |records| {
        records.iter().find(|r| is_end(r)).cloned()
    });
    let end = match end {
        Ok(end) => end,
        Err(_) => server.records().into_iter().find(|r| is_end(r)),
    };
    if end.is_some_and(|end| end.is_call("shutdown")) {
        return Ok(None);
    }
    case.part(
        "A was closed at once, with its answer still on its way",
        "If A speaks on now, its bytes meet a closed socket: a reset, and what A has not read by \
         then is lost to it. Who is owed nothing may still be reading. `part` takes leave of it, \
         and says what is next: `Next::Read`, park it anew (`park_anew`; its timer ends the wait), \
         or `Next::Close` (`dismiss`).",
        lines(&server.records(), about(fd)),
    )
}
