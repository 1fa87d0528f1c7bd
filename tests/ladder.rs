//! The ladder without a load generator: its command line, and what it makes of the
//! figures of a run. The figures are made up (tests/ladder/sample.json); the
//! statistics have their own tests beside them.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::*;
use serde_json::Value;

fn ladder() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ladder"))
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ladder/sample.json")
}

/// A folder of its own, removed when the value goes.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        Folder(std::env::temp_dir().join(format!("ladder-test-{name}-{}", std::process::id())))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn report(name: &str) -> Folder {
    let folder = Folder::new(name);
    ladder()
        .args(["report", "--from"])
        .arg(sample())
        .arg("--out")
        .arg(&folder.0)
        .assert()
        .success();
    folder
}

#[test]
fn the_table_of_known_figures() {
    insta::assert_snapshot!(report("table").read("ladder.md"));
}

#[test]
fn the_json_is_the_run_again() {
    let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let written = read(&report("json").read("ladder.json"));
    assert_eq!(written, read(&fs::read_to_string(sample()).expect("the sample")));
}

#[test]
fn the_plots_are_whole_and_follow_light_and_dark() {
    let folder = report("plots");
    for name in ["keep-64", "cpu", "pipelined", "rate", "idle", "calls"] {
        let svg = folder.read(&format!("{name}.svg"));
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"), "{name}");
        assert!(
            svg.contains("prefers-color-scheme: dark") && svg.contains(">ch07_full<"),
            "{name}"
        );
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}: {svg}");
        // Every element that is opened is closed.
        let opened = svg.matches('<').count() - svg.matches("</").count();
        assert_eq!(opened, svg.matches("/>").count() + svg.matches("</").count(), "{name}");
    }
    // A side without figures is in no plot.
    assert!(!folder.read("keep-64.svg").contains("ch05_thread_pool"));
}

#[test]
fn what_the_book_shows_as_measured_is_made_of_the_runs_beside_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src/measured");
    for (name, command) in [("stages", "report"), ("gates", "gates"), ("shared", "gates")] {
        let (shown, made) = (root.join(name), Folder::new(&format!("book-{name}")));
        let from = shown.join("ladder.json");
        // Exit status 1 of `gates`: one is not passed, and the page says so.
        let done = ladder()
            .args([command, "--from"])
            .arg(&from)
            .arg("--out")
            .arg(&made.0)
            .assert()
            .code(predicate::in_iter([0, 1]));
        drop(done);
        let files = fs::read_dir(&shown).unwrap_or_else(|e| panic!("{}: {e}", shown.display()));
        let mut count = 0;
        for file in files {
            let path = file.expect("an entry").path();
            let file = path.file_name().and_then(|n| n.to_str()).expect("a name");
            let text = fs::read_to_string(&path).expect("a text");
            let again = "cargo run --bin ladder -- report --from …/ladder.json --out …";
            assert!(text == made.read(file), "{} is stale: {again}", path.display());
            count += 1;
        }
        assert!(count > 3, "{}: {count} files", shown.display());
    }
}

#[test]
fn a_failed_gate_is_exit_status_1_and_goals_are_only_reported() {
    let folder = Folder::new("gates");
    let gates = |from: &Path| {
        let mut command = ladder();
        command.args(["gates", "--from"]).arg(from).arg("--out").arg(&folder.0).assert()
    };
    let passed = "| gate | requests/s, ch07_full : nginx | ≥ 1.10 | 1.15 (1.10–1.20) | passed |";
    let not_measured = "| not measured | – |"; // the goals with keep-512, connections and big
    gates(&sample()).success().stdout(
        predicate::str::contains(passed)
            .and(predicate::str::contains(not_measured).count(3))
            .and(predicate::str::contains("FAILED").not()),
    );

    let mut run: Value =
        serde_json::from_str(&fs::read_to_string(sample()).expect("the sample")).expect("JSON");
    for round in run["cells"][1]["rounds"].as_array_mut().expect("ch07's rounds") {
        round["values"]["requests_per_s"] = 50_000.0.into();
    }
    let slower = folder.0.join("slower.json");
    fs::write(&slower, run.to_string()).expect("a file");
    gates(&slower).code(1).stdout(predicate::str::contains("**FAILED**"));
}

#[test]
fn a_wrong_command_line_is_exit_status_2_and_says_what_is_wrong() {
    for (args, said) in [
        (&["--server", "apache"][..], "no server is called \"apache\""),
        (&["--scenario", "storm"], "no scenario is called \"storm\""),
        (&["--rounds", "many"], "--rounds takes a whole number"),
        (&["climb"], "I do not know \"climb\""),
        (&["report"], "report needs --from FILE"),
    ] {
        let said = predicate::str::contains(said).and(predicate::str::contains("ladder --help"));
        ladder().args(args).assert().code(2).stderr(said);
    }
}

#[test]
fn a_file_that_is_no_run_is_named() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let said = predicate::str::contains("Cargo.toml").and(predicate::str::contains("not JSON"));
    ladder().args(["gates", "--from"]).arg(manifest).assert().code(1).stderr(said);
}

#[test]
fn a_missing_tool_is_named_with_the_line_that_installs_it() {
    let folder = Folder::new("missing");
    let mut command = ladder();
    command.args(["--server", "nginx", "--scenario", "keep-64", "--out"]).arg(&folder.0);
    let said = predicate::str::contains("wrk is not installed: ")
        .and(predicate::str::contains("nothing was measured"));
    // nginx is looked for in /usr/sbin, too, and may be there; wrk is not.
    command.env("PATH", "").assert().code(1).stderr(said);
    assert!(!folder.0.exists(), "no report without figures");
}

#[test]
fn the_list_names_what_can_be_measured() {
    let names = ["keep-64", "among-idle", "rate", "nginx", "ch01_blocking", "floor", "ch07_w4"];
    let output = ladder().arg("list").assert().success();
    let text = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    names.iter().for_each(|name| assert!(text.contains(name), "{name} is missing in {text}"));
}
