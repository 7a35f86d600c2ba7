//! Charts as SVG, drawn with the page's own styles.

use std::fmt::Write as _;

use crate::xml::escape;

/// Size of a chart and the room around its plot.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 54.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 42.0;

/// Bars that are told one by one to those who do not see them.
const BARS_TOLD: usize = 12;

/// A number as people write it: `0.25`, `3.1`, `420`, `1.2 k`, `3.4 M`.
pub(super) fn number(value: f64) -> String {
    let (value, unit) = match value.abs() {
        size if size >= 999_500_000.0 => (value / 1e9, " G"),
        size if size >= 999_500.0 => (value / 1e6, " M"),
        size if size >= 9_999.5 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let digits = match value.abs() {
        size if size >= 99.95 || size.fract() < 1e-9 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

/// Seconds as people write them: `0.4 ms`, `350 ms`, `2.5 s`, `1:30`.
pub(super) fn seconds(value: f64) -> String {
    if value > 0.0 && value < 0.000_95 {
        format!("{} ms", number((value * 10_000.0).round() / 10.0))
    } else if value > 0.0 && value < 0.9995 {
        format!("{} ms", number((value * 1000.0).round()))
    } else if value < 120.0 {
        format!("{} s", number((value * 100.0).round() / 100.0))
    } else {
        clock(value)
    }
}

/// Minutes and seconds, or hours: `2:05`, `1:02:05`.
pub(super) fn clock(value: f64) -> String {
    let all = value.round() as u64;
    let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// An axis: from zero to `max`, or, if it is logarithmic, from `least`.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) label: String,
    /// Where a logarithmic axis begins; `None`: it is an even one.
    pub(super) least: Option<f64>,
    pub(super) max: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Of plain numbers: round ticks, and an end that is one.
    pub(super) fn numbers(label: &str, max: f64) -> Axis {
        let step = nice_step(max.max(1e-9) / 4.0);
        let count = (max / step - 1e-9).ceil().max(1.0) as u32;
        let ticks = (0..=count).map(|i| f64::from(i) * step).map(|value| (value, number(value))).collect();
        Axis { label: label.into(), least: None, max: f64::from(count) * step, ticks }
    }

    /// Of shares of a whole.
    pub(super) fn share(label: &str) -> Axis {
        let ticks = (0..=4).map(|i| (f64::from(i) / 4.0, format!("{} %", 25 * i))).collect();
        Axis { label: label.into(), least: None, max: 1.0, ticks }
    }

    /// Of virtual time, in seconds.
    pub(super) fn time(label: &str, max: f64) -> Axis {
        const STEPS: [f64; 16] = [
            0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0,
        ];
        let step = STEPS.into_iter().find(|step| max / step <= 8.0).unwrap_or_else(|| nice_step(max / 8.0));
        let count = (max / step + 1e-9).floor() as u32;
        let name = |value: f64| if max > 120.0 { clock(value) } else { format!("{} s", number(value)) };
        let ticks = (0..=count).map(|i| f64::from(i) * step).map(|value| (value, name(value))).collect();
        Axis { label: label.into(), least: None, max: max.max(step), ticks }
    }

    /// Of seconds, each power of ten as wide as the next: from a power of ten to one.
    pub(super) fn decades(label: &str, least: f64, max: f64) -> Axis {
        let from = libm::floor(libm::log10(least) + 1e-9) as i32;
        let to = (libm::ceil(libm::log10(max) - 1e-9) as i32).max(from + 1);
        let ticks = (from..=to).map(|power| libm::pow(10.0, power.into())).map(|v| (v, seconds(v)));
        let (least, max) = (libm::pow(10.0, from.into()), libm::pow(10.0, to.into()));
        Axis { label: label.into(), least: Some(least), max, ticks: ticks.collect() }
    }

    /// Where a value lies, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let part = match self.least {
            Some(least) => libm::log(value.max(least) / least) / libm::log(self.max / least),
            None => value / self.max,
        };
        part.clamp(0.0, 1.0)
    }
}

/// The next of 1, 2 and 5 times a power of ten.
fn nice_step(least: f64) -> f64 {
    let power = libm::pow(10.0, libm::floor(libm::log10(least)));
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|k| k * power).find(|s| *s >= least * 0.999).unwrap_or(10.0 * power)
}

/// Something drawn in a chart, by the name of its style.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    /// A class of the style sheet, such as `s1` or `reference`.
    pub(super) class: &'static str,
    pub(super) shape: Shape,
}

/// How it is drawn.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// A line through points.
    Line(Vec<(f64, f64)>),
    /// Bars.
    Bars(Vec<Bar>),
}

/// A bar: left, right, bottom, top and what it stands for.
pub(super) type Bar = (f64, f64, f64, f64, String);

/// A chart.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    /// Unique in the page.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// A sentence or two below the title.
    pub(super) about: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
    /// Times in which faults were at work.
    pub(super) shades: Vec<(f64, f64)>,
    /// HTML below the legend.
    pub(super) below: String,
}

impl Chart {
    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - TOP - BOTTOM)
    }

    /// The chart with its title and legend.
    pub(super) fn figure(&self) -> String {
        let mut html = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            html,
            "<figure class=\"card\"><figcaption><h2>{}</h2><p>{}</p></figcaption>\n\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
             <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>\n",
            escape(self.title),
            self.about,
            escape(self.title),
            escape(&self.description()),
            id = self.id,
        );
        self.frame(&mut html);
        for series in &self.series {
            self.draw(series, &mut html);
        }
        html.push_str("</svg>\n");
        self.legend(&mut html);
        html.push_str(&self.below);
        html.push_str("</figure>\n");
        html
    }

    /// For those who do not see it.
    fn description(&self) -> String {
        let tell = |series: &Series| match &series.shape {
            Shape::Line(points) => {
                let most = points.iter().map(|point| point.1).fold(0.0, f64::max);
                let last = points.last().map_or(0.0, |point| point.1);
                format!("{}: at most {}, in the end {}", series.name, number(most), number(last))
            }
            Shape::Bars(bars) => {
                let texts: Vec<_> = bars.iter().take(BARS_TOLD).map(|bar| bar.4.as_str()).collect();
                format!(
                    "{}: {}",
                    series.name,
                    if texts.is_empty() { "none".into() } else { texts.join(", ") }
                )
            }
        };
        let told: Vec<_> = self.series.iter().map(tell).collect();
        format!("{} against {}. {}.", self.y.label, self.x.label, told.join("; "))
    }

    fn frame(&self, svg: &mut String) {
        let bottom = HEIGHT - BOTTOM;
        for (from, to) in &self.shades {
            let (left, right) = (self.x(*from), self.x(*to));
            let _ = writeln!(
                svg,
                "<rect class=\"shade\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                (right - left).max(1.0),
                bottom - TOP
            );
        }
        for (value, text) in &self.y.ticks {
            let y = self.y(*value);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{}\"/><text class=\"tick end\" x=\"{}\" y=\"{:.1}\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 7.0,
                y + 4.0,
                escape(text)
            );
        }
        for (value, text) in &self.x.ticks {
            let x = self.x(*value);
            let _ = writeln!(
                svg,
                "<path class=\"grid tickmark\" d=\"M{x:.1} {bottom}v4\"/><text class=\"tick mid\" x=\"{x:.1}\" y=\"{}\">{}</text>",
                bottom + 17.0,
                escape(text)
            );
        }
        let _ = writeln!(
            svg,
            "<text class=\"label mid\" x=\"{:.1}\" y=\"{}\">{}</text>",
            f64::midpoint(LEFT, WIDTH - RIGHT),
            HEIGHT - 6.0,
            escape(&self.x.label)
        );
    }

    fn draw(&self, series: &Series, svg: &mut String) {
        let class = series.class;
        match &series.shape {
            Shape::Line(points) => {
                let _ = write!(svg, "<path class=\"line {class}\" d=\"");
                self.trace(points, svg);
                svg.push_str("\"/>\n");
            }
            Shape::Bars(bars) => {
                for (left, right, low, high, text) in bars {
                    let (x, y) = (self.x(*left), self.y(*high));
                    let _ = writeln!(
                        svg,
                        "<rect class=\"bar {class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
                        (self.x(*right) - x - 1.0).max(1.0),
                        (self.y(*low) - y).max(0.0),
                        escape(text)
                    );
                }
            }
        }
    }

    fn trace(&self, points: &[(f64, f64)], svg: &mut String) {
        for (number, (x, y)) in points.iter().enumerate() {
            let letter = if number == 0 { 'M' } else { 'L' };
            let _ = write!(svg, "{letter}{:.1} {:.1}", self.x(*x), self.y(*y));
        }
    }

    fn legend(&self, html: &mut String) {
        html.push_str("<ul class=\"legend\">");
        for series in &self.series {
            let shape = if matches!(series.shape, Shape::Line(_)) { "line" } else { "box" };
            let _ =
                write!(html, "<li><i class=\"{shape} {}\"></i>{}</li>", series.class, escape(&series.name));
        }
        if !self.shades.is_empty() {
            html.push_str("<li><i class=\"box shade\"></i>faults at work</li>");
        }
        html.push_str("</ul>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_right() {
        for (value, text) in [
            (0.0, "0"),
            (0.25, "0.25"),
            (2.345_67, "2.35"),
            (42.0, "42"),
            (42.55, "42.5"),
            (999.96, "1000"),
            (12_345.0, "12.3 k"),
            (3_400_000.0, "3.4 M"),
        ] {
            assert_eq!(number(value), text, "{value}");
        }
        assert_eq!(
            [0.0004, 0.35, 2.5, 90.0, 150.0, 3_725.0].map(seconds),
            ["0.4 ms", "350 ms", "2.5 s", "90 s", "2:30", "1:02:05"]
        );
    }

    #[test]
    fn axes_hold_their_greatest_value_and_have_few_ticks() {
        for max in [0.003, 0.7, 1.0, 3.9, 17.0, 99.0, 100.0, 12_345.0] {
            let axis = Axis::numbers("", max);
            assert!(axis.max >= max && axis.max <= 2.6 * max, "{max}: {}", axis.max);
            assert!((2..=6).contains(&axis.ticks.len()), "{max}: {:?}", axis.ticks);
            assert!(Axis::time("", max).ticks.len() <= 9, "{max}");
        }
    }
}
