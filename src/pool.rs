//! A fixed number of worker threads that share one queue of jobs.
//!
//! ```text
//!   main ── push ──▶ [ job job job ] ── take ──▶ worker 1 … worker n
//! ```
//!
//! A job is in the queue at most once, so the queue needs no bound of its own:
//! it can never be longer than there are connections, and `push` never blocks.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;

use crate::sync::{Condvar, Mutex, MutexGuard, thread};
use crate::trace;

/// What can be queued: something about one descriptor (the trace says which).
pub trait Job: Send + 'static {
    /// The descriptor the job is about.
    fn fd(&self) -> RawFd;
}

// ANCHOR: jobs
/// The queue of jobs.
pub struct Jobs<T> {
    state: Mutex<State<T>>,
    /// Signalled when a job has come, or when none will come any more.
    changed: Condvar,
}

struct State<T> {
    queue: VecDeque<T>,
    closed: bool,
}

impl<T: Job> Jobs<T> {
    /// No jobs yet.
    pub fn new() -> Jobs<T> {
        let state = State { queue: VecDeque::new(), closed: false };
        Jobs { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Puts a job at the end of the queue and wakes one worker.
    #[track_caller]
    pub fn push(&self, job: T) {
        trace::step_gives("queued", Some(job.fd()));
        self.lock().queue.push_back(job);
        // The lock is free again: who wakes does not have to wait for us.
        self.changed.notify_one();
    }

    /// Takes the oldest job; sleeps until there is one. `None` once the queue
    /// is closed *and* empty: what was queued before is still done.
    #[track_caller]
    pub fn take(&self) -> Option<T> {
        let mut state = self.lock();
        let mut waiting = None;
        // A loop, because a condition variable may wake without a reason, and
        // because another worker may have been quicker.
        while state.queue.is_empty() && !state.closed {
            if waiting.is_none() {
                waiting = Some(trace::step_enters("waiting for work", ""));
            }
            state = match self.changed.wait(state) {
                Ok(state) => state,
                Err(poisoned) => poisoned.into_inner(),
            };
        }
        let job = state.queue.pop_front();
        drop(state);
        let (name, fd) = match &job {
            Some(job) => ("took", Some(job.fd())),
            None => ("no more work", None),
        };
        match waiting {
            Some(pause) => pause.leave(name, fd, ""),
            None => trace::step_receives(name, fd),
        }
        job
    }

    /// No more jobs will come; wakes every worker, so that each can see it.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here panics while the lock is held.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
// ANCHOR_END: jobs

impl<T: Job> Default for Jobs<T> {
    fn default() -> Jobs<T> {
        Jobs::new()
    }
}

// ANCHOR: pool
/// The worker threads.
#[derive(Debug)]
pub struct Pool {
    workers: Vec<thread::JoinHandle<()>>,
}

impl Pool {
    /// Starts `count` threads, `worker-1` to `worker-n`, that all run `work`:
    /// the loop that takes jobs until there are no more.
    ///
    /// # Errors
    /// `EAGAIN`: the system will not start so many threads.
    pub fn start<F>(count: usize, work: F) -> io::Result<Pool>
    where
        F: Fn() + Clone + Send + 'static,
    {
        let start_one = |n| {
            let work = work.clone();
            let body = move || {
                let _guard = AbortOnPanic;
                work();
            };
            thread::Builder::new().name(format!("worker-{n}")).spawn(body)
        };
        let workers = (1..=count).map(start_one).collect::<io::Result<_>>()?;
        Ok(Pool { workers })
    }

    /// Waits until every worker has ended; close their [`Jobs`] first.
    pub fn join(self) {
        for worker in self.workers {
            // It cannot have panicked: that would have ended the process.
            let _ = worker.join();
        }
    }
}
// ANCHOR_END: pool

/// A worker that panics takes the process with it. To go on without it would be
/// to lose, in silence, the connection it held and a part of the pool.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if cfg!(not(shuttle)) && std::thread::panicking() {
            crate::log::line(format_args!("BUG: a worker panicked; the message stands above"));
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests;
