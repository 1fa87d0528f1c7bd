//! The commands that pages show. A run of the lab stands above the recorded run
//! that `cargo test` plays again; every other command of a `console` block is
//! typed, in the order of the pages, by `.ci/follow-book`.

use common::lab::book::runs::{self, Run};

use crate::includes::resolve;
use crate::pages::{Block, Page};

/// What may stand behind a fence. `console` is typed by a script; a system's
/// name behind it says where else the reader has to be. `console,server` is what
/// the terminal of a running server shows meanwhile; `console,wrk` takes long and
/// needs wrk: `.ci/ladder` types it, with shorter rounds.
const LANGUAGES: [&str; 13] = [
    "console",
    "console,server",
    "console,wrk",
    "console,macos",
    "console,freebsd",
    "console,openbsd",
    "console,netbsd",
    "rust",
    "c",
    "diff",
    "text",
    "toml",
    "http",
];

/// A line of a `text` block that begins so is a command, `$ ` or not.
const BARE: [&str; 4] = ["cargo ", "curl ", "nc ", "python3 "];

/// The commands of a page's console blocks.
pub fn shown(page: &Page) -> Vec<String> {
    let consoles = page.blocks().into_iter().filter(|block| block.language.starts_with("console"));
    let lines = consoles.flat_map(|block| block.lines);
    lines.filter_map(|line| Some(line.strip_prefix("$ ")?.to_string())).collect()
}

pub fn check(page: &Page) -> Vec<String> {
    let mut wrong = Vec::new();
    for block in page.blocks() {
        let place = format!("{}:{}", page.path, block.line);
        if !LANGUAGES.contains(&block.language.as_str()) {
            wrong.push(format!(
                "{place}: ```{}: use one of {}",
                block.language,
                LANGUAGES.join(" ")
            ));
        } else if block.language == "rust"
            && !block.lines.iter().all(|l| l.starts_with("{{#include "))
        {
            // A signature of another crate cannot be included: that is `c` or `text`.
            wrong.push(format!("{place}: Rust is included, not typed"));
        } else if block.language == "console" {
            wrong.extend(console(page, &block).into_iter().map(|what| format!("{place}: {what}")));
        }
        let types = block.lines.iter().any(|l| l.starts_with("$ "));
        let bare = |l: &String| BARE.iter().any(|program| l.starts_with(program));
        let is_command = types || (block.language == "text" && block.lines.iter().any(bare));
        if is_command && !block.language.starts_with("console") {
            wrong.push(format!("{place}: commands stand in console blocks"));
        }
        let recorded = block.lines.iter().any(|l| l.contains("generated/run/"));
        if recorded && !types && !runs::ALL.iter().any(|run| is_excerpt(page, &block, run)) {
            wrong.push(format!("{place}: a recorded run without its command"));
        }
    }
    wrong
}

fn console(page: &Page, block: &Block) -> Vec<String> {
    let mut wrong = Vec::new();
    if !block.lines.first().is_some_and(|line| line.starts_with("$ ")) {
        wrong.push("a console block begins with a command: $ …".to_string());
    }
    for (n, line) in block.lines.iter().enumerate() {
        let Some(command) = line.strip_prefix("$ ") else { continue };
        if !command.starts_with("cargo run --bin lab -- run ") {
            continue;
        }
        let Some(run) = runs::ALL.iter().find(|run| run.command() == command) else {
            wrong.push(format!("no recorded run of: {command} (src/lab/book/runs.rs)"));
            continue;
        };
        let next = block.lines.get(n + 1).map_or("", String::as_str);
        if !files(run).iter().any(|file| includes(page, next, file)) {
            wrong.push(format!(
                "below it stands {{{{#include generated/{}}}}}",
                run.file_here(None)
            ));
        }
    }
    wrong
}

fn files(run: &Run) -> Vec<String> {
    let queues = ["epoll", "kqueue"];
    match run.whole {
        true => queues.map(|queue| run.file(None, queue)).to_vec(),
        false => excerpts(run),
    }
}

fn includes(page: &Page, line: &str, file: &str) -> bool {
    let target = line.strip_prefix("{{#include ").and_then(|t| t.strip_suffix("}}"));
    target.is_some_and(|t| resolve(&page.path, t) == format!("book/src/generated/{file}"))
}

/// The files of a run's parts.
fn excerpts(run: &Run) -> Vec<String> {
    let names = run.excerpts.iter().map(|e| e.name);
    names.flat_map(|name| ["epoll", "kqueue"].map(|queue| run.file(Some(name), queue))).collect()
}

fn is_excerpt(page: &Page, block: &Block, run: &Run) -> bool {
    let files = excerpts(run);
    block.lines.iter().any(|line| files.iter().any(|file| includes(page, line, file)))
}

#[test]
fn commands_that_nobody_ran_are_found() {
    let wrong = |text: &str| check(&Page::new("ch01.md", text));
    let run = runs::ALL[0];
    let (command, file) = (run.command(), run.file_here(None));
    let shown = |command: &str, file: &str| {
        format!("```console\n$ {command}\n{{{{#include generated/{file}}}}}\n```\n")
    };
    assert_eq!(wrong(&shown(&command, &file)), Vec::<String>::new());
    assert_eq!(
        wrong("```console\n$ curl http://127.0.0.1:8080/\nHello World\n```\n"),
        Vec::<String>::new()
    );
    assert!(wrong(&shown(&command, "run/other.txt"))[0].contains("below it stands"));
    assert!(
        wrong(&shown("cargo run --bin lab -- run nothing", &file))[0].contains("no recorded run")
    );
    assert!(wrong("```sh\ncargo test\n```\n")[0].contains("use one of"));
    assert!(wrong("```text\n$ cargo test\n```\n")[0].contains("console blocks"));
    assert!(wrong("```text\ncurl -v x\n```\n")[0].contains("console blocks"));
    assert_eq!(wrong("```text\ncurl: (7) Failed\n```\n"), Vec::<String>::new());
    assert!(wrong("```console\ncargo test\n```\n")[0].contains("begins with a command"));
    assert!(wrong("```rust\nfn typed() {}\n```\n")[0].contains("included, not typed"));
    assert!(
        wrong(&format!("```text\n{{{{#include generated/{file}}}}}\n```\n"))[0]
            .contains("without its command")
    );
}
