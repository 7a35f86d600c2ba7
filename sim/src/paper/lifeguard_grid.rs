//! The runs of Lifeguard's experiments: the paper's grids, or a part of them.

use std::time::Duration;

use super::Scale;
use super::lifeguard::{Anomaly, Outcome, Setup, run};
use super::lifeguard_published::TUNINGS;
use super::pool::Pool;
use super::record::Record;
use crate::draw::{Draw, Purpose};

/// A configuration with its runs of both experiments.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its name in the tables.
    pub name: String,
    /// What was switched on.
    pub setup: Setup,
    /// The threshold experiment.
    pub latency: Vec<Outcome>,
    /// The interval experiment; empty if it was not run.
    pub load: Vec<Outcome>,
}

/// A configuration to run, and whether the interval experiment belongs to it.
type Wanted = (String, Setup, bool);

/// The five configurations, then the tunings of full Lifeguard that are not among them.
fn wanted(scale: Scale) -> Vec<Wanted> {
    let full = matches!(scale, Scale::Full { .. });
    let mut wanted: Vec<Wanted> =
        Setup::ALL.iter().map(|(name, setup)| ((*name).to_owned(), *setup, true)).collect();
    for tuning in &TUNINGS {
        let setup = Setup::tuned(tuning.alpha, tuning.beta);
        let known = wanted.iter().any(|(_, known, _)| *known == setup);
        // The reduced grid has the published tunings' latencies only.
        if !known && (full || tuning.latency.is_some()) {
            wanted.push((format!("alpha {}, beta {}", tuning.alpha, tuning.beta), setup, full));
        }
    }
    wanted
}

/// Runs of the threshold experiment.
#[must_use]
pub fn thresholds(scale: Scale, seed: u64) -> Vec<Anomaly> {
    match scale {
        Scale::Reduced => grid(&[4, 12, 20, 28], &[16_384, 32_768], &[None], 3, seed),
        Scale::Full { times } => grid(&MEMBERS, &LASTS, &[None], times.unwrap_or(10), seed),
    }
}

/// Runs of the interval experiment.
#[must_use]
pub fn intervals(scale: Scale, seed: u64) -> Vec<Anomaly> {
    let pauses = [1, 4, 16, 64, 256, 1024, 4096, 16_384].map(Some);
    match scale {
        // The mean number of members, and every length and pause: FP comes from few of them.
        Scale::Reduced => grid(&[16], &LASTS, &pauses, 1, seed),
        Scale::Full { times } => grid(&MEMBERS, &LASTS, &pauses, times.unwrap_or(10), seed),
    }
}

const MEMBERS: [usize; 9] = [1, 4, 8, 12, 16, 20, 24, 28, 32];
/// Milliseconds.
const LASTS: [u64; 6] = [128, 512, 2048, 8192, 16_384, 32_768];

/// Every combination, `times` each. All configurations get the same seeds: they meet the same
/// anomalies.
fn grid(members: &[usize], lasts: &[u64], pauses: &[Option<u64>], times: u64, seed: u64) -> Vec<Anomaly> {
    let mut runs = Vec::new();
    for &members in members {
        for &lasts in lasts {
            for &pause in pauses {
                for _ in 0..times {
                    let seed = seed.wrapping_add(runs.len() as u64);
                    let (lasts, pause) = (Duration::from_millis(lasts), pause.map(Duration::from_millis));
                    runs.push(Anomaly { members, lasts, pause, seed });
                }
            }
        }
    }
    runs
}

/// Runs everything, in mixed order so that the time left can be told from the time spent.
#[must_use]
pub fn ran(scale: Scale, seed: u64, pool: &Pool, record: Option<&Record>) -> Vec<Ran> {
    let (thresholds, intervals) = (thresholds(scale, seed), intervals(scale, seed));
    let wanted = wanted(scale);
    let mut jobs: Vec<(usize, &Anomaly)> = Vec::new();
    for (place, (_, _, load)) in wanted.iter().enumerate() {
        jobs.extend(thresholds.iter().map(|anomaly| (place, anomaly)));
        jobs.extend(intervals.iter().filter(|_| *load).map(|anomaly| (place, anomaly)));
    }
    let order = Draw::of(seed, Purpose::Work, 4).choose(jobs.len(), jobs.len());
    let outcomes = pool.map("Lifeguard", &order, |job| {
        let (place, anomaly) = jobs[*job];
        let setup = &wanted[place].1;
        let Some(record) = record else { return run(setup, anomaly) };
        let key = format!("{setup:?} {anomaly:?}");
        record.get(&key).cloned().unwrap_or_else(|| {
            let outcome = run(setup, anomaly);
            record.add(&key, &outcome);
            outcome
        })
    });
    let mut sorted: Vec<(usize, Outcome)> = order.into_iter().zip(outcomes).collect();
    sorted.sort_by_key(|(job, _)| *job);
    let mut outcomes = sorted.into_iter().map(|(_, outcome)| outcome);
    let ran = wanted.into_iter().map(|(name, setup, load)| {
        let latency = outcomes.by_ref().take(thresholds.len()).collect();
        let load = outcomes.by_ref().take(if load { intervals.len() } else { 0 }).collect();
        Ran { name, setup, latency, load }
    });
    ran.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grids_are_the_papers() {
        let full = Scale::Full { times: None };
        assert_eq!(thresholds(full, 1).len(), 540);
        assert_eq!(intervals(full, 1).len(), 4320);
        let names: Vec<String> = wanted(full).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names.len(), 5 + 8, "alpha 5, beta 6 is Lifeguard itself: {names:?}");
        assert_eq!(wanted(Scale::Reduced).len(), 5 + 2);
        let mut seeds: Vec<u64> = intervals(full, 1).iter().map(|anomaly| anomaly.seed).collect();
        seeds.dedup();
        assert_eq!(seeds.len(), 4320, "each run has a seed of its own");
    }
}
