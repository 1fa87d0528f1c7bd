//! Chapter 5: a fixed pool of workers answers; main only waits and accepts.
//!
//! A slow handler now stops one worker and nobody else. What it takes is
//! *delete before dispatch*: main takes a ready client out of the kernel's queue
//! before a worker gets it. Otherwise the kernel would report it again and
//! again while the worker has not read yet, and two workers would own it.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use common::cli::{Failure, Options, Stage, Trying};
use common::listener::Listener;
use common::pool::Pool;
use common::queue::{Events, Mode, Queue, Token, Want};
use common::sys::{self, Fd};
use common::table::{Refused, Table};
use common::{cli, http, log};

fn main() -> ExitCode {
    let about = "one thread that waits, and a fixed pool of workers that answer";
    cli::main(Stage::new("ch05_thread_pool", about).with_workers(), serve)
}

// ANCHOR: serve
fn serve(options: &Options) -> Result<ExitCode, Failure> {
    let mut server = Server::open(options)?;
    let mut events = Events::with_capacity(256);
    loop {
        server.queue.wait(&mut events, server.listener.patience()).trying("wait for events")?;
        for event in events.iter() {
            if event.token == server.listener.token {
                server.accept_all()?;
            } else {
                server.dispatch(event.token);
            }
        }
        server.listener.resume(&server.queue)?;
    }
}
// ANCHOR_END: serve

struct Server {
    listener: Listener,
    accept_errors: log::Repeated,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    pool: Pool<(Token, Fd)>,
}

/// What main and the workers both use.
struct Shared {
    queue: Arc<Queue>,
    /// The clients; the parked ones are those the kernel watches for us.
    clients: Table<(Token, Fd)>,
}

impl Server {
    // ANCHOR: open
    fn open(options: &Options) -> Result<Server, Failure> {
        let listener = Listener::open(options.address)?;
        let queue = Arc::new(Queue::new().trying("open the event queue")?);
        listener.watch(&queue)?;
        let shared = Arc::new(Shared { queue: Arc::clone(&queue), clients: Table::new() });
        let workers_share = Arc::clone(&shared);
        let work = move |client, _: &_| workers_share.answer(client);
        let pool = Pool::new(options.workers, work).trying("start the workers")?;
        let accept_errors = log::Repeated::new();
        Ok(Server { listener, accept_errors, queue, shared, pool })
    }
    // ANCHOR_END: open

    // ANCHOR: accept
    /// The listener is readable: accepts until there is nobody left.
    fn accept_all(&mut self) -> Result<(), Failure> {
        loop {
            match self.accept_one() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if sys::is_out_of_descriptors(&error) => {
                    self.accept_errors.failed("accept", &error);
                    return self.listener.pause(&self.queue);
                }
                // This one is lost (ECONNABORTED: it has gone again), the next may be fine.
                Err(error) => self.accept_errors.failed("accept", &error),
            }
        }
    }

    fn accept_one(&mut self) -> io::Result<()> {
        let (client, _peer) = self.listener.accept()?;
        self.shared.park((Token::new(&client), client));
        Ok(())
    }
    // ANCHOR_END: accept

    // ANCHOR: dispatch
    /// A client is readable: takes it out of the table and out of the queue,
    /// then hands it to a worker. Nobody else has it now.
    fn dispatch(&self, token: Token) {
        let Some(client) = self.shared.clients.take(token) else { return };
        if let Err(error) = self.queue.delete(&client.1) {
            log::failed(format_args!("client {}: delete", client.1), &error);
        }
        self.pool.push(client);
    }
    // ANCHOR_END: dispatch
}

impl Shared {
    // ANCHOR: answer
    /// A worker has a client: answers it, if there is something to answer.
    fn answer(&self, client: (Token, Fd)) {
        match answer(&client.1) {
            Next::Keep => self.park(client),
            Next::Close => self.clients.close(client),
        }
    }

    /// Gives a client into the kernel's care: new, or for once more.
    fn park(&self, client: (Token, Fd)) {
        let arm = |(token, socket): &_| self.queue.add(socket, *token, Want::Read, Mode::Level);
        if let Err((client, refused)) = self.clients.park(client, arm) {
            if let Refused::Failed(error) = refused {
                log::failed(format_args!("client {}: add", client.1), &error);
            }
            self.clients.close(client);
        }
    }
    // ANCHOR_END: answer
}

/// What is to become of a connection.
enum Next {
    Keep,
    Close,
}

// ANCHOR: conversation
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
// ANCHOR_END: conversation
