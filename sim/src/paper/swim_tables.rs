//! SWIM's tables: our figures beside the published ones (papers, section 1.2).

use super::pool::Pool;
use super::stats::{self, Estimate};
use super::swim::{Variant, crash, load};
use super::table::{Band, Row, Table};
use super::{Scale, swim_loss};

/// Sizes of the group for which no failures, and one, are looked at.
const LOAD_SIZES: [usize; 5] = [5, 16, 28, 40, 55];
const DETECTION_SIZES: [usize; 5] = [8, 16, 24, 32, 40];
const DISSEMINATION_SIZES: [usize; 5] = [6, 16, 28, 40, 56];
/// Periods from a crash to its first detection with members that are not in step: one until the
/// first probe of it begins, one until that has failed (papers, section 1.1). In lock-step, counted
/// in whole rounds, it is e / (e - 1) = 1.58.
const DETECTION: f64 = 2.0;

/// Why five messages in a period are not as rare as published.
const POISSON: &str = "a member is pinged by each of the 27 others with a chance of 1 in 27, so that it sends four \
                       acks or more beside its ping in 1.9 % of the periods";

/// Runs and compares all.
#[must_use]
pub fn tables(scale: Scale, seed: u64, pool: &Pool) -> Vec<Table> {
    let runs = scale.runs(300, 1000);
    let seeds: Vec<u64> = (seed..seed + runs).collect();
    vec![
        load_table(&seeds, pool),
        detection_table(&seeds, pool),
        dissemination_table(&seeds, pool),
        swim_loss::table(&seeds, pool),
    ]
}

fn load_table(seeds: &[u64], pool: &Pool) -> Table {
    let mut table = Table::new("SWIM, messages sent per member and period, no failures (Fig. 2)");
    let seeds = &seeds[..seeds.len().min(20)];
    for members in LOAD_SIZES {
        let loads = pool.map("message load", seeds, |seed| load(members, *seed));
        let means: Vec<f64> = loads.iter().map(|load| load.mean).collect();
        let band = Band::Within(1.98, 2.15);
        table.rows.push(Row::new(format!("N = {members}: mean"), 2.0, stats::mean(&means), band));
        if members == 28 {
            let few = loads.iter().map(|load| load.few).sum();
            let share = stats::share(few, loads.iter().map(|load| load.all).sum());
            let name = "N = 28: share of periods with fewer than 5";
            let row = Row::new(name, 0.99, share, Band::Within(0.99, 1.0));
            table.rows.push(row.stated(0.975, 0.99, POISSON));
        }
    }
    table.notes.push("published: every mean between 1.98 and 2.15; as many are received".into());
    table
}

fn detection_table(seeds: &[u64], pool: &Pool) -> Table {
    let mut table = Table::new("SWIM, periods from a crash to its first detection (Fig. 3a)");
    for variant in Variant::ALL {
        let mut means = Vec::new();
        for members in DETECTION_SIZES {
            let runs = pool.map("first detection", seeds, |seed| crash(members, variant, *seed).first);
            let ours = stats::mean(&runs);
            means.push(ours.value);
            let name = format!("{}, N = {members}: mean", variant.name());
            table.rows.push(Row::new(name, DETECTION, ours, Band::share(DETECTION, 0.1)));
            let inside = runs.iter().filter(|run| (0.5..=4.4).contains(*run)).count();
            let name = format!("{}, N = {members}: share within 0.5 .. 4.4", variant.name());
            let share = stats::share(inside, runs.len());
            table.rows.push(Row::new(name, 1.0, share, Band::Within(0.95, 1.0)));
        }
        let largest = means.iter().copied().fold(0.0, f64::max);
        let spread = largest / means.iter().copied().fold(f64::MAX, f64::min);
        let name = format!("{}: largest mean / smallest (no trend with N)", variant.name());
        table.rows.push(Row::new(name, 1.0, Estimate::exact(spread), Band::Within(1.0, 1.2)));
    }
    table
        .notes
        .push("2.0: one period to the first probe of the dead, one for it to fail; in lock-step 1.58".into());
    table.notes.push("published: single runs between 0.5 and 4.4; 95 % of ours must lie there".into());
    table
}

/// Why small groups hear sooner than published.
const SOONER: &str = "the one that finds out tells its next target in the same moment and does not wait for its \
                      next period; Bailey's own curve has half of the group at ln(N - 1) / 2 = 0.80 periods";

fn dissemination_table(seeds: &[u64], pool: &Pool) -> Table {
    let mut table = Table::new("SWIM, periods from the first detection to each member's receipt (Fig. 3b)");
    let mut medians = Vec::new();
    for members in DISSEMINATION_SIZES {
        let runs = pool.map("dissemination", seeds, |seed| crash(members, Variant::Inf, *seed).heard);
        let mut times: Vec<f64> = runs.into_iter().flatten().collect();
        stats::sort(&mut times);
        let median = stats::quantile(&times, 0.5);
        medians.push(median.value);
        let row = Row::within(format!("N = {members}: median"), median, 1.0, 3.0);
        table.rows.push(match members {
            6 => row.stated(0.2, 0.6, SOONER),
            16 => row.stated(0.95, 1.0, SOONER),
            _ => row,
        });
        let inside = times.iter().filter(|time| **time < 5.6).count();
        let name = format!("N = {members}: share below 5.6");
        table.rows.push(Row::new(name, 1.0, stats::share(inside, times.len()), Band::Within(0.999, 1.0)));
    }
    let growth = Estimate::exact(medians[medians.len() - 1] - medians[0]);
    table.rows.push(Row::within("growth of the median from N = 6 to 56", growth, 0.5, 2.0));
    let steps = medians.windows(2).filter(|pair| pair[1] < pair[0]).count();
    table.rows.push(Row::within("sizes at which the median falls", Estimate::exact(steps as f64), 0.0, 0.0));
    table
        .notes
        .push("published: medians 1.0 to 3.0, every receipt below about 5.6, growing slowly with N".into());
    table
}
