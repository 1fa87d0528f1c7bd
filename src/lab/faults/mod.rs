//! What a server does when the calls it makes fail, one by one.
//!
//! strace makes them fail (`-e inject=`): it does not make the call and returns
//! the error in its stead. So a fault is played in calls on sockets and the event
//! queue only; a `close` that is not made, a memory or a futex call that fails
//! would be the fault of strace. Its log tells what it has hit, and each hit is
//! looked at: a fault that hits nothing, or something else, ends the check.
//!
//! Clients come before, during and after. Whoever gets an answer gets the right
//! one; the next good client is served; every descriptor is closed; and the
//! complete server still stops as it should, with nothing cut off: so its count
//! of connections has gone back to zero.

mod party;
mod plan;
mod start;
mod strace;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::client::Window;
use super::plain::Plain;
use super::{Result, Stage, Trouble, trouble};
use party::{Guest, HELLO, Kind, SLEPT, SLEPT_A_LITTLE, SLOW, hello, party, slow};
use plan::{Fault, Phase, Who};
use strace::{Attached, Seen};

/// So many clients of each kind: enough that each kind of call is made more than
/// twenty times, and that every tenth means at least two.
const ROUNDS: usize = 12;

/// How often a good client tries. A fault may hit it, too; not twice in a row.
const TRIES: usize = 3;

/// Clients that are idle when the server stops.
const IDLE: usize = 12;

/// Clients that have just come by then, each of whom keeps the worker for a while.
const BUSY: usize = 24;

/// In seconds, more than anybody waits: a slow machine is no fault of the server.
const DRAIN: &str = "60";

/// Where main has to find clients late: how soon, in seconds, and how often.
const DEADLINE: &str = "0.5";
const LATE_ROUNDS: usize = 2;

/// Plays every fault of one stage, or of all that have a queue, and prints what
/// was played.
///
/// # Errors
/// strace is missing, or may not attach; or a server did what it should not.
pub fn check(only: Option<Stage>) -> Result<()> {
    let version = Command::new("strace").arg("--version").stdout(Stdio::null()).status();
    version.map_err(|e| Trouble(format!("cannot run strace: {e}")))?;
    let mut all = Table::default();
    let stages = Stage::ALL.into_iter().filter(|s| s.has_queue());
    for stage in stages.filter(|s| only.is_none_or(|only| only == *s)) {
        let program = stage.program()?;
        let mut table = Table::default();
        if stage == Stage::Ch07 {
            start::check(&program, &mut table)?;
        }
        let faults = if stage == Stage::Ch07 { plan::complete() } else { plan::earlier() };
        for fault in &faults {
            let hit = play(stage, &program, fault);
            let hit = hit.map_err(|t| Trouble(format!("{stage}: {fault}: {t}")))?;
            let during = match fault.phase {
                Phase::Serving => "serving",
                Phase::Stopping => "draining",
            };
            table.add(during, fault.call, fault.errno, hit.len());
        }
        print!("{stage}\n{table}");
        all.absorb(table);
    }
    println!("{} faults played, {} calls made to fail", all.runs(), all.calls());
    Ok(())
}

/// One server, one fault; the calls that failed.
fn play(stage: Stage, program: &Path, fault: &Fault) -> Result<Vec<Seen>> {
    let mut command = Command::new(program);
    command.args(["--port", "0"]);
    // With more arenas glibc reads a file of /proc before it gives memory back, and that
    // read is nobody's fault.
    command.env("MALLOC_ARENA_MAX", "1");
    if stage.has_workers() {
        command.args(["--workers", "1"]); // or nobody knows whose tenth call it is
    }
    if stage == Stage::Ch07 {
        command.args(["--drain-timeout", DRAIN]);
    }
    let mut rounds = ROUNDS;
    if fault.needs_deadlines() {
        command.args(["--header-timeout", DEADLINE]);
        rounds = LATE_ROUNDS;
    }
    let mut server = Plain::start(&mut command)?;
    let to = server.address()?;
    let at_start = server.descriptors()?;

    let serving = (fault.phase == Phase::Serving).then(|| attach(&server, fault));
    let serving = serving.transpose()?;
    let tally = party(to, &Kind::all_for(stage, fault), rounds)?;
    if stage == Stage::Ch07 && fault.is_harmless() && tally.lost > 0 {
        return trouble(format!("{} clients were lost to it", tally.lost));
    }
    next_client_is_served(to)?;
    if server.has_ended()? {
        return trouble("it has ended");
    }
    server.wait_for_descriptors(at_start)?;
    match (stage, serving) {
        // What main writes about the stop is no answer, and must not fail.
        (Stage::Ch07, Some(attached)) if fault.needs_deadlines() => {
            let hit = attached.detach(fault)?;
            stop(server, None, fault)?;
            Ok(hit)
        }
        (Stage::Ch07, serving) => stop(server, serving, fault),
        // Nobody can ask the others to stop: a signal ends them.
        (_, Some(attached)) => {
            let hit = attached.detach(fault)?;
            next_client_is_served(to)?;
            server.signal(libc::SIGTERM)?;
            server.ended()?;
            Ok(hit)
        }
        (_, None) => trouble("only ch07 drains"),
    }
}

/// Asks the complete server to stop while clients are idle, one is owed an answer,
/// and one has just come.
fn stop(server: Plain, serving: Option<Attached>, fault: &Fault) -> Result<Vec<Seen>> {
    let to = server.address()?;
    let mut idle = Vec::new();
    while idle.len() <= IDLE {
        let mut guest = Guest::connect(to, Window::Usual)?;
        if guest.ask(&hello("keep-alive"), 200, HELLO)? {
            idle.push(guest);
        }
    }
    let mut owed = idle.swap_remove(0);
    let attached = match (serving, fault.phase) {
        (None, Phase::Stopping) => Some(attach(&server, fault)?),
        (serving, _) => serving,
    };
    owed.send(SLOW)?;
    let mut owed = vec![(owed, SLEPT)];
    // Of main's calls on the queue, the drain's own are meant, not its registration.
    if (fault.call, fault.phase) != ("epoll_ctl", Phase::Stopping) {
        let (count, request, body) = match fault.phase {
            Phase::Serving => (1, hello("close"), HELLO),
            Phase::Stopping => (BUSY, slow("close"), SLEPT_A_LITTLE),
        };
        for _ in 0..count {
            let mut late = Guest::connect(to, Window::Usual)?;
            late.send(request.as_bytes())?;
            owed.push((late, body));
        }
    }
    server.signal(libc::SIGTERM)?;
    for (mut guest, body) in owed {
        if guest.expect(200, body)?.is_err() && fault.is_harmless() {
            return trouble(format!("{} was not answered", body.escape_ascii()));
        }
        guest.ends()?;
    }
    idle.into_iter().try_for_each(Guest::ends)?;

    let (status, said) = server.ended()?;
    let (counts, last) = (said.iter().rev().nth(1), said.last());
    let ended_well = status.code() == Some(0)
        && last.is_some_and(|line| line == "stopped; nothing was cut off")
        && counts.is_some_and(|line| line.starts_with("served "));
    let before = said.iter().take(said.len().saturating_sub(2));
    let only_errors = before.clone().all(|line| {
        ["client ", "accept: ", "accept (", "delete ", "pause ", "watch ", "poll"]
            .iter()
            .any(|subject| line.starts_with(subject))
    });
    match ended_well && only_errors {
        true => attached.map_or(Ok(Vec::new()), |attached| attached.injected(fault)),
        false => trouble(format!("it ended with {status} and said {said:?}")),
    }
}

fn attach(server: &Plain, fault: &Fault) -> Result<Attached> {
    let tids = match fault.who {
        Who::Main => vec![server.pid()],
        Who::Workers => server.threads("worker-")?,
        Who::Everybody => server.threads("")?,
    };
    Attached::to(&tids, fault)
}

fn next_client_is_served(to: SocketAddr) -> Result<()> {
    for _ in 0..TRIES {
        let mut guest = Guest::connect(to, Window::Usual)?;
        if guest.ask(&hello("close"), 200, HELLO)? {
            return guest.ends();
        }
    }
    trouble(format!("{TRIES} good clients one after another were not served"))
}

/// Per error, how many runs, and how many calls failed in them.
type Row = BTreeMap<&'static str, (usize, usize)>;

/// What was played, per phase and call.
#[derive(Default)]
struct Table(BTreeMap<(&'static str, String), Row>);

impl Table {
    fn add(&mut self, during: &'static str, call: &str, errno: &'static str, hits: usize) {
        let row = self.0.entry((during, call.replace(',', " and "))).or_default();
        let cell = row.entry(errno).or_default();
        (cell.0, cell.1) = (cell.0 + 1, cell.1 + hits);
    }

    fn absorb(&mut self, other: Table) {
        for ((during, call), row) in other.0 {
            let into = self.0.entry((during, call)).or_default();
            for (errno, (runs, calls)) in row {
                let cell = into.entry(errno).or_default();
                (cell.0, cell.1) = (cell.0 + runs, cell.1 + calls);
            }
        }
    }

    fn runs(&self) -> usize {
        self.0.values().flat_map(Row::values).map(|(runs, _)| runs).sum()
    }

    fn calls(&self) -> usize {
        self.0.values().flat_map(Row::values).map(|(_, calls)| calls).sum()
    }
}

/// `serving   accept  EINTR 3/12, …`: runs and calls that failed in them.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((during, call), row) in &self.0 {
            let cells: Vec<String> = row
                .iter()
                .map(|(errno, (runs, calls))| format!("{errno} {runs}/{calls}"))
                .collect();
            writeln!(f, "  {during:<9} {call:<20} {}", cells.join(", "))?;
        }
        Ok(())
    }
}
