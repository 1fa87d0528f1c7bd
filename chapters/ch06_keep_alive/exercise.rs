//! Chapter 6, build it: one connection, many requests.
//!
//! This is chapter 5's server. A client is a `Connection` already (src/connection),
//! which has room for what was read and not answered, and for what is to be
//! written; but nobody uses it: a turn is one read and one answer still. What a
//! `Connection` can do is described there; you will want `Sent` from it, and
//! `common::http::demo`. Four steps, all of them in `turn` and `work`; after each
//! of them:
//!
//! ```text
//! cargo run --bin workshop -- check ch06-build
//! ```

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use common::cli::{Failure, Options, Stage, Trying};
use common::connection::{Connection, Next};
use common::http::{self, Limits};
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
                // To wait for room in the send buffer is chapter 7's: here the rest is lost.
                Ok(Next::Write) => {
                    log::line(format_args!("client {}: cut off, it reads too slowly", client.peer));
                    self.clients.close(client);
                }
                // Step 4: `Again` says that requests are left in our own buffer. Who will
                // tell a worker of them?
                Ok(Next::Again | Next::Close) => self.clients.close(client),
                Err(error) => {
                    log::failed(format_args!("client {}", client.peer), &error);
                    self.clients.close(client);
                }
            }
        }
    }
}

// Step 1: read through the connection (`read_to_eagain`), ask it for the request
// (`next_request`), have the application answer it (`demo::respond_with_body`), give
// the answer to the connection (`answer`) and write it (`send`). A client that has
// got everything is not closed: it may ask again.
// Step 2: one answer is the last (`is_finished`): the client has said so, or it has
// ended its side. What becomes of the connection then? And there may be no whole
// request yet: then there is nothing to answer.
// Step 3: there may be several.
// Step 4: there may be so many that a worker must not stay for all of them; and an
// answer may be so long that one `send` does not get rid of it (`Sent`).
/// One turn of one connection: reads one request and writes one answer.
fn turn(client: &mut Connection) -> io::Result<Next> {
    let mut buffer = [0; 16 * 1024];
    let n = match sys::read(client.socket(), &mut buffer) {
        Ok(n) => n,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Next::Read),
        Err(error) => return Err(error),
    };
    if n == 0 {
        return Ok(Next::Close);
    }
    let answer = http::answer_once(&buffer[..n]);
    match sys::write(client.socket(), &answer)? {
        written if written == answer.len() => Ok(Next::Close),
        _ => Ok(Next::Write),
    }
}
