//! The pool on real threads; `tests/model/pool.rs` explores its schedules.
#![cfg(not(shuttle))]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use proptest::prelude::*;

use super::*;

struct Number(usize);

impl Job for Number {
    fn fd(&self) -> RawFd {
        self.0 as RawFd
    }
}

/// Workers that call `work` with each job, and their queue.
fn pool(
    count: usize,
    work: impl Fn(Number, &Jobs<Number>) + Send + Sync + 'static,
) -> (Pool, Arc<Jobs<Number>>) {
    let (jobs, work) = (Arc::new(Jobs::new()), Arc::new(work));
    let shared = Arc::clone(&jobs);
    let body = move || {
        while let Some(job) = shared.take() {
            work(job, &shared);
        }
    };
    (Pool::start(count, body).unwrap(), jobs)
}

fn finish((pool, jobs): (Pool, Arc<Jobs<Number>>)) {
    jobs.close();
    pool.join();
}

#[test]
fn jobs_come_out_in_the_order_they_went_in() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&seen);
    let p = pool(1, move |job, _| into.lock().unwrap().push(job.0));
    (0..100).for_each(|n| p.1.push(Number(n)));
    finish(p);
    assert_eq!(*seen.lock().unwrap(), (0..100).collect::<Vec<_>>());
}

#[test]
fn every_worker_works() {
    // Each job waits until four are being worked on at once.
    let barrier = Arc::new(Barrier::new(4));
    let p = pool(4, move |_, _| {
        barrier.wait();
    });
    (0..8).for_each(|n| p.1.push(Number(n)));
    finish(p);
}

#[test]
fn a_job_may_be_queued_again_and_closing_waits_for_it() {
    let rounds = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&rounds);
    let p = pool(2, move |job, jobs| {
        counted.fetch_add(1, Ordering::Relaxed);
        if job.0 > 0 {
            jobs.push(Number(job.0 - 1));
        }
    });
    p.1.push(Number(50));
    finish(p);
    assert_eq!(rounds.load(Ordering::Relaxed), 51);
}

#[test]
fn an_idle_pool_ends_at_once() {
    finish(pool(8, |_, _| {}));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Any number of workers, pushers and jobs: each job is done exactly once.
    #[test]
    fn each_job_is_done_exactly_once(workers in 1_usize..6, pushers in 1_usize..4, jobs in 0_usize..60) {
        let done = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&done);
        let p = pool(workers, move |job, _| into.lock().unwrap().push(job.0));
        std::thread::scope(|scope| {
            for n in 0..pushers {
                let queue = &p.1;
                scope.spawn(move || (0..jobs).for_each(|j| queue.push(Number(n * 1000 + j))));
            }
        });
        finish(p);
        let mut done = done.lock().unwrap().clone();
        done.sort_unstable();
        let expected: Vec<_> = (0..pushers).flat_map(|p| (0..jobs).map(move |n| p * 1000 + n)).collect();
        prop_assert_eq!(done, expected);
    }
}
