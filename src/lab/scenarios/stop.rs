//! Stopping: what is owed, to whom, for how long.

use super::requests::is_hello;
use super::{DROPS_WITHOUT_DESCRIPTOR, How, Seen, fails, open_descriptors, works};
use crate::lab::{Client, End, Play, Result, Server, trouble};
use crate::sys::Usage;

/// Up to chapter 6 a signal ends the process; chapter 7 ends by itself.
fn ended_as_expected(play: &Play, usage: &Usage) -> Result<()> {
    let expected = match play.stage {
        crate::lab::Stage::Ch07 => usage.exit == Some(0),
        _ => usage.signal == Some(libc::SIGINT),
    };
    match expected {
        true => Ok(()),
        false => trouble(format!("it ended with {usage:?}")),
    }
}

pub(super) fn with_nothing_going_on(play: &Play) -> Result<Seen> {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let mut server = play.start(&[])?;
        is_hello(&play.connect("A", &server)?.ask("/")?)?;
        if play.stage != crate::lab::Stage::Ch02 {
            server.wait_until_asleep()?;
        }
        play.say(if signal == libc::SIGINT { "SIGINT" } else { "SIGTERM" });
        server.signal(signal)?;
        let (usage, records) = server.wait_for_end()?;
        match (usage.exit, usage.signal) {
            (Some(0), _) if open_descriptors(&records) != 0 => {
                return trouble(format!(
                    "{} descriptors were not closed",
                    open_descriptors(&records)
                ));
            }
            (Some(0), _) => {}
            (_, Some(by)) if by == signal && play.stage != crate::lab::Stage::Ch07 => {}
            _ => return trouble(format!("it ended with {usage:?}")),
        }
        play.finish(server)?;
    }
    match play.stage {
        crate::lab::Stage::Ch07 => works("exit status 0, every descriptor closed by hand"),
        _ => works("it ends at once (by the signal)"),
    }
}

pub(super) fn with_idle_clients(play: &Play) -> Result<Seen> {
    let mut server = play.start(&[])?;
    let mut clients = Vec::new();
    for name in ["A", "B", "C"] {
        let mut client = play.connect(name, &server)?;
        is_hello(&client.ask("/")?)?;
        clients.push(client);
    }
    server.wait_until_quiet()?;
    play.say("SIGINT, with three idle keep-alive clients");
    server.signal(libc::SIGINT)?;
    let (usage, records) = server.wait_for_end()?;
    ended_as_expected(play, &usage)?;
    for client in &mut clients {
        let (rest, end) = client.rest()?;
        if (rest.len(), end) != (0, End::Eof) {
            return trouble(format!("an idle client got {} bytes, {end:?}", rest.len()));
        }
    }
    if play.stage == crate::lab::Stage::Ch07 && open_descriptors(&records) != 0 {
        return trouble("a descriptor was not closed");
    }
    play.finish(server)?;
    works("they are closed at once, nobody is waited for")
}

/// A's request is in a handler that sleeps.
fn in_flight(play: &Play, args: &[&str], ms: u32) -> Result<(Server, Client)> {
    let server = play.start(args)?;
    let mut a = play.connect("A", &server)?;
    a.get(&format!("/slow?ms={ms}"))?;
    server.wait_record("the handler to sleep", 0, |r| r.is_step("handler sleeps"))?;
    Ok((server, a))
}

/// How long the handler sleeps: long enough for the signal to come meanwhile. If this
/// program was held up for so long, then once more.
const HANDLERS: [u32; 3] = [200, 1_000, 5_000];

pub(super) fn with_a_request_in_flight(play: &Play) -> Result<Seen> {
    let mut seen = trouble("the signal never came in time");
    for ms in HANDLERS {
        seen = stopped_in_flight(play, ms);
        if seen.is_ok() {
            break;
        }
    }
    seen
}

fn stopped_in_flight(play: &Play, ms: u32) -> Result<Seen> {
    let (mut server, mut a) = in_flight(play, &[], ms)?;
    play.say("SIGINT, while A's handler sleeps");
    server.signal(libc::SIGINT)?;
    let (usage, _) = server.wait_for_end()?;
    ended_as_expected(play, &usage)?;
    let (bytes, _) = a.rest()?;
    play.finish(server)?;
    let text = String::from_utf8_lossy(&bytes);
    match (bytes.len(), play.stage) {
        (0, _) => fails(How::Cut, "A gets nothing"),
        (_, crate::lab::Stage::Ch07)
            if text.contains("Connection: close")
                && text.ends_with(&format!("slept {ms} ms\n")) =>
        {
            works("A gets its answer, with Connection: close; exit status 0")
        }
        _ => trouble(format!("A got {text:?}")),
    }
}

pub(super) fn with_connections_in_the_accept_queue(play: &Play) -> Result<Seen> {
    let mut server = play.start(&[])?;
    if play.stage != crate::lab::Stage::Ch02 {
        server.wait_until_asleep()?;
    }
    server.freeze()?;
    play.say("the server is stopped; five clients connect and ask; SIGINT; it goes on");
    let mut clients = Vec::new();
    for name in ["A", "B", "C", "D", "E"] {
        let mut client = play.connect(name, &server)?;
        client.get("/")?;
        clients.push(client);
    }
    server.thaw_with_signal_to_main(libc::SIGINT)?;
    let (usage, records) = server.wait_for_end()?;
    ended_as_expected(play, &usage)?;
    let mut answered = 0;
    for client in &mut clients {
        let (bytes, _) = client.rest()?;
        answered += usize::from(bytes.ends_with(b"\r\n\r\nHello World\n"));
    }
    let accepted = records.iter().filter_map(crate::lab::Record::accepted).count();
    play.finish(server)?;
    match (accepted, answered) {
        (5, 5) => works("all five are accepted and answered; exit status 0"),
        (_, 0) => fails(How::Cut, "none of the five is answered"),
        other => trouble(format!("accepted, answered: {other:?}")),
    }
}

pub(super) fn at_the_deadline(play: &Play) -> Result<Seen> {
    let (mut server, mut a) =
        in_flight(play, &["--drain-timeout", "0.2", "--workers", "2"], 10_000)?;
    let mut b = play.connect_small("B", &server)?;
    b.get("/big?bytes=8388608")?;
    server.wait_for("B's answer to wait for room", |records| {
        records.iter().any(|r| r.failed("write", "EAGAIN")).then_some(())
    })?;
    play.say("SIGTERM; A's handler sleeps for 10 s, B does not read, the drain may take 0.2 s");
    server.signal(libc::SIGTERM)?;
    let (usage, records) = server.wait_for_end()?;
    let slept_out = records.iter().any(|r| r.is_step("handler slept"));
    let said = records.iter().any(|r| r.note.contains("2 connections were cut off"));
    let (bytes, _) = a.rest()?;
    let (part, _) = b.rest()?;
    play.finish(server)?;
    match (usage.exit, slept_out, said, bytes.len(), part.len() < 8_388_608) {
        (Some(3), false, true, 0, true) => {
            works("exit status 3 before the handler ended; the line says that 2 were cut off")
        }
        other => trouble(format!("exit, slept, said, bytes, cut: {other:?}")),
    }
}

pub(super) fn twice(play: &Play) -> Result<Seen> {
    for (signal, status) in [(libc::SIGINT, 130), (libc::SIGTERM, 143)] {
        let (mut server, mut a) = in_flight(play, &[], 10_000)?;
        play.say("the signal, and once the stop has begun, the signal again");
        let mark = server.mark();
        server.signal(signal)?;
        server.wait_record("the listener to be closed", mark, |r| {
            r.is_call("close") && r.role.as_deref() == Some("listener")
        })?;
        server.signal(signal)?;
        let (usage, _) = server.wait_for_end()?;
        a.rest()?;
        play.finish(server)?;
        if usage.exit != Some(status) {
            return trouble(format!("it ended with {usage:?}, not {status}"));
        }
    }
    works("exit status 130 (SIGINT), 143 (SIGTERM)")
}

pub(super) fn with_requests_behind(play: &Play) -> Result<Seen> {
    // A's second request arrives while its first is in a handler; B's while its
    // first answer waits for room. Both have arrived when the signal comes.
    let (mut server, mut a) = in_flight(play, &["--workers", "2"], 300)?;
    a.get("/")?;
    let mut b = play.connect_small("B", &server)?;
    let fd = server.fd_of(b.local())?;
    b.get("/big?bytes=3000000")?;
    server.wait_record("B's answer to wait for room", 0, |r| {
        r.failed("write", "EAGAIN") && r.fd == Some(fd)
    })?;
    b.get("/big?bytes=7")?;
    play.say("SIGTERM; A's and B's second requests have arrived and were not yet read");
    let mark = server.mark();
    server.signal(libc::SIGTERM)?;
    server.wait_record("the listener to be closed", mark, |r| {
        r.is_call("close") && r.role.as_deref() == Some("listener")
    })?;
    let lengths: Vec<usize> = [a.answer()?, a.answer()?, b.answer()?, b.answer()?]
        .iter()
        .map(|answer| answer.body.len())
        .collect();
    let ends = [a.rest()?.1, b.rest()?.1];
    let (usage, _) = server.wait_for_end()?;
    play.finish(server)?;
    match (usage.exit, lengths.as_slice(), ends) {
        (Some(0), [13, 12, 3_000_000, 7], [End::Eof, End::Eof]) => {
            works("all four are answered, whole and in order; exit status 0")
        }
        other => trouble(format!("exit, lengths, ends: {other:?}")),
    }
}

pub(super) fn without_descriptors(play: &Play) -> Result<Seen> {
    let mut server = play.start_with(&["--max-connections", "1000"], Some(24))?;
    play.say("30 clients connect and ask, 24 descriptors are allowed");
    server.wait_until_asleep()?;
    server.freeze()?;
    let mut clients = Vec::new();
    for n in 0..30 {
        let mut client = play.connect_quietly(&format!("C{n}"), &server)?;
        client.send_quietly(crate::lab::client::request("/").as_bytes())?;
        clients.push(client);
    }
    play.say("SIGTERM");
    server.thaw_with_signal_to_main(libc::SIGTERM)?;
    let (usage, records) = server.wait_for_end()?;
    let out = records.iter().any(|r| r.failed("accept", "EMFILE"));
    let mut answered = 0;
    for client in &mut clients {
        answered += usize::from(client.rest()?.0.ends_with(b"Hello World\n"));
    }
    play.finish(server)?;
    match (usage.exit, out, answered) {
        (Some(0), true, 30) => works("those without a descriptor are accepted as others leave"),
        (Some(0), true, 10..) if DROPS_WITHOUT_DESCRIPTOR => {
            works("those who were accepted are answered; the kernel dropped the others")
        }
        other => trouble(format!("exit, EMFILE, answered: {other:?}")),
    }
}
