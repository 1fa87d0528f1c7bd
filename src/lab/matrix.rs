//! The matrix: what each stage can do, and how it fails at what it cannot.

use std::fmt::Write;

use super::scenarios::{ALL, Expected, Scenario, Seen};
use super::{Play, Result, Stage, trouble};

/// Plays one cell and compares it with what is expected.
///
/// # Errors
/// The run could not be finished, or it showed something else.
pub fn check(scenario: &Scenario, play: &Play) -> Result<Seen> {
    let seen = (scenario.run)(play)?;
    let as_expected = match (&seen, scenario.expected_of(play.stage)) {
        (Seen::Works(_), Expected::Works) => true,
        (Seen::Fails(how, _), Expected::Fails(expected)) => *how == expected,
        _ => false,
    };
    match as_expected {
        true => Ok(seen),
        false => trouble(format!("expected {:?}, seen: {seen}", scenario.expected_of(play.stage))),
    }
}

/// The table as Markdown. Its cells are the expectations that the tests hold
/// against the real servers, one by one.
pub fn markdown() -> String {
    let mut out = String::from(
        "<!-- Generated from the lab's scenarios. To renew it: cargo run --bin lab -- matrix -->\n\n",
    );
    let mut notes: Vec<&str> = vec!["shown on Linux only"];
    out.push_str("| behaviour |");
    Stage::ALL.iter().for_each(|s| out.push_str(&format!(" {} |", s.short())));
    out.push_str("\n|---|---|---|---|---|---|---|---|\n");
    for scenario in ALL {
        let _ = write!(out, "| {} |", scenario.title);
        for expected in scenario.expected {
            let cell = match expected {
                Expected::Works => "works".to_string(),
                Expected::WorksOnLinux => "works <sup>1</sup>".to_string(),
                Expected::Fails(how) => format!("**fails**: {how}"),
                Expected::No(reason) => {
                    let n = notes.iter().position(|r| *r == reason).unwrap_or_else(|| {
                        notes.push(reason);
                        notes.len() - 1
                    });
                    format!("– <sup>{}</sup>", n + 1)
                }
            };
            let _ = write!(out, " {cell} |");
        }
        out.push('\n');
    }
    out.push('\n');
    for (n, reason) in notes.iter().enumerate() {
        let _ = writeln!(out, "{}. {reason}", n + 1);
    }
    out
}
