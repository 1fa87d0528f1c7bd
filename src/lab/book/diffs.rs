//! What changed from one stage to the next.

use std::path::Path;

use super::File;
use crate::lab::{Result, Stage};

/// The diff of each stage's `main.rs` against the one before it.
pub fn all(root: &Path) -> Result<Vec<File>> {
    let source = |stage: Stage| {
        std::fs::read_to_string(root.join("chapters").join(stage.name()).join("main.rs"))
    };
    let mut files = Vec::new();
    for pair in Stage::ALL.windows(2) {
        let text = between(&source(pair[0])?, &source(pair[1])?);
        let head = format!(
            "--- chapters/{}/main.rs\n+++ chapters/{}/main.rs\n",
            pair[0].name(),
            pair[1].name()
        );
        files.push(File::new(format!("diff/{}.diff", pair[1].short()), head + &text));
    }
    Ok(files)
}

/// The hunks of a unified diff, each headed by the item that it stands in. The
/// book's anchors are left out: they are no part of the program.
pub fn between(old: &str, new: &str) -> String {
    let [old, new] = [old, new].map(without_anchors);
    let patch = diffy::DiffOptions::new().set_context_len(2).create_patch(&old, &new);
    let mut out = String::new();
    for hunk in patch.hunks() {
        out.push_str(&format!("@@ {} @@\n", enclosing(&new, hunk.new_range().start())));
        for line in hunk.lines() {
            let (sign, text) = match line {
                diffy::Line::Context(text) => (' ', text),
                diffy::Line::Delete(text) => ('-', text),
                diffy::Line::Insert(text) => ('+', text),
            };
            out.push_str(&format!("{sign}{text}"));
        }
    }
    out
}

fn without_anchors(text: &str) -> String {
    let is_code = |line: &&str| !line.trim_start().starts_with("// ANCHOR");
    text.lines().filter(is_code).flat_map(|line| [line, "\n"]).collect()
}

/// The innermost function or type whose head stands above line `line`.
fn enclosing(text: &str, line: usize) -> &str {
    let head = |line: &&str| {
        let words = line.trim_start().trim_start_matches("pub ");
        ["fn ", "struct ", "enum ", "impl "].iter().any(|w| words.starts_with(w))
    };
    let above = text.lines().take(line).filter(head).last();
    above.map_or("top of the file", |head| head.trim().trim_end_matches([' ', '{']))
}

#[cfg(test)]
mod tests {
    use super::between;

    #[test]
    fn a_hunk_names_its_function_and_shows_no_anchor() {
        let old = "use a;\n\n// ANCHOR: f\nfn f() {\n    one();\n    two();\n    three();\n}\n";
        let new = "use a;\n\n// ANCHOR: g\nfn f() {\n    one();\n    2();\n    three();\n}\n";
        let hunk =
            "@@ fn f() @@\n fn f() {\n     one();\n-    two();\n+    2();\n     three();\n }\n";
        assert_eq!(between(old, new), hunk);
        assert_eq!(between(old, old), "");
    }
}
