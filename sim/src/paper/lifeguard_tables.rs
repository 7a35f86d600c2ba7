//! Lifeguard's tables: our figures beside the published ones (papers, sections 2.3 and 2.5).

use super::Scale;
use super::lifeguard::{AGENTS, Outcome, Setup};
use super::lifeguard_grid::{Ran, ran};
use super::lifeguard_published::{
    AT_HEALTHY_PER_RUN, BYTES_PER_MESSAGE, CONFIGURATIONS, FALSE_PER_RUN, MESSAGES_PER_MEMBER, TUNINGS,
    Tuning,
};
use super::pool::Pool;
use super::record::Record;
use super::stats::{self, Estimate};
use super::table::{Band, Row, Table};

/// Shares of the detections, and how near their times have to come.
const SHARES: [(&str, f64, f64); 3] = [("median", 0.5, 0.03), ("99 %", 0.99, 0.10), ("99.9 %", 0.999, 0.15)];
/// Runs with false positives at healthy agents from which their number is judged; they come in
/// bursts of a hundred, when one accusation reaches all before its refutation.
const BURSTS_MIN: usize = 20;

/// Runs the grid and compares.
#[must_use]
pub fn tables(scale: Scale, seed: u64, pool: &Pool, record: Option<&Record>) -> Vec<Table> {
    let ran = ran(scale, seed, pool, record);
    let five = &ran[..Setup::ALL.len()];
    let mut tables = latency_tables(five);
    tables.push(false_positives(five));
    tables.push(at_healthy(five));
    tables.push(load(five));
    tables.push(tunings(&ran));
    if let Scale::Full { .. } = scale {
        tables.push(shape(&ran));
    }
    tables
}

type Times = fn(&Outcome) -> &Vec<f64>;

fn sorted(runs: &[Outcome], times: Times) -> Vec<f64> {
    let mut all: Vec<f64> = runs.iter().flat_map(|run| times(run).iter().copied()).collect();
    stats::sort(&mut all);
    all
}

/// A quantile is known only when there are samples beyond it.
fn is_known(samples: usize, share: f64) -> bool {
    samples as f64 * (1.0 - share) >= 1.0
}

/// First detection, then full dissemination.
fn latency_tables(five: &[Ran]) -> Vec<Table> {
    let kinds: [(&str, Times); 2] =
        [("first detection", |run| &run.first), ("full dissemination", |run| &run.full)];
    let mut tables = Vec::new();
    for (kind, (what, times)) in kinds.into_iter().enumerate() {
        let runs = five[0].latency.len();
        let mut table = Table::new(format!("Lifeguard, seconds to the {what}, {runs} threshold runs each"));
        let mut few = None;
        for (ran, published) in five.iter().zip(&CONFIGURATIONS) {
            let samples = sorted(&ran.latency, times);
            let published = if kind == 0 { published.first } else { published.full };
            for ((share_name, share, width), published) in SHARES.into_iter().zip(published) {
                let known = is_known(samples.len(), share);
                let band = if known { Band::share(published, width) } else { Band::Free };
                let name = format!("{}: {share_name}", ran.name);
                table.rows.push(Row::new(name, published, stats::quantile(&samples, share), band));
                if !known {
                    few = Some((share_name, samples.len()));
                }
            }
        }
        table.notes.extend(few.map(|(share, samples)| {
            format!("{share} is not judged: about {samples} detections have none beyond it")
        }));
        tables.push(table);
    }
    tables
}

type Count = fn(&Outcome) -> u64;

fn per_run(runs: &[Outcome], value: Count) -> Vec<f64> {
    runs.iter().map(|run| value(run) as f64).collect()
}

/// FP: failures raised about healthy agents.
fn false_positives(five: &[Ran]) -> Table {
    let value: Count = |run| run.false_positives;
    let base = per_run(&five[0].load, value);
    let mut table = Table::new(format!("Lifeguard, false positives (FP), {} interval runs each", base.len()));
    let band = Band::factor(FALSE_PER_RUN, 2.0);
    table.rows.push(Row::new("SWIM: FP per run", FALSE_PER_RUN, stats::mean(&base), band));
    let mut means = vec![stats::mean(&base).value];
    for (ran, published) in five.iter().zip(&CONFIGURATIONS).skip(1) {
        let ours = per_run(&ran.load, value);
        means.push(stats::mean(&ours).value);
        let ours = stats::percent_of(&ours, &base);
        let band = Band::factor(published.false_percent, 2.0);
        let row = Row::new(format!("{}: % of SWIM", ran.name), published.false_percent, ours, band);
        table.rows.push(stated(row));
    }
    // Both of those with LHA-Suspicion are far below the three without it.
    let without = [means[0], means[1], means[3]].into_iter().fold(f64::MAX, f64::min);
    let ratio = Estimate::exact(without / means[2].max(means[4]).max(f64::MIN_POSITIVE));
    table.rows.push(Row {
        name: "least without LHA-Suspicion / most with it".into(),
        published: Some(67.72 / 3.0),
        ours: ratio,
        band: Band::Within(5.0, 1000.0),
        stated: None,
    });
    table
}

/// Why LHA-Suspicion leaves more false positives than published.
const SHORT_PAUSES: &str = "nearly all are of pauses of 1 and 4 ms, in which a released member of ours reads 10 and \
                            40 packets; the paper tells neither its time for a packet nor how well it kept 1 ms";
/// Why the bytes of LHA-Probe alone are fewer in the reduced grid.
const FEW_RUNS: &str =
    "48 runs of one size of anomaly leave a doubt of 16 points, and the published figure within it";
/// Why the shortest time-outs are found sooner.
const SOONER: &str = "ours is what the wait for a probe, its interval and the lower bound take together (0.8 + 1 + \
                      4.2 s); the paper's confirmations came 0.6 s too late for that, ours mostly in time";

/// What is known to lie outside, and why.
fn stated(row: Row) -> Row {
    match row.name.as_str() {
        "LHA-Suspicion: % of SWIM" => row.stated(6.0, 25.0, SHORT_PAUSES),
        "Lifeguard: % of SWIM" | "alpha 5, beta 6: FP" => row.stated(3.06, 14.5, SHORT_PAUSES),
        "LHA-Probe: bytes, % of SWIM" => row.stated(61.0, 80.03, FEW_RUNS),
        "alpha 2, beta 2: median first" => row.stated(46.0, 50.48, SOONER),
        "alpha 2, beta 2: median full" => row.stated(48.0, 52.37, SOONER),
        _ => row,
    }
}

/// FP-: those raised by healthy agents.
fn at_healthy(five: &[Ran]) -> Table {
    let value: Count = |run| run.at_healthy;
    let base = per_run(&five[0].load, value);
    let bursts = |samples: &[f64]| samples.iter().filter(|count| **count > 0.0).count();
    let mut table =
        Table::new(format!("Lifeguard, false positives at healthy agents (FP-), {} runs each", base.len()));
    table.rows.push(Row::new("SWIM: FP- per run", AT_HEALTHY_PER_RUN, stats::mean(&base), Band::Free));
    let judged = bursts(&base) >= BURSTS_MIN;
    for (ran, published) in five.iter().zip(&CONFIGURATIONS).skip(1) {
        let ours = per_run(&ran.load, value);
        let factor = if ran.name == "Lifeguard" { 3.0 } else { 2.0 };
        let percent = published.at_healthy_percent;
        let (ours, band) = if judged {
            (stats::percent_of(&ours, &base), Band::factor(percent, factor))
        } else {
            (stats::mean(&ours), Band::Free)
        };
        let unit = if judged { "% of SWIM" } else { "per run" };
        let published = if judged { percent } else { percent / 100.0 * AT_HEALTHY_PER_RUN };
        table.rows.push(Row::new(format!("{}: {unit}", ran.name), published, ours, band));
    }
    if !judged {
        table.notes.push(format!(
            "not judged: they come in bursts, and only {} of {} runs of SWIM have any ({BURSTS_MIN} are needed)",
            bursts(&base),
            base.len()
        ));
    }
    table
}

/// Messages and bytes; datagrams count, compound ones once.
fn load(five: &[Ran]) -> Table {
    let (messages, bytes): (Count, Count) = (|run| run.messages, |run| run.bytes);
    let (base, base_bytes) = (per_run(&five[0].load, messages), per_run(&five[0].load, bytes));
    let mut table = Table::new(format!("Lifeguard, message load, {} interval runs each", base.len()));
    let ours = stats::mean(&base).scaled(1.0 / AGENTS as f64);
    // No band is published for the absolute load; the cadence of probes and gossip fixes it.
    let band = Band::share(MESSAGES_PER_MEMBER, 0.15);
    table.rows.push(Row::new("SWIM: messages per member and run", MESSAGES_PER_MEMBER, ours, band));
    let size = Estimate::exact(base_bytes.iter().sum::<f64>() / base.iter().sum::<f64>());
    table.rows.push(Row::new("SWIM: bytes per message", BYTES_PER_MESSAGE, size, Band::Free));
    for (ran, published) in five.iter().zip(&CONFIGURATIONS).skip(1) {
        let ours = stats::paired_percent(&per_run(&ran.load, messages), &base);
        let band = Band::plus_minus(published.messages_percent, 5.0);
        let name = format!("{}: messages, % of SWIM", ran.name);
        table.rows.push(Row::new(name, published.messages_percent, ours, band));
        let ours = stats::paired_percent(&per_run(&ran.load, bytes), &base_bytes);
        let band = Band::plus_minus(published.bytes_percent, 10.0);
        let name = format!("{}: bytes, % of SWIM", ran.name);
        table.rows.push(stated(Row::new(name, published.bytes_percent, ours, band)));
    }
    table.notes.push("bytes per message depend on the codec and on tags: shown only".into());
    table
}

/// The times of a tuning as in Table VII: medians, 99 %, 99.9 %, each first and full.
fn times_of(ran: &Ran) -> [(Estimate, bool); 6] {
    let samples = [sorted(&ran.latency, |run| &run.first), sorted(&ran.latency, |run| &run.full)];
    std::array::from_fn(|place| {
        let (share, samples) = (SHARES[place / 2].1, &samples[place % 2]);
        (stats::quantile(samples, share), is_known(samples.len(), share))
    })
}

fn by_tuning<'a>(ran: &'a [Ran], tuning: &Tuning) -> Option<&'a Ran> {
    ran.iter().find(|ran| ran.setup == Setup::tuned(tuning.alpha, tuning.beta))
}

/// Table VII: full Lifeguard with other bounds of the suspicion time-out.
fn tunings(ran: &[Ran]) -> Table {
    let what = ["median first", "median full", "99 % first", "99 % full", "99.9 % first", "99.9 % full"];
    let mut table = Table::new("Lifeguard's tunings, % of SWIM");
    let base = times_of(&ran[0]);
    let base_false = per_run(&ran[0].load, |run| run.false_positives);
    for tuning in &TUNINGS {
        let Some(ran) = by_tuning(ran, tuning) else { continue };
        let name = format!("alpha {}, beta {}", tuning.alpha, tuning.beta);
        for (place, (ours, known)) in times_of(ran).into_iter().enumerate() {
            let published = tuning.latency.map(|all| all[place]);
            // 5 % by section 2.4 for medians; section 2.5's for the others.
            let width = [0.05, 0.10, 0.15][place / 2];
            let band = published.filter(|_| known).map_or(Band::Free, |value| Band::share(value, width));
            let ours = ours.scaled(100.0 / base[place].0.value);
            let name = format!("{name}: {}", what[place]);
            table.rows.push(stated(Row { name, published, ours, band, stated: None }));
        }
        if !ran.load.is_empty() {
            let ours = per_run(&ran.load, |run| run.false_positives);
            let published = tuning.false_percent.map(|all| all[0]);
            let band = published.map_or(Band::Free, |value| Band::factor(value, 2.0));
            let ours = stats::percent_of(&ours, &base_false);
            let name = format!("{name}: FP");
            table.rows.push(stated(Row { name, published, ours, band, stated: None }));
        }
    }
    table
}

/// What is published of the other six tunings: how the figures rise and fall.
fn shape(ran: &[Ran]) -> Table {
    let mut table = Table::new("Lifeguard's tunings, the shape: pairs of neighbours in the wrong order");
    let median = |tuning: &Tuning| {
        by_tuning(ran, tuning).map(|ran| stats::quantile(&sorted(&ran.latency, |run| &run.first), 0.5).value)
    };
    let false_positives = |tuning: &Tuning| {
        by_tuning(ran, tuning).map(|ran| -stats::mean(&per_run(&ran.load, |run| run.false_positives)).value)
    };
    let wrong = |value: &dyn Fn(&Tuning) -> Option<f64>, step: usize| {
        // The tunings are three rows of alpha with three values of beta each.
        let pairs = (0..TUNINGS.len() - step).filter(|low| step == 3 || low % 3 < 2);
        let wrong = pairs.filter(|low| value(&TUNINGS[*low]) > value(&TUNINGS[low + step]));
        Estimate::exact(wrong.count() as f64)
    };
    table.rows.push(Row::within("median rises with alpha", wrong(&median, 3), 0.0, 0.0));
    table.rows.push(Row::within("FP falls with alpha", wrong(&false_positives, 3), 0.0, 0.0));
    table.rows.push(Row::within("FP falls with beta", wrong(&false_positives, 1), 0.0, 0.0));
    table
}
