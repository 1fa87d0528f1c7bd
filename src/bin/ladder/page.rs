//! A plot as a page of the book includes it: as wide as a phone, in the classes that
//! the book's themes colour, with a description that tells every figure.

use std::fmt::Write as _;

use super::svg::{Bar, escape, round_step};

/// As wide as the book's pictures, so that a phone shows text at its real size.
const WIDTH: f64 = 360.0;
const LEFT: f64 = 108.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 22.0;
const ROW: f64 = 26.0;

/// Horizontal bars from zero, with the spread as a line across each. `name` is that
/// of the file; the ids in it begin so.
pub fn bars(name: &str, title: &str, unit: &str, show: fn(f64) -> String, bars: &[Bar]) -> String {
    let bottom = TOP + ROW * bars.len() as f64;
    let height = bottom + 26.0;
    let figure = |bar: &Bar| {
        let (from, to) = (show(bar.min), show(bar.max));
        let spread = if from == to { String::new() } else { format!(", from {from} to {to}") };
        format!("{}: {}{spread}", bar.label, show(bar.median))
    };
    let figures: Vec<String> = bars.iter().map(figure).collect();
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{name}-title {name}-desc\">\n\
         \x20 <title id=\"{name}-title\">{}</title>\n\
         \x20 <desc id=\"{name}-desc\">The median of the rounds, in {}, then the smallest and the greatest. {}.</desc>\n\
         \x20 <text class=\"small\" x=\"8\" y=\"12\">{}</text>\n",
        escape(title),
        escape(unit),
        escape(&figures.join("; ")),
        escape(unit),
    );
    let most = bars.iter().map(|b| b.max).fold(0.0, f64::max);
    let step = round_step(most / 3.0);
    let end = (most / step).ceil().max(1.0) * step;
    let x = |value: f64| LEFT + value / end * (WIDTH - LEFT - RIGHT);
    let mut mark = 0.0;
    while mark <= end * 1.0001 {
        let at = x(mark);
        let _ = writeln!(
            svg,
            "  <path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom}\"/>\n\
             \x20 <text class=\"small middle\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
            bottom + 16.0,
            escape(&show(mark))
        );
        mark += step;
    }
    for (row, bar) in bars.iter().enumerate() {
        let y = TOP + ROW * row as f64 + ROW / 2.0;
        let kind = if bar.is_stage { "bar stage" } else { "bar" };
        let (from, to) = (x(bar.min), x(bar.max));
        let (label, figure) = (escape(&bar.label), escape(&show(bar.median)));
        let (at, base, top, tick) = (LEFT - 6.0, y + 4.0, y - 7.0, y - 3.0);
        let (width, beside) = (x(bar.median) - LEFT, to + 5.0);
        let _ = writeln!(
            svg,
            "  <text class=\"small end\" x=\"{at}\" y=\"{base}\">{label}</text>\n\
             \x20 <rect class=\"{kind}\" x=\"{LEFT}\" y=\"{top}\" width=\"{width:.1}\" height=\"14\"/>\n\
             \x20 <path class=\"arrow\" d=\"M{from:.1} {y}H{to:.1}M{from:.1} {tick}v6M{to:.1} {tick}v6\"/>\n\
             \x20 <text class=\"small\" x=\"{beside:.1}\" y=\"{base}\">{figure}</text>"
        );
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_tells_what_the_bars_tell() {
        let bar = |label: &str, median, max| Bar {
            label: label.into(),
            is_stage: true,
            median,
            min: median,
            max,
            text: String::new(),
        };
        let plot = bars(
            "x",
            "a < b",
            "µs",
            |v| v.to_string(),
            &[bar("one", 5.0, 6.0), bar("two", 3.0, 3.0)],
        );
        assert!(plot.contains(">a &lt; b</title>") && plot.contains("id=\"x-desc\""), "{plot}");
        assert!(plot.contains("one: 5, from 5 to 6; two: 3.</desc>"), "{plot}");
        assert!(!plot.contains("\n\n") && !plot.contains("style"), "{plot}");
    }
}
