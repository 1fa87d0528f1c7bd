//! Links from page to page, and to places within pages.

use std::collections::HashMap;

use crate::includes::resolve;
use crate::pages::Page;

/// Dead links. `has` says whether `book/src` holds a file that is no page.
pub fn check(pages: &[Page], has: &dyn Fn(&str) -> bool) -> Vec<String> {
    let ids: HashMap<&str, Vec<String>> =
        pages.iter().map(|p| (p.path.as_str(), p.ids())).collect();
    let mut wrong = Vec::new();
    for page in pages {
        let own = page.ids();
        if let Some(twice) = own.iter().find(|id| own.iter().filter(|o| o == id).count() > 1) {
            wrong.push(format!("{}: two places are called #{twice}", page.path));
        }
        for target in targets(page) {
            if target.starts_with("https://") || target.starts_with("http://127.0.0.1") {
                continue;
            }
            let (file, id) =
                target.split_once('#').map_or((target.as_str(), None), |(f, i)| (f, Some(i)));
            let path = match file {
                "" => page.path.clone(),
                file => resolve(&page.path, file).trim_start_matches("book/src/").to_string(),
            };
            match (ids.get(path.as_str()), id) {
                (Some(_), None) => {}
                (Some(ids), Some(id)) if ids.iter().any(|i| i == id) => {}
                (Some(_), Some(_)) => wrong.push(format!("{}: no such place: {target}", page.path)),
                (None, _) if has(&path) => {}
                (None, _) => wrong.push(format!("{}: no such page: {target}", page.path)),
            }
        }
    }
    wrong
}

/// What the links of a page point to; code has none.
fn targets(page: &Page) -> Vec<String> {
    let mut text = String::new();
    let mut fenced = false;
    for line in page.text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced {
            // Every second piece between backticks is code.
            line.split('`').step_by(2).for_each(|piece| text.push_str(&format!("{piece}\u{2063}")));
            text.push('\n');
        }
    }
    let mut out = Vec::new();
    for (open, close) in [("](", ')'), ("href=\"", '"'), ("src=\"", '"')] {
        let pieces = text.split(open).skip(1);
        out.extend(pieces.filter_map(|piece| piece.split(close).next()).map(String::from));
    }
    out
}

#[test]
fn dead_links_are_found() {
    let check = |text: &str| {
        let pages = [Page::new("a.md", text), Page::new("calls/b.md", "## There\n")];
        check(&pages, &|path| path == "pictures/x.svg")
    };
    for good in [
        "[b](calls/b.md)",
        "[b](calls/b.md#there)",
        "## Here\n[h](#here)",
        "<img src=\"pictures/x.svg\">",
        "`[no](link.md)`",
        "[web](https://example.org)",
    ] {
        assert_eq!(check(good), Vec::<String>::new(), "{good}");
    }
    for dead in [
        "[b](b.md)",
        "[b](calls/b.md#here)",
        "[h](#here)",
        "<a href=\"c.md\">",
        "## A\n## B\n<i id=\"a\">",
    ] {
        assert_eq!(check(dead).len(), 1, "{dead}");
    }
    let up = [Page::new("calls/b.md", "[a](../a.md)"), Page::new("a.md", "x")];
    assert_eq!(super::links::check(&up, &|_| false), Vec::<String>::new());
}
