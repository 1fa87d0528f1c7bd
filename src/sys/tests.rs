//! Where the systems differ: what this one does, and that the wrappers bear what
//! the others do.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::*;
use crate::queue::{Events, Mode, Queue, Token, Want};

const SOON: Option<Duration> = Some(Duration::from_secs(30));

fn listener() -> (Fd, SocketAddr) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = socket(any).unwrap();
    bind(&listener, any).unwrap();
    listen(&listener, 1).unwrap();
    let address = local_address(&listener).unwrap();
    (listener, address)
}

/// A server's end of a connection, and its client's; both may sleep.
pub(crate) fn tcp_pair() -> (Fd, Fd) {
    let (listener, address) = listener();
    let client = socket(address).unwrap();
    connect(&client, address).unwrap();
    (accept(&listener).unwrap().0, client)
}

/// The client resets the connection; returns when its server's end knows.
pub(crate) fn reset(client: Fd, server: &Fd) {
    set_linger_zero(&client).unwrap();
    close(client);
    let queue = Queue::new().unwrap();
    queue.add(server, Token::new(server), Want::Read, Mode::Oneshot).unwrap();
    queue.wait(&mut Events::with_capacity(1), SOON).unwrap();
    queue.delete(server).unwrap();
}

/// What the kernel says, as against what the wrapper remembers.
fn is_nonblocking(fd: &Fd) -> bool {
    // SAFETY: takes two ints.
    check(unsafe { libc::fcntl(fd.raw(), libc::F_GETFL) }).unwrap() & libc::O_NONBLOCK != 0
}

#[test]
fn only_linux_does_not_hand_the_listeners_nonblocking_down() {
    let (listener, address) = listener();
    set_nonblocking(&listener).unwrap();
    let client = socket(address).unwrap();
    connect(&client, address).unwrap();
    let (server, _) = accept(&listener).unwrap();
    assert_eq!(is_nonblocking(&server), cfg!(not(target_os = "linux")));
    assert_eq!(server.may_sleep(), !is_nonblocking(&server), "the trace knows it");
}

#[test]
fn set_nonblocking_is_right_whether_or_not_the_flag_was_handed_down() {
    for handed_down in [false, true] {
        let (server, _client) = tcp_pair();
        let flags = if handed_down { libc::O_NONBLOCK } else { 0 };
        // SAFETY: takes three ints.
        check(unsafe { libc::fcntl(server.raw(), libc::F_SETFL, flags) }).unwrap();
        set_nonblocking(&server).unwrap();
        assert!(is_nonblocking(&server) && !server.may_sleep());
        let error = read(&server, &mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}

#[test]
fn what_is_done_with_a_client_that_has_gone_fails_and_never_says_wait() {
    let (server, client) = tcp_pair();
    set_nonblocking(&server).unwrap();
    reset(client, &server);
    let results = [
        // macOS: EINVAL; FreeBSD: ECONNRESET; Linux does not mind.
        set_no_delay(&server),
        // macOS, FreeBSD, Linux: ENOTCONN.
        shutdown_write(&server),
        read(&server, &mut [0; 8]).map(|n| assert_eq!(n, 0)),
        write(&server, b"x").map(|_| panic!("it was written to nobody")),
    ];
    let said: Vec<&str> = results
        .iter()
        .map(|result| match result {
            Ok(()) => "",
            Err(error) => error.raw_os_error().and_then(errno_name).unwrap_or("?"),
        })
        .collect();
    let known = ["", "EINVAL", "ECONNRESET", "ENOTCONN", "EPIPE"];
    assert!(said.iter().all(|errno| known.contains(errno)), "{said:?}");
    if cfg!(all(target_os = "linux", not(feature = "libkqueue"))) {
        // (libkqueue, with which `reset` waits, takes the error out of the socket.)
        assert_eq!(said, ["", "ENOTCONN", "ECONNRESET", "EPIPE"]);
    }
}
