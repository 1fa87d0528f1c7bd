//! Chapter 6, hunt the bug: the server that leaves early.
//!
//! A program sends it a list of requests, says that this is all (`shutdown` with
//! `SHUT_WR`), and collects the answers. If the list is short, all of them come. If
//! it is long, the last ones are missing.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use common::cli::{Failure, Options, Stage, Trying};
use common::connection::{Connection, Next, Sent};
use common::http::{Limits, demo};
use common::listener::Listener;
use common::pool::{Jobs, Pool};
use common::queue::{Events, Mode, Queue, Token, Want};
use common::sys;
use common::table::{Client, Table};
use common::{cli, log};

fn main() -> ExitCode {
    let about = "reactor and pool, with many requests on one connection";
    cli::main(Stage::new("ch06_keep_alive", about).with_workers(), serve)
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
    clients: Table<Connection>,
    /// The clients that wait for a worker.
    jobs: Jobs<Connection>,
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
        let (socket, peer) = listener.accept()?;
        // macOS: EINVAL if the client has gone again; its first read will tell.
        let _ = sys::set_no_delay(&socket);
        self.park(Connection::new(socket, peer, Limits::NONE));
        Ok(())
    }

    /// Gives a client into the kernel's care: new, or for once more.
    fn park(&self, client: Connection) {
        let arm = |c: &Connection| self.queue.add(c.socket(), c.token(), Want::Read, Mode::Level);
        self.clients.park(client, arm);
    }

    /// A client is readable: takes it out of the table and out of the queue,
    /// then leaves it to a worker. Nobody else has it now.
    fn dispatch(&self, token: Token) {
        let Some(client) = self.clients.take(token) else { return };
        let deleted = self.queue.delete(client.socket());
        log::check(format_args!("client {}: delete", client.peer), deleted);
        self.jobs.push(client);
    }

    /// The life of a worker.
    fn work(&self) {
        while let Some(mut client) = self.jobs.take() {
            match turn(&mut client) {
                Ok(Next::Read) => self.park(client),
                Ok(Next::Again) => self.jobs.push(client),
                // To wait for room in the send buffer is chapter 7's: here the rest is lost.
                Ok(Next::Write) => {
                    log::line(format_args!("client {}: cut off, it reads too slowly", client.peer));
                    self.clients.close(client);
                }
                Ok(Next::Close) => self.clients.close(client),
                Err(error) => {
                    log::failed(format_args!("client {}", client.peer), &error);
                    self.clients.close(client);
                }
            }
        }
    }
}

/// What one turn may take: so many requests, so many bytes.
const TURN_REQUESTS: usize = 64;
const TURN_BYTES: usize = 256 * 1024;

/// One turn of one connection: reads what there is, answers what is complete.
fn turn(client: &mut Connection) -> io::Result<Next> {
    client.read_to_eagain(TURN_BYTES)?;
    for _ in 0..TURN_REQUESTS {
        let Some(request) = client.next_request() else { break };
        let (response, head) = (demo::respond_with_body(&request), request.head);
        client.answer(response, head.method, head.keep_alive);
    }
    let more = client.has_request();
    match client.send(TURN_BYTES)? {
        Sent::All if client.is_finished() => Ok(Next::Close),
        Sent::All if more => Ok(Next::Again),
        Sent::All => Ok(Next::Read),
        Sent::More => Ok(Next::Again),
        Sent::Full => Ok(Next::Write),
    }
}
