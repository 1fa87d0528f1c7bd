//! Terms and sources: a term is explained where it first stands (`<dfn>`) and
//! stands in the glossary; what has a source note (`*[kqueue(2)]*`) has a source.

use std::collections::BTreeSet;

use crate::pages::{Page, definitions, heading_id};

/// Terms: explained once, before they are used, and kept in the glossary.
pub fn terms(pages: &[Page], glossary: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let known: Vec<String> = definitions(glossary).into_iter().map(|(term, _)| term).collect();
    if let Some(pair) =
        known.windows(2).find(|pair| pair[0].to_lowercase() > pair[1].to_lowercase())
    {
        wrong.push(format!("the glossary is not in order: {} stands before {}", pair[0], pair[1]));
    }
    let pages: Vec<&Page> = pages.iter().filter(|p| p.path != "glossary.md").collect();
    for page in &pages {
        for term in explained(page).into_iter().map(|(_, term)| term) {
            if !known.iter().any(|k| same(k, &term)) {
                wrong.push(format!("{}: <dfn>{term}</dfn> is not in the glossary", page.path));
            }
        }
    }
    for term in &known {
        let places: Vec<(usize, usize)> = pages
            .iter()
            .enumerate()
            .flat_map(|(n, page)| explained(page).into_iter().map(move |(at, t)| (n, at, t)))
            .filter(|(.., t)| same(term, t))
            .map(|(n, at, _)| (n, at))
            .collect();
        let first = match places.as_slice() {
            [place] => *place,
            [] => {
                wrong.push(format!("the glossary's {term} is explained on no page (<dfn>)"));
                continue;
            }
            [_, (n, _), ..] => {
                wrong.push(format!("{}: {term} is explained a second time", pages[*n].path));
                continue;
            }
        };
        for (n, page) in pages.iter().enumerate().take(first.0 + 1) {
            let prose = without_glossary_links(page);
            let end = if n == first.0 { first.1 } else { prose.len() };
            if let Some(at) = find_word(&prose[..end], term) {
                let line = prose[..at].matches('\n').count() + 1;
                let where_ = &pages[first.0].path;
                wrong.push(format!(
                    "{}:{line}: {term} is used before it is explained in {where_}",
                    page.path
                ));
            }
        }
    }
    wrong
}

fn same(term: &str, other: &str) -> bool {
    let other = other.to_lowercase();
    let term = term.to_lowercase();
    other == term || other == format!("{term}s")
}

/// `<dfn>accept queue</dfn>`: where, and which term.
fn explained(page: &Page) -> Vec<(usize, String)> {
    let found = page.text.match_indices("<dfn>").filter_map(|(at, tag)| {
        let term = page.text[at + tag.len()..].split("</dfn>").next()?;
        Some((at, term.replace('\n', " ").trim_matches('`').to_string()))
    });
    found.collect()
}

/// The prose of a page; a word that links to the glossary explains itself.
fn without_glossary_links(page: &Page) -> String {
    let mut prose = page.prose();
    while let Some(end) = prose.find("](glossary.md").or_else(|| prose.find("](../glossary.md")) {
        let close = prose[end..].find(')').map_or(prose.len(), |n| end + n + 1);
        let open = prose[..end].rfind('[').unwrap_or(end);
        let blank: String =
            prose[open..close].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
        prose.replace_range(open..close, &blank);
    }
    prose
}

/// Where a term stands as a whole word, or in the plural.
fn find_word(text: &str, term: &str) -> Option<usize> {
    let lower = |c: char| c.to_ascii_lowercase();
    let text: String = text.chars().map(|c| if c == '\n' { ' ' } else { lower(c) }).collect();
    let term: String = term.chars().map(lower).collect();
    let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '-' && c != '_');
    let found = text.match_indices(&term).find(|(at, found)| {
        let rest = &text[at + found.len()..];
        let rest = rest.strip_prefix('s').filter(|r| edge(r.chars().next())).unwrap_or(rest);
        edge(text[..*at].chars().next_back()) && edge(rest.chars().next())
    });
    found.map(|(at, _)| at)
}

/// Source notes: each part, divided by semicolons, is in the list of sources, or
/// names a scenario of the lab or a file of the tests; every source is used.
pub fn sources(pages: &[Page], list: &str, exists: &dyn Fn(&str, &str) -> bool) -> Vec<String> {
    let known: Vec<String> = definitions(list).into_iter().map(|(name, _)| name).collect();
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    for page in pages.iter().filter(|p| p.path != "sources.md") {
        for note in page.text.split("*[").skip(1).filter_map(|t| t.split("]*").next()) {
            for part in note.split(';').map(str::trim) {
                let local =
                    part.split_once(": ").filter(|(kind, _)| matches!(*kind, "lab" | "test"));
                let good = match local {
                    Some((kind, name)) => exists(kind, name),
                    None => known.iter().any(|k| k.replace('`', "") == part),
                };
                if !good {
                    wrong.push(format!("{}: no such source: [{part}]", page.path));
                }
                used.insert(heading_id(part));
            }
        }
    }
    let idle = known.iter().filter(|name| !used.contains(&heading_id(name)));
    wrong.extend(idle.map(|name| format!("sources.md: no page uses {name}")));
    wrong
}

/// Tests that a page names, `so_is_it_called`, are functions of a file that the same
/// paragraph notes, `*[test: tests/FILE.rs]*`. `text` gives the text of a file.
pub fn named_tests(page: &Page, text: &dyn Fn(&str) -> String) -> Vec<String> {
    let mut wrong = Vec::new();
    for paragraph in page.text.split("\n\n") {
        let notes = paragraph.split("*[").skip(1).filter_map(|t| t.split("]*").next());
        let parts = notes.flat_map(|note| note.split(';'));
        let files: Vec<&str> =
            parts.filter_map(|part| part.trim().strip_prefix("test: ")).collect();
        let code = paragraph.split('`').skip(1).step_by(2);
        for name in code.filter(|name| is_name_of_a_test(name)) {
            let function = format!("fn {name}(");
            if !files.iter().any(|file| text(file).contains(&function)) {
                let noted = if files.is_empty() { "no file" } else { "files without it" };
                wrong.push(format!("{}: the test {name}: the note has {noted}", page.path));
            }
        }
    }
    wrong
}

/// A sentence of four words or more.
fn is_name_of_a_test(name: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let words: Vec<&str> = name.split('_').collect();
    words.len() > 4 && words.iter().all(|word| is_word(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLOSSARY: &str = "accept queue\n: Where connections wait.\n\nbacklog\n: How many.\n";
    const GOOD: &str = "An <dfn>accept queue</dfn> is. Its <dfn>backlog</dfn> is. Accept queues.";

    fn wrong(one: &str, two: &str) -> Vec<String> {
        terms(&[Page::new("a.md", one), Page::new("b.md", two)], GLOSSARY)
    }

    #[test]
    fn terms_are_explained_where_they_first_stand() {
        assert_eq!(wrong(GOOD, "The accept queue again."), Vec::<String>::new());
        assert_eq!(
            wrong("See [accept queue](glossary.md#accept-queue).", GOOD),
            Vec::<String>::new()
        );
        assert!(
            wrong("The accept\nqueues are. ", GOOD)[0].contains("a.md:1: accept queue is used")
        );
        assert!(wrong(&format!("Backlogs! {GOOD}"), "")[0].contains("backlog is used before"));
        assert!(wrong(GOOD, "<dfn>backlog</dfn>")[0].contains("a second time"));
        assert!(wrong(&GOOD.replace("dfn>backlog", "b>backlog"), "")[0].contains("on no page"));
        assert!(wrong(GOOD, "<dfn>socket</dfn>")[0].contains("not in the glossary"));
        assert_eq!(wrong("`backlog`, and a backlogged one", GOOD), Vec::<String>::new());
        let back = "b\n: x\n\na\n: y\n";
        let both = [Page::new("a.md", "<dfn>b</dfn> <dfn>a</dfn>")];
        assert!(terms(&both, back)[0].contains("not in order"));
    }

    #[test]
    fn every_note_has_a_source_and_every_source_a_note() {
        let list = "accept(2)\n: The manual.\n";
        let exists = |kind: &str, name: &str| (kind, name) == ("lab", "hello");
        let check = |text: &str| sources(&[Page::new("a.md", text)], list, &exists);
        assert_eq!(check("So. *[accept(2); lab: hello]*"), Vec::<String>::new());
        assert!(check("So. *[read(2); accept(2)]*")[0].contains("no such source: [read(2)]"));
        assert!(check("*[accept(2); lab: hallo]*")[0].contains("no such source"));
        assert!(check("*[]* *[accept(2)]*")[0].contains("no such source: []"));
        assert!(check("nothing")[0].contains("no page uses accept(2)"));
    }

    #[test]
    fn a_test_that_is_named_is_there() {
        let text = |file: &str| match file {
            "tests/x.rs" => "fn it_is_as_it_should_be() {}".to_string(),
            _ => String::new(),
        };
        let wrong = |page: &str| named_tests(&Page::new("a.md", page), &text).len();
        assert_eq!(wrong("`it_is_as_it_should_be` *[lab: hello; test: tests/x.rs]*"), 0);
        assert_eq!(wrong("`it_is_as_it_should_not_be` *[test: tests/x.rs]*"), 1);
        assert_eq!(wrong("`it_is_as_it_should_be` *[test: tests/y.rs]*"), 1);
        assert_eq!(wrong("`it_is_as_it_should_be`\n\n*[test: tests/x.rs]*"), 1);
        assert_eq!(wrong("`sk_stream_min_wspace` and `EPOLL_CTL_ADD`"), 0);
    }
}
