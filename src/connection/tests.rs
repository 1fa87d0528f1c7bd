//! The connection over a real socket pair: any split of any stream of requests
//! gives the same answers.

use proptest::prelude::*;

use super::buffers::WRITE_SIZE;
use super::*;
use crate::http::{Body, Head, Parsed, demo, pattern};

/// A connection and the client's end of it; neither blocks.
fn pair(limits: Limits) -> (Connection, Fd) {
    let (ours, theirs) = sys::socket_pair().unwrap();
    sys::set_nonblocking(&ours).unwrap();
    sys::set_nonblocking(&theirs).unwrap();
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    (Connection::new(ours, peer, limits), theirs)
}

/// Everything that can be read at `fd` now.
fn drain(fd: &Fd) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = sys::read(fd, &mut buffer) {
        all.extend_from_slice(&buffer[..n]);
    }
    all
}

/// What a server does after each event: reads, answers, sends.
fn serve(connection: &mut Connection) {
    connection.read_to_eagain(usize::MAX).unwrap();
    while let Some(request) = connection.next_request() {
        let response = demo::respond_with_body(&request.head, &request.body);
        connection.answer(response, request.head.answer_to(), request.head.keep_alive);
        assert_eq!(connection.send(usize::MAX).unwrap(), Sent::All);
    }
    assert_eq!(connection.send(usize::MAX).unwrap(), Sent::All);
}

/// Feeds a stream in pieces and returns all that came back.
fn answers(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut connection, client) = pair(Limits::DEFAULT);
    let mut all = Vec::new();
    for piece in pieces {
        sys::write(&client, piece).unwrap();
        serve(&mut connection);
        all.extend(drain(&client));
    }
    all
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let line = |line: String| format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes();
    prop_oneof![
        Just(line("GET /".into())),
        Just(line("HEAD /".into())),
        Just(line("GET /nothing".into())),
        Just(line("DELETE /".into())),
        (0_usize..500).prop_map(move |n| line(format!("GET /big?bytes={n}"))),
        proptest::collection::vec(any::<u8>(), 0..60).prop_map(|body| {
            let head =
                format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
            [head.into_bytes(), body].concat()
        }),
    ]
}

fn last() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        Just(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_vec()),
        Just(b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        Just(b"NONSENSE\r\n\r\n".to_vec()),
        Just(b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: odd\r\n\r\n".to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same_answers(
        requests in proptest::collection::vec(request(), 0..8),
        end in last(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
    ) {
        let stream = [requests.concat(), end.clone()].concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|c| c.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &stream[w[0]..w[1]]).collect();
        let whole = answers(&[&stream]);
        prop_assert_eq!(&answers(&pieces), &whole);
        // And they are those of the requests one by one, in order.
        let one_by_one: Vec<&[u8]> = requests.iter().map(Vec::as_slice).chain([end.as_slice()]).collect();
        prop_assert_eq!(&answers(&one_by_one), &whole);
        let count = whole.windows(9).filter(|w| w == b"HTTP/1.1 ").count();
        prop_assert!(count >= requests.len() + usize::from(!end.is_empty()));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Head::parse(&bytes, &Limits::DEFAULT);
        serve_garbage(&bytes);
    }

    #[test]
    fn a_prefix_of_a_head_is_partial(request in request(), cut in any::<proptest::sample::Index>()) {
        let Parsed::Complete(head) = Head::parse(&request, &Limits::DEFAULT) else {
            return Err(TestCaseError::fail("not complete"));
        };
        let prefix = &request[..cut.index(head.length)];
        prop_assert!(matches!(Head::parse(prefix, &Limits::DEFAULT), Parsed::Partial));
    }
}

fn serve_garbage(bytes: &[u8]) {
    let (mut connection, client) = pair(Limits::DEFAULT);
    sys::write(&client, bytes).unwrap();
    serve(&mut connection);
}

#[test]
fn nothing_is_answered_after_the_last_answer() {
    let close = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".as_slice();
    let get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice();
    assert_eq!(answers(&[close]), answers(&[&[close, get].concat()]));
    assert_eq!(answers(&[b"NONSENSE\r\n\r\n"]), answers(&[b"NONSENSE\r\n\r\n", get]));
}

#[test]
fn expect_continue_is_answered_once_and_first() {
    let head =
        b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let text = String::from_utf8(answers(&[head, b"h", b"i"])).unwrap();
    assert!(text.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{text}");
    assert_eq!(text.matches("100 Continue").count(), 1);
    assert!(text.ends_with("\r\n\r\nhi"));
    // Who sends the body at once does not wait for it.
    let text = String::from_utf8(answers(&[&[head.as_slice(), b"hi"].concat()])).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
}

#[test]
fn a_full_send_buffer_keeps_the_rest_for_later() {
    const BYTES: usize = 3_000_000;
    let (mut connection, client) = pair(Limits::DEFAULT);
    connection.answer(Response::ok(Body::Pattern(BYTES)), Method::Get, true);
    let mut all = Vec::new();
    let mut full = 0;
    while connection.send(usize::MAX).unwrap() == Sent::Full {
        assert!(connection.owes_output());
        full += 1;
        all.extend(drain(&client));
    }
    all.extend(drain(&client));
    let body = &all[all.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4..];
    assert!(full > 0, "the send buffer was never full");
    assert_eq!(body.len(), BYTES);
    assert!(body.iter().enumerate().all(|(at, byte)| *byte == pattern(at)));
    assert!(!connection.owes_output());
}

#[test]
fn a_turn_sends_no_more_than_it_may() {
    let (mut connection, client) = pair(Limits::DEFAULT);
    connection.answer(Response::ok(Body::Pattern(150_000)), Method::Get, true);
    assert_eq!(connection.send(1).unwrap(), Sent::More);
    assert!(drain(&client).len() <= WRITE_SIZE);
    // Meanwhile nothing is read and nothing is answered: answers keep their order.
    sys::write(&client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    connection.read_to_eagain(usize::MAX).unwrap();
    assert!(!connection.has_request() && connection.next_request().is_none());
}

#[test]
fn limits_refuse_and_close() {
    for (bytes, status) in [
        (format!("GET / HTTP/1.1\r\nHost: {}", "x".repeat(200)), "431"),
        ("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n".to_string(), "413"),
    ] {
        let (mut connection, client) = pair(Limits { head: 100, body: 10 });
        sys::write(&client, bytes.as_bytes()).unwrap();
        serve(&mut connection);
        let text = String::from_utf8(drain(&client)).unwrap();
        assert_eq!(&text[9..12], status);
        assert!(text.contains("Connection: close"), "{text}");
        assert!(connection.is_finished());
    }
}

#[test]
fn nothing_follows_the_last_answer_and_idle_buffers_are_small() {
    let (mut connection, client) = pair(Limits::DEFAULT);
    let body = "x".repeat(150_000);
    let head = format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    let stream = [head.as_bytes(), body.as_bytes()].concat();
    let (mut sent, mut back) = (0, Vec::new());
    while sent < stream.len() {
        sent += sys::write(&client, &stream[sent..]).unwrap_or(0);
        serve_some(&mut connection);
        back.extend(drain(&client));
    }
    while connection.send(usize::MAX).unwrap() != Sent::All {
        back.extend(drain(&client));
    }
    back.extend(drain(&client));
    assert!(back.len() > body.len());
    assert!(connection.memory() <= 16 * 1024, "{} bytes kept", connection.memory());

    // A last answer, and behind it a head that asks for 100 Continue.
    connection.answer(Response::text(200, "bye"), Method::Get, false);
    let expect =
        b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    sys::write(&client, expect).unwrap();
    connection.read_while(usize::MAX, |n| n > 0).unwrap();
    assert!(connection.next_request().is_none());
    connection.send(usize::MAX).unwrap();
    assert!(drain(&client).ends_with(b"bye"));
}

/// As [`serve`], for a client that does not read all the time.
fn serve_some(connection: &mut Connection) {
    connection.read_to_eagain(usize::MAX).unwrap();
    while let Some(request) = connection.next_request() {
        let response = demo::respond_with_body(&request.head, &request.body);
        connection.answer(response, request.head.answer_to(), request.head.keep_alive);
    }
    connection.send(usize::MAX).unwrap();
}
