//! What readers look things up in: nodes, instances and checks as one picture, by index.
//!
//! A catalog is brought up to date from a node's view and records ([`Catalog::update`]) at the cost
//! of what changed since, and says what that was. It decides what is shown:
//!
//! - Every member is a node, unless it left; so is what an agent that has not left registers as one.
//!   Of two agents that claim one node the later claim is shown, everywhere the same.
//! - Each member has the check `serfHealth`: critical while it is failed.
//!
//! Changes are counted: everything shown knows the count at which it was made and last changed, for
//! readers that wait for the next change (consul-http, section 8).

mod places;
mod update;

use alloc::collections::{BTreeMap, BTreeSet, btree_map};
use alloc::string::String;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::cmp::Ordering;
use core::net::{IpAddr, SocketAddr};
use core::ops::Bound;

use super::check::Health;
use super::node::NodeInfo;
use super::record::Record;
use super::service::{Service, Text};
use crate::swim::member::{Member, Status};
use crate::trie::Trie;
use crate::view::View;

use places::Places;
pub use update::Changes;

/// A record as the catalog shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    record: Record,
    /// When it came.
    pub created: u64,
    /// When it changed last.
    pub modified: u64,
}

impl Shown {
    /// The record.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// The instance's or check's ID.
    #[must_use]
    pub fn id(&self) -> &Text {
        &self.record.key().id
    }
}

/// A node: a member of the cluster, or one that a member speaks for.
#[derive(Clone, Debug)]
pub struct Node {
    name: Text,
    member: Option<Member>,
    /// What each agent says of it; the first is shown.
    claims: Vec<Claim>,
    shown: bool,
    /// Where look-ups by address find it.
    placed: Option<IpAddr>,
    /// When it was first shown.
    pub created: u64,
    /// When it changed last: its address, its meta data, its standing.
    pub modified: u64,
    /// When its standing as a member changed last.
    pub status_modified: u64,
    /// When anything on it changed last: itself, an instance, a check.
    pub touched: u64,
}

/// What one agent says of a node.
#[derive(Clone, Debug)]
struct Claim {
    owner: Text,
    info: Option<Record>,
    /// By ID.
    services: BTreeMap<Text, Shown>,
    /// By the instance they belong to (the node's own first), and ID.
    checks: BTreeMap<(Text, Text), Shown>,
}

impl Node {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &Text {
        &self.name
    }

    /// The member it is, if it is one.
    #[must_use]
    pub const fn member(&self) -> Option<&Member> {
        self.member.as_ref()
    }

    /// What is registered of it.
    #[must_use]
    pub fn info(&self) -> Option<&NodeInfo> {
        self.claims.first()?.info.as_ref()?.node()
    }

    /// The agent that speaks for it.
    #[must_use]
    pub fn owner(&self) -> &Text {
        self.claims.first().map_or(&self.name, |claim| &claim.owner)
    }

    /// Where it gossips, if it is a member.
    #[must_use]
    pub fn gossip_addr(&self) -> Option<SocketAddr> {
        self.member.as_ref().map(Member::addr)
    }

    /// How its membership stands, which its check `serfHealth` shows; `None`: it is no member.
    #[must_use]
    pub fn membership(&self) -> Option<Health> {
        let status = self.member.as_ref()?.status();
        Some(if status == Status::Failed { Health::Critical } else { Health::Passing })
    }

    /// Its instances, by ID.
    pub fn services(&self) -> impl Iterator<Item = &Shown> {
        self.claims.first().into_iter().flat_map(|claim| claim.services.values())
    }

    /// An instance.
    #[must_use]
    pub fn service(&self, id: &str) -> Option<&Shown> {
        self.claims.first()?.services.get(id)
    }

    /// Its own checks, without `serfHealth`, then those of its instances.
    pub fn checks(&self) -> impl Iterator<Item = &Shown> {
        self.claims.first().into_iter().flat_map(|claim| claim.checks.values())
    }

    /// The checks of one of its instances; of the node itself for an empty ID, without `serfHealth`.
    pub fn checks_of<'a>(&'a self, service_id: &'a str) -> impl Iterator<Item = &'a Shown> {
        self.claims.first().into_iter().flat_map(move |claim| claim.checks_of(service_id))
    }

    /// The worst of its own checks and its membership.
    #[must_use]
    pub fn health(&self) -> Health {
        let checks = self.checks_of("").filter_map(|shown| shown.record.check());
        let worst = checks.map(|check| check.status).max().unwrap_or(Health::Passing);
        worst.max(self.membership().unwrap_or(Health::Passing))
    }
}

impl Claim {
    fn new(owner: Text) -> Self {
        Claim { owner, info: None, services: BTreeMap::new(), checks: BTreeMap::new() }
    }

    fn is_empty(&self) -> bool {
        self.info.is_none() && self.services.is_empty() && self.checks.is_empty()
    }

    fn checks_of<'a>(&'a self, service_id: &'a str) -> impl Iterator<Item = &'a Shown> {
        let start: &dyn Place = &(service_id, "");
        self.checks
            .range::<dyn Place, _>((Bound::Included(start), Bound::Unbounded))
            .take_while(move |(key, _)| *key.0 == *service_id)
            .map(|(_, shown)| shown)
    }
}

/// Where a check stands among those of a node, in texts of whatever sort: looking one up makes none.
trait Place {
    /// The ID of its instance, and its own.
    fn texts(&self) -> (&str, &str);
}

impl Place for (Text, Text) {
    fn texts(&self) -> (&str, &str) {
        (&self.0, &self.1)
    }
}

impl Place for (&str, &str) {
    fn texts(&self) -> (&str, &str) {
        *self
    }
}

impl<'a> Borrow<dyn Place + 'a> for (Text, Text) {
    fn borrow(&self) -> &(dyn Place + 'a) {
        self
    }
}

impl PartialEq for dyn Place + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.texts() == other.texts()
    }
}

impl Eq for dyn Place + '_ {}

impl PartialOrd for dyn Place + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Place + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.texts().cmp(&other.texts())
    }
}

/// An instance where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Instance<'a> {
    /// The node it runs on.
    pub node: &'a Node,
    /// Its record, and when that changed.
    pub shown: &'a Shown,
    /// The instance itself.
    pub service: &'a Service,
}

impl<'a> Instance<'a> {
    fn of(node: &'a Node, id: &str) -> Option<Self> {
        let shown = node.service(id)?;
        Some(Instance { node, shown, service: shown.record.service()? })
    }

    /// Its checks: the node's own, without `serfHealth`, then the instance's.
    pub fn checks(&self) -> impl Iterator<Item = &'a Shown> + use<'a> {
        let node = self.node;
        node.checks_of("").chain(node.checks_of(self.shown.id()))
    }

    /// The worst of its checks, the node's and the node's membership.
    #[must_use]
    pub fn health(&self) -> Health {
        let own = self.node.checks_of(self.shown.id()).filter_map(|shown| shown.record.check());
        own.map(|check| check.status).max().unwrap_or(Health::Passing).max(self.node.health())
    }

    /// Where it is reached: its own address, or else its node's.
    #[must_use]
    pub fn address(&self) -> String {
        use alloc::string::ToString;

        if !self.service.address.is_empty() {
            return self.service.address.to_string();
        }
        match (self.node.gossip_addr(), self.node.info()) {
            (Some(addr), _) => addr.ip().to_string(),
            (None, Some(info)) => info.address.to_string(),
            (None, None) => String::new(),
        }
    }
}

/// The instances of a service.
#[derive(Clone, Debug, Default)]
struct Named {
    /// Node and ID.
    instances: BTreeSet<(Text, Text)>,
    modified: u64,
}

/// Nodes, instances and checks as a node knows them.
#[derive(Clone, Debug)]
pub struct Catalog {
    view: View,
    records: Trie<Record>,
    /// The count of changes.
    index: u64,
    nodes: BTreeMap<Text, Node>,
    /// By name in small letters.
    services: BTreeMap<Text, Named>,
    /// Nodes that members speak for, by the member.
    spoken_for: BTreeMap<Text, BTreeSet<Text>>,
    /// Node, instance and ID of every check shown, by how it fares.
    by_health: [BTreeSet<(Text, Text, Text)>; 3],
    places: Places,
    /// When a service lost its last instance, most lately.
    removed: u64,
    nodes_modified: u64,
    services_modified: u64,
    checks_modified: u64,
}

impl Catalog {
    /// An empty catalog that counts changes from here on. A count that starts at the time of day in
    /// milliseconds grows over restarts and is much the same at every agent.
    #[must_use]
    pub fn new(start: u64) -> Self {
        let index = start.max(1);
        Catalog {
            view: View::default(),
            records: Trie::new(),
            index,
            nodes: BTreeMap::new(),
            services: BTreeMap::new(),
            spoken_for: BTreeMap::new(),
            by_health: [const { BTreeSet::new() }; 3],
            places: Places::default(),
            removed: index,
            nodes_modified: index,
            services_modified: index,
            checks_modified: index,
        }
    }

    /// The count of changes: never 0, never less than before.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// When a node came, went or changed last.
    #[must_use]
    pub const fn nodes_index(&self) -> u64 {
        self.nodes_modified
    }

    /// When an instance came, went or changed last.
    #[must_use]
    pub const fn services_index(&self) -> u64 {
        self.services_modified
    }

    /// When a check came, went or changed last.
    #[must_use]
    pub const fn checks_index(&self) -> u64 {
        self.checks_modified
    }

    /// When anything that a look-up of this service shows changed last; of one that is not there,
    /// when any service was removed last.
    #[must_use]
    pub fn service_index(&self, name: &str) -> u64 {
        self.services.get(&*lower(name)).map_or(self.removed, |named| named.modified)
    }

    /// When anything on this node changed last; of one that is not there, when any node changed last.
    #[must_use]
    pub fn node_index(&self, name: &str) -> u64 {
        self.node(name).map_or(self.nodes_modified, |node| node.touched)
    }

    /// All nodes by name.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().filter(|node| node.shown)
    }

    /// A node.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name).filter(|node| node.shown)
    }

    /// The instances of a service, by node and ID. The name is taken in capital and small letters
    /// alike.
    pub fn service(&self, name: &str) -> impl Iterator<Item = Instance<'_>> {
        let named = self.services.get(&*lower(name));
        let instances = named.into_iter().flat_map(|named| &named.instances);
        instances.filter_map(|(node, id)| Instance::of(self.node(node)?, id))
    }

    /// Every service's name, with all tags of its instances.
    #[must_use]
    pub fn services(&self) -> BTreeMap<&Text, BTreeSet<&Text>> {
        let mut all: BTreeMap<&Text, BTreeSet<&Text>> = BTreeMap::new();
        for (node, id) in self.services.values().flat_map(|named| &named.instances) {
            let Some(instance) = self.node(node).and_then(|node| Instance::of(node, id)) else { continue };
            match all.entry(&instance.service.name) {
                btree_map::Entry::Vacant(entry) => entry.insert(BTreeSet::new()),
                btree_map::Entry::Occupied(entry) => entry.into_mut(),
            }
            .extend(&instance.service.tags);
        }
        all
    }

    /// All checks that fare like this, by node; without `serfHealth`.
    pub fn checks_faring(&self, health: Health) -> impl Iterator<Item = (&Node, &Shown)> {
        self.by_health[health as usize].iter().filter_map(|(node, service, id)| {
            let node = self.node(node)?;
            let shown = node.claims.first()?.checks.get::<dyn Place>(&(&**service, &**id))?;
            Some((node, shown))
        })
    }

    /// How many instances there are.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.services.values().map(|named| named.instances.len()).sum()
    }
}

/// A name as it is looked up.
fn lower(name: &str) -> Text {
    if name.chars().any(char::is_uppercase) { name.to_lowercase().as_str().into() } else { name.into() }
}
