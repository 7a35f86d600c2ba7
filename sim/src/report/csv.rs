//! The numbers behind the pictures, one file for each (RFC 4180).

use std::fmt::Display;
use std::time::Duration;

use super::alarm::Alarm;
use super::recorder::Recording;
use super::spread::Curve;
use super::strip::{Held, Share, Truth};

/// A table under way.
struct Table(String);

impl Table {
    fn new(columns: &[&str]) -> Self {
        let mut table = Table(String::new());
        table.row(columns);
        table
    }

    fn row<T: Display>(&mut self, fields: impl IntoIterator<Item = T>) {
        for (number, field) in fields.into_iter().enumerate() {
            if number > 0 {
                self.0.push(',');
            }
            let field = field.to_string();
            if field.contains([',', '"', '\n', '\r']) {
                self.0.push('"');
                self.0.push_str(&field.replace('"', "\"\""));
                self.0.push('"');
            } else {
                self.0.push_str(&field);
            }
        }
        self.0.push('\n');
    }
}

fn secs(time: Option<Duration>) -> String {
    time.map_or_else(String::new, |time| time.as_secs_f64().to_string())
}

/// File names and what is in them.
pub(super) fn files(recording: &Recording) -> Vec<(&'static str, String)> {
    vec![
        ("convergence.csv", convergence(recording)),
        ("news.csv", news(recording)),
        ("detection.csv", detection(recording)),
        ("failures.csv", failures(recording)),
        ("traffic.csv", traffic(recording)),
        ("queues.csv", queues(recording)),
        ("awareness.csv", awareness(recording)),
        ("members.csv", members(recording)),
        ("faults.csv", faults(recording)),
    ]
}

/// Curves as measured and as estimated: the share that knows, by time.
fn convergence(recording: &Recording) -> String {
    let mut table = Table::new(&["series", "seconds", "share"]);
    for (name, estimate) in recording.estimates() {
        for (time, share) in estimate.curve() {
            table.row([name.clone(), time.as_secs_f64().to_string(), format!("{share:.6}")]);
        }
    }
    for (news, curve) in &recording.curves {
        for (point, share) in curve.shares().enumerate() {
            table.row([
                news.as_str().to_owned(),
                format!("{:.6}", Curve::time(point)),
                format!("{share:.6}"),
            ]);
        }
    }
    table.0
}

/// Each piece of news: when it came up, and how long it took to reach shares of the members.
fn news(recording: &Recording) -> String {
    let mut table =
        Table::new(&["news", "name", "first_seconds", "population", "reached", "t50", "t90", "t99", "t100"]);
    for item in &recording.items {
        let mut fields = vec![
            item.news.as_str().to_owned(),
            item.name.clone(),
            recording.at(item.first).to_string(),
            item.population.to_string(),
            item.reached.to_string(),
        ];
        fields.extend(item.times.map(secs));
        table.row(fields);
    }
    table.0
}

fn detection(recording: &Recording) -> String {
    let mut table =
        Table::new(&["member", "crashed_seconds", "first_detection", "full_dissemination", "back_after"]);
    for crash in &recording.crashes {
        let at = recording.at(crash.at).to_string();
        table.row([crash.member.clone(), at, secs(crash.first), secs(crash.full), secs(crash.back)]);
    }
    table.0
}

fn failures(recording: &Recording) -> String {
    let mut table = Table::new(&["seconds", "by", "about", "since_seconds", "member_was", "fp", "fp_minus"]);
    for event in &recording.failures {
        let negative = event.alarm == Alarm::FalseByHealthy;
        table.row([
            recording.at(event.at).to_string(),
            event.by.clone(),
            event.about.clone(),
            recording.at(event.since).to_string(),
            event.alarm.as_str().to_owned(),
            u8::from(event.alarm.is_false()).to_string(),
            u8::from(negative).to_string(),
        ]);
    }
    table.0
}

fn traffic(recording: &Recording) -> String {
    let mut table = Table::new(&[
        "seconds",
        "span_seconds",
        "running",
        "datagrams",
        "datagram_bytes",
        "stream_bytes",
        "datagrams_per_member_second",
        "bytes_per_member_second",
        "datagrams_per_second_max",
        "bytes_per_second_max",
    ]);
    for sample in &recording.samples {
        table.row([
            recording.at(sample.at),
            sample.span.as_secs_f64(),
            f64::from(sample.living),
            sample.datagrams as f64,
            sample.datagram_bytes as f64,
            sample.stream_bytes as f64,
            sample.datagram_rate(),
            sample.byte_rate(),
            sample.datagram_rate_max,
            sample.byte_rate_max,
        ]);
    }
    table.0
}

fn queues(recording: &Recording) -> String {
    let mut table = Table::new(&["seconds", "mean", "max"]);
    for sample in &recording.samples {
        table.row([recording.at(sample.at), sample.queue_mean, f64::from(sample.queue_max)]);
    }
    table.0
}

fn awareness(recording: &Recording) -> String {
    let mut table = Table::new(&["seconds", "mean", "max", "members_above_0"]);
    for sample in &recording.samples {
        let (max, unwell) = (f64::from(sample.health_max), f64::from(sample.unwell));
        table.row([recording.at(sample.at), sample.health_mean, max, unwell]);
    }
    table.0
}

/// The strip: a line where a member's cell differs from the one before.
fn members(recording: &Recording) -> String {
    let mut table = Table::new(&["member", "from_seconds", "held", "by", "truth"]);
    for row in &recording.rows {
        let mut last = None;
        for (cell, sample) in row.cells.iter().zip(&recording.samples) {
            if last == Some(cell) {
                continue;
            }
            last = Some(cell);
            let from = recording.at(sample.at) - sample.span.as_secs_f64();
            let (held, by) = match cell.0 {
                Held::Alive => ("alive", Share::Nearly),
                Held::Left(by) => ("left", by),
                Held::Suspect(by) => ("suspect", by),
                Held::Failed(by) => ("failed", by),
            };
            let by = match by {
                Share::Few => "few",
                Share::Many => "many",
                Share::Nearly => "nearly all",
            };
            let truth = match cell.1 {
                Truth::Up => "up",
                Truth::Hampered => "hampered",
                Truth::Down => "down",
            };
            table.row([&row.name, &from.to_string(), held, by, truth]);
        }
    }
    table.0
}

fn faults(recording: &Recording) -> String {
    let mut table = Table::new(&["from_seconds", "to_seconds", "what"]);
    for span in &recording.faults {
        let to = span.to.map_or_else(String::new, |to| recording.at(to).to_string());
        table.row([recording.at(span.from).to_string(), to, span.what.clone()]);
    }
    table.0
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn fields_with_commas_and_quotes_are_quoted() {
        let mut table = Table::new(&["a", "b"]);
        table.row(["x, \"y\"", "z"]);
        assert_eq!(table.0, "a,b\n\"x, \"\"y\"\"\",z\n");
    }
}
