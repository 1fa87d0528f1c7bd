//! The book as its tests see it: pages in reading order, and their parts.

use std::path::Path;

/// One page.
#[derive(Debug, Clone)]
pub struct Page {
    /// Within `book/src`: `ch01.md`.
    pub path: String,
    pub text: String,
}

/// A fenced block of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What stands behind the fence: `rust`, `console`.
    pub language: String,
    pub lines: Vec<String>,
    /// Where it begins in the page, counted from 1.
    pub line: usize,
}

impl Page {
    pub fn new(path: &str, text: &str) -> Page {
        Page { path: path.to_string(), text: text.to_string() }
    }

    pub fn is_chapter(&self) -> bool {
        let digit = self.path.strip_prefix("ch0").and_then(|rest| rest.chars().next());
        // Chapter 7 itself only opens its sections.
        digit.is_some_and(|d| d.is_ascii_digit()) && self.path != "ch07.md"
    }

    pub fn is_call(&self) -> bool {
        self.path.starts_with("calls/") && self.path != "calls/index.md"
    }

    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut open = false;
        for (n, line) in self.text.lines().enumerate() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                if !open {
                    let language = language.trim().to_string();
                    blocks.push(Block { language, lines: Vec::new(), line: n + 1 });
                }
                open = !open;
            } else if open && let Some(block) = blocks.last_mut() {
                block.lines.push(line.to_string());
            }
        }
        blocks
    }

    /// Of each line: whether it stands in a fenced block, or is a fence.
    pub fn code(&self) -> Vec<bool> {
        let mut fenced = false;
        let is_code = |line: &str| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            fence || fenced
        };
        self.text.lines().map(is_code).collect()
    }

    /// The text in which everything but prose is blank: code, tags, directives,
    /// headings. Positions are those of the page.
    pub fn prose(&self) -> String {
        let mut out = String::new();
        let mut fenced = false;
        for line in self.text.split_inclusive('\n') {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            let code =
                fence || fenced || line.starts_with('#') || line.trim_start().starts_with("{{#");
            out.push_str(&if code { blank(line) } else { line.to_string() });
        }
        for (open, close) in [("<!--", "-->"), ("`", "`"), ("{{", "}}"), ("<", ">")] {
            out = blank_between(&out, open, close);
        }
        out
    }

    /// The headings: level, text, id as mdBook makes it.
    pub fn headings(&self) -> Vec<(usize, String, String)> {
        let mut seen: Vec<String> = Vec::new();
        let mut out = Vec::new();
        let mut fenced = false;
        for line in self.text.lines() {
            fenced ^= line.trim_start().starts_with("```");
            let level = line.chars().take_while(|c| *c == '#').count();
            if fenced || level == 0 || !line[level..].starts_with(' ') {
                continue;
            }
            let text = line[level..].trim();
            let base = heading_id(text);
            let before = seen.iter().filter(|id| **id == base).count();
            seen.push(base.clone());
            let id = if before == 0 { base } else { format!("{base}-{before}") };
            out.push((level, text.to_string(), id));
        }
        out
    }

    /// Everything that a link can point to.
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.headings().into_iter().map(|(_, _, id)| id).collect();
        ids.extend(definitions(&self.text).iter().map(|(term, _)| heading_id(term)));
        for piece in self.text.split(" id=\"").skip(1) {
            ids.extend(piece.split('"').next().map(String::from));
        }
        ids
    }
}

/// The same length without a letter, lines kept.
fn blank(text: &str) -> String {
    text.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect()
}

fn blank_between(text: &str, open: &str, close: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(from) = rest.find(open) {
        let Some(length) = rest[from + open.len()..].find(close) else { break };
        let to = from + open.len() + length + close.len();
        out.push_str(&rest[..from]);
        out.push_str(&blank(&rest[from..to]));
        rest = &rest[to..];
    }
    out + rest
}

/// The id that mdBook gives a heading or a defined term.
pub fn heading_id(text: &str) -> String {
    let plain = text.replace(['`', '*'], "");
    let keep = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' || c == '-' => c.to_lowercase().next(),
        c if c.is_whitespace() => Some('-'),
        _ => None,
    };
    plain.trim().chars().filter_map(keep).collect()
}

/// Definition lists: a line, and below it one that begins with `: `.
pub fn definitions(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines.windows(2).filter(|pair| pair[1].starts_with(": "));
    pairs.map(|pair| (pair[0].trim().to_string(), pair[1][2..].to_string())).collect()
}

/// The pages that the summary names, in order; drafts are none.
pub fn read(source: &Path) -> Vec<Page> {
    let summary = std::fs::read_to_string(source.join("SUMMARY.md")).expect("a summary");
    let mut pages = Vec::new();
    for path in listed(&summary) {
        let text = std::fs::read_to_string(source.join(&path));
        pages.push(Page { text: text.unwrap_or_else(|e| panic!("{path}: {e}")), path });
    }
    pages
}

/// The targets of the summary's links.
pub fn listed(summary: &str) -> Vec<String> {
    let targets = summary.lines().filter_map(|line| line.split_once("](")?.1.strip_suffix(')'));
    targets.filter(|target| !target.is_empty()).map(String::from).collect()
}

#[test]
fn prose_is_what_is_no_code() {
    let page =
        Page::new("x.md", "# Head\nSee `read` <b>now</b>.\n```rust\nlet x;\n```\n{{#include a}}\n");
    let words: Vec<String> = page.prose().split_whitespace().map(String::from).collect();
    assert_eq!(words, ["See", "now", "."]);
    assert_eq!(page.prose().len(), page.text.len());
}

#[test]
fn headings_get_the_ids_of_mdbook() {
    let page = Page::new(
        "x.md",
        "# See it fail\n## `read(2)` now\n## See it fail\nterm a\n: what\n<a id=\"here\">",
    );
    let ids = ["see-it-fail", "read2-now", "see-it-fail-1", "term-a", "here"];
    assert_eq!(page.ids(), ids);
}

#[test]
fn drafts_are_no_pages() {
    assert_eq!(listed("- [A](a.md)\n- [B]()\n"), ["a.md"]);
}
