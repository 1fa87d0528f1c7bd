//! Chapter 5, hunt the bug: the server that oversleeps.
//!
//! Ask it once, ask it a hundred times, one after another: it answers. But on busy
//! days a client now and then waits for ever, and nobody works.
//!
//! The queue of jobs stands in this file. It does what `src/pool.rs` does, in its
//! own words, and writes the same steps into the trace.

use std::collections::VecDeque;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use common::cli::{Failure, Options, Stage, Trying};
use common::listener::Listener;
use common::pool::Pool;
use common::queue::{Events, Mode, Queue, Token, Want};
use common::sys::{self, Fd};
use common::table::Table;
use common::{cli, http, log, trace};

fn main() -> ExitCode {
    let about = "one thread that waits, and a fixed pool of workers that answer";
    cli::main(Stage::new("ch05_thread_pool", about).with_workers(), serve)
}

fn serve(options: &Options) -> Result<ExitCode, Failure> {
    let mut listener = Listener::open(options.address)?;
    let server = Arc::new(Server::new()?);
    listener.watch(&server.queue, Mode::Level)?;

    let shared = Arc::clone(&server);
    let _workers =
        Pool::start(options.workers, move || shared.work()).trying("start the workers")?;
    listener.announce()?;

    let mut events = Events::with_capacity(256);
    loop {
        server.queue.wait(&mut events, listener.patience()).trying("wait for events")?;
        for event in events.iter() {
            if event.token == listener.token {
                server.accept_all(&mut listener);
            } else {
                server.dispatch(event.token);
            }
        }
        // The end of a pause wakes main; a worker that closes a client does not.
        listener.resume(&server.queue);
    }
}

/// What main and the workers share.
struct Server {
    queue: Queue,
    /// The clients; the kernel watches those that are parked.
    clients: Table<(Token, Fd)>,
    /// The clients that wait for a worker.
    jobs: Jobs,
}

impl Server {
    fn new() -> Result<Server, Failure> {
        let queue = Queue::new().trying("open the event queue")?;
        Ok(Server { queue, clients: Table::new(), jobs: Jobs::new() })
    }

    /// The listener is readable: accepts until there is nobody left.
    fn accept_all(&self, listener: &mut Listener) {
        loop {
            match self.accept_one(listener) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    listener.errors.failed("accept", &error);
                    // ECONNABORTED: this one has gone again, the next may be fine.
                    // EMFILE: nobody else can be accepted for now.
                    if !sys::is_about_one_client(&error) {
                        return listener.pause(&self.queue);
                    }
                }
            }
        }
    }

    fn accept_one(&self, listener: &Listener) -> io::Result<()> {
        let (client, _peer) = listener.accept()?;
        self.park((Token::new(&client), client));
        Ok(())
    }

    /// Gives a client into the kernel's care: new, or for once more.
    fn park(&self, client: (Token, Fd)) {
        let arm = |(token, socket): &_| self.queue.add(socket, *token, Want::Read, Mode::Level);
        self.clients.park(client, arm);
    }

    /// A client is readable: takes it out of the table and out of the queue,
    /// then leaves it to a worker. Nobody else has it now.
    fn dispatch(&self, token: Token) {
        let Some(client) = self.clients.take(token) else { return };
        log::check(format_args!("client {}: delete", client.1), self.queue.delete(&client.1));
        self.jobs.push(client);
    }

    /// The life of a worker.
    fn work(&self) {
        loop {
            let client = self.jobs.take();
            match answer(&client.1) {
                Next::Keep => self.park(client),
                Next::Close => self.clients.close(client),
            }
        }
    }
}

/// How long everybody hesitates who wants the queue.
const A_MOMENT: Duration = Duration::from_micros(50);

/// The clients that wait for a worker, the oldest first.
struct Jobs {
    queue: Mutex<VecDeque<(Token, Fd)>>,
    /// Signalled when a client has come.
    came: Condvar,
}

impl Jobs {
    fn new() -> Jobs {
        Jobs { queue: Mutex::new(VecDeque::new()), came: Condvar::new() }
    }

    /// Puts a client at the end of the queue and wakes one worker.
    fn push(&self, client: (Token, Fd)) {
        trace::step_gives("queued", Some(client.1.raw()));
        self.lock().push_back(client);
        self.came.notify_one();
    }

    /// Takes the oldest client; sleeps until there is one.
    fn take(&self) -> (Token, Fd) {
        let mut queue = self.lock();
        loop {
            queue = self.sleep(queue);
            // There may be none: another worker was quicker.
            if let Some(client) = queue.pop_front() {
                trace::step_receives("took", Some(client.1.raw()));
                return client;
            }
        }
    }

    /// Gives the lock back and sleeps until somebody signals; has it again then.
    fn sleep<'a>(&self, queue: Lock<'a>) -> Lock<'a> {
        let pause = trace::step_enters("waiting for work", "");
        let queue = self.came.wait(queue).unwrap_or_else(PoisonError::into_inner);
        pause.leave("woke", None, "");
        queue
    }

    /// The queue, for the one who has the lock. The moment before it makes an everyday
    /// matter of what is rare: that somebody else is quicker. It is no part of the bug.
    fn lock(&self) -> Lock<'_> {
        thread::sleep(A_MOMENT);
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Lock<'a> = MutexGuard<'a, VecDeque<(Token, Fd)>>;

/// What is to become of a connection.
enum Next {
    Keep,
    Close,
}

/// Reads one request and writes one answer.
fn answer(client: &Fd) -> Next {
    let mut buffer = [0; 16 * 1024];
    match sys::read(client, &mut buffer) {
        Ok(0) => {} // the client closed without a word
        Ok(n) => {
            let answer = http::answer_once(&buffer[..n]);
            match sys::write(client, &answer) {
                Ok(written) if written == answer.len() => {}
                // The send buffer is full, and to wait for room would be to
                // block. Until chapter 7 keeps the rest, it is lost.
                Ok(written) => {
                    let all = answer.len();
                    log::line(format_args!("client {client}: cut off at {written} of {all} bytes"));
                }
                Err(error) => log::failed(format_args!("client {client}"), &error),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Next::Keep, // not yet
        Err(error) => log::failed(format_args!("client {client}"), &error),
    }
    Next::Close
}
