//! Build it: several requests at once, and more than one turn's worth.

use super::super::{Attempt, Finding, Verdict, failed, passed};
use super::hunts::list_and_end;
use super::{answer, long, requests, unless_full};
use common::lab::{Record, Result};

/// Ten requests in one segment.
pub(super) fn several(attempt: &Attempt) -> Result<Verdict> {
    const MANY: usize = 10;
    let server = attempt.start(&["--workers", "2"])?;
    let mut a = attempt.connect("A", &server)?;
    let did = "A sends 10 requests in one segment, for 1, 2, … 10 bytes";
    a.send(requests(MANY).as_bytes())?;
    for n in 1..=MANY {
        let expected = "10 answers, in the order of the requests";
        match answer(attempt, &server, &mut a, did, expected)? {
            Ok(answer) if answer.body.len() == n => {}
            Ok(answer) => {
                let seen = format!("answer {n} has {} bytes", answer.body.len());
                return failed(
                    Finding::new(did, expected, seen)
                        .usually("Each request is answered before the next one is taken."),
                );
            }
            Err(finding) => {
                let seen = format!("{} of the 10 answers, then {}", n - 1, finding.seen);
                return failed(
                    Finding { seen, ..*finding }
                        .usually(
                            "One read has brought them all, so the kernel has nothing to report \
                             any more. `next_request` is to be asked until it says `None`.",
                        )
                        .page("ch06.html#one-turn"),
                );
            }
        }
    }
    a.close();
    attempt.finish(server)?;
    passed("10 answers, in order")
}

/// Step 4: the rest has its turn, and also when the client has ended its side; a long
/// answer, too.
pub(super) fn bounded_and_end(attempt: &Attempt) -> Result<Verdict> {
    let bounded = bounded(attempt)?;
    let Verdict::Passed(turns) = bounded else { return Ok(bounded) };
    let end = list_and_end(attempt)?;
    let Verdict::Passed(end) = end else { return Ok(end) };
    if let Some(finding) = long::answers(attempt)? {
        return failed(finding);
    }
    passed(format!("{turns}; {end}; a long answer comes whole"))
}

/// Five hundred: more than one turn may answer, so the rest has to wait its turn.
pub(super) fn bounded(attempt: &Attempt) -> Result<Verdict> {
    unless_full(attempt, || five_hundred(attempt))
}

fn five_hundred(attempt: &Attempt) -> Result<Verdict> {
    const MANY: usize = 500;
    const TURN: usize = 64;
    let server = attempt.start(&["--workers", "1"])?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    let did = "A sends 500 requests at once";
    let expected = "500 answers; not more than 64 in one turn, then it is somebody else's";
    let took = |r: &&Record| r.call == "took" && r.fd == Some(fd);
    server.freeze()?; // so that all of them are there at its next read
    a.send(requests(MANY).as_bytes())?;
    server.thaw()?;
    for n in 1..=MANY {
        match answer(attempt, &server, &mut a, did, expected)? {
            Ok(answer) if answer.body.len() == n => {}
            Ok(answer) => {
                let seen = format!("answer {n} has {} bytes", answer.body.len());
                return failed(Finding::new(did, expected, seen));
            }
            Err(finding) => {
                let seen = format!("{} answers, then {}", n - 1, finding.seen);
                let turns = server.records().iter().filter(took).count();
                if n - 1 > TURN * turns {
                    let s = if turns == 1 { "" } else { "s" };
                    let seen = format!("{seen}; in {turns} turn{s}");
                    return failed(
                        Finding { seen, ..*finding }
                            .usually(
                                "The turn has no bound: it has answered more than 64 requests. \
                                 Count them, and leave at 64; then see to the rest.",
                            )
                            .page("ch06.html#a-turn-is-bounded"),
                    );
                }
                return failed(
                    Finding { seen, ..*finding }
                        .usually(
                            "The rest of the requests has been read: it stands in our own buffer, \
                             of which no kernel knows. A connection with requests left \
                             (`has_request`) needs another turn, `Next::Again`, and goes to the \
                             end of the queue of jobs.",
                        )
                        .page("ch06.html#a-turn-is-bounded"),
                );
            }
        }
    }
    let records = attempt.finish(server)?;
    let turns = records.iter().filter(took).count();
    if turns < MANY.div_ceil(TURN) {
        let s = if turns == 1 { "" } else { "s" };
        return failed(
            Finding::new(did, expected, format!("all of them were answered in {turns} turn{s}"))
                .usually(
                    "A client that always has one more request would keep the worker for ever. \
                     Count the requests of a turn, leave at 64 (`Next::Again`), and have the worker \
                     put the connection to the end of the queue of jobs: others come first.",
                )
                .shown_by(records.iter().filter(took))
                .page("ch06.html#a-turn-is-bounded"),
        );
    }
    a.close();
    passed(format!("500 answers, in {turns} turns"))
}
