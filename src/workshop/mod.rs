//! The workshop: exercises, and checks that tell right from almost right.
//!
//! An exercise is a learner's file in a chapter's folder, a text with hints, and
//! steps. Each step plays clients against the learner's program, as the lab
//! does, and looks at the answers and at the program's own trace. A step that
//! fails says what was done, expected and seen, and what that usually is.
//!
//! What proves the checks stands beside the exercise as patches: the pristine
//! start, the solution if it is not the chapter's `main.rs`, and plausible wrong
//! answers. [`verify`] holds all of them against the checks.

mod attempt;
mod busy;
mod ch01;
mod ch02;
mod ch03;
mod ch04;
mod ch05;
mod ch06;
mod ch07;
mod finding;
mod inject;
pub mod judge;
mod parting;
pub mod pristine;
pub mod progress;
mod scarce;
mod usually;
pub mod verify;

pub use attempt::{Attempt, Outcome, Reached, show};
pub use finding::{Finding, Verdict, failed, passed};

use common::lab::{self, Stage};

/// One exercise.
#[derive(Debug)]
pub struct Exercise {
    /// What the command line calls it: `ch03-build`, `ch03-hunt-edge`.
    pub name: &'static str,
    /// The stage whose folder it is in.
    pub stage: Stage,
    /// What is asked of the learner.
    pub kind: Kind,
    /// The learner's binary. Its file follows from it: `ex03_kqueue` is
    /// `exercise.rs`, `hunt03_edge` is `hunt_edge.rs`, `stretch03_x` is `stretch_x.rs`.
    pub binary: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// How long it takes, in minutes.
    pub minutes: u32,
    /// Where the book explains what is needed: `ch03.html#exercises`.
    pub page: &'static str,
    /// The failure to look at first.
    pub demo: Demo,
    /// What is checked, in order; a step is tried when those before it passed.
    pub steps: &'static [Step],
    /// Where the pristine start fails.
    pub start: Expect,
    /// Plausible wrong answers, and where each fails: at least two.
    pub wrong: &'static [Wrong],
}

/// What is asked of the learner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The previous stage is to become this one.
    Build,
    /// This stage has a bug.
    Hunt,
    /// This stage is to learn something more.
    Stretch,
}

/// A failure to look at: a scenario of the lab.
#[derive(Debug, Clone, Copy)]
pub struct Demo {
    /// Who plays it.
    pub of: Of,
    /// Which.
    pub scenario: &'static str,
    /// What to look at, in words.
    pub look: &'static str,
}

/// Who plays a [`Demo`].
#[derive(Debug, Clone, Copy)]
pub enum Of {
    /// A stage; for what is to be built, the one before.
    Stage(Stage),
    /// The learner's program, for a hunt: all looks well, for the scenario does not
    /// meet the bug.
    Yours,
    /// The same, and the scenario meets the bug.
    YoursFailing,
}

/// One thing that is checked.
#[derive(Debug)]
pub struct Step {
    /// What is there once it passes.
    pub title: &'static str,
    /// Plays it.
    pub check: fn(&Attempt) -> lab::Result<Verdict>,
}

/// Where something fails.
#[derive(Debug, Clone, Copy)]
pub struct Expect {
    /// Which step, counted from 1.
    pub step: usize,
    /// Words that the finding must hold.
    pub says: &'static str,
}

/// A plausible wrong answer: `NAME.wrong-SLUG.patch`.
#[derive(Debug, Clone, Copy)]
pub struct Wrong {
    /// Its name.
    pub slug: &'static str,
    /// Which step finds it, counted from 1.
    pub step: usize,
    /// Words that the finding must hold.
    pub says: &'static str,
}

/// All exercises, chapter by chapter.
pub fn all() -> impl Iterator<Item = &'static Exercise> {
    let chapters: [&'static [Exercise]; 7] = [
        ch01::EXERCISES,
        ch02::EXERCISES,
        ch03::EXERCISES,
        ch04::EXERCISES,
        ch05::EXERCISES,
        ch06::EXERCISES,
        ch07::EXERCISES,
    ];
    chapters.into_iter().flatten()
}

/// The exercise that is meant: by its number in the list (from 1) or its name.
pub fn find(text: &str) -> Option<&'static Exercise> {
    match text.parse::<usize>() {
        Ok(n) => all().nth(n.checked_sub(1)?),
        Err(_) => all().find(|e| e.name == text || e.binary == text),
    }
}

/// All exercises as a table of Markdown, for the leader's guide.
pub fn table() -> String {
    let mut out = String::from(
        "<!-- cargo run --bin workshop -- list --markdown > chapters/exercises.md -->\n\n\
         | exercise | what it is about | minutes |\n|---|---|---:|\n",
    );
    for Exercise { name, title, minutes, page, .. } in all() {
        let page = page.replace(".html", ".md");
        out += &format!("| [`{name}`]({page}) | {title} | {minutes} |\n");
    }
    out
}
