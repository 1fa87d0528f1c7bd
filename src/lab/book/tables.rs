//! Tables: what each stage mends and still cannot do; which calls it makes.

use std::fmt::Write;
use std::path::Path;

use super::File;
use crate::lab::scenarios::{ALL, Expected, Scenario};
use crate::lab::{Result, Stage, matrix, trouble};

const CELLS: &str = "<!-- Generated from the lab's scenarios: cargo run --bin lab -- book -->\n\n";

/// The whole matrix, and for each stage the cells that turned green with it and
/// those that are still red.
pub fn matrices() -> Vec<File> {
    let mut files = vec![File::new("matrix.md", matrix::markdown())];
    for pair in Stage::ALL.windows(2) {
        let name = format!("matrix/{}-mends.md", pair[1].short());
        files.push(File::new(name, mends(pair[0], pair[1])));
    }
    for stage in Stage::ALL {
        files.push(File::new(format!("matrix/{}-fails.md", stage.short()), fails(stage)));
    }
    files
}

fn works(expected: Expected) -> bool {
    matches!(expected, Expected::Works | Expected::WorksOnLinux)
}

fn mends(before: Stage, stage: Stage) -> String {
    let mut out = format!(
        "{CELLS}| behaviour | {} | {} | see it |\n|---|---|---|---|\n",
        before.short(),
        stage.short()
    );
    let mut any = false;
    for s in ALL {
        if let (Expected::Fails(how), true) =
            (s.expected[before as usize], works(s.expected[stage as usize]))
        {
            let _ = writeln!(out, "| {} | **fails**: {how} | works | {} |", s.title, see(s, stage));
            any = true;
        }
    }
    if any { out } else { format!("{CELLS}No cell of the table turns green with this stage.\n") }
}

fn fails(stage: Stage) -> String {
    let mut out =
        format!("{CELLS}| behaviour | how it fails | works from | see it |\n|---|---|---|---|\n");
    let mut any = false;
    for s in ALL {
        if let Expected::Fails(how) = s.expected[stage as usize] {
            let later = Stage::ALL[stage as usize..].iter();
            let mended = later.copied().find(|l| works(s.expected[*l as usize]));
            let mended = mended.map_or("never", Stage::short);
            let _ = writeln!(out, "| {} | {how} | {mended} | {} |", s.title, see(s, stage));
            any = true;
        }
    }
    if any { out } else { format!("{CELLS}Nothing in the table is red any more.\n") }
}

fn see(scenario: &Scenario, stage: Stage) -> String {
    format!("`lab run {} --stage {}`", scenario.name, stage.short())
}

/// How often each call is made while two clients ask one question each: counted
/// in the recorded runs of the scenario `hello`.
pub fn counts(generated: &Path, queue: &str) -> Result<File> {
    let mut rows: Vec<(String, [usize; 7])> = Vec::new();
    for stage in Stage::ALL {
        let suffix = if stage.has_queue() { format!(".{queue}") } else { String::new() };
        // A run of which pages show parts, too, is kept as a part of its own.
        let name = format!("{}-hello-trace", stage.short());
        let path = |part: &str| generated.join(format!("run/{name}{part}{suffix}.txt"));
        let Some(text) = ["", "-all"].iter().find_map(|p| std::fs::read_to_string(path(p)).ok())
        else {
            return trouble(format!("{name}{suffix} is missing"));
        };
        for call in text.lines().filter_map(call_of) {
            let row = match rows.iter().position(|(name, _)| name == call) {
                Some(row) => row,
                None => {
                    rows.push((call.to_string(), [0; 7]));
                    rows.len() - 1
                }
            };
            rows[row].1[stage as usize] += 1;
        }
    }
    let mut out = String::from(
        "<!-- Counted in the recorded runs of hello: cargo run --bin lab -- book -->\n\n| call |",
    );
    Stage::ALL.iter().for_each(|s| out.push_str(&format!(" {} |", s.short())));
    out.push_str("\n|---|--:|--:|--:|--:|--:|--:|--:|\n");
    let mut all = [0; 7];
    for (call, counts) in &rows {
        let _ = write!(out, "| `{call}` |");
        for (n, count) in counts.iter().enumerate() {
            all[n] += count;
            let _ = write!(out, " {} |", if *count == 0 { "–".into() } else { count.to_string() });
        }
        out.push('\n');
    }
    out.push_str("| all |");
    all.iter().for_each(|count| out.push_str(&format!(" {count} |")));
    out.push('\n');
    Ok(File::new(format!("counts.{queue}.md"), out))
}

/// The call that a line of a trace shows. Asking in vain (EAGAIN of a loop that
/// never sleeps) differs from run to run and is not counted.
fn call_of(line: &str) -> Option<&str> {
    let call = line.strip_prefix("       [")?.split_once("] ")?.1;
    let name = call.split('(').next()?;
    let is_call = call.contains(") = ") && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_call && !call.contains(" EAGAIN")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::call_of;

    #[test]
    fn calls_are_told_from_everything_else() {
        assert_eq!(call_of("       [main] read(4, 16384) = 29 \"GET / HTTP/1.1…\""), Some("read"));
        assert_eq!(call_of("       [main] read(4, 16384) = -1 EAGAIN"), None);
        assert_eq!(call_of("       [main] blocked in: read 4"), None);
        assert_eq!(call_of("       [main] -- 9 more turns of: read(4, 1) = -1 EAGAIN"), None);
        assert_eq!(call_of("  A    gets 200 with 12 bytes"), None);
    }
}
