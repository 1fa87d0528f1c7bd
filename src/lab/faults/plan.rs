//! Which calls are made to fail, how, when, and in whose hands.
//!
//! Each error is one that the call can return by its manual page (Linux's
//! section 2, POSIX for `ENOBUFS`), on this system or on another that the servers
//! run on, with one exception: no kernel refuses `fcntl(F_SETFL)` on a socket, but a
//! sandbox (seccomp) may, with `EPERM`.

use std::fmt;

/// Whose calls fail. strace counts for each thread on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Main,
    Workers,
    Everybody,
}

/// During what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// With everybody busy; counted from just before the signal on.
    Stopping,
}

/// Calls that fail.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// Those strace looks at.
    pub call: &'static str,
    pub errno: &'static str,
    /// The first, the third, every tenth: strace's `when=`.
    pub when: String,
    /// One more call that fails in the same run.
    pub and: Option<(&'static str, &'static str, &'static str)>,
    pub who: Who,
    pub phase: Phase,
}

impl Fault {
    /// No connection has to be lost to it: to try again is enough. (Of main's calls
    /// one may cost a client who has just come its connection, before it is one.)
    pub fn is_harmless(&self) -> bool {
        matches!(self.errno, "EINTR" | "EAGAIN")
            || matches!(self.call, "accept" | "setsockopt")
            || (self.phase == Phase::Stopping && self.who == Who::Main)
            || matches!(self.call, "sendto" | "poll")
    }

    /// Main writes to a client, or hangs up on it, whose time is up, and only then.
    pub fn needs_deadlines(&self) -> bool {
        self.who == Who::Main && matches!(self.call, "write" | "shutdown")
    }

    /// Every call that fails: which, with what, when.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let call = self.call.split(',').next().unwrap_or_default();
        [Some((call, self.errno, self.when.as_str())), self.and].into_iter().flatten()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (call, errno, when) in self.all() {
            write!(f, "{call} of {:?}: {errno} (when={when}) ", self.who)?;
        }
        write!(f, "{:?}", self.phase)
    }
}

/// Call, whose, errors.
type Row = (&'static str, Who, &'static [&'static str]);

/// The first, the third, every tenth call.
const WHENS: &[&str] = &["1", "3", "10+10"];

/// What ch07 is put through while it serves.
const SERVING: &[Row] = &[
    (
        "accept",
        Who::Main,
        &["EINTR", "EAGAIN", "ECONNABORTED", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EPROTO"],
    ),
    ("fcntl", Who::Main, &["EPERM"]),
    // EINVAL: as macOS has it when the client has gone again (and FreeBSD ECONNRESET).
    ("setsockopt", Who::Main, &["ENOMEM", "ENOBUFS", "EINVAL", "ECONNRESET"]),
    ("epoll_ctl", Who::Main, &["ENOMEM", "ENOSPC"]),
    ("epoll_ctl", Who::Workers, &["ENOMEM"]),
    ("epoll_wait", Who::Main, &["EINTR"]),
    // EAGAIN: as the BSDs say ENOMEM.
    ("poll", Who::Main, &["EINTR", "EAGAIN", "ENOMEM"]),
    ("read", Who::Everybody, &["EINTR", "EAGAIN", "ECONNRESET", "ENOMEM"]),
    ("write", Who::Workers, WRITE_ERRORS),
    ("write", Who::Main, WRITE_ERRORS),
    // ENOTCONN: usual on macOS when the client has gone.
    ("shutdown", Who::Workers, &["ENOTCONN", "ENOBUFS"]),
    ("shutdown", Who::Main, &["ENOTCONN", "ENOBUFS"]),
];

const WRITE_ERRORS: &[&str] = &["EINTR", "EAGAIN", "EPIPE", "ECONNRESET", "ENOBUFS", "ENOMEM"];

/// What ch07 is put through while it drains. `sendto` is the signal handler's: one.
/// (Not `EAGAIN` from accept: it says that nobody waits any more, and must be
/// believed, for the listener is closed then.)
const STOPPING: &[(Row, &[&str])] = &[
    (("accept", Who::Main, &["EINTR", "ECONNABORTED", "EMFILE", "ENOMEM"]), WHENS),
    (("epoll_ctl", Who::Main, &["ENOMEM"]), WHENS),
    (("epoll_wait", Who::Main, &["EINTR"]), WHENS),
    (("poll", Who::Main, &["EINTR", "EAGAIN", "ENOMEM"]), WHENS),
    (("read", Who::Main, &["EINTR", "EAGAIN"]), WHENS),
    (("read", Who::Workers, &["EINTR", "EAGAIN", "ECONNRESET"]), WHENS),
    (("write", Who::Workers, &["EINTR", "EAGAIN", "EPIPE", "ENOBUFS"]), WHENS),
    (("shutdown", Who::Workers, &["ENOTCONN", "ENOBUFS"]), WHENS),
    (("sendto", Who::Everybody, &["EAGAIN", "ENOBUFS"]), &["1"]),
];

/// Two at once: out of descriptors, *and* the queue cannot stop watching the
/// listener (its first call), or cannot begin again (its second).
const PAUSES: &[(&str, &str)] = &[("1", "ENOMEM"), ("2", "ENOMEM"), ("2", "ENOSPC")];

/// What ch03 to ch06 are put through.
const EARLIER: &[Row] = &[
    ("accept", Who::Main, &["EINTR", "ECONNABORTED", "EMFILE"]),
    ("epoll_ctl", Who::Main, &["ENOMEM"]),
    ("epoll_wait", Who::Main, &["EINTR"]),
    ("read", Who::Everybody, &["EINTR", "EAGAIN", "ECONNRESET"]),
    ("write", Who::Everybody, &["EINTR", "EPIPE"]),
];

fn rows(row: &Row, when: &str, phase: Phase) -> Vec<Fault> {
    let &(call, who, errors) = row;
    let fault =
        |errno: &&'static str| Fault { call, errno, when: when.to_string(), and: None, who, phase };
    errors.iter().map(fault).collect()
}

/// All that ch07 is put through after it has started.
pub(super) fn complete() -> Vec<Fault> {
    let serving = SERVING
        .iter()
        .flat_map(|row| WHENS.iter().flat_map(|when| rows(row, when, Phase::Serving)));
    let pauses = PAUSES.iter().map(|&(when, errno)| Fault {
        call: "accept,epoll_ctl",
        errno: "EMFILE",
        when: "1".to_string(),
        and: Some(("epoll_ctl", errno, when)),
        who: Who::Main,
        phase: Phase::Serving,
    });
    let stopping = STOPPING
        .iter()
        .flat_map(|(row, whens)| whens.iter().flat_map(|when| rows(row, when, Phase::Stopping)));
    serving.chain(pauses).chain(stopping).collect()
}

/// All that the earlier stages with a queue are put through.
pub(super) fn earlier() -> Vec<Fault> {
    let each = |row| WHENS.iter().flat_map(move |when| rows(row, when, Phase::Serving));
    EARLIER.iter().flat_map(each).collect()
}

/// The calls by which a server starts.
pub(super) const STARTING: &str = "socket,setsockopt,bind,listen,getsockname,fcntl,sendto,\
                                   epoll_create1,epoll_ctl,socketpair,write";

/// What such a call can fail with.
pub(super) fn errors_of(call: &str, rest: &str) -> &'static [&'static str] {
    match call {
        "socket" => &["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"],
        "setsockopt" => &["ENOMEM", "ENOBUFS"],
        "bind" => &["EADDRINUSE", "EACCES"],
        "listen" => &["EADDRINUSE"],
        "getsockname" => &["ENOBUFS"],
        "epoll_create1" | "socketpair" => &["EMFILE", "ENFILE", "ENOMEM"],
        "epoll_ctl" => &["ENOMEM", "ENOSPC"],
        "fcntl" if rest.contains("F_DUPFD") => &["EMFILE"],
        "fcntl" => &["EPERM"],
        "sendto" => &["EAGAIN", "ENOBUFS"],
        _ => &[],
    }
}
