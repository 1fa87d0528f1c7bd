//! Chapter 7: the complete server.
//!
//! Stopping is a state of the loop and not an exit from it: what was received is
//! answered, then everything is closed. A client that reads slowly keeps no
//! worker: the rest of its answer waits until the kernel reports room. And one
//! call per request is saved by arming each socket for one event only.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::cli::{Failure, Options, Stage, Trying};
use common::connection::{Connection, Next, Sent};
use common::http::{Limits, demo};
use common::listener::Listener;
use common::pool::{Jobs, Pool};
use common::queue::{Events, Mode, Queue, Token, Want};
use common::shutdown::Stop;
use common::sys;
use common::table::{Client, Table};
use common::{cli, log};

fn main() -> ExitCode {
    let about = "the complete server: reactor and pool, with a graceful stop";
    cli::main(Stage::new("ch07_full", about).with_workers().with_drain(), serve)
}

/// How soon a drain without a descriptor to spare tries to accept again.
const RETRY: Duration = Duration::from_millis(10);

// ANCHOR: serve
fn serve(options: &Options) -> Result<ExitCode, Failure> {
    log::check("raise the limit on descriptors", sys::raise_descriptor_limit().map(drop));
    let mut listener = Listener::open(options.address)?;
    let server = Arc::new(Server::new()?);
    listener.watch(&server.queue, Mode::Level)?;
    sys::set_cloexec(listener.socket()).trying("set FD_CLOEXEC")?;

    let shared = Arc::clone(&server);
    let workers =
        Pool::start(options.workers, move || shared.work()).trying("start the workers")?;
    listener.announce()?;

    let mut events = Events::with_capacity(256);
    while !server.stop.is_requested() {
        server.queue.wait(&mut events, listener.patience()).trying("wait for events")?;
        for event in events.iter() {
            if event.token == listener.token {
                server.accept_all(&mut listener)?;
            } else {
                server.dispatch(event.token);
            }
        }
        listener.resume(&server.queue)?;
    }
    let everybody = server.drain(listener, options.drain_timeout)?;
    Ok(end(server, workers, everybody))
}
// ANCHOR_END: serve

/// What main and the workers share.
struct Server {
    queue: Queue,
    stop: Stop,
    /// The clients; the kernel watches those that are parked.
    clients: Table<Connection>,
    /// The clients that wait for a worker.
    jobs: Jobs<Connection>,
}

impl Server {
    fn new() -> Result<Server, Failure> {
        let queue = Queue::new().trying("open the event queue")?;
        let stop = Stop::on_signals()?; // before there are threads
        stop.watch(&queue)?;
        Ok(Server { queue, stop, clients: Table::new(), jobs: Jobs::new() })
    }

    // ANCHOR: accept
    /// The listener is readable: accepts until there is nobody left.
    fn accept_all(&self, listener: &mut Listener) -> Result<(), Failure> {
        loop {
            match self.accept_one(listener) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if sys::is_out_of_descriptors(&error) => {
                    listener.errors.failed("accept", &error);
                    return listener.pause(&self.queue);
                }
                // This one is lost (ECONNABORTED: it has gone again), the next may be fine.
                Err(error) => listener.errors.failed("accept", &error),
            }
        }
    }

    fn accept_one(&self, listener: &Listener) -> io::Result<()> {
        let (socket, peer) = listener.accept()?;
        // macOS: EINVAL if the client has gone again; its first read will tell.
        let _ = sys::set_no_delay(&socket);
        sys::set_cloexec(&socket)?;
        let client = Connection::new(socket, peer, Limits::DEFAULT);
        let arm = |c: &Connection| self.queue.add(c.socket(), c.token(), Want::Read, Mode::Oneshot);
        self.clients.admit(client, arm);
        Ok(())
    }

    /// Gives a client into the kernel's care for one more event.
    fn park(&self, client: Connection, want: Want) {
        let arm = |c: &Connection| self.queue.rearm(c.socket(), c.token(), want);
        if !self.clients.park(client, arm) {
            self.one_less();
        }
    }
    // ANCHOR_END: accept

    // ANCHOR: dispatch
    /// A client is ready: takes it out of the table and leaves it to a worker.
    /// The kernel says no more about it until it is armed again.
    fn dispatch(&self, token: Token) {
        if token == self.stop.token {
            self.stop.heard();
        } else if let Some(client) = self.clients.take(token) {
            self.jobs.push(client);
        }
    }

    /// The life of a worker.
    fn work(&self) {
        while let Some(mut client) = self.jobs.take() {
            match turn(&mut client, &self.stop) {
                Ok(Next::Read) => self.park(client, Want::Read),
                Ok(Next::Write) => self.park(client, Want::Write),
                Ok(Next::Again) => self.jobs.push(client),
                Ok(Next::Close) => self.close(client),
                Err(error) => {
                    log::failed(format_args!("client {}", client.peer), &error);
                    self.close(client);
                }
            }
        }
    }
    // ANCHOR_END: dispatch

    /// Closes a client that a worker has: it is armed for nothing.
    fn close(&self, mut client: Connection) {
        client.hang_up();
        self.clients.close(client);
        self.one_less();
    }

    /// While it drains, main waits for the number of clients to fall.
    fn one_less(&self) {
        if self.stop.is_requested() {
            self.stop.wake();
        }
    }

    /// Closes clients that were parked: the kernel still watches them.
    fn dismiss(&self, clients: Vec<Connection>) {
        for client in clients {
            let deleted = self.queue.delete(client.socket());
            log::check(format_args!("client {}: delete", client.peer), deleted);
            self.clients.close(client);
        }
    }

    // ANCHOR: drain
    /// Stops without losing an answer: who has connected is accepted, a request
    /// that has arrived is answered, and who is owed nothing is closed. Returns
    /// whether everybody could be accepted.
    fn drain(&self, listener: Listener, timeout: Duration) -> Result<bool, Failure> {
        let deadline = Instant::now() + timeout;
        let mut events = Events::with_capacity(256);
        let mut listener = Some(listener);
        self.clients.start_draining();
        let mut all_heard = false;
        loop {
            // To close a listener is to reset who is still in its accept queue.
            if let Some(mut open) = listener.take() {
                open.end_pause(&self.queue)?;
                self.accept_all(&mut open)?;
                if open.is_paused() {
                    listener = Some(open); // no descriptor left: try again
                } else {
                    open.close(&self.queue);
                }
                all_heard = false;
            }
            // A request has arrived if its bytes are readable by now: ask the kernel
            // until it names nobody. Then sleep from one answer to the next.
            let left = deadline.saturating_duration_since(Instant::now());
            let patience = match (&listener, all_heard) {
                (Some(_), _) => left.min(RETRY),
                (None, false) => Duration::ZERO,
                (None, true) => left,
            };
            self.queue.wait(&mut events, Some(patience)).trying("wait for events")?;
            events.iter().for_each(|event| self.dispatch(event.token));

            all_heard = all_heard || events.is_empty();
            if all_heard {
                // On every turn: a worker may have parked one since the last.
                self.dismiss(self.clients.take_idle());
            }
            if left.is_zero() || (listener.is_none() && self.clients.is_empty()) {
                return Ok(listener.map(|open| open.close(&self.queue)).is_none());
            }
        }
    }
    // ANCHOR_END: drain
}

// ANCHOR: end
/// Ends the workers, then closes what is left.
fn end(server: Arc<Server>, workers: Pool, everybody: bool) -> ExitCode {
    server.dismiss(server.clients.take_idle());
    let cut = server.clients.len();
    server.dismiss(server.clients.take_all());
    if server.clients.shut_down_the_rest() == 0 {
        server.jobs.close();
        workers.join();
        if let Some(Server { queue, stop, .. }) = Arc::into_inner(server) {
            stop.close();
            queue.close();
        }
    } // Else a handler is still busy. No thread can be ended from outside, only the process.
    if cut == 0 && everybody {
        log::line(format_args!("stopped; nothing was cut off"));
        return ExitCode::SUCCESS;
    }
    log::line(format_args!("stopped at the drain deadline; {cut} connections were cut off"));
    ExitCode::from(3)
}
// ANCHOR_END: end

/// What one turn may take: so many requests, so many bytes.
const TURN_REQUESTS: usize = 64;
const TURN_BYTES: usize = 256 * 1024;

// ANCHOR: turn
/// One turn of one connection: reads what there is, answers what is complete.
fn turn(client: &mut Connection, stop: &Stop) -> io::Result<Next> {
    client.read_to_short(TURN_BYTES)?;
    for _ in 0..TURN_REQUESTS {
        let Some(request) = client.next_request() else { break };
        let response = demo::respond_with_body(&request.head, &request.body);
        let last = stop.is_requested() && !client.has_arrived(TURN_BYTES)?;
        client.answer(response, request.head.answer_to(), request.head.keep_alive && !last);
    }
    let more = client.has_request();
    match client.send(TURN_BYTES)? {
        Sent::All if more => Ok(Next::Again),
        Sent::All if client.is_finished() => Ok(Next::Close),
        Sent::All if stop.is_requested() && client.has_arrived(TURN_BYTES)? => Ok(Next::Again),
        Sent::All => Ok(Next::Read),
        Sent::More | Sent::Full => Ok(Next::Write),
    }
}
// ANCHOR_END: turn
