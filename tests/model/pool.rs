//! The pool's hand-off and shutdown in every order, or in very many.
//!
//! shuttle runs a test's threads one at a time and decides at each lock, wait,
//! wake-up and join who goes on. It is built in by `src/sync.rs`, so what is
//! explored is the pool that ships:
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=target/shuttle \
//!     cargo test --release --manifest-path model/Cargo.toml -- --nocapture --test-threads 1
//! ```
//!
//! When nobody can go on and somebody has not ended, shuttle panics with
//! `deadlock!`: that is how a worker that sleeps for ever is seen. Planted mistakes
//! show that it is seen. The hand-off of chapter 7 is in `handoff.rs`.
//!
//! Two things are outside the model. A condition variable here never wakes
//! without a reason; the loop around the wait is exercised all the same, by
//! workers that find the job gone. And shuttle knows one memory, in which all
//! see the same; the pool keeps everything under its mutex and asks no more.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
// Bookkeeping with the standard library's own types: it gives shuttle nothing
// to decide, so it multiplies no schedules.
use std::sync::Arc;
use std::sync::Mutex as Plain;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use common::pool::{Job, Jobs, Pool};
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler};
use shuttle::sync::{Condvar, Mutex};
use shuttle::{Config, FailurePersistence, Runner, thread};

mod handoff;

/// A search for all schedules ends here, and then says so.
const ALL_AT_MOST: usize = 20_000;

/// Fixed, so that two runs explore the same; `SHUTTLE_RANDOM_SEED` overrides it.
const SEED: u64 = 20_240_229;

/// Runs `body` in every order there is, or in the first so many, depth first.
fn in_all_orders(what: &str, body: impl Fn() + Send + Sync + 'static) {
    let scheduler = DfsScheduler::new(Some(ALL_AT_MOST), false);
    let count = Runner::new(scheduler, Config::new()).run(body);
    let all = if count < ALL_AT_MOST { "all there are" } else { "the first of more" };
    println!("model: {what}: {count} schedules, depth first, {all}");
}

/// Runs `body` in `count` random orders and in as many with few changes of
/// thread at unlikely moments (PCT, at most `CHANGES`).
fn in_many_orders(what: &str, count: usize, body: impl Fn() + Send + Sync + 'static) {
    const CHANGES: usize = 4;
    let body = Arc::new(body);
    let again = Arc::clone(&body);
    let random = RandomScheduler::new_from_seed(SEED, count);
    let random = Runner::new(random, Config::new()).run(move || body());
    let pct = PctScheduler::new_from_seed(SEED, CHANGES, count);
    let pct = Runner::new(pct, Config::new()).run(move || again());
    println!("model: {what}: {random} random schedules, {pct} by PCT");
}

/// A job that asks to be queued again so many times, each time under one
/// number less.
struct Numbered {
    job: usize,
    again: usize,
}

impl Job for Numbered {
    fn fd(&self) -> RawFd {
        self.job as RawFd
    }
}

/// A pool that notes which jobs were done.
struct Scene {
    pool: Pool,
    jobs: Arc<Jobs<Numbered>>,
    notes: Arc<Notes>,
}

#[derive(Default)]
struct Notes {
    /// Job and what was left of its repetitions, in the order of doing.
    done: Plain<Vec<(usize, usize)>>,
    closing: AtomicBool,
    ended: AtomicUsize,
}

impl Scene {
    fn new(workers: usize) -> Scene {
        let (jobs, notes) = (Arc::new(Jobs::new()), Arc::new(Notes::default()));
        let (queue, into) = (Arc::clone(&jobs), Arc::clone(&notes));
        let pool = Pool::start(workers, move || {
            while let Some(Numbered { job, again }) = queue.take() {
                into.done.lock().unwrap().push((job, again));
                if again > 0 {
                    queue.push(Numbered { job, again: again - 1 });
                }
            }
            assert!(into.closing.load(SeqCst), "a worker ended although nobody had closed");
            into.ended.fetch_add(1, SeqCst);
        });
        Scene { pool: pool.unwrap(), jobs, notes }
    }

    fn push(&self, job: usize) {
        self.jobs.push(Numbered { job, again: 0 });
    }

    /// So many threads that push so many jobs each, and then are done.
    fn push_from(&self, pushers: usize, each: usize) -> Vec<thread::JoinHandle<()>> {
        let start = |pusher| {
            let jobs = Arc::clone(&self.jobs);
            thread::spawn(move || {
                (0..each).for_each(|n| jobs.push(Numbered { job: pusher * each + n, again: 0 }));
            })
        };
        (0..pushers).map(start).collect()
    }

    fn close(&self) {
        self.notes.closing.store(true, SeqCst);
        self.jobs.close();
    }

    /// Waits for the workers, and returns what was done, in order.
    fn join(self, workers: usize) -> Vec<(usize, usize)> {
        self.pool.join();
        assert_eq!(self.notes.ended.load(SeqCst), workers, "join returned too early");
        assert!(self.jobs.take().is_none(), "a job was left in the queue");
        self.notes.done.lock().unwrap().clone()
    }
}

/// Each job once, in whatever order.
fn assert_each_once(mut done: Vec<(usize, usize)>, jobs: usize) {
    done.sort_unstable();
    assert_eq!(done, (0..jobs).map(|job| (job, 0)).collect::<Vec<_>>());
}

// (a) Several push, several take.

fn hand_off(workers: usize, pushers: usize, each: usize) {
    let scene = Scene::new(workers);
    for pusher in scene.push_from(pushers, each) {
        pusher.join().unwrap();
    }
    scene.close();
    assert_each_once(scene.join(workers), pushers * each);
}

/// The same with main as the only pusher, as in the servers.
fn hand_off_from_main(workers: usize, jobs: usize) {
    let scene = Scene::new(workers);
    (0..jobs).for_each(|job| scene.push(job));
    scene.close();
    let done = scene.join(workers);
    if workers == 1 {
        assert!(done.is_sorted(), "one worker does them in the order of the queue");
    }
    assert_each_once(done, jobs);
}

#[test]
fn every_job_is_done_exactly_once() {
    in_all_orders("1 worker, main pushes 2 jobs", || hand_off_from_main(1, 2));
    in_all_orders("2 workers, main pushes 1 job", || hand_off_from_main(2, 1));
    in_all_orders("1 worker, 1 pusher, 1 job", || hand_off(1, 1, 1));
    in_many_orders("2 workers, main pushes 4 jobs", 20_000, || hand_off_from_main(2, 4));
    in_many_orders("3 workers, 3 pushers, 2 jobs each", 20_000, || hand_off(3, 3, 2));
    in_many_orders("4 workers, 2 pushers, 4 jobs each", 20_000, || hand_off(4, 2, 4));
}

// (b) What was queued before the close is done; every worker ends.

#[test]
fn closing_loses_no_job() {
    let close_at_once = |workers: usize, jobs: usize| {
        let scene = Scene::new(workers);
        (0..jobs).for_each(|job| scene.push(job));
        scene.close();
        assert_each_once(scene.join(workers), jobs);
    };
    in_all_orders("1 worker, 1 job, closed at once", move || close_at_once(1, 1));
    in_many_orders("3 workers, 2 jobs, closed at once", 20_000, move || close_at_once(3, 2));
}

// (c) A job that is queued again by its worker, while main closes.

#[test]
fn a_job_queued_again_during_the_close_is_done() {
    let again = |workers: usize, times: usize| {
        let scene = Scene::new(workers);
        scene.jobs.push(Numbered { job: 7, again: times });
        scene.close();
        let done = scene.join(workers);
        let expected: Vec<_> = (0..=times).rev().map(|left| (7, left)).collect();
        assert_eq!(done, expected, "in one worker's hands at a time, and never lost");
    };
    in_all_orders("1 worker, queued again once", move || again(1, 1));
    in_many_orders("3 workers, queued again 3 times", 20_000, move || again(3, 3));
}

// (d) Nothing to do: the close alone must wake everybody.

#[test]
fn idle_workers_end() {
    let idle = |workers: usize| {
        let scene = Scene::new(workers);
        scene.close();
        assert_each_once(scene.join(workers), 0);
    };
    in_all_orders("1 idle worker", move || idle(1));
    in_all_orders("2 idle workers", move || idle(2));
    in_many_orders("4 idle workers", 20_000, move || idle(4));
}

// (e) The search finds a lost wake-up where there is one.

/// A queue with the classic mistake: between finding nothing and sleeping it
/// lets go of the lock, and the notification may fall into that gap.
#[derive(Default)]
struct Mistaken {
    queue: Mutex<VecDeque<usize>>,
    changed: Condvar,
}

impl Mistaken {
    fn push(&self, job: usize) {
        self.queue.lock().unwrap().push_back(job);
        self.changed.notify_one();
    }

    fn take(&self) -> usize {
        let empty = self.queue.lock().unwrap().is_empty();
        if empty {
            let queue = self.queue.lock().unwrap();
            drop(self.changed.wait(queue).unwrap());
        }
        self.queue.lock().unwrap().pop_front().unwrap()
    }
}

#[test]
fn a_planted_lost_wake_up_is_found() {
    let scene = || {
        let mistaken = shuttle::sync::Arc::new(Mistaken::default());
        let taker = shuttle::sync::Arc::clone(&mistaken);
        let worker = thread::spawn(move || taker.take());
        mistaken.push(1);
        worker.join().unwrap();
    };
    is_found("the planted lost wake-up", scene);
}

/// The search has to find that somebody sleeps for ever in `scene`.
fn is_found(what: &str, scene: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    // Not depth first: there is a main among them that goes round while it may.
    let scheduler = RandomScheduler::new_from_seed(SEED, ALL_AT_MOST);
    let search = catch_unwind(AssertUnwindSafe(|| Runner::new(scheduler, config).run(scene)));
    let found = search.expect_err("it was not found");
    let said = found.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(said.contains("deadlock"), "found something else: {said}");
    println!("model: {what} was found: {}", said.lines().next().unwrap_or_default());
}
