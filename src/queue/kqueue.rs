//! The event queue of macOS and the BSDs: kqueue(2).
//!
//! One call, `kevent`, does everything: it takes a list of *changes* (what to
//! watch) and fills a list of *events* (what is ready). Here a call does one or
//! the other, and at most one change, so that `errno` is about that change:
//! without room for events the first failing change makes the call fail, and
//! with room the kernel would report the failure as an event.

// A flag is u16 on most systems and u32 on NetBSD; a cast that one system needs
// is unnecessary on another.
#![allow(clippy::unnecessary_cast)]

use std::io;
use std::mem;
use std::ptr;
use std::time::Duration;

use super::{Event, Mode, Token, Want, registration, tell};
use crate::sys::{Fd, check, close};
use crate::trace::{self, Role};

#[cfg(target_os = "linux")]
use super::libkqueue as c;
#[cfg(not(target_os = "linux"))]
use libc as c;

/// Which kernel interface this build waits on.
#[cfg(not(target_os = "linux"))]
pub const NAME: &str = "kqueue";
/// Which kernel interface this build waits on.
#[cfg(target_os = "linux")]
pub const NAME: &str = "kqueue over libkqueue";

/// A kqueue.
#[derive(Debug)]
pub struct Queue {
    fd: Fd,
}

impl Queue {
    // ANCHOR: new
    /// kqueue(2): an empty queue, behind a descriptor of its own. A child made
    /// by fork(2) does not inherit it.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`.
    #[track_caller]
    pub fn new() -> io::Result<Queue> {
        let call = trace::gives("kqueue").start(String::new);
        // SAFETY: takes nothing.
        let raw = call.end(check(unsafe { c::kqueue() }))?;
        trace::name_fd(raw, Role::Queue);
        Ok(Queue { fd: Fd::new(raw) })
    }
    // ANCHOR_END: new

    // ANCHOR: add
    /// kevent(2) with `EV_ADD`: watch `fd`. If it is ready already, the next
    /// wait says so: the filter is evaluated when it is added.
    ///
    /// # Errors
    /// `ENOMEM`, `EBADF`.
    #[track_caller]
    pub fn add(&self, fd: &Fd, token: Token, want: Want, mode: Mode) -> io::Result<()> {
        let what = Some((token, mode));
        self.change(fd, want, c::EV_ADD as u32 | mode_flags(mode), "add", what)
    }
    // ANCHOR_END: add

    // ANCHOR: rearm
    /// kevent(2) with `EV_ADD|EV_ONESHOT`: a oneshot entry is gone once it has
    /// been delivered, so arming again is adding again.
    ///
    /// # Errors
    /// `ENOMEM`, `EBADF`.
    #[track_caller]
    pub fn rearm(&self, fd: &Fd, token: Token, want: Want) -> io::Result<()> {
        let flags = c::EV_ADD as u32 | c::EV_ONESHOT as u32;
        self.change(fd, want, flags, "rearm", Some((token, Mode::Oneshot)))
    }
    // ANCHOR_END: rearm

    // ANCHOR: delete
    /// kevent(2) with `EV_DELETE`. Not being watched is fine (`ENOENT`).
    /// Reading and writing are two entries of which at most one exists; the
    /// likelier one is tried first.
    ///
    /// # Errors
    /// `EBADF`.
    #[track_caller]
    pub fn delete(&self, fd: &Fd) -> io::Result<()> {
        for want in [Want::Read, Want::Write] {
            match self.change(fd, want, c::EV_DELETE as u32, "delete", None) {
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                result => return result,
            }
        }
        Ok(())
    }
    // ANCHOR_END: delete

    // ANCHOR: change
    #[track_caller]
    fn change(
        &self,
        fd: &Fd,
        want: Want,
        flags: u32,
        verb: &str,
        what: Option<(Token, Mode)>,
    ) -> io::Result<()> {
        let call = trace::gives("kevent")
            .fd(fd.raw())
            .start(|| {
                let (filter, flags) = (filter_name(want), flag_names(flags));
                format!("{}, [{fd} {filter} {flags}], 0", self.fd)
            })
            .with(|| match what {
                Some((token, mode)) => registration(verb, Some(token), Some(want), Some(mode)),
                None => registration(verb, None, Some(want), None),
            });
        // The fields' types differ per system and some structs have more of
        // them: start from zeroes and let `as _` fit each one.
        // SAFETY: all-zero bytes are a valid kevent.
        let mut change: c::kevent = unsafe { mem::zeroed() };
        change.ident = fd.raw() as _;
        change.filter = filter(want) as _;
        change.flags = flags as _;
        change.udata = what.map_or(0, |(token, _)| token.0) as usize as _;
        // SAFETY: one live change, no room for events; the kernel copies the change.
        let result = check(unsafe {
            c::kevent(self.fd.raw(), &raw const change, 1, ptr::null_mut(), 0, ptr::null())
        });
        match call.end(result) {
            // FreeBSD and NetBSD document that the change has been applied by
            // then (kqueue(2)); to send it again could only fail.
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => Ok(()),
            result => result.map(|_| ()),
        }
    }
    // ANCHOR_END: change

    // ANCHOR: wait
    /// kevent(2) with an event list: sleeps until something watched is ready,
    /// or for at most `timeout` (`None`: for ever).
    ///
    /// A signal ends the sleep early, with `EINTR`, even under `SA_RESTART`;
    /// that counts as "no events".
    ///
    /// # Errors
    /// `EBADF`, `EINVAL`: bugs of ours.
    #[track_caller]
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let capacity = events.list.capacity();
        events.list.clear();
        let call = trace::receives("kevent")
            .may_sleep(timeout != Some(Duration::ZERO))
            .fd(self.fd.raw())
            .start(|| match timeout {
                None => format!("{}, [], {capacity}, NULL", self.fd),
                Some(t) => format!("{}, [], {capacity}, {}s", self.fd, t.as_secs_f64()),
            });
        let time = timeout.map(|t| libc::timespec {
            tv_sec: t.as_secs() as libc::time_t,
            tv_nsec: t.subsec_nanos() as _,
        });
        let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
        let list = events.list.as_mut_ptr();
        // SAFETY: `list` has room for `capacity` events, the kernel writes no
        // more; `time` is null or points to a live timespec.
        let result =
            check(unsafe { c::kevent(self.fd.raw(), ptr::null(), 0, list, capacity as _, time) });
        if let Ok(n) = result {
            // SAFETY: the kernel has initialised the first `n` events.
            unsafe { events.list.set_len(n as usize) };
        }
        let result = call.end_full(result, |_| tell(events.iter()));
        let is_signal = |error: &io::Error| error.raw_os_error() == Some(libc::EINTR);
        events.interrupted = result.as_ref().is_err_and(is_signal);
        if events.interrupted { Ok(()) } else { result.map(|_| ()) }
    }
    // ANCHOR_END: wait

    /// Closes the queue; whatever it still watched stays open.
    #[track_caller]
    pub fn close(self) {
        close(self.fd);
    }
}

// ANCHOR: flags
// NetBSD counts its filters from 0 upwards (READ is 0), the others from -1 down.
fn filter(want: Want) -> i64 {
    match want {
        Want::Read => c::EVFILT_READ as i64,
        Want::Write => c::EVFILT_WRITE as i64,
    }
}

fn mode_flags(mode: Mode) -> u32 {
    match mode {
        Mode::Level => 0,
        Mode::Edge => c::EV_CLEAR as u32,
        Mode::Oneshot => c::EV_ONESHOT as u32,
    }
}
// ANCHOR_END: flags

fn filter_name(want: Want) -> &'static str {
    match want {
        Want::Read => "EVFILT_READ",
        Want::Write => "EVFILT_WRITE",
    }
}

fn flag_names(flags: u32) -> String {
    let names = [
        (c::EV_ADD as u32, "EV_ADD"),
        (c::EV_DELETE as u32, "EV_DELETE"),
        (c::EV_CLEAR as u32, "EV_CLEAR"),
        (c::EV_ONESHOT as u32, "EV_ONESHOT"),
    ];
    let set = names.iter().filter(|(flag, _)| flags & flag != 0);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join("|")
}

/// Room for what one wait returns.
pub struct Events {
    list: Vec<c::kevent>,
    interrupted: bool,
}

// SAFETY: a kevent holds no pointer that is followed; `udata` carries a Token.
unsafe impl Send for Events {}

impl Events {
    /// Room for `capacity` events; what does not fit stays ready for the next wait.
    pub fn with_capacity(capacity: usize) -> Events {
        Events { list: Vec::with_capacity(capacity.max(1)), interrupted: false }
    }

    // ANCHOR: events
    /// What the last wait returned.
    ///
    /// `data` (how many bytes, how many connections) and `EV_EOF` are hints and
    /// are left aside: EOF may come while data is still to be read, and `data`
    /// may be too small (kqueue(2); on macOS even zero). `read` and `accept`
    /// tell the truth.
    pub fn iter(&self) -> impl Iterator<Item = Event> + Clone + '_ {
        self.list.iter().map(|raw| {
            // The struct is packed on macOS: copy the fields, do not borrow them.
            let (token, ready) = (raw.udata as usize as u64, raw.filter as i64);
            Event {
                token: Token(token),
                readable: ready == filter(Want::Read),
                writable: ready == filter(Want::Write),
            }
        })
    }
    // ANCHOR_END: events

    /// As if a wait had found these readable.
    pub(super) fn fill_readable(&mut self, tokens: impl Iterator<Item = Token>) {
        self.list.clear();
        self.list.extend(tokens.map(|token| {
            // SAFETY: all-zero bytes are a valid kevent.
            let mut event: c::kevent = unsafe { mem::zeroed() };
            event.ident = token.fd() as _;
            event.filter = filter(Want::Read) as _;
            event.udata = token.0 as usize as _;
            event
        }));
    }

    /// Whether the last wait returned nothing.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether there was no room for more: others may be ready, too.
    pub fn is_full(&self) -> bool {
        self.list.len() == self.list.capacity()
    }

    /// Whether a signal ended the last wait (`EINTR`): then it may not have looked.
    pub fn were_interrupted(&self) -> bool {
        self.interrupted
    }
}
