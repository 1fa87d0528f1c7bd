//! Any bytes at all, in any pieces, against the complete server's own `turn`, in
//! this process: what the fuzzer runs, and what `cargo test` replays.
//!
//! A case is a plan and a stream. Its first byte says how the client behaves (see
//! [`Plan`]), the second how many piece sizes follow; all the rest is what the
//! client sends. The stream is sent twice, at once and as planned, and what comes
//! back is held against two things written from the RFC that share no code with
//! the server: a reader of answers ([`answers`]), which takes nothing that a strict
//! client would not, and a reader of requests ([`requests`]), which says how many
//! answers there have to be, to what, and with which content.

mod answers;
mod requests;

/// The server, as it is shipped; only its `turn` is called.
#[allow(dead_code)]
#[path = "../../../chapters/ch07_full/main.rs"]
mod ch07_full;

use std::fs;
use std::io;
use std::iter;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use common::connection::{Connection, Next, most_memory};
use common::http::Limits;
use common::queue::{Events, Mode, Queue, Want};
use common::report::Report;
use common::shutdown::Stop;
use common::site::Site;
use common::sys::{self, Fd};
use common::table::Client;

use answers::Answers;
use ch07_full::turn;
use requests::Requests;

/// What one turn reads at most: ch07's `TURN_BYTES`.
const TURN_BYTES: usize = 256 * 1024;

/// A case is to be played in milliseconds.
const MOST_PIECES: usize = 150;

/// More turns than any case needs; beyond is a loop without end.
const MOST_TURNS: usize = 100_000;

/// What the server of a case is made of; the same for all cases.
pub struct World {
    demo: Site,
    folder: Site,
    /// The content of each file in it.
    files: Vec<Vec<u8>>,
    report: Report,
    /// Never requested.
    serving: Stop,
    /// Requested.
    stopping: Stop,
}

impl World {
    /// The one of this process. It installs signal handlers and sends this process
    /// a SIGTERM, as whoever stops a server does: that is how its `Stop` is set.
    pub fn get() -> &'static World {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let root = root.ancestors().map(|dir| dir.join("tests/site")).find(|dir| dir.is_dir());
            let root = root.expect("tests/site, here or above");
            let stopping = Stop::on_signals().expect("signal handlers");
            sys::send_signal(std::process::id(), libc::SIGTERM).expect("a signal");
            while !stopping.is_requested() {
                thread::yield_now();
            }
            World {
                demo: Site::open(None).expect("the demo routes"),
                folder: Site::open(Some(&root)).expect("the folder"),
                files: files(&root),
                report: Report::new(false),
                serving: Stop::on_signals().expect("signal handlers"),
                stopping,
            }
        })
    }
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut contents = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => contents.extend(files(&path)),
            false => contents.push(fs::read(&path).expect("a file")),
        }
    }
    contents
}

/// What the client does when it has sent everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Nothing: it stays connected.
    Stays,
    /// Ends its side, and waits for the rest.
    HalfCloses,
    /// Says nothing for so long that main finds its deadline over.
    FallsSilent,
    /// Is gone as soon as its last piece is sent.
    Vanishes,
}

/// How a case is played.
#[derive(Debug, Clone)]
pub struct Plan {
    /// A folder is served, not the demo routes alone (bit 0).
    folder: bool,
    /// The client reads nothing before the server is stuck (bit 1).
    reads_late: bool,
    /// Bits 2 and 3.
    ending: Ending,
    /// A third time it is sent to a server that stops (bit 4).
    stopping: bool,
    /// Sizes of the pieces; they come round until the stream is sent, or so many
    /// are that the rest goes in one.
    sizes: Vec<usize>,
}

impl Plan {
    /// Takes a case apart. `None` if it is none, or would take too long.
    ///
    /// With bit 5, a byte 255 and a byte n in the stream stand for the byte before
    /// them, 128 (n + 1) times: so a short case can go up to any limit.
    pub fn of(case: &[u8]) -> Option<(Plan, Vec<u8>)> {
        let [how, count, rest @ ..] = case else { return None };
        let (sizes, stream) = rest.split_at_checked(usize::from(*count & 15))?;
        let size = |&n: &u8| if n < 128 { usize::from(n) + 1 } else { (usize::from(n) - 127) * 64 };
        let ending = match how >> 2 & 3 {
            0 => Ending::Stays,
            1 => Ending::HalfCloses,
            2 => Ending::FallsSilent,
            _ => Ending::Vanishes,
        };
        let plan = Plan {
            folder: how & 1 != 0,
            reads_late: how & 2 != 0,
            ending,
            stopping: how & 16 != 0,
            sizes: sizes.iter().map(size).collect(),
        };
        let stream = if how & 32 != 0 { expanded(stream) } else { stream.to_vec() };
        let is_quick = stream.len() <= 200_000
            && sum_of(&stream, b"ms=") <= 2
            && sum_of(&stream, b"bytes=") <= 1_000_000;
        is_quick.then_some((plan, stream))
    }

    /// The same by a client that hides nothing.
    fn at_once(&self) -> Plan {
        let ending = match self.ending {
            Ending::Vanishes => Ending::Stays,
            other => other,
        };
        Plan { reads_late: false, stopping: false, ending, sizes: Vec::new(), ..self.clone() }
    }
}

fn expanded(mut stream: &[u8]) -> Vec<u8> {
    let mut expanded = Vec::new();
    while let [first, rest @ ..] = stream {
        stream = rest;
        match (first, rest, expanded.last().copied()) {
            (255, [n, rest @ ..], Some(last)) if expanded.len() <= 200_000 => {
                expanded.extend(iter::repeat_n(last, 128 * (usize::from(*n) + 1)));
                stream = rest;
            }
            _ => expanded.push(*first),
        }
    }
    expanded
}

/// The sum of all numbers behind this name, wherever it stands.
fn sum_of(stream: &[u8], name: &[u8]) -> u64 {
    let after = stream.windows(name.len()).enumerate().filter(|(_, window)| *window == name);
    let number = |(at, _): (usize, &[u8])| {
        let digits = stream[at + name.len()..].iter().take_while(|b| b.is_ascii_digit());
        digits.fold(0_u64, |n, b| n.saturating_mul(10).saturating_add(u64::from(b - b'0')))
    };
    after.map(number).fold(0, u64::saturating_add)
}

/// Plays a case in every way it asks for and checks all that comes back. Returns
/// whether it was played; panics on what is wrong.
pub fn check(case: &[u8]) -> bool {
    let Some((plan, stream)) = Plan::of(case) else { return false };
    let (world, stream) = (World::get(), &*stream);
    let requests = Requests::of(stream);

    let expected = play(world, &plan.at_once(), &world.serving, stream, &requests);
    let received = play(world, &plan, &world.serving, stream, &requests);
    let both = received.finals.iter().zip(&expected.finals);
    both.for_each(|(a, b)| assert_eq!(a, b, "another answer to the same bytes in pieces"));
    // How much a client got before it vanished depends on the pieces.
    if plan.ending != Ending::Vanishes {
        assert_eq!(received.finals.len(), expected.finals.len(), "more or fewer answers in pieces");
    }
    if plan.stopping {
        let received = play(world, &plan, &world.stopping, stream, &requests);
        let both = received.finals.iter().zip(&expected.finals);
        both.for_each(|(a, b)| assert!(a.says_the_same(b), "a stop makes of {b:?} {a:?}"));
    }
    true
}

/// Once through: the stream in its pieces, the client's ending, and what came back,
/// read and checked.
fn play(world: &World, plan: &Plan, stop: &Stop, stream: &[u8], requests: &Requests) -> Answers {
    let mut talk = Talk::new(world, plan, stop);
    talk.send_in_pieces(stream);
    talk.end();
    let is_whole = plan.ending != Ending::Vanishes;
    let answers = Answers::read(&talk.received, is_whole, &requests.methods());
    let is_stopping = stop.is_requested();
    requests.check(&answers, plan, is_stopping, &world.files);
    // A close without a reason would cut off whoever sends the next request. A stop is one.
    if talk.closed && is_whole && plan.ending == Ending::Stays && !is_stopping {
        assert!(answers.ends_with_close(), "closed without a word");
    }
    answers
}

/// A connection and its client, both in this thread; neither end blocks.
struct Talk<'a> {
    site: &'a Site,
    report: &'a Report,
    stop: &'a Stop,
    plan: &'a Plan,
    /// Watches the connection for something to read.
    queue: Queue,
    events: Events,
    /// `None` when the server has closed it.
    connection: Option<Connection>,
    client: Option<Fd>,
    received: Vec<u8>,
    closed: bool,
    turns: usize,
}

impl<'a> Talk<'a> {
    fn new(world: &'a World, plan: &'a Plan, stop: &'a Stop) -> Talk<'a> {
        let (socket, client) = sys::socket_pair().expect("a socket pair");
        sys::set_nonblocking(&socket).expect("O_NONBLOCK");
        sys::set_nonblocking(&client).expect("O_NONBLOCK");
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let connection = Connection::new(socket, peer, Limits::DEFAULT);
        let (queue, events) = (Queue::new().expect("a queue"), Events::with_capacity(1));
        let watched = queue.add(connection.socket(), connection.token(), Want::Read, Mode::Level);
        watched.expect("to watch the connection");
        Talk {
            site: if plan.folder { &world.folder } else { &world.demo },
            report: &world.report,
            stop,
            plan,
            queue,
            events,
            connection: Some(connection),
            client: Some(client),
            received: Vec::new(),
            closed: false,
            turns: 0,
        }
    }

    fn send_in_pieces(&mut self, mut stream: &[u8]) {
        let mut sizes = self.plan.sizes.iter().copied().cycle().take(MOST_PIECES);
        while !stream.is_empty() && !self.closed {
            let (piece, rest) =
                stream.split_at(sizes.next().unwrap_or(usize::MAX).min(stream.len()));
            match (&self.client, rest.is_empty() && self.plan.ending == Ending::Vanishes) {
                // Whatever is answered to it meets EPIPE.
                (Some(client), true) => drop(sys::write(client, piece)),
                _ => self.send(piece),
            }
            stream = rest;
        }
    }

    /// The client sends this, and the server has its turns. No buffer need be
    /// large enough for a whole piece.
    fn send(&mut self, mut piece: &[u8]) {
        while let (Some(client), false) = (&self.client, piece.is_empty() || self.closed) {
            match sys::write(client, piece) {
                Ok(n) => piece = &piece[n..],
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            self.serve();
        }
    }

    /// Turns, until the next one is due when the client says more.
    fn serve(&mut self) {
        while let Some(next) = self.turn() {
            match next {
                Next::Again => {}
                Next::Write => self.receive(),
                Next::Read if self.is_readable() => {}
                Next::Read => break,
                Next::Close => self.close(),
            }
            if !self.plan.reads_late {
                self.receive();
            }
        }
        if !self.plan.reads_late {
            self.receive();
        }
    }

    /// One turn, as a worker takes it. `None` if there is no connection any more.
    fn turn(&mut self) -> Option<Next> {
        let connection = self.connection.as_mut()?;
        self.turns += 1;
        assert!(self.turns < MOST_TURNS, "turns without end");
        let next = turn(connection, self.site, self.report, self.stop);
        let (memory, most) = (connection.memory(), most_memory(&Limits::DEFAULT, TURN_BYTES));
        assert!(memory <= most, "{memory} bytes of buffers where {most} are the most");
        connection.rest(Instant::now());
        Some(next.unwrap_or_else(|error| {
            assert!(self.client.is_none(), "{error}");
            Next::Close
        }))
    }

    /// The kernel's word for it, by which the server goes: what stands in its own
    /// buffers does not count.
    fn is_readable(&mut self) -> bool {
        self.queue.wait(&mut self.events, Some(Duration::ZERO)).expect("to wait");
        !self.events.is_empty()
    }

    fn close(&mut self) {
        let connection = self.connection.take().expect("one that can be closed");
        self.queue.delete(connection.socket()).expect("to unwatch the connection");
        sys::close(connection.into_socket());
        self.closed = true;
    }

    /// The client reads all there is.
    fn receive(&mut self) {
        let Some(client) = &self.client else { return };
        let mut buffer = [0; 4096];
        // It ends with EAGAIN, with EOF, or with ECONNRESET behind the last byte:
        // the server has closed and left some of the client's bytes unread.
        while let Ok(n @ 1..) = sys::read(client, &mut buffer) {
            self.received.extend_from_slice(&buffer[..n]);
        }
    }

    /// Everything is sent: what the client does now, and what comes of it.
    fn end(&mut self) {
        match self.plan.ending {
            Ending::Stays => {}
            Ending::HalfCloses => {
                if let (Some(client), false) = (&self.client, self.closed) {
                    sys::shutdown_write(client).expect("to half-close");
                }
                self.serve();
                assert!(self.closed, "the client has ended its side and is not left");
            }
            Ending::FallsSilent => {
                // Once for the unfinished request, once for the goodbye, and once more if it
                // had taken a part of what was sent.
                for _ in 0..3 {
                    self.time_is_up();
                }
                assert!(self.closed, "a client that says nothing is not left");
            }
            Ending::Vanishes => {
                self.client.take().into_iter().for_each(sys::close);
                self.serve();
                assert!(self.closed, "the client has gone and is not left");
            }
        }
        self.receive();
    }

    /// What main does when a deadline is over.
    fn time_is_up(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        match connection.time_is_up(false).expect("to send the last answer") {
            Next::Close => self.close(),
            Next::Write => self.serve(),
            Next::Read | Next::Again => connection.rest(Instant::now()),
        }
    }
}
