//! The one owner of a descriptor, and the calls that work on any descriptor.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use super::check;
use crate::trace;

// ANCHOR: fd
/// A file descriptor that this value alone owns. Moving it moves the right to
/// use and close the descriptor; there is no way to copy it.
///
/// Chapters say [`close`] where they mean it. Dropping an `Fd` closes it too
/// (so an early return leaks nothing), and the trace marks such a close as
/// `dropped`.
pub struct Fd {
    raw: RawFd,
    /// What O_NONBLOCK was last set to *through this value*; tells the trace
    /// which calls may sleep. (The flag itself lives in the kernel's open file.)
    nonblocking: AtomicBool,
}
// ANCHOR_END: fd

impl Fd {
    /// Takes a descriptor that a system call has just returned.
    pub(crate) fn new(raw: RawFd) -> Fd {
        Fd { raw, nonblocking: AtomicBool::new(false) }
    }

    /// The number the kernel knows it by.
    pub fn raw(&self) -> RawFd {
        self.raw
    }

    pub(super) fn may_sleep(&self) -> bool {
        !self.nonblocking.load(Ordering::Relaxed)
    }

    pub(super) fn mark_nonblocking(&self, on: bool) {
        self.nonblocking.store(on, Ordering::Relaxed);
    }
}

/// Shown as its number, the way a trace writes it.
impl fmt::Display for Fd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

impl fmt::Debug for Fd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fd({})", self.raw)
    }
}

impl AsRawFd for Fd {
    fn as_raw_fd(&self) -> RawFd {
        self.raw
    }
}

/// For other libraries' doors (signal-hook takes an `OwnedFd`).
impl From<Fd> for OwnedFd {
    fn from(fd: Fd) -> OwnedFd {
        let raw = fd.raw;
        trace::step_gives("handed over", Some(raw));
        std::mem::forget(fd);
        // SAFETY: `fd` owned `raw` and was forgotten, so the ownership moves.
        unsafe { OwnedFd::from_raw_fd(raw) }
    }
}

impl From<OwnedFd> for Fd {
    fn from(fd: OwnedFd) -> Fd {
        Fd::new(fd.into_raw_fd())
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        close_raw(self.raw, trace::gives("close").fd(self.raw).note("dropped"));
    }
}

/// close(2): gives the descriptor back. For a TCP socket the kernel sends FIN;
/// Linux and macOS send RST if received bytes were never read (RFC 2525 §2.17), and
/// what the peer has not got by then is lost. FreeBSD and OpenBSD send RST only if
/// more arrives afterwards.
///
/// It is never retried: on Linux the number is free even after `EINTR`, and by
/// then another thread may own it. `EBADF` would be a bug of ours (two owners)
/// and is logged as one.
#[track_caller]
pub fn close(fd: Fd) {
    let raw = fd.raw;
    std::mem::forget(fd);
    close_raw(raw, trace::gives("close").fd(raw));
}

// ANCHOR: close
#[track_caller]
fn close_raw(raw: RawFd, call: trace::Shape) {
    let call = call.start(|| raw.to_string());
    // SAFETY: the caller owned `raw` and gives it up here; nobody uses it afterwards.
    let result = call.end(check(unsafe { libc::close(raw) }));
    if let Err(error) = result
        && error.raw_os_error() == Some(libc::EBADF)
    {
        crate::log::line(format_args!(
            "BUG: close({raw}): it was closed already, so two owners held it"
        ));
    }
}
// ANCHOR_END: close

// ANCHOR: read
/// read(2): takes bytes out of the socket's receive buffer. `Ok(0)` means the
/// peer has finished sending (EOF), not "nothing yet".
///
/// # Errors
/// `EAGAIN` (non-blocking and nothing there), `ECONNRESET` (the peer sent RST),
/// `EINTR`, `EBADF`.
#[track_caller]
pub fn read(fd: &Fd, buffer: &mut [u8]) -> io::Result<usize> {
    let call = trace::receives("read")
        .fd(fd.raw)
        .may_sleep(fd.may_sleep())
        .start(|| format!("{fd}, {}", buffer.len()));
    #[cfg(feature = "short-io")]
    let buffer = match super::short::reading(fd, buffer.len()) {
        Ok(n) => &mut buffer[..n],
        Err(error) => return call.end(Err(error)),
    };
    // SAFETY: the pointer and the length are those of one live, writable slice.
    let result = check(unsafe { libc::read(fd.raw, buffer.as_mut_ptr().cast(), buffer.len()) });
    let result = result.map(|n| n as usize);
    call.end_with(result, |n| trace::first_line(&buffer[..*n]))
}
// ANCHOR_END: read

// ANCHOR: write
/// write(2): copies bytes into the socket's send buffer; the kernel sends them
/// when it can. May take fewer than offered: a *short write*.
///
/// # Errors
/// `EAGAIN` (non-blocking and the buffer is full), `EPIPE` (this side or the
/// peer is closed; Rust's runtime ignores SIGPIPE before `main`, a C program
/// would be killed by it), `ECONNRESET`, `EINTR`, `EBADF`.
#[track_caller]
pub fn write(fd: &Fd, bytes: &[u8]) -> io::Result<usize> {
    let call = trace::gives("write")
        .fd(fd.raw)
        .may_sleep(fd.may_sleep())
        .start(|| format!("{fd}, {}", bytes.len()));
    #[cfg(feature = "short-io")]
    let bytes = match super::short::writing(fd, bytes.len()) {
        Ok(n) => &bytes[..n],
        Err(error) => return call.end(Err(error)),
    };
    // SAFETY: the pointer and the length are those of one live slice.
    let result = check(unsafe { libc::write(fd.raw, bytes.as_ptr().cast(), bytes.len()) });
    let result = result.map(|n| n as usize);
    call.end_with(result, |_| trace::first_line(bytes))
}
// ANCHOR_END: write

// ANCHOR: set_nonblocking
/// fcntl(2) with `F_GETFL` and `F_SETFL`: sets O_NONBLOCK, so that a call which
/// would have to wait fails with `EAGAIN` instead.
///
/// An accepted socket inherits the flag from its listener on macOS and the
/// BSDs and does *not* on Linux (accept(2)): setting it on every socket is the
/// one way that is right everywhere.
#[track_caller]
pub fn set_nonblocking(fd: &Fd) -> io::Result<()> {
    let flags = fcntl(fd, libc::F_GETFL, "F_GETFL", 0)?;
    fcntl(fd, libc::F_SETFL, "F_SETFL", flags | libc::O_NONBLOCK)?;
    fd.mark_nonblocking(true);
    Ok(())
}
// ANCHOR_END: set_nonblocking

// ANCHOR: cloexec
/// fcntl(2) with `F_SETFD`: sets FD_CLOEXEC, so that a program started by
/// exec(2) does not inherit the descriptor.
#[track_caller]
pub fn set_cloexec(fd: &Fd) -> io::Result<()> {
    fcntl(fd, libc::F_SETFD, "F_SETFD", libc::FD_CLOEXEC).map(|_| ())
}

/// fcntl(2) with `F_DUPFD_CLOEXEC`: a second number for the same open file.
/// (Never of a descriptor that a queue watches: epoll goes on reporting a closed
/// number while a duplicate of it lives, epoll(7).)
///
/// # Errors
/// `EMFILE`.
#[track_caller]
pub fn duplicate(fd: &Fd) -> io::Result<Fd> {
    fcntl(fd, libc::F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC", 0).map(Fd::new)
}
// ANCHOR_END: cloexec

// ANCHOR: fcntl
#[track_caller]
fn fcntl(fd: &Fd, command: i32, name: &str, argument: i32) -> io::Result<i32> {
    let call = trace::gives("fcntl").fd(fd.raw).start(|| match command {
        libc::F_GETFL => format!("{fd}, {name}"),
        libc::F_DUPFD_CLOEXEC => format!("{fd}, {name}, {argument}"),
        libc::F_SETFD => format!("{fd}, {name}, FD_CLOEXEC"),
        _ => format!("{fd}, {name}, {}", flag_names(argument)),
    });
    // SAFETY: these commands take an int and touch no memory of ours.
    call.end(check(unsafe { libc::fcntl(fd.raw, command, argument) }))
}
// ANCHOR_END: fcntl

fn flag_names(flags: i32) -> String {
    let mut names = String::from("O_RDWR");
    if flags & libc::O_NONBLOCK != 0 {
        names.push_str("|O_NONBLOCK");
    }
    names
}
