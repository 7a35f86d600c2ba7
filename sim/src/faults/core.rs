//! The liveness mode: peace for a chosen core, while the others stay dead or cut off for good.
//!
//! A fault that always heals hides the livelock that a permanent one would cause (papers,
//! section 8). So the last phase of a run may be told to heal some hosts only.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Fault, LinkPick, Pick, Planned, Return, Trouble, Undo};
use crate::draw::{Draw, Purpose};
use crate::net::HostId;
use crate::rider::Rider;
use crate::world::World;

/// The stream that the core is drawn from: no fault has this number.
const STREAM: u64 = u64::MAX;
/// Of the others, the share that dies when fates are mixed.
const DEAD_SHARE: f64 = 0.3;

/// Who is healed when the faults' time is over, and what becomes of the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Core {
    /// The hosts between which everything works from then on.
    pub members: Pick,
    /// What the others are from then on.
    #[serde(default)]
    pub others: Fate,
}

/// What becomes of those outside the core, for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// They have no power.
    Dead,
    /// Nothing passes between them and the core.
    CutOff,
    /// They hear nothing of the core, which hears them.
    Deaf,
    /// The core hears nothing of them, who hear it.
    Mute,
    /// Some die; the rest, together, are cut off, deaf or mute.
    #[default]
    Mixed,
}

impl Core {
    /// The members of the core and the rest of `n` hosts.
    #[must_use]
    pub fn split<R: Rider>(&self, world: &World<R>) -> (Vec<HostId>, Vec<HostId>) {
        let n = world.hosts().len();
        let mut core = self.members.of(n, world.net(), &mut draw(world));
        core.sort_unstable();
        let others = (0..n).filter(|host| core.binary_search(host).is_err()).collect();
        (core, others)
    }
}

fn draw<R: Rider>(world: &World<R>) -> Draw {
    Draw::of(world.seed, Purpose::Fault, STREAM)
}

impl<R: Rider> World<R> {
    /// Ends all faults within a core of hosts, and forgets those to come: whatever was wrong with
    /// its members or the links between them is over, crashed ones come back. For the others
    /// everything stays as it is at this moment, and their fate is added to it. Returns the core.
    pub fn heal_core(&mut self, core: &Core) -> Vec<HostId> {
        let (inside, outside) = core.split(self);
        let members: BTreeSet<HostId> = inside.iter().copied().collect();
        self.net.spare(&members);
        for number in 0..self.faults.planned.len() {
            self.end_within(number, &members);
        }
        self.cut_loose(&inside, outside, core.others);
        inside
    }

    /// Ends what one fault does to these hosts; to the others it goes on doing what it does now.
    fn end_within(&mut self, number: usize, members: &BTreeSet<HostId>) {
        self.faults.planned[number].over = true;
        for undo in std::mem::take(&mut self.faults.planned[number].undo) {
            let within = match &undo {
                Undo::Lift(condition) => {
                    let held = self.held.remove(condition).unwrap_or_default();
                    let (free, kept) = held
                        .into_iter()
                        .partition(|held| members.contains(&held.from) && members.contains(&held.to));
                    self.held.insert(*condition, kept);
                    self.release(free);
                    false
                }
                Undo::Restart { host, .. }
                | Undo::Thaw(host)
                | Undo::UnblockIo(host)
                | Undo::Service(host, _)
                | Undo::Drift(host)
                | Undo::Grain(host)
                | Undo::ResumeClock(host)
                | Undo::DiskSpace(host) => members.contains(host),
            };
            if within {
                self.undo(number, undo);
            } else {
                self.faults.planned[number].undo.push(undo);
            }
        }
    }

    fn cut_loose(&mut self, core: &[HostId], mut others: Vec<HostId>, fate: Fate) {
        let mut draw = draw(self).part(1);
        let mut dead = Vec::new();
        let fate = if fate == Fate::Mixed {
            (dead, others) = others.into_iter().partition(|_| draw.chance(DEAD_SHARE));
            [Fate::CutOff, Fate::Deaf, Fate::Mute][draw.index(3)]
        } else {
            fate
        };
        if fate == Fate::Dead {
            dead.append(&mut others);
        }
        if !dead.is_empty() {
            self.begin(Trouble::PowerLoss { members: Pick::These(dead), comes_back: Return::Never });
        }
        if others.is_empty() || core.is_empty() {
            return;
        }
        let (core, others) = (Pick::These(core.to_vec()), Pick::These(others));
        let links = match fate {
            Fate::Deaf => LinkPick { from: core, to: others, both: false },
            Fate::Mute => LinkPick { from: others, to: core, both: false },
            Fate::CutOff | Fate::Dead | Fate::Mixed => LinkPick { from: core, to: others, both: true },
        };
        self.begin(Trouble::Block { datagrams: true, streams: true, links });
    }

    /// Begins a trouble that lasts until it is ended; returns its number.
    pub(crate) fn begin(&mut self, what: Trouble) -> usize {
        let number = self.faults.planned.len();
        let at = self.now.since(tidings_core::Time::ZERO);
        self.faults.planned.push(Planned::new(Fault { at, lasts: None, stream: None, what }));
        self.fault_starts(number);
        number
    }
}
