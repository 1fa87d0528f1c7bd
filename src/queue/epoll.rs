//! The event queue of Linux: epoll(7).

use std::io;
use std::time::Duration;

use super::{Event, Mode, Token, Want, registration, tell};
use crate::sys::{Fd, check, close};
use crate::trace::{self, Role};

/// Which kernel interface this build waits on.
pub const NAME: &str = "epoll";

/// An epoll instance.
#[derive(Debug)]
pub struct Queue {
    fd: Fd,
}

impl Queue {
    // ANCHOR: new
    /// epoll_create1(2): an empty interest list and an empty ready list, behind
    /// a descriptor of its own.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`.
    #[track_caller]
    pub fn new() -> io::Result<Queue> {
        let call = trace::gives("epoll_create1").start(|| "EPOLL_CLOEXEC".to_string());
        // SAFETY: takes an int.
        let raw = call.end(check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }))?;
        trace::name_fd(raw, Role::Queue);
        Ok(Queue { fd: Fd::new(raw) })
    }
    // ANCHOR_END: new

    // ANCHOR: add
    /// epoll_ctl(2) with `EPOLL_CTL_ADD`: puts `fd` on the interest list. If it
    /// is ready already, the next wait says so: the kernel looks when it adds.
    ///
    /// # Errors
    /// `EEXIST` (it is on the list), `ENOSPC` (max_user_watches), `ENOMEM`,
    /// `EBADF`.
    #[track_caller]
    pub fn add(&self, fd: &Fd, token: Token, want: Want, mode: Mode) -> io::Result<()> {
        let flags = flags(want) | mode_flags(mode);
        self.control(libc::EPOLL_CTL_ADD, fd, flags, Some((token, want, mode)))
    }
    // ANCHOR_END: add

    // ANCHOR: rearm
    /// epoll_ctl(2) with `EPOLL_CTL_MOD`: a oneshot entry that has fired stays
    /// on the list, disabled; this enables it once more, and looks.
    ///
    /// # Errors
    /// `ENOENT` (it was never added), `EBADF`.
    #[track_caller]
    pub fn rearm(&self, fd: &Fd, token: Token, want: Want) -> io::Result<()> {
        let flags = flags(want) | mode_flags(Mode::Oneshot);
        self.control(libc::EPOLL_CTL_MOD, fd, flags, Some((token, want, Mode::Oneshot)))
    }
    // ANCHOR_END: rearm

    // ANCHOR: delete
    /// epoll_ctl(2) with `EPOLL_CTL_DEL`. Not being on the list is fine.
    ///
    /// # Errors
    /// `EBADF`.
    #[track_caller]
    pub fn delete(&self, fd: &Fd) -> io::Result<()> {
        match self.control(libc::EPOLL_CTL_DEL, fd, 0, None) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            result => result,
        }
    }
    // ANCHOR_END: delete

    // ANCHOR: control
    #[track_caller]
    fn control(
        &self,
        op: i32,
        fd: &Fd,
        flags: i32,
        what: Option<(Token, Want, Mode)>,
    ) -> io::Result<()> {
        let (name, verb) = match op {
            libc::EPOLL_CTL_ADD => ("ADD", "add"),
            libc::EPOLL_CTL_MOD => ("MOD", "rearm"),
            _ => ("DEL", "delete"),
        };
        let call = trace::gives("epoll_ctl")
            .fd(fd.raw())
            .start(|| match what {
                Some(_) => format!("{}, {name}, {fd}, {}", self.fd, flag_names(flags)),
                None => format!("{}, {name}, {fd}", self.fd),
            })
            .with(|| match what {
                Some((token, want, mode)) => {
                    registration(verb, Some(token), Some(want), Some(mode))
                }
                None => registration(verb, None, None, None),
            });
        let mut event =
            libc::epoll_event { events: flags as u32, u64: what.map_or(0, |(token, ..)| token.0) };
        // SAFETY: `event` is live; the kernel copies it and keeps no pointer.
        let result = check(unsafe { libc::epoll_ctl(self.fd.raw(), op, fd.raw(), &raw mut event) });
        call.end(result).map(|_| ())
    }
    // ANCHOR_END: control

    // ANCHOR: wait
    /// epoll_wait(2): sleeps until something on the interest list is ready, or
    /// for at most `timeout` (`None`: for ever; rounded up to a millisecond, so
    /// that a deadline is never found "almost" reached, again and again).
    ///
    /// A signal ends the sleep early, with `EINTR`, even under `SA_RESTART`;
    /// Linux does the same after SIGSTOP and SIGCONT without any handler
    /// (signal(7)). Both count as "no events".
    ///
    /// # Errors
    /// `EBADF`, `EINVAL`: bugs of ours.
    #[track_caller]
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let capacity = events.list.capacity() as i32;
        let milliseconds = match timeout {
            None => -1,
            Some(t) => i32::try_from(t.as_micros().div_ceil(1000)).unwrap_or(i32::MAX),
        };
        events.list.clear();
        let call = trace::receives("epoll_wait")
            .may_sleep(milliseconds != 0)
            .fd(self.fd.raw())
            .start(|| format!("{}, {capacity}, {milliseconds}", self.fd));
        let list = events.list.as_mut_ptr();
        // SAFETY: `list` has room for `capacity` events; the kernel writes no more.
        let result =
            check(unsafe { libc::epoll_wait(self.fd.raw(), list, capacity, milliseconds) });
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
/// EPOLLERR and EPOLLHUP come unasked.
fn flags(want: Want) -> i32 {
    match want {
        Want::Read => libc::EPOLLIN,
        Want::Write => libc::EPOLLOUT,
    }
}

fn mode_flags(mode: Mode) -> i32 {
    match mode {
        Mode::Level => 0,
        Mode::Edge => libc::EPOLLET,
        Mode::Oneshot => libc::EPOLLONESHOT,
    }
}
// ANCHOR_END: flags

fn flag_names(flags: i32) -> String {
    let names = [
        (libc::EPOLLIN, "EPOLLIN"),
        (libc::EPOLLOUT, "EPOLLOUT"),
        (libc::EPOLLET, "EPOLLET"),
        (libc::EPOLLONESHOT, "EPOLLONESHOT"),
    ];
    let set = names.iter().filter(|(flag, _)| flags & flag != 0);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join("|")
}

/// Room for what one wait returns.
pub struct Events {
    list: Vec<libc::epoll_event>,
    interrupted: bool,
}

impl Events {
    /// Room for `capacity` events; what does not fit stays ready for the next wait.
    pub fn with_capacity(capacity: usize) -> Events {
        Events { list: Vec::with_capacity(capacity.max(1)), interrupted: false }
    }

    // ANCHOR: events
    /// What the last wait returned.
    pub fn iter(&self) -> impl Iterator<Item = Event> + Clone + '_ {
        self.list.iter().map(|raw| {
            // The struct is packed on x86-64: copy the fields, do not borrow them.
            let (bits, token) = (raw.events as i32, raw.u64);
            // A dead peer (ERR, HUP) is told by whatever the owner does next:
            // its read or write returns the error.
            let dead = bits & (libc::EPOLLERR | libc::EPOLLHUP) != 0;
            Event {
                token: Token(token),
                readable: bits & libc::EPOLLIN != 0 || (dead && bits & libc::EPOLLOUT == 0),
                writable: bits & libc::EPOLLOUT != 0,
            }
        })
    }
    // ANCHOR_END: events

    /// As if a wait had found these readable.
    pub(super) fn fill_readable(&mut self, tokens: impl Iterator<Item = Token>) {
        let event = |token: Token| libc::epoll_event { events: libc::EPOLLIN as u32, u64: token.0 };
        self.list.clear();
        self.list.extend(tokens.map(event));
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
