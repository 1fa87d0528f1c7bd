//! The one order in which the book tells what the clients and the server did.
//!
//! They run at the same time, so two plays of one scenario differ in which of two
//! unconnected things the clock put first. A page needs an order that every play
//! agrees on: the server goes on as far as it can without a client; where it cannot,
//! the clients act until it can. Nothing stands before its cause.

use std::collections::{HashMap, HashSet};

use crate::lab::record::Kind;
use crate::lab::{Action, Record, invariants};

/// A client's action or a line of the server's trace.
#[derive(Debug, Clone)]
pub enum Item {
    /// What a client or the lab did.
    Action(Action),
    /// What the server did.
    Record(Box<Record>),
}

/// Puts both in the book's order. `records` are in causal order (`seq`).
pub fn merge(records: &[Record], actions: &[Action]) -> Vec<Item> {
    let mut merger = Merger::new(records, actions);
    while merger.step() {}
    merger.out
}

/// Turns of a loop in which nothing happened.
pub fn is_idle_turn(r: &Record) -> bool {
    r.kind == Kind::Turns || r.errno.as_deref() == Some("EAGAIN")
}

/// One open descriptor: the same number later is another one.
type Life = (i32, usize);

struct Merger<'a> {
    records: &'a [Record],
    actions: &'a [Action],
    /// Of each record: the descriptors it touches.
    lives: Vec<Vec<Life>>,
    /// Of each record: the client it is about, by its address.
    peers: Vec<Option<String>>,
    /// Records of each thread, by index, not yet told.
    threads: Vec<(u64, Vec<usize>)>,
    told: HashSet<usize>,
    next_action: usize,
    current: usize,
    out: Vec<Item>,
}

impl<'a> Merger<'a> {
    fn new(records: &'a [Record], actions: &'a [Action]) -> Merger<'a> {
        let (lives, peers) = trace_lives(records);
        let mut threads: Vec<(u64, Vec<usize>)> = Vec::new();
        for (n, r) in records.iter().enumerate() {
            match threads.iter_mut().find(|(tid, _)| *tid == r.tid) {
                Some((_, list)) => list.push(n),
                None => threads.push((r.tid, vec![n])),
            }
        }
        // Main first, then the workers in the order in which they got work.
        threads.sort_by_key(|(_, list)| {
            let works = |n: &&usize| records[**n].thread == "main" || records[**n].call == "took";
            list.iter().find(works).copied().unwrap_or(usize::MAX)
        });
        threads.iter_mut().for_each(|(_, list)| list.reverse());
        Merger {
            records,
            actions,
            lives,
            peers,
            threads,
            told: HashSet::new(),
            next_action: 0,
            current: 0,
            out: Vec::new(),
        }
    }

    /// Tells one more thing; `false` when all is told.
    fn step(&mut self) -> bool {
        let action = self.actions.get(self.next_action);
        // The thread that runs goes on; then the others.
        let order = std::iter::once(self.current).chain(0..self.threads.len());
        let ready: Vec<usize> = order.filter(|t| self.is_ready(*t)).collect();
        // A handler that sleeps for a while lets the clients go first.
        let awake = ready.iter().find(|t| self.next(**t).call != "handler slept");
        let acts = action.is_some_and(|a| self.may_act(a));
        let started = self.next_action > 0 || self.actions.is_empty();
        match (awake.filter(|_| started), ready.first()) {
            (Some(thread), _) => self.tell_record(*thread),
            _ if acts => self.tell_action(),
            (_, Some(thread)) => self.tell_record(*thread),
            // Something had a cause that nobody wrote down: go by the clock.
            _ => {
                let earliest = (0..self.threads.len()).filter(|t| !self.threads[*t].1.is_empty());
                let thread = earliest.min_by_key(|t| self.next(*t).seq);
                match (thread, action) {
                    (Some(t), Some(a)) if self.next(t).us <= a.us => self.tell_record(t),
                    (_, Some(_)) => self.tell_action(),
                    (Some(t), None) => self.tell_record(t),
                    (None, None) => return false,
                }
            }
        }
        true
    }

    fn next(&self, thread: usize) -> &'a Record {
        let n = self.threads[thread].1.last().copied().unwrap_or_default();
        &self.records[n]
    }

    fn tell_record(&mut self, thread: usize) {
        if let Some(n) = self.threads[thread].1.pop() {
            self.told.insert(n);
            self.current = thread;
            self.out.push(Item::Record(Box::new(self.records[n].clone())));
        }
    }

    fn tell_action(&mut self) {
        self.out.push(Item::Action(self.actions[self.next_action].clone()));
        self.next_action += 1;
    }

    /// Whether the next record of a thread has all its causes told.
    fn is_ready(&self, thread: usize) -> bool {
        let Some(&n) = self.threads.get(thread).and_then(|(_, list)| list.last()) else {
            return false;
        };
        let r = &self.records[n];
        // What other threads did before with the same descriptors.
        let unknown = |life: &Life| {
            let earlier = (0..n).filter(|m| self.records[*m].tid != r.tid);
            earlier.into_iter().any(|m| self.lives[m].contains(life) && !self.told.contains(&m))
        };
        if self.lives[n].iter().any(unknown) {
            return false;
        }
        if r.is_wait() {
            return r.events.iter().all(|event| match event.readable {
                true => self.is_input_there(n, event.fd),
                false => true,
            });
        }
        match (r.call.as_str(), &self.peers[n]) {
            ("accept", Some(peer)) => self.has_done(peer, &["connects"]),
            ("read", Some(peer)) if r.kind == Kind::Call => self.can_read(n, peer, r),
            ("write", Some(peer)) if r.kind == Kind::Call => {
                let broken = matches!(r.errno.as_deref(), Some("EPIPE" | "ECONNRESET"));
                !broken || self.has_done(peer, &["closes", "resets"])
            }
            _ => true,
        }
    }

    /// Whether the clients have given a wait what it reports of `fd`.
    fn is_input_there(&self, n: usize, fd: i32) -> bool {
        let later = || (n + 1..self.records.len()).map(|m| (m, &self.records[m]));
        let accept = later().find(|(_, r)| r.accepted().is_some() && r.fd == Some(fd));
        if let Some((m, _)) = accept {
            return self.peers[m].as_ref().is_none_or(|p| self.has_done(p, &["connects"]));
        }
        let read = later().find(|(_, r)| r.is_call("read") && r.fd == Some(fd));
        match read {
            Some((m, r)) => self.peers[m].as_ref().is_none_or(|p| self.can_read(m, p, r)),
            None => true,
        }
    }

    fn told_actions(&self, peer: &str) -> impl Iterator<Item = &'a Action> {
        let told = &self.actions[..self.next_action];
        told.iter().filter(move |a| a.from.as_deref() == Some(peer))
    }

    fn has_done(&self, peer: &str, what: &[&str]) -> bool {
        let did = |a: &Action| {
            a.from.as_deref() == Some(peer) && what.iter().any(|w| a.what.starts_with(w))
        };
        // What nobody wrote down (quiet clients) cannot be waited for.
        !self.actions.iter().any(did) || self.told_actions(peer).any(did)
    }

    /// Whether the client has sent what this read returns.
    fn can_read(&self, n: usize, peer: &str, r: &Record) -> bool {
        match (r.ret, r.errno.as_deref()) {
            (_, Some("EAGAIN")) => true,
            (Some(1..), None) => {
                let reads = (0..=n).filter(|m| self.peers[*m].as_deref() == Some(peer));
                let reads = reads.map(|m| &self.records[m]).filter(|r| r.is_call("read"));
                let taken: i64 = reads.filter_map(|r| r.ret.filter(|n| *n > 0)).sum();
                let all = self.actions.iter().filter(|a| a.from.as_deref() == Some(peer));
                let all: i64 = all.map(sent_bytes).sum();
                self.told_actions(peer).map(sent_bytes).sum::<i64>() >= taken.min(all)
            }
            _ => self.has_done(peer, &["closes", "ends its side", "resets"]),
        }
    }

    /// Whether all that this action had to wait for has been told.
    fn may_act(&self, action: &Action) -> bool {
        let (Some(peer), true) = (&action.from, action.what.starts_with("gets ")) else {
            return true;
        };
        let ended = action.what.contains(", then ");
        (0..self.records.len()).filter(|n| self.peers[*n].as_ref() == Some(peer)).all(|n| {
            let r = &self.records[n];
            let gives = r.is_call("write") || (ended && r.is_call("close"));
            !gives || r.us > action.us || self.told.contains(&n)
        })
    }
}

/// `sends "GET / HTTP/1.1" (29 bytes)` → 29.
fn sent_bytes(action: &Action) -> i64 {
    let bytes = action.what.starts_with("sends ").then(|| action.what.rsplit_once('('));
    let bytes = bytes.flatten().and_then(|(_, n)| n.strip_suffix(" bytes)"));
    bytes.and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Which descriptors each record touches, and which client it is about.
fn trace_lives(records: &[Record]) -> (Vec<Vec<Life>>, Vec<Option<String>>) {
    let mut opened: HashMap<i32, usize> = HashMap::new();
    let mut peer_of: HashMap<Life, String> = HashMap::new();
    let (mut lives, mut peers) = (Vec::new(), Vec::new());
    for r in records {
        for fd in invariants::opened(r) {
            *opened.entry(fd).or_default() += 1;
        }
        let life = |fd: i32| (fd, opened.get(&fd).copied().unwrap_or(0));
        let mut touched: Vec<Life> = r.events.iter().map(|event| life(event.fd)).collect();
        let asleep = r.is_enter();
        touched.extend(invariants::opened(r).into_iter().map(life));
        // Of the queue itself and of who sleeps nothing follows.
        touched.extend(r.fd.filter(|_| !asleep && !r.is_wait()).map(life));
        let subject = r.accepted().or(r.fd).map(life);
        if r.accepted().is_some()
            && let Some(life) = subject
        {
            peer_of.insert(life, r.note.trim_matches(['(', ')']).to_string());
        }
        peers.push(subject.and_then(|life| peer_of.get(&life).cloned()));
        lives.push(touched);
    }
    (lives, peers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Deed;

    fn record(seq: u64, call: &str, args: &str, ret: i64, fd: i32, note: &str) -> Record {
        let line = serde_json::json!({
            "seq": seq, "us": seq, "kind": "call", "thread": "main", "tid": 1, "call": call,
            "args": args, "ret": ret, "errno": null, "note": note, "at": "x.rs:1", "fd": fd,
        });
        Record::parse(&line.to_string()).expect("a record")
    }

    fn action(what: &str) -> Action {
        Action {
            us: 9,
            who: "A".into(),
            from: Some("127.0.0.1:9".into()),
            what: what.into(),
            deed: Deed::Connect,
        }
    }

    #[test]
    fn the_server_goes_on_as_far_as_it_can_and_no_further() {
        let records = [
            record(1, "listen", "3, 1024", 0, 3, ""),
            record(2, "accept", "3", 4, 3, "(127.0.0.1:9)"),
            record(3, "read", "4, 16384", 5, 4, ""),
            record(4, "write", "4, 7", 7, 4, ""),
            record(5, "close", "4", 0, 4, ""),
        ];
        let start = Action { from: None, ..action("starts") };
        let actions = [
            start,
            action("connects"),
            action("sends \"x\" (5 bytes)"),
            action("gets 200 with 1 bytes"),
        ];
        let told: Vec<String> = merge(&records, &actions)
            .iter()
            .map(|item| match item {
                Item::Action(a) => a.what.split(' ').next().unwrap_or_default().to_string(),
                Item::Record(r) => r.call.clone(),
            })
            .collect();
        let order =
            ["starts", "listen", "connects", "accept", "sends", "read", "write", "close", "gets"];
        assert_eq!(told, order);
    }
}
