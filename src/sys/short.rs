//! The feature `short-io`: reads and writes as a bad day has them.
//!
//! On an idle loopback a request nearly always comes in one read, and an answer
//! leaves in one write. With this feature the calls on non-blocking sockets are
//! made with less room than was asked for, often with one byte, so that the short
//! read or write *really happens*: nothing is lost and nothing made up. Some are
//! not made at all: the caller is told that a signal came first (`EINTR`), or, if
//! it writes, that the send buffer is full (`EAGAIN`; it will be told at once that
//! there is room). The sequence of choices is fixed; which thread draws which of
//! them is not.
//!
//! For tests of the chapters that keep what is unfinished (6 and 7). The others
//! answer 400 to a request that comes in pieces, as they say.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Fd;

/// How much room a read gets.
pub(super) fn reading(fd: &Fd, asked: usize) -> io::Result<usize> {
    deal(fd, asked, libc::EINTR)
}

/// How much of what is to be written a write may take.
pub(super) fn writing(fd: &Fd, asked: usize) -> io::Result<usize> {
    deal(fd, asked, libc::EAGAIN)
}

/// What cannot be shorter is left alone; so is a socket that may sleep.
fn deal(fd: &Fd, asked: usize, refusal: i32) -> io::Result<usize> {
    if asked <= 1 || fd.may_sleep() {
        return Ok(asked);
    }
    let random = next();
    let part = |of: usize| 1 + (random >> 8) as usize % of;
    match random % 8 {
        0 => Err(io::Error::from_raw_os_error(libc::EINTR)),
        1 => Err(io::Error::from_raw_os_error(refusal)),
        2 | 3 => Ok(1),
        4 | 5 => Ok(part(asked.min(64))),
        _ => Ok(part(asked)),
    }
}

/// SplitMix64: a counter, well mixed.
fn next() -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut z = COUNTER.fetch_add(STEP, Ordering::Relaxed);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys;

    #[test]
    fn every_kind_of_bad_luck_comes_and_no_byte_is_lost() {
        let (from, to) = sys::socket_pair().unwrap();
        [&from, &to].into_iter().for_each(|fd| sys::set_nonblocking(fd).unwrap());
        let (sent, mut got) = (vec![b'x'; 50_000], Vec::new());
        let (mut at, mut short, mut interrupted, mut full) = (0, 0, 0, 0);
        let mut room = [0; 4096];
        while got.len() < sent.len() {
            if at < sent.len() {
                let some = &sent[at..sent.len().min(at + 4096)];
                match sys::write(&from, some) {
                    Ok(n) => {
                        short += usize::from(n < some.len());
                        at += n;
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => full += 1,
                    Err(e) => assert_eq!(e.kind(), io::ErrorKind::Interrupted),
                }
            }
            match sys::read(&to, &mut room) {
                Ok(n) => got.extend_from_slice(&room[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => interrupted += 1,
                Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert_eq!(got, sent);
        assert!(short > 0 && interrupted > 0 && full > 0, "{short} {interrupted} {full}");
    }
}
