//! The table of scenarios: what each stage is expected to show.

use super::{Expected, How, Scenario, churn, idle, requests, signals, stop};

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
        name: "stop-behind",
        title: "stop, with requests behind unfinished answers: all are answered",
        expected: [
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            W,
        ],
        run: stop::with_requests_behind,
    },
    Scenario {
        name: "stop-no-descriptors",
        title: "stop, with more connections than descriptors: all are answered",
        expected: [
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            ENDS_AT_ONCE,
            W,
        ],
        run: stop::without_descriptors,
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
