//! Plots as SVG, by hand: bars with their spread, and latencies on a logarithmic
//! axis. The colours follow the reader's light or dark, by CSS inside the file.

use std::fmt::Write as _;

/// Width of a plot, of its labels at the left, and of the room for figures at the right.
const WIDTH: f64 = 720.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 165.0;
const TOP: f64 = 64.0;
const ROW: f64 = 26.0;

const STYLE: &str = "
  svg { color-scheme: light dark; --surface: #fcfcfb; --ink: #1c1c1a; --faint: #62615c; --line: #dddcd6; --stage: #2a78d6; --peer: #8c8b85 }
  @media (prefers-color-scheme: dark) {
    svg { --surface: #1a1a19; --ink: #f2f1ec; --faint: #b0afa8; --line: #3a3a37; --stage: #4a94ea; --peer: #85847e }
  }
  text { font: 13px system-ui, sans-serif; fill: var(--ink) }
  .title { font-size: 15px; font-weight: 600 }
  .faint { fill: var(--faint); font-size: 12px }
  .surface { fill: var(--surface) }
  .grid { stroke: var(--line) }
  .spread { stroke: var(--ink); stroke-width: 1.5 }
  .stage { fill: var(--stage); stroke: var(--stage) }
  .peer { fill: var(--peer); stroke: var(--peer) }
  .hollow { fill: var(--surface); stroke-width: 2 }
  .through { stroke-width: 2 }
";

/// A bar: a side, its median, its spread, what stands beside it.
#[derive(Debug, Clone)]
pub struct Bar {
    pub label: String,
    pub is_stage: bool,
    pub median: f64,
    pub min: f64,
    pub max: f64,
    pub text: String,
}

/// Three latencies of a side, in microseconds.
#[derive(Debug, Clone)]
pub struct Line {
    pub label: String,
    pub is_stage: bool,
    pub percentiles: [f64; 3],
    pub text: String,
}

fn class(is_stage: bool) -> &'static str {
    if is_stage { "stage" } else { "peer" }
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The frame: size, style, title, what it shows.
fn begin(title: &str, about: &str, rows: usize) -> String {
    let height = TOP + ROW * rows as f64 + 34.0;
    let (title, about) = (escape(title), escape(about));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n\
         <style>{STYLE}</style>\n\
         <rect class=\"surface\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n\
         <text class=\"title\" x=\"16\" y=\"26\">{title}</text>\n\
         <text class=\"faint\" x=\"16\" y=\"46\">{about}</text>\n"
    )
}

fn label(svg: &mut String, row: usize, text: &str) -> f64 {
    let y = TOP + ROW * row as f64 + ROW / 2.0;
    let (x, baseline) = (LEFT - 10.0, y + 4.5);
    let text = escape(text);
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{baseline}\" text-anchor=\"end\">{text}</text>");
    y
}

fn grid(svg: &mut String, x: f64, rows: usize, text: &str) {
    let (top, bottom) = (TOP - 4.0, TOP + ROW * rows as f64 + 2.0);
    let _ = writeln!(
        svg,
        "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>\
         <text class=\"faint\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
        bottom + 16.0
    );
}

/// Horizontal bars from zero, with the spread as a line across each.
pub fn bars(title: &str, about: &str, show: fn(f64) -> String, bars: &[Bar]) -> String {
    let mut svg = begin(title, about, bars.len());
    let most = bars.iter().map(|b| b.max).fold(0.0, f64::max);
    let step = round_step(most / 4.0);
    let end = (most / step).ceil().max(1.0) * step;
    let x = |value: f64| LEFT + value / end * (WIDTH - LEFT - RIGHT);
    let mut mark = 0.0;
    while mark <= end * 1.0001 {
        grid(&mut svg, x(mark), bars.len(), &escape(&show(mark)));
        mark += step;
    }
    for (row, bar) in bars.iter().enumerate() {
        let y = label(&mut svg, row, &bar.label);
        let _ = writeln!(
            svg,
            "<rect class=\"{}\" stroke=\"none\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"14\" rx=\"2\"/>",
            class(bar.is_stage),
            y - 7.0,
            x(bar.median) - LEFT
        );
        if bar.min < bar.max {
            let (from, to) = (x(bar.min), x(bar.max));
            let _ = writeln!(
                svg,
                "<path class=\"spread\" d=\"M{from:.1} {y:.1}H{to:.1}M{from:.1} {0:.1}v6M{to:.1} {0:.1}v6\"/>",
                y - 3.0
            );
        }
        let (at, baseline) = (x(bar.max) + 8.0, y + 4.5);
        let text = escape(&bar.text);
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{baseline:.1}\">{text}</text>");
    }
    svg + "</svg>\n"
}

/// p50, p99 and p99.9 of each side on a logarithmic axis.
pub fn latencies(title: &str, about: &str, show: fn(f64) -> String, lines: &[Line]) -> String {
    let mut svg = begin(title, about, lines.len());
    let all = || lines.iter().flat_map(|l| l.percentiles).map(|v| v.max(1.0));
    let low = all().fold(f64::INFINITY, f64::min).log10().floor();
    let high = all().fold(0.0, f64::max).log10().ceil().max(low + 1.0);
    let x = |us: f64| LEFT + (us.max(1.0).log10() - low) / (high - low) * (WIDTH - LEFT - RIGHT);
    let mut power = low;
    while power <= high {
        let us = 10f64.powf(power);
        grid(&mut svg, x(us), lines.len(), &escape(&show(us)));
        power += 1.0;
    }
    for (row, line) in lines.iter().enumerate() {
        let y = label(&mut svg, row, &line.label);
        let class = class(line.is_stage);
        let [p50, p99, p999] = line.percentiles.map(x);
        let _ = writeln!(
            svg,
            "<g class=\"{class}\"><path class=\"through\" d=\"M{p50:.1} {y:.1}H{p999:.1}\"/>\
             <circle cx=\"{p50:.1}\" cy=\"{y:.1}\" r=\"5\"/>\
             <circle class=\"hollow\" cx=\"{p99:.1}\" cy=\"{y:.1}\" r=\"5\"/>\
             <path class=\"hollow\" d=\"M{:.1} {y:.1}l6 -6l6 6l-6 6z\"/></g>",
            p999 - 6.0
        );
        let (at, baseline) = (p999 + 14.0, y + 4.5);
        let text = escape(&line.text);
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{baseline:.1}\">{text}</text>");
    }
    svg + "</svg>\n"
}

/// The next of 1, 2, 5, 10, 20 … from `value` on.
pub fn round_step(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1e-6).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|s| s * power >= value * 0.999);
    step.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_the_axis_are_round() {
        for (value, step) in [(1.0, 1.0), (1.2, 2.0), (21_000.0, 50_000.0), (0.3, 0.5), (7.0, 10.0)]
        {
            assert!((round_step(value) - step).abs() < step * 1e-9, "{value}");
        }
    }

    #[test]
    fn a_bar_is_as_long_as_its_value() {
        let bar = |label: &str, median| Bar {
            label: label.into(),
            is_stage: true,
            median,
            min: median,
            max: median,
            text: String::new(),
        };
        let svg = bars("t", "a", |v| v.to_string(), &[bar("half", 50.0), bar("whole", 100.0)]);
        // The axis ends at 100, in steps of 50.
        let room = WIDTH - LEFT - RIGHT;
        let width = |part: f64| format!("width=\"{:.1}\" height=\"14\"", part * room);
        assert!(svg.contains(&width(50.0 / 100.0)) && svg.contains(&width(1.0)), "{svg}");
    }
}
