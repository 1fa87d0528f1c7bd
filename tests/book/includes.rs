//! Includes and anchors. mdBook shows a missing anchor as an empty block and
//! says nothing.

use std::collections::BTreeSet;

use crate::pages::Page;

/// A file, and the anchor if one is named.
pub type Used = BTreeSet<(String, Option<String>)>;

/// What a page includes, and what is wrong with it. `read` gives the text of a
/// file by its path from the root of the repository.
pub fn check(page: &Page, read: &dyn Fn(&str) -> Option<String>) -> (Used, Vec<String>) {
    let mut used = Used::new();
    let mut wrong = Vec::new();
    for directive in page.text.split("{{#").skip(1) {
        let directive = directive.split("}}").next().unwrap_or_default();
        let Some(target) = directive.strip_prefix("include ") else {
            wrong.push(format!("{}: only include is used here: {directive}", page.path));
            continue;
        };
        let (file, anchor) = match target.trim().split_once(':') {
            Some((file, anchor)) => (file, Some(anchor)),
            None => (target.trim(), None),
        };
        let path = resolve(&page.path, file);
        let complain = |what: &str| format!("{}: {{{{#{directive}}}}}: {what}", page.path);
        match (read(&path), anchor) {
            (None, _) => wrong.push(complain("there is no such file")),
            (Some(text), None) if text.trim().is_empty() => wrong.push(complain("it is empty")),
            (Some(_), Some(a)) if a.starts_with(|c: char| c.is_ascii_digit()) => {
                wrong.push(complain("line numbers move; name an anchor"));
            }
            (Some(text), Some(a)) => match anchored(&text, a) {
                None => wrong.push(complain("there is no such anchor, or it does not end")),
                Some(part) if part.trim().is_empty() => wrong.push(complain("it is empty")),
                Some(_) => {}
            },
            (Some(_), None) => {}
        }
        used.insert((path, anchor.map(String::from)));
    }
    (used, wrong)
}

/// `../../chapters/x.rs` in `book/src/ch01.md` is `chapters/x.rs`.
pub fn resolve(page: &str, file: &str) -> String {
    let page = format!("book/src/{page}");
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The lines of an anchor, without the marks of others inside it.
pub fn anchored(text: &str, name: &str) -> Option<String> {
    let mut out = None::<String>;
    for line in text.lines() {
        match mark(line) {
            Some((true, found)) if found == name => out = Some(String::new()),
            Some((false, found)) if found == name => return out,
            Some(_) => {}
            None => {
                if let Some(out) = &mut out {
                    out.push_str(line);
                    out.push('\n');
                }
            }
        }
    }
    None
}

/// `// ANCHOR: name`, or in a page `<!-- ANCHOR: name -->` → `(true, name)`.
fn mark(line: &str) -> Option<(bool, &str)> {
    let line = line.trim();
    let in_page = || line.strip_prefix("<!-- ")?.strip_suffix(" -->");
    let comment = line.strip_prefix("// ").or_else(in_page)?;
    match comment.strip_prefix("ANCHOR: ") {
        Some(name) => Some((true, name)),
        None => comment.strip_prefix("ANCHOR_END: ").map(|name| (false, name)),
    }
}

/// Anchors in the sources that no page includes; `later` are those whose page
/// is not written yet. A name in `later` that is used, or is gone, is wrong.
pub fn unused(sources: &[(String, String)], used: &Used, later: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut waiting = BTreeSet::new();
    for (path, text) in sources {
        for (_, name) in text.lines().filter_map(mark).filter(|(begins, _)| *begins) {
            let key = format!("{path}:{name}");
            let is_used = used.contains(&(path.clone(), Some(name.to_string())));
            match (is_used, later.contains(&key.as_str())) {
                (true, true) => wrong.push(format!("{key} is used now: take it from the list")),
                (false, false) => wrong.push(format!("no page includes {key}")),
                (false, true) => {
                    waiting.insert(key);
                }
                (true, false) => {}
            }
        }
    }
    let gone = later.iter().filter(|key| {
        let known = |(path, text): &(String, String)| {
            key.strip_prefix(&format!("{path}:")).is_some_and(|a| anchored(text, a).is_some())
        };
        !sources.iter().any(known)
    });
    wrong.extend(gone.map(|key| format!("{key} is on the list, and there is no such anchor")));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str =
        "// ANCHOR: a\nfn a() {}\n// ANCHOR_END: a\n// ANCHOR: e\n// ANCHOR_END: e\n";

    fn wrong_in(text: &str) -> Vec<String> {
        let read = |path: &str| match path {
            "src/x.rs" => Some(CODE.to_string()),
            "src/empty.rs" => Some("\n".to_string()),
            _ => None,
        };
        check(&Page::new("ch01.md", text), &read).1
    }

    #[test]
    fn a_good_include_is_good() {
        assert_eq!(wrong_in("{{#include ../../src/x.rs:a}}"), Vec::<String>::new());
        assert_eq!(wrong_in("{{#include ../../src/x.rs}}"), Vec::<String>::new());
    }

    #[test]
    fn bad_includes_are_found() {
        for (text, why) in [
            ("{{#include ../../src/y.rs:a}}", "no such file"),
            ("{{#include ../../src/x.rs:b}}", "no such anchor"),
            ("{{#include ../../src/x.rs:e}}", "is empty"),
            ("{{#include ../../src/empty.rs}}", "is empty"),
            ("{{#include ../../src/x.rs:1:3}}", "line numbers"),
            ("{{#playground ../../src/x.rs}}", "only include"),
        ] {
            let wrong = wrong_in(text);
            assert!(wrong.len() == 1 && wrong[0].contains(why), "{text}: {wrong:?}");
        }
    }

    #[test]
    fn unused_anchors_and_an_old_list_are_found() {
        let sources = [("src/x.rs".to_string(), "// ANCHOR: a\nx\n// ANCHOR_END: a\n".to_string())];
        let none = Used::new();
        let some = Used::from([("src/x.rs".to_string(), Some("a".to_string()))]);
        assert!(unused(&sources, &none, &[])[0].contains("no page includes"));
        assert!(unused(&sources, &some, &["src/x.rs:a"])[0].contains("is used now"));
        assert!(unused(&sources, &some, &["src/x.rs:b"])[0].contains("no such anchor"));
        assert_eq!(unused(&sources, &none, &["src/x.rs:a"]), Vec::<String>::new());
        assert_eq!(unused(&sources, &some, &[]), Vec::<String>::new());
    }
}
