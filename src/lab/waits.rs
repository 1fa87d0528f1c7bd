//! What a scenario waits for in a server's trace.

use std::net::SocketAddr;

use super::server::is_quiet;
use super::{Record, Result, Server, Trouble};

impl Server {
    /// Waits for one record after `mark` that fits.
    ///
    /// # Errors
    /// As [`Server::wait_for`].
    pub fn wait_record(
        &self,
        what: &str,
        mark: u64,
        fits: impl Fn(&Record) -> bool,
    ) -> Result<Record> {
        self.wait_for(what, |records| records.iter().find(|r| r.seq > mark && fits(r)).cloned())
    }

    /// The record of the accept of the client at `peer`.
    ///
    /// # Errors
    /// As [`Server::wait_for`].
    pub fn accept_of(&self, peer: SocketAddr) -> Result<Record> {
        let note = format!("({peer})");
        let fits = |r: &Record| r.accepted().is_some() && r.note == note;
        self.wait_record(&format!("accept of {peer}"), 0, fits)
    }

    /// The descriptor by which the server knows the client at `peer`.
    ///
    /// # Errors
    /// As [`Server::wait_for`].
    pub fn fd_of(&self, peer: SocketAddr) -> Result<i32> {
        self.accept_of(peer)?.accepted().ok_or_else(|| Trouble("accept without result".into()))
    }

    /// Waits until main sleeps in its event queue's wait (or, in chapter 1, in
    /// accept), and nothing has come since.
    ///
    /// # Errors
    /// As [`Server::wait_for`].
    pub fn wait_until_asleep(&self) -> Result<()> {
        self.wait_for("main to fall asleep", |records| {
            records.iter().rev().find(|r| r.thread == "main")?.is_enter().then_some(())
        })
    }

    /// Waits until every thread sleeps, and none has been woken. It must not be a server
    /// that spins.
    ///
    /// # Errors
    /// As [`Server::wait_for`].
    pub fn wait_until_quiet(&self) -> Result<()> {
        // By way of strace it is another process. (The lock is held while it is waited for.)
        let pid = self.traced_pid().unwrap_or(self.pid());
        let sleeps = |records: &[Record]| self.sleeps(pid, records).then_some(());
        self.wait_for("all threads to fall asleep", sleeps)
    }

    /// Whether every thread sleeps by these records, which [`Server::wait_for`] has shown,
    /// and none has been woken since.
    pub fn is_quiet(&self, records: &[Record]) -> bool {
        self.sleeps(self.pid(), records)
    }

    /// A learner's program may have a thread that runs on and on and says nothing: there
    /// the records alone must do.
    fn sleeps(&self, pid: u32, records: &[Record]) -> bool {
        is_quiet(records) && (self.observed.impatient || self.observed.is_asleep(pid))
    }

    /// Waits until every thread sleeps, or the loop that never sleeps only turns.
    ///
    /// # Errors
    /// As [`Server::wait_for`].
    pub fn wait_until_at_rest(&self) -> Result<()> {
        let mut looks = 0; // several: bytes may be on their way to a sleeping thread
        let rest = self.wait_for("the server to come to rest", |records| {
            let turns = records.last().is_some_and(|r| r.errno.is_some() || r.times > 0);
            looks = if turns || is_quiet(records) { looks + 1 } else { 0 };
            (looks > 3).then_some(())
        });
        if self.observed.lock().ended { Ok(()) } else { rest }
    }
}
