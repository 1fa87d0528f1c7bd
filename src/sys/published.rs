//! What the systems' own headers say about every number and every struct that
//! these servers hand to a kernel, held against what `libc` says.
//!
//! Nothing here runs: each line is checked when the crate is compiled, for the
//! system it is compiled for. The other half is `.ci/headers`, which reads this
//! file and holds the same lines against the headers themselves, of all five
//! systems, in one C compiler. So a wrong number in `libc`, a struct that a system
//! changes, and a slip of ours are each found without that system at hand.
//!
//! The columns are macOS, FreeBSD, OpenBSD, NetBSD, Linux; 64 bits.
#![cfg(all(
    target_pointer_width = "64",
    any(
        target_os = "macos",
        target_os = "freebsd",
        target_os = "openbsd",
        target_os = "netbsd",
        all(
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
        )
    )
))]
// To Rust 1.88 what only a `const _` uses is not used.
#![allow(dead_code)]

use std::mem::{offset_of, size_of};

#[cfg(target_os = "macos")]
const COLUMN: usize = 0;
#[cfg(target_os = "freebsd")]
const COLUMN: usize = 1;
#[cfg(target_os = "openbsd")]
const COLUMN: usize = 2;
#[cfg(target_os = "netbsd")]
const COLUMN: usize = 3;
#[cfg(target_os = "linux")]
const COLUMN: usize = 4;

/// Constants.
macro_rules! values {
    ($($name:ident $macos:literal $freebsd:literal $openbsd:literal $netbsd:literal $linux:literal)*) => {$(
        const _: () = assert!(
            libc::$name as i64 == [$macos, $freebsd, $openbsd, $netbsd, $linux][COLUMN],
            concat!(stringify!($name), ": libc and the system's header differ")
        );
    )*};
}

/// The size of a struct, and where its fields begin, in bytes.
macro_rules! layouts {
    ($($name:ident $macos:literal $freebsd:literal $openbsd:literal $netbsd:literal $linux:literal
        { $($field:ident $m:literal $f:literal $o:literal $n:literal $l:literal)* })*) => {$(
        const _: () = assert!(
            size_of::<libc::$name>() == [$macos, $freebsd, $openbsd, $netbsd, $linux][COLUMN],
            concat!(stringify!($name), ": libc and the system's header differ in its size")
        );
        $(const _: () = assert!(
            offset_of!(libc::$name, $field) == [$m, $f, $o, $n, $l][COLUMN],
            concat!(stringify!($name.$field), ": libc and the system's header differ")
        );)*
    )*};
}

// <sys/event.h>; Linux has none. NetBSD counts its filters from 0 and has wider
// fields; FreeBSD's struct ends in four more words; macOS packs it to 4 bytes.
// Filters, struct, flags: macOS lines 70, 92-103, 144-151 (xnu-11417.101.15, bsd/);
// FreeBSD 35, 84-92, 136-145; OpenBSD 34, 57-64, 67-74 (event.h 1.74); NetBSD 39,
// 66-73, 92-99 (event.h 1.54).
#[cfg(not(target_os = "linux"))]
values! {
    EVFILT_READ     -1  -1  -1  0  -1
    EVFILT_WRITE    -2  -2  -2  1  -2
    EV_ADD          1 1 1 1 1
    EV_DELETE       2 2 2 2 2
    EV_ONESHOT      16 16 16 16 16
    EV_CLEAR        32 32 32 32 32
}
#[cfg(not(target_os = "linux"))]
layouts! {
    kevent          32 64 32 40 32 {
        ident       0 0 0 0 0
        filter      8 8 8 8 8
        flags       10 10 10 12 10
        fflags      12 12 12 16 12
        data        16 16 16 24 16
        udata       24 24 24 32 24
    }
}

// <sys/socket.h>
values! {
    AF_UNIX         1 1 1 1 1
    AF_INET         2 2 2 2 2
    AF_INET6        30 28 24 24 10
    SOCK_STREAM     1 1 1 1 1
    SOL_SOCKET      0xffff 0xffff 0xffff 0xffff 1
    SO_REUSEADDR    4 4 4 4 2
    SO_REUSEPORT    0x200 0x200 0x200 0x200 15
    SO_LINGER       0x80 0x80 0x80 0x80 13
    SO_RCVBUF       0x1002 0x1002 0x1002 0x1002 8
    SHUT_WR         1 1 1 1 1
    SHUT_RDWR       2 2 2 2 2
}
#[cfg(target_os = "freebsd")]
const _: () = assert!(libc::SO_REUSEPORT_LB == 0x10000);
layouts! {
    linger          8 8 8 8 8 {
        l_onoff     0 0 0 0 0
        l_linger    4 4 4 4 4
    }
    sockaddr_storage 128 128 256 128 128 {
        ss_family   1 1 1 1 0
    }
}

// <netinet/in.h>, <netinet/tcp.h>. The BSDs and macOS put a length byte in front.
values! {
    IPPROTO_TCP     6 6 6 6 6
    TCP_NODELAY     1 1 1 1 1
    TCP_MAXSEG      2 2 2 2 2
}
layouts! {
    sockaddr_in     16 16 16 16 16 {
        sin_family  1 1 1 1 0
        sin_port    2 2 2 2 2
        sin_addr    4 4 4 4 4
    }
    sockaddr_in6    28 28 28 28 28 {
        sin6_family     1 1 1 1 0
        sin6_port       2 2 2 2 2
        sin6_flowinfo   4 4 4 4 4
        sin6_addr       8 8 8 8 8
        sin6_scope_id   24 24 24 24 24
    }
}

// <fcntl.h>
values! {
    F_SETFD         2 2 2 2 2
    F_GETFL         3 3 3 3 3
    F_SETFL         4 4 4 4 4
    F_DUPFD_CLOEXEC 67 17 10 12 1030
    FD_CLOEXEC      1 1 1 1 1
    O_NONBLOCK      4 4 4 4 0x800
}

// <poll.h>
values! {
    POLLIN          1 1 1 1 1
}
layouts! {
    pollfd          8 8 8 8 8 {
        fd          0 0 0 0 0
        events      4 4 4 4 4
        revents     6 6 6 6 6
    }
}

// <time.h>, <sys/time.h>, <sys/resource.h>
values! {
    CLOCK_MONOTONIC 6 4 3 3 1
    RLIMIT_NOFILE   8 8 8 8 7
}
layouts! {
    timespec        16 16 16 16 16 {
        tv_sec      0 0 0 0 0
        tv_nsec     8 8 8 8 8
    }
    rlimit          16 16 16 16 16 {
        rlim_cur    0 0 0 0 0
        rlim_max    8 8 8 8 8
    }
    rusage          144 144 144 144 144 {
        ru_utime    0 0 0 0 0
        ru_stime    16 16 16 16 16
    }
}

// <signal.h>, <sys/wait.h>
values! {
    SIGINT          2 2 2 2 2
    SIGTERM         15 15 15 15 15
    SIGSTOP         17 17 17 17 19
    SIGCONT         19 19 19 19 18
    SIGCHLD         20 20 20 20 17
    SIGURG          16 16 16 16 23
    SIGWINCH        28 28 28 28 28
    WUNTRACED       2 2 2 2 2
}

// What asks for the unacknowledged bytes.
#[cfg(any(target_os = "freebsd", target_os = "netbsd"))]
const _: () =
    assert!(libc::FIONWRITE == if cfg!(target_os = "freebsd") { 0x4004_6677 } else { 0x4004_6679 });
#[cfg(target_os = "macos")]
const _: () = assert!(libc::SO_NWRITE == 0x1024);
#[cfg(target_os = "linux")]
const _: () = assert!(libc::TIOCOUTQ == 0x5411);

// <errno.h>: those that the servers decide by.
values! {
    EPERM           1 1 1 1 1
    ENOENT          2 2 2 2 2
    EINTR           4 4 4 4 4
    EBADF           9 9 9 9 9
    ENOMEM          12 12 12 12 12
    EACCES          13 13 13 13 13
    EEXIST          17 17 17 17 17
    ENOTDIR         20 20 20 20 20
    EINVAL          22 22 22 22 22
    ENFILE          23 23 23 23 23
    EMFILE          24 24 24 24 24
    EPIPE           32 32 32 32 32
    EAGAIN          35 35 35 35 11
    EINPROGRESS     36 36 36 36 115
    ENOPROTOOPT     42 42 42 42 92
    EOPNOTSUPP      102 45 45 45 95
    EADDRINUSE      48 48 48 48 98
    EADDRNOTAVAIL   49 49 49 49 99
    ENETDOWN        50 50 50 50 100
    ENETUNREACH     51 51 51 51 101
    ECONNABORTED    53 53 53 53 103
    ECONNRESET      54 54 54 54 104
    ENOBUFS         55 55 55 55 105
    ENOTCONN        57 57 57 57 107
    ELOOP           62 62 62 62 40
    ENAMETOOLONG    63 63 63 63 36
    EHOSTDOWN       64 64 64 64 112
    EHOSTUNREACH    65 65 65 65 113
    EPROTO          100 92 95 96 71
}

// <sys/epoll.h>, Linux alone. The struct is packed on x86-64 and nowhere else.
#[cfg(target_os = "linux")]
values! {
    EPOLLIN         0 0 0 0 1
    EPOLLOUT        0 0 0 0 4
    EPOLLERR        0 0 0 0 8
    EPOLLHUP        0 0 0 0 0x10
    EPOLLONESHOT    0 0 0 0 0x4000_0000
    EPOLLET         0 0 0 0 -0x8000_0000
    EPOLL_CTL_ADD   0 0 0 0 1
    EPOLL_CTL_DEL   0 0 0 0 2
    EPOLL_CTL_MOD   0 0 0 0 3
    EPOLL_CLOEXEC   0 0 0 0 0x8_0000
}
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const _: () =
    assert!(size_of::<libc::epoll_event>() == 12 && offset_of!(libc::epoll_event, u64) == 4);
#[cfg(all(target_os = "linux", not(target_arch = "x86_64")))]
const _: () =
    assert!(size_of::<libc::epoll_event>() == 16 && offset_of!(libc::epoll_event, u64) == 8);
