//! Chapter 1, to be built: one thread, one blocking socket, one client at a time.
//!
//! What stands here opens a socket that nobody can reach, and gives up. Six
//! steps make it the server of the chapter. All calls of the page are in
//! `common::sys`, one function each, and `common::http` has the answers. After
//! each step: `cargo run --bin workshop -- check`.

use std::io;
use std::process::ExitCode;

use common::cli::{self, Failure, Options, Stage, Trying};
use common::sys::{self, Fd};

fn main() -> ExitCode {
    let about = "one thread, one blocking socket, one client at a time";
    cli::main(Stage::new("ch01_blocking", about), serve)
}

fn serve(options: &Options) -> Result<ExitCode, Failure> {
    let listener = open_listener(options)?;

    // Step 3: this takes one client, and then the program ends. Have it take the
    // next one as soon as this one is closed, and never stop.
    let (client, _peer) = sys::accept(&listener).trying("accept a client")?;
    // Step 6: what goes wrong with one client ends the server here, and so does
    // an error of `accept`. Print it (`common::log`) and go on instead.
    answer(&client).trying("talk to a client")?;
    sys::close(client);
    Ok(ExitCode::SUCCESS)
}

fn open_listener(options: &Options) -> Result<Fd, Failure> {
    let address = options.address;
    let listener = sys::socket(address).trying("open a socket")?;
    // Step 1: this socket has no address and lets nobody in. Two calls change
    // that. Then ask which port it has, and let `cli::announce` say so.
    // Step 2: a server that is started again must have its port back at once.
    // One more call does it, if it comes early enough.
    Ok(listener)
}

/// Reads one request and writes one answer.
fn answer(_client: &Fd) -> io::Result<()> {
    // Step 4: read once, into a buffer of 16 KiB. If the client has finished
    // without a word, there is nothing to answer. Else `http::answer_once` makes
    // an answer of the bytes that were read: write it.
    // Step 5: `write` may take less than it was given. See that all of it goes out.
    Ok(())
}
