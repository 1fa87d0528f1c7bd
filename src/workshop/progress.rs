//! What a learner has done so far: one text file that git ignores.
//!
//! A line is `ch03-build passed`, `ch03-build step 3`, `ch03-build hint 1`,
//! `ch03-build gave-up` or, of the one that passed last, `ch03-build last`. What is
//! not understood is kept as it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::{Exercise, Kind, all};
use common::lab::{Result, Trouble};

/// Of one exercise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// All steps have passed once.
    pub passed: bool,
    /// So many have, in the last check.
    pub steps: usize,
    /// So many hints were shown.
    pub hints: usize,
    /// The solution was asked for before a pass.
    pub gave_up: bool,
}

/// Of all.
#[derive(Debug, Default)]
pub struct Progress {
    path: PathBuf,
    done: BTreeMap<String, Done>,
    /// The one that passed last.
    last: Option<&'static Exercise>,
    other: Vec<String>,
}

impl Progress {
    /// Reads it; nothing there is a beginning.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read(path: PathBuf) -> Result<Progress> {
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|e| Trouble(format!("cannot read {}: {e}", path.display())))?,
        };
        let mut progress = Progress { path, ..Progress::default() };
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let named = words.first().and_then(|name| all().find(|e| e.name == *name));
            let number = words.get(2).and_then(|n| n.parse().ok());
            let done = progress.done.entry(words.first().unwrap_or(&"").to_string()).or_default();
            match (named, words.get(1), number) {
                (Some(_), Some(&"passed"), _) => done.passed = true,
                (Some(_), Some(&"gave-up"), _) => done.gave_up = true,
                (Some(_), Some(&"step"), Some(n)) => done.steps = n,
                (Some(_), Some(&"hint"), Some(n)) => done.hints = n,
                (Some(_), Some(&"last"), _) => progress.last = named,
                _ => progress.other.push(line.to_string()),
            }
        }
        Ok(progress)
    }

    /// Of one exercise.
    pub fn of(&self, exercise: &Exercise) -> Done {
        self.done.get(exercise.name).copied().unwrap_or_default()
    }

    /// Changes what is known of one exercise, and writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn change(&mut self, exercise: &Exercise, change: impl FnOnce(&mut Done)) -> Result<()> {
        change(self.done.entry(exercise.name.to_string()).or_default());
        self.write()
    }

    /// The same when all steps of it have just passed.
    ///
    /// # Errors
    /// As [`Progress::change`].
    pub fn pass(&mut self, exercise: &'static Exercise) -> Result<()> {
        self.last = Some(exercise);
        let steps = exercise.steps.len();
        self.change(exercise, |done| (done.passed, done.steps) = (true, steps))
    }

    fn write(&self) -> Result<()> {
        let mut text: String = self.other.iter().map(|line| format!("{line}\n")).collect();
        for exercise in all() {
            let Done { passed, steps, hints, gave_up } = self.of(exercise);
            let mut line = |is: bool, what: String| {
                if is {
                    text += &format!("{} {what}\n", exercise.name);
                }
            };
            line(passed, "passed".into());
            line(gave_up, "gave-up".into());
            line(steps > 0, format!("step {steps}"));
            line(hints > 0, format!("hint {hints}"));
            line(self.last.is_some_and(|last| last.name == exercise.name), "last".into());
        }
        // Whole or not at all, whenever Ctrl-C comes.
        let new = self.path.with_extension("new");
        let written = fs::write(&new, text).and_then(|()| fs::rename(&new, &self.path));
        written.map_err(|e| Trouble(format!("cannot write {}: {e}", self.path.display())))
    }

    /// What is next: the first exercise to build or hunt that is open (it has not
    /// passed and was not given up) after the one that passed last; if there is none,
    /// the first that is open; the stretch tasks come after all of these.
    pub fn next(&self) -> Option<&'static Exercise> {
        let open = |exercise: &&Exercise| {
            let done = self.of(exercise);
            !done.passed && !done.gave_up
        };
        let stretches = |exercise: &&Exercise| exercise.kind == Kind::Stretch;
        let passed_last = |e: &&Exercise| self.last.is_some_and(|last| last.name == e.name);
        let on_the_way = || all().filter(|e| !stretches(e));
        let last = all().position(|e| passed_last(&e)).map_or(0, |at| at + 1);
        let after = all().skip(last).filter(|e| !stretches(e)).find(open);
        let first = after.or_else(|| on_the_way().find(open));
        first.or_else(|| all().filter(stretches).find(open))
    }

    /// What is watched after a pass: the same if it was named, otherwise what is next.
    pub fn watched_next(&self, named: Option<&'static Exercise>) -> Option<&'static Exercise> {
        named.or_else(|| self.next())
    }

    /// A stretch task of the same chapter, for those who have time.
    pub fn stretch_beside(&self, exercise: &Exercise) -> Option<&'static Exercise> {
        let fits = |e: &&Exercise| e.stage == exercise.stage && e.kind == Kind::Stretch;
        all().filter(fits).find(|e| !self.of(e).passed && e.name != exercise.name)
    }
}
