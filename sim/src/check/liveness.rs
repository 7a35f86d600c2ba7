//! L3, L4 and L9: what must come true in peace.
//!
//! Each event that calls for it makes a promise with a deadline; when that has come, the promise
//! is looked at once, and nothing in between. A fault that begins voids all promises.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use tidings_core::{Command, Config, Decision, Input, Output, Reply, State, Status, Time, Token, View};

use super::bounds;
use crate::host::Host;
use crate::net::HostId;
use crate::rider::Rider;
use crate::watch::{Sight, Violation};
use crate::world::World;

/// A member as one host holds it.
type Held = (HostId, Arc<str>);

/// What has been promised.
#[derive(Clone, Debug, Default)]
pub(super) struct Liveness {
    due: BTreeMap<(Time, u64), Promise>,
    promised: u64,
    /// Whom each host holds suspect or dead, and since when.
    doubted: BTreeMap<Held, Time>,
    /// When each host's process started.
    started: Vec<Time>,
    leaving: BTreeSet<HostId>,
    /// A fault began or ended: once there is peace, what is in doubt must heal.
    unhealed: bool,
    /// Joins that are under way: through whom.
    joining: BTreeMap<(HostId, Token), Vec<SocketAddr>>,
}

#[derive(Clone, Debug)]
struct Promise {
    made: Time,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// L4: the doubt is over.
    Refuted { at: HostId, member: Arc<str> },
    /// L3: all doubts of before are over.
    Healed,
    /// L9: the newcomer knows whom one of its contacts knew, and they know it.
    Joined { newcomer: HostId, known: Vec<View> },
}

impl Liveness {
    /// Looks at what happened, and at the promises whose time has come.
    #[inline]
    pub(super) fn see<R: Rider>(
        &mut self,
        world: &World<R>,
        host: HostId,
        sight: &Sight<'_>,
    ) -> Option<Violation> {
        let due = self.due.first_key_value().is_some_and(|((due, _), _)| *due <= world.now());
        let found = if due { self.look(world) } else { None };
        if self.unhealed && world.is_peaceful() && world.net().is_calm() {
            self.unhealed = false;
            self.must_heal(world);
        }
        match sight {
            Sight::Fault(_) => {
                // Everything promised is void. It is shown before its effects begin or end.
                self.due.clear();
                self.unhealed = true;
            }
            Sight::Started => {
                self.started.resize(self.started.len().max(host + 1), Time::ZERO);
                self.started[host] = world.now();
                self.leaving.remove(&host);
            }
            Sight::Stopped => {
                self.doubted.retain(|(at, _), _| *at != host);
                self.joining.retain(|(at, _), _| *at != host);
            }
            Sight::Input(Input::Command { token, command }) => self.on_command(host, *token, command),
            Sight::Output(Output::Trace(trace)) => self.on_decision(world, host, &trace.decision),
            Sight::Output(Output::Reply { token, result }) => {
                let contacts = self.joining.remove(&(host, *token));
                if let (Some(contacts), Ok(Reply::Joined { contacted, .. })) = (contacts, result)
                    && *contacted > 0
                {
                    self.on_joined(world, host, &contacts);
                }
            }
            _ => {}
        }
        found
    }

    fn promise(&mut self, made: Time, due: Time, what: What) {
        self.promised += 1;
        self.due.insert((due, self.promised), Promise { made, what });
    }

    fn on_command(&mut self, host: HostId, token: Token, command: &Command) {
        match command {
            Command::Leave => drop(self.leaving.insert(host)),
            Command::Join { addresses, .. } | Command::Rejoin { addresses } => {
                let parse = |text: &String| text.rsplit('/').next()?.parse().ok();
                self.joining.insert((host, token), addresses.iter().filter_map(parse).collect());
            }
            _ => {}
        }
    }

    fn on_decision<R: Rider>(&mut self, world: &World<R>, at: HostId, decision: &Decision) {
        let Decision::State { member, after, .. } = decision else { return };
        let key = (at, member.clone());
        match after {
            State::Suspect | State::Dead => {}
            // SWIM forgets the dead long before the Serf layer gives up dialling them.
            State::Forgotten => return,
            State::Alive | State::Left => {
                self.doubted.remove(&key);
                return;
            }
        }
        let (now, config) = (world.now(), world.host(at).config());
        if self.doubted.contains_key(&key) {
            return;
        }
        self.doubted.insert(key, now);
        let n = world.hosts().len();
        if let (true, Some(bound)) = (is_peace(world, config), bounds::refutation(config, n)) {
            self.promise(now, now + bound, What::Refuted { at, member: member.clone() });
        }
    }

    /// The last fault is over.
    fn must_heal<R: Rider>(&mut self, world: &World<R>) {
        let now = world.now();
        let Some(first) = world.hosts().first().filter(|_| !self.doubted.is_empty()) else { return };
        let config = first.config();
        let bound = bounds::heal(config, world.hosts().len(), self.luck(world));
        if let (true, Some(bound)) = (is_peace(world, config), bound) {
            self.promise(now, now + bound, What::Healed);
        }
    }

    /// The logarithm of the chance that nobody reaches anybody in one round of reconnecting.
    fn luck<R: Rider>(&self, world: &World<R>) -> f64 {
        let mut failed: BTreeMap<HostId, (usize, usize)> = BTreeMap::new();
        for (at, member) in self.doubted.keys() {
            let counts = failed.entry(*at).or_default();
            counts.0 += usize::from(self.reachable(world, *at, member, world.now()).is_some());
            counts.1 += 1;
        }
        let mut luck = 0.0;
        for (at, (reachable, all)) in failed {
            let Some(node) = world.host(at).node() else { continue };
            let stats = node.stats();
            let others = (stats.members - stats.failed - stats.left).max(1);
            let share = (all as f64 / others as f64).min(1.0) * reachable as f64 / all as f64;
            luck += (1.0 - share).ln();
        }
        luck
    }

    /// Whether somebody who runs and can be reached is in doubt somewhere.
    pub(super) fn is_healing<R: Rider>(&self, world: &World<R>) -> bool {
        self.doubted.keys().any(|(at, member)| self.reachable(world, *at, member, world.now()).is_some())
    }

    fn on_joined<R: Rider>(&mut self, world: &World<R>, newcomer: HostId, contacts: &[SocketAddr]) {
        let config = world.host(newcomer).config();
        if self.is_healing(world) || !is_peace(world, config) {
            return;
        }
        let known: Vec<View> = contacts
            .iter()
            .filter_map(|addr| world.net().addresses.get(addr))
            .filter_map(|contact| Some(world.host(*contact).node()?.view()))
            .collect();
        let n = world.hosts().len();
        if let (false, Some(bound)) = (known.is_empty(), bounds::spread(config, n)) {
            self.promise(world.now(), world.now() + bound, What::Joined { newcomer, known });
        }
    }

    /// Whether a host has run without leaving since a moment.
    fn was_there<R>(&self, machine: &Host<R>, host: HostId, since: Time) -> bool {
        let started = self.started.get(host).copied().unwrap_or(Time::ZERO);
        machine.node().is_some()
            && !machine.is_hampered()
            && !self.leaving.contains(&host)
            && started <= since
    }

    /// The host that a host holds by this name, if it has run since, can be talked to, and is at
    /// the address held.
    fn reachable<R: Rider>(&self, world: &World<R>, at: HostId, member: &str, since: Time) -> Option<HostId> {
        let here = world.host(at);
        let view = here.node()?.view();
        let held = view.get(member)?;
        // Whoever was forced out is not dialled.
        if matches!(held.status(), Status::Left | Status::None) {
            return None;
        }
        let addr = held.addr();
        let host = *world.net().addresses.get(&addr)?;
        let there = world.host(host);
        let same = there.name() == member && there.addr() == addr;
        let both = self.was_there(here, at, since) && self.was_there(there, host, since);
        (same && both && speak(here.config(), there.config())).then_some(host)
    }

    /// Looks at the promises whose time has come.
    fn look<R: Rider>(&mut self, world: &World<R>) -> Option<Violation> {
        while let Some(first) = self.due.first_entry() {
            if first.key().0 > world.now() {
                return None;
            }
            let promise = first.remove();
            let found = match &promise.what {
                What::Refuted { at, member } => self.refuted(world, promise.made, *at, member),
                What::Healed => self.healed(world, promise.made),
                What::Joined { newcomer, known } => self.joined(world, promise.made, *newcomer, known),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn refuted<R: Rider>(
        &self,
        world: &World<R>,
        made: Time,
        at: HostId,
        member: &Arc<str>,
    ) -> Option<Violation> {
        let since = self.doubted.get(&(at, member.clone()))?;
        if *since != made {
            return None;
        }
        let there = world.host(self.reachable(world, at, member, made)?);
        if is_contested(world, member, there.addr()) {
            return None;
        }
        let what = format!(
            "{member}, which runs and can be reached, is in doubt at {} since {made}",
            world.host(at).name()
        );
        violation(world, "L4 refutation", at, member, what)
    }

    fn healed<R: Rider>(&self, world: &World<R>, made: Time) -> Option<Violation> {
        let old = self.doubted.iter().filter(|(_, since)| **since <= made);
        let (at, member) = old
            .map(|(held, _)| held)
            .find(|(at, member)| self.reachable(world, *at, member, made).is_some())?;
        let name = world.host(*at).name();
        let what = format!("peace since {made}, and {name} still holds {member} dead, which runs");
        violation(world, "L3 heal", *at, member, what)
    }

    fn joined<R: Rider>(
        &self,
        world: &World<R>,
        made: Time,
        newcomer: HostId,
        known: &[View],
    ) -> Option<Violation> {
        let machine = world.host(newcomer);
        if !self.was_there(machine, newcomer, made) {
            return None;
        }
        let missing = known.iter().map(|view| self.missing(world, made, newcomer, view));
        // Through one of them it must have got in.
        let (at, of) = missing.reduce(|best, next| best.and(next))??;
        let (at_name, of_name) = (world.host(at).name(), world.host(of).name());
        let what = format!("{} joined at {made}, and {at_name} does not know {of_name}", machine.name());
        violation(world, "L9 join", at, of_name, what)
    }

    /// A member of a contact's view and the newcomer of which one does not know the other.
    fn missing<R: Rider>(
        &self,
        world: &World<R>,
        made: Time,
        newcomer: HostId,
        known: &View,
    ) -> Option<(HostId, HostId)> {
        let me = world.host(newcomer);
        let mine = me.node()?.view();
        let holds = |view: &View, of: &Host<R>| {
            let held = view.get(of.name());
            // Another address is a contest about the name, which has rules of its own.
            // A leave that is being contradicted is no ignorance either.
            held.is_some_and(|held| {
                matches!(held.status(), Status::Alive | Status::Leaving) || held.addr() != of.addr()
            })
        };
        for (host, there) in world.hosts().iter().enumerate() {
            let was_known = known
                .get(there.name())
                .is_some_and(|m| m.status() == Status::Alive && m.addr() == there.addr());
            if host == newcomer
                || !was_known
                || !self.was_there(there, host, made)
                || !speak(me.config(), there.config())
            {
                continue;
            }
            if !holds(&mine, there) {
                return Some((newcomer, host));
            }
            if !there.node().is_some_and(|node| holds(&node.view(), me)) {
                return Some((host, newcomer));
            }
        }
        None
    }
}

/// Whether nothing is wrong with anything, so that the bounds hold.
pub(super) fn is_peace<R: Rider>(world: &World<R>, config: &Config) -> bool {
    world.is_peaceful() && world.net().is_calm() && bounds::is_prompt(world.net(), config)
}

/// Whether somebody holds this name at another address, where an earlier life of it was: they pass on
/// nothing that it says here.
fn is_contested<R: Rider>(world: &World<R>, name: &str, addr: SocketAddr) -> bool {
    let nodes = world.hosts().iter().filter_map(Host::node);
    nodes.into_iter().any(|node| node.members().get(name).is_some_and(|held| held.addr() != addr))
}

/// Whether two members understand each other.
fn speak(a: &Config, b: &Config) -> bool {
    a.security == b.security
}

fn violation<R: Rider>(
    world: &World<R>,
    invariant: &str,
    at: HostId,
    about: &str,
    what: String,
) -> Option<Violation> {
    let members = vec![world.host(at).name().to_owned(), about.to_owned()];
    Some(Violation { invariant: invariant.to_owned(), at: world.now(), members, what })
}
