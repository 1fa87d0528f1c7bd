//! Every live connection, each in exactly one place.
//!
//! A connection is *parked* (the kernel watches it, nobody works on it) or it is
//! *out*: in the pool's queue, or in one worker's hands. The table owns the
//! parked ones; who takes one out owns it until it is parked again or closed.
//! "Delete before dispatch" is therefore a move, and no rule for people to keep.

use std::collections::HashMap;
use std::io;
use std::os::fd::RawFd;

use crate::log;
use crate::pool::Job;
use crate::queue::Token;
use crate::sync::{Mutex, MutexGuard};
use crate::sys::{self, Fd};

/// What the table needs to know of a connection.
pub trait Client {
    /// Its name, for its whole life.
    fn token(&self) -> Token;
    /// Its socket.
    fn socket(&self) -> &Fd;
    /// Gives the socket up, to be closed.
    fn into_socket(self) -> Fd;
    /// An answer, or the rest of one, is still to be sent.
    fn owes_output(&self) -> bool {
        false
    }
}

/// A socket and its name: all there is to a connection that asks once.
impl Client for (Token, Fd) {
    fn token(&self) -> Token {
        self.0
    }

    fn socket(&self) -> &Fd {
        &self.1
    }

    fn into_socket(self) -> Fd {
        self.1
    }
}

/// What waits for a worker is a connection.
impl<T: Client + Send + 'static> Job for T {
    fn fd(&self) -> RawFd {
        self.socket().raw()
    }
}

enum Place<T> {
    Parked(T),
    /// The number is only used to end the connection from outside, under the lock.
    Out(RawFd),
}

struct State<T> {
    places: HashMap<Token, Place<T>>,
    draining: bool,
}

/// The connections of one server, shared between main and the workers.
pub struct Table<T> {
    state: Mutex<State<T>>,
}

impl<T: Client> Table<T> {
    /// No connections.
    pub fn new() -> Table<T> {
        Table { state: Mutex::new(State { places: HashMap::new(), draining: false }) }
    }

    // ANCHOR: park
    /// Parks a new connection, also while draining: whether it has asked for
    /// something, the next wait will tell.
    #[track_caller]
    pub fn admit(&self, client: T, arm: impl FnOnce(&T) -> io::Result<()>) -> bool {
        self.place(client, arm, true)
    }

    /// Parks a connection, new or taken out before, and has the kernel watch it.
    ///
    /// Once it is armed, main may be told of it and take it: so this is the last
    /// thing its owner does with it, and the lock is held *across* `arm`. (To
    /// arm first and park afterwards would let main look for it in vain; to park
    /// first and arm afterwards, without the lock, would let main close it in
    /// between, and `arm` would hit a stranger with the same number.)
    ///
    /// A connection that cannot be parked is closed; returns whether it was
    /// parked. That happens when the kernel will not watch it (which is logged),
    /// or when the server is stopping and the connection is owed nothing.
    #[track_caller]
    pub fn park(&self, client: T, arm: impl FnOnce(&T) -> io::Result<()>) -> bool {
        self.place(client, arm, false)
    }

    #[track_caller]
    fn place(&self, client: T, arm: impl FnOnce(&T) -> io::Result<()>, is_new: bool) -> bool {
        let mut state = self.lock();
        let armed = match state.draining && !is_new && !client.owes_output() {
            true => Ok(false),
            false => arm(&client).map(|()| true),
        };
        if let Ok(true) = armed {
            state.places.insert(client.token(), Place::Parked(client));
            return true;
        }
        if let Err(error) = armed {
            log::failed(format_args!("client {}: watch", client.socket()), &error);
        }
        state.places.remove(&client.token());
        sys::close(client.into_socket());
        false
    }

    /// Takes a parked connection out; it is the caller's now. `None` if nobody
    /// of that name is parked: the event was stale.
    pub fn take(&self, token: Token) -> Option<T> {
        let mut state = self.lock();
        let place = state.places.get_mut(&token)?;
        match std::mem::replace(place, Place::Out(token.fd())) {
            Place::Parked(client) => Some(client),
            Place::Out(_) => None,
        }
    }
    // ANCHOR_END: park

    /// Closes a connection that the caller has.
    #[track_caller]
    pub fn close(&self, client: T) {
        let mut state = self.lock();
        state.places.remove(&client.token());
        sys::close(client.into_socket());
    }

    /// How many connections there are, parked or out.
    pub fn len(&self) -> usize {
        self.lock().places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // ANCHOR: drain
    /// From now on nobody is parked who is owed nothing.
    pub fn start_draining(&self) {
        self.lock().draining = true;
    }

    /// Whether [`Table::start_draining`] was called.
    pub fn is_draining(&self) -> bool {
        self.lock().draining
    }

    /// Takes out the parked connections that are owed nothing.
    pub fn take_idle(&self) -> Vec<T> {
        self.take_where(|client| !client.owes_output())
    }

    /// Takes out every parked connection.
    pub fn take_all(&self) -> Vec<T> {
        self.take_where(|_| true)
    }

    fn take_where(&self, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let mut state = self.lock();
        let mut taken = Vec::new();
        for place in state.places.values_mut() {
            if matches!(place, Place::Parked(client) if wanted(client)) {
                let Place::Parked(client) = std::mem::replace(place, Place::Out(-1)) else {
                    continue;
                };
                *place = Place::Out(client.socket().raw());
                taken.push(client);
            }
        }
        taken
    }

    /// Ends, from outside, the connections that somebody else has (or has parked
    /// again this instant), and says how many there were. Who has one finds its next call failing. The lock keeps
    /// them from being closed, and their numbers from being used again, meanwhile.
    #[track_caller]
    pub fn shut_down_the_rest(&self) -> usize {
        let state = self.lock();
        for place in state.places.values() {
            if let Place::Out(raw) = place {
                // ENOTCONN: it has ended already.
                let _ = sys::shutdown_both(*raw);
            }
        }
        state.places.len()
    }
    // ANCHOR_END: drain

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here panics while the lock is held.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<T: Client> Default for Table<T> {
    fn default() -> Table<T> {
        Table::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Conn(Token, Fd, bool);

    impl Client for Conn {
        fn token(&self) -> Token {
            self.0
        }
        fn socket(&self) -> &Fd {
            &self.1
        }
        fn into_socket(self) -> Fd {
            self.1
        }
        fn owes_output(&self) -> bool {
            self.2
        }
    }

    fn conn(owes: bool) -> (Conn, Fd) {
        let (socket, peer) = sys::socket_pair().unwrap();
        (Conn(Token::new(&socket), socket, owes), peer)
    }

    #[test]
    fn a_connection_can_be_taken_once() {
        let (table, (c, _peer)) = (Table::new(), conn(false));
        let token = c.token();
        table.park(c, |_| Ok(()));
        let taken = table.take(token).unwrap();
        assert!(table.take(token).is_none(), "it is out");
        table.park(taken, |_| Ok(()));
        assert!(table.take(token).is_some());
    }

    #[test]
    fn a_token_of_an_earlier_owner_finds_nothing() {
        let (table, (c, _peer)) = (Table::new(), conn(false));
        let (stale, fd) = (Token::new(&c.1), c.1.raw());
        table.park(c, |_| Ok(()));
        assert_eq!(stale.fd(), fd);
        assert!(table.take(stale).is_none());
    }

    #[test]
    fn a_connection_that_cannot_be_armed_is_closed() {
        let (table, (c, peer)) = (Table::new(), conn(false));
        assert!(!table.park(c, |_| Err(io::Error::other("no"))));
        assert!(table.is_empty());
        assert_eq!(sys::read(&peer, &mut [0; 1]).unwrap(), 0, "the peer reads EOF");
    }

    #[test]
    fn draining_parks_only_who_is_owed_something() {
        let table = Table::new();
        let ((idle, _a), (owed, _b), (late, _c)) = (conn(false), conn(true), conn(false));
        table.park(idle, |_| Ok(()));
        table.park(owed, |_| Ok(()));
        table.start_draining();
        assert_eq!(table.take_idle().len(), 1);
        assert!(!table.park(late, |_| Ok(())));
        assert_eq!(table.take_all().len(), 1);
    }

    #[test]
    fn who_is_out_can_be_ended_from_outside() {
        let (table, (c, peer)) = (Table::new(), conn(false));
        let token = c.token();
        table.park(c, |_| Ok(()));
        let held = table.take(token).unwrap();
        assert_eq!(table.shut_down_the_rest(), 1);
        assert_eq!(sys::read(&peer, &mut [0; 1]).unwrap(), 0, "the peer reads EOF");
        table.close(held);
        assert!(table.is_empty());
    }
}
