//! Who is let go, and what that must not do to the others.

use super::guests::several_at_once;
use super::{Came, answer, goes_on, guest, story_of, until};
use crate::workshop::scarce::{is_said, lines};
use crate::workshop::{Attempt, Finding, Verdict, failed, passed};
use common::lab::{Record, Result, Server};

pub(super) fn let_them_go(a: &Attempt) -> Result<Verdict> {
    const DID: &str = "A, B and C connect; A leaves without a word, then the others ask.";
    let server = a.start(&[])?;
    let mut guests = Vec::new();
    for name in ["A", "B", "C"] {
        guests.push(guest(a, &server, name)?);
    }
    let (first, fd) = guests.remove(0);
    first.close();
    // True: it is closed. False: it was found at its end again and again.
    let closed = until(&server, "A's close", |records| {
        let at_its_end = records.iter().filter(|r| r.did("read", fd) && r.ret == Some(0)).count();
        let closed = records.iter().any(|r| r.did("close", fd));
        (closed || at_its_end > 2).then_some(closed)
    })?;
    let records = server.records();
    let finding = |expected: &str, seen: &str, records: &[Record], fd: i32| {
        Finding::new(DID, expected, seen).shown_by(story_of(records, fd))
    };
    if !matches!(closed, Ok(true)) {
        return failed(
            finding("read returns 0 for A, and A is closed.", "A is kept.", &records, fd)
                .usually(
                    "0 is not EAGAIN: it says that the client has finished, and nothing more will \
                     ever come. Who keeps it keeps its descriptor, for ever.",
                )
                .page("ch02.html#eagain"),
        );
    }
    goes_on(&server, fd)?;
    let records = server.records();
    let turn = turn_of_close(&records, fd);
    for (&(_, other), name) in guests.iter().zip(["B", "C"]) {
        if !turn.iter().any(|r| r.is_call("read") && r.fd == Some(other)) {
            let expected = "B and C are asked in that turn as well.";
            let seen = format!("{name}, descriptor {other}, was not asked before the next turn.");
            let close = turn.iter().position(|r| r.did("close", fd)).unwrap_or(0);
            let goes_on = turn[close..].iter().any(|r| r.is_call("read"));
            return failed(Finding::new(DID, expected, seen).shown_by(turn).usually(
                match goes_on {
                    true => {
                        "Taking A out of the list has put another one into its place, and the loop \
                     went on to the next place. Look at the same place again."
                    }
                    false => {
                        "A's close was the end of the turn. It is A's matter alone: go on with the \
                     list, and ask everybody in it in every turn."
                    }
                },
            ));
        }
    }
    if let Some(finding) = says_nothing(a, &server)? {
        return failed(finding);
    }
    if let Some(finding) = resets(a, &server)? {
        return failed(finding);
    }
    for (client, fd) in &mut guests {
        client.get("/")?;
        let came = answer(&server, client)?;
        let records = server.records();
        if !matches!(&came, Came::Answer(answer) if answer.status == 200) {
            let expected = "B and C are answered.";
            return failed(finding(expected, "One of them is not.", &records, *fd).usually(
                "Taking A out of the list must not take another one with it, or leave one out.",
            ));
        }
        let closed = until(&server, "its close", |records| {
            records.iter().any(|r| r.did("close", *fd)).then_some(())
        })?;
        if closed.is_err() {
            let expected = "Who has been answered is closed.";
            return failed(
                finding(expected, "It is kept.", &server.records(), *fd)
                    .usually("One answer, and then it is taken from the list and closed."),
            );
        }
    }
    match several_at_once(a)? {
        Verdict::Failed(finding) if finding.mistake.is_empty() => failed(finding.usually(
            "A place in the list names a client only as long as nobody before it is taken out. Take \
             out from the back to the front, or while you go through the list, and then look at the \
             same place again.",
        )),
        Verdict::Failed(finding) => failed(finding),
        Verdict::Passed(_) => passed(
            "who left, reset or was answered was closed; nobody else was, or was passed over",
        ),
    }
}

/// The turn of the loop in which this descriptor was closed.
pub(super) fn turn_of_close(records: &[Record], fd: i32) -> &[Record] {
    let begins = |r: &Record| r.is_call("accept") || r.times > 0;
    let close = records.iter().position(|r| r.did("close", fd)).unwrap_or(0);
    let from = records[..close].iter().rposition(begins).unwrap_or(0);
    let to = records[close..].iter().position(begins).map_or(records.len(), |n| close + n);
    &records[from..to]
}

/// What is wrong with how a client is taken that ends its side without a word, and
/// still reads.
fn says_nothing(a: &Attempt, server: &Server) -> Result<Option<Finding>> {
    let (mut mute, fd) = guest(a, server, "D")?;
    mute.half_close()?;
    let finding = |seen: &str| {
        let did = "D connects and ends its side without a word; it still reads.";
        Finding::new(did, "The end, and nothing before it.", seen)
            .shown_by(story_of(&server.records(), fd))
            .page("ch02.html#eagain")
    };
    Ok(match answer(server, &mut mute)? {
        Came::End => None,
        Came::Answer(answer) => Some(finding(&format!("The answer {}.", answer.status)).usually(
            "0 is not a request of no bytes: it says that the client has finished. Who has \
                 asked nothing is answered nothing.",
        )),
        Came::Nothing(_) => Some(finding("Nothing: it is kept.").usually("read said 0: close it.")),
    })
}

/// What is wrong with how clients are taken that reset their connections: one finds that
/// out in a read, one in a write.
fn resets(a: &Attempt, server: &Server) -> Result<Option<Finding>> {
    Ok(match reset(a, server, ("E", None), "E connects and resets.")?.0 {
        Some(finding) => Some(finding),
        None => {
            let did =
                "F asks for something slow, ends its side, and resets while the handler works.";
            // On a busy machine the answer may be out before the reset.
            for ms in [50, 500, 5000] {
                let (finding, is_met) = reset(a, server, ("F", Some(ms)), did)?;
                if finding.is_some() || is_met {
                    return Ok(finding);
                }
            }
            None
        }
    })
}

/// What is wrong, and whether the reset was met as an error. With a time, the client resets
/// while its handler sleeps for so long.
fn reset(
    a: &Attempt,
    server: &Server,
    (name, ms): (&str, Option<u32>),
    did: &str,
) -> Result<(Option<Finding>, bool)> {
    let (mut rude, fd) = guest(a, server, name)?;
    let (mark, lines) = (server.mark(), lines(a).len());
    if let Some(ms) = ms {
        rude.get(&format!("/slow?ms={ms}"))?;
        rude.half_close()?;
        server.wait_record("the handler", mark, |r| r.is_step("handler sleeps"))?;
    }
    rude.reset()?;
    let closed = until(server, "its close", |records| {
        records.iter().any(|r| r.seq > mark && r.did("close", fd)).then_some(())
    })?;
    let finding = |expected: &str, seen: &str, records: &[Record]| {
        Finding::new(did, expected, seen).shown_by(story_of(records, fd))
    };
    if let Err(records) = closed {
        let expected = format!("{name} is taken from the list and closed.");
        let finding = finding(&expected, "It is kept.", &records)
            .usually("Only EAGAIN says: not yet. After any other error nothing more comes.");
        return Ok((Some(finding), true));
    }
    let records = server.wait_for("the next turn", |records| {
        let close = records.iter().position(|r| r.seq > mark && r.did("close", fd))?;
        let turns = |r: &Record| r.is_call("accept") || r.times > 0;
        let since = || records.iter().filter(|r| r.seq > mark).cloned().collect::<Vec<_>>();
        records[close..].iter().any(turns).then(since)
    })?;
    let talks = |r: &&Record| r.fd == Some(fd) && (r.is_call("read") || r.is_call("write"));
    let errors = records.iter().filter(talks).filter_map(|r| r.errno.clone());
    let error = errors.into_iter().find(|errno| errno != "EAGAIN");
    let is_met = error.is_some();
    let finding = match (error, is_said(a, lines, &records)) {
        (Some(error), false) => {
            let expected = format!("A line on stderr that says so ({error}).");
            Some(finding(&expected, "No line.", &records).usually(
                "An error that is thrown away: nobody will know why a client got no answer. \
                 log::failed prints it in one line.",
            ))
        }
        _ => None,
    };
    Ok((finding, is_met))
}
