//! The exercises of chapter 7.

mod ask;
mod behind;
mod busy;
mod clients;
mod crowd;
mod drain;
mod farewell;
mod files;
mod flight;
mod held;
mod hunts;
mod knows;
mod late;
mod limits;
mod look;
mod resets;
mod room;
mod stop;
mod vain;

use super::{Attempt, Demo, Exercise, Expect, Finding, Kind, Of, Step, Verdict, Wrong};
use super::{failed, passed};
use common::lab::{Result, Stage};

pub(super) use crowd::is_possible as a_crowd_fits;

pub(super) const EXERCISES: &[Exercise] = &[
    Exercise {
        name: "ch07-build",
        stage: Stage::Ch07,
        kind: Kind::Build,
        binary: "ex07_full",
        title: "the complete server, section by section",
        minutes: 240,
        page: "ch07.html#the-whole-loop",
        demo: Demo {
            of: Of::Stage(Stage::Ch06),
            scenario: "stop-in-flight",
            look: "A asked, and its handler was at work when the signal came. What does A get?",
        },
        steps: &[
            Step { title: "7.1 stop is an event", check: stop::is_an_event },
            Step { title: "7.2 drain, and a deadline", check: drain::loses_no_answer },
            Step { title: "7.3 one call less: oneshot", check: clients::one_change_each },
            Step { title: "7.4 write interest", check: room::slow_readers },
            Step { title: "7.5 deadlines and limits", check: late::deadlines_and_limits },
            Step { title: "7.6 when the workers are busy", check: busy::leaves_them_in_the_kernel },
            Step { title: "7.7 files", check: files::serves_a_folder },
        ],
        start: Expect { step: 1, says: "`Stop::on_signals` installs the handlers" },
        wrong: &[
            wrong("no-wake-up", 1, "The wake-up is not watched"),
            wrong(
                "not-heard",
                if cfg!(target_os = "linux") { 1 } else { 2 },
                "The byte is still there",
            ),
            wrong("parks-in-silence", 4, "Who parks a client while the server stops wakes main"),
            wrong("last-answer", 2, "A got 1 of its two answers"),
            wrong("wakes-first", 2, "main was woken first, and A was closed after that"),
            wrong("limit-of-zero", 2, "nobody had called main"),
            wrong("errors-in-silence", 2, "One way out for both"),
            wrong("error-dropped", 2, "the table goes on counting it"),
            wrong("accepts-so-many", 2, "only if `accept` has said EAGAIN"),
            wrong("level", 3, "while a worker had it"),
            wrong("two-changes", 3, "one call too many"),
            wrong("for-writing", 3, "armed for writing"),
            wrong("park-always-wakes", 3, "for nothing"),
            wrong("for-reading", 4, "armed for reading"),
            wrong("again-when-full", 4, "the worker tries again and again"),
            wrong("more-at-once", 4, "queued A again, with a part of the answer unsent"),
            wrong("looks-once", 4, "none to its second request"),
            wrong("timer-once", 5, "no timer was set"),
            wrong("never-a-word", 5, "No timer was set for this client when it was accepted"),
            wrong("no-rest", 5, "`client.rest(Instant::now())`"),
            wrong("late-first", 5, "takes the place of the events before it"),
            wrong("closed-after-fin", 5, "FIN was sent, and A was closed at once"),
            wrong("no-farewell", 5, "with its answer still on its way"),
            wrong("pause-for-a-moment", 5, "`pause_until_told` lasts until"),
            wrong("idle-once", 5, "not only in the first"),
            wrong("sleeps-on", 5, "nobody has told main"),
            wrong("no-room-again", 5, "nobody has told main that there is room"),
            wrong("no-room-by-main", 5, "main has closed A, all threads sleep"),
            wrong("still-paused", 5, "taken out of the interest list twice"),
            wrong("no-descriptor", 5, "main tries again and again"),
            wrong("drain-without-deadlines", 5, "A's time is up"),
            wrong("nobody-calls", 6, "main holds, and nobody calls it"),
            wrong("pushes-nothing", 6, "found nothing"),
            wrong("no-tick", 6, "one after the other, in one worker"),
            wrong("ticks-while-it-holds", 6, "while both workers were busy"),
            wrong("deaf-while-it-holds", 6, "While main holds it asks about two descriptors only"),
            wrong("greedy-first", 6, "had their turn again and again"),
            wrong("polls-the-paused", 6, "paused, and then reported once more"),
            wrong("long-turns", 6, "in one turn"),
            wrong("no-root", 7, "--root"),
        ],
    },
    Exercise {
        name: "ch07-hunt-late",
        stage: Stage::Ch07,
        kind: Kind::Hunt,
        binary: "hunt07_late",
        title: "a stop that takes for ever, now and then",
        minutes: 20,
        page: "ch07-2.html#the-code",
        demo: Demo {
            of: Of::Yours,
            scenario: "stop-in-flight",
            look: "It works: A keeps its connection, and main has a timer to wake it. And if A \
                   says Connection: close?",
        },
        steps: &[
            Step { title: "the stop ends with the last answer", check: hunts::ends_in_time },
            Step { title: "and main is woken for a reason", check: hunts::woken_for_a_reason },
        ],
        start: Expect { step: 1, says: "A is answered and closed, and all threads sleep" },
        wrong: &[
            wrong("every-close", 2, "is woken for nothing"),
            wrong("only-the-stop", 2, "nobody has told main that there is room"),
            wrong("not-for-errors", 1, "One way out for both"),
            wrong("wakes-first", 1, "main was woken first, and A was closed after that"),
        ],
    },
    Exercise {
        name: "ch07-hunt-cut",
        stage: Stage::Ch07,
        kind: Kind::Hunt,
        binary: "hunt07_cut",
        title: "some downloads are too short",
        minutes: 20,
        page: "ch07-4.html#the-code",
        demo: Demo {
            of: Of::Yours,
            scenario: "slow-reader",
            look: "This one works. In which way does a client differ that says Connection: \
                   close?",
        },
        steps: &[Step {
            title: "the last answer arrives whole, too",
            check: hunts::last_answer_is_whole,
        }],
        start: Expect { step: 1, says: "FIN was sent with a part of the answer unsent" },
        wrong: &[
            wrong("again", 1, "the worker tries again and again"),
            wrong("at-any-price", 1, "the worker tries again and again"),
            wrong("no-goodbye", 1, "closed at once, with bytes of A in the receive buffer"),
            wrong("closed-after-fin", 1, "FIN was sent, and A was closed at once"),
        ],
    },
    Exercise {
        name: "ch07-hunt-restless",
        stage: Stage::Ch07,
        kind: Kind::Hunt,
        binary: "hunt07_restless",
        title: "a core that burns, a while after the start",
        minutes: 20,
        page: "ch07-4.html#the-code",
        demo: Demo {
            of: Of::Stage(Stage::Ch07),
            scenario: "slow-reader",
            look: "This is the stage as it should be: when all is sent it comes to rest, and is \
                   ended, and its last lines count what it did. Yours does not come to rest.",
        },
        steps: &[Step { title: "nobody asks, and nothing happens", check: hunts::comes_to_rest }],
        start: Expect { step: 1, says: "armed for writing, and nothing is to be written" },
        wrong: &[
            wrong("a-nap", 1, "armed for writing, and nothing is to be written"),
            wrong("read-only", 1, "armed for reading"),
            wrong("once-more", 1, "armed for writing, and nothing is to be written"),
        ],
    },
    Exercise {
        name: "ch07-hunt-behind",
        stage: Stage::Ch07,
        kind: Kind::Hunt,
        binary: "hunt07_behind",
        title: "a deploy now and then loses a request",
        minutes: 25,
        page: "ch07-2.html#the-code",
        demo: Demo {
            of: Of::YoursFailing,
            scenario: "stop-behind",
            look: "Four requests have arrived when the signal comes. How many answers are \
                   given?",
        },
        steps: &[Step {
            title: "who has asked before the stop is answered",
            check: behind::all_that_arrived,
        }],
        start: Expect { step: 1, says: "nobody has looked for it" },
        wrong: &[
            wrong("always-again", 1, "has a turn again and again"),
            wrong("looks-too-early", 1, "before the stop, when there was none"),
        ],
    },
    Exercise {
        name: "ch07-stretch-ask",
        stage: Stage::Ch07,
        kind: Kind::Stretch,
        binary: "stretch07_ask",
        title: "a signal that asks: how do you do?",
        minutes: 40,
        page: "ch07-1.html#the-code",
        demo: Demo {
            of: Of::Stage(Stage::Ch07),
            scenario: "stop-idle",
            look: "The last line before the end is the one that SIGUSR1 shall print.",
        },
        steps: &[Step {
            title: "SIGUSR1 prints the report, and the server goes on",
            check: ask::answers,
        }],
        start: Expect { step: 1, says: "SIGUSR1 has ended the process" },
        wrong: &[
            wrong("flag-only", 1, "main slept on"),
            wrong("in-the-handler", 1, "printed by worker"),
            wrong("not-heard", 1, "one question, and it was answered"),
        ],
    },
];

const fn wrong(slug: &'static str, step: usize, says: &'static str) -> Wrong {
    Wrong { slug, step, says }
}

/// What a check did, and what a right program does then.
#[derive(Clone, Copy)]
struct Case {
    did: &'static str,
    expected: &'static str,
    page: &'static str,
}

impl Case {
    fn failed(
        self,
        seen: impl Into<String>,
        mistake: impl Into<String>,
        trace: Vec<String>,
    ) -> Result<Verdict> {
        let finding = Finding::new(self.did, self.expected, seen);
        failed(finding.usually(mistake).lines(trace).page(self.page))
    }

    /// The same, of a part of a check.
    fn part(self, seen: impl Into<String>, mistake: impl Into<String>, trace: Vec<String>) -> Part {
        self.failed(seen, mistake, trace).map(Some)
    }
}

/// What it usually is if a thing goes wrong that the step is not about.
const EARLIER: &str = "That worked before this step. What has changed since the last check \
                       that passed?";

/// What a part of a check returns: `None` if all is well.
type Part = Result<Option<Verdict>>;

/// The first part that is not well, or `all_is_well`.
fn first(attempt: &Attempt, parts: &[fn(&Attempt) -> Part], all_is_well: &str) -> Result<Verdict> {
    for part in parts {
        if let Some(verdict) = part(attempt)? {
            return Ok(verdict);
        }
    }
    passed(all_is_well)
}
