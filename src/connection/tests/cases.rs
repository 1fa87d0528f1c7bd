//! Single cases, each with a story of its own.

use super::asks::{Ask, answers_to, bytes_of};
use super::*;

#[test]
fn every_split_in_two_and_byte_by_byte_gives_the_same_answers() {
    let asks = [
        Ask::echo("", b"GET / HTTP/1.1\r\n\r\n"),
        Ask::big(70),
        Ask::hello("", true),
        Ask::hello("Connection: close\r\n", false),
    ];
    let (stream, expected) = (bytes_of(&asks), answers_to(&asks));
    for at in 0..=stream.len() {
        assert!(Talk::about(TURN, cut(&stream, &[at])) == expected, "split at {at}");
    }
    assert!(Talk::about(TURN, stream.chunks(1)) == expected);
}

#[test]
fn a_client_that_reads_slowly_gets_everything_later() {
    // More than any system's send buffer takes at once.
    let asks =
        [Ask::big(8 << 20), Ask::echo("", b"hi"), Ask::hello("Connection: close\r\n", false)];
    let mut talk = Talk::new(Limits::DEFAULT, TURN);
    sys::write(&talk.client, &asks[0].bytes).unwrap();
    assert_eq!(talk.turn(), Next::Write);

    // Who does not take answers is not asked for more questions.
    sys::write(&talk.client, &bytes_of(&asks[1..])).unwrap();
    assert_eq!(talk.turn(), Next::Write);
    assert!(talk.is_readable() && !talk.connection.has_request());

    let (mut sips, mut full) = ([1, 100, 4096, 70_000].into_iter().cycle(), 0);
    loop {
        talk.receive(sips.next().unwrap());
        match talk.turn() {
            Next::Close => break,
            Next::Write => full += 1,
            Next::Read | Next::Again => {}
        }
    }
    talk.receive(usize::MAX);
    assert!(full > 1);
    assert!(talk.received == answers_to(&asks));
}

#[test]
fn who_waits_behind_others_is_told_to_continue() {
    // A large answer, and as many small ones as a turn may give, end the turn
    // before anybody looks at what comes next.
    let waits = Ask::echo("Expect: 100-continue\r\n", b"hi");
    let (head, body) = waits.bytes.split_at(waits.waits_after.unwrap());
    for ask in [Ask::big(100), Ask::hello("", true)] {
        let mut talk = Talk::new(Limits::DEFAULT, Turn { requests: 1, ..TURN });
        talk.send(&[&*ask.bytes, head].concat());
        assert!(talk.received == [&*ask.answer, CONTINUE].concat());
        talk.send(body);
        assert!(talk.received == [&*ask.answer, CONTINUE, &*waits.answer].concat());
    }
}

#[test]
fn who_is_told_to_close_is_not_told_to_continue() {
    // A server that stops looks whether this request is the last one, and so
    // has parsed the next head by the time it answers: chapter 7's turn.
    let waits = Ask::echo("Expect: 100-continue\r\n", b"hi");
    let mut talk = Talk::new(Limits::DEFAULT, TURN);
    sys::write(&talk.client, &Ask::hello("", true).bytes).unwrap();
    sys::write(&talk.client, &waits.bytes[..waits.waits_after.unwrap()]).unwrap();
    talk.connection.read_to_eagain(usize::MAX).unwrap();
    assert!(talk.connection.next_request().is_some());
    assert!(!talk.connection.has_request());
    talk.connection.answer(Response::text(200, "Hello World\n"), Method::Get, false);
    talk.serve();
    let received = talk.received.escape_ascii().to_string();
    assert_eq!(received, Ask::hello("", false).answer.escape_ascii().to_string());
}

#[test]
fn a_body_beyond_the_limit_is_refused_before_it_comes() {
    let mut talk = Talk::new(Limits { line: 200, head: 200, body: 10 }, TURN);
    talk.send(&Ask::echo("", b"0123456789").bytes);
    assert!(talk.received.ends_with(b"\r\n\r\n0123456789"));
    talk.received.clear();
    let large = Ask::echo("Expect: 100-continue\r\n", b"0123456789a");
    talk.send(&large.bytes[..large.waits_after.unwrap()]);
    assert!(talk.received.starts_with(b"HTTP/1.1 413 "), "{}", talk.received.escape_ascii());
    assert!(talk.connection.is_finished());
    let refused = talk.received.clone();
    talk.send(b"0123456789a");
    talk.send(&Ask::hello("", true).bytes);
    assert!(talk.received == refused);
}

#[test]
fn who_has_ended_its_side_is_answered_and_half_a_request_is_not() {
    let ask = Ask::hello("", true);
    for left_over in [&b""[..], b"GET / HT", &Ask::echo("", b"hi").bytes[..50]] {
        let mut talk = Talk::new(Limits::DEFAULT, TURN);
        sys::write(&talk.client, &[&ask.bytes, &ask.bytes, left_over].concat()).unwrap();
        sys::shutdown_write(&talk.client).unwrap();
        talk.serve();
        assert!(talk.connection.is_finished());
        assert!(talk.received == [&*ask.answer, &*ask.answer].concat());
    }
}

#[test]
fn to_send_to_who_has_gone_is_an_error() {
    let mut talk = Talk::new(Limits::DEFAULT, TURN);
    talk.connection.answer(Response::text(200, "Hello World\n"), Method::Get, true);
    sys::close(talk.client);
    let error = talk.connection.send(usize::MAX).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn an_idle_connection_keeps_no_large_buffers() {
    let ask = Ask::echo("", &[b'x'; 150_000]);
    let mut talk = Talk::new(Limits::DEFAULT, TURN);
    talk.send(&ask.bytes);
    assert!(talk.received == ask.answer);
    assert!(talk.connection.memory() <= READ_SIZE, "{} bytes", talk.connection.memory());
}

#[test]
fn a_request_that_is_still_in_the_kernel_has_arrived() {
    let ask = Ask::hello("", true);
    let mut talk = Talk::new(Limits::DEFAULT, TURN);
    // One and a half; the rest comes before anybody looks, although an answer waits.
    let (half, rest) = ask.bytes.split_at(20);
    sys::write(&talk.client, &ask.bytes).unwrap();
    sys::write(&talk.client, half).unwrap();
    talk.connection.read_to_eagain(usize::MAX).unwrap();
    assert!(talk.connection.next_request().is_some());
    talk.connection.answer(Response::text(200, "Hello World\n"), Method::Get, true);
    sys::write(&talk.client, rest).unwrap();
    assert!(talk.connection.has_arrived(usize::MAX).unwrap());
    talk.serve();
    assert!(talk.received == [&*ask.answer, &*ask.answer].concat());
}

#[test]
fn what_comes_after_the_drain_has_looked_has_not_arrived() {
    let ask = Ask::hello("", true);
    let mut talk = Talk::new(Limits::DEFAULT, TURN);
    sys::write(&talk.client, &[&*ask.bytes, &*ask.bytes].concat()).unwrap();
    assert!(talk.connection.has_arrived(usize::MAX).unwrap());
    sys::write(&talk.client, &ask.bytes).unwrap();
    for is_there in [true, true, false] {
        assert_eq!(talk.connection.has_arrived(usize::MAX).unwrap(), is_there);
        assert_eq!(talk.connection.next_request().is_some(), is_there);
    }
}

#[test]
fn a_last_answer_survives_what_the_client_sent_after_it() {
    let last = Ask::hello("Connection: close\r\n", false);
    let mut talk = Talk::new(Limits::DEFAULT, TURN);
    sys::write(&talk.client, &last.bytes).unwrap();
    assert_eq!(talk.turn(), Next::Close);
    sys::write(&talk.client, b"more, which nobody will read").unwrap();
    assert_eq!(talk.connection.hang_up(), Next::Read, "it is listened to for a while");
    sys::close(talk.connection.into_socket());
    // A close on unread bytes would make this ECONNRESET, sooner or later.
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while let n @ 1.. = sys::read(&talk.client, &mut buffer).unwrap() {
        answer.extend_from_slice(&buffer[..n]);
    }
    assert!(answer == last.answer);
}

#[test]
fn to_be_woken_for_nothing_is_to_wait_again() {
    // A oneshot of FreeBSD's may tell of what has been read meanwhile.
    for read_to_short in [true, false] {
        let mut talk = Talk::new(Limits::DEFAULT, Turn { read_to_short, ..TURN });
        let ask = Ask::hello("", true);
        for piece in [&b""[..], &ask.bytes[..10], b"", &ask.bytes[10..], b""] {
            sys::write(&talk.client, piece).unwrap();
            assert_eq!(talk.turn(), Next::Read);
        }
        talk.receive(usize::MAX);
        assert!(talk.received == ask.answer);
    }
}

#[test]
fn to_hang_up_on_who_has_gone_is_to_close() {
    // shutdown says ENOTCONN, and the read after it that there is no more.
    let (socket, client) = sys::tests::tcp_pair();
    sys::set_nonblocking(&socket).unwrap();
    sys::tests::reset(client, &socket);
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut connection = Connection::new(socket, peer, Limits::DEFAULT);
    assert_eq!(connection.hang_up(), Next::Close);
}

/// As section 7.5 of the book says.
#[test]
fn the_memory_of_one_connection_has_the_bound_that_the_book_names() {
    assert_eq!(most_memory(&Limits::DEFAULT, 256 * 1024), 4896 * 1024);
}

/// Who has requests in our buffers must not be taken back and armed: no kernel would
/// ever report them.
#[test]
fn who_was_looked_at_and_has_asked_rests_no_longer() {
    let mut talk = Talk::new(Limits::DEFAULT, Turn { requests: 1, ..TURN });
    let hello = Ask::hello("", true);
    talk.send(&hello.bytes);
    assert!(talk.connection.is_answered());
    let looked_at = |c: &Connection| (c.is_looked_at(), c.was_looked_at());
    talk.connection.rest_until_looked_at(Instant::now());
    assert!(!talk.connection.is_answered());
    assert_eq!(looked_at(&talk.connection), (true, false));
    // In vain, and it still rests.
    assert_eq!(talk.turn(), Next::Read);
    assert_eq!(looked_at(&talk.connection), (true, false));
    sys::write(&talk.client, &[&*hello.bytes, &*hello.bytes].concat()).unwrap();
    assert_eq!(talk.turn(), Next::Again);
    assert_eq!(looked_at(&talk.connection), (false, true));
    assert_eq!(talk.turn(), Next::Read);
    talk.connection.rest(Instant::now());
    assert_eq!(looked_at(&talk.connection), (false, false));
    // The drain looks, too.
    talk.connection.rest_until_looked_at(Instant::now());
    sys::write(&talk.client, &hello.bytes).unwrap();
    assert!(talk.connection.has_arrived(usize::MAX).unwrap());
    assert_eq!(looked_at(&talk.connection), (false, false));
}
