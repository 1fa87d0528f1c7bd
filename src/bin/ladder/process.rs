//! Servers and tools as processes of their own: started, watched, and stopped by
//! their process ids, whatever becomes of the run.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use common::sys;

use super::sides::{self, Kind, Side};
use super::trouble::{Result, Trouble, check_interrupt};
use super::{nginx, procfs};

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A child that is killed, with its own children, when this value goes.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    said: Arc<Mutex<String>>,
    listener: Option<thread::JoinHandle<()>>,
}

impl Process {
    /// Starts it, in a process group of its own: Ctrl-C reaches the ladder, and
    /// the ladder decides. What it writes to stderr is kept.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(name: &str, command: &mut Command) -> Result<Process> {
        let started = command.stdin(Stdio::null()).stderr(Stdio::piped()).process_group(0).spawn();
        let mut child = started.map_err(|e| Trouble::of(format!("cannot start {name}: {e}")))?;
        let said = Arc::new(Mutex::new(String::new()));
        let listener = child.stderr.take().map(|stderr| {
            let said = Arc::clone(&said);
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(std::result::Result::ok) {
                    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    if said.len() < 64 * 1024 {
                        said.push_str(&line);
                        said.push('\n');
                    }
                }
            })
        });
        Ok(Process { name: name.to_string(), child, said, listener })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to stderr.
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// # Errors
    /// It has ended: how, and with what last words.
    pub fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                let said = self.said();
                let last = said.lines().last().unwrap_or("without a word");
                Err(Trouble::of(format!("{} has ended ({status}): {last}", self.name)))
            }
        }
    }

    /// Waits for its end and returns its standard output, as far as it was piped.
    ///
    /// # Errors
    /// It fails, or takes longer than `most`.
    pub fn output(mut self, most: Duration) -> Result<String> {
        let reader = self.child.stdout.take().map(|mut stdout| {
            thread::spawn(move || {
                let mut text = String::new();
                let _ = stdout.read_to_string(&mut text);
                text
            })
        });
        let give_up = Instant::now() + most;
        let status = loop {
            check_interrupt()?;
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() > give_up {
                return Err(Trouble::of(format!("{} did not end in {most:?}", self.name)));
            }
            thread::sleep(LOOK);
        };
        let text = reader.and_then(|r| r.join().ok()).unwrap_or_default();
        if status.success() {
            return Ok(text);
        }
        self.hear_all();
        let said = self.said();
        let why = said.lines().chain(text.lines()).last().unwrap_or("without a word");
        Err(Trouble::of(format!("{} failed ({status}): {why}", self.name)))
    }

    /// Sends a signal and waits for the end; SIGKILL if that does not come.
    /// Returns all it has said.
    pub fn stop(mut self, signal: i32) -> String {
        self.end(signal, PATIENCE);
        self.hear_all();
        self.said()
    }

    fn hear_all(&mut self) {
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }

    /// Asks it to end, which lets nginx's master reap its workers; kills it and
    /// its children if it does not.
    fn end(&mut self, signal: i32, patience: Duration) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return; // its id may belong to somebody else by now
        }
        let family = procfs::family(self.pid());
        let _ = sys::send_signal(self.pid(), signal);
        let give_up = Instant::now() + patience;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > give_up {
                for pid in &family {
                    let _ = sys::send_signal(*pid, libc::SIGKILL);
                }
                let _ = self.child.wait();
                return;
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end(libc::SIGTERM, Duration::from_secs(2));
    }
}

/// A server that answers.
#[derive(Debug)]
pub struct Server {
    pub process: Process,
    pub address: SocketAddr,
    /// It and its children: nginx is a master and two workers.
    pub family: Vec<u32>,
    /// nginx's configuration, removed when it has ended.
    _folder: Option<nginx::Folder>,
}

impl Server {
    /// Starts a side and waits until it can be connected to.
    ///
    /// # Errors
    /// It ends, or does not listen in time.
    pub fn start(side: &Side, program: &Path) -> Result<Server> {
        match side.kind {
            Kind::Nginx => Server::start_nginx(program),
            Kind::Stage | Kind::Peer => Server::start_own(side, program),
        }
    }

    fn start_own(side: &Side, program: &Path) -> Result<Server> {
        let mut command = Command::new(program);
        command.args(["--port", "0"]).args(side.args).stdout(Stdio::piped());
        let mut process = Process::start(side.name, &mut command)?;
        let mut line = String::new();
        if let Some(stdout) = process.child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().strip_prefix("listening on http://").and_then(|a| a.parse().ok());
        let Some(address) = address else {
            process.hear_all();
            process.check_alive()?;
            return Err(Trouble::of(format!("{} does not say where it listens", side.name)));
        };
        Ok(Server { family: vec![process.pid()], process, address, _folder: None })
    }

    /// nginx cannot be asked for a free port, so one is looked for; if somebody
    /// takes it in between, once more.
    fn start_nginx(program: &Path) -> Result<Server> {
        let mut last = Trouble::of("not tried");
        for _ in 0..3 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            let folder = nginx::Folder::new(port)?;
            let mut process = Process::start(sides::NGINX, &mut folder.command(program))?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            match wait_until_connected(&mut process, address) {
                Ok(family) => {
                    return Ok(Server { process, address, family, _folder: Some(folder) });
                }
                Err(Trouble::Interrupted) => return Err(Trouble::Interrupted),
                Err(trouble) => last = trouble,
            }
        }
        Err(last)
    }

    /// Asks it to stop, and returns what it has said.
    pub fn stop(self) -> String {
        self.process.stop(libc::SIGTERM)
    }
}

/// Waits until nginx can be connected to and its workers are there (the master
/// listens before it starts them), and returns who belongs to it.
fn wait_until_connected(process: &mut Process, address: SocketAddr) -> Result<Vec<u32>> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        check_interrupt()?;
        process.check_alive()?;
        let family = procfs::family(process.pid());
        // Without /proc only the master is known.
        let is_complete = family.len() > nginx::WORKERS || !Path::new("/proc/self/stat").exists();
        if is_complete && TcpStream::connect(address).is_ok() {
            return Ok(family);
        }
        if Instant::now() > give_up {
            return Err(Trouble::of(format!("{} does not listen on {address}", process.name)));
        }
        thread::sleep(LOOK);
    }
}
