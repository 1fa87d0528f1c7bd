//! Hints, demos, solutions, and the way back to the beginning.

use std::fs;

use common::lab::scenarios::Scenario;
use common::lab::{Play, Result, Trouble};

use crate::page::{Page, Tone};
use crate::workshop::judge::in_plain_words;
use crate::workshop::pristine::{self, Version};
use crate::workshop::progress::Progress;
use crate::workshop::{Exercise, Of};
use crate::{Asked, check, traces};

/// `workshop hint`: the next one, or with `--all` those before it, too.
pub fn hint(
    page: &mut Page,
    exercise: &'static Exercise,
    progress: &mut Progress,
    asked: &Asked,
) -> Result<bool> {
    let (_, hints) = exercise.text()?;
    let done = progress.of(exercise);
    // Who has come to step 4 is not told of step 1.
    let skipped = if done.passed { 0 } else { hints_before_step(&hints, done.steps + 1) };
    let shown = (done.hints.max(skipped) + 1).min(hints.len());
    progress.change(exercise, |done| done.hints = shown)?;
    let seen_before = if asked.has("all") { 0 } else { shown.saturating_sub(1) };
    for (n, hint) in hints.iter().enumerate().take(shown).skip(seen_before) {
        let title = format!("{}: hint {} of {}", exercise.name, n + 1, hints.len());
        page.toned(Tone::Bold, &title);
        page.line("");
        page.markdown(hint);
        page.line("");
    }
    match shown == hints.len() {
        true => {
            page.line("That was the last one. To give up:");
            page.line(&give_up(exercise));
        }
        false => page.prose(Tone::Dim, "", "One more: the same command again."),
    }
    Ok(true)
}

/// How many hints are for the steps before this one: they begin with their step, `*Step 4.* …`.
fn hints_before_step(hints: &[String], step: usize) -> usize {
    let of = |hint: &String| hint.strip_prefix("*Step ")?.split_once('.')?.0.parse::<usize>().ok();
    hints.iter().position(|hint| of(hint).is_some_and(|of| of >= step)).unwrap_or(0)
}

/// `workshop demo`: the failure that the exercise is about, live.
pub fn demo(page: &mut Page, exercise: &'static Exercise, progress: &Progress) -> Result<bool> {
    let demo = &exercise.demo;
    let scenario = Scenario::find(demo.scenario)
        .ok_or_else(|| Trouble(format!("no scenario {}", demo.scenario)))?;
    let (stage, program, who) = match demo.of {
        Of::Stage(stage) => (stage, stage.program()?, stage.name().to_string()),
        Of::Yours | Of::YoursFailing => {
            let program = check::must_build(exercise)?;
            (exercise.stage, program, exercise.file().display().to_string())
        }
    };
    page.prose(Tone::Bold, "", &format!("{who}: {}", scenario.title));
    page.line("");
    let play = Play::new(stage, program.clone()).aloud(false);
    let seen = (scenario.run)(&match demo.of {
        Of::Stage(_) => play,
        Of::Yours | Of::YoursFailing => play.impatiently(),
    });
    page.line("");
    let seen = match (seen, demo.of) {
        (Ok(seen), _) => seen.to_string(),
        // A learner's program need not come to the end of it.
        (Err(trouble), Of::Yours | Of::YoursFailing) => in_plain_words(&trouble.0),
        (Err(trouble), Of::Stage(_)) => return Err(trouble),
    };
    page.prose(Tone::Plain, "Seen: ", &seen);
    page.line("");
    page.prose(Tone::Plain, "What to look at: ", demo.look);
    if matches!(demo.of, Of::Yours) && !progress.of(exercise).passed {
        traces::say_what_meets_it(page, exercise, &program);
    }
    if let Of::Stage(stage) = demo.of {
        let command = format!(
            "cargo run --bin lab -- run {} --stage {} --trace",
            scenario.name,
            stage.short()
        );
        page.prose(Tone::Plain, "Call by call:    ", &command);
    }
    Ok(true)
}

/// `workshop solution`: after a pass, or to give up.
pub fn solution(
    page: &mut Page,
    exercise: &'static Exercise,
    progress: &mut Progress,
    asked: &Asked,
) -> Result<bool> {
    if !progress.of(exercise).passed && !asked.has("give-up") {
        page.line("It has not passed yet. A hint may be enough:");
        page.line(&format!("cargo run --bin workshop -- hint {}", exercise.name));
        page.line("To give up:");
        page.line(&give_up(exercise));
        return Ok(false);
    }
    if !progress.of(exercise).passed {
        progress.change(exercise, |done| done.gave_up = true)?;
    }
    let solution = exercise.source(Version::Solution)?;
    if asked.has("whole") {
        solution.lines().for_each(|line| page.line(line));
        say_where_the_rest_is(page, exercise, &solution);
        return Ok(true);
    }
    let start = exercise.source(Version::Start)?;
    let patch = diffy::create_patch(&start, &solution).to_string();
    page.prose(Tone::Bold, "", &format!("{}, from the start to a solution", exercise.name));
    for line in patch.lines().skip(2) {
        let tone = match line.chars().next() {
            Some('+') => Tone::Good,
            Some('-') => Tone::Bad,
            Some('@') => Tone::Dim,
            _ => Tone::Plain,
        };
        page.toned(tone, line);
    }
    say_where_the_rest_is(page, exercise, &solution);
    Ok(true)
}

/// A solution may have parts that are files of their own, beside it.
fn say_where_the_rest_is(page: &mut Page, exercise: &Exercise, solution: &str) {
    let module = |line: &str| line.strip_prefix("mod ")?.strip_suffix(';').map(str::to_string);
    let folder = exercise.file().parent().map(std::path::Path::to_path_buf).unwrap_or_default();
    let files = solution.lines().filter_map(module).map(|name| folder.join(name + ".rs"));
    let files: Vec<String> = files.map(|file| file.display().to_string()).collect();
    if !files.is_empty() {
        page.line("");
        page.prose(Tone::Plain, "The rest of it stands in ", &(files.join(", ") + "."));
    }
}

fn give_up(exercise: &Exercise) -> String {
    format!("cargo run --bin workshop -- solution {} --give-up", exercise.name)
}

/// `workshop reset`: the learner's file as it was; what stood there is kept.
pub fn reset(
    page: &mut Page,
    exercise: &'static Exercise,
    progress: &mut Progress,
) -> Result<bool> {
    let file = pristine::root().join(exercise.file());
    let start = exercise.source(Version::Start)?;
    let yours = fs::read_to_string(&file).unwrap_or_default();
    if yours == start {
        page.line("It is as it was at the beginning.");
    } else {
        if !yours.is_empty() {
            let folder = pristine::root().join("workshop-kept");
            fs::create_dir_all(&folder)?;
            let free = (1..).map(|n| folder.join(format!("{}.{n}.rs", exercise.name)));
            if let Some(kept) = free.into_iter().find(|path| !path.exists()) {
                fs::write(&kept, yours)?;
                page.line(&format!("What you had is kept in {}", kept.display()));
            }
        }
        fs::write(&file, start)?;
        page.line(&format!("{} is as it was at the beginning.", exercise.file().display()));
    }
    progress.change(exercise, |done| (done.steps, done.hints) = (0, 0))?;
    Ok(true)
}
