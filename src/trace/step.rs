//! Steps of the program that are not system calls, and are marked as such.

use std::fmt::Display;
use std::os::fd::RawFd;
use std::panic::Location;

use super::record::{Kind, Record};
use super::{is_on, next_seq, turns};

/// A step of the program that is not a system call: a job queued, a handler
/// asleep. It passes something on: call it before doing so.
#[track_caller]
pub fn step_gives(name: &'static str, fd: Option<RawFd>) {
    if is_on() {
        let mut record = Record::new(Kind::Step, name, next_seq(), Location::caller());
        record.fd = fd;
        turns::pass(record);
    }
}

/// The same for a step that took something in: call it afterwards.
#[track_caller]
pub fn step_receives(name: &'static str, fd: Option<RawFd>) {
    step_gives(name, fd);
}

/// A step that may take a while: writes an `enter` record now and the other
/// one at [`Pause::leave`].
#[track_caller]
pub fn step_enters(name: &'static str, note: impl Display) -> Pause {
    if !is_on() {
        return Pause(None);
    }
    let mut record = Record::new(Kind::StepEnter, name, next_seq(), Location::caller());
    record.note = note.to_string();
    let pause = Pause(Some(Box::new((name, record.at, record.us))));
    turns::pass(record);
    pause
}

/// A step that has been entered.
#[must_use]
pub struct Pause(Option<Box<(&'static str, &'static Location<'static>, u64)>>);

impl Pause {
    /// The step is over; `name` says how it ended, `fd` what came out of it.
    pub fn leave(self, name: &'static str, fd: Option<RawFd>, note: impl Display) {
        if let Some(entered) = self.0 {
            let (_, at, us) = *entered;
            let mut record = Record::new(Kind::StepLeave, name, next_seq(), at);
            record.dur = Some(record.us.saturating_sub(us));
            record.us = us;
            record.fd = fd;
            record.slept = true;
            record.note = note.to_string();
            turns::pass(record);
        }
    }
}
