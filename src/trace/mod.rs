//! What `--trace` prints: every call on sockets and the event queue, as it was
//! made, by whom, with what result.
//!
//! A wrapper in [`crate::sys`] or [`crate::queue`] announces a call, makes it,
//! and hands over the result:
//!
//! ```ignore
//! let call = trace::receives("accept").fd(3).may_sleep(true).start(|| "3".to_string());
//! let result = check(unsafe { libc::accept(…) });
//! call.end(result)
//! ```
//!
//! Three promises make a trace worth reading:
//!
//! - **Order.** Every record carries a `seq`, drawn *before* a call that gives
//!   something away (write, close, arm, wake) and *after* one that receives
//!   (accept, read, wait). Sorted by `seq`, no effect stands before its cause,
//!   whichever thread was quicker to print. (Drawn at return, a wait could
//!   carry a smaller number than the re-arm that woke it.)
//! - **Sleep is visible.** A call that may sleep writes an `enter` record first.
//! - **Idle turns do not drown the rest**: see [`turns`].
//!
//! When tracing is off, each call costs one relaxed load.

mod record;
mod turns;

use std::collections::HashMap;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::panic::Location;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::sys::{self, Fd};
use record::{Kind, Record, quoted};

/// What `--trace` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// No trace.
    #[default]
    Off = 0,
    /// One line per call, for people.
    Text = 1,
    /// One JSON object per line, for programs.
    Json = 2,
}

static MODE: AtomicU8 = AtomicU8::new(Mode::Off as u8);
static SEQ: AtomicU64 = AtomicU64::new(1);

/// Starts tracing, before the first call; writes the header in JSON.
pub fn start(mode: Mode, stage: &str) {
    MODE.store(mode as u8, Ordering::Relaxed);
    if mode == Mode::Json {
        write_line(&format!(
            "{{\"trace\":1,\"clock\":\"CLOCK_MONOTONIC\",\"us\":{},\"pid\":{},\"stage\":{},\"queue\":{}}}",
            sys::monotonic_us(),
            std::process::id(),
            quoted(stage),
            quoted(crate::queue::NAME),
        ));
    }
}

fn mode() -> Mode {
    match MODE.load(Ordering::Relaxed) {
        0 => Mode::Off,
        1 => Mode::Text,
        _ => Mode::Json,
    }
}

fn is_on() -> bool {
    MODE.load(Ordering::Relaxed) != Mode::Off as u8
}

fn next_seq() -> u64 {
    SEQ.fetch_add(1, Ordering::SeqCst)
}

/// One line, one write(2): lines of two threads never mix. A stderr that
/// nobody reads any more is no reason to stop serving.
fn write_line(line: &str) {
    let mut bytes = Vec::with_capacity(line.len() + 1);
    bytes.extend_from_slice(line.as_bytes());
    bytes.push(b'\n');
    let _ = io::stderr().lock().write_all(&bytes);
}

fn emit(record: &Record) {
    match mode() {
        Mode::Off => {}
        Mode::Text => write_line(&record.text()),
        Mode::Json => write_line(&record.json()),
    }
}

/// Prints what is still held back; for the last moment before exit.
pub fn flush() {
    turns::flush_all();
}

/// A line for people (an error, a note). In JSON mode it becomes a record, so
/// that a recorded file holds one object per line.
#[track_caller]
pub(crate) fn message(text: &str) {
    if mode() != Mode::Json {
        return write_line(text);
    }
    let mut record = Record::new(Kind::Log, "log", next_seq(), Location::caller());
    record.note = text.to_string();
    turns::pass(record);
}

/// Whether a call passes something on or takes something in; decides when its
/// `seq` is drawn.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Gives,
    Receives,
}

/// A call about to be made.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    name: &'static str,
    order: Order,
    fd: Option<RawFd>,
    may_sleep: bool,
    note: &'static str,
}

/// A call that passes something on: its `seq` is drawn before it.
pub(crate) fn gives(name: &'static str) -> Shape {
    Shape { name, order: Order::Gives, fd: None, may_sleep: false, note: "" }
}

/// A call that takes something in: its `seq` is drawn after it.
pub(crate) fn receives(name: &'static str) -> Shape {
    Shape { order: Order::Receives, ..gives(name) }
}

impl Shape {
    /// The descriptor the call is about.
    pub(crate) fn fd(self, fd: RawFd) -> Shape {
        Shape { fd: Some(fd), ..self }
    }

    /// Whether the kernel may put the thread to sleep in this call.
    pub(crate) fn may_sleep(self, may_sleep: bool) -> Shape {
        Shape { may_sleep, ..self }
    }

    /// Something to say about the call whatever its result.
    pub(crate) fn note(self, note: &'static str) -> Shape {
        Shape { note, ..self }
    }

    /// Announces the call; `args` is only asked for when somebody listens.
    #[track_caller]
    pub(crate) fn start(self, args: impl FnOnce() -> String) -> Call {
        if !is_on() {
            return Call(None);
        }
        Call(Some(Box::new(self.announce(args(), Location::caller()))))
    }

    fn announce(self, args: String, at: &'static Location<'static>) -> Started {
        if self.may_sleep {
            let mut enter = Record::new(Kind::Enter, self.name, next_seq(), at);
            enter.args.clone_from(&args);
            enter.fd = self.fd;
            turns::pass(enter);
        }
        let seq = match self.order {
            Order::Gives => next_seq(),
            Order::Receives => 0,
        };
        let mut record = Record::new(Kind::Call, self.name, seq, at);
        record.args = args;
        record.fd = self.fd;
        record.note = self.note.to_string();
        Started { shape: self, record }
    }
}

struct Started {
    shape: Shape,
    record: Record,
}

/// A call that has been announced; nothing at all when tracing is off.
#[must_use]
pub(crate) struct Call(Option<Box<Started>>);

impl Call {
    /// Adds fields to the JSON record: `"op":"add","mode":"level"`.
    pub(crate) fn with(mut self, fields: impl FnOnce() -> String) -> Call {
        if let Some(started) = &mut self.0 {
            started.record.more = fields();
        }
        self
    }

    /// Records the result and passes it on.
    pub(crate) fn end<T: Returned>(self, result: io::Result<T>) -> io::Result<T> {
        self.end_with(result, |_| String::new())
    }

    /// The same, with a remark on a good result.
    pub(crate) fn end_with<T: Returned>(
        self,
        result: io::Result<T>,
        note: impl FnOnce(&T) -> String,
    ) -> io::Result<T> {
        self.end_full(result, |value| (note(value), String::new()))
    }

    /// The same, with a remark and more JSON fields.
    pub(crate) fn end_full<T: Returned>(
        self,
        result: io::Result<T>,
        tell: impl FnOnce(&T) -> (String, String),
    ) -> io::Result<T> {
        let Some(started) = self.0 else { return result };
        let Started { shape, mut record } = *started;
        record.dur = Some(sys::monotonic_us().saturating_sub(record.us));
        match &result {
            Ok(value) => {
                record.ret = Some(value.number());
                let (note, more) = tell(value);
                if record.note.is_empty() {
                    record.note = note;
                }
                if record.more.is_empty() {
                    record.more = more;
                }
            }
            Err(error) => {
                record.ret = Some(-1);
                record.errno = error.raw_os_error();
            }
        }
        record.slept = shape.may_sleep;
        if shape.order == Order::Receives {
            record.seq = next_seq();
        }
        turns::pass(record);
        result
    }
}

/// What a system call's good result looks like as a number.
pub(crate) trait Returned {
    /// The number C would see.
    fn number(&self) -> i64;
}

impl Returned for i32 {
    fn number(&self) -> i64 {
        i64::from(*self)
    }
}

impl Returned for usize {
    fn number(&self) -> i64 {
        *self as i64
    }
}

impl Returned for Fd {
    fn number(&self) -> i64 {
        i64::from(self.raw())
    }
}

impl Returned for SocketAddr {
    fn number(&self) -> i64 {
        0
    }
}

/// A step of the program that is not a system call: a job queued, a handler
/// asleep. It passes something on: call it before doing so.
#[track_caller]
pub(crate) fn step_gives(name: &'static str, fd: Option<RawFd>) {
    if is_on() {
        let mut record = Record::new(Kind::Step, name, next_seq(), Location::caller());
        record.fd = fd;
        turns::pass(record);
    }
}

/// The same for a step that took something in: call it afterwards.
#[track_caller]
pub(crate) fn step_receives(name: &'static str, fd: Option<RawFd>) {
    step_gives(name, fd);
}

/// A step that may take a while: writes an `enter` record now and the other
/// one at [`Pause::leave`].
#[track_caller]
pub(crate) fn step_enters(name: &'static str, note: impl Display) -> Pause {
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
pub(crate) struct Pause(Option<Box<(&'static str, &'static Location<'static>, u64)>>);

impl Pause {
    /// The step is over; `name` says how it ended, `fd` what came out of it.
    pub(crate) fn leave(self, name: &'static str, fd: Option<RawFd>, note: impl Display) {
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

/// What a descriptor is for; lets a trace say `client 7` instead of `7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Listener,
    Client,
    Wake,
    Queue,
}

static ROLES: Mutex<Option<HashMap<RawFd, Role>>> = Mutex::new(None);

/// Remembers what a new descriptor is for.
pub(crate) fn name_fd(fd: RawFd, role: Role) {
    if is_on() {
        let mut roles = ROLES.lock().unwrap_or_else(|e| e.into_inner());
        roles.get_or_insert_default().insert(fd, role);
    }
}

fn role(fd: RawFd) -> Option<Role> {
    let roles = ROLES.lock().unwrap_or_else(|e| e.into_inner());
    roles.as_ref()?.get(&fd).copied()
}

/// A descriptor by its role: `listener`, `client 7`, `wake`.
pub(crate) fn who(fd: RawFd) -> String {
    match role(fd) {
        Some(Role::Listener) => "listener".to_string(),
        Some(Role::Client) => format!("client {fd}"),
        Some(Role::Wake) => "wake".to_string(),
        Some(Role::Queue) => format!("queue {fd}"),
        None => format!("fd {fd}"),
    }
}

/// The beginning of what was read or written, as a trace quotes it.
pub(crate) fn first_line(bytes: &[u8]) -> String {
    const SHOWN: usize = 32;
    let line = bytes.split(|&b| b == b'\r' || b == b'\n').next().unwrap_or_default();
    let shown = &line[..line.len().min(SHOWN)];
    let more = if shown.len() < bytes.len() { "…" } else { "" };
    match bytes {
        [] => String::new(),
        _ => format!("\"{}{more}\"", shown.escape_ascii()),
    }
}
