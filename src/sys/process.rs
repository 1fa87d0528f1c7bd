//! The clock, thread numbers, limits and, for the lab, other processes.

use std::io;
use std::mem;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::check;
use crate::trace;

/// CLOCK_MONOTONIC in microseconds: the same clock for every process of this
/// machine, so a client's actions and a server's calls can be put on one line.
pub fn monotonic_us() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live timespec for the kernel to fill in.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

/// The number by which the system, and so strace or ktrace, knows this thread.
pub fn thread_id() -> u64 {
    #[cfg(target_os = "linux")]
    // SAFETY: takes nothing and cannot fail.
    let id = unsafe { libc::gettid() } as u64;
    #[cfg(target_os = "macos")]
    let id = {
        let mut id = 0;
        // SAFETY: thread 0 means the calling thread; `id` is a live u64.
        unsafe { libc::pthread_threadid_np(0, &raw mut id) };
        id
    };
    #[cfg(target_os = "freebsd")]
    // SAFETY: takes nothing and cannot fail.
    let id = unsafe { libc::pthread_getthreadid_np() } as u64;
    #[cfg(target_os = "openbsd")]
    // SAFETY: takes nothing and cannot fail.
    let id = unsafe { libc::getthrid() } as u64;
    #[cfg(target_os = "netbsd")]
    // SAFETY: takes nothing and cannot fail.
    let id = unsafe { libc::_lwp_self() } as u64;
    #[cfg(target_os = "dragonfly")]
    // SAFETY: takes nothing and cannot fail.
    let id = unsafe { libc::lwp_gettid() } as u64;
    id
}

/// getrlimit(2) with `RLIMIT_NOFILE`: how many descriptors this process may
/// have, (soft, hard).
pub fn descriptor_limit() -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a live rlimit for the kernel to fill in.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    // rlim_t is u64 on most systems and i64 on FreeBSD.
    #[allow(clippy::unnecessary_cast)]
    Ok((limit.rlim_cur as u64, limit.rlim_max as u64))
}

// ANCHOR: raise_descriptor_limit
/// setrlimit(2): raises the soft limit on descriptors to the hard one, which
/// needs no privilege, and returns the new soft limit. On macOS the
/// value that is always accepted is OPEN_MAX, 10,240.
#[track_caller]
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let (soft, hard) = descriptor_limit()?;
    let wanted = if cfg!(target_os = "macos") { hard.min(10_240) } else { hard };
    if soft >= wanted {
        return Ok(soft);
    }
    let limit = libc::rlimit { rlim_cur: wanted as libc::rlim_t, rlim_max: hard as libc::rlim_t };
    let call = trace::gives("setrlimit").start(|| format!("RLIMIT_NOFILE, {{{wanted}, {hard}}}"));
    // SAFETY: `limit` is a live, initialised rlimit.
    call.end(check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }))?;
    Ok(wanted)
}
// ANCHOR_END: raise_descriptor_limit

/// kill(2): sends a signal to a process.
pub fn send_signal(pid: u32, signal: i32) -> io::Result<()> {
    // SAFETY: takes two ints.
    check(unsafe { libc::kill(pid as libc::pid_t, signal) }).map(|_| ())
}

/// tgkill(2), Linux only: sends a signal to one thread of a process.
pub fn send_signal_to_thread(pid: u32, tid: u64, signal: i32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: takes three ints.
        let result =
            check(unsafe { libc::syscall(libc::SYS_tgkill, pid as i32, tid as i32, signal) });
        result.map(|_| ())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (pid, tid, signal);
        Err(io::Error::from_raw_os_error(libc::ENOSYS))
    }
}

/// waitpid(2) with `WUNTRACED`: returns once the child has been stopped by a
/// signal (`Ok(true)`), or has ended (`Ok(false)`, and is then reaped).
pub fn wait_until_stopped(pid: u32) -> io::Result<bool> {
    let mut status = 0;
    // SAFETY: `status` is a live int for the kernel to fill in.
    check(unsafe { libc::waitpid(pid as libc::pid_t, &raw mut status, libc::WUNTRACED) })?;
    Ok(libc::WIFSTOPPED(status))
}

/// What wait4(2) tells of a child that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Its exit status, if it exited.
    pub exit: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// CPU time in user space, microseconds.
    pub user_us: u64,
    /// CPU time in the kernel, microseconds.
    pub system_us: u64,
}

/// wait4(2): waits until the child has ended, and reaps it.
pub fn wait_until_ended(pid: u32) -> io::Result<Usage> {
    let mut status = 0;
    // SAFETY: all-zero bytes are a valid rusage.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: `status` and `usage` are live and for the kernel to fill in.
    check(unsafe { libc::wait4(pid as libc::pid_t, &raw mut status, 0, &raw mut usage) })?;
    let us = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    Ok(Usage {
        exit: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
        user_us: us(usage.ru_utime),
        system_us: us(usage.ru_stime),
    })
}

/// How many descriptors a child does not inherit: bash keeps its own at 255 and
/// below, and what the user of a shell opens has one digit or two.
const INHERITABLE: i32 = 256;

/// Has the child start with the default reaction to SIGINT and SIGTERM, with no
/// descriptor but 0, 1 and 2 and, if asked for, with few allowed. (A shell without
/// job control starts background programs with SIGINT ignored, and children inherit
/// that; they also inherit what the shell has open, and then a run's descriptors
/// would have other numbers under another shell.)
pub fn prepare(command: &mut Command, descriptors: Option<u64>) {
    let prepare = move || {
        for fd in 3..INHERITABLE {
            // SAFETY: takes three ints. What is not open is EBADF, and as well.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
        for signal in [libc::SIGINT, libc::SIGTERM] {
            // SAFETY: SIG_DFL installs no code of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        if let Some(n) = descriptors {
            let limit = libc::rlimit { rlim_cur: n as libc::rlim_t, rlim_max: n as libc::rlim_t };
            // SAFETY: `limit` is a live, initialised rlimit.
            check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec it only makes async-signal-safe calls and
    // allocates nothing (signal-safety(7)).
    unsafe { command.pre_exec(prepare) };
}
