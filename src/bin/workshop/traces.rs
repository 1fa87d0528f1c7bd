//! The learner's server and the reference, side by side.

use std::path::{Path, PathBuf};

use common::lab::{Play, Record, Result, story};

use crate::check;
use crate::page::{Page, Tone};
use crate::workshop::judge::{in_plain_words, judge};
use crate::workshop::pristine::Version;
use crate::workshop::progress::Progress;
use crate::workshop::verify::Trial;
use crate::workshop::{Exercise, Kind, show};

/// `workshop trace`.
pub fn compare(page: &mut Page, exercise: &'static Exercise, progress: &Progress) -> Result<bool> {
    let program = check::must_build(exercise)?;
    let yours = Play::new(exercise.stage, program.clone()).impatiently();
    let reference = Play::new(exercise.stage, reference(exercise)?).impatiently();
    let theirs = match story::tour(&reference) {
        Ok(records) => plain(&story::tell(&records)),
        Err(_) => {
            page.prose(
                Tone::Plain,
                "",
                "Nothing to compare: what this exercise asks for does not go with the two clients \
                 that are played here (one asks and is answered, one leaves without a word).",
            );
            say_what_meets_it(page, exercise, &program);
            return Ok(false);
        }
    };
    page.prose(
        Tone::Bold,
        "",
        "Two clients, one after the other: A asks and is answered, B leaves without a word.",
    );
    page.prose(Tone::Dim, "", "First what main does, then what becomes of each connection.");
    page.line("");
    let records = match story::tour(&yours) {
        Ok(records) => records,
        Err(trouble) => {
            // What there is up to there is the more interesting.
            let records = yours.last_words().map(|words| words.records).unwrap_or_default();
            page.prose(Tone::Bad, "Yours did not come to the end: ", &in_plain_words(&trouble.0));
            page.line("Its last calls:");
            last(&records).for_each(|line| page.code(Tone::Dim, &line));
            page.line("");
            records
        }
    };
    let mine = plain(&story::tell(&records));
    let same = mine.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    if same < mine.len().max(theirs.len()) {
        page.line(&format!("The first {same} lines are the same; there they part."));
        page.line("");
        columns(page, &mine, &theirs, same);
        return Ok(false);
    }
    mine.iter().for_each(|line| page.code(Tone::Plain, line));
    page.line("");
    page.toned(Tone::Good, "No difference: it makes the same calls with the same results.");
    if !progress.of(exercise).passed {
        say_what_meets_it(page, exercise, &program);
    }
    Ok(true)
}

/// Plays the check, to say with what doing it is that a step fails: of an exercise
/// that has not passed, when all looked well. Of a hunt only that it fails: with what
/// doing is the hunter's question.
pub fn say_what_meets_it(page: &mut Page, exercise: &'static Exercise, program: &Path) {
    let command = format!("cargo run --bin workshop -- check {}", exercise.name);
    let Some(finding) = judge(exercise, program, |_, _| {}).finding else {
        return page.prose(Tone::Plain, "The check passes, too: ", &command);
    };
    page.line("");
    match exercise.kind {
        Kind::Hunt => {
            page.prose(
                Tone::Plain,
                "This scenario does not meet the bug; the check does: ",
                &command,
            );
        }
        _ => {
            let what = "This scenario does not meet what is missing. The check does: ";
            page.prose(Tone::Plain, "", &format!("{what}{}", finding.did));
        }
    }
}

/// The chapter's own program, or the solution built in a copy.
fn reference(exercise: &Exercise) -> Result<PathBuf> {
    match exercise.has_own_solution() {
        true => Trial::new()?.build(exercise, Version::Solution),
        false => exercise.stage.program(),
    }
}

/// The lines of a story without the places in the source, in which two programs differ.
fn plain(story: &str) -> Vec<String> {
    let without = |line: &str| line.split("  chapters/").next().unwrap_or(line).to_string();
    let without_part = |line: String| line.split("  src/").next().unwrap_or(&line).to_string();
    story.lines().map(without).map(without_part).collect()
}

fn last(records: &[Record]) -> impl Iterator<Item = String> {
    records[records.len().saturating_sub(6)..].iter().map(show)
}

/// How many lines are shown from the first difference on: there they have parted.
const AFTER: usize = 4;

/// How many lines before it.
const BEFORE: usize = 8;

fn columns(page: &mut Page, mine: &[String], theirs: &[String], same: usize) {
    let room = page.width().saturating_sub(6) / 2;
    let side_by_side = room >= 34;
    if side_by_side {
        page.toned(Tone::Bold, &format!("   {:<room$} | {}", "yours", "reference"));
    }
    for n in same.saturating_sub(BEFORE)..(same + AFTER).min(mine.len().max(theirs.len())) {
        let line = |side: &[String]| side.get(n).cloned().unwrap_or_default();
        let (mine, theirs) = (line(mine), line(theirs));
        let (mark, tone) = match n == same {
            true => (">>", Tone::Bad),
            false => ("  ", if n < same { Tone::Plain } else { Tone::Dim }),
        };
        // What makes the difference may be in the middle that is left out.
        let shows = n != same || cut(&mine, room) != cut(&theirs, room);
        match side_by_side && shows {
            true => {
                let mine = cut(&mine, room);
                page.toned(tone, &format!("{mark} {mine:<room$} | {}", cut(&theirs, room)));
            }
            false if n < same => page.code(tone, &mine),
            false => {
                page.code(tone, &format!("{mark} yours:     {mine}"));
                page.code(tone, &format!("{mark} reference: {theirs}"));
            }
        }
    }
}

/// Of a call that is too long for its column the middle is left out: what it was,
/// and what came of it, stay.
fn cut(text: &str, room: usize) -> String {
    let length = text.chars().count();
    if length <= room {
        return text.to_string();
    }
    let result = text.find(" = ").map_or(0, |at| text[at..].chars().count());
    let before = length - result;
    // What can be spared of the call; and if that is not enough, of its result.
    let kept = result.min((room / 2).max(room.saturating_sub(before + 1)));
    let head: String = text.chars().take(before.min(room - kept - 1)).collect();
    let tail: String = text.chars().skip(before).take(kept).collect();
    match kept < result {
        true => head + &tail + "…",
        false => head + "…" + &tail,
    }
}
