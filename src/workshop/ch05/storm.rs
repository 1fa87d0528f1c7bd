//! Hunt the bug: a client that is queued at any moment of a worker's turn.

use std::time::{Duration, Instant};

use super::super::{Attempt, Finding, Outcome, Verdict, failed, passed};
use super::hunts::is_rest;
use common::lab::client::request;
use common::lab::{Client, Record, Result, Server};
use common::sys;

/// Hand-overs to one server; and how many servers.
const PAIRS: u32 = 40;
const ROUNDS: u32 = 10;

/// How much later than A's request B's is sent: from 0 on, by so much more each time, so that
/// a turn is gone through from its beginning to its end. On a slow machine it is more, and
/// at most [`MOST`].
const LATER: Duration = Duration::from_micros(15);
const MOST: Duration = Duration::from_micros(250);

const DID: &str = "there is one worker; A asks for /, and at some moment of its turn B does, too: \
                   400 times, each time a little later; then the same with two workers";
const EXPECTED: &str = "whenever B is queued, the worker takes it before it sleeps";

/// Step 2: one worker, and a second client that is queued while the first is taken,
/// read, answered, closed; while the worker looks for the next one; when it sleeps.
/// Then two workers, of whom one may take what the other one was woken for.
pub(super) fn storm(attempt: &Attempt) -> Result<Verdict> {
    attempt.play().say(DID);
    let later = (a_turn(attempt)? * 3 / 2 / PAIRS).clamp(LATER, MOST);
    for round in 0..2 * ROUNDS {
        let workers = if round < ROUNDS { "1" } else { "2" };
        let server = attempt.start(&["--workers", workers])?;
        for n in 0..PAIRS {
            let mut a = attempt.play().connect_quietly("A", &server)?;
            let mut b = attempt.play().connect_quietly("B", &server)?;
            server.accept_of(b.local())?;
            a.send_quietly(request("/").as_bytes())?;
            let moment = Instant::now() + later * n;
            while Instant::now() < moment {
                std::hint::spin_loop();
            }
            b.send_quietly(request("/").as_bytes())?;
            for client in [&mut a, &mut b] {
                if let Some(finding) = unanswered(attempt, &server, client)? {
                    return failed(finding);
                }
            }
        }
        attempt.finish(server)?;
    }
    passed("800 clients, each queued at another moment: none was slept on")
}

/// How long it takes here from a request to the sleep of the worker that has answered it:
/// the middle one of a few. Zero, if no worker says that it sleeps.
fn a_turn(attempt: &Attempt) -> Result<Duration> {
    const TIMES: usize = 9;
    let server = attempt.start(&["--workers", "1"])?;
    let mut asked = Vec::new();
    for _ in 0..TIMES {
        let mut a = attempt.play().connect_quietly("A", &server)?;
        server.accept_of(a.local())?;
        asked.push(sys::monotonic_us());
        a.send_quietly(request("/").as_bytes())?;
        let Outcome::Answered(_) = attempt.answer_or_rest(&server, &mut a)? else {
            return Ok(Duration::ZERO);
        };
    }
    let records = attempt.finish(server)?;
    let rest = |took: &Record| records.iter().find(|r| r.seq > took.seq && is_rest(r));
    let rests = records.iter().filter(|r| r.call == "took").map(rest);
    let turns = rests.zip(asked).filter_map(|(rest, asked)| rest?.us.checked_sub(asked));
    let mut turns: Vec<u64> = turns.collect();
    turns.sort_unstable();
    Ok(Duration::from_micros(turns.get(turns.len() / 2).copied().unwrap_or_default()))
}

fn unanswered(attempt: &Attempt, server: &Server, client: &mut Client) -> Result<Option<Finding>> {
    Ok(match attempt.answer_or_rest(server, client)? {
        Outcome::Answered(answer) if answer.status == 200 => None,
        Outcome::Asleep(last) | Outcome::Spins(last) => {
            let records = server.records();
            let finding = overslept();
            Some(match slept_on_work(&records) {
                Some(shown) => finding.shown_by(shown),
                None => finding.shown_by(&last),
            })
        }
        other => Some(Finding::new(DID, EXPECTED, format!("{}: {other:?}", client.local()))),
    })
}

fn overslept() -> Finding {
    Finding::new(DID, EXPECTED, "the worker went to sleep although a client stood in the queue")
        .usually(
            "It looked, and saw an empty queue; main put the client there, and signalled; then the \
             worker slept. What was seen holds only as long as the lock is held: from the look to \
             the wait, which gives it back itself, the lock must not be given back once.",
        )
        .page("ch05.html#a-lock-and-a-place-to-sleep")
}

/// A client that was in the queue, all done and signalled, when the worker began to
/// sleep: its `queued`, main's next record (so main is out of `push`), the sleep.
fn slept_on_work(records: &[Record]) -> Option<[&Record; 3]> {
    for (at, queued) in records.iter().enumerate().filter(|(_, r)| r.is_step("queued")) {
        let later = &records[at + 1..];
        let Some(pushed) = later.iter().position(|r| r.tid == queued.tid) else { continue };
        let of_it = |r: &&Record| r.call == "took" && r.fd == queued.fd;
        let taken = later.iter().find(of_it).map_or(u64::MAX, |r| r.seq);
        let slept = later[pushed..].iter().find(|r| is_rest(r) && r.seq < taken);
        if let Some(slept) = slept {
            return Some([queued, &later[pushed], slept]);
        }
    }
    None
}
