//! Build it: the complete server, in seven steps. Chapter 7 of the book.
//!
//! This is the flow of chapter 6, and it works: compare it with that `main.rs` if
//! you like. What it cannot do yet stands at the places where it is missing, with
//! the number of the step. Step N belongs to section 7.N.
//!
//! The parts are ready, and each of them is a file of `src/`: `shutdown.rs`,
//! `table.rs`, `timers.rs`, `handoff.rs`, `site.rs`. What you write is the flow that
//! uses them. After each step: `cargo run --bin workshop -- check ch07-build`.
//!
//! Beside this file stands a good deal of the answer: `main.rs`, the three files that it
//! uses, and the hunts. So do the sections of the book. Write first, then look.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use common::cli::{Failure, Options, Stage, Trying};
use common::connection::{Connection, Next, Sent};
use common::http::{Limits, demo};
use common::listener::Listener;
use common::pool::{Jobs, Pool};
use common::queue::{Events, Mode, Queue, Token, Want};
use common::report::Report;
use common::sys;
use common::table::{Client, Table};
use common::{cli, log};

use backpressure::{EVENTS, Gate};

fn main() -> ExitCode {
    let about = "the complete server, as you build it";
    cli::main(Stage::new("ex07_full", about).with_workers().complete(), serve)
}

fn serve(options: &Options) -> Result<ExitCode, Failure> {
    // Step 5: raise the limit on descriptors; how many there are says how many
    // clients there may be.
    let mut listener = Listener::open(options.address)?;
    let server = Arc::new(Server::new(options)?);
    listener.watch(&server.queue, Mode::Level)?;
    sys::set_cloexec(listener.socket()).trying("set FD_CLOEXEC")?;

    let shared = Arc::clone(&server);
    let _workers =
        Pool::start(options.workers, move || shared.work()).trying("start the workers")?;
    listener.announce()?;

    let (mut events, mut gate) = (Events::with_capacity(EVENTS), Gate::new());
    // Step 1: not for ever, but while nobody has asked for a stop.
    loop {
        server.wait(&mut events, listener.patience())?;
        for event in events.iter() {
            if event.token == listener.token {
                server.accept_all(&mut listener);
            } else {
                server.dispatch(event.token, &mut gate.batch);
            }
        }
        server.hand_over(&mut gate);
        // Step 5: whose time is up? And if there is room again, the listener need
        // not wait for the end of its pause.
        listener.resume(&server.queue);
    }
    // Step 1: behind the loop, `Ok(ExitCode::SUCCESS)` will do.
    // Step 2: instead, call `server.drain`, then `drain::end`.
}

/// What main and the workers share.
struct Server {
    queue: Queue,
    // Step 1: `stop: Stop`.
    /// The clients; the kernel watches those that are parked.
    clients: Table<Connection>,
    /// The clients that wait for a worker. Step 6: a `Handoff`.
    jobs: Jobs<Connection>,
    // Step 5: `timers: Timers`, `patience: Patience`, `max_connections: usize`,
    // `errors: log::Repeated`, which says the same only so often, and
    // `wants_room: AtomicBool`, which says: the listener is paused until some client
    // has left.
    // Step 7: `site: Site`.
    report: Report,
}

impl Server {
    fn new(options: &Options) -> Result<Server, Failure> {
        let queue = Queue::new().trying("open the event queue")?;
        // Step 1: the signal handlers are installed here, before there are threads.
        // What has main's wait return when a signal has come?
        Ok(Server {
            queue,
            clients: Table::new(),
            jobs: Jobs::new(),
            report: Report::new(options.log),
        })
    }

    /// The listener is readable: accepts until there is nobody left. Step 2: or so
    /// many that it is the turn of others; returns whether there is nobody left.
    fn accept_all(&self, listener: &mut Listener) {
        loop {
            // Step 5: no more clients than there may be. The next one waits in the
            // accept queue, and the listener is paused until it is told.
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

    fn accept_one(&self, listener: &Listener) -> io::Result<()> {
        let (socket, peer) = listener.accept()?;
        // macOS: EINVAL if the client has gone again; its first read will tell.
        let _ = sys::set_no_delay(&socket);
        sys::set_cloexec(&socket)?;
        // Step 5: `Limits::DEFAULT`.
        let client = Connection::new(socket, peer, Limits::NONE);
        // Step 3: for one event only. Step 5: and with a timer.
        let arm = |c: &Connection| self.queue.add(c.socket(), c.token(), Want::Read, Mode::Level);
        self.report.connected();
        self.clients.park(client, arm);
        Ok(())
    }

    /// Gives a client into the kernel's care for once more. Step 4: to be told when
    /// there is something to read, or when there is room to write.
    fn park(&self, client: Connection) {
        // Step 5: note what it waits for from now on (`rest`), and set its timer. Who
        // has to be told if main would sleep for too long?
        // Step 3: what does the kernel still know about it?
        let arm = |c: &Connection| self.queue.add(c.socket(), c.token(), Want::Read, Mode::Level);
        self.clients.park(client, arm);
        // Step 2: main may sleep in its drain, and this one has just become idle.
    }

    /// A client is ready: takes it out of the table and out of the queue, to be left
    /// to a worker. Nobody else has it now.
    fn dispatch(&self, token: Token, batch: &mut Vec<Connection>) {
        // Step 1: not every token is a client's.
        let Some(client) = self.clients.take(token) else { return };
        // Step 3: one call less.
        let deleted = self.queue.delete(client.socket());
        log::check(format_args!("client {}: delete", client.peer), deleted);
        batch.push(client);
    }

    /// The life of a worker.
    fn work(&self) {
        // Step 6: a worker that finds nothing calls main, if main waits for that; and
        // so does one that comes round to a job that was queued again (`push_again`).
        while let Some(mut client) = self.jobs.take() {
            match turn(&mut client, &self.report) {
                Ok(Next::Read) => self.park(client),
                // Step 4: here the rest of an answer is lost.
                Ok(Next::Write) => {
                    log::line(format_args!("client {}: cut off, it reads too slowly", client.peer));
                    self.close(client);
                }
                Ok(Next::Again) => self.jobs.push(client),
                Ok(Next::Close) => self.close(client),
                Err(error) => {
                    log::failed(format_args!("client {}", client.peer), &error);
                    self.close(client);
                }
            }
        }
    }

    /// Closes a client that a worker has.
    fn close(&self, client: Connection) {
        self.clients.close(client);
        // Step 2: while it drains, main waits for clients to leave. Step 5: and while
        // the listener is paused because there are too many.
    }
}

/// What one turn may take: so many requests, so many bytes.
const TURN_REQUESTS: usize = 64;
const TURN_BYTES: usize = 256 * 1024;

/// One turn of one connection: reads what there is, answers what is complete.
fn turn(client: &mut Connection, report: &Report) -> io::Result<Next> {
    // Step 5: who is leaving (`is_leaving`) is only listened to: `hang_up` again.
    // Step 3: there is a read in vain in here.
    client.read_to_eagain(TURN_BYTES)?;
    let (peer, mut clock) = (client.peer, Instant::now());
    for _ in 0..TURN_REQUESTS {
        // Step 6: a turn ends after 10 ms, too; `clock` says when the last answer was ready.
        let Some(request) = client.next_request() else { break };
        // Step 7: what the site has to say.
        let (response, head) = (demo::respond_with_body(&request), request.head);
        report.answered(peer, &request, &response, &mut clock);
        // Step 2: a stop was asked for, and nothing more has arrived: then this is the
        // last answer, and should say so.
        client.answer(response, head.method, head.keep_alive);
    }
    if let Some(refused) = client.refused.take() {
        report.refused(peer, &refused, clock);
    }
    let more = client.has_request();
    match client.send(TURN_BYTES)? {
        Sent::All if more => Ok(Next::Again),
        // Step 5: a close in stages, so that the client gets what was sent: `hang_up`
        // says what is next.
        Sent::All if client.is_finished() => Ok(Next::Close),
        // Step 2: a stop was asked for: has one more request arrived meanwhile?
        Sent::All => Ok(Next::Read),
        Sent::More => Ok(Next::Again),
        Sent::Full => Ok(Next::Write),
    }
}

/// Main's wait, and the way to the workers: section 7.6. Until step 6 it is that of
/// chapter 6.
mod backpressure {
    use std::time::Duration;

    use common::cli::{Failure, Trying};
    use common::connection::Connection;
    use common::queue::Events;

    use super::Server;

    /// How many events one wait may bring.
    pub(super) const EVENTS: usize = 512;

    /// Main's own: whom the last wait has brought. Step 6: and whether to ask for
    /// more (a `Pace`); and if it is `Pace::Watch`, when to look how the workers get on.
    pub(super) struct Gate {
        pub(super) batch: Vec<Connection>,
    }

    impl Gate {
        pub(super) fn new() -> Gate {
            Gate { batch: Vec::new() }
        }
    }

    impl Server {
        /// Sleeps until something happens, or until it is time for something. Step 5:
        /// `timers.patience()` says for what else it may be time. Step 6: while jobs
        /// wait for a worker, this asks about the listener and the wake-up alone
        /// (`queue::poll`), and leaves the clients in the kernel. Tell `report.woken` of each.
        pub(super) fn wait(
            &self,
            events: &mut Events,
            patience: Option<Duration>,
        ) -> Result<(), Failure> {
            self.queue.wait(events, patience).trying("wait for events")
        }

        /// Gives the workers whom the wait has brought. Step 6: all at once.
        pub(super) fn hand_over(&self, gate: &mut Gate) {
            gate.batch.drain(..).for_each(|client| self.jobs.push(client));
        }

        /// Hands over whoever is ready by now, without sleeping. Who becomes ready
        /// meanwhile can wait: this must end.
        #[allow(dead_code)] // until step 2: then take this line out
        pub(super) fn catch_up(&self, events: &mut Events, gate: &mut Gate) -> Result<(), Failure> {
            let mut waits = self.clients.len() / EVENTS + 1;
            while waits > 0 {
                self.queue.wait(events, Some(Duration::ZERO)).trying("wait for events")?;
                if !events.were_interrupted() {
                    waits = if events.is_full() { waits - 1 } else { 0 };
                }
                events.iter().for_each(|event| self.dispatch(event.token, &mut gate.batch));
                self.hand_over(gate);
            }
            Ok(())
        }
    }
}

/// The server's last minute: section 7.2.
#[allow(dead_code)] // until step 2: then take this line out
mod drain {
    use std::process::ExitCode;
    use std::sync::Arc;
    use std::time::Duration;

    use common::cli::Failure;
    use common::connection::Connection;
    use common::listener::Listener;
    use common::log;
    use common::pool::Pool;
    use common::table::Client;

    use super::{Gate, Server};

    impl Server {
        /// Stops without losing an answer. Returns whether everybody could be accepted.
        ///
        /// Step 2: again and again,
        /// - accept who has connected, and close the listener when nobody is left;
        /// - hand over who has asked: its bytes are readable by now (`catch_up`);
        /// - close who is parked and owed nothing (`take_idle`, `dismiss`);
        /// - nobody is left, or the time is up: return;
        /// - else sleep, until somebody has left or is ready, and for no longer than
        ///   the time that is left.
        ///
        /// Step 5: deadlines are kept in here, too. And who is owed nothing may still be
        /// reading its last answer. `part` takes leave of it, and says what is next:
        /// `Next::Read`, to listen to it for a while (`park_anew`), or `Next::Close`.
        pub(super) fn drain(
            &self,
            listener: Listener,
            _gate: Gate,
            _timeout: Duration,
        ) -> Result<bool, Failure> {
            listener.close(&self.queue);
            Ok(true)
        }

        /// Closes clients that were parked: the kernel still watches them.
        pub(super) fn dismiss(&self, clients: Vec<Connection>) {
            for client in clients {
                let deleted = self.queue.delete(client.socket());
                log::check(format_args!("client {}: delete", client.peer), deleted);
                self.clients.close(client);
                // Step 5: there is room for one more.
            }
        }
    }

    /// Ends the workers, then closes what is left.
    pub(super) fn end(server: Arc<Server>, workers: Pool, everybody: bool) -> ExitCode {
        let parked = server.clients.take_all();
        let busy = server.clients.len() - parked.len();
        let unsent =
            parked.iter().filter(|client| client.is_owed() && !client.is_leaving()).count();
        server.dismiss(parked);
        log::line(format_args!("{}", server.report));
        if server.clients.shut_down_the_rest() == 0 {
            server.jobs.close();
            workers.join();
            if let Some(Server { queue, .. }) = Arc::into_inner(server) {
                // Step 2: `stop` has descriptors, too: `stop.close()`, before the queue.
                queue.close();
            }
        } // Else a handler is still busy. No thread can be ended from outside, only the process.
        let cut = match busy + unsent {
            0 if everybody => {
                log::line(format_args!("stopped; nothing was cut off"));
                return ExitCode::SUCCESS;
            }
            0 => "clients that could not be accepted were turned away".to_string(),
            n => format!("{n} connections were cut off"),
        };
        log::line(format_args!("stopped at the drain deadline; {cut}"));
        ExitCode::from(3)
    }
}
