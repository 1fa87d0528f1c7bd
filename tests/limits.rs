//! How long the complete server waits for whom, and how much it keeps for them.
//!
//! A deadline is tested from both sides: nothing may happen before it, and it
//! must happen at all. How soon after it depends on the machine; [`WAIT`] bounds
//! that, but for the cases in which somebody else's work could put it off.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use common::connection::most_memory;
use common::http::Limits;
use support::client::{Client, End};
use support::{Server, WAIT};

const LIMIT: Duration = Duration::from_millis(600);
const SHORT: &str = "0.6";
const LONG: &str = "60";

/// Whoever is sent something at this pace is never silent for [`LIMIT`].
const PACE: Duration = Duration::from_millis(40);

/// Sends these bytes one after another at a pace, and the last again and again,
/// until the server answers or ends the connection.
fn send_slowly(client: &mut Client, bytes: &[u8]) {
    let start = Instant::now();
    let mut bytes = bytes.iter().copied();
    let mut last = b'x';
    while client.is_quiet_for(PACE) {
        last = bytes.next().unwrap_or(last);
        if !client.try_send([last]) {
            return;
        }
        assert!(start.elapsed() < WAIT, "it waits for ever");
    }
}

/// It answered 408 and closed.
fn is_told_408(client: &mut Client) {
    let answer = client.answer();
    assert_eq!((answer.status, answer.says_close()), (408, true));
    client.half_close();
    client.is_closed();
}

#[test]
fn a_head_has_a_deadline_as_a_whole() {
    let server = Server::ch07(&["--header-timeout", SHORT, "--idle-timeout", LONG]);
    let address = server.address();

    // A byte now and then does not put it off.
    let start = Instant::now();
    let mut slow = Client::connect(address);
    send_slowly(&mut slow, b"GET / HTTP/1.1\r\nX: ");
    assert!(start.elapsed() >= LIMIT, "{:?}", start.elapsed());
    is_told_408(&mut slow);

    // Nor does it help to have been answered before.
    let mut second = Client::connect(address);
    assert_eq!(second.get("/").status, 200);
    assert!(second.is_quiet_for(2 * LIMIT), "between two requests another deadline counts");
    let start = Instant::now();
    send_slowly(&mut second, b"\r\nGET / HTTP/1.1\r\n");
    assert!(start.elapsed() >= LIMIT, "{:?}", start.elapsed());
    is_told_408(&mut second);

    // An empty line behind a body begins no request (RFC 9112 §2.2).
    let mut old = Client::connect(address);
    old.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi\r\n");
    assert_eq!(old.answer().text(), "hi");
    assert!(old.is_quiet_for(2 * LIMIT), "between two requests another deadline counts");
    assert_eq!(old.get("/").status, 200);

    // RFC 9110 §9.3.2: no content for HEAD, not even this.
    let mut head = Client::connect(address);
    head.send("HEAD / HTTP/1.1\r\nHost: x\r\n");
    let answer = head.answer_to("HEAD");
    assert_eq!((answer.status, answer.says_close()), (408, true));
    head.half_close();
    head.is_closed();

    // One complete request with a part of the next behind it.
    let mut third = Client::connect(address);
    let start = Instant::now();
    third.send("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /");
    assert_eq!(third.answer().status, 200);
    is_told_408(&mut third);
    assert!(start.elapsed() >= LIMIT, "{:?}", start.elapsed());
    assert_eq!(server.finish(), [""; 0]);
}

#[test]
fn who_connects_and_says_nothing_is_closed_without_a_word() {
    let server = Server::ch07(&["--header-timeout", SHORT, "--idle-timeout", LONG]);
    let address = server.address();
    let start = Instant::now();
    let mut silent: Vec<_> = (0..50).map(|_| Client::connect(address)).collect();
    silent.iter_mut().skip(40).for_each(|client| client.send("\r\n")); // as good as nothing
    for client in &mut silent {
        client.is_closed();
    }
    assert!(start.elapsed() >= LIMIT, "{:?}", start.elapsed());
    assert_eq!(server.finish(), [""; 0]);
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    const IDLE: Duration = Duration::from_secs(2);
    let server = Server::ch07(&["--header-timeout", LONG, "--idle-timeout", "2"]);
    let address = server.address();
    let mut idle = Client::connect(address);
    for _ in 0..3 {
        assert_eq!(idle.get("/").status, 200);
        assert!(idle.is_quiet_for(IDLE / 2), "each request starts it anew");
    }
    let start = Instant::now();
    assert_eq!(idle.get("/").status, 200);
    idle.is_closed();
    assert!(start.elapsed() >= IDLE, "{:?}", start.elapsed());
    assert_eq!(server.finish(), [""; 0]);
}

#[test]
fn a_body_has_a_deadline_as_a_whole() {
    let server = Server::ch07(&["--header-timeout", LONG, "--idle-timeout", SHORT]);
    let address = server.address();
    for (framing, body) in
        [("Content-Length: 100000", "x"), ("Transfer-Encoding: chunked", "1\r\nx\r\nffff\r\n")]
    {
        let mut client = Client::connect(address);
        let start = Instant::now();
        client.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n"));
        send_slowly(&mut client, body.as_bytes());
        assert!(start.elapsed() >= LIMIT, "{:?}", start.elapsed());
        is_told_408(&mut client);
    }
    assert_eq!(server.finish(), [""; 0]);
}

/// The bytes of the answer to `/big`.
const BIG: usize = 48 * 1024 * 1024;

fn ask_for_much(client: &mut Client) {
    client.send(format!("GET /big?bytes={BIG} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
}

#[test]
fn who_takes_nothing_of_an_answer_is_cut_off_and_who_takes_a_little_is_not() {
    let server = Server::ch07(&["--workers", "1", "--idle-timeout", SHORT]);
    let address = server.address();
    let (mut dead, mut slow) = (Client::connect(address), Client::connect(address));
    let mut sips = Client::connect_with_buffer(address, 64 * 1024);
    for client in [&mut dead, &mut slow, &mut sips] {
        ask_for_much(client);
    }
    slow.head_or_end("GET").unwrap();
    // Two are never silent for the limit, but take much longer than that. What the third
    // takes in that time is not so much that the kernel would report room.
    let start = Instant::now();
    while start.elapsed() < 3 * LIMIT {
        slow.read_some(1024 * 1024);
        sips.read_some(8 * 1024);
        assert!(slow.is_open());
        assert!(sips.is_open(), "{:?}", start.elapsed());
        // A pace is what is tested: a client that is slow, and never silent for long.
        std::thread::sleep(PACE);
    }
    assert_eq!(slow.answer().body.len(), BIG);
    slow.is_closed();
    // What the dead one finds is what the two kernels held, and no end of the answer.
    let (bytes, end) = dead.rest();
    assert!(bytes.len() < BIG, "{}", bytes.len());
    println!("cut off after {} of {BIG} bytes ({end:?})", bytes.len());
    drop(sips);
    let said = server.finish();
    assert!(said[0].ends_with("its answer is cut off: timed out"), "{said:?}");
}

#[test]
fn who_does_not_notice_the_end_is_left_after_a_while() {
    let server = Server::ch07(&["--header-timeout", LONG, "--idle-timeout", LONG]);
    let address = server.address();
    let mut client = Client::connect(address);
    let start = Instant::now();
    client.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer().status, 400);
    client.is_closed(); // FIN has come; the other direction is open, for a second
    while client.try_send("x") {
        assert!(start.elapsed() < WAIT, "it listens for ever");
        // A pace is what is tested: a client that is slow, and never silent for long.
        std::thread::sleep(PACE);
    }
    assert!(start.elapsed() >= Duration::from_secs(1) - 2 * PACE, "{:?}", start.elapsed());
    assert_eq!(server.finish(), [""; 0]);
}

/// A deadline is main's work, and main does not wait for a worker.
#[test]
fn deadlines_are_kept_while_every_worker_is_busy() {
    let server = Server::ch07(&["--workers", "2", "--header-timeout", SHORT]);
    let address = server.address();
    let mut busy = [Client::connect(address), Client::connect(address)];
    for client in &mut busy {
        client.send("GET /slow?ms=4000 HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    let start = Instant::now();
    let mut silent = Client::connect(address);
    silent.is_closed();
    assert!(start.elapsed() >= LIMIT, "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    // Theirs do not count while a worker has them, though they are long past.
    for client in &mut busy {
        assert_eq!(client.answer().text(), "slept 4000 ms\n");
    }
    assert_eq!(server.finish(), [""; 0]);
}

#[test]
fn a_request_may_take_longer_than_all_deadlines() {
    let server = Server::ch07(&["--header-timeout", SHORT, "--idle-timeout", SHORT]);
    let mut client = Client::connect(server.address());
    for _ in 0..2 {
        assert_eq!(client.get("/slow?ms=1000").text(), "slept 1000 ms\n");
    }
    assert_eq!(server.finish(), [""; 0]);
}

#[test]
fn with_all_places_taken_the_next_waits_for_one() {
    let server = Server::ch07(&["--max-connections", "2", "--idle-timeout", LONG]);
    let address = server.address();
    let (mut a, mut b) = (Client::connect(address), Client::connect(address));
    assert_eq!((a.get("/").status, b.get("/").status), (200, 200));

    let mut waiting: Vec<_> = (0..20).map(|_| Client::connect(address)).collect();
    for client in &mut waiting {
        client.send("GET /big?bytes=3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    }
    assert!(waiting[0].is_quiet_for(LIMIT), "there are two places");
    assert_eq!(b.get("/").status, 200, "who has a place is served");
    drop(a);
    for client in &mut waiting {
        assert_eq!(client.answer().text(), "012");
        client.is_closed();
    }
    assert_eq!(b.get("/").status, 200);
    drop(b);
    assert_eq!(server.finish(), [""; 0]);
}

/// The most memory that a process has ever had, in bytes.
#[cfg(target_os = "linux")]
fn peak(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

const CLIENTS: usize = 24;

/// The largest bodies, sent by clients that read no answer and send on.
#[cfg(target_os = "linux")] // /proc
#[test]
fn memory_is_bounded_by_the_number_of_connections() {
    let server = Server::ch07(&["--workers", "2"]);
    let address = server.address();
    assert_eq!(Client::connect(address).get("/").status, 200);
    let before = peak(&server);

    let body = vec![b'x'; Limits::DEFAULT.body];
    let head = format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        client.stream.set_write_timeout(Some(PACE)).unwrap();
        // Until the server takes no more, or 16 MiB.
        for _ in 0..16 {
            if !client.offer(head.as_bytes()) || !client.offer(&body) {
                break;
            }
        }
    }
    // The kernel counts pages per CPU and adds up now and then: either figure may
    // be a few hundred KiB behind.
    let grown = peak(&server).saturating_sub(before);
    let bound = CLIENTS * most_memory(&Limits::DEFAULT, 256 * 1024);
    println!("{CLIENTS} clients: {} KiB, at most {} KiB", grown / 1024, bound / 1024);
    assert!(grown <= bound, "{grown} > {bound}");
    assert!(grown > CLIENTS * body.len(), "not even one body each: nothing was tested");
    drop(clients);
    let (_, said) = server.kill();
    assert!(said.iter().all(|line| line.starts_with("client ")), "{said:?}");
}

/// Large answers are made piece by piece: they take next to nothing.
#[cfg(target_os = "linux")] // /proc
#[test]
fn the_memory_of_an_answer_does_not_grow_with_its_length() {
    let server = Server::ch07(&["--workers", "2"]);
    let address = server.address();
    assert_eq!(Client::connect(address).get("/").status, 200);
    let before = peak(&server);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Client::connect(address)).collect();
    clients.iter_mut().for_each(ask_for_much);
    for client in &mut clients {
        client.head_or_end("GET").unwrap();
    }
    let grown = peak(&server).saturating_sub(before);
    assert!(grown < CLIENTS * 256 * 1024, "{grown} bytes for {CLIENTS} answers of {BIG}");
    assert_eq!(clients[0].answer().body.len(), BIG);
    drop(clients);
    let (_, said) = server.kill();
    assert!(said.iter().all(|line| line.starts_with("client ")), "{said:?}");
}

#[test]
fn a_client_that_was_cut_off_may_come_back() {
    let server = Server::ch07(&["--header-timeout", SHORT, "--idle-timeout", SHORT]);
    let address = server.address();
    for _ in 0..3 {
        let mut client = Client::connect(address);
        assert_eq!(client.get("/").status, 200);
        assert_eq!(client.rest(), (String::new(), End::Fin));
    }
    assert_eq!(server.finish(), [""; 0]);
}
