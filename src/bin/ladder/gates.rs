//! The gates and goals: what the last stage has to reach, and what it aims at.

use std::fmt::Write as _;

use super::data::Run;
use super::figures::{bytes, ratio};
use super::scenarios::Scenario;
use super::sides::{NGINX, Side};
use super::stats::{self, Spread};

/// A side in a scenario.
type Place = (&'static str, &'static str);

/// What is compared.
enum Compare {
    /// A metric of one place to that of another, in the same round.
    Ratio(&'static str, Place, Place),
    /// The first ratio to the second, in the same round.
    Ratios(&'static str, [Place; 2], [Place; 2]),
    /// A metric as it is.
    Value(&'static str, Place),
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// A line of the table. A gate must be passed; a goal is reported.
struct Gate {
    name: &'static str,
    is_gate: bool,
    compare: Compare,
    bound: Bound,
}

const fn gate(name: &'static str, compare: Compare, bound: Bound) -> Gate {
    Gate { name, is_gate: true, compare, bound }
}

const fn goal(name: &'static str, compare: Compare, bound: Bound) -> Gate {
    Gate { name, is_gate: false, compare, bound }
}

const CH07: &str = "ch07_full";
const REQUESTS: &str = "requests_per_s";

const ALL: &[Gate] = &[
    gate(
        "requests/s, ch07_full : nginx",
        Compare::Ratio(REQUESTS, ("keep-64", CH07), ("keep-64", NGINX)),
        Bound::AtLeast(1.10),
    ),
    gate(
        "server CPU per request, ch07_full : nginx",
        Compare::Ratio("cpu_us", ("keep-64", CH07), ("keep-64", NGINX)),
        Bound::AtMost(1.00),
    ),
    gate(
        "requests/s, ch07_full : hyper",
        Compare::Ratio(REQUESTS, ("keep-64", CH07), ("keep-64", "hyper")),
        Bound::AtLeast(1.30),
    ),
    gate(
        "requests/s, ch07_full : the floor",
        Compare::Ratio(REQUESTS, ("keep-64", CH07), ("keep-64", "floor")),
        Bound::AtLeast(0.90),
    ),
    gate(
        "requests/s, --workers 4 : --workers 1",
        Compare::Ratio(REQUESTS, ("keep-64", "ch07_w4"), ("keep-64", "ch07_w1")),
        Bound::AtLeast(0.95),
    ),
    gate(
        "requests/s, among 10,000 idle : without them",
        Compare::Ratio(REQUESTS, ("among-idle", CH07), ("keep-64", CH07)),
        Bound::AtLeast(0.95),
    ),
    gate(
        "requests/s, pipelined ×16, ch07_full : nginx",
        Compare::Ratio(REQUESTS, ("pipelined", CH07), ("pipelined", NGINX)),
        Bound::AtLeast(1.50),
    ),
    goal(
        "requests/s, 512 : 64 connections, ch07_full's : nginx's",
        Compare::Ratios(
            REQUESTS,
            [("keep-512", CH07), ("keep-64", CH07)],
            [("keep-512", NGINX), ("keep-64", NGINX)],
        ),
        Bound::AtLeast(1.00),
    ),
    goal(
        "p99 at the fixed rate, ch07_full : nginx",
        Compare::Ratio("p99_us", ("rate", CH07), ("rate", NGINX)),
        Bound::AtMost(1.00),
    ),
    goal(
        "requests/s, a connection each, ch07_full : nginx",
        Compare::Ratio(REQUESTS, ("connections", CH07), ("connections", NGINX)),
        Bound::AtLeast(1.00),
    ),
    goal(
        "bytes/s of 1 MiB answers, ch07_full : nginx",
        Compare::Ratio("bytes_per_s", ("big", CH07), ("big", NGINX)),
        Bound::AtLeast(1.00),
    ),
    goal(
        "p99 at full load, ch07_full : nginx",
        Compare::Ratio("p99_us", ("keep-64", CH07), ("keep-64", NGINX)),
        Bound::AtMost(0.75),
    ),
    goal(
        "memory of an idle connection, bytes",
        Compare::Value("memory_bytes", ("idle", CH07)),
        Bound::AtMost(400.0),
    ),
];

/// Measured beside, for the page: where the generator is the limit, the floor shows it.
const BESIDE: &[Place] = &[("keep-512", "floor")];

impl Compare {
    fn places(&self) -> Vec<Place> {
        match self {
            Compare::Ratio(_, of, to) => vec![*of, *to],
            Compare::Ratios(_, ours, theirs) => [*ours, *theirs].concat(),
            Compare::Value(_, place) => vec![*place],
        }
    }

    fn measured(&self, run: &Run) -> Option<Spread> {
        let at = |(scenario, side): Place| run.samples(scenario, side);
        let values = match self {
            Compare::Ratio(metric, of, to) => stats::ratios(at(*of), at(*to), metric),
            Compare::Value(metric, place) => stats::values(at(*place), metric),
            Compare::Ratios(metric, ours, theirs) => {
                let as_samples =
                    |[of, to]: [Place; 2]| stats::ratio_samples(at(of), at(to), metric);
                stats::ratios(&as_samples(*ours), &as_samples(*theirs), metric)
            }
        };
        Spread::of_blocks(&values)
    }
}

/// What has to be measured for the table: each pair once, in the order of the sides.
pub fn pairs() -> Vec<(&'static Scenario, &'static Side)> {
    let mut pairs: Vec<(&'static Scenario, &'static Side)> = Vec::new();
    let compared = ALL.iter().flat_map(|g| g.compare.places());
    for (scenario, side) in compared.chain(BESIDE.iter().copied()) {
        let known = pairs.iter().any(|(s, i)| s.name == scenario && i.name == side);
        if let (false, Some(scenario), Some(side)) =
            (known, Scenario::find(scenario), Side::find(side))
        {
            pairs.push((scenario, side));
        }
    }
    pairs
}

/// The table as Markdown, and whether every gate is passed. What was not measured
/// is not passed.
pub fn table(run: &Run) -> (String, bool) {
    let mut text =
        String::from("| | what is compared | to reach | measured | |\n|---|---|---|---|---|\n");
    let mut all_passed = true;
    for gate in ALL {
        let is_bytes = matches!(gate.compare, Compare::Value(..));
        let show = if is_bytes { bytes } else { ratio };
        let measured = gate.compare.measured(run);
        let passed = measured.map(|m| match gate.bound {
            Bound::AtLeast(bound) => m.median >= bound,
            Bound::AtMost(bound) => m.median <= bound,
        });
        all_passed &= !gate.is_gate || passed == Some(true);
        let bound = match gate.bound {
            Bound::AtLeast(bound) => format!("≥ {}", show(bound)),
            Bound::AtMost(bound) => format!("≤ {}", show(bound)),
        };
        let figure = match measured {
            Some(m) => format!("{} ({}–{})", show(m.median), show(m.min), show(m.max)),
            None => format!("not measured{}", why(run, &gate.compare)),
        };
        let verdict = match (passed, gate.is_gate) {
            (Some(true), _) => "passed",
            (Some(false), true) => "**FAILED**",
            (Some(false), false) => "not reached",
            (None, _) => "–",
        };
        let kind = if gate.is_gate { "gate" } else { "goal" };
        let _ = writeln!(text, "| {kind} | {} | {bound} | {figure} | {verdict} |", gate.name);
    }
    (text, all_passed)
}

/// The first reason that a cell of the comparison gives.
fn why(run: &Run, compare: &Compare) -> String {
    let note = |(scenario, side): Place| Some((side, run.cell(scenario, side)?.note.clone()?));
    let first = compare.places().into_iter().find_map(note);
    first.map_or(String::new(), |(side, note)| format!(" ({side}: {note})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Sample;

    fn measured(run: &mut Run, place: Place, metric: &str, figures: &[f64]) {
        let cell = run.cell_mut(place.0, place.1);
        for (i, figure) in figures.iter().enumerate() {
            let values = [(metric.to_string(), *figure)].into();
            cell.samples.push(Sample { block: 1, round: i + 1, values });
        }
    }

    #[test]
    fn every_place_of_the_table_exists_and_can_be_measured() {
        let places: Vec<Place> = ALL.iter().flat_map(|g| g.compare.places()).collect();
        for (scenario, side) in places {
            let found = Scenario::find(scenario).expect(scenario);
            assert_eq!(found.refusal(Side::find(side).expect(side)), None, "{scenario} {side}");
        }
        assert_eq!(
            pairs().iter().filter(|(s, i)| s.name == "keep-64" && i.name == CH07).count(),
            1
        );
    }

    #[test]
    fn a_gate_is_passed_by_the_median_of_the_rounds_ratios() {
        let mut run = Run::default();
        measured(&mut run, ("keep-64", CH07), REQUESTS, &[120.0, 60.0, 11.0]);
        measured(&mut run, ("keep-64", NGINX), REQUESTS, &[100.0, 50.0, 10.0]);
        let line = |run: &Run| {
            let (text, passed) = table(run);
            let line = text.lines().find(|l| l.contains("requests/s, ch07_full : nginx"));
            (line.expect("the line").to_string(), passed)
        };
        let (said, passed) = line(&run);
        assert!(said.ends_with("| ≥ 1.10 | 1.20 (1.10–1.20) | passed |"), "{said}");
        assert!(!passed, "other gates were not measured");

        let mut run = Run::default();
        measured(&mut run, ("keep-64", CH07), REQUESTS, &[109.0]);
        measured(&mut run, ("keep-64", NGINX), REQUESTS, &[100.0]);
        assert!(line(&run).0.ends_with("| **FAILED** |"));
    }

    #[test]
    fn all_gates_passed_is_passed_whatever_the_goals_do() {
        let mut run = Run::default();
        measured(&mut run, ("keep-64", CH07), REQUESTS, &[200.0]);
        for side in [NGINX, "hyper", "floor", "ch07_w1", "ch07_w4"] {
            measured(&mut run, ("keep-64", side), REQUESTS, &[100.0]);
        }
        measured(&mut run, ("among-idle", CH07), REQUESTS, &[200.0]);
        measured(&mut run, ("pipelined", CH07), REQUESTS, &[151.0]);
        measured(&mut run, ("pipelined", NGINX), REQUESTS, &[100.0]);
        run.cell_mut("keep-64", CH07).samples[0].values.insert("cpu_us".into(), 9.0);
        run.cell_mut("keep-64", NGINX).samples[0].values.insert("cpu_us".into(), 10.0);
        let (text, passed) = table(&run);
        assert!(passed, "{text}");
    }

    #[test]
    fn what_was_not_measured_says_why() {
        let mut run = Run::default();
        run.cell_mut("keep-64", NGINX).note = Some("nginx is not installed".into());
        let (text, passed) = table(&run);
        assert!(!passed && text.contains("not measured (nginx: nginx is not installed)"), "{text}");
    }
}
