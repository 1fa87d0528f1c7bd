//! How many system calls a request costs. perf(1) counts them in the kernel and
//! slows nobody down; where it may not, strace(1) counts them and slows the server
//! down a lot, which changes how much one wake-up finds to do. The stages' own
//! trace counts, too: once, the same run is counted by both.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::lab;
use common::lab::record::Kind;
use common::sys;

use super::idle::ask;
use super::process::{Process, Server};
use super::sides::{Side, find_tool, missing};
use super::trouble::{Result, Trouble, check_interrupt};

/// How long a tool may take to attach.
const PATIENCE: Duration = Duration::from_secs(15);

/// What perf is asked to count: all calls, waits for events (by two names), futexes.
const EVENTS: [&str; 4] = [
    "raw_syscalls:sys_enter",
    "syscalls:sys_enter_epoll_wait",
    "syscalls:sys_enter_epoll_pwait",
    "syscalls:sys_enter_futex",
];

/// A tool that counts the calls of a running server.
#[derive(Debug)]
pub enum Counter {
    Perf(PathBuf),
    Strace(PathBuf),
}

/// Counted while a load ran: all calls, waits for events, futex calls.
pub type Counts = [f64; 3];

impl Counter {
    /// perf if it may count here, or strace.
    ///
    /// # Errors
    /// Neither can; how to install one.
    pub fn find() -> Result<Counter> {
        if let Some(perf) = find_tool("perf") {
            let events = EVENTS.join(",");
            let tried = Command::new(&perf).args(["stat", "-e", &events, "true"]).output();
            if tried.is_ok_and(|t| {
                t.status.success() && !String::from_utf8_lossy(&t.stderr).contains("<not")
            }) {
                return Ok(Counter::Perf(perf));
            }
        }
        find_tool("strace").map(Counter::Strace).ok_or_else(|| missing("strace"))
    }

    pub fn name(&self) -> &'static str {
        match self {
            Counter::Perf(_) => "perf stat",
            Counter::Strace(_) => "strace -c -f",
        }
    }

    /// Counts the server's calls while `load` runs.
    ///
    /// # Errors
    /// The tool cannot attach; what `load` says.
    pub fn count<T>(
        &self,
        server: &Server,
        load: impl FnOnce() -> Result<T>,
    ) -> Result<(T, Counts)> {
        match self {
            Counter::Perf(perf) => {
                let pids: Vec<String> = server.family.iter().map(u32::to_string).collect();
                let mut command = Command::new(perf);
                command.args(["stat", "-x,", "-e", &EVENTS.join(","), "-p", &pids.join(",")]);
                let mut tool = Process::start("perf", &mut command)?;
                let expected = EVENTS.len() * threads(server).len();
                wait_until("perf", &mut tool, |pid| perf_counters(pid) >= expected)?;
                let seen = load()?;
                Ok((seen, read_perf(&tool.stop(libc::SIGINT))?))
            }
            Counter::Strace(strace) => {
                let file =
                    std::env::temp_dir().join(format!("ladder-strace-{}", std::process::id()));
                let mut command = Command::new(strace);
                command.args(["-c", "-f", "-qq", "-o"]).arg(&file);
                for pid in &server.family {
                    command.args(["-p", &pid.to_string()]);
                }
                let mut tool = Process::start("strace", &mut command)?;
                wait_until("strace", &mut tool, |_| threads(server).iter().all(|t| is_traced(t)))?;
                let seen = load()?;
                tool.stop(libc::SIGINT);
                let counted = read_strace(&fs::read_to_string(&file)?);
                let _ = fs::remove_file(&file);
                let sum = |pick: fn(&str) -> bool| -> f64 {
                    counted.iter().filter(|(name, _)| pick(name)).map(|(_, n)| *n as f64).sum()
                };
                let is_wait = |name: &str| name.starts_with("epoll_") && name.contains("wait");
                Ok((seen, [sum(|_| true), sum(is_wait), sum(|name| name == "futex")]))
            }
        }
    }
}

/// The folders of all threads of a server.
fn threads(server: &Server) -> Vec<PathBuf> {
    let of = |pid: &u32| fs::read_dir(format!("/proc/{pid}/task"));
    let tasks = server.family.iter().filter_map(|pid| of(pid).ok());
    tasks.flatten().flatten().map(|task| task.path()).collect()
}

fn perf_counters(pid: u32) -> usize {
    let Ok(fds) = fs::read_dir(format!("/proc/{pid}/fd")) else { return 0 };
    let targets = fds.flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    targets.filter(|t| t.to_string_lossy().contains("perf_event")).count()
}

fn is_traced(thread: &Path) -> bool {
    let status = fs::read_to_string(thread.join("status")).unwrap_or_default();
    status.lines().any(|l| l.strip_prefix("TracerPid:").is_some_and(|pid| pid.trim() != "0"))
}

fn wait_until(name: &str, tool: &mut Process, is_there: impl Fn(u32) -> bool) -> Result<()> {
    let give_up = Instant::now() + PATIENCE;
    while !is_there(tool.pid()) {
        check_interrupt()?;
        tool.check_alive()?;
        if Instant::now() > give_up {
            return Err(Trouble::of(format!("{name} does not attach")));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn read_perf(text: &str) -> Result<Counts> {
    let count = |event: &str| -> Option<f64> {
        let line = text.lines().find(|l| l.split(',').nth(2) == Some(event))?;
        line.split(',').next()?.parse().ok()
    };
    let all = EVENTS.map(count);
    let [Some(calls), Some(wait), Some(pwait), Some(futex)] = all else {
        return Err(Trouble::of(format!("perf printed no counts: {:?}", text.lines().last())));
    };
    Ok([calls, wait + pwait, futex])
}

/// Calls by name, from the table of `strace -c`.
fn read_strace(table: &str) -> BTreeMap<String, u64> {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let name = fields.last().filter(|name| **name != "total")?;
        Some((name.to_string(), fields.get(3)?.parse().ok()?))
    };
    table.lines().filter_map(row).collect()
}

/// The calls on sockets and the event queue, as a trace and as `strace -c` call them.
const WATCHED: [(&str, &[&str]); 6] = [
    ("accept", &["accept", "accept4"]),
    ("read", &["read", "recvfrom"]),
    ("write", &["write", "sendto"]),
    ("close", &["close"]),
    ("epoll_ctl", &["epoll_ctl"]),
    ("epoll_wait", &["epoll_wait", "epoll_pwait"]),
];

/// Requests of the small load by hand: so many by each of so many connections.
const HAND: (usize, usize) = (16, 25);

/// Runs a stage once, with its trace on, under `strace -c -f`, and lays both
/// counts side by side. Returns the calls for each request, as the trace counts
/// them, and the comparison in words.
///
/// # Errors
/// strace is missing, or the two differ by more than the calls that were cut off
/// when the run ended.
pub fn check_trace(side: &Side, program: &Path) -> Result<(f64, String)> {
    let strace = find_tool("strace").ok_or_else(|| missing("strace"))?;
    let file = std::env::temp_dir().join(format!("ladder-check-{}", std::process::id()));
    let (output, path) = (file.display().to_string(), program.display().to_string());
    let words = |t: lab::Trouble| Trouble::of(t.to_string());
    let args = ["-c", "-f", "-qq", "-o", &output, &path];
    let mut server = lab::Server::start_under(&strace, &args).map_err(words)?;
    let requests = load_by_hand(&server, side.keeps_alive())?;
    if side.name >= "ch05" {
        server.wait_until_quiet().map_err(words)?;
    }
    let pid = server.traced_pid().map_err(words)?;
    sys::send_signal(pid, libc::SIGTERM)?;
    let (_, records) = server.wait_for_end().map_err(words)?;
    let counted = read_strace(&fs::read_to_string(&file)?);
    let _ = fs::remove_file(&file);

    // Each line of the trace is a write of its own, and so is the announcement.
    let lines = records.len() as i64 + 2;
    let (mut ours, mut theirs, mut worst) = (0, 0, 0);
    for (call, names) in WATCHED {
        let traced = records.iter().filter(|r| r.kind == Kind::Call && r.call == call);
        let traced = traced.map(|r| r.times.max(1) as i64).sum::<i64>();
        let mut seen: i64 =
            names.iter().filter_map(|name| counted.get(*name)).map(|n| *n as i64).sum();
        if call == "write" {
            seen -= lines;
        }
        (ours, theirs) = (ours + traced, theirs + seen);
        worst = worst.max((traced - seen).abs());
    }
    let said = format!(
        "{}: {ours} calls on sockets and queue by its own trace, {theirs} by strace -c -f, \
         for {requests} requests",
        side.name
    );
    // Not traced: files and libraries at the start; a call that the end cut off.
    match worst <= 40 {
        true => Ok((ours as f64 / requests as f64, said)),
        false => Err(Trouble::of(format!("{said}: they disagree"))),
    }
}

fn load_by_hand(server: &lab::Server, keeps_alive: bool) -> Result<usize> {
    let (connections, each) = HAND;
    let connect = || TcpStream::connect(server.address());
    if !keeps_alive {
        for _ in 0..connections * each {
            check_interrupt()?;
            ask(&mut connect()?, true)?;
        }
        return Ok(connections * each);
    }
    let mut clients = (0..connections).map(|_| connect()).collect::<std::io::Result<Vec<_>>>()?;
    for _ in 0..each {
        for client in &mut clients {
            check_interrupt()?;
            ask(client, false)?;
        }
    }
    clients.iter_mut().try_for_each(|client| client.flush())?;
    Ok(connections * each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perf_and_strace_tables_are_read() {
        let perf = "700,,raw_syscalls:sys_enter,9,100.00,,\n20,,syscalls:sys_enter_epoll_wait,9,1,,\n\
                    1,,syscalls:sys_enter_epoll_pwait,9,1,,\n5,,syscalls:sys_enter_futex,9,1,,\n";
        assert_eq!(read_perf(perf), Ok([700.0, 21.0, 5.0]));
        assert!(read_perf("").is_err());
        let strace = "% time     seconds  usecs/call     calls    errors syscall\n\
                      ------ ----------- ----------- --------- --------- ----------------\n \
                      60.00    0.000100           1       400         2 read\n \
                      40.00    0.000050           1        20           write\n\
                      100.00    0.000150           1       420         2 total\n";
        let counted = read_strace(strace);
        assert_eq!(counted, [("read".to_string(), 400), ("write".to_string(), 20)].into());
    }
}
