//! What each stage does on the same tour, told by its trace: setup, then each
//! connection, call by call. One set of snapshots per kernel interface.
//!
//! The set of the interface that this machine has is compared with a real run.
//! The kqueue set was recorded over libkqueue, which not every machine has; it
//! carries the hash of the sources it depends on, so it cannot grow old unseen.

use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::lab::{Play, Stage, story};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn program(stage: Stage) -> PathBuf {
    let dir = Path::new(env!("CARGO_BIN_EXE_ch07_full")).parent().expect("a folder");
    dir.join(stage.name())
}

fn tells_its_story(stage: Stage) {
    let records = story::tour(&Play::new(stage, program(stage))).unwrap_or_else(|t| panic!("{t}"));
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_suffix(if common::queue::NAME == "epoll" { "epoll" } else { "kqueue" });
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(stage.short(), story::tell(&records)));
}

macro_rules! stages {
    ($($function:ident = $stage:ident,)*) => {
        $(#[test] fn $function() { tells_its_story(Stage::$stage); })*
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

/// The sources whose change can change a story, without comments and blank lines.
fn hash_of_sources() -> String {
    let mut files = Vec::new();
    for dir in ["chapters", "src"] {
        collect(&root().join(dir), &mut files);
    }
    files.sort();
    let mut hash = siphasher::sip::SipHasher13::new();
    for file in files {
        let name = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        let apart = ["/tests", "src/bin"].iter().any(|part| name.contains(part));
        let concerns = !apart && !common::lab::is_of_the_workshop(&name);
        let concerns = concerns && (!name.starts_with("src/lab") || name.ends_with("story.rs"));
        if !concerns || name.ends_with("epoll.rs") {
            continue;
        }
        hash.write(name.as_bytes());
        for line in fs::read_to_string(&file).expect("a source file").lines() {
            let code = line.trim();
            if !code.is_empty() && !code.starts_with("//") {
                hash.write(code.as_bytes());
            }
        }
    }
    format!("{:016x}\n", hash.finish())
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn the_kqueue_stories_are_not_older_than_the_sources() {
    let path = root().join("tests/snapshots/kqueue.sources");
    let hash = hash_of_sources();
    if std::env::var_os("STAMP_KQUEUE_STORIES").is_some() {
        assert_ne!(common::queue::NAME, "epoll", "only a kqueue build may stamp them");
        fs::write(&path, &hash).expect("writing the stamp");
    }
    let stamped = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stamped == hash,
        "the sources have changed since the kqueue stories were last run. On a machine with \
         libkqueue (or on macOS or a BSD, without the feature), run:\n\
         INSTA_UPDATE=always STAMP_KQUEUE_STORIES=1 cargo test --features libkqueue --test stories"
    );
}

/// A program inherits what its shell has open: the lab leaves that behind.
#[test]
fn what_a_shell_has_open_changes_no_number() {
    let accepts = |first: &str| {
        let script = format!("{first} exec \"$0\" run hello --stage ch03 --trace");
        let mut sh = Command::new("sh");
        // The server is there: it need not be built.
        sh.args(["-c", &script, env!("CARGO_BIN_EXE_lab")]).env("CARGO", "true");
        let output = sh.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let accept = said.lines().find(|line| line.contains("] accept(")).map(str::to_string);
        accept.and_then(|line| Some(line.split_once(" (127.0.0.1:")?.0.to_string())).unwrap()
    };
    assert_eq!(accepts("exec 5</dev/null 7</dev/null 9</dev/null;"), accepts(""));
}
