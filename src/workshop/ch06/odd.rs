//! Build it: answers that are not 200 with a body.

use super::super::{Attempt, Finding, Outcome};
use super::answer;
use common::lab::{Result, Trouble};

/// What is no request is told so, and a HEAD gets a head.
pub(super) fn answers(attempt: &Attempt) -> Result<Option<Finding>> {
    match refusal(attempt)? {
        Some(finding) => Ok(Some(finding)),
        None => head(attempt),
    }
}

fn refusal(attempt: &Attempt) -> Result<Option<Finding>> {
    let server = attempt.start(&["--workers", "2"])?;
    let mut a = attempt.connect("A", &server)?;
    let did = "A sends what is no request: \"BLAH\" and an empty line";
    let expected = "the answer 400, then the end";
    a.send(b"BLAH\r\n\r\n")?;
    let usually = "`next_request` says `None`, and has answered by itself: what it says stands in \
                   the connection's buffer. `send` belongs to every turn, and then the question \
                   `is_finished`; not only to those in which a request was answered.";
    match answer(attempt, &server, &mut a, did, expected)? {
        Ok(answer) if answer.status == 400 => {}
        Ok(answer) => {
            let seen = format!("the answer {}", answer.status);
            return Ok(Some(Finding::new(did, expected, seen)));
        }
        Err(finding) => return Ok(Some(finding.usually(usually))),
    }
    let last = match attempt.answer_or_rest(&server, &mut a)? {
        Outcome::Ended(..) => return Ok(None),
        Outcome::Answered(_) => Vec::new(),
        Outcome::Asleep(last) | Outcome::Spins(last) => last,
    };
    let finding = Finding::new(did, expected, "the answer 400, and nobody closes the connection");
    Ok(Some(finding.usually(usually).shown_by(&last)))
}

fn head(attempt: &Attempt) -> Result<Option<Finding>> {
    let server = attempt.start(&["--workers", "2"])?;
    let mut a = attempt.connect("A", &server)?;
    let did = "A sends \"HEAD /\", and Connection: close";
    let expected = "a head that is that of a GET, the empty line, and the end";
    a.send(b"HEAD / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")?;
    let all = match a.rest() {
        Ok((all, _)) => String::from_utf8_lossy(&all).into_owned(),
        Err(Trouble(why)) => return Ok(Some(Finding::new(did, expected, why))),
    };
    let seen = match all.split_once("\r\n\r\n") {
        Some((head, "")) if head.starts_with("HTTP/1.1 200 ") => return Ok(None),
        Some((_, "")) | None => format!("{all:?}"),
        Some((_, body)) => format!("{} more bytes behind the head: {body:?}", body.len()),
    };
    let finding = Finding::new(did, expected, seen);
    Ok(Some(finding.usually(
        "The second argument of `client.answer` is the method that was asked with, `head.method`. \
         A client that has asked with HEAD takes what comes behind the head for the beginning of \
         the next answer.",
    )))
}
