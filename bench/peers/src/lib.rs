//! What the peers share: the command line, the announcement, the demo routes'
//! numbers. The ladder starts them as it starts a stage: `--port 0`, and waits
//! for the line `listening on http://…`.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::SystemTime;

/// The body of `GET /`.
pub const HELLO: &str = "Hello World\n";
/// What is answered to `GET /`, like the stages.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// How many threads hyper and axum get: one per core of a machine with two, as
/// nginx has workers.
pub const TOKIO_WORKERS: usize = 2;

/// Binds to 127.0.0.1 and the port after `--port` (0: the kernel picks one).
///
/// # Errors
/// The port is not a number or not free.
pub fn bind() -> io::Result<TcpListener> {
    let mut args = std::env::args().skip_while(|arg| arg != "--port").skip(1);
    let port = match args.next() {
        Some(text) => text.parse().map_err(io::Error::other)?,
        None => 8080,
    };
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

/// Says where it listens, as the stages do.
///
/// # Errors
/// Stdout cannot be written to.
pub fn announce(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "listening on http://{address}")?;
    out.flush()
}

/// The number in `ms=20` or `bytes=1048576`.
pub fn number(query: Option<&str>, name: &str) -> u64 {
    let value = query.and_then(|q| q.strip_prefix(name)?.strip_prefix('='));
    value.and_then(|v| v.parse().ok()).unwrap_or(0)
}

/// The answer of the floor to everything: the bytes of ch07's answer to `GET /`.
pub fn fixed_answer() -> String {
    format!(
        "HTTP/1.1 200 OK\r\nDate: {}\r\nContent-Type: {TEXT}\r\nContent-Length: {}\r\n\
         Connection: keep-alive\r\n\r\n{HELLO}",
        httpdate::fmt_http_date(SystemTime::now()),
        HELLO.len()
    )
}
