//! strace as the one who makes calls fail, and its log as the proof that it did.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::plan::Fault;
use crate::lab::{PATIENCE, Result, Trouble, plain, trouble};

/// A call as strace has seen it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    #[cfg(test)]
    tid: u32,
    pub call: String,
    /// Arguments and result.
    pub rest: String,
    /// strace has made it fail instead of making it.
    pub injected: bool,
}

impl Seen {
    /// It was on a socket or the event queue (`-y` tells), or makes one.
    fn is_ours(&self) -> bool {
        let (first, makes) = (self.first(), ["socket", "socketpair", "epoll_create1"]);
        let is_watched = first.contains("<socket:[") || first.contains("<anon_inode:[eventpoll]>");
        is_watched || makes.contains(&self.call.as_str())
    }

    /// Its first argument: `5<socket:[1234]>`.
    pub fn first(&self) -> &str {
        self.rest.split([',', ')', ' ']).next().unwrap_or_default()
    }
}

/// A strace that is attached to threads of a running server.
pub(super) struct Attached {
    child: Child,
    log: Log,
}

impl Attached {
    /// Attaches to these threads and no others, and returns once it has.
    pub fn to(tids: &[u32], fault: &Fault) -> Result<Attached> {
        let log = Log::new();
        let mut command = log.strace(fault.call);
        command.args(injections(fault));
        tids.iter().for_each(|tid| _ = command.args(["-p", &tid.to_string()]));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = crate::lab::socket::alone(|| command.spawn())
            .map_err(|e| Trouble(format!("cannot start strace: {e}")))?;
        let said = plain::lines(child.stderr.take());
        for _ in tids {
            match said.recv_timeout(PATIENCE) {
                Ok(line) if line.ends_with(" attached") => {}
                other => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return trouble(format!("strace did not attach: {other:?}"));
                }
            }
        }
        Ok(Attached { child, log })
    }

    /// Once the server has ended: the calls that strace has made fail.
    pub fn injected(mut self, fault: &Fault) -> Result<Vec<Seen>> {
        self.child.wait()?;
        injected(self.log.read()?, fault)
    }

    /// Lets the server go on alone: the calls that strace has made fail.
    pub fn detach(self, fault: &Fault) -> Result<Vec<Seen>> {
        crate::sys::send_signal(self.child.id(), libc::SIGINT)?;
        self.injected(fault)
    }
}

/// Where strace writes.
pub(super) struct Log(PathBuf);

impl Log {
    pub fn new() -> Log {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Log(std::env::temp_dir().join(format!("lab-faults-{}-{n}", std::process::id())))
    }

    /// An strace that writes here about these calls, and names what is behind
    /// each descriptor.
    pub fn strace(&self, calls: &str) -> Command {
        let mut command = Command::new("strace");
        command.args(["-y", "-e", &format!("trace={calls}"), "-o"]).arg(&self.0);
        command
    }

    /// What it has written, and ends it.
    pub fn read(self) -> Result<Vec<Seen>> {
        let text = std::fs::read_to_string(&self.0);
        let text = text.map_err(|e| Trouble(format!("strace has written nothing: {e}")))?;
        Ok(parse(&text))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The arguments that make strace play a fault.
pub(super) fn injections(fault: &Fault) -> Vec<String> {
    let inject = |call: &str, errno: &str, when: &str| {
        ["-e".to_string(), format!("inject={call}:error={errno}:when={when}")]
    };
    fault.all().flat_map(|(call, errno, when)| inject(call, errno, when)).collect()
}

/// The calls that failed, each of which must have been one that may be played with.
pub(super) fn injected(seen: Vec<Seen>, fault: &Fault) -> Result<Vec<Seen>> {
    let failed: Vec<Seen> = seen.into_iter().filter(|s| s.injected).collect();
    match failed.iter().find(|seen| !seen.is_ours()) {
        Some(other) => trouble(format!("{fault}: it hit a call not meant: {other:?}")),
        None if failed.is_empty() => trouble(format!("{fault}: no such call was made")),
        None => Ok(failed),
    }
}

/// With one thread there is no number in front.
fn parse(text: &str) -> Vec<Seen> {
    let mut unfinished: HashMap<u32, String> = HashMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let (tid, said) = match line.split_once(' ') {
            Some((tid, said)) if tid.parse::<u32>().is_ok() => (tid.parse().unwrap_or(0), said),
            _ => (0, line),
        };
        let said = said.trim_start();
        if let Some(begun) = said.strip_suffix(" <unfinished ...>") {
            unfinished.insert(tid, begun.to_string());
            continue;
        }
        let begun = unfinished.remove(&tid).filter(|_| said.starts_with("<... "));
        let end = said.split_once(" resumed>").map(|(_, end)| end);
        let whole = match (begun, end) {
            (Some(begun), Some(end)) => begun + end,
            _ => said.to_string(),
        };
        let Some((call, rest)) = whole.split_once('(') else { continue };
        if call.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            let injected = whole.ends_with("(INJECTED)");
            calls.push(Seen {
                #[cfg(test)]
                tid,
                call: call.to_string(),
                rest: rest.to_string(),
                injected,
            });
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_another_thread_interrupts_is_put_together() {
        let text = "\
10 read(9<socket:[5]>,  <unfinished ...>
11 write(2</tmp/err>, \"x\", 1) = 1
10 <... read resumed>0x7ff, 16384) = -1 EAGAIN (Resource temporarily unavailable) (INJECTED)
--- SIGTERM {si_signo=SIGTERM} ---
accept(3<socket:[4]>, NULL, NULL) = 5
";
        let seen = parse(text);
        let calls: Vec<_> = seen.iter().map(|s| (s.tid, s.call.as_str(), s.injected)).collect();
        assert_eq!(calls, [(11, "write", false), (10, "read", true), (0, "accept", false)]);
        let ours: Vec<_> = seen.iter().map(Seen::is_ours).collect();
        assert_eq!(ours, [false, true, true]);
        assert_eq!(seen[1].first(), "9<socket:[5]>");
    }
}
