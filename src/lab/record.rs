//! One line of a server's trace, read back.

use std::time::Duration;

use serde_json::Value;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A system call that has returned.
    Call,
    /// A system call that may sleep, before it is made.
    Enter,
    /// A step of the program that is no system call.
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

/// A descriptor that a wait named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Its number.
    pub fd: i32,
    /// Which owner of that number.
    pub generation: u64,
    /// For reading.
    pub readable: bool,
    /// For writing.
    pub writable: bool,
}

/// One record; the fields are those of `--trace=json`.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Record {
    pub kind: Kind,
    pub seq: u64,
    pub us: u64,
    pub dur: u64,
    pub thread: String,
    pub tid: u64,
    pub call: String,
    pub args: String,
    pub ret: Option<i64>,
    pub errno: Option<String>,
    pub note: String,
    pub at: String,
    pub fd: Option<i32>,
    pub role: Option<String>,
    pub times: u64,
    /// Of a count of turns: how many calls one turn makes.
    pub calls: u64,
    /// What a call on the event queue does: add, rearm, delete, wait.
    pub op: Option<String>,
    pub want: Option<String>,
    pub mode: Option<String>,
    pub events: Vec<Ready>,
    /// The line itself.
    pub json: String,
}

impl Record {
    /// Reads one line; `None` if it is not a record (the header, or no JSON).
    pub fn parse(line: &str) -> Option<Record> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| value[name].as_str().map(str::to_string);
        let number = |name: &str| value[name].as_u64();
        let kind = match (value["kind"].as_str()?, value["phase"].as_str()) {
            ("call", _) => Kind::Call,
            ("enter", _) => Kind::Enter,
            ("step", None) => Kind::Step,
            ("step", Some("enter")) => Kind::StepEnter,
            ("step", _) => Kind::StepLeave,
            ("turns", _) => Kind::Turns,
            ("log", _) => Kind::Log,
            _ => return None,
        };
        let ready = |event: &Value| {
            Some(Ready {
                fd: event["fd"].as_i64()? as i32,
                generation: event["generation"].as_u64()?,
                readable: event["readable"].as_bool()?,
                writable: event["writable"].as_bool()?,
            })
        };
        let events = value["events"].as_array();
        Some(Record {
            kind,
            seq: number("seq")?,
            us: number("us")?,
            dur: number("dur").unwrap_or(0),
            thread: text("thread")?,
            tid: number("tid")?,
            call: text("call")?,
            args: text("args")?,
            ret: value["ret"].as_i64(),
            errno: text("errno"),
            note: text("note")?,
            at: text("at")?,
            fd: value["fd"].as_i64().map(|fd| fd as i32),
            role: text("role"),
            times: number("times").unwrap_or(0),
            calls: number("calls").unwrap_or(0),
            op: text("op"),
            want: text("want"),
            mode: text("mode"),
            events: events.map_or(Vec::new(), |list| list.iter().filter_map(ready).collect()),
            json: line.to_string(),
        })
    }

    /// The thread is, or is about to be, asleep.
    pub fn is_enter(&self) -> bool {
        matches!(self.kind, Kind::Enter | Kind::StepEnter)
    }

    /// A wait on the event queue that has returned.
    pub fn is_wait(&self) -> bool {
        self.kind == Kind::Call && self.op.as_deref() == Some("wait")
    }

    /// Main asleep in the queue's wait.
    pub fn is_wait_enter(&self) -> bool {
        self.kind == Kind::Enter && self.role.as_deref() == Some("queue")
    }

    /// Of a wait on the event queue, how long it may last; `None` for ever.
    pub fn time_limit(&self) -> Option<Duration> {
        let waits = self.role.as_deref() == Some("queue") || self.is_wait();
        let limit = self.args.rsplit(", ").next().filter(|_| waits)?;
        match limit.strip_suffix('s') {
            Some(seconds) => seconds.parse().ok().map(Duration::from_secs_f64), // kevent
            None => limit.parse().ok().map(Duration::from_millis),              // epoll_wait
        }
    }

    /// This call, returned, whatever the result.
    pub fn is_call(&self, name: &str) -> bool {
        self.kind == Kind::Call && self.call == name
    }

    /// This call, returned well, on this descriptor.
    pub fn did(&self, name: &str, fd: i32) -> bool {
        self.is_call(name) && self.fd == Some(fd) && self.errno.is_none()
    }

    /// This call failed so.
    pub fn failed(&self, name: &str, errno: &str) -> bool {
        self.is_call(name) && self.errno.as_deref() == Some(errno)
    }

    /// A step of this name.
    pub fn is_step(&self, name: &str) -> bool {
        matches!(self.kind, Kind::Step | Kind::StepEnter | Kind::StepLeave) && self.call == name
    }

    /// A connection was accepted: its descriptor.
    pub fn accepted(&self) -> Option<i32> {
        match self.is_call("accept") && self.errno.is_none() {
            true => self.ret.map(|fd| fd as i32),
            false => None,
        }
    }

    /// The file of `at`, without the line.
    pub fn file(&self) -> &str {
        self.at.rsplit_once(':').map_or(&self.at, |(file, _)| file)
    }

    /// The line of `at`.
    pub fn line(&self) -> usize {
        self.at.rsplit_once(':').and_then(|(_, line)| line.parse().ok()).unwrap_or(0)
    }
}
