//! The connection over a real socket pair. However the kernel cuts the stream of
//! requests, and however a turn is bounded, the same answers come out.

mod any_split;
mod asks;
mod cases;

use std::iter;
use std::time::Duration;

use super::*;
use crate::http::{Body, demo};
use crate::queue::{Events, Mode, Queue, Want};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A connection and its client, both in this thread; neither end blocks.
struct Talk {
    /// Watches the connection for something to read.
    queue: Queue,
    connection: Connection,
    client: Fd,
    events: Events,
    turn: Turn,
    /// Everything that the client has read.
    received: Vec<u8>,
}

/// How a server takes its turns: what the chapters choose once, at random.
#[derive(Debug, Clone, Copy)]
struct Turn {
    read_to_short: bool,
    /// Bounds of one turn: requests, bytes to read, bytes to send.
    requests: usize,
    read: usize,
    send: usize,
    /// Asks `has_request` at every step: that must change nothing.
    peeks: bool,
}

/// Without bounds.
const TURN: Turn = Turn {
    read_to_short: false,
    requests: usize::MAX,
    read: usize::MAX,
    send: usize::MAX,
    peeks: false,
};

impl Talk {
    fn new(limits: Limits, turn: Turn) -> Talk {
        let (socket, client) = sys::socket_pair().unwrap();
        sys::set_nonblocking(&socket).unwrap();
        sys::set_nonblocking(&client).unwrap();
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let connection = Connection::new(socket, peer, limits);
        let (queue, events) = (Queue::new().unwrap(), Events::with_capacity(1));
        queue.add(connection.socket(), connection.token(), Want::Read, Mode::Level).unwrap();
        Talk { connection, client, queue, events, turn, received: Vec::new() }
    }

    /// Everything that comes back when a stream is sent in these pieces.
    fn about<'a>(turn: Turn, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut talk = Talk::new(Limits::DEFAULT, turn);
        pieces.into_iter().for_each(|piece| talk.send(piece));
        talk.received
    }

    /// The client sends this, and the server has its turns. No buffer need be
    /// large enough for a whole piece.
    fn send(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            match sys::write(&self.client, piece) {
                Ok(n) => piece = &piece[n..],
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            self.serve();
        }
    }

    /// Turns, until the next one is due when the client says more.
    fn serve(&mut self) {
        for _ in 0..10_000 {
            let next = self.turn();
            self.receive(usize::MAX);
            match next {
                Next::Again | Next::Write => {}
                Next::Read if self.is_readable() => {}
                Next::Read | Next::Close => return,
            }
        }
        panic!("turns without end");
    }

    /// The kernel's word for it, by which a server goes: what stands in our own
    /// buffers does not count.
    fn is_readable(&mut self) -> bool {
        self.queue.wait(&mut self.events, Some(Duration::ZERO)).unwrap();
        !self.events.is_empty()
    }

    /// One turn, as chapters 6 and 7 take it.
    fn turn(&mut self) -> Next {
        let (turn, client) = (self.turn, &mut self.connection);
        let peek = |client: &mut Connection| turn.peeks && client.has_request();
        peek(client);
        match turn.read_to_short {
            true => client.read_to_short(turn.read).unwrap(),
            false => client.read_to_eagain(turn.read).unwrap(),
        }
        for _ in 0..turn.requests {
            peek(client);
            let Some(request) = client.next_request() else { break };
            let (response, head) = (demo::respond_with_body(&request), request.head);
            peek(client);
            client.answer(response, head.method, head.keep_alive);
        }
        let more = client.has_request();
        match client.send(turn.send).unwrap() {
            Sent::All if more => Next::Again,
            Sent::All if client.is_finished() => Next::Close,
            Sent::All => Next::Read,
            Sent::More => Next::Again,
            Sent::Full => Next::Write,
        }
    }

    /// The client reads, at most this much; returns how much there was.
    fn receive(&mut self, most: usize) -> usize {
        let (mut buffer, mut received) = ([0; 4096], 0);
        while received < most {
            let room = buffer.len().min(most - received);
            let Ok(n @ 1..) = sys::read(&self.client, &mut buffer[..room]) else { break };
            self.received.extend_from_slice(&buffer[..n]);
            received += n;
        }
        received
    }
}

/// A stream cut into pieces of these sizes; what is left is the last one.
fn cut<'a>(mut stream: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let sizes = sizes.iter().copied().chain(iter::once(usize::MAX));
    let pieces = sizes.map(|size| {
        let (piece, rest) = stream.split_at(size.min(stream.len()));
        stream = rest;
        piece
    });
    pieces.collect()
}
