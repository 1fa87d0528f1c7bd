//! Chapter 3, with a bug to hunt: the kernel keeps the list, and says who is ready.
//!
//! The server registers each socket once with the kernel's event queue (kqueue,
//! or epoll on Linux) and sleeps in one call until any of them is ready. An
//! idle server costs nothing, and an idle client costs an active one nothing.
//! One event is one `accept` or one `read`: the queue is *level-triggered*, so
//! what was left over is reported again.

use std::collections::HashMap;
use std::io;
use std::process::ExitCode;

use common::cli::{Failure, Options, Stage, Trying};
use common::listener::Listener;
use common::queue::{Events, Mode, Queue, Token, Want};
use common::sys::{self, Fd};
use common::{cli, http, log};

fn main() -> ExitCode {
    let about = "one thread that sleeps until the kernel says who is ready";
    cli::main(Stage::new("ch03_kqueue", about), serve)
}

fn serve(options: &Options) -> Result<ExitCode, Failure> {
    let listener = Listener::open(options.address)?;
    let mut server = Server::new()?;
    listener.watch(&server.queue, Mode::Level)?;
    listener.announce()?;

    let mut events = Events::with_capacity(256);
    loop {
        server.queue.wait(&mut events, None).trying("wait for events")?;
        for event in events.iter() {
            if event.token == listener.token {
                server.accept(&listener);
            } else {
                server.answer(event.token);
            }
        }
    }
}

struct Server {
    queue: Queue,
    /// The clients the kernel watches for us.
    clients: HashMap<Token, Fd>,
}

impl Server {
    fn new() -> Result<Server, Failure> {
        let queue = Queue::new().trying("open the event queue")?;
        Ok(Server { queue, clients: HashMap::new() })
    }

    /// The listener is readable: accepts one client and has it watched.
    fn accept(&mut self, listener: &Listener) {
        match self.accept_one(listener) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {} // it has gone again
            Err(error) => listener.errors.failed("accept", &error),
        }
    }

    fn accept_one(&mut self, listener: &Listener) -> io::Result<()> {
        let (client, _peer) = listener.accept()?;
        let token = Token::new(&client);
        self.queue.add(&client, token, Want::Read, Mode::Level)?;
        self.clients.insert(token, client);
        Ok(())
    }

    /// A client is readable: answers it, if there is something to answer.
    fn answer(&mut self, token: Token) {
        let Some(client) = self.clients.get(&token) else { return };
        match answer(client) {
            Next::Keep => {}
            Next::Close => self.close(token),
        }
    }

    /// Takes a client out of the queue, *then* closes it: a queue may go on
    /// reporting a descriptor that was closed behind its back.
    fn close(&mut self, token: Token) {
        let Some(client) = self.clients.remove(&token) else { return };
        log::check(format_args!("client {client}: delete"), self.queue.delete(&client));
        sys::close(client);
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
        Ok(0) => return Next::Keep, // it has said nothing yet
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
