//! A server that may open nothing more, and has a client.

use super::{Came, answer, guest, last};
use crate::workshop::{Attempt, Finding};
use common::lab::{Record, Result};

/// What is wrong with how those are served who are in while nobody else can be accepted.
pub(super) fn serves_on(a: &Attempt) -> Result<Option<Finding>> {
    let listens = |r: &Record| r.is_call("listen");
    let listener = a.start(&[])?.wait_record("its listen", 0, listens)?.fd.unwrap_or(3);
    // Room for what is open up to the listener, and for one client.
    let server = a.start_with(&[], listener as u64 + 2)?;
    let (mut first, fd) = guest(a, &server, "A")?;
    let _second = a.connect("B", &server)?;
    server.wait_record("accept to fail", 0, |r| r.failed("accept", "EMFILE"))?;
    first.get("/")?;
    let came = answer(&server, &mut first)?;
    if matches!(&came, Came::Answer(answer) if answer.status == 200) {
        return Ok(None);
    }
    let did = "A connects; then your server has no descriptor left, and B connects: accept fails \
               (EMFILE). Then A asks for /.";
    let records = server.records();
    let is_asked = records.iter().any(|r| r.fd == Some(fd) && r.did("read", fd));
    let seen = if is_asked { "A is not." } else { "A is not even asked." };
    let shown = match came {
        Came::Nothing(last) => last,
        _ => last(&records),
    };
    Ok(Some(Finding::new(did, "A is answered.", seen).shown_by(&shown).usually(
        "An error of accept is about those outside. Those who are in are asked in this turn as in \
         every other: no continue, and no return, before the list.",
    )))
}
