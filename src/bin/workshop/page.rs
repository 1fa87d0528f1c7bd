//! What stands in the terminal: prose wrapped to its width, colour if it has any.

use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};

/// How wide prose gets, at most: longer lines are hard to read.
const WIDEST: usize = 100;

/// How wide it is where nobody can say.
const USUAL: usize = 80;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Prose.
    Plain,
    /// A heading.
    Bold,
    /// It passed.
    Good,
    /// It did not.
    Bad,
    /// Of less weight.
    Dim,
}

/// Where it is written.
pub struct Page {
    width: usize,
    colour: bool,
    out: io::Stdout,
}

impl Page {
    /// Stdout, whatever it is: on a terminal in colour (unless `NO_COLOR` is set)
    /// and as wide as that is.
    pub fn new() -> Page {
        let out = io::stdout();
        let is_terminal = out.is_terminal();
        let colour = is_terminal && std::env::var_os("NO_COLOR").is_none();
        let width = if is_terminal { terminal_width() } else { None };
        Page { width: width.unwrap_or(USUAL).max(20), colour, out }
    }

    /// How wide it is.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One line as it is.
    pub fn line(&mut self, text: &str) {
        self.toned(Tone::Plain, text);
    }

    /// One line, in a tone.
    pub fn toned(&mut self, tone: Tone, text: &str) {
        let code = match tone {
            _ if !self.colour => "",
            Tone::Plain => "",
            Tone::Bold => "\x1b[1m",
            Tone::Good => "\x1b[32m",
            Tone::Bad => "\x1b[31m",
            Tone::Dim => "\x1b[2m",
        };
        let end = if code.is_empty() { "" } else { "\x1b[0m" };
        // A closed stdout (`… | head`) is no error of ours.
        let _ = writeln!(self.out.lock(), "{code}{text}{end}");
    }

    /// Prose behind a label, wrapped and indented below it.
    pub fn prose(&mut self, tone: Tone, label: &str, text: &str) {
        let narrow = self.width < 50;
        let indent = if narrow { 2.min(label.len()) } else { label.chars().count() };
        let room = self.width.min(WIDEST).saturating_sub(indent).max(10);
        let mut lines = wrap(text, room).into_iter();
        if narrow && !label.trim().is_empty() {
            self.toned(tone, label.trim_end());
        } else {
            let first = lines.next().unwrap_or_default();
            self.toned(tone, &format!("{label}{first}"));
        }
        for line in lines {
            self.toned(tone, &format!("{:indent$}{line}", ""));
        }
    }

    /// A text of Markdown: paragraphs and items of lists wrapped, blocks of code as
    /// they are.
    pub fn markdown(&mut self, text: &str) {
        let mut block = String::new();
        let mut in_code = false;
        for line in text.lines() {
            if line.starts_with("```") {
                self.block(&mut block);
                in_code = !in_code;
            } else if in_code || (block.is_empty() && line.starts_with("    ")) {
                self.line(&format!("    {}", line.strip_prefix("    ").unwrap_or(line)));
            } else if line.trim().is_empty() {
                self.block(&mut block);
                self.line("");
            } else {
                if marker(line).is_some() {
                    self.block(&mut block);
                }
                block += line;
                block.push('\n');
            }
        }
        self.block(&mut block);
    }

    /// A paragraph or an item, which is then empty.
    fn block(&mut self, block: &mut String) {
        let (mark, text) = block.split_at(marker(block).unwrap_or(0));
        // Words that a line's end has parted come together.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = plain(&text).replace("on this page", "on the book's page");
        if !text.is_empty() {
            self.prose(Tone::Plain, mark, &text);
        }
        block.clear();
    }

    /// A line of a trace. One that is too long is continued below, indented; no word
    /// is broken.
    pub fn code(&mut self, tone: Tone, text: &str) {
        let text = text.trim_end();
        if text.chars().count() + 2 <= self.width {
            return self.toned(tone, &format!("  {text}"));
        }
        let room = self.width.saturating_sub(6).max(10);
        for (n, line) in wrap(text, room).into_iter().enumerate() {
            let indent = if n == 0 { 2 } else { 6 };
            self.toned(tone, &format!("{:indent$}{line}", ""));
        }
    }
}

/// How long the mark of an item of a list is, at the beginning of a line: `- `, `12. `.
fn marker(line: &str) -> Option<usize> {
    let (mark, _) = line.split_once(' ')?;
    let number = mark.strip_suffix('.').unwrap_or_default();
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    (mark == "-" || is_number).then_some(mark.len() + 1)
}

/// Without the marks of Markdown that a terminal does not show; what stands between
/// backquotes keeps its own.
fn plain(text: &str) -> String {
    let mut rest = String::new();
    let mut code = false;
    for c in text.chars() {
        code ^= c == '`';
        if c != '`' && (code || c != '*') {
            rest.push(c);
        }
    }
    let mut out = String::new();
    // [text](link) is the text.
    while let Some(middle) = rest.find("](") {
        let Some(open) = rest[..middle].rfind('[') else { break };
        let Some(close) = rest[middle..].find(')').map(|at| middle + at) else { break };
        out += &rest[..open];
        out += &rest[open + 1..middle];
        rest = rest[close + 1..].to_string();
    }
    out + &rest
}

fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// The terminal knows; stty asks it (the terminal is its stdin).
fn terminal_width() -> Option<usize> {
    let mut stty = Command::new("stty");
    let asked = stty.arg("size").stdin(Stdio::inherit()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(asked.stdout).ok()?;
    text.split_whitespace().nth(1)?.parse().ok().filter(|width| *width > 0)
}

#[cfg(test)]
mod tests {
    use super::{marker, plain};

    #[test]
    fn marks_of_markdown_are_no_words() {
        assert_eq!(
            plain("**Build it.** See `a * b` and [the *book*](ch01.md)."),
            "Build it. See a * b and the book."
        );
        assert_eq!(plain("`&answer[written..]` of [1]"), "&answer[written..] of [1]");
    }

    #[test]
    fn an_item_begins_with_its_mark() {
        assert_eq!(
            (marker("- one"), marker("12. two"), marker("in 2. words")),
            (Some(2), Some(4), None)
        );
        assert_eq!((marker("*Be found.* Give"), marker("-1 is")), (None, None));
    }
}
