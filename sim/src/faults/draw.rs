//! Faults drawn at random, by group (papers, section 8).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{LinkPick, Pick, Return, Shape, Trouble};
use crate::draw::Draw;

/// Faults of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Loss, bursts, duplication, replay, reordering, loss of one type or of one packet.
    Packets,
    /// Slow and narrow links.
    Delay,
    /// Links that are clogged or carry only streams or only datagrams; streams that are reset.
    Links,
    /// The network falls apart.
    Partitions,
    /// Processes that end, and come back in some way.
    Process,
    /// Processes that stand still, cannot reach the network, or are slow.
    Slowness,
    /// Clocks that are wrong, and timers that are late.
    Clocks,
    /// Full disks.
    Resources,
    /// Packets that are damaged or cut off.
    Damage,
    /// Hosts that lie.
    Hostile,
}

impl Group {
    /// All there are.
    pub const ALL: [Group; 10] = [
        Self::Packets,
        Self::Delay,
        Self::Links,
        Self::Partitions,
        Self::Process,
        Self::Slowness,
        Self::Clocks,
        Self::Resources,
        Self::Damage,
        Self::Hostile,
    ];

    /// Its name in scripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::Delay => "delay",
            Self::Links => "links",
            Self::Partitions => "partitions",
            Self::Process => "process",
            Self::Slowness => "slowness",
            Self::Clocks => "clocks",
            Self::Resources => "resources",
            Self::Damage => "damage",
            Self::Hostile => "hostile",
        }
    }

    /// Whether its packets may say what nobody ever said.
    #[must_use]
    pub const fn lies(self) -> bool {
        matches!(self, Self::Damage | Self::Hostile)
    }

    /// A fault of this group.
    pub(crate) fn trouble(self, luck: &mut Draw, n: usize) -> Trouble {
        match self {
            Self::Packets => packets(luck),
            Self::Delay => delay(luck),
            Self::Links => link(luck),
            Self::Partitions => partition(luck),
            Self::Process => process(luck),
            Self::Slowness => slowness(luck),
            Self::Clocks => clock(luck),
            Self::Resources => Trouble::FullDisk { members: members(luck) },
            Self::Damage => damage(luck),
            Self::Hostile => hostile(luck, n),
        }
    }
}

impl Trouble {
    /// The group it belongs to.
    #[must_use]
    pub const fn group(&self) -> Group {
        match self {
            Self::Loss { .. }
            | Self::Burst { .. }
            | Self::Duplicate { .. }
            | Self::Reorder { .. }
            | Self::Replay { .. }
            | Self::DropType { .. }
            | Self::DropNth { .. } => Group::Packets,
            Self::Delay { .. } | Self::Rate { .. } | Self::Mtu { .. } => Group::Delay,
            Self::Block { .. } | Self::Clog { .. } | Self::SwizzleClog { .. } | Self::ResetStreams { .. } => {
                Group::Links
            }
            Self::Partition { .. } | Self::Flap { .. } => Group::Partitions,
            Self::Crash { .. } | Self::PowerLoss { .. } => Group::Process,
            Self::Freeze { .. } | Self::BlockIo { .. } | Self::Pauses { .. } | Self::SlowCpu { .. } => {
                Group::Slowness
            }
            Self::ClockJump { .. }
            | Self::ClockDrift { .. }
            | Self::CoarseTimers { .. }
            | Self::Suspend { .. } => Group::Clocks,
            Self::FullDisk { .. } => Group::Resources,
            Self::Corrupt { .. } | Self::Truncate { .. } => Group::Damage,
            Self::Hostile { .. } => Group::Hostile,
        }
    }
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Some members: mostly one or two.
pub(crate) fn members(luck: &mut Draw) -> Pick {
    match luck.below(4) {
        0 => Pick::Share(0.5),
        1 => Pick::Share(0.25),
        _ => Pick::Random(1 + luck.index(2)),
    }
}

fn links(luck: &mut Draw) -> LinkPick {
    match luck.below(4) {
        0 => LinkPick { from: members(luck), to: Pick::All, both: luck.chance(0.5) },
        1 => LinkPick { from: members(luck), to: members(luck), both: luck.chance(0.5) },
        _ => LinkPick::default(),
    }
}

fn shape(luck: &mut Draw) -> Shape {
    match luck.below(10) {
        0 => Shape::Halves,
        1 => Shape::Thirds,
        2 => Shape::IsolateOne,
        3 => Shape::UniformAssignment,
        4 => Shape::OneWay(members(luck)),
        5 => Shape::Bridge,
        6 => Shape::Ring,
        7 => Shape::Star,
        8 => Shape::Zones,
        _ => Shape::UniformSize,
    }
}

fn comes_back(luck: &mut Draw) -> Return {
    match luck.below(6) {
        0 => Return::Afresh,
        1 => Return::OldState,
        2 => Return::NewName,
        3 => Return::NewAddress,
        4 => Return::Never,
        _ => Return::WithState,
    }
}

fn packets(luck: &mut Draw) -> Trouble {
    let rate = luck.unit() * 0.3;
    match luck.below(7) {
        0 => Trouble::Loss { rate, links: links(luck) },
        1 => Trouble::Burst { enter: 0.1 * luck.unit(), leave: 0.5, rate: 1.0, links: links(luck) },
        2 => Trouble::Duplicate { rate, later: ms(luck.below(500)), links: links(luck) },
        3 => Trouble::Reorder { rate, later: ms(luck.below(500)), links: links(luck) },
        4 => {
            let until = [ms(1000), ms(30_000), ms(300_000)][luck.index(3)];
            Trouble::Replay { rate: 0.1 * rate, after: ms(100), until, links: links(luck) }
        }
        5 => Trouble::DropNth { nth: 1 + luck.below(200), links: links(luck) },
        _ => {
            let message = super::MESSAGE_NAMES[luck.index(super::MESSAGE_NAMES.len())].to_owned();
            Trouble::DropType { message, links: links(luck) }
        }
    }
}

fn delay(luck: &mut Draw) -> Trouble {
    match luck.below(3) {
        0 => Trouble::Delay { min: ms(luck.below(50)), mean: ms(luck.below(400)), links: links(luck) },
        1 => Trouble::Rate {
            bytes_per_second: 500 + luck.below(20_000),
            queue_bytes: 2000 + luck.below(20_000),
            links: links(luck),
        },
        _ => Trouble::Mtu { bytes: 128 + luck.index(1300), links: links(luck) },
    }
}

fn link(luck: &mut Draw) -> Trouble {
    match luck.below(5) {
        0 => Trouble::Block { datagrams: true, streams: false, links: links(luck) },
        1 => Trouble::Block { datagrams: false, streams: true, links: links(luck) },
        2 => Trouble::Clog { links: links(luck) },
        3 => Trouble::SwizzleClog { members: members(luck), over: ms(1000 + luck.below(20_000)) },
        _ => Trouble::ResetStreams { members: members(luck) },
    }
}

fn partition(luck: &mut Draw) -> Trouble {
    if luck.chance(0.3) {
        return Trouble::Flap { shape: shape(luck), every: ms(500 + luck.below(8000)) };
    }
    Trouble::Partition { shape: shape(luck) }
}

fn process(luck: &mut Draw) -> Trouble {
    let (members, comes_back) = (members(luck), comes_back(luck));
    if luck.chance(0.4) {
        return Trouble::PowerLoss { members, comes_back };
    }
    Trouble::Crash { members, comes_back, rolling: luck.chance(0.3) }
}

fn slowness(luck: &mut Draw) -> Trouble {
    match luck.below(4) {
        0 => Trouble::Freeze { members: members(luck) },
        1 => Trouble::BlockIo { members: members(luck) },
        2 => {
            let (on, off) = (ms(100 + luck.below(5000)), ms(1 + luck.below(5000)));
            Trouble::Pauses { members: members(luck), on, off }
        }
        _ => Trouble::SlowCpu { members: members(luck), service: ms(1 + luck.below(60)) },
    }
}

fn clock(luck: &mut Draw) -> Trouble {
    match luck.below(4) {
        0 => Trouble::ClockJump { members: members(luck), by: ms(1 + luck.below(120_000)) },
        1 => Trouble::ClockDrift { members: members(luck), ppm: luck.below(200_000) as i64 - 100_000 },
        2 => Trouble::CoarseTimers { members: members(luck), grain: ms(1 + luck.below(200)) },
        _ => Trouble::Suspend { members: members(luck) },
    }
}

fn damage(luck: &mut Draw) -> Trouble {
    let rate = luck.unit() * 0.3;
    if luck.chance(0.5) {
        return Trouble::Corrupt { rate, links: links(luck) };
    }
    Trouble::Truncate { rate, links: links(luck) }
}

fn hostile(luck: &mut Draw, n: usize) -> Trouble {
    let members = Pick::Random(1 + luck.index((n / 10).max(1)));
    let every = ms(100 + luck.below(3000));
    let mut lies = super::Lie::ALL.to_vec();
    lies.retain(|_| luck.chance(0.6));
    if lies.is_empty() {
        lies.push(super::Lie::ALL[luck.index(super::Lie::ALL.len())]);
    }
    Trouble::Hostile { members, every, lies }
}
