//! The pause that does not end.

use super::build::{as_soon_as_there_is_room, come_back};
use super::idle;
use crate::workshop::{Attempt, Finding, Step, Verdict};
use common::lab::Result;

pub(super) const STEPS: &[Step] = &[
    Step { title: "the pause ends by itself", check: ends },
    Step { title: "and sooner, if there is room", check: as_soon_as_there_is_room },
];

/// What was seen of this hunt's bug; what it means is the hunter's to find, and the last
/// hint's to tell. What other mistakes are is told.
fn ends(a: &Attempt) -> Result<Verdict> {
    if let Some(finding) = idle(a)? {
        return Ok(finding.into());
    }
    Ok(match come_back(a)? {
        Verdict::Failed(finding) if is_the_bug(&finding) => {
            Finding { mistake: String::new(), ..finding }.into()
        }
        verdict => verdict,
    })
}

fn is_the_bug(finding: &Finding) -> bool {
    finding.seen.contains("0 events") || finding.seen.contains("without a limit")
}
