//! The hand-off of chapter 7 in very many orders: main that asks, watches or
//! holds, workers that run dry and call it, and a kernel that is a list.
//!
//! Time is left out: to main that watches, a tick is over whenever it looks. No
//! job may be lost and nobody may sleep for ever, also if a handler blocks until
//! all other jobs are done. Both guards are then taken away, one at a time, and
//! the search has to find out.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::Mutex as Plain;

use common::handoff::{Handoff, Pace};
use common::pool::{Job, Pool};
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread;

use super::{in_many_orders, is_found};

#[derive(Clone, Copy)]
struct Request {
    number: usize,
    /// How often its worker queues it again.
    again: usize,
}

impl Job for Request {
    fn fd(&self) -> RawFd {
        self.number as RawFd
    }
}

/// What main can sleep on.
#[derive(Default)]
struct Kernel {
    state: Mutex<Ready>,
    changed: Condvar,
}

#[derive(Default)]
struct Ready {
    requests: Vec<Request>,
    /// Somebody has called main.
    called: bool,
    done: usize,
}

impl Kernel {
    fn change(&self, change: impl FnOnce(&mut Ready)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    /// One wait of main; returns whether everything is done.
    fn wait(&self, pace: Pace, requests: usize, batch: &mut Vec<Request>) -> bool {
        let mut ready = self.state.lock().unwrap();
        let asks = pace == Pace::Ask;
        while !ready.called
            && ready.done < requests
            && pace != Pace::Watch
            && (!asks || ready.requests.is_empty())
        {
            ready = self.changed.wait(ready).unwrap();
        }
        ready.called = false;
        if asks {
            batch.append(&mut ready.requests);
        }
        ready.done == requests
    }

    /// Who is ready by now.
    fn ask(&self, batch: &mut Vec<Request>) {
        batch.append(&mut self.state.lock().unwrap().requests);
    }

    /// A handler that returns only when all other requests are done.
    fn block(&self, others: usize) {
        let mut ready = self.state.lock().unwrap();
        while ready.done < others {
            ready = self.changed.wait(ready).unwrap();
        }
    }
}

#[derive(Clone, Copy)]
struct Scene {
    workers: usize,
    clients: usize,
    /// Of each client.
    requests: usize,
    again: usize,
    /// The handler of request 0 blocks.
    blocks: bool,
    /// Mistake: main takes "watch" for "hold".
    never_looks: bool,
    /// Mistake: who runs dry tells nobody.
    never_calls: bool,
}

const SOUND: Scene = Scene {
    workers: 2,
    clients: 1,
    requests: 3,
    again: 0,
    blocks: false,
    never_looks: false,
    never_calls: false,
};

fn play(scene: Scene) {
    let count = scene.clients * scene.requests;
    let kernel = Arc::new(Kernel::default());
    let jobs = Arc::new(Handoff::<Request>::new());
    let done = Arc::new(Plain::new(Vec::new()));

    let (asleep, queue, notes) = (Arc::clone(&kernel), Arc::clone(&jobs), Arc::clone(&done));
    let call = move |kernel: &Kernel| {
        if !scene.never_calls {
            kernel.change(|ready| ready.called = true);
        }
    };
    let pool = Pool::start(scene.workers, move || {
        while let Some(request) = queue.take(|| call(&asleep)) {
            if request.again > 0 {
                queue.push_again(Request { again: request.again - 1, ..request });
                continue;
            }
            if scene.blocks && request.number == 0 {
                asleep.block(count - 1);
            }
            notes.lock().unwrap().push(request.number);
            asleep.change(|ready| ready.done += 1);
        }
    })
    .unwrap();
    let speak = |client| {
        let kernel = Arc::clone(&kernel);
        thread::spawn(move || {
            for n in 0..scene.requests {
                let request = Request { number: client * scene.requests + n, again: scene.again };
                kernel.change(|ready| ready.requests.push(request));
            }
        })
    };
    let clients: Vec<_> = (0..scene.clients).map(speak).collect();

    let (mut pace, mut batch) = (Pace::Ask, Vec::new());
    while !kernel.wait(pace, count, &mut batch) {
        if pace != Pace::Ask && jobs.has_gone_round() {
            kernel.ask(&mut batch);
        }
        let tick_is_over = pace == Pace::Watch;
        if !batch.is_empty() {
            pace = jobs.push_batch(&mut batch);
        }
        if pace != Pace::Ask {
            pace = jobs.look(tick_is_over);
        }
        if scene.never_looks && pace == Pace::Watch {
            pace = Pace::Hold;
        }
    }
    jobs.close();
    pool.join();
    clients.into_iter().for_each(|client| client.join().unwrap());
    let mut done = done.lock().unwrap().clone();
    done.sort_unstable();
    assert_eq!(done, (0..count).collect::<Vec<_>>(), "each once");
}

#[test]
fn no_request_is_lost_between_main_and_the_workers() {
    let many = |what, scene| in_many_orders(what, 10_000, move || play(scene));
    many("hand-off: 1 worker, 3 requests", Scene { workers: 1, ..SOUND });
    many("hand-off: 2 workers, 2 clients", Scene { clients: 2, requests: 2, ..SOUND });
    many("hand-off: 3 workers, 5 requests", Scene { workers: 3, requests: 5, ..SOUND });
    many("hand-off: 2 workers, queued again twice", Scene { again: 2, ..SOUND });
}

#[test]
fn a_handler_that_blocks_keeps_nobody_waiting() {
    let many = |what, scene| in_many_orders(what, 10_000, move || play(scene));
    let blocks = Scene { blocks: true, ..SOUND };
    many("hand-off: one of 2 workers blocks", blocks);
    many("hand-off: one of 3 workers blocks", Scene { workers: 3, clients: 2, ..blocks });
    many("hand-off: one blocks, the others come again", Scene { again: 1, ..blocks });
}

#[test]
fn a_main_that_never_looks_is_found() {
    is_found("main never looks", || play(Scene { blocks: true, never_looks: true, ..SOUND }));
}

#[test]
fn a_worker_that_never_calls_is_found() {
    is_found("the worker that runs dry never calls", || {
        play(Scene { workers: 1, never_calls: true, ..SOUND });
    });
}
