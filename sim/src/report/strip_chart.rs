//! The picture of who was held to be what, member by member.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::recorder::Recording;
use super::strip::{Held, Row, Share, Truth};
use super::svg::{Axis, clock};
use crate::xml::escape;

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 12.0;
/// Rows shown; the ones with the most to tell.
const ROWS_MAX: usize = 100;
/// Lanes of faults.
const LANES_MAX: usize = 10;
const LANE: f64 = 17.0;
/// Width of a letter in a fault's label.
const LETTER: f64 = 6.1;
const LABEL_LETTERS: usize = 44;

/// A fault's place above the strip.
struct Bar {
    lane: usize,
    left: f64,
    right: f64,
    label: String,
    title: String,
}

/// The strip as a figure; `violation`: when an invariant was found broken.
pub(super) fn figure(recording: &Recording, violation: Option<f64>) -> String {
    let rows = chosen(recording);
    let (bars, hidden) = lanes(recording);
    let lanes = bars.iter().map(|bar| bar.lane + 1).max().unwrap_or(0);
    let height = if rows.len() <= 30 {
        18.0
    } else if rows.len() <= 60 {
        13.0
    } else {
        11.0
    };
    let top = 8.0 + lanes as f64 * LANE + if lanes > 0 { 8.0 } else { 0.0 };
    let bottom = top + rows.len() as f64 * height;
    let mut html = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        html,
        "<figure class=\"card wide\"><figcaption><h2>Members over time</h2><p>{}</p></figcaption>\n\
         <svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-labelledby=\"strip-t strip-d\">\
         <title id=\"strip-t\">Members over time</title><desc id=\"strip-d\">One row for each member: what the \
         others held it to be, and below, how it truly was; faults above.</desc>\n",
        about(recording, rows.len(), hidden),
        bottom + 26.0,
    );
    draw_faults(&bars, bottom, &mut html);
    draw_axis(recording, top, bottom, &mut html);
    draw_rows(recording, &rows, top, height, &mut html);
    if let Some(at) = violation {
        let x = place(recording, at);
        let _ = writeln!(
            html,
            "<path class=\"violation\" d=\"M{x:.1} {:.1}V{bottom:.1}\"><title>violation at {}</title></path>",
            top - 6.0,
            clock(at)
        );
    }
    html.push_str("</svg>\n");
    html.push_str(LEGEND);
    html.push_str("</figure>\n");
    html
}

const LEGEND: &str = "<ul class=\"legend\"><li><i class=\"box alive\"></i>held alive by all</li>\
    <li><i class=\"box suspect k3\"></i>suspected</li><li><i class=\"box failed k3\"></i>held failed</li>\
    <li><i class=\"box left k3\"></i>has left</li>\
    <li><i class=\"box failed k1\"></i><i class=\"box failed k2\"></i><i class=\"box failed k3\"></i>by some, many, \
    nearly all of the others</li><li><i class=\"box down\"></i>truly down</li>\
    <li><i class=\"box hampered\"></i>truly frozen, blocked or slow</li></ul>\n";

fn about(recording: &Recording, shown: usize, hidden: usize) -> String {
    let mut text = String::from(
        "Each row is a member as the others hold it; the thin line below is how it truly is. Faults are above.",
    );
    if shown < recording.members {
        let _ = write!(
            text,
            " <b>{shown} of {} members are shown</b>: {}.",
            recording.members,
            if shown < recording.rows.len() || recording.rows_left_out {
                "those with the most to tell"
            } else {
                "the others were held alive by everybody, all the time"
            }
        );
    }
    if recording.holders_sampled {
        text.push_str(" What they are held for was asked of 256 members at most, evenly spread.");
    }
    if hidden > 0 {
        let _ = write!(text, " {hidden} more faults are in the list below.");
    }
    text
}

/// How much there is to see of a row.
fn weight(row: &Row) -> usize {
    row.cells.iter().filter(|(held, truth)| *held != Held::Alive || *truth != Truth::Up).count()
}

/// Rows to show, in the order of their numbers. Small clusters are shown whole.
fn chosen(recording: &Recording) -> Vec<Row> {
    let mut rows: Vec<Row> = recording.rows.clone();
    rows.sort_by_key(|row| std::cmp::Reverse(weight(row)));
    rows.truncate(ROWS_MAX);
    rows.sort_by_key(|row| (row.host, row.name.clone()));
    rows
}

fn place(recording: &Recording, at: f64) -> f64 {
    LEFT + (at / recording.length()).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
}

/// Puts faults into lanes so that neither they nor their labels overlap; also how many did not fit.
fn lanes(recording: &Recording) -> (Vec<Bar>, usize) {
    let mut ends: Vec<f64> = Vec::new();
    let (mut bars, mut hidden) = (Vec::new(), 0);
    for span in &recording.faults {
        let (from, to) = (recording.at(span.from), span.to.map_or(recording.length(), |to| recording.at(to)));
        let (left, right) = (place(recording, from), place(recording, to).max(place(recording, from) + 2.0));
        let mut label: String = span.what.chars().take(LABEL_LETTERS).collect();
        if label.len() < span.what.len() {
            label.push('…');
        }
        let needs = left + 6.0 + LETTER * label.chars().count() as f64;
        let lane = ends.iter().position(|end| *end < left).unwrap_or(ends.len());
        if lane >= LANES_MAX {
            hidden += 1;
            continue;
        }
        if lane == ends.len() {
            ends.push(0.0);
        }
        ends[lane] = right.max(needs) + 4.0;
        let title = format!("{}, {} to {}", span.what, clock(from), clock(to));
        bars.push(Bar { lane, left, right, label, title });
    }
    (bars, hidden)
}

fn draw_faults(bars: &[Bar], bottom: f64, svg: &mut String) {
    for bar in bars {
        let y = 6.0 + bar.lane as f64 * LANE;
        let wide = LETTER * bar.label.chars().count() as f64;
        // A label that would leave the picture goes to the left of where it begins.
        let (x, anchor) = if bar.left + 5.0 + wide > WIDTH - RIGHT {
            (bar.left.max(wide) - 4.0, " end")
        } else {
            (bar.left + 5.0, "")
        };
        let _ = writeln!(
            svg,
            "<g><title>{}</title><path class=\"drop\" d=\"M{:.1} {:.1}V{bottom:.1}M{:.1} {:.1}V{bottom:.1}\"/>\
             <rect class=\"fault\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"/>\
             <text class=\"faultname{anchor}\" x=\"{x:.1}\" y=\"{:.1}\">{}</text></g>",
            escape(&bar.title),
            bar.left,
            y + LANE - 3.0,
            bar.right,
            y + LANE - 3.0,
            bar.left,
            bar.right - bar.left,
            LANE - 3.0,
            y + LANE - 6.5,
            escape(&bar.label)
        );
    }
}

fn draw_axis(recording: &Recording, top: f64, bottom: f64, svg: &mut String) {
    for (value, text) in Axis::time("", recording.length()).ticks {
        let x = place(recording, value);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{x:.1} {:.1}V{:.1}\"/><text class=\"tick mid\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
            top - 3.0,
            bottom + 4.0,
            bottom + 18.0,
            escape(&text)
        );
    }
}

/// One path for each colour: thousands of cells stay small and fast.
fn draw_rows(recording: &Recording, rows: &[Row], top: f64, height: f64, svg: &mut String) {
    let mut paths: BTreeMap<&'static str, String> = BTreeMap::new();
    let line = (height * 0.2).max(2.0);
    let mut names = String::new();
    for (number, row) in rows.iter().enumerate() {
        let y = top + number as f64 * height;
        let (whole, upper) = (height - 2.0, height - 3.0 - line);
        let mut bar = |class: &'static str, from: f64, to: f64, y: f64, tall: f64| {
            let path = paths.entry(class).or_default();
            let _ = write!(path, "M{from:.1} {y:.1}H{to:.1}v{tall:.1}H{from:.1}Z");
        };
        bar("alive", LEFT, WIDTH - RIGHT, y, upper);
        for (from, to, (held, truth)) in runs(recording, row) {
            if let Some(class) = held_class(held) {
                bar(class, from, to, y, upper);
            }
            match truth {
                Truth::Up => {}
                Truth::Down => bar("down", from, to, y + whole - line, line),
                Truth::Hampered => bar("hampered", from, to, y + whole - line, line),
            }
        }
        let _ = writeln!(
            names,
            "<text class=\"tick end{}\" x=\"{}\" y=\"{:.1}\">{}</text><rect class=\"hit\" x=\"0\" y=\"{y:.1}\" \
             width=\"{WIDTH}\" height=\"{height}\"><title>{}</title></rect>",
            if height < 13.0 { " dense" } else { "" },
            LEFT - 7.0,
            y + height / 2.0 + 2.5,
            escape(&row.name),
            escape(&summary(recording, row))
        );
    }
    for (class, path) in paths {
        let _ = writeln!(svg, "<path class=\"cell {class}\" d=\"{path}\"/>");
    }
    svg.push_str(&names);
}

/// Equal cells that follow each other, as one: from, to, what.
fn runs(recording: &Recording, row: &Row) -> Vec<(f64, f64, (Held, Truth))> {
    let mut runs: Vec<(f64, f64, (Held, Truth))> = Vec::new();
    for (cell, sample) in row.cells.iter().zip(&recording.samples) {
        let to = place(recording, recording.at(sample.at));
        let from = place(recording, recording.at(sample.at) - sample.span.as_secs_f64());
        match runs.last_mut() {
            Some(last) if last.2 == *cell => last.1 = to,
            _ => runs.push((from, to, *cell)),
        }
    }
    runs
}

fn held_class(held: Held) -> Option<&'static str> {
    Some(match held {
        Held::Alive => return None,
        Held::Left(Share::Few) => "left k1",
        Held::Left(Share::Many) => "left k2",
        Held::Left(Share::Nearly) => "left k3",
        Held::Suspect(Share::Few) => "suspect k1",
        Held::Suspect(Share::Many) => "suspect k2",
        Held::Suspect(Share::Nearly) => "suspect k3",
        Held::Failed(Share::Few) => "failed k1",
        Held::Failed(Share::Many) => "failed k2",
        Held::Failed(Share::Nearly) => "failed k3",
    })
}

/// A row in words, shown when it is pointed at.
fn summary(recording: &Recording, row: &Row) -> String {
    let mut spent = [0.0; 5];
    for ((held, truth), sample) in row.cells.iter().zip(&recording.samples) {
        let span = sample.span.as_secs_f64();
        match held {
            Held::Alive => {}
            Held::Suspect(_) => spent[0] += span,
            Held::Failed(_) => spent[1] += span,
            Held::Left(_) => spent[2] += span,
        }
        spent[3] += if *truth == Truth::Down { span } else { 0.0 };
        spent[4] += if *truth == Truth::Hampered { span } else { 0.0 };
    }
    let words = ["suspected", "held failed", "held left", "truly down", "truly frozen, blocked or slow"];
    let parts: Vec<String> = spent
        .iter()
        .zip(words)
        .filter(|(time, _)| **time > 0.0)
        .map(|(time, word)| format!("{word} for {}", super::svg::seconds(*time)))
        .collect();
    if parts.is_empty() { row.name.clone() } else { format!("{}: {}", row.name, parts.join(", ")) }
}
