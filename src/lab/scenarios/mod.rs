//! The scenarios: one behaviour each, played against any stage.

mod churn;
mod idle;
mod requests;
mod signals;
mod stop;

use std::fmt;

use super::{Play, Record, Result, Stage};

/// One behaviour, and how to see whether a stage has it.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// What the command line calls it.
    pub name: &'static str,
    /// The behaviour: a row of the matrix.
    pub title: &'static str,
    /// What each stage, ch01 to ch07, is expected to show.
    pub expected: [Expected; 7],
    /// Plays it and says what was seen.
    pub run: fn(&Play) -> Result<Seen>,
}

/// What a stage is expected to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It has the behaviour.
    Works,
    /// It fails, and in this way.
    Fails(How),
    /// It has the behaviour, shown on Linux only.
    WorksOnLinux,
    /// The question does not arise, for this reason.
    No(&'static str),
}

/// The ways in which a stage is *seen* to fail. No clock decides any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// A thread sleeps in a call for one client, and another client is answered
    /// only after that call has returned.
    Blocked,
    /// At least 1,000 turns of the loop in which nothing happened.
    Burns,
    /// At least one call per idle client for each active one.
    PerClient,
    /// One trip to the queue for each connection.
    PerTrip,
    /// The connection ends after one answer.
    OneAnswer,
    /// 400: the request was not complete in one read.
    Refused,
    /// Answers come before the request is complete.
    Early,
    /// The answer is not whole.
    Cut,
    /// A connection is left waiting for ever.
    Stranded,
    /// Several workers are given one connection.
    TwoOwners,
    /// It does not end when it is told to.
    Deaf,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            How::Blocked => "everybody waits for one client",
            How::Burns => "spins",
            How::PerClient => "one call per idle client",
            How::PerTrip => "one trip per connection",
            How::OneAnswer => "one answer, then closed",
            How::Refused => "refused with 400",
            How::Early => "one answer per read",
            How::Cut => "the answer is cut off",
            How::Stranded => "left waiting for ever",
            How::TwoOwners => "one connection, several workers",
            How::Deaf => "does not stop",
        })
    }
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The behaviour; and the figure or order that shows it.
    Works(String),
    /// This failure; and what shows it.
    Fails(How, String),
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Works(what) => write!(f, "works: {what}"),
            Seen::Fails(how, what) => write!(f, "fails ({how}): {what}"),
        }
    }
}

fn works(what: impl fmt::Display) -> Result<Seen> {
    Ok(Seen::Works(what.to_string()))
}

fn fails(how: How, what: impl fmt::Display) -> Result<Seen> {
    Ok(Seen::Fails(how, what.to_string()))
}

impl Scenario {
    /// What `stage` is expected to show.
    pub fn expected_of(&self, stage: Stage) -> Expected {
        match self.expected[stage as usize] {
            Expected::WorksOnLinux if cfg!(target_os = "linux") => Expected::Works,
            Expected::WorksOnLinux => no("shown on Linux only"),
            other => other,
        }
    }

    /// The scenario of that name.
    pub fn find(name: &str) -> Option<&'static Scenario> {
        ALL.iter().find(|s| s.name == name)
    }
}

const W: Expected = Expected::Works;
const fn f(how: How) -> Expected {
    Expected::Fails(how)
}
const fn no(reason: &'static str) -> Expected {
    Expected::No(reason)
}

const NO_QUEUE: Expected = no("it has no event queue");
const ONE_THREAD: Expected = no("it has one thread");
const ONE_REQUEST: Expected = no("one request per connection");
const NO_WORKER: Expected = no("it has no workers");
const ENDS_AT_ONCE: Expected = no("it has no handler: a signal to any thread ends it");
const SURELY_CUT: Expected = no("see the row with a request in flight");
const LINUX_ONLY: Expected = Expected::WorksOnLinux;

/// All scenarios, in the order of the matrix.
pub const ALL: &[Scenario] = &[
    Scenario { name: "hello", title: "answers a request", expected: [W; 7], run: requests::hello },
    Scenario {
        name: "silent-client",
        title: "a silent client blocks nobody",
        expected: [f(How::Blocked), W, W, W, W, W, W],
        run: idle::silent_client,
    },
    Scenario {
        name: "idle",
        title: "idle costs no CPU and no wake-up",
        expected: [W, f(How::Burns), W, W, W, W, W],
        run: idle::idle,
    },
    Scenario {
        name: "idle-crowd",
        title: "1,000 idle clients cost an active one nothing",
        expected: [f(How::Blocked), f(How::PerClient), W, W, W, W, W],
        run: idle::idle_crowd,
    },
    Scenario {
        name: "burst",
        title: "a burst of 100 connections costs few trips to the queue",
        expected: [NO_QUEUE, NO_QUEUE, f(How::PerTrip), W, W, W, W],
        run: churn::burst,
    },
    Scenario {
        name: "no-descriptors",
        title: "runs out of descriptors and recovers without spinning",
        expected: [
            no("it never holds more than one client"),
            f(How::Burns),
            f(How::Burns),
            W,
            W,
            W,
            W,
        ],
        run: churn::no_descriptors,
    },
    Scenario {
        name: "slow-handler",
        title: "a slow handler stalls nobody else while a worker is free",
        expected: [f(How::Blocked), f(How::Blocked), f(How::Blocked), f(How::Blocked), W, W, W],
        run: idle::slow_handler,
    },
    Scenario {
        name: "hundred-requests",
        title: "100 requests on one connection",
        expected: [
            f(How::OneAnswer),
            f(How::OneAnswer),
            f(How::OneAnswer),
            f(How::OneAnswer),
            f(How::OneAnswer),
            W,
            W,
        ],
        run: requests::hundred_requests,
    },
    Scenario {
        name: "byte-by-byte",
        title: "a request that arrives byte by byte",
        expected: [
            f(How::Refused),
            f(How::Refused),
            f(How::Refused),
            f(How::Refused),
            f(How::Refused),
            W,
            W,
        ],
        run: requests::byte_by_byte,
    },
    Scenario {
        name: "two-in-one",
        title: "two requests in one segment",
        expected: [
            f(How::OneAnswer),
            f(How::OneAnswer),
            f(How::OneAnswer),
            f(How::OneAnswer),
            f(How::OneAnswer),
            W,
            W,
        ],
        run: requests::two_in_one,
    },
    Scenario {
        name: "half-close",
        title: "a request, then half-close: still gets its answer",
        expected: [W; 7],
        run: requests::half_close,
    },
    Scenario {
        name: "reset",
        title: "a client that resets harms nobody else",
        expected: [W; 7],
        run: requests::reset,
    },
    Scenario {
        name: "slow-reader",
        title: "a big answer to a slow reader arrives whole",
        expected: [W, f(How::Cut), f(How::Cut), f(How::Cut), f(How::Cut), f(How::Cut), W],
        run: requests::slow_reader,
    },
    Scenario {
        name: "before-rearm",
        title: "data sent between the last read and the re-arm is served",
        expected: [ONE_REQUEST, ONE_REQUEST, ONE_REQUEST, ONE_REQUEST, ONE_REQUEST, W, W],
        run: requests::before_rearm,
    },
    Scenario {
        name: "endless-sender",
        title: "a client that sends for ever does not keep a worker",
        expected: [NO_WORKER, NO_WORKER, NO_WORKER, NO_WORKER, W, W, W],
        run: churn::endless_sender,
    },
    Scenario {
        name: "churn",
        title: "descriptors are used again and the right client is answered",
        expected: [W; 7],
        run: churn::churn,
    },
    Scenario {
        name: "all-busy",
        title: "a request that waits for a worker waits in one place",
        expected: [NO_WORKER, NO_WORKER, NO_WORKER, NO_WORKER, W, W, W],
        run: churn::all_busy,
    },
    Scenario {
        name: "one-owner",
        title: "one connection is never in two workers' hands",
        expected: [ONE_THREAD, ONE_THREAD, ONE_THREAD, ONE_THREAD, W, W, W],
        run: churn::one_owner,
    },
    Scenario {
        name: "eintr",
        title: "EINTR (SIGSTOP, SIGCONT) is no event and no error",
        expected: [
            LINUX_ONLY,
            no("it never sleeps"),
            LINUX_ONLY,
            LINUX_ONLY,
            LINUX_ONLY,
            LINUX_ONLY,
            LINUX_ONLY,
        ],
        run: signals::eintr,
    },
    Scenario {
        name: "stop-idle",
        title: "stop, with nothing going on",
        expected: [W; 7],
        run: stop::with_nothing_going_on,
    },
    Scenario {
        name: "stop-keep-alive",
        title: "stop, with idle keep-alive clients",
        expected: [ONE_REQUEST, ONE_REQUEST, ONE_REQUEST, ONE_REQUEST, ONE_REQUEST, W, W],
        run: stop::with_idle_clients,
    },
    Scenario {
        name: "stop-in-flight",
        title: "stop, with a request in flight: it is answered",
        expected: [f(How::Cut), f(How::Cut), f(How::Cut), f(How::Cut), f(How::Cut), f(How::Cut), W],
        run: stop::with_a_request_in_flight,
    },
    Scenario {
        name: "stop-last-connections",
        title: "stop, with connections not yet accepted: they are answered",
        expected: [f(How::Cut), f(How::Cut), f(How::Cut), f(How::Cut), f(How::Cut), f(How::Cut), W],
        run: stop::with_connections_in_the_accept_queue,
    },
    Scenario {
        name: "stop-by-worker",
        title: "stop, with the signal delivered to a worker thread",
        expected: [
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            LINUX_ONLY,
        ],
        run: signals::stop_by_worker,
    },
    Scenario {
        name: "stop-under-load",
        title: "stop, with signals during load: only whole answers",
        expected: [SURELY_CUT, SURELY_CUT, SURELY_CUT, SURELY_CUT, SURELY_CUT, SURELY_CUT, W],
        run: signals::stop_under_load,
    },
    Scenario {
        name: "stop-deadline",
        title: "stop: the drain deadline is kept, and said",
        expected: [
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            W,
        ],
        run: stop::at_the_deadline,
    },
    Scenario {
        name: "stop-twice",
        title: "stop: a second Ctrl-C ends it now",
        expected: [
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            W,
        ],
        run: stop::twice,
    },
    Scenario {
        name: "descriptors-back",
        title: "after churn every descriptor is closed again",
        expected: [W; 7],
        run: churn::descriptors_back,
    },
];

/// How many sockets and queues a trace has opened and not closed.
pub fn open_descriptors(records: &[Record]) -> i64 {
    let opened: usize = records.iter().map(|r| super::invariants::opened(r).len()).sum();
    // "Handed over": to signal-hook, which closes what it was given.
    let gone = |r: &&Record| r.is_call("close") || r.is_step("handed over");
    let closed = records.iter().filter(gone).count();
    opened as i64 - closed as i64
}
