//! Scripts: a run as text, to be written by hand, recorded, edited and replayed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_core::Config;

use crate::check::Checks;
use crate::cluster::Cluster;
use crate::draw::{Draw, Purpose};
use crate::faults::{Core, Fault, Pick};
use crate::net::Latency;
use crate::net::Net;
pub use crate::random::Random;
use crate::registry::RegistrySettings;
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
    #[serde(default, skip_serializing_if = "is_usual")]
    pub name: String,
    /// Hosts, named `n0`, `n1`, and so on.
    pub members: usize,
    /// Time in which faults happen and work is done.
    #[serde(with = "crate::span")]
    pub time: Duration,
    /// Time after the last fault in which the cluster has to agree.
    #[serde(default = "ten_minutes", with = "crate::span", skip_serializing_if = "is_ten_minutes")]
    pub quiet: Duration,
    /// Whether the hosts know each other from the first moment, rather than join through `n0`.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub converged: bool,
    /// Events of the same time come in a random order.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub shuffle_ties: bool,
    /// Faults and work drawn from the seed, beside those written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<Random>,
    /// Who is healed when the time is over; absent: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core: Option<Core>,
    /// The nodes' configuration.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub config: Settings,
    /// Who keeps a registry of services; absent: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistrySettings>,
    /// Members that are configured otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variant: Vec<Variant>,
    /// The network.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub net: NetSettings,
    /// What goes wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fault: Vec<Fault>,
    /// What is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub work: Vec<Work>,
}

/// Members whose settings are others than those of the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Who.
    pub members: Pick,
    /// What is set for them; what is not stays as it is for all.
    pub config: Settings,
    /// Number of the random stream that picks them; absent: its place in the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<u64>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet_size: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_depth_max: Option<usize>,
    /// Keys by number; each number is a key, and the first one seals. Absent: no encryption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<u8>>,
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

fn is_ten_minutes(quiet: &Duration) -> bool {
    *quiet == ten_minutes()
}

const fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(crate) const fn is_yes(yes: &bool) -> bool {
    *yes
}

/// What goes without saying is not written.
pub(crate) fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The stream that picks who keeps a registry, apart from those of variants.
const REGISTRY_STREAM: u64 = u64::MAX;
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
        crate::written::write(self).unwrap_or_else(|error| format!("# not writable: {error}\n"))
    }

    /// Whether [`Script::parse`] would take it.
    pub(crate) fn is_valid(&self) -> bool {
        self.validate().is_ok()
    }

    fn validate(&self) -> Result<(), String> {
        if !(1..=MEMBERS_MAX).contains(&self.members) {
            return Err(format!("members = {}: allowed are 1 to {MEMBERS_MAX}", self.members));
        }
        if let Some(wrong) = self.random.as_ref().and_then(|random| random.wrong(self.members)) {
            return Err(wrong);
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
        if let Some(wrong) = self.registry.as_ref().and_then(|registry| registry.wrong(self.members)) {
            return Err(wrong);
        }
        let latencies = [("latency", &self.net.latency), ("between_zones", &self.net.between_zones)];
        for (key, latency) in latencies {
            if let Some(wrong) = latency.as_ref().and_then(valid::latency) {
                return Err(format!("net.{key}: {wrong}"));
            }
        }
        let mut config = Config::lan("n0", crate::plan::address(0));
        self.config.apply(&mut config);
        config.validate().map_err(|wrong| format!("config: {wrong}"))?;
        for (number, variant) in self.variant.iter().enumerate() {
            let at = format!("variant {}", number + 1);
            if let Some(wrong) = valid::members(&variant.members, self.members) {
                return Err(format!("{at}: {wrong}"));
            }
            let mut config = config.clone();
            variant.config.apply(&mut config);
            config.validate().map_err(|wrong| format!("{at}: {wrong}"))?;
        }
        Ok(())
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
        for (number, variant) in self.variant.iter_mut().enumerate() {
            variant.stream.get_or_insert(number as u64);
        }
    }

    /// What each member's settings are in the end.
    fn settings_of_all(&self, seed: u64) -> Vec<Vec<Settings>> {
        let mut all = vec![vec![self.config.clone()]; self.members];
        let net = self.net_of(seed);
        for (number, variant) in self.variant.iter().enumerate() {
            let stream = variant.stream.unwrap_or(number as u64);
            let mut draw = Draw::of(seed, Purpose::Settings, stream);
            for host in variant.members.of(self.members, &net, &mut draw) {
                all[host].push(variant.config.clone());
            }
        }
        all
    }

    /// The network as far as members can be picked by it.
    fn net_of(&self, seed: u64) -> Net {
        let mut net = Net::new(seed);
        net.zone_of = (0..self.members).map(|host| self.zone(host)).collect();
        net
    }

    fn zone(&self, host: usize) -> u32 {
        self.net.zones.filter(|zones| *zones > 0).map_or(0, |zones| host as u32 % zones)
    }

    /// Whether damaged packets may say what nobody ever said.
    #[must_use]
    pub fn has_lies(&self) -> bool {
        self.fault.iter().any(|fault| fault.what.group().lies())
    }

    /// Makes the cluster, with every fault and all work planned and all checkers watching. A
    /// script with [`Script::random`] must be expanded first.
    #[must_use]
    pub fn start(&self, seed: u64) -> Cluster {
        let plan = Cluster::lan(self.members).seed(seed).traced();
        let settings = self.settings_of_all(seed);
        let mut plan =
            plan.configure(move |host, config| settings[host].iter().for_each(|some| some.apply(config)));
        if let Some(registry) = &self.registry {
            let mut draw = Draw::of(seed, Purpose::Settings, REGISTRY_STREAM);
            let keepers = registry.members.of(self.members, &self.net_of(seed), &mut draw);
            plan = plan.configure(|host, config| {
                if keepers.contains(&host) {
                    registry.apply(config);
                }
            });
        }
        if let Some(latency) = &self.net.latency {
            plan = plan.latency(latency.clone());
        }
        if let Some(zones) = self.net.zones.filter(|zones| *zones > 0) {
            plan = plan.zones(|host| self.zone(host));
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
        if let Some(registry) = &self.registry {
            cluster.set_check_luck(registry.luck());
        }
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
        set(&mut config.packet.size, &self.packet_size);
        set(&mut config.queues.depth_max, &self.queue_depth_max);
        if let Some(keys) = &self.keys {
            config.security.keys = keys.iter().map(|key| bytes::Bytes::from(vec![*key; 32])).collect();
        }
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
        random: Some(Random { faults: 6, work: 5, core: 0.2, ..Random::default() }),
        variant: Vec::new(),
        core: None,
        registry: None,
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
