//! One line of a trace, in its two forms.

use std::fmt::Write;
use std::os::fd::RawFd;
use std::panic::Location;
use std::sync::Arc;

use super::roles::{Role, role, who};
use crate::sys;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A system call that has returned.
    Call,
    /// A system call that may sleep, before it is made.
    Enter,
    /// Something the program did that is no system call.
    Step,
    /// The beginning of a step that may take a while.
    StepEnter,
    /// The end of it.
    StepLeave,
    /// Equal turns of a loop, counted.
    Turns,
    /// A line for people.
    Log,
}

#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) seq: u64,
    /// When it began: CLOCK_MONOTONIC, microseconds.
    pub(super) us: u64,
    /// How long it took, microseconds.
    pub(super) dur: Option<u64>,
    pub(super) thread: Arc<str>,
    pub(super) tid: u64,
    pub(super) call: &'static str,
    pub(super) args: String,
    pub(super) ret: Option<i64>,
    pub(super) errno: Option<i32>,
    pub(super) note: String,
    pub(super) at: &'static Location<'static>,
    pub(super) fd: Option<RawFd>,
    /// An `enter` record went before it.
    pub(super) slept: bool,
    /// Further JSON fields, ready to print.
    pub(super) more: String,
    /// How many equal turns this record stands for.
    pub(super) times: u64,
}

thread_local! {
    static THREAD: (Arc<str>, u64) = {
        let thread = std::thread::current();
        (Arc::from(thread.name().unwrap_or("?")), sys::thread_id())
    };
}

impl Record {
    pub(super) fn new(
        kind: Kind,
        call: &'static str,
        seq: u64,
        at: &'static Location<'static>,
    ) -> Record {
        // A record may still be made while the thread's store is taken down.
        let (thread, tid) =
            THREAD.try_with(Clone::clone).unwrap_or_else(|_| (Arc::from("?"), sys::thread_id()));
        Record {
            kind,
            seq,
            us: sys::monotonic_us(),
            dur: None,
            thread,
            tid,
            call,
            args: String::new(),
            ret: None,
            errno: None,
            note: String::new(),
            at,
            fd: None,
            slept: false,
            more: String::new(),
            times: 0,
        }
    }

    /// `[worker-2] read(5, 16384) = -1 EAGAIN`
    pub(super) fn text(&self) -> String {
        let mut line = format!("[{}] ", self.thread);
        // Writing to a String cannot fail.
        let _ = match self.kind {
            Kind::Call => write!(line, "{}", self.call_text()),
            Kind::Enter => {
                let fd = self.args.split(',').next().unwrap_or_default();
                write!(line, "blocked in: {} {fd}", self.call)
            }
            Kind::Step | Kind::StepEnter | Kind::StepLeave => {
                let _ = write!(line, "-- {}", self.call);
                if let Some(fd) = self.fd {
                    let _ = write!(line, " {}", who(fd));
                }
                if !self.note.is_empty() {
                    let _ = write!(line, " {}", self.note);
                }
                self.after(&mut line);
                Ok(())
            }
            Kind::Turns => write!(line, "-- {} more turns of: {}", self.times, self.note),
            Kind::Log => write!(line, "{}", self.note),
        };
        line
    }

    /// `read(5, 16384) = -1 EAGAIN`
    pub(super) fn call_text(&self) -> String {
        let mut line = format!("{}({})", self.call, self.args);
        if let Some(ret) = self.ret {
            let _ = write!(line, " = {ret}");
        }
        if let Some(errno) = self.errno {
            match sys::errno_name(errno) {
                Some(name) => line.push_str(&format!(" {name}")),
                None => line.push_str(&format!(" errno {errno}")),
            }
        }
        if !self.note.is_empty() {
            let _ = write!(line, " {}", self.note);
        }
        self.after(&mut line);
        line
    }

    /// How long a call that could sleep did sleep, where it is worth saying.
    fn after(&self, line: &mut String) {
        if let (true, Some(us @ 1000..)) = (self.slept, self.dur) {
            let _ = match us {
                ..100_000 => write!(line, " after {} ms", us / 1000),
                _ => write!(line, " after {}.{} s", us / 1_000_000, us / 100_000 % 10),
            };
        }
    }

    pub(super) fn json(&self) -> String {
        let mut line = String::with_capacity(256);
        let (kind, phase) = match self.kind {
            Kind::Call => ("call", None),
            Kind::Enter => ("enter", None),
            Kind::Step => ("step", None),
            Kind::StepEnter => ("step", Some("enter")),
            Kind::StepLeave => ("step", Some("leave")),
            Kind::Turns => ("turns", None),
            Kind::Log => ("log", None),
        };
        let _ = write!(line, "{{\"seq\":{},\"us\":{}", self.seq, self.us);
        if let Some(dur) = self.dur {
            let _ = write!(line, ",\"dur\":{dur}");
        }
        let _ = write!(line, ",\"kind\":\"{kind}\"");
        if let Some(phase) = phase {
            let _ = write!(line, ",\"phase\":\"{phase}\"");
        }
        if self.kind == Kind::Turns {
            let _ = write!(line, ",\"times\":{}", self.times);
        }
        let _ = write!(
            line,
            ",\"thread\":{},\"tid\":{},\"call\":\"{}\",\"args\":{}",
            quoted(&self.thread),
            self.tid,
            self.call,
            quoted(&self.args),
        );
        let _ = match self.ret {
            Some(ret) => write!(line, ",\"ret\":{ret}"),
            None => write!(line, ",\"ret\":null"),
        };
        let _ = match self.errno {
            Some(errno) => match sys::errno_name(errno) {
                Some(name) => write!(line, ",\"errno\":\"{name}\""),
                None => write!(line, ",\"errno\":\"{errno}\""),
            },
            None => write!(line, ",\"errno\":null"),
        };
        let _ = write!(
            line,
            ",\"note\":{},\"at\":{}",
            quoted(&self.note),
            quoted(&format!("{}:{}", self.at.file(), self.at.line())),
        );
        if let Some(fd) = self.fd {
            let _ = write!(line, ",\"fd\":{fd}");
            if let Some(role) = role(fd) {
                let role = match role {
                    Role::Listener => "listener",
                    Role::Client => "client",
                    Role::Wake => "wake",
                    Role::Queue => "queue",
                };
                let _ = write!(line, ",\"role\":\"{role}\"");
            }
        }
        if !self.more.is_empty() {
            let _ = write!(line, ",{}", self.more);
        }
        line.push('}');
        line
    }
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_string())
}
