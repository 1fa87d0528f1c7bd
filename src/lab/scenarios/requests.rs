//! What becomes of one connection's requests.

use super::{How, Seen, fails, works};
use crate::http::pattern;
use crate::lab::client::{Answer, End, request, take_answer};
use crate::lab::{Play, Result, trouble};

/// Checks an answer to `GET /`.
pub(super) fn is_hello(answer: &Answer) -> Result<()> {
    match (answer.status, answer.body.as_slice()) {
        (200, b"Hello World\n") => Ok(()),
        (status, body) => trouble(format!("wrong answer: {status} {}", body.escape_ascii())),
    }
}

/// Checks that `body` is what `/big` sends.
pub(super) fn is_pattern(body: &[u8]) -> Result<()> {
    match body.iter().enumerate().find(|(i, b)| pattern(*i) != **b) {
        Some((at, _)) => trouble(format!("wrong byte at {at} of {}", body.len())),
        None => Ok(()),
    }
}

pub(super) fn hello(play: &Play) -> Result<Seen> {
    let server = play.start(&[])?;
    let mut a = play.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    let answer = a.ask("/")?;
    is_hello(&answer)?;
    // The earlier stages close, the later ones say that they will not.
    if answer.says_close() == play.stage.keeps_alive() {
        return trouble(format!("unexpected Connection field: {}", answer.head));
    }
    a.close();
    server.wait_record("A to be closed", 0, |r| r.did("close", fd))?;
    let mut b = play.connect("B", &server)?;
    let accept = server.accept_of(b.local())?;
    let missing = b.ask("/nothing")?;
    b.close();
    let of_b = |r: &crate::lab::Record| r.is_call("close") && r.fd.map(i64::from) == accept.ret;
    server.wait_record("B to be closed", accept.seq, of_b)?;
    if missing.status != 404 {
        return trouble(format!("/nothing: {}", missing.status));
    }
    play.finish(server)?;
    works("200 with Hello World, 404 for what is not there")
}

pub(super) fn hundred_requests(play: &Play) -> Result<Seen> {
    let server = play.start(&[])?;
    let mut a = play.connect("A", &server)?;
    let answer = a.ask("/")?;
    is_hello(&answer)?;
    if answer.says_close() {
        let (rest, end) = a.rest()?;
        play.finish(server)?;
        return match (rest.len(), end) {
            (0, End::Eof) => fails(How::OneAnswer, "the answer says Connection: close, then EOF"),
            other => trouble(format!("after Connection: close came {other:?}")),
        };
    }
    play.say("A asks 99 times more");
    for _ in 0..99 {
        let sent = a.send_quietly(request("/").as_bytes());
        match sent.and_then(|()| a.answer_quietly()) {
            Ok(answer) => is_hello(&answer)?,
            Err(_) => {
                return fails(How::OneAnswer, "it says keep-alive, and is closed all the same");
            }
        }
    }
    a.close();
    let records = play.finish(server)?;
    let accepts = records.iter().filter_map(|r| r.accepted()).count();
    works(format_args!("100 answers, {accepts} connection"))
}

pub(super) fn byte_by_byte(play: &Play) -> Result<Seen> {
    let server = play.start(&[])?;
    let mut a = play.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    play.say("A sends one byte after another, each when the last one has been read");
    for (n, byte) in request("/").bytes().enumerate() {
        let mark = server.mark();
        if a.send_quietly(&[byte]).is_err() {
            break; // refused and closed: the answer tells
        }
        let read = server.wait_record("the byte to be read", mark, |r| r.did("read", fd))?;
        if read.ret != Some(1) {
            return trouble(format!("byte {n}: read {:?}", read.ret));
        }
        if !play.stage.keeps_alive() {
            break;
        }
    }
    let answer = a.answer()?;
    match answer.status {
        200 => is_hello(&answer)?,
        400 => {
            let (rest, _) = a.rest()?;
            play.finish(server)?;
            return match rest.len() {
                0 => fails(How::Refused, "400 after the first byte, then the end"),
                n => trouble(format!("{n} bytes after the 400: a second answer?")),
            };
        }
        status => return trouble(format!("status {status}")),
    }
    server.wait_record("the answer to be written", 0, |r| r.did("write", fd))?;
    let records = play.finish(server)?;
    match records.iter().filter(|r| r.did("write", fd)).count() {
        1 => works("one answer, after the last byte"),
        n => fails(How::Early, format_args!("{n} answers to one request: one per read")),
    }
}

pub(super) fn two_in_one(play: &Play) -> Result<Seen> {
    let server = play.start(&[])?;
    let mut a = play.connect("A", &server)?;
    a.send((request("/") + &request("/big?bytes=7")).as_bytes())?;
    is_hello(&a.answer()?)?;
    if !play.stage.keeps_alive() {
        let (rest, _) = a.rest()?;
        play.finish(server)?;
        return match rest.len() {
            0 => fails(How::OneAnswer, "the second request is lost with the connection"),
            n => trouble(format!("{n} bytes of a second answer")),
        };
    }
    let second = a.answer()?;
    is_pattern(&second.body)?;
    let fd = server.fd_of(a.local())?;
    server.wait_record("the answers to be written", 0, |r| r.did("write", fd))?;
    let records = play.finish(server)?;
    let reads = records.iter().filter(|r| r.did("read", fd) && r.ret > Some(0)).count();
    match reads {
        1 => works("both answered, in order, from one read"),
        n => trouble(format!("{n} reads returned data: the requests did not come together")),
    }
}

pub(super) fn half_close(play: &Play) -> Result<Seen> {
    let server = play.start(&[])?;
    let mut a = play.connect("A", &server)?;
    a.get("/")?;
    a.half_close()?;
    is_hello(&a.answer()?)?;
    let (rest, end) = a.rest()?;
    if (rest.len(), end) != (0, End::Eof) {
        return trouble(format!("after the answer: {} bytes, {end:?}", rest.len()));
    }
    let fd = server.fd_of(a.local())?;
    server.wait_record("its descriptor to be closed", 0, |r| r.did("close", fd))?;
    play.finish(server)?;
    works("the answer, then EOF; the descriptor is closed")
}

pub(super) fn reset(play: &Play) -> Result<Seen> {
    let server = play.start(&[])?;
    let mut told = Vec::new();
    for name in ["A", "B", "C"] {
        let mut rude = play.connect(name, &server)?;
        let fd = server.fd_of(rude.local())?;
        let mark = server.mark();
        match name {
            "A" => {} // connects and resets
            "B" => rude.send(b"GET / HT")?,
            _ => rude.get("/slow?ms=50")?,
        }
        if name == "C" {
            server.wait_record("the handler to sleep", mark, |r| r.is_step("handler sleeps"))?;
        }
        rude.reset()?;
        let close =
            server.wait_record("its descriptor to be closed", mark, |r| r.did("close", fd))?;
        let failed = |r: &&crate::lab::Record| {
            r.fd == Some(fd) && r.seq > mark && r.seq < close.seq && r.errno.is_some()
        };
        let errors: Vec<_> = server.records().iter().filter(failed).cloned().collect();
        told.extend(errors.iter().filter_map(|r| r.errno.clone()).filter(|e| e != "EAGAIN"));
    }
    is_hello(&play.connect("D", &server)?.ask("/")?)?;
    play.finish(server)?;
    told.sort();
    told.dedup();
    works(format_args!("the errors met were {}; the next client is answered", told.join(", ")))
}

pub(super) fn slow_reader(play: &Play) -> Result<Seen> {
    const BYTES: usize = 8 * 1024 * 1024;
    let server = play.start(&[])?;
    let mut a = play.connect_small("A", &server)?;
    let fd = server.fd_of(a.local())?;
    a.get(&format!("/big?bytes={BYTES}"))?;
    play.say("A does not read until the server's send buffer is full");
    server.wait_for("a full send buffer", |records| {
        let full = records.iter().any(|r| {
            let offered: i64 = r.args.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            let short = !play.stage.keeps_alive()
                && r.did("write", fd)
                && r.ret.is_some_and(|n| n < offered);
            let blocked = r.is_enter() && r.call == "write" && r.fd == Some(fd);
            short || blocked || (r.failed("write", "EAGAIN") && r.fd == Some(fd))
        });
        full.then_some(())
    })?;
    let (bytes, end) = read_to_answer_or_end(&mut a, BYTES)?;
    let records = play.finish(server)?;
    let Some(head) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
        return trouble("no head of an answer came");
    };
    let body = &bytes[head + 4..];
    is_pattern(body)?;
    let writes = records.iter().filter(|r| r.did("write", fd)).count();
    match body.len() {
        BYTES => works(format_args!("8 MiB, whole, in {writes} writes")),
        n if end => fails(How::Cut, format_args!("{n} of {BYTES} bytes, then the end")),
        n => trouble(format!("{n} of {BYTES} bytes and no end")),
    }
}

/// Reads one answer of `length` bytes, or what comes before the end.
fn read_to_answer_or_end(
    client: &mut crate::lab::Client,
    length: usize,
) -> Result<(Vec<u8>, bool)> {
    match client.until(|received| {
        matches!(take_answer(received), Ok(Some((answer, _))) if answer.body.len() == length)
    })? {
        (bytes, None) => Ok((bytes, false)),
        (bytes, Some(_)) => Ok((bytes, true)),
    }
}

pub(super) fn before_rearm(play: &Play) -> Result<Seen> {
    let server = play.start(&["--workers", "2"])?;
    let mut a = play.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    a.get("/slow?ms=60")?;
    let asleep = server.wait_record("the handler to sleep", 0, |r| r.is_step("handler sleeps"))?;
    play.say("the worker has read A's request and sleeps in the handler");
    a.get("/big?bytes=5")?;
    let first = a.answer()?;
    let second = a.answer()?;
    if (first.body.as_slice(), second.body.len()) != (b"slept 60 ms\n", 5) {
        return trouble("the answers are not those asked for");
    }
    server.wait_for("both answers to be written", |records| {
        (records.iter().filter(|r| r.did("write", fd)).count() == 2).then_some(())
    })?;
    let records = play.finish(server)?;
    // The point of the scenario: no read between the sleep and the arming.
    let arm = records.iter().find(|r| {
        r.seq > asleep.seq && r.fd == Some(fd) && matches!(r.op.as_deref(), Some("add" | "rearm"))
    });
    let Some(arm) = arm else { return trouble("it was never armed again") };
    let read_between = records
        .iter()
        .any(|r| r.is_call("read") && r.fd == Some(fd) && (asleep.seq..arm.seq).contains(&r.seq));
    match read_between {
        true => trouble("it read again before it armed: the scenario did not hit the gap"),
        false => works("the second request was there before the re-arm, and fired at once"),
    }
}
