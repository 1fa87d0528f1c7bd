//! An error that ends the server: what was tried, what happened, what to do.

use std::fmt;
use std::io;

use crate::sys;

/// Why a server could not start or go on: what was tried, and what happened.
#[derive(Debug)]
pub struct Failure {
    tried: String,
    error: io::Error,
}

/// Says what was tried when a call fails.
pub trait Trying<T> {
    /// `bind(…).trying("bind to 127.0.0.1:80")?`
    ///
    /// # Errors
    /// The same error, with the words.
    fn trying(self, what: impl fmt::Display) -> Result<T, Failure>;
}

impl<T> Trying<T> for io::Result<T> {
    fn trying(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure { tried: what.to_string(), error })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.tried, sys::describe(&self.error))?;
        let advice = match self.error.raw_os_error() {
            Some(libc::EADDRINUSE) => {
                "another program listens there; stop it, or choose a port with --port N (0: any free one)"
            }
            Some(libc::EADDRNOTAVAIL) => {
                "this machine has no such address; try --addr 127.0.0.1:8080"
            }
            Some(libc::EACCES | libc::EPERM) if self.tried.starts_with("bind") => {
                "ports below 1024 need a privilege; choose one above with --port N"
            }
            Some(libc::EAFNOSUPPORT) => "this system has no IPv6; try --addr 127.0.0.1:8080",
            Some(libc::ENOENT | libc::ENOTDIR | libc::EACCES) if self.tried.contains("folder") => {
                "--root takes a folder that this user may read"
            }
            Some(libc::EMFILE) => {
                "the limit on open descriptors is too low; raise it with `ulimit -n 1024`"
            }
            _ => return Ok(()),
        };
        write!(f, "; {advice}")
    }
}
