//! A trace told as stories that do not depend on which thread was quicker: one
//! of main, one of each connection. These are what the snapshots hold.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

use super::record::Kind;
use super::{Play, Record, Result, Server, Stage};

/// The tour that every stage's snapshot tells: two clients, one thing after
/// another; each next step waits until the last one has had all its effects.
///
/// # Errors
/// As any scenario.
pub fn tour(play: &Play) -> Result<Vec<Record>> {
    let mut server =
        play.start(&["--workers", "2"][..2 * usize::from(play.stage.has_workers())])?;
    tour_of(play, &server)?;
    if play.stage == Stage::Ch07 {
        server.signal(libc::SIGTERM)?;
        server.wait_for_end()?;
    }
    play.finish(server)
}

pub(super) fn tour_of(play: &Play, server: &Server) -> Result<()> {
    settle(play, server)?;
    let mut a = play.connect("A", server)?;
    let fd = server.fd_of(a.local())?;
    settle(play, server)?;
    let answered = |mark| server.wait_record("the answer", mark, |r| r.did("write", fd));
    let mark = server.mark();
    a.ask("/")?;
    // An answer reaches the client before its record reaches the lab.
    answered(mark)?;
    settle(play, server)?;
    if play.stage.keeps_alive() {
        let mark = server.mark();
        a.send(b"GET /big?bytes=10 HT")?;
        server.wait_record("the half to be read", mark, |r| r.did("read", fd))?;
        settle(play, server)?;
        let mark = server.mark();
        a.send(b"TP/1.1\r\nHost: lab\r\n\r\n")?;
        a.answer()?;
        answered(mark)?;
        settle(play, server)?;
        a.close();
    }
    server.wait_record("A to be closed", 0, |r| r.did("close", fd))?;
    settle(play, server)?;
    let mut b = play.connect("B", server)?;
    let fd = server.fd_of(b.local())?;
    settle(play, server)?;
    let mark = server.mark();
    b.half_close()?;
    server.wait_record("B to be closed", mark, |r| r.did("close", fd))?;
    settle(play, server)
}

/// Waits until the last action has had all its effects. Chapter 2 never sleeps:
/// there the next action waits for a record of its own.
fn settle(play: &Play, server: &Server) -> Result<()> {
    if play.stage == Stage::Ch02 {
        return Ok(());
    }
    server.wait_until_quiet()
}

/// The stories of a trace, as text.
pub fn tell(records: &[Record]) -> String {
    let mut teller = Teller::default();
    let mut main = Vec::new();
    let mut connections: Vec<(String, Vec<String>)> = Vec::new();
    for r in records {
        if let Some(fd) = r.accepted() {
            let name = char::from(b'A' + connections.len() as u8).to_string();
            connections.push((name.clone(), Vec::new()));
            teller.names.insert(fd, name);
        }
        teller.learn(r);
        // Spinning is not part of the story, nor is sleeping.
        let spins = r.file().contains("ch02") && r.errno.as_deref() == Some("EAGAIN");
        if spins || matches!(r.kind, Kind::Enter | Kind::StepEnter | Kind::Turns) {
            continue;
        }
        // A stop's signal may reach main in its wait (EINTR) or a worker, and so
        // comes before or after the drain's first steps: not part of the story.
        let of_wake = r.fd.is_some_and(|fd| teller.name(fd) == "wake") && r.is_call("read");
        if of_wake || (r.errno.as_deref() == Some("EINTR")) {
            continue;
        }
        if r.is_wait() {
            for event in r.events.iter().filter(|event| teller.name(event.fd) != "wake") {
                let who = teller.name(event.fd);
                let line = format!(
                    "ready: {who} {}",
                    if event.readable { "readable" } else { "writable" }
                );
                main.push(line.clone());
                if let Some((_, story)) = connections.iter_mut().find(|(name, _)| *name == who) {
                    story.push(line);
                }
            }
            continue;
        }
        let by = if r.thread == "main" { "main" } else { "worker" };
        let line = teller.line(r);
        let subject = r.accepted().or(r.fd).map(|fd| teller.name(fd));
        let of = connections.iter_mut().find(|(name, _)| Some(name) == subject.as_ref());
        if let Some((_, story)) = of {
            story.push(format!("{by}: {line}"));
        }
        if by == "main" {
            main.push(line);
        }
        if r.is_call("close")
            && let Some(fd) = r.fd
        {
            teller.names.remove(&fd);
        }
    }
    let mut out = String::from("# main\n");
    main.iter().for_each(|line| out.push_str(&format!("{line}\n")));
    for (name, story) in connections {
        let _ = write!(out, "\n# connection {name}\n");
        story.iter().for_each(|line| out.push_str(&format!("{line}\n")));
    }
    out
}

#[derive(Default)]
struct Teller {
    names: HashMap<i32, String>,
    sources: HashMap<String, Vec<String>>,
    copies: usize,
}

impl Teller {
    /// Gives names to the descriptors that are not clients.
    fn learn(&mut self, r: &Record) {
        for fd in super::invariants::opened(r) {
            let name = match r.call.as_str() {
                "socket" => "listener".to_string(),
                "epoll_create1" | "kqueue" => "queue".to_string(),
                "socketpair" if r.note.starts_with(&format!("[{fd},")) => "wake".to_string(),
                "socketpair" => "waker".to_string(),
                "fcntl" => {
                    self.copies += 1;
                    format!("waker's copy {}", self.copies)
                }
                _ => continue,
            };
            self.names.insert(fd, name);
        }
    }

    fn name(&self, fd: i32) -> String {
        self.names.get(&fd).cloned().unwrap_or_else(|| format!("fd {fd}"))
    }

    /// `read(A, 16384) = 29 "GET / HTTP/1.1…"  chapters/ch05…/main.rs#answer`
    fn line(&mut self, r: &Record) -> String {
        let place = self.place(r);
        if r.kind != Kind::Call {
            let fd = r.fd.map_or(String::new(), |fd| format!(" {}", self.name(fd)));
            let what = match r.kind {
                // Figures: they differ from run to run.
                Kind::Log if r.note.starts_with("served ") => "what was served",
                Kind::Log => &r.note,
                _ => &r.call,
            };
            return format!("-- {what}{fd}  {place}");
        }
        // Numbers that name descriptors become names; addresses lose their port.
        let words = r.args.replace('[', "[ ").replace(", ", " , ");
        let queue_call = r.op.is_some();
        let mut n = 0;
        let args: Vec<String> = words
            .split(' ')
            .map(|word| {
                let is_fd = match word.parse::<i32>() {
                    Ok(fd) => (n == 0 || (queue_call && n < 3)) && self.names.contains_key(&fd),
                    Err(_) => false,
                };
                n += usize::from(word != "," && word != "[");
                match word.parse() {
                    Ok(fd) if is_fd => self.name(fd),
                    _ if word.starts_with("127.0.0.1:") => "ADDRESS".to_string(),
                    _ => word.to_string(),
                }
            })
            .collect();
        let args = args.join(" ").replace("[ ", "[").replace(" , ", ", ");
        let result = match (&r.errno, r.call.as_str()) {
            (Some(errno), _) => errno.clone(),
            (None, "read" | "write") => format!("{} {}", r.ret.unwrap_or(0), r.note),
            (None, "accept") => self.name(r.ret.unwrap_or(-1) as i32),
            (None, _) => "ok".to_string(),
        };
        format!("{}({args}) = {}  {place}", r.call, result.trim_end())
    }

    /// File and innermost anchor of the line that made the call.
    fn place(&mut self, r: &Record) -> String {
        let file = r.file().to_string();
        let lines = self.sources.entry(file.clone()).or_insert_with(|| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
            let text = std::fs::read_to_string(path).unwrap_or_default();
            text.lines().map(str::to_string).collect()
        });
        let mut open: Vec<&str> = Vec::new();
        for line in lines.iter().take(r.line()) {
            if let Some((_, name)) = line.split_once("ANCHOR: ") {
                open.push(name);
            } else if let Some((_, name)) = line.split_once("ANCHOR_END: ") {
                open.retain(|other| *other != name);
            }
        }
        match open.last() {
            Some(anchor) => format!("{file}#{anchor}"),
            None => file,
        }
    }
}
