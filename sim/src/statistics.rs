//! Figures over many seeds (papers, section 7.5): how long detection, spread and convergence take,
//! how often somebody is wrongly declared failed, and what it costs, each with its doubt.

use std::fmt;

use serde::Serialize;
use tidings_core::Time;

use crate::paper::stats::{Estimate, mean, quantile};
use crate::report::{Alarm, News, Recorder, Recording};
use crate::run::{Outcome, run_watched};
use crate::script::Script;

/// What is measured, with its unit.
const FIGURES: [(&str, &str); 6] = [
    ("first detection of a crash", "s"),
    ("detection at all members", "s"),
    ("an event at all members", "s"),
    ("agreement after the last fault", "s"),
    ("false failures", "per member-hour"),
    ("datagrams sent", "per member-second"),
];
/// The quantiles told.
const SHARES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

/// Runs a script with a seed and records what [`Statistics::add`] wants to know.
#[must_use]
pub fn run_recorded(script: &Script, seed: u64) -> (Outcome, Recording) {
    let recorder = Recorder::new();
    let mut recording = None;
    let outcome = run_watched(
        script,
        seed,
        |cluster| recorder.attach(cluster),
        |cluster| recording = Some(recorder.finish(cluster)),
    );
    (outcome, recording.expect("every run ends"))
}

/// Samples of many runs.
///
/// ```
/// use tidings_sim::script::mixed;
/// use tidings_sim::statistics::{Statistics, run_recorded};
///
/// let mut statistics = Statistics::default();
/// for seed in 0..3 {
///     let (outcome, recording) = run_recorded(&mixed(5), seed);
///     statistics.add(&outcome, &recording);
/// }
/// let figures = statistics.figures();
/// let agreement = figures.iter().find(|figure| figure.name.starts_with("agreement")).unwrap();
/// assert_eq!(agreement.samples, 3);
/// println!("{statistics}");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    samples: [Vec<f64>; FIGURES.len()],
}

/// One figure over all runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// How many samples it comes from: crashes, events, or runs.
    pub samples: usize,
    /// The mean.
    pub mean: Bounded,
    /// The quantiles 0.5, 0.9, 0.99 and 0.999.
    pub quantiles: Vec<Bounded>,
}

/// A number and the bounds it lies between with 95 % confidence. `None`: there are too few samples
/// to say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bounded {
    /// Of which share of the samples it is the upper end; `None` for a mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// The number.
    pub value: Option<f64>,
    /// Its lower bound.
    pub low: Option<f64>,
    /// Its upper bound.
    pub high: Option<f64>,
}

impl Bounded {
    fn new(share: Option<f64>, estimate: Estimate) -> Self {
        let finite = |number: f64| number.is_finite().then_some(number);
        Bounded {
            share,
            value: finite(estimate.value),
            low: finite(estimate.low),
            high: finite(estimate.high),
        }
    }
}

impl Statistics {
    /// Takes in a run. Crashes of members that came back before anybody missed them, and events
    /// that did not reach everybody within a minute, have no time and do not count.
    pub fn add(&mut self, outcome: &Outcome, recording: &Recording) {
        let [first, full, events, agreement, alarms, datagrams] = &mut self.samples;
        first.extend(recording.crashes.iter().filter_map(|crash| crash.first).map(|time| time.as_secs_f64()));
        full.extend(recording.crashes.iter().filter_map(|crash| crash.full).map(|time| time.as_secs_f64()));
        let news = recording.items.iter().filter(|item| item.news == News::Event);
        events.extend(news.filter_map(|item| item.times[3]).map(|time| time.as_secs_f64()));
        agreement.extend(outcome.healed_after.map(|time| time.as_secs_f64()));
        let member_seconds = recording.members as f64 * recording.to.since(Time::ZERO).as_secs_f64();
        if member_seconds > 0.0 {
            let counts = Alarm::ALL.iter().zip(recording.failure_counts);
            let wrong: u64 = counts.filter(|(alarm, _)| alarm.is_false()).map(|(_, count)| count).sum();
            alarms.push(wrong as f64 / member_seconds * 3600.0);
            datagrams.push(outcome.datagrams as f64 / member_seconds);
        }
    }

    /// The figures. They do not depend on the order in which runs were taken in.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let figure = |((name, unit), samples): (&(&'static str, &'static str), &Vec<f64>)| {
            let mut sorted = samples.clone();
            sorted.sort_by(f64::total_cmp);
            let bounded = |share: f64| Bounded::new(Some(share), quantile(&sorted, share));
            Figure {
                name,
                unit,
                samples: sorted.len(),
                mean: Bounded::new(None, mean(&sorted)),
                quantiles: SHARES.into_iter().map(bounded).collect(),
            }
        };
        FIGURES.iter().zip(&self.samples).map(figure).collect()
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:31}{:>8}  mean, and quantiles with 95 % confidence", "", "samples")?;
        for figure in self.figures() {
            write!(f, "{:31}{:>8}  {}", figure.name, figure.samples, text(&figure.mean))?;
            for quantile in &figure.quantiles {
                write!(f, "  {}% {}", quantile.share.unwrap_or(0.0) * 100.0, text(quantile))?;
            }
            writeln!(f, "  {}", figure.unit)?;
        }
        Ok(())
    }
}

fn text(number: &Bounded) -> String {
    match (number.value, number.low, number.high) {
        (Some(value), Some(low), Some(high)) => format!("{value:.2} ({low:.2} to {high:.2})"),
        (Some(value), _, _) => format!("{value:.2}"),
        (None, _, _) => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_do_not_depend_on_the_order_of_the_runs() {
        let of =
            |samples: Vec<f64>| Statistics { samples: [samples, vec![], vec![], vec![], vec![], vec![]] };
        let up: Vec<f64> = (0..1000).map(|n| f64::from(n) * 0.1).collect();
        let down: Vec<f64> = up.iter().rev().copied().collect();
        assert_eq!(of(up.clone()).figures(), of(down).figures());
        let figures = of(up).figures();
        let median = figures[0].quantiles[0];
        assert!((median.value.unwrap() - 49.95).abs() < 0.1, "{median:?}");
        assert!(median.low.unwrap() > 46.0 && median.high.unwrap() < 54.0, "{median:?}");
    }

    #[test]
    fn what_nobody_measured_is_not_a_number() {
        let figure = &Statistics::default().figures()[0];
        assert_eq!((figure.samples, figure.mean.value, figure.quantiles[0].value), (0, None, None));
        assert!(Statistics::default().to_string().contains("first detection"));
    }
}
