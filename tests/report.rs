//! What the complete server says of itself is true: its lines per request, its counts
//! at the end, and the errors that it leaves out.

mod support;

use std::time::{Duration, Instant};

use common::http::{Refusal, Refused};
use common::report::Report;
use support::Server;
use support::client::Client;

/// What a slow handler sleeps; it takes that long at least.
const SLEEP: Duration = Duration::from_millis(50);

/// Stops it; the counts of the whole run, and what it said before.
fn counts(server: Server) -> (String, Vec<String>) {
    server.terminate();
    let (status, mut said) = server.ended();
    assert_eq!(status.code(), Some(0), "{said:?}");
    assert_eq!(said.pop().as_deref(), Some("stopped; nothing was cut off"));
    (said.pop().unwrap(), said)
}

/// The word behind this text.
fn word_behind<'a>(line: &'a str, text: &str) -> &'a str {
    let (_, rest) = line.split_once(text).unwrap_or_else(|| panic!("no {text:?} in {line:?}"));
    rest.split([' ', ';']).next().unwrap()
}

/// `50.123456ms`, as `Duration` is shown.
fn duration(shown: &str) -> Duration {
    let unit = shown.find(|c: char| c.is_ascii_alphabetic() || c == 'µ').unwrap();
    let (number, unit) = shown.split_at(unit);
    let number: f64 = number.parse().unwrap();
    Duration::from_secs_f64(match unit {
        "s" => number,
        "ms" => number / 1e3,
        "µs" => number / 1e6,
        "ns" => number / 1e9,
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_line_of_the_log_has_the_bytes_and_the_time_of_its_request() {
    let server = Server::ch07(&["--log"]);
    let address = server.address();
    let mut client = Client::connect(address);
    let local = client.stream.local_addr().unwrap();
    let slow = format!("/slow?ms={}", SLEEP.as_millis());
    for target in ["/", "/big?bytes=123456", "/nothing", &slow] {
        let answer = client.get(target);
        assert_eq!(answer.status, if target == "/nothing" { 404 } else { 200 });
    }
    client.send("HEAD /big?bytes=99 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.answer_to("HEAD").status, 200);
    let (_, said) = counts(server);
    let expected = [
        ("GET /", 200, 12),
        ("GET /big?bytes=123456", 200, 123_456),
        ("GET /nothing", 404, "there is nothing here\n".len()),
        ("GET /slow?ms=50", 200, "slept 50 ms\n".len()),
        ("HEAD /big?bytes=99", 200, 0), // no content is sent
    ];
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for (line, (request, status, bytes)) in said.iter().zip(expected) {
        let start = format!("{local} \"{request}\" {status} {bytes} bytes ");
        let us = line.strip_prefix(&start).and_then(|rest| rest.strip_suffix(" us"));
        let us: u128 = us.unwrap_or_else(|| panic!("{line:?}, not {start:?}")).parse().unwrap();
        assert!(us < support::WAIT.as_micros(), "{line:?}");
        assert!(us >= SLEEP.as_micros() || !request.contains("slow"), "{line:?}");
    }
}

/// What is known of a request that is refused stands in the same places.
#[test]
fn a_refusal_has_its_line_of_the_log_too() {
    let (server, hasty) =
        (Server::ch07(&["--log"]), Server::ch07(&["--log", "--header-timeout", "2"]));
    let (address, hasty_address) = (server.address(), hasty.address());
    let long = "a".repeat(9000);
    let shown = format!("GET /{}...", &long[5..100]);
    let cases: [(&str, &str, u16, &str); 7] = [
        ("GET /a?b HTTP/1.1\r\n\r\n", "GET /a?b", 400, "a request needs exactly one Host"),
        (&format!("GET /{long} HTTP/1.1\r\n"), &shown, 414, "the request line is too long"),
        (
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n",
            "POST /echo",
            413,
            "",
        ),
        ("HEAD / HTTP/3.0\r\nHost: x\r\n\r\n", "HEAD /", 505, ""),
        ("\r\n \"\x01\r\n", r#" \"\x01"#, 400, ""),
        ("\0\r\n", r"\x00", 400, ""),
        ("GET /late HTTP/1.1\r\nHo", "GET /late", 408, "the request did not come in time"),
    ];
    for (bytes, request, status, why) in cases {
        let (server, address) =
            if status == 408 { (&hasty, hasty_address) } else { (&server, address) };
        let mut client = Client::connect(address);
        let local = client.stream.local_addr().unwrap();
        client.send(bytes);
        let answer = client.answer_to(if bytes.starts_with("HEAD") { "HEAD" } else { "GET" });
        assert_eq!(answer.status, status, "{bytes:?}");
        let start = format!("{local} \"{request}\" {status} {} bytes ", answer.body.len());
        let line = server.stderr.next().unwrap();
        let rest = line.strip_prefix(&start).unwrap_or_else(|| panic!("{line:?}, not {start:?}"));
        let (us, because) = rest.split_once(" us (").unwrap_or_else(|| panic!("{line:?}"));
        assert!(us.parse::<u64>().is_ok() && because.ends_with(')'), "{line:?}");
        assert!(because.starts_with(why), "{line:?}");
    }
}

#[test]
fn the_counts_at_the_end_are_those_of_the_run() {
    let server = Server::ch07(&["--workers", "2"]);
    let address = server.address();
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(clients[0].get(&format!("/slow?ms={}", SLEEP.as_millis())).status, 200);
    clients[1].send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(clients[1].answer().status, 400);
    drop(clients);
    let (line, said) = counts(server);
    assert_eq!(said, [""; 0]);
    let served = "served 5 requests, 0 of them in the drain, on 3 connections; main woke up ";
    assert!(line.starts_with(served), "{line:?}");
    let longest = duration(line.rsplit(' ').next().unwrap());
    assert!(longest >= SLEEP && longest < support::WAIT, "{line:?}");
    let times: usize = word_behind(&line, "main woke up ").parse().unwrap();
    let for_nothing: usize = word_behind(&line, " times, ").parse().unwrap();
    // At least once for each client, once for the signal; and not for nothing then.
    assert!(times >= 4 && for_nothing <= times - 4, "{line:?}");
}

/// Of each wake-up it counts one, and of one for nothing one as well.
#[test]
fn wake_ups_are_counted_one_by_one() {
    let report = Report::new(false);
    let shown = |report: &Report| {
        let line = report.to_string();
        let for_nothing = word_behind(&line, " times, ").to_string();
        (word_behind(&line, "main woke up ").to_string(), for_nothing)
    };
    assert_eq!(shown(&report), ("0".into(), "0".into()));
    for for_nothing in [false, true, false, true, true] {
        report.woken(for_nothing);
    }
    assert_eq!(shown(&report), ("5".into(), "3".into()));
}

#[test]
fn what_is_answered_before_the_drain_is_not_counted_in_it() {
    let report = Report::new(false);
    let refused = Refused::new(Refusal::new(400, "no\n"), b"?");
    let answer = || report.refused(([127, 0, 0, 1], 1).into(), &refused, Instant::now());
    answer();
    assert!(report.to_string().starts_with("served 1 requests, 0 of them in the drain"));
    report.drain_begins();
    answer();
    assert!(report.to_string().starts_with("served 2 requests, 1 of them in the drain"));
}

/// An error that comes again and again is said once a second at most, and with how
/// often it was left out: no error is lost. (Over libkqueue a reset client's error is
/// gone before anybody can read it.)
#[cfg(not(all(kqueue, target_os = "linux")))]
#[test]
fn errors_that_are_not_printed_are_counted() {
    use common::sys::{self, Fd};
    const RESETS: usize = 60;
    fn reset(client: Client) {
        let fd = Fd::from(std::os::fd::OwnedFd::from(client.stream));
        sys::set_linger_zero(&fd).unwrap();
        sys::close(fd);
    }
    let server = Server::ch07(&["--workers", "1"]);
    let address = server.address();
    let connect = || {
        let mut client = Client::connect(address);
        assert_eq!(client.get("/").status, 200); // so it is accepted, and known
        client
    };
    let crowd: Vec<_> = (0..RESETS).map(|_| connect()).collect();
    crowd.into_iter().for_each(reset);
    assert_eq!(connect().get("/").status, 200); // everybody before it was looked at
    // The limit is in time: after a second it may speak again.
    std::thread::sleep(Duration::from_millis(1100));
    reset(connect());
    let said = server.finish();
    let (mut printed, mut left_out) = (0, 0);
    for line in &said {
        assert!(line.starts_with("client 127.0.0.1:"), "{line:?}");
        assert!(line.ends_with(": Connection reset by peer (ECONNRESET)"), "{line:?}");
        printed += 1;
        if let Some((_, rest)) = line.split_once(" (and ") {
            let (count, _) = rest.split_once(" more of the kind, not printed)").unwrap();
            left_out += count.parse::<usize>().unwrap();
        }
    }
    assert_eq!(printed + left_out, RESETS + 1, "{said:?}");
    assert!(left_out > 0, "{printed} lines in a second: {said:?}");
    println!("{} errors: {printed} lines, {left_out} counted in them", RESETS + 1);
}
