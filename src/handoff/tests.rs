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

/// Waits until so many jobs were taken since main last looked.
fn until_taken(jobs: &Handoff<Number>, count: usize) {
    while jobs.lock().taken != count {
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

/// Of so many answered clients, how many are worth a look.
fn looks(jobs: &Handoff<Number>, count: usize) -> usize {
    (0..count).filter(|_| jobs.is_worth_a_look(false)).count()
}

#[test]
fn only_in_a_crowd_an_answered_client_is_worth_a_look() {
    let jobs = Handoff::new();
    jobs.push_batch(&mut batch(CROWD - 1));
    assert!(!jobs.is_worth_a_look(false));
    jobs.push_batch(&mut batch(1));
    assert!(jobs.is_worth_a_look(false));
}

#[test]
fn looks_in_vain_come_to_an_end_and_begin_anew_when_they_pay() {
    let jobs = Handoff::new();
    jobs.push_batch(&mut batch(CROWD));
    assert_eq!(looks(&jobs, 64 + 160), 64 + 160 / 16, "the credit, then one in sixteen");
    let tried = |found_one_in: usize| {
        (0..6000).filter(|n| jobs.is_worth_a_look(n % found_one_in == 0)).count()
    };
    assert_eq!(tried(3), 6000, "it pays");
    assert!(tried(4) < 6000 * 9 / 10, "it does not");
    // What has piled up is bounded, too.
    assert_eq!(tried(1), 6000);
    assert!(looks(&jobs, 64 + 160) <= 64 + 160 / 16);
}

#[test]
fn a_job_that_is_taken_back_leaves_the_others_in_their_order() {
    let (jobs, calls) = (Handoff::new(), AtomicUsize::new(0));
    let call = || {
        calls.fetch_add(1, Ordering::SeqCst);
    };
    jobs.push_batch(&mut batch(3));
    let first = jobs.take(call).unwrap();
    jobs.push_again(first);
    assert!(jobs.take_back(|job| job.0 == 7).is_none());
    assert!(jobs.take_back(|job| job.0 == 1).is_some());
    for (number, called) in [(2, 0), (0, 1)] {
        assert_eq!(jobs.take(call).unwrap().0, number);
        assert_eq!(calls.load(Ordering::SeqCst), called, "with the one that was queued again");
    }
    // The one that was queued again is gone: nobody comes round to it.
    jobs.push_batch(&mut batch(1));
    jobs.push_again(Number(5));
    assert!(jobs.take_back(|job| job.0 == 5).is_some());
    jobs.take(call).unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

/// Main may hear of the call without asking whether it was this one: then the flag must
/// not keep the next round from calling.
#[test]
fn a_batch_makes_the_next_round_call_again() {
    let (jobs, calls) = (Handoff::new(), AtomicUsize::new(0));
    let call = || {
        calls.fetch_add(1, Ordering::SeqCst);
    };
    for round in 1..=3 {
        jobs.push_batch(&mut batch(1));
        let job = jobs.take(call).unwrap();
        jobs.push_again(job);
        jobs.take(call).unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), round);
        assert_eq!(jobs.look(false), Pace::Ask);
    }
}

#[test]
fn a_batch_that_comes_before_the_last_is_done_wakes_one_more() {
    // Two workers and the test: at each gate both have a job.
    let gate = Arc::new(Barrier::new(3));
    let (pool, jobs, _) = workers(2, &gate);
    assert_eq!(jobs.push_batch(&mut batch(2)), Pace::Watch);
    until_taken(&jobs, 1);
    assert_eq!(jobs.lock().sleepers.len(), 1);
    jobs.push_batch(&mut batch(2));
    until_taken(&jobs, 2);
    assert_eq!(jobs.lock().sleepers.len(), 0);
    for _ in 0..4 {
        gate.wait();
    }
    jobs.close();
    pool.join();
}

#[test]
fn main_is_called_when_the_first_job_that_was_queued_again_has_its_turn() {
    let (jobs, calls) = (Handoff::new(), AtomicUsize::new(0));
    let call = || {
        calls.fetch_add(1, Ordering::SeqCst);
    };
    assert_eq!(jobs.push_batch(&mut batch(2)), Pace::Hold);
    for (number, called) in [(0, 0), (1, 0), (0, 1), (1, 1), (0, 1)] {
        let job = jobs.take(call).unwrap();
        assert_eq!((job.0, calls.load(Ordering::SeqCst)), (number, called));
        jobs.push_again(job);
    }
    assert!(jobs.has_gone_round());
    assert!(!jobs.has_gone_round(), "said once");
    jobs.take(call).unwrap();
    jobs.take(call).unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 2, "one more round");
}
