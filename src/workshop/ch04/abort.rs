//! Errors of accept that no client can cause for certain on Linux: one that is about one
//! client only, and one about the whole system. strace can.

use super::{is_op, listener};
use crate::workshop::inject::Injection;
use crate::workshop::{Attempt, Finding, Verdict, failed, passed};
use common::lab::{Record, Result};

/// The next one is accepted all the same, before the next wait.
pub(super) fn goes_on(a: &Attempt) -> Result<Verdict> {
    const NOT_CHECKED: &str = "not checked, for want of an strace that may attach: ECONNABORTED";
    let server = a.start(&[])?;
    let injection = Injection::once(server.pid().into(), "accept,accept4", "ECONNABORTED");
    let Some(_injection) = injection else { return passed(NOT_CHECKED) };
    let listener = server.wait_for("its listen", listener)?;
    let _client = a.connect("A", &server)?;
    let begins = |r: &Record| r.is_wait_enter() || r.is_wait() || is_op(r, "delete", listener);
    let after = server.wait_for("what follows the failed accept", |records| {
        let is_failed = |r: &Record| r.failed("accept", "ECONNABORTED");
        let accepted = records.iter().position(|r| r.accepted().is_some());
        let Some(failed) = records.iter().position(is_failed) else {
            return accepted.map(|_| Vec::new());
        };
        let next = |r: &Record| r.accepted().is_some() || begins(r);
        let next = failed + 1 + records[failed + 1..].iter().position(next)?;
        Some(records[failed..=next].to_vec())
    })?;
    let Some(next) = after.last() else { return passed(NOT_CHECKED) };
    let seen = match next.accepted() {
        Some(_) => return passed("ECONNABORTED, and the next one was accepted at once"),
        None if is_op(next, "delete", listener) => "The listener is taken out of the event queue.",
        None => "The next wait begins, and A has not been accepted.",
    };
    failed(
        Finding::new(
            "One client has gone again, so accept says ECONNABORTED, once; A waits behind it.",
            "A is accepted before the next wait.",
            seen,
        )
        .usually(
            "That error is about one client only, and A is fine: go on with the loop. Which errors \
             are of this kind says sys::is_about_one_client(&error).",
        )
        .shown_by(&after)
        .page("ch04.html#accept-when-it-fails"),
    )
}

/// What is wrong with how an error is taken that is about us, and is not EMFILE.
pub(super) fn goes_on_at_enfile(a: &Attempt) -> Result<Option<Finding>> {
    let server = a.start(&[])?;
    let injection = Injection::once(server.pid().into(), "accept,accept4", "ENFILE");
    let Some(_injection) = injection else { return Ok(None) };
    let listener = server.wait_for("its listen", listener)?;
    let _client = a.connect("A", &server)?;
    let after = server.wait_for("what follows the failed accept", |records| {
        let is_failed = |r: &Record| r.failed("accept", "ENFILE");
        let Some(failed) = records.iter().position(is_failed) else {
            return records.iter().any(|r| r.accepted().is_some()).then(Vec::new);
        };
        let next = |r: &Record| r.is_call("accept") || is_op(r, "delete", listener);
        let next = failed + 1 + records[failed + 1..].iter().position(next)?;
        Some(records[failed..=next].to_vec())
    })?;
    Ok(after.last().filter(|next| next.is_call("accept")).map(|_| {
        Finding::new(
            "The whole system has no descriptor left, so accept says ENFILE, once.",
            "The listener leaves the event queue, as at EMFILE.",
            "accept is called again.",
        )
        .usually(
            "EMFILE is not the only error that is about us: after ENFILE, ENOBUFS or ENOMEM the \
             next accept fails as well. Which errors are about one client only says \
             sys::is_about_one_client(&error); all others pause.",
        )
        .shown_by(&after)
        .page("ch04.html#accept-when-it-fails")
    }))
}
