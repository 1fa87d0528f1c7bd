//! A call of the learner's program that fails once, as no client can make it fail:
//! strace answers it in the kernel's place. Where strace is missing, or may not
//! attach, a check says that it has not looked.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use common::lab::socket::alone;

/// The wrong answers that pass where strace is missing.
pub const SEEN_BY_STRACE_ALONE: &[(&str, &str)] = &[
    ("ch04-build", "pause-at-all"),
    ("ch04-build", "return-at-all"),
    ("ch04-build", "emfile-alone"),
    ("ch04-stretch-reserve", "sends-away-at-all"),
    ("ch04-stretch-reserve", "no-pause"),
    ("ch05-build", "park-unwatched"),
    ("ch05-stretch-loops", "close-at-eagain"),
];

/// Whether there is an strace that may attach to a process that is not its child. (Where
/// Yama's `ptrace_scope` is 1 it may start a process, and not attach: ptrace(2).)
pub fn is_possible() -> bool {
    let mut command = Command::new("sleep");
    command.arg("5").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut sleeper) = alone(|| command.spawn()) else { return false };
    // A call that it never makes.
    let attached = Injection::once(sleeper.id().into(), "listen", "EIO").is_some();
    let _ = sleeper.kill();
    let _ = sleeper.wait();
    attached
}

/// An strace that is attached to a thread; it lets go when this is dropped.
#[derive(Debug)]
pub struct Injection {
    strace: Child,
}

impl Injection {
    /// From now on the first of these calls (a list, as strace takes it) that the
    /// thread makes fails with `errno`, and does nothing. `None`: strace cannot do it.
    pub fn once(tid: u64, calls: &str, errno: &str) -> Option<Injection> {
        Injection::begin(tid, calls, &format!("error={errno}:when=1"))
    }

    /// From now on all of these calls do so, as long as this lives.
    pub fn from_now_on(tid: u64, calls: &str, errno: &str) -> Option<Injection> {
        Injection::begin(tid, calls, &format!("error={errno}"))
    }

    fn begin(tid: u64, calls: &str, how: &str) -> Option<Injection> {
        let mut command = Command::new("strace");
        command.args(["-o", "/dev/null", "-e", &format!("trace={calls}")]);
        command.args(["-e", &format!("inject={calls}:{how}")]);
        command.args(["-p", &tid.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut injection = Injection { strace: alone(|| command.spawn()).ok()? };
        let mut said = BufReader::new(injection.strace.stderr.take()?);
        let mut line = String::new();
        said.read_line(&mut line).ok()?;
        line.trim_end().ends_with(" attached").then_some(injection)
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}
