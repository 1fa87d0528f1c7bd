//! The pristine truth of an exercise: its start, its solution and its wrong
//! answers, as patches; and its text.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Exercise, Kind};
use common::lab::{Result, Trouble, trouble};

/// A version of an exercise's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// What the learner is given.
    Start,
    /// What passes.
    Solution,
    /// A plausible wrong answer, by its slug.
    Wrong(&'static str),
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Exercise {
    /// Its name within the chapter: `build`, `hunt-hot`.
    pub fn short(&self) -> &'static str {
        self.name.split_once('-').map_or(self.name, |(_, short)| short)
    }

    /// The learner's file, from the root of the repository.
    pub fn file(&self) -> PathBuf {
        let name = match self.kind {
            Kind::Build => "exercise.rs".to_string(),
            _ => self.short().replace('-', "_") + ".rs",
        };
        Path::new("chapters").join(self.stage.name()).join(name)
    }

    /// Its text, from the root of the repository.
    pub fn text_file(&self) -> PathBuf {
        self.beside(".md")
    }

    fn beside(&self, end: &str) -> PathBuf {
        let folder = Path::new("chapters").join(self.stage.name()).join("exercises");
        folder.join(format!("{}{end}", self.short()))
    }

    /// The task, and the hints in order.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn text(&self) -> Result<(String, Vec<String>)> {
        let text = read(&self.text_file())?;
        let mut parts = text.split("\n## Hint ");
        let task = parts.next().unwrap_or_default();
        let marks = |line: &&str| !line.trim_start().starts_with("<!--");
        let plain = |part: &str| part.lines().filter(marks).collect::<Vec<_>>().join("\n");
        // "1\n\nThe text": the number is known.
        let hints = parts.map(|part| part.split_once('\n').map_or(part, |(_, hint)| hint));
        Ok((
            plain(task).trim().to_string(),
            hints.map(|hint| plain(hint).trim().to_string()).collect(),
        ))
    }

    /// The source of a version.
    ///
    /// # Errors
    /// A patch is missing, or does not apply any more.
    pub fn source(&self, version: Version) -> Result<String> {
        let main = read(&Path::new("chapters").join(self.stage.name()).join("main.rs"))?;
        let source = match version {
            Version::Start => patched(&main, &self.beside(".start.patch"))?,
            Version::Solution => self.solution(&main)?,
            Version::Wrong(slug) => {
                let solution = self.solution(&main)?;
                let patch = self.beside(&format!(".wrong-{slug}.patch"));
                patched(&solution, &patch).or_else(|_| patched(&plain(&solution), &patch))?
            }
        };
        Ok(plain(&source))
    }

    /// What passes is the chapter's own program, unless a patch says otherwise.
    fn solution(&self, main: &str) -> Result<String> {
        match self.has_own_solution() {
            true => patched(main, &self.beside(".solution.patch")),
            false => Ok(main.to_string()),
        }
    }

    /// The solution is not the chapter's `main.rs`.
    pub fn has_own_solution(&self) -> bool {
        root().join(self.beside(".solution.patch")).exists()
    }
}

/// Whether the book has this page and section: `ch03.html#the-code`.
pub fn page_exists(page: &str) -> bool {
    let (name, section) = page.split_once('#').unwrap_or((page, ""));
    let Ok(text) = read(&source_of(name)) else { return false };
    section.is_empty() || heading(&text, section).is_some()
}

/// The same place as a reader of the source finds it: `book/src/ch03.md, section "The code"`.
pub fn place_in_book(page: &str) -> String {
    let (name, section) = page.split_once('#').unwrap_or((page, ""));
    let file = source_of(name);
    let text = read(&file).unwrap_or_default();
    match heading(&text, section) {
        Some(heading) => format!("{}, section \"{heading}\"", file.display()),
        None => file.display().to_string(),
    }
}

/// The source of a page of the book, from the root of the repository.
fn source_of(page: &str) -> PathBuf {
    Path::new("book/src").join(page).with_extension("md")
}

/// The heading to which a link's `#section` goes.
fn heading<'a>(text: &'a str, section: &str) -> Option<&'a str> {
    let slug = |heading: &str| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
    };
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let mut headings = headings.map(|line| line.trim_start_matches('#').trim());
    headings.find(|heading| slug(heading) == section)
}

/// Without the marks by which the book includes lines: they are not the learner's.
fn plain(source: &str) -> String {
    let is_mark = |line: &&str| line.trim_start().starts_with("// ANCHOR");
    source.lines().filter(|line| !is_mark(line)).map(|line| format!("{line}\n")).collect()
}

fn patched(source: &str, patch: &Path) -> Result<String> {
    let text = read(patch)?;
    let said = |e: &dyn std::fmt::Display| Trouble(format!("{}: {e}", patch.display()));
    let parsed = diffy::Patch::from_str(&text).map_err(|e| said(&e))?;
    diffy::apply(source, &parsed).map_err(|e| said(&e))
}

fn read(path: &Path) -> Result<String> {
    match fs::read_to_string(root().join(path)) {
        Ok(text) => Ok(text),
        Err(error) => trouble(format!("cannot read {}: {error}", path.display())),
    }
}
