//! Signals that come at odd moments.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::requests::is_hello;
use super::{How, Seen, fails, works};
use crate::lab::client::{request, take_answer};
use crate::lab::{Client, End, Play, Record, Result, Trouble, trouble};
use crate::sys;

/// How many descriptors the process has, as Linux's /proc counts them.
pub(super) fn open_by_proc(pid: u32) -> Option<usize> {
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

pub(super) fn eintr(play: &Play) -> Result<Seen> {
    let server = play.start(&[])?;
    // Linux ends the wait with EINTR, though no handler is installed; libkqueue
    // starts it again by itself.
    let interrupts = play.stage.has_queue() && cfg!(epoll);
    for _ in 0..3 {
        server.wait_until_asleep()?;
        let mark = server.mark();
        play.say("the server is stopped and goes on (SIGSTOP, SIGCONT)");
        server.freeze()?;
        server.thaw()?;
        let mut again = sys::monotonic_us() + 100_000;
        if interrupts {
            server.wait_for("the wait to end with EINTR", |records| {
                let woke = |r: &Record| r.seq > mark && r.failed("epoll_wait", "EINTR");
                let found = records.iter().any(woke);
                // It may have been stopped just before it fell asleep.
                if !found && sys::monotonic_us() > again && server.is_quiet(records) {
                    let _ = server.freeze().and_then(|()| server.thaw());
                    again = sys::monotonic_us() + 100_000;
                }
                found.then_some(())
            })?;
        }
        is_hello(&play.connect("A", &server)?.ask("/")?)?;
    }
    play.finish(server)?;
    match interrupts {
        true => works("the wait returned EINTR, the loop went on, the next client is answered"),
        false => works("the sleeping call goes on, the next client is answered"),
    }
}

pub(super) fn stop_by_worker(play: &Play) -> Result<Seen> {
    let mut server = play.start(&["--workers", "2"])?;
    let worker = server.wait_for("a worker to wait for work", |records| {
        records.iter().find(|r| r.is_step("waiting for work")).map(|r| r.tid)
    })?;
    server.wait_until_asleep()?;
    play.say("SIGTERM to the thread of a worker");
    let mark = server.mark(); // before the signal: main may be awake before the next line
    sys::send_signal_to_thread(server.pid(), worker, libc::SIGTERM)?;
    let suspect = sys::monotonic_us() + 3_000_000;
    let stops = server.wait_for("main to stop, or to sleep on", |records| {
        let woke = records.iter().any(|r| r.seq > mark && r.is_wait());
        (woke || sys::monotonic_us() > suspect).then_some(woke)
    })?;
    if !stops {
        // The proof: what wakes main is somebody else's connection.
        let _b = play.connect("B", &server)?;
        let woke = server.wait_record("main to wake up", mark, Record::is_wait)?;
        if !woke.note.contains("wake") {
            return fails(How::Deaf, "main slept on until the next client came");
        }
    }
    let (usage, _) = server.wait_for_end()?;
    play.finish(server)?;
    match usage.exit {
        Some(0) => works("main wakes up, stops, exits with 0"),
        _ => trouble(format!("it ended with {usage:?}")),
    }
}

/// One request after another; how many answers came. A stop ends it in one of two ways:
/// an answer that says so, or, between two requests, a close with no byte before it.
fn ask_until_the_stop(mut client: Client, stopping: &AtomicBool) -> Result<usize> {
    let mut answers = 0;
    loop {
        // A write to who has closed may fail; the read that follows tells.
        let sent = client.send_quietly(request("/big?bytes=3000").as_bytes());
        let (bytes, end) = client.until(|bytes| !matches!(take_answer(bytes), Ok(None)))?;
        match (take_answer(&bytes)?, end) {
            (Some((answer, length)), None) if length == bytes.len() => {
                sent?;
                if (answer.status, answer.body.len()) != (200, 3000) {
                    return trouble(format!("{:?}, {length} bytes", answer.head));
                }
                answers += 1;
                if !answer.says_close() {
                    continue;
                }
                match client.rest()? {
                    (rest, End::Eof) if rest.is_empty() => {}
                    (rest, end) => {
                        let much = rest.len();
                        return trouble(format!("{much} bytes behind the last answer, {end:?}"));
                    }
                }
            }
            (None, Some(_)) if bytes.is_empty() => {}
            (_, end) => {
                return trouble(format!("{end:?} after {} bytes of an answer", bytes.len()));
            }
        }
        return match stopping.load(Ordering::SeqCst) {
            true => Ok(answers),
            false => trouble("it was closed, and nobody had asked the server to stop"),
        };
    }
}

pub(super) fn stop_under_load(play: &Play) -> Result<Seen> {
    let mut server = play.start(&["--workers", "2"])?;
    play.say("4 clients ask as fast as they can; meanwhile SIGSTOP, SIGCONT, then SIGINT");
    let stopping = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|n| {
            let (address, script) = (server.address(), play.quiet_script());
            let stopping = Arc::clone(&stopping);
            thread::spawn(move || {
                let client = Client::connect_to(&format!("L{n}"), address, script)?;
                ask_until_the_stop(client, &stopping)
            })
        })
        .collect();
    let writes = |n: usize| {
        move |records: &[crate::lab::Record]| {
            let to_client =
                |r: &&crate::lab::Record| r.is_call("write") && r.role.as_deref() == Some("client");
            (records.iter().filter(to_client).count() >= n).then_some(())
        }
    };
    for n in [50, 100, 150] {
        server.wait_for("some answers", writes(n))?;
        server.freeze()?;
        server.thaw()?;
    }
    server.wait_for("more answers", writes(200))?;
    stopping.store(true, Ordering::SeqCst);
    server.signal(libc::SIGINT)?;
    let (usage, _) = server.wait_for_end()?;
    let mut answers = 0;
    for client in clients {
        answers += client.join().map_err(|_| Trouble("a client panicked".to_string()))??;
    }
    play.finish(server)?;
    match (usage.exit, answers) {
        (Some(0), 150..) => works("every answer that was begun is whole; exit status 0"),
        other => trouble(format!("exit and answers: {other:?}")),
    }
}
