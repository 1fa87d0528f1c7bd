//! Hunt the bug: bytes and requests that get lost.

use super::super::{Attempt, Finding, Outcome, Verdict, failed, passed};
use super::{answer, requests, unless_full};
use common::lab::client::request;
use common::lab::{Record, Result, Server};

/// A whole request and a part of the next one; then, when these have been read, the
/// rest. Wherever the border is, there are two answers.
pub(super) fn cut_anywhere(attempt: &Attempt) -> Result<Verdict> {
    let (first, second) = (request("/"), request("/big?bytes=7"));
    let server = attempt.start(&["--workers", "2"])?;
    // The first cut is one that shows the most; then all of them.
    for cut in [12].into_iter().chain(1..second.len()) {
        let mut a = attempt.play().connect_quietly("A", &server)?;
        let fd = server.fd_of(a.local())?;
        let accepted = server.accept_of(a.local())?.seq;
        let shown = second[..cut].escape_default();
        let did = format!("A sends \"GET /\" and the first {cut} bytes of the next request");
        let expected = "two answers: 200 with Hello World, 200 with 7 bytes";
        a.send_quietly(format!("{first}{}", &second[..cut]).as_bytes())?;
        match answer(attempt, &server, &mut a, &did, expected)? {
            Ok(answer) if answer.body == b"Hello World\n" => {}
            Ok(answer) => {
                let seen = format!("the answer {}", answer.status);
                return failed(Finding::new(did, expected, seen));
            }
            Err(finding) => return failed(finding.usually("A whole request has come.")),
        }
        let rests = |r: &Record| r.fd == Some(fd) && r.op.as_deref() == Some("add");
        let wrote = server.wait_record("the answer", accepted, |r| r.did("write", fd))?;
        server.wait_record("a rest", wrote.seq, rests)?;
        a.send_quietly(&second.as_bytes()[cut..])?;
        let did = format!("{did} (\"{shown}\"); when they were read, it sends the rest");
        let of_a = |r: &&Record| {
            r.seq > accepted && r.fd == Some(fd) && (r.is_call("read") || r.is_call("write"))
        };
        let (seen, is_first_again) = match attempt.answer_or_rest(&server, &mut a)? {
            Outcome::Answered(answer) if answer.body.len() == 7 => continue,
            Outcome::Answered(answer) if answer.body == b"Hello World\n" => {
                ("the first request is answered a second time".to_string(), true)
            }
            Outcome::Answered(answer) => (format!("the second answer is {}", answer.status), false),
            other => (format!("no second answer: {}", short(&other)), false),
        };
        let mistake = match is_first_again {
            true => "What is answered is done with: it must leave the buffer, and only that.",
            false => "", // the hunt's own question; its last hint tells
        };
        // The client may have its answer before the trace has the call that wrote it.
        attempt.until(&server, "the second answer's write", |records| {
            let later = records.iter().filter(|r| r.seq > wrote.seq);
            later.filter(of_a).any(|r| r.is_call("write")).then_some(())
        })?;
        let records = server.records();
        return failed(
            Finding::new(did, expected, seen)
                .usually(mistake)
                .shown_by(records.iter().filter(of_a))
                .page("ch06.html#read-until-it-has-nothing"),
        );
    }
    passed(format!("cut at each of {} places: two answers", second.len() - 1))
}

fn short(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Answered(_) => "an answer",
        Outcome::Ended(..) => "the connection ended",
        Outcome::Asleep(_) => "all threads sleep",
        Outcome::Spins(_) => "the server spins",
    }
}

/// Whole requests, one behind the other, some of them with a body.
pub(super) fn several_with_bodies(attempt: &Attempt) -> Result<Verdict> {
    let server = attempt.start(&["--workers", "2"])?;
    let mut a = attempt.connect("A", &server)?;
    let echo = |body: &str| {
        let length = body.len();
        format!("POST /echo HTTP/1.1\r\nHost: lab\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let did = "A sends two GETs and two POSTs with a body, in one segment";
    let expected = "four answers, in order";
    let all = request("/big?bytes=1") + &echo("GET ") + &echo("/ HTTP/1.1") + &requests(1);
    a.send(all.as_bytes())?;
    for (n, body) in [(1, None), (2, Some("GET ")), (3, Some("/ HTTP/1.1")), (4, None)] {
        match answer(attempt, &server, &mut a, did, expected)? {
            Ok(answer) if body.is_none_or(|body| answer.body == body.as_bytes()) => {}
            Ok(answer) => {
                let seen = format!("answer {n} is {}", answer.status);
                return failed(
                    Finding::new(did, expected, seen).usually(
                        "A request ends behind its body. Take all of it out of the buffer.",
                    ),
                );
            }
            Err(finding) => {
                let seen = format!("{} of 4 answers, then {}", n - 1, finding.seen);
                return failed(
                    Finding { seen, ..*finding }
                        .usually(
                            "The others have been read: they stand in our own buffer, of which no \
                             kernel knows. Whatever is complete is to be answered in this turn.",
                        )
                        .page("ch06.html#a-turn-is-bounded"),
                );
            }
        }
    }
    a.close();
    if let Some(finding) = still_open(attempt, &server)? {
        return failed(finding);
    }
    if let Some(finding) = grows(attempt, &server)? {
        return failed(finding);
    }
    attempt.finish(server)?;
    passed("GET, POST, POST, GET: four answers, in order; and Connection: close is kept")
}

/// One request after another with a long content: what is answered is not kept.
fn grows(attempt: &Attempt, server: &Server) -> Result<Option<Finding>> {
    const CONTENT: usize = 500_000;
    const MANY: usize = 40;
    let did =
        format!("B sends {MANY} requests on one connection, each with {CONTENT} bytes of content");
    let expected = "answers; and what is answered is kept no longer";
    let head = format!("GET / HTTP/1.1\r\nHost: lab\r\nContent-Length: {CONTENT}\r\n\r\n");
    let all = [head.into_bytes(), vec![b'x'; CONTENT]].concat();
    let mut b = attempt.connect("B", server)?;
    let mut first = None;
    for _ in 0..MANY {
        b.send_quietly(&all)?;
        if let Err(finding) = answer(attempt, server, &mut b, &did, expected)? {
            return Ok(Some(*finding));
        }
        let Some(memory) = memory(server) else { return Ok(None) };
        let first = *first.get_or_insert(memory);
        if memory > first + CONTENT * MANY / 2 {
            let seen = format!("the server has grown by {} kB", (memory - first) / 1000);
            return Ok(Some(Finding::new(did, expected, seen).usually(
                "Requests that are answered stand in the buffer for ever: a client that stays has \
                 the memory of all that it has ever sent. Drop them; only the rest is needed.",
            )));
        }
    }
    Ok(None)
}

/// How much memory a server has, in bytes; Linux tells.
fn memory(server: &Server) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).ok()?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    size.trim().strip_suffix(" kB")?.parse::<usize>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Who says that a request is its last, and is not closed after the answer.
fn still_open(attempt: &Attempt, server: &Server) -> Result<Option<Finding>> {
    let did = "B asks for / and says Connection: close";
    let expected = "the answer 200, then the end";
    let mut b = attempt.connect("B", server)?;
    b.send(b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")?;
    match answer(attempt, server, &mut b, did, expected)? {
        Ok(answer) if answer.status == 200 => {}
        Ok(answer) => {
            let seen = format!("the answer {}", answer.status);
            return Ok(Some(Finding::new(did, expected, seen)));
        }
        Err(finding) => return Ok(Some(*finding)),
    }
    let (seen, last) = match attempt.answer_or_rest(server, &mut b)? {
        Outcome::Ended(..) => return Ok(None),
        Outcome::Answered(answer) => (format!("a second answer: {}", answer.status), Vec::new()),
        Outcome::Asleep(last) | Outcome::Spins(last) => {
            ("the answer, and the connection stays open".to_string(), last)
        }
    };
    Ok(Some(
        Finding::new(did, expected, seen)
            .usually(
                "`Answer::is_last` says that the connection ends with this answer. Who takes \
                 notice of it?",
            )
            .shown_by(&last),
    ))
}

/// A hundred requests, and the client's end behind them; then a thousand, which no
/// single read brings.
pub(super) fn list_and_end(attempt: &Attempt) -> Result<Verdict> {
    unless_full(attempt, || {
        for many in [100, 1000] {
            if let Some(finding) = one_list(attempt, many)? {
                return failed(finding);
            }
        }
        passed("100 requests, then the end: 100 answers; and 1000 of 1000")
    })
}

fn one_list(attempt: &Attempt, many: usize) -> Result<Option<Finding>> {
    let server = attempt.start(&["--workers", "2"])?;
    let mut a = attempt.connect("A", &server)?;
    let did = format!("A sends {many} requests, and ends its side");
    let expected = format!("{many} answers, then the end");
    // Every answer has another length than its neighbours.
    let length = |n: usize| (n - 1) % 100 + 1;
    let list: String = (1..=many).map(|n| request(&format!("/big?bytes={}", length(n)))).collect();
    server.freeze()?; // so that all of it is there at its next read
    a.send(list.as_bytes())?;
    a.half_close()?;
    server.thaw()?;
    for n in 1..=many {
        match answer(attempt, &server, &mut a, &did, &expected)? {
            Ok(answer) if answer.body.len() == length(n) => {}
            Ok(answer) => {
                let seen = format!("answer {n} has {} bytes", answer.body.len());
                return Ok(Some(Finding::new(did, expected, seen)));
            }
            Err(finding) => {
                let seen = format!("{} answers, then {}", n - 1, finding.seen);
                return Ok(Some(
                    Finding { seen, ..*finding }
                        .usually(
                            "The client has finished sending; that is all that its end says. Has \
                             the server finished? Look what stands in which buffer when it closes.",
                        )
                        .page("ch06.html#read-returns-0"),
                ));
            }
        }
    }
    let last = match attempt.answer_or_rest(&server, &mut a)? {
        Outcome::Ended(..) => return Ok(None),
        Outcome::Asleep(last) | Outcome::Spins(last) => last,
        Outcome::Answered(_) => Vec::new(),
    };
    let seen = format!("{many} answers, and nobody closes the connection");
    Ok(Some(
        Finding::new(did, expected, seen)
            .usually(
                "When everything is answered, and the client has ended its side, there is nothing \
                 to wait for; its end stays readable for ever.",
            )
            .shown_by(&last)
            .page("ch06.html#read-returns-0"),
    ))
}
