//! A stage without a trace, for runs in which the trace would be in the way: it
//! would be thousands of lines a second, and writes of its own among the writes.
//! What is to be known of it, `/proc` tells (Linux).

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::{PATIENCE, Result, Trouble, trouble};
use crate::sys;

/// How often to look again for what nobody reports.
const LOOK: Duration = Duration::from_millis(2);

/// A running stage; killed, if it still runs, when this value goes.
#[derive(Debug)]
pub struct Plain {
    child: Child,
    /// Where it listens; `None` if it ended without saying so.
    pub address: Option<SocketAddr>,
    stderr: Receiver<String>,
}

impl Plain {
    /// Starts it, and waits until it says where it listens, or ends.
    ///
    /// # Errors
    /// It cannot be started, or does neither within [`PATIENCE`].
    pub fn start(command: &mut Command) -> Result<Plain> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        sys::prepare(command, None);
        let mut child = super::socket::alone(|| command.spawn())
            .map_err(|e| Trouble(format!("cannot start {command:?}: {e}")))?;
        let stderr = lines(child.stderr.take());
        let stdout = lines(child.stdout.take());
        let mut plain = Plain { child, address: None, stderr };
        plain.address = match stdout.recv_timeout(PATIENCE) {
            Ok(line) => line.strip_prefix("listening on http://").and_then(|a| a.parse().ok()),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => return trouble("it neither listens nor ends"),
        };
        Ok(plain)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// It has ended instead: what it said.
    pub fn address(&self) -> Result<SocketAddr> {
        self.address.ok_or_else(|| Trouble(format!("it did not start: {:?}", self.said())))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// What kill(2) says.
    pub fn signal(&self, signal: i32) -> Result<()> {
        Ok(sys::send_signal(self.pid(), signal)?)
    }

    /// Whether it has ended.
    ///
    /// # Errors
    /// What waitpid(2) says.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// The threads whose name begins so; waits until there is one, because a new
    /// thread gives itself its name.
    ///
    /// # Errors
    /// There is none within [`PATIENCE`], or the process has ended.
    pub fn threads(&self, name: &str) -> Result<Vec<u32>> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let mut found = Vec::new();
            for task in fs::read_dir(format!("/proc/{}/task", self.pid()))? {
                let task = task?.path();
                if fs::read_to_string(task.join("comm"))?.starts_with(name) {
                    found.extend(task.file_name().and_then(|n| n.to_str()?.parse::<u32>().ok()));
                }
            }
            if !found.is_empty() {
                return Ok(found);
            }
            if Instant::now() > give_up {
                return trouble(format!("it has no thread {name}"));
            }
            // Between two looks: no event tells of it.
            thread::sleep(LOOK);
        }
    }

    /// How many descriptors it has.
    ///
    /// # Errors
    /// It has ended.
    pub fn descriptors(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.pid()))?.count())
    }

    /// A number of `/proc/PID/status`: `VmRSS` (KiB), `Threads`.
    ///
    /// # Errors
    /// It has ended, or has no such number.
    pub fn status(&self, name: &str) -> Result<usize> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
        number.ok_or_else(|| Trouble(format!("/proc/PID/status has no number {name}")))
    }

    /// Waits until it has so many descriptors, those of clients that have gone
    /// being closed.
    ///
    /// # Errors
    /// It has not within [`PATIENCE`]: a leak.
    pub fn wait_for_descriptors(&self, expected: usize) -> Result<()> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            match self.descriptors()? {
                n if n == expected => return Ok(()),
                n if Instant::now() > give_up => {
                    return trouble(format!("{n} descriptors are open, {expected} at the start"));
                }
                // Between two looks: no event tells of it.
                _ => thread::sleep(LOOK),
            }
        }
    }

    /// Waits until it has ended by itself; how, and what it said on stderr that
    /// nobody has asked for yet.
    ///
    /// # Errors
    /// It has not within [`PATIENCE`].
    pub fn ended(mut self) -> Result<(ExitStatus, Vec<String>)> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok((status, self.said()));
            }
            if Instant::now() > give_up {
                return trouble("it does not end");
            }
            // Between two looks: no event tells of it.
            thread::sleep(LOOK);
        }
    }

    /// What it says on stderr until it ends.
    fn said(&self) -> Vec<String> {
        std::iter::from_fn(|| self.stderr.recv_timeout(PATIENCE).ok()).collect()
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        // After SIGKILL, or if it has ended already, this cannot last.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines that come out of a pipe, which is drained whoever listens.
pub(super) fn lines(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(pipe) = pipe {
        thread::spawn(move || {
            let lines = BufReader::new(pipe).split(b'\n').map_while(std::result::Result::ok);
            for line in lines {
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
    }
    receiver
}
