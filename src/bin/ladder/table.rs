//! The report as Markdown: a table for each scenario, one line for each side.

use std::fmt::Write as _;

use super::data::{Cell, Run};
use super::figures::{bytes, count, plain, ratio, share, time};
use super::scenarios::{How, Scenario};
use super::sides::NGINX;
use super::stats::{self, Spread};

/// A column: a metric, or its ratio to nginx's in the same round.
struct Column {
    metric: &'static str,
    head: &'static str,
    show: fn(f64) -> String,
    shape: Shape,
}

#[derive(PartialEq, Clone, Copy)]
enum Shape {
    Median,
    WithSpread,
    ToNginx,
}

const fn column(metric: &'static str, head: &'static str, show: fn(f64) -> String) -> Column {
    Column { metric, head, show, shape: Shape::Median }
}

const fn spread(metric: &'static str, head: &'static str, show: fn(f64) -> String) -> Column {
    Column { shape: Shape::WithSpread, ..column(metric, head, show) }
}

const fn to_nginx(metric: &'static str, head: &'static str) -> Column {
    Column { shape: Shape::ToNginx, ..column(metric, head, ratio) }
}

const LOAD: &[Column] = &[
    spread("requests_per_s", "requests/s", plain),
    to_nginx("requests_per_s", ": nginx"),
    column("p50_us", "p50", time),
    column("p99_us", "p99", time),
    column("p999_us", "p99.9", time),
    spread("cpu_us", "server CPU µs/request", plain),
    to_nginx("cpu_us", "CPU : nginx"),
    column("switches", "context switches/request", plain),
    column("own_wakeups", "main's wake-ups/request", plain),
    column("slow_per_s", "/slow answered/s", plain),
    column("idle_connections", "idle connections", count),
    column("generator_cpu", "wrk's own core", share),
];

const BYTES: &[Column] = &[
    spread("bytes_per_s", "bytes/s", bytes),
    to_nginx("bytes_per_s", ": nginx"),
    column("requests_per_s", "requests/s", plain),
    column("p50_us", "p50", time),
    column("p99_us", "p99", time),
    spread("cpu_us", "server CPU µs/request", plain),
    to_nginx("cpu_us", "CPU : nginx"),
];

const RATE: &[Column] = &[
    column("offered_per_s", "offered/s", plain),
    column("requests_per_s", "answered/s", plain),
    column("p50_us", "p50", time),
    spread("p99_us", "p99", time),
    to_nginx("p99_us", "p99 : nginx"),
    spread("p999_us", "p99.9", time),
    column("cpu_us", "server CPU µs/request", plain),
    column("switches", "context switches/request", plain),
];

const IDLE: &[Column] = &[
    column("memory_bytes", "memory/idle connection", bytes),
    column("idle_connections", "idle connections", count),
    column("idle_cpu_us", "CPU of an idle second", time),
    column("idle_sleeps", "wake-ups in an idle second", plain),
];

const CALLS: &[Column] = &[
    column("calls", "system calls/request", plain),
    column("waits", "of these: waits for events", plain),
    column("futex", "of these: futex", plain),
    column("own_calls", "sockets and queue, by its own trace, small load", plain),
];

fn columns(scenario: &Scenario) -> &'static [Column] {
    match scenario.how {
        How::Load(load) if load.path.starts_with("/big") => BYTES,
        How::Load(_) => LOAD,
        How::Rate => RATE,
        How::Idle => IDLE,
        How::Calls => CALLS,
    }
}

/// The whole report.
pub fn markdown(run: &Run) -> String {
    let mut text = format!("# The ladder, measured\n\n{}{LEGEND}", machine(run));
    for name in run.scenarios() {
        if let Some(scenario) = Scenario::find(name) {
            let _ = writeln!(text, "\n## {name}: {}\n", scenario.title);
            one(run, scenario, Reasons::InCells, &mut text);
        }
    }
    if !run.notes.is_empty() {
        text.push_str("\n## Notes\n\n");
        list(&run.notes, &mut text);
    }
    answers(run, &mut text);
    text
}

/// The parts of it that a page may want alone: where it was measured, and the table
/// of each scenario. A file's name and its text.
pub fn parts(run: &Run) -> Vec<(String, String)> {
    let table = |name| {
        let mut text = String::new();
        one(run, Scenario::find(name)?, Reasons::Below, &mut text);
        Some((format!("{name}.md"), text))
    };
    let tables = run.scenarios().into_iter().filter_map(table);
    std::iter::once(("machine.md".into(), machine(run))).chain(tables).collect()
}

fn machine(run: &Run) -> String {
    run.machine.iter().map(|(name, value)| format!("- {name}: {value}\n")).collect()
}

const LEGEND: &str = "
Each figure is the median of its rounds (of several blocks: the middle one), in brackets the
smallest and the greatest. `: nginx` is the ratio to nginx *in the same round*: the machine drifts
between rounds, a ratio does not. Latencies under full load are those of a closed loop, and say
more about the scheduler than about the server; compare them in `rate`. wrk has one thread:
near 100 % of `wrk's own core` it is the generator that is measured, whoever answers. An idle connection has
asked once before, where the server keeps it; else it has said nothing yet. A line of words says
why there are no figures.
";

/// Where it stands why a side has no figures: a page is narrow, and below the table
/// one line serves all sides of one reason.
#[derive(PartialEq, Clone, Copy)]
enum Reasons {
    InCells,
    Below,
}

fn one(run: &Run, scenario: &Scenario, reasons: Reasons, text: &mut String) {
    let cells: Vec<&Cell> = run.cells.iter().filter(|c| c.scenario == scenario.name).collect();
    let measured = |c: &Column| {
        cells.iter().any(|cell| !stats::values(&cell.samples, c.metric).is_empty())
            && (c.shape != Shape::ToNginx || !run.samples(scenario.name, NGINX).is_empty())
    };
    let columns: Vec<&Column> = columns(scenario).iter().filter(|c| measured(c)).collect();
    let heads: Vec<&str> = columns.iter().map(|c| c.head).collect();
    let heads = if heads.is_empty() { vec!["figures"] } else { heads };
    let _ = writeln!(text, "| | {} |", heads.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(heads.len()));
    let mut remarks = Vec::new();
    let mut without: Vec<(String, Vec<&str>)> = Vec::new();
    for cell in &cells {
        if let (true, Reasons::Below) = (cell.samples.is_empty(), reasons) {
            let why = cell.note.as_deref().unwrap_or("not measured").trim_start_matches("– ");
            match without.iter_mut().find(|(known, _)| known == why) {
                Some((_, sides)) => sides.push(&cell.side),
                None => without.push((why.to_string(), vec![&cell.side])),
            }
            continue;
        }
        let figures: Vec<String> = match (cell.samples.is_empty(), &cell.note) {
            (true, why) => {
                let why = why.as_deref().unwrap_or("not measured").to_string();
                std::iter::once(why).chain(heads.iter().skip(1).map(|_| String::new())).collect()
            }
            (false, note) => {
                remarks.extend(note.iter().map(|note| format!("{}: {note}", cell.side)));
                columns.iter().map(|c| figure(run, cell, c)).collect()
            }
        };
        let _ = writeln!(text, "| {} | {} |", cell.side, figures.join(" | "));
        let errors: f64 = stats::values(&cell.samples, "errors").iter().map(|(_, n)| n).sum();
        if errors > 0.0 {
            remarks.push(format!("{}: {errors} connections failed or timed out", cell.side));
        }
    }
    remarks.extend(without.iter().map(|(why, sides)| format!("{}: {why}", sides.join(", "))));
    if !remarks.is_empty() {
        text.push('\n');
        list(&remarks, text);
    }
}

fn list(lines: &[String], text: &mut String) {
    for line in lines {
        let _ = writeln!(text, "- {line}");
    }
}

fn figure(run: &Run, cell: &Cell, column: &Column) -> String {
    let values = match column.shape {
        Shape::ToNginx if cell.side == NGINX => return "1".into(),
        Shape::ToNginx => {
            let nginx = run.samples(&cell.scenario, NGINX);
            stats::ratios(&cell.samples, nginx, column.metric)
        }
        _ => stats::values(&cell.samples, column.metric),
    };
    match Spread::of_blocks(&values) {
        None => "–".into(),
        Some(Spread { median, min, max }) if column.shape != Shape::Median && min < max => {
            let show = column.show;
            format!("{} ({}–{})", show(median), show(min), show(max))
        }
        Some(spread) => (column.show)(spread.median),
    }
}

fn answers(run: &Run, text: &mut String) {
    text.push_str("\n## What each side answers to `GET /`\n");
    for (side, answer) in &run.answers {
        let _ = writeln!(text, "\n{side}, {} bytes:\n\n```text", answer.len());
        for line in answer.lines() {
            let _ = writeln!(text, "{line}");
        }
        text.push_str("```\n");
    }
}
