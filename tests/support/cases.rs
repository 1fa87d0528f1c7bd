//! Bytes, and what has to come of them: each case at once, byte by byte, and as
//! one segment with a second request behind it.

use std::net::SocketAddr;

use super::client::Client;

/// What has to come of some bytes.
#[derive(Clone, Copy)]
pub enum Outcome {
    /// This status and content; the next request is found where it begins.
    Served(u16, &'static str),
    /// This status and content, then a close, as the client wished.
    Last(u16, &'static str),
    /// This status, then a close: what follows is not even looked at.
    Refused(u16),
}

pub use Outcome::{Last, Refused, Served};

/// Content that is not compared: a text for people.
pub const SOME: &str = "*";

/// What answers the request behind: the first seven bytes of `/big`.
pub const SECOND_ANSWER: &str = "0123456";

/// How bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way {
    AtOnce,
    ByteByByte,
    /// In one segment with a second request.
    WithAnotherBehind,
}

pub const WAYS: [Way; 3] = [Way::AtOnce, Way::ByteByByte, Way::WithAnotherBehind];

/// Plays a table of cases; `second` is the request behind.
pub fn play(address: SocketAddr, second: &str, cases: &[(Vec<u8>, Outcome)]) {
    let mut wrong = Vec::new();
    for (bytes, outcome) in cases {
        for way in WAYS {
            let case = || one(Client::connect(address), bytes, second, *outcome, way);
            // The trouble of one case must not hide that of the next.
            if std::panic::catch_unwind(case).is_err() {
                let shown = bytes[..bytes.len().min(200)].escape_ascii();
                wrong.push(format!("{way:?}: {shown}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), 3 * cases.len(), wrong.join("\n"));
    println!("{} cases in three ways", cases.len());
}

fn one(mut client: Client, bytes: &[u8], second: &str, outcome: Outcome, way: Way) {
    match way {
        Way::AtOnce => client.send(bytes),
        // Once it is refused it may be closed before the last byte.
        Way::ByteByByte => {
            // Of what is long, the end, where its limit is.
            let (start, end) = bytes.split_at(bytes.len().saturating_sub(3000));
            let _ = client.try_send(start) && end.iter().all(|&byte| client.try_send([byte]));
        }
        Way::WithAnotherBehind => client.send([bytes, second.as_bytes()].concat()),
    }
    let is_head = bytes.trim_ascii_start().starts_with(b"HEAD ");
    let answer = client.answer_to(if is_head { "HEAD" } else { "GET" });
    let (status, content, stays) = match outcome {
        Served(status, content) => (status, content, true),
        Last(status, content) => (status, content, false),
        Refused(status) => (status, SOME, false),
    };
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(content == SOME || answer.text() == content, "{answer:?}");
    assert_eq!(answer.says_close(), !stays, "{answer:?}");
    if stays {
        if way != Way::WithAnotherBehind {
            client.send(second);
        }
        let answer = client.answer();
        assert_eq!((answer.status, &*answer.text()), (200, SECOND_ANSWER));
        client.half_close();
    }
    client.is_closed();
}
