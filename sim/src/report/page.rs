//! The report as one file of HTML that needs nothing else.

use std::fmt::Write as _;
use std::time::Duration;

use tidings_core::Time;

use super::Report;
use super::charts::median;
use super::strip_chart;
use super::svg::{clock, number, seconds};
use crate::xml::escape;

const STYLE: &str = include_str!("page.css");
/// Faults listed in the page; the CSV has all.
const FAULTS_MAX: usize = 200;

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let recording = &report.recording;
    let mut html = String::with_capacity(256 * 1024);
    // Writing to a string cannot fail.
    let _ = write!(
        html,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
        escape(&format!("{}, seed {}", report.title(), report.seed)),
    );
    header(report, &mut html);
    verdict(report, &mut html);
    tiles(report, &mut html);
    html.push_str("<div class=\"cards\">\n");
    let violation = report.violation.as_ref().map(|violation| recording.at(violation.at));
    html.push_str(&strip_chart::figure(recording, violation));
    for chart in [
        recording.convergence(),
        recording.detection(),
        recording.failures(),
        recording.awareness(),
        recording.traffic(),
        recording.bytes(),
        recording.queues(),
    ] {
        html.push_str(&chart.figure());
    }
    faults(report, &mut html);
    html.push_str("</div>\n");
    footer(report, &mut html);
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

fn header(report: &Report, html: &mut String) {
    let _ = writeln!(
        html,
        "<header><h1>{}</h1><p>{} members · seed {} · {}<br>tidings-sim {} · digest \
         <code>{}</code> · <code>{}</code></p></header>",
        escape(report.title()),
        report.recording.members,
        report.seed,
        escape(&report.speed),
        env!("CARGO_PKG_VERSION"),
        report.digest,
        escape(&report.command),
    );
}

fn verdict(report: &Report, html: &mut String) {
    let _ = match &report.violation {
        None => writeln!(
            html,
            "<section class=\"verdict good\"><strong>No violation</strong><p>Every invariant held.{}</p></section>",
            report.healed_after.map_or_else(String::new, |healed| format!(
                " In the quiet phase, all members agreed after {}.",
                seconds(healed.as_secs_f64())
            ))
        ),
        Some(violation) => writeln!(
            html,
            "<section class=\"verdict bad\"><strong>Violation: {}</strong><p>At {} of virtual time; members {}.</p>\
             <pre>{}</pre><p>Replay with <code>{}</code></p></section>",
            escape(&violation.invariant),
            violation.at,
            escape(&violation.members.join(", ")),
            escape(&violation.what),
            escape(&report.command),
        ),
    };
}

fn tiles(report: &Report, html: &mut String) {
    let recording = &report.recording;
    let (mut datagrams, mut bytes, mut member_seconds) = (0.0, 0.0, 0.0);
    for sample in &recording.samples {
        datagrams += sample.datagrams as f64;
        bytes += (sample.datagram_bytes + sample.stream_bytes) as f64;
        member_seconds += f64::from(sample.living) * sample.span.as_secs_f64();
    }
    let each = |sum: f64| number(sum / f64::max(member_seconds, 1e-9));
    let crashes = &recording.crashes;
    let times = |pick: fn(&super::Crash) -> Option<Duration>| {
        let times: Vec<f64> = crashes.iter().filter_map(pick).map(|time| time.as_secs_f64()).collect();
        median(&times).map_or_else(|| "–".into(), seconds)
    };
    let first = times(|crash| crash.first);
    let full = times(|crash| crash.full);
    let false_ones =
        recording.failure_count(super::Alarm::False) + recording.failure_count(super::Alarm::FalseByHealthy);
    let tiles = [
        ("members", number(recording.members as f64), format!("{} crashed", crashes.len())),
        ("events handled", number(report.events as f64), number_rate(report)),
        ("first detection", first, "median".into()),
        ("known to all", full, "median".into()),
        (
            "false positives",
            number(false_ones as f64),
            format!("{} refuted", number(recording.refuted as f64)),
        ),
        ("datagrams each", format!("{}/s", each(datagrams)), format!("{} in all", number(datagrams))),
        ("bytes each", format!("{}/s", each(bytes)), format!("{} in all", number(bytes))),
        ("datagrams lost", format!("{} %", number(100.0 * recording.loss)), "in the network".into()),
    ];
    html.push_str("<dl class=\"tiles\">");
    for (name, value, more) in tiles {
        let _ = write!(html, "<div><dt>{name}</dt><dd>{value}<small>{more}</small></dd></div>");
    }
    html.push_str("</dl>\n");
}

fn number_rate(report: &Report) -> String {
    format!("{}/s simulated", number(report.events as f64 / report.recording.length()))
}

fn faults(report: &Report, html: &mut String) {
    let recording = &report.recording;
    html.push_str("<section class=\"card\"><h2>Faults</h2>");
    if recording.faults.is_empty() {
        html.push_str("<p>None.</p></section>\n");
        return;
    }
    if recording.faults.len() > FAULTS_MAX {
        let _ = write!(html, "<p>The first {FAULTS_MAX} of {}.</p>", recording.faults.len());
    }
    html.push_str(
        "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">from</th><th scope=\"col\">to</th>\
         <th scope=\"col\">lasted</th><th scope=\"col\">what</th></tr></thead><tbody>",
    );
    for span in recording.faults.iter().take(FAULTS_MAX) {
        let clock_of = |time: Time| clock(recording.at(time));
        let (to, lasted) = match span.to {
            Some(to) => (clock_of(to), seconds(to.since(span.from).as_secs_f64())),
            None => ("–".into(), "–".into()),
        };
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{to}</td><td>{lasted}</td><td class=\"text\">{}</td></tr>",
            clock_of(span.from),
            escape(&span.what)
        );
    }
    html.push_str("</tbody></table></div></section>\n");
}

fn footer(report: &Report, html: &mut String) {
    let recording = &report.recording;
    let _ = writeln!(
        html,
        "<footer><p>Measured in steps of {}. <b>False positives.</b> A failure event is judged by the time since \
         the probe began on which it rests: it is <b>false (FP)</b> if in all that time the member it is about ran, \
         no fault froze, blocked or slowed it, and no partition, blocked or held link lay between it and those who \
         probed it or are told. Packets that random loss takes excuse nobody. It is <b>FP−</b> if the member that is \
         told was itself neither frozen, blocked nor slowed in that time, and its clock was right. <b>Known to \
         all</b> means: to all others that run and are neither frozen, blocked nor slowed. Serf’s estimate is \
         1 / (1 + (n+1)·e<sup>−½·f·(1−loss)·x</sup>) after x rounds with fan-out f; it is known to be pessimistic \
         in the middle of the curve, and nobody’s first packet waits for a round where gossip is prompt.{}</p></footer>",
        recording.samples.first().map_or_else(|| "–".into(), |sample| seconds(sample.span.as_secs_f64())),
        if recording.items_left_out > 0 {
            format!(" {} pieces of news were not followed.", number(recording.items_left_out as f64))
        } else {
            String::new()
        }
    );
}
