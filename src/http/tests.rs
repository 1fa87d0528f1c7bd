use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn status_of(request: &str) -> u16 {
    let answer = answer_once(request.as_bytes());
    String::from_utf8_lossy(&answer[9..12]).parse().unwrap()
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
}

#[test]
fn the_demo_routes_answer_as_the_table_says() {
    for (target, status) in [
        ("/", 200),
        ("/slow?ms=0", 200),
        ("/big?bytes=0", 200),
        ("/big?bytes=67108864", 200),
        ("/big?bytes=67108865", 400),
        ("/slow?ms=10001", 400),
        ("/slow?ms=-1", 400),
        ("/slow?ms=+1", 400),
        ("/slow?ms=", 400),
        ("/slow", 400),
        ("/slow?ms=99999999999999999999999", 400),
        ("/nothing", 404),
        ("/echo", 404),
        ("http://example.org/", 200),
        ("http://example.org", 200),
        ("http://example.org/big?bytes=1", 200),
    ] {
        assert_eq!(status_of(&get(target)), status, "{target}");
    }
}

#[test]
fn another_method_on_a_known_path_is_405_with_allow() {
    let answer = answer_once(b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n");
    let text = String::from_utf8(answer).unwrap();
    assert!(text.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{text}");
    assert!(text.contains("\r\nAllow: GET, HEAD, OPTIONS\r\n"), "{text}");
}

#[test]
fn a_head_answer_has_the_length_of_get_and_no_body() {
    let text = String::from_utf8(answer_once(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")).unwrap();
    assert!(text.contains("Content-Length: 12\r\n") && text.ends_with("\r\n\r\n"), "{text}");
}

#[test]
fn what_is_not_a_request_is_refused() {
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n", 400), // not complete in one read
        ("GET / HTTP/1.1\r\n\r\n", 400),        // no Host
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\n\r\n", 200),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\0\r\n\r\n", 400),
        ("\x16\x03\x01\x02", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ] {
        assert_eq!(status_of(request), status, "{request:?}");
    }
}

#[test]
fn limits_have_their_own_answers() {
    let limits = Limits { line: 100, head: 100, body: 10 };
    let status = |bytes: &[u8]| match Head::parse(bytes, &limits) {
        Parsed::Refused(response) => response.status,
        other => panic!("{other:?}"),
    };
    assert_eq!(status(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(100)).as_bytes()), 431);
    assert_eq!(
        status(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(100)).as_bytes()),
        431
    );
    assert_eq!(status(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n"), 413);
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101));
    match Head::parse(many.as_bytes(), &Limits::NONE) {
        Parsed::Refused(response) => assert_eq!(response.status, 431),
        other => panic!("{other:?}"),
    }
}

#[test]
fn persistence_follows_version_and_connection() {
    for (version, connection, keep) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Keep-Alive, CLOSE\r\n", false),
        ("1.1", "Connection: x\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: close, keep-alive\r\n", false),
    ] {
        let text = format!("GET / HTTP/{version}\r\nHost: x\r\n{connection}\r\n");
        match Head::parse(text.as_bytes(), &Limits::NONE) {
            Parsed::Complete(head) => assert_eq!(head.keep_alive, keep, "{text:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_body_comes_out_the_same_in_any_pieces() {
    let body = Body::Pattern(1000);
    let (mut whole, mut pieces) = (Vec::new(), Vec::new());
    body.piece(0, 1000, &mut whole).unwrap();
    for from in (0..1000).step_by(7) {
        body.piece(from, 7, &mut pieces).unwrap();
    }
    assert_eq!(whole.len(), 1000);
    assert_eq!(whole, pieces);
}

/// Anything, and much that is nearly a request.
fn some_bytes() -> impl Strategy<Value = Vec<u8>> {
    let parts = [
        "GET / HTTP/1.1\r\n",
        "POST /echo HTTP/1.0\r\n",
        "HEAD ",
        "/x?y=z",
        " HTTP/1.",
        "1",
        "2",
        "Host: x\r\n",
        "Content-Length: 1",
        "Content-Length: 18446744073709551615\r\n",
        "Expect: ",
        "100-continue",
        "Connection: ",
        "close",
        ",",
        "Transfer-Encoding",
        ":",
        "\r\n",
        "\r",
        "\n",
        " ",
        "\t",
        "\r\n\r\n",
        "body",
    ];
    let part = proptest::sample::select(parts.map(|part| part.as_bytes().to_vec()).to_vec());
    let noise = vec(any::<u8>(), 0..20);
    let mostly_parts = vec(prop_oneof![9 => part, 1 => noise], 0..12);
    prop_oneof![1 => vec(any::<u8>(), 0..300), 4 => mostly_parts.prop_map(|parts| parts.concat())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// No bytes make the parser panic; and what it says of a beginning, other
    /// than `Partial`, it says of everything that begins so. A connection may
    /// therefore ask after each read and believe the first answer.
    #[test]
    fn a_verdict_stands_whatever_follows(bytes in some_bytes()) {
        let mut verdict: Option<String> = None;
        for end in 0..=bytes.len() {
            let parsed = Head::parse(&bytes[..end], &Limits::NONE);
            if let Parsed::Complete(head) = &parsed {
                prop_assert!(head.length <= end);
                prop_assert!(verdict.is_some() || head.length == end, "late by {}", end - head.length);
            }
            let said = format!("{parsed:?}");
            match &verdict {
                Some(verdict) => prop_assert_eq!(&said, verdict, "at {}", end),
                None if matches!(parsed, Parsed::Partial) => {}
                None => verdict = Some(said),
            }
        }
    }

    #[test]
    fn a_head_is_partial_up_to_its_last_byte(
        fields in vec("[A-Za-z0-9-]{1,12}: ?[ -~]{0,20}", 0..8),
        body in vec(any::<u8>(), 0..40),
    ) {
        let fields: String = fields.iter().map(|field| format!("X-{field}\r\n")).collect();
        let head = format!("GET /path?query HTTP/1.1\r\nHost: x\r\n{fields}\r\n").into_bytes();
        let bytes = [&*head, &*body].concat();
        for end in 0..=bytes.len() {
            match Head::parse(&bytes[..end], &Limits::NONE) {
                Parsed::Partial => prop_assert!(end < head.len(), "at {}", end),
                Parsed::Complete(parsed) => {
                    prop_assert!(end >= head.len());
                    prop_assert_eq!(parsed.length, head.len());
                }
                Parsed::Refused(response) => prop_assert!(false, "at {}: {:?}", end, response),
            }
        }
    }
}
