//! The parts that the seven servers share. One file is one part, introduced by
//! one chapter; what a chapter teaches about the *flow* of a server stands in
//! that chapter's `main.rs`.
//!
//! | part | what it is | introduced by |
//! |---|---|---|
//! | [`sys`] | the socket calls, one thin traced wrapper each | ch01, ch02 |
//! | [`trace`] | what `--trace` prints | ch01 |
//! | [`http`] | request head, response, the demo routes | ch01, ch06 |
//! | [`cli`], [`log`] | the command line; lines on stderr | ch01 |
//! | [`queue`] | the kernel's event queue: kqueue or epoll | ch03 |
//! | [`listener`] | the listening socket | ch02, ch04 |
//! | [`pool`] | fixed workers, one queue | ch05 |
//! | [`table`] | every live connection, each in exactly one place | ch05 |
//! | [`connection`] | one client: what was read, what is still to write | ch06 |
//! | [`shutdown`] | stop as an event | ch07 |
//! | [`handoff`] | jobs by the batch, and as few workers awake as will do | ch07 |
//! | [`timers`] | deadlines | ch07 |
//! | [`site`], [`files`] | what is served: the demo routes, a folder | ch07 |
//! | [`report`] | the log, and counters | ch07 |
//! | [`lab`] | scripted clients and scenarios; the servers know nothing of it | |

#[cfg(not(any(
    target_os = "macos",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
    target_os = "linux"
)))]
compile_error!(
    "These servers need kqueue (macOS, FreeBSD, NetBSD, OpenBSD, DragonFly) or epoll (Linux). \
     On Windows use WSL 2."
);

#[cfg(any(kqueue, epoll))]
mod by_fd;
#[cfg(any(kqueue, epoll))]
pub mod cli;
#[cfg(any(kqueue, epoll))]
pub mod connection;
#[cfg(any(kqueue, epoll))]
pub mod files;
#[cfg(any(kqueue, epoll))]
pub mod handoff;
#[cfg(any(kqueue, epoll))]
pub mod http;
// The fuzzer and the model checker drive the parts alone.
#[cfg(all(any(kqueue, epoll), not(any(fuzzing, shuttle))))]
pub mod lab;
#[cfg(any(kqueue, epoll))]
pub mod listener;
#[cfg(any(kqueue, epoll))]
pub mod log;
#[cfg(any(kqueue, epoll))]
pub mod pool;
#[cfg(any(kqueue, epoll))]
pub mod queue;
#[cfg(any(kqueue, epoll))]
pub mod report;
#[cfg(any(kqueue, epoll))]
pub mod shutdown;
#[cfg(any(kqueue, epoll))]
pub mod site;
#[cfg(any(kqueue, epoll))]
mod sync;
#[cfg(any(kqueue, epoll))]
pub mod sys;
#[cfg(any(kqueue, epoll))]
pub mod table;
#[cfg(any(kqueue, epoll))]
pub mod timers;
#[cfg(any(kqueue, epoll))]
pub mod trace;
