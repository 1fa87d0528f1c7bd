//! From main to the workers by the batch, with as few threads awake as will do.
//!
//! [`crate::pool::Jobs`] wakes a worker for each job. With short handlers that is
//! all it does: main wakes a worker for one job, goes back to the kernel, is woken
//! for the next one, and two threads hand a core to and fro with every request.
//! Here four things are different:
//!
//! - What one wait brought is handed over under one lock, with one wake-up.
//! - As long as jobs wait for a worker, main is told to *hold*: whoever becomes
//!   ready meanwhile stays in the kernel, where waiting costs nothing. The worker
//!   that runs dry calls main, and the next wait brings all of them at once.
//! - A second worker is woken when the first is seen not to get on: a whole
//!   [`TICK`] passes and few jobs were taken, or one more batch comes. Short handlers
//!   so cost the switches of one worker, and slow ones get all of them, one more each
//!   tick.
//! - In a crowd, a client that was answered may ask again before a worker comes round
//!   to it, and then need not go through the kernel's list and main at all
//!   ([`Handoff::is_worth_a_look`]).
//!
//! Nothing waits for ever, because of three rules. If jobs wait and a worker sleeps,
//! then as many workers as jobs are about to wake up, or main looks again within a
//! tick. If main holds, then it looks again within a tick, or every worker is
//! awake, and the first that runs dry calls it. And so does the worker that comes
//! round to a job that was queued again: such jobs keep everybody from running dry.

mod luck;

use std::collections::VecDeque;
use std::time::Duration;

use crate::pool::Job;
use crate::sync::{Mutex, MutexGuard, thread};
use crate::trace;
use luck::Luck;

/// How long a worker that has been woken is left to it before main looks again.
pub const TICK: Duration = Duration::from_millis(1);

/// Who takes so many jobs in a tick needs no help: a handler that takes less than
/// 50 µs is not worth the wake-up of another thread.
const QUICK: usize = 20;

/// So many jobs before it give a client the time to ask again: some 150 µs, about
/// what it takes to and fro in a local network.
const CROWD: usize = 32;

/// The jobs that wait for a worker, and the workers that wait for jobs.
pub struct Handoff<T> {
    state: Mutex<State<T>>,
}

// ANCHOR: state
struct State<T> {
    queue: VecDeque<T>,
    /// Those that found nothing, in the order in which they fell asleep. The last
    /// is woken first: its stack is still in the cache.
    sleepers: Vec<thread::Thread>,
    /// How many were woken and are not here yet.
    waking: usize,
    /// Jobs taken since main last looked.
    taken: usize,
    /// Main holds, and wants to be called by the worker that runs dry.
    is_held: bool,
    /// So many jobs come before the first of a round that was queued again.
    before_again: Option<usize>,
    /// Main was called because it was that one's turn.
    has_gone_round: bool,
    /// Whether clients that were answered ask again in time.
    luck: Luck,
    closed: bool,
}
// ANCHOR_END: state

/// What main is to do about clients that become ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// No job waits for a worker: ask the kernel for more.
    Ask,
    /// Leave them in the kernel: jobs wait for those that are awake. Others sleep,
    /// so [`Handoff::look`] after a [`TICK`], or when called.
    Watch,
    /// Leave them in the kernel: every worker is awake. [`Handoff::look`] when called.
    Hold,
}

impl<T: Job> Handoff<T> {
    /// No jobs yet.
    pub fn new() -> Handoff<T> {
        let (queue, sleepers) = (VecDeque::new(), Vec::new());
        let state = State {
            queue,
            sleepers,
            waking: 0,
            taken: 0,
            is_held: false,
            before_again: None,
            has_gone_round: false,
            luck: Luck::new(),
            closed: false,
        };
        Handoff { state: Mutex::new(state) }
    }

    // ANCHOR: push
    /// Hands over what one wait brought. Wakes a worker, unless none sleeps, or one
    /// is about to wake up anyway: so a batch that comes before the last one is done
    /// brings one more to work, and who runs dry sleeps again.
    #[track_caller]
    pub fn push_batch(&self, batch: &mut Vec<T>) -> Pace {
        for job in batch.iter() {
            trace::step_gives("queued", Some(job.fd()));
        }
        let mut state = self.lock();
        state.queue.extend(batch.drain(..));
        state.has_gone_round = false; // main has just asked
        if !state.is_held {
            state.taken = 0;
        }
        let sleeper = if state.waking == 0 { state.wake_one() } else { None };
        let pace = state.pace();
        drop(state);
        // The lock is free again: who wakes up does not have to wait for us.
        sleeper.inspect(thread::Thread::unpark);
        pace
    }

    /// A worker queues its job again, before it takes the next one: at the end, so
    /// that the others in the queue have their turn.
    #[track_caller]
    pub fn push_again(&self, job: T) {
        trace::step_gives("queued", Some(job.fd()));
        self.lock().queue_again(job);
    }
    // ANCHOR_END: push

    // ANCHOR: is_worth_a_look
    /// Whether a client that was answered had better be queued again than armed: in a
    /// crowd it may have asked again when it is its turn. `found` says that it was
    /// queued for that before, and had asked again by then.
    pub fn is_worth_a_look(&self, found: bool) -> bool {
        let mut state = self.lock();
        if found {
            state.luck.found();
        }
        state.queue.len() >= CROWD && state.luck.is_tried()
    }

    /// Takes a job back that no worker has come to yet.
    #[track_caller]
    pub fn take_back(&self, wanted: impl Fn(&T) -> bool) -> Option<T> {
        let mut state = self.lock();
        let place = state.queue.iter().position(wanted)?;
        let job = state.queue.remove(place)?;
        trace::step_receives("took", Some(job.fd()));
        let before = state.before_again.map(|before| before - usize::from(place < before));
        state.before_again = before.filter(|before| *before < state.queue.len());
        Some(job)
    }
    // ANCHOR_END: is_worth_a_look

    // ANCHOR: look
    /// For main, while it holds: whether it still has to. If a tick is over and
    /// those who are awake do not get on, one more worker is woken.
    pub fn look(&self, tick_is_over: bool) -> Pace {
        let mut state = self.lock();
        if !state.is_held {
            return Pace::Ask;
        }
        let mut sleeper = None;
        if tick_is_over {
            let taken = std::mem::take(&mut state.taken);
            if taken < QUICK && !state.queue.is_empty() {
                sleeper = state.wake_one();
            }
        }
        let pace = state.pace();
        drop(state);
        sleeper.inspect(thread::Thread::unpark);
        pace
    }

    /// For main, while it holds: whether a job that was queued again has had its turn
    /// since main last asked this. Then others have a turn, too.
    pub fn has_gone_round(&self) -> bool {
        std::mem::take(&mut self.lock().has_gone_round)
    }
    // ANCHOR_END: look

    // ANCHOR: take
    /// Takes the oldest job; sleeps until there is one. `None` once the queue is
    /// closed *and* empty. `call_main` makes main look: while main holds it is called
    /// by the worker that runs dry, or comes round to a job that was queued again.
    #[track_caller]
    pub fn take(&self, call_main: impl Fn()) -> Option<T> {
        let mut pause = None::<trace::Pause>;
        let mut state = self.lock();
        loop {
            let job = state.queue.pop_front();
            if job.is_some() || state.closed {
                state.taken += 1;
                let calls = state.goes_round()
                    && state.is_held
                    && !std::mem::replace(&mut state.has_gone_round, true);
                drop(state);
                if calls {
                    call_main();
                }
                let (name, fd) = match &job {
                    Some(job) => ("took", Some(job.fd())),
                    None => ("no more work", None),
                };
                match pause {
                    Some(pause) => pause.leave(name, fd, ""),
                    None => trace::step_receives(name, fd),
                }
                return job;
            }
            // First on the list, then the call: whoever pushes from here on finds
            // this thread there, and to unpark it before it parks is as good.
            state.sleepers.push(thread::current());
            let is_held = std::mem::take(&mut state.is_held);
            drop(state);
            if let Some(pause) = pause {
                pause.leave("found nothing", None, "");
            }
            if is_held {
                call_main();
            }
            pause = Some(trace::step_enters("waiting for work", ""));
            thread::park();
            state = self.lock();
            state.woke_up();
        }
    }
    // ANCHOR_END: take

    /// No more jobs will come; wakes every worker, so that each can see it.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let sleepers = std::mem::take(&mut state.sleepers);
        state.waking += sleepers.len();
        drop(state);
        sleepers.iter().for_each(thread::Thread::unpark);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here panics while the lock is held.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// Takes one off the list; to be unparked when the lock is free.
    fn wake_one(&mut self) -> Option<thread::Thread> {
        let sleeper = self.sleepers.pop();
        self.waking += usize::from(sleeper.is_some());
        sleeper
    }

    /// A worker has come back from its sleep. A thread may wake without a reason:
    /// then it is still on the list.
    fn woke_up(&mut self) {
        let me = thread::current().id();
        match self.sleepers.iter().position(|sleeper| sleeper.id() == me) {
            Some(place) => drop(self.sleepers.remove(place)),
            None => self.waking -= 1,
        }
    }

    // ANCHOR: round
    fn queue_again(&mut self, job: T) {
        self.before_again.get_or_insert(self.queue.len());
        self.queue.push_back(job);
    }

    /// A job was taken: whether it is the first of a round that was queued again. With such
    /// jobs no worker may ever run dry, and who waits in the kernel would wait for ever:
    /// so it is time to call main, to ask the kernel once.
    fn goes_round(&mut self) -> bool {
        let before = self.before_again.take();
        self.before_again = before.and_then(|before| before.checked_sub(1));
        before == Some(0)
    }
    // ANCHOR_END: round

    // ANCHOR: pace
    fn pace(&mut self) -> Pace {
        // A job for whom a worker is on its way does not wait.
        self.is_held = self.queue.len() > self.waking;
        match (self.is_held, self.sleepers.is_empty()) {
            (false, _) => Pace::Ask,
            (true, false) => Pace::Watch,
            (true, true) => Pace::Hold,
        }
    }
    // ANCHOR_END: pace
}

impl<T: Job> Default for Handoff<T> {
    fn default() -> Handoff<T> {
        Handoff::new()
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests;
