//! What the checks of chapter 7 look at: whether the server has come to an end, to
//! rest, or to neither; and what the trace says about one descriptor.

use common::lab::record::Kind;
use std::time::{Duration, Instant};

use crate::workshop::show;
use common::lab::client::Poll;
use common::lab::rest;
use common::lab::server::is_quiet;
use common::lab::{Answer, Client, PATIENCE, Play, Record, Result, Server, trouble};
use common::sys::Usage;

use super::vain::{MAIN_POLLS, polls};

/// Who waits for something that takes longer than any test would wait for it.
pub(super) const LONG: &str = "600";

/// No head and no idle client is late while a check lasts, so that main sleeps for
/// nobody's sake but the check's.
pub(super) const PATIENT: [&str; 4] = ["--header-timeout", LONG, "--idle-timeout", LONG];

/// Seconds. Who sleeps for longer sleeps until somebody does something.
const FOR_EVER: f64 = 100.0;

/// More turns than any check has work for: the server does not sleep any more.
const MANY: u64 = 2_000;

/// How long a server must look asleep in every look: a thread that has just been woken
/// says so in the trace only when it runs.
const SHORT: Duration = Duration::from_millis(200);

/// The same where the system does not say whether a thread has been woken, and where the
/// trace has a gap: turns that were counted.
const WHILE: Duration = Duration::from_secs(2);

/// How it went on.
pub(super) enum Outcome {
    /// The process has ended.
    Ended(Usage),
    /// All its threads sleep.
    Rests,
    /// It makes call after call, and nobody has asked for anything.
    Spins,
}

/// Waits until the server has ended, or until nothing will happen any more unless
/// somebody does something: all its threads sleep.
pub(super) fn ends_or_rests(server: &mut Server, mark: u64) -> Result<(Outcome, Vec<Record>)> {
    let (mut still, pid) = (Still::default(), server.pid());
    let found = server.wait_for("the end, or sleep", |records| {
        let calls = |r: &Record| if r.kind == Kind::Call { 1 } else { r.times };
        let busy: u64 = records.iter().filter(|r| r.seq > mark).map(calls).sum();
        match (still.look(pid, records), busy > MANY) {
            (true, _) => Some(Ok(Outcome::Rests)),
            (_, true) => Some(Ok(Outcome::Spins)),
            _ if polls(records) => Some(trouble(MAIN_POLLS)),
            _ => None,
        }
    });
    match found {
        Ok(outcome) => Ok((outcome?, server.records())),
        // It has ended meanwhile; if not, this says so.
        Err(_) => server.wait_for_end().map(|(usage, records)| (Outcome::Ended(usage), records)),
    }
}

/// Waits until `found` finds something in the trace, or until the server rests
/// without (`None`).
pub(super) fn found_or_rests<T>(
    server: &Server,
    what: &str,
    mut found: impl FnMut(&[Record]) -> Option<T>,
) -> Result<Option<T>> {
    let (mut still, pid) = (Still::default(), server.pid());
    server.wait_for(what, |records| {
        if let Some(found) = found(records) {
            return Some(Ok(Some(found)));
        }
        if polls(records) {
            return Some(trouble(MAIN_POLLS));
        }
        still.look(pid, records).then_some(Ok(None))
    })?
}

/// Looks whether all its threads sleep, and none of them wakes up by itself: no handler
/// sleeps, and main's wait has no time limit that would be over soon. ([`rest::Rest`] does
/// not know that a time limit may be as good as none.)
#[derive(Default)]
struct Still {
    since: Option<Instant>,
    looks: u32,
    records: usize,
}

impl Still {
    fn look(&mut self, pid: u32, records: &[Record]) -> bool {
        let needed = match (rest::is_asleep(pid), is_quiet(records)) {
            (Some(true), true) => SHORT,
            (None, true) => WHILE,
            (Some(true), false) if records.len() == self.records => WHILE,
            _ => Duration::MAX,
        };
        self.records = records.len();
        if needed == Duration::MAX || !all_sleep_on(records) {
            (self.since, self.looks) = (None, 0);
            return false;
        }
        self.looks += 1;
        self.looks > 5 && self.since.get_or_insert_with(Instant::now).elapsed() >= needed
    }
}

fn all_sleep_on(records: &[Record]) -> bool {
    let mut threads = Vec::new();
    let sleeps_on = |r: &Record| match r.thread.as_str() {
        "main" if r.is_enter() => time_limit(r).is_none_or(|limit| limit > FOR_EVER),
        "main" => true,
        _ => !r.is_step("handler sleeps"),
    };
    records.iter().rev().filter(|r| r.kind != Kind::Log).all(|r| {
        let is_last = !threads.contains(&r.tid);
        if is_last {
            threads.push(r.tid);
        }
        !is_last || sleeps_on(r)
    })
}

/// The lines, as `--trace` prints them, the last few of those that fit.
pub(super) fn lines(records: &[Record], fits: impl Fn(&Record) -> bool) -> Vec<String> {
    const MOST: usize = 8;
    let fitting: Vec<&Record> = records.iter().filter(|r| fits(r)).collect();
    let from = fitting.len().saturating_sub(MOST);
    fitting[from..].iter().map(|r| show(r)).collect()
}

/// The last lines of the trace.
pub(super) fn last_lines(records: &[Record]) -> Vec<String> {
    lines(records, |_| true)
}

/// What the trace has about a descriptor: calls, steps, and waits that name it.
pub(super) fn about(fd: i32) -> impl Fn(&Record) -> bool {
    let (call, client) = (format!("({fd}, "), format!("client {fd} "));
    move |r| match r.kind {
        Kind::Log => false,
        Kind::Turns => r.note.contains(&call) || r.note.contains(&client),
        _ => r.fd == Some(fd) || r.events.iter().any(|e| e.fd == fd),
    }
}

/// How often main's wait has returned because of this descriptor. A loop that turns and
/// turns writes a count instead of lines; `who` is what the trace calls the descriptor.
pub(super) fn reported<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    fds: &[i32],
    who: &str,
) -> u64 {
    let times = |r: &Record| match r.kind {
        Kind::Turns if r.note.contains(who) => r.times,
        Kind::Call if r.events.iter().any(|e| fds.contains(&e.fd)) => 1,
        _ => 0,
    };
    records.into_iter().map(times).sum()
}

/// Of a sleep in a wait (or one that is over), poll's included: its time limit in seconds,
/// if there is one. `4, 512, 9996` in epoll and poll; `4, [], 512, 9.996s` in kqueue.
pub(super) fn time_limit(wait: &Record) -> Option<f64> {
    let limit = wait.args.rsplit(", ").next()?;
    match limit.strip_suffix('s') {
        Some(seconds) => seconds.parse().ok(),
        None => limit.parse::<f64>().ok().filter(|ms| *ms >= 0.0).map(|ms| ms / 1000.0),
    }
}

/// Main's last record, if it says that main sleeps.
pub(super) fn main_sleeps(records: &[Record]) -> Option<&Record> {
    records.iter().rfind(|r| r.thread == "main" && r.kind != Kind::Log).filter(|r| r.is_enter())
}

/// Main leaves the clients in the kernel, and sleeps.
pub(super) fn holds(records: &[Record]) -> bool {
    main_sleeps(records).is_some_and(|r| r.call == "poll")
}

/// What it is if it goes on doing so.
pub(super) const NOBODY_CALLS: &str = "It is as if nobody had asked: main holds, and nobody \
                                       calls it. A worker that finds no more work has to; that \
                                       is what `take` is given to do (`stop.wake`). Has the \
                                       byte come, and does main ask the event queue then?";

/// Both ends of the wake-up, once it is open.
pub(super) fn wake_ends(records: &[Record]) -> Vec<i32> {
    let pair = records.iter().find(|r| r.is_call("socketpair"));
    let ends = pair.map(|r| r.note.trim_matches(['[', ']']).split(", "));
    ends.into_iter().flatten().filter_map(|fd| fd.parse().ok()).collect()
}

/// Waits until all of them wait for work, and main for clients.
pub(super) fn settled(server: &Server, workers: usize) -> Result<()> {
    server.wait_for("the workers to wait for work", |records| {
        let waiting = records.iter().filter(|r| r.is_step("waiting for work"));
        let mut threads: Vec<u64> = waiting.map(|r| r.tid).collect();
        threads.sort_unstable();
        threads.dedup();
        (threads.len() >= workers && main_sleeps(records).is_some()).then_some(())
    })
}

/// A client that has asked for something slow, and whose handler sleeps.
pub(super) fn in_handler(play: &Play, server: &Server, name: &str, ms: u32) -> Result<Client> {
    let mut client = play.connect(name, server)?;
    let mark = server.mark();
    client.get(&format!("/slow?ms={ms}"))?;
    server.wait_record("the handler to sleep", mark, |r| r.is_step("handler sleeps"))?;
    Ok(client)
}

/// What has come to a client that waits for an answer.
pub(super) enum Came {
    /// An answer.
    Answer(Answer),
    /// The end of the connection, after so many bytes.
    End(usize),
    /// Nothing, and nothing will: the server rests.
    Rest,
}

/// Waits for an answer, as [`Attempt::answer_or_rest`] does, with this chapter's own
/// look at whether anything more will come.
///
/// [`Attempt::answer_or_rest`]: crate::workshop::Attempt::answer_or_rest
pub(super) fn came(server: &Server, client: &mut Client) -> Result<Came> {
    let give_up = Instant::now() + PATIENCE;
    let (mut still, pid) = (Still::default(), server.pid());
    let mut got = client.untaken();
    while Instant::now() < give_up {
        match client.poll_answer()? {
            Poll::Answer(answer) => return Ok(Came::Answer(answer)),
            Poll::End(bytes, _) => return Ok(Came::End(bytes.len())),
            Poll::NotYet => {}
        }
        // The kernel goes on sending what it has while the server sleeps, or has ended.
        if client.untaken() != got {
            (still, got) = (Still::default(), client.untaken());
        }
        let records = server.records();
        if still.look(pid, &records) {
            return Ok(Came::Rest);
        }
        if polls(&records) {
            return trouble(format!("{} waits, and {MAIN_POLLS}", client.name()));
        }
    }
    trouble(format!(
        "neither an answer nor rest for 30 s:\n{}",
        last_lines(&server.records()).join("\n")
    ))
}

/// Who had the longest turn, and how many handlers ran in it.
pub(super) fn longest_turn(records: &[Record], fds: &[i32]) -> Option<(i32, usize)> {
    let mut longest = None;
    let mut turns: Vec<(u64, i32, usize)> = Vec::new(); // thread, client, handlers
    for r in records {
        match r.fd {
            Some(fd) if r.is_step("took") => {
                turns.retain(|turn| turn.0 != r.tid);
                turns.push((r.tid, fd, 0));
            }
            _ if r.is_step("handler slept") => {
                let Some(turn) = turns.iter_mut().find(|turn| turn.0 == r.tid) else { continue };
                turn.2 += 1;
                let (_, fd, handlers) = *turn;
                if fds.contains(&fd) && longest.is_none_or(|(_, most)| handlers > most) {
                    longest = Some((fd, handlers));
                }
            }
            _ => {}
        }
    }
    longest
}
