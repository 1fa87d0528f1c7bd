//! The pool on real threads; `tests/shuttle.rs` explores its schedules.
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

#[test]
fn jobs_come_out_in_the_order_they_went_in() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&seen);
    let pool = Pool::new(1, move |job: Number, _: &Jobs<_>| into.lock().unwrap().push(job.0));
    let pool = pool.unwrap();
    (0..100).for_each(|n| pool.push(Number(n)));
    pool.finish();
    assert_eq!(*seen.lock().unwrap(), (0..100).collect::<Vec<_>>());
}

#[test]
fn every_worker_works() {
    // Each job waits until four are being worked on at once.
    let barrier = Arc::new(Barrier::new(4));
    let pool = Pool::new(4, move |_: Number, _: &Jobs<_>| {
        barrier.wait();
    });
    let pool = pool.unwrap();
    (0..8).for_each(|n| pool.push(Number(n)));
    pool.finish();
}

#[test]
fn a_job_may_be_queued_again_and_finishing_waits_for_it() {
    let rounds = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&rounds);
    let pool = Pool::new(2, move |job: Number, jobs: &Jobs<_>| {
        counted.fetch_add(1, Ordering::Relaxed);
        if job.0 > 0 {
            jobs.push(Number(job.0 - 1));
        }
    });
    let pool = pool.unwrap();
    pool.push(Number(50));
    pool.finish();
    assert_eq!(rounds.load(Ordering::Relaxed), 51);
}

#[test]
fn an_idle_pool_ends_at_once() {
    Pool::new(8, |_: Number, _: &Jobs<_>| {}).unwrap().finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Any number of workers, pushers and jobs: each job is done exactly once.
    #[test]
    fn each_job_is_done_exactly_once(workers in 1_usize..6, pushers in 1_usize..4, jobs in 0_usize..60) {
        let done = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&done);
        let pool = Pool::new(workers, move |job: Number, _: &Jobs<_>| into.lock().unwrap().push(job.0));
        let pool = pool.unwrap();
        std::thread::scope(|scope| {
            for p in 0..pushers {
                let pool = &pool;
                scope.spawn(move || (0..jobs).for_each(|n| pool.push(Number(p * 1000 + n))));
            }
        });
        pool.finish();
        let mut done = done.lock().unwrap().clone();
        done.sort_unstable();
        let expected: Vec<_> = (0..pushers).flat_map(|p| (0..jobs).map(move |n| p * 1000 + n)).collect();
        prop_assert_eq!(done, expected);
    }
}
