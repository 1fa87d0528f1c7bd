//! Who is woken and what main is told; `tests/model/handoff.rs` explores the schedules.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use super::*;
use crate::pool::Pool;

struct Number(usize);

impl Job for Number {
    fn fd(&self) -> RawFd {
        self.0 as RawFd
    }
}

fn batch(count: usize) -> Vec<Number> {
    (0..count).map(Number).collect()
}

/// Waits until so many workers sleep.
fn until_asleep(jobs: &Handoff<Number>, count: usize) {
    while jobs.lock().sleepers.len() != count {
        std::thread::yield_now();
    }
}

/// Workers that pass `gate` twice with each job: once when they have it, once to go on.
fn workers(count: usize, gate: &Arc<Barrier>) -> (Pool, Arc<Handoff<Number>>, Arc<AtomicUsize>) {
    let (jobs, calls) = (Arc::new(Handoff::new()), Arc::new(AtomicUsize::new(0)));
    let (queue, called, gate) = (Arc::clone(&jobs), Arc::clone(&calls), Arc::clone(gate));
    let pool = Pool::start(count, move || {
        let call = || {
            called.fetch_add(1, Ordering::SeqCst);
        };
        while queue.take(call).is_some() {
            gate.wait();
            gate.wait();
        }
    });
    until_asleep(&jobs, count);
    (pool.unwrap(), jobs, calls)
}

#[test]
fn while_no_job_waits_main_asks() {
    let gate = Arc::new(Barrier::new(2));
    let (pool, jobs, calls) = workers(1, &gate);
    assert_eq!(jobs.push_batch(&mut batch(1)), Pace::Ask, "a worker is on its way to it");
    gate.wait();
    assert_eq!(jobs.push_batch(&mut batch(1)), Pace::Hold, "it waits until the other is done");
    assert_eq!(jobs.look(true), Pace::Hold);
    gate.wait();
    gate.wait();
    gate.wait();
    until_asleep(&jobs, 1);
    // First on the list of those who sleep, then the call.
    let give_up = Instant::now() + Duration::from_secs(30);
    while calls.load(Ordering::SeqCst) == 0 && Instant::now() < give_up {
        std::thread::yield_now();
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1, "the worker that ran dry has called");
    assert_eq!(jobs.look(false), Pace::Ask);
    jobs.close();
    pool.join();
}

#[test]
fn a_batch_wakes_one_worker_and_the_next_tick_another() {
    let gate = Arc::new(Barrier::new(3));
    let (pool, jobs, _) = workers(3, &gate);
    assert_eq!(jobs.push_batch(&mut batch(6)), Pace::Watch);
    until_asleep(&jobs, 2);
    assert_eq!(jobs.look(false), Pace::Watch, "no tick is over");
    assert_eq!(jobs.lock().sleepers.len(), 2);
    assert_eq!(jobs.look(true), Pace::Watch, "few were taken: one more is woken");
    until_asleep(&jobs, 1);
    // Two are at work now. So many were taken in a tick that no more are needed.
    jobs.lock().taken = QUICK;
    assert_eq!(jobs.look(true), Pace::Watch);
    assert_eq!(jobs.lock().sleepers.len(), 1);
    for _ in 0..6 {
        gate.wait();
    }
    jobs.close();
    pool.join();
}

#[test]
fn the_last_to_fall_asleep_is_woken_first() {
    let gate = Arc::new(Barrier::new(2));
    let (pool, jobs, _) = workers(3, &gate);
    let last = jobs.lock().sleepers[2].id();
    for _ in 0..20 {
        jobs.push_batch(&mut batch(1));
        gate.wait();
        assert!(jobs.lock().sleepers.iter().all(|sleeper| sleeper.id() != last));
        gate.wait();
        until_asleep(&jobs, 3);
    }
    jobs.close();
    pool.join();
}

#[test]
fn a_slow_worker_with_the_last_job_does_not_keep_main_from_asking() {
    let gate = Arc::new(Barrier::new(2));
    let (pool, jobs, _) = workers(2, &gate);
    assert_eq!(jobs.push_batch(&mut batch(2)), Pace::Watch);
    gate.wait();
    gate.wait();
    gate.wait();
    // It has the second job, nobody waits, and the other worker sleeps.
    assert_eq!(jobs.look(true), Pace::Ask);
    assert_eq!(jobs.lock().sleepers.len(), 1);
    gate.wait();
    jobs.close();
    pool.join();
}
