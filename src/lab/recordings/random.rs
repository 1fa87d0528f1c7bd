//! Runs that nobody has thought of: a few clients do whatever a seed says.

use super::{Client, Line, Play, Recording, Result, Stage, order, trouble};
use crate::lab::client::request;

/// A small generator (Knuth's MMIX constants): the same seed, the same run.
struct Dice(u64);

impl Dice {
    /// A number below `n`.
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

struct Guest {
    client: Client,
    /// What is still to be sent of a request that has been begun.
    rest: Option<String>,
    /// Requests that are complete and not answered yet.
    asked: u32,
    /// Nothing more may be sent.
    done: bool,
}

impl Recording {
    /// Plays a random run of a stage.
    ///
    /// # Errors
    /// The run could not be finished.
    pub fn random(stage: Stage, seed: u64, program: std::path::PathBuf) -> Result<Vec<Line>> {
        let mut why = String::new();
        for _ in 0..super::TRIES {
            let play = Play::new(stage, program.clone());
            run(&play, seed)?;
            let records = play.traces().into_iter().flatten().collect();
            match order::merge(records, play.script().actions()) {
                Ok(lines) => return Ok(lines),
                Err(trouble) => why = trouble.to_string(),
            }
        }
        trouble(format!("seed {seed}, {stage}: {} runs in disorder: {why}", super::TRIES))
    }
}

fn run(play: &Play, seed: u64) -> Result<()> {
    let mut dice = Dice(seed);
    let workers = if play.stage.has_workers() { 2 } else { 0 };
    let server = play.start(&["--workers", "2"][..workers])?;
    let mut guests: Vec<Guest> = Vec::new();
    let mut names = ["A", "B", "C", "D", "E", "F", "G", "H"].into_iter();
    for _ in 0..14 {
        let at = dice.below(4) as usize;
        if at >= guests.len() {
            if let Some(name) = names.next() {
                let client = play.connect(name, &server)?;
                guests.push(Guest { client, rest: None, asked: 0, done: false });
            }
            continue;
        }
        let guest = &mut guests[at];
        match dice.below(8) {
            0 => guests.swap_remove(at).client.close(),
            1 => guests.swap_remove(at).client.reset()?,
            2 if !guest.done => {
                guest.client.half_close()?;
                guest.done = true;
            }
            // In chapter 1 it might wait behind another client that says nothing.
            3 | 4 if guest.asked > 0 && play.stage > Stage::Ch01 => {
                guest.client.answer()?;
                guest.asked -= 1;
            }
            _ if !guest.done => speak(play, guest, &mut dice)?,
            _ => {}
        }
    }
    guests.into_iter().for_each(|guest| guest.client.close());
    // Else the last records would be lost: an answer is there before its record.
    let came = 8 - names.len();
    server.wait_for("all to be closed", |records| {
        let accepted = records.iter().filter(|r| r.accepted().is_some()).count();
        let of_client = |r: &&super::Record| r.role.as_deref() == Some("client");
        let closed = records.iter().filter(|r| r.is_call("close")).filter(of_client).count();
        (accepted == came && closed == came).then_some(())
    })?;
    play.finish(server).map(drop)
}

/// Sends a request, or the first part of one, or the rest of it.
fn speak(play: &Play, guest: &mut Guest, dice: &mut Dice) -> Result<()> {
    let targets = ["/", "/big?bytes=3000", "/slow?ms=5", "/nothing"];
    let whole = guest.rest.take().unwrap_or_else(|| request(targets[dice.below(4) as usize]));
    let cut = if dice.below(3) == 0 { whole.len() / 2 } else { whole.len() };
    guest.client.send(&whole.as_bytes()[..cut])?;
    if cut < whole.len() && play.stage.keeps_alive() {
        guest.rest = Some(whole[cut..].to_string());
        return Ok(());
    }
    guest.asked += 1; // of a part, the early stages make an answer, too: 400
    guest.done = !play.stage.keeps_alive(); // and what comes after it makes a reset of that
    Ok(())
}
