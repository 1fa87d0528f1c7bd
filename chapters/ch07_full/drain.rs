//! The server's last minute: sections 7.1 and 7.2.

use std::iter;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::cli::Failure;
use common::connection::{Connection, Next};
use common::listener::Listener;
use common::log;
use common::pool::Pool;
use common::queue::{Events, Want};
use common::table::Client;

use super::backpressure::{EVENTS, Gate};
use super::{Server, TURN_BYTES};

/// How soon a drain without a descriptor to spare tries to accept again.
const RETRY: Duration = Duration::from_millis(10);

impl Server {
    // ANCHOR: drain
    /// Stops without losing an answer: who has connected is accepted, a request
    /// that has arrived is answered, and who is owed nothing is told that this is the
    /// end. Returns whether everybody could be accepted.
    ///
    /// Owed nothing is also a client whose whole answer is in the send buffer. It is
    /// listened to until its kernel has acknowledged all of it: if it spoke on when nobody
    /// listens any more, it would be reset, and lose the rest (RFC 9112 §9.6).
    pub(super) fn drain(
        &self,
        listener: Listener,
        mut gate: Gate,
        timeout: Duration,
    ) -> Result<bool, Failure> {
        let deadline = Instant::now() + timeout;
        let mut events = Events::with_capacity(EVENTS);
        let mut listener = Some(listener);
        self.report.drain_begins();
        loop {
            // To close a listener is to reset who is still in its accept queue.
            if let Some(mut open) = listener.take() {
                open.end_pause(&self.queue);
                if self.accept_all(&mut open) {
                    open.close(&self.queue);
                } else {
                    listener = Some(open); // no descriptor left, or too many at once
                }
            }
            // A request has arrived if its bytes are readable by now.
            self.catch_up(&mut events, &mut gate)?;
            self.expire(&mut events, &mut gate)?;
            // On every turn: a worker may have parked one since the last.
            self.part_with_idle(&mut gate);
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || (listener.is_none() && self.clients.is_empty()) {
                let everybody = listener.is_none();
                if let Some(open) = listener {
                    open.close(&self.queue);
                }
                return Ok(everybody);
            }
            // Then sleep from one answer to the next.
            let patience = if listener.is_some() { left.min(RETRY) } else { left };
            self.wait(&mut events, &gate, listener.as_ref(), Some(patience))?;
            events.iter().for_each(|event| self.dispatch(event.token, &mut gate.batch));
            self.hand_over(&mut gate);
        }
    }
    // ANCHOR_END: drain

    // ANCHOR: dismiss
    /// Takes leave of the clients that are owed nothing. What one of them has sent a
    /// moment ago may stand in its receive buffer: who parked it had not heard of the
    /// stop yet, and had not looked. And some may wait in the queue to be looked at.
    fn part_with_idle(&self, gate: &mut Gate) {
        let unseen = iter::from_fn(|| self.jobs.take_back(Connection::is_looked_at));
        for mut client in self.clients.take_idle().into_iter().chain(unseen) {
            match client.has_arrived(TURN_BYTES) {
                Ok(true) => gate.batch.push(client),
                Ok(false) if client.part() == Next::Read => self.park_anew(client, Want::Read),
                Ok(false) | Err(_) => self.dismiss(vec![client]),
            }
        }
        self.hand_over(gate);
    }

    /// Closes clients that were parked: the kernel still watches them.
    pub(super) fn dismiss(&self, clients: Vec<Connection>) {
        for client in clients {
            let deleted = self.queue.delete(client.socket());
            log::check(format_args!("client {}: delete", client.peer), deleted);
            self.clients.close(client);
            self.wants_room.store(false, Ordering::SeqCst);
        }
    }
    // ANCHOR_END: dismiss
}

// ANCHOR: end
/// Ends the workers, then closes what is left.
pub(super) fn end(server: Arc<Server>, workers: Pool, everybody: bool) -> ExitCode {
    let parked = server.clients.take_all();
    let busy = server.clients.len() - parked.len();
    // Who is leaving was sent its whole answer. Has it come?
    let has_all = |c: &Connection| c.is_leaving() && c.unacknowledged().is_none_or(|n| n == 0);
    let unsent = parked.iter().filter(|client| client.is_owed() && !has_all(client)).count();
    server.dismiss(parked);
    server.errors.flush("client errors");
    log::line(format_args!("{}", server.report));
    let too_slow = server.report.cut_in_the_drain();
    if server.clients.shut_down_the_rest() == 0 {
        server.jobs.close();
        workers.join();
        if let Some(Server { queue, stop, .. }) = Arc::into_inner(server) {
            stop.close();
            queue.close();
        }
    } // Else a handler is still busy. No thread can be ended from outside, only the process.
    let cut = match busy + unsent {
        0 if everybody => {
            match too_slow {
                0 => log::line(format_args!("stopped; nothing was cut off")),
                n => log::line(format_args!("stopped; {n} clients had run out of time before")),
            }
            return ExitCode::SUCCESS;
        }
        0 => "clients that could not be accepted were turned away".to_string(),
        n if everybody => format!("{n} connections were cut off"),
        n => format!("{n} connections were cut off, and clients not yet accepted turned away"),
    };
    log::line(format_args!("stopped at the drain deadline; {cut}"));
    ExitCode::from(3)
}
// ANCHOR_END: end
