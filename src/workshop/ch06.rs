//! The exercises of chapter 6: a stream of bytes, and the requests in it.

mod build;
mod edge;
mod hunts;
mod left;
mod long;
mod many;
mod odd;

use super::{Attempt, Demo, Exercise, Expect, Finding, Kind, Of, Outcome, Step, Verdict, Wrong};
use common::lab::client::request;
use common::lab::{Answer, Client, Result, Server, Stage};

const PAGE: &str = "ch06.html#exercises";

pub(super) const EXERCISES: &[Exercise] = &[
    Exercise {
        name: "ch06-build",
        stage: Stage::Ch06,
        kind: Kind::Build,
        binary: "ex06_keep_alive",
        title: "one connection, many requests",
        minutes: 45,
        page: PAGE,
        demo: Demo {
            of: Of::Stage(Stage::Ch05),
            scenario: "byte-by-byte",
            look: "the first byte is taken for the request, and answered with 400",
        },
        steps: &[
            Step { title: "it stays", check: build::stays },
            Step { title: "the last answer, and half a request", check: build::last_and_pieces },
            Step { title: "several at once", check: many::several },
            Step { title: "a bounded turn", check: many::bounded_and_end },
        ],
        start: Expect { step: 1, says: "Connection: close" },
        wrong: &[
            Wrong { slug: "keep-forever", step: 2, says: "is_finished" },
            Wrong { slug: "ignores-close", step: 2, says: "keep_alive" },
            Wrong { slug: "answer-per-read", step: 2, says: "is not complete" },
            Wrong { slug: "refusal-unsent", step: 2, says: "has answered by itself" },
            Wrong { slug: "body-for-head", step: 2, says: "bytes behind the head" },
            Wrong { slug: "one-request", step: 3, says: "1 of the 10" },
            Wrong { slug: "park-again", step: 4, says: "our own buffer" },
            Wrong { slug: "unbounded", step: 4, says: "would keep the worker" },
            Wrong { slug: "no-bound-no-again", step: 4, says: "has no bound" },
            Wrong { slug: "send-once", step: 4, says: "100000 bytes" },
            Wrong { slug: "count-for-left", step: 4, says: "of 3 answers" },
            Wrong { slug: "more-is-read", step: 4, says: "wants another turn" },
            Wrong { slug: "finished-unsent", step: 4, says: "only if everything is sent" },
            Wrong { slug: "full-again", step: 4, says: "asks a full send buffer" },
            Wrong { slug: "full-forgotten", step: 4, says: "nobody waits for room" },
            Wrong { slug: "end-first", step: 4, says: "100 requests, and ends its side" },
        ],
    },
    Exercise {
        name: "ch06-hunt-sometimes",
        stage: Stage::Ch06,
        kind: Kind::Hunt,
        binary: "hunt06_sometimes",
        title: "400 now and then",
        minutes: 25,
        page: PAGE,
        demo: Demo {
            of: Of::Yours,
            scenario: "two-in-one",
            look: "it can do this: two requests from one read. So when does it fail?",
        },
        steps: &[
            Step { title: "a stream, cut anywhere", check: hunts::cut_anywhere },
            Step { title: "several at once, and bodies", check: hunts::several_with_bodies },
        ],
        start: Expect { step: 1, says: "the second answer is 400" },
        wrong: &[
            Wrong { slug: "again", step: 1, says: "a second time" },
            Wrong { slug: "first-only", step: 2, says: "our own buffer" },
            Wrong { slug: "stays-open", step: 2, says: "stays open" },
            Wrong { slug: "keeps-all", step: 2, says: "has grown by" },
        ],
    },
    Exercise {
        name: "ch06-hunt-goodbye",
        stage: Stage::Ch06,
        kind: Kind::Hunt,
        binary: "hunt06_goodbye",
        title: "the server that leaves early",
        minutes: 20,
        page: PAGE,
        demo: Demo {
            of: Of::Yours,
            scenario: "half-close",
            look: "it can do this: a request, the client's end, the answer. So when does it fail?",
        },
        steps: &[
            Step { title: "a long list, and the client's end", check: hunts::list_and_end },
            Step { title: "a long list, and no end", check: many::bounded },
        ],
        start: Expect { step: 1, says: "64 answers, then 0 bytes" },
        wrong: &[
            Wrong { slug: "never-closes", step: 1, says: "nobody closes" },
            Wrong { slug: "all-at-the-end", step: 1, says: "A sends 1000 requests" },
            Wrong { slug: "no-again", step: 2, says: "our own buffer" },
            Wrong { slug: "higher-bound", step: 1, says: "A sends 1000 requests" },
        ],
    },
    Exercise {
        name: "ch06-stretch-edge",
        stage: Stage::Ch06,
        kind: Kind::Stretch,
        binary: "stretch06_edge",
        title: "tell the kernel once",
        minutes: 90,
        page: PAGE,
        demo: Demo {
            of: Of::Stage(Stage::Ch06),
            scenario: "hundred-requests",
            look: "all are answered, and each costs two calls to the event queue that are to go: a \
                   delete and an add (see them call by call)",
        },
        steps: &[
            Step { title: "added once", check: edge::added_once },
            Step { title: "news while a worker has it", check: edge::news },
            Step { title: "nothing left unread", check: left::nothing_left },
            Step { title: "many clients at once", check: edge::many },
        ],
        start: Expect { step: 1, says: "times and deleted" },
        wrong: &[
            Wrong { slug: "level", step: 1, says: "Mode::Edge" },
            Wrong { slug: "lost-news", step: 2, says: "is lost" },
            Wrong { slug: "two-owners", step: 2, says: "a second worker" },
            Wrong { slug: "always-another-turn", step: 1, says: "one turn after another" },
            Wrong { slug: "no-second-look", step: 3, says: "did not read" },
            Wrong { slug: "request-left-only", step: 3, says: "a turn begins with output" },
            Wrong { slug: "bounded-read", step: 3, says: "stopped before EAGAIN" },
            Wrong { slug: "no-delete", step: 4, says: "still watched it" },
            Wrong { slug: "error-lets-go", step: 4, says: "stays open" },
        ],
    },
];

/// What came instead of an answer, as a finding that lacks only its reason; or the
/// answer.
fn answer(
    attempt: &Attempt,
    server: &Server,
    client: &mut Client,
    did: &str,
    expected: &str,
) -> Result<std::result::Result<Answer, Box<Finding>>> {
    let (seen, last) = match attempt.answer_or_rest(server, client)? {
        Outcome::Answered(answer) => return Ok(Ok(answer)),
        Outcome::Ended(bytes, end) => {
            let records = server.records();
            let last = records[records.len().saturating_sub(4)..].to_vec();
            (format!("{} bytes, then the end ({end:?})", bytes.len()), last)
        }
        Outcome::Asleep(last) => ("nothing, and all threads of the server sleep".to_string(), last),
        Outcome::Spins(last) => ("nothing, and the server spins".to_string(), last),
    };
    Ok(Err(Box::new(Finding::new(did, expected, seen).shown_by(&last))))
}

/// Plays it again if it failed after a write that found no room: on a machine that is short
/// of memory the kernel may say so of a few bytes, and then a server may cut its answers off.
fn unless_full(attempt: &Attempt, play: impl Fn() -> Result<Verdict>) -> Result<Verdict> {
    for _ in 0..3 {
        let verdict = play()?;
        let records = attempt.play().last_words().unwrap_or_default().records;
        let was_full = records.iter().any(|r| r.failed("write", "EAGAIN"));
        if matches!(verdict, Verdict::Passed(_)) || !was_full {
            return Ok(verdict);
        }
    }
    play()
}

/// Requests for bodies of 1, 2, … bytes: their answers cannot be mistaken.
fn requests(count: usize) -> String {
    (1..=count).map(|n| request(&format!("/big?bytes={n}"))).collect()
}
