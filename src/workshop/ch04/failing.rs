//! Errors of accept for which the reserve is no help: strace brings them about.

use super::super::ch01::told;
use super::{is_op, listener};
use crate::workshop::inject::Injection;
use crate::workshop::{Attempt, Finding, Outcome, Reached};
use common::lab::{Record, Result};

/// What is wrong with how they are taken; nothing where there is no strace.
pub(super) fn finding(a: &Attempt) -> Result<Option<Finding>> {
    Ok(match about_one_client(a)? {
        Some(finding) => Some(finding),
        None => the_second_fails(a)?,
    })
}

/// One client has gone again: there is room, and the next one has a place.
fn about_one_client(a: &Attempt) -> Result<Option<Finding>> {
    let server = a.start(&[])?;
    let injection = Injection::once(server.pid().into(), "accept,accept4", "ECONNABORTED");
    let Some(_injection) = injection else { return Ok(None) };
    let mut client = a.connect("A", &server)?;
    let _ = client.get("/"); // who was closed already cannot ask
    let outcome = a.answer_or_rest(&server, &mut client)?;
    let records = server.records();
    let failed = records.iter().position(|r| r.failed("accept", "ECONNABORTED"));
    let is_answered = matches!(&outcome, Outcome::Answered(answer) if answer.status == 200);
    let Some(failed) = failed.filter(|_| !is_answered) else { return Ok(None) };
    let did = "One client has gone again, so accept says ECONNABORTED, once; A waits behind it, and \
               asks for /.";
    let finding = Finding::new(did, "A has a place, and is answered.", told(&outcome));
    Ok(Some(
        finding.shown_by(records[failed..].iter().take(8)).page("ch04.html#in-production").usually(
            "That error is about one client only, and descriptors are there: accept the next as \
             usual. The reserve is for those errors of which sys::is_about_one_client(&error) says no.",
        ),
    ))
}

/// So many accepts in vain, and no pause.
const IN_VAIN: u64 = 100;

/// The accept with the reserve's number fails as well: then there is the pause.
fn the_second_fails(a: &Attempt) -> Result<Option<Finding>> {
    let server = a.start(&[])?;
    let injection = Injection::from_now_on(server.pid().into(), "accept,accept4", "EMFILE");
    let Some(_injection) = injection else { return Ok(None) };
    let _client = a.connect("A", &server)?;
    let is_failed = |r: &Record| r.failed("accept", "EMFILE");
    let paused = a.until(&server, "the pause", |records| {
        let listener = listener(records)?;
        let failed = records.iter().filter(|r| is_failed(r)).count() as u64;
        let turns: u64 = records.iter().map(|r| r.times).sum();
        if records.iter().any(|r| is_op(r, "delete", listener)) {
            return Some(true);
        }
        // It has been accepted after all: strace has come too late.
        let accepted = records.iter().any(|r| r.accepted().is_some());
        (accepted || failed + turns >= IN_VAIN).then_some(accepted)
    })?;
    if matches!(paused, Reached::Yes(true)) {
        return Ok(None);
    }
    let records = server.records();
    let first = records.iter().position(is_failed).unwrap_or(0);
    let did = "accept fails (EMFILE), and so it does when the reserve has been given up.";
    let seen = match paused {
        Reached::Asleep(_) => "Your server sleeps, and the listener is in the event queue.",
        _ => "accept is called again and again, in vain, and nobody rests.",
    };
    let finding = Finding::new(did, "The listener is paused, as in chapter 4.", seen);
    Ok(Some(
        finding.shown_by(records[first..].iter().take(10)).page("ch04.html#in-production").usually(
            "If the second accept fails, and not because nobody is left (EAGAIN), the reserve does \
             not help: the next one fails as well. Then listener.pause is left.",
        ),
    ))
}
