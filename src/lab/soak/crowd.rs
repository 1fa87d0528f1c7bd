//! Thousands of clients in one thread, on the project's own event queue.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::control::Control;
use super::guest::{Guest, Need, Outcome};
use super::scripts::{Dice, HEADER_TIMEOUT, IDLE_TIMEOUT, Kind, Scripts};
use crate::lab::{PATIENCE, Result, trouble};
use crate::queue::{Events, Mode, Queue, Token};
use crate::sys;

/// A good client waits for so long at most.
const AT_ONCE: Duration = Duration::from_secs(2);

/// What was sent so long before the signal to stop had arrived by then.
const ARRIVED: Duration = Duration::from_millis(100);

/// What became of the clients of one kind.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub clients: usize,
    here: usize,
    pub answers: usize,
    /// The server was right to end it: this program was late.
    pub late: usize,
    /// It came, or asked, when the server was stopping.
    pub turned_away: usize,
    /// It broke off when the server was at its drain deadline.
    pub cut: usize,
}

pub(super) struct Crowd<'a> {
    queue: Queue,
    guests: HashMap<Token, Guest>,
    timers: BinaryHeap<Reverse<(Instant, Token)>>,
    scripts: Scripts,
    dice: Dice,
    control: &'a Control,
    to: SocketAddr,
    next_look: Instant,
    /// When the server was asked to stop.
    stopping: Option<Instant>,
    pub tallies: BTreeMap<Kind, Tally>,
    /// Microseconds that good clients waited.
    pub waits: Vec<u32>,
    /// Waits beyond [`AT_ONCE`] that this machine's own delays explain.
    pub not_judged: usize,
    /// Answers cut by a stop that were to be taken at once, in words: wrong always.
    pub truncated: Vec<String>,
    /// Those of clients that took their time: wrong unless the drain deadline did it.
    pub cut_in_a_sip: Vec<String>,
}

impl<'a> Crowd<'a> {
    pub fn new(to: SocketAddr, scripts: Scripts, control: &'a Control) -> Result<Crowd<'a>> {
        Ok(Crowd {
            queue: Queue::new()?,
            guests: HashMap::new(),
            timers: BinaryHeap::new(),
            scripts,
            dice: Dice(1),
            control,
            to,
            next_look: Instant::now(),
            stopping: None,
            tallies: BTreeMap::new(),
            waits: Vec::new(),
            not_judged: 0,
            truncated: Vec::new(),
            cut_in_a_sip: Vec::new(),
        })
    }

    /// Keeps `size` clients busy for so long; `often` is called now and then.
    pub fn keep(
        &mut self,
        size: usize,
        length: Duration,
        often: &mut dyn FnMut() -> Result<Option<Duration>>,
    ) -> Result<()> {
        let end = Instant::now() + length;
        while Instant::now() < end {
            for (kind, percent) in Kind::ALL {
                let wanted = (size * percent / 100).max(1);
                let here = self.tallies.get(&kind).map_or(0, |tally| tally.here);
                // Not all at once: the accept queue holds a thousand.
                for _ in here..wanted.min(here + 20) {
                    self.admit(kind)?;
                }
            }
            self.turn()?;
            if let Some(frozen) = often()? {
                self.control.add(frozen);
            }
        }
        Ok(())
    }

    /// Lets everybody come to the end, or so many as do in that time. The others
    /// close.
    pub fn leave(&mut self, length: Duration) -> Result<()> {
        let end = Instant::now() + length;
        while !self.guests.is_empty() && Instant::now() < end {
            self.turn()?;
        }
        self.guests.clear();
        self.timers.clear();
        self.tallies.values_mut().for_each(|tally| tally.here = 0);
        Ok(())
    }

    /// From now on the server may turn people away.
    pub fn server_stops(&mut self) {
        self.stopping = Some(Instant::now());
    }

    fn admit(&mut self, kind: Kind) -> Result<()> {
        let acts = self.scripts.script(kind, &mut self.dice);
        let guest = match Guest::new(kind, self.to, acts) {
            Ok(guest) => guest,
            // No local port just now.
            Err(e) if e.raw_os_error() == Some(libc::EADDRNOTAVAIL) => return Ok(()),
            Err(e) => return trouble(format!("connect: {}", sys::describe(&e))),
        };
        self.queue.add(&guest.socket, guest.token, crate::queue::Want::Write, Mode::Oneshot)?;
        let tally = self.tallies.entry(kind).or_default();
        (tally.clients, tally.here) = (tally.clients + 1, tally.here + 1);
        self.guests.insert(guest.token, guest);
        Ok(())
    }

    /// One wait, and all that it brings.
    fn turn(&mut self) -> Result<()> {
        let before = Instant::now();
        let next = self.timers.peek().map(|Reverse((at, _))| at.saturating_duration_since(before));
        let patience = next.unwrap_or(TICK).min(TICK);
        let mut events = Events::with_capacity(1024);
        self.queue.wait(&mut events, Some(patience))?;
        let now = Instant::now();
        self.control.was_due(before + patience, now);
        let mut ready: Vec<Token> = events.iter().map(|event| event.token).collect();
        while let Some(Reverse((at, token))) = self.timers.peek().copied()
            && at <= now
        {
            self.timers.pop();
            ready.push(token);
        }
        for token in ready {
            self.step(token)?;
        }
        self.control.was_due(now, Instant::now());
        self.look_for_the_forgotten(now)
    }

    fn step(&mut self, token: Token) -> Result<()> {
        let now = Instant::now();
        let Some(guest) = self.guests.get_mut(&token) else { return Ok(()) };
        match guest.step(now) {
            Need::Ready(want) => self.queue.rearm(&guest.socket, token, want)?,
            Need::Time(at) => self.timers.push(Reverse((at, token))),
            Need::Over(outcome) => {
                if let Some(guest) = self.guests.remove(&token) {
                    self.queue.delete(&guest.socket)?;
                    self.over(guest, outcome, now)?;
                }
            }
        }
        Ok(())
    }

    fn over(&mut self, guest: Guest, outcome: Outcome, now: Instant) -> Result<()> {
        let kind = guest.kind;
        let tally = self.tallies.entry(kind).or_default();
        tally.answers += guest.answers;
        tally.here -= 1;
        for (asked, answered) in guest.waits.iter().filter(|_| kind.is_good()) {
            let wait = *answered - *asked;
            self.waits.push(u32::try_from(wait.as_micros()).unwrap_or(u32::MAX));
            if wait > AT_ONCE {
                let own = self.control.lost_between(*asked, *answered);
                if wait - own.min(wait) > AT_ONCE {
                    return trouble(format!(
                        "{kind:?} waited {wait:?}; this program itself lost {own:?} of that"
                    ));
                }
                self.not_judged += 1;
            }
        }
        // The server waits so long for a request, or for its answer to be taken.
        let took = if guest.has_asked() { guest.asked } else { now } - guest.active;
        let deadline = HEADER_TIMEOUT.min(IDLE_TIMEOUT).mul_f64(0.8);
        // It sees that the answer is taken only when a third of its send buffer is
        // free again: who is slower than that as a whole may be taken for dead.
        let (asked_late, took_late) = (took > deadline, now - guest.asked > deadline);
        match (outcome, self.stopping) {
            (Outcome::Done, _) => {}
            (Outcome::Unanswered, Some(stop)) => {
                if kind.is_good() && guest.has_asked() && guest.asked + ARRIVED < stop {
                    let early = stop - guest.asked;
                    return trouble(format!(
                        "{kind:?} asked {early:?} before the stop, and was not answered"
                    ));
                }
                tally.turned_away += 1;
            }
            (Outcome::Truncated(what), Some(_)) => {
                tally.cut += 1;
                match kind {
                    Kind::NotReading => {} // whatever cuts it off is right
                    Kind::SlowReading => self.cut_in_a_sip.push(format!("{kind:?}: {what}")),
                    _ => self.truncated.push(format!("{kind:?}: {what}")),
                }
            }
            (Outcome::Unanswered | Outcome::TooLate, _) if asked_late => tally.late += 1,
            (Outcome::Truncated(_), None) if kind == Kind::SlowReading && took_late => {
                tally.late += 1;
            }
            (Outcome::Wrong(what), _) => return trouble(format!("{kind:?}: wrong: {what}")),
            (Outcome::Truncated(what), _) => return trouble(format!("{kind:?}: {what}")),
            (Outcome::Unanswered | Outcome::TooLate, _) => {
                return trouble(format!(
                    "{kind:?} had asked within {took:?}, and was not answered"
                ));
            }
        }
        Ok(())
    }

    /// Nobody waits for an answer for ever.
    fn look_for_the_forgotten(&mut self, now: Instant) -> Result<()> {
        if now < self.next_look {
            return Ok(());
        }
        self.next_look = now + Duration::from_secs(1);
        let forgotten = self.guests.values().find(|g| now - g.active.max(g.heard) > PATIENCE);
        match forgotten {
            Some(guest) => trouble(format!("{:?} waits for {PATIENCE:?}", guest.kind)),
            None => Ok(()),
        }
    }
}

/// How long the driver sleeps at most.
const TICK: Duration = Duration::from_millis(20);
