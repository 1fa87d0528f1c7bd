//! Two minutes of everything at once: good clients among slow, silent, rude and
//! senseless ones, thousands of them, with signals in between.
//!
//! Afterwards nothing may be left of them: descriptors and threads are those of
//! the beginning. Memory is another matter: what a server frees, its allocator may
//! keep for the next time. So glibc's is told to keep little (`GIVE_BACK`), and the
//! measure is taken three times: when a few clients of each kind have come and gone,
//! after a first round of all, and after a second. The crowd may leave no more
//! behind than the few did, but for a place in the tables for each; and twice as many
//! of them later, or more, must not add to it.
//!
//! No good client may get a wrong answer, be cut off, or wait for more than two
//! seconds. On a machine with other things to do a wait says more about the
//! machine than about the server. So a witness and the driver note when they
//! themselves did not get to run; what they lost is subtracted. A wait that was
//! too long and is explained so is not judged, and the report says `NOT JUDGED`.
//!
//! At the end the server is asked to stop with everybody still there.

mod control;
mod crowd;
mod guest;
mod scripts;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::plain::Plain;
use super::{Result, Stage, trouble};
use crate::sys;
use control::Control;
use crowd::Crowd;
use scripts::{HEADER_TIMEOUT, IDLE_TIMEOUT, Scripts};

/// So many clients at once, if there are descriptors for them.
const CLIENTS: usize = 3000;
const FEWEST: usize = 200;
const SPARE: u64 = 100;

/// Longer than any client takes to come to its end.
const FAREWELL: Duration = Duration::from_secs(12);

/// How long the server is under load again before it is asked to stop.
const ENCORE: Duration = Duration::from_secs(4);

/// Those who warm it up, and for how long.
const FEW: usize = 100;
const WARM_UP: Duration = Duration::from_secs(2);

/// What a descriptor that was once in use leaves behind, in bytes: the places of its
/// number in the server's tables. A connection's own is the largest, about half of it.
const PLACE: usize = 1024;

/// How much more memory may be in use after the second round, in KiB. It has tens
/// of thousands of connections: to lose a hundred bytes with each would be seen.
/// What differs from round to round is how far the heap is in pieces.
const MARGIN: usize = 2 * 1024;

/// One arena, large blocks by themselves, and free memory at the end goes back to
/// the system (mallopt(3)). With its defaults glibc kept 50 MB of what it once had.
const GIVE_BACK: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "16384"),
    ("MALLOC_TRIM_THRESHOLD_", "65536"),
];

/// Signals that do nothing to who has not asked for them.
const HARMLESS: [i32; 3] = [libc::SIGWINCH, libc::SIGURG, libc::SIGCHLD];

/// A server, and what it was like before anybody came.
struct Soaked {
    server: Plain,
    descriptors: usize,
    threads: usize,
    sent: Signals,
}

/// Signals sent so far.
#[derive(Default)]
struct Signals {
    harmless: usize,
    freezes: usize,
    last: Option<Instant>,
}

/// Soaks the complete server and prints what became of whom.
///
/// # Errors
/// A good client has a complaint, or something is left of somebody.
pub fn check(seconds: u64) -> Result<()> {
    let begin = Instant::now();
    let limit = sys::raise_descriptor_limit()?;
    let size = CLIENTS.min(usize::try_from(limit.saturating_sub(SPARE)).unwrap_or(CLIENTS));
    if size < FEWEST {
        return trouble(format!("{limit} descriptors are too few for {FEWEST} clients"));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/site");
    let mut soaked = Soaked::start(&root)?;
    let control = Control::new();
    let mut crowd = Crowd::new(soaked.server.address()?, Scripts::new(&root)?, &control)?;
    println!("{size} clients at once ({CLIENTS} wanted), {seconds} s, {limit} descriptors");

    let rests = 3 * FAREWELL + WARM_UP + ENCORE;
    let load = Duration::from_secs(seconds).saturating_sub(rests);
    crowd.keep(FEW, WARM_UP, &mut || soaked.signals())?;
    crowd.leave(FAREWELL)?;
    let warm = soaked.at_rest()?;
    crowd.keep(size, load / 4, &mut || soaked.signals())?;
    crowd.leave(FAREWELL)?;
    let first = soaked.at_rest()?;
    crowd.keep(size, load - load / 4, &mut || soaked.signals())?;
    crowd.leave(FAREWELL)?;
    let second = soaked.at_rest()?;
    println!(
        "memory at rest: {warm} KiB when warm, {first} KiB after the first round, \
         {second} KiB after the second"
    );
    let most = warm + size * PLACE / 1024 + MARGIN;
    if first > most {
        return trouble(format!("after the first round it is not back: at most {most} KiB"));
    }
    if second > first + MARGIN {
        return trouble(format!("it has grown by more than {MARGIN} KiB"));
    }

    crowd.keep(size, ENCORE, &mut || soaked.signals())?;
    crowd.server_stops();
    soaked.server.signal(libc::SIGTERM)?;
    let Soaked { server, sent, descriptors, threads } = soaked;
    println!("{} harmless signals, {} times SIGSTOP and SIGCONT", sent.harmless, sent.freezes);
    println!("at rest {descriptors} descriptors and {threads} threads, as at the start");
    crowd.leave(FAREWELL)?;
    ended(server, &crowd)?;
    report(&crowd, &control);
    println!("soaked for {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}

impl Soaked {
    fn start(root: &Path) -> Result<Soaked> {
        let seconds = |time: Duration| time.as_secs_f64().to_string();
        let program: PathBuf = Stage::Ch07.program()?;
        let mut command = Command::new(program);
        command.envs(GIVE_BACK).args(["--port", "0", "--root"]).arg(root);
        command.args(["--header-timeout", &seconds(HEADER_TIMEOUT)]);
        command.args(["--idle-timeout", &seconds(IDLE_TIMEOUT)]);
        let server = Plain::start(&mut command)?;
        server.address()?;
        let (descriptors, threads) = (server.descriptors()?, server.status("Threads")?);
        Ok(Soaked { server, descriptors, threads, sent: Signals::default() })
    }

    /// Sends some signals once a second; says how long the server was frozen.
    fn signals(&mut self) -> Result<Option<Duration>> {
        const FROZEN: Duration = Duration::from_millis(50);
        if self.sent.last.is_some_and(|last| last.elapsed() < Duration::from_secs(1)) {
            return Ok(None);
        }
        self.sent.last = Some(Instant::now());
        for signal in HARMLESS {
            self.server.signal(signal)?;
            self.sent.harmless += 1;
        }
        let begin = Instant::now();
        self.server.signal(libc::SIGSTOP)?;
        // To be frozen for a while is what the server is put through.
        std::thread::sleep(FROZEN);
        self.server.signal(libc::SIGCONT)?;
        self.sent.freezes += 1;
        Ok(Some(begin.elapsed()))
    }

    /// Everybody has gone: waits until nothing is left of them; its memory in KiB.
    fn at_rest(&self) -> Result<usize> {
        self.server.wait_for_descriptors(self.descriptors)?;
        let threads = self.server.status("Threads")?;
        match threads == self.threads {
            true => self.server.status("VmRSS"),
            false => trouble(format!("{threads} threads, {} at the start", self.threads)),
        }
    }
}

/// How it ended: with nothing cut off, or at its deadline, and it says so.
fn ended(server: Plain, crowd: &Crowd<'_>) -> Result<()> {
    let (status, said) = server.ended()?;
    let last = said.last().cloned().unwrap_or_default();
    said.iter().rev().take(2).rev().for_each(|line| println!("the server: {line}"));
    let odd = |line: &&String| {
        !["client ", "accept: ", "accept (", "served ", "stopped"]
            .iter()
            .any(|w| line.starts_with(w))
    };
    if let Some(line) = said.iter().find(odd) {
        return trouble(format!("the server said {line:?}"));
    }
    if let Some(what) = crowd.truncated.first() {
        return trouble(format!("{} answers were cut off: {what}", crowd.truncated.len()));
    }
    let in_a_sip = crowd.cut_in_a_sip.len();
    match status.code() {
        Some(0) if last == "stopped; nothing was cut off" => match crowd.cut_in_a_sip.first() {
            None => Ok(()),
            Some(what) => trouble(format!("it says that nothing was cut off, but {what}")),
        },
        // Who took nothing for so long is nobody whom the stop cuts off.
        Some(0) if out_of_time(&last).is_some_and(|said| said >= in_a_sip) => Ok(()),
        // At the deadline: those who took their time, and no more than it says.
        Some(3) => match cut_off(&last) {
            Some(said) if said >= in_a_sip => Ok(()),
            said => trouble(format!("{in_a_sip} were cut off, and it says {said:?}: {last:?}")),
        },
        _ => trouble(format!("it ended with {status}: {last:?}")),
    }
}

/// N of `stopped; N clients had run out of time before`.
fn out_of_time(line: &str) -> Option<usize> {
    line.strip_prefix("stopped; ")?
        .strip_suffix(" clients had run out of time before")?
        .parse()
        .ok()
}

/// `stopped at the drain deadline; 12 connections were cut off`.
fn cut_off(last: &str) -> Option<usize> {
    let what = last.strip_prefix("stopped at the drain deadline; ")?;
    what.split_once(" connections were cut off")?.0.parse().ok()
}

fn report(crowd: &Crowd<'_>, control: &Control) {
    println!(
        "{:<13} {:>8} {:>9}  ended by us late, turned away, cut at the stop",
        "", "clients", "answers"
    );
    for (kind, tally) in &crowd.tallies {
        println!(
            "{:<13} {:>8} {:>9}  {}, {}, {}",
            format!("{kind:?}"),
            tally.clients,
            tally.answers,
            tally.late,
            tally.turned_away,
            tally.cut
        );
    }
    let mut waits = crowd.waits.clone();
    waits.sort_unstable();
    let at = |part: f64| match waits.len() {
        0 => 0.0,
        n => f64::from(waits[((n - 1) as f64 * part) as usize]) / 1000.0,
    };
    println!(
        "{} answers of good clients, all right; waited {:.1} ms (median), {:.1} ms (99 %), \
         {:.1} ms (99.9 %), {:.1} ms (longest)",
        waits.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
    println!("control: this program itself was held up for {:?} at most", control.longest());
    if crowd.not_judged > 0 {
        println!(
            "NOT JUDGED: {} waits of more than 2 s, because this machine held up the clients, too",
            crowd.not_judged
        );
    }
}
