//! Chapter 2, to be built: non-blocking sockets and a list of clients, asked in
//! turn.
//!
//! What stands here is the server of chapter 1: it sleeps in `accept`, in `read`
//! and in `write`. Five steps make it one that sleeps in none of them. After each step:
//! `cargo run --bin workshop -- check`.

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

    loop {
        match accept(&listener) {
            // Step 3: keep the clients in a list, and ask each of them once in every
            // turn of this loop. Whoever has nothing to say yet stays in it.
            // Step 4: whoever has been answered, or has left, is taken from the list
            // and closed. Mind that the list gets shorter while you go through it: the
            // others are asked in this turn all the same.
            Ok(client) => {
                if let Err(error) = answer(&client) {
                    log::failed(format_args!("client {client}"), &error);
                }
                sys::close(client);
            }
            // Step 1: that nobody new is there will be no error, but the usual case.
            // Any other error stays one: a line says so, and the loop goes on.
            Err(error) => accept_errors.failed("accept", &error),
        }
    }
}

/// How many finished connections may wait for `accept`. The kernel clamps it.
const BACKLOG: i32 = 1024;

fn open_listener(options: &Options) -> Result<Fd, Failure> {
    let address = options.address;
    let listener = sys::socket(address).trying("open a socket")?;
    sys::set_reuse_address(&listener).trying("set SO_REUSEADDR")?;
    // Step 1: with which flag does `accept` not sleep? Set it here.
    sys::bind(&listener, address).trying(format_args!("bind to {address}"))?;
    sys::listen(&listener, BACKLOG).trying(format_args!("listen on {address}"))?;
    cli::announce(sys::local_address(&listener).trying("ask for the port")?);
    Ok(listener)
}

fn accept(listener: &Fd) -> io::Result<Fd> {
    let (client, _peer) = sys::accept(listener)?;
    // Step 2: the client is a socket of its own.
    Ok(client)
}

/// Reads one request and writes one answer.
fn answer(client: &Fd) -> io::Result<()> {
    // Step 3: `read` has a third result now. The caller must be able to tell "not
    // yet" from "done": a type with two values will say which.
    let mut buffer = [0; 16 * 1024];
    let n = sys::read(client, &mut buffer)?;
    if n == 0 {
        return Ok(()); // the client closed without a word
    }
    let answer = http::answer_once(&buffer[..n]);

    // Step 5: a full send buffer stays full as long as the client does not read.
    // Write once, and if that was not all, say so in a line: "cut off at …".
    let mut written = 0;
    while written < answer.len() {
        written += sys::write(client, &answer[written..])?;
    }
    Ok(())
}
