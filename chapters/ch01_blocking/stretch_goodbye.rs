//! Chapter 1, with a task: one thread, one blocking socket, one client at a time.
//!
//! The server is the chapter's. When it closes, the kernel looks whether the
//! client has sent anything that was never read. If so it sends a reset, and the
//! reset can take away an answer that had arrived.
//!
//! The task: end each connection in two steps. After the answer say that this was
//! all (`sys::shutdown_write`), then take out what the client still sends and
//! throw it away, until the client has finished too; and only then close. But let
//! no client keep the server so: after 1 MiB of rubbish close all the same.

use std::io;
use std::process::ExitCode;

use common::cli::{Failure, Options, Stage, Trying};
use common::sys::{self, Fd};
use common::{cli, http, log};

fn main() -> ExitCode {
    let about = "one thread, one blocking socket, one client at a time";
    cli::main(Stage::new("ch01_blocking", about), serve)
}

fn serve(options: &Options) -> Result<ExitCode, Failure> {
    let listener = open_listener(options)?;
    let accept_errors = log::Repeated::new();

    loop {
        match sys::accept(&listener) {
            Ok((client, _peer)) => {
                if let Err(error) = answer(&client) {
                    log::failed(format_args!("client {client}"), &error);
                }
                sys::close(client);
            }
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
    sys::bind(&listener, address).trying(format_args!("bind to {address}"))?;
    sys::listen(&listener, BACKLOG).trying(format_args!("listen on {address}"))?;
    cli::announce(sys::local_address(&listener).trying("ask for the port")?);
    Ok(listener)
}

/// Reads one request and writes one answer.
fn answer(client: &Fd) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    let n = sys::read(client, &mut buffer)?;
    if n == 0 {
        return Ok(()); // the client closed without a word
    }
    let answer = http::answer_once(&buffer[..n]);

    let mut written = 0;
    while written < answer.len() {
        written += sys::write(client, &answer[written..])?;
    }
    Ok(())
}
