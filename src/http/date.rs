//! The Date of an answer (RFC 9110 §6.6.1).

// Where the system keeps thread-locals behind a key (OpenBSD), the lint does not see the const.
#![allow(clippy::missing_const_for_thread_local)]

use std::cell::RefCell;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Length of `Sun, 06 Nov 1994 08:49:37 GMT`: the same for every date.
const LENGTH: usize = 29;

thread_local! {
    /// The second that was last written out. One for each thread: to share it
    /// would take a lock, and to make it takes less than that.
    static LAST: RefCell<(u64, [u8; LENGTH])> = const { RefCell::new((u64::MAX, [b' '; LENGTH])) };
}

/// Seconds since the epoch. For the unit tests, which compare whole answers, time
/// stands still.
fn now() -> u64 {
    let now = if cfg!(test) { UNIX_EPOCH } else { SystemTime::now() };
    now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// Appends the time of now. It is made into text once a second.
pub(super) fn append(into: &mut Vec<u8>) {
    let now = now();
    LAST.with_borrow_mut(|(second, text)| {
        if *second != now {
            *second = now;
            let date = httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_secs(now));
            // It has that length up to the year 9999.
            let _ = write!(&mut text[..], "{date}");
        }
        into.extend_from_slice(text);
    });
}
