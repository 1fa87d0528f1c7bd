//! What RFC 9110 and RFC 9112 demand of a server, as bytes against the complete
//! one: each case at once, byte by byte, and with a second request behind it.

mod support;

use std::time::{Duration, Instant};

use common::http::Limits;
use support::Server;
use support::cases::{self, Last, Outcome, Refused, SECOND_ANSWER, SOME, Served};
use support::client::{Client, End};

/// The request behind; no other has this answer.
const SECOND: &str = "GET /big?bytes=7 HTTP/1.1\r\nHost: second\r\n\r\n";

const HELLO: &str = "Hello World\n";

/// Plays a table of cases against the demo routes.
fn play(cases: &[(&str, Outcome)]) {
    let cases: Vec<_> = cases.iter().map(|(text, o)| (text.as_bytes().to_vec(), *o)).collect();
    play_bytes(&cases);
}

fn play_bytes(cases: &[(Vec<u8>, Outcome)]) {
    let server = Server::ch07(&["--workers", "2"]);
    cases::play(server.address(), SECOND, cases);
    assert_eq!(server.finish(), [""; 0], "nothing on stderr");
}

// RFC 9112 §2, §3, §5: the head.

#[test]
fn a_request_line() {
    play(&[
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Served(200, HELLO)),
        ("GET /?query HTTP/1.1\r\nHost: x\r\n\r\n", Served(200, HELLO)),
        ("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", Served(404, SOME)),
        // §2.2: empty lines before it are skipped.
        ("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", Served(200, HELLO)),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", Served(200, HELLO)),
        // §2.2: a line feed alone may end a line of the head.
        ("GET / HTTP/1.1\nHost: x\n\n", Served(200, HELLO)),
        ("GET / HTTP/1.1\r\nHost: x\n\r\n", Served(200, HELLO)),
        ("GET / HTTP/1.1\r\nHost: x\r\n\n", Served(200, HELLO)),
        // Parts that are missing, in excess, or something else.
        ("GET /\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET /  HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET / HTTP/1.1 \r\nHost: x\r\n\r\n", Refused(400)),
        (" GET / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET / a HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET / HTTP/1.1\rHost: x\r\n\r\n", Refused(400)),
        ("G\0T / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("G(T / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        (": / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
    ]);
}

#[test]
fn the_version() {
    play(&[
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", Refused(505)),
        ("GET / HTTP/0.9\r\nHost: x\r\n\r\n", Refused(505)),
        ("GET / HTTP/3\r\nHost: x\r\n\r\n", Refused(505)),
        // RFC 9110 §2.5: SHOULD be served as 1.1. httparse takes none but 1.0 and
        // 1.1, so it is refused here; no client is known to send it.
        ("GET / HTTP/1.2\r\nHost: x\r\n\r\n", Refused(505)),
        ("GET / HTTP/1.9\r\nHost: x\r\n\r\n", Refused(505)),
        // One digit, a point, one digit (RFC 9112 §2.3); else it is none.
        ("GET / HTTP/1,1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET / HTTP/11.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET / HTTP/1.\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET / HTTP/1.x\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET / HTTP/1.10\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET / HTTP/1.1x\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET / http/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET / HTTP 1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET / FTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET / HTTPS/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET / HTTP/x.y\r\nHost: x\r\n\r\n", Refused(400)),
        // What other protocols say first.
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused(505)),
        ("\x16\x03\x01\x02\0\x01\0\x01\u{7c}\x03\x03", Refused(400)),
        ("SSH-2.0-OpenSSH_9.2\r\n", Refused(400)),
    ]);
}

#[test]
fn methods() {
    play(&[
        ("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", Served(200, "")),
        ("HEAD /big?bytes=100000 HTTP/1.1\r\nHost: x\r\n\r\n", Served(200, "")),
        ("HEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\n", Served(404, "")),
        ("OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n", Served(204, "")),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", Served(204, "")),
        // RFC 9110 §15.5.6: known, and allowed elsewhere, or nowhere.
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", Served(405, SOME)),
        ("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", Served(405, SOME)),
        ("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", Served(405, SOME)),
        ("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", Served(405, SOME)),
        ("PATCH / HTTP/1.1\r\nHost: x\r\n\r\n", Served(405, SOME)),
        ("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", Served(405, SOME)),
        // §9.3.6: no tunnels. Bytes of a tunnel that was not waited for may follow:
        // they are no requests.
        ("CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", Refused(501)),
        ("CONNECT [::1]:80 HTTP/1.0\r\n\r\n", Refused(501)),
        // §9.1: unknown; names are case-sensitive.
        ("get / HTTP/1.1\r\nHost: x\r\n\r\n", Served(501, SOME)),
        ("BREW / HTTP/1.1\r\nHost: x\r\n\r\n", Served(501, SOME)),
        ("M!#$%&'*+-.^_`|~ / HTTP/1.1\r\nHost: x\r\n\r\n", Served(501, SOME)),
        ("BREW /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nGET", Served(501, SOME)),
    ]);
}

/// RFC 9110 §9.3.2: no content for HEAD, whatever the status.
#[test]
fn a_refusal_of_head_has_no_content() {
    let long = format!("HEAD /{} HTTP/1.1\r\n", "a".repeat(Limits::DEFAULT.line));
    play(&[
        ("HEAD / HTTP/1.1\r\n\r\n", Refused(400)),
        ("\r\nHEAD / HTTP/1.1\r\nHost: a b\r\n\r\n", Refused(400)),
        ("HEAD / HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n", Refused(400)),
        ("HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", Refused(413)),
        ("HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx", Refused(400)),
        ("HEAD / HTTP/1.1\r\nHost: x\r\nExpect: y\r\n\r\n", Refused(417)),
        ("HEAD / HTTP/2.0\r\nHost: x\r\n\r\n", Refused(505)),
        (&long, Refused(414)),
    ]);
}

/// Found by the fuzzer: with more behind it in the same segment it was a HEAD.
#[test]
fn a_cr_alone_decides_before_there_is_a_method_in_any_pieces() {
    let server = Server::ch07(&[]);
    let address = server.address();
    for pieces in [&["\r\n\rH", "EAD / HTTP/1.1\r\n"][..], &["\r\n\rHEAD / HTTP/1.1\r\n"]] {
        let mut client = Client::connect(address);
        assert!(client.try_send(pieces[0]));
        let answer = client.answer();
        assert_eq!((answer.status, &*answer.text()), (400, "not an HTTP request\n"), "{pieces:?}");
        let _ = pieces[1..].iter().all(|piece| client.try_send(piece));
        client.is_closed();
    }
    assert_eq!(server.finish(), [""; 0]);
}

#[test]
fn allow_names_the_methods_of_the_path() {
    let server = Server::ch07(&[]);
    let mut client = Client::connect(server.address());
    for (request, allow) in [
        ("OPTIONS / HTTP/1.1", "GET, HEAD, OPTIONS"),
        ("OPTIONS * HTTP/1.1", "GET, HEAD, OPTIONS"),
        ("DELETE /big HTTP/1.1", "GET, HEAD, OPTIONS"),
        ("OPTIONS /echo HTTP/1.1", "POST, OPTIONS"),
        ("GET /echo HTTP/1.1", "POST, OPTIONS"),
    ] {
        client.send(format!("{request}\r\nHost: x\r\n\r\n"));
        assert_eq!(client.answer().field("allow"), Some(allow), "{request}");
    }
    client.send("HEAD /big?bytes=12345 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.answer_to("HEAD").field("content-length"), Some("12345"));
    assert_eq!(server.finish(), [""; 0]);
}

#[test]
fn the_target() {
    play(&[
        // RFC 9112 §3.2.2: an absolute one must be understood.
        ("GET http://example.org/ HTTP/1.1\r\nHost: x\r\n\r\n", Served(200, HELLO)),
        ("GET http://example.org HTTP/1.1\r\nHost: x\r\n\r\n", Served(200, HELLO)),
        ("GET HTTP://example.org:80/?q HTTP/1.1\r\nHost: x\r\n\r\n", Served(200, HELLO)),
        ("GET http://[::1]:80/ HTTP/1.1\r\nHost: x\r\n\r\n", Served(200, HELLO)),
        ("GET http://x:/ HTTP/1.1\r\nHost: \r\n\r\n", Served(200, HELLO)),
        ("OPTIONS http://x HTTP/1.1\r\nHost: x\r\n\r\n", Served(204, "")),
        // RFC 9110 §4.2.3: an empty path is the same as a slash.
        ("GET http://x?bytes=1 HTTP/1.1\r\nHost: x\r\n\r\n", Served(200, HELLO)),
        ("GET http://x? HTTP/1.1\r\nHost: x\r\n\r\n", Served(200, HELLO)),
        ("GET http://x/big?bytes=7 HTTP/1.1\r\nHost: x\r\n\r\n", Served(200, SECOND_ANSWER)),
        // It does not excuse from a Host.
        ("GET http://x/ HTTP/1.1\r\n\r\n", Refused(400)),
        ("GET http://x/ HTTP/1.1\r\nHost: a b\r\n\r\n", Refused(400)),
        // RFC 9110 §7.4: what is to be had by TLS alone is not given without.
        ("GET https://x/ HTTP/1.1\r\nHost: x\r\n\r\n", Refused(421)),
        ("GET HTTPS://[::1]:80 HTTP/1.1\r\nHost: x\r\n\r\n", Refused(421)),
        ("GET https:/// HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET http:/// HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET http://a@b/ HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET http://a:b@c/ HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET http://:80/ HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET http://x:80:80/ HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET http://[::1/ HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET http://x\\y/ HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET http:/x HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET http:x HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET ws://x/ HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        // §3.2.3, §3.2.4: forms that belong to one method.
        ("GET * HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("CONNECT x HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET index.html HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        // A fragment is never sent (RFC 9110 §4.2.5).
        ("GET /#here HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("HEAD * HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("OPTIONS *?a HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET ?a HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        // RFC 3986 §2: visible ASCII; in a path, a % begins two hexadecimal digits.
        ("GET /\u{e9} HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET /?\u{e9} HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET /% HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET /%4 HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET /%4?1 HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET http://x/%+1 HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
        ("GET /%25 HTTP/1.1\r\nHost: x\r\n\r\n", Served(404, SOME)),
        // Browsers send such queries as they were typed.
        ("GET /?100% HTTP/1.1\r\nHost: x\r\n\r\n", Served(200, HELLO)),
        ("GET /?a={b}|^`\\<\">[] HTTP/1.1\r\nHost: x\r\n\r\n", Served(200, HELLO)),
    ]);
}

#[test]
fn the_host() {
    let get = |host: &str| format!("GET / HTTP/1.1\r\n{host}\r\n\r\n").into_bytes();
    let served = ["Host: x", "host:x", "HOST: \t x \t", "Host:", "Host: a.b-c_d~e", "Host: [::1]"];
    let ports = ["Host: x:80", "Host: [2001:db8::1]:8080", "Host: 127.0.0.1:1", "Host: x:"];
    // RFC 3986 §3.2.3: the port is digits, as many as one likes.
    let more = ["Host: x:000080", "Host: x:65535", "Host: [::ffff:192.0.2.1]:", "Host: x."];
    // RFC 3986 §3.2.2: a name may hold sub-delims, and percent-encoded bytes.
    let odd = ["Host: a,b", "Host: a;b=(c)", "Host: %41"];
    let wrong = [
        "No-Host: x",
        "Host: x\r\nHost: x",
        "Host: x\r\nhost: y",
        "Host: a b",
        "Host: a/b",
        "Host: a@b",
        "Host: x:y",
        "Host: x:80:80",
        "Host: x:123456",
        "Host: x:65536", // no port of TCP
        "Host: x:-1",
        "Host: x:+1",
        "Host: []",
        "Host: [::1]x",
        "Host: [fe80::1%25lo]", // a zone means nothing on another machine
        "Host: a[b]",
        "Host: a\\b",
        "Host: a?b",
        "Host: a#b",
        "Host: a\tb",
        "Host: x\r\nHost:",
        "Host: :80",
        "Host: [::1",
        "Host: [x]",
        "Host: ::1",
        "Host: %",
        "Host: \u{e9}",
        "Host: \"x\"",
    ];
    let served = served
        .iter()
        .chain(&ports)
        .chain(&more)
        .chain(&odd)
        .map(|host| (get(host), Served(200, HELLO)));
    let wrong = wrong.iter().map(|host| (get(host), Refused(400)));
    let old = ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n");
    let old = [(old.0.into(), Last(200, HELLO)), (old.1.into(), Refused(400))];
    play_bytes(&served.chain(wrong).chain(old).collect::<Vec<_>>());
}

#[test]
fn header_fields() {
    let with = |field: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n").into_bytes();
    let served = ["X:", "X: ", "X:\t a\tb \t", "X: \u{e9}", "!#$%&'*+-.^_`|~09: x", "X: a:b"];
    let wrong = [
        "X : a",       // RFC 9112 §5.1: space before the colon
        "X\t: a",      //
        ": a",         // no name
        "X",           // no colon
        "X a",         //
        "X(: a",       // not a token
        "\"X\": a",    //
        "X\u{e9}: a",  //
        "X: a\r\n b",  // §5.2: obs-fold
        "X: a\r\n\tb", //
        "X: a\rb",     // §2.2: CR alone
        "X: a\0b",     // RFC 9110 §5.5
        "X: a\x01b",   //
        "X: a\x7fb",   //
        "\0: a",       //
    ];
    let mut cases: Vec<_> = served.iter().map(|field| (with(field), Served(200, HELLO))).collect();
    cases.extend(wrong.iter().map(|field| (with(field), Refused(400))));
    // §2.2: white space between the request line and the first field.
    cases.push((b"GET / HTTP/1.1\r\n Host: x\r\n\r\n".to_vec(), Refused(400)));
    cases.push((b"GET / HTTP/1.1\r\n\tX: y\r\nHost: x\r\n\r\n".to_vec(), Refused(400)));
    play_bytes(&cases);
}

// RFC 9112 §9: how long a connection lasts.

#[test]
fn persistence() {
    play(&[
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", Last(200, HELLO)),
        ("GET / HTTP/1.1\r\nHost: x\r\nconnection: CLOSE\r\n\r\n", Last(200, HELLO)),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, close\r\n\r\n", Last(200, HELLO)),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: a ,\tclose , b\r\n\r\n", Last(200, HELLO)),
        (
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: a\r\nConnection: close\r\n\r\n",
            Last(200, HELLO),
        ),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: closed\r\n\r\n", Served(200, HELLO)),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: ,,\r\n\r\n", Served(200, HELLO)),
        (
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
            Served(200, HELLO),
        ),
        ("GET / HTTP/1.0\r\nHost: x\r\n\r\n", Last(200, HELLO)),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", Served(200, HELLO)),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive, close\r\n\r\n", Last(200, HELLO)),
        ("HEAD / HTTP/1.0\r\n\r\n", Last(200, "")),
        ("GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", Last(404, SOME)),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", Last(204, "")),
    ]);
}

#[test]
fn pipelined_answers_come_in_order_and_no_request_is_lost_behind_a_close() {
    let server = Server::ch07(&["--workers", "2"]);
    let address = server.address();
    let mut client = Client::connect(address);
    let requests: String =
        (0..300).map(|n| format!("GET /big?bytes={n} HTTP/1.1\r\nHost: x\r\n\r\n")).collect();
    client.send(requests);
    for n in 0..300 {
        assert_eq!(client.answer().body.len(), n);
    }
    // What is wrong spoils no answer before it.
    client.send(format!("{SECOND}{SECOND}GET / HTTP/1.1\r\n\r\n{SECOND}"));
    for status in [200, 200, 400] {
        assert_eq!(client.answer().status, status);
    }
    client.is_closed();
    assert_eq!(server.finish(), [""; 0]);
}

// RFC 9112 §6, §7: the body.

#[test]
fn content_length() {
    let post = |fields: &str, body: &str| {
        format!("POST /echo HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n{body}").into_bytes()
    };
    let mut cases = vec![
        (post("Content-Length: 5", "hello"), Served(200, "hello")),
        (post("Content-Length: 0", ""), Served(200, "")),
        (post("X: y", ""), Served(200, "")),
        (post("content-length:\t5 ", "a\r\n\0b"), Served(200, "a\r\n\0b")),
        (post("Content-Length: 000005", "hello"), Served(200, "hello")),
        // RFC 9110 §8.6: a list of equal values may be taken for one.
        (post("Content-Length: 5, 5", "hello"), Served(200, "hello")),
        (post("Content-Length: 5\r\nContent-Length: 5", "hello"), Served(200, "hello")),
        // A body that looks like a request is still a body.
        (
            post("Content-Length: 18", "GET / HTTP/1.1\r\n\r\n"),
            Served(200, "GET / HTTP/1.1\r\n\r\n"),
        ),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nGET /".to_vec(),
            Served(200, HELLO),
        ),
        (b"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nHEAD".to_vec(), Served(200, "")),
        (
            b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc".to_vec(),
            Served(404, SOME),
        ),
        (b"POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc".to_vec(), Last(200, "abc")),
    ];
    let wrong = [
        "+5",
        "-5",
        "-0",
        "0x5",
        "5.0",
        "5 5",
        "5,",
        ",5",
        "5, 6",
        "",
        "five",
        "5;5",
        "\u{b9}",
        "18446744073709551616",
        "99999999999999999999999999",
    ];
    cases.extend(
        wrong.iter().map(|n| (post(&format!("Content-Length: {n}"), "hello"), Refused(400))),
    );
    cases.push((post("Content-Length: 5\r\nContent-Length: 6", "hello"), Refused(400)));
    cases.push((post("Content-Length: 5\r\nContent-Length:", "hello"), Refused(400)));
    play_bytes(&cases);
}

#[test]
fn transfer_encoding() {
    let post = |fields: &str| {
        format!("POST /echo HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
            .into_bytes()
    };
    let mut cases = vec![
        (post("Transfer-Encoding: chunked"), Served(200, "hello")),
        (post("transfer-encoding:\tCHUNKED "), Served(200, "hello")),
    ];
    for (fields, status) in [
        // §6.1, §6.3: which of the two frames the body would be a guess.
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
        ("Content-Length: 15\r\nTransfer-Encoding: chunked", 400),
        ("Content-Length: 15\r\nTransfer-Encoding: identity", 400),
        // Chunked is not the last, or is there twice.
        ("Transfer-Encoding: chunked, gzip", 400),
        ("Transfer-Encoding: chunked, chunked", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", 400),
        ("Transfer-Encoding: gzip", 400),
        ("Transfer-Encoding: identity", 400),
        ("Transfer-Encoding: ", 400),
        ("Transfer-Encoding: chunked,", 400),
        ("Transfer-Encoding: xchunked", 400),
        ("Transfer-Encoding: chunkedx", 400),
        ("Transfer-Encoding: \"chunked\"", 400),
        ("Transfer-Encoding: chunked;q=1", 400),
        ("Transfer-Encoding: chun\x0bked", 400),
        ("Transfer-Encoding : chunked", 400),
        // §6.1: a coding that is not understood.
        ("Transfer-Encoding: gzip, chunked", 501),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501),
    ] {
        cases.push((post(fields), Refused(status)));
    }
    // §6.1: HTTP/1.0 knows no such thing.
    let old = "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n";
    cases.push((old.into(), Refused(400)));
    play_bytes(&cases);
}

#[test]
fn chunks() {
    let post = |body: &str| {
        let head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}{body}").into_bytes()
    };
    let served = [
        ("0\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n", "abcdef"),
        ("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"),
        ("00005\r\nhello\r\n000\r\n\r\n", "hello"),
        ("4\r\na\r\nb\r\n0\r\n\r\n", "a\r\nb"),
        // §7.1.1: extensions are passed over.
        ("5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello"),
        ("5 ; a=\"b;c\"\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5\t;\ta = b ; c;d=\"\\\"\" ;e\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5;a=\"\u{e9}\t\"\r\nhello\r\n0\r\n\r\n", "hello"),
        // §7.1.2: so are trailers.
        ("5\r\nhello\r\n0\r\nA: b\r\nC:d\r\n\r\n", "hello"),
        ("0\r\nContent-Length: 100\r\nHost: y\r\n\r\n", ""),
    ];
    let wrong = [
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5,\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",   // a line feed alone
        "5\r\nhello\n0\r\n\r\n",   //
        "5\r\nhello\r\n0\r\n\n",   //
        "5\r\nhello\r\n0\n\r\n",   //
        "5;a\nhello\r\n0\r\n\r\n", //
        "5;a\0\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n", // §7.1.1: white space, and no extension behind it
        "5\t\r\nhello\r\n0\r\n\r\n", //
        "5\r\nhello\r\n0 \r\n\r\n", //
        "5;\r\nhello\r\n0\r\n\r\n", // no name
        "5; \r\nhello\r\n0\r\n\r\n", //
        "5;;a\r\nhello\r\n0\r\n\r\n", //
        "5;a;\r\nhello\r\n0\r\n\r\n", //
        "5;=a\r\nhello\r\n0\r\n\r\n", //
        "5\r\nhello\r\n0;\r\n\r\n", //
        "5;a \r\nhello\r\n0\r\n\r\n", // white space, and nothing behind it
        "5;a=b \r\nhello\r\n0\r\n\r\n", //
        "5;a b\r\nhello\r\n0\r\n\r\n", //
        "5;a=\r\nhello\r\n0\r\n\r\n", // no value
        "5;a==b\r\nhello\r\n0\r\n\r\n", //
        "5;a=b c\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b\r\nhello\r\n0\r\n\r\n", // a quotation mark that stays alone
        "5;a=\"b\\\"\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n",
        "5;a=b\"c\"\r\nhello\r\n0\r\n\r\n",
        "5;a(\r\nhello\r\n0\r\n\r\n", // not a token
        "5;\u{e9}\r\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",    // a carriage return alone
        "5\r\nhelloX\r\n0\r\n\r\n", // longer than announced
        "5\r\nhell\r\n0\r\n\r\n",   // shorter
        "5\r\nhello0\r\n\r\n",
        "10000000000000000\r\n", // 2^64
        "fffffffffffffffff\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n", // 17 digits
        "0\r\nno colon\r\n\r\n",
        "0\r\n: x\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\nA: \0\r\n\r\n",
        "0\r\nA: b\n\r\n",
    ];
    let served = served.iter().map(|(body, content)| (post(body), Served(200, content)));
    let wrong = wrong.iter().map(|body| (post(body), Refused(400)));
    play_bytes(&served.chain(wrong).collect::<Vec<_>>());
}

// RFC 9110 §10.1.1: Expect.

#[test]
fn who_expects_100_continue_gets_it_before_the_body_and_only_then() {
    let server = Server::ch07(&["--workers", "2"]);
    let address = server.address();
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\n";
    for (framing, body) in
        [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")]
    {
        // It waits: once.
        let mut client = Client::connect(address);
        for _ in 0..2 {
            client.send(format!("{head}{framing}\r\n\r\n"));
            assert_eq!(client.answer().status, 100);
            client.send(&body[..2]);
            client.send(&body[2..]);
            assert_eq!(client.answer().text(), "hello");
        }
        // It does not wait: then it needs not be told.
        client.send(format!("{head}{framing}\r\n\r\n{body}{SECOND}"));
        let mut answer = client.answer();
        if cfg!(feature = "short-io") && answer.status == 100 {
            answer = client.answer(); // the server has read no more than the head
        }
        assert_eq!(answer.text(), "hello");
        assert_eq!(client.answer().text(), SECOND_ANSWER);
        // No body: nothing to wait for.
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(client.answer().status, 200);
        client.half_close();
        client.is_closed();
    }
    // The final answer comes at once if it does not depend on the body.
    let mut client = Client::connect(address);
    client.send(format!("{head}Content-Length: 99999999\r\n\r\n"));
    let answer = client.answer();
    assert!(answer.status == 413 && answer.says_close());
    client.is_closed();
    assert_eq!(server.finish(), [""; 0]);
}

#[test]
fn other_expectations_are_refused_and_http_1_0_has_none() {
    let post = |version: &str, expect: &str| {
        format!(
            "POST /echo HTTP/{version}\r\nHost: x\r\nExpect: {expect}\r\nContent-Length: 2\r\n\r\nhi"
        )
    };
    play(&[
        (&post("1.1", "100-continue, x"), Refused(417)),
        (&post("1.1", "the-unexpected"), Refused(417)),
        (&post("1.1", ""), Refused(417)),
        (&post("1.0", "100-continue"), Last(200, "hi")),
        (&post("1.0", "the-unexpected"), Last(200, "hi")),
    ]);
}

// Limits of size: what is as large as allowed is served, one byte more is refused.

#[test]
fn a_head_has_limits() {
    let line = |length: usize| {
        let target = "a".repeat(length - "GET / HTTP/1.1\r\n".len());
        format!("GET /{target} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes()
    };
    let head = |length: usize| {
        let value = "v".repeat(length - "GET / HTTP/1.1\r\nHost: x\r\nA: \r\n\r\n".len());
        format!("GET / HTTP/1.1\r\nHost: x\r\nA: {value}\r\n\r\n").into_bytes()
    };
    let fields = |count: usize| {
        let others = "A: b\r\n".repeat(count - 1);
        format!("GET / HTTP/1.1\r\nHost: x\r\n{others}\r\n").into_bytes()
    };
    let Limits { line: most_line, head: most_head, .. } = Limits::DEFAULT;
    play_bytes(&[
        (line(most_line), Served(404, SOME)),
        (line(most_line + 1), Refused(414)),
        (vec![b'A'; most_line + 1], Refused(501)), // RFC 9112 §3: a method, as it seems
        ([b"GET /", &*vec![b'a'; most_line]].concat(), Refused(414)),
        ("\r\n".repeat(most_line).into(), Refused(400)),
        (head(most_head), Served(200, HELLO)),
        (head(most_head + 1), Refused(431)),
        ([b"GET / HTTP/1.1\r\n", &*vec![b'a'; most_head]].concat(), Refused(431)),
        (fields(100), Served(200, HELLO)),
        (fields(101), Refused(431)),
    ]);
}

#[test]
fn a_body_has_limits() {
    let most = Limits::DEFAULT.body;
    let post = |fields: &str, body: String| {
        format!("POST /echo HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n{body}").into_bytes()
    };
    let whole = |n: usize| post(&format!("Content-Length: {n}"), "b".repeat(n));
    let chunked = |body: String| post("Transfer-Encoding: chunked", body);
    let one_chunk = |n: usize| chunked(format!("{n:x}\r\n{}\r\n0\r\n\r\n", "b".repeat(n)));
    let extension = |n: usize| chunked(format!("1;{}\r\nb\r\n0\r\n\r\n", "e".repeat(n)));
    let trailer = |n: usize| chunked(format!("0\r\nT: {}\r\n\r\n", "t".repeat(n)));
    // The lines of 16 chunks, and the rest in the last one's.
    let coding = |n: usize| {
        let chunk = format!("1;{}\r\nb\r\n", "e".repeat(1000));
        let rest = "0;\r\n".len() + 16 * (chunk.len() - 1);
        chunked(format!("{}0;{}\r\n\r\n", chunk.repeat(16), "e".repeat(n - rest)))
    };
    let most_coding = 16 * 1024 + 16 * 16;
    // Nineteen bytes for each of content: that is not too much until it is long.
    let wordy = |n: usize| chunked(format!("{}0\r\n\r\n", "000000000000001\r\nb\r\n".repeat(n)));
    let small_chunks = "8\r\nbbbbbbbb\r\n".repeat(most / 8);
    play_bytes(&[
        (whole(most), Served(200, SOME)),
        (whole(most + 1), Refused(413)),
        (one_chunk(most), Served(200, SOME)),
        (one_chunk(most + 1), Refused(413)),
        (chunked(format!("{small_chunks}0\r\n\r\n")), Served(200, SOME)),
        (chunked(format!("{small_chunks}1\r\nb\r\n0\r\n\r\n")), Refused(413)),
        (chunked("ffffffffffffffff\r\n".into()), Refused(413)),
        (extension(1000), Served(200, "b")),
        (extension(1024), Refused(400)),
        (coding(most_coding), Served(200, "bbbbbbbbbbbbbbbb")),
        (coding(most_coding + 1), Refused(400)),
        (wordy(5000), Served(200, SOME)),
        (wordy(6000), Refused(400)),
        (trailer(16_000), Served(200, "")),
        (trailer(16_384), Refused(431)),
    ]);
}

// RFC 9112 §8: what ends too early.

#[test]
fn an_unfinished_request_is_not_answered() {
    let server = Server::ch07(&["--workers", "2"]);
    let address = server.address();
    let unfinished = [
        "",
        "G",
        "GET / HTTP/1.1\r\nHost: x\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhell",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ];
    for text in unfinished {
        let mut client = Client::connect(address);
        client.send(text);
        client.half_close();
        client.is_closed();
        // The complete one before it is.
        let mut client = Client::connect(address);
        client.send(format!("{SECOND}{text}"));
        client.half_close();
        assert_eq!(client.answer().text(), SECOND_ANSWER);
        client.is_closed();
    }
    assert_eq!(server.finish(), [""; 0]);
}

/// The answer that refuses a body must reach a client that is still sending it.
#[test]
fn a_refusal_reaches_a_client_that_goes_on_sending() {
    let server = Server::ch07(&["--workers", "2"]);
    let address = server.address();
    let requests = [
        ("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n", 413),
        ("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\nX : y\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3d0900\r\n", 413),
    ];
    // For so long a client is listened to that was refused.
    const LISTENS: Duration = Duration::from_secs(1);
    for (head, status) in requests {
        let mut attempts = 0;
        // On a busy machine it may not be done by then.
        let mut client = loop {
            let (mut client, start) = (Client::connect(address), Instant::now());
            client.send(head);
            // It does not read before it has sent everything.
            match client.try_send(vec![b'x'; 4_000_000]) {
                true if start.elapsed() < LISTENS / 2 => break client,
                false if start.elapsed() < LISTENS => panic!("nobody listens: {head:?}"),
                _ => attempts += 1,
            }
            assert!(attempts < 20, "this machine is too slow for this test");
        };
        let answer = client.answer();
        assert_eq!(answer.status, status);
        client.half_close();
        assert_eq!(client.rest(), (String::new(), End::Fin), "closed without a reset");
    }
    // Errors of those who were not done in time are told.
    let said = server.finish();
    assert!(said.iter().all(|line| line.starts_with("client ")), "{said:?}");
}
