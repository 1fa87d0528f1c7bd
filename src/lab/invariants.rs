//! What must be true of every trace, whatever the scenario.

use std::collections::HashMap;

use super::record::Kind;
use super::server::show_record;
use super::{Record, Result, trouble};

/// Checks a trace in causal order:
///
/// - a descriptor is used only between the call that opened it and its close,
///   and closed once;
/// - a connection that a worker took is touched by no other thread until that
///   worker has closed it, queued it again, or given it back to the kernel;
/// - a connection is in the pool's queue at most once;
/// - a oneshot registration fires at most once.
///
/// # Errors
/// The first record that breaks one of them.
pub fn check(records: &[Record]) -> Result<()> {
    let mut fds: HashMap<i32, State> = HashMap::new();
    for record in records {
        step(&mut fds, record).or_else(|why| {
            trouble(format!("broken invariant: {why}\n  {} at {}", show_record(record), record.at))
        })?;
    }
    Ok(())
}

#[derive(Default)]
struct State {
    /// The thread that has it, once a worker took it.
    owner: Option<u64>,
    queued: bool,
    /// Registered as oneshot, and not fired yet.
    armed: Option<bool>,
}

fn step(fds: &mut HashMap<i32, State>, r: &Record) -> std::result::Result<(), String> {
    if r.errno.as_deref() == Some("EBADF") {
        return Err("a closed descriptor was used".to_string());
    }
    for fd in opened(r) {
        if fds.insert(fd, State::default()).is_some() {
            return Err(format!("{fd} was opened while it was open"));
        }
    }
    if r.is_wait() {
        for event in &r.events {
            let Some(state) = fds.get_mut(&event.fd) else {
                continue; // a stale event is possible; nobody must act on it
            };
            match &mut state.armed {
                Some(armed @ true) => *armed = false,
                Some(false) => return Err(format!("{} fired twice", event.fd)),
                None => {}
            }
        }
        return Ok(());
    }
    let Some(fd) = r.fd.filter(|_| matches!(r.kind, Kind::Call | Kind::Step | Kind::StepLeave))
    else {
        return Ok(());
    };
    let Some(state) = fds.get_mut(&fd) else {
        return Err(format!("{fd} was used and is not open"));
    };
    if let Some(owner) = state.owner.filter(|_| r.kind == Kind::Call && r.call != "shutdown")
        && owner != r.tid
    {
        return Err(format!("{fd} is in another thread's hands"));
    }
    match (r.call.as_str(), r.op.as_deref()) {
        ("took", _) => {
            if !std::mem::take(&mut state.queued) {
                return Err(format!("{fd} was taken and had not been queued"));
            }
            state.owner = Some(r.tid);
        }
        ("queued", _) => {
            if std::mem::replace(&mut state.queued, true) {
                return Err(format!("{fd} was queued twice"));
            }
            state.owner = None;
        }
        ("close" | "handed over", _) => {
            fds.remove(&fd);
        }
        (_, Some("add" | "rearm")) if r.errno.is_none() => {
            state.owner = None;
            state.armed = (r.mode.as_deref() == Some("oneshot")).then_some(true);
        }
        (_, Some("delete")) => state.armed = None,
        _ => {}
    }
    Ok(())
}

/// The descriptors that a call has opened.
pub fn opened(r: &Record) -> Vec<i32> {
    if r.kind != Kind::Call || r.errno.is_some() {
        return Vec::new();
    }
    match r.call.as_str() {
        "socket" | "accept" | "epoll_create1" | "kqueue" => {
            r.ret.map(|fd| fd as i32).into_iter().collect()
        }
        "fcntl" if r.args.contains("F_DUPFD") => r.ret.map(|fd| fd as i32).into_iter().collect(),
        "socketpair" => {
            let list = r.note.trim_matches(['[', ']']).split(", ");
            list.filter_map(|fd| fd.parse().ok()).collect()
        }
        _ => Vec::new(),
    }
}
