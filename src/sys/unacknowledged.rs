//! What is still on its way to the peer: each system has its own question for that.

use std::io;
use std::os::fd::RawFd;

use super::Fd;

// ANCHOR: unacknowledged
/// How many bytes in the send buffer the peer's kernel has not acknowledged yet; on
/// Linux a FIN that was sent is one of them. `None` where the system does not say
/// (OpenBSD), or the connection is gone.
#[track_caller]
pub fn unacknowledged(fd: &Fd) -> Option<usize> {
    usize::try_from(ask(fd.raw()).ok()?).ok()
}

/// ioctl(2) with `SIOCOUTQ` (tcp(7), Linux) or `FIONWRITE` (FreeBSD, NetBSD).
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "netbsd"))]
#[track_caller]
fn ask(fd: RawFd) -> io::Result<libc::c_int> {
    #[cfg(target_os = "linux")]
    let (request, name) = (libc::TIOCOUTQ, "SIOCOUTQ"); // two names of one number
    #[cfg(not(target_os = "linux"))]
    let (request, name) = (libc::FIONWRITE, "FIONWRITE");
    let mut bytes: libc::c_int = 0;
    let call = crate::trace::gives("ioctl").fd(fd).start(|| format!("{fd}, {name}"));
    // SAFETY: both ask for an int, and `bytes` has room for it.
    let result = super::check(unsafe { libc::ioctl(fd, request, &raw mut bytes) });
    call.end_with(result, |_| format!("[{bytes}]")).map(|_| bytes)
}
// ANCHOR_END: unacknowledged

/// getsockopt(2) with `SO_NWRITE`.
#[cfg(target_os = "macos")]
#[track_caller]
fn ask(fd: RawFd) -> io::Result<libc::c_int> {
    let mut bytes: libc::c_int = 0;
    let mut size = size_of_val(&bytes) as libc::socklen_t;
    let value = (&raw mut bytes).cast();
    let start = || format!("{fd}, SOL_SOCKET, SO_NWRITE");
    let call = crate::trace::gives("getsockopt").fd(fd).start(start);
    // SAFETY: `bytes` has room for the int, and `size` says how much.
    let result = super::check(unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_NWRITE, value, &raw mut size)
    });
    call.end_with(result, |_| format!("[{bytes}]")).map(|_| bytes)
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "macos",
    target_os = "freebsd",
    target_os = "netbsd"
)))]
fn ask(_: RawFd) -> io::Result<libc::c_int> {
    Err(io::ErrorKind::Unsupported.into())
}
