//! Any stream, cut anywhere, by turns of any size.

use proptest::collection::vec;
use proptest::prelude::*;

use super::asks::{Ask, a_body, a_last_ask, an_ask, answers_to, bytes_of};
use super::*;
use crate::connection::buffers::WRITE_SIZE;

fn a_turn() -> impl Strategy<Value = Turn> {
    let requests = prop_oneof![1_usize..4, Just(64)];
    let bytes = || prop_oneof![Just(1_usize), 1_usize..100_000, Just(256 * 1024)];
    (any::<bool>(), requests, bytes(), bytes(), any::<bool>()).prop_map(
        |(read_to_short, requests, read, send, peeks)| Turn {
            read_to_short,
            requests,
            read,
            send,
            peeks,
        },
    )
}

fn some_sizes() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1_usize..4, 1_usize..70, 1_usize..3000], 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// One answer to each request, in order, and none after the last.
    #[test]
    fn any_split_gives_the_same_answers(
        mut asks in vec(an_ask(), 0..8),
        last in proptest::option::of((a_last_ask(), vec(an_ask(), 0..2))),
        (sizes, turn) in (some_sizes(), a_turn()),
    ) {
        let mut never = Vec::new();
        if let Some((last, ignored)) = last {
            asks.push(last);
            never = ignored;
        }
        let stream = [bytes_of(&asks), bytes_of(&never)].concat();
        let expected = answers_to(&asks);
        prop_assert!(Talk::about(TURN, [&*stream]) == expected, "at once");
        prop_assert!(Talk::about(turn, cut(&stream, &sizes)) == expected, "in pieces");
    }

    /// And what is no request at all does not depend on the split either.
    #[test]
    fn any_split_of_any_bytes_gives_the_same_answers(
        asks in vec(an_ask(), 0..2),
        line in prop_oneof![Just("GET / HTTP/1.1\r\n"), Just("Host: x\r\n"), Just("")],
        noise in vec(any::<u8>(), 0..200),
        (sizes, turn) in (some_sizes(), a_turn()),
    ) {
        let stream = [&*bytes_of(&asks), line.as_bytes(), &*noise].concat();
        let at_once = Talk::about(TURN, [&*stream]);
        prop_assert!(at_once.starts_with(&answers_to(&asks)));
        prop_assert!(Talk::about(turn, cut(&stream, &sizes)) == at_once);
    }

    /// Who waits after the head hears 100 once, in its place among the answers;
    /// who does not wait does not hear it.
    #[test]
    fn who_waits_with_the_body_hears_100_once(
        asks in vec(
            prop_oneof![
                2 => a_body().prop_map(|body| Ask::echo("Expect: 100-continue\r\n", &body)),
                1 => an_ask(),
            ],
            1..6,
        ),
        (sizes, turn) in (vec(1_usize..200, 0..40), a_turn()),
    ) {
        let stream = bytes_of(&asks);
        // Short pieces: neither a write nor a read cuts one of them once more.
        let mut pieces = cut(&stream, &sizes);
        let rest = pieces.pop().unwrap_or_default();
        pieces.extend(rest.chunks(2048));
        let mut ends: Vec<usize> = Vec::new();
        for piece in &pieces {
            ends.push(ends.last().unwrap_or(&0) + piece.len());
        }
        let (mut expected, mut start) = (Vec::new(), 0);
        for ask in &asks {
            let end = start + ask.bytes.len();
            if let Some(head) = ask.waits_after
                && ends.iter().any(|at| (start + head..end).contains(at))
            {
                expected.extend_from_slice(CONTINUE);
            }
            expected.extend_from_slice(&ask.answer);
            start = end;
        }
        let received = Talk::about(turn, pieces);
        prop_assert!(received == expected, "{}", received.escape_ascii());
    }

    /// The bound of a send holds to within one write, and `All` means all.
    #[test]
    fn a_send_is_bounded(bytes in 0_usize..300_000, most in 1_usize..100_000) {
        let mut talk = Talk::new(Limits::DEFAULT, TURN);
        let ask = Ask::big(bytes);
        talk.connection.answer(Response::ok(Body::Pattern(bytes)), Method::Get, true);
        prop_assert_eq!(talk.connection.send(0).unwrap(), Sent::More);
        prop_assert_eq!(talk.receive(usize::MAX), 0);
        loop {
            let sent = talk.connection.send(most).unwrap();
            let arrived = talk.receive(usize::MAX);
            prop_assert!(arrived < most + WRITE_SIZE);
            match sent {
                Sent::More => prop_assert!(arrived >= most),
                Sent::Full => prop_assert!(arrived < most),
                Sent::All => break,
            }
            prop_assert!(talk.connection.is_owed());
        }
        prop_assert!(!talk.connection.is_owed());
        prop_assert!(talk.received == ask.answer);
    }

    /// A head about as long as the limit, cut anywhere: served up to it, 431 beyond.
    #[test]
    fn the_limit_of_a_head_does_not_depend_on_the_split(
        length in 64_usize..72,
        sizes in some_sizes(),
    ) {
        let ask = Ask::hello(&format!("X: {}\r\n", "x".repeat(length)), true);
        let mut talk = Talk::new(Limits { line: 100, head: 100, body: 0 }, TURN);
        cut(&ask.bytes, &sizes).into_iter().for_each(|piece| talk.send(piece));
        let too_large = ask.bytes.len() > 100;
        prop_assert_eq!(talk.connection.is_finished(), too_large);
        let status = if too_large { "HTTP/1.1 431 " } else { "HTTP/1.1 200 " };
        prop_assert!(talk.received.starts_with(status.as_bytes()));
    }
}
