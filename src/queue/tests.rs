//! What the servers rely on, asked of the real kernel.

use std::time::Duration;

use super::*;
use crate::sys::{self, close};

const SOON: Option<Duration> = Some(Duration::from_secs(30));
const NOW: Option<Duration> = Some(Duration::ZERO);

struct Pair {
    queue: Queue,
    watched: Fd,
    token: Token,
    peer: Fd,
    events: Events,
}

impl Pair {
    fn new() -> Pair {
        let (watched, peer) = sys::socket_pair().unwrap();
        sys::set_nonblocking(&watched).unwrap();
        let token = Token::new(&watched);
        Pair {
            queue: Queue::new().unwrap(),
            watched,
            token,
            peer,
            events: Events::with_capacity(8),
        }
    }

    fn ready(&mut self, timeout: Option<Duration>) -> Vec<(Token, bool, bool)> {
        self.queue.wait(&mut self.events, timeout).unwrap();
        self.events.iter().map(|e| (e.token, e.readable, e.writable)).collect()
    }
}

#[test]
fn the_name_says_which_queue_runs() {
    let expected = if cfg!(epoll) {
        "epoll"
    } else if cfg!(target_os = "linux") {
        "kqueue over libkqueue"
    } else {
        "kqueue"
    };
    assert_eq!(NAME, expected);
}

#[test]
fn level_repeats_until_the_data_is_read() {
    let mut p = Pair::new();
    p.queue.add(&p.watched, p.token, Want::Read, Mode::Level).unwrap();
    assert!(p.ready(NOW).is_empty());
    sys::write(&p.peer, b"x").unwrap();
    for _ in 0..3 {
        assert_eq!(p.ready(SOON), [(p.token, true, false)]);
    }
    sys::read(&p.watched, &mut [0; 8]).unwrap();
    assert!(p.ready(NOW).is_empty());
}

#[test]
fn edge_reports_a_change_once() {
    let mut p = Pair::new();
    p.queue.add(&p.watched, p.token, Want::Read, Mode::Edge).unwrap();
    sys::write(&p.peer, b"x").unwrap();
    assert_eq!(p.ready(SOON).len(), 1);
    assert!(p.ready(NOW).is_empty());
}

#[test]
fn oneshot_is_silent_until_rearmed_and_rearming_looks() {
    let mut p = Pair::new();
    p.queue.add(&p.watched, p.token, Want::Read, Mode::Oneshot).unwrap();
    sys::write(&p.peer, b"x").unwrap();
    assert_eq!(p.ready(SOON).len(), 1);
    sys::write(&p.peer, b"y").unwrap();
    assert!(p.ready(NOW).is_empty(), "a fired oneshot is silent");
    p.queue.rearm(&p.watched, p.token, Want::Read).unwrap();
    assert_eq!(p.ready(SOON), [(p.token, true, false)], "data that was there fires at once");
}

#[test]
fn what_is_wanted_may_change_between_two_shots() {
    let mut p = Pair::new();
    p.queue.add(&p.watched, p.token, Want::Read, Mode::Oneshot).unwrap();
    sys::write(&p.peer, b"x").unwrap();
    assert_eq!(p.ready(SOON).len(), 1);
    p.queue.rearm(&p.watched, p.token, Want::Write).unwrap();
    assert_eq!(p.ready(SOON), [(p.token, false, true)]);
    p.queue.rearm(&p.watched, p.token, Want::Read).unwrap();
    assert_eq!(p.ready(SOON), [(p.token, true, false)]);
}

#[test]
fn deleting_what_is_not_watched_is_fine() {
    let mut p = Pair::new();
    p.queue.delete(&p.watched).unwrap();
    for want in [Want::Read, Want::Write] {
        p.queue.add(&p.watched, p.token, want, Mode::Oneshot).unwrap();
        p.queue.delete(&p.watched).unwrap();
        sys::write(&p.peer, b"x").unwrap();
        assert!(p.ready(NOW).is_empty());
    }
}

#[test]
fn a_peer_that_closes_makes_it_readable() {
    let mut p = Pair::new();
    p.queue.add(&p.watched, p.token, Want::Read, Mode::Oneshot).unwrap();
    close(std::mem::replace(&mut p.peer, sys::socket_pair().unwrap().0));
    assert!(p.ready(SOON)[0].1);
    assert_eq!(sys::read(&p.watched, &mut [0; 8]).unwrap(), 0);
}

#[test]
fn an_end_with_data_before_it_is_told_until_both_are_read() {
    // kqueue sets EV_EOF at once, with the data still there: who went by the flag
    // would lose the last request of a client that has ended its side.
    let mut p = Pair::new();
    p.queue.add(&p.watched, p.token, Want::Read, Mode::Level).unwrap();
    sys::write(&p.peer, b"last words").unwrap();
    sys::shutdown_write(&p.peer).unwrap();
    let mut room = [0; 64];
    for expected in [&b"last words"[..], b"", b""] {
        assert_eq!(p.ready(SOON), [(p.token, true, false)], "an end that nobody acts on repeats");
        let n = sys::read(&p.watched, &mut room).unwrap();
        assert_eq!(&room[..n], expected);
    }
}

#[test]
fn a_registration_from_another_thread_wakes_the_waiter() {
    let mut p = Pair::new();
    sys::write(&p.peer, b"x").unwrap();
    let (queue, watched, token) = (&p.queue, &p.watched, p.token);
    let events = &mut p.events;
    std::thread::scope(|scope| {
        scope.spawn(move || queue.add(watched, token, Want::Read, Mode::Level).unwrap());
        queue.wait(events, SOON).unwrap();
    });
    assert_eq!(p.events.iter().count(), 1);
}

#[test]
fn what_does_not_fit_stays_ready() {
    let mut p = Pair::new();
    let (other, peer) = sys::socket_pair().unwrap();
    p.queue.add(&p.watched, p.token, Want::Read, Mode::Oneshot).unwrap();
    p.queue.add(&other, Token::new(&other), Want::Read, Mode::Oneshot).unwrap();
    sys::write(&p.peer, b"x").unwrap();
    sys::write(&peer, b"x").unwrap();
    p.events = Events::with_capacity(1);
    let (first, second) = (p.ready(SOON), p.ready(SOON));
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0].0, second[0].0);
}

/// kqueue drops an entry with the close. epoll keeps it as long as the open file
/// lives, goes on reporting a number that is closed, and lets nobody delete it
/// by the duplicate's.
#[cfg(epoll)]
#[test]
fn an_entry_outlives_its_descriptor_while_a_duplicate_lives() {
    let mut p = Pair::new();
    p.queue.add(&p.watched, p.token, Want::Read, Mode::Level).unwrap();
    let duplicate = sys::duplicate(&p.watched).unwrap();
    close(std::mem::replace(&mut p.watched, sys::socket_pair().unwrap().0));
    sys::write(&p.peer, b"x").unwrap();
    p.queue.delete(&duplicate).unwrap();
    assert_eq!(p.ready(SOON), [(p.token, true, false)], "it is reported, though it is closed");
    close(duplicate);
    assert!(p.ready(NOW).is_empty(), "the last descriptor takes the entry along");
}

#[test]
fn two_tokens_of_one_descriptor_differ() {
    let p = Pair::new();
    let again = Token::new(&p.watched);
    assert_ne!(again, p.token);
    assert_eq!(again.fd(), p.token.fd());
    assert_eq!(again.fd(), p.watched.raw());
}

#[test]
fn poll_asks_about_everybody_in_a_list_of_any_length() {
    for length in [1, 4, 5, 40] {
        let pairs: Vec<(Fd, Fd)> = (0..length).map(|_| sys::socket_pair().unwrap()).collect();
        let list: Vec<(&Fd, Token)> = pairs.iter().map(|(fd, _)| (fd, Token::new(fd))).collect();
        let mut events = Events::with_capacity(1);
        poll(&list, &mut events, NOW).unwrap();
        assert_eq!(events.iter().count(), 0);
        let (_, peer) = &pairs[length - 1];
        sys::write(peer, b"x").unwrap();
        poll(&list, &mut events, SOON).unwrap();
        let ready: Vec<Token> = events.iter().map(|e| e.token).collect();
        assert_eq!(ready, [list[length - 1].1]);
    }
}
