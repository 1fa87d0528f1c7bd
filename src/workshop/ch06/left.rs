//! Stretch: what a turn leaves behind, of which no edge will tell.

use super::super::{Attempt, Finding, Reached, Verdict, failed, parting, passed};
use super::answer;
use super::edge::send_meanwhile;
use common::connection::READ_SIZE;
use common::lab::client::request;
use common::lab::{Client, Record, Result, Server, Trouble};

/// Step 3: what is left, and where: requests, the rest of an answer, bytes not read.
pub(super) fn nothing_left(attempt: &Attempt) -> Result<Verdict> {
    for check in [requests_left, output_left, unread] {
        if let Some(finding) = check(attempt)? {
            return failed(finding);
        }
    }
    passed("71 answers in turns; an answer longer than a turn; more to read than a turn may take")
}

/// News that comes during one turn, and a next turn that has requests left and so does
/// not read.
fn requests_left(attempt: &Attempt) -> Result<Option<Finding>> {
    let server = attempt.start(&["--workers", "1"])?;
    let mut a = attempt.connect("A", &server)?;
    let did = "A sends 70 requests, the first for /slow?ms=500; meanwhile it sends one more";
    let expected = "71 answers: 64 in the first turn, 6 in the second, and then another look";
    let many = request("/slow?ms=500") + &request("/").repeat(69);
    send_meanwhile(&server, &mut a, &many, &request("/big?bytes=5"))?;
    server.wait_record("the handler's end", 0, |r| r.is_step("handler slept"))?;
    for n in 1..=71 {
        if let Err(finding) = answer(attempt, &server, &mut a, did, expected)? {
            let seen = format!("{} answers, then {}", n - 1, finding.seen);
            return Ok(Some(Finding { seen, ..*finding }.usually(
                "The second turn had requests to answer, so it did not read, and still let go of \
                 A. The kernel had reported the last one during the first turn, and does not do so \
                 again. Let go only after a turn that has read until EAGAIN.",
            )));
        }
    }
    Ok(None)
}

/// The same, and what is left is an answer of which a turn writes only a part.
fn output_left(attempt: &Attempt) -> Result<Option<Finding>> {
    const LONG: usize = 600_000;
    let server = attempt.start(&["--workers", "1"])?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    let did = format!(
        "A asks for /slow?ms=500 and {LONG} bytes, together; while the handler sleeps, for 5 bytes"
    );
    let expected = "three answers: the second in several turns, and then another look";
    let both = request("/slow?ms=500") + &request(&format!("/big?bytes={LONG}"));
    send_meanwhile(&server, &mut a, &both, &request("/big?bytes=5"))?;
    server.wait_record("the handler's end", 0, |r| r.is_step("handler slept"))?;
    for n in 1..=3 {
        let Err(finding) = answer(attempt, &server, &mut a, &did, expected)? else { continue };
        // Who is told that there is no room may cut the answer off, until chapter 7.
        if server.records().iter().any(|r| r.failed("write", "EAGAIN") && r.fd == Some(fd)) {
            return Ok(None);
        }
        let seen = format!("{} of 3 answers, then {}", n - 1, finding.seen);
        return Ok(Some(Finding { seen, ..*finding }.usually(
            "After `Sent::More` a turn begins with output: `read_to_eagain` reads nothing then, as \
             when requests are left. Did that turn forget the news that was there before it, and \
             let go of A all the same? Let go only after a turn that has read until EAGAIN.",
        )));
    }
    Ok(None)
}

/// How much the client sends: more than a turn may read. And how often: the server's
/// receive buffer grows with what is read from it, and the more it holds, the more
/// often a turn that stops early leaves bytes behind of which nobody will hear.
const CONTENT: usize = 4_000_000;
const TIMES: usize = 14;

/// Long contents, sent as quickly as they are taken.
fn unread(attempt: &Attempt) -> Result<Option<Finding>> {
    let server = attempt.start(&["--workers", "1"])?;
    let mut a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    let did = format!("A sends requests with {CONTENT} bytes of content");
    let expected = "answers; and a worker lets go of A only when it has read everything";
    let head = format!("GET / HTTP/1.1\r\nHost: lab\r\nContent-Length: {CONTENT}\r\n\r\n");
    let all = [head.into_bytes(), vec![b'x'; CONTENT]].concat();
    for _ in 0..TIMES {
        a.send_quietly(&all)?;
        let answered = answer(attempt, &server, &mut a, &did, expected)?;
        let records = server.records();
        let seen = match (&answered, early(&records, fd)) {
            (Ok(_), None) => continue,
            (Ok(_), _) => "it let go of A after a read that had filled its buffer".to_string(),
            (Err(finding), _) => finding.seen.clone(),
        };
        let shown = match early(&records, fd) {
            Some(shown) => shown.to_vec(),
            None => records.iter().rev().take(2).rev().collect(),
        };
        return Ok(Some(
            Finding::new(did, expected, seen)
                .usually(
                    "The turn stopped before EAGAIN, at its bound, and let go of A. The rest \
                     stands in the receive buffer; it was reported with what was read, and is not \
                     reported again. Read without a bound, or take another turn after one that \
                     stopped at it.",
                )
                .shown_by(shown),
        ));
    }
    Ok(None)
}

/// A turn that ended after a read which had filled its buffer, and whose worker did not
/// queue the client again: its last read, and what the worker did next.
fn early(records: &[Record], fd: i32) -> Option<[&Record; 2]> {
    let is_full = |r: &&Record| r.did("read", fd) && r.ret == Some(READ_SIZE as i64);
    records.iter().enumerate().filter(|(_, r)| is_full(r)).find_map(|(at, read)| {
        let next = records[at + 1..].iter().find(|r| r.tid == read.tid)?;
        let lets_go = next.call == "waiting for work" || next.call == "took";
        lets_go.then_some([read, next])
    })
}

/// Step 1, at its end: whom nobody has anything to say to costs nothing.
pub(super) fn idle(attempt: &Attempt, server: &Server) -> Result<Option<Finding>> {
    let spins = match attempt.until(server, "A's worker to rest", |_| None::<()>) {
        Ok(Reached::Spins(last)) => last,
        Ok(Reached::Asleep(_) | Reached::Yes(())) => return Ok(None),
        // So many turns that nobody has kept them.
        Err(Trouble(why)) if why.contains("turns in vain") => {
            let records = server.records();
            records[records.len().saturating_sub(6)..].to_vec()
        }
        Err(Trouble(why)) if why.contains("thread of the server sleeps") => return Ok(None),
        Err(trouble) => return Err(trouble),
    };
    let finding = Finding::new(
        "A has its answer, and asks for nothing",
        "nobody has A, and all threads sleep",
        "A has one turn after another, without end",
    );
    Ok(Some(
        finding
            .usually(
                "Another turn is for a client with news, or with something left. After a turn that \
                 has read until EAGAIN, try to let go of it: from *somebody has it* to *nobody*, \
                 in one step. Only if that fails was there news.",
            )
            .shown_by(&spins),
    ))
}

/// A client that resets while it has a worker: it is closed, as any other.
pub(super) fn reset(attempt: &Attempt) -> Result<Option<Finding>> {
    let server = attempt.start(&["--workers", "2"])?;
    let a = attempt.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    resets_in_its_handler(&server, a)?;
    let did = "A asks for /slow?ms=300, and resets while the handler sleeps";
    let expected = "the client that fails is closed";
    let closed = attempt.until(&server, "A's close", |records| {
        let close = records.iter().position(|r| r.did("close", fd))?;
        Some(records[..=close].to_vec())
    })?;
    let finding = |seen: &str, why: &'static str| Finding::new(did, expected, seen).usually(why);
    match closed {
        Reached::Yes(records) => {
            let Some(close) = records.last() else { return Ok(None) };
            let mistake = parting::mistake(&records, close);
            let shown = parting::story(&records, close);
            Ok(mistake.map(|(seen, why)| finding(seen, why).shown_by(shown)))
        }
        Reached::Asleep(_) | Reached::Spins(_) => {
            let records = server.records();
            let of_a = records.iter().rev().filter(|r| r.fd == Some(fd)).take(4);
            let why = "An error of read or write is the client's end, and no edge will come after \
                       it. Who lets go of such a client, or keeps it, has lost a descriptor.";
            let seen = "its descriptor stays open, and nobody will come back to it";
            Ok(Some(finding(seen, why).shown_by(of_a.collect::<Vec<_>>().into_iter().rev())))
        }
    }
}

fn resets_in_its_handler(server: &Server, mut a: Client) -> Result<()> {
    a.get("/slow?ms=300")?;
    server.wait_record("its handler to sleep", 0, |r| r.is_step("handler sleeps"))?;
    a.reset()
}
