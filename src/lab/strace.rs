//! Is the trace true? The same run under `strace -f`, call by call.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::book::named::{self, Named};
use super::record::Kind;
use super::story::tour_of;
use super::{Play, Record, Result, Server, Trouble, trouble};

/// One call: name, descriptor, result, error.
type Seen = (String, i64, i64, String);

/// Plays the tour under strace and compares, per thread and in order, the calls
/// on sockets and the event queue. Returns the summary: how many calls agreed,
/// and how many were left out by which rule.
///
/// # Errors
/// strace cannot be run, or the two differ: the first difference.
pub fn check(play: &Play) -> Result<String> {
    let file = std::env::temp_dir().join(format!("strace-{}-{}", play.stage, std::process::id()));
    let program = play.program.display().to_string();
    let output = file.display().to_string();
    let args = ["-f", "-qq", "-s", "32", "-o", &output, &program];
    let mut server = Server::start_under(Path::new("strace"), &args)?;
    tour_of(play, &server)?;
    if play.stage.has_workers() {
        server.wait_until_quiet()?;
    }
    let pid = server.traced_pid()?;
    crate::sys::send_signal(pid, libc::SIGTERM)?;
    let (_, records) = server.wait_for_end()?;
    let text = std::fs::read_to_string(&file)
        .map_err(|e| Trouble(format!("cannot read {}: {e}", file.display())))?;
    let _ = std::fs::remove_file(&file);
    compare(&records, &text, play.stage == super::Stage::Ch02)
}

fn compare(records: &[Record], strace: &str, spins: bool) -> Result<String> {
    // signal-hook's own calls, on the descriptors it was given, are of the rule "signals".
    let given: HashSet<i64> = records
        .iter()
        .filter(|r| r.is_step("handed over"))
        .filter_map(|r| r.fd.map(i64::from))
        .collect();
    let mut ours = ByThread::new();
    let mut in_order: Vec<&Record> = records.iter().filter(|r| r.kind == Kind::Call).collect();
    in_order.sort_by_key(|r| r.us);
    for r in in_order {
        if r.call == "setrlimit" {
            continue;
        }
        // Of the list that poll is given, the first.
        let args = r.args.trim_start_matches('[');
        let first = args.split([',', ' ', ']']).next().unwrap_or_default();
        let call = (
            r.call.clone(),
            first.parse().unwrap_or(-1),
            r.ret.unwrap_or(0),
            r.errno.clone().unwrap_or_default(),
        );
        ours.entry(r.tid).or_default().push(call);
    }
    let (mut theirs, left_out) = parse(strace, &given)?;
    if spins {
        // How often a spinning loop asked in vain is counted, not listed.
        for calls in ours.values_mut().chain(theirs.values_mut()) {
            calls.retain(|call| call.3 != "EAGAIN");
        }
    }
    // The call that the fatal signal ended never returned to the program.
    for (tid, calls) in &mut theirs {
        let known = ours.get(tid).map_or(0, Vec::len);
        if calls.len() == known + 1 {
            calls.pop_if(|last| last.3 == "EINTR");
        }
    }
    let mut agreed = 0;
    let threads: HashSet<u64> = ours.keys().chain(theirs.keys()).copied().collect();
    for tid in &threads {
        let empty = Vec::new();
        let (a, b) = (ours.get(tid).unwrap_or(&empty), theirs.get(tid).unwrap_or(&empty));
        for i in 0..a.len().max(b.len()) {
            if a.get(i) != b.get(i) {
                return trouble(format!(
                    "thread {tid}, call {i}: the trace says {:?}, strace says {:?}",
                    a.get(i),
                    b.get(i)
                ));
            }
            agreed += 1;
        }
    }
    let rules: Vec<String> = left_out.iter().map(|(rule, n)| format!("{rule} {n}")).collect();
    Ok(format!("{agreed} calls of {} threads agree; left out: {}", threads.len(), rules.join(", ")))
}

const WATCHED: &[&str] = &[
    "socket",
    "setsockopt",
    "bind",
    "getsockname",
    "listen",
    "accept",
    "accept4",
    "fcntl",
    "read",
    "write",
    "close",
    "shutdown",
    "socketpair",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "poll",
    "ppoll",
    "select",
    "recvfrom",
    "sendto",
    "recvmsg",
    "sendmsg",
    "readv",
    "writev",
    "dup",
    "dup2",
    "dup3",
    "getpeername",
    "getsockopt",
    "ioctl",
];

/// Calls of each thread.
type ByThread = BTreeMap<u64, Vec<Seen>>;

/// Calls per thread, and how many were left out by each rule.
///
/// # Errors
/// The book knows nothing of a call.
fn parse(text: &str, given: &HashSet<i64>) -> Result<(ByThread, BTreeMap<&'static str, usize>)> {
    let mut calls = ByThread::new();
    let mut left_out: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut unfinished: HashMap<u64, String> = HashMap::new();
    let mut sockets: HashSet<i64> = HashSet::new();
    for line in text.lines() {
        let Some((tid, rest)) = line.split_once(' ') else { continue };
        let Ok(tid) = tid.parse::<u64>() else { continue };
        let rest = rest.trim_start();
        let whole = if let Some(start) = rest.strip_suffix("<unfinished ...>") {
            unfinished.insert(tid, start.trim_end().to_string());
            continue;
        } else if let Some((_, end)) =
            rest.split_once(" resumed>").filter(|_| rest.starts_with("<..."))
        {
            unfinished.remove(&tid).unwrap_or_default() + end
        } else {
            rest.to_string()
        };
        let Some((name, arguments)) = whole.split_once('(') else { continue };
        let Some((_, result)) = whole.rsplit_once(" = ") else { continue };
        let number = result.split(' ').next().unwrap_or_default();
        // fcntl(F_GETFL) is shown in hexadecimal; `?` is a call that never returned.
        let ret = match number.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16),
            None => number.parse(),
        };
        let Ok(ret) = ret else { continue };
        let errno = match ret {
            -1 => result.split(' ').nth(1).unwrap_or_default().to_string(),
            _ => String::new(),
        };
        let known = named::look_up(name)?;
        if !WATCHED.contains(&name) {
            let (Named::Page(rule) | Named::Without(rule)) = known;
            *left_out.entry(rule).or_default() += 1;
            continue;
        }
        let arguments = arguments.trim_start_matches("[{fd=");
        let first = arguments.split([',', ')']).next().unwrap_or_default();
        let fd: i64 = first.parse().unwrap_or(-1);
        let opens = matches!(name, "socket" | "socketpair" | "epoll_create1");
        if opens && ret >= 0 {
            sockets.insert(ret);
            if let Some((_, pair)) = arguments.split_once('[') {
                sockets.extend(pair.split([',', ']']).filter_map(|n| n.trim().parse::<i64>().ok()));
            }
        } else if (0..=2).contains(&fd) {
            *left_out.entry("fds 0-2").or_default() += 1;
            continue;
        } else if given.contains(&fd) {
            *left_out.entry("signals").or_default() += 1;
            continue;
        } else if !sockets.contains(&fd) {
            *left_out.entry("files").or_default() += 1;
            continue;
        }
        if ret >= 0 && (name.starts_with("accept") || arguments.contains("F_DUPFD")) {
            sockets.insert(ret);
        }
        if name == "close" {
            sockets.remove(&fd);
        }
        let name = name.trim_end_matches('4').replace("pwait", "wait").replace("ppoll", "poll");
        calls.entry(tid).or_default().push((name, fd, ret, errno));
    }
    Ok((calls, left_out))
}
