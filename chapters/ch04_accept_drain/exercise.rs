//! Chapter 4, to be built: accept until there is nobody left, and step back when
//! the descriptors run out.
//!
//! What stands here is the server of chapter 3: one event on the listener is one
//! `accept`, and without descriptors it spins. Four steps mend both. The pause
//! itself is in `common::listener`: read what it offers. After each step:
//! `cargo run --bin workshop -- check`.

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
    let listener = Listener::open(options.address)?;
    let mut server = Server::new()?;
    listener.watch(&server.queue, Mode::Level)?;
    listener.announce()?;

    let mut events = Events::with_capacity(256);
    loop {
        // Step 2: during a pause this must not sleep for ever. The listener knows how
        // long it has patience.
        server.queue.wait(&mut events, None).trying("wait for events")?;
        for event in events.iter() {
            if event.token == listener.token {
                server.accept(&listener);
            } else {
                server.answer(event.token);
                // Step 4: this client may have been closed, and then there is a
                // descriptor again. Why wait for the end of the pause?
            }
        }
        // Step 3: when the pause is over, somebody has to notice.
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
    ///
    /// Step 1: have it accept until there is nobody left, and give it a name that
    /// says so. What about those behind a client whose `accept` fails?
    /// Step 2: some errors are not about that client, but about us: the next
    /// `accept` would fail as this one did. Which, says `sys::is_about_one_client`.
    /// Have the listener paused then.
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
