//! Scripts: a run as text, to be written by hand, recorded, edited and replayed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_core::Config;

use crate::check::Checks;
use crate::cluster::Cluster;
use crate::faults::{Core, Fault, Pick, Trouble};
use crate::net::Latency;
use crate::valid;
use crate::workload::{Task, Work};

/// A run of a cluster: who there is, what goes wrong, what is done.
///
/// ```
/// use tidings_sim::Script;
///
/// let script = Script::parse(
///     r#"
///     name = "one host is cut off"
///     members = 5
///     time = "60s"
///
///     [[fault]]
///     at = "5s"
///     for = "40s"
///     do.partition = { shape = { apart = [3] } }
///
///     [[work]]
///     at = "10s"
///     do.event = { name = "deploy" }
///     "#,
/// )?;
/// assert_eq!(script.fault.len(), 1);
///
/// let error = Script::parse("members = 5\ntime = '1m'\nmembrane = 3").unwrap_err();
/// assert!(error.contains("line 3") && error.contains("membrane") && error.contains("`quiet`"));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What it is about.
    #[serde(default)]
    pub name: String,
    /// Hosts, named `n0`, `n1`, and so on.
    pub members: usize,
    /// Time in which faults happen and work is done.
    #[serde(with = "crate::span")]
    pub time: Duration,
    /// Time after the last fault in which the cluster has to agree.
    #[serde(default = "ten_minutes", with = "crate::span")]
    pub quiet: Duration,
    /// Whether the hosts know each other from the first moment, rather than join through `n0`.
    #[serde(default = "yes")]
    pub converged: bool,
    /// Events of the same time come in a random order.
    #[serde(default)]
    pub shuffle_ties: bool,
    /// Faults and work drawn from the seed, beside those written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<Random>,
    /// Who is healed when the time is over; absent: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core: Option<Core>,
    /// The nodes' configuration.
    #[serde(default)]
    pub config: Settings,
    /// The network.
    #[serde(default)]
    pub net: NetSettings,
    /// What goes wrong.
    #[serde(default)]
    pub fault: Vec<Fault>,
    /// What is done.
    #[serde(default)]
    pub work: Vec<Work>,
}

/// How much is drawn from the seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Random {
    /// Faults.
    #[serde(default)]
    pub faults: usize,
    /// Pieces of work.
    #[serde(default)]
    pub work: usize,
    /// The chance, 0.0 to 1.0, that in the end only a part of the cluster is healed.
    #[serde(default)]
    pub core: f64,
}

/// What may be set of each node's configuration; absent: as in the LAN profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are those of the core's configuration")]
pub struct Settings {
    #[serde(default, with = "crate::span::option", skip_serializing_if = "Option::is_none")]
    pub probe_interval: Option<Duration>,
    #[serde(default, with = "crate::span::option", skip_serializing_if = "Option::is_none")]
    pub probe_timeout: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indirect_checks: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_fallback: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspicion_mult: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspicion_max_mult: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buddy: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awareness_max: Option<u32>,
    #[serde(default, with = "crate::span::option", skip_serializing_if = "Option::is_none")]
    pub gossip_interval: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gossip_nodes: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eager: Option<bool>,
    #[serde(default, with = "crate::span::option", skip_serializing_if = "Option::is_none")]
    pub push_pull_interval: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<bool>,
    #[serde(default, with = "crate::span::option", skip_serializing_if = "Option::is_none")]
    pub dead_reclaim: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<bool>,
    #[cfg(tidings_bugs)]
    #[serde(default, with = "crate::marks", skip_serializing_if = "Vec::is_empty")]
    pub bugs: Vec<tidings_core::bugs::Bug>,
    #[cfg(tidings_bugs)]
    #[serde(default, with = "crate::marks", skip_serializing_if = "Vec::is_empty")]
    pub rare: Vec<tidings_core::rare::Rare>,
}

/// What may be set of the network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetSettings {
    /// One-way delays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Zones the hosts are dealt to in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<u32>,
    /// One-way delays between different zones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between_zones: Option<Latency>,
}

const fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

const fn yes() -> bool {
    true
}

/// Hosts a script may have; more do not fit a machine.
const MEMBERS_MAX: usize = 1_000_000;

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// The line, the key, and what is allowed.
    pub fn parse(text: &str) -> Result<Script, String> {
        let mut script: Script = toml::from_str(text).map_err(|error| error.to_string())?;
        script.validate()?;
        script.number_streams();
        Ok(script)
    }

    /// Writes it so that [`Script::parse`] reads the same again.
    #[must_use]
    pub fn to_text(&self) -> String {
        toml::to_string(self).unwrap_or_else(|error| format!("# not writable: {error}\n"))
    }

    fn validate(&self) -> Result<(), String> {
        if !(1..=MEMBERS_MAX).contains(&self.members) {
            return Err(format!("members = {}: allowed are 1 to {MEMBERS_MAX}", self.members));
        }
        if let Some(random) = self.random.as_ref().filter(|random| !(0.0..=1.0).contains(&random.core)) {
            return Err(format!("random.core = {}: allowed are 0.0 to 1.0", random.core));
        }
        if let Some(Core { members: Pick::These(core), .. }) = &self.core
            && (core.is_empty() || core.iter().any(|host| *host >= self.members))
        {
            let last = self.members - 1;
            return Err(format!("core.members = {core:?}: allowed are one or more of 0 to {last}"));
        }
        for (number, fault) in self.fault.iter().enumerate() {
            if let Some(wrong) = valid::trouble(&fault.what, self.members) {
                return Err(format!(
                    "fault {} (at = {:?}): {wrong}",
                    number + 1,
                    crate::span::format(fault.at)
                ));
            }
        }
        for (number, work) in self.work.iter().enumerate() {
            if let Some(wrong) = valid::members(&work.what, self.members) {
                let at = crate::span::format(work.at);
                return Err(format!("work {} (at = {at:?}): {wrong}", number + 1));
            }
        }
        let latencies = [("latency", &self.net.latency), ("between_zones", &self.net.between_zones)];
        for (key, latency) in latencies {
            if let Some(wrong) = latency.as_ref().and_then(valid::latency) {
                return Err(format!("net.{key}: {wrong}"));
            }
        }
        let mut config = Config::lan("n0", crate::plan::address(0));
        self.config.apply(&mut config);
        config.validate().map_err(|wrong| format!("config: {wrong}"))
    }

    /// Gives every fault and piece of work the number of its stream, so that it keeps it when
    /// others are taken away.
    pub(crate) fn number_streams(&mut self) {
        for (number, fault) in self.fault.iter_mut().enumerate() {
            fault.stream.get_or_insert(number as u64);
        }
        for (number, work) in self.work.iter_mut().enumerate() {
            work.stream.get_or_insert(number as u64);
        }
    }

    /// Whether damaged packets may say what nobody ever said.
    #[must_use]
    pub fn has_lies(&self) -> bool {
        self.fault
            .iter()
            .any(|fault| matches!(fault.what, Trouble::Corrupt { .. } | Trouble::Truncate { .. }))
    }

    /// Makes the cluster, with every fault and all work planned and all checkers watching. A
    /// script with [`Script::random`] must be expanded first.
    #[must_use]
    pub fn start(&self, seed: u64) -> Cluster {
        let plan = Cluster::lan(self.members).seed(seed).traced();
        let settings = self.config.clone();
        let mut plan = plan.configure(move |_, config| settings.apply(config));
        if let Some(latency) = &self.net.latency {
            plan = plan.latency(latency.clone());
        }
        if let Some(zones) = self.net.zones.filter(|zones| *zones > 0) {
            plan = plan.zones(move |host| host as u32 % zones);
            if let Some(latency) = &self.net.between_zones {
                for (a, b) in (0..zones).flat_map(|a| (0..a).map(move |b| (b, a))) {
                    plan = plan.between_zones(a, b, latency.clone());
                }
            }
        }
        if self.shuffle_ties {
            plan = plan.shuffle_ties();
        }
        let mut cluster = if self.converged { plan.start() } else { plan.alone().start() };
        let checks = if self.has_lies() { Checks::among_lies() } else { Checks::new() };
        cluster.watch_from_now(checks);
        if !self.converged {
            cluster.join_all(0);
        }
        for fault in &self.fault {
            cluster.fault(fault.clone());
        }
        for work in &self.work {
            cluster.work(work.clone());
        }
        cluster
    }
}

impl Settings {
    pub(crate) fn apply(&self, config: &mut Config) {
        fn set<T: Clone>(field: &mut T, value: &Option<T>) {
            if let Some(value) = value {
                field.clone_from(value);
            }
        }
        set(&mut config.probe.interval, &self.probe_interval);
        set(&mut config.probe.timeout, &self.probe_timeout);
        set(&mut config.probe.indirect_checks, &self.indirect_checks);
        set(&mut config.probe.stream_fallback, &self.stream_fallback);
        set(&mut config.suspicion.mult, &self.suspicion_mult);
        set(&mut config.suspicion.max_mult, &self.suspicion_max_mult);
        set(&mut config.suspicion.buddy, &self.buddy);
        set(&mut config.awareness.max, &self.awareness_max);
        set(&mut config.gossip.interval, &self.gossip_interval);
        set(&mut config.gossip.nodes, &self.gossip_nodes);
        set(&mut config.gossip.eager, &self.eager);
        set(&mut config.members.dead_reclaim, &self.dead_reclaim);
        set(&mut config.packet.compression, &self.compression);
        set(&mut config.snapshot, &self.snapshot);
        if self.push_pull_interval.is_some() {
            config.push_pull.interval = self.push_pull_interval;
        }
        #[cfg(tidings_bugs)]
        {
            config.bugs = self.bugs.iter().copied().collect();
            config.rares = self.rare.iter().copied().collect();
        }
    }
}

/// A script for trying everything: `members` hosts and a mixture drawn from the seed.
#[must_use]
pub fn mixed(members: usize) -> Script {
    Script {
        name: "mixed faults".into(),
        members,
        time: Duration::from_secs(120),
        quiet: ten_minutes(),
        converged: true,
        shuffle_ties: true,
        random: Some(Random { faults: 6, work: 5, core: 0.2 }),
        core: None,
        config: Settings { snapshot: Some(true), ..Settings::default() },
        net: NetSettings::default(),
        fault: Vec::new(),
        work: vec![Work {
            at: Duration::from_secs(2),
            every: Some(Duration::from_secs(7)),
            times: 15,
            stream: None,
            what: Task::Event { members: Pick::Random(1), name: "tick".into(), bytes: 24 },
        }],
    }
}
