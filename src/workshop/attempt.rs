//! The learner's program, as a check sees it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::busy::Burns;
use super::{Exercise, Verdict};
use common::lab::client::Poll;
use common::lab::rest::{NAPS, Naps, Rest};
use common::lab::scenarios::{Scenario, Seen};
use common::lab::server::show_record;
use common::lab::{
    Action, Answer, Client, Deed, End, PATIENCE, Play, Record, Result, Server, Trouble, trouble,
};
use common::sys;

/// One attempt at an exercise.
#[derive(Debug)]
pub struct Attempt {
    /// Which.
    pub exercise: &'static Exercise,
    play: Play,
}

/// What came of a request.
#[derive(Debug)]
pub enum Outcome {
    /// An answer.
    Answered(Answer),
    /// The connection ended first, after these bytes.
    Ended(Vec<u8>, End),
    /// Nothing has come and nothing will: every thread of the server sleeps. The
    /// last records.
    Asleep(Vec<Record>),
    /// Nothing has come, though the loop has turned a thousand times since, or threads
    /// look for it all the time. The last records.
    Spins(Vec<Record>),
}

/// What came of waiting for something in the trace.
#[derive(Debug)]
pub enum Reached<T> {
    /// It came.
    Yes(T),
    /// It will not come by itself: every thread of the server sleeps. The last records.
    Asleep(Vec<Record>),
    /// It has not come, though the loop has turned a thousand times since, or threads
    /// look for it all the time. The last records.
    Spins(Vec<Record>),
}

impl Attempt {
    /// Of this program.
    pub fn new(exercise: &'static Exercise, program: PathBuf) -> Attempt {
        Attempt { exercise, play: Play::new(exercise.stage, program).impatiently() }
    }

    /// The performance, for what the lab can do.
    pub fn play(&self) -> &Play {
        &self.play
    }

    /// Starts the program.
    ///
    /// # Errors
    /// It does not say where it listens.
    pub fn start(&self, args: &[&str]) -> Result<Server> {
        self.play.start(args)
    }

    /// Starts it with so many descriptors at most.
    ///
    /// # Errors
    /// It does not say where it listens.
    pub fn start_with(&self, args: &[&str], descriptors: u64) -> Result<Server> {
        self.play.start_with(args, Some(descriptors))
    }

    /// Connects a client called `name`.
    ///
    /// # Errors
    /// Those of connect(2).
    pub fn connect(&self, name: &str, server: &Server) -> Result<Client> {
        self.play.connect(name, server)
    }

    /// Ends the server and gives its whole trace; checks what must be true of
    /// every trace ([`common::lab::invariants`]).
    ///
    /// # Errors
    /// The trace breaks one of the invariants.
    pub fn finish(&self, server: Server) -> Result<Vec<Record>> {
        self.play.finish(server)
    }

    /// The client has sent a request: its answer, or the proof that none will
    /// come. The proof is that every thread sleeps without a time limit (the trace
    /// says so, and the system where it can be asked) while the client is owed
    /// something. It must be found so in each look for 200 ms, because what a client
    /// has sent may be on its way. A thread in a handler that sleeps will go on by
    /// itself, so that there is no rest before it has.
    ///
    /// # Errors
    /// Neither within [`PATIENCE`].
    pub fn answer_or_rest(&self, server: &Server, client: &mut Client) -> Result<Outcome> {
        let (mut look, mut naps) = (Look::after(server.mark()), Naps::default());
        let give_up = Instant::now() + PATIENCE;
        while Instant::now() < give_up {
            match client.poll_answer()? {
                Poll::Answer(answer) => return Ok(Outcome::Answered(answer)),
                Poll::End(bytes, end) => {
                    self.until_its_end_is_told(server, client);
                    return Ok(Outcome::Ended(bytes, end));
                }
                Poll::NotYet => {}
            }
            let records = server.records();
            match look.look(server.pid(), &records) {
                Some(Resting::Asleep) => return Ok(Outcome::Asleep(last(&records))),
                Some(Resting::Spinning) => return Ok(Outcome::Spins(last(&records))),
                None => {}
            }
            if naps.look(server.pid(), &records) {
                return trouble(format!("{} waits, and the server {NAPS}", client.name()));
            }
        }
        let last: Vec<String> = last(&server.records()).iter().map(show).collect();
        Err(Trouble(format!("neither an answer nor sleep for 30 s:\n{}", last.join("\n"))))
    }

    /// A client hears of its end before the record of the call that ended it is here:
    /// waits for that, so that a trace that is shown reaches as far as the failure.
    fn until_its_end_is_told(&self, server: &Server, client: &Client) {
        let note = format!("({})", client.local());
        let accept = |r: &Record| r.accepted().filter(|_| r.note == note);
        // A program that has ended has closed everything, and told of nothing: what
        // there is of the trace is shown, whatever this wait comes to.
        let _ = self.until(server, "the client's end", |records| {
            let at = records.iter().position(|r| accept(r).is_some())?;
            let fd = records[at].accepted()?;
            let ends = |r: &Record| r.did("close", fd) || r.did("shutdown", fd);
            records[at..].iter().any(ends).then_some(())
        });
    }

    /// Waits until `find` finds what it looks for in the trace, or the server
    /// comes to rest without it. `what` completes *waited for …*.
    ///
    /// # Errors
    /// The server has ended, or nothing of that within [`PATIENCE`].
    pub fn until<T>(
        &self,
        server: &Server,
        what: &str,
        mut find: impl FnMut(&[Record]) -> Option<T>,
    ) -> Result<Reached<T>> {
        let mut look = Look::after(server.mark());
        let waited = server.wait_for(what, |records| {
            if let Some(found) = find(records) {
                return Some(Reached::Yes(found));
            }
            match look.look(server.pid(), records)? {
                Resting::Asleep => Some(Reached::Asleep(last(records))),
                Resting::Spinning => Some(Reached::Spins(last(records))),
            }
        });
        match waited {
            // The lab may see it sooner, and gives up.
            Err(Trouble(why)) if why.contains(SPINS) => Ok(Reached::Spins(last(&server.records()))),
            waited => waited,
        }
    }

    /// Plays a scenario of the lab; `judge` says what it means for this step
    /// (a [`super::Finding`] is made a verdict by `.into()`).
    ///
    /// # Errors
    /// The scenario could not be played to its end.
    pub fn scenario(&self, name: &str, judge: impl FnOnce(Seen) -> Verdict) -> Result<Verdict> {
        let scenario =
            Scenario::find(name).ok_or_else(|| Trouble(format!("no scenario {name}")))?;
        Ok(judge((scenario.run)(&self.play)?))
    }

    /// What was done last, with the last server, in one sentence: `Your server is started, then A
    /// connects, sends "GET / HTTP/1.1…" (27 bytes).`
    pub fn did(&self) -> String {
        let actions = self.play.script().actions();
        let is_done = |a: &&Action| !matches!(a.deed, Deed::Summary);
        let mut told: Vec<(&str, String)> = Vec::new();
        for Action { who, what, .. } in actions.iter().filter(is_done) {
            match told.last_mut() {
                // Of several servers only the last one matters.
                _ if what.starts_with("starts ") => {
                    told = vec![("lab", "your server is started".into())];
                }
                _ if who == "lab" => told.push(("lab", what.clone())),
                Some((before, done)) if before == who => *done += &format!(", {what}"),
                _ => told.push((who, format!("{who} {what}"))),
            }
        }
        let last = told.len().saturating_sub(MOST_TOLD);
        let told: Vec<&str> = told[last..].iter().map(|(_, what)| what.as_str()).collect();
        match told.is_empty() {
            true => "Your server is started.".to_string(),
            false => capital(&told.join(", then ")) + ".",
        }
    }
}

/// How many of the things that were done are told: those before are the way there.
const MOST_TOLD: usize = 4;

/// With a capital at its beginning.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |c| c.to_uppercase().chain(letters).collect())
}

/// How the lab says that it has given up a loop that turns.
pub(super) const SPINS: &str = "the server's loop turns in vain";

/// Turns of a loop that finds nothing, after which it will find nothing.
const TURNS: u64 = 1000;

/// Records after which a loop whose turns are not all equal counts as one, too.
const RECORDS: usize = 20_000;

enum Resting {
    Asleep,
    Spinning,
}

/// Looks whether a server has come to rest, or only turns.
struct Look {
    mark: u64,
    us: u64,
    rest: Rest,
    burns: Burns,
}

impl Look {
    fn after(mark: u64) -> Look {
        Look { mark, us: sys::monotonic_us(), rest: Rest::default(), burns: Burns::default() }
    }

    fn look(&mut self, pid: u32, records: &[Record]) -> Option<Resting> {
        let since = records.partition_point(|r| r.seq <= self.mark);
        // A count that began before may be of turns before.
        let begun = records[since..].iter().filter(|r| r.us >= self.us);
        let turns: u64 = begun.map(|r| r.times).sum();
        let burns = self.burns.look(pid, records);
        if turns >= TURNS || records.len() - since >= RECORDS || burns {
            return Some(Resting::Spinning);
        }
        self.rest.look(pid, records, Duration::ZERO).then_some(Resting::Asleep)
    }
}

fn last(records: &[Record]) -> Vec<Record> {
    records[records.len().saturating_sub(6)..].to_vec()
}

/// A record as a learner is shown it: as `--trace` prints it, and the line of the
/// source that made the call.
pub fn show(r: &Record) -> String {
    let at = r.at.rsplit('/').next().unwrap_or_default();
    format!("{:<56}  {at}", show_record(r))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_that_began_before_the_mark_prove_nothing() {
        let record = |us: u64| {
            let line = format!(
                r#"{{"seq":5,"us":{us},"kind":"turns","thread":"main","tid":1,"call":"turns","args":"","note":"accept","times":1000,"at":"a:1"}}"#
            );
            vec![Record::parse(&line).expect("a record")]
        };
        let (rest, burns) = Default::default();
        let mut look = Look { mark: 4, us: 1000, rest, burns };
        let mut looks = |us| look.look(std::process::id(), &record(us));
        assert!(looks(999).is_none());
        assert!(matches!(looks(1000), Some(Resting::Spinning)));
    }
}
