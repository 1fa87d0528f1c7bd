//! Where you are, and what is next.

use common::lab::Result;
use common::lab::scenarios::{Expected, Scenario};

use crate::page::{Page, Tone};
use crate::workshop::pristine::place_in_book;
use crate::workshop::progress::Progress;
use crate::workshop::{self, Exercise, Kind, Of};

/// `workshop list`.
pub fn list(page: &mut Page, progress: &Progress) -> Result<bool> {
    let mut chapter = None;
    for (n, exercise) in workshop::all().enumerate() {
        if chapter.replace(exercise.stage) != Some(exercise.stage) {
            page.toned(Tone::Bold, &format!("Chapter {}", &exercise.stage.short()[3..]));
        }
        let (tone, state) = state(exercise, progress);
        let minutes = exercise.minutes;
        let label = format!("{:>3}  {:<13} {:<20} ", n + 1, state, exercise.name);
        page.prose(tone, &label, &format!("{} ({minutes} min)", exercise.title));
    }
    page.line("");
    let passed = workshop::all().filter(|e| progress.of(e).passed).count();
    page.line(&format!("{passed} of {} have passed.", workshop::all().count()));
    Ok(true)
}

fn state(exercise: &Exercise, progress: &Progress) -> (Tone, String) {
    let done = progress.of(exercise);
    match (done.passed, done.steps) {
        (true, n) if n < exercise.steps.len() => (Tone::Good, "passed before".to_string()),
        (true, _) => (Tone::Good, "passed".to_string()),
        _ if done.gave_up => (Tone::Dim, "given up".to_string()),
        (false, 0) => (Tone::Plain, "-".to_string()),
        (false, n) => (Tone::Plain, format!("{n} of {}", exercise.steps.len())),
    }
}

/// `workshop next`.
pub fn next(
    page: &mut Page,
    named: Option<&'static Exercise>,
    progress: &Progress,
) -> Result<bool> {
    let Some(exercise) = named.or_else(|| progress.next()) else {
        page.line("Nothing is left. workshop list names all exercises.");
        return Ok(true);
    };
    introduce(page, exercise, progress)?;
    Ok(true)
}

/// Says what an exercise is and how to begin.
pub fn introduce(page: &mut Page, exercise: &Exercise, progress: &Progress) -> Result<()> {
    let number = workshop::all().position(|e| e.name == exercise.name).unwrap_or(0) + 1;
    let count = workshop::all().count();
    page.toned(Tone::Bold, &format!("{number} of {count}: {}", exercise.name));
    page.line("");
    page.markdown(&exercise.text()?.0);
    page.line("");
    let kind = match exercise.kind {
        Kind::Build => "build it",
        Kind::Hunt => "hunt the bug",
        Kind::Stretch => "stretch",
    };
    page.prose(Tone::Plain, "Kind:  ", &format!("{kind}, about {} minutes", exercise.minutes));
    page.prose(Tone::Plain, "File:  ", &exercise.file().display().to_string());
    page.prose(Tone::Plain, "Book:  ", &place_in_book(exercise.page));
    for (n, step) in exercise.steps.iter().enumerate() {
        let passed = n < progress.of(exercise).steps;
        let tone = if passed { Tone::Good } else { Tone::Plain };
        let mark = if passed { "passed" } else { "      " };
        // What a hunt looks at would say where the bug is.
        let hidden = exercise.kind == Kind::Hunt && !passed;
        let title = if hidden { "to be found out" } else { step.title };
        page.prose(tone, &format!("  {}. {mark} ", n + 1), title);
    }
    page.line("");
    let see = if looks_well(exercise) { "See that it looks well:" } else { "See it fail first:" };
    for (label, command) in
        [(see, "demo"), ("Check what you did:", "check"), ("If you are stuck:", "hint")]
    {
        let command = format!("cargo run --bin workshop -- {command} {}", exercise.name);
        page.prose(Tone::Plain, &format!("{label:<24}"), &command);
    }
    Ok(())
}

/// Whether there is no failure to be seen in the demo.
fn looks_well(exercise: &Exercise) -> bool {
    match exercise.demo.of {
        Of::Yours => true,
        Of::YoursFailing => false,
        Of::Stage(stage) => {
            let scenario = Scenario::find(exercise.demo.scenario);
            scenario.is_some_and(|scenario| scenario.expected_of(stage) == Expected::Works)
        }
    }
}
