//! The lab: scripted clients, and scenarios that play them against a stage.
//!
//! One definition of a scenario serves the tests, the exercises' checks, the
//! demos in a terminal and the book's recordings. A scenario starts a stage as a
//! process of its own, lets clients do one thing after another over real
//! sockets, and looks at what came back and at the server's own trace. It goes
//! on when the trace shows that the last action has had its effect, never after
//! a fixed time; a clock only says when to give up ([`PATIENCE`]), and giving up
//! is a failure of the run, never an observation.

pub mod answer;
pub mod book;
pub mod broken;
pub mod client;
pub mod faults;
pub mod invariants;
pub mod matrix;
mod observed;
mod plain;
mod process;
pub mod record;
pub mod recordings;
pub mod rest;
pub mod scenarios;
pub mod server;
pub mod soak;
pub mod socket;
pub mod stages;
pub mod story;
pub mod strace;
mod waits;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use client::{Answer, Client, End};
pub use process::{LastWords, end_all};
pub use record::Record;
pub use server::Server;
pub use stages::{Stage, target_dir};

use crate::sys;
use observed::Observed;

/// How long any one thing may take before a run is given up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A run that could not be finished: what was waited for, what was seen instead.
#[derive(Debug)]
pub struct Trouble(pub String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble(sys::describe(&error))
    }
}

/// Whether a source is the learner's own, or checks it: no run of a stage depends on it.
pub fn is_of_the_workshop(path: &str) -> bool {
    ["exercise", "/hunt_", "/stretch_", "workshop"].iter().any(|part| path.contains(part))
}

/// What a lab function returns.
pub type Result<T> = std::result::Result<T, Trouble>;

/// Gives up with a reason.
pub fn trouble<T>(why: impl Into<String>) -> Result<T> {
    Err(Trouble(why.into()))
}

/// What kind of thing a client or the lab did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// A client connects.
    Connect,
    /// A client sends so many bytes.
    Send(usize),
    /// A client has received so many bytes.
    Receive(usize),
    /// A client has received so many bytes, and then the connection's end.
    ReceiveEnd(usize, End),
    /// A client ends its own side (FIN), and can still receive.
    HalfClose,
    /// A client closes.
    Close,
    /// A client resets (RST).
    Reset,
    /// The lab sends the process a signal.
    Signal,
    /// The lab stops all its threads (SIGSTOP).
    Freeze,
    /// The lab lets them go on (SIGCONT).
    Thaw,
    /// The process has ended.
    Exit,
    /// A remark.
    Say,
    /// What the run has cost.
    Summary,
}

/// What a client or the lab did, and when.
#[derive(Debug, Clone)]
pub struct Action {
    /// CLOCK_MONOTONIC in microseconds, the clock of the server's records: when
    /// it began, or, of what was received, when it was there.
    pub us: u64,
    /// What kind of thing it is, for those who compute with it.
    pub deed: Deed,
    /// Who: `A`, `B` … or `lab`.
    pub who: String,
    /// The client's own address, by which the server's `accept` names it.
    pub from: Option<String>,
    /// What, in words: `sends "GET / HTTP/1.1…" (27 bytes)`.
    pub what: String,
}

/// What was done so far; told aloud if somebody watches.
#[derive(Debug, Default)]
pub struct Script {
    aloud: bool,
    actions: Mutex<Vec<Action>>,
}

impl Script {
    /// Writes an action down.
    pub fn note(&self, deed: Deed, who: &str, from: Option<String>, what: impl fmt::Display) {
        self.note_since(sys::monotonic_us(), deed, who, from, what);
    }

    /// The same, of something that began at `us`.
    pub fn note_since(
        &self,
        us: u64,
        deed: Deed,
        who: &str,
        from: Option<String>,
        what: impl fmt::Display,
    ) {
        let action = Action { us, deed, who: who.to_string(), from, what: what.to_string() };
        if self.aloud {
            println!("  {:<4} {}", action.who, action.what);
        }
        self.lock().push(action);
    }

    /// All of it, in order.
    pub fn actions(&self) -> Vec<Action> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Action>> {
        self.actions.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One performance of a scenario by one stage.
#[derive(Debug)]
pub struct Play {
    /// The stage that performs.
    pub stage: Stage,
    /// Its program.
    pub program: PathBuf,
    script: Arc<Script>,
    show_trace: bool,
    calm: bool,
    impatient: bool,
    finished: Mutex<Vec<Vec<Record>>>,
    started: Mutex<Vec<Arc<Observed>>>,
}

impl Play {
    /// A quiet performance, for tests.
    pub fn new(stage: Stage, program: PathBuf) -> Play {
        let (script, finished, started) = Default::default();
        let (show_trace, calm, impatient) = Default::default();
        Play { stage, program, script, show_trace, calm, impatient, finished, started }
    }

    /// One that says what it does on stdout, and shows the trace if asked to.
    pub fn aloud(self, show_trace: bool) -> Play {
        let script = Arc::new(Script { aloud: true, ..Script::default() });
        Play { script, show_trace, ..self }
    }

    /// One whose servers come to rest before they are ended, so that the trace
    /// shows all that the last action caused.
    pub fn calmly(self) -> Play {
        Play { calm: true, ..self }
    }

    /// One by a program that may not do what a stage does: when it has come to rest
    /// for seconds, nobody waits for it any longer.
    pub fn impatiently(self) -> Play {
        Play { impatient: true, ..self }
    }

    /// Says what is going on.
    pub fn say(&self, what: impl fmt::Display) {
        self.does(Deed::Say, what);
    }

    /// Writes down what the lab does to the server.
    pub fn does(&self, deed: Deed, what: impl fmt::Display) {
        self.script.note(deed, "lab", None, what);
    }

    /// Starts the stage.
    pub fn start(&self, args: &[&str]) -> Result<Server> {
        self.start_with(args, None)
    }

    /// Starts the stage with so many descriptors at most.
    pub fn start_with(&self, args: &[&str], descriptors: Option<u64>) -> Result<Server> {
        let mut shown: Vec<&str> = vec![self.stage.name()];
        shown.extend(args);
        let limit = descriptors.map_or(String::new(), |n| format!(" with {n} descriptors"));
        self.say(format_args!("starts {}{limit}", shown.join(" ")));
        let observed = Arc::new(Observed { impatient: self.impatient, ..Observed::default() });
        self.started.lock().unwrap_or_else(|e| e.into_inner()).push(Arc::clone(&observed));
        Server::start_watched(&self.program, args, descriptors, self.show_trace, observed)
    }

    /// How the server that was started last has ended, and what it said.
    pub fn last_words(&self) -> Option<LastWords> {
        let started = self.started.lock().unwrap_or_else(|e| e.into_inner()).last().cloned();
        started.map(|observed| observed.last_words())
    }

    /// Connects a client called `name`.
    pub fn connect(&self, name: &str, server: &Server) -> Result<Client> {
        self.connected(name, server, client::Window::Usual, Arc::clone(&self.script))
    }

    /// Connects one of many: nothing is said about it.
    pub fn connect_quietly(&self, name: &str, server: &Server) -> Result<Client> {
        self.connected(name, server, client::Window::Usual, self.quiet_script())
    }

    /// A script for clients nobody needs to hear of.
    pub fn quiet_script(&self) -> Arc<Script> {
        Arc::default()
    }

    /// Connects a client whose receive buffer is as small as the system allows.
    pub fn connect_small(&self, name: &str, server: &Server) -> Result<Client> {
        self.connected(name, server, client::Window::Small, Arc::clone(&self.script))
    }

    fn connected(
        &self,
        name: &str,
        server: &Server,
        window: client::Window,
        script: Arc<Script>,
    ) -> Result<Client> {
        let client = Client::connect(name, server.address(), window, script)?;
        Ok(if self.impatient { client.watching(server) } else { client })
    }

    /// Ends the server, checks the invariants on its whole trace, and keeps it.
    pub fn finish(&self, server: Server) -> Result<Vec<Record>> {
        if self.calm {
            server.wait_until_at_rest()?;
        }
        let (usage, records) = server.finish(self.stage)?;
        if let Some(used) = usage {
            let (user, system) = (used.user_us / 1000, used.system_us / 1000);
            let waits = records.iter().filter(|r| r.is_wait()).count();
            self.does(Deed::Summary, format_args!(
                "the server has ended: {} records, {waits} waits, CPU {user} ms user, {system} ms system",
                records.len(),
            ));
        }
        invariants::check(&records)?;
        self.finished.lock().unwrap_or_else(|e| e.into_inner()).push(records.clone());
        Ok(records)
    }

    /// What was done.
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// The traces of the servers that [`Play::finish`] has ended.
    pub fn traces(&self) -> Vec<Vec<Record>> {
        self.finished.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }
}
