//! What a failure event is worth: how the member it is about really was.
//!
//! A member is declared failed because a probe of it failed. From the moment that probe began, its
//! suspicion runs, and the member has until the end of it to defend itself. So a failure event is
//! judged by that whole time: it is false, and counts as FP, if the member ran all the while, was
//! not hampered, and could be reached.

use std::collections::BTreeMap;

use tidings_core::{Cause, Decision, Incarnation, State, Time};

use super::detect::entry;
use super::names::Names;
use crate::net::{Carriage, HostId};
use crate::rider::Rider;
use crate::world::World;

/// What a failure event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// The process did not run at some time since it was probed: as it should be.
    True,
    /// A fault froze, blocked or slowed it at some time since it was probed.
    Anomalous,
    /// A partition, or a link that is blocked or held, was in between.
    CutOff,
    /// It was well: FP in the Lifeguard paper's count; told by a member that was not well itself.
    False,
    /// As `False`, told by a member that was well itself: FP−.
    FalseByHealthy,
}

impl Alarm {
    /// All kinds.
    pub const ALL: [Alarm; 5] =
        [Alarm::True, Alarm::CutOff, Alarm::Anomalous, Alarm::False, Alarm::FalseByHealthy];

    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "crashed",
            Self::Anomalous => "hampered by a fault",
            Self::CutOff => "cut off",
            Self::False => "false, by a hampered member",
            Self::FalseByHealthy => "false, by a healthy member",
        }
    }

    /// Whether it counts as FP.
    #[must_use]
    pub const fn is_false(self) -> bool {
        matches!(self, Self::False | Self::FalseByHealthy)
    }
}

/// A member's application was told that another has failed.
#[derive(Clone, Debug)]
pub struct FailureEvent {
    /// When.
    pub at: Time,
    /// By whom.
    pub by: String,
    /// About whom.
    pub about: String,
    /// When the probe began on which it rests.
    pub since: Time,
    /// What it is worth.
    pub alarm: Alarm,
}

/// Remembers what failure events have to be judged by.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// When each host's last probe began.
    probing: Vec<Time>,
    /// When the probe began that first accused a life of a member at an incarnation.
    accused: BTreeMap<(HostId, Incarnation), Time>,
    /// When each host's present life began, if it is not the first.
    began: Vec<Option<Time>>,
    /// When somebody who probed the host was last found to be cut off from it.
    cut: Vec<Option<Time>>,
}

impl Judge {
    pub(super) fn on_start(&mut self, now: Time, host: HostId) {
        *entry(&mut self.began, host) = Some(now);
    }

    pub(super) fn on_decision<R: Rider>(
        &mut self,
        world: &World<R>,
        names: &Names,
        host: HostId,
        (decision, cause): (&Decision, &Cause),
    ) {
        let now = world.now();
        match decision {
            Decision::ProbeStarted { target, .. } => {
                *entry(&mut self.probing, host) = now;
                self.look_between(world, names, host, target);
            }
            Decision::ProbeLate { target, .. } | Decision::ProbeEnded { target, .. } => {
                self.look_between(world, names, host, target);
            }
            Decision::State { member, after: State::Suspect | State::Dead, incarnation, .. } => {
                let Some(subject) = names.host(member) else { return };
                let own = matches!(cause, Cause::Timer);
                let since = if own { *entry(&mut self.probing, host) } else { now };
                let known = self.accused.entry((subject, *incarnation)).or_insert(since);
                // A member that comes back may be at the same incarnation again.
                let life = self.began.get(subject).copied().flatten();
                if own && life.is_some_and(|began| *known < began && began <= since) {
                    *known = since;
                }
            }
            _ => {}
        }
    }

    fn look_between<R: Rider>(&mut self, world: &World<R>, names: &Names, host: HostId, target: &str) {
        if world.net().is_calm() {
            return;
        }
        if let Some(subject) = names.host(target)
            && apart(world, host, subject)
        {
            *entry(&mut self.cut, subject) = Some(world.now());
        }
    }

    /// What it is worth that `by` is told a member at this incarnation has failed, and since when
    /// that was brewing.
    pub(super) fn judge<R: Rider>(
        &self,
        world: &World<R>,
        names: &Names,
        by: HostId,
        (about, incarnation): (&str, Incarnation),
    ) -> (Alarm, Time) {
        let now = world.now();
        let Some(subject) = names.host(about) else { return (Alarm::True, now) };
        let since = self.accused.get(&(subject, incarnation)).copied().unwrap_or(now);
        let later = |times: &[Option<Time>], host: HostId| {
            times.get(host).copied().flatten().is_some_and(|time| time >= since)
        };
        let (machine, teller) = (&world.hosts()[subject], &world.hosts()[by]);
        // Under another name now, it does not run under this one.
        let runs = machine.node().is_some() && machine.name() == about;
        let alarm = if !runs || later(&self.began, subject) {
            Alarm::True
        } else if machine.was_hampered_since(since) {
            Alarm::Anomalous
        } else if apart(world, by, subject) || later(&self.cut, subject) {
            Alarm::CutOff
        } else if teller.was_hampered_since(since) || teller.had_wrong_clock_since(since) {
            Alarm::False
        } else {
            Alarm::FalseByHealthy
        };
        (alarm, since)
    }
}

/// Whether datagrams do not get from one host to another, or not back.
pub(super) fn apart<R: Rider>(world: &World<R>, a: HostId, b: HostId) -> bool {
    let net = world.net();
    !net.is_calm()
        && [(a, b), (b, a)].iter().any(|(from, to)| {
            !net.passes(*from, *to, Carriage::Datagram) || net.held_by(*from, *to).is_some()
        })
}
