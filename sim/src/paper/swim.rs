//! SWIM's experiments on up to 56 machines (papers, section 1.2): message load, first detection,
//! dissemination.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tidings_core::{Config, Decision, Output, State, Time};

use super::pool::Pool;
use super::stats::{self, Estimate};
use super::table::{Band, Row, Table};
use crate::draw::{Draw, Purpose};
use crate::{Cluster, Plan, Sight};

/// The protocol period.
pub const PERIOD: Duration = Duration::from_secs(2);
/// An ack that has not come after this is late; the rest of the period is the helper's.
const ACK_TIMEOUT: Duration = Duration::from_millis(500);
/// Periods over which the load is measured.
const LOAD_PERIODS: u32 = 40;
/// Updates in one message.
const UPDATES: usize = 6;
/// Runs are given up after so many periods.
const PERIODS_MAX: u32 = 60;

/// The paper's `3 * ceil(ln(N + 1))`: the retransmit limit, and the suspicion time-out in periods.
#[must_use]
pub fn lambda(members: usize) -> u32 {
    3 * ((members + 1) as f64).ln().ceil() as u32
}

/// SWIM as the paper ran it: round-robin probing with one helper, updates only on pings and acks,
/// everything younger off. Without suspicion, a suspect is dead at once.
fn configure(config: &mut Config, members: usize, suspicion: bool) {
    config.probe.interval = PERIOD;
    config.probe.timeout = ACK_TIMEOUT;
    config.probe.indirect_checks = 1;
    config.probe.stream_fallback = false;
    config.probe.nacks = false;
    config.awareness.max = 1;
    let timeout = if suspicion { PERIOD * lambda(members) } else { Duration::from_millis(1) };
    config.suspicion.fixed = Some(timeout);
    config.suspicion.max_mult = 1.0;
    config.suspicion.confirmations = Some(0);
    config.suspicion.buddy = false;
    config.gossip.eager = false;
    // Rounds of gossip are younger than the paper.
    config.gossip.interval = Duration::from_secs(60 * 60);
    config.gossip.fixed_limit = Some(lambda(members));
    config.gossip.updates_per_packet = Some(UPDATES);
    config.push_pull.interval = None;
    config.packet.compression = false;
    config.coordinates = false;
    config.members.reconnect_interval = Duration::from_secs(24 * 60 * 60);
}

fn plan(members: usize, suspicion: bool, seed: u64) -> Plan {
    let plan = Cluster::lan(members).seed(seed);
    plan.configure(|_, config| configure(config, members, suspicion))
}

/// Mean messages that a member sends in a period when nothing fails.
#[must_use]
pub fn load(members: usize, seed: u64) -> f64 {
    let mut cluster = plan(members, true, seed).start();
    cluster.run(PERIOD * 4);
    let before = cluster.net().datagrams;
    cluster.run(PERIOD * LOAD_PERIODS);
    (cluster.net().datagrams - before) as f64 / f64::from(LOAD_PERIODS) / members as f64
}

/// What became of a crash, in periods.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Crash {
    /// From the crash until the first member noticed.
    pub first: f64,
    /// From then on until each other member heard of it.
    pub heard: Vec<f64>,
}

/// Crashes one member at a random moment and watches the news spread.
#[must_use]
pub fn crash(members: usize, suspicion: bool, seed: u64) -> Crash {
    let mut cluster = plan(members, suspicion, seed).traced().start();
    let mut draw = Draw::of(seed, Purpose::Work, 0);
    let victim = draw.index(members);
    let name = cluster.host(victim).name().to_owned();
    let heard: Rc<RefCell<Vec<Option<Time>>>> = Rc::new(RefCell::new(vec![None; members]));
    let seen = Rc::clone(&heard);
    cluster.watch(move |world: &crate::World, host: usize, sight: &Sight<'_>| {
        if let Sight::Output(Output::Trace(trace)) = sight
            && let Decision::State { member, after: State::Suspect | State::Dead, .. } = &trace.decision
            && **member == *name
        {
            seen.borrow_mut()[host].get_or_insert(world.now());
        }
        None
    });
    cluster.run(PERIOD * 4 + draw.between(Duration::ZERO, PERIOD));
    let crashed = cluster.now();
    cluster.crash(victim);
    for _ in 0..PERIODS_MAX {
        cluster.run(PERIOD);
        if heard.borrow().iter().flatten().count() + 1 == members {
            break;
        }
    }
    let periods = |later: Time, earlier: Time| later.since(earlier).as_secs_f64() / PERIOD.as_secs_f64();
    let mut times: Vec<Time> = heard.borrow().iter().flatten().copied().collect();
    times.sort_unstable();
    let Some(&first) = times.first() else { return Crash { first: f64::INFINITY, heard: Vec::new() } };
    Crash {
        first: periods(first, crashed),
        heard: times.iter().skip(1).map(|at| periods(*at, first)).collect(),
    }
}

/// Runs and compares all; `runs` of each size.
#[must_use]
pub fn tables(runs: u64, seed: u64, pool: &Pool) -> Vec<Table> {
    let seeds: Vec<u64> = (seed..seed + runs).collect();
    vec![load_table(&seeds, pool), detection_table(&seeds, pool), dissemination_table(&seeds, pool)]
}

fn load_table(seeds: &[u64], pool: &Pool) -> Table {
    let mut table = Table::new("SWIM, messages sent per member and period, no failures");
    for members in [5, 16, 28, 40, 55] {
        let means = pool.map("message load", &seeds[..seeds.len().min(20)], |seed| load(members, *seed));
        let ours = stats::mean(&means);
        table.rows.push(Row::new(format!("N = {members}"), 2.0, ours, Band::Within(1.98, 2.15)));
    }
    table.notes.push("published: every mean between 1.98 and 2.15".into());
    table
}

fn detection_table(seeds: &[u64], pool: &Pool) -> Table {
    let mut table = Table::new("SWIM, periods from a crash to its first detection");
    let mut means = Vec::new();
    for suspicion in [false, true] {
        let variant = if suspicion { "Inf+Susp" } else { "Inf" };
        for members in [8, 16, 24, 32, 40] {
            let runs = pool.map("first detection", seeds, |seed| crash(members, suspicion, *seed).first);
            let ours = stats::mean(&runs);
            means.push(ours.value);
            // A period or two to be probed, at most one for the probe to fail; published runs lie
            // between 0.5 and 4.4.
            let name = format!("{variant}, N = {members}: mean");
            table.rows.push(Row::new(name, 1.58, ours, Band::Within(1.5, 2.5)));
            let inside = runs.iter().filter(|run| (0.5..=4.4).contains(*run)).count();
            let share = Estimate::exact(inside as f64 / runs.len() as f64);
            let name = format!("{variant}, N = {members}: share within 0.5 .. 4.4");
            table.rows.push(Row { name, published: Some(1.0), ours: share, band: Band::Within(0.93, 1.0) });
        }
    }
    let spread = means.iter().copied().fold(0.0, f64::max) / means.iter().copied().fold(f64::MAX, f64::min);
    let row = Row::new(
        "largest mean / smallest (no trend with N)",
        1.0,
        Estimate::exact(spread),
        Band::Within(1.0, 1.25),
    );
    table.rows.push(row);
    table.notes.push(
        "1.58 is the lock-step bound; with random phases about 2.0, the probe's own time counted".into(),
    );
    table
}

fn dissemination_table(seeds: &[u64], pool: &Pool) -> Table {
    let mut table = Table::new("SWIM, periods from the first detection to each member's receipt");
    for members in [6, 16, 28, 40, 56] {
        let runs = pool.map("dissemination", seeds, |seed| crash(members, false, *seed).heard);
        let mut times: Vec<f64> = runs.into_iter().flatten().collect();
        stats::sort(&mut times);
        let ours = stats::quantile(&times, 0.5);
        table.rows.push(Row {
            name: format!("N = {members}: median"),
            published: None,
            ours,
            band: Band::Within(0.0, 3.0),
        });
        let last = stats::quantile(&times, 0.99);
        table.rows.push(Row {
            name: format!("N = {members}: 99 %"),
            published: Some(5.6),
            ours: last,
            band: Band::Within(0.0, 5.6),
        });
    }
    table.notes.push(
        "published: medians 1.0 to 3.0 and every receipt below about 5.6, growing slowly with N; at small N ours is faster".into(),
    );
    table
}
