//! What happens in the recordings in which something ends or runs out: the
//! process, the room for an answer, descriptors.

use super::scripts::{TWO, arrive, ask, ask_slow, closed, leave, send_part, settle};
use super::{Client, Deed, Play, Result, Server, trouble};

/// A is idle, B's request is in a handler: how the interrupt (Ctrl-C) is taken.
fn stopped(play: &Play) -> Result<(Server, Client, Client)> {
    let mut server = play.start(TWO)?;
    server.wait_until_quiet()?;
    let mut a = arrive(play, &server, "A")?;
    server.wait_until_quiet()?;
    ask(&server, &mut a, "/")?;
    server.wait_until_quiet()?;
    let mut b = settle(play, &server, "B")?;
    // So long that the signal comes first on a busy machine, too; a drain waits for it.
    ask_slow(&server, &mut b, if play.stage < super::Stage::Ch07 { 5000 } else { 1000 })?;
    server.wait_until_quiet()?;
    play.does(Deed::Signal, "presses Ctrl-C (SIGINT), while B's handler sleeps");
    server.signal(libc::SIGINT)?;
    if play.stage < super::Stage::Ch07 {
        let (usage, _) = server.wait_for_end()?;
        match usage.signal {
            Some(signal) if signal == libc::SIGINT => {}
            _ => return trouble(format!("it ended with {usage:?}")),
        }
        play.does(Deed::Exit, "sees that SIGINT has ended the process, at once");
    }
    Ok((server, a, b))
}

pub(super) fn stop_cuts(play: &Play) -> Result<()> {
    let (server, mut a, mut b) = stopped(play)?;
    a.rest()?;
    b.rest()?;
    play.finish(server).map(drop)
}

pub(super) fn stop_drains(play: &Play) -> Result<()> {
    let (mut server, mut a, mut b) = stopped(play)?;
    a.rest()?;
    b.answer()?;
    b.rest()?;
    // Nobody closes: for how long they are waited for is decided by the server alone.
    let (usage, _) = server.wait_for_end()?;
    if usage.exit != Some(0) {
        return trouble(format!("it ended with {usage:?}"));
    }
    play.does(Deed::Exit, "sees the process end, with exit status 0: nothing was cut");
    a.close();
    b.close();
    play.finish(server).map(drop)
}

pub(super) fn waits_for_room(play: &Play) -> Result<()> {
    let server = play.start(TWO)?;
    server.wait_until_quiet()?;
    let mut a = play.connect_small("A", &server)?;
    let fd = server.fd_of(a.local())?;
    server.wait_until_quiet()?;
    let mark = server.mark();
    let armed = |want| {
        let is_it = |r: &super::Record| r.op.as_deref() == Some("rearm") && r.fd == Some(fd);
        let says = |r: &super::Record| is_it(r) && r.want.as_deref() == Some(want);
        server.wait_record("A to be armed again", mark, says)
    };
    // Elsewhere a small receive buffer alone may not be enough to fill the sender's.
    a.get(if cfg!(target_os = "linux") { "/big?bytes=100000" } else { "/big?bytes=8388608" })?;
    armed("write")?;
    server.wait_until_quiet()?;
    play.say("A does not read: its answer waits, and no worker with it");
    let mut b = settle(play, &server, "B")?;
    ask(&server, &mut b, "/")?;
    server.wait_until_quiet()?;
    a.begins_to_read();
    a.answer()?;
    armed("read")?;
    server.wait_until_quiet()?;
    play.finish(server).map(drop)
}

/// A takes the last descriptor, and B connects.
pub(super) fn runs_out(play: &Play) -> Result<()> {
    // As many as the server has open with one client; libkqueue keeps some for itself.
    let few = if cfg!(feature = "libkqueue") { 14 } else { 6 };
    let server = play.start_with(&[], Some(few))?;
    server.wait_until_asleep()?;
    let a = settle(play, &server, "A")?;
    play.say("A has the last descriptor that the server may have");
    let mark = server.mark();
    let mut b = play.connect("B", &server)?;
    if play.stage == super::Stage::Ch03 {
        server.wait_record("a thousand turns", mark, |r| r.times >= 1000)?;
    } else {
        let is_pause = |r: &super::Record| r.op.as_deref() == Some("delete");
        server.wait_record("the listener to be deleted", mark, is_pause)?;
        server.wait_until_asleep()?;
    }
    leave(&server, a)?;
    server.accept_of(b.local())?;
    ask(&server, &mut b, "/")?;
    leave(&server, b)?;
    server.wait_until_asleep()?;
    play.finish(server).map(drop)
}

/// A sends half a request and no more.
pub(super) fn comes_too_late(play: &Play) -> Result<()> {
    let server = play.start(&["--workers", "2", "--header-timeout", "0.5"])?;
    server.wait_until_quiet()?;
    let mut a = settle(play, &server, "A")?;
    let peer = a.local();
    send_part(&server, &mut a, "GET / HT")?;
    server.wait_until_quiet()?;
    let (fd, accepted) = (server.fd_of(peer)?, server.accept_of(peer)?.seq);
    play.say("A sends no more, and does not close");
    let refusal = a.answer()?;
    if refusal.status != 408 {
        return trouble(format!("A gets {}", refusal.status));
    }
    a.rest()?;
    // Not before main waits for its end: else, who reads it, is a matter of luck.
    let adds = |r: &&super::Record| r.fd == Some(fd) && r.op.as_deref() == Some("add");
    server.wait_for("A to be added again", |records| {
        let added = records.iter().filter(|r| r.seq > accepted).filter(adds).count();
        (added == 2).then_some(())
    })?;
    server.wait_until_quiet()?;
    a.close();
    closed(&server, peer)?;
    server.wait_until_quiet()?;
    play.finish(server).map(drop)
}
