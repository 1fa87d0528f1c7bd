//! A run as text: what the clients did, what the server's trace says, what was
//! seen. What differs from run to run is given the same name in each.

use std::collections::HashMap;
use std::fmt::Write;

use super::merge::{Item, is_idle_turn, merge};
use crate::lab::record::Kind;
use crate::lab::scenarios::{Scenario, Seen};
use crate::lab::server::show_record;
use crate::lab::{Action, Play, Record, invariants};

/// The ports as they were, or as the book writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// What the kernel chose.
    Real,
    /// The server at 8080, clients at 50001, 50002 … in the order of their coming.
    Book,
}

/// The first line of a run.
pub fn title(scenario: &Scenario, play: &Play, variant: &str) -> String {
    format!("{} — played by {}{variant}", scenario.title, play.stage)
}

/// The whole text of a run that has ended. With `trace`, the server's own trace
/// stands between the actions, in the order of cause and effect.
pub fn tell(title: &str, play: &Play, seen: &Seen, trace: bool, ports: Ports) -> String {
    let actions = play.script().actions();
    let records: Vec<Record> = match trace {
        true => play.traces().into_iter().flatten().collect(),
        false => Vec::new(),
    };
    let mut items = merge(&records, &actions);
    if play.stage.has_workers() {
        rename(&mut items);
    }
    trim_idle_end(&mut items);
    let mut text = format!("{title}\n\n");
    for item in &items {
        let _ = match item {
            Item::Action(a) => writeln!(text, "  {:<4} {}", a.who, a.what),
            Item::Record(r) => writeln!(text, "       {}", show_record(r)),
        };
    }
    let _ = write!(text, "\nSeen: {seen}\n");
    match ports {
        Ports::Real => text,
        Ports::Book => with_book_ports(&text, &actions, &records),
    }
}

/// Gives each thread and descriptor of a server with workers the name it would
/// have if the threads had run in the order told: the worker that gets work
/// first is the first; a new descriptor is the lowest free number.
fn rename(items: &mut [Item]) {
    let mut threads: HashMap<String, String> = HashMap::new();
    let mut workers = 0;
    let took = |item: &Item| match item {
        Item::Record(r) if r.call == "took" => Some(r.thread.clone()),
        _ => None,
    };
    let order = items.iter().filter_map(took).chain(items.iter().filter_map(|item| match item {
        Item::Record(r) if r.thread.starts_with("worker-") => Some(r.thread.clone()),
        _ => None,
    }));
    for name in order {
        threads.entry(name).or_insert_with(|| {
            workers += 1;
            format!("worker-{workers}")
        });
    }
    let mut numbers: HashMap<i32, i32> = HashMap::new();
    for item in items {
        let Item::Record(r) = item else { continue };
        if let Some(name) = threads.get(&r.thread) {
            r.thread.clone_from(name);
        }
        for fd in invariants::opened(r) {
            let free = (3..).find(|n| !numbers.values().any(|used| used == n));
            numbers.insert(fd, free.unwrap_or(fd));
        }
        let closed = r.is_call("close").then_some(r.fd).flatten();
        renumber(r, &numbers);
        if let Some(fd) = closed {
            numbers.remove(&fd);
        }
    }
}

fn renumber(r: &mut Record, numbers: &HashMap<i32, i32>) {
    let new = |fd: i32| numbers.get(&fd).copied().unwrap_or(fd);
    let queue_call = r.op.is_some();
    let opens = !invariants::opened(r).is_empty();
    r.args = replace_numbers(&r.args, |place, number| {
        let is_fd = place == 0 || (queue_call && !r.is_wait() && place < 3);
        if is_fd && r.fd.is_some() { new(number) } else { number }
    });
    match (r.kind, opens && r.call != "socketpair") {
        (Kind::Call, true) => r.ret = r.ret.map(|fd| i64::from(new(fd as i32))),
        (Kind::Call, false) if r.is_wait() || r.call == "socketpair" => {
            r.note = replace_numbers(&r.note, |_, number| new(number));
        }
        // "client 5: …": the second word alone.
        (Kind::Log, _) if r.note.starts_with("client ") => {
            let nth = |place, number| if place == 1 { new(number) } else { number };
            r.note = replace_numbers(&r.note, nth);
        }
        _ => {}
    }
    r.fd = r.fd.map(new);
    if r.call == "poll" {
        // "[5 3], 2, 1": the descriptors stand in the brackets.
        let listed = r.args.split(']').next().unwrap_or_default().split(' ').count();
        let nth = |place, number| if place < listed { new(number) } else { number };
        r.args = replace_numbers(&r.args, nth);
    }
}

/// Changes the whole words of a text that are numbers.
fn replace_numbers(text: &str, new: impl Fn(usize, i32) -> i32) -> String {
    let mut out = String::new();
    let mut place = 0;
    for piece in text.split_inclusive([' ', ',', ':', '[', ']', '(', ')']) {
        let word = piece.trim_end_matches([' ', ',', ':', '[', ']', '(', ')']);
        if word.is_empty() {
            out.push_str(piece);
            continue;
        }
        match word.parse::<i32>() {
            Ok(number) => out.push_str(&new(place, number).to_string()),
            Err(_) => out.push_str(word),
        }
        out.push_str(&piece[word.len()..]);
        place += 1;
    }
    out
}

/// A loop that never sleeps goes on after the last thing that happened.
fn trim_idle_end(items: &mut Vec<Item>) {
    let happened =
        |item: &Item| matches!(item, Item::Record(r) if !is_idle_turn(r) && !r.is_enter());
    let Some(last) = items.iter().rposition(happened) else { return };
    let idle = |item: &Item| matches!(item, Item::Record(r) if is_idle_turn(r) && !r.is_enter());
    let mut n = 0;
    let tail: Vec<Item> = items.drain(last + 1..).collect();
    items.extend(tail.into_iter().filter(|item| {
        n += usize::from(idle(item));
        !idle(item) || n <= 2
    }));
}

fn with_book_ports(text: &str, actions: &[Action], records: &[Record]) -> String {
    let mut text = text.to_string();
    let mut peers: Vec<String> = Vec::new();
    let accepted = records.iter().filter(|r| r.accepted().is_some());
    let accepted = accepted.map(|r| r.note.trim_matches(['(', ')']).to_string());
    for peer in actions.iter().filter_map(|a| a.from.clone()).chain(accepted) {
        if !peers.contains(&peer) {
            peers.push(peer);
        }
    }
    for (n, peer) in peers.iter().enumerate() {
        text = text.replace(&format!("({peer})"), &format!("(127.0.0.1:{})", 50001 + n));
    }
    for r in records.iter().filter(|r| r.is_call("getsockname")) {
        text = text.replace(&format!("= 0 {}", r.note), "= 0 (127.0.0.1:8080)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_that_are_numbers_are_replaced() {
        let new = |_: usize, fd: i32| if fd == 5 { 7 } else { fd };
        assert_eq!(replace_numbers("4, ADD, 5, EPOLLIN", new), "4, ADD, 7, EPOLLIN");
        assert_eq!(
            replace_numbers("4, [5 EVFILT_READ EV_ADD], 0", new),
            "4, [7 EVFILT_READ EV_ADD], 0"
        );
        assert_eq!(replace_numbers("client 5: x5", new), "client 7: x5");
    }
}
