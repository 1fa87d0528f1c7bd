//! Every call that strace may show: it has a page in the book, or a reason why not.

use super::root;
use crate::lab::{Result, trouble};

/// What a call is to the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// It has the page `calls/NAME.md`.
    Page(&'static str),
    /// It has none, because it is of this kind.
    Without(&'static str),
}

/// Calls with a page that the server's own trace does not show in every run: the
/// name that strace prints, and that of the page.
pub const BESIDE: &[(&str, &str)] = &[
    ("clone", "clone"),
    ("clone3", "clone"),
    ("futex", "futex"),
    ("getrlimit", "setrlimit"),
    ("ioctl", "ioctl"),
    ("poll", "poll"),
    ("ppoll", "poll"),
    ("prlimit64", "setrlimit"),
    ("rt_sigaction", "sigaction"),
    ("send", "send"),
    ("sendto", "send"),
    ("setrlimit", "setrlimit"),
    ("shutdown", "shutdown"),
];

/// Calls with a page that the server's trace shows, where Linux has another name
/// than the page, or libraries choose a newer form.
const SHOWN: &[(&str, &str)] = &[("accept4", "accept"), ("epoll_pwait", "epoll_wait")];

/// The rest: their pages have their names.
const SAME: &[&str] = &[
    "accept",
    "bind",
    "close",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "fcntl",
    "getsockname",
    "listen",
    "read",
    "setsockopt",
    "socket",
    "socketpair",
    "write",
];

/// Calls without a page, by kind. `calls/index.md` says why these kinds have none.
const WITHOUT: &[(&str, &[&str])] = &[
    ("memory", &["brk", "madvise", "mmap", "mprotect", "mremap", "munmap"]),
    (
        "program and threads, start and end",
        &[
            "arch_prctl",
            "execve",
            "exit",
            "exit_group",
            "getpid",
            "gettid",
            "prctl",
            "rseq",
            "sched_getaffinity",
            "sched_yield",
            "set_robust_list",
            "set_tid_address",
        ],
    ),
    ("signals", &["kill", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "tgkill"]),
    ("sleep", &["clock_nanosleep", "nanosleep", "restart_syscall"]),
    ("randomness", &["getrandom"]),
    (
        "files",
        &[
            "access",
            "faccessat",
            "faccessat2",
            "fstat",
            "getcwd",
            "getdents64",
            "lseek",
            "newfstatat",
            "open",
            "openat",
            "pread64",
            "readlink",
            "readlinkat",
            "stat",
            "statx",
        ],
    ),
];

/// What the book has for a call that strace has shown.
///
/// # Errors
/// Nothing: neither a page nor a reason.
pub fn look_up(name: &str) -> Result<Named> {
    let kind = WITHOUT.iter().find(|(_, names)| names.contains(&name));
    if let Some((kind, _)) = kind {
        return Ok(Named::Without(kind));
    }
    let other = BESIDE.iter().chain(SHOWN).find(|(shown, _)| *shown == name);
    if let Some((_, page)) = other {
        return Ok(Named::Page(page));
    }
    match SAME.iter().find(|page| **page == name) {
        Some(page) => Ok(Named::Page(page)),
        None => trouble(format!(
            "{name}: strace shows it, and the book has neither a page for it (book/src/calls) \
             nor a reason why not (src/lab/book/named.rs)"
        )),
    }
}

/// The pages named here that are not there.
pub fn without_their_page() -> Vec<&'static str> {
    let named = BESIDE.iter().chain(SHOWN).map(|(_, page)| *page).chain(SAME.iter().copied());
    let is_there = |page: &str| root().join(format!("book/src/calls/{page}.md")).is_file();
    named.filter(|page| !is_there(page)).collect()
}

#[test]
fn a_call_has_a_page_a_reason_or_is_complained_of() {
    assert_eq!(look_up("accept4").ok(), Some(Named::Page("accept")));
    assert_eq!(look_up("read").ok(), Some(Named::Page("read")));
    assert_eq!(look_up("mmap").ok(), Some(Named::Without("memory")));
    assert!(look_up("recvmsg").is_err_and(|t| t.to_string().contains("neither a page")));
}
