//! The command line, the same for every server, and what becomes of an error.
//!
//! Exit status: 0 stopped and nothing was cut off; 1 could not start or run;
//! 2 wrong command line; 3 the drain deadline cut something off; 130 and 143
//! ended by a second SIGINT or SIGTERM (or by the first, up to chapter 6).

mod failure;

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::{log, queue, trace};
pub use failure::{Failure, Trying};

/// What a stage is called and which options beyond the common ones it knows.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    name: &'static str,
    about: &'static str,
    has_workers: bool,
    is_complete: bool,
}

impl Stage {
    /// A stage with the common options; `about` says in one line what it is.
    pub const fn new(name: &'static str, about: &'static str) -> Stage {
        Stage { name, about, has_workers: false, is_complete: false }
    }

    /// It has worker threads: `--workers`.
    pub const fn with_workers(self) -> Stage {
        Stage { has_workers: true, ..self }
    }

    /// It is the complete server: time-outs, limits, files, a log.
    pub const fn complete(self) -> Stage {
        Stage { is_complete: true, ..self }
    }
}

/// What the command line asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where to listen; port 0 lets the kernel choose.
    pub address: SocketAddr,
    /// What to trace.
    pub trace: trace::Mode,
    /// How many worker threads.
    pub workers: usize,
    /// How long a stop may wait for answers that are still owed.
    pub drain_timeout: Duration,
    /// How long a request's head may take.
    pub header_timeout: Duration,
    /// How long a client may say nothing, or take nothing.
    pub idle_timeout: Duration,
    /// How many clients at once; `None`: as many as there are descriptors.
    pub max_connections: Option<usize>,
    /// The folder to serve.
    pub root: Option<PathBuf>,
    /// Print a line for each request.
    pub log: bool,
}

const DEFAULT_PORT: u16 = 8080;
const MAX_WORKERS: usize = 1024;
const MAX_SECONDS: f64 = 86_400.0;
/// As many as [`crate::table`] has room for.
const MAX_CONNECTIONS: usize = 1 << 20;

/// Reads the command line, runs the server, and turns its end into an exit
/// status. Every chapter's `main` is this one call.
pub fn main(stage: Stage, serve: impl FnOnce(&Options) -> Result<ExitCode, Failure>) -> ExitCode {
    let options = match parse(&stage, std::env::args_os().skip(1)) {
        Ok(Asked::Serve(options)) => options,
        Ok(Asked::Print(text)) => {
            // A closed stdout is no error.
            let _ = io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            // One line stays one line, whatever was typed.
            let wrong = wrong.replace(char::is_control, " ");
            log::line(format_args!("{}: {wrong}", stage.name));
            log::line(format_args!("Try {} --help", stage.name));
            return ExitCode::from(2);
        }
    };
    trace::start(options.trace, stage.name);
    let status = serve(&options).unwrap_or_else(|failure| {
        log::line(format_args!("{}: {failure}", stage.name));
        ExitCode::FAILURE
    });
    trace::flush();
    status
}

/// Says where the server can be reached; once, when it can be.
pub fn announce(address: SocketAddr) {
    // One write: who reads this line may connect at once.
    let line = format!("listening on http://{address}\n");
    let mut out = io::stdout().lock();
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

enum Asked {
    Serve(Options),
    Print(String),
}

fn parse(stage: &Stage, args: impl Iterator<Item = OsString>) -> Result<Asked, String> {
    let mut options = Options {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
        trace: trace::Mode::Off,
        workers: 0,
        drain_timeout: Duration::from_secs(10),
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(60),
        max_connections: None,
        root: None,
        log: false,
    };
    let mut port = None;
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            lexopt::Arg::Long("addr") => options.address = address(&value(&mut parser)?)?,
            lexopt::Arg::Long("port") => {
                let text = value(&mut parser)?;
                let number = text.parse::<u16>();
                port =
                    Some(number.map_err(|_| {
                        format!("--port {text}: a port is a number from 0 to 65535")
                    })?);
            }
            lexopt::Arg::Long("trace") => {
                options.trace = match parser
                    .optional_value()
                    .map(|v| v.to_string_lossy().into_owned())
                    .as_deref()
                {
                    None | Some("text") => trace::Mode::Text,
                    Some("json") => trace::Mode::Json,
                    Some(other) => {
                        return Err(format!("--trace={other}: it is --trace or --trace=json"));
                    }
                };
            }
            lexopt::Arg::Long("workers") if stage.has_workers => {
                let text = value(&mut parser)?;
                options.workers = match text.parse() {
                    Ok(n @ 1..=MAX_WORKERS) => n,
                    _ => return Err(format!("--workers {text}: a number from 1 to {MAX_WORKERS}")),
                };
            }
            lexopt::Arg::Long("drain-timeout") if stage.is_complete => {
                options.drain_timeout = seconds("--drain-timeout", &value(&mut parser)?)?;
            }
            lexopt::Arg::Long("header-timeout") if stage.is_complete => {
                options.header_timeout = some_time("--header-timeout", &value(&mut parser)?)?;
            }
            lexopt::Arg::Long("idle-timeout") if stage.is_complete => {
                options.idle_timeout = some_time("--idle-timeout", &value(&mut parser)?)?;
            }
            lexopt::Arg::Long("max-connections") if stage.is_complete => {
                let text = value(&mut parser)?;
                options.max_connections = match text.parse() {
                    Ok(n @ 1..=MAX_CONNECTIONS) => Some(n),
                    _ => {
                        return Err(format!(
                            "--max-connections {text}: a number from 1 to {MAX_CONNECTIONS}"
                        ));
                    }
                };
            }
            lexopt::Arg::Long("root") if stage.is_complete => {
                options.root = Some(parser.value().map_err(|e| e.to_string())?.into());
            }
            lexopt::Arg::Long("log") if stage.is_complete => options.log = true,
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                return Ok(Asked::Print(help(stage)));
            }
            lexopt::Arg::Long("version") | lexopt::Arg::Short('V') => {
                let version = env!("CARGO_PKG_VERSION");
                return Ok(Asked::Print(format!("{} {version} ({})\n", stage.name, queue::NAME)));
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    if let Some(port) = port {
        options.address.set_port(port);
    }
    if options.workers == 0 && stage.has_workers {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        options.workers = cores.max(2);
    }
    Ok(Asked::Serve(options))
}

fn value(parser: &mut lexopt::Parser) -> Result<String, String> {
    let value = parser.value().map_err(|e| e.to_string())?;
    value.into_string().map_err(|v| format!("{v:?} is not UTF-8"))
}

/// `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`. No name is looked up:
/// a resolver would read files and talk to the network.
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Some(("localhost", port)) = text.split_once(':')
        && let Ok(port) = port.parse()
    {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    // ::1:80 is an address as it stands; who writes so means [::1]:80.
    let unbracketed = text.rsplit_once(':').and_then(|(ip, port)| {
        let (ip, port) = (ip.parse::<Ipv6Addr>().ok()?, port.parse::<u16>().ok()?);
        Some(SocketAddr::from((ip, port)))
    });
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let advice = match bare.parse::<IpAddr>() {
        _ if unbracketed.is_some_and(|a| !a.ip().is_unspecified()) => {
            unbracketed.map_or(String::new(), |a| format!("; did you mean {a}?"))
        }
        Ok(IpAddr::V4(ip)) => format!("; did you mean {ip}:{DEFAULT_PORT}?"),
        Ok(IpAddr::V6(ip)) => format!("; did you mean [{ip}]:{DEFAULT_PORT}?"),
        Err(_) => String::new(),
    };
    Err(format!(
        "--addr {text}: it is HOST:PORT, where HOST is an IPv4 address, an IPv6 address in brackets, or localhost{advice}"
    ))
}

/// Zero seconds would be no time at all.
fn some_time(option: &str, text: &str) -> Result<Duration, String> {
    match seconds(option, text)? {
        Duration::ZERO => Err(format!("{option} {text}: it must be more than 0")),
        time => Ok(time),
    }
}

fn seconds(option: &str, text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(s) if (0.0..=MAX_SECONDS).contains(&s) => Ok(Duration::from_secs_f64(s)),
        _ => Err(format!(
            "{option} {text}: a number of seconds from 0 to {MAX_SECONDS}; 0.5 is fine"
        )),
    }
}

fn help(stage: &Stage) -> String {
    let mut text = format!(
        "{}: {}\n\nUsage: {} [OPTIONS]\n\nOptions:\n  \
         --addr HOST:PORT     where to listen (127.0.0.1:8080); port 0: the kernel chooses\n  \
         --port N             the port alone; wins over the one of --addr\n  \
         --trace              print every call on sockets and the event queue on stderr\n  \
         --trace=json         the same, one JSON object per line\n",
        stage.name, stage.about, stage.name
    );
    if stage.has_workers {
        text.push_str("  --workers N          worker threads (the number of cores, at least 2)\n");
    }
    if stage.is_complete {
        text.push_str(
            "  --root DIR           serve the files of DIR; the demo routes move to /_demo/\n  \
             --max-connections N  so many clients at once; more wait in the kernel (as many as\n                       \
             there are descriptors; where --root is used, half as many)\n  \
             --header-timeout S   seconds that the head of a request may take (10)\n  \
             --idle-timeout S     seconds that a client may say nothing, or leave no room (60)\n  \
             --drain-timeout S    seconds that a stop may wait for answers still owed (10)\n  \
             --log                print a line for each request on stderr\n",
        );
    }
    text.push_str(
        "  --help               this text\n  \
         --version            the version, and which kernel interface it waits on\n\n\
         Try:\n  curl -v http://127.0.0.1:8080/\n  curl http://127.0.0.1:8080/slow?ms=3000\n  \
         curl -o /dev/null http://127.0.0.1:8080/big?bytes=1000000\n",
    );
    text
}

#[cfg(test)]
mod tests;
