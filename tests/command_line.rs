//! The command line of the seven servers, as whoever types it meets it: the
//! options, the exit status, and what stands on stdout and on stderr.
//!
//! Nothing here waits for a length of time. A test waits for a line, for a
//! connection or for an exit, and gives up after [`WAIT`]; giving up is a failure.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{self, Command, Stdio};

use common::{queue, sys};
use predicates::prelude::*;
use serde_json::Value;
use support::{Lines, Server, WAIT};

mod support;

/// One of the seven servers.
struct Stage {
    name: &'static str,
    path: &'static str,
    /// The options it has beyond [`COMMON`].
    options: &'static [&'static str],
}

macro_rules! stages {
    ($($name:literal: $options:expr,)*) => {
        [$(Stage { name: $name, path: env!(concat!("CARGO_BIN_EXE_", $name)), options: &$options }),*]
    };
}

const STAGES: [Stage; 7] = stages! {
    "ch01_blocking": [],
    "ch02_nonblocking": [],
    "ch03_kqueue": [],
    "ch04_accept_drain": [],
    "ch05_thread_pool": ["--workers"],
    "ch06_keep_alive": ["--workers"],
    "ch07_full": [
        "--workers",
        "--root",
        "--max-connections",
        "--header-timeout",
        "--idle-timeout",
        "--drain-timeout",
        "--log",
    ],
};

/// The options that every stage has.
const COMMON: [&str; 5] = ["--addr", "--port", "--trace", "--help", "--version"];

/// Every option that some stage has or may come to have, with a value that is
/// right: whatever of this a stage does not list, it must refuse.
const OPTIONS: [&[&str]; 12] = [
    &["--addr", "127.0.0.1:0"],
    &["--port", "0"],
    &["--trace"],
    &["--help"],
    &["--version"],
    &["--workers", "2"],
    &["--drain-timeout", "0.5"],
    &["--root", "."],
    &["--max-connections", "10"],
    &["--header-timeout", "0.5"],
    &["--idle-timeout", "0.5"],
    &["--log"],
];

impl Stage {
    fn has(&self, option: &str) -> bool {
        COMMON.contains(&option) || self.options.contains(&option)
    }

    /// To be run to its end.
    fn run<A: AsRef<OsStr>>(&self, args: &[A]) -> assert_cmd::assert::Assert {
        assert_cmd::Command::new(self.path).args(args).timeout(WAIT).assert()
    }

    /// Refuses these arguments: status 2, nothing on stdout, and on stderr one
    /// line that contains `words` and one that says where to look.
    fn refuses<A: AsRef<OsStr>>(&self, args: &[A], words: &str) {
        let (first, last) = (format!("{}: ", self.name), format!("Try {} --help\n", self.name));
        let two_lines = predicate::function(|text: &str| text.matches('\n').count() == 2);
        self.run(args).code(2).stdout("").stderr(
            predicate::str::starts_with(first)
                .and(predicate::str::contains(words))
                .and(predicate::str::ends_with(last))
                .and(two_lines),
        );
    }

    /// Cannot start with these arguments: status 1, nothing on stdout, and on
    /// stderr one line that contains all of `words`.
    fn fails(&self, args: &[&str], words: &[&str]) {
        let assert = self.run(args).code(1).stdout("");
        let text = String::from_utf8_lossy(&assert.get_output().stderr);
        assert!(is_one_line(&text), "{}: {text:?}", self.name);
        assert!(text.starts_with(&format!("{}: cannot ", self.name)), "{text:?}");
        for word in words {
            assert!(text.contains(word), "{}: no {word:?} in {text:?}", self.name);
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.path);
        command.args(args);
        command
    }
}

fn is_one_line(text: &str) -> bool {
    text.ends_with('\n') && text.matches('\n').count() == 1
}

fn start(stage: &Stage, args: &[&str]) -> Server {
    Server::spawn_heard(&mut stage.command(args)).unwrap()
}

/// One request, which must be answered.
fn assert_serves(address: SocketAddr) {
    let mut client = TcpStream::connect_timeout(&address, WAIT).unwrap();
    client.set_read_timeout(Some(WAIT)).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
    assert!(answer.ends_with("\r\n\r\nHello World\n"), "{answer:?}");
}

/// A pipe's writing end whose reading end is closed.
fn nobody_reads() -> io::PipeWriter {
    let (_reader, writer) = io::pipe().unwrap();
    writer
}

fn record(line: &str) -> Value {
    let value: Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    assert!(value.is_object(), "{line:?}");
    value
}

/// Reads records up to and including the first whose `call` is `name`.
fn records_until(lines: &Lines, name: &str) -> Vec<Value> {
    let mut records = Vec::new();
    while records.last().is_none_or(|record: &Value| record["call"] != name) {
        match lines.next() {
            Some(line) => records.push(record(&line)),
            None => panic!("the trace ended without {name}: {records:?}"),
        }
    }
    records
}

/// The address that `getsockname` gave, from a trace: for a server whose stdout
/// leads nowhere.
fn traced_address(lines: &Lines) -> SocketAddr {
    let records = records_until(lines, "getsockname");
    let note = records.last().and_then(|record| record["note"].as_str()).unwrap();
    note.trim_matches(['(', ')']).parse().unwrap()
}

// What can be said without starting.

#[test]
fn help_names_every_option_of_the_stage_and_no_other() {
    for stage in &STAGES {
        let expected: BTreeSet<_> = COMMON.iter().chain(stage.options).copied().collect();
        for option in ["--help", "-h"] {
            let assert = stage.run(&[option]).success().stderr("");
            let text = String::from_utf8_lossy(&assert.get_output().stdout);
            let named: BTreeSet<_> = text
                .split(|c: char| c.is_whitespace() || c == '=')
                .filter(|word| word.starts_with("--"))
                .collect();
            assert_eq!(named, expected, "{}", stage.name);
            assert!(text.contains("--trace=json"), "{text}");
            assert!(text.starts_with(stage.name), "{text}");
        }
    }
}

#[test]
fn version_names_the_stage_and_its_queue() {
    assert!(["epoll", "kqueue", "kqueue over libkqueue"].contains(&queue::NAME));
    for stage in &STAGES {
        let expected = format!("{} {} ({})\n", stage.name, env!("CARGO_PKG_VERSION"), queue::NAME);
        for option in ["--version", "-V"] {
            stage.run(&[option]).success().stderr("").stdout(expected.clone());
        }
    }
}

#[test]
fn a_stage_takes_its_own_options_and_refuses_those_of_others() {
    let known: BTreeSet<_> = OPTIONS.iter().map(|option| option[0]).collect();
    for stage in &STAGES {
        assert!(stage.options.iter().all(|option| known.contains(option)), "{}", stage.name);
        for option in OPTIONS {
            // --version ends the reading: what stands before it was accepted.
            let args = [option, &["--version"]].concat();
            if stage.has(option[0]) {
                stage.run(&args).success().stderr("");
            } else {
                stage.refuses(&args, &format!("invalid option '{}'", option[0]));
            }
        }
    }
}

#[test]
fn help_and_version_into_a_closed_pipe_are_no_error() {
    for stage in &STAGES {
        for option in ["--help", "--version"] {
            let mut command = stage.command(&[option]);
            let command = command.stdout(nobody_reads()).stderr(Stdio::piped());
            let mut server = Server::spawn(command).unwrap();
            assert_eq!(server.stderr.rest(), [""; 0], "{} {option}", stage.name);
            // Its stderr has ended, so it has, or is about to.
            assert!(server.child.wait().unwrap().success(), "{} {option}", stage.name);
        }
    }
}

// What is refused: status 2.

#[test]
fn a_wrong_command_line_is_refused() {
    let wrong: &[(&[&str], &str)] = &[
        (&["--wrong"], "'--wrong'"),
        (&["-x"], "'-x'"),
        (&["8080"], "\"8080\""),
        (&["--port", "0", "surplus"], "\"surplus\""),
        (&["--two\nlines"], "--two"),
        (&["--addr"], "'--addr'"),
        (&["--port"], "'--port'"),
        (&["--port", ""], "--port"),
        (&["--port", "x"], "--port x"),
        (&["--port", "-1"], "--port -1"),
        (&["--port", "65536"], "--port 65536"),
        (&["--port", "80.5"], "from 0 to 65535"),
        (&["--port=http"], "--port http"),
        (&["--trace=xml"], "--trace=xml: it is --trace or --trace=json"),
        (&["--trace="], "--trace or --trace=json"),
        (&["--trace", "json"], "\"json\""),
    ];
    let wrong_workers: &[(&[&str], &str)] = &[
        (&["--workers"], "'--workers'"),
        (&["--workers", "0"], "--workers 0: a number from 1"),
        (&["--workers", "-1"], "--workers -1"),
        (&["--workers", "1.5"], "--workers 1.5"),
        (&["--workers", "many"], "--workers many"),
        (&["--workers="], "a number from 1"),
        (&["--workers", "99999999999999999999"], "a number from 1"),
    ];
    let wrong_of_ch07: &[(&[&str], &str)] = &[
        (&["--max-connections", "0"], "--max-connections 0: a number from 1 to"),
        (&["--max-connections", "x"], "--max-connections x"),
        (&["--header-timeout", "0"], "--header-timeout 0: it must be more than 0"),
        (&["--idle-timeout", "0"], "--idle-timeout 0: it must be more than 0"),
        (&["--root"], "'--root'"),
        (&["--log=x"], "--log"),
    ];
    let wrong_seconds = ["-1", "x", "", "NaN", "inf", "1e9", "1 s"];
    for stage in &STAGES {
        let workers: &[_] = if stage.has("--workers") { wrong_workers } else { &[] };
        let more: &[_] = if stage.has("--root") { wrong_of_ch07 } else { &[] };
        for (args, words) in wrong.iter().chain(workers).chain(more) {
            stage.refuses(args, words);
        }
        for &option in stage.options.iter().filter(|option| option.ends_with("-timeout")) {
            for seconds in wrong_seconds {
                stage.refuses(&[option, seconds], &format!("{option} {seconds}: a number of s"));
            }
            stage.refuses(&[option], &format!("'{option}'"));
        }
        for option in ["--addr", "--port"] {
            let not_utf8 = OsStr::from_bytes(b"\xff:1");
            stage.refuses(&[OsStr::new(option), not_utf8], "is not UTF-8");
        }
    }
}

#[test]
fn a_wrong_address_is_refused_with_advice() {
    let form =
        "it is HOST:PORT, where HOST is an IPv4 address, an IPv6 address in brackets, or localhost";
    let wrong = [
        ("", ""),
        (":8080", ""),
        ("localhost", ""),
        ("localhost:", ""),
        ("localhost:http", ""),
        ("example.org:80", ""),
        ("example.org", ""),
        ("127.0.0.1:", ""),
        ("127.0.0.1:65536", ""),
        ("127.0.0.256:80", ""),
        ("http://127.0.0.1:80", ""),
        ("two\nlines", ""),
        ("--port", ""), // it is taken for the value
        ("127.0.0.1", "did you mean 127.0.0.1:8080?"),
        ("::1", "did you mean [::1]:8080?"),
        ("[::1]", "did you mean [::1]:8080?"),
        // An IPv6 address as it stands, but hardly what was meant.
        ("::1:80", "did you mean [::1]:80?"),
        ("2001:db8::1:8080", "did you mean [2001:db8::1]:8080?"),
        ("2001:db8:0:0:0:0:0:1", "did you mean [2001:db8::1]:8080?"),
    ];
    for stage in &STAGES {
        for (address, advice) in wrong {
            let args = ["--addr", address];
            stage.refuses(&args, form);
            stage.refuses(&args, if advice.is_empty() { "localhost\n" } else { advice });
        }
    }
}

// What can be reached.

#[test]
fn port_0_is_announced_as_the_real_one_and_stdout_says_no_more() {
    for stage in &STAGES {
        for args in [&["--port", "0"], &["--addr", "127.0.0.1:0"], &["--addr", "localhost:0"]] {
            let server = start(stage, args);
            let address = server.address();
            assert_eq!(address.ip().to_string(), "127.0.0.1", "{}", stage.name);
            assert_ne!(address.port(), 0, "{}", stage.name);
            assert_serves(address);
            assert_serves(address);
            assert_eq!(server.kill(), (vec![], vec![]), "{}", stage.name);
        }
    }
}

#[test]
fn the_port_wins_over_that_of_the_address() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = busy.local_addr().unwrap();
    let (address, port) = (taken.to_string(), taken.port().to_string());
    for stage in &STAGES {
        for args in [["--addr", &address, "--port", "0"], ["--port", "0", "--addr", &address]] {
            let server = start(stage, &args);
            assert_serves(server.address());
        }
        let tried = format!("bind to {taken}");
        stage.fails(&["--addr", "127.0.0.1:0", "--port", &port], &[&tried]);
    }
}

#[test]
fn ipv6_is_served_where_the_machine_has_it() {
    let own = TcpListener::bind("[::1]:0");
    for stage in &STAGES {
        match &own {
            Ok(_) => {
                let server = start(stage, &["--addr", "[::1]:0"]);
                let address = server.address();
                assert!(address.is_ipv6(), "{address}");
                assert_serves(address);
            }
            Err(error) => {
                println!("no IPv6 here ({error}): the servers must say so");
                stage.fails(&["--addr", "[::1]:0"], &[&sys::describe(error), "--addr 127.0.0.1"]);
            }
        }
    }
}

// What cannot be had: status 1.

#[test]
fn a_busy_port_is_named_and_explained() {
    for stage in &STAGES {
        // Started twice, as a reader will: the first one is in the way.
        let first = start(stage, &["--port", "0"]);
        let address = first.address();
        let port = address.port().to_string();
        let words = [
            &*format!(" {address}: "),
            "Address already in use (EADDRINUSE)",
            "another program listens there",
            "--port N",
        ];
        stage.fails(&["--port", &port], &words);
        assert_serves(address);
    }
}

#[test]
fn an_address_of_another_machine_is_named_and_explained() {
    // RFC 5737: for documentation, so no machine has it. A system may be told
    // to bind it all the same (Linux: net.ipv4.ip_nonlocal_bind).
    const ADDRESS: &str = "192.0.2.1:0";
    let own = TcpListener::bind(ADDRESS).map(drop);
    for stage in &STAGES {
        match &own {
            Err(error) => {
                let words = [
                    "cannot bind to 192.0.2.1:0: ",
                    &sys::describe(error),
                    "(EADDRNOTAVAIL)",
                    "this machine has no such address",
                ];
                stage.fails(&["--addr", ADDRESS], &words);
            }
            Ok(()) => {
                println!("this machine binds {ADDRESS}: the servers must do so, too");
                let server = start(stage, &["--addr", ADDRESS]);
                assert_eq!(server.address().ip().to_string(), "192.0.2.1");
            }
        }
    }
}

/// A port below 1024 that nobody uses, and whether this user may have it.
fn low_port() -> (u16, bool) {
    // Not always the same one first: another run of this test may be under way.
    let first = 600 + (process::id() % 424) as u16;
    for port in (first..1024).chain(600..first) {
        // Bound, never listening: a child that another test forks meanwhile holds
        // a copy until its exec, and a copy of a listener would keep the port.
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let bound = common::sys::socket(address).and_then(|socket| {
            common::sys::set_reuse_address(&socket)?;
            common::sys::bind(&socket, address)
        });
        match bound {
            Ok(()) => return (port, true),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return (port, false),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => panic!("bind to port {port}: {error}"),
        }
    }
    panic!("all ports from 600 to 1023 are in use");
}

#[test]
fn a_privileged_port_is_explained_to_who_may_not_have_it() {
    const REFUSED: [&str; 2] = ["Permission denied (EACCES)", "ports below 1024 need a privilege"];
    for stage in &STAGES {
        let (port, allowed) = low_port();
        let args = ["--port", &port.to_string()];
        if !allowed {
            let tried = format!("cannot bind to 127.0.0.1:{port}: ");
            stage.fails(&args, &[&tried, REFUSED[0], REFUSED[1]]);
            continue;
        }
        println!("this user may bind port {port}: {} must serve there", stage.name);
        let server = start(stage, &args);
        let address = server.address();
        assert_eq!(address.port(), port);
        assert_serves(address);
        drop(server);

        // Who may become `nobody` can see the other side of it, too. Whether
        // nobody is refused is for the kernel to say; both answers are checked.
        let mut command = stage.command(&args);
        command.uid(65_534).gid(65_534).stdout(Stdio::piped()).stderr(Stdio::piped());
        match Server::spawn(&mut command) {
            Err(error) => println!("nobody cannot run {}: {error}", stage.name),
            Ok(mut server) => match server.stdout.next() {
                Some(line) => {
                    println!("nobody may bind port {port}, too: {line}");
                    assert_serves(SocketAddr::from(([127, 0, 0, 1], port)));
                }
                None => {
                    let said = server.stderr.rest();
                    assert_eq!(server.child.wait().unwrap().code(), Some(1), "{said:?}");
                    assert_eq!(said.len(), 1, "{said:?}");
                    assert!(REFUSED.iter().all(|words| said[0].contains(words)), "{said:?}");
                }
            },
        }
    }
}

// Outputs that lead nowhere.

#[test]
fn a_stdout_that_nobody_reads_is_no_error() {
    for stage in &STAGES {
        let mut command = stage.command(&["--port", "0", "--trace=json"]);
        let command = command.stdout(nobody_reads()).stderr(Stdio::piped());
        let server = Server::spawn(command).unwrap();
        let address = traced_address(&server.stderr);
        assert_serves(address);
        assert_serves(address);
    }
}

#[test]
fn a_stdout_that_is_closed_is_no_error() {
    for stage in &STAGES {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"exec "$@" >&-"#, "sh", stage.path, "--port", "0", "--trace=json"]);
        let server = Server::spawn_heard(&mut command).unwrap();
        let address = traced_address(&server.stderr);
        assert_serves(address);
        assert_serves(address);
        assert_eq!(server.stdout.next(), None, "{}", stage.name);
    }
}

#[test]
fn a_stderr_that_nobody_reads_does_not_stop_a_server() {
    // With the reading end closed each line fails with EPIPE, and there are many.
    // (A pipe that is open and never read is full after some 64 KiB, and then a
    // write to it sleeps: no program can trace into that. Without a trace there
    // is next to nothing to write, so that case is the second one here.)
    for stage in &STAGES {
        let mut traced = stage.command(&["--port", "0", "--trace"]);
        traced.stdout(Stdio::piped()).stderr(nobody_reads());
        let server = Server::spawn(&mut traced).unwrap();
        let address = server.address();
        (0..20).for_each(|_| assert_serves(address));

        let (unread, writer) = io::pipe().unwrap();
        let mut silent = stage.command(&["--port", "0"]);
        let server = Server::spawn(silent.stdout(Stdio::piped()).stderr(writer)).unwrap();
        let address = server.address();
        (0..20).for_each(|_| assert_serves(address));
        drop((server, unread));
    }
}

// The trace as a program reads it.

#[test]
fn each_line_of_a_json_trace_is_an_object_and_the_first_is_the_header() {
    for stage in &STAGES {
        let server = start(stage, &["--port", "0", "--trace=json"]);
        let header = record(&server.stderr.next().unwrap());
        assert_eq!(header["trace"], 1);
        assert_eq!(header["clock"], "CLOCK_MONOTONIC");
        assert_eq!(header["pid"], server.child.id());
        assert_eq!(header["stage"], stage.name);
        assert_eq!(header["queue"], queue::NAME);

        assert_serves(server.address());
        // The client's end, which is the last thing that was caused.
        let mut records = records_until(&server.stderr, "close");
        let (_, rest) = server.kill();
        records.extend(rest.iter().map(|line| record(line)));
        let mut seen = BTreeSet::new();
        for record in &records {
            assert_eq!(record.get("trace"), None, "a second header: {record}");
            assert!(seen.insert(record["seq"].as_u64().unwrap()), "seq twice: {record}");
            for number in ["us", "tid"] {
                assert!(record[number].is_u64(), "{number}: {record}");
            }
            for text in ["kind", "thread", "call", "args", "note"] {
                assert!(record[text].is_string(), "{text}: {record}");
            }
            assert!(record["ret"].is_i64() || record["ret"].is_null(), "{record}");
            assert!(record["errno"].is_string() || record["errno"].is_null(), "{record}");
            let at = record["at"].as_str().and_then(|at| at.rsplit_once(':'));
            assert!(at.is_some_and(|(file, line)| {
                file.ends_with(".rs") && line.parse::<u32>().is_ok()
            }));
        }
        for call in ["socket", "bind", "listen", "accept", "read", "write"] {
            assert!(records.iter().any(|record| record["call"] == call), "no {call}");
        }
    }
}

#[test]
fn a_failure_to_start_is_an_object_of_the_json_trace() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    for stage in &STAGES {
        let assert = stage.run(&["--addr", &address, "--trace=json"]).code(1).stdout("");
        let text = String::from_utf8_lossy(&assert.get_output().stderr);
        let records: Vec<_> = text.lines().map(record).collect();
        assert_eq!(records[0]["trace"], 1);
        let errno = |record: &Value| record["errno"] == "EADDRINUSE";
        assert!(records.iter().any(errno), "{text}");
        let said = records.iter().find(|record| record["kind"] == "log").unwrap();
        assert!(said["note"].as_str().unwrap().contains("(EADDRINUSE)"), "{said}");
    }
}

#[test]
fn a_text_trace_goes_to_stderr_a_line_a_call() {
    for stage in &STAGES {
        for option in ["--trace", "--trace=text"] {
            let server = start(stage, &["--port", "0", option]);
            let address = server.address();
            assert_serves(address);
            let (stdout, stderr) = server.kill();
            assert_eq!(stdout, [""; 0], "{}", stage.name);
            assert!(stderr.iter().all(|line| line.starts_with('[')), "{stderr:?}");
            let bind = |line: &String| line.starts_with("[main] bind(") && line.ends_with(" = 0");
            assert!(stderr.iter().any(bind), "{stderr:?}");
        }
    }
}
