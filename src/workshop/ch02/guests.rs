//! The guest who was shown out: places in a list that has become shorter.

use super::leave::turn_of_close;
use super::{Came, answer, guest, story_of, until};
use crate::workshop::{Attempt, Finding, Step, Verdict, failed, passed};
use common::lab::{Client, Record, Result, Server};

pub(super) const STEPS: &[Step] = &[
    Step { title: "only those who are finished leave", check: several_at_once },
    Step { title: "the last in the list may leave, too", check: the_last_one },
];

/// Holds the loop at the first client, `S`, while others ask: they are all
/// finished in the turn in which S is.
fn hold(server: &Server, holder: &mut Client) -> Result<()> {
    holder.get("/slow?ms=100")?;
    server.wait_record("the handler", 0, |r| r.is_step("handler sleeps"))?;
    Ok(())
}

/// Waits until these have been answered, and the turn is over.
///
/// # Errors
/// The server has ended instead.
fn turn_is_over(server: &Server, answered: &[i32]) -> Result<()> {
    server.wait_for("the next turn", |records| {
        let last = answered.iter().map(|&fd| records.iter().position(|r| r.did("write", fd)));
        let last = last.collect::<Option<Vec<_>>>()?.into_iter().max()?;
        let turns = |r: &Record| r.is_call("accept") || r.times > 0;
        records[last..].iter().any(turns).then_some(())
    })
}

pub(super) fn several_at_once(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let (mut holder, holder_fd) = guest(a, &server, "S")?;
    let mut guests = Vec::new();
    for name in ["A", "B", "C", "D"] {
        guests.push((name, guest(a, &server, name)?));
    }
    hold(&server, &mut holder)?;
    for (_, (client, _)) in &mut guests[..2] {
        client.get("/")?;
    }
    turn_is_over(&server, &[holder_fd, guests[0].1.1, guests[1].1.1])?;
    let did = "S, A, B, C and D connect. S asks for /slow, and A and B ask while it works. \
               Then D asks, then C.";
    let turn = turn_of_close(&server.records(), guests[0].1.1).to_vec();
    guests.reverse();
    for (name, (client, fd)) in &mut guests {
        let has_asked = matches!(*name, "A" | "B");
        // Who was shown out cannot even ask.
        let came = match has_asked || client.get("/").is_ok() {
            true => answer(&server, client)?,
            false => Came::End,
        };
        let records = server.records();
        let finding = |expected: String, seen: String| {
            Finding::new(did, expected, seen).shown_by(story_of(&records, *fd))
        };
        match came {
            Came::Answer(answer) if answer.status == 200 => {}
            Came::Nothing(last) => {
                let finding = Finding::new(did, format!("{name} is answered."), "Nothing comes.");
                return failed(finding.shown_by(&last));
            }
            Came::Answer(_) | Came::End if has_asked => {
                return failed(finding(format!("{name} is answered."), "It is not.".into()));
            }
            Came::Answer(_) | Came::End => {
                let expected =
                    format!("{name}, who had said nothing when the others left, is kept.");
                let seen = format!(
                    "It was closed: descriptor {fd}, {name}, of which nothing was ever read."
                );
                // Who was written to in that turn, and who was closed. Why they are not
                // the same is for the learner to find.
                let slept = records.iter().position(|r| r.is_step("handler slept")).unwrap_or(0);
                let turn =
                    records[slept..].iter().filter(|r| r.is_call("write") || r.is_call("close"));
                return failed(Finding::new(did, expected, seen).shown_by(turn.take(8)));
            }
        }
        let closed = until(&server, "its close", |records| {
            records.iter().any(|r| r.did("close", *fd)).then_some(())
        })?;
        if closed.is_err() {
            let expected = format!("{name} is closed after its answer.");
            return failed(finding(expected, "It is kept.".into()));
        }
    }
    // (In the turn in which A was: who asks from the back to the front comes to S last.)
    for (name, (_, fd)) in &guests {
        if !turn.iter().any(|r| r.is_call("read") && r.fd == Some(*fd)) {
            let expected = "In the turn in which A leaves everybody else is asked as well.";
            let seen = format!("{name}, descriptor {fd}, was not asked before the next turn.");
            return failed(Finding::new(did, expected, seen).shown_by(turn.iter().take(8)));
        }
    }
    passed("A and B left in one turn, and C and D, who were asked in it, stayed until they spoke")
}

fn the_last_one(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let (mut holder, holder_fd) = guest(a, &server, "S")?;
    let (mut between, fd) = guest(a, &server, "A")?;
    let (mut last, last_fd) = guest(a, &server, "B")?;
    hold(&server, &mut holder)?;
    last.get("/")?;
    turn_is_over(&server, &[holder_fd, last_fd])?;
    let came = match between.get("/") {
        Ok(()) => answer(&server, &mut between)?,
        Err(_) => Came::End,
    };
    match came {
        Came::Answer(answer) if answer.status == 200 => {
            passed("the first and the last left in one turn, and the one between them stayed")
        }
        _ => failed(
            Finding::new(
                "S, A and B connect. S asks for /slow, and B asks while it works. Then A asks.",
                "A is answered.",
                "It is not.",
            )
            .shown_by(story_of(&server.records(), fd)),
        ),
    }
}
