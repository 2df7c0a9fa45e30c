//! A chart of lines on two logarithmic axes, as SVG that can be read on light and on dark paper.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// What is left free for the names of values and lines.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 45.0;

const STYLE: &str = "\
text { font: 13px sans-serif; fill: #24292f } .grid { stroke: #d0d7de } polyline { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .grid { stroke: #3d444d } }";

/// A line with the name that stands at its end; whole, or dashed.
pub(crate) struct Line {
    /// The name.
    pub(crate) name: &'static str,
    /// The colour, as CSS has it.
    pub(crate) colour: &'static str,
    /// Whether it is dashed.
    pub(crate) dashed: bool,
    /// The points, from left to right.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Gives the powers of ten that hold all values between them.
fn decades(values: impl Iterator<Item = f64>) -> (i32, i32) {
    let logs: Vec<f64> = values.map(f64::log10).collect();
    let least = logs.iter().copied().fold(f64::INFINITY, f64::min).floor() as i32;
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max).ceil() as i32;
    (least, most.max(least + 1))
}

/// Draws lines.
pub(crate) fn draw(title: &str, across: &str, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let ((x0, x1), (y0, y1)) = (decades(points().map(|point| point.0)), decades(points().map(|point| point.1)));
    let share = |value: f64, (least, most): (i32, i32)| (value.log10() - f64::from(least)) / f64::from(most - least);
    let x = |value: f64| LEFT + share(value, (x0, x1)) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - share(value, (y0, y1)) * (HEIGHT - TOP - BOTTOM);
    let (right, bottom, middle) = (WIDTH - RIGHT, HEIGHT - BOTTOM, (LEFT + WIDTH - RIGHT) / 2.0);
    let mut svg = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\">\n<style>\n{STYLE}\n</style>\n");
    let mut add = |element: String| {
        svg += &element;
        svg.push('\n');
    };
    add(format!("<text x=\"{middle}\" y=\"20\" text-anchor=\"middle\">{title}</text>"));
    add(format!("<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{across}</text>", HEIGHT - 6.0));
    for value in (x0..=x1).map(|power| 10f64.powi(power)) {
        let at = x(value);
        add(format!("<line class=\"grid\" x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\"/>"));
        add(format!("<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{value}</text>", bottom + 18.0));
    }
    for value in (y0..=y1).map(|power| 10f64.powi(power)) {
        let at = y(value);
        add(format!("<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>"));
        add(format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value} s</text>", LEFT - 6.0, at + 4.0));
    }
    let mut taken: Vec<f64> = Vec::new();
    for Line { name, colour, dashed, points } in lines {
        let mut path = String::new();
        points.iter().for_each(|(a, b)| _ = write!(path, "{:.1},{:.1} ", x(*a), y(*b)));
        let dashes = if *dashed { " stroke-dasharray=\"6 4\"" } else { "" };
        add(format!("<polyline stroke=\"{colour}\"{dashes} points=\"{}\"/>", path.trim_end()));
        let Some((last, end)) = points.last() else { continue };
        // Names that would cover each other move apart.
        let mut at = y(*end) + 4.0;
        while let Some(other) = taken.iter().find(|other| (**other - at).abs() < 15.0) {
            at = other + 15.0;
        }
        taken.push(at);
        add(format!("<text x=\"{:.1}\" y=\"{at:.1}\" style=\"fill: {colour}\">{name}</text>", x(*last) + 8.0));
    }
    svg + "</svg>\n"
}
