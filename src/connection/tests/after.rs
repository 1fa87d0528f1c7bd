//! What must not follow a last answer, and what an idle connection keeps.

use super::super::*;
use crate::http::demo;

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
