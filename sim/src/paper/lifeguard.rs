//! Lifeguard's two experiments (papers, section 2): how soon failures are found, and how many are
//! found that are none.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_core::{Config, Event, MemberEventKind, Time};

use crate::draw::{Draw, Purpose};
use crate::faults::{Fault, Pick, Trouble};
use crate::net::{HostId, Latency};
use crate::{Cluster, Machine, Plan};

/// Agents in every run.
pub const AGENTS: usize = 128;
/// Quiet before the first anomaly.
const QUIET: Duration = Duration::from_secs(15);
/// From the start of the run; a threshold run ends at the latest then, an interval run at the
/// earliest.
const LENGTH: Duration = Duration::from_secs(120);
/// How often a threshold run looks whether all is well again.
const LOOK: Duration = Duration::from_secs(1);
/// Lifeguard's K: confirmations that bring the suspicion time-out to its lower bound.
const CONFIRMATIONS: u32 = 3;
/// Lifeguard's S, the highest score.
const HIGHEST_SCORE: u32 = 8;

/// What the agents ran on, as far as it shows while they are blocked or catch up.
///
/// A socket's buffer has what memberlist got from Linux: it asks for 2 MiB, is granted
/// `rmem_max` (212,992 bytes), which the kernel doubles for its own book-keeping.
///
/// A packet takes 100 microseconds of processor time. That is measured, not fitted: Serf 0.8.2,
/// which has the paper's memberlist, was sent packets at full speed on a processor of today. It
/// spent 95 us on a ping and its ack, 67 us on a plain packet of 272 bytes, and 115 to 137 us on a
/// compressed one of 348 bytes, the paper's mean size. It decides how much of what has waited is
/// read by a member that is released for one or four milliseconds, and so how many false positives
/// those shortest of pauses bring.
const MACHINE: Machine =
    Machine { socket_buffer: 425_984, blocked_sends: 2, service: Duration::from_micros(100) };

/// Which of Lifeguard's parts are on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setup {
    /// LHA-Probe: the health score stretches interval and time-out; nacks.
    pub probe: bool,
    /// LHA-Suspicion: confirmations shorten the time-out.
    pub suspicion: bool,
    /// Buddy system: a suspect learns of it with the next ping.
    pub buddy: bool,
    /// Lower bound of the suspicion time-out.
    pub alpha: f64,
    /// Upper bound, as a multiple of the lower.
    pub beta: f64,
}

impl Setup {
    /// The five configurations of the paper's tables, in their order.
    pub const ALL: [(&'static str, Setup); 5] = [
        ("SWIM", Setup::with(false, false, false)),
        ("LHA-Probe", Setup::with(true, false, false)),
        ("LHA-Suspicion", Setup::with(false, true, false)),
        ("Buddy", Setup::with(false, false, true)),
        ("Lifeguard", Setup::with(true, true, true)),
    ];

    const fn with(probe: bool, suspicion: bool, buddy: bool) -> Self {
        Setup { probe, suspicion, buddy, alpha: 5.0, beta: 6.0 }
    }

    /// Full Lifeguard with other bounds of the suspicion time-out.
    #[must_use]
    pub const fn tuned(alpha: f64, beta: f64) -> Self {
        Setup { probe: true, suspicion: true, buddy: true, alpha, beta }
    }

    /// Switches the core's mechanisms as the paper had them. What memberlist does not have is off:
    /// prompt gossip, coordinates, Serf's reconnects. Packets are not compressed, for speed; only
    /// absolute bytes depend on it.
    fn configure(&self, config: &mut Config) {
        config.probe.nacks = self.probe;
        config.awareness.max = if self.probe { HIGHEST_SCORE + 1 } else { 1 };
        config.awareness.scale_timeout = self.probe;
        config.suspicion.mult = self.alpha;
        config.suspicion.max_mult = if self.suspicion { self.beta } else { 1.0 };
        config.suspicion.confirmations = Some(if self.suspicion { CONFIRMATIONS } else { 0 });
        config.suspicion.buddy = self.buddy;
        config.gossip.eager = false;
        config.coordinates = false;
        config.packet.compression = false;
        config.members.reconnect_interval = Duration::from_secs(24 * 60 * 60);
    }

    /// One host, loopback: a message takes well below a millisecond, none is lost.
    fn plan(&self, seed: u64) -> Plan {
        let (min, max) = (Duration::from_micros(20), Duration::from_micros(60));
        let plan = Cluster::lan(AGENTS).machine(MACHINE).seed(seed).latency(Latency::Uniform { min, max });
        plan.configure(|_, config| self.configure(config))
    }
}

/// One run: who is blocked, for how long, how often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anomaly {
    /// Members concerned, all at the same time.
    pub members: usize,
    /// How long they are blocked.
    pub lasts: Duration,
    /// How long they are well again before the next time; `None`: there is no next time.
    pub pause: Option<Duration>,
    /// Of everything random.
    pub seed: u64,
}

/// What a run showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Seconds from the start of the anomaly until another agent raised the failure, for each
    /// anomalous member that was found.
    pub first: Vec<f64>,
    /// Seconds until every healthy agent had.
    pub full: Vec<f64>,
    /// Failures raised about healthy agents (FP).
    pub false_positives: u64,
    /// Those raised by healthy agents (FP-).
    pub at_healthy: u64,
    /// Datagrams sent by all agents; compound ones count as one.
    pub messages: u64,
    /// Bytes of them and of the streams.
    pub bytes: u64,
}

/// Runs one anomaly, or a series of them, against a cluster.
#[must_use]
pub fn run(setup: &Setup, anomaly: &Anomaly) -> Outcome {
    let mut cluster = setup.plan(anomaly.seed).start();
    let mut draw = Draw::of(anomaly.seed, Purpose::Work, 0);
    let mut anomalous = draw.choose(AGENTS, anomaly.members);
    anomalous.sort_unstable();
    let block = |cluster: &mut Cluster, at: Duration| {
        let what = Trouble::BlockIo { members: Pick::These(anomalous.clone()) };
        cluster.fault(Fault::new(at, anomaly.lasts, what));
    };
    block(&mut cluster, QUIET);
    cluster.run(QUIET + anomaly.lasts);
    if let Some(pause) = anomaly.pause {
        while cluster.now().since(Time::ZERO) < LENGTH {
            let next = cluster.now().since(Time::ZERO) + pause;
            block(&mut cluster, next);
            cluster.run(pause + anomaly.lasts);
        }
    } else {
        while cluster.now().since(Time::ZERO) < LENGTH && !cluster.converged() {
            cluster.run(LOOK);
        }
    }
    outcome(&cluster, &anomalous)
}

fn outcome(cluster: &Cluster, anomalous: &[HostId]) -> Outcome {
    let is_anomalous = |host: HostId| anomalous.binary_search(&host).is_ok();
    let index = |name: &str| name.trim_start_matches('n').parse::<HostId>().unwrap_or(usize::MAX);
    let start = Time::ZERO + QUIET;
    let mut result = Outcome::default();
    let mut found: Vec<Vec<Option<f64>>> = vec![vec![None; AGENTS]; AGENTS];
    for (at, host) in cluster.hosts().iter().enumerate() {
        for (when, event) in host.events() {
            let Event::Members(news) = event else { continue };
            if news.kind != MemberEventKind::Failed {
                continue;
            }
            for of in news.members.iter().map(|member| index(member.name())) {
                if is_anomalous(of) {
                    found[of][at].get_or_insert(when.since(start).as_secs_f64());
                } else {
                    result.false_positives += 1;
                    result.at_healthy += u64::from(!is_anomalous(at));
                }
            }
        }
        if let Some(node) = host.node() {
            result.bytes += node.metrics().stream_bytes_out;
        }
    }
    for of in anomalous {
        result.first.extend(found[*of].iter().flatten().copied().min_by(f64::total_cmp));
        let healthy = (0..AGENTS).filter(|at| !is_anomalous(*at));
        let all: Option<Vec<f64>> = healthy.map(|at| found[*of][at]).collect();
        result.full.extend(all.and_then(|times| times.into_iter().max_by(f64::total_cmp)));
    }
    result.messages = cluster.net().datagrams;
    result.bytes += cluster.net().datagram_bytes;
    result
}
