//! What `--trace` prints: every call on sockets and the event queue, as it was
//! made, by whom, with what result.
//!
//! A wrapper in [`crate::sys`] or [`crate::queue`] announces a call, makes it,
//! and hands over the result:
//!
//! ```text
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
//!   carry a smaller number than the re-arm that woke it.) The promise is about
//!   what a call passes on: a `write` that *fails* may stand before the `shutdown`
//!   of another thread that made it fail.
//! - **Sleep is visible.** A call that may sleep writes an `enter` record first.
//! - **Idle turns do not drown the rest**: see `turns.rs`.
//!
//! When tracing is off, each call costs one relaxed load.

mod call;
mod record;
mod roles;
mod step;
mod turns;

use std::io::{self, Write};
use std::panic::Location;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::sys;
pub(crate) use call::{Shape, gives, receives};
use record::{Kind, Record, quoted};
pub(crate) use roles::{Role, name_fd, who};
pub use step::{Pause, step_enters, step_gives, step_receives};

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
