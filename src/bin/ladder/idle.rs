//! Connections that say nothing, and what they and an idle second cost.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use common::sys;

use super::process::Server;
use super::procfs::{self, Usage};
use super::sides::Side;
use super::trouble::{Result, Trouble, check_interrupt};

/// Descriptors that this program and the servers need beside the connections.
const RESERVED: u64 = 700;
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One request by hand, and its answer as text.
///
/// # Errors
/// No complete answer comes.
pub fn ask(stream: &mut TcpStream, close: bool) -> Result<String> {
    let more = if close { "Connection: close\r\n" } else { "" };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{more}\r\n").as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(length) = length_of(&answer).filter(|length| answer.len() >= *length) {
            return Ok(String::from_utf8_lossy(&answer[..length]).into_owned());
        }
        match stream.read(&mut piece)? {
            0 => return Err(Trouble::of("the connection was closed before the answer")),
            n => answer.extend_from_slice(&piece[..n]),
        }
    }
}

/// How long the whole answer is, once its head is there. (Who does not say its
/// length is not measured: all peers do.)
fn length_of(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let body = head.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse().ok());
    Some(end + body.unwrap_or(0usize))
}

/// How many of `wanted` connections this process can have.
///
/// # Errors
/// Fewer than 200: the figure would mean nothing.
pub fn affordable(wanted: usize) -> Result<usize> {
    let limit = sys::raise_descriptor_limit()?.saturating_sub(RESERVED);
    let count = wanted.min(usize::try_from(limit).unwrap_or(wanted));
    match count {
        200.. => Ok(count),
        _ => Err(Trouble::of(format!("descriptors for {count} connections only: ulimit -n"))),
    }
}

/// Idle connections.
#[derive(Debug)]
pub struct Crowd(Vec<TcpStream>);

impl Crowd {
    /// Opens them; each asks once if the server keeps it open then.
    ///
    /// # Errors
    /// A connection fails.
    pub fn open(to: SocketAddr, count: usize, speak: bool) -> Result<Crowd> {
        let mut crowd = Vec::with_capacity(count);
        for number in 1..=count {
            check_interrupt()?;
            let mut stream = TcpStream::connect(to)
                .map_err(|e| Trouble::of(format!("idle connection {number}: {e}")))?;
            if speak {
                ask(&mut stream, false)
                    .map_err(|e| Trouble::of(format!("idle connection {number}: {e}")))?;
            }
            crowd.push(stream);
        }
        Ok(Crowd(crowd))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// # Errors
    /// The server has closed some of them: they were not idle, but gone.
    pub fn check_open(&self) -> Result<()> {
        let is_open = |stream: &&TcpStream| {
            let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
            peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        };
        match self.0.iter().filter(is_open).count() {
            open if open == self.0.len() => Ok(()),
            open => Err(Trouble::of(format!(
                "of {} idle connections {open} were still open at the end",
                self.0.len()
            ))),
        }
    }
}

/// Memory for each idle connection; CPU and wake-ups of a second without a client.
///
/// # Errors
/// There is no `/proc`; connections fail.
pub fn measure(side: &Side, server: &Server) -> Result<BTreeMap<String, f64>> {
    settle(server)?;
    let before = procfs::usage(&server.family)?;
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        check_interrupt()?;
        thread::sleep(Duration::from_millis(20));
    }
    let used = procfs::usage(&server.family)?.since(before);
    let seconds = since.elapsed().as_secs_f64();

    // ch02 asks every client in every turn: 10,000 would take it minutes to accept.
    let count = affordable(if side.name == "ch02_nonblocking" { 1_000 } else { 10_000 })?;
    let before = settle(server)?;
    let crowd = Crowd::open(server.address, count, side.keeps_alive())?;
    let memory = settle(server)?.since(before).resident;
    crowd.check_open()?;
    let values = [
        ("idle_cpu_us", used.cpu_ns as f64 / 1e3 / seconds),
        ("idle_sleeps", used.sleeps as f64 / seconds),
        ("idle_connections", crowd.len() as f64),
        ("memory_bytes", memory as f64 / crowd.len() as f64),
    ];
    Ok(values.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
}

/// Waits until the server has come to rest: a tenth of a second without CPU time.
/// One that never rests (ch02) is taken as it is after two seconds.
fn settle(server: &Server) -> Result<Usage> {
    let give_up = Instant::now() + Duration::from_secs(2);
    let mut last = procfs::usage(&server.family)?;
    loop {
        check_interrupt()?;
        thread::sleep(Duration::from_millis(100));
        let now = procfs::usage(&server.family)?;
        if now.since(last).cpu_ns == 0 || Instant::now() > give_up {
            return Ok(now);
        }
        last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_its_head_and_what_the_head_says() {
        assert_eq!(length_of(b"HTTP/1.1 200 OK\r\nContent-Le"), None);
        assert_eq!(length_of(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nHel"), Some(51));
        assert_eq!(length_of(b"HTTP/1.1 204 No Content\r\n\r\n"), Some(27));
    }

    #[test]
    fn a_crowd_notices_who_was_closed() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a listener");
        let address = listener.local_addr().expect("its address");
        let crowd = Crowd::open(address, 3, false).expect("a crowd");
        let mut served: Vec<_> = (0..3).map(|_| listener.accept().expect("a client").0).collect();
        assert_eq!(crowd.check_open(), Ok(()));
        served.pop();
        // The close is on its way: wait until it is seen.
        let give_up = Instant::now() + PATIENCE;
        while crowd.check_open().is_ok() {
            assert!(Instant::now() < give_up, "the close was never seen");
            thread::yield_now();
        }
        let said = crowd.check_open().expect_err("a trouble").to_string();
        assert_eq!(said, "of 3 idle connections 2 were still open at the end");
    }
}
