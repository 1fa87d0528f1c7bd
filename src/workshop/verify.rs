//! The proof of the checks, for those who write exercises: of each, the pristine
//! start fails with the stated words, the solution passes, and every wrong answer
//! fails with its words.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::inject;
use super::judge::{Judgement, judge, judge_from};
use super::pristine::{Version, page_exists, root};
use super::{Exercise, Expect};
use common::lab::broken::{copy_sources, write_if_new};
use common::lab::{Result, Trouble, stages, trouble};

/// What was proved of one exercise.
#[derive(Debug)]
pub struct Row {
    /// Which.
    pub exercise: &'static Exercise,
    /// The start: where it fails.
    pub start: String,
    /// The solution: how many steps it passes.
    pub solution: String,
    /// The wrong answers, and where each fails.
    pub wrong: Vec<String>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { exercise, start, solution, wrong } = self;
        write!(f, "| {} | {start} | {solution} | {} |", exercise.name, wrong.join("; "))
    }
}

/// The head of the table.
pub const HEAD: &str = "| exercise | start | solution | wrong answers |\n|---|---|---|---|";

/// A copy of the sources, in which versions of exercises are tried.
#[derive(Debug)]
pub struct Trial {
    copy: PathBuf,
    target: PathBuf,
}

impl Trial {
    /// Copies the sources.
    ///
    /// # Errors
    /// They cannot be copied.
    pub fn new() -> Result<Trial> {
        let copy = root().join("target/workshop/copy");
        copy_sources(&copy)?;
        Ok(Trial { copy, target: root().join("target/workshop/target") })
    }

    /// Writes a version of an exercise, and has cargo do something to it.
    fn cargo(&self, verb: &str, exercise: &Exercise, version: Version) -> Result<PathBuf> {
        let file = self.copy.join(exercise.file());
        write_if_new(&file, exercise.source(version)?.as_bytes())?;
        stages::cargo(verb, exercise.binary, &self.copy, &self.target, &["workshop"])
    }

    /// Builds a version; its program.
    ///
    /// # Errors
    /// It does not compile.
    pub fn build(&self, exercise: &Exercise, version: Version) -> Result<PathBuf> {
        self.cargo("build", exercise, version)
    }

    /// Clean: no warning of the compiler or of clippy, and formatted.
    fn clean(&self, exercise: &Exercise, version: Version) -> Result<()> {
        self.cargo("clippy", exercise, version)?;
        is_formatted(&self.copy.join(exercise.file()))
    }

    /// Proves one exercise. In short: of the wrong answers one for each step, which is
    /// played from that step on; and how clean the files are is not asked.
    ///
    /// # Errors
    /// What is not as stated.
    pub fn prove(&self, exercise: &'static Exercise, in_short: bool) -> Result<Row> {
        let named = |version: Version, why: Trouble| {
            Trouble(format!("{}, {version:?}: {}", exercise.name, why.0))
        };
        let fails = |version: Version, expected: Expect| {
            let program = self.build(exercise, version)?;
            let first = if in_short { expected.step } else { 1 };
            fails_so(exercise, judge_from(first, exercise, &program, |_, _| ()), expected)
        };
        let clean = |version| match in_short {
            true => Ok(()),
            false => self.clean(exercise, version).map_err(|why| named(version, why)),
        };
        clean(Version::Start)?;
        let start =
            fails(Version::Start, exercise.start).map_err(|why| named(Version::Start, why))?;
        let solution = Version::Solution;
        clean(solution)?;
        let program = self.build(exercise, solution).map_err(|why| named(solution, why))?;
        if let Judgement { passed, finding: Some(finding) } = judge(exercise, &program, |_, _| ()) {
            let why = format!("step {} fails:\n{finding}", passed + 1);
            return Err(named(solution, Trouble(why)));
        }
        let (mut wrong, mut steps) = (Vec::new(), BTreeSet::new());
        for answer in exercise.wrong {
            if !steps.insert(answer.step) && in_short {
                continue;
            }
            let named_so = (exercise.name, answer.slug);
            if inject::SEEN_BY_STRACE_ALONE.contains(&named_so) && !inject::is_possible() {
                wrong.push(format!(
                    "{}: NOT RUN, for want of an strace that may attach",
                    answer.slug
                ));
                continue;
            }
            if named_so == ("ch07-build", "accepts-so-many") && !super::ch07::a_crowd_fits() {
                wrong.push(format!("{}: NOT RUN, for want of a long accept queue", answer.slug));
                continue;
            }
            let version = Version::Wrong(answer.slug);
            let expected = Expect { step: answer.step, says: answer.says };
            let fails = fails(version, expected).map_err(|why| named(version, why))?;
            wrong.push(format!("{}: {fails}", answer.slug));
        }
        // The copy is left as the learner begins.
        write_if_new(
            &self.copy.join(exercise.file()),
            exercise.source(Version::Start)?.as_bytes(),
        )?;
        let solution = format!("passes {} steps", exercise.steps.len());
        Ok(Row { exercise, start, solution, wrong })
    }
}

fn fails_so(exercise: &Exercise, judgement: Judgement, expected: Expect) -> Result<String> {
    let Expect { step, says } = expected;
    match judgement.finding {
        None => trouble(format!("passes all {} steps", exercise.steps.len())),
        // A mistake may show in an earlier step, too, if the threads meet so; but by its name.
        Some(finding) if judgement.passed + 1 < step && finding.says(says) => {
            Ok(format!("step {}, \"{says}\"", judgement.passed + 1))
        }
        Some(finding) if judgement.passed + 1 != step => trouble(format!(
            "fails in step {}, not in step {step}:\n{finding}",
            judgement.passed + 1
        )),
        Some(finding) if !finding.says(says) => {
            trouble(format!("the finding does not say {says:?}:\n{finding}"))
        }
        Some(finding) if !page_exists(finding.page) => {
            trouble(format!("there is no page {} in the book", finding.page))
        }
        Some(_) => Ok(format!("step {step}, \"{says}\"")),
    }
}

/// The learner's file as it is committed is the pristine start, and formatted.
///
/// # Errors
/// It is not.
pub fn is_pristine(exercise: &Exercise) -> Result<()> {
    let file = root().join(exercise.file());
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    match there == exercise.source(Version::Start)? {
        true => is_formatted(&file),
        false => trouble(format!(
            "{} is not what the patch makes of main.rs; workshop reset {} makes it so",
            exercise.file().display(),
            exercise.name
        )),
    }
}

fn is_formatted(file: &Path) -> Result<()> {
    let mut command = Command::new("rustfmt");
    command.args(["--check", "--edition", "2024", "--config-path"]).arg(root()).arg(file);
    let output = command.output().map_err(|e| Trouble(format!("cannot run rustfmt: {e}")))?;
    match output.status.success() {
        true => Ok(()),
        false => trouble(format!(
            "{} is not formatted:\n{}",
            file.display(),
            String::from_utf8_lossy(&output.stdout)
        )),
    }
}
