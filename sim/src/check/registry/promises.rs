//! R4 among the others, and L8 of records: in peace, all hear of a change within the spread bound.
//!
//! Each change makes a promise to those who know its owner then; it is looked at once, when its time
//! has come. A fault that begins or ends voids all.

use std::collections::BTreeMap;

use tidings_core::registry::record::{Key, Record, Stamp};
use tidings_core::{Status, Time};

use super::super::{Place, bounds, liveness};
use super::Issued;
use crate::net::HostId;
use crate::rider::Rider;
use crate::watch::Violation;
use crate::world::World;

/// Promises that may be open; in a storm of changes, later ones go without.
const OPEN_MAX: usize = 4096;

#[derive(Clone, Debug, Default)]
pub(super) struct Promises {
    due: BTreeMap<(Time, u64), Promise>,
    made: u64,
    /// When each host's process started; `None`: it does not run.
    started: Vec<Option<Time>>,
}

#[derive(Clone, Debug)]
struct Promise {
    made: Time,
    owner: HostId,
    key: Key,
    stamp: Stamp,
    /// Who is to hear of it.
    to: Vec<HostId>,
}

impl Promises {
    pub(super) fn void(&mut self) {
        self.due.clear();
    }

    pub(super) fn started(&mut self, host: HostId, now: Time) {
        self.started.resize(self.started.len().max(host + 1), None);
        self.started[host] = Some(now);
    }

    pub(super) fn ended(&mut self, host: HostId) {
        if let Some(started) = self.started.get_mut(host) {
            *started = None;
        }
    }

    /// A host has written something.
    pub(super) fn make<R: Rider>(&mut self, world: &World<R>, place: Place<'_>, key: &Key, stamp: Stamp) {
        let config = world.host(place.host).config();
        let bound = bounds::spread(config, world.hosts().len());
        let (true, Some(bound)) = (liveness::is_peace(world, config), bound) else { return };
        if self.due.len() >= OPEN_MAX {
            return;
        }
        let knows = |to: &HostId| *to != place.host && know_each_other(world, *to, place.host);
        let to = (0..world.hosts().len()).filter(knows).collect();
        self.made += 1;
        let (made, owner) = (place.world_time, place.host);
        let promise = Promise { made, owner, key: key.clone(), stamp, to };
        self.due.insert((made + bound, self.made), promise);
    }

    /// Looks at the promises whose time has come.
    pub(super) fn look<R: Rider>(&mut self, world: &World<R>, issued: &Issued) -> Option<Violation> {
        while let Some(first) = self.due.first_entry() {
            if first.key().0 > world.now() {
                return None;
            }
            let promise = first.remove();
            let missed = promise.to.iter().find(|to| !self.kept(world, issued, &promise, **to));
            if let Some(to) = missed {
                return broken(world, &promise, *to);
            }
        }
        None
    }

    fn kept<R: Rider>(&self, world: &World<R>, issued: &Issued, promise: &Promise, to: HostId) -> bool {
        let Promise { made, owner, key, stamp, .. } = promise;
        let there = |host: HostId| {
            let since = self.started.get(host).copied().flatten();
            since.is_some_and(|since| since <= *made) && !world.host(host).was_hampered_since(*made)
        };
        if !there(to) || !there(*owner) || !know_each_other(world, to, *owner) {
            return true;
        }
        let Some(node) = world.host(to).node() else { return true };
        match node.registry().get(key) {
            Some(record) => record.stamp() >= *stamp,
            None => issued.gone_since(key, *stamp),
        }
    }
}

/// Whether two hosts run, keep a registry, understand each other, and hold each other alive.
fn know_each_other<R: Rider>(world: &World<R>, a: HostId, b: HostId) -> bool {
    let (a, b) = (world.host(a), world.host(b));
    let holds = |a: &crate::host::Host<R>, b: &crate::host::Host<R>| {
        let held = a.node().and_then(|node| node.members().get(b.name()));
        held.is_some_and(|held| held.status() == Status::Alive && held.addr() == b.addr())
    };
    a.config().registry.enabled
        && b.config().registry.enabled
        && a.config().security == b.config().security
        && holds(a, b)
        && holds(b, a)
}

fn broken<R: Rider>(world: &World<R>, promise: &Promise, to: HostId) -> Option<Violation> {
    let Promise { made, owner, key, stamp, .. } = promise;
    let node = world.host(*owner).node()?;
    let (by, at) = (world.host(*owner).name(), world.host(to).name());
    let record = node.registry().get(key).cloned();
    let expired = record.as_ref().and_then(Record::check).is_some_and(|it| &*it.output == "TTL expired");
    let what = format!(
        "{by} wrote {:?} {} on {} as {stamp} at {made}, in peace, and {at} has not heard of it",
        key.kind, key.id, key.node
    );
    let invariant = if expired { "R4 TTL not late" } else { "L8 spread" };
    let members = vec![at.to_owned(), by.to_owned()];
    Some(Violation { invariant: invariant.into(), at: world.now(), members, what })
}
