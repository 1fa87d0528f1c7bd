//! The exercises of chapter 2.

mod build;
mod guests;
mod leave;
mod owed;
mod poll;
mod rest;
mod room;

use std::time::{Duration, Instant};

use super::attempt::SPINS;
use super::{Attempt, Demo, Exercise, Expect, Kind, Of, Wrong};
use common::lab::client::Poll;
use common::lab::rest::{NAPS, Naps, Rest};
use common::lab::{Answer, Client, PATIENCE, Record, Result, Server, Stage, Trouble, trouble};
use common::sys;

pub(super) const EXERCISES: &[Exercise] = &[
    Exercise {
        name: "ch02-build",
        stage: Stage::Ch02,
        kind: Kind::Build,
        binary: "ex02_nonblocking",
        title: "nobody sleeps",
        minutes: 35,
        page: "ch02.html#the-system-calls",
        demo: Demo {
            of: Of::Stage(Stage::Ch01),
            scenario: "silent-client",
            look: "the line \"blocked in: read\": the server sleeps for A, and B waits",
        },
        steps: build::STEPS,
        start: Expect { step: 1, says: "sleeps in accept" },
        wrong: &[
            Wrong { slug: "accept-ends", step: 1, says: "error of accept was taken" },
            Wrong { slug: "accept-in-silence", step: 1, says: "nobody is told why" },
            Wrong { slug: "listener-only", step: 2, says: "a socket of its own" },
            Wrong { slug: "eagain-is-the-end", step: 3, says: "not the end" },
            Wrong { slug: "zero-is-not-yet", step: 4, says: "0 is not EAGAIN" },
            Wrong { slug: "range", step: 4, says: "index out of bounds" },
            Wrong { slug: "skips-one", step: 4, says: "was not asked" },
            Wrong { slug: "zero-is-a-request", step: 4, says: "0 is not a request" },
            Wrong { slug: "read-panics", step: 4, says: "It panicked" },
            Wrong { slug: "reset-in-silence", step: 4, says: "thrown away" },
            Wrong { slug: "write-in-silence", step: 4, says: "thrown away" },
            Wrong { slug: "front-to-back", step: 4, says: "names a client only as long" },
            Wrong { slug: "until-it-talks", step: 3, says: "asks A again and again" },
            Wrong { slug: "the-turn-ends-at-an-error", step: 3, says: "about those outside" },
            Wrong { slug: "until-all-is-out", step: 5, says: "asks a full buffer" },
            Wrong { slug: "kept-after-the-write", step: 5, says: "no reason to keep it" },
            Wrong { slug: "always-a-line", step: 5, says: "nothing was cut off" },
        ],
    },
    Exercise {
        name: "ch02-hunt-guests",
        stage: Stage::Ch02,
        kind: Kind::Hunt,
        binary: "hunt02_guests",
        title: "the guest who was shown out",
        minutes: 20,
        page: "ch02.html#the-code",
        demo: Demo {
            of: Of::Yours,
            scenario: "hello",
            look: "one client at a time, and all is well: the bug needs several at once",
        },
        steps: guests::STEPS,
        start: Expect { step: 1, says: "of which nothing was ever read" },
        wrong: &[
            Wrong { slug: "guard", step: 1, says: "of which nothing was ever read" },
            Wrong { slug: "swap", step: 2, says: "should be < len" },
            Wrong { slug: "range", step: 1, says: "index out of bounds" },
            Wrong { slug: "passes-over", step: 1, says: "was not asked" },
        ],
    },
    Exercise {
        name: "ch02-stretch-rest",
        stage: Stage::Ch02,
        kind: Kind::Stretch,
        binary: "stretch02_rest",
        title: "keep the rest",
        minutes: 30,
        page: "ch02.html#write-once-more",
        demo: Demo {
            of: Of::Stage(Stage::Ch02),
            scenario: "slow-reader",
            look: "the answer is cut off where the send buffer was full",
        },
        steps: rest::STEPS,
        start: Expect { step: 1, says: "still owed" },
        wrong: &[
            Wrong { slug: "from-the-start", step: 1, says: "from the beginning" },
            Wrong { slug: "set-not-added", step: 1, says: "is added" },
            Wrong { slug: "at-once", step: 2, says: "no turn of the loop" },
            Wrong { slug: "reads-on", step: 3, says: "had only ended its side" },
            Wrong { slug: "never-closes", step: 1, says: "still connected" },
            Wrong { slug: "keeps-after-an-error", step: 4, says: "It is kept" },
            Wrong { slug: "by-number", step: 4, says: "what A was owed" },
        ],
    },
    Exercise {
        name: "ch02-stretch-poll",
        stage: Stage::Ch02,
        kind: Kind::Stretch,
        binary: "stretch02_poll",
        title: "one question for all",
        minutes: 30,
        page: "ch02.html#in-production",
        demo: Demo {
            of: Of::Stage(Stage::Ch02),
            scenario: "idle-crowd",
            look: "each turn makes a call for every idle client: the price of asking one by one",
        },
        steps: poll::STEPS,
        start: Expect { step: 1, says: "asks everybody" },
        wrong: &[
            Wrong { slug: "no-wait", step: 1, says: "turns for nothing" },
            Wrong { slug: "clients-alone", step: 1, says: "listener is not in the list" },
            Wrong { slug: "listener-alone", step: 2, says: "is not in the list" },
            Wrong { slug: "asks-everybody", step: 2, says: "the loop asks everybody" },
        ],
    },
];

/// What came of a request to a loop that never sleeps.
enum Came {
    /// An answer.
    Answer(Answer),
    /// The connection ended first.
    End,
    /// The thread sleeps, or has turned a thousand times without an answer.
    Nothing(Vec<Record>),
}

/// Whether the loop will bring anything more by itself.
struct Stuck {
    /// When the last thing was done that it should see.
    us: u64,
    rest: Rest,
    /// When its trace was found to be longer than anybody keeps.
    floods: Option<Instant>,
}

/// Records after which a loop whose turns are not all equal counts as one, too.
const RECORDS: usize = 20_000;

/// So many records the lab keeps of a learner's program.
const MOST: usize = 50_000;

/// How long who floods its trace is waited for: what it does now is not in it.
const FLOODED: Duration = Duration::from_secs(3);

impl Stuck {
    fn since_now() -> Stuck {
        Stuck { us: sys::monotonic_us(), rest: Rest::default(), floods: None }
    }

    /// A thousand turns that *began* after that, or sleep. (A count that began
    /// earlier may be of turns before it.)
    fn look(&mut self, server: &Server, records: &[Record]) -> bool {
        let later = || records.iter().filter(|r| r.us >= self.us);
        let turns: u64 = later().map(|r| r.times).sum();
        turns >= 1000
            || later().count() >= RECORDS
            || self.rest.look(server.pid(), records, Duration::ZERO)
    }

    /// The same, for who looks without having the trace.
    fn look_again(&mut self, server: &Server) -> Option<Vec<Record>> {
        let records = server.records();
        if records.len() >= MOST {
            self.floods.get_or_insert_with(Instant::now);
        }
        let floods = self.floods.is_some_and(|since| since.elapsed() > FLOODED);
        (floods || self.look(server, &records)).then(|| last(&records))
    }
}

/// The client has sent a request: what comes of it.
fn answer(server: &Server, client: &mut Client) -> Result<Came> {
    let (mut stuck, mut naps) = (Stuck::since_now(), Naps::default());
    let give_up = Instant::now() + PATIENCE;
    while Instant::now() < give_up {
        match client.poll_answer()? {
            Poll::Answer(answer) => return Ok(Came::Answer(answer)),
            Poll::End(..) => return Ok(Came::End),
            Poll::NotYet => {}
        }
        if let Some(last) = stuck.look_again(server) {
            return Ok(Came::Nothing(last));
        }
        if naps.look(server.pid(), &server.records()) {
            return trouble(format!("{} waits, and the server {NAPS}", client.name()));
        }
    }
    Err(Trouble("neither an answer nor the proof that none comes, for 30 s".into()))
}

/// Waits until the trace shows something; the last records if it will not.
fn until<T>(
    server: &Server,
    what: &str,
    mut find: impl FnMut(&[Record]) -> Option<T>,
) -> Result<std::result::Result<T, Vec<Record>>> {
    let mut stuck = Stuck::since_now();
    let waited = server.wait_for(what, |records| match find(records) {
        Some(found) => Some(Ok(found)),
        None => stuck.look(server, records).then(|| Err(last(records))),
    });
    match waited {
        // The lab may see it sooner, and gives up.
        Err(Trouble(why)) if why.contains(SPINS) => Ok(Err(last(&server.records()))),
        waited => waited,
    }
}

fn last(records: &[Record]) -> Vec<Record> {
    records[records.len().saturating_sub(6)..].to_vec()
}

/// Connects a client and waits until it is accepted: its descriptor.
fn guest(a: &Attempt, server: &Server, name: &str) -> Result<(Client, i32)> {
    let client = a.connect(name, server)?;
    let fd = server.fd_of(client.local())?;
    Ok((client, fd))
}

/// Whether the loop has gone on after this client's close.
///
/// # Errors
/// The server has ended instead.
fn goes_on(server: &Server, fd: i32) -> Result<()> {
    server.wait_for("the next turn", |records| {
        let close = records.iter().position(|r| r.did("close", fd))?;
        let turns = |r: &Record| r.is_call("accept") || r.times > 0;
        records[close..].iter().any(turns).then_some(())
    })
}

/// What was done to this descriptor, at most the last few lines; of equal
/// questions in a row only the first.
fn story_of(records: &[Record], fd: i32) -> Vec<&Record> {
    let touched = |r: &&Record| r.fd == Some(fd) || r.accepted() == Some(fd);
    let mut story: Vec<&Record> = records.iter().filter(touched).collect();
    story.dedup_by(|next, before| {
        next.errno.is_some() && (&next.call, &next.errno) == (&before.call, &before.errno)
    });
    story.drain(..story.len().saturating_sub(8));
    story
}
