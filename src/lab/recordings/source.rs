//! The source text behind a recorded line, and whether it is still the same.

use std::fs;
use std::path::Path;

use crate::lab::{Result, Stage, Trouble, trouble};

/// A piece of source text: one anchored block, or the function around a line
/// that lies in no anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The file, as a record's `at` names it.
    pub file: String,
    /// The anchor; of a function without one, `fn NAME`.
    pub name: String,
    /// The number of its first line.
    pub first: usize,
    /// Its lines.
    pub text: String,
}

impl Block {
    /// The innermost block around a line.
    ///
    /// # Errors
    /// There is no such file or line; the line holds no code; nothing encloses it.
    pub fn around(file: &str, line: usize) -> Result<Block> {
        let text = read(file)?;
        let lines: Vec<&str> = text.lines().collect();
        let here = format!("{file}:{line}");
        if line == 0 || line > lines.len() || !is_code(lines[line - 1]) {
            return trouble(format!("{here} was recorded, and there is no code in that line"));
        }
        let (name, first, last) = anchor_around(&lines, line)
            .or_else(|| function_around(&lines, line))
            .ok_or_else(|| Trouble(format!("{here} lies in no anchor and in no function")))?;
        let text = lines[first - 1..last].join("\n");
        Ok(Block { file: file.to_string(), name, first, text })
    }

    /// Whether the line lies in it.
    pub fn holds(&self, file: &str, line: usize) -> bool {
        let last = self.first + self.text.lines().count();
        self.file == file && (self.first..last).contains(&line)
    }

    /// Whether the sources still have this block, comments and blank lines aside.
    ///
    /// # Errors
    /// What has become of it.
    pub fn check(&self) -> Result<()> {
        let text = read(&self.file)?;
        let lines: Vec<&str> = text.lines().collect();
        let found = (1..=lines.len()).find_map(|line| {
            let (name, first, last) = match self.name.starts_with("fn ") {
                true => function_around(&lines, line)?,
                false => anchor_around(&lines, line)?,
            };
            (name == self.name && code(&lines[first - 1..last].join("\n")) == code(&self.text))
                .then_some(())
        });
        found.ok_or_else(|| {
            Trouble(format!("{}#{} is no longer what was recorded", self.file, self.name))
        })
    }
}

/// The innermost anchor around a line: its name, first and last line.
fn anchor_around(lines: &[&str], line: usize) -> Option<(String, usize, usize)> {
    let mut open: Vec<(&str, usize)> = Vec::new();
    for (i, text) in lines[..line].iter().enumerate() {
        if let Some((_, name)) = text.split_once("ANCHOR: ") {
            open.push((name, i + 2));
        } else if let Some((_, name)) = text.split_once("ANCHOR_END: ") {
            open.retain(|(other, _)| *other != name);
        }
    }
    let (name, first) = open.pop()?;
    let end = lines
        .iter()
        .position(|text| text.split_once("ANCHOR_END: ").is_some_and(|(_, n)| n == name))?;
    Some((name.to_string(), first, end))
}

/// The function around a line, as rustfmt indents it, with what is said above it.
fn function_around(lines: &[&str], line: usize) -> Option<(String, usize, usize)> {
    let is_head = |text: &str| {
        text.trim_start()
            .trim_start_matches("pub(super) ")
            .trim_start_matches("pub(crate) ")
            .trim_start_matches("pub ")
            .starts_with("fn ")
    };
    let head = (1..=line).rev().find(|n| is_head(lines[n - 1]))?;
    let indent = lines[head - 1].len() - lines[head - 1].trim_start().len();
    let closing = format!("{}}}", " ".repeat(indent));
    let last = (head..=lines.len()).find(|n| lines[n - 1] == closing)?;
    if last < line {
        return None;
    }
    let name = lines[head - 1].split_once("fn ")?.1.split(['(', '<']).next()?;
    Some((format!("fn {name}"), head, last))
}

fn is_code(line: &str) -> bool {
    !line.trim().is_empty() && !line.trim_start().starts_with("//")
}

/// A text without comments and blank lines.
fn code(text: &str) -> String {
    text.lines().filter(|line| is_code(line)).map(str::trim).collect::<Vec<_>>().join("\n")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(root().join(file)).map_err(|e| Trouble(format!("cannot read {file}: {e}")))
}

/// A hash (FNV-1a) of the sources on which a run of this stage depends:
/// its chapter and the common module, without lab, tests, comments, blank lines,
/// and without the other kernel's half of the queue.
///
/// # Errors
/// A source cannot be read.
pub fn hash(stage: Stage, queue: &str) -> Result<String> {
    let mut files = Vec::new();
    collect(&format!("chapters/{}", stage.name()), &mut files)?;
    collect("src", &mut files)?;
    files.sort();
    let other = if queue == "epoll" { "kqueue.rs" } else { "epoll.rs" };
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for file in files.iter().filter(|file| !file.ends_with(other)) {
        for byte in format!("{file}\n{}\n", code(&read(file)?)).bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    Ok(format!("{hash:016x}"))
}

fn collect(dir: &str, files: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(root().join(dir))?.flatten() {
        let path = format!("{dir}/{}", entry.file_name().to_string_lossy());
        let aside = ["src/lab", "src/bin"].contains(&path.as_str()) || path.contains("tests");
        if aside || crate::lab::is_of_the_workshop(&path) {
            continue;
        }
        if entry.path().is_dir() {
            collect(&path, files)?;
        } else if path.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}
