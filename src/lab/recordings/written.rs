//! A recording as a file.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{
    ALL, Action, Block, Deed, End, Line, Record, Recording, Result, Stage, Trouble, source,
    trouble, turning, words,
};
use crate::lab::server::show_record;

/// Where the recordings are kept.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src/player/recordings")
}

/// The two queues of which there are recordings, as file names call them.
const QUEUES: [&str; 2] = ["epoll", "kqueue"];

/// The queue of this build, as file names call it.
fn own_queue() -> &'static str {
    QUEUES[usize::from(crate::queue::NAME != "epoll")]
}

/// A recording that has been written.
#[derive(Debug, Clone)]
pub struct Written {
    /// Which one.
    pub recording: &'static Recording,
    /// `epoll` or `kqueue`.
    pub queue: &'static str,
    /// What it holds.
    pub value: Value,
}

impl Written {
    /// Those that there should be.
    pub fn all() -> impl Iterator<Item = (&'static Recording, &'static str)> {
        ALL.iter().flat_map(|recording| QUEUES.map(|queue| (recording, queue)))
    }

    /// Whether this build can play it again.
    pub fn is_own(queue: &str) -> bool {
        queue == own_queue()
    }

    fn path(recording: &Recording, queue: &str, extension: &str) -> PathBuf {
        folder().join(format!("{}.{queue}.{extension}", recording.name))
    }

    fn global(recording: &Recording, queue: &str) -> String {
        format!("recording_{}_{queue}", recording.name.replace('-', "_"))
    }

    /// Plays it and makes what a file will hold.
    ///
    /// # Errors
    /// It could not be played, or a recorded line lies in no block of the sources.
    pub fn record(recording: &'static Recording, program: PathBuf) -> Result<Written> {
        let queue = own_queue();
        let (lines, story) = recording.play(program)?;
        let mut blocks: Vec<Block> = Vec::new();
        for line in &lines {
            if let Line::Server(r) = line
                && !blocks.iter().any(|b| b.holds(r.file(), r.line()))
            {
                blocks.push(Block::around(r.file(), r.line())?);
            }
        }
        let value = json!({
            "recording": 1,
            "name": recording.name,
            "title": recording.title,
            "watch": recording.watch,
            "stage": recording.stage.name(),
            "queue": crate::queue::NAME,
            "clients": true,
            "sources": source::hash(recording.stage, queue)?,
            "blocks": blocks.iter().map(|b| json!({
                "file": b.file, "name": b.name, "first": b.first, "text": b.text,
            })).collect::<Vec<_>>(),
            "records": steps(&lines)?,
            "story": story,
        });
        let mut written = Written { recording, queue, value };
        written.value["transcript"] = written.transcript()?.into();
        Ok(written)
    }

    /// Writes it, and the transcript beside it.
    ///
    /// # Errors
    /// What writing says.
    pub fn write(&self) -> Result<()> {
        fs::create_dir_all(folder())?;
        let mut text = format!(
            "// Recorded by: cargo run --bin lab -- recordings\nvar {} = {{\n",
            Written::global(self.recording, self.queue)
        );
        let Some(fields) = self.value.as_object() else { return trouble("no object") };
        for (key, value) in fields {
            match value.as_array() {
                Some(list) => {
                    let rows: Vec<String> = list.iter().map(Value::to_string).collect();
                    let _ = writeln!(text, "\"{key}\":[\n{}\n],", rows.join(",\n"));
                }
                None => {
                    let _ = writeln!(text, "\"{key}\":{value},");
                }
            }
        }
        let text = format!("{}\n}};\n", text.trim_end().trim_end_matches(','));
        fs::write(Written::path(self.recording, self.queue, "js"), text)?;
        fs::write(Written::path(self.recording, self.queue, "txt"), self.transcript()?)?;
        Ok(())
    }

    /// Reads it back.
    ///
    /// # Errors
    /// It is not there, or not of the form that [`Written::write`] gives it.
    pub fn read(recording: &'static Recording, queue: &'static str) -> Result<Written> {
        let path = Written::path(recording, queue, "js");
        let bad = |why: String| Trouble(format!("{}: {why}", path.display()));
        let text = fs::read_to_string(&path).map_err(|e| bad(e.to_string()))?;
        let global = format!("var {} = ", Written::global(recording, queue));
        let (_, rest) = text.split_once(&global).ok_or_else(|| bad(format!("no \"{global}\"")))?;
        let json =
            rest.trim_end().strip_suffix(';').ok_or_else(|| bad("no ; at the end".into()))?;
        let value = serde_json::from_str(json).map_err(|e| bad(e.to_string()))?;
        Ok(Written { recording, queue, value })
    }

    /// The hash of the sources that it was recorded from is theirs still.
    ///
    /// # Errors
    /// A source cannot be read.
    pub fn is_of_these_sources(&self) -> Result<bool> {
        let now = source::hash(self.recording.stage, self.queue)?;
        Ok(self.value["sources"].as_str() == Some(&now))
    }

    /// The same, with what there is to say of its turning points.
    ///
    /// # Errors
    /// A turning point is not there.
    pub fn with_notes(mut self) -> Result<Written> {
        self.value["records"] = self.annotated()?;
        self.value["title"] = self.recording.title.into();
        self.value["watch"] = self.recording.watch.into();
        Ok(self)
    }

    /// Its records with the turning points that they would be given now.
    ///
    /// # Errors
    /// A turning point is not there.
    pub fn annotated(&self) -> Result<Value> {
        let mut records = self.value["records"].as_array().cloned().unwrap_or_default();
        records.iter_mut().filter_map(Value::as_object_mut).for_each(|r| drop(r.remove("why")));
        turning::annotate(self.recording.name, &mut records)?;
        Ok(records.into())
    }

    /// The source text behind its records.
    pub fn blocks(&self) -> Vec<Block> {
        let list = self.value["blocks"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let block = |b: &Value| Block {
            file: text(&b["file"]),
            name: text(&b["name"]),
            first: b["first"].as_u64().unwrap_or(0) as usize,
            text: text(&b["text"]),
        };
        list.iter().map(block).collect()
    }

    /// The run as text, one thing a line.
    ///
    /// # Errors
    /// A record does not parse.
    pub fn transcript(&self) -> Result<String> {
        let mut text = String::new();
        for line in self.value["records"].as_array().into_iter().flatten() {
            let shown = match line["kind"].as_str() {
                Some("client") => {
                    let word = |name: &str| line[name].as_str().unwrap_or_default().to_string();
                    format!("          {} {}", word("who"), word("what"))
                }
                _ => match Record::parse(&line.to_string()) {
                    Some(r) => show_record(&r),
                    None => return trouble(format!("not a record: {line}")),
                },
            };
            let _ = writeln!(text, "{shown}");
        }
        Ok(text)
    }
}

/// A run as `--trace=json` writes it, one JSON object a line, with the clients'
/// actions between the records: the player's page takes it as it is.
///
/// # Errors
/// A record does not parse.
pub fn jsonl(stage: Stage, scenario: &str, seen: &str, lines: &[Line]) -> Result<String> {
    let header = json!({
        "trace": 1, "clock": "CLOCK_MONOTONIC", "stage": stage.name(),
        "queue": crate::queue::NAME, "clients": true, "scenario": scenario, "seen": seen,
    });
    let mut text = format!("{header}\n");
    steps(lines)?.iter().for_each(|step| text.push_str(&format!("{step}\n")));
    Ok(text)
}

/// The steps as a file holds them: times from the beginning, threads numbered.
fn steps(lines: &[Line]) -> Result<Vec<Value>> {
    let moments = lines.iter().map(|line| match line {
        Line::Server(r) => r.us,
        Line::Client(action) => action.us,
    });
    let start = moments.min().unwrap_or(0);
    let mut threads: Vec<u64> = Vec::new();
    let mut steps = Vec::new();
    for line in lines {
        steps.push(match line {
            Line::Server(r) => {
                let mut value: Value =
                    serde_json::from_str(&r.json).map_err(|e| Trouble(e.to_string()))?;
                if !threads.contains(&r.tid) {
                    threads.push(r.tid);
                }
                value["us"] = (r.us - start).into();
                value["tid"] = (threads.iter().position(|t| *t == r.tid).map(|i| i + 1)).into();
                value
            }
            Line::Client(action) => client_step(action, start),
        });
    }
    Ok(steps)
}

fn client_step(action: &Action, start: u64) -> Value {
    let (deed, bytes) = match action.deed {
        Deed::Connect => ("connect", None),
        Deed::Send(n) => ("send", Some(n)),
        Deed::Receive(n) => ("receive", Some(n)),
        Deed::ReceiveEnd(n, End::Eof) => ("receive-end", Some(n)),
        Deed::ReceiveEnd(n, End::Reset) => ("receive-reset", Some(n)),
        Deed::HalfClose => ("half-close", None),
        Deed::Close => ("close", None),
        Deed::Reset => ("reset", None),
        Deed::Signal => ("signal", None),
        Deed::Freeze => ("freeze", None),
        Deed::Thaw => ("thaw", None),
        Deed::Exit => ("exit", None),
        Deed::Say | Deed::Summary => ("say", None),
    };
    json!({
        "kind": "client", "us": action.us - start, "who": action.who, "from": action.from,
        "deed": deed, "bytes": bytes, "what": action.what,
    })
}

/// The list of all, for pages that show them together, and the words to explain.
pub fn index() -> String {
    let list = ALL.iter().map(|r| {
        json!({ "name": r.name, "title": r.title, "watch": r.watch, "queues": QUEUES }).to_string()
    });
    let rows: Vec<String> = list.collect();
    format!(
        "// Written by: cargo run --bin lab -- recordings\nvar player_recordings = [\n{}\n];\n\
         var player_words = {:#};\n",
        rows.join(",\n"),
        words::glossary()
    )
}
