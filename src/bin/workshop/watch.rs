//! Checks again whenever the learner's file is saved.

use std::fs;
use std::io::{self, IsTerminal};
use std::thread;
use std::time::{Duration, SystemTime};

use common::lab::Result;

use crate::page::{Page, Tone};
use crate::workshop::progress::Progress;
use crate::workshop::{Exercise, pristine};
use crate::{check, lists};

/// How often to look whether the file was saved.
const LOOK: Duration = Duration::from_millis(200);

/// `workshop watch`; ends by Ctrl-C. One that was named is watched also when it has
/// passed; otherwise what follows it is, until all have.
pub fn watch(
    named: Option<&'static Exercise>,
    mut exercise: &'static Exercise,
    progress: &mut Progress,
) -> Result<bool> {
    loop {
        let saved = saved(exercise);
        // The window may have another size by now.
        let mut page = Page::new();
        if io::stdout().is_terminal() {
            page.line("\x1b[2J\x1b[H\x1b[A");
        }
        if check::check(&mut page, exercise, progress)? {
            let Some(next) = progress.watched_next(named) else { return Ok(true) };
            if next.name != exercise.name {
                page.line("");
                lists::introduce(&mut page, next, progress)?;
                exercise = next;
            }
        }
        page.line("");
        let file = exercise.file();
        let what = format!("Waiting until {} is saved. Ctrl-C ends this.", file.display());
        page.toned(Tone::Dim, &what);
        let seen = if saved.0 == exercise.name { saved } else { self::saved(exercise) };
        while self::saved(exercise) == seen {
            // No system-independent call tells of it.
            thread::sleep(LOOK);
        }
    }
}

/// When an exercise's file was saved, and how long it is; an editor may replace
/// the file, so that it is not there for a moment.
fn saved(exercise: &Exercise) -> (&'static str, Option<(SystemTime, u64)>) {
    let about = fs::metadata(pristine::root().join(exercise.file())).ok();
    (exercise.name, about.and_then(|about| Some((about.modified().ok()?, about.len()))))
}
