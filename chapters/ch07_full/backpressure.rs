//! When the workers are busy: section 7.6.

use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use common::cli::{Failure, Trying};
use common::connection::Connection;
use common::handoff::{Pace, TICK};
use common::listener::Listener;
use common::log;
use common::queue::{self, Events, Want};
use common::table::Client;

use super::Server;

/// How many events one wait may bring.
pub(super) const EVENTS: usize = 512;

// ANCHOR: gate
/// Main's own: whom the last wait has brought, and whether to ask for more.
pub(super) struct Gate {
    pub(super) batch: Vec<Connection>,
    pace: Pace,
    /// If it is [`Pace::Watch`]: when to look how the workers get on.
    look_at: Instant,
    errors: log::Repeated,
}

impl Gate {
    pub(super) fn new() -> Gate {
        let (pace, look_at) = (Pace::Ask, Instant::now());
        Gate { batch: Vec::new(), pace, look_at, errors: log::Repeated::new() }
    }

    fn patience(&self) -> Option<Duration> {
        let left = || self.look_at.saturating_duration_since(Instant::now());
        (self.pace == Pace::Watch).then(left)
    }
}
// ANCHOR_END: gate

impl Server {
    // ANCHOR: wait
    /// Sleeps until something happens, or until it is time for something.
    ///
    /// While jobs wait for a worker, nobody gains by being taken out of the kernel
    /// to wait in one more queue; and each wake-up of main would cost a worker its
    /// core. So main then asks about two descriptors only: the listener, and the
    /// wake-up, which a signal makes readable, and the worker that runs dry, or comes
    /// round to a client that it has queued again. Nobody is locked out: new clients,
    /// deadlines and the stop are seen as ever, and when a client has had one of
    /// several turns, everybody else who is ready is next.
    pub(super) fn wait(
        &self,
        events: &mut Events,
        gate: &Gate,
        listener: Option<&Listener>,
        patience: Option<Duration>,
    ) -> Result<(), Failure> {
        let patience = [patience, self.timers.patience(), gate.patience()];
        let patience = patience.into_iter().flatten().min();
        let waited = match gate.pace {
            Pace::Ask => self.queue.wait(events, patience),
            // Asked here, too: the call itself may have been heard in the last wait.
            _ if self.jobs.has_gone_round() => self.queue.wait(events, Some(Duration::ZERO)),
            Pace::Watch | Pace::Hold => {
                let listener = listener.filter(|listener| !listener.is_paused());
                let listener = listener.map(|listener| (listener.socket(), listener.token));
                let wake_up = self.stop.watched();
                let waited = match listener {
                    Some(listener) => queue::poll(&[wake_up, listener], events, patience),
                    None => queue::poll(&[wake_up], events, patience),
                };
                // The queue watches these two as well: what was ready, it reports again.
                if self.jobs.has_gone_round() {
                    self.queue.wait(events, Some(Duration::ZERO))
                } else if let Err(error) = waited {
                    // No memory (ENOMEM; EAGAIN on macOS and the BSDs): ask about everybody.
                    gate.errors.failed("poll", &error);
                    self.queue.wait(events, patience)
                } else {
                    Ok(())
                }
            }
        };
        let for_nothing = events.is_empty() && !self.timers.is_due(Instant::now());
        self.report.woken(for_nothing);
        waited.trying("wait for events")
    }
    // ANCHOR_END: wait

    // ANCHOR: hand_over
    /// Gives the workers whom the wait has brought, all at once.
    pub(super) fn hand_over(&self, gate: &mut Gate) {
        let now = Instant::now();
        let tick_is_over = gate.pace != Pace::Ask && now >= gate.look_at;
        if gate.pace == Pace::Ask || tick_is_over {
            gate.look_at = now + TICK;
        }
        if !gate.batch.is_empty() {
            gate.pace = self.jobs.push_batch(&mut gate.batch);
        }
        if gate.pace != Pace::Ask {
            gate.pace = self.jobs.look(tick_is_over);
        }
    }
    // ANCHOR_END: hand_over

    // ANCHOR: look_again
    /// A client has its answers. To arm it, to be told of it, and to hand it over once
    /// more costs more than a `read`. So in a crowd a worker looks again when all who
    /// wait have had their turn: it may have asked by then. If not, it is parked.
    pub(super) fn look_again(&self, mut client: Connection, want: Want) {
        if !client.is_answered() || !self.jobs.is_worth_a_look(client.was_looked_at()) {
            return self.park(client, want);
        }
        client.rest_until_looked_at(Instant::now());
        let (fd, deadline) = (client.socket().raw(), client.deadline(&self.patience()));
        self.jobs.push_again(client);
        // After the push: whoever finds the entry due has to find the client.
        if self.timers.set(fd, deadline) || self.stop.is_requested() {
            self.stop.wake(); // main sleeps for too long, or has to take leave of it
        }
    }

    /// The time of a client may be up, and no worker has come to look at it: all may be
    /// in slow handlers. So the kernel looks, and who has asked is not late.
    pub(super) fn look_no_more(&self, fd: RawFd) {
        let is_it = |c: &Connection| c.is_looked_at() && c.socket().raw() == fd;
        if let Some(client) = self.jobs.take_back(is_it) {
            self.park_anew(client, Want::Read);
        }
    }
    // ANCHOR_END: look_again

    // ANCHOR: catch_up
    /// Hands over whoever is ready by now, also while main holds: who has spoken in
    /// time is not late only because nobody had the time to listen. Who becomes
    /// ready meanwhile can wait: this must end.
    pub(super) fn catch_up(&self, events: &mut Events, gate: &mut Gate) -> Result<(), Failure> {
        let mut waits = self.clients.len() / EVENTS + 1;
        while waits > 0 {
            self.queue.wait(events, Some(Duration::ZERO)).trying("wait for events")?;
            if !events.were_interrupted() {
                waits = if events.is_full() { waits - 1 } else { 0 };
            }
            events.iter().for_each(|event| self.dispatch(event.token, &mut gate.batch));
            self.hand_over(gate);
        }
        Ok(())
    }
    // ANCHOR_END: catch_up
}
