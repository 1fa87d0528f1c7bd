//! Chapter 4, with a task: accept until there is nobody left, and send away those
//! for whom there is no descriptor.
//!
//! The server is the chapter's: at `EMFILE` it pauses, and who has connected waits
//! without a word.
//!
//! The task: keep one descriptor in reserve. At `EMFILE` give it up, accept with
//! the number that is free now, close that client at once, and take the reserve
//! again; then accept the next. So everybody learns at once whether there is a
//! place. The pause stays for the day on which even that fails.

use std::collections::HashMap;
use std::io;
use std::process::ExitCode;

use common::cli::{Failure, Options, Stage, Trying};
use common::listener::Listener;
use common::queue::{Events, Mode, Queue, Token, Want};
use common::sys::{self, Fd};
use common::{cli, http, log};

fn main() -> ExitCode {
    let about = "one thread, accepting until there is nobody left";
    cli::main(Stage::new("ch04_accept_drain", about), serve)
}

fn serve(options: &Options) -> Result<ExitCode, Failure> {
    let mut listener = Listener::open(options.address)?;
    let mut server = Server::new()?;
    listener.watch(&server.queue, Mode::Level)?;
    listener.announce()?;

    let mut events = Events::with_capacity(256);
    loop {
        server.queue.wait(&mut events, listener.patience()).trying("wait for events")?;
        for event in events.iter() {
            if event.token == listener.token {
                server.accept_all(&mut listener);
            } else {
                server.answer(event.token);
                listener.cut_pause_short(); // there may be a descriptor again
            }
        }
        listener.resume(&server.queue);
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

    /// The listener is readable: accepts until there is nobody left.
    fn accept_all(&mut self, listener: &mut Listener) {
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
