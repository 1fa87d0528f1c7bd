//! What STYLE.md says and a machine can see: the length of lines, words that the book
//! does without.

use crate::pages::Page;

/// The longest line of prose. Code, tables, links in lists of files and definitions,
/// which are one line each, may be longer.
const LONGEST: usize = 110;

/// Words that the book does without, each as a whole word, in prose.
const WITHOUT: [&str; 11] = [
    "simply",
    "just",
    "obviously",
    "easy",
    "of course",
    "basically",
    "we",
    "us",
    "our",
    "peer",
    "peers",
];

/// Places that still break a rule: the page, and a piece of the line. Each is on its
/// way out; one that is gone fails the test.
pub const STILL: &[(&str, &str)] = &[
    // "just": a moment ago.
    ("start.md", "just seen fail"),
    ("ch06.md", "just after the"),
];

pub fn check(page: &Page) -> Vec<String> {
    let prose = page.prose();
    let code = page.code();
    let mut wrong = Vec::new();
    for (n, (line, words)) in page.text.lines().zip(prose.lines()).enumerate() {
        let is_prose = !code[n] && !line.starts_with(['|', '<', '#']) && !line.starts_with(": ");
        let mut complain = |what: String| {
            if !STILL.iter().any(|(path, piece)| *path == page.path && line.contains(piece)) {
                wrong.push(format!("{}:{}: {what}", page.path, n + 1));
            }
        };
        let length = line.chars().count();
        if is_prose && !line.starts_with("{{#") && length > LONGEST {
            complain(format!("{length} characters; STYLE.md allows {LONGEST}"));
        }
        for word in WITHOUT.iter().filter(|word| has_word(words, word)) {
            complain(format!("{word:?}: STYLE.md does without"));
        }
    }
    wrong
}

/// The exceptions that no line needs any more.
pub fn idle(pages: &[Page]) -> Vec<String> {
    let needed = |path: &str, piece: &str| {
        let page = pages.iter().find(|page| page.path == path);
        page.is_some_and(|page| page.text.lines().any(|line| line.contains(piece)))
    };
    let idle = STILL.iter().filter(|(path, piece)| !needed(path, piece));
    idle.map(|(path, piece)| format!("tests/book/style.rs: {path} has no {piece:?} now")).collect()
}

fn has_word(line: &str, word: &str) -> bool {
    let line = line.to_lowercase();
    let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '-' && c != '_');
    line.match_indices(word).any(|(at, found)| {
        edge(line[..at].chars().next_back()) && edge(line[at + found.len()..].chars().next())
    })
}

#[test]
fn long_lines_and_words_are_found() {
    let wrong = |text: &str| check(&Page::new("x.md", text));
    let long = "word ".repeat(23);
    assert!(wrong(&long)[0].contains("x.md:1: 115 characters"));
    for good in [
        format!("| {long} |"),
        format!("```text\n{long}\n```"),
        format!(": {long}"),
        "ä".repeat(110),
        "`just` a trust, *reuse* of the business; `we`".to_string(),
    ] {
        assert_eq!(wrong(&good), Vec::<String>::new());
    }
    assert!(wrong("x\nOf course.")[0].contains("x.md:2: \"of course\""));
    assert!(wrong("What we do, it does.")[0].contains("\"we\""));
    assert_eq!(idle(&[]).len(), STILL.len());
}
