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

/// Whether `accept` or `socket` failed because this process (`EMFILE`), the
/// system (`ENFILE`) or its memory for sockets (`ENOBUFS`, `ENOMEM`) has no
/// room for one more descriptor. On Linux the connection then stays in the
/// accept queue, so the listener stays readable (accept(2), net/socket.c).
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_described_by_words_and_name() {
        let text = describe(&io::Error::from_raw_os_error(libc::EPIPE));
        assert_eq!(text, "Broken pipe (EPIPE)");
    }

    #[test]
    fn an_error_that_is_not_from_the_system_keeps_its_words() {
        assert_eq!(describe(&io::Error::other("odd")), "odd");
    }
}
