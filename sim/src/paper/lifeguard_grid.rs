//! Lifeguard's tables: the paper's grids of runs, and our figures beside the published ones.

use std::time::Duration;

use super::Scale;
use super::lifeguard::{Anomaly, Outcome, Setup, run};
use super::pool::Pool;
use super::stats::{self, Estimate};
use super::table::{Band, Row, Table};

/// The published figures of one configuration (papers, section 2.3).
struct Published {
    first: [f64; 3],
    full: [f64; 3],
    false_percent: f64,
    messages_percent: f64,
    bytes_percent: f64,
}

const SHARES: [(&str, f64, f64); 3] = [("median", 0.5, 0.03), ("99 %", 0.99, 0.10), ("99.9 %", 0.999, 0.15)];
/// False positives of the baseline per run.
const FALSE_PER_RUN: f64 = 78.5;
/// Messages of the baseline per member and run.
const MESSAGES_PER_MEMBER: f64 = 787.0;

/// In the order of [`Setup::ALL`].
const PUBLISHED: [Published; 5] = [
    Published {
        first: [12.44, 16.96, 19.40],
        full: [12.90, 16.93, 20.17],
        false_percent: 100.0,
        messages_percent: 100.0,
        bytes_percent: 100.0,
    },
    Published {
        first: [12.42, 17.75, 20.10],
        full: [12.90, 17.98, 20.56],
        false_percent: 67.72,
        messages_percent: 98.46,
        bytes_percent: 90.03,
    },
    Published {
        first: [12.42, 17.47, 25.41],
        full: [12.89, 17.33, 23.80],
        false_percent: 3.00,
        messages_percent: 111.31,
        bytes_percent: 106.52,
    },
    Published {
        first: [12.45, 17.12, 19.16],
        full: [12.92, 17.18, 19.81],
        false_percent: 94.08,
        messages_percent: 100.07,
        bytes_percent: 99.01,
    },
    Published {
        first: [12.45, 17.90, 21.20],
        full: [12.91, 18.05, 21.68],
        false_percent: 1.53,
        messages_percent: 110.59,
        bytes_percent: 97.97,
    },
];

/// Full Lifeguard with other bounds: alpha, beta, and the medians of first detection and full
/// dissemination in percent of the baseline (Table VII).
const TUNINGS: [(f64, f64, f64, f64); 2] = [(2.0, 2.0, 53.14, 55.12), (4.0, 6.0, 83.12, 84.42)];

/// The configurations to run, as places in [`Setup::ALL`].
fn configurations(scale: Scale) -> Vec<usize> {
    match scale {
        Scale::Reduced => vec![0, 4],
        Scale::Full { .. } => (0..Setup::ALL.len()).collect(),
    }
}

/// Runs of the threshold experiment.
#[must_use]
pub fn thresholds(scale: Scale, seed: u64) -> Vec<Anomaly> {
    match scale {
        Scale::Reduced => grid(&[4, 12, 20, 28], &[16_384, 32_768], &[None], 6, seed),
        Scale::Full { times } => grid(&MEMBERS, &LASTS, &[None], times.unwrap_or(10), seed),
    }
}

/// Runs of the interval experiment.
#[must_use]
pub fn intervals(scale: Scale, seed: u64) -> Vec<Anomaly> {
    let pauses = [1, 4, 16, 64, 256, 1024, 4096, 16_384].map(Some);
    match scale {
        // The mean number of members; every length and pause, which the figures hang on.
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

/// Runs the grid and compares.
#[must_use]
pub fn tables(scale: Scale, seed: u64, pool: &Pool) -> Vec<Table> {
    let (thresholds, intervals) = (thresholds(scale, seed), intervals(scale, seed));
    let mut tables = Vec::new();
    let mut baseline: Option<(Vec<Outcome>, [f64; 2])> = None;
    for place in configurations(scale) {
        let (name, setup) = Setup::ALL[place];
        let latency = pool.map(&format!("{name}, latency"), &thresholds, |anomaly| run(&setup, anomaly));
        let load = pool.map(&format!("{name}, false positives"), &intervals, |anomaly| run(&setup, anomaly));
        let title = format!("{name}: {} threshold runs, {} interval runs", thresholds.len(), intervals.len());
        let mut table = Table::new(title);
        latency_rows(&mut table, &latency, &PUBLISHED[place]);
        let medians = [median(&latency, |run| &run.first), median(&latency, |run| &run.full)];
        match &baseline {
            None => {
                absolute_rows(&mut table, &load);
                baseline = Some((load, medians));
            }
            Some((base, _)) => relative_rows(&mut table, &load, base, &PUBLISHED[place]),
        }
        tables.push(table);
    }
    if let (Scale::Full { .. }, Some((_, base))) = (scale, baseline) {
        tables.push(tunings(&thresholds, base, pool));
    }
    tables
}

fn sorted(runs: &[Outcome], times: impl Fn(&Outcome) -> &Vec<f64>) -> Vec<f64> {
    let mut all: Vec<f64> = runs.iter().flat_map(|run| times(run).iter().copied()).collect();
    stats::sort(&mut all);
    all
}

fn median(runs: &[Outcome], times: impl Fn(&Outcome) -> &Vec<f64>) -> f64 {
    stats::quantile(&sorted(runs, times), 0.5).value
}

fn latency_rows(table: &mut Table, runs: &[Outcome], published: &Published) {
    let (first, full) = (sorted(runs, |run| &run.first), sorted(runs, |run| &run.full));
    for (what, samples, published) in
        [("first detection", &first, published.first), ("full dissemination", &full, published.full)]
    {
        for ((name, share, width), published) in SHARES.into_iter().zip(published) {
            let ours = stats::quantile(samples, share);
            // A quantile is known only when there are samples beyond it.
            let known = samples.len() as f64 * (1.0 - share) >= 1.0;
            let band = if known { Band::share(published, width) } else { Band::Free };
            table.rows.push(Row::new(format!("{what}, {name}, s"), published, ours, band));
        }
    }
    table.notes.push(format!("{} detections", first.len()));
}

fn per_run(runs: &[Outcome], value: impl Fn(&Outcome) -> u64) -> Vec<f64> {
    runs.iter().map(|run| value(run) as f64).collect()
}

fn absolute_rows(table: &mut Table, runs: &[Outcome]) {
    let false_positives = stats::mean(&per_run(runs, |run| run.false_positives));
    let band = Band::factor(FALSE_PER_RUN, 2.0);
    table.rows.push(Row::new("FP per run", FALSE_PER_RUN, false_positives, band));
    let at_healthy = stats::mean(&per_run(runs, |run| run.at_healthy));
    table.rows.push(Row::new("FP- per run", 0.307, at_healthy, Band::Free));
    let messages =
        stats::mean(&per_run(runs, |run| run.messages)).scaled(1.0 / super::lifeguard::AGENTS as f64);
    table.rows.push(Row::new("messages per member and run", MESSAGES_PER_MEMBER, messages, Band::Free));
    let total = |value: fn(&Outcome) -> u64| runs.iter().map(value).sum::<u64>() as f64;
    let size = Estimate::exact(total(|run| run.bytes) / total(|run| run.messages));
    table.rows.push(Row::new("bytes per message", 368.0, size, Band::Free));
}

fn relative_rows(table: &mut Table, runs: &[Outcome], base: &[Outcome], published: &Published) {
    let percent =
        |value: fn(&Outcome) -> u64| stats::percent_of(&per_run(runs, value), &per_run(base, value));
    let ours = percent(|run| run.false_positives);
    let band = Band::factor(published.false_percent, 2.0);
    table.rows.push(Row::new("FP, % of SWIM", published.false_percent, ours, band));
    let at_healthy = stats::mean(&per_run(runs, |run| run.at_healthy));
    table.rows.push(Row { name: "FP- per run".into(), published: None, ours: at_healthy, band: Band::Free });
    // Both configurations had the same anomalies, so the doubt is that of the runs' differences.
    let paired = |value: fn(&Outcome) -> u64| {
        let total = |runs: &[Outcome]| per_run(runs, value).iter().sum::<f64>();
        let differences: Vec<f64> =
            per_run(runs, value).iter().zip(per_run(base, value)).map(|(ours, base)| ours - base).collect();
        let mean = total(base) / base.len() as f64;
        let scaled = stats::mean(&differences).scaled(100.0 / mean);
        Estimate { value: 100.0 + scaled.value, low: 100.0 + scaled.low, high: 100.0 + scaled.high }
    };
    let (messages, bytes) = (published.messages_percent, published.bytes_percent);
    let band = Band::plus_minus(messages, 5.0);
    table.rows.push(Row::new("messages, % of SWIM", messages, paired(|run| run.messages), band));
    let band = Band::plus_minus(bytes, 10.0);
    table.rows.push(Row::new("bytes, % of SWIM", bytes, paired(|run| run.bytes), band));
}

/// Table VII: what other bounds of the suspicion time-out do to the medians.
fn tunings(thresholds: &[Anomaly], base: [f64; 2], pool: &Pool) -> Table {
    let mut table = Table::new("Lifeguard's tunings, medians in percent of SWIM");
    for (alpha, beta, first, full) in TUNINGS {
        let setup = Setup::tuned(alpha, beta);
        let name = format!("alpha {alpha}, beta {beta}");
        let runs = pool.map(&name, thresholds, |anomaly| run(&setup, anomaly));
        let times = [
            ("first", sorted(&runs, |run| &run.first), first),
            ("full", sorted(&runs, |run| &run.full), full),
        ];
        for ((what, times, published), base) in times.into_iter().zip(base) {
            let ours = stats::quantile(&times, 0.5).scaled(100.0 / base);
            table.rows.push(Row::new(
                format!("{name}, {what}"),
                published,
                ours,
                Band::share(published, 0.05),
            ));
        }
    }
    table
}
