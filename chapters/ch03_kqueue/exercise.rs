//! Exercise of chapter 3: teach the server of chapter 2 to sleep.
//!
//! As it stands it asks everybody in every turn, and never stops asking. When you
//! are done, the kernel keeps the list, and the server sleeps until the kernel
//! says who is ready. The numbers of the steps are those of the check; after each:
//!
//! ```text
//! cargo run --bin workshop -- check ch03-build
//! ```

use std::io;
use std::process::ExitCode;

use common::cli::{Failure, Options, Stage};
use common::listener::Listener;
use common::sys::{self, Fd};
use common::{cli, http, log};

fn main() -> ExitCode {
    let about = "one thread that sleeps until the kernel says who is ready";
    cli::main(Stage::new("ch03_kqueue", about), serve)
}

fn serve(options: &Options) -> Result<ExitCode, Failure> {
    let listener = Listener::open(options.address)?;
    let mut server = Server::new()?;
    // Step 1: the kernel watches the listener, from before anybody is told where
    // to connect.
    // Step 6: it goes on telling for as long as somebody waits there.
    listener.announce()?;

    loop {
        // Step 2: sleep until something is ready, without a time limit. Then look
        // at what is ready: at the listener's event accept *one* client. Step 5: and
        // at no other event.
        server.accept(&listener);
        // Step 3: at a client's event answer that client. Step 5: and nobody else.
        server.answer_all();
    }
}

struct Server {
    // Step 1: the event queue (`common::queue`).
    /// Step 3: the clients the kernel watches for us, each by its token.
    clients: Vec<Fd>,
}

impl Server {
    fn new() -> Result<Server, Failure> {
        Ok(Server { clients: Vec::new() })
    }

    /// The listener is readable: accepts one client and has it watched.
    fn accept(&mut self, listener: &Listener) {
        match self.accept_one(listener) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {} // nobody new
            Err(error) => listener.errors.failed("accept", &error),
        }
    }

    fn accept_one(&mut self, listener: &Listener) -> io::Result<()> {
        let (client, _peer) = listener.accept()?;
        // Step 3: give the client a token, and have the kernel watch it.
        self.clients.push(client);
        Ok(())
    }

    /// Asks everybody whether there is something to answer.
    fn answer_all(&mut self) {
        let mut next = 0;
        while next < self.clients.len() {
            match answer(&self.clients[next]) {
                Next::Keep => next += 1,
                Next::Close => self.close(next),
            }
        }
    }

    /// Step 4: what the kernel watches is to be taken out of the queue before it
    /// is closed.
    fn close(&mut self, index: usize) {
        sys::close(self.clients.swap_remove(index));
    }
}

/// What is to become of a connection.
enum Next {
    Keep,
    Close,
}

// Here nothing is missing.

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
