//! The exercises of chapter 5: threads, and what goes wrong between them.

mod again;
mod build;
mod hunts;
mod loops;
mod rude;
mod storm;

use std::path::PathBuf;

use super::{Demo, Exercise, Expect, Kind, Of, Step, Wrong};
use common::lab::{Record, Server, Stage};

const PAGE: &str = "ch05.html#exercises";

pub(super) const EXERCISES: &[Exercise] = &[
    Exercise {
        name: "ch05-build",
        stage: Stage::Ch05,
        kind: Kind::Build,
        binary: "ex05_thread_pool",
        title: "a fixed pool of workers answers",
        minutes: 45,
        page: PAGE,
        demo: Demo {
            of: Of::Stage(Stage::Ch04),
            scenario: "slow-handler",
            look: "B is not even accepted while the handler sleeps for A: one thread does all",
        },
        steps: &[
            Step { title: "the workers wait for work", check: build::workers },
            Step { title: "main hands over, a worker answers", check: build::hand_over },
            Step { title: "delete before dispatch", check: build::delete_first },
            Step { title: "deleted once, closed once, or back", check: again::once_or_back },
        ],
        start: Expect { step: 1, says: "0 of the 3 workers" },
        wrong: &[
            Wrong { slug: "one-worker", step: 1, says: "1 of the 3 workers" },
            Wrong { slug: "one-job", step: 2, says: "no worker is left" },
            Wrong { slug: "delete-by-worker", step: 3, says: "before it is queued" },
            Wrong { slug: "delete-twice", step: 4, says: "Main has deleted it before" },
            Wrong { slug: "park-unwatched", step: 4, says: "nobody watches it" },
            Wrong { slug: "push-back", step: 4, says: "read again at once" },
        ],
    },
    Exercise {
        name: "ch05-hunt-rush",
        stage: Stage::Ch05,
        kind: Kind::Hunt,
        binary: "hunt05_rush",
        title: "the server that oversleeps",
        minutes: 20,
        page: PAGE,
        demo: Demo {
            of: Of::YoursFailing,
            scenario: "all-busy",
            look: "somebody waits, and everybody sleeps: who stands in the queue, and since when?",
        },
        steps: &[
            Step { title: "who comes while all are busy is answered", check: hunts::rush },
            Step { title: "who comes at any moment is answered", check: storm::storm },
            Step { title: "a slow handler still stops nobody", check: hunts::slow_handler },
        ],
        start: Expect { step: 1, says: "went to sleep" },
        wrong: &[
            Wrong { slug: "notify-all", step: 1, says: "remembers nothing" },
            Wrong { slug: "kick", step: 1, says: "only hides it" },
            Wrong { slug: "polling", step: 1, says: "only hides it" },
            Wrong { slug: "look-then-lock", step: 2, says: "must not be given back" },
            Wrong { slug: "if", step: 2, says: "It panicked" },
        ],
    },
    Exercise {
        name: "ch05-hunt-in-line",
        stage: Stage::Ch05,
        kind: Kind::Hunt,
        binary: "hunt05_in_line",
        title: "the server that stands in line",
        minutes: 20,
        page: PAGE,
        demo: Demo {
            of: Of::YoursFailing,
            scenario: "slow-handler",
            look: "the second worker has nothing to do while A's handler sleeps, and B waits",
        },
        steps: &[
            Step { title: "a free worker takes what there is", check: hunts::in_line },
            Step { title: "who comes while all are busy is answered", check: hunts::all_busy },
            Step { title: "who has nothing to do sleeps", check: again::idle },
        ],
        start: Expect { step: 1, says: "only when A's handler had ended" },
        wrong: &[
            Wrong { slug: "match", step: 1, says: "only when A's handler had ended" },
            Wrong { slug: "guard", step: 1, says: "only when A's handler had ended" },
            Wrong { slug: "polling", step: 3, says: "gave up the processor" },
            Wrong { slug: "busy", step: 3, says: "kept a processor busy" },
        ],
    },
    Exercise {
        name: "ch05-hunt-slower",
        stage: Stage::Ch05,
        kind: Kind::Hunt,
        binary: "hunt05_slower",
        title: "the server that gets slower",
        minutes: 20,
        page: PAGE,
        demo: Demo {
            of: Of::Stage(Stage::Ch05),
            scenario: "reset",
            look: "how it should be: three clients reset, and the next one is answered",
        },
        steps: &[
            Step { title: "as many workers in the evening", check: rude::slower },
            Step { title: "clients come and go", check: hunts::churn },
        ],
        start: Expect { step: 1, says: "no worker is left" },
        wrong: &[
            Wrong { slug: "skip", step: 1, says: "was dropped" },
            Wrong { slug: "restart", step: 1, says: "was dropped" },
            Wrong { slug: "read-only", step: 1, says: "no worker is left" },
            Wrong { slug: "reset-only", step: 1, says: "no worker is left" },
        ],
    },
    Exercise {
        name: "ch05-stretch-loops",
        stage: Stage::Ch05,
        kind: Kind::Stretch,
        binary: "stretch05_loops",
        title: "one event loop per thread",
        minutes: 60,
        page: PAGE,
        demo: Demo {
            of: Of::Stage(Stage::Ch05),
            scenario: "hello",
            look: "queued, took: the hand-off that is to go (see it with `lab run hello --trace`)",
        },
        steps: &[
            Step { title: "several listeners, one port", check: loops::one_port },
            Step { title: "a queue and a thread for each", check: loops::own_queues },
            Step { title: "no hand-off", check: loops::no_hand_off },
        ],
        start: Expect { step: 1, says: "1 listener" },
        wrong: &[
            Wrong { slug: "plain-open", step: 1, says: "SO_REUSEPORT" },
            Wrong { slug: "own-ports", step: 1, says: "different ports" },
            Wrong { slug: "one-queue", step: 2, says: "share an event queue" },
            Wrong { slug: "no-pause", step: 3, says: "without a pause" },
            Wrong { slug: "close-at-eagain", step: 3, says: "the first read says EAGAIN" },
        ],
    },
];

/// The threads of the server, by the trace: those that have such a record.
fn threads(records: &[Record], has: impl Fn(&Record) -> bool) -> Vec<u64> {
    let mut tids: Vec<u64> = records.iter().filter(|r| has(r)).map(|r| r.tid).collect();
    tids.sort_unstable();
    tids.dedup();
    tids
}

/// Those of these threads that have not ended. Only Linux says so.
fn alive(server: &Server, tids: &[u64]) -> usize {
    let tasks = PathBuf::from(format!("/proc/{}/task", server.pid()));
    let is_alive = |tid: &&u64| !tasks.exists() || tasks.join(tid.to_string()).exists();
    tids.iter().filter(is_alive).count()
}

/// How often the threads of the server have gone to sleep, all together. Only Linux
/// says so.
fn sleeps(server: &Server) -> Option<u64> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).ok()?;
    let of_task = |task: std::fs::DirEntry| -> Option<u64> {
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        let count = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"))?;
        count.trim().parse().ok()
    };
    tasks.flatten().map(of_task).sum()
}

/// How many threads the server has. Only Linux says so.
fn thread_count(server: &Server) -> Option<usize> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).ok()?;
    Some(tasks.count())
}
