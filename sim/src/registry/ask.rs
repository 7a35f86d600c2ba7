//! What there is to ask of the registries of a cluster.

use tidings_core::registry::catalog::Catalog;
use tidings_core::registry::check::Health;
use tidings_core::registry::record::{Key, Record};
use tidings_core::{Status, View};

use crate::ask::Disagreement;
use crate::net::HostId;
use crate::rider::Rider;
use crate::world::World;

/// An instance of a service as a host sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The node it runs on, by name.
    pub node: String,
    /// Its ID.
    pub id: String,
    /// The worst of its checks, its node's, and its node's membership.
    pub health: Health,
}

impl<R: Rider> World<R> {
    /// What a host's readers look things up in, as it is now. It is made afresh, at the cost of all
    /// that the host knows.
    #[must_use]
    pub fn catalog(&self, at: HostId) -> Catalog {
        let mut catalog = Catalog::new(1);
        if let Some(node) = &self.hosts[at].node {
            catalog.update(&node.view(), node.registry().records());
        }
        catalog
    }

    /// The instances of a service that a host knows, by node and ID.
    #[must_use]
    pub fn instances(&self, at: HostId, service: &str) -> Vec<Seen> {
        let catalog = self.catalog(at);
        let seen = catalog.service(service).map(|it| Seen {
            node: it.node.name().to_string(),
            id: it.shown.id().to_string(),
            health: it.health(),
        });
        seen.collect()
    }

    /// How another host's instance of a service fares as one host sees it; `None`: it sees none.
    #[must_use]
    pub fn health(&self, at: HostId, of: HostId, service: &str) -> Option<Health> {
        let name = self.hosts[of].name();
        self.instances(at, service).into_iter().find(|seen| seen.node == name).map(|seen| seen.health)
    }

    /// Whether all running hosts that keep a registry see a host's instance of a service fare so.
    #[must_use]
    pub fn all_hold_health(&self, of: HostId, service: &str, health: Option<Health>) -> bool {
        self.registrars().into_iter().all(|at| self.health(at, of, service) == health)
    }

    /// Whether all running hosts that keep a registry see the service on these hosts and on no other.
    #[must_use]
    pub fn all_see(&self, service: &str, on: &[HostId]) -> bool {
        let mut expected: Vec<&str> = on.iter().map(|host| self.hosts[*host].name()).collect();
        expected.sort_unstable();
        self.registrars().into_iter().all(|at| {
            let seen = self.instances(at, service);
            seen.iter().map(|seen| &*seen.node).eq(expected.iter().copied())
        })
    }

    /// The running hosts that keep a registry.
    #[must_use]
    pub fn registrars(&self) -> Vec<HostId> {
        let keeps = |host: &HostId| self.hosts[*host].config.registry.enabled;
        self.living().into_iter().filter(keeps).collect()
    }

    /// Whether these hosts, as far as they run and keep a registry, hold the same records of all
    /// members that are here.
    ///
    /// # Errors
    /// The first disagreement found.
    pub fn registry_agreement_among(&self, hosts: &[HostId]) -> Result<(), Disagreement> {
        let keeps = |host: &&HostId| self.hosts[**host].config.registry.enabled;
        let mut nodes =
            hosts.iter().filter(keeps).filter_map(|host| Some((*host, self.hosts[*host].node()?)));
        let Some((first, reference)) = nodes.next() else { return Ok(()) };
        let (view, registry) = (reference.view(), reference.registry());
        for (host, node) in nodes {
            let other = node.registry();
            if registry.records().digest() == other.records().digest() {
                continue;
            }
            let mut found: Option<(Key, Option<Record>, Option<Record>)> = None;
            let other_view = node.view();
            registry.records().diff(other.records(), |a, b| {
                let Some(key) = a.or(b).map(Record::key) else { return };
                if found.is_none() && is_here(&view, &key.owner) && is_here(&other_view, &key.owner) {
                    found = Some((key.clone(), a.cloned(), b.cloned()));
                }
            });
            if let Some((key, a, b)) = found {
                let (at, with) = (self.hosts[first].name(), self.hosts[host].name());
                let what = format!(
                    "{at} and {with} differ about {:?} {} of {} on {}: {} and {}",
                    key.kind,
                    key.id,
                    key.owner,
                    key.node,
                    said(a.as_ref()),
                    said(b.as_ref())
                );
                return Err(Disagreement { at: with.into(), about: key.owner.to_string(), what });
            }
        }
        Ok(())
    }
}

fn is_here(view: &View, owner: &str) -> bool {
    view.get(owner).is_some_and(|member| member.status() == Status::Alive)
}

/// What is held of a key, in words.
fn said(record: Option<&Record>) -> String {
    record.map_or_else(|| "nothing".into(), |record| format!("{} {:?}", record.stamp(), record.body()))
}
