//! Deadlines and limits: section 7.5. Nobody is waited for without end.

use std::io;
use std::iter;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::cli::{Failure, Options};
use common::connection::{Connection, Next, Patience};
use common::queue::{Events, Mode, Want};
use common::table::Client;

use super::Server;
use super::backpressure::Gate;

/// How long a client is listened to after its last answer; and while the server stops.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);
const SHORT_GOODBYE: Duration = Duration::from_millis(200);

/// Descriptors that are no clients: the listener, the queue, the wake-up, stdio, some to spare.
const RESERVED: u64 = 32;

/// How many clients there may be at once: as many as there are descriptors, or as
/// the command line says. A client that is sent a file has two of them.
pub(super) fn most_clients(options: &Options, descriptors: u64) -> usize {
    let each = if options.root.is_some() { 2 } else { 1 };
    let most = descriptors.saturating_sub(RESERVED) / each;
    options.max_connections.unwrap_or(most.max(1) as usize)
}

impl Server {
    /// Whether no more may be accepted. Then whoever leaves next wakes main.
    pub(super) fn is_full(&self) -> bool {
        let is_full = || self.clients.len() >= self.max_connections;
        is_full() && {
            self.wants_room.store(true, Ordering::SeqCst);
            // Who left before the store has woken nobody.
            is_full()
        }
    }

    // ANCHOR: expire
    pub(super) fn patience(&self) -> Patience {
        let goodbye = if self.stop.is_requested() { SHORT_GOODBYE } else { self.patience.goodbye };
        Patience { goodbye, ..self.patience }
    }

    /// Sees to it that main looks at a client in time; returns whether main would
    /// sleep for too long. Call it under the lock of the client's place.
    pub(super) fn set_timer(&self, client: &Connection) -> bool {
        self.timers.set(client.socket().raw(), client.deadline(&self.patience()))
    }

    /// Looks at the clients whose time may be up. Those that a worker has are
    /// not here: it sets their timers anew.
    pub(super) fn expire(&self, events: &mut Events, gate: &mut Gate) -> Result<(), Failure> {
        // One and the same `now`: whose time was not yet up when we caught up may
        // have spoken since.
        let now = Instant::now();
        if !self.timers.is_due(now) {
            return Ok(());
        }
        self.catch_up(events, gate)?;
        // All at once: who is armed below has another wait before its time is up again.
        let due: Vec<RawFd> = iter::from_fn(|| self.timers.take_due(now)).collect();
        for fd in due {
            let is_due = |client: &Connection| {
                let is_due = client.deadline(&self.patience()) <= now;
                is_due || {
                    self.set_timer(client);
                    false
                }
            };
            let Some(mut client) = self.clients.take_if(fd, is_due) else {
                self.look_no_more(fd);
                continue;
            };
            let next = client.time_is_up(self.stop.is_requested());
            if let Some(refused) = client.refused.take() {
                self.report.refused(client.peer, &refused, now);
            }
            match next {
                Ok(Next::Read) => self.park_anew(client, Want::Read),
                Ok(Next::Write) => self.park_anew(client, Want::Write),
                Ok(Next::Again | Next::Close) => {
                    if client.is_owed() && !client.is_leaving() {
                        let too_slow = io::Error::from(io::ErrorKind::TimedOut);
                        self.cut_off(&client, &too_slow);
                    }
                    self.dismiss(vec![client]);
                }
                Err(error) => {
                    self.cut_off(&client, &error);
                    self.dismiss(vec![client]);
                }
            }
        }
        Ok(())
    }

    /// Says that a client does not get the rest of its answer, and why.
    fn cut_off(&self, client: &Connection, error: &io::Error) {
        self.report.cut_off();
        self.errors.failed(format_args!("client {}: its answer is cut off", client.peer), error);
    }

    /// Gives a client into the kernel's care that is still there: it was not ready,
    /// only late. kqueue keeps reading and writing apart and would report both.
    pub(super) fn park_anew(&self, mut client: Connection, want: Want) {
        client.rest(Instant::now());
        let arm = |c: &Connection| {
            self.set_timer(c);
            self.queue.delete(c.socket())?;
            self.queue.add(c.socket(), c.token(), want, Mode::Oneshot)
        };
        if !self.clients.park(client, arm) {
            self.wants_room.store(false, Ordering::SeqCst);
        }
    }
    // ANCHOR_END: expire
}
