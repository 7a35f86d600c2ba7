//! R1 to R7: what hosts hold of services, and what their readers are shown (papers, section 7.3).
//!
//! How the rules read here, where each agent is the only writer of its records, a TTL is kept by the
//! owner, and what others hear is the outcome:
//!
//! | rule | demanded |
//! |---|---|
//! | R1 | whatever a host comes to hold, its owner wrote so; what it ceases to hold, its owner took back, or made void, or is forgotten with its owner |
//! | R2 | stamps of a record grow; nothing is held below its owner's floor, which claims that all before it is gone |
//! | R3 | a check with a TTL does not expire before its owner's clock shows TTL since the last refresh |
//! | R4 | it has expired when that clock shows more; in peace, all hear of it within the spread bound |
//! | R5 | what was taken back does not come back at the same stamp or an older one |
//! | R6 | a failed owner's records stay, and readers are shown them critical; one that left is not shown; one that is forgotten takes them along |
//! | R7 | what was asked is to be read at once where it was asked, and after a restart if it was confirmed; readers are shown what is held, and nothing else |

mod forwards;
mod promises;
mod readers;
mod records;
#[cfg(test)]
mod tests;
mod ttl;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidings_core::registry::RegistryView;
use tidings_core::registry::command::RegistryCommand;
use tidings_core::registry::record::{Key, Kind, Record, Stamp};
use tidings_core::{Command, Decision, Input, Node, Output, Status, Time, Token};

use self::forwards::Forwards;
use self::promises::Promises;
use self::readers::Readers;
use self::records::Held;
use self::ttl::Ttls;
use self::writes::Writes;
use super::Place;
use crate::hash::FastMap;
use crate::host::Host;
use crate::rider::Rider;
use crate::watch::{Sight, Violation};
use crate::world::World;

/// What owners have written.
#[derive(Clone, Debug, Default)]
struct Issued {
    /// The digest of what each stamp of a key says; `None`: that it is gone.
    said: FastMap<Key, BTreeMap<Stamp, Option<u64>>>,
    /// The highest floor of each owner.
    floors: FastMap<Arc<str>, u64>,
}

impl Issued {
    fn add(&mut self, key: &Key, stamp: Stamp, digest: Option<u64>) {
        self.said.entry(key.clone()).or_default().insert(stamp, digest);
    }

    /// Takes down the floor of an owner.
    fn raise(&mut self, head: &Record) {
        if let (Some(info), key) = (head.node(), head.key())
            && key.node == key.owner
        {
            let floor = self.floors.entry(key.owner.clone()).or_default();
            *floor = info.floor.max(*floor);
        }
    }

    /// Whether its owner does not remember it.
    fn is_void(&self, record: &Record) -> bool {
        let key = record.key();
        let is_head = key.kind == Kind::Node && key.node == key.owner;
        !is_head && self.floors.get(&key.owner).is_some_and(|floor| record.stamp().generation < *floor)
    }

    fn has(&self, record: &Record) -> bool {
        let of = self.said.get(record.key());
        of.and_then(|of| of.get(&record.stamp())) == Some(&Some(record.digest()))
    }

    /// Whether it was taken back at this stamp or later.
    fn gone_since(&self, key: &Key, stamp: Stamp) -> bool {
        self.said.get(key).is_some_and(|of| of.range(stamp..).any(|(_, digest)| digest.is_none()))
    }

    /// What was written last.
    fn last(&self, key: &Key) -> Option<Stamp> {
        self.said.get(key)?.keys().next_back().copied()
    }
}

/// The checkers of the registry.
#[derive(Clone, Debug, Default)]
pub(super) struct Registries {
    issued: Issued,
    hosts: Vec<Seen>,
    promises: Promises,
    forwards: Forwards,
}

/// What is remembered of one host.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// It has been seen to start.
    known: bool,
    view: RegistryView,
    held: Held,
    readers: Readers,
    ttls: Ttls,
    writes: Writes,
    /// Members that were forgotten since the last look.
    forgotten: BTreeSet<Arc<str>>,
    /// What it was asked with the last input.
    asked: Option<(Token, RegistryCommand)>,
    /// The host's time at the last input.
    last: Time,
}

impl Registries {
    /// Looks at something that happened at a host.
    #[inline]
    pub(super) fn see<R: Rider>(
        &mut self,
        world: &World<R>,
        place: Place<'_>,
        sight: &Sight<'_>,
        lies: bool,
        healing: impl Fn() -> bool,
    ) -> Option<Violation> {
        if let Sight::Fault(_) = sight {
            self.promises.void();
            return None;
        }
        let host = &world.hosts()[place.host];
        if !host.config().registry.enabled {
            return None;
        }
        if self.hosts.len() < world.hosts().len() {
            self.hosts.resize_with(world.hosts().len(), Seen::default);
        }
        match sight {
            Sight::Started => self.started(place, host, host.node()?),
            Sight::Stopped => {
                self.promises.ended(place.host);
                None
            }
            Sight::Input(input) => self.input(world, place, host.node()?, input, lies),
            Sight::Output(Output::Trace(trace)) => self.decided(world, place, &trace.decision, healing),
            Sight::Output(Output::Reply { token, result }) => {
                self.hosts[place.host].replied(*token, result.as_ref().err());
                self.answered(world, place, *token, result.is_ok())
            }
            _ => None,
        }
    }

    /// What another agent confirmed, it keeps.
    fn answered<R: Rider>(
        &mut self,
        world: &World<R>,
        place: Place<'_>,
        token: Token,
        well: bool,
    ) -> Option<Violation> {
        let (key, stamp) = match self.forwards.answered(place, &self.issued, token, well) {
            Ok(written) => written?,
            Err(violation) => return Some(violation),
        };
        let about = world.hosts().iter().position(|host| *host.name() == *key.owner)?;
        let record = world.host(about).node().and_then(|node| node.registry().get(&key).cloned())?;
        // It may run anew, and have lost its disk.
        if record.stamp() == stamp {
            self.hosts[about].writes.confirmed_elsewhere(key, stamp);
        }
        None
    }

    fn started<R>(&mut self, place: Place<'_>, host: &Host<R>, node: &Node) -> Option<Violation> {
        let Registries { hosts, issued, promises, .. } = self;
        promises.started(place.host, place.world_time);
        let before = std::mem::take(&mut hosts[place.host]);
        let seen = &mut hosts[place.host];
        let view = node.registry();
        let own = view.records().iter().filter(|record| *record.key().owner == *place.name);
        for record in own {
            // An earlier run said it, or the first thing this one says is what it is.
            let this_run = record.stamp().generation >= node.config().registry.generation;
            if before.known && !this_run && !issued.has(record) {
                let what = format!("it goes on with {}, which it never wrote", of(record));
                return place.violation("R1 owner writes", "", what);
            }
            issued.add(record.key(), record.stamp(), Some(record.digest()));
            issued.raise(record);
        }
        *seen = Seen { known: true, last: place.local, ..Seen::default() };
        seen.held.begin(&view);
        seen.readers.follow(node, &view);
        seen.ttls.begin(node, place.local);
        seen.view = view;
        seen.writes = before.writes;
        seen.writes.restarted(place, host, issued, &seen.view)
    }

    fn input<R: Rider>(
        &mut self,
        world: &World<R>,
        place: Place<'_>,
        node: &Node,
        input: &Input<'_>,
        lies: bool,
    ) -> Option<Violation> {
        let found = self.promises.look(world, &self.issued);
        let seen = &mut self.hosts[place.host];
        let found = found.or_else(|| seen.look(&self.issued, place, node, lies));
        if found.is_some() {
            return found;
        }
        seen.last = place.local;
        seen.asked = match input {
            Input::Command { token, command: Command::Registry(command) } => {
                if forwards::is_forwarded(place, node, command) {
                    self.forwards.asked(place.host, *token, command);
                    None
                } else {
                    Some((*token, (**command).clone()))
                }
            }
            _ => None,
        };
        None
    }

    fn decided<R: Rider>(
        &mut self,
        world: &World<R>,
        place: Place<'_>,
        decision: &Decision,
        healing: impl Fn() -> bool,
    ) -> Option<Violation> {
        match decision {
            Decision::RecordWritten { key, stamp, .. } if *key.owner != *place.name => {
                let what = format!("it writes {:?} {} of {} as {stamp}", key.kind, key.id, key.owner);
                return place.violation("R1 owner writes", &key.owner, what);
            }
            Decision::RecordWritten { key, stamp, digest } => {
                self.issued.add(key, *stamp, *digest);
                let now = world.host(place.host).node().and_then(|node| node.registry().get(key).cloned());
                now.iter().for_each(|record| self.issued.raise(record));
                if !healing() {
                    self.promises.make(world, place, key, *stamp);
                }
            }
            Decision::Forgotten { member } | Decision::Status { member, after: Status::None, .. } => {
                self.hosts[place.host].forgotten.insert(member.clone());
            }
            _ => {}
        }
        None
    }
}

impl Seen {
    /// Looks at what the last input changed.
    fn look(&mut self, issued: &Issued, place: Place<'_>, node: &Node, lies: bool) -> Option<Violation> {
        let forgotten = std::mem::take(&mut self.forgotten);
        let view = node.registry();
        let changed = !view.same(&self.view);
        let mut changes = Vec::new();
        if changed {
            self.view.records().diff(view.records(), |old, new| changes.push((old.cloned(), new.cloned())));
            self.view = view;
        }
        let scene = records::Scene { place, node, issued, view: &self.view, forgotten: &forgotten, lies };
        for (old, new) in &changes {
            let found = self.held.changed(&scene, old.as_ref(), new.as_ref());
            let found = found.or_else(|| self.ttls.changed(place, self.last, old.as_ref(), new.as_ref()?));
            if found.is_some() {
                return found;
            }
        }
        let found = self.held.forgotten(&scene).or_else(|| self.readers.changed(place, node, &self.view));
        if found.is_some() {
            return found;
        }
        if let Some((token, command)) = self.asked.take() {
            let found = readers::own_write(place, &self.view, &command);
            if found.is_some() {
                return found;
            }
            self.writes.carried_out(place, issued, token, &command);
            self.ttls.asked(self.last, &command, node);
        }
        self.ttls.overdue(place, self.last, node)
    }

    /// A request was answered.
    fn replied(&mut self, token: Token, error: Option<&tidings_core::CommandError>) {
        if error.is_some_and(is_refusal) {
            self.asked = self.asked.take().filter(|(asked, _)| *asked != token);
        }
        self.writes.replied(token, error.is_none());
    }
}

/// Whether nothing has changed by a request that was answered so.
fn is_refusal(error: &tidings_core::CommandError) -> bool {
    use tidings_core::CommandError;
    use tidings_core::registry::command::RegistryError;

    !matches!(error, CommandError::Registry(RegistryError::NotKept(_)))
}

/// A record in words.
fn of(record: &Record) -> String {
    let key = record.key();
    let about = match &*key.id {
        "" => String::new(),
        id => format!(" {id}"),
    };
    format!("{:?}{about} of {} on {} as {}", key.kind, key.owner, key.node, record.stamp())
}
