//! Random scripts: a mixture of faults, work and settings drawn from a seed (swarm testing).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::draw::{Draw, Purpose};
use crate::faults::{Core, Fate, Fault, Group, Pick};
use crate::net::Latency;
use crate::script::{Script, Settings, Variant, is_usual};
use crate::workload::{Task, Work};

/// Streams of drawn faults and work are numbered from here, apart from those written by hand.
const STREAMS_FROM: u64 = 1000;
/// Streams of drawn work about services are numbered from here.
const SERVICES_FROM: u64 = 1 << 20;
/// What is drawn once for the whole script is drawn apart from all of them.
const CORE_STREAM: u64 = u64::MAX;
const SIZE_STREAM: u64 = u64::MAX - 1;
const GROUP_STREAM: u64 = u64::MAX - 2;
const SETTINGS_STREAM: u64 = u64::MAX - 3;
const ZONE_STREAM: u64 = u64::MAX - 4;
/// The chance that a group of faults takes part in a seed: seeds are sparse, middling or dense.
const DENSITIES: [f64; 3] = [0.25, 0.5, 0.9];
/// Faults that let packets say what nobody said take part so much more rarely: among them, some
/// invariants cannot be checked.
const LIES_SHARE: f64 = 0.4;

/// How much is drawn from the seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Random {
    /// Members at least; how many there are is drawn from here to the script's `members`, each
    /// order of size as likely as the others. Absent: always `members`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members_min: Option<usize>,
    /// Faults at most; a seed has at least one of them, unless this is 0.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub faults: usize,
    /// The groups that faults are drawn from; absent: all. Each seed leaves some of them out, since
    /// faults can hide each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<Group>>,
    /// Pieces of work.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub work: usize,
    /// Pieces of work about services.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub registry: usize,
    /// The chance, 0.0 to 1.0, that in the end only a part of the cluster is healed.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub core: f64,
    /// The chance, 0.0 to 1.0, that members have different settings (which go together).
    #[serde(default, skip_serializing_if = "is_usual")]
    pub settings: f64,
    /// The chance, 0.0 to 1.0, that the hosts are dealt to zones with delays between them.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub zones: f64,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Random {
    /// What is wrong with it in a script of so many members, if something is.
    pub(crate) fn wrong(&self, members: usize) -> Option<String> {
        for (key, chance) in [("core", self.core), ("settings", self.settings), ("zones", self.zones)] {
            if !(0.0..=1.0).contains(&chance) {
                return Some(format!("random.{key} = {chance}: allowed are 0.0 to 1.0"));
            }
        }
        if let Some(min) = self.members_min.filter(|min| !(1..=members).contains(min)) {
            return Some(format!("random.members_min = {min}: allowed are 1 to members, which is {members}"));
        }
        if self.groups.as_ref().is_some_and(Vec::is_empty) && self.faults > 0 {
            let all = Group::ALL.map(Group::name).join("\", \"");
            return Some(format!("random.groups = []: allowed are one or more of \"{all}\""));
        }
        None
    }

    /// The groups that take part in a seed.
    fn groups(&self, mut luck: Draw) -> Vec<Group> {
        let all = self.groups.as_deref().unwrap_or(&Group::ALL);
        let density = DENSITIES[luck.index(DENSITIES.len())];
        let mut some: Vec<Group> = Vec::new();
        for group in all {
            let share = if group.lies() { density * LIES_SHARE } else { density };
            // One number each, so that a group less leaves the others as they are.
            if luck.part(*group as u64).chance(share) {
                some.push(*group);
            }
        }
        if some.is_empty() {
            some.extend(all.get(luck.index(all.len())));
        }
        some
    }
}

impl Script {
    /// The same script with everything that is left to the seed written out: what `seed` will do,
    /// to be kept, edited and replayed.
    #[must_use]
    pub fn expand(&self, seed: u64) -> Script {
        let mut script = self.clone();
        let Some(random) = script.random.take() else { return script };
        let draw = Draw::of(seed, Purpose::Script, 0);
        if let Some(min) = random.members_min {
            script.members = size(min, script.members, draw.part(SIZE_STREAM).unit());
        }
        add_faults(&mut script, &random, &draw);
        for number in 0..random.work as u64 {
            let mut luck = draw.part(STREAMS_FROM + number);
            let at = luck.between(Duration::ZERO, script.time * 3 / 4);
            let every = Some(luck.between(Duration::from_millis(500), Duration::from_secs(20)));
            let times = 1 + luck.below(5) as u32;
            let what = task(&mut luck);
            script.work.push(Work { at, every, times, stream: Some(STREAMS_FROM + number), what });
        }
        for number in 0..random.registry as u64 {
            let stream = SERVICES_FROM + number;
            let mut luck = draw.part(stream);
            let at = luck.between(Duration::ZERO, script.time * 3 / 4);
            let every = Some(luck.between(Duration::from_millis(200), Duration::from_secs(10)));
            let times = 1 + luck.below(12) as u32;
            let what = Task::Registry(crate::registry::draw_task(&mut luck));
            script.work.push(Work { at, every, times, stream: Some(stream), what });
        }
        let mut luck = draw.part(SETTINGS_STREAM);
        if luck.chance(random.settings) {
            add_settings(&mut script, &mut luck);
        }
        let mut luck = draw.part(ZONE_STREAM);
        if script.net.zones.is_none() && luck.chance(random.zones) {
            add_zones(&mut script, &mut luck);
        }
        let mut luck = draw.part(CORE_STREAM);
        if script.core.is_none() && luck.chance(random.core) {
            let members = Pick::Share([0.4, 0.6, 0.8][luck.index(3)]);
            let fates = [Fate::Dead, Fate::CutOff, Fate::Deaf, Fate::Mute, Fate::Mixed, Fate::Mixed];
            script.core = Some(Core { members, others: fates[luck.index(fates.len())] });
        }
        script.number_streams();
        script
    }
}

/// Log-uniform between two sizes.
fn size(min: usize, max: usize, share: f64) -> usize {
    let (low, high) = (min as f64, max as f64 + 1.0);
    let size = low * libm::pow(high / low, share);
    (size as usize).clamp(min, max)
}

fn add_faults(script: &mut Script, random: &Random, draw: &Draw) {
    let groups = random.groups(draw.part(GROUP_STREAM));
    let count = match random.faults as u64 {
        0 => 0,
        most => 1 + draw.part(GROUP_STREAM).part(0).below(most),
    };
    for number in 0..count {
        let mut luck = draw.part(number);
        let group = groups[luck.index(groups.len())];
        let at = luck.between(Duration::ZERO, script.time * 3 / 4);
        let lasts = luck.between(Duration::from_millis(200), (script.time - at).min(Duration::from_secs(60)));
        let what = group.trouble(&mut luck, script.members);
        script.fault.push(Fault { at, lasts: Some(lasts), stream: Some(STREAMS_FROM + number), what });
    }
}

/// One or two sets of members whose settings are others, but go together with those of the rest.
fn add_settings(script: &mut Script, luck: &mut Draw) {
    if luck.chance(0.3) {
        // A rotation half done: all know both keys, and seal with different ones.
        script.config.keys = Some(vec![1, 2]);
        let config = Settings { keys: Some(vec![2, 1]), ..Settings::default() };
        script.variant.push(Variant { members: Pick::Share(0.5), config, stream: Some(STREAMS_FROM) });
    }
    for number in 1..=1 + luck.below(2) {
        let members = super::faults::draw::members(luck);
        let config = settings(luck);
        script.variant.push(Variant { members, config, stream: Some(STREAMS_FROM + number) });
    }
}

/// Settings with which a member can live among others.
fn settings(luck: &mut Draw) -> Settings {
    let ms = Duration::from_millis;
    let mut settings = Settings::default();
    for _ in 0..1 + luck.below(4) {
        match luck.below(10) {
            0 => {
                let interval = ms(500 + 250 * luck.below(7));
                settings.probe_interval = Some(interval);
                settings.probe_timeout = Some(interval / 2);
            }
            1 => settings.indirect_checks = Some(luck.index(5)),
            2 => settings.stream_fallback = Some(false),
            3 => settings.suspicion_mult = Some(3.0 + luck.below(4) as f64),
            4 => settings.suspicion_max_mult = Some(1.0 + luck.below(6) as f64),
            5 => settings.awareness_max = Some(1 + luck.below(8) as u32),
            6 => {
                settings.gossip_interval = Some(ms(100 + 100 * luck.below(4)));
                settings.gossip_nodes = Some(2 + luck.index(4));
            }
            7 => settings.push_pull_interval = Some(ms(10_000 + 10_000 * luck.below(5))),
            8 => settings.packet_size = Some(576 + 100 * luck.index(9)),
            _ => {
                settings.compression = Some(luck.chance(0.5));
                settings.eager = Some(luck.chance(0.5));
            }
        }
    }
    settings
}

fn add_zones(script: &mut Script, luck: &mut Draw) {
    let ms = Duration::from_millis;
    script.net.zones = Some(2 + luck.below(3) as u32);
    script.net.between_zones = Some(match luck.below(4) {
        0 => Latency::Constant(ms(5 + luck.below(80))),
        1 => Latency::Uniform { min: ms(2), max: ms(4 + luck.below(120)) },
        2 => Latency::LogNormal { median: ms(2 + luck.below(40)), sigma: 0.5 },
        _ => Latency::HeavyTail { min: ms(1 + luck.below(20)), shape: 2.0 },
    });
}

fn task(luck: &mut Draw) -> Task {
    let some = super::faults::draw::members(luck);
    match luck.below(7) {
        0 => Task::Event { members: some, name: "event".into(), bytes: luck.index(400) },
        1 => Task::Query { members: some, name: "query".into(), relay: luck.below(3) as u8, to: None },
        2 => Task::Tags { members: some, key: "turn".into() },
        3 => Task::Leave { members: Pick::Random(1) },
        4 => Task::Start { members: some, via: Pick::Random(2) },
        5 => Task::ForceLeave { members: some, prune: luck.chance(0.2) },
        _ => Task::Join { members: some, via: Pick::Random(1) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(random: &str) -> Result<Script, String> {
        Script::parse(&format!("members = 60\ntime = '2m'\n[random]\n{random}"))
    }

    #[test]
    fn sizes_are_drawn_evenly_over_their_orders() {
        let script = script("members_min = 5").unwrap();
        let sizes: Vec<usize> = (0..2000).map(|seed| script.expand(seed).members).collect();
        assert_eq!((sizes.iter().min(), sizes.iter().max()), (Some(&5), Some(&60)));
        // The geometric mean of 5 and 61 is 17.5.
        let small = sizes.iter().filter(|size| **size < 17).count();
        assert!((850..1100).contains(&small), "{small}");
    }

    #[test]
    fn some_seeds_are_sparse_and_some_are_dense_and_every_group_has_its_turn() {
        let script = script("faults = 12").unwrap();
        let mut counts: Vec<usize> = Vec::new();
        let mut groups = std::collections::BTreeSet::new();
        for seed in 0..400 {
            let script = script.expand(seed);
            counts.push(script.fault.len());
            groups.extend(script.fault.iter().map(|fault| fault.what.group() as u64));
        }
        assert_eq!((counts.iter().min(), counts.iter().max()), (Some(&1), Some(&12)));
        assert_eq!(groups.len(), Group::ALL.len());
    }

    #[test]
    fn only_the_groups_that_are_named_are_drawn_from() {
        let script = script("faults = 12\ngroups = ['clocks', 'links']").unwrap();
        for seed in 0..100 {
            for fault in script.expand(seed).fault {
                assert!(matches!(fault.what.group(), Group::Clocks | Group::Links), "{fault:?}");
            }
        }
    }

    #[test]
    fn every_expanded_script_is_a_script() {
        let script =
            script("members_min = 5\nfaults = 12\nwork = 8\ncore = 0.5\nsettings = 0.7\nzones = 0.5");
        let script = script.unwrap();
        for seed in 0..400 {
            let expanded = script.expand(seed);
            let text = expanded.to_text();
            assert_eq!(Script::parse(&text).as_ref(), Ok(&expanded), "seed {seed}:\n{text}");
        }
    }

    #[test]
    fn impossible_mixtures_are_refused() {
        for (random, parts) in [
            ("members_min = 61", ["members_min = 61", "1 to members, which is 60"]),
            ("members_min = 0", ["members_min = 0", "1 to members"]),
            ("faults = 1\ngroups = []", ["groups = []", "\"packets\", \"delay\""]),
            ("groups = ['weather']", ["weather", "`packets`"]),
            ("settings = 2.0", ["random.settings = 2", "0.0 to 1.0"]),
            ("zones = -1.0", ["random.zones = -1", "0.0 to 1.0"]),
        ] {
            let error = script(random).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{random}: {error}");
        }
    }
}
