//! The workshop: every exercise is whole, its patches apply, what a learner breaks
//! breaks nothing else, and the runner understands its command line. That the
//! checks tell right from wrong is proved by `workshop verify` (in `.ci/run`),
//! because every wrong answer has to be built first.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use common::lab::Stage;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use workshop::judge::judge;
use workshop::pristine::{Version, page_exists, root};
use workshop::progress::Progress;
use workshop::{Exercise, Kind};

#[allow(dead_code)] // what only the program calls
#[path = "../src/workshop/mod.rs"]
mod workshop;

#[allow(dead_code)] // its own tests are all that runs of it here
#[path = "../src/bin/workshop/page.rs"]
mod page;

fn nothing_wrong(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is wrong with each exercise, behind its name.
fn wrong_with(look: impl Fn(&'static Exercise) -> Vec<String>) -> Vec<String> {
    let of = |e: &'static Exercise| look(e).into_iter().map(move |w| format!("{}: {w}", e.name));
    workshop::all().flat_map(of).collect()
}

#[test]
fn every_chapter_has_something_to_build_a_hunt_and_three_exercises_in_all() {
    for stage in Stage::ALL {
        let kinds: Vec<Kind> =
            workshop::all().filter(|e| e.stage == stage).map(|e| e.kind).collect();
        let has_both = kinds.contains(&Kind::Build) && kinds.contains(&Kind::Hunt);
        assert!(kinds.len() >= 3 && has_both, "{stage}: {kinds:?}");
    }
}

#[test]
fn every_exercise_is_whole() {
    nothing_wrong(wrong_with(|e| {
        let mut wrong = Vec::new();
        let mut must = |is: bool, what: &str| {
            if !is {
                wrong.push(what.to_string());
            }
        };
        must(
            workshop::all().filter(|other| other.name == e.name).count() == 1,
            "its name is taken",
        );
        must(e.name.starts_with(e.stage.short()), "its name does not begin with its stage");
        must(!e.title.is_empty() && e.minutes > 0 && !e.demo.look.is_empty(), "words are missing");
        must(common::lab::scenarios::Scenario::find(e.demo.scenario).is_some(), "no such demo");
        must(page_exists(e.page), "its page is not in the book");
        must(!e.steps.is_empty(), "it has no step");
        must(e.wrong.len() >= 2, "it has fewer than two wrong answers");
        let places = e.wrong.iter().map(|w| (w.step, w.says));
        for (step, says) in places.chain([(e.start.step, e.start.says)]) {
            must((1..=e.steps.len()).contains(&step), "a step that there is not");
            must(!says.is_empty(), "an expectation that says nothing");
        }
        match e.text() {
            Ok((task, hints)) => {
                must(!task.is_empty(), "its task is empty");
                must(hints.len() >= 2, "it has fewer than two hints");
                must(hints.iter().all(|hint| !hint.is_empty()), "a hint is empty");
            }
            Err(trouble) => must(false, &trouble.to_string()),
        }
        wrong
    }));
}

/// The slugs of the wrong answers that have a patch.
fn patches_of_wrong_answers(exercise: &Exercise) -> BTreeSet<String> {
    let folder = root().join(exercise.text_file());
    let start = format!("{}.wrong-", exercise.short());
    let names = fs::read_dir(folder.parent().unwrap()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let slug = |name: String| Some(name.strip_prefix(&start)?.strip_suffix(".patch")?.to_string());
    names.filter_map(slug).collect()
}

#[test]
fn every_patch_applies_and_none_is_left_over() {
    nothing_wrong(wrong_with(|e| {
        let mut wrong = Vec::new();
        let mut versions = vec![Version::Start, Version::Solution];
        versions.extend(e.wrong.iter().map(|w| Version::Wrong(w.slug)));
        let mut sources = BTreeSet::new();
        for version in versions {
            match e.source(version) {
                Err(trouble) => wrong.push(trouble.to_string()),
                Ok(source) if source.contains("// ANCHOR") => {
                    wrong.push(format!("{version:?} has marks for the book's includes"));
                }
                Ok(source) if !sources.insert(source.clone()) => {
                    wrong.push(format!("{version:?} is the same as another version"));
                }
                Ok(_) => {}
            }
        }
        let stated: BTreeSet<String> = e.wrong.iter().map(|w| w.slug.to_string()).collect();
        let there = patches_of_wrong_answers(e);
        if stated != there {
            wrong.push(format!("wrong answers stated {stated:?}, patches there {there:?}"));
        }
        wrong
    }));
}

#[test]
fn the_books_table_of_exercises_is_fresh() {
    let path = root().join("chapters/exercises.md");
    assert!(
        fs::read_to_string(path).unwrap_or_default() == workshop::table(),
        "renew it with: cargo run --bin workshop -- list --markdown > chapters/exercises.md"
    );
}

/// The tables `[[bin]]` of Cargo.toml, as text.
fn binaries() -> Vec<String> {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let tables = text.split("[[bin]]").skip(1);
    tables.map(|table| table.split("\n[").next().unwrap_or_default().to_string()).collect()
}

/// Files of `chapters` that learners edit.
fn learners_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for stage in Stage::ALL {
        let folder = root().join("chapters").join(stage.name());
        for entry in fs::read_dir(&folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let is_theirs = name == "exercise.rs"
                || ((name.starts_with("hunt_") || name.starts_with("stretch_"))
                    && name.ends_with(".rs"));
            if is_theirs {
                files.push(Path::new("chapters").join(stage.name()).join(name));
            }
        }
    }
    files
}

#[test]
fn what_a_learner_breaks_breaks_nothing_else() {
    // A syntax error there leaves `cargo test` green: no target compiles the file
    // without the feature. (`.ci/workshop` writes the syntax error, and builds.)
    let binaries = binaries();
    for file in learners_files() {
        let path = format!("path = \"{}\"", file.display());
        let of: Vec<&String> = binaries.iter().filter(|table| table.contains(&path)).collect();
        let [table] = of.as_slice() else { panic!("{path} is in {} tables", of.len()) };
        assert!(table.contains("required-features = [\"workshop\"]"), "{table}");
        assert!(table.contains("test = false"), "{table}");
        let exercise = workshop::all().find(|e| e.file() == file);
        let exercise = exercise.unwrap_or_else(|| panic!("{path} is of no exercise"));
        assert!(table.contains(&format!("name = \"{}\"", exercise.binary)), "{table}");
    }
    let files = learners_files();
    for exercise in workshop::all() {
        assert!(files.contains(&exercise.file()), "{} has no file", exercise.name);
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("\nworkshop = []"), "the feature brings nothing else in");
    assert!(!manifest.contains("\ndefault = "), "no feature is on by itself");
}

/// The runner, with a progress file of its own.
fn runner(progress: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workshop"));
    command.env("WORKSHOP_PROGRESS", progress).args(args);
    command
}

fn file_of_its_own(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

#[test]
fn bad_input_is_told_and_ends_with_2() {
    let progress = file_of_its_own("workshop-bad-input.txt");
    for (args, said) in [
        (&["solve"][..], "I do not know \"solve\""),
        (&["check", "ch99-build"], "no exercise is called ch99-build"),
        (&["check", "0"], "no exercise is called 0"),
        (&["hint", "10000"], "no exercise is called 10000"),
        (&["check", "ch03-build", "please"], "what is \"please\" for?"),
        (&["list", "--colour"], "--colour"),
        (&["next", "please"], "no exercise is called please"),
        (&["check", "ch04"], "ch04 has several exercises: ch04-build, ch04-hunt-pause"),
        (&["list", "ch04-build"], "list takes no exercise"),
        (&["check", "--whole"], "check has no option --whole"),
    ] {
        runner(&progress, args).assert().code(2).stderr(contains(said)).stdout("");
    }
    assert!(!progress.exists(), "a wrong command changes nothing");
}

#[test]
fn what_it_prints_is_plain_where_there_is_no_terminal() {
    let progress = file_of_its_own("workshop-plain.txt");
    for args in [&[][..], &["--help"], &["list"], &["next"]] {
        let printed = runner(&progress, args).assert().success().stderr("").get_output().clone();
        let text = String::from_utf8(printed.stdout).unwrap();
        assert!(!text.is_empty() && !text.contains('\x1b'), "{args:?}: {text:?}");
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{args:?}: {widest:?} columns");
    }
    for exercise in workshop::all() {
        runner(&progress, &["list"]).assert().stdout(contains(exercise.name));
    }
}

#[test]
fn hints_come_one_by_one_and_the_solution_on_a_plain_word() {
    let progress = file_of_its_own("workshop-hints.txt");
    fs::write(&progress, "a line of another version\n").unwrap();
    let exercise = workshop::all().next().unwrap();
    let first = "hint 1 of ";
    let second = "hint 2 of ";
    let name = exercise.name;
    let shown = runner(&progress, &["hint", name]).assert().success().get_output().stdout.clone();
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains(first) && !shown.contains(second), "{shown}");
    let hint = |args: &[&str]| runner(&progress, args).assert().success();
    hint(&["hint", name]).stdout(contains(second).and(contains(first).not()));
    let give_up = format!("cargo run --bin workshop -- solution {name} --give-up");
    for _ in 3..=exercise.text().unwrap().1.len() {
        hint(&["hint", name]);
    }
    hint(&["hint", name, "--all"])
        .stdout(contains(first).and(contains(second)).and(contains(&give_up)));
    runner(&progress, &["solution", name]).assert().code(1).stdout(contains(&give_up));
    let whole = exercise.source(Version::Solution).unwrap();
    let asked = ["solution", "1", "--give-up", "--whole"];
    runner(&progress, &asked).assert().success().stdout(contains(whole.lines().last().unwrap()));
    let kept = fs::read_to_string(&progress).unwrap();
    let hints = exercise.text().unwrap().1.len();
    let expected = format!("a line of another version\n{name} gave-up\n{name} hint {hints}\n");
    assert_eq!(kept, expected);
}

#[test]
fn a_hint_is_for_the_step_that_fails() {
    let progress = file_of_its_own("workshop-hint-of-a-step.txt");
    fs::write(&progress, "ch07-build step 3\nch07-build hint 2\n").unwrap();
    let hint = || runner(&progress, &["hint", "ch07-build"]).assert().success();
    hint().stdout(contains("Step 4.").and(contains("Step 3.").not()));
    hint().stdout(contains("Step 5.").and(contains("Step 4.").not()));
}

#[test]
fn the_solution_says_where_its_other_files_are() {
    let progress = file_of_its_own("workshop-rest.txt");
    let asked = ["solution", "ch07-build", "--give-up"];
    runner(&progress, &asked).assert().success().stdout(contains("chapters/ch07_full/drain.rs"));
}

#[test]
fn next_goes_on_after_the_last_pass_and_watch_stays_with_what_was_named() {
    let path = file_of_its_own("workshop-next.txt");
    let find = |name| workshop::find(name).unwrap();
    let mut progress = Progress::read(path.clone()).unwrap();
    let next = |progress: &Progress| progress.next().map(|e| e.name);
    assert_eq!(next(&progress), Some("ch01-build"));
    progress.pass(find("ch04-build")).unwrap();
    assert_eq!(next(&progress), Some("ch04-hunt-pause"), "ch01 was left out on purpose");
    let watched = |progress: &Progress, named| progress.watched_next(named).map(|e| e.name);
    assert_eq!(watched(&progress, Some(find("ch04-build"))), Some("ch04-build"));
    assert_eq!(watched(&progress, None), Some("ch04-hunt-pause"));
    progress.pass(find("ch04-hunt-pause")).unwrap();
    let mut progress = Progress::read(path.clone()).unwrap();
    assert_eq!(next(&progress), Some("ch05-build"), "not the stretch task; and it is kept");
    runner(&path, &["next"]).assert().success().stdout(contains(": ch05-build"));
    runner(&path, &["next", "ch02-build"]).assert().success().stdout(contains(": ch02-build"));

    // Nothing is left after it: then what was left out, and stretch tasks last.
    progress.pass(workshop::all().filter(|e| e.kind == Kind::Hunt).last().unwrap()).unwrap();
    assert_eq!(next(&progress), Some("ch01-build"));
    for exercise in workshop::all().filter(|e| e.kind != Kind::Stretch) {
        progress.pass(exercise).unwrap();
    }
    assert_eq!(progress.next().map(|e| e.kind), Some(Kind::Stretch));

    runner(&path, &["list"]).assert().success().stdout(contains("passed before").not());
    progress.change(find("ch02-build"), |done| done.steps = 0).unwrap(); // as reset does
    runner(&path, &["list"]).assert().success().stdout(contains("passed before ch02-build"));
}

/// A program that does what a shell script says. Another process writes it: this one
/// forks, and a child that still had it open for writing would make it "busy".
fn script(name: &str, text: &str) -> PathBuf {
    let path = file_of_its_own(name);
    let write = "cat >\"$1\" && chmod +x \"$1\"";
    Command::new("sh")
        .args(["-c", write, "sh"])
        .arg(&path)
        .write_stdin(format!("#!/bin/sh\n{text}\n"))
        .assert()
        .success();
    path
}

#[test]
fn a_program_that_does_what_nobody_asked_gets_a_clear_finding() {
    /// As Rust prints it: the learner's line is not where it panicked, but on the way.
    const PANIC: &str = "echo \"thread 'main' panicked at src/sys/fd.rs:9:5:
index out of bounds
stack backtrace:
   2: ex03_kqueue::main
             at ./chapters/ch03_kqueue/exercise.rs:61:20\" >&2; exit 101";
    let exercise = workshop::find("ch03-build").unwrap();
    let line = r#"{"seq":1,"us":1,"kind":"log","thread":"main","tid":1,"call":"log","args":"","note":"x","at":"a:1"}"#;
    let endless = format!("while :; do echo '{line}' >&2; done");
    for (name, text, said) in [
        ("ends", "echo it is broken >&2; exit 3", "with status 3. It said: \"it is broken\""),
        (
            "panics",
            PANIC,
            "It panicked in chapters/ch03_kqueue/exercise.rs:61: index out of bounds",
        ),
        ("aborts", "kill -ABRT $$", "Signal 6"),
        ("rubbish", "while :; do echo rubbish; done", "not where it listens"),
        ("sleeps", "exec sleep 600", "it sleeps and has not said where it listens"),
        ("floods", &endless, "makes calls without end"),
    ] {
        let program = script(&format!("workshop-{name}"), text);
        let judged = judge(exercise, &program, |_, _| panic!("{name} passes a step"));
        fs::remove_file(&program).unwrap();
        let finding = judged.finding.expect("a finding");
        assert!(finding.says(said), "{name}: {finding}");
        assert!(!finding.mistake.is_empty() && page_exists(finding.page), "{name}: {finding}");
    }
}

#[test]
fn a_stage_passes_its_own_exercise_and_the_one_before_does_not() {
    let dir = Path::new(env!("CARGO_BIN_EXE_ch07_full")).parent().unwrap();
    let exercise = workshop::find("ch03-build").unwrap();
    let mut passed = Vec::new();
    let judged = judge(exercise, &dir.join("ch03_kqueue"), |step, _| passed.push(step.title));
    assert!(judged.finding.is_none(), "{}", judged.finding.unwrap());
    assert_eq!((judged.passed, passed.len()), (exercise.steps.len(), exercise.steps.len()));
    let judged = judge(exercise, &dir.join("ch02_nonblocking"), |_, _| {});
    assert_eq!(judged.passed, 0);
    let finding = judged.finding.unwrap();
    assert!(finding.says(exercise.start.says), "{finding}");
}
