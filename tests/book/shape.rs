//! The shape of a page: its sections, its opening, callouts and tabs.

use crate::pages::Page;

/// The sections of a chapter, in order.
pub const CHAPTER: [&str; 9] = [
    "See it fail",
    "Predict",
    "The system calls",
    "The code",
    "Watch it run",
    "What it still cannot do",
    "In production",
    "Exercises",
    "Recap",
];

/// The sections of a page about one call.
pub const CALL: [&str; 5] = [
    "The signature",
    "What the kernel does",
    "Errors, and how to cause them",
    "Where systems differ",
    "In our code",
];

/// The callouts that there are.
const CALLOUTS: [&str; 4] = ["kernel", "pitfall", "try", "predict"];

/// Words and lines of code that a reader takes in within a minute.
const WORDS: usize = 200;
const LINES: usize = 25;

pub fn sections(page: &Page) -> Vec<String> {
    let wanted: &[&str] = match (page.is_chapter(), page.is_call()) {
        (true, _) => &CHAPTER,
        (_, true) => &CALL,
        _ => return Vec::new(),
    };
    let headings = page.headings();
    let found: Vec<&str> = headings
        .iter()
        .filter(|(level, ..)| *level == 2)
        .map(|(_, text, _)| text.as_str())
        .collect();
    if found == wanted {
        Vec::new()
    } else {
        vec![format!("{}: its sections are {found:?}, not {wanted:?}", page.path)]
    }
}

/// A chapter opens with its reading time and with what the reader can do
/// afterwards. `included` counts the lines that its includes bring in.
pub fn opening(page: &Page, included: usize) -> Vec<String> {
    if !page.is_chapter() {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    let lede =
        page.text.split("<div class=\"lede\">").nth(1).and_then(|t| t.split("</div>").next());
    let Some(lede) = lede else { return vec![format!("{}: it has no lede", page.path)] };
    if !lede.contains("Afterwards you can") {
        wrong.push(format!("{}: the lede does not say: Afterwards you can …", page.path));
    }
    let code: usize = page.blocks().iter().map(|block| block.lines.len()).sum();
    let minutes = page.prose().split_whitespace().count() / WORDS + (code + included) / LINES;
    let minutes = minutes.max(1).next_multiple_of(5);
    if !lede.contains(&format!("About {minutes} minutes")) {
        wrong.push(format!("{}: by its length the lede says: About {minutes} minutes", page.path));
    }
    wrong
}

/// Callouts are of a known kind; what a *kernel* callout says has a source.
/// Tabs show both kernels.
pub fn boxes(page: &Page) -> Vec<String> {
    let mut wrong = Vec::new();
    for piece in page.text.split("<div class=\"callout").skip(1) {
        let kind = piece.split('"').next().unwrap_or_default().trim();
        let inside = piece.split("</div>").next().unwrap_or_default();
        if !CALLOUTS.contains(&kind) {
            wrong.push(format!("{}: there is no callout {kind:?}", page.path));
        }
        if !piece.split('>').next().unwrap_or_default().contains("role=\"note\"") {
            wrong.push(format!("{}: a {kind} callout without role=\"note\"", page.path));
        }
        if !inside.contains("\n\n**") {
            wrong.push(format!(
                "{}: a {kind} callout opens with a blank line and **words**",
                page.path
            ));
        }
        if kind == "kernel" && !inside.contains("*[") {
            wrong.push(format!(
                "{}: a kernel callout without a source: {}",
                page.path,
                inside.trim()
            ));
        }
    }
    for piece in page.text.split("<div class=\"tabs\">").skip(1) {
        let piece = piece.split("<!-- /tabs -->").next().unwrap_or_default();
        let names: Vec<&str> =
            piece.split("data-tab=\"").skip(1).filter_map(|p| p.split('"').next()).collect();
        if names != ["kqueue", "epoll"] {
            wrong.push(format!(
                "{}: tabs are kqueue and epoll and end with <!-- /tabs -->: {names:?}",
                page.path
            ));
        }
        if piece.matches("<p class=\"tab-name\">").count() != 2 {
            wrong.push(format!("{}: each tab begins with <p class=\"tab-name\">", page.path));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_section_is_found() {
        let whole: String = CHAPTER.iter().map(|s| format!("## {s}\n")).collect();
        assert_eq!(sections(&Page::new("ch02.md", &whole)), Vec::<String>::new());
        assert_eq!(sections(&Page::new("ch02.md", &whole.replace("## Recap\n", ""))).len(), 1);
        assert_eq!(sections(&Page::new("calls/read.md", "## The signature\n")).len(), 1);
        assert_eq!(sections(&Page::new("start.md", "")), Vec::<String>::new());
    }

    #[test]
    fn the_reading_time_is_counted() {
        let words = "word ".repeat(1300);
        let lede = |n| {
            format!(
                "<div class=\"lede\">\n\nAbout {n} minutes. Afterwards you can …\n\n</div>\n{words}"
            )
        };
        assert_eq!(opening(&Page::new("ch02.md", &lede(10)), 0), Vec::<String>::new());
        assert_eq!(opening(&Page::new("ch02.md", &lede(5)), 0).len(), 1);
        assert_eq!(opening(&Page::new("ch02.md", &lede(10)), 200).len(), 1);
        assert_eq!(opening(&Page::new("ch02.md", "no lede"), 0).len(), 1);
    }

    #[test]
    fn bad_boxes_are_found() {
        let good = "<div class=\"callout kernel\" role=\"note\">\n\n**Now.** *[read(2)]*\n\n</div>";
        let page = |text: &str| boxes(&Page::new("ch02.md", text));
        assert_eq!(page(good), Vec::<String>::new());
        assert_eq!(page(&good.replace("*[read(2)]*", "")).len(), 1);
        assert_eq!(page(&good.replace("kernel", "warning")).len(), 1);
        assert_eq!(page(&good.replace(" role=\"note\"", "")).len(), 1);
        assert_eq!(page(&good.replace("\n\n**Now.**", "**Now.**")).len(), 1);
        let tab =
            |name| format!("<div class=\"tab\" data-tab=\"{name}\">\n<p class=\"tab-name\">x</p>");
        let tabs = |a, b| format!("<div class=\"tabs\">\n{}\n{}<!-- /tabs -->", tab(a), tab(b));
        assert_eq!(page(&tabs("kqueue", "epoll")), Vec::<String>::new());
        assert_eq!(page(&tabs("kqueue", "kqueue")).len(), 1);
        assert_eq!(page(&tabs("kqueue", "epoll").replace("tab-name", "x")).len(), 1);
    }
}
