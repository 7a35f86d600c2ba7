//! What a cluster is before it starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tidings_core::{Config, View};

use crate::cluster::Cluster;
use crate::draw::{Draw, Purpose};
use crate::host::Machine;
use crate::net::{HostId, Latency};
use crate::rider::Rider;
use crate::world::{Start, World};

/// Above so many hosts, events are not kept unless asked for.
const KEEP_EVENTS_MAX: usize = 2000;

/// What a cluster is to be; [`Plan::start`] makes it.
///
/// Unless said otherwise its nodes know each other from the first moment, as if they had joined
/// long ago.
#[must_use = "a plan does nothing until it is started"]
pub struct Plan<R: Rider = ()> {
    pub(crate) configs: Vec<Config>,
    seed: u64,
    alone: bool,
    latency: Option<Latency>,
    zones: Vec<(u32, u32, Latency)>,
    zone_of: Vec<u32>,
    machine: Machine,
    keep_events: Option<bool>,
    shuffle_ties: bool,
    rider: Box<dyn Fn(HostId) -> R>,
}

impl Cluster<()> {
    /// `n` hosts named `n0`, `n1`, ... with the LAN profile.
    pub fn lan(n: usize) -> Plan {
        Plan::new((0..n).map(|host| Config::lan(format!("n{host}"), address(host))).collect())
    }

    /// As [`Cluster::lan`], with the WAN profile and 20 to 80 ms between hosts.
    pub fn wan(n: usize) -> Plan {
        let plan = Plan::new((0..n).map(|host| Config::wan(format!("n{host}"), address(host))).collect());
        let (min, max) = (Duration::from_millis(20), Duration::from_millis(80));
        plan.latency(Latency::Uniform { min, max })
    }
}

/// The address of a host.
#[must_use]
pub fn address(host: HostId) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from(0x0a00_0001 + host as u32), 7946))
}

impl Plan<()> {
    fn new(configs: Vec<Config>) -> Self {
        Plan {
            configs,
            seed: 1,
            alone: false,
            latency: None,
            zones: Vec::new(),
            zone_of: Vec::new(),
            machine: Machine::default(),
            keep_events: None,
            shuffle_ties: false,
            rider: Box::new(|_| ()),
        }
    }

    /// Puts a state machine of your own on each host; `make` is called for each life of a host.
    pub fn riding<R: Rider>(self, make: impl Fn(HostId) -> R + 'static) -> Plan<R> {
        let Plan {
            configs, seed, alone, latency, zones, zone_of, machine, keep_events, shuffle_ties, ..
        } = self;
        let rider = Box::new(make);
        Plan { configs, seed, alone, latency, zones, zone_of, machine, keep_events, shuffle_ties, rider }
    }
}

impl<R: Rider> Plan<R> {
    /// The seed of everything random; 1 unless said otherwise.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The nodes start alone and have to join.
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Changes the configuration of each host, told by its number. The hash seed is the cluster's.
    pub fn configure(mut self, mut edit: impl FnMut(HostId, &mut Config)) -> Self {
        for (host, config) in self.configs.iter_mut().enumerate() {
            edit(host, config);
        }
        self
    }

    /// One-way delays of the network.
    pub fn latency(mut self, latency: Latency) -> Self {
        self.latency = Some(latency);
        self
    }

    /// Puts each host in a zone, told by its number.
    pub fn zones(mut self, zone: impl FnMut(HostId) -> u32) -> Self {
        self.zone_of = (0..self.configs.len()).map(zone).collect();
        self
    }

    /// One-way delays between two zones (or, both the same, within one).
    pub fn between_zones(mut self, a: u32, b: u32, latency: Latency) -> Self {
        self.zones.push((a, b, latency));
        self
    }

    /// How able the machines are.
    pub fn machine(mut self, machine: Machine) -> Self {
        self.machine = machine;
        self
    }

    /// Whether every host's events are kept to be asked for; by default up to 2,000 hosts.
    pub fn keep_events(mut self, keep: bool) -> Self {
        self.keep_events = Some(keep);
        self
    }

    /// Nodes trace their decisions, for those who watch.
    pub fn traced(self) -> Self {
        self.configure(|_, config| config.trace = true)
    }

    /// Events that carry the same time come in an order drawn from the seed.
    pub fn shuffle_ties(mut self) -> Self {
        self.shuffle_ties = true;
        self
    }

    /// Starts the cluster.
    ///
    /// # Panics
    /// If a configuration is not valid: the message names the host and the field.
    #[must_use]
    pub fn start(self) -> Cluster<R> {
        let Plan { configs, seed, alone, .. } = self;
        let mut world = World::new(seed, self.rider);
        world.keep_events = self.keep_events.unwrap_or(configs.len() <= KEEP_EVENTS_MAX);
        world.net.zone_of = self.zone_of;
        world.net.zones = self.zones.into_iter().map(|(a, b, latency)| ((a, b), latency)).collect();
        if let Some(latency) = self.latency {
            world.net.latency = latency;
        }
        if self.shuffle_ties {
            world.queue.shuffle_ties(Draw::of(seed, Purpose::Ties, 0).u64());
        }
        let hash_seed = Draw::of(seed, Purpose::Views, 0).u64();
        for mut config in configs {
            config.hash_seed = Some(hash_seed);
            let host = world.add(config);
            world.hosts[host].machine = self.machine.clone();
        }
        let view = (!alone).then(|| View::converged(hash_seed, world.hosts.iter().map(|host| host.config())));
        for host in 0..world.hosts.len() {
            world.start(host, view.as_ref().map_or(Start::Fresh, Start::Converged));
        }
        let mut cluster = Cluster::of(world);
        cluster.story.alone = alone;
        cluster.story.shuffle_ties = self.shuffle_ties;
        if self.machine != Machine::default() {
            cluster.story.beyond.insert("how able the machines are");
        }
        if !cluster.net.zone_of.is_empty() || !cluster.net.zones.is_empty() {
            cluster.story.beyond.insert("zones");
        }
        cluster
    }
}
