//! Chapter 7: the complete server.
//!
//! Stopping is a state of the loop and not an exit from it: what was received is
//! answered, then everything is closed. A client that reads slowly keeps no
//! worker: the rest of its answer waits until the kernel reports room. One call
//! per request is saved by arming each socket for one event only. Nobody is waited
//! for without end, and nothing grows without a limit. While the workers have
//! enough to do, main lets them work.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::cli::{Failure, Options, Stage, Trying};
use common::connection::{Connection, Next, Patience, Sent};
use common::handoff::Handoff;
use common::http::Limits;
use common::listener::Listener;
use common::pool::Pool;
use common::queue::{Events, Mode, Queue, Token, Want};
use common::report::Report;
use common::shutdown::Stop;
use common::site::Site;
use common::sys;
use common::table::{Client, Table};
use common::timers::Timers;
use common::{cli, log};

mod backpressure;
mod deadlines;
mod drain;

use backpressure::{EVENTS, Gate};

fn main() -> ExitCode {
    let about = "the complete server: reactor and pool, with a graceful stop";
    cli::main(Stage::new("ch07_full", about).with_workers().complete(), serve)
}

fn serve(options: &Options) -> Result<ExitCode, Failure> {
    let descriptors = sys::raise_descriptor_limit().trying("raise the limit on descriptors")?;
    let mut listener = Listener::open(options.address)?;
    let server = Arc::new(Server::new(options, descriptors)?);
    listener.watch(&server.queue, Mode::Level)?;
    sys::set_cloexec(listener.socket()).trying("set FD_CLOEXEC")?;

    let shared = Arc::clone(&server);
    let workers =
        Pool::start(options.workers, move || shared.work()).trying("start the workers")?;
    listener.announce()?;

    let (mut events, mut gate) = (Events::with_capacity(EVENTS), Gate::new());
    while !server.stop.is_requested() {
        server.wait(&mut events, &gate, Some(&listener), listener.patience())?;
        for event in events.iter() {
            if event.token == listener.token {
                server.accept_all(&mut listener);
            } else {
                server.dispatch(event.token, &mut gate.batch);
            }
        }
        server.hand_over(&mut gate);
        server.expire(&mut events, &mut gate)?;
        if !server.wants_room.load(Ordering::SeqCst) {
            listener.cut_pause_short();
        }
        listener.resume(&server.queue);
    }
    let everybody = server.drain(listener, gate, options.drain_timeout)?;
    Ok(drain::end(server, workers, everybody))
}

/// What main and the workers share.
struct Server {
    queue: Queue,
    stop: Stop,
    /// The clients; the kernel watches those that are parked.
    clients: Table<Connection>,
    /// The clients that wait for a worker.
    jobs: Handoff<Connection>,
    /// When to look at which client.
    timers: Timers,
    patience: Patience,
    max_connections: usize,
    /// The listener is paused until some client has left.
    wants_room: AtomicBool,
    site: Site,
    report: Report,
    errors: log::Repeated,
}

impl Server {
    fn new(options: &Options, descriptors: u64) -> Result<Server, Failure> {
        let queue = Queue::new().trying("open the event queue")?;
        let stop = Stop::on_signals()?; // before there are threads
        stop.watch(&queue)?;
        let (head, idle) = (options.header_timeout, options.idle_timeout);
        Ok(Server {
            queue,
            stop,
            clients: Table::new(),
            jobs: Handoff::new(),
            timers: Timers::new(),
            patience: Patience { head, idle, goodbye: deadlines::GOODBYE },
            max_connections: deadlines::most_clients(options, descriptors),
            wants_room: AtomicBool::new(false),
            site: Site::open(options.root.as_deref())?,
            report: Report::new(options.log),
            errors: log::Repeated::new(),
        })
    }

    /// The listener is readable: accepts until there is nobody left, or so many
    /// that it is the turn of others. Returns whether there is nobody left.
    fn accept_all(&self, listener: &mut Listener) -> bool {
        for _ in 0..EVENTS {
            if self.is_full() {
                // The next one waits in the accept queue, and is served when
                // somebody leaves: to answer 503 would take the room that is missing.
                listener.pause_until_told(&self.queue);
                return false;
            }
            match self.accept_one(listener) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) => {
                    listener.errors.failed("accept", &error);
                    // ECONNABORTED: this one has gone again, the next may be fine.
                    // EMFILE: nobody else can be accepted for now.
                    if !sys::is_about_one_client(&error) {
                        self.wants_room.store(true, Ordering::SeqCst);
                        listener.pause(&self.queue);
                        return false;
                    }
                }
            }
        }
        false // the queue will report the listener again
    }

    fn accept_one(&self, listener: &Listener) -> io::Result<()> {
        let (socket, peer) = listener.accept()?;
        // macOS: EINVAL if the client has gone again; its first read will tell.
        let _ = sys::set_no_delay(&socket);
        sys::set_cloexec(&socket)?;
        let client = Connection::new(socket, peer, Limits::DEFAULT);
        let arm = |c: &Connection| {
            self.set_timer(c);
            self.queue.add(c.socket(), c.token(), Want::Read, Mode::Oneshot)
        };
        self.report.connected();
        self.clients.park(client, arm);
        Ok(())
    }

    /// Gives a client into the kernel's care for one more event.
    fn park(&self, mut client: Connection, want: Want) {
        client.rest(Instant::now());
        let arm = |c: &Connection| {
            if self.set_timer(c) || (self.stop.is_requested() && !c.is_owed()) {
                self.stop.wake(); // main sleeps for too long, or has to take leave of it
            }
            self.queue.rearm(c.socket(), c.token(), want)
        };
        if !self.clients.park(client, arm) {
            self.one_less();
        }
    }

    /// A client is ready: takes it out of the table, to be left to a worker. The
    /// kernel says no more about it until it is armed again.
    fn dispatch(&self, token: Token, batch: &mut Vec<Connection>) {
        if token == self.stop.token {
            self.stop.heard();
        } else {
            batch.extend(self.clients.take(token));
        }
    }

    /// The life of a worker.
    fn work(&self) {
        while let Some(mut client) = self.jobs.take(|| self.stop.wake()) {
            match turn(&mut client, &self.site, &self.report, &self.stop) {
                Ok(Next::Read) => self.look_again(client, Want::Read),
                Ok(Next::Write) => self.park(client, Want::Write),
                Ok(Next::Again) => self.jobs.push_again(client),
                Ok(Next::Close) => self.close(client),
                Err(error) => {
                    self.errors.failed(format_args!("client {}", client.peer), &error);
                    self.close(client);
                }
            }
        }
    }

    /// Closes a client that a worker has: it is armed for nothing.
    fn close(&self, client: Connection) {
        self.clients.close(client);
        self.one_less();
    }

    /// While it drains or has no room, main waits for clients to leave.
    fn one_less(&self) {
        if self.wants_room.swap(false, Ordering::SeqCst) || self.stop.is_requested() {
            self.stop.wake();
        }
    }
}

/// What one turn may take: so many requests, so many bytes, so long in handlers.
const TURN_REQUESTS: usize = 64;
const TURN_BYTES: usize = 256 * 1024;
const TURN_TIME: Duration = Duration::from_millis(10);

/// One turn of one connection: reads what there is, answers what is complete.
pub fn turn(
    client: &mut Connection,
    site: &Site,
    report: &Report,
    stop: &Stop,
) -> io::Result<Next> {
    if client.is_leaving() {
        return Ok(client.hang_up());
    }
    client.read_to_short(TURN_BYTES)?;
    let (peer, began) = (client.peer, Instant::now());
    let mut clock = began;
    for _ in 0..TURN_REQUESTS {
        if clock > began + TURN_TIME {
            break;
        }
        let Some(request) = client.next_request() else { break };
        let (response, head) = (site.respond(&request), request.head);
        report.answered(peer, &request, &response, &mut clock);
        let is_last = stop.is_requested() && !client.has_arrived(TURN_BYTES)?;
        client.answer(response, head.method, head.keep_alive && !is_last);
    }
    if let Some(refused) = client.refused.take() {
        report.refused(peer, &refused, clock);
    }
    let more = client.has_request();
    match client.send(TURN_BYTES)? {
        Sent::All if more => Ok(Next::Again),
        Sent::All if client.is_finished() => Ok(client.hang_up()),
        Sent::All if stop.is_requested() => Ok(client.part()),
        Sent::All => Ok(Next::Read),
        Sent::More | Sent::Full => Ok(Next::Write),
    }
}
