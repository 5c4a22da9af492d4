//! Plots as SVG: both axes logarithmic, a line for each series.

use std::fmt::Write;

/// A plot.
pub(crate) struct Plot {
    /// Its title.
    pub(crate) title: &'static str,
    /// The horizontal axis.
    pub(crate) across: &'static str,
    /// Formats a number of that axis.
    pub(crate) label: fn(f64) -> String,
    /// The compared series, ours first: a name, and points in seconds.
    pub(crate) series: Vec<(&'static str, Vec<(f64, f64)>)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// Margins around the axes: left, right, top, bottom.
const MARGINS: (f64, f64, f64, f64) = (70.0, 20.0, 70.0, 55.0);

/// Readable on light and on dark.
const STYLE: &str = "text { font: 13px system-ui, sans-serif; fill: #1f2328 } .grid { stroke: #8c959f55 } \
     .s0 { --c: #0969da } .s1 { --c: #bc4c00 } .s2 { --c: #6e7781 } \
     path { fill: none; stroke: var(--c); stroke-width: 2 } circle { fill: var(--c) } \
     @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } \
     .s0 { --c: #58a6ff } .s1 { --c: #f0883e } .s2 { --c: #8b949e } }";

impl Plot {
    /// The file's text.
    pub(crate) fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|(_, points)| points);
        let across = Axis::over(points().map(|point| point.0), MARGINS.0, WIDTH - MARGINS.1);
        let up = Axis::over(points().map(|point| point.1), HEIGHT - MARGINS.3, MARGINS.2);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
             <title>{0}</title>\n<style>{STYLE}</style>\n<text x=\"{1}\" y=\"22\" font-weight=\"600\">{0}</text>\n",
            escaped(self.title),
            MARGINS.0,
        );
        for tick in across.ticks() {
            let (x, label) = (across.place(tick), (self.label)(tick));
            _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\"/>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                MARGINS.2,
                HEIGHT - MARGINS.3,
                HEIGHT - MARGINS.3 + 20.0,
            );
        }
        for tick in up.ticks() {
            let (y, label) = (up.place(tick), seconds(tick));
            _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                MARGINS.0,
                WIDTH - MARGINS.1,
                MARGINS.0 - 8.0,
                y + 4.0,
            );
        }
        let middle = (MARGINS.0 + WIDTH - MARGINS.1) / 2.0;
        let below = HEIGHT - 12.0;
        _ = writeln!(svg, "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{}</text>", escaped(self.across));
        let mut key = MARGINS.0;
        for (index, (name, points)) in self.series.iter().enumerate() {
            _ = writeln!(svg, "<g class=\"s{index}\"><circle cx=\"{:.1}\" cy=\"45\" r=\"4\"/>", key + 4.0);
            _ = writeln!(svg, "<text x=\"{:.1}\" y=\"49\">{}</text>", key + 14.0, escaped(name));
            key += 40.0 + 7.2 * name.chars().count() as f64;
            let placed: Vec<(f64, f64)> =
                points.iter().map(|point| (across.place(point.0), up.place(point.1))).collect();
            let line: Vec<String> = placed.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            _ = writeln!(svg, "<path d=\"M{}\"/>", line.join(" L"));
            for (x, y) in placed {
                _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
            }
            svg.push_str("</g>\n");
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// A logarithmic axis, over whole powers of ten.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// Returns a scale for all of `values`, between the coordinates `from` and `to`.
    fn over(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min).log10().floor();
        let high = values.fold(f64::MIN_POSITIVE, f64::max).log10().ceil().max(low + 1.0);
        Self { low, high, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        self.from + (value.log10() - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (low, count) = (self.low, (self.high - self.low) as i32);
        (0..=count).map(move |step| 10_f64.powf(low + f64::from(step)))
    }
}

/// A time, written short.
fn seconds(time: f64) -> String {
    match time {
        _ if time < 0.9e-3 => format!("{:.0} µs", time * 1e6),
        _ if time < 0.9 => format!("{:.0} ms", time * 1e3),
        _ => format!("{time:.0} s"),
    }
}

/// A number of things.
pub(crate) fn count(number: f64) -> String {
    format!("{number:.0}")
}

/// A number of bytes.
pub(crate) fn bytes(number: f64) -> String {
    match number {
        _ if number < 0.9e3 => format!("{number:.0} B"),
        _ if number < 0.9e6 => format!("{:.0} KB", number / 1e3),
        _ if number < 0.9e9 => format!("{:.0} MB", number / 1e6),
        _ => format!("{:.0} GB", number / 1e9),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
