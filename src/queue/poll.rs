//! The older question, about descriptors that the caller lists: poll(2).
//!
//! The kernel keeps no list for it, so each call looks at every descriptor in it
//! anew. For thousands that would be the cost that kqueue and epoll took away; for
//! two it is the way to ask about these two and nobody else.

use std::io;
use std::time::Duration;

use super::{Events, Token, tell};
use crate::sys::{Fd, check};
use crate::trace;

/// A list of so many needs no memory of the heap.
const FEW: usize = 4;

// ANCHOR: poll
/// poll(2) with `POLLIN`: sleeps until one of these is readable, or for at most
/// `timeout` (`None`: for ever; rounded up to a millisecond).
///
/// A signal ends the sleep early, with `EINTR`; that counts as "no events".
///
/// # Errors
/// `ENOMEM`; on macOS and the BSDs `EAGAIN`, which says the same. No event is
/// lost: whoever was ready still is.
#[track_caller]
pub fn poll(
    list: &[(&Fd, Token)],
    events: &mut Events,
    timeout: Option<Duration>,
) -> io::Result<()> {
    let blank = libc::pollfd { fd: -1, events: libc::POLLIN, revents: 0 };
    let (mut few, mut many) = ([blank; FEW], Vec::new());
    let fds = match few.get_mut(..list.len()) {
        Some(few) => few,
        None => {
            many.resize(list.len(), blank);
            &mut many[..]
        }
    };
    for (slot, (fd, _)) in fds.iter_mut().zip(list) {
        slot.fd = fd.raw();
    }
    let milliseconds = match timeout {
        None => -1,
        Some(t) => i32::try_from(t.as_micros().div_ceil(1000)).unwrap_or(i32::MAX),
    };
    let call = trace::receives("poll").may_sleep(milliseconds != 0).start(|| {
        let fds: Vec<String> = list.iter().map(|(fd, _)| fd.to_string()).collect();
        format!("[{}], {}, {milliseconds}", fds.join(" "), list.len())
    });
    let count = list.len() as libc::nfds_t;
    // SAFETY: `fds` has `count` live, initialised elements.
    let result = check(unsafe { libc::poll(fds.as_mut_ptr(), count, milliseconds) });
    let is_ready = |(slot, _): &(&libc::pollfd, _)| result.is_ok() && slot.revents != 0;
    let ready = fds.iter().zip(list).filter(is_ready).map(|(_, (_, token))| *token);
    events.fill_readable(ready);
    match call.end_full(result, |_| tell(events.iter())) {
        Err(error) if error.raw_os_error() != Some(libc::EINTR) => Err(error),
        _ => Ok(()),
    }
}
// ANCHOR_END: poll
