//! What happens in each recording: few clients, one thing after another.
//!
//! The next action waits for the record that the last one causes, so that every
//! run tells the same story, whichever thread is quicker.

use std::time::Duration;

use super::{Client, Deed, Play, Result, Server};

/// How long a client is silent that others wait for: so long that it can be seen.
const SILENCE: Duration = Duration::from_millis(300);

/// Two workers, so that two things can happen at once on any machine.
pub(super) const TWO: &[&str] = &["--workers", "2"];

/// A connects; waits until the server has accepted it.
pub(super) fn arrive(play: &Play, server: &Server, name: &str) -> Result<Client> {
    let client = play.connect(name, server)?;
    server.fd_of(client.local())?;
    Ok(client)
}

/// The same, and waits until main sleeps again.
pub(super) fn settle(play: &Play, server: &Server, name: &str) -> Result<Client> {
    let client = arrive(play, server, name)?;
    server.wait_until_asleep().map(|()| client)
}

/// Asks, and waits until the answer's record is there, too.
pub(super) fn ask(server: &Server, client: &mut Client, target: &str) -> Result<()> {
    let (fd, mark) = (server.fd_of(client.local())?, server.mark());
    client.ask(target)?;
    server.wait_record("the answer", mark, |r| r.did("write", fd)).map(drop)
}

/// Asks for something slow, and waits until its handler sleeps.
pub(super) fn ask_slow(server: &Server, client: &mut Client, ms: u32) -> Result<()> {
    let mark = server.mark();
    client.get(&format!("/slow?ms={ms}"))?;
    server.wait_record("the handler to sleep", mark, |r| r.is_step("handler sleeps")).map(drop)
}

/// Sends a part of a request, and waits until it has been read.
pub(super) fn send_part(server: &Server, client: &mut Client, part: &str) -> Result<()> {
    let (fd, mark) = (server.fd_of(client.local())?, server.mark());
    client.send(part.as_bytes())?;
    server.wait_record("the part to be read", mark, |r| r.did("read", fd)).map(drop)
}

/// The answer that was asked for before, the end of the connection on both sides.
fn answer_and_leave(server: &Server, mut client: Client) -> Result<()> {
    client.answer()?;
    leave(server, client)
}

pub(super) fn leave(server: &Server, client: Client) -> Result<()> {
    let peer = client.local();
    client.close();
    closed(server, peer)
}

/// Waits until the server, too, has closed the latest connection from there.
pub(super) fn closed(server: &Server, peer: std::net::SocketAddr) -> Result<()> {
    let accepted = server.accept_of(peer)?;
    let fd = server.fd_of(peer)?;
    server.wait_record("its close", accepted.seq, |r| r.did("close", fd)).map(drop)
}

pub(super) fn one_by_one(play: &Play) -> Result<()> {
    let server = play.start(&[])?;
    server.wait_until_asleep()?;
    for name in ["A", "B"] {
        let mut client = arrive(play, &server, name)?;
        ask(&server, &mut client, "/")?;
        leave(&server, client)?;
        server.wait_until_asleep()?;
    }
    play.finish(server).map(drop)
}

pub(super) fn silent_blocks(play: &Play) -> Result<()> {
    let server = play.start(&[])?;
    server.wait_until_asleep()?;
    let mut a = arrive(play, &server, "A")?;
    server.wait_record("a read for A", 0, |r| r.is_enter() && r.call == "read")?;
    play.say("A says nothing. main sleeps in read for A");
    let mut b = play.connect("B", &server)?;
    b.get("/")?;
    play.say("B has asked, and nobody looks");
    // The silence itself is what is recorded: nothing happens, so nothing tells of it.
    std::thread::sleep(SILENCE);
    ask(&server, &mut a, "/")?;
    leave(&server, a)?;
    answer_and_leave(&server, b)?;
    server.wait_until_asleep()?;
    play.finish(server).map(drop)
}

pub(super) fn silent_spins(play: &Play) -> Result<()> {
    let server = play.start(&[])?;
    let a = arrive(play, &server, "A")?;
    let fd = server.fd_of(a.local())?;
    server.wait_record("A to be asked", 0, |r| r.failed("read", "EAGAIN") && r.fd == Some(fd))?;
    play.say("A says nothing. Its read returns EAGAIN, and main goes on");
    let mut b = arrive(play, &server, "B")?;
    ask(&server, &mut b, "/")?;
    leave(&server, b)?;
    let mark = server.mark();
    play.say("nobody says anything any more");
    server.wait_record("a thousand turns", mark, |r| r.times >= 1000)?;
    play.finish(server)?;
    drop(a);
    Ok(())
}

pub(super) fn silent_sleeps(play: &Play) -> Result<()> {
    let server = play.start(&[])?;
    server.wait_until_asleep()?;
    let a = arrive(play, &server, "A")?;
    server.wait_until_quiet()?;
    play.say(
        "A says nothing. main sleeps, and waits for A as for everybody: no longer for A alone",
    );
    let mut b = arrive(play, &server, "B")?;
    server.wait_until_quiet()?;
    ask(&server, &mut b, "/")?;
    leave(&server, b)?;
    server.wait_until_quiet()?;
    play.finish(server)?;
    drop(a);
    Ok(())
}

pub(super) fn burst(play: &Play) -> Result<()> {
    let server = play.start(&[])?;
    server.wait_until_asleep()?;
    play.does(Deed::Freeze, "stops the process for a moment (SIGSTOP)");
    server.freeze()?;
    let names = ["A", "B", "C", "D"];
    let mut clients =
        names.iter().map(|name| play.connect(name, &server)).collect::<Result<Vec<_>>>()?;
    play.does(Deed::Thaw, "lets it go on (SIGCONT): four connections are waiting");
    server.thaw()?;
    for client in &clients {
        server.accept_of(client.local())?;
    }
    server.wait_until_quiet()?;
    ask(&server, &mut clients[0], "/")?;
    leave(&server, clients.remove(0))?;
    server.wait_until_quiet()?;
    play.finish(server)?;
    drop(clients);
    Ok(())
}

pub(super) fn slow_stalls(play: &Play) -> Result<()> {
    let server = play.start(&[])?;
    server.wait_until_asleep()?;
    let mut a = arrive(play, &server, "A")?;
    server.wait_until_quiet()?;
    ask_slow(&server, &mut a, 300)?;
    play.say("A's handler sleeps, and main is the thread that runs it");
    let mut b = play.connect("B", &server)?;
    b.get("/")?;
    answer_and_leave(&server, a)?;
    answer_and_leave(&server, b)?;
    server.wait_until_quiet()?;
    play.finish(server).map(drop)
}

pub(super) fn slow_is_alone(play: &Play) -> Result<()> {
    let server = play.start(TWO)?;
    server.wait_until_quiet()?;
    let mut a = settle(play, &server, "A")?;
    ask_slow(&server, &mut a, 600)?;
    play.say("one worker sleeps in A's handler, and main is free");
    let mut b = settle(play, &server, "B")?;
    ask_slow(&server, &mut b, 300)?;
    play.say("both workers sleep in handlers, and main is free all the same");
    let mut c = settle(play, &server, "C")?;
    let (fd, mark) = (server.fd_of(c.local())?, server.mark());
    c.get("/")?;
    server.wait_record("C to be queued", mark, |r| r.is_step("queued") && r.fd == Some(fd))?;
    play.say("C waits in the pool's queue until a worker is free");
    for client in [b, c, a] {
        answer_and_leave(&server, client)?;
    }
    server.wait_until_quiet()?;
    play.finish(server).map(drop)
}

pub(super) fn two_pieces_refused(play: &Play) -> Result<()> {
    let server = play.start(TWO)?;
    server.wait_until_quiet()?;
    let mut a = settle(play, &server, "A")?;
    ask_slow(&server, &mut a, 300)?;
    let mut b = settle(play, &server, "B")?;
    play.say("B's request comes in two pieces: this is the first");
    let peer = b.local();
    b.send(b"GET / HT")?;
    b.answer()?;
    closed(&server, peer)?;
    b.send(b"TP/1.1\r\nHost: lab\r\n\r\n")?;
    b.close();
    answer_and_leave(&server, a)?;
    server.wait_until_quiet()?;
    play.finish(server).map(drop)
}

pub(super) fn pieces_and_pairs(play: &Play) -> Result<()> {
    let server = play.start(TWO)?;
    server.wait_until_quiet()?;
    let mut a = settle(play, &server, "A")?;
    ask_slow(&server, &mut a, 400)?;
    let mut b = settle(play, &server, "B")?;
    let fd = server.fd_of(b.local())?;
    let parked = |mark| {
        let add = |r: &super::Record| r.fd == Some(fd) && r.op.as_deref() == Some("add");
        server.wait_record("B to be added again", mark, add)
    };
    let mark = server.mark();
    send_part(&server, &mut b, "GET / HT")?;
    parked(mark)?;
    server.wait_until_asleep()?;
    play.say("the first piece was kept; now the rest, and a second request behind it");
    let mark = server.mark();
    b.send(b"TP/1.1\r\nHost: lab\r\n\r\nGET /big?bytes=10 HTTP/1.1\r\nHost: lab\r\n\r\n")?;
    b.answer()?;
    b.answer()?;
    parked(mark)?;
    leave(&server, b)?;
    answer_and_leave(&server, a)?;
    server.wait_until_quiet()?;
    play.finish(server).map(drop)
}
