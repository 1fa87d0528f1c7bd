//! Chapter 2, with a task: non-blocking sockets and a list of clients, asked in
//! turn.
//!
//! The server is the chapter's: it never sleeps, and asks everybody in every turn.
//!
//! The task: what servers did before kqueue and epoll. `queue::poll` takes the
//! whole list, the listener among them, and sleeps until one of them can be read;
//! it says which. Ask only those. A `Token` names each of them.

use std::io;
use std::process::ExitCode;

use common::cli::{Failure, Options, Stage, Trying};
use common::sys::{self, Fd};
use common::{cli, http, log};

fn main() -> ExitCode {
    let about = "non-blocking sockets and a list of clients, asked in turn";
    cli::main(Stage::new("ch02_nonblocking", about), serve)
}

fn serve(options: &Options) -> Result<ExitCode, Failure> {
    let listener = open_listener(options)?;
    let accept_errors = log::Repeated::new();
    let mut clients: Vec<Fd> = Vec::new();

    loop {
        match accept(&listener) {
            Ok(client) => clients.push(client),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {} // nobody new
            Err(error) => accept_errors.failed("accept", &error),
        }

        let mut next = 0;
        while next < clients.len() {
            match answer(&clients[next]) {
                Next::Keep => next += 1,
                Next::Close => sys::close(clients.swap_remove(next)),
            }
        }
    }
}

/// How many finished connections may wait for `accept`. The kernel clamps it.
const BACKLOG: i32 = 1024;

fn open_listener(options: &Options) -> Result<Fd, Failure> {
    let address = options.address;
    let listener = sys::socket(address).trying("open a socket")?;
    sys::set_reuse_address(&listener).trying("set SO_REUSEADDR")?;
    sys::set_nonblocking(&listener).trying("set O_NONBLOCK")?;
    sys::bind(&listener, address).trying(format_args!("bind to {address}"))?;
    sys::listen(&listener, BACKLOG).trying(format_args!("listen on {address}"))?;
    cli::announce(sys::local_address(&listener).trying("ask for the port")?);
    Ok(listener)
}

fn accept(listener: &Fd) -> io::Result<Fd> {
    let (client, _peer) = sys::accept(listener)?;
    sys::set_nonblocking(&client)?;
    Ok(client)
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
