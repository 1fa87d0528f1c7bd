//! The recordings that the book's pages play: one short real run each.
//!
//! A recording is a JavaScript file that assigns one global (a browser that has
//! opened a page from a file fetches nothing else), and beside it the transcript
//! of the same run. It holds the server's records and the clients' actions in
//! one order, why the turning points among them matter, the source text behind
//! every record, and the run's story as [`story::tell`] tells it, by which a test
//! sees whether it is still true.

mod endings;
mod notes;
mod order;
mod random;
mod scripts;
mod source;
mod turning;
mod words;
mod written;

use super::client::{Client, End};
use super::{Action, Deed, Play, Record, Result, Server, Stage, Trouble, story, trouble};
pub use order::Line;
pub use source::Block;
pub use written::{Written, folder, index, jsonl};

/// One run worth stepping through.
#[derive(Debug, Clone, Copy)]
pub struct Recording {
    /// What files and pages call it: the stage, then the story.
    pub name: &'static str,
    /// Who plays.
    pub stage: Stage,
    /// What there is to see, in a sentence.
    pub title: &'static str,
    /// What it leads on to, or what to look at.
    pub watch: &'static str,
    run: fn(&Play) -> Result<()>,
}

/// All of them, in the order of the book.
pub const ALL: &[Recording] = &[
    Recording {
        name: "ch01-hello",
        stage: Stage::Ch01,
        title: "One client at a time: accept, read, write, close",
        watch: "In which two calls does main sleep, and what wakes it?",
        run: scripts::one_by_one,
    },
    Recording {
        name: "ch01-silent",
        stage: Stage::Ch01,
        title: "A silent client stops everybody",
        watch: "B has sent its request. Whom does main wait for?",
        run: scripts::silent_blocks,
    },
    Recording {
        name: "ch02-silent",
        stage: Stage::Ch02,
        title: "A silent client stops nobody, and main never sleeps",
        watch: "Count the calls that bring nothing.",
        run: scripts::silent_spins,
    },
    Recording {
        name: "ch03-idle",
        stage: Stage::Ch03,
        title: "The kernel says who is ready, and main sleeps until then",
        watch: "A stays silent all the time. How many calls does its silence cost?",
        run: scripts::silent_sleeps,
    },
    Recording {
        name: "ch03-burst",
        stage: Stage::Ch03,
        title: "Four connections at once cost four trips to the kernel",
        watch: "How many connections does main accept before it asks again?",
        run: scripts::burst,
    },
    Recording {
        name: "ch03-full",
        stage: Stage::Ch03,
        title: "No descriptor is left for a client, and main spins",
        watch: "B waits in the accept queue. What is each event good for?",
        run: endings::runs_out,
    },
    Recording {
        name: "ch04-burst",
        stage: Stage::Ch04,
        title: "Four connections at once, one trip: accept until EAGAIN",
        watch: "Which call says that nobody is left?",
        run: scripts::burst,
    },
    Recording {
        name: "ch04-slow",
        stage: Stage::Ch04,
        title: "One slow handler stalls every other client",
        watch: "B is in the accept queue. What is main doing?",
        run: scripts::slow_stalls,
    },
    Recording {
        name: "ch04-full",
        stage: Stage::Ch04,
        title: "No descriptor is left for a client, and main sleeps until there is one",
        watch: "Does the event queue watch the listener all the time?",
        run: endings::runs_out,
    },
    Recording {
        name: "ch05-slow",
        stage: Stage::Ch05,
        title: "Workers sleep in slow handlers, main goes on accepting",
        watch: "Follow C: in whose hands is it, and where does it wait?",
        run: scripts::slow_is_alone,
    },
    Recording {
        name: "ch05-pieces",
        stage: Stage::Ch05,
        title: "A request that comes in two pieces is refused",
        watch: "How much of the request had come when the worker answered?",
        run: scripts::two_pieces_refused,
    },
    Recording {
        name: "ch06-pieces",
        stage: Stage::Ch06,
        title: "Requests in pieces, and two in one segment, on one connection",
        watch: "What does the worker do with half a request?",
        run: scripts::pieces_and_pairs,
    },
    Recording {
        name: "ch06-stop",
        stage: Stage::Ch06,
        title: "Ctrl-C cuts an answer off",
        watch: "What does B get?",
        run: endings::stop_cuts,
    },
    Recording {
        name: "ch07-stop",
        stage: Stage::Ch07,
        title: "Ctrl-C in mid-request: who is owed an answer gets it, then the server ends",
        watch: "Who is told the end at once, and who later?",
        run: endings::stop_drains,
    },
    Recording {
        name: SLOW_READER,
        stage: Stage::Ch07,
        title: "A big answer to a slow reader waits for room, and no worker waits with it",
        watch: "The send buffer is full. Who has A now, and does B wait?",
        run: endings::waits_for_room,
    },
    Recording {
        name: "ch07-late",
        stage: Stage::Ch07,
        title: "Half a request, and then nothing: a deadline ends the wait",
        watch: "Which thread waits for A, and what wakes it?",
        run: endings::comes_too_late,
    },
];

/// How much the kernel takes at a time, and so how often this one goes round, is
/// not part of its story; nor is, how often a descriptor is asked for in vain.
const SLOW_READER: &str = "ch07-slow-reader";
const ROUNDS: &[&str] = &[SLOW_READER, "ch03-full", "ch04-full"];

/// All that a play has written down, in one order.
///
/// # Errors
/// Its clocks contradict its causes.
pub fn lines(play: &Play) -> Result<Vec<Line>> {
    order::merge(play.traces().into_iter().flatten().collect(), play.script().actions())
}

/// How often a run is played again whose clocks contradict its causes: a thread
/// may be put aside between looking at the clock and drawing its number.
const TRIES: usize = 10;

impl Recording {
    /// The one of that name.
    pub fn find(name: &str) -> Option<&'static Recording> {
        ALL.iter().find(|r| r.name == name)
    }

    /// Plays it: all that happened, in one order, and the story of it.
    ///
    /// # Errors
    /// The run could not be finished.
    pub fn play(&self, program: std::path::PathBuf) -> Result<(Vec<Line>, String)> {
        let mut why = String::new();
        for _ in 0..TRIES {
            let play = Play::new(self.stage, program.clone());
            (self.run)(&play)?;
            let records: Vec<Record> = play.traces().into_iter().flatten().collect();
            let mut story = tell(&records, &play.script().actions());
            if ROUNDS.contains(&self.name) {
                story = each_once(&story);
            }
            match order::merge(records, play.script().actions()) {
                Ok(lines) => return Ok((lines, story)),
                Err(trouble) => why = trouble.to_string(),
            }
        }
        trouble(format!("{}: {TRIES} runs in disorder; the last one: {why}", self.name))
    }
}

/// The story of a run, the clients' included, without what differs from run to run.
fn tell(records: &[Record], actions: &[Action]) -> String {
    let mut story = story::tell(records);
    let mut names: Vec<&str> = actions.iter().map(|action| action.who.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        story.push_str(&format!("\n# what {name} did\n"));
        let own = actions.iter().filter(|a| a.who == name && a.deed != Deed::Summary);
        own.for_each(|action| story.push_str(&format!("{}\n", action.what)));
    }
    story
}

/// A story in which nothing is told twice, and no number of bytes.
fn each_once(story: &str) -> String {
    let mut told: Vec<String> = Vec::new();
    for line in story.lines() {
        if line.contains("more of the kind") {
            continue; // how many were left out of the log so far: a matter of a second
        }
        let line = match line.split_once("write(") {
            Some((by, rest)) if rest.contains("EAGAIN") => format!("{by}write: EAGAIN"),
            Some((by, _)) => format!("{by}write: some bytes"),
            None if line.contains("/big?bytes") || line.contains("gets 200") => {
                line.chars().filter(|c| !c.is_ascii_digit()).collect()
            }
            None => line.to_string(),
        };
        if line.is_empty() || !told.contains(&line) {
            told.push(line);
        }
    }
    told.join("\n")
}
