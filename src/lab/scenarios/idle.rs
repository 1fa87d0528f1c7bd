//! Who waits for whom, and what waiting costs.

use super::requests::is_hello;
use super::{How, Seen, fails, works};
use crate::lab::record::Kind;
use crate::lab::{Client, Play, Record, Result, Server, trouble};
use crate::sys;

/// Whether the server's only thread sleeps in a call for this client alone.
fn blocked_on(records: &[Record], fd: i32) -> Option<&Record> {
    let last = records.iter().rev().find(|r| r.kind != Kind::Log)?;
    (last.kind == Kind::Enter && last.fd == Some(fd)).then_some(last)
}

/// B has sent its request. If the server sleeps in a call for A alone, lets A
/// speak, and sees B answered after that.
fn blocked_by(server: &Server, a: &mut Client, b: &mut Client) -> Result<Option<String>> {
    let fd = server.fd_of(a.local())?;
    let records = server.records();
    let Some(enter) = blocked_on(&records, fd) else { return Ok(None) };
    let call = enter.call.clone();
    is_hello(&a.ask("/")?)?;
    is_hello(&b.answer()?)?;
    let spoke = server.wait_record("A to be read", 0, |r| r.did("read", fd))?;
    let accepted = server.accept_of(b.local())?;
    match spoke.seq < accepted.seq {
        true => Ok(Some(call)),
        false => trouble("B was accepted although the server slept in a call for A"),
    }
}

pub(super) fn silent_client(play: &Play) -> Result<Seen> {
    let server = play.start(&[])?;
    let mut a = play.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    play.say("A says nothing");
    // In chapter 1 the enter record of the read follows; elsewhere A is
    // registered, or has been asked and had nothing.
    server.wait_for("A to be looked at", |records| {
        let looked = |r: &Record| {
            r.fd == Some(fd)
                && (r.kind == Kind::Enter || r.failed("read", "EAGAIN") || r.op.is_some())
        };
        records.iter().any(looked).then_some(())
    })?;
    let mut b = play.connect("B", &server)?;
    b.get("/")?;
    let blocked = blocked_by(&server, &mut a, &mut b)?;
    if let Some(call) = blocked {
        play.finish(server)?;
        return fails(
            How::Blocked,
            format_args!("main slept in {call} for A; B was accepted after A spoke"),
        );
    }
    is_hello(&b.answer()?)?;
    play.finish(server)?;
    works("B is answered while A says nothing")
}

pub(super) fn idle(play: &Play) -> Result<Seen> {
    // A worker that has not even started yet would start in the quiet.
    let workers = if play.stage.has_workers() { 2 } else { 0 };
    let server = play.start(&["--workers", "2"][..workers])?;
    server.wait_for("the workers to start", |records| {
        let waiting = records.iter().filter(|r| r.is_step("waiting for work"));
        let mut started: Vec<u64> = waiting.map(|r| r.tid).collect();
        started.dedup();
        (started.len() >= workers).then_some(())
    })?;
    let mut a = play.connect("A", &server)?;
    let fd = server.fd_of(a.local())?;
    is_hello(&a.ask("/")?)?;
    a.close();
    let closed = server.wait_record("A to be closed", 0, |r| r.did("close", fd))?.seq;
    play.say("now nobody is connected");
    // Either all its threads fall asleep, or a thousand equal turns go by.
    let asleep = server.wait_for("sleep or a thousand turns", |records| {
        let turns: u64 = records.iter().filter(|r| r.seq > closed).map(|r| r.times).sum();
        match (turns >= 1000, server.is_quiet(records)) {
            (true, _) => Some(None),
            (_, true) => Some(records.last().map(|r| r.seq)),
            _ => None,
        }
    })?;
    let Some(asleep) = asleep else {
        play.finish(server)?;
        return fails(How::Burns, "1,000 turns of the loop with nobody there");
    };
    let mut b = play.connect("B", &server)?;
    is_hello(&b.ask("/")?)?;
    let accepted = server.accept_of(b.local())?;
    let records = play.finish(server)?;
    // The wait that B's connection ended, and nothing else.
    let between = records.iter().filter(|r| r.seq > asleep && r.seq < accepted.seq).count();
    match between {
        0 | 1 => works("no record between falling asleep and B's connection"),
        n => trouble(format!("{n} records between falling asleep and accepting B")),
    }
}

pub(super) fn idle_crowd(play: &Play) -> Result<Seen> {
    // Each stage holds the crowd as its list; a stage that asks everybody in
    // every turn writes so many records that fewer must do.
    let wanted =
        if play.stage.has_queue() || play.stage == crate::lab::Stage::Ch01 { 1000 } else { 200 };
    let limit = sys::raise_descriptor_limit()?;
    let n = usize::try_from(limit / 2).map_or(wanted, |half| wanted.min(half.max(200)));
    if n < wanted {
        play.say(format_args!("{n} clients instead of {wanted}: {limit} descriptors"));
    }
    let descriptors = n as u64 + 64;
    let patient: &[&str] = match play.stage {
        crate::lab::Stage::Ch07 => &["--header-timeout", "600"],
        _ => &[],
    };
    let server = play.start_with(patient, Some(descriptors))?;
    play.say(format_args!("{n} clients connect and say nothing"));
    let mut crowd = Vec::with_capacity(n);
    for i in 0..n {
        crowd.push(play.connect_quietly(&format!("I{i}"), &server)?);
    }
    let mut a = crowd.swap_remove(0);
    if play.stage == crate::lab::Stage::Ch01 {
        server
            .wait_record("the first client to be read", 0, |r| r.is_enter() && r.call == "read")?;
        let mut b = play.connect("B", &server)?;
        b.get("/")?;
        return match blocked_on(&server.records(), server.fd_of(a.local())?) {
            // B waits behind all of them; it is enough to see the first hold the thread.
            Some(_) => {
                is_hello(&a.ask("/")?)?;
                play.finish(server)?;
                fails(How::Blocked, format_args!("main slept in read for the first of {n}"))
            }
            None => trouble("the first client does not hold the thread"),
        };
    }
    server.wait_for("all to be accepted", |records| {
        (records.iter().filter_map(Record::accepted).count() >= n).then_some(())
    })?;
    let mut b = play.connect("B", &server)?;
    let fd = server.fd_of(b.local())?;
    if !play.stage.has_queue() {
        // It asks everybody in every turn, whether somebody speaks or not.
        let turn = server.wait_record("a count of its turns", 0, |r| r.calls >= n as u64)?;
        is_hello(&b.ask("/")?)?;
        play.finish(server)?;
        play.say(format_args!("each turn makes {} calls", turn.calls));
        return fails(How::PerClient, "each turn of the loop makes a call per idle client");
    }
    server.wait_until_asleep()?;
    let mark = server.mark();
    is_hello(&b.ask("/")?)?;
    let answered = server.wait_record("B's answer", mark, |r| r.did("write", fd))?.seq;
    let between = |r: &&Record| r.kind == Kind::Call && r.seq > mark && r.seq <= answered;
    let count = server.records().iter().filter(between).count() as u64;
    drop(crowd);
    play.finish(server)?;
    match count {
        0..=20 => works("at most 20 calls for the active one's request"),
        _ => trouble(format!("{count} calls for one request with {n} idle clients")),
    }
}

pub(super) fn slow_handler(play: &Play) -> Result<Seen> {
    // Where it is expected to work, the handler sleeps so long that nobody could
    // mistake the order; where not, its end has to be waited for.
    let ms = if play.stage.has_workers() { 10_000 } else { 300 };
    let args: &[&str] = if play.stage.has_workers() { &["--workers", "2"] } else { &[] };
    let server = play.start(args)?;
    let mut a = play.connect("A", &server)?;
    a.get(&format!("/slow?ms={ms}"))?;
    let slept = server.wait_record("the handler to sleep", 0, |r| r.is_step("handler sleeps"))?;
    let mut b = play.connect("B", &server)?;
    b.get("/")?;
    is_hello(&b.answer()?)?;
    let accepted = server.accept_of(b.local())?;
    let records = server.records();
    let woke = records.iter().find(|r| r.is_step("handler slept"));
    let outcome = match woke {
        None => works("B is answered while A's handler sleeps"),
        Some(woke) if woke.seq < accepted.seq && slept.tid == accepted.tid => {
            fails(How::Blocked, "main slept in A's handler; B was accepted after that")
        }
        _ => trouble("B was accepted before A's handler had slept, and not answered"),
    };
    if woke.is_some() {
        a.answer()?;
    }
    play.finish(server)?;
    outcome
}
