//! The exercises of chapter 3: the kernel keeps the list.

mod build;
mod hunt;
mod stretch;
mod unwatched;
mod watched;

use super::{Demo, Exercise, Expect, Kind, Of, Step, Wrong};
use common::lab::Stage;

pub(super) const EXERCISES: &[Exercise] = &[BUILD, HOT, SILENCE];

const BUILD: Exercise = Exercise {
    name: "ch03-build",
    stage: Stage::Ch03,
    kind: Kind::Build,
    binary: "ex03_kqueue",
    title: "teach the server of chapter 2 to sleep",
    minutes: 40,
    page: "ch03.html#exercises",
    demo: Demo {
        of: Of::Stage(Stage::Ch02),
        scenario: "idle",
        look: "Nobody is connected, and the server's CPU time grows all the same. Count what it \
               asks for: a turn of its loop is an accept and a read of every client, and the \
               answer is always EAGAIN.",
    },
    steps: &[
        Step { title: "the kernel watches the listener", check: build::watches_listener },
        Step { title: "main sleeps while nobody is there", check: watched::sleeps },
        Step { title: "the kernel watches each client", check: build::watches_clients },
        Step { title: "a client is deleted from the queue, then closed", check: watched::deletes },
        Step { title: "a silent client costs an active one nothing", check: build::crowd },
        Step { title: "of a burst nobody is left behind", check: build::burst },
    ],
    start: Expect { step: 1, says: "Nobody has told the kernel" },
    wrong: &[
        Wrong { slug: "announce-first", step: 1, says: "announced before it was watched" },
        Wrong { slug: "time-limit", step: 2, says: "a time limit" },
        Wrong { slug: "not-watched", step: 3, says: "never told the kernel about it" },
        Wrong { slug: "no-delete", step: 4, says: "closed while the kernel still watches it" },
        Wrong { slug: "asks-everybody", step: 5, says: "asks all of them" },
        Wrong { slug: "accepts-always", step: 5, says: "asks the listener, too" },
        Wrong { slug: "edge", step: 6, says: "edge-triggered" },
    ],
};

const HOT: Exercise = Exercise {
    name: "ch03-hunt-hot",
    stage: Stage::Ch03,
    kind: Kind::Hunt,
    binary: "hunt03_hot",
    title: "after some hours a core is busy, though hardly anybody is there",
    minutes: 20,
    page: "ch03.html#exercises",
    demo: Demo {
        of: Of::Yours,
        scenario: "reset",
        look: "The scenario passes: the bug is not in what most clients do.",
    },
    steps: &[
        Step { title: "a client that leaves without a word is let go", check: hunt::lets_go },
        Step { title: "and taken out of the queue before that", check: watched::deletes },
        Step {
            title: "a client that has ended its side is still answered",
            check: hunt::half_close,
        },
    ],
    start: Expect { step: 1, says: "The same read of 0 bytes" },
    wrong: &[
        Wrong { slug: "pause", step: 1, says: "The same read of 0 bytes" },
        Wrong { slug: "delete-only", step: 1, says: "was never closed" },
        Wrong { slug: "close-only", step: 2, says: "closed while the kernel still watches it" },
    ],
};

const SILENCE: Exercise = Exercise {
    name: "ch03-stretch-silence",
    stage: Stage::Ch03,
    kind: Kind::Stretch,
    binary: "stretch03_silence",
    title: "a client that says nothing for 300 ms is let go",
    minutes: 40,
    page: "ch03.html#exercises",
    demo: Demo {
        of: Of::Stage(Stage::Ch03),
        scenario: "silent-client",
        look: "A blocks nobody, and is never let go: its descriptor is taken for as long as it \
               likes. The wait has a parameter for that.",
    },
    steps: &[
        Step {
            title: "a silent client is let go, and not too early",
            check: stretch::silence_ends,
        },
        Step { title: "with nobody there the wait has no time limit", check: watched::sleeps },
        Step {
            title: "those who speak do not keep the silent ones",
            check: stretch::limit_shrinks,
        },
        Step {
            title: "who has been answered leaves no deadline behind",
            check: stretch::no_dead_deadline,
        },
    ],
    start: Expect { step: 1, says: "No wait has a time limit" },
    wrong: &[
        Wrong { slug: "polls", step: 2, says: "a time limit" },
        Wrong { slug: "whole-limit", step: 3, says: "starts anew" },
        Wrong { slug: "anew-for-all", step: 3, says: "starts anew" },
        Wrong { slug: "stale", step: 4, says: "for a client that has gone" },
        Wrong { slug: "no-delete", step: 1, says: "delete first" },
    ],
};
