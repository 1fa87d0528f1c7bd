//! The socket calls, in the order in which a server meets them.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::RawFd;

use super::address::RawAddress;
use super::{Fd, check};
use crate::trace::{self, Role};

// ANCHOR: socket
/// socket(2): an endpoint that is not yet connected to anything.
///
/// # Errors
/// `EMFILE`, `ENFILE`, `EAFNOSUPPORT` (a kernel without IPv6).
#[track_caller]
pub fn socket(address: SocketAddr) -> io::Result<Fd> {
    let (family, name) = match address {
        SocketAddr::V4(_) => (libc::AF_INET, "AF_INET"),
        SocketAddr::V6(_) => (libc::AF_INET6, "AF_INET6"),
    };
    let call = trace::gives("socket").start(|| format!("{name}, SOCK_STREAM"));
    // SAFETY: takes three ints.
    let raw = call.end(check(unsafe { libc::socket(family, libc::SOCK_STREAM, 0) }))?;
    Ok(Fd::new(raw))
}
// ANCHOR_END: socket

// ANCHOR: set_reuse_address
/// setsockopt(2) with `SO_REUSEADDR`: lets a restarted server bind although
/// connections of the old one are still in TIME_WAIT. It does not let two
/// servers listen on one port (socket(7)). Set it before [`bind`].
#[track_caller]
pub fn set_reuse_address(fd: &Fd) -> io::Result<()> {
    set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1, "SOL_SOCKET, SO_REUSEADDR")
}
// ANCHOR_END: set_reuse_address

#[cfg(target_os = "freebsd")]
const REUSE_PORT: (i32, &str) = (libc::SO_REUSEPORT_LB, "SOL_SOCKET, SO_REUSEPORT_LB");
#[cfg(not(target_os = "freebsd"))]
const REUSE_PORT: (i32, &str) = (libc::SO_REUSEPORT, "SOL_SOCKET, SO_REUSEPORT");

/// Whether the system spreads connections over the sockets that share a port.
/// Others let them share it, and promise no more: nothing in their manuals says who gets which.
pub const REUSE_PORT_BALANCES: bool =
    cfg!(any(target_os = "linux", target_os = "freebsd", target_os = "dragonfly"));

/// setsockopt(2) with `SO_REUSEPORT` (FreeBSD: `SO_REUSEPORT_LB`): several sockets
/// may listen on one port, each with an accept queue of its own; the kernel
/// chooses by a hash of the two addresses. Set it on each before [`bind`].
#[track_caller]
pub fn set_reuse_port(fd: &Fd) -> io::Result<()> {
    let (option, names) = REUSE_PORT;
    set_option(fd, libc::SOL_SOCKET, option, 1, names)
}

// ANCHOR: set_no_delay
/// setsockopt(2) with `TCP_NODELAY`: send each write at once. Without it a
/// second small write waits for the acknowledgement of the first (Nagle),
/// which the peer may delay by 40 ms and more.
///
/// # Errors
/// macOS says `EINVAL` when the peer has already gone: that is a closed
/// connection, not a bug.
#[track_caller]
pub fn set_no_delay(fd: &Fd) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1, "IPPROTO_TCP, TCP_NODELAY")
}
// ANCHOR_END: set_no_delay

/// setsockopt(2) with `SO_RCVBUF`, in bytes; for the lab's slow readers. Set it
/// before [`connect`]: the window is agreed on then.
#[track_caller]
pub fn set_receive_buffer(fd: &Fd, bytes: i32) -> io::Result<()> {
    set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, bytes, "SOL_SOCKET, SO_RCVBUF")
}

/// setsockopt(2) with `TCP_MAXSEG`, in bytes; for the lab's slow readers, so
/// that the peer's send buffer fills as it would across a network.
#[track_caller]
pub fn set_max_segment(fd: &Fd, bytes: i32) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_MAXSEG, bytes, "IPPROTO_TCP, TCP_MAXSEG")
}

// ANCHOR: set_option
#[track_caller]
fn set_option(fd: &Fd, level: i32, option: i32, value: i32, names: &str) -> io::Result<()> {
    let call = trace::gives("setsockopt").fd(fd.raw()).start(|| format!("{fd}, {names}, {value}"));
    // SAFETY: the pointer and the length are those of one live int.
    let result = check(unsafe {
        libc::setsockopt(
            fd.raw(),
            level,
            option,
            (&raw const value).cast(),
            mem::size_of::<i32>() as libc::socklen_t,
        )
    });
    call.end(result).map(|_| ())
}
// ANCHOR_END: set_option

/// setsockopt(2) with `SO_LINGER` and zero seconds: the next close sends RST
/// instead of FIN. For the lab's rude clients.
#[track_caller]
pub fn set_linger_zero(fd: &Fd) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let call = trace::gives("setsockopt")
        .fd(fd.raw())
        .start(|| format!("{fd}, SOL_SOCKET, SO_LINGER, {{1, 0}}"));
    // SAFETY: the pointer and the length are those of one live linger struct.
    let result = check(unsafe {
        libc::setsockopt(
            fd.raw(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            mem::size_of::<libc::linger>() as libc::socklen_t,
        )
    });
    call.end(result).map(|_| ())
}

// ANCHOR: bind
/// bind(2): gives the socket its local address. Port 0 lets the kernel choose.
///
/// # Errors
/// `EADDRINUSE` (another socket listens there), `EADDRNOTAVAIL` (no interface
/// of this machine has that address), `EACCES` (a port below 1024 without the
/// right to it).
#[track_caller]
pub fn bind(fd: &Fd, address: SocketAddr) -> io::Result<()> {
    let raw = RawAddress::new(address);
    let call = trace::gives("bind").fd(fd.raw()).start(|| format!("{fd}, {address}"));
    // SAFETY: pointer and length describe one initialised address that outlives the call.
    let result = check(unsafe { libc::bind(fd.raw(), raw.as_ptr(), raw.len()) });
    call.end(result).map(|_| ())
}
// ANCHOR_END: bind

// ANCHOR: listen
/// listen(2): from now on the kernel completes handshakes by itself and puts
/// finished connections into the socket's accept queue, at most `backlog` of
/// them. Linux caps it at net.core.somaxconn (4096), macOS at 128.
///
/// # Errors
/// `EADDRINUSE` (Linux checks the port a second time here).
#[track_caller]
pub fn listen(fd: &Fd, backlog: i32) -> io::Result<()> {
    trace::name_fd(fd.raw(), Role::Listener);
    let call = trace::gives("listen").fd(fd.raw()).start(|| format!("{fd}, {backlog}"));
    // SAFETY: takes two ints.
    call.end(check(unsafe { libc::listen(fd.raw(), backlog) })).map(|_| ())
}
// ANCHOR_END: listen

// ANCHOR: local_address
/// getsockname(2): the address that [`bind`] gave the socket; the way to learn
/// which port the kernel chose.
#[track_caller]
pub fn local_address(fd: &Fd) -> io::Result<SocketAddr> {
    let mut raw = RawAddress::empty();
    let call = trace::gives("getsockname").fd(fd.raw()).start(|| fd.to_string());
    // SAFETY: `raw` has room for any address, and its length field says so.
    let result = check(unsafe { libc::getsockname(fd.raw(), raw.as_mut_ptr(), raw.len_mut()) });
    let address = result.and_then(|_| raw.get());
    call.end_with(address, |address| format!("({address})"))
}
// ANCHOR_END: local_address

// ANCHOR: accept
/// accept(2): takes the oldest finished connection out of the accept queue and
/// gives it a descriptor of its own: the lowest free number.
///
/// # Errors
/// `EAGAIN` (non-blocking listener, queue empty), `ECONNABORTED` (the client
/// reset before we got here), `EMFILE` / `ENFILE` (no descriptor left), and on
/// Linux pending *network* errors of the new socket, such as `EPROTO`.
#[track_caller]
pub fn accept(listener: &Fd) -> io::Result<(Fd, SocketAddr)> {
    let mut peer = RawAddress::empty();
    let call = trace::receives("accept")
        .fd(listener.raw())
        .may_sleep(listener.may_sleep())
        .start(|| listener.to_string());
    // SAFETY: `peer` has room for any address, and its length field says so.
    let result = check(unsafe { libc::accept(listener.raw(), peer.as_mut_ptr(), peer.len_mut()) });
    let accepted = result.map(|raw| {
        trace::name_fd(raw, Role::Client);
        let client = Fd::new(raw);
        // The BSDs hand the listener's O_NONBLOCK down, Linux does not.
        client.mark_nonblocking(cfg!(not(target_os = "linux")) && !listener.may_sleep());
        client
    });
    let client = call.end_with(accepted, |_| match peer.get() {
        Ok(peer) => format!("({peer})"),
        Err(_) => String::new(),
    })?;
    Ok((client, peer.get()?))
}
// ANCHOR_END: accept

/// connect(2), blocking; for the lab's clients.
#[track_caller]
pub fn connect(fd: &Fd, address: SocketAddr) -> io::Result<()> {
    let raw = RawAddress::new(address);
    let call =
        trace::gives("connect").fd(fd.raw()).may_sleep(true).start(|| format!("{fd}, {address}"));
    // SAFETY: pointer and length describe one initialised address that outlives the call.
    let result = check(unsafe { libc::connect(fd.raw(), raw.as_ptr(), raw.len()) });
    call.end(result).map(|_| ())
}

// ANCHOR: shutdown_both
/// shutdown(2) with `SHUT_WR`: sends FIN, so that the peer reads EOF; this
/// side can still read.
///
/// # Errors
/// `ENOTCONN` when the peer is gone already (usual on macOS): not a bug.
#[track_caller]
pub fn shutdown_write(fd: &Fd) -> io::Result<()> {
    shutdown(fd.raw(), libc::SHUT_WR, "SHUT_WR")
}

/// shutdown(2) with `SHUT_RDWR`: ends a connection in both directions while the
/// descriptor stays valid for whoever holds it. Takes the number, because the
/// caller is not the owner; the owner must not close it meanwhile.
///
/// # Errors
/// `ENOTCONN` when the peer is gone already: not a bug.
#[track_caller]
pub fn shutdown_both(fd: RawFd) -> io::Result<()> {
    shutdown(fd, libc::SHUT_RDWR, "SHUT_RDWR")
}
// ANCHOR_END: shutdown_both

// ANCHOR: shutdown
#[track_caller]
fn shutdown(fd: RawFd, how: i32, name: &str) -> io::Result<()> {
    let call = trace::gives("shutdown").fd(fd).start(|| format!("{fd}, {name}"));
    // SAFETY: takes two ints.
    call.end(check(unsafe { libc::shutdown(fd, how) })).map(|_| ())
}
// ANCHOR_END: shutdown

// ANCHOR: socket_pair
/// socketpair(2): two connected sockets inside this process. What is written
/// to one can be read from the other, so one end can wake a thread that waits
/// for the other to become readable.
///
/// # Errors
/// `EMFILE`, `ENFILE`.
#[track_caller]
pub fn socket_pair() -> io::Result<(Fd, Fd)> {
    let mut raw = [0; 2];
    let call = trace::gives("socketpair").start(|| "AF_UNIX, SOCK_STREAM".to_string());
    // SAFETY: `raw` has room for the two ints that the kernel writes.
    let result =
        check(unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, raw.as_mut_ptr()) });
    call.end_with(result, |_| format!("[{}, {}]", raw[0], raw[1]))?;
    trace::name_fd(raw[0], Role::Wake);
    trace::name_fd(raw[1], Role::Wake);
    Ok((Fd::new(raw[0]), Fd::new(raw[1])))
}
// ANCHOR_END: socket_pair
