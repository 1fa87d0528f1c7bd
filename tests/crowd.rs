//! Crowds: very many who ask for nothing, or never come to the end of asking,
//! and one who asks now. The crowd and the server are two processes, so each has
//! its own limit on descriptors.
//!
//! Nothing here is decided by a clock: who is served at once is served while
//! everybody else is still there, and that is seen by asking them afterwards.

mod support;

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::sys;
use support::Server;
use support::client::Client;

/// What the process needs besides its clients.
const SPARE: usize = 100;

/// A test that gets fewer than that proves nothing.
const FEWEST: usize = 200;

/// Far beyond the length of any test here.
const LONG: &str = "600";

/// One crowd at a time: they share this process's descriptors.
fn alone() -> MutexGuard<'static, ()> {
    static CROWD: Mutex<()> = Mutex::new(());
    CROWD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As many of `wanted` clients as this process may have descriptors for.
fn as_many_as_fit(wanted: usize) -> usize {
    let limit = sys::raise_descriptor_limit().unwrap();
    let room = usize::try_from(limit).unwrap().saturating_sub(SPARE);
    let count = wanted.min(room);
    println!("{count} clients, {wanted} wanted; the limit is {limit} descriptors");
    assert!(count >= FEWEST, "too few descriptors for this test");
    count
}

/// Somebody who has just come is served, and asks for more than one thing.
fn newcomer_is_served(address: SocketAddr) {
    let mut newcomer = Client::connect(address);
    assert_eq!(newcomer.get("/").text(), "Hello World\n");
    newcomer.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nstill");
    assert_eq!(newcomer.answer().text(), "still");
}

/// Resident memory in KiB, where the system says (Linux).
fn resident(server: &Server) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[test]
fn ten_thousand_idle_connections_are_held_while_newcomers_are_served() {
    let _alone = alone();
    let count = as_many_as_fit(10_000);
    let server = Server::ch07(&["--idle-timeout", LONG, "--header-timeout", LONG]);
    let address = server.address();
    newcomer_is_served(address);
    let before = resident(&server);

    let mut crowd = Vec::with_capacity(count);
    for n in 0..count {
        let mut client = Client::connect(address);
        // Asked once and answered: it is idle, and not only silent.
        assert_eq!(client.get("/big?bytes=1").text(), "0");
        crowd.push(client);
        if n % 1000 == 999 {
            newcomer_is_served(address);
        }
    }
    for _ in 0..100 {
        newcomer_is_served(address);
    }
    if let (Some(before), Some(now)) = (before, resident(&server)) {
        let each = (now - before) * 1024 / count;
        println!("{before} KiB before, {now} KiB with {count} idle: {each} bytes for each");
        // Their buffers (16 KiB to read into) are given back: what is left is the
        // connection itself, its place in the table, and its timer.
        assert!(each < 4 * 1024, "an idle connection holds {each} bytes");
    }
    // All of them are still there, each with its own connection.
    for (n, client) in crowd.iter_mut().enumerate() {
        let body = n.to_string();
        let length = body.len();
        client.send(format!(
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        assert_eq!(client.answer().text(), body);
    }
    server.terminate();
    for mut client in crowd {
        client.is_closed();
    }
    let (status, said) = server.ended();
    assert_eq!(status.code(), Some(0), "{said:?}");
    assert_eq!(said.last().unwrap(), "stopped; nothing was cut off");
}

#[test]
fn slowloris_with_a_thousand_connections_keeps_nobody_waiting() {
    let _alone = alone();
    let count = as_many_as_fit(1000);
    // One worker: if a half-sent request held it, nobody else would be served.
    let server = Server::ch07(&["--workers", "1", "--header-timeout", LONG]);
    let address = server.address();
    let mut slow: Vec<_> = (0..count).map(|_| Client::connect(address)).collect();
    for part in ["GET /big?by", "tes=3 HTTP/1.1\r\n", "Host: x\r\nX-A: ", "b\r\nX-B: "] {
        for (n, client) in slow.iter_mut().enumerate() {
            client.send(part);
            if n % 100 == 0 {
                newcomer_is_served(address);
            }
        }
        newcomer_is_served(address);
    }
    // They were served before any of those, who have waited for longer; and those
    // are not forgotten: who comes to the end of its request is answered, too.
    for client in &mut slow {
        client.send("c\r\n\r\n");
        assert_eq!(client.answer().text(), "012");
    }
    drop(slow);
    assert_eq!(server.finish(), [""; 0]);
}

#[test]
fn slowloris_ends_at_the_deadline_and_its_places_are_given_to_others() {
    const PLACES: usize = FEWEST;
    let _alone = alone();
    let server = Server::ch07(&["--max-connections", "200", "--header-timeout", "1"]);
    let address = server.address();
    let connect = |_| {
        let mut client = Client::connect(address);
        client.send("GET / HTTP/1.1\r\n");
        client
    };
    let mut slow: Vec<_> = (0..PLACES).map(connect).collect();
    // All places are taken: this one waits for the deadline of the others, not longer.
    newcomer_is_served(address);
    for client in &mut slow {
        assert_eq!(client.answer().status, 408);
    }
    drop(slow);
    assert_eq!(server.finish(), [""; 0]);
}
