//! Every live connection, each in exactly one place.
//!
//! A connection is *parked* (the kernel watches it, nobody works on it) or it is
//! *out*: in the pool's queue, or in one worker's hands. The table owns the
//! parked ones; who takes one out owns it until it is parked again or closed.
//! "Delete before dispatch" is therefore a move, and no rule for people to keep.
//!
//! Each place has a lock of its own. Two threads meet at one only if they want
//! the same connection, and that is rare: main takes it, a worker puts it back.

use std::io;
use std::os::fd::RawFd;

use crate::by_fd::ByFd;
use crate::log;
use crate::pool::Job;
use crate::queue::Token;
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::sys::{self, Fd};

/// What the table needs to know of a connection.
pub trait Client {
    /// Its name, for its whole life.
    fn token(&self) -> Token;
    /// Its socket.
    fn socket(&self) -> &Fd;
    /// Gives the socket up, to be closed.
    fn into_socket(self) -> Fd;
    /// An answer, or the rest of one, is still to be sent, or to be noticed.
    fn is_owed(&self) -> bool {
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

#[derive(Default)]
enum Place<T> {
    /// Nobody has this descriptor, or somebody who is no client.
    #[default]
    Empty,
    Parked(T),
    /// The name is only used to end the connection from outside, under the lock.
    Out(Token),
}

/// The connections of one server, shared between main and the workers.
pub struct Table<T> {
    places: ByFd<Mutex<Place<T>>>,
    count: AtomicUsize,
}

impl<T: Client> Table<T> {
    /// No connections.
    pub fn new() -> Table<T> {
        Table { places: ByFd::new(), count: AtomicUsize::new(0) }
    }

    // ANCHOR: park
    /// Parks a connection, new or taken out before, and has the kernel watch it.
    ///
    /// Once it is armed, main may be told of it and take it: so this is the last
    /// thing its owner does with it, and the lock is held *across* `arm`. (To
    /// arm first and park afterwards would let main look for it in vain; to park
    /// first and arm afterwards, without the lock, would let main close it in
    /// between, and `arm` would hit a stranger with the same number.)
    ///
    /// A connection that the kernel will not watch is closed, and that is logged;
    /// returns whether it was parked.
    #[track_caller]
    pub fn park(&self, client: T, arm: impl FnOnce(&T) -> io::Result<()>) -> bool {
        let Some(mut place) = self.lock(client.token().fd()) else {
            log::line(format_args!("client {}: too large a descriptor", client.socket()));
            sys::close(client.into_socket());
            return false;
        };
        if matches!(*place, Place::Empty) {
            self.count.fetch_add(1, Ordering::SeqCst);
        }
        if let Err(error) = arm(&client) {
            log::failed(format_args!("client {}: watch", client.socket()), &error);
            *place = Place::Empty;
            self.gone(client);
            return false;
        }
        *place = Place::Parked(client);
        true
    }

    /// Takes a parked connection out; it is the caller's now. `None` if nobody
    /// of that name is parked: the event was stale.
    pub fn take(&self, token: Token) -> Option<T> {
        self.take_if(token.fd(), |client| client.token() == token)
    }

    /// Takes the connection with that descriptor out, if it is parked and wanted.
    pub fn take_if(&self, fd: RawFd, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        take_from(&mut *self.lock(fd)?, wanted)
    }
    // ANCHOR_END: park

    /// Closes a connection that the caller has.
    #[track_caller]
    pub fn close(&self, client: T) {
        // The lock is held across the close: after it the number may be anybody's.
        let place = self.lock(client.token().fd());
        if let Some(mut place) = place {
            *place = Place::Empty;
            self.gone(client);
        }
    }

    #[track_caller]
    fn gone(&self, client: T) {
        sys::close(client.into_socket());
        self.count.fetch_sub(1, Ordering::SeqCst);
    }

    /// How many connections there are, parked or out.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // ANCHOR: drain
    /// Takes out the parked connections that are owed nothing.
    pub fn take_idle(&self) -> Vec<T> {
        self.take_where(|client| !client.is_owed())
    }

    /// Takes out every parked connection.
    pub fn take_all(&self) -> Vec<T> {
        self.take_where(|_| true)
    }

    fn take_where(&self, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        self.places.iter().filter_map(|place| take_from(&mut *locked(place), &wanted)).collect()
    }

    /// Ends, from outside, the connections that somebody else has (or has parked
    /// again this instant), and says how many there were. Who has one finds its
    /// next call failing. The lock keeps it from being closed, and its number
    /// from being used again, meanwhile.
    #[track_caller]
    pub fn shut_down_the_rest(&self) -> usize {
        for place in self.places.iter() {
            if let Place::Out(token) = *locked(place) {
                // ENOTCONN: it has ended already.
                let _ = sys::shutdown_both(token.fd());
            }
        }
        self.len()
    }
    // ANCHOR_END: drain

    fn lock(&self, fd: RawFd) -> Option<MutexGuard<'_, Place<T>>> {
        self.places.get(fd).map(locked)
    }
}

fn take_from<T: Client>(place: &mut Place<T>, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
    let token = match place {
        Place::Parked(client) if wanted(client) => client.token(),
        _ => return None,
    };
    match std::mem::replace(place, Place::Out(token)) {
        Place::Parked(client) => Some(client),
        Place::Empty | Place::Out(_) => None,
    }
}

fn locked<T>(place: &Mutex<Place<T>>) -> MutexGuard<'_, Place<T>> {
    // Nothing in here panics while a lock is held.
    place.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl<T: Client> Default for Table<T> {
    fn default() -> Table<T> {
        Table::new()
    }
}

#[cfg(test)]
mod tests;
