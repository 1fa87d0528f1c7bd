//! The first server, step by step.

use super::ends::{all_of_it, outlive_a_client, story};
use super::found::{be_found, have_the_port_back};
use super::{is_incomplete, told};
use crate::workshop::scarce::no_room;
use crate::workshop::{Attempt, Finding, Outcome, Reached, Step, Verdict, failed, passed};
use common::lab::{Record, Result, Server, Trouble};

pub(super) const STEPS: &[Step] = &[
    Step { title: "it is found", check: be_found },
    Step { title: "it has its port back", check: have_the_port_back },
    Step { title: "it takes one client after another", check: one_after_another },
    Step { title: "it hears and answers", check: hear_and_answer },
    Step { title: "all of the answer goes out", check: all_of_it },
    Step { title: "it outlives its clients", check: outlive_a_client },
];

fn one_after_another(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    for name in ["A", "B", "C"] {
        let came = come_and_go(a, &server, name);
        let did =
            || format!("A, B and C connect one after the other and finish at once; now {name}.");
        match came {
            Ok(None) => {}
            Ok(Some(records)) => {
                return failed(
                    Finding::new(did(), "Each is accepted, and closed.", "It was not closed.")
                        .usually(
                            "After the conversation comes sys::close(client), whatever came of it.",
                        )
                        .shown_by(&records),
                );
            }
            Err(Trouble(why)) if name != "A" => {
                return failed(
                    Finding::new(did(), format!("{name} is accepted as the one before was."), why)
                        .usually(
                            "A server ends its work with one client by taking the next: a loop.",
                        )
                        .page("ch01.html#the-code"),
                );
            }
            Err(trouble) => return Err(trouble),
        }
    }
    passed("three clients came one after the other, and each was closed")
}

/// A client that connects and has finished; the last records if it is not closed.
fn come_and_go(a: &Attempt, server: &Server, name: &str) -> Result<Option<Vec<Record>>> {
    let mut client = a.connect(name, server)?;
    client.half_close()?;
    let note = format!("({})", client.local());
    let closed = a.until(server, "its close", |records| {
        let at = records.iter().position(|r| r.accepted().is_some() && r.note == note)?;
        let fd = records[at].accepted()?;
        records[at..].iter().any(|r| r.did("close", fd)).then_some(())
    })?;
    Ok(match closed {
        Reached::Yes(()) => None,
        Reached::Asleep(records) | Reached::Spins(records) => Some(records),
    })
}

fn hear_and_answer(a: &Attempt) -> Result<Verdict> {
    let server = a.start(&[])?;
    let mut asks = a.connect("A", &server)?;
    asks.get("/")?;
    let expected = "The answer 200 with Hello World, then the end.";
    let finding = |seen: &str| Finding::new("A asks for /.", expected, seen);
    match a.answer_or_rest(&server, &mut asks)? {
        Outcome::Answered(answer) if answer.body == b"Hello World\n" => {}
        Outcome::Answered(answer) => {
            return failed(
                finding(&format!("The answer {}.", answer.status))
                    .usually("Give http::answer_once the bytes that were read: &buffer[..n]")
                    .lines(answer.head.lines().take(4).map(String::from)),
            );
        }
        Outcome::Ended(bytes, _) => {
            if let Some(finding) = no_room(&server.records()) {
                return failed(finding);
            }
            return failed(
                finding(&format!("The end, after {} bytes.", bytes.len()))
                    .usually("Between accept and close stand a read and a write.")
                    .shown_by(&server.records()),
            );
        }
        Outcome::Asleep(records) | Outcome::Spins(records) => {
            return failed(
                finding("Nothing: your server waits.")
                    .usually(
                        "read gives what is there now. Who reads on until the client has finished \
                         waits for one that is waiting for the answer.",
                    )
                    .shown_by(&records)
                    .page("ch01.html#read"),
            );
        }
    }
    match a.answer_or_rest(&server, &mut asks)? {
        Outcome::Ended(bytes, _) if bytes.is_empty() => {}
        other => {
            return failed(
                finding(&told(&other)).usually("One answer, and then sys::close(client)."),
            );
        }
    }
    let mut leaves = a.connect("B", &server)?;
    leaves.half_close()?;
    match a.answer_or_rest(&server, &mut leaves)? {
        Outcome::Ended(bytes, _) if bytes.is_empty() => {}
        Outcome::Answered(answer) => {
            return failed(
                Finding::new(
                    "B connects and finishes without a word.",
                    "The end, and nothing before it.",
                    format!("The answer {}.", answer.status),
                )
                .usually("0 is not a request of no bytes: it says that the client has finished.")
                .shown_by(story(&server, &leaves)?.iter())
                .page("ch01.html#read"),
            );
        }
        other => {
            return Err(Trouble(format!(
                "B finished without a word, and got this: {}",
                told(&other)
            )));
        }
    }
    let missing = a.connect("C", &server)?.ask("/nothing")?;
    if missing.status != 404 {
        return failed(
            Finding::new("C asks for /nothing.", "404.", missing.status.to_string())
                .usually("Let http::answer_once decide what the answer is."),
        );
    }
    half_a_request(a, &server)
}

/// One `read` is one request here, whole or not: to put the pieces together is
/// chapter 6's matter.
fn half_a_request(a: &Attempt, server: &Server) -> Result<Verdict> {
    let mut slow = a.connect("D", server)?;
    slow.send(b"GET / HTTP/1.1\r\nHost")?;
    let finding = |seen: &str| {
        let did = "D sends half a request, and waits.";
        Finding::new(did, "400, after one read: it is not complete.", seen).page("ch01.html#read")
    };
    match a.answer_or_rest(server, &mut slow)? {
        Outcome::Answered(answer) if answer.status == 400 && !is_incomplete(&answer) => failed(
            finding("400 for bytes that D has not sent.")
                .usually(
                    "Give http::answer_once the bytes that were read, and no more: &buffer[..n]",
                )
                .lines(String::from_utf8_lossy(&answer.body).lines().map(String::from)),
        ),
        Outcome::Answered(answer) if answer.status == 400 => long_request(a, server),
        Outcome::Asleep(records) | Outcome::Spins(records) => failed(
            finding("Nothing: your server reads on.")
                .usually(
                    "Step 4 asks for one read. Who reads on until the request is whole waits for \
                     this client for as long as it likes, and everybody else with it.",
                )
                .shown_by(&records),
        ),
        other => failed(
            finding(&told(&other))
                .usually("What is no request gets an answer, too: http::answer_once makes it."),
        ),
    }
}

/// Long, and all of it there before the first `read`.
fn long_request(a: &Attempt, server: &Server) -> Result<Verdict> {
    let mut long = b"GET / HTTP/1.1\r\nHost: lab\r\nX: ".to_vec();
    long.resize(8 * 1024, b'x');
    long.extend(b"\r\n\r\n");
    let mut client = a.connect("E", server)?;
    server.freeze()?;
    client.send(&long)?;
    server.thaw()?;
    match a.answer_or_rest(server, &mut client)? {
        Outcome::Answered(answer) if answer.status == 200 => {
            passed("200 for /, 404 for /nothing, 400 for half a request, nothing for no word")
        }
        other => failed(
            Finding::new("E sends a request of 8 KiB.", "200: one read gets it all.", told(&other))
                .usually("There is not room for it: the buffer is to hold 16 KiB.")
                .shown_by(story(server, &client)?.iter())
                .page("ch01.html#read"),
        ),
    }
}
