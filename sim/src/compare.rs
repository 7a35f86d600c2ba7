//! Two scripts, or two configurations of one, run with the same seeds: distributions side by side.
//!
//! Both meet the same random choices wherever their scripts agree (each fault, piece of work and
//! node draws from a stream of its own), so the difference is taken seed by seed, and is seen
//! through less noise than two means have.

use std::fmt;

use crate::paper::stats::{Estimate, mean, quantile, sort};
use crate::report::{Alarm, Crash, News, Recording};
use crate::run::Outcome;
use crate::script::Script;
use crate::statistics::run_recorded;

/// Bars of a distribution's picture.
const BINS: usize = 16;
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What is measured of a run, in the order of [`Figures`].
pub const FIGURES: [&str; 10] = [
    "first detection, mean, s",
    "known to all, mean, s",
    "false positives (FP)",
    "of them by healthy members (FP-)",
    "refutations",
    "events known to 99 %, mean, ms",
    "datagrams a second, each",
    "bytes a second, each",
    "agreed after the last fault, s",
    "violations",
];

/// What was measured of a run; `None`: there was nothing to measure.
pub type Figures = [Option<f64>; FIGURES.len()];

/// Runs a script and measures it.
#[must_use]
pub fn measure(script: &Script, seed: u64) -> Figures {
    let (outcome, recording) = run_recorded(script, seed);
    figures(&recording, &outcome)
}

fn figures(recording: &Recording, outcome: &Outcome) -> Figures {
    let crashes = |time: fn(&Crash) -> Option<std::time::Duration>| {
        average(recording.crashes.iter().filter_map(time).map(|time| time.as_secs_f64()))
    };
    let count = |kind: Alarm| recording.failure_count(kind) as f64;
    let (mut datagrams, mut bytes, mut member_seconds) = (0.0, 0.0, 0.0);
    for sample in &recording.samples {
        datagrams += sample.datagrams as f64;
        bytes += (sample.datagram_bytes + sample.stream_bytes) as f64;
        member_seconds += f64::from(sample.living) * sample.span.as_secs_f64();
    }
    let each = |sum: f64| (member_seconds > 0.0).then_some(sum / member_seconds);
    let events = recording.items.iter().filter(|item| item.news == News::Event);
    [
        crashes(|crash| crash.first),
        crashes(|crash| crash.full),
        Some(count(Alarm::False) + count(Alarm::FalseByHealthy)),
        Some(count(Alarm::FalseByHealthy)),
        Some(recording.refuted as f64),
        average(events.filter_map(|item| item.times[2]).map(|time| 1000.0 * time.as_secs_f64())),
        each(datagrams),
        each(bytes),
        outcome.healed_after.map(|time| time.as_secs_f64()),
        Some(f64::from(u8::from(outcome.violation.is_some()))),
    ]
}

fn average(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then_some(sum / count)
}

/// Two scripts' figures, seed by seed.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Seeds and what was measured with each.
    pub runs: Vec<(u64, [Figures; 2])>,
}

impl Comparison {
    fn column(&self, figure: usize, side: usize) -> Vec<f64> {
        self.runs.iter().filter_map(|(_, sides)| sides[side][figure]).collect()
    }

    /// How much the second is above the first, with the same seeds; `None`: no seed has both.
    #[must_use]
    pub fn difference(&self, figure: usize) -> Option<Estimate> {
        let both = self.runs.iter().filter_map(|(_, [a, b])| Some(b[figure]? - a[figure]?));
        let both: Vec<f64> = both.collect();
        (!both.is_empty()).then(|| mean(&both))
    }

    /// As CSV: a line for each seed and script; a field is empty where there was nothing to
    /// measure.
    #[must_use]
    pub fn csv(&self) -> String {
        let names = FIGURES.map(|name| format!("\"{name}\""));
        let mut csv = format!("seed,script,{}\n", names.join(","));
        for (seed, sides) in &self.runs {
            for (name, figures) in ["A", "B"].into_iter().zip(sides) {
                let fields = figures.map(|figure| figure.map_or_else(String::new, |value| value.to_string()));
                csv.push_str(&format!("{seed},{name},{}\n", fields.join(",")));
            }
        }
        csv
    }
}

/// A figure with as many digits as it deserves.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A distribution in a line of bars, over a range.
fn bars(values: &[f64], low: f64, high: f64) -> String {
    let mut counts = [0_usize; BINS];
    for value in values {
        let part = if high > low { (value - low) / (high - low) } else { 0.0 };
        counts[((part * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    counts.iter().map(|count| BARS[(count * 8).div_ceil(most)]).collect()
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (figure, name) in FIGURES.iter().enumerate() {
            let sides = [self.column(figure, 0), self.column(figure, 1)];
            let all = || sides.iter().flatten().copied();
            let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
            writeln!(f, "{name}")?;
            for (side, mut values) in ["A", "B"].into_iter().zip(sides) {
                if values.is_empty() {
                    writeln!(f, "  {side}  nothing to measure")?;
                    continue;
                }
                let center = mean(&values);
                let drawn = bars(&values, low, high);
                sort(&mut values);
                writeln!(
                    f,
                    "  {side}  mean {:>8} {:<20} median {:>8}   95 % {:>8}   n {:>4}   |{drawn}| {} to {}",
                    short(center.value),
                    range(center),
                    short(quantile(&values, 0.5).value),
                    short(quantile(&values, 0.95).value),
                    values.len(),
                    short(low),
                    short(high),
                )?;
            }
            if let Some(apart) = self.difference(figure) {
                writeln!(f, "  B − A  {:>+9.2} {:<20} {}", apart.value, range(apart), verdict(apart))?;
            }
        }
        Ok(())
    }
}

fn range(estimate: Estimate) -> String {
    if estimate.low.is_finite() {
        format!("[{}, {}]", short(estimate.low), short(estimate.high))
    } else {
        "[one run only]".into()
    }
}

/// What a difference says.
fn verdict(apart: Estimate) -> &'static str {
    if apart.low > 0.0 {
        "B is higher"
    } else if apart.high < 0.0 {
        "B is lower"
    } else if apart.low == apart.high {
        "the same with every seed"
    } else {
        "no difference can be told"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(pairs: &[(f64, f64)]) -> Comparison {
        let run = |(seed, (a, b)): (usize, &(f64, f64))| {
            let side = |value: f64| {
                let mut figures = Figures::default();
                figures[2] = Some(value);
                figures
            };
            (seed as u64, [side(*a), side(*b)])
        };
        Comparison { runs: pairs.iter().enumerate().map(run).collect() }
    }

    #[test]
    fn a_difference_is_taken_seed_by_seed() {
        // Far apart from seed to seed, always by about one within a seed.
        let close = comparison(&[(1.0, 2.0), (50.0, 51.1), (200.0, 200.9), (7.0, 8.0)]);
        let apart = close.difference(2).expect("a difference");
        assert!((apart.value - 1.0).abs() < 1e-9 && apart.low > 0.9, "{apart:?}");
        assert_eq!(verdict(apart), "B is higher");
        assert_eq!(close.difference(0), None);
        let noise = comparison(&[(1.0, 2.0), (2.0, 1.0), (3.0, 3.0)]);
        assert_eq!(verdict(noise.difference(2).unwrap()), "no difference can be told");
        assert!(close.to_string().contains("nothing to measure"));
    }

    #[test]
    fn distributions_are_drawn_over_the_same_range() {
        assert_eq!(bars(&[0.0, 10.0], 0.0, 10.0), format!("█{}█", " ".repeat(BINS - 2)));
        assert_eq!(bars(&[3.0, 3.0], 3.0, 3.0), format!("█{}", " ".repeat(BINS - 1)));
    }
}
