//! The limits that are no sizes, each met in three ways: by a client that sends at
//! once, byte by byte, or with a second request in the same segment. What each limit
//! does is tested in `tests/limits.rs`; that pieces make no difference is tested here.
//! (Limits of size are cases of `tests/http.rs`, and played so there.)

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use support::Server;
use support::cases::{self, Refused, SECOND_ANSWER, WAYS, Way};
use support::client::{Client, End};

const LIMIT: Duration = Duration::from_millis(600);
const SHORT: &str = "0.6";
const LONG: &str = "60";

/// The request behind; no other has this answer.
const SECOND: &str = "GET /big?bytes=7 HTTP/1.1\r\nHost: second\r\n\r\n";

/// A client that has sent these bytes in this way.
fn client(to: SocketAddr, bytes: &str, way: Way) -> Client {
    let mut client = Client::connect(to);
    send(&mut client, bytes, way);
    client
}

fn send(client: &mut Client, bytes: &str, way: Way) {
    match way {
        Way::AtOnce => client.send(bytes),
        Way::ByteByByte => bytes.bytes().for_each(|byte| client.send([byte])),
        Way::WithAnotherBehind => client.send([bytes, SECOND].concat()),
    }
}

/// It answered 408 and closed; and what is sent then is not answered.
fn is_told_408(client: &mut Client, case: &str) {
    let answer = client.answer();
    assert_eq!((answer.status, answer.says_close()), (408, true), "{case}");
    client.try_send(SECOND);
    client.is_closed();
}

#[test]
fn a_head_that_does_not_end() {
    let server = Server::ch07(&["--header-timeout", SHORT, "--idle-timeout", LONG]);
    let address = server.address();
    let heads =
        ["G", "GET / HTTP/1.1", "GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\nA: b\r\n\r"];
    for way in WAYS {
        let start = Instant::now();
        let mut late: Vec<_> = heads
            .iter()
            .map(|head| match way {
                // It has no end: a request can only stand before it.
                Way::WithAnotherBehind => client(address, &[SECOND, head].concat(), Way::AtOnce),
                way => client(address, head, way),
            })
            .collect();
        for (client, head) in late.iter_mut().zip(heads) {
            if way == Way::WithAnotherBehind {
                assert_eq!(client.answer().text(), SECOND_ANSWER);
            }
            is_told_408(client, &format!("{way:?}: {head:?}"));
        }
        assert!(start.elapsed() >= LIMIT, "{:?}", start.elapsed());
    }
    assert_eq!(server.finish(), [""; 0]);
}

#[test]
fn a_body_that_does_not_end() {
    let server = Server::ch07(&["--header-timeout", LONG, "--idle-timeout", SHORT]);
    let address = server.address();
    // The second request is a part of the body: it must not be answered.
    let bodies = [
        ("Content-Length: 1000", ""),
        ("Content-Length: 1000", "some"),
        ("Transfer-Encoding: chunked", "ff\r\n"),
        ("Transfer-Encoding: chunked", "1\r\nx\r\nff\r\nGET"),
    ];
    for way in WAYS {
        let start = Instant::now();
        let request = |(framing, body): &(&str, &str)| {
            format!("POST /echo HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n{body}")
        };
        let late = bodies.iter().map(|body| client(address, &request(body), way));
        for (mut client, body) in late.collect::<Vec<_>>().into_iter().zip(bodies) {
            is_told_408(&mut client, &format!("{way:?}: {body:?}"));
        }
        assert!(start.elapsed() >= LIMIT, "{:?}", start.elapsed());
    }
    assert_eq!(server.finish(), [""; 0]);
}

#[test]
fn an_idle_connection() {
    let server = Server::ch07(&["--header-timeout", LONG, "--idle-timeout", SHORT]);
    let address = server.address();
    for way in WAYS {
        let mut client = Client::connect(address);
        let start = Instant::now();
        send(&mut client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", way);
        assert_eq!(client.answer().text(), "Hello World\n");
        if way == Way::WithAnotherBehind {
            assert_eq!(client.answer().text(), SECOND_ANSWER);
        }
        client.is_closed(); // without a word
        assert!(start.elapsed() >= LIMIT, "{way:?}: {:?}", start.elapsed());
    }
    assert_eq!(server.finish(), [""; 0]);
}

#[test]
fn a_reader_that_takes_nothing() {
    const BIG: usize = 48 * 1024 * 1024;
    let server = Server::ch07(&["--workers", "1", "--idle-timeout", SHORT]);
    let address = server.address();
    let request = format!("GET /big?bytes={BIG} HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut dead: Vec<_> = WAYS.iter().map(|way| client(address, &request, *way)).collect();
    // As soon as all three have been left there is a descriptor less for each; what
    // they find then is what the two kernels held.
    let start = Instant::now();
    while start.elapsed() < 4 * LIMIT {
        assert_eq!(Client::connect(address).get("/").status, 200);
        // To take nothing for so long is what is tested.
        std::thread::sleep(LIMIT / 4);
    }
    for (client, way) in dead.iter_mut().zip(WAYS) {
        let (bytes, end) = client.rest();
        assert!(bytes.len() < BIG, "{way:?}: {} bytes, {end:?}", bytes.len());
        assert_eq!(bytes.matches("HTTP/1.1 ").count(), 1, "{way:?}: another answer behind");
    }
    // It is said once a second at most, and then how often it was not.
    let said = server.finish();
    assert!(said[0].ends_with(": its answer is cut off: timed out"), "{said:?}");
    let number = |line: &String| {
        let before = line.split(" more").next().unwrap_or_default();
        let more = before.rsplit([' ', '(']).next().and_then(|n| n.parse::<usize>().ok());
        usize::from(line.starts_with("client 127")) + more.unwrap_or(0)
    };
    assert_eq!(said.iter().map(number).sum::<usize>(), WAYS.len(), "{said:?}");
}

#[test]
fn a_place_that_is_not_free() {
    let server = Server::ch07(&["--max-connections", "1", "--idle-timeout", LONG]);
    let address = server.address();
    let mut first = Client::connect(address);
    assert_eq!(first.get("/").status, 200);
    let mut waiting = WAYS.map(|way| client(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", way));
    for client in &mut waiting {
        assert!(client.is_quiet_for(LIMIT / 4), "there is one place");
    }
    drop(first);
    for (mut client, way) in waiting.into_iter().zip(WAYS) {
        assert_eq!(client.answer().text(), "Hello World\n", "{way:?}");
        if way != Way::WithAnotherBehind {
            client.send(SECOND);
        }
        assert_eq!(client.answer().text(), SECOND_ANSWER, "{way:?}");
    } // and leaves its place to the next
    assert_eq!(server.finish(), [""; 0]);
}

#[test]
fn what_is_expected_and_cannot_be() {
    let post = |fields: &str, body: &str| {
        let head = "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n";
        format!("{head}{fields}\r\n\r\n{body}").into_bytes()
    };
    let server = Server::ch07(&["--workers", "2"]);
    let long = format!("X: {}", "x".repeat(20_000));
    cases::play(
        server.address(),
        SECOND,
        &[
            // The final answer comes at once: nobody is told to send what is refused.
            (post("Content-Length: 99999999", ""), Refused(413)),
            (post("Content-Length: 5\r\nContent-Length: 6", ""), Refused(400)),
            (post("Content-Length: 5\r\nTransfer-Encoding: chunked", ""), Refused(400)),
            (post("Transfer-Encoding: gzip, chunked", ""), Refused(501)),
            (post("Expect: something else", ""), Refused(417)),
            (post(&long, ""), Refused(431)),
        ],
    );
    assert_eq!(server.finish(), [""; 0]);
}

#[test]
fn a_body_that_waits_to_be_asked_for() {
    let server = Server::ch07(&["--workers", "2"]);
    let address = server.address();
    let bodies =
        [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")];
    for (framing, body) in bodies {
        for way in WAYS {
            let head = "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n";
            let head = format!("{head}{framing}\r\n\r\n");
            // Behind the head comes nothing yet; before it a request may stand.
            let mut client = match way {
                Way::WithAnotherBehind => client(address, &[SECOND, &head].concat(), Way::AtOnce),
                way => client(address, &head, way),
            };
            if way == Way::WithAnotherBehind {
                assert_eq!(client.answer().text(), SECOND_ANSWER);
            }
            assert_eq!(client.answer().status, 100, "{way:?}: {framing}");
            send(&mut client, body, way);
            assert_eq!(client.answer().text(), "hello", "{way:?}: {framing}");
            if way != Way::WithAnotherBehind {
                client.send(SECOND);
            }
            assert_eq!(client.answer().text(), SECOND_ANSWER, "{way:?}: {framing}");
            client.half_close();
            assert_eq!(client.rest(), (String::new(), End::Fin));
        }
    }
    assert_eq!(server.finish(), [""; 0]);
}
