//! The runs that pages show. A page shows a run as the command and, included
//! below it, the file that [`Run::file`] names; the book's test holds the two
//! together.

use crate::lab::Stage;
use crate::queue;

/// A scenario played by a stage, and what the book keeps of it.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// The scenario.
    pub scenario: &'static str,
    /// The stage.
    pub stage: Stage,
    /// A broken variant of the stage.
    pub broken: Option<&'static str>,
    /// With the server's own trace.
    pub trace: bool,
    /// Parts of it that a page shows alone.
    pub excerpts: &'static [Excerpt],
    /// The whole of it is kept; else only the excerpts, where the rest differs
    /// from play to play.
    pub whole: bool,
}

/// The lines of a run from the one that contains `from` to the first that
/// contains `to`; the answer to a page's question, for example.
#[derive(Debug, Clone, Copy)]
pub struct Excerpt {
    /// Part of its file's name.
    pub name: &'static str,
    /// In its first line.
    pub from: &'static str,
    /// In its last line; the same line will do.
    pub to: &'static str,
}

impl Run {
    const fn plain(scenario: &'static str, stage: Stage) -> Run {
        Run { scenario, stage, broken: None, trace: false, excerpts: &[], whole: true }
    }

    const fn traced(scenario: &'static str, stage: Stage) -> Run {
        Run { trace: true, ..Run::plain(scenario, stage) }
    }

    const fn broken(name: &'static str, scenario: &'static str, stage: Stage) -> Run {
        Run { broken: Some(name), ..Run::plain(scenario, stage) }
    }

    const fn with(self, excerpts: &'static [Excerpt]) -> Run {
        Run { excerpts, ..self }
    }

    const fn part(self, excerpts: &'static [Excerpt]) -> Run {
        Run { excerpts, whole: false, ..self }
    }

    /// The command that shows it, as a page prints it.
    pub fn command(&self) -> String {
        let what = match self.broken {
            Some(name) => format!("--broken {name}"),
            None => format!("--stage {}", self.stage.short()),
        };
        let trace = if self.trace { " --trace" } else { "" };
        format!("cargo run --bin lab -- run {} {what}{trace}", self.scenario)
    }

    /// The calls in it differ between epoll and kqueue.
    pub fn has_queue_calls(&self) -> bool {
        self.trace && self.stage.has_queue()
    }

    /// Its file in `book/src/generated`; of an excerpt, with its name.
    pub fn file(&self, excerpt: Option<&str>, queue: &str) -> String {
        let mut name = format!("run/{}-{}", self.stage.short(), self.scenario);
        for part in [self.broken, self.trace.then_some("trace"), excerpt].into_iter().flatten() {
            name.push_str(&format!("-{part}"));
        }
        match self.has_queue_calls() {
            true => format!("{name}.{queue}.txt"),
            false => format!("{name}.txt"),
        }
    }

    /// Its file as this machine writes it.
    pub fn file_here(&self, excerpt: Option<&str>) -> String {
        self.file(excerpt, queue_here())
    }

    /// It can be played again by `cargo test`: a broken variant has to be built.
    pub fn is_quick(&self) -> bool {
        self.broken.is_none()
    }
}

/// `epoll` or `kqueue`, whichever this program was built for.
pub fn queue_here() -> &'static str {
    if queue::NAME == "epoll" { "epoll" } else { "kqueue" }
}

use Stage::{Ch01, Ch02, Ch03, Ch04, Ch05, Ch06, Ch07};

/// All of them, in the order of the pages.
pub const ALL: &[Run] = &[
    Run::traced("hello", Ch01).with(&[
        Excerpt { name: "setup", from: "socket(", to: "blocked in: accept" },
        Excerpt { name: "one-client", from: "accept(3) = ", to: "close(4)" },
        Excerpt { name: "one-call", from: "read(4, 16384) = ", to: "read(4" },
        Excerpt { name: "asleep", from: "blocked in: accept", to: "accept" },
    ]),
    Run::plain("silent-client", Ch01),
    Run::traced("silent-client", Ch01).with(&[Excerpt {
        name: "answer",
        from: "A    sends",
        to: "B    gets",
    }]),
    Run::plain("slow-handler", Ch01),
    Run::traced("slow-handler", Ch01).part(&[Excerpt {
        name: "step",
        from: "handler sleeps",
        to: "sleeps",
    }]),
    Run::traced("reset", Ch01).part(&[Excerpt {
        name: "before-reading",
        from: "A    connects",
        to: "close(4)",
    }]),
    Run::traced("hello", Ch02).with(&[Excerpt {
        name: "fcntl",
        from: "fcntl(3, F_GETFL)",
        to: "fcntl(3, F_SETFL",
    }]),
    Run::traced("silent-client", Ch02).part(&[Excerpt {
        name: "answer",
        from: "B    connects",
        to: "B    gets",
    }]),
    Run::plain("idle", Ch02),
    Run::traced("idle", Ch02).part(&[Excerpt {
        name: "turns",
        from: "close(4)",
        to: "more turns",
    }]),
    Run::plain("idle-crowd", Ch02),
    Run::plain("slow-reader", Ch02),
    Run::traced("hello", Ch03).with(&[
        Excerpt { name: "watch", from: "listen(", to: "blocked in" },
        Excerpt { name: "wait", from: "= 1 [client", to: "readable" },
    ]),
    Run::traced("idle", Ch03).part(&[Excerpt {
        name: "asleep",
        from: "close(",
        to: "listener readable",
    }]),
    Run::plain("idle-crowd", Ch03),
    Run::plain("burst", Ch03),
    Run::broken("edge", "burst", Ch03),
    Run { trace: true, ..Run::broken("edge", "burst", Ch03) }.part(&[Excerpt {
        name: "stranded",
        from: "P    sends",
        to: "blocked in",
    }]),
    Run::plain("no-descriptors", Ch03),
    Run::traced("no-descriptors", Ch03).part(&[Excerpt {
        name: "spins",
        from: "-1 EMFILE",
        to: "more turns",
    }]),
    Run::traced("hello", Ch04).part(&[
        Excerpt { name: "all", from: "answers a request", to: "Seen: " },
        Excerpt { name: "one-client", from: "A    connects", to: "A    closes" },
    ]),
    Run::plain("burst", Ch04),
    Run::plain("no-descriptors", Ch04),
    Run::traced("no-descriptors", Ch04).part(&[Excerpt {
        name: "pause",
        from: "= -1 EMFILE",
        to: "blocked in: ",
    }]),
    Run::plain("slow-handler", Ch04),
    Run::traced("hello", Ch05).with(&[Excerpt {
        name: "hand-off",
        from: "[client 5 readable]",
        to: "close(5)",
    }]),
    Run::traced("slow-handler", Ch05).part(&[Excerpt {
        name: "meanwhile",
        from: "handler sleeps",
        to: "B    gets",
    }]),
    Run::plain("all-busy", Ch05),
    Run::broken("no-delete", "all-busy", Ch05),
    Run::plain("hundred-requests", Ch05),
    Run::plain("byte-by-byte", Ch05),
    Run::traced("hello", Ch06).part(&[
        Excerpt { name: "all", from: "answers a request", to: "Seen: " },
        Excerpt { name: "request", from: "[client 5 readable]", to: "waiting for work" },
        Excerpt { name: "one-client", from: "A    connects", to: "close(" },
        Excerpt { name: "one-request", from: "A    sends", to: "A    gets" },
    ]),
    Run::traced("two-in-one", Ch06).part(&[Excerpt {
        name: "both",
        from: "A    sends",
        to: "200 with 7 bytes",
    }]),
    Run::plain("byte-by-byte", Ch06),
    Run::traced("before-rearm", Ch06).part(&[Excerpt {
        name: "gap",
        from: "handler sleeps",
        to: "write(5, 145)",
    }]),
    Run::traced("endless-sender", Ch06).part(&[Excerpt {
        name: "turn",
        from: "read(5, 16384) = 14500",
        to: "-- queued 5",
    }]),
    Run::plain("half-close", Ch06),
    Run::broken("rearm-then-close", "hundred-requests", Ch06),
    Run::broken("answer-per-read", "byte-by-byte", Ch06),
    Run::plain("stop-in-flight", Ch06),
    Run::plain("slow-reader", Ch06),
    Run::plain("stop-last-connections", Ch06),
    Run::traced("all-busy", Ch06).part(&[Excerpt {
        name: "queued",
        from: "C    sends",
        to: "blocked in",
    }]),
    Run::traced("hello", Ch07).with(&[
        Excerpt { name: "wake-up", from: "socketpair(", to: "handed over 8" },
        Excerpt { name: "one-request", from: "A    sends", to: "A    gets" },
        Excerpt { name: "one-client", from: "A    connects", to: "close(" },
    ]),
    Run::plain("stop-in-flight", Ch07),
    Run::traced("stop-by-worker", Ch07).part(&[Excerpt {
        name: "wakes",
        from: "[wake readable]",
        to: "close(3)",
    }]),
    Run::broken("no-wake-up", "stop-by-worker", Ch07),
    Run::plain("stop-twice", Ch07),
    Run::plain("stop-last-connections", Ch07),
    Run::traced("stop-last-connections", Ch07).part(&[Excerpt {
        name: "last-wait",
        from: "accept(3) = -1 EAGAIN",
        to: "client 13 readable]",
    }]),
    Run::plain("stop-deadline", Ch07),
    Run::traced("before-rearm", Ch07).part(&[Excerpt {
        name: "fires",
        from: "A    sends \"GET /big",
        to: "read(9, 16384) = 40",
    }]),
    Run::plain("slow-reader", Ch07),
    Run::traced("slow-reader", Ch07).part(&[Excerpt {
        name: "waits",
        from: "16384) = 46",
        to: "writable]",
    }]),
    Run::traced("all-busy", Ch07).part(&[
        Excerpt { name: "held", from: "C    sends", to: "[wake readable]" },
        Excerpt { name: "asks", from: "= 1 [wake readable]", to: "[wake readable]" },
    ]),
];
