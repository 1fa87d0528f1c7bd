//! On a warm connection a request allocates nothing: from the table to a worker,
//! through a turn of chapter 7, and back, in this process and on this thread.

#[path = "../chapters/ch07_full/main.rs"]
#[allow(dead_code, missing_docs)]
mod ch07_full;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use common::connection::{Connection, Next, Patience};
use common::handoff::Handoff;
use common::http::Limits;
use common::queue::{Events, Mode, Queue, Want};
use common::report::Report;
use common::shutdown::Stop;
use common::site::Site;
use common::sys;
use common::table::{Client, Table};
use common::timers::Timers;

const PATIENCE: Patience = Patience {
    head: Duration::from_secs(60),
    idle: Duration::from_secs(60),
    goodbye: Duration::from_secs(1),
};

struct Server {
    queue: Queue,
    events: Events,
    clients: Table<Connection>,
    jobs: Handoff<Connection>,
    batch: Vec<Connection>,
    timers: Timers,
    site: Site,
    report: Report,
    stop: Stop,
}

impl Server {
    fn new() -> Server {
        Server {
            queue: Queue::new().unwrap(),
            events: Events::with_capacity(16),
            clients: Table::new(),
            jobs: Handoff::new(),
            batch: Vec::new(),
            timers: Timers::new(),
            site: Site::open(None).unwrap(),
            report: Report::new(false),
            stop: Stop::on_signals().unwrap(),
        }
    }

    fn admit(&self) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, peer) = listener.accept().unwrap();
        let socket = sys::Fd::from(std::os::fd::OwnedFd::from(far));
        sys::set_nonblocking(&socket).unwrap();
        let client = Connection::new(socket, peer, Limits::DEFAULT);
        let arm = |c: &Connection| self.queue.add(c.socket(), c.token(), Want::Read, Mode::Oneshot);
        assert!(self.clients.park(client, arm));
        near
    }

    /// Main's part and the worker's, for the one who is ready; returns whether it was
    /// done in one turn.
    fn serve_once(&mut self) -> bool {
        self.queue.wait(&mut self.events, Some(Duration::from_secs(30))).unwrap();
        for event in self.events.iter() {
            self.batch.extend(self.clients.take(event.token));
        }
        assert_eq!(self.batch.len(), 1);
        self.jobs.push_batch(&mut self.batch);
        let mut client = self.jobs.take(|| ()).unwrap();
        let mut turns = 1;
        loop {
            match ch07_full::turn(&mut client, &self.site, &self.report, &self.stop).unwrap() {
                // The clock says that it has lasted long: this thread had lost its core.
                Next::Again => turns += 1,
                next => break assert_eq!(next, Next::Read),
            }
        }
        client.rest(Instant::now());
        let arm = |c: &Connection| {
            self.timers.set(c.socket().raw(), c.deadline(&PATIENCE));
            self.queue.rearm(c.socket(), c.token(), Want::Read)
        };
        assert!(self.clients.park(client, arm));
        turns == 1
    }
}

fn allocations(server: &mut Server, near: &mut TcpStream, request: &[u8], answer: &[u8]) -> u64 {
    let mut received = [0; 64 * 1024];
    let mut ask = || {
        near.write_all(request).unwrap();
        let in_one_turn = server.serve_once();
        let n = near.read(&mut received).unwrap();
        assert!(
            received[..n].starts_with(b"HTTP/1.1 200 OK\r\n") && received[..n].ends_with(answer)
        );
        in_one_turn
    };
    for _ in 0..3 {
        ask();
    }
    // What a turn leaves for the next one is copied out of the lent room: that allocates.
    let (mut count, mut asked) = (0, 0);
    for _ in 0..10_000 {
        let mut in_one_turn = false;
        let measured = allocation_counter::measure(|| in_one_turn = ask());
        if in_one_turn {
            (count, asked) = (count + measured.count_total, asked + 1);
        }
        if asked == 1000 {
            return count;
        }
    }
    panic!("{asked} of 10,000 times in one turn");
}

#[test]
fn a_request_on_a_warm_connection_allocates_nothing() {
    let mut server = Server::new();
    let mut near = server.admit();
    let one = allocation_counter::measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!(one.count_total, 1, "the counter counts");
    let get = b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\n\r\n";
    assert_eq!(allocations(&mut server, &mut near, get, b"Hello World\n"), 0);
    let sixteen = get.repeat(16);
    assert_eq!(allocations(&mut server, &mut near, &sixteen, b"Hello World\n"), 0);
    let big = b"GET /big?bytes=20000 HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(allocations(&mut server, &mut near, big, b""), 0);
}

#[test]
fn an_idle_connection_keeps_no_buffer() {
    let mut server = Server::new();
    let mut near = server.admit();
    near.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    server.serve_once();
    let memory = |server: &Server| {
        let client = server.clients.take_all().remove(0);
        let memory = client.memory();
        assert!(server.clients.park(client, |_| Ok(())));
        memory
    };
    assert_eq!(memory(&server), 0);
    // Of half a request it keeps the half, not the room it was read into.
    near.write_all(b"GET / HT").unwrap();
    server.serve_once();
    assert_eq!(memory(&server), 8);
    assert!(size_of::<Connection>() <= 336, "of the 400 bytes for an idle connection");
}
