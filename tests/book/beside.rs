//! Commands that stand in the prose, in backticks: what you may try, errors and how
//! to cause them. Each is shown with its output elsewhere, is known to a test or a
//! script, or stands on a list that says why nobody types it.

use common::lab::Stage;
use common::lab::scenarios::Scenario;

use crate::pages::Page;

/// What a command in prose begins with.
const PROGRAMS: [&str; 5] = ["cargo", "curl", "nc", "python3", "ulimit"];

const HAND: &str = "the reader types, or presses Ctrl-C meanwhile";
const SHELL: &str = "changes the shell, or asks it";
const ROOM: &str = "the scenario no-descriptors does it";
const CURL: &str = "what curl says of a connection differs between its versions";

/// Commands that no test and no script types, and why.
pub const BY_HAND: &[(&str, &str)] = &[
    ("(ulimit -n 32; cargo run --bin ch04_accept_drain -- --trace)", ROOM),
    ("for i in $(seq 40); do sleep 60 | nc -w 20 127.0.0.1 8080 & done", ROOM),
    (
        "cargo build --bin ch05_thread_pool && strace -f -e trace=futex target/debug/ch05_thread_pool --workers 2",
        HAND,
    ),
    ("cargo install mdbook --version '^0.5'", ".ci/book installs it for itself"),
    (
        "cargo run --features workshop --bin ex03_kqueue -- --trace",
        "it is the learner's own program",
    ),
    (
        "curl --limit-rate 100k -o /dev/null 'http://127.0.0.1:8080/big?bytes=8388608'",
        "it takes more than a minute",
    ),
    ("curl --limit-rate 1M -o /dev/null", "it is the beginning of a command"),
    ("curl -v http://127.0.0.1:8080/", CURL),
    ("curl -v http://127.0.0.1:8080/ http://127.0.0.1:8080/", CURL),
    ("curl 'http://127.0.0.1:8080/slow?ms=10000'", HAND),
    ("curl 'http://127.0.0.1:8080/slow?ms=5000'", HAND),
    ("for c in G E T ' ' / a b c d; do printf \"$c\"; sleep 1; done | nc 127.0.0.1 8080", HAND),
    ("nc 127.0.0.1 8080", HAND),
    ("ulimit -Hn", SHELL),
    ("ulimit -Sn", SHELL),
    ("ulimit -n", SHELL),
    ("ulimit -n 100; ulimit -n 200", SHELL),
    ("ulimit -n 32", SHELL),
    ("ulimit -u", SHELL),
];

/// The commands in a page's prose, with their lines.
pub fn in_prose(page: &Page) -> Vec<(usize, String)> {
    let mut fenced = false;
    let prose: String = page
        .text
        .split_inclusive('\n')
        .map(|line| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            if fence || fenced { "\n" } else { line }
        })
        .collect();
    let mut found = Vec::new();
    let mut line = 1;
    for (n, piece) in prose.split('`').enumerate() {
        let command = piece.split_whitespace().collect::<Vec<_>>().join(" ");
        if n % 2 == 1 && is_command(&command) {
            found.push((line, command));
        }
        line += piece.matches('\n').count();
    }
    found
}

/// A program with arguments; its name alone is a word of the sentence.
fn is_command(text: &str) -> bool {
    let words: Vec<&str> = text.split([' ', '\'', '(']).collect();
    let begins = |at: usize| {
        at == 0 || matches!(words[at - 1], "" | "do" | "exec" | "|" | "&&" | "-c" | "sh")
    };
    words.len() > 1 && (0..words.len()).any(|n| PROGRAMS.contains(&words[n]) && begins(n))
}

/// `shown` are the commands of console blocks; `script` gives the text of a file.
pub fn check(page: &Page, shown: &[String], script: &dyn Fn(&str) -> String) -> Vec<String> {
    let unknown = in_prose(page).into_iter().filter(|(_, command)| {
        let listed = BY_HAND.iter().any(|(known, _)| known == command);
        !listed && !is_typed(command, shown, script)
    });
    let complain = |(line, command): (usize, String)| {
        format!(
            "{}:{line}: no test and no script types `{command}`; show it in a console block, or \
             say in tests/book/beside.rs why not",
            page.path
        )
    };
    unknown.map(complain).collect()
}

fn is_typed(command: &str, shown: &[String], script: &dyn Fn(&str) -> String) -> bool {
    let longer = format!("{command} ");
    if shown.iter().any(|c| c == command || c.starts_with(&longer)) {
        return true;
    }
    // `.ci/follow-book` starts the servers that pages name, and sees those fail that have
    // no descriptors; `.ci/ladder` shortens what takes an hour.
    let starts = ["cargo run --bin ch0", "cargo run --release --bin ladder -- "];
    let fails = command.contains("ulimit -n ") && command.contains("target/debug/ch0");
    if fails || starts.iter().any(|start| command.starts_with(start)) {
        return true;
    }
    let words: Vec<&str> = command.split(' ').collect();
    match words.as_slice() {
        ["cargo", "build" | "test"] => script(".ci/run").contains("\ncargo test\n"),
        ["cargo", "test", "--test", name] => !script(&format!("tests/{name}.rs")).is_empty(),
        ["cargo", "test", "--test", name, function] => {
            script(&format!("tests/{name}.rs")).contains(&format!("fn {function}("))
        }
        // tests/matrix.rs plays every scenario with every stage.
        ["cargo", "run", "--bin", "lab", "--", "run", scenario, "--stage", stage] => {
            Scenario::find(scenario).is_some() && Stage::find(stage).is_some()
        }
        ["cargo", "run", "--bin", "lab", "--", rest @ ..] => {
            script(".ci/run").contains(&format!("--bin lab -- {}\n", rest.join(" ")))
        }
        _ => false,
    }
}

/// What is on the list and on no page.
pub fn idle(pages: &[Page]) -> Vec<String> {
    let all: Vec<String> = pages.iter().flat_map(in_prose).map(|(_, command)| command).collect();
    let idle = BY_HAND.iter().filter(|(command, _)| !all.iter().any(|c| c == command));
    idle.map(|(command, _)| format!("tests/book/beside.rs: no page says `{command}`")).collect()
}

#[test]
fn commands_in_prose_are_found() {
    let page = Page::new(
        "x.md",
        "Run `cargo test` or\n`cargo run\n--bin x`, `nc`, `sh -c 'ulimit -n 4; exec y'`,\n\
         `(ulimit -n 5; x)`, `a | nc b`; `the nc command`.\n```console\n$ x `nc a`\n```\n`curl -v`",
    );
    let found: Vec<(usize, String)> = in_prose(&page);
    let commands: Vec<&str> = found.iter().map(|(_, c)| c.as_str()).collect();
    assert_eq!(
        commands,
        [
            "cargo test",
            "cargo run --bin x",
            "sh -c 'ulimit -n 4; exec y'",
            "(ulimit -n 5; x)",
            "a | nc b",
            "curl -v"
        ]
    );
    assert_eq!((found[1].0, found[5].0), (2, 8));
}

#[test]
fn a_command_that_nobody_types_is_found() {
    let script = |path: &str| match path {
        ".ci/run" => "x\ncargo test\ncargo run --quiet --bin lab -- faults\n".to_string(),
        "tests/http.rs" => "fn it_works() {}".to_string(),
        _ => String::new(),
    };
    let shown = ["cargo run --bin per_core -- --workers 1".to_string()];
    let wrong = |text: &str| check(&Page::new("x.md", &format!("`{text}`")), &shown, &script).len();
    for typed in [
        "cargo test",
        "cargo test --test http",
        "cargo test --test http it_works",
        "cargo run --bin lab -- faults",
        "cargo run --bin lab -- run hello --stage ch02",
        "cargo run --bin per_core",
        "nc 127.0.0.1 8080",
    ] {
        assert_eq!(wrong(typed), 0, "{typed}");
    }
    for unknown in [
        "cargo bench --all",
        "cargo test --test nothing",
        "cargo test --test http it_fails",
        "cargo run --bin lab -- dance",
        "cargo run --bin lab -- run dance --stage ch02",
        "curl -q",
    ] {
        assert_eq!(wrong(unknown), 1, "{unknown}");
    }
    assert_eq!(idle(&[]).len(), BY_HAND.len());
}
