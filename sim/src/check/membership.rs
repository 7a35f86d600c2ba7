//! M1 to M7, M12, M16, S5 and S7: what hosts hold of each other, and what they tell of it.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::{
    Cause, Decision, Event, Incarnation, Member, MemberEventKind, State, Status, Time, Trace, View,
};

use super::Place;
use super::names::{ByName, NameId, Names};
use crate::host::Host;
use crate::rider::Rider;
use crate::watch::Violation;
use crate::world::World;

/// What members have said of themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct Membership {
    /// By the numbers of their names.
    said: Vec<Said>,
}

/// What a member has said of itself.
#[derive(Clone, Debug, Default)]
struct Said {
    /// The highest incarnation it has issued.
    issued: Incarnation,
    /// The tags it has published, in order.
    metas: Vec<Published>,
}

/// Tags that one life of a member has published, and from which to which of its incarnations.
#[derive(Clone, Debug)]
struct Published {
    meta: bytes::Bytes,
    first: Incarnation,
    last: Incarnation,
}

impl Said {
    /// These tags are the member's at this incarnation.
    fn publish(&mut self, meta: &bytes::Bytes, incarnation: Incarnation) {
        self.issued = self.issued.max(incarnation);
        if self.has_published(meta, incarnation, incarnation) {
            return;
        }
        match self.metas.last_mut() {
            Some(newest) if newest.meta == *meta && newest.last < incarnation => newest.last = incarnation,
            _ => self.metas.push(Published { meta: meta.clone(), first: incarnation, last: incarnation }),
        }
    }

    /// Whether it has published these tags at one of these incarnations.
    fn has_published(&self, meta: &bytes::Bytes, from: Incarnation, to: Incarnation) -> bool {
        self.metas.iter().any(|known| known.meta == *meta && known.first <= to && from <= known.last)
    }
}

/// A suspicion that a host has.
#[derive(Clone, Debug)]
struct Doubt {
    since: Time,
    min: Duration,
    max: Duration,
    deadline: Time,
    accusers: Vec<NameId>,
}

/// What an application was told of each member: since a start in the middle of a cluster, of which
/// it needs no telling.
#[derive(Clone, Debug, Default)]
struct Told {
    start: View,
    /// The status told last, and the tags.
    since: ByName<(Status, bytes::Bytes)>,
}

impl Told {
    fn get(&self, id: NameId, name: &str) -> Status {
        let before = || self.start.get(name).map_or(Status::None, Member::status);
        self.since.get(&id).map_or_else(before, |(status, _)| *status)
    }

    fn tags(&self, id: NameId, name: &str) -> Option<&bytes::Bytes> {
        let before = || self.start.get(name).map(|member| &member.identity().meta);
        self.since.get(&id).map_or_else(before, |(_, tags)| Some(tags))
    }
}

/// What is remembered of one host.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    told: Told,
    doubts: ByName<Doubt>,
    /// Whom SWIM has forgotten since the view was looked at last.
    forgotten: Vec<Arc<str>>,
    /// Whom the Serf layer has erased since then.
    erased: Vec<Arc<str>>,
}

impl Seen {
    /// Of a host that starts with this view.
    pub(super) fn starting(view: View) -> Self {
        let told = Told { start: view, since: ByName::default() };
        Seen { told, ..Seen::default() }
    }

    /// Whether it suspects anybody.
    pub(super) fn doubts_any(&self) -> bool {
        !self.doubts.is_empty()
    }

    /// The view has been looked at.
    pub(super) fn looked(&mut self) {
        self.forgotten.clear();
        self.erased.clear();
    }
}

const fn live(state: State) -> bool {
    matches!(state, State::Alive | State::Suspect)
}

impl Membership {
    /// Takes down what a running host says of itself now.
    pub(super) fn published<R>(&mut self, names: &mut Names, host: &Host<R>) {
        let Some(own) = host.node().and_then(|node| node.members().local()) else { return };
        let place = names.id(own.name()).place();
        if self.said.len() <= place {
            self.said.resize_with(place + 1, Said::default);
        }
        self.said[place].publish(&own.identity().meta, own.incarnation());
    }

    /// Takes down what all who have this name say of themselves now.
    fn ask<R: Rider>(&mut self, world: &World<R>, names: &mut Names, name: &str) {
        for host in world.hosts().iter().filter(|host| host.name() == name) {
            self.published(names, host);
        }
    }

    /// The highest incarnation a member has issued so far; 0: there is no such member.
    pub(super) fn issued<R: Rider>(
        &mut self,
        world: &World<R>,
        names: &mut Names,
        id: NameId,
        at_least: Incarnation,
    ) -> Incarnation {
        let known = |said: &[Said]| said.get(id.place()).map_or(0, |said| said.issued);
        if known(&self.said) < at_least {
            let name = names.text(id).to_owned();
            self.ask(world, names, &name);
        }
        known(&self.said)
    }

    /// A host's view of a member has changed.
    pub(super) fn changed<R: Rider>(
        &mut self,
        world: &World<R>,
        place: Place<'_>,
        names: &mut Names,
        seen: &mut super::Seen,
        lies: bool,
        (old, new): (&Option<Member>, &Option<Member>),
    ) -> Option<Violation> {
        let Some(new) = new else {
            let id = names.id(old.as_ref()?.name());
            seen.membership.told.since.insert(id, (Status::None, bytes::Bytes::new()));
            return None;
        };
        let name = new.name();
        let id = names.id(name);
        if name == place.name {
            self.published(names, &world.hosts()[place.host]);
            if !seen.leaving && new.state() != State::Alive {
                return place.violation(
                    "M6 self is alive",
                    name,
                    format!("it holds itself {:?}", new.state()),
                );
            }
        }
        // What SWIM goes on from; it has nothing of whom it has forgotten.
        let mut held = old.as_ref();
        if let Some(old) = old {
            let forgotten = old.state() == State::Forgotten
                || seen.membership.forgotten.iter().any(|known| **known == *name);
            let erased = seen.membership.erased.iter().any(|known| **known == *name);
            let found = step(place, old, new, forgotten, erased);
            if found.is_some() {
                return found;
            }
            held = held.filter(|_| !forgotten);
        }
        if !lies {
            // However it came to know: a state over a stream counts as well.
            let issued = self.issued(world, names, id, new.incarnation());
            if new.incarnation() > issued {
                let what = format!("holds incarnation {}, {issued} is the highest issued", new.incarnation());
                return place.violation("M2 owner-only incarnation", name, what);
            }
            let found = self.tags(world, place, names, (id, held, new));
            if found.is_some() {
                return found;
            }
        }
        told_as_held(place, &seen.membership, (id, new))
    }

    /// S7: tags change only with an incarnation that rises, to those that the member has published at
    /// one that it rose to. That is the member's own order: what it says in one life counts by
    /// incarnation, and so does what it says in the next, which begins low if nothing was kept.
    ///
    /// Of one held alive that is the incarnation held. An accusation may have raised that above the
    /// one of the tags, by messages that came at once: then any above the one held before will do.
    fn tags<R: Rider>(
        &mut self,
        world: &World<R>,
        place: Place<'_>,
        names: &mut Names,
        (id, held, new): (NameId, Option<&Member>, &Member),
    ) -> Option<Violation> {
        let meta = &new.identity().meta;
        if held.is_some_and(|held| held.identity().meta == *meta) {
            return None;
        }
        // Whoever takes over the name of a member that is gone counts anew.
        let held = held.filter(|held| held.addr() == new.addr());
        let (risen, to) = (held.map_or(0, |held| held.incarnation().saturating_add(1)), new.incarnation());
        let from = if new.state() == State::Alive { risen.max(to) } else { risen };
        let published = |said: &[Said]| {
            let said = said.get(id.place());
            from <= to && said.is_some_and(|said| said.has_published(meta, from, to))
        };
        if published(&self.said) {
            return None;
        }
        self.ask(world, names, new.name());
        if published(&self.said) {
            return None;
        }
        let what = format!("it holds tags {:?} out of order", new.tags());
        place.violation("S7 tags", new.name(), what)
    }
}

/// M1, M3, M4, M5, S5: one member, before and after.
fn step(place: Place<'_>, old: &Member, new: &Member, forgotten: bool, erased: bool) -> Option<Violation> {
    let name = new.name();
    let moved = old.addr() != new.addr();
    if new.incarnation() < old.incarnation() && !moved && !forgotten {
        let what = format!("incarnation {} after {}", new.incarnation(), old.incarnation());
        return place.violation("M1 incarnation-monotone", name, what);
    }
    // What is said at the same incarnation neither clears a suspect nor changes a description.
    let cleared = old.state() == State::Suspect && new.state() == State::Alive;
    let described = old.identity().meta != new.identity().meta;
    if new.incarnation() == old.incarnation() && (cleared || described) && !moved && !forgotten {
        let what = format!(
            "{:?}, with tags {:?}, at incarnation {} as before",
            new.state(),
            new.tags(),
            new.incarnation()
        );
        return place.violation("M3 precedence", name, what);
    }
    let gone = matches!(old.state(), State::Dead | State::Left);
    if gone && live(new.state()) && new.incarnation() <= old.incarnation() && !moved && !forgotten {
        let what = format!(
            "{:?} at {} after {:?} at {}",
            new.state(),
            new.incarnation(),
            old.state(),
            old.incarnation()
        );
        return place.violation("M4 no resurrection", name, what);
    }
    if old.state() == State::Left && new.state() == State::Dead
        || old.status() == Status::Left && new.status() == Status::Failed
    {
        return place.violation("M5 left stays left", name, "a member that left is now failed".into());
    }
    // Of a member that was pruned, the Serf layer has forgotten everything.
    if new.status_ltime() < old.status_ltime() && new.status() != Status::None && !erased {
        let what = format!("status time {} after {}", new.status_ltime(), old.status_ltime());
        return place.violation("S5 intent order", name, what);
    }
    None
}

const EVENTS: &str = "M16 events match state";

/// M16: after everything was told, the application knows what the view holds.
fn told_as_held(place: Place<'_>, seen: &Seen, (id, new): (NameId, &Member)) -> Option<Violation> {
    let name = new.name();
    let told = seen.told.get(id, name);
    let held = match new.status() {
        Status::Leaving => Status::Alive,
        other => other,
    };
    if told != held {
        return place.violation(EVENTS, name, format!("held {held}, told {told}"));
    }
    if held == Status::Alive && seen.told.tags(id, name) != Some(&new.identity().meta) {
        return place.violation(EVENTS, name, format!("its tags {:?} were not told", new.tags()));
    }
    None
}

/// M16: each event is a change.
pub(super) fn on_event(
    place: Place<'_>,
    names: &mut Names,
    seen: &mut super::Seen,
    event: &Event,
) -> Option<Violation> {
    let Event::Members(news) = event else { return None };
    for member in &news.members {
        let name = member.name();
        let id = names.id(name);
        let before = seen.membership.told.get(id, name);
        let after = match news.kind {
            MemberEventKind::Join => Status::Alive,
            MemberEventKind::Leave => Status::Left,
            MemberEventKind::Failed => Status::Failed,
            MemberEventKind::Update => before,
            MemberEventKind::Reap => Status::None,
        };
        // A lone start tells its application of itself, before or after somebody begins to watch.
        let itself = name == place.name && !seen.membership.told.since.contains_key(&id);
        let change = before != after || news.kind == MemberEventKind::Update || itself;
        if !change || news.kind != MemberEventKind::Join && before == Status::None {
            let what = format!("{} of a member that was {before}", news.kind);
            return place.violation(EVENTS, name, what);
        }
        let tags = &member.identity().meta;
        if news.kind == MemberEventKind::Update && seen.membership.told.tags(id, name) == Some(tags) {
            return place.violation(
                EVENTS,
                name,
                format!("an update to the tags it had, {:?}", member.tags()),
            );
        }
        seen.membership.told.since.insert(id, (after, tags.clone()));
    }
    None
}

/// M3, M7 and M12: decisions as the node tells them.
pub(super) fn on_trace<R>(
    place: Place<'_>,
    host: &Host<R>,
    names: &mut Names,
    seen: &mut super::Seen,
    trace: &Trace,
) -> Option<Violation> {
    match &trace.decision {
        Decision::State { member, before, after, .. } => {
            if let (Some(State::Left), State::Suspect | State::Dead) = (before, after) {
                let what = format!("a member that left is now {after:?}");
                return place.violation("M5 left stays left", member, what);
            }
            let legal = match (before, after) {
                (None | Some(State::Forgotten), after) => *after == State::Alive,
                (Some(State::Alive), after) => *after != State::Forgotten,
                (Some(State::Suspect), after) => {
                    matches!(after, State::Alive | State::Dead | State::Left)
                }
                (Some(State::Dead | State::Left), after) => matches!(after, State::Alive | State::Forgotten),
            };
            if !legal {
                let what = format!("from {before:?} to {after:?}");
                return place.violation("M3 precedence", member, what);
            }
            if *after == State::Forgotten {
                seen.membership.forgotten.push(member.clone());
            }
            let doubt = seen.membership.doubts.remove(&names.id(member));
            if let (Some(doubt), State::Dead, Cause::Timer) = (doubt, after, &trace.cause) {
                return window(place, host, member, &doubt);
            }
            None
        }
        Decision::Status { member, after: Status::None, .. } => {
            seen.membership.erased.push(member.clone());
            None
        }
        Decision::Suspicion { member, from, confirmations, remaining } => {
            let id = names.id(from);
            suspicion(place, host, seen, (names.id(member), member), (id, from), *confirmations, *remaining)
        }
        Decision::Awareness { after, .. } => {
            let most = host.config().awareness.max;
            if *after < most {
                return None;
            }
            place.violation("M12 LHM bounds", "", format!("health score {after} of {most}"))
        }
        _ => None,
    }
}

/// M7: who suspects counts once, and the time-out never grows.
fn suspicion<R>(
    place: Place<'_>,
    host: &Host<R>,
    seen: &mut super::Seen,
    (id, member): (NameId, &str),
    (from_id, from): (NameId, &str),
    confirmations: u32,
    remaining: Duration,
) -> Option<Violation> {
    const NAME: &str = "M7 suspicion window";
    let deadline = place.local + remaining;
    match seen.membership.doubts.get_mut(&id) {
        None => {
            // It may have learned of members before and after this in one and the same packet.
            let (before, after) = (&seen.view, host.node()?.members());
            let (min, _) = bounds(host, before.all().live().min(after.all().live()));
            let (_, max) = bounds(host, before.all().len().max(after.all().len()));
            let accusers = vec![from_id];
            let doubt = Doubt { since: place.local, min, max, deadline, accusers };
            seen.membership.doubts.insert(id, doubt);
            None
        }
        Some(doubt) => {
            if doubt.accusers.contains(&from_id) {
                return place.violation(NAME, member, format!("{from} counts twice"));
            }
            doubt.accusers.push(from_id);
            if doubt.accusers.len() as u32 != confirmations + 1 {
                return place.violation(NAME, member, format!("{confirmations} confirmations are too many"));
            }
            if deadline > doubt.deadline.max(place.local) {
                return place.violation(NAME, member, "a confirmation made the time-out longer".into());
            }
            doubt.deadline = deadline;
            None
        }
    }
}

/// M7: a death on one's own timer comes neither too soon nor, timers being on time, too late.
fn window<R>(place: Place<'_>, host: &Host<R>, member: &str, doubt: &Doubt) -> Option<Violation> {
    let took = place.local.since(doubt.since);
    let soon = took + Duration::from_millis(1) < doubt.min;
    let late = took > doubt.max + Duration::from_millis(1) && !host.was_disturbed();
    if !soon && !late {
        return None;
    }
    let what = format!("declared dead after {took:?}; allowed are {:?} to {:?}", doubt.min, doubt.max);
    place.violation("M7 suspicion window", member, what)
}

/// Shortest and longest time-out in a cluster of `n`.
fn bounds<R>(host: &Host<R>, n: usize) -> (Duration, Duration) {
    let config = host.config();
    let suspicion = &config.suspicion;
    let min = suspicion.fixed.unwrap_or_else(|| {
        let scale = libm::log10(n.max(1) as f64).max(1.0);
        config.probe.interval.mul_f64(suspicion.mult * libm::floor(1000.0 * scale) / 1000.0)
    });
    (min, min.mul_f64(suspicion.max_mult.max(1.0)))
}
