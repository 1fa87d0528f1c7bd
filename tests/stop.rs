//! What a stop owes to whom, told by ch07's last lines and its exit status. The
//! matrix has the usual cases; here are those that a client could abuse.

mod support;

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use support::Server;
use support::client::{Client, End};

/// It sends without a pause, and takes every answer.
#[test]
fn who_goes_on_asking_does_not_hold_up_the_stop() {
    // Far longer than a test waits: the stop must not last until then.
    let server = Server::ch07(&["--drain-timeout", "3600"]);
    let mut client = Client::connect(server.address());
    let mut asking = client.stream.try_clone().unwrap();
    let asker = thread::spawn(move || {
        let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
        while asking.write_all(requests.as_bytes()).is_ok() {}
    });
    for _ in 0..1000 {
        assert_eq!(client.answer().text(), "Hello World\n");
    }
    let mut taking = client.stream.try_clone().unwrap();
    let taker = thread::spawn(move || io::copy(&mut taking, &mut io::sink()));
    server.terminate();
    let (status, said) = server.ended();
    assert_eq!(status.code(), Some(0), "{said:?}");
    assert_eq!(said.last().map(String::as_str), Some("stopped; nothing was cut off"));
    asker.join().unwrap();
    let _ = taker.join().unwrap(); // an end or a reset: it has sent what nobody read
}

/// A client that keeps its side open is listened to for a while after its last
/// answer. That the deadline ends this takes nothing from the client.
#[test]
fn who_has_the_whole_answer_is_not_cut_off() {
    let server = Server::ch07(&["--drain-timeout", "0.5"]);
    let mut client = Client::connect(server.address());
    // Refused, and so listened to: the client did not ask for the close.
    client.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer().status, 400);
    server.terminate();
    let (status, said) = server.ended();
    assert_eq!(status.code(), Some(0), "{said:?}");
    assert_eq!(said.last().map(String::as_str), Some("stopped; nothing was cut off"));
    assert_eq!(client.rest(), (String::new(), End::Fin));
}

/// The whole answer is in the server's send buffer, and the client reads none of it yet,
/// but speaks on. A close would answer that with a reset, and the rest would be lost.
#[test]
fn an_answer_on_its_way_survives_the_stop() {
    const BYTES: usize = 60_000;
    let server = Server::ch07(&["--drain-timeout", "3600"]);
    let mut client = Client::connect_with_buffer(server.address(), 4096);
    client.send(format!("GET /big?bytes={BYTES} HTTP/1.1\r\nHost: x\r\n\r\n"));
    client.read_some(1); // so the turn has come
    server.terminate();
    // Far longer than a client is listened to that has got everything.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        assert!(client.try_send("x"), "nobody listens after {:?}", start.elapsed());
        // A pace is what is tested.
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(client.answer().body.len(), BYTES);
    assert_eq!(client.rest(), (String::new(), End::Fin));
    let (status, said) = server.ended();
    assert_eq!(status.code(), Some(0), "{said:?}");
    assert_eq!(said.last().map(String::as_str), Some("stopped; nothing was cut off"));
}

/// The same, and it does not read in time: then the last line says so.
#[test]
fn an_answer_that_has_not_come_by_the_deadline_is_counted() {
    let server = Server::ch07(&["--drain-timeout", "0.5"]);
    let mut client = Client::connect_with_buffer(server.address(), 4096);
    client.send("GET /big?bytes=60000 HTTP/1.1\r\nHost: x\r\n\r\n");
    client.read_some(1);
    server.terminate();
    let (status, said) = server.ended();
    assert_eq!(status.code(), Some(3), "{said:?}");
    let last = said.last().map(String::as_str);
    assert_eq!(last, Some("stopped at the drain deadline; 1 connections were cut off"));
}

/// Who could not be accepted by the deadline is turned away, and that is no success,
/// although nobody's answer was cut off.
#[test]
fn who_is_never_accepted_is_turned_away_with_status_3() {
    const ATTEMPTS: usize = 5;
    for _ in 0..ATTEMPTS {
        let server = Server::ch07(&["--max-connections", "1", "--drain-timeout", "0.5"]);
        let address = server.address();
        // It has its whole answer, and its place for a second: it does not close.
        let mut first = Client::connect(address);
        first.send("GET / HTTP/1.1\r\n\r\n");
        assert_eq!(first.answer().status, 400);
        let mut second = Client::connect(address);
        second.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        server.terminate();
        let (bytes, end) = second.rest();
        let (status, said) = server.ended();
        if bytes.ends_with("Hello World\n") {
            continue; // this machine took the second: the first had to go
        }
        assert_eq!((&*bytes, end), ("", End::Reset));
        assert_eq!(status.code(), Some(3), "{said:?}");
        let last = "stopped at the drain deadline; \
                    clients that could not be accepted were turned away";
        assert_eq!(said.last().map(String::as_str), Some(last));
        return;
    }
    panic!("there was room each time: nothing was tested");
}

/// Who waits to be accepted costs nothing, and is served as soon as there is room.
#[test]
fn a_full_server_sleeps() {
    let server = Server::ch07(&["--max-connections", "1", "--trace"]);
    let address = server.address();
    let mut first = Client::connect(address);
    assert_eq!(first.get("/").status, 200);
    let mut second = Client::connect(address);
    second.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(second.is_quiet_for(Duration::from_millis(500)), "there is one place");
    drop(first);
    assert_eq!(second.answer().status, 200);
    server.terminate();
    let (status, said) = server.ended();
    assert_eq!(status.code(), Some(0), "{said:?}");
    // Once on the listener for each client; the first went, the second had to wait.
    let is_accept = |line: &&String| line.contains(" accept(");
    let accepts = said.iter().filter(is_accept).count();
    assert!(accepts <= 8, "{accepts} calls of accept for two clients: {said:#?}");
}

/// With `--root` a client may hold two descriptors, and so the default leaves
/// room for both.
#[cfg(target_os = "linux")] // prlimit
#[test]
fn those_who_read_files_leave_descriptors_to_the_others() {
    let root = std::env::temp_dir().join(format!("root-{}", std::process::id()));
    std::fs::create_dir_all(&root).unwrap();
    std::fs::File::create(root.join("big")).unwrap().set_len(64 << 20).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ch07_full"));
    common::sys::prepare(&mut command, Some(96));
    command.args(["--addr", "127.0.0.1:0", "--idle-timeout", "3600", "--root"]).arg(&root);
    let server = Server::spawn_heard(&mut command).unwrap();
    let address = server.address();
    // Half of (96 - 32) have a place; each of them reads a file and takes its time.
    let mut slow: Vec<_> = (0..31).map(|_| Client::connect(address)).collect();
    for client in &mut slow {
        client.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
        client.read_some(1);
    }
    let mut last = Client::connect(address);
    assert_eq!(last.get("/nothing").status, 404);
    assert_eq!(last.get("/_demo/").text(), "Hello World\n");
    drop(slow);
    let (_, said) = server.kill();
    std::fs::remove_dir_all(&root).unwrap();
    assert!(!said.iter().any(|line| line.contains("EMFILE")), "{said:?}");
}
