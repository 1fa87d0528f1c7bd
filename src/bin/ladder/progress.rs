//! How far the run is: a line that changes on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::figures::{plain, time};

/// Tells on stderr what is being done.
#[derive(Debug)]
pub struct Progress {
    is_terminal: bool,
    steps: usize,
    done: usize,
    since: Instant,
    now: String,
}

impl Progress {
    pub fn new() -> Progress {
        Progress {
            is_terminal: io::stderr().is_terminal(),
            steps: 0,
            done: 0,
            since: Instant::now(),
            now: String::new(),
        }
    }

    /// So many measurements are to come.
    pub fn begin(&mut self, steps: usize) {
        (self.steps, self.done) = (steps, 0);
    }

    /// Something worth a line of its own.
    pub fn say(&mut self, what: &str) {
        self.clear();
        eprintln!("{what}");
    }

    /// A measurement begins.
    pub fn step(&mut self, block: usize, round: usize, scenario: &str, side: &str) {
        if self.done == 0 {
            self.since = Instant::now();
        }
        self.now = format!("block {block} round {round}: {scenario} {side}");
        if self.is_terminal {
            let bar = bar(self.done, self.steps);
            let left = remaining(self.since.elapsed(), self.done, self.steps);
            self.clear();
            eprint!("{bar} {}/{}{left} {}", self.done, self.steps, self.now);
            let _ = io::stderr().flush();
        }
        self.done += 1;
    }

    /// What it has brought.
    pub fn result(&mut self, values: &BTreeMap<String, f64>) {
        let shown = [
            ("requests_per_s", plain as fn(f64) -> String, " requests/s"),
            ("p99_us", time, " p99"),
            ("cpu_us", plain, " µs CPU/request"),
            ("memory_bytes", plain, " bytes/idle connection"),
            ("calls", plain, " calls/request"),
        ];
        let figures: Vec<String> = shown
            .iter()
            .filter_map(|(name, show, unit)| Some(show(*values.get(*name)?) + unit))
            .collect();
        let line = format!("{}: {}", self.now, figures.join(", "));
        self.say(&line);
    }

    /// Nothing more comes.
    pub fn end(&mut self) {
        self.clear();
    }

    fn clear(&self) {
        if self.is_terminal {
            eprint!("\r\x1b[K");
        }
    }
}

fn bar(done: usize, of: usize) -> String {
    let full = (done * 20).checked_div(of).unwrap_or(0).min(20);
    format!("[{}{}]", "█".repeat(full), "░".repeat(20 - full))
}

fn remaining(passed: Duration, done: usize, of: usize) -> String {
    if done == 0 {
        return String::new();
    }
    let left = passed.as_secs_f64() / done as f64 * of.saturating_sub(done) as f64;
    match left as u64 {
        60.. => format!(", about {:.0} min left,", left / 60.0),
        seconds => format!(", about {seconds} s left,"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_and_never_overflows() {
        assert_eq!(bar(0, 10), format!("[{}]", "░".repeat(20)));
        assert_eq!(bar(5, 10), format!("[{}{}]", "█".repeat(10), "░".repeat(10)));
        assert_eq!(bar(11, 10), format!("[{}]", "█".repeat(20)));
        assert_eq!(bar(0, 0), format!("[{}]", "░".repeat(20)));
    }

    #[test]
    fn what_is_left_goes_by_what_has_passed() {
        assert_eq!(remaining(Duration::from_secs(5), 0, 10), "");
        assert_eq!(remaining(Duration::from_secs(10), 2, 10), ", about 40 s left,");
        assert_eq!(remaining(Duration::from_secs(60), 1, 11), ", about 10 min left,");
    }
}
