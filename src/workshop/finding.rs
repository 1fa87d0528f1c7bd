//! What a step has found, in words for the learner.

use std::fmt;

use super::attempt::show;
use common::lab::{self, Record};

/// How a step went.
#[derive(Debug)]
pub enum Verdict {
    /// As it should; and what shows it.
    Passed(String),
    /// Not yet.
    Failed(Finding),
}

/// Why a step fails. Plain words, second person, no blame.
#[derive(Debug, Default)]
pub struct Finding {
    /// What the check did: `A connects and says nothing; B asks for /.`
    pub did: String,
    /// What a right program does then.
    pub expected: String,
    /// What yours did.
    pub seen: String,
    /// What this usually is; nothing where the learner is to find it out (a hunt).
    pub mistake: String,
    /// The lines of the trace that show it.
    pub trace: Vec<String>,
    /// The page and section of the book, if not the exercise's own: `ch03.html#the-code`.
    pub page: &'static str,
}

impl Finding {
    /// What was done, expected and seen.
    pub fn new(
        did: impl Into<String>,
        expected: impl Into<String>,
        seen: impl Into<String>,
    ) -> Finding {
        Finding {
            did: did.into(),
            expected: expected.into(),
            seen: seen.into(),
            ..Finding::default()
        }
    }

    /// What it usually is.
    pub fn usually(self, mistake: impl Into<String>) -> Finding {
        Finding { mistake: mistake.into(), ..self }
    }

    /// These records show it.
    pub fn shown_by<'a>(mut self, records: impl IntoIterator<Item = &'a Record>) -> Finding {
        self.trace.extend(records.into_iter().map(show));
        self
    }

    /// These lines show it.
    pub fn lines(mut self, lines: impl IntoIterator<Item = String>) -> Finding {
        self.trace.extend(lines);
        self
    }

    /// Where the book explains it.
    pub fn page(self, page: &'static str) -> Finding {
        Finding { page, ..self }
    }

    /// Whether these words stand in it.
    pub fn says(&self, words: &str) -> bool {
        [&self.did, &self.expected, &self.seen, &self.mistake].iter().any(|t| t.contains(words))
            || self.trace.iter().any(|line| line.contains(words))
    }
}

impl From<Finding> for Verdict {
    fn from(finding: Finding) -> Verdict {
        Verdict::Failed(finding)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "did:      {}", self.did)?;
        writeln!(f, "expected: {}", self.expected)?;
        writeln!(f, "seen:     {}", self.seen)?;
        if !self.mistake.is_empty() {
            writeln!(f, "usually:  {}", self.mistake)?;
        }
        self.trace.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// A step that passed.
///
/// # Errors
/// None; it is a check's last expression.
pub fn passed(what: impl Into<String>) -> lab::Result<Verdict> {
    Ok(Verdict::Passed(what.into()))
}

/// A step that failed.
///
/// # Errors
/// None; it is a check's last expression.
pub fn failed(finding: Finding) -> lab::Result<Verdict> {
    Ok(Verdict::Failed(finding))
}
