//! Where the design of these chapters ends: one event loop per core.
//!
//! One main thread that waits and accepts is one core's worth of event loop, and
//! each request costs a hand-over to another thread. Here nobody hands anything
//! over: each thread has a listener, a queue and connections of its own, and does
//! everything itself. The kernel spreads the connections (`SO_REUSEPORT`).
//!
//! What that gives up shows as soon as a handler is slow: `/slow` keeps everybody
//! waiting who is on the same loop, however idle the others are. Deadlines, drain
//! (Ctrl-C ends it) and files are left out: it is here to be compared.

use std::io;
use std::process::ExitCode;
use std::thread;

use common::cli::{Failure, Options, Stage, Trying};
use common::connection::{Connection, Next, Sent};
use common::http::{Limits, demo};
use common::listener::Listener;
use common::queue::{Event, Events, Mode, Queue, Want};
use common::table::{Client, Table};
use common::{cli, log, sys};

fn main() -> ExitCode {
    let about = "no pool: one event loop per core, for comparison";
    cli::main(Stage::new("per_core", about).with_workers(), serve)
}

fn serve(options: &Options) -> Result<ExitCode, Failure> {
    sys::raise_descriptor_limit().trying("raise the limit on descriptors")?;
    if !sys::REUSE_PORT_BALANCES {
        let text = "this system gives all connections of a shared port to one of its listeners";
        log::line(format_args!("{text}: one loop will do all the work"));
    }
    let first = Core::new(Listener::open_shared(options.address)?)?;
    let address = first.listener.address()?; // of which the port may be the kernel's choice
    let others = (1..options.workers).map(|_| Core::new(Listener::open_shared(address)?));
    let others = others.collect::<Result<Vec<Core>, Failure>>()?;
    first.listener.announce()?;
    for (n, core) in others.into_iter().enumerate() {
        let body = move || {
            log::line(format_args!("per_core: {}", core.run()));
            std::process::exit(1);
        };
        let loops = thread::Builder::new().name(format!("loop-{}", n + 2));
        loops.spawn(body).trying("start a thread")?;
    }
    Err(first.run())
}

/// All that one thread has.
struct Core {
    listener: Listener,
    queue: Queue,
    /// Nobody else comes here, so its locks are never waited for.
    clients: Table<Connection>,
}

impl Core {
    fn new(listener: Listener) -> Result<Core, Failure> {
        let queue = Queue::new().trying("open the event queue")?;
        listener.watch(&queue, Mode::Level)?;
        Ok(Core { listener, queue, clients: Table::new() })
    }

    /// Goes round until something makes it impossible.
    fn run(mut self) -> Failure {
        let mut events = Events::with_capacity(512);
        loop {
            if let Err(failure) = self.turn(&mut events) {
                return failure;
            }
        }
    }

    fn turn(&mut self, events: &mut Events) -> Result<(), Failure> {
        self.queue.wait(events, self.listener.patience()).trying("wait for events")?;
        for event in events.iter() {
            if event.token == self.listener.token {
                self.accept_all();
            } else {
                self.answer(event);
            }
        }
        self.listener.resume(&self.queue);
        Ok(())
    }

    fn accept_all(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((socket, peer)) => {
                    let _ = sys::set_no_delay(&socket);
                    let client = Connection::new(socket, peer, Limits::DEFAULT);
                    self.clients.park(client, |c| self.watch(c, Want::Read));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    self.listener.errors.failed("accept", &error);
                    if !sys::is_about_one_client(&error) {
                        return self.listener.pause(&self.queue);
                    }
                }
            }
        }
    }

    /// Level-triggered and never disarmed: who is not done is reported again.
    fn watch(&self, client: &Connection, want: Want) -> io::Result<()> {
        self.queue.add(client.socket(), client.token(), want, Mode::Level)
    }

    /// Answers a client on the spot. In the usual case, reading next as before,
    /// the queue need not be told anything.
    fn answer(&self, event: Event) {
        let Some(mut client) = self.clients.take(event.token) else { return };
        let next = loop {
            match turn(&mut client) {
                Ok(Next::Again) => {}
                Ok(Next::Read) => break Some(Want::Read),
                Ok(Next::Write) => break Some(Want::Write),
                Ok(Next::Close) | Err(_) => break None,
            }
        };
        let had = if event.writable { Want::Write } else { Want::Read };
        let Some(want) = next.filter(|want| *want == had).or_else(|| {
            log::check("delete", self.queue.delete(client.socket()));
            next
        }) else {
            return self.clients.close(client);
        };
        self.clients.park(client, |c| if want == had { Ok(()) } else { self.watch(c, want) });
    }
}

const TURN_BYTES: usize = 256 * 1024;

fn turn(client: &mut Connection) -> io::Result<Next> {
    client.read_to_short(TURN_BYTES)?;
    while let Some(request) = client.next_request() {
        let (response, head) = (demo::respond_with_body(&request), request.head);
        client.answer(response, head.method, head.keep_alive);
    }
    let more = client.has_request();
    match client.send(TURN_BYTES)? {
        Sent::All if more => Ok(Next::Again),
        Sent::All if client.is_finished() => Ok(Next::Close),
        Sent::All => Ok(Next::Read),
        Sent::More | Sent::Full => Ok(Next::Write),
    }
}
