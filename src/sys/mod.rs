//! The system calls the servers make, one thin wrapper each.
//!
//! Every wrapper does three things and no more: it calls libc, it turns `-1`
//! into the [`io::Error`] that `errno` names, and it hands both to the
//! [trace](crate::trace) together with the line that asked. Nothing is retried
//! and nothing is hidden: what a chapter wants to do about `EINTR` or `EAGAIN`
//! stands in the chapter.
//!
//! Together with [`crate::queue`] this is the only place with `unsafe` code.
#![allow(unsafe_code)]

mod address;
mod errno;
mod fd;
mod process;
mod published;
#[cfg(feature = "short-io")]
mod short;
mod socket;
#[cfg(test)]
pub(crate) mod tests;
mod unacknowledged;

use std::io;

pub use errno::{describe, is_about_one_client, name as errno_name};
pub use fd::{Fd, close, duplicate, read, set_cloexec, set_nonblocking, write};
pub use process::{
    Usage, descriptor_limit, monotonic_us, prepare, raise_descriptor_limit, send_signal,
    send_signal_to_thread, thread_id, wait_until_ended, wait_until_stopped,
};
pub use socket::{
    REUSE_PORT_BALANCES, accept, bind, connect, listen, local_address, set_linger_zero,
    set_max_segment, set_no_delay, set_receive_buffer, set_reuse_address, set_reuse_port,
    shutdown_both, shutdown_write, socket, socket_pair,
};
pub use unacknowledged::unacknowledged;

// ANCHOR: check
/// What C programs test after each call: `-1` means "look at `errno`".
pub(crate) fn check<T: Copy + PartialEq + From<i8>>(returned: T) -> io::Result<T> {
    if returned == T::from(-1) { Err(io::Error::last_os_error()) } else { Ok(returned) }
}
// ANCHOR_END: check
