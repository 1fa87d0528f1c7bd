//! The server's records and the clients' actions, in one order.

use std::collections::HashMap;

use super::{Action, Deed, End, Record, Result, trouble};
use crate::lab::record::Kind;

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Line {
    /// In the server.
    Server(Box<Record>),
    /// Outside.
    Client(Action),
}

/// When a record's effect is there: of a call that gives something away, when it
/// was made; of one that receives, when it returned. Counted turns end before what
/// ends them: what their calls would have found has come after the last of them.
fn moment(r: &Record, news: bool) -> u64 {
    // A wait that failed has no `op`, but it is about the queue itself.
    let is_wait = matches!(&*r.call, "epoll_wait" | "poll")
        || (r.call == "kevent" && r.role.as_deref() == Some("queue"));
    let receives = is_wait || matches!(r.call.as_str(), "accept" | "read");
    match r.kind {
        Kind::Turns if news => r.us,
        Kind::StepLeave | Kind::Turns => r.us + r.dur,
        Kind::Call if receives => r.us + r.dur,
        _ => r.us,
    }
}

/// Puts the actions between the records. The records keep the order of their
/// `seq`; an action stands behind the last record whose effect came before it.
///
/// # Errors
/// The result contradicts itself: somebody is accepted before it connects, or
/// receives what has not been sent.
pub(super) fn merge(mut records: Vec<Record>, actions: Vec<Action>) -> Result<Vec<Line>> {
    records.sort_by_key(|r| r.seq);
    let mut actions: Vec<Action> =
        actions.into_iter().filter(|action| action.deed != Deed::Summary).collect();
    for action in &mut actions {
        if let Some(us) = not_before(action, &records) {
            action.us = action.us.max(us);
        }
    }
    actions.sort_by_key(|action| action.us);
    let mut slots: Vec<Vec<Action>> = vec![Vec::new(); records.len() + 1];
    let mut earliest = 0; // the actions keep their own order, too
    for action in actions {
        let news = is_news(&action, &records);
        let before = records.iter().rposition(|r| moment(r, news) <= action.us);
        earliest = before.map_or(0, |at| at + 1).max(earliest);
        slots[earliest].push(action);
    }
    let mut lines = Vec::new();
    let mut slots = slots.into_iter();
    lines.extend(slots.next().into_iter().flatten().map(Line::Client));
    for (record, slot) in records.into_iter().zip(slots) {
        lines.push(Line::Server(Box::new(record)));
        lines.extend(slot.into_iter().map(Line::Client));
    }
    check(&lines)?;
    Ok(lines)
}

/// A client is written down before it connects, and may lose its core in between:
/// whoever was accepted had not connected yet when accept was last called in vain.
fn not_before(action: &Action, records: &[Record]) -> Option<u64> {
    let from = action.from.as_ref().filter(|_| action.deed == Deed::Connect)?;
    let is_theirs = |r: &Record| r.accepted().is_some() && r.note == format!("({from})");
    let accepted = records.iter().position(is_theirs)?;
    let found_nobody = |r: &&Record| match r.kind {
        Kind::Turns => r.note.contains("accept(") && r.note.contains("EAGAIN"),
        _ => r.failed("accept", "EAGAIN"),
    };
    records[..accepted].iter().rfind(found_nobody).map(|r| r.us)
}

/// Whether a server that only turns would see it: from a client that it still has.
fn is_news(action: &Action, records: &[Record]) -> bool {
    let ends = matches!(action.deed, Deed::HalfClose | Deed::Close | Deed::Reset);
    if !ends {
        return matches!(action.deed, Deed::Connect | Deed::Send(_));
    }
    let Some(from) = &action.from else { return false };
    let peer = |r: &&Record| r.note.trim_matches(['(', ')']) == *from;
    let Some((seq, fd)) = records.iter().find(peer).and_then(|r| Some((r.seq, r.accepted()?)))
    else {
        return true;
    };
    let is_close = |r: &&Record| r.seq > seq && r.is_call("close") && r.fd == Some(fd);
    records.iter().find(is_close).is_none_or(|close| close.us > action.us)
}

#[derive(Default)]
struct Flow {
    sent: usize,
    read: usize,
    written: usize,
    got: usize,
}

/// Nothing comes out that has not gone in.
fn check(lines: &[Line]) -> Result<()> {
    let mut flows: HashMap<String, Flow> = HashMap::new();
    let mut owners: HashMap<i32, String> = HashMap::new();
    for line in lines {
        let broken = match line {
            Line::Client(action) => {
                let Some(from) = &action.from else { continue };
                let flow = match action.deed {
                    Deed::Connect => flows.entry(from.clone()).or_default(),
                    _ => match flows.get_mut(from) {
                        Some(flow) => flow,
                        None => return trouble(format!("{from} acts before it connects")),
                    },
                };
                match action.deed {
                    Deed::Send(n) => flow.sent += n,
                    Deed::Receive(n) | Deed::ReceiveEnd(n, End::Eof | End::Reset) => flow.got += n,
                    _ => {}
                }
                flow.got > flow.written
            }
            Line::Server(r) => {
                if let Some(fd) = r.accepted() {
                    let peer = r.note.trim_matches(['(', ')']).to_string();
                    if !flows.contains_key(&peer) {
                        return trouble(format!("{peer} is accepted before it connects"));
                    }
                    owners.insert(fd, peer);
                }
                let owner = r.fd.and_then(|fd| owners.get(&fd));
                let Some(flow) = owner.and_then(|peer| flows.get_mut(peer)) else { continue };
                let bytes = r.ret.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
                match r.call.as_str() {
                    "read" if r.kind == Kind::Call => flow.read += bytes,
                    "write" if r.kind == Kind::Call => flow.written += bytes,
                    _ => {}
                }
                flow.read > flow.sent
            }
        };
        if broken {
            let what = match line {
                Line::Client(action) => format!("{} {}", action.who, action.what),
                Line::Server(r) => crate::lab::server::show_record(r),
            };
            return trouble(format!("received before it was sent: {what}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u64, us: u64, rest: &str) -> Record {
        let line = format!(
            r#"{{"seq":{seq},"us":{us},"dur":5,"thread":"main","tid":1,"at":"a.rs:1",{rest}}}"#
        );
        Record::parse(&line).expect("a record")
    }

    #[test]
    fn who_is_accepted_did_not_wait_while_accept_found_nobody() {
        let turns = r#""kind":"turns","call":"turns","args":"","ret":null,"errno":null,"times":9,"#;
        let turns = format!("{turns}\"note\":\"accept(3) = -1 EAGAIN\"");
        let took = r#""kind":"call","call":"accept","args":"3","fd":3,"ret":4,"errno":null,"#;
        let took = format!("{took}\"note\":\"(10.0.0.1:65)\"");
        let records = vec![record(1, 10, &turns), record(2, 20, &turns), record(3, 30, &took)];
        // Written down in the first of these turns, or between the two.
        for us in [12, 16] {
            let connects = Action {
                us,
                deed: Deed::Connect,
                who: "A".to_string(),
                from: Some("10.0.0.1:65".to_string()),
                what: "connects".to_string(),
            };
            let lines = merge(records.clone(), vec![connects]).expect("an order");
            let place = lines.iter().position(|line| matches!(line, Line::Client(_)));
            assert_eq!(place, Some(2), "{us}");
        }
    }
}
