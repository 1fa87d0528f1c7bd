//! The exercises of chapter 1.

mod build;
mod ends;
mod found;
mod goodbye;
mod words;

use super::{Demo, Exercise, Expect, Kind, Of, Outcome, Wrong};
use common::lab::{Answer, End, Record, Stage};

pub(super) const EXERCISES: &[Exercise] = &[
    Exercise {
        name: "ch01-build",
        stage: Stage::Ch01,
        kind: Kind::Build,
        binary: "ex01_blocking",
        title: "the first server",
        minutes: 35,
        page: "ch01.html#the-system-calls",
        demo: Demo {
            of: Of::Stage(Stage::Ch01),
            scenario: "hello",
            look: "nothing stands before the first server: this is the one you build",
        },
        steps: build::STEPS,
        start: Expect { step: 1, says: "can reach it" },
        wrong: &[
            Wrong { slug: "no-bind", step: 1, says: "bind gives it" },
            Wrong { slug: "announce-options", step: 1, says: "getsockname" },
            Wrong { slug: "reuse-late", step: 2, says: "before bind" },
            Wrong { slug: "ends-the-server", step: 6, says: "client's error was taken" },
            Wrong { slug: "read-to-end", step: 4, says: "waiting for the answer" },
            Wrong { slug: "zero-is-a-request", step: 4, says: "0 is not a request" },
            Wrong { slug: "to-the-blank-line", step: 4, says: "one read" },
            Wrong { slug: "one-write", step: 5, says: "offer the rest again" },
            Wrong { slug: "two-writes", step: 5, says: "offer the rest again" },
            Wrong { slug: "says-nothing", step: 6, says: "nobody will know" },
            Wrong { slug: "accept-ends", step: 6, says: "error of accept was taken" },
            Wrong { slug: "accept-in-silence", step: 6, says: "nobody is told why" },
        ],
    },
    Exercise {
        name: "ch01-hunt-words",
        stage: Stage::Ch01,
        kind: Kind::Hunt,
        binary: "hunt01_words",
        title: "whose words are these?",
        minutes: 15,
        page: "ch01.html#read",
        demo: Demo {
            of: Of::Yours,
            scenario: "byte-by-byte",
            look: "one client alone is refused, as it should be: the bug needs two",
        },
        steps: words::STEPS,
        start: Expect { step: 1, says: "A's page" },
        wrong: &[
            Wrong { slug: "to-the-blank-line", step: 1, says: "A's page" },
            Wrong { slug: "to-the-first-zero", step: 1, says: "A's page" },
            Wrong { slug: "wipe-at-the-end", step: 2, says: "did not come to its end" },
        ],
    },
    Exercise {
        name: "ch01-stretch-goodbye",
        stage: Stage::Ch01,
        kind: Kind::Stretch,
        binary: "stretch01_goodbye",
        title: "a goodbye in two steps",
        minutes: 25,
        page: "ch01.html#close",
        demo: Demo {
            of: Of::Stage(Stage::Ch01),
            scenario: "hello",
            look: "the close after each answer: what if the client had sent more?",
        },
        steps: goodbye::STEPS,
        start: Expect { step: 1, says: "sends a reset" },
        wrong: &[
            Wrong { slug: "close-at-once", step: 1, says: "sends a reset" },
            Wrong { slug: "one-read", step: 1, says: "sends a reset" },
            Wrong { slug: "read-first", step: 1, says: "both wait" },
            Wrong { slug: "shutdown-both", step: 1, says: "ends A's" },
            Wrong { slug: "for-ever", step: 2, says: "has no bound" },
            Wrong { slug: "its-error-ends-the-server", step: 2, says: "cannot say goodbye" },
        ],
    },
];

/// What came of a request, in words.
pub(super) fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answered(answer) => {
            format!("The answer {} with {} bytes.", answer.status, answer.body.len())
        }
        Outcome::Ended(bytes, End::Eof) => format!("The end, after {} bytes.", bytes.len()),
        Outcome::Ended(bytes, End::Reset) => format!("A reset, after {} bytes.", bytes.len()),
        Outcome::Asleep(_) => "Nothing: the server sleeps.".to_string(),
        Outcome::Spins(_) => "Nothing: the loop turns in vain.".to_string(),
    }
}

/// The words of a 400 for a request of which only the beginning has come.
fn is_incomplete(answer: &Answer) -> bool {
    String::from_utf8_lossy(&answer.body).contains("not complete")
}

/// How many bytes were read from this descriptor.
fn bytes_read(records: &[Record], fd: i32) -> usize {
    let reads = records.iter().filter(|r| r.did("read", fd));
    reads.filter_map(|r| r.ret).map(|n| n as usize).sum()
}

/// What was done to this descriptor since its accept, at most the last few lines.
fn story_of(records: &[Record], fd: i32) -> Vec<&Record> {
    let touched = |r: &&Record| r.fd == Some(fd) || r.accepted() == Some(fd);
    let mut story: Vec<&Record> = records.iter().filter(touched).collect();
    if let Some(accept) = story.iter().rposition(|r| r.accepted() == Some(fd)) {
        story.drain(..accept);
    }
    story.drain(..story.len().saturating_sub(8));
    story
}
