//! What the tests of whole processes share: a server that is stopped whatever
//! becomes of the test, and a client that writes bytes as they are and reads
//! answers as strictly as the RFCs define them.

// Each test program uses a part of it.
#![allow(dead_code)]

pub mod cases;
pub mod client;

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use common::sys;

/// How long to wait for what should happen at once.
pub const WAIT: Duration = Duration::from_secs(30);

/// A server that runs until this value goes; then it is killed and reaped.
pub struct Server {
    pub child: Child,
    pub stdout: Lines,
    pub stderr: Lines,
}

impl Server {
    /// Starts it with what it prints followed, as far as `command` does not
    /// direct it elsewhere.
    pub fn spawn(command: &mut Command) -> io::Result<Server> {
        let mut child = command.stdin(Stdio::null()).spawn()?;
        let (stdout, stderr) =
            (Lines::follow(child.stdout.take()), Lines::follow(child.stderr.take()));
        Ok(Server { child, stdout, stderr })
    }

    /// The same, with all it prints followed.
    pub fn spawn_heard(command: &mut Command) -> io::Result<Server> {
        Server::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// The complete server, on a free port.
    pub fn ch07(args: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ch07_full"));
        Server::spawn_heard(command.args(["--addr", "127.0.0.1:0"]).args(args)).unwrap()
    }

    /// Where it says that it listens. Says it once.
    pub fn address(&self) -> SocketAddr {
        let Some(line) = self.stdout.next() else {
            panic!("it ended without a word on stdout; stderr: {:?}", self.stderr.rest());
        };
        let address = line.strip_prefix("listening on http://").and_then(|a| a.parse().ok());
        address.unwrap_or_else(|| panic!("not an announcement: {line:?}"))
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        sys::send_signal(self.child.id(), libc::SIGTERM).unwrap();
    }

    /// Waits until it has ended; returns its status and what it said on stderr.
    pub fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let said = self.stderr.rest(); // stderr ends when the process does
        let patience = Instant::now() + WAIT;
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return (status, said),
                None if Instant::now() > patience => panic!("it closed stderr, and goes on"),
                None => thread::yield_now(),
            }
        }
    }

    /// Stops it, which must go well; returns what it said on stderr but for the
    /// counts of the whole run and the last line.
    pub fn finish(self) -> Vec<String> {
        self.terminate();
        let (status, mut said) = self.ended();
        assert_eq!(status.code(), Some(0), "{said:?}");
        assert_eq!(said.pop().as_deref(), Some("stopped; nothing was cut off"));
        assert!(said.pop().is_some_and(|line| line.starts_with("served ")));
        said
    }

    /// Kills it and returns what else it said, on stdout and on stderr.
    pub fn kill(mut self) -> (Vec<String>, Vec<String>) {
        self.end();
        (self.stdout.rest(), self.stderr.rest())
    }

    fn end(&mut self) {
        // No bound: after SIGKILL, or if it has ended already, this cannot last.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// The lines that come out of a pipe.
pub struct Lines(Receiver<String>);

impl Lines {
    pub fn follow(pipe: Option<impl Read + Send + 'static>) -> Lines {
        let (sender, receiver) = mpsc::channel();
        if let Some(pipe) = pipe {
            thread::spawn(move || {
                let lines = BufReader::new(pipe).split(b'\n').map_while(Result::ok);
                for line in lines {
                    // Nobody may be listening any more; the pipe is drained all the same.
                    let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
                }
            });
        }
        Lines(receiver)
    }

    /// The next line; `None` at the end.
    pub fn next(&self) -> Option<String> {
        match self.0.recv_timeout(WAIT) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("no line for {WAIT:?}"),
        }
    }

    /// All lines up to the end.
    pub fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }
}
