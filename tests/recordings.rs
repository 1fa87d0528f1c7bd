//! What the book's pages play is what these sources do: the recordings of the
//! queue of this machine are played again and must tell the same story; those
//! of the other queue carry the hash of the sources they depend on. Of all of
//! them the form is checked, and that every recorded line still has its code.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::lab::recordings::{ALL, Recording, Written, folder, index};
use common::lab::{Record, Stage};

const RENEW: &str = "cargo run --bin lab -- recordings";
const RENEW_KQUEUE: &str = "cargo run --features libkqueue --bin lab -- recordings";

fn renew(queue: &str) -> &'static str {
    if queue == "epoll" { RENEW } else { RENEW_KQUEUE }
}

fn program(stage: Stage) -> PathBuf {
    let dir = Path::new(env!("CARGO_BIN_EXE_ch07_full")).parent().expect("a folder");
    dir.join(stage.name())
}

fn read(recording: &'static Recording, queue: &'static str) -> Written {
    Written::read(recording, queue).unwrap_or_else(|t| panic!("{t}\nTo make it: {}", renew(queue)))
}

fn stories_hold(stage: Stage) {
    let own = |(r, queue): &(&Recording, &str)| r.stage == stage && Written::is_own(queue);
    for (recording, queue) in Written::all().filter(own) {
        let again = Written::record(recording, program(stage)).unwrap_or_else(|t| panic!("{t}"));
        let kept = read(recording, queue);
        let (kept, again) = (kept.value["story"].as_str(), again.value["story"].as_str());
        assert!(
            kept == again,
            "{} tells another story now.\nTo renew it: {}\n--- kept\n{}\n--- now\n{}",
            recording.name,
            renew(queue),
            kept.unwrap_or_default(),
            again.unwrap_or_default(),
        );
    }
}

macro_rules! stages {
    ($($function:ident = $stage:ident,)*) => {
        $(#[test] fn $function() { stories_hold(Stage::$stage); })*
    };
}

stages! {
    ch01 = Ch01,
    ch02 = Ch02,
    ch03 = Ch03,
    ch04 = Ch04,
    ch05 = Ch05,
    ch06 = Ch06,
    ch07 = Ch07,
}

#[test]
fn those_that_cannot_be_played_here_are_of_these_sources() {
    for (recording, queue) in Written::all().filter(|(_, queue)| !Written::is_own(queue)) {
        let fresh = read(recording, queue).is_of_these_sources().unwrap_or_else(|t| panic!("{t}"));
        assert!(
            fresh,
            "the sources have changed since {}.{queue}.js was recorded. On a machine that has \
             that queue: {}",
            recording.name,
            renew(queue)
        );
    }
}

#[test]
fn every_recorded_line_lies_in_its_block_and_the_sources_have_the_block() {
    for (recording, queue) in Written::all() {
        let written = read(recording, queue);
        let blocks = written.blocks();
        for block in &blocks {
            block.check().unwrap_or_else(|t| {
                panic!("{}.{queue}.js: {t}\nTo renew it: {}", recording.name, renew(queue))
            });
        }
        for record in records(&written) {
            let block = blocks.iter().find(|b| b.holds(record.file(), record.line()));
            let block =
                block.unwrap_or_else(|| panic!("{}: {} has no code", recording.name, record.at));
            let line = block.text.lines().nth(record.line() - block.first).unwrap_or_default();
            let is_code = !line.trim().is_empty() && !line.trim_start().starts_with("//");
            assert!(is_code, "{}: {} is no code: {line:?}", recording.name, record.at);
        }
    }
}

/// The server's records of a recording.
fn records(written: &Written) -> Vec<Record> {
    let lines = written.value["records"].as_array().expect("a list of records");
    let of_server = lines.iter().filter(|line| line["kind"] != "client");
    of_server
        .map(|line| {
            let record = Record::parse(&line.to_string());
            record.unwrap_or_else(|| panic!("{}: not a record: {line}", written.recording.name))
        })
        .collect()
}

#[test]
fn every_file_has_the_form_that_the_player_reads() {
    for (recording, queue) in Written::all() {
        let written = read(recording, queue);
        let name = format!("{}.{queue}", recording.name);
        let text = |field: &str| written.value[field].as_str().unwrap_or_default().to_string();
        assert_eq!(written.value["recording"], 1, "{name}");
        assert_eq!(text("name"), recording.name);
        assert_eq!(text("title"), recording.title, "{name}: to renew it: {}", renew(queue));
        assert_eq!(text("watch"), recording.watch, "{name}: to renew it: {}", renew(queue));
        assert_eq!(text("stage"), recording.stage.name());
        let labels: &[&str] = match queue {
            "epoll" => &["epoll"],
            _ => &["kqueue", "kqueue over libkqueue"],
        };
        assert!(labels.contains(&text("queue").as_str()), "{name}: label {}", text("queue"));

        let lines = written.value["records"].as_array().expect("a list of records");
        assert!((10..=130).contains(&lines.len()), "{name}: {} steps", lines.len());
        let seqs: Vec<u64> = records(&written).iter().map(|r| r.seq).collect();
        assert!(seqs.is_sorted_by(|a, b| a < b), "{name}: seq does not rise: {seqs:?}");
        for line in lines.iter().filter(|line| line["kind"] == "client") {
            for field in ["who", "deed", "what"] {
                assert!(line[field].is_string(), "{name}: no {field} in {line}");
            }
        }
        let annotated = written.annotated().unwrap_or_else(|t| panic!("{t}"));
        assert!(written.value["records"] == annotated, "{name}: old notes: {}", renew(queue));
        let path = folder().join(format!("{name}.txt"));
        let transcript = fs::read_to_string(&path).unwrap_or_default();
        let expected = written.transcript().unwrap_or_else(|t| panic!("{t}"));
        assert!(transcript == expected, "{} is not its transcript", path.display());
        assert_eq!(text("transcript"), expected, "{name}: to renew it: {}", renew(queue));
        // It is included in a page, between tags.
        assert!(!transcript.contains(['<', '&']) && !transcript.contains("\n\n"), "{name}");
    }
}

#[test]
fn the_folder_holds_these_and_nothing_else() {
    let mut expected: HashSet<String> = ["index.js".to_string()].into();
    for (recording, queue) in Written::all() {
        expected.insert(format!("{}.{queue}.js", recording.name));
        expected.insert(format!("{}.{queue}.txt", recording.name));
    }
    let there = fs::read_dir(folder()).expect("the folder of recordings").flatten();
    let there: HashSet<String> =
        there.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(there, expected, "to renew them: {RENEW}, and {RENEW_KQUEUE}");
    let kept = fs::read_to_string(folder().join("index.js")).unwrap_or_default();
    assert!(kept == index(), "index.js is old: {RENEW}");
    for stage in Stage::ALL {
        assert!(ALL.iter().any(|r| r.stage == stage), "{stage} has no recording");
    }
}
