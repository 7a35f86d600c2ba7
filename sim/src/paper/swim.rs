//! SWIM's experiments on up to 56 machines (papers, section 1.2): message load, first detection,
//! dissemination. Its variants are configurations of the core; only the Basic one needs something
//! that is not in it, the multicast of failures, which is the simulator's.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::wire::message::Dead;
use tidings_core::{Cause, Config, Decision, Incarnation, Output, State, Time};

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
/// How often in a period it is looked whether there is something to multicast.
pub(super) const STEPS: u32 = 20;
/// Runs are given up after so many periods.
const PERIODS_MAX: u32 = 60;

/// The paper's `3 * ceil(ln(N + 1))`: the retransmit limit, and the suspicion time-out in periods.
#[must_use]
pub fn lambda(members: usize) -> u32 {
    3 * ((members + 1) as f64).ln().ceil() as u32
}

/// The paper's three forms of SWIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Failures are told to all by multicast.
    Basic,
    /// Failures are told on pings and acks.
    Inf,
    /// Members are suspected first.
    InfSusp,
}

impl Variant {
    /// All, in the paper's order.
    pub const ALL: [Variant; 3] = [Variant::Basic, Variant::Inf, Variant::InfSusp];

    /// As in the paper's figures.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Variant::Basic => "Basic",
            Variant::Inf => "Inf",
            Variant::InfSusp => "Inf+Susp",
        }
    }
}

/// SWIM as the paper ran it: round-robin probing with one helper, updates only on pings and acks
/// (or not at all), everything younger off. Without suspicion, a suspect is dead at once.
pub(super) fn configure(config: &mut Config, members: usize, variant: Variant) {
    config.probe.interval = PERIOD;
    config.probe.timeout = ACK_TIMEOUT;
    config.probe.indirect_checks = 1;
    config.probe.stream_fallback = false;
    config.probe.nacks = false;
    config.awareness.max = 1;
    let suspicion = variant == Variant::InfSusp;
    let timeout = if suspicion { PERIOD * lambda(members) } else { Duration::from_millis(1) };
    config.suspicion.fixed = Some(timeout);
    config.suspicion.max_mult = 1.0;
    config.suspicion.confirmations = Some(0);
    config.suspicion.buddy = false;
    config.gossip.eager = false;
    // Rounds of gossip are younger than the paper.
    config.gossip.interval = Duration::from_secs(60 * 60);
    config.gossip.fixed_limit = Some(lambda(members));
    config.gossip.updates_per_packet = Some(if variant == Variant::Basic { 0 } else { UPDATES });
    config.push_pull.interval = None;
    config.packet.compression = false;
    config.coordinates = false;
    config.members.reconnect_interval = Duration::from_secs(24 * 60 * 60);
}

fn plan(members: usize, variant: Variant, seed: u64) -> Plan {
    let plan = Cluster::lan(members).seed(seed);
    plan.configure(|_, config| configure(config, members, variant))
}

/// A failure that a member found by itself.
#[derive(Clone, Debug)]
pub(super) struct Report {
    at: usize,
    of: Arc<str>,
    incarnation: Incarnation,
}

/// The reports not yet told.
pub(super) type Reports = Rc<RefCell<Vec<Report>>>;

/// Collects what members report from now on.
pub(super) fn reports(cluster: &mut Cluster) -> Reports {
    let reports = Reports::default();
    let collected = Rc::clone(&reports);
    cluster.watch(move |_: &crate::World, at: usize, sight: &Sight<'_>| {
        if let Sight::Output(Output::Trace(trace)) = sight
            && trace.cause == Cause::Timer
            && let Decision::State { member, after: State::Dead, incarnation, .. } = &trace.decision
        {
            let report = Report { at, of: member.clone(), incarnation: *incarnation };
            collected.borrow_mut().push(report);
        }
        None
    });
    reports
}

/// Tells all running members what was reported: the Basic variant's multicast, which each misses
/// with this chance.
pub(super) fn multicast(cluster: &mut Cluster, reports: &Reports, loss: f64, draw: &mut Draw) {
    for Report { at, of, incarnation } in reports.take() {
        let (from, sender) = (cluster.host(at).name().to_owned(), cluster.host(at).addr());
        let mut packet = Vec::new();
        Dead { incarnation, node: &of, from: &from }.encode(&mut packet);
        for host in cluster.living() {
            if host != at && !draw.chance(loss) {
                cluster.inject(sender, host, &packet);
            }
        }
    }
}

/// What members sent in a quiet time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// Mean messages per member and period.
    pub mean: f64,
    /// Members and periods in which a member sent fewer than five.
    pub few: usize,
    /// Members times periods.
    pub all: usize,
}

/// Counts messages while nothing fails.
#[must_use]
pub fn load(members: usize, seed: u64) -> Load {
    let mut cluster = plan(members, Variant::InfSusp, seed).start();
    cluster.run(PERIOD * 4);
    let counts = Rc::new(RefCell::new(vec![0_u32; members]));
    let counted = Rc::clone(&counts);
    cluster.watch(move |_: &crate::World, host: usize, sight: &Sight<'_>| {
        if let Sight::Output(Output::Datagram { .. }) = sight {
            counted.borrow_mut()[host] += 1;
        }
        None
    });
    let mut load = Load { all: members * LOAD_PERIODS as usize, ..Load::default() };
    let mut sent = 0;
    for _ in 0..LOAD_PERIODS {
        cluster.run(PERIOD);
        for count in counts.borrow_mut().iter_mut().map(std::mem::take) {
            sent += count;
            load.few += usize::from(count < 5);
        }
    }
    load.mean = f64::from(sent) / load.all as f64;
    load
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
pub fn crash(members: usize, variant: Variant, seed: u64) -> Crash {
    let mut cluster = plan(members, variant, seed).traced().start();
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
    let reports = reports(&mut cluster);
    let crashed = cluster.now();
    cluster.crash(victim);
    for _ in 0..PERIODS_MAX * STEPS {
        cluster.run(PERIOD / STEPS);
        if variant == Variant::Basic {
            multicast(&mut cluster, &reports, 0.0, &mut draw);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_grow_with_the_natural_logarithm() {
        // Periods of the plotted time-outs (papers, section 1.2).
        let table = [(6, 6), (8, 9), (19, 9), (20, 12), (53, 12), (54, 15), (56, 15)];
        for (members, periods) in table {
            assert_eq!(lambda(members), periods, "{members}");
        }
    }

    #[test]
    fn a_crash_is_found_alike_and_told_at_once_by_multicast_only() {
        let [basic, inf, suspected] = Variant::ALL.map(|variant| crash(16, variant, 3));
        assert_eq!(basic.heard.len(), 14, "all but the crashed and the one that found out");
        assert!(basic.heard.iter().all(|periods| *periods <= 1.0 / f64::from(STEPS)), "{basic:?}");
        assert_eq!(inf.heard.len(), 14);
        assert!(inf.heard[13] > 1.0, "{inf:?}");
        assert_eq!(basic.first, inf.first);
        assert_eq!(suspected.first, inf.first);
    }

    #[test]
    fn quiet_members_send_a_ping_and_an_ack_in_a_period() {
        let load = load(28, 1);
        assert!((1.98..=2.02).contains(&load.mean), "{load:?}");
        assert_eq!(load.all, 28 * 40);
        assert!(load.few < load.all && load.few * 100 > load.all * 96, "{load:?}");
    }
}
