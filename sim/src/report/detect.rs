//! How crashes are found.

use std::time::Duration;

use tidings_core::{Cause, Decision, Event, MemberEventKind, State, Status, Time};

use super::alarm::{Alarm, FailureEvent, Judge};
use super::names::Names;
use crate::net::HostId;
use crate::rider::Rider;
use crate::world::World;

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
    /// Until every other member held it failed that ran then and was not hampered.
    pub full: Option<Duration>,
    /// Until it ran again.
    pub back: Option<Duration>,
    host: HostId,
    /// Who holds it failed; given back when all do.
    held: Vec<bool>,
    /// Every fit host before this one holds it failed.
    awaited: HostId,
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
    judge: Judge,
}

pub(super) fn entry<T: Default + Clone>(list: &mut Vec<T>, place: usize) -> &mut T {
    if list.len() <= place {
        list.resize(place + 1, T::default());
    }
    &mut list[place]
}

impl Detection {
    pub(super) fn on_start<R: Rider>(&mut self, world: &World<R>, host: HostId) {
        if world.hosts()[host].life() == 0 {
            return;
        }
        self.judge.on_start(world.now(), host);
        for crash in self.crashes.iter_mut().filter(|crash| crash.host == host && crash.back.is_none()) {
            crash.back = Some(world.now().since(crash.at));
        }
    }

    pub(super) fn on_stop<R: Rider>(&mut self, world: &World<R>, host: HostId) {
        let machine = &world.hosts()[host];
        let status = machine.node().and_then(|node| Some(node.view().local()?.status()));
        for crash in &mut self.crashes {
            if let Some(held) = crash.held.get_mut(host) {
                *held = false;
                crash.awaited = crash.awaited.min(host);
            }
        }
        if matches!(status, Some(Status::Alive)) {
            self.crashes.push(Crash {
                member: machine.name().to_owned(),
                at: world.now(),
                first: None,
                full: None,
                back: None,
                host,
                held: Vec::new(),
                awaited: 0,
            });
        }
    }

    pub(super) fn on_decision<R: Rider>(
        &mut self,
        world: &World<R>,
        names: &Names,
        host: HostId,
        (decision, cause): (&Decision, &Cause),
    ) {
        self.judge.on_decision(world, names, host, (decision, cause));
        match decision {
            Decision::State { member, after: State::Dead, .. } => self.declared(world, host, member),
            Decision::Refuted { .. } => self.refuted += 1,
            _ => {}
        }
    }

    fn declared<R: Rider>(&mut self, world: &World<R>, holder: HostId, member: &str) {
        let took = |crash: &Crash| world.now().since(crash.at);
        let open = self.crashes.iter_mut().rev().filter(|crash| crash.full.is_none() && crash.back.is_none());
        for crash in open.filter(|crash| crash.member == member) {
            crash.first = crash.first.or(Some(took(crash)));
            *entry(&mut crash.held, holder) = true;
            let waits = |host: HostId| {
                let machine = &world.hosts()[host];
                let fit = machine.node().is_some() && !machine.is_hampered();
                fit && host != crash.host && crash.held.get(host) != Some(&true)
            };
            match (crash.awaited..world.hosts().len()).find(|host| waits(*host)) {
                Some(host) => crash.awaited = host,
                // Somebody before may be fit again.
                None if (0..crash.awaited).any(waits) => {}
                None => {
                    crash.full = Some(took(crash));
                    crash.held = Vec::new();
                }
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
            let about = (member.name(), member.incarnation());
            let (alarm, since) = self.judge.judge(world, names, host, about);
            let kind = Alarm::ALL.iter().position(|kind| *kind == alarm).unwrap_or(0);
            self.counts[kind] += 1;
            if self.failures.len() < LISTED_MAX {
                let by = world.hosts()[host].name().to_owned();
                let about = member.name().to_owned();
                self.failures.push(FailureEvent { at: world.now(), by, about, since, alarm });
            }
        }
    }
}
