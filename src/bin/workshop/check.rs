//! Builds the learner's program and checks it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::lab::{Result, Trouble, target_dir, trouble};

use crate::page::{Page, Tone};
use crate::workshop::judge::{Judgement, judge};
use crate::workshop::pristine::{self, place_in_book};
use crate::workshop::progress::Progress;
use crate::workshop::{self, Exercise, Finding};

/// The learner's program; `None` if it does not compile. What cargo has to say
/// stands on the terminal as cargo says it.
///
/// # Errors
/// There is no cargo.
pub fn build(exercise: &Exercise) -> Result<Option<PathBuf>> {
    let target = target_dir()?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--offline", "--features", "workshop"]);
    match workshop::all().any(|e| target.join("debug").join(e.binary).exists()) {
        true => _ = command.arg("--quiet"),
        // Stdout may be a file; and what cargo says goes to stderr, too.
        false => eprintln!("Building for the first time: about a minute."),
    }
    if cfg!(feature = "libkqueue") {
        command.args(["--features", "libkqueue"]);
    }
    command.args(["--bin", exercise.binary, "--target-dir"]).arg(&target);
    command.arg("--manifest-path").arg(pristine::root().join("Cargo.toml")).stdin(Stdio::null());
    let status = command.status().map_err(|e| Trouble(format!("cannot run cargo: {e}")))?;
    Ok(status.success().then(|| target.join("debug").join(exercise.binary)))
}

/// `workshop check`.
pub fn check(
    page: &mut Page,
    exercise: &'static Exercise,
    progress: &mut Progress,
) -> Result<bool> {
    page.toned(Tone::Bold, &format!("{}: {}", exercise.name, exercise.file().display()));
    let Some(program) = build(exercise)? else {
        page.line("");
        page.toned(Tone::Bad, "It does not compile yet: cargo says above where and why.");
        return Ok(false);
    };
    let count = exercise.steps.len();
    let mut n = 0;
    let Judgement { passed, finding } = judge(exercise, &program, |step, what| {
        n += 1;
        page.prose(Tone::Good, &format!("  {n} of {count} passed  "), step.title);
        page.prose(Tone::Dim, "                 ", what);
    });
    match finding {
        None => progress.pass(exercise)?,
        Some(_) => progress.change(exercise, |done| done.steps = passed)?,
    }
    match finding {
        Some(finding) => {
            let title = exercise.steps[passed].title;
            page.prose(Tone::Bad, &format!("  {} of {count}  not yet: ", passed + 1), title);
            page.line("");
            tell(page, &finding);
            Ok(false)
        }
        None => {
            page.line("");
            page.toned(Tone::Good, "Passed.");
            let solution = format!("cargo run --bin workshop -- solution {}", exercise.name);
            page.prose(Tone::Plain, "Compare: ", &solution);
            match progress.next() {
                Some(next) => page.prose(
                    Tone::Plain,
                    "Next:    ",
                    &format!("{}, {}: cargo run --bin workshop -- next", next.name, next.title),
                ),
                None => page.line("That was the last one."),
            }
            if let Some(more) = progress.stretch_beside(exercise) {
                let what = format!("{}, {}", more.name, more.title);
                page.prose(Tone::Plain, "Stretch: ", &what);
            }
            Ok(true)
        }
    }
}

/// Says why a step fails.
fn tell(page: &mut Page, finding: &Finding) {
    page.prose(Tone::Plain, "What was done:     ", &finding.did);
    page.prose(Tone::Plain, "What was expected: ", &finding.expected);
    page.prose(Tone::Bad, "What was seen:     ", &finding.seen);
    if !finding.mistake.is_empty() {
        page.line("");
        page.prose(Tone::Plain, "", &finding.mistake);
    }
    if !finding.trace.is_empty() {
        page.line("");
        page.line("The trace that shows it:");
        finding.trace.iter().for_each(|line| page.code(Tone::Dim, line));
    }
    page.line("");
    page.prose(Tone::Plain, "In the book: ", &place_in_book(finding.page));
}

/// The learner's program, or the trouble that it does not compile.
pub fn must_build(exercise: &Exercise) -> Result<PathBuf> {
    match build(exercise)? {
        Some(program) => Ok(program),
        None => trouble("it does not compile yet: cargo says above where and why"),
    }
}
