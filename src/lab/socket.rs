//! The clients' sockets, which no server that is started meanwhile inherits.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::RwLock;

use super::Result;
use super::client::Window;
use crate::sys;

/// A connection with no time limits yet.
pub(super) fn open(to: SocketAddr, window: Window) -> Result<TcpStream> {
    let socket = not_inherited(|| sys::socket(to))?;
    if window == Window::Small {
        sys::set_receive_buffer(&socket, 4096)?;
        // Not every system lets a client choose it; the buffer alone will do.
        let _ = sys::set_max_segment(&socket, 536);
    }
    sys::connect(&socket, to)?;
    let stream = TcpStream::from(OwnedFd::from(socket));
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A socket that no server started meanwhile inherits: a copy of it there would
/// keep the connection open after the client has closed it. (Opening and marking
/// it are two calls; a fork between them would copy it.)
fn not_inherited(open: impl FnOnce() -> io::Result<sys::Fd>) -> io::Result<sys::Fd> {
    let _nobody_forks = FORKING.read();
    let socket = open()?;
    sys::set_cloexec(&socket)?;
    Ok(socket)
}

/// Runs `fork` at a moment when nobody opens a socket.
pub fn alone<T>(fork: impl FnOnce() -> T) -> T {
    let _nobody_opens = FORKING.write();
    fork()
}

static FORKING: RwLock<()> = RwLock::new(());
