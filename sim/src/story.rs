//! A story as a script, so that a test that fails can be handed on: replayed, shrunk, explained.

use std::any::TypeId;
use std::collections::BTreeSet;
use std::time::Duration;

use tidings_core::{Config, Time};

use crate::cluster::Cluster;
use crate::faults::{Fault, Pick, Return, Trouble};
use crate::net::{HostId, Net};
use crate::plan::address;
use crate::registry::{CheckLuck, RegistrySettings};
use crate::rider::Rider;
use crate::script::{NetSettings, Script, Settings};
use crate::workload::{Task, Work};

/// What a story is and has done beside its faults, in the words of a script.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    /// The hosts started alone, and whether they joined through the first at once.
    pub(crate) alone: bool,
    joined: bool,
    pub(crate) shuffle_ties: bool,
    /// Crashes by hand.
    crashes: Vec<(HostId, Fault)>,
    work: Vec<Work>,
    /// What scripts have no words for.
    pub(crate) beyond: BTreeSet<&'static str>,
}

impl Story {
    pub(crate) fn crashes(&mut self, now: Time, host: HostId) {
        let members = Pick::These(vec![host]);
        let what = Trouble::Crash { members, comes_back: Return::Never, rolling: false };
        let at = now.since(Time::ZERO);
        self.crashes.push((host, Fault { at, lasts: None, stream: None, what }));
    }

    pub(crate) fn restarts(&mut self, now: Time, host: HostId) {
        let open = self.crashes.iter_mut().rev().find(|(of, fault)| *of == host && fault.lasts.is_none());
        let Some((_, fault)) = open else { return };
        fault.lasts = Some(now.since(Time::ZERO + fault.at));
        if let Trouble::Crash { comes_back, .. } = &mut fault.what {
            *comes_back = Return::WithState;
        }
    }

    pub(crate) fn joins(&mut self, now: Time, via: HostId) {
        if now == Time::ZERO && via == 0 && self.alone {
            // A script does this by itself.
            self.joined = true;
        } else {
            self.does(now, Task::Join { members: Pick::All, via: Pick::These(vec![via]) });
        }
    }

    pub(crate) fn does(&mut self, now: Time, what: Task) {
        self.work.push(Work { at: now.since(Time::ZERO), every: None, times: 1, stream: None, what });
    }
}

impl<R: Rider> Cluster<R> {
    /// The story so far as a script for the command line, and what the script leaves out.
    ///
    /// It has the cluster, every fault, and what the words of [`Cluster`] had applications do, each
    /// at its time. What was asked of the [`World`](crate::World) below it is not recorded. A
    /// script's hosts have riders of no kind.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidings_sim::Cluster;
    ///
    /// let mut cluster = Cluster::lan(5).seed(7).start();
    /// cluster.run(Duration::from_secs(5)).partition(&[4]).run(Duration::from_secs(30)).heal();
    /// let (script, left_out) = cluster.script();
    /// assert_eq!((script.members, script.fault.len()), (5, 1));
    /// assert!(left_out.is_empty());
    /// print!("{}", script.to_text());
    /// ```
    #[must_use]
    pub fn script(&self) -> (Script, Vec<&'static str>) {
        let story = &self.story;
        let mut beyond = story.beyond.clone();
        if TypeId::of::<R>() != TypeId::of::<()>() {
            beyond.insert("riders");
        }
        if story.alone && !story.joined {
            beyond.insert("that hosts start alone: a script's join through n0 at once");
        }
        let mut fault: Vec<Fault> = self.faults.planned.iter().map(|planned| planned.fault.clone()).collect();
        fault.extend(story.crashes.iter().map(|(_, fault)| fault.clone()));
        let mut work: Vec<Work> = self.works.iter().map(|job| job.work.clone()).collect();
        work.extend(story.work.iter().cloned());
        let config = self.settings().unwrap_or_else(|| {
            beyond.insert("the hosts' configuration");
            Settings::default()
        });
        let latency = (self.net.latency != Net::new(0).latency).then(|| self.net.latency.clone());
        let mut script = Script {
            name: "a story".into(),
            members: self.hosts.len(),
            time: self.now.since(Time::ZERO).max(Duration::from_millis(1)),
            quiet: Duration::from_secs(600),
            converged: !story.alone,
            shuffle_ties: story.shuffle_ties,
            random: None,
            core: None,
            registry: self.registry_settings(),
            config,
            variant: Vec::new(),
            net: NetSettings { latency, ..NetSettings::default() },
            fault,
            work,
        };
        script.number_streams();
        (script, beyond.into_iter().collect())
    }

    /// Who keeps a registry.
    fn registry_settings(&self) -> Option<RegistrySettings> {
        let keeps = |host: &HostId| self.hosts[*host].config.registry.enabled;
        let members: Vec<HostId> = (0..self.hosts.len()).filter(keeps).collect();
        let durable = self.hosts[*members.first()?].config.registry.durable;
        let members = if members.len() == self.hosts.len() { Pick::All } else { Pick::These(members) };
        let CheckLuck { failures, losses } = self.check_luck;
        Some(RegistrySettings { members, durable, check_failures: failures, check_losses: losses })
    }

    /// How the configuration differs from the LAN profile; `None`: in ways that scripts cannot say.
    fn settings(&self) -> Option<Settings> {
        let config = self.hosts.first()?.config();
        let lan = Config::lan("n0", address(0));
        let settings = Settings {
            probe_interval: unusual(&config.probe.interval, &lan.probe.interval),
            probe_timeout: unusual(&config.probe.timeout, &lan.probe.timeout),
            indirect_checks: unusual(&config.probe.indirect_checks, &lan.probe.indirect_checks),
            stream_fallback: unusual(&config.probe.stream_fallback, &lan.probe.stream_fallback),
            suspicion_mult: unusual(&config.suspicion.mult, &lan.suspicion.mult),
            suspicion_max_mult: unusual(&config.suspicion.max_mult, &lan.suspicion.max_mult),
            buddy: unusual(&config.suspicion.buddy, &lan.suspicion.buddy),
            awareness_max: unusual(&config.awareness.max, &lan.awareness.max),
            gossip_interval: unusual(&config.gossip.interval, &lan.gossip.interval),
            gossip_nodes: unusual(&config.gossip.nodes, &lan.gossip.nodes),
            eager: unusual(&config.gossip.eager, &lan.gossip.eager),
            push_pull_interval: unusual(&config.push_pull.interval, &lan.push_pull.interval).flatten(),
            dead_reclaim: unusual(&config.members.dead_reclaim, &lan.members.dead_reclaim),
            snapshot: unusual(&config.snapshot, &lan.snapshot),
            packet_size: unusual(&config.packet.size, &lan.packet.size),
            queue_depth_max: unusual(&config.queues.depth_max, &lan.queues.depth_max),
            ..Settings::default()
        };
        // Who came back may have another name and address.
        let first_lives = self.hosts.iter().enumerate().filter(|(_, machine)| machine.life() == 0);
        let mut made = first_lives.map(|(host, machine)| {
            let (ours, lan) = (machine.config(), Config::lan(format!("n{host}"), address(host)));
            let registry = ours.registry.clone();
            let mut config = Config { trace: ours.trace, hash_seed: ours.hash_seed, registry, ..lan };
            settings.apply(&mut config);
            config == *ours
        });
        made.all(|same| same).then_some(settings)
    }
}

fn unusual<T: Clone + PartialEq>(ours: &T, usual: &T) -> Option<T> {
    (ours != usual).then(|| ours.clone())
}
