//! Chapter 6, hunt the bug: the server that says 400 now and then.
//!
//! Its clients are in order, and so are their requests. A browser never sees
//! anything. A client that sends many requests on one connection, and quickly, is
//! told every so often that it has sent none.
//!
//! Here the server keeps what it has read in a buffer of its own, a plain `Vec`.
//! Every answer goes out in one write (chapter 7 knows what else may be needed).

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use common::cli::{Failure, Options, Stage, Trying};
use common::http::{Framing, Head, Limits, Method, Parsed, Refusal, Request, demo};
use common::listener::Listener;
use common::pool::{Jobs, Pool};
use common::queue::{Events, Mode, Queue, Token, Want};
use common::sys::{self, Fd};
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
        let (socket, _peer) = listener.accept()?;
        // macOS: EINVAL if the client has gone again; its first read will tell.
        let _ = sys::set_no_delay(&socket);
        self.park(Connection::new(socket));
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
        log::check(format_args!("client {}: delete", client.socket), deleted);
        self.jobs.push(client);
    }

    /// The life of a worker.
    fn work(&self) {
        while let Some(mut client) = self.jobs.take() {
            match turn(&mut client) {
                Ok(Next::Read) => self.park(client),
                Ok(Next::Close) => self.clients.close(client),
                Err(error) => {
                    log::failed(format_args!("client {}", client.socket), &error);
                    self.clients.close(client);
                }
            }
        }
    }
}

/// How often one turn may read.
const TURN_READS: usize = 16;

/// A client, and what it has sent.
struct Connection {
    token: Token,
    socket: Fd,
    /// What was read and is not answered.
    input: Vec<u8>,
}

impl Connection {
    fn new(socket: Fd) -> Connection {
        Connection { token: Token::new(&socket), socket, input: Vec::new() }
    }

    /// Reads until there is nothing more for now, or its turn is over; says whether
    /// there may be more later.
    fn read_to_eagain(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        for _ in 0..TURN_READS {
            match sys::read(&self.socket, &mut buffer) {
                Ok(0) => return Ok(false),
                Ok(n) => self.input.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl Client for Connection {
    fn token(&self) -> Token {
        self.token
    }

    fn socket(&self) -> &Fd {
        &self.socket
    }

    fn into_socket(self) -> Fd {
        self.socket
    }
}

/// What a connection wants after its turn.
enum Next {
    Read,
    Close,
}

/// One turn of one connection: reads what there is, answers what is complete.
fn turn(client: &mut Connection) -> io::Result<Next> {
    let mut is_open = client.read_to_eagain()?;
    let mut output = Vec::new();
    let mut done = 0; // so many bytes of the input are answered
    while let Some(answer) = answer(&client.input[done..]) {
        done += answer.took;
        output.extend_from_slice(&answer.bytes);
        if answer.is_last {
            is_open = false;
            break;
        }
    }
    if done > 0 {
        client.input.clear();
        let written = sys::write(&client.socket, &output)?;
        is_open &= written == output.len();
    }
    Ok(if is_open { Next::Read } else { Next::Close })
}

/// The answer to one request.
struct Answer {
    bytes: Vec<u8>,
    /// How many bytes the request had.
    took: usize,
    /// The connection ends with it.
    is_last: bool,
}

/// Answers the request at the beginning of `input`, if it is complete.
fn answer(input: &[u8]) -> Option<Answer> {
    let (head, body) = match Head::parse(input, &Limits::NONE) {
        Parsed::Complete(head) => match head.body {
            Framing::Length(length) => (head, head.length..head.length + length),
            Framing::Chunked => {
                return Some(refuse(Refusal::new(411, "say how long it is\n"), input));
            }
        },
        Parsed::Partial => return None,
        Parsed::Refused(refusal) => return Some(refuse(refusal, input)),
    };
    let request = Request::new(head, input, input.get(body.clone())?);
    let bytes = demo::respond_with_body(&request).into_bytes(head.method, head.keep_alive);
    Some(Answer { bytes, took: body.end, is_last: !head.keep_alive })
}

/// Nobody knows where the next request would begin, so this is the last answer.
fn refuse(refusal: Refusal, input: &[u8]) -> Answer {
    let bytes = refusal.response().into_bytes(Method::of_beginning(input), false);
    Answer { bytes, took: input.len(), is_last: true }
}
