//! Chapter 5, stretch: one event loop per thread.
//!
//! A hand-off costs: a lock, a wake-up, and a client's data that wanders from one
//! core to another. Servers whose handlers never wait do without it. Rebuild this
//! server so that `--workers N` starts N event loops (main may run one), each
//! with all of its own:
//!
//! 1. N listeners on *one* port. The kernel allows it to sockets that have asked
//!    for it before they are bound (`Listener::open_shared`). The port may be its
//!    choice (`--port 0`): then the others need to know what it has chosen.
//! 2. N event queues, each with its listener, and one thread that waits on it.
//! 3. No hand-off: who accepts a client reads, answers and closes it. Chapter 4 was
//!    such a loop. What of this chapter's machinery is left?
//!
//! What it gives up against the pool, try afterwards, with `/slow?ms=5000`.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use common::cli::{Failure, Options, Stage, Trying};
use common::listener::Listener;
use common::pool::{Jobs, Pool};
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
    jobs: Jobs<(Token, Fd)>,
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
        while let Some(client) = self.jobs.take() {
            match answer(&client.1) {
                Next::Keep => self.park(client),
                Next::Close => self.clients.close(client),
            }
        }
    }
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
