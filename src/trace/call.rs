//! A system call as the trace sees it: announced, made, ended.

use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::panic::Location;

use super::record::{Kind, Record};
use super::{is_on, next_seq, turns};
use crate::sys::{self, Fd};

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
