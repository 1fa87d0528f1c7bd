//! Chapter 5, build it: a fixed pool of workers.
//!
//! This is chapter 4's server, prepared for company: the clients stand in a
//! `Table`, which several threads may use, and what main and the workers will
//! share stands in `Server`. Main still answers everybody itself. In four steps
//! it learns to leave that to others; after each of them:
//!
//! ```text
//! cargo run --bin workshop -- check ch05-build
//! ```

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use common::cli::{Failure, Options, Stage, Trying};
use common::listener::Listener;
use common::queue::{Events, Mode, Queue, Token, Want};
use common::sys::{self, Fd};
use common::table::Table;
use common::{cli, http, log};

fn main() -> ExitCode {
    let about = "one thread that waits, and a fixed pool of workers that answer";
    cli::main(Stage::new("ch05_thread_pool", about).with_workers(), serve)
}

fn serve(options: &Options) -> Result<ExitCode, Failure> {
    let mut listener = Listener::open(options.address)?;
    let server = Arc::new(Server::new()?);
    listener.watch(&server.queue, Mode::Level)?;

    // Step 1: start the workers, `options.workers` of them, with a `Pool` (src/pool.rs).
    // Each has a share in `server`, and runs `work`.
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
    // Step 1: the clients that wait for a worker are to stand in `jobs` (src/pool.rs).
}

impl Server {
    fn new() -> Result<Server, Failure> {
        let queue = Queue::new().trying("open the event queue")?;
        Ok(Server { queue, clients: Table::new() })
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

    // Step 2: main takes the client out of the table, as it does now, and pushes it to
    // the workers. What follows is the business of the worker who takes it.
    // Step 3: whoever is handed over must be out of the kernel's queue. Since when?
    /// A client is readable: answers it, if there is something to answer.
    fn dispatch(&self, token: Token) {
        let Some(client) = self.clients.take(token) else { return };
        match answer(&client.1) {
            // It was never taken out of the queue: there is nothing to add.
            Next::Keep => {
                self.clients.park(client, |_| Ok(()));
            }
            Next::Close => {
                let deleted = self.queue.delete(&client.1);
                log::check(format_args!("client {}: delete", client.1), deleted);
                self.clients.close(client);
            }
        }
    }

    // Step 1: the life of a worker: it takes one client after another, until there will
    // be no more.
    // Step 2: it answers each, and then closes it, or gives it back into the kernel's care.
    // Step 4: what of that is still its business, now that main deletes?
    //
    // fn work(&self) {
    // }
}

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
