//! Which plots are drawn of a run.

use super::data::{Cell, Run};
use super::figures::{bytes, plain, time};
use super::page;
use super::scenarios::{self, How, Scenario};
use super::sides::{Kind, NGINX, Side};
use super::stats::{self, Spread};
use super::svg::{self, Bar, Line};

/// A file's name and its text, for each plot that the run has figures for.
pub fn all(run: &Run) -> Vec<(String, String)> {
    let mut plots: Vec<(String, Option<String>)> = Vec::new();
    for name in run.scenarios() {
        let Some(scenario) = Scenario::find(name) else { continue };
        let title = format!("{name}: {}", scenario.title);
        match scenario.how {
            How::Load(load) if load.path.starts_with("/big") => {
                let about = "bytes/s: median, smallest and greatest";
                plots.push((name.into(), bar_plot(run, name, &title, about, "bytes_per_s", bytes)));
            }
            How::Load(_) => {
                let about = "requests/s: median, smallest and greatest; ratio to nginx in the same round; \
                             blue: the stages";
                plots.push((
                    name.into(),
                    bar_plot(run, name, &title, about, "requests_per_s", plain),
                ));
            }
            How::Rate => plots.push((name.into(), latency_plot(run, name, &title))),
            How::Idle => {
                let about = "resident memory for each idle connection";
                plots
                    .push((name.into(), bar_plot(run, name, &title, about, "memory_bytes", bytes)));
            }
            How::Calls => {
                let about = "system calls for each request";
                plots.push((name.into(), bar_plot(run, name, &title, about, "calls", plain)));
            }
        }
        if name == scenarios::HOME {
            let title = "What a request costs: keep-alive, 64 connections";
            let about = "server CPU in µs/request: median, smallest and greatest";
            plots.push(("cpu".into(), bar_plot(run, name, title, about, "cpu_us", plain)));
            let bars = bars_of(run, name, "cpu_us", plain);
            let unit = "µs of server CPU for each request";
            let plot = bars.map(|bars| page::bars("cpu-page", title, unit, plain, &bars));
            plots.push(("cpu-page".into(), plot));
        }
    }
    plots.retain(|(_, plot)| plot.is_some());
    plots.into_iter().filter_map(|(name, plot)| Some((format!("{name}.svg"), plot?))).collect()
}

fn is_stage(cell: &Cell) -> bool {
    Side::find(&cell.side).is_some_and(|side| side.kind == Kind::Stage)
}

fn bar_plot(
    run: &Run,
    scenario: &str,
    title: &str,
    about: &str,
    metric: &str,
    show: fn(f64) -> String,
) -> Option<String> {
    bars_of(run, scenario, metric, show).map(|bars| svg::bars(title, about, show, &bars))
}

/// A bar for each side that has figures, the longest first.
fn bars_of(run: &Run, scenario: &str, metric: &str, show: fn(f64) -> String) -> Option<Vec<Bar>> {
    let nginx = run.samples(scenario, NGINX);
    let bar = |cell: &Cell| {
        let spread = Spread::of_blocks(&stats::values(&cell.samples, metric))?;
        let ratio = Spread::of_blocks(&stats::ratios(&cell.samples, nginx, metric));
        let beside = ratio.filter(|_| cell.side != NGINX);
        let beside = beside.map_or(String::new(), |r| format!("  ({:.2} × nginx)", r.median));
        Some(Bar {
            label: cell.side.clone(),
            is_stage: is_stage(cell),
            median: spread.median,
            min: spread.min,
            max: spread.max,
            text: show(spread.median) + &beside,
        })
    };
    let mut bars: Vec<Bar> =
        run.cells.iter().filter(|c| c.scenario == scenario).filter_map(bar).collect();
    bars.sort_by(|a, b| b.median.total_cmp(&a.median));
    (!bars.is_empty()).then_some(bars)
}

fn latency_plot(run: &Run, scenario: &str, title: &str) -> Option<String> {
    let line = |cell: &Cell| {
        let metric = |name| Spread::of_blocks(&stats::values(&cell.samples, name));
        let percentiles =
            [metric("p50_us")?.median, metric("p99_us")?.median, metric("p999_us")?.median];
        let text = format!("p99 {}", time(percentiles[1]));
        Some(Line { label: cell.side.clone(), is_stage: is_stage(cell), percentiles, text })
    };
    let mut lines: Vec<Line> =
        run.cells.iter().filter(|c| c.scenario == scenario).filter_map(line).collect();
    lines.sort_by(|a, b| a.percentiles[1].total_cmp(&b.percentiles[1]));
    let about =
        "latency: p50 (full), p99 (ring), p99.9 (diamond); it counts from when a request was due";
    (!lines.is_empty()).then(|| svg::latencies(title, about, time, &lines))
}
