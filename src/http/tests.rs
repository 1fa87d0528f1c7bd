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
    assert!(text.contains("\r\nAllow: GET, HEAD\r\n"), "{text}");
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
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
    ] {
        assert_eq!(status_of(request), status, "{request:?}");
    }
}

#[test]
fn limits_have_their_own_answers() {
    let limits = Limits { head: 100, body: 10 };
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
    body.piece(0, 1000, &mut whole);
    for from in (0..1000).step_by(7) {
        body.piece(from, 7, &mut pieces);
    }
    assert_eq!(whole.len(), 1000);
    assert_eq!(whole, pieces);
}
