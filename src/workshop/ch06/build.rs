//! Build it: keep-alive, as far as one request at a time goes.

use super::super::{Attempt, Finding, Outcome, Verdict, failed, passed};
use super::{answer, odd};
use common::lab::client::request;
use common::lab::{Record, Result};

/// Step 1: a hundred requests, one after another, on one connection.
pub(super) fn stays(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&["--workers", "2"])?;
    let mut a = attempt.connect("A", &server)?;
    for n in 1..=100 {
        let did = match n {
            1 => "A asks for /, once".to_string(),
            n => format!("A asks for /, {n} times on one connection"),
        };
        let expected = "the answer 200, and an open connection";
        if a.send_quietly(request("/").as_bytes()).is_err() {
            let finding = Finding::new(did, expected, "the connection is closed");
            return failed(finding.usually("It says that it stays, and closes all the same."));
        }
        match answer(attempt, &server, &mut a, &did, expected)? {
            Ok(answer) if answer.status == 200 && !answer.says_close() => {}
            Ok(answer) => {
                let says = if answer.says_close() { "Connection: close" } else { "no such thing" };
                let seen = format!("the answer {}, which says {says}", answer.status);
                return failed(
                    Finding::new(did, expected, seen)
                        .usually(
                            "`http::answer_once` is chapter 5's, and always closes. Let the \
                             connection make the answer: `client.answer(…)` with the head's \
                             `keep_alive`, and leave `turn` with `Next::Read`.",
                        )
                        .page("ch06.html#one-turn"),
                );
            }
            Err(finding) => {
                let fd = server.fd_of(a.local())?;
                let records = server.records();
                let written = records.iter().filter(|r| r.did("write", fd)).count();
                return failed(finding.usually(match written < n {
                    true => {
                        "Nothing was written for it. `client.answer` puts an answer into the \
                         connection's own buffer; `client.send` gives it to the kernel."
                    }
                    false => {
                        "After an answer the connection goes back into the kernel's care \
                         (`Next::Read`), and is not closed."
                    }
                }));
            }
        }
    }
    // What becomes of a client that leaves is the next step's.
    passed("100 answers on one connection")
}

/// One way to say that there will be no more requests.
struct Goodbye {
    did: &'static str,
    bytes: &'static str,
    half_close: bool,
    is_answered: bool,
}

/// All of them: the client says so, or it ends its side.
const GOODBYES: [Goodbye; 5] = [
    Goodbye {
        did: "A says Connection: close",
        bytes: "GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n",
        half_close: false,
        is_answered: true,
    },
    Goodbye {
        did: "A speaks HTTP/1.0",
        bytes: "GET / HTTP/1.0\r\n\r\n",
        half_close: false,
        is_answered: true,
    },
    Goodbye {
        did: "A asks, and ends its side",
        bytes: "GET / HTTP/1.1\r\nHost: lab\r\n\r\n",
        half_close: true,
        is_answered: true,
    },
    Goodbye {
        did: "A ends its side without a word",
        bytes: "",
        half_close: true,
        is_answered: false,
    },
    Goodbye {
        did: "A ends its side in the middle of a request",
        bytes: "GET / HTTP/1.1\r\nHo",
        half_close: true,
        is_answered: false,
    },
];

/// Who has had the last answer is closed.
fn last_answer(attempt: &Attempt) -> Result<Verdict> {
    for goodbye in &GOODBYES {
        if let Some(finding) = part_from(attempt, goodbye)? {
            return failed(finding);
        }
    }
    passed("Connection: close, HTTP/1.0, half-close, a silent end, an end in mid-request")
}

fn part_from(attempt: &Attempt, goodbye: &Goodbye) -> Result<Option<Finding>> {
    let did = goodbye.did;
    let server = attempt.start(&["--workers", "2"])?;
    let mut a = attempt.connect("A", &server)?;
    a.send(goodbye.bytes.as_bytes())?;
    if goodbye.half_close {
        a.half_close()?;
    }
    if goodbye.is_answered {
        let expected = "the answer 200, then the end";
        match answer(attempt, &server, &mut a, did, expected)? {
            Ok(answer) if !goodbye.half_close && !answer.says_close() => {
                let seen = "the answer does not say Connection: close";
                return Ok(Some(
                    Finding::new(did, "an answer that says it is the last", seen).usually(
                        "The third argument of `client.answer` says whether the connection stays. \
                         The head knows what the client wants: `keep_alive`.",
                    ),
                ));
            }
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => {
                let seen = format!("the answer {}", answer.status);
                return Ok(Some(Finding::new(did, expected, seen)));
            }
            Err(finding) => {
                let why = "It is owed an answer: what has come before the end counts.";
                return Ok(Some(finding.usually(why).page("ch06.html#read-returns-0")));
            }
        }
    }
    let expected = "the server closes the connection";
    let (seen, last) = match attempt.answer_or_rest(&server, &mut a)? {
        Outcome::Ended(..) => return Ok(None),
        Outcome::Answered(answer) => {
            let seen = format!("an answer that nobody asked for: {}", answer.status);
            return Ok(Some(Finding::new(did, expected, seen).usually(
                "The request is not complete: `next_request` returns `None` for a part of one, and \
                 then there is nothing to answer.",
            )));
        }
        Outcome::Asleep(last) => ("the connection stays open, and all threads sleep", last),
        Outcome::Spins(last) => ("the connection stays open, and the server spins", last),
    };
    Ok(Some(
        Finding::new(did, expected, seen)
            .usually(
                "When all is sent, ask `client.is_finished()`. Nothing more will come from a \
                 client that has ended its side, and the end stays readable: whoever goes on \
                 waiting for it hears of it again and again.",
            )
            .shown_by(&last)
            .page("ch06.html#read-returns-0"),
    ))
}

/// Step 2: who has had the last answer is closed; who has sent half a request is not.
pub(super) fn last_and_pieces(attempt: &Attempt) -> Result<Verdict> {
    let last = last_answer(attempt)?;
    let Verdict::Passed(goodbyes) = last else { return Ok(last) };
    let pieces = in_pieces(attempt)?;
    let Verdict::Passed(pieces) = pieces else { return Ok(pieces) };
    if let Some(finding) = odd::answers(attempt)? {
        return failed(finding);
    }
    passed(format!("{goodbyes}; {pieces}; 400; HEAD"))
}

/// Byte by byte, and nothing is said before the last.
fn in_pieces(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&["--workers", "2"])?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    let whole = request("/");
    for (n, byte) in whole.bytes().enumerate() {
        let mark = server.mark();
        a.send_quietly(&[byte])?;
        if n + 1 == whole.len() {
            break;
        }
        let rests =
            |r: &Record| r.fd == Some(fd) && (r.op.as_deref() == Some("add") || r.is_call("close"));
        let rest = server.wait_record("the byte to be read, and a rest", mark, rests)?;
        let records = server.records();
        let since: Vec<&Record> =
            records.iter().filter(|r| r.seq > mark && r.fd == Some(fd)).collect();
        let written = since.iter().any(|r| r.is_call("write"));
        if written || rest.is_call("close") {
            let seen = format!(
                "after {} bytes, {}",
                n + 1,
                match written {
                    true => "there is an answer",
                    false => "the connection is closed",
                }
            );
            return failed(
                Finding::new(
                    "A sends one byte after another, each when the last one has been read",
                    "no answer before the last byte, and one after it",
                    seen,
                )
                .usually(
                    "What has come is not complete yet: `next_request` says `None`. That is no \
                     mistake of the client's and no end; the connection keeps the bytes, and is \
                     to be told when there are more.",
                )
                .shown_by(since)
                .page("ch06.html#read-until-it-has-nothing"),
            );
        }
    }
    let did = "A has sent the last byte of its request";
    match answer(attempt, &server, &mut a, did, "the answer 200")? {
        Ok(answer) if answer.status == 200 => {}
        Ok(answer) => {
            let seen = format!("the answer {}", answer.status);
            return failed(Finding::new(did, "the answer 200", seen).usually(
                "The pieces have to come together: read through the connection, which keeps them.",
            ));
        }
        Err(finding) => {
            return failed(finding.usually("What has come must be kept from turn to turn."));
        }
    }
    a.close();
    attempt.finish(server)?;
    passed(format!("{} pieces, one answer", whole.len()))
}
