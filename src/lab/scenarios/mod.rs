//! The scenarios: one behaviour each, played against any stage.

mod all;
mod churn;
mod idle;
mod requests;
mod signals;
mod stop;

use std::fmt;

use super::{Play, Record, Result, Stage};
pub use all::ALL;

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

/// macOS takes a connection out of the queue before it looks for a descriptor, and
/// drops it when there is none (XNU, `accept_nocancel`). Others leave it waiting.
const DROPS_WITHOUT_DESCRIPTOR: bool = cfg!(target_vendor = "apple");

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
            Expected::WorksOnLinux => Expected::No("shown on Linux only"),
            other => other,
        }
    }

    /// The scenario of that name.
    pub fn find(name: &str) -> Option<&'static Scenario> {
        ALL.iter().find(|s| s.name == name)
    }
}

/// How many sockets and queues a trace has opened and not closed.
pub fn open_descriptors(records: &[Record]) -> i64 {
    let opened: usize = records.iter().map(|r| super::invariants::opened(r).len()).sum();
    // "Handed over": to signal-hook, which closes what it was given.
    let gone = |r: &&Record| r.is_call("close") || r.is_step("handed over");
    let closed = records.iter().filter(gone).count();
    opened as i64 - closed as i64
}
