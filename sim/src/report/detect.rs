//! How failures are found, and what is found that is none.

use std::time::Duration;

use tidings_core::{Decision, Event, MemberEventKind, ProbeResult, State, Status, Time};

use super::names::Names;
use crate::net::{Carriage, HostId};
use crate::rider::Rider;
use crate::world::World;

/// A cut, or a life that ended, explains failure events for this long.
const AFTERMATH: Duration = Duration::from_secs(60);
/// Failure events listed; more are counted only.
const LISTED_MAX: usize = 20_000;

/// A process that ended without a word.
#[derive(Clone, Debug)]
pub struct Crash {
    /// Whose.
    pub member: String,
    /// When.
    pub at: Time,
    /// Until another member declared it failed.
    pub first: Option<Duration>,
    /// Until every running member held it failed.
    pub full: Option<Duration>,
    /// Until it ran again.
    pub back: Option<Duration>,
    host: HostId,
    /// Who holds it failed.
    held: Vec<bool>,
    held_count: usize,
}

/// What a failure event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// The process does not run, or its last life has just ended: as it should be.
    True,
    /// A fault has frozen, blocked or slowed it, or changed its clock.
    Anomalous,
    /// A partition or a blocked link is, or has just been, in between.
    CutOff,
    /// It is well: FP in the Lifeguard paper's count; told by a member that a fault has hampered.
    False,
    /// As `False`, told by a member that is well itself: FP−.
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
    /// What it is worth.
    pub alarm: Alarm,
}

/// Follows crashes and failure events.
#[derive(Debug, Default)]
pub(super) struct Detection {
    pub(super) crashes: Vec<Crash>,
    pub(super) failures: Vec<FailureEvent>,
    /// Failure events by kind, as in [`Alarm::ALL`]; also those not listed.
    pub(super) counts: [u64; 5],
    /// Refutations.
    pub(super) refuted: u64,
    /// When each host's present life began, if it is not the first.
    began: Vec<Option<Time>>,
    /// When a probe of each host failed last because of a cut.
    cut: Vec<Option<Time>>,
}

fn entry<T: Default + Clone>(list: &mut Vec<T>, place: usize) -> &mut T {
    if list.len() <= place {
        list.resize(place + 1, T::default());
    }
    &mut list[place]
}

impl Detection {
    pub(super) fn on_start<R: Rider>(&mut self, world: &World<R>, host: HostId) {
        let machine = &world.hosts()[host];
        if machine.life() > 0 {
            *entry(&mut self.began, host) = Some(world.now());
        }
        for crash in self.open(machine.name()) {
            crash.back = Some(world.now().since(crash.at));
        }
    }

    pub(super) fn on_stop<R: Rider>(&mut self, world: &World<R>, host: HostId) {
        let machine = &world.hosts()[host];
        let status = machine.node().and_then(|node| Some(node.view().local()?.status()));
        if matches!(status, Some(Status::Alive)) {
            let member = machine.name().to_owned();
            let crash = Crash {
                member,
                at: world.now(),
                first: None,
                full: None,
                back: None,
                host,
                held: Vec::new(),
                held_count: 0,
            };
            self.crashes.push(crash);
        }
        for crash in &mut self.crashes {
            if crash.full.is_none() && std::mem::take(entry(&mut crash.held, host)) {
                crash.held_count -= 1;
            }
        }
    }

    fn open(&mut self, member: &str) -> impl Iterator<Item = &mut Crash> {
        self.crashes
            .iter_mut()
            .rev()
            .filter(move |crash| crash.member == member && crash.full.is_none() && crash.back.is_none())
    }

    pub(super) fn on_decision<R: Rider>(
        &mut self,
        world: &World<R>,
        names: &Names,
        host: HostId,
        decision: &Decision,
    ) {
        match decision {
            Decision::State { member, after: State::Dead, .. } => self.declared(world, host, member),
            Decision::Refuted { .. } => self.refuted += 1,
            Decision::ProbeEnded { target, result: ProbeResult::Failed { .. }, .. } => {
                if let Some(subject) = names.host(target)
                    && apart(world, host, subject)
                {
                    *entry(&mut self.cut, subject) = Some(world.now());
                }
            }
            _ => {}
        }
    }

    fn declared<R: Rider>(&mut self, world: &World<R>, holder: HostId, member: &str) {
        let now = world.now();
        for crash in self.open(member) {
            let took = now.since(crash.at);
            crash.first.get_or_insert(took);
            if !std::mem::replace(entry(&mut crash.held, holder), true) {
                crash.held_count += 1;
            }
            let mut living = (0..world.hosts().len()).filter(|host| world.hosts()[*host].node().is_some());
            if living.all(|host| host == crash.host || crash.held.get(host) == Some(&true)) {
                crash.full = Some(took);
                crash.held = Vec::new();
            }
        }
    }

    pub(super) fn on_event<R: Rider>(
        &mut self,
        world: &World<R>,
        names: &Names,
        host: HostId,
        event: &Event,
    ) {
        let Event::Members(news) = event else { return };
        if news.kind != MemberEventKind::Failed {
            return;
        }
        for member in &news.members {
            let alarm = self.judge(world, names, host, member.name());
            let kind = Alarm::ALL.iter().position(|kind| *kind == alarm).unwrap_or(0);
            self.counts[kind] += 1;
            if self.failures.len() < LISTED_MAX {
                let by = world.hosts()[host].name().to_owned();
                let about = member.name().to_owned();
                self.failures.push(FailureEvent { at: world.now(), by, about, alarm });
            }
        }
    }

    /// What a failure event is worth.
    fn judge<R: Rider>(&self, world: &World<R>, names: &Names, by: HostId, about: &str) -> Alarm {
        let now = world.now();
        let recent = |times: &[Option<Time>], host: HostId| {
            times.get(host).copied().flatten().is_some_and(|time| now.since(time) < AFTERMATH)
        };
        let Some(subject) = names.host(about) else { return Alarm::True };
        let machine = &world.hosts()[subject];
        if machine.node().is_none() || recent(&self.began, subject) {
            Alarm::True
        } else if machine.was_disturbed() {
            Alarm::Anomalous
        } else if apart(world, by, subject) || recent(&self.cut, subject) {
            Alarm::CutOff
        } else if world.hosts()[by].was_disturbed() {
            Alarm::False
        } else {
            Alarm::FalseByHealthy
        }
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
