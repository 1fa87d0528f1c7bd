//! Each call by which the complete server starts, made to fail in its turn.

use std::path::Path;
use std::process::Command;

use super::Table;
use super::plan::{self, Fault, Phase, Who};
use super::strace::{Log, Seen, injected, injections};
use crate::lab::plain::Plain;
use crate::lab::{Result, Trouble, trouble};

/// Plays them all. A server that cannot start ends with status 1 and says why in
/// one line on stderr, and nothing on stdout.
pub(super) fn check(program: &Path, table: &mut Table) -> Result<()> {
    let calls = calls(program)?;
    for (n, one) in calls.iter().enumerate() {
        let nth = calls[..=n].iter().filter(|before| before.call == one.call).count();
        for errno in plan::errors_of(&one.call, &one.rest) {
            let fault = fault(one, errno, nth);
            let hits = play(program, one, &fault)
                .map_err(|t| Trouble(format!("starting: {fault} at {}: {t}", one.rest)))?;
            table.add("starting", &one.call, errno, hits);
        }
    }
    Ok(())
}

/// The calls that it makes before it says where it listens.
fn calls(program: &Path) -> Result<Vec<Seen>> {
    let log = Log::new();
    let server = Plain::start(&mut under(&log, program, &[]))?;
    server.address()?;
    server.signal(libc::SIGTERM)?; // strace, with -I2, passes it on
    server.ended()?;
    let seen = log.read()?;
    let announced = seen.iter().position(|s| s.call == "write" && s.rest.starts_with("1<"));
    match announced {
        Some(end) => Ok(seen[..end].to_vec()),
        None => trouble("strace did not see the announcement"),
    }
}

/// The server on a free port, under strace from its first call on.
fn under(log: &Log, program: &Path, injections: &[String]) -> Command {
    let mut command = log.strace(plan::STARTING);
    command.args(["-qq", "-I2"]).args(injections).arg(program);
    command.args(["--port", "0", "--workers", "1"]);
    command
}

fn fault(one: &Seen, errno: &'static str, nth: usize) -> Fault {
    let call = plan::STARTING.split(',').find(|call| *call == one.call).unwrap_or_default();
    let when = nth.to_string();
    Fault { call, errno, when, and: None, who: Who::Main, phase: Phase::Serving }
}

/// Starts it with that fault; how many calls failed.
fn play(program: &Path, one: &Seen, fault: &Fault) -> Result<usize> {
    let log = Log::new();
    let server = Plain::start(&mut under(&log, program, &injections(fault)))?;
    let started = server.address.is_some();
    if started {
        server.signal(libc::SIGTERM)?;
    }
    let (status, said) = server.ended()?;
    let hits = injected(log.read()?, fault)?.len();
    // signal-hook looks what kind of descriptor it was given, and may do without.
    let may_start = one.call == "sendto" || one.rest.contains("F_GETFD");
    let as_it_should = match started {
        false => status.code() == Some(1) && said.len() == 1 && said[0].contains(": cannot "),
        true => may_start && said.last().is_some_and(|l| l == "stopped; nothing was cut off"),
    };
    match as_it_should {
        true => Ok(hits),
        false => trouble(format!("started: {started}, it ended with {status}, and said {said:?}")),
    }
}
