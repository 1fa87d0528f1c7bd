//! Names for error numbers, as the manual pages write them.

use std::io;

macro_rules! names {
    ($($name:ident)*) => {
        /// The symbolic name of an error number (errno(3)): `EAGAIN` for
        /// 11 on Linux and 35 on the BSDs. `None` if it is not one that these
        /// servers can meet.
        pub fn name(errno: i32) -> Option<&'static str> {
            $(if errno == libc::$name { return Some(stringify!($name)); })*
            None
        }
    };
}

// EWOULDBLOCK and EOPNOTSUPP share their number with another name on some
// systems; a chain of comparisons, unlike a match, does not mind.
names! {
    EAGAIN EINTR EBADF EINVAL ENOENT EEXIST EPERM EACCES
    ENOTDIR EISDIR ELOOP ENAMETOOLONG EROFS
    EMFILE ENFILE ENOBUFS ENOMEM ECONNABORTED ECONNRESET ECONNREFUSED EPIPE
    ENOTCONN EISCONN EINPROGRESS EALREADY ETIMEDOUT
    EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EPROTONOSUPPORT EPROTO ENOPROTOOPT
    ENETDOWN ENETUNREACH EHOSTDOWN EHOSTUNREACH EOPNOTSUPP
    ENOTSOCK EDESTADDRREQ EFAULT EIO ESRCH ENOSYS ENOSPC ESHUTDOWN
}

/// An error in words and by name, on one line: `Broken pipe (EPIPE)`.
pub fn describe(error: &io::Error) -> String {
    let Some(errno) = error.raw_os_error() else {
        return error.to_string();
    };
    // io::Error says "Broken pipe (os error 32)"; the number differs per system, the name does not.
    let words = error.to_string();
    let words = words.split(" (os error").next().unwrap_or(&words);
    match name(errno) {
        Some(name) => format!("{words} ({name})"),
        None => format!("{words} (errno {errno})"),
    }
}

// ANCHOR: is_about_one_client
/// Whether a failed `accept` concerns one client only, so that the next may be
/// accepted at once: it has gone again (`ECONNABORTED`), or the network had lost
/// it already (Linux reports the errors of a new socket here: accept(2)).
///
/// Everything else is about *us*: no descriptor left in this process (`EMFILE`)
/// or in the system (`ENFILE`), no memory for sockets (`ENOBUFS`, `ENOMEM`), a
/// rule that forbids it (`EPERM`). The next call would fail as this one did. On
/// Linux the connection stays in the accept queue, and the listener readable.
pub fn is_about_one_client(error: &io::Error) -> bool {
    use libc::{ECONNABORTED, EHOSTDOWN, EHOSTUNREACH, EINTR, ENETDOWN, ENETUNREACH};
    use libc::{ENOPROTOOPT, EOPNOTSUPP, EPROTO};
    let errnos = [
        ECONNABORTED,
        EINTR,
        ENETDOWN,
        ENETUNREACH,
        EHOSTDOWN,
        EHOSTUNREACH,
        EPROTO,
        ENOPROTOOPT,
        EOPNOTSUPP,
    ];
    // Without a number: macOS gives no address for a client that has gone again.
    error.raw_os_error().is_none_or(|errno| errnos.contains(&errno))
}
// ANCHOR_END: is_about_one_client

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_described_by_words_and_name() {
        let text = describe(&io::Error::from_raw_os_error(libc::EPIPE));
        assert_eq!(text, "Broken pipe (EPIPE)");
    }

    #[test]
    fn errors_of_accept_are_about_one_client_or_about_us() {
        let is_about_one = |errno| is_about_one_client(&io::Error::from_raw_os_error(errno));
        assert!(is_about_one(libc::ECONNABORTED) && is_about_one(libc::EHOSTUNREACH));
        assert!(!is_about_one(libc::EMFILE) && !is_about_one(libc::EACCES));
        assert!(is_about_one_client(&io::Error::other("not an address")));
    }

    #[test]
    fn an_error_that_is_not_from_the_system_keeps_its_words() {
        assert_eq!(describe(&io::Error::other("odd")), "odd");
    }
}
