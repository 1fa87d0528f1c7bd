//! Chapter 5, hunt the bug: the server that gets slower.
//!
//! In the morning it is as quick as ever. In the evening it takes its time, and
//! some day it answers nobody, though it still accepts. There was no crash, and the
//! log has a few lines of a kind that every server's log has.

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
    let life = move || {
        if let Err(error) = shared.work() {
            log::failed("client", &error);
        }
    };
    let _workers = Pool::start(options.workers, life).trying("start the workers")?;
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
    fn work(&self) -> io::Result<()> {
        while let Some(client) = self.jobs.take() {
            match answer(&client.1)? {
                Next::Keep => self.park(client),
                Next::Close => self.clients.close(client),
            }
        }
        Ok(())
    }
}

/// What is to become of a connection.
enum Next {
    Keep,
    Close,
}

/// Reads one request and writes one answer.
fn answer(client: &Fd) -> io::Result<Next> {
    let mut buffer = [0; 16 * 1024];
    match sys::read(client, &mut buffer) {
        Ok(0) => {} // the client closed without a word
        Ok(n) => {
            let answer = http::answer_once(&buffer[..n]);
            let (written, all) = (sys::write(client, &answer)?, answer.len());
            // The send buffer is full, and to wait for room would be to
            // block. Until chapter 7 keeps the rest, it is lost.
            if written < all {
                log::line(format_args!("client {client}: cut off at {written} of {all} bytes"));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Next::Keep), // not yet
        Err(error) => return Err(error),
    }
    Ok(Next::Close)
}
