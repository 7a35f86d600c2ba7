//! The pictures of a run.

use std::fmt::Write as _;
use std::time::Duration;

use tidings_core::Time;

use super::alarm::Alarm;
use super::estimate::Estimate;
use super::recorder::Recording;
use super::sample::Sample;
use super::spread::{Curve, FIRST_POINT, News, SHARES};
use super::svg::{Axis, Bar, Chart, Series, Shape, clock, number, seconds};
use crate::xml::escape;

/// Loss below which the estimate is not drawn a second time.
const LOSS_TO_SHOW: f64 = 0.005;
/// Crashes listed one by one.
const CRASHES_MAX: usize = 8;
/// Bars of a histogram, about.
const BINS: f64 = 24.0;

impl Recording {
    /// Seconds since the watching began.
    pub(super) fn at(&self, time: Time) -> f64 {
        time.since(self.from).as_secs_f64()
    }

    /// Seconds watched.
    pub(super) fn length(&self) -> f64 {
        self.at(self.to).max(1e-3)
    }

    /// Times in which faults were at work, none overlapping.
    fn shades(&self) -> Vec<(f64, f64)> {
        let mut shades: Vec<(f64, f64)> = Vec::new();
        for span in &self.faults {
            let (from, to) = (self.at(span.from), span.to.map_or(self.length(), |to| self.at(to)));
            match shades.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => shades.push((from, to)),
            }
        }
        shades
    }

    fn line(&self, name: &str, class: &'static str, value: impl Fn(&Sample) -> f64) -> Series {
        let points = self.samples.iter().map(|sample| {
            // In the middle of its step.
            let middle = self.at(sample.at) - sample.span.as_secs_f64() / 2.0;
            (middle, value(sample))
        });
        Series { name: name.into(), class, shape: Shape::Line(points.collect()) }
    }

    /// A chart of some lines against the run's time.
    fn over_time(
        &self,
        id: &'static str,
        title: &'static str,
        about: &str,
        unit: &str,
        series: Vec<Series>,
    ) -> Chart {
        let values = series.iter().filter_map(|series| match &series.shape {
            Shape::Line(points) => Some(points.iter().map(|point| point.1).fold(0.0, f64::max)),
            _ => None,
        });
        let most = values.fold(0.0, f64::max);
        Chart {
            id,
            title,
            about: about.into(),
            x: Axis::time("virtual time", self.length()),
            y: Axis::numbers(unit, if most > 0.0 { most } else { 1.0 }),
            series,
            shades: self.shades(),
            below: String::new(),
        }
    }

    pub(super) fn traffic(&self) -> Chart {
        self.over_time(
            "messages",
            "Messages per member",
            "Datagrams a member sends each second; a quiet member sends one ping and one ack.",
            "datagrams a second",
            vec![
                self.line("busiest member", "s2 thin", |sample| sample.datagram_rate_max),
                self.line("mean", "s1", Sample::datagram_rate),
            ],
        )
    }

    pub(super) fn bytes(&self) -> Chart {
        self.over_time(
            "bytes",
            "Bytes per member",
            "Bytes a member sends each second, in datagrams and on streams, without headers of IP.",
            "bytes a second",
            vec![
                self.line("busiest member", "s2 thin", |sample| sample.byte_rate_max),
                self.line("mean", "s1", Sample::byte_rate),
            ],
        )
    }

    pub(super) fn queues(&self) -> Chart {
        self.over_time(
            "queues",
            "Queue depth",
            "Messages that wait to be gossiped: news of members, intents, events and queries.",
            "messages",
            vec![
                self.line("longest queue", "s2 thin", |sample| f64::from(sample.queue_max)),
                self.line("mean", "s1", |sample| sample.queue_mean),
            ],
        )
    }

    pub(super) fn awareness(&self) -> Chart {
        self.over_time(
            "awareness",
            "Awareness",
            "Lifeguard's local health multiplier: 0 is well; a member that doubts itself waits longer.",
            "health score",
            vec![
                self.line("worst member", "s2 thin", |sample| f64::from(sample.health_max)),
                self.line("mean", "s1", |sample| sample.health_mean),
            ],
        )
    }

    /// The estimates to be drawn beside what was measured.
    pub(super) fn estimates(&self) -> Vec<(String, Estimate)> {
        let calm = Estimate {
            members: self.members,
            fanout: self.fanout,
            interval: self.gossip_interval,
            loss: 0.0,
            failed: 0.0,
        };
        let mut estimates = vec![("Serf’s estimate".to_owned(), calm)];
        if self.loss >= LOSS_TO_SHOW {
            let lossy = Estimate { loss: self.loss.min(0.99), ..calm };
            estimates.push((format!("Serf’s estimate, {:.1} % loss", 100.0 * self.loss), lossy));
        }
        estimates
    }

    pub(super) fn convergence(&self) -> Chart {
        let mut series = Vec::new();
        for (number, (name, estimate)) in self.estimates().into_iter().enumerate() {
            let points = estimate.curve().into_iter().map(|(time, share)| (time.as_secs_f64(), share));
            let class = if number == 0 { "reference" } else { "reference faint" };
            series.push(Series { name, class, shape: Shape::Line(points.collect()) });
        }
        for (news, curve) in &self.curves {
            let points = curve.shares().enumerate().map(|(point, share)| (Curve::time(point), share));
            let class = match news {
                News::Event => "s1",
                News::Join => "s3",
                News::Gone => "s4",
                News::Suspicion => "s2 thin",
            };
            let name = format!("{} ({})", news.as_str(), number_of(curve.items));
            series.push(Series { name, class, shape: Shape::Line(points.collect()) });
        }
        let x = Axis::decades("since the first member knew", self.curve_start(), self.curve_end());
        for series in &mut series {
            if let Shape::Line(points) = &mut series.shape {
                points.retain(|(time, _)| *time <= x.max + 1e-9);
            }
        }
        let about = format!(
            "Share of the members that know, from when the first one knew, beside the estimate that Serf publishes \
             for {} members, fan-out {} and rounds of {}; the time runs in powers of ten. A curve ends below 100 % \
             where something newer overtook the news, as a refutation does a suspicion.",
            self.members,
            self.fanout,
            seconds(self.gossip_interval.as_secs_f64())
        );
        Chart {
            id: "convergence",
            title: "Convergence",
            about,
            x,
            y: Axis::share("share of members that know"),
            series,
            shades: Vec::new(),
            below: self.spread_table(),
        }
    }

    /// Before this, nothing is to be seen.
    fn curve_start(&self) -> f64 {
        let starts = self.curves.iter().filter_map(|(_, curve)| {
            let first = curve.shares().next()?;
            curve.shares().position(|share| share > first + 0.02)
        });
        starts.min().map_or(0.01, Curve::time).clamp(FIRST_POINT, 0.01)
    }

    /// Where the curves have come to rest, or the estimate has.
    fn curve_end(&self) -> f64 {
        let estimates = self.estimates();
        let estimate = estimates
            .iter()
            .filter_map(|(_, estimate)| estimate.curve().last().map(|(time, _)| time.as_secs_f64()));
        let rest = |curve: &Curve| {
            let shares: Vec<f64> = curve.shares().collect();
            let last = shares.last().copied().unwrap_or(0.0);
            let point = shares.iter().position(|share| *share >= last - 0.002).unwrap_or(0);
            Curve::time(point)
        };
        let measured = self.curves.iter().map(|(_, curve)| rest(curve));
        estimate.chain(measured).fold(0.0, f64::max)
    }

    /// Medians of the times to reach 50 %, 90 %, 99 % and all.
    fn spread_table(&self) -> String {
        let mut html = String::from(
            "<table><caption>Median time until so many knew</caption><thead><tr><th scope=\"col\">news</th>\
             <th scope=\"col\">50 %</th><th scope=\"col\">90 %</th><th scope=\"col\">99 %</th>\
             <th scope=\"col\">all</th><th scope=\"col\">reached all</th></tr></thead><tbody>",
        );
        let (_, estimate) = self.estimates().remove(0);
        html.push_str("<tr><th scope=\"row\">Serf’s estimate</th>");
        for share in [0.5, 0.9, 0.99] {
            let rounds = estimate.rounds_to(share).map(|rounds| self.gossip_interval * rounds);
            let _ = write!(html, "<td>{}</td>", time(rounds));
        }
        html.push_str("<td>–</td><td>–</td></tr>");
        for news in News::ALL {
            let items: Vec<_> = self.items.iter().filter(|item| item.news == news).collect();
            if items.is_empty() {
                continue;
            }
            let _ = write!(html, "<tr><th scope=\"row\">{}</th>", news.as_str());
            for place in 0..SHARES.len() {
                let times = items.iter().map(|item| item.times[place]).collect();
                let _ = write!(html, "<td>{}</td>", time(median_reached(times)));
            }
            let all = items.iter().filter(|item| item.times[3].is_some()).count();
            let _ = write!(html, "<td>{all} of {}</td></tr>", items.len());
        }
        html.push_str("</tbody></table>\n");
        html
    }

    pub(super) fn detection(&self) -> Chart {
        let first: Vec<f64> =
            self.crashes.iter().filter_map(|crash| crash.first).map(|t| t.as_secs_f64()).collect();
        let full: Vec<f64> =
            self.crashes.iter().filter_map(|crash| crash.full).map(|t| t.as_secs_f64()).collect();
        let most = first.iter().chain(&full).copied().fold(0.0, f64::max);
        let x = Axis::time("after the crash", if most > 0.0 { 1.05 * most } else { 1.0 });
        let bin = bin_width(x.max);
        let (first_bars, a) = histogram(&first, bin, 0.0, 0.5, "first detection");
        let (full_bars, b) = histogram(&full, bin, 0.5, 1.0, "full dissemination");
        let about = if self.crashes.is_empty() {
            "No process crashed in this run.".into()
        } else {
            self.detection_summary(&first, &full)
        };
        Chart {
            id: "detection",
            title: "Detection of crashes",
            about,
            x,
            y: Axis::numbers("crashes", a.max(b).max(1.0)),
            series: vec![
                Series { name: "first detection".into(), class: "s1", shape: Shape::Bars(first_bars) },
                Series { name: "full dissemination".into(), class: "s2", shape: Shape::Bars(full_bars) },
            ],
            shades: Vec::new(),
            below: self.crash_table(),
        }
    }

    /// The first crashes, one by one.
    fn crash_table(&self) -> String {
        if self.crashes.is_empty() {
            return String::new();
        }
        let mut html = String::from(
            "<table><thead><tr><th scope=\"col\">crashed</th><th scope=\"col\">at</th><th scope=\"col\">first \
             detection</th><th scope=\"col\">known to all</th><th scope=\"col\">back after</th></tr></thead><tbody>",
        );
        for crash in self.crashes.iter().take(CRASHES_MAX) {
            let _ = write!(
                html,
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escape(&crash.member),
                clock(self.at(crash.at)),
                time(crash.first),
                time(crash.full),
                time(crash.back)
            );
        }
        html.push_str("</tbody></table>\n");
        if self.crashes.len() > CRASHES_MAX {
            let _ = write!(html, "<p>The first {CRASHES_MAX} of {}.</p>", self.crashes.len());
        }
        html
    }

    fn detection_summary(&self, first: &[f64], full: &[f64]) -> String {
        let back = self.crashes.iter().filter(|crash| crash.first.is_none() && crash.back.is_some()).count();
        let mut about =
            format!("{} crashed, {} were detected", number_of(self.crashes.len() as u64), first.len());
        if back > 0 {
            let _ = write!(about, ", {back} came back before anybody noticed");
        }
        about.push('.');
        for (values, what) in [(first, "first detection"), (full, "until all held it failed")] {
            if let Some(median) = median(values) {
                let _ = write!(about, " Median {what}: {}.", seconds(median));
            }
        }
        about
    }

    pub(super) fn failures(&self) -> Chart {
        let x = Axis::time("virtual time", self.length());
        let bin = bin_width(x.max);
        let bins = (x.max / bin).ceil() as usize + 1;
        let mut floor = vec![0.0; bins];
        let mut series = Vec::new();
        for (kind, class) in Alarm::ALL.into_iter().zip(["s5", "s3", "s6", "s2", "s4"]) {
            let mut counts = vec![0_u32; bins];
            for event in self.failures.iter().filter(|event| event.alarm == kind) {
                counts[((self.at(event.at) / bin) as usize).min(bins - 1)] += 1;
            }
            let mut bars = Vec::new();
            for (place, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let (low, from) = (floor[place], place as f64 * bin);
                floor[place] += f64::from(*count);
                let text = format!("{} to {}: {count} {}", seconds(from), seconds(from + bin), kind.as_str());
                bars.push((from, from + bin, low, floor[place], text));
            }
            let total = self.failure_count(kind);
            if total > 0 {
                let name = format!("{} ({})", kind.as_str(), number_of(total));
                series.push(Series { name, class, shape: Shape::Bars(bars) });
            }
        }
        Chart {
            id: "failures",
            title: "Failure events and false positives",
            about: self.failures_summary(),
            x,
            y: Axis::numbers("events", floor.into_iter().fold(1.0, f64::max)),
            series,
            shades: self.shades(),
            below: String::new(),
        }
    }

    fn failures_summary(&self) -> String {
        let negative = self.failure_count(Alarm::FalseByHealthy);
        let false_ones = self.failure_count(Alarm::False) + negative;
        format!(
            "What applications were told, by how the member really was. <b>FP {}</b> (about a member that was well), \
             <b>FP− {}</b> of them by a member that was well itself. {} suspicions were refuted.",
            number_of(false_ones),
            number_of(negative),
            number_of(self.refuted)
        )
    }

    /// Failure events of a kind.
    #[must_use]
    pub fn failure_count(&self, kind: Alarm) -> u64 {
        let place = Alarm::ALL.iter().position(|known| *known == kind);
        place.map_or(0, |place| self.failure_counts[place])
    }
}

fn number_of(count: u64) -> String {
    number(count as f64)
}

fn time(time: Option<Duration>) -> String {
    time.map_or_else(|| "–".into(), |time| seconds(time.as_secs_f64()))
}

/// The median of times of which some never came; `None` if most did not.
fn median_reached(mut times: Vec<Option<Duration>>) -> Option<Duration> {
    times.sort_by_key(|time| time.unwrap_or(Duration::MAX));
    times.get(times.len() / 2).copied().flatten()
}

/// The median of some numbers.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

fn bin_width(max: f64) -> f64 {
    const WIDTHS: [f64; 14] =
        [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0];
    WIDTHS.into_iter().find(|width| max / width <= BINS).unwrap_or(max / BINS)
}

/// Bars that take the part of each bin between `left` and `right`, and the height of the highest.
fn histogram(values: &[f64], bin: f64, left: f64, right: f64, what: &str) -> (Vec<Bar>, f64) {
    let mut counts = std::collections::BTreeMap::new();
    for value in values {
        *counts.entry((value / bin) as u64).or_insert(0_u32) += 1;
    }
    let most = counts.values().copied().max().unwrap_or(0);
    let bars = counts.into_iter().map(|(place, count)| {
        let from = place as f64 * bin;
        let text = format!("{what} after {} to {}: {count}", seconds(from), seconds(from + bin));
        (from + left * bin, from + right * bin, 0.0, f64::from(count), text)
    });
    (bars.collect(), f64::from(most))
}
