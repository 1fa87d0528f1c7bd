//! A client that the queue does not take: strace brings it about, once.

use crate::workshop::inject::{Injection, is_possible};
use crate::workshop::{Attempt, Finding, Outcome, Reached};
use common::lab::Result;

/// What is wrong with how that is taken; nothing where it cannot be brought about.
pub(super) fn finding(attempt: &Attempt) -> Result<Option<Finding>> {
    // (What calls libkqueue makes is its own affair.)
    if cfg!(feature = "libkqueue") {
        return Ok(None);
    }
    let server = attempt.start(&[])?;
    server.wait_until_asleep()?;
    let injection = Injection::once(server.pid().into(), "epoll_ctl", "ENOMEM");
    let Some(_injection) = injection else { return Ok(None) };
    let a = attempt.connect("A", &server)?;
    let accept = server.accept_of(a.local())?;
    let fd = server.fd_of(a.local())?;
    let finding = |expected: &str, seen: &str| {
        let did = "A connects, and the kernel has no memory to watch it: the add fails (ENOMEM).";
        let records = server.records();
        let since = records.iter().filter(|r| r.seq >= accept.seq && !r.is_enter());
        Finding::new(did, expected, seen).shown_by(since.take(8)).page("ch03.html#the-code")
    };
    let closed = attempt.until(&server, "A's close", |records| {
        let failed = records.iter().find(|r| r.seq > accept.seq && r.op.as_deref() == Some("add"));
        let watched = failed.is_some_and(|r| r.errno.is_none());
        let closed = records.iter().any(|r| r.seq > accept.seq && r.did("close", fd));
        (watched || closed).then_some(())
    })?;
    if !matches!(closed, Reached::Yes(())) {
        return Ok(Some(finding("A is closed.", "A stays, and nobody watches it.").usually(
            "What it says, nobody will hear. Who cannot be watched is not kept: add it to the queue \
             first, and to the map when that has gone well.",
        )));
    }
    let mut b = attempt.connect("B", &server)?;
    b.get("/")?;
    Ok(match attempt.answer_or_rest(&server, &mut b)? {
        Outcome::Answered(_) => None,
        _ => Some(
            finding("B comes after that, and is answered.", "B is not.")
                .usually("An error with one client is that client's alone: say it, and go on."),
        ),
    })
}

/// What was left out, if it was.
pub(super) fn not_checked() -> &'static str {
    match cfg!(feature = "libkqueue") || is_possible() {
        true => "",
        false => " (not checked, for want of an strace that may attach: an add that fails)",
    }
}
