//! How a catalog follows what its node knows.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{Catalog, Claim, Node, Shown, lower};
use crate::registry::check::Health;
use crate::registry::record::{Key, Kind, Record};
use crate::registry::service::Text;
use crate::serf::clock::LamportTime;
use crate::swim::member::{Member, Status};
use crate::trie::Trie;
use crate::view::View;

/// What an update changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Nodes that came, went or changed, and those whose instances or checks did.
    pub nodes: BTreeSet<Text>,
    /// Services, their names in small letters, of which a look-up shows something else now.
    pub services: BTreeSet<Text>,
    /// The list of nodes changed.
    pub any_node: bool,
    /// Some instance came, went or changed.
    pub any_service: bool,
    /// Some check came, went or changed.
    pub any_check: bool,
}

impl Changes {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.services.is_empty()
    }
}

impl Catalog {
    /// Follows what a node knows now, and says what is new. Costs what changed since the last
    /// update.
    pub fn update(&mut self, view: &View, records: &Trie<Record>) -> Changes {
        let mut update = Update { at: self.index + 1, changes: Changes::default() };
        let before = core::mem::replace(&mut self.view, view.clone());
        let mut members: Vec<(Text, Option<Member>)> = Vec::new();
        before.all().diff(view.all(), |old, new| {
            if let Some(member) = new.or(old) {
                members.push((member.identity().name.clone(), new.cloned()));
            }
        });
        let before = core::mem::replace(&mut self.records, records.clone());
        let mut changed: Vec<(Option<Record>, Option<Record>)> = Vec::new();
        before.diff(records, |old, new| changed.push((old.cloned(), new.cloned())));
        for (name, member) in members {
            update.member(self, &name, member);
        }
        for (old, new) in changed {
            update.record(self, old.as_ref(), new);
        }
        update.finish(self)
    }

    /// Whether an agent may speak.
    fn speaks(&self, owner: &str) -> bool {
        let member = self.nodes.get(owner).and_then(|node| node.member.as_ref());
        member.is_some_and(|member| is_there(member.status()))
    }
}

/// Whether a member with this status is shown.
fn is_there(status: Status) -> bool {
    !matches!(status, Status::None | Status::Left)
}

/// An update under way.
struct Update {
    /// The count of it.
    at: u64,
    changes: Changes,
}

impl Update {
    fn finish(self, catalog: &mut Catalog) -> Changes {
        if !self.changes.is_empty() {
            catalog.index = self.at;
        }
        for name in &self.changes.nodes {
            if let Some(node) = catalog.nodes.get_mut(name) {
                node.touched = self.at;
            }
        }
        for (changed, index) in [
            (self.changes.any_node, &mut catalog.nodes_modified),
            (self.changes.any_service, &mut catalog.services_modified),
            (self.changes.any_check, &mut catalog.checks_modified),
        ] {
            if changed {
                *index = self.at;
            }
        }
        self.changes
    }

    /// A member came, went or changed.
    fn member(&mut self, catalog: &mut Catalog, name: &Text, member: Option<Member>) {
        let spoke = catalog.speaks(name);
        let node = catalog.nodes.entry(name.clone()).or_insert_with(|| Node::new(name.clone(), self.at));
        let standing = |member: &Option<Member>| member.as_ref().map(|m| (m.status(), m.addr()));
        let (before, after) = (standing(&node.member), standing(&member));
        node.member = member;
        if before == after {
            return;
        }
        if before.map(|(status, _)| status) != after.map(|(status, _)| status) {
            node.status_modified = self.at;
            self.changes.any_check |= node.shown;
        }
        self.reconsider(catalog, name);
        if catalog.nodes.get(name).is_some_and(|node| node.shown) {
            self.node_changed(catalog, name);
        }
        if spoke != catalog.speaks(name) {
            let others: Vec<Text> = catalog.spoken_for.get(name).into_iter().flatten().cloned().collect();
            for other in others {
                self.reconsider(catalog, &other);
            }
        }
        self.drop_if_empty(catalog, name);
    }

    /// A record came, went or changed.
    fn record(&mut self, catalog: &mut Catalog, old: Option<&Record>, new: Option<Record>) {
        let Some(key) = new.as_ref().or(old).map(|record| record.key().clone()) else { return };
        let at = self.at;
        let node = catalog.nodes.entry(key.node.clone()).or_insert_with(|| Node::new(key.node.clone(), at));
        let place = match node.claims.iter().position(|claim| claim.owner == key.owner) {
            Some(place) => place,
            None => {
                node.claims.push(Claim::new(key.owner.clone()));
                if key.owner != key.node {
                    catalog.spoken_for.entry(key.owner.clone()).or_default().insert(key.node.clone());
                }
                node.claims.len() - 1
            }
        };
        match key.kind {
            Kind::Node => {
                node.claims[place].info = new;
                self.reconsider(catalog, &key.node);
                if catalog.nodes.get(&key.node).is_some_and(|node| node.shown) {
                    self.node_changed(catalog, &key.node);
                }
            }
            Kind::Service => self.service(catalog, &key, place, new),
            Kind::Check => self.check(catalog, &key, place, old, new),
        }
        self.drop_if_empty(catalog, &key.node);
    }

    /// An instance came, went or changed in one of the claims of a node.
    fn service(&mut self, catalog: &mut Catalog, key: &Key, place: usize, new: Option<Record>) {
        let Some(node) = catalog.nodes.get_mut(&key.node) else { return };
        let before = node.claims[place].services.remove(&key.id);
        if let Some(record) = new {
            let created = before.as_ref().map_or(self.at, |shown| shown.created);
            let stored = Shown { record, created, modified: self.at };
            node.claims[place].services.insert(key.id.clone(), stored);
        }
        if !node.shows(place) {
            return;
        }
        self.changes.nodes.insert(key.node.clone());
        if let Some(before) = &before {
            catalog.places.displace(&key.node, &before.record);
        }
        if let Some(after) = node.claims[place].services.get(&key.id) {
            catalog.places.place(&key.node, &after.record);
        }
        let name_of = |record: &Record| record.service().map(|service| service.name.clone());
        let after = node.claims[place].services.get(&key.id).and_then(|shown| name_of(&shown.record));
        let before = before.as_ref().and_then(|shown| name_of(&shown.record));
        if before != after
            && let Some(before) = before
        {
            self.unname(catalog, &before, &key.node, &key.id);
        }
        if let Some(after) = after {
            self.name(catalog, &after, &key.node, &key.id);
        }
    }

    /// A check came, went or changed in one of the claims of a node.
    fn check(
        &mut self,
        catalog: &mut Catalog,
        key: &Key,
        place: usize,
        old: Option<&Record>,
        new: Option<Record>,
    ) {
        let place_of = |record: &Record| {
            record.check().map(|check| (check.service_id.clone(), key.id.clone(), check.status))
        };
        let Some(node) = catalog.nodes.get_mut(&key.node) else { return };
        let (before, after) = (old.and_then(place_of), new.as_ref().and_then(place_of));
        let gone = before
            .as_ref()
            .and_then(|(service, id, _)| node.claims[place].checks.remove(&(service.clone(), id.clone())));
        if let (Some((service, id, _)), Some(record)) = (&after, new) {
            let created = gone.map_or(self.at, |shown| shown.created);
            let stored = Shown { record, created, modified: self.at };
            node.claims[place].checks.insert((service.clone(), id.clone()), stored);
        }
        if !node.shows(place) {
            return;
        }
        self.changes.any_check = true;
        self.changes.nodes.insert(key.node.clone());
        if let Some((service, id, health)) = &before {
            catalog.by_health[*health as usize].remove(&(key.node.clone(), service.clone(), id.clone()));
        }
        if let Some((service, id, health)) = &after {
            catalog.by_health[*health as usize].insert((key.node.clone(), service.clone(), id.clone()));
        }
        for (service, ..) in before.iter().chain(&after) {
            self.check_changed(catalog, &key.node, service);
        }
    }

    /// Those who look up what a check speaks of see something else.
    fn check_changed(&mut self, catalog: &mut Catalog, node: &Text, service_id: &Text) {
        if service_id.is_empty() {
            return self.touch_all(catalog, node);
        }
        let name = catalog.nodes.get(node).and_then(|node| node.service(service_id));
        if let Some(service) = name.and_then(|shown| shown.record.service()) {
            let name = lower(&service.name);
            self.touch(catalog, name);
        }
    }

    /// Decides anew whether and as whose a node is shown.
    fn reconsider(&mut self, catalog: &mut Catalog, name: &Text) {
        let Some(node) = catalog.nodes.get(name) else { return };
        let best = match &node.member {
            // A member speaks for itself.
            Some(member) if member.status() != Status::None => {
                is_there(member.status()).then(|| node.claims.iter().position(|claim| claim.owner == *name))
            }
            _ => {
                let claim = |claim: &Claim| -> Option<(LamportTime, Text)> {
                    Some((claim.info.as_ref()?.node()?.claimed, claim.owner.clone()))
                };
                let valid = node.claims.iter().enumerate().filter(|(_, claim)| {
                    claim.owner != *name && claim.info.is_some() && catalog.speaks(&claim.owner)
                });
                valid.max_by_key(|(_, it)| claim(it)).map(|(place, _)| Some(place))
            }
        };
        let same = match best {
            None => !node.shown,
            Some(place) => {
                node.shown && place.unwrap_or(0) == 0 && (place.is_some() || node.claims.is_empty())
            }
        };
        if same {
            return;
        }
        self.hide(catalog, name);
        if let Some(place) = best {
            self.show(catalog, name, place);
        }
    }

    /// Shows a node as one of its claims has it, or without any.
    fn show(&mut self, catalog: &mut Catalog, name: &Text, place: Option<usize>) {
        let Some(node) = catalog.nodes.get_mut(name) else { return };
        match place {
            Some(place) => node.claims.swap(0, place),
            // What it says of itself has not come yet; what others say of it does not count.
            None => node.claims.insert(0, Claim::new(name.clone())),
        }
        node.shown = true;
        node.created = self.at;
        catalog.places.spell(name, true);
        for shown in node.services() {
            catalog.places.place(name, &shown.record);
        }
        // `serfHealth` comes with a member.
        self.changes.any_check |= node.member.is_some();
        self.node_changed(catalog, name);
        for (id, service) in services_of(catalog, name) {
            self.name(catalog, &service, name, &id);
        }
        for (service, id, health) in checks_of(catalog, name) {
            self.changes.any_check = true;
            catalog.by_health[health as usize].insert((name.clone(), service, id));
        }
    }

    fn hide(&mut self, catalog: &mut Catalog, name: &Text) {
        let (services, checks) = (services_of(catalog, name), checks_of(catalog, name));
        let Some(node) = catalog.nodes.get_mut(name).filter(|node| node.shown) else { return };
        node.shown = false;
        catalog.places.spell(name, false);
        catalog.places.move_node(name, node.placed.take(), None);
        catalog.places.serve(name, false);
        for shown in node.services() {
            catalog.places.displace(name, &shown.record);
        }
        let member = node.member.is_some();
        self.changes.any_node = true;
        self.changes.any_check |= member || !checks.is_empty();
        self.changes.nodes.insert(name.clone());
        for (id, service) in services {
            self.unname(catalog, &service, name, &id);
        }
        for (service, id, health) in checks {
            catalog.by_health[health as usize].remove(&(name.clone(), service, id));
        }
    }

    /// What is shown of a node itself has changed.
    fn node_changed(&mut self, catalog: &mut Catalog, name: &Text) {
        if let Some(node) = catalog.nodes.get_mut(name) {
            node.modified = self.at;
            let addr = node.address();
            catalog.places.move_node(name, core::mem::replace(&mut node.placed, addr), addr);
            catalog
                .places
                .serve(name, node.member.is_some() && node.info().is_some_and(|info| info.answers_dns));
        }
        self.changes.any_node = true;
        self.changes.nodes.insert(name.clone());
        self.touch_all(catalog, name);
    }

    /// An instance is found under a name.
    fn name(&mut self, catalog: &mut Catalog, service: &str, node: &Text, id: &Text) {
        let name = lower(service);
        let named = catalog.services.entry(name.clone()).or_default();
        named.instances.insert((node.clone(), id.clone()));
        self.changes.any_service = true;
        self.touch(catalog, name);
    }

    /// An instance is no longer found under a name.
    fn unname(&mut self, catalog: &mut Catalog, service: &str, node: &Text, id: &Text) {
        let name = lower(service);
        self.changes.any_service = true;
        self.touch(catalog, name.clone());
        if let Some(named) = catalog.services.get_mut(&name) {
            named.instances.remove(&(node.clone(), id.clone()));
            if named.instances.is_empty() {
                catalog.services.remove(&name);
                catalog.removed = self.at;
            }
        }
    }

    /// A look-up of this service shows something else now.
    fn touch(&mut self, catalog: &mut Catalog, name: Text) {
        if let Some(named) = catalog.services.get_mut(&name) {
            named.modified = self.at;
        }
        self.changes.services.insert(name);
    }

    /// Look-ups of all services of a node show something else now.
    fn touch_all(&mut self, catalog: &mut Catalog, node: &Text) {
        self.changes.nodes.insert(node.clone());
        for (_, service) in services_of(catalog, node) {
            self.touch(catalog, lower(&service));
        }
    }

    fn drop_if_empty(&mut self, catalog: &mut Catalog, name: &Text) {
        let Some(node) = catalog.nodes.get_mut(name) else { return };
        for claim in node.claims.iter().filter(|claim| claim.is_empty() && claim.owner != *name) {
            if let Some(others) = catalog.spoken_for.get_mut(&claim.owner) {
                others.remove(name);
                if others.is_empty() {
                    catalog.spoken_for.remove(&claim.owner);
                }
            }
        }
        let first = node.shown;
        let mut place = 0;
        node.claims.retain(|claim| {
            place += 1;
            !claim.is_empty() || (first && place == 1)
        });
        if !node.shown && node.member.is_none() && node.claims.iter().all(Claim::is_empty) {
            catalog.nodes.remove(name);
        }
    }
}

impl Node {
    fn new(name: Text, at: u64) -> Self {
        Node {
            name,
            member: None,
            claims: Vec::new(),
            shown: false,
            placed: None,
            created: at,
            modified: at,
            status_modified: at,
            touched: at,
        }
    }

    /// Whether it is shown as the claim in this place has it.
    const fn shows(&self, place: usize) -> bool {
        self.shown && place == 0
    }
}

/// ID and service name of each instance of a node that is shown.
fn services_of(catalog: &Catalog, node: &str) -> Vec<(Text, Text)> {
    let Some(node) = catalog.node(node) else { return Vec::new() };
    let name = |shown: &Shown| Some((shown.id().clone(), shown.record.service()?.name.clone()));
    node.services().filter_map(name).collect()
}

/// Instance, ID and health of each check of a node that is shown.
fn checks_of(catalog: &Catalog, node: &str) -> Vec<(Text, Text, Health)> {
    let Some(node) = catalog.node(node) else { return Vec::new() };
    let place = |shown: &Shown| {
        let check = shown.record.check()?;
        Some((check.service_id.clone(), shown.id().clone(), check.status))
    };
    node.checks().filter_map(place).collect()
}

#[cfg(test)]
mod tests;
