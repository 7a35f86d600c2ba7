use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use bytes::Bytes;
use quickcheck_macros::quickcheck;

use super::Changes;
use crate::registry::catalog::Catalog;
use crate::registry::check::{Check, Health};
use crate::registry::encoding::sealed;
use crate::registry::node::NodeInfo;
use crate::registry::record::{Body, Key, Kind, Stamp};
use crate::registry::service::Service;
use crate::registry::{record::Record, service::Text};
use crate::serf::clock::LamportTime;
use crate::swim::member::{Identity, Member, State, Status, Versions};
use crate::trie::Trie;
use crate::view::View;

/// What a node knows, and the catalog that follows it.
struct World {
    view: View,
    records: Trie<Record>,
    version: u64,
    catalog: Catalog,
}

impl World {
    fn new() -> Self {
        World { view: View::new(1, "a".into()), records: Trie::new(), version: 0, catalog: Catalog::new(100) }
    }

    fn member(&mut self, name: &str, status: Status) {
        let addr = SocketAddr::from(([10, 0, 0, name.as_bytes()[0]], 7946));
        let identity = Identity::new(name.into(), addr, Bytes::new(), Versions::ours(5));
        let member = Member {
            hash: self.view.hash_of(name),
            identity: Arc::new(identity),
            status_ltime: LamportTime(1),
            incarnation: 1,
            state: State::Alive,
            status,
        };
        self.view.upsert(member, None);
    }

    fn put(&mut self, owner: &str, node: &str, id: &str, body: Body) {
        self.version += 1;
        let key = Key { owner: owner.into(), node: node.into(), kind: body.kind(), id: id.into() };
        let stamp = Stamp { generation: 1, version: self.version };
        self.records.upsert(sealed(1, key, stamp, body), None);
    }

    fn remove(&mut self, owner: &str, node: &str, kind: Kind, id: &str) {
        let key = Key { owner: owner.into(), node: node.into(), kind, id: id.into() };
        self.records.remove(key.hash(1), &key, None);
    }

    fn service(&mut self, owner: &str, node: &str, id: &str, name: &str) {
        let address = format!("10.1.0.{}", name.len());
        let (name, address) = (name.into(), address.as_str().into());
        let service = Service { name, address, tags: ["t".into()].into(), ..Service::default() };
        self.put(owner, node, id, Body::Service(service));
    }

    fn check(&mut self, owner: &str, node: &str, id: &str, service: &str, status: Health) {
        let check = Check { status, service_id: service.into(), ..Check::default() };
        self.put(owner, node, id, Body::Check(check));
    }

    fn claim(&mut self, owner: &str, node: &str, claimed: u64) {
        let address = format!("10.2.0.{claimed}");
        let (claimed, address) = (LamportTime(claimed), address.as_str().into());
        let info = NodeInfo { claimed, address, ..NodeInfo::default() };
        self.put(owner, node, "", Body::Node(info));
    }

    fn update(&mut self) -> Changes {
        self.catalog.update(&self.view, &self.records)
    }

    /// Instances of a service: node, ID and health.
    fn found(&self, name: &str) -> Vec<(String, String, Health)> {
        let text = |text: &Text| text.to_string();
        let found = self.catalog.service(name);
        found.map(|it| (text(it.node.name()), text(it.shown.id()), it.health())).collect()
    }
}

fn names(names: &[&str]) -> BTreeSet<Text> {
    names.iter().map(|name| (*name).into()).collect()
}

#[test]
fn an_instance_is_found_by_name_with_the_worst_of_its_checks() {
    let mut world = World::new();
    world.member("a", Status::Alive);
    world.service("a", "a", "web1", "Web");
    world.check("a", "a", "c1", "web1", Health::Passing);
    let changes = world.update();
    assert_eq!(changes.services, names(&["web"]));
    assert!(changes.any_node && changes.any_service && changes.any_check);
    assert_eq!(world.found("WEB"), [("a".into(), "web1".into(), Health::Passing)]);
    assert_eq!(world.catalog.services().len(), 1);

    world.check("a", "a", "c1", "web1", Health::Warning);
    let changes = world.update();
    assert!(changes.any_check && !changes.any_service && !changes.any_node);
    assert_eq!((changes.services, world.found("web")[0].2), (names(&["web"]), Health::Warning));

    // A check of the node counts for all on it; another instance's does not.
    world.service("a", "a", "db1", "db");
    world.check("a", "a", "c2", "db1", Health::Critical);
    let changes = world.update();
    assert_eq!((changes.services, world.found("web")[0].2), (names(&["db"]), Health::Warning));
    world.check("a", "a", "disk", "", Health::Critical);
    let changes = world.update();
    assert_eq!((changes.services, world.found("web")[0].2), (names(&["db", "web"]), Health::Critical));
    assert_eq!(world.catalog.checks_faring(Health::Critical).count(), 2);
}

#[test]
fn agents_that_answer_dns_are_found_in_a_circle_as_long_as_they_are_there() {
    let mut world = World::new();
    for name in ["a", "b", "c", "d"] {
        world.member(name, Status::Alive);
        let info = NodeInfo { answers_dns: name != "c", ..NodeInfo::default() };
        world.put(name, name, "", Body::Node(info));
    }
    let from = |world: &World, name| {
        world.catalog.name_servers_from(name).map(|node| node.name().to_string()).collect::<Vec<_>>()
    };
    world.update();
    assert_eq!(from(&world, "a"), ["b", "d", "a"]);
    assert_eq!(from(&world, "bb"), ["d", "a", "b"]);
    assert_eq!(from(&world, "z"), ["a", "b", "d"]);
    // One fails, one leaves, one serves no more.
    for (name, status) in [("a", Status::Failed), ("d", Status::Left)] {
        world.member(name, status);
    }
    world.update();
    assert_eq!(from(&world, "a"), ["b"]);
    world.put("b", "b", "", Body::Node(NodeInfo::default()));
    world.member("a", Status::Alive);
    world.update();
    assert_eq!(from(&world, "a"), ["a"]);
}

#[test]
fn a_failed_member_is_critical_and_one_that_left_is_not_shown() {
    let mut world = World::new();
    world.member("a", Status::Alive);
    world.service("a", "a", "web1", "web");
    world.update();
    for (status, expected) in [
        (Status::Failed, Some(Health::Critical)),
        (Status::Alive, Some(Health::Passing)),
        (Status::Left, None),
        (Status::Alive, Some(Health::Passing)),
    ] {
        world.member("a", status);
        let changes = world.update();
        assert_eq!(changes.services, names(&["web"]), "{status}");
        assert!(changes.any_check && changes.any_node, "{status}");
        assert_eq!(world.found("web").first().map(|found| found.2), expected, "{status}");
        assert_eq!(world.catalog.nodes().count(), usize::from(expected.is_some()), "{status}");
        assert!(world.update().is_empty());
    }
}

#[test]
fn a_renamed_instance_is_found_by_its_new_name_only() {
    let mut world = World::new();
    world.member("a", Status::Alive);
    world.service("a", "a", "1", "web");
    world.update();
    world.service("a", "a", "1", "api");
    assert_eq!(world.update().services, names(&["api", "web"]));
    assert_eq!((world.found("web").len(), world.found("api").len()), (0, 1));
    world.remove("a", "a", Kind::Service, "1");
    assert_eq!(world.update().services, names(&["api"]));
    assert_eq!(world.catalog.instances(), 0);
}

#[test]
fn of_two_claims_the_later_is_shown_while_its_agent_is_there() {
    let mut world = World::new();
    for name in ["a", "b"] {
        world.member(name, Status::Alive);
    }
    for (owner, id, claimed) in [("a", "of a", 5), ("b", "of b", 4)] {
        world.claim(owner, "x", claimed);
        world.service(owner, "x", id, "db");
    }
    world.update();
    assert_eq!(world.found("db"), [("x".into(), "of a".into(), Health::Passing)]);
    world.claim("b", "x", 5);
    world.update();
    assert_eq!(world.found("db")[0].1, "of b", "equal claims: the greater name");
    world.member("b", Status::Left);
    world.update();
    assert_eq!(world.found("db")[0].1, "of a");
    // A member speaks for itself.
    world.member("x", Status::Alive);
    world.update();
    assert!(world.found("db").is_empty());
    assert_eq!(&**world.catalog.node("x").unwrap().owner(), "x");
    world.service("x", "x", "own", "db");
    world.update();
    assert_eq!(world.found("db")[0].1, "own");
}

#[test]
fn what_is_told_of_a_node_before_it_is_a_member_waits() {
    let mut world = World::new();
    world.service("a", "a", "1", "web");
    assert!(world.update().is_empty());
    assert!(world.found("web").is_empty());
    world.member("a", Status::Alive);
    assert_eq!(world.update().services, names(&["web"]));
    assert_eq!(world.found("web").len(), 1);
}

#[test]
fn counts_only_grow_and_only_where_something_changed() {
    let mut world = World::new();
    world.member("a", Status::Alive);
    world.service("a", "a", "1", "web");
    world.service("a", "a", "2", "api");
    world.update();
    let (web, api) = (world.catalog.service_index("web"), world.catalog.service_index("api"));
    let nodes = world.catalog.nodes_index();
    assert!(web > 100 && web == api);
    world.service("a", "a", "3", "web");
    world.update();
    assert!(world.catalog.service_index("Web") > web);
    assert_eq!((world.catalog.service_index("api"), world.catalog.nodes_index()), (api, nodes));
    let removed = world.catalog.service_index("nobody");
    world.remove("a", "a", Kind::Service, "2");
    world.update();
    assert!(world.catalog.service_index("api") > api, "gone: when it went");
    assert!(world.catalog.service_index("nobody") > removed);
    let index = world.catalog.index();
    world.update();
    assert_eq!(world.catalog.index(), index);
}

/// Everything a catalog shows, but its counts.
fn picture(catalog: &Catalog) -> Vec<String> {
    let mut lines = Vec::new();
    for node in catalog.nodes() {
        lines.push(format!("{} {:?} {} {:?}", node.name(), node.membership(), node.owner(), node.info()));
        lines.extend(node.services().map(|shown| format!("  {:?}", shown.record())));
        lines.extend(node.checks().map(|shown| format!("  {:?}", shown.record())));
    }
    for (name, tags) in catalog.services() {
        let found = catalog.service(name).map(|it| format!("{} {}", it.node.name(), it.shown.id()));
        lines.push(format!("{name} {tags:?} {:?}", found.collect::<Vec<_>>()));
    }
    for health in [Health::Passing, Health::Warning, Health::Critical] {
        let checks = catalog.checks_faring(health).map(|(node, it)| format!("{} {}", node.name(), it.id()));
        lines.push(format!("{health} {:?}", checks.collect::<Vec<_>>()));
    }
    for low in 0..=u8::MAX {
        for network in 0..3 {
            let addr = IpAddr::from([10, network, 0, low]);
            lines.extend(catalog.nodes_at(addr).map(|node| format!("{addr} {}", node.name())));
            let found = catalog.instances_at(addr);
            lines.extend(found.map(|it| format!("{addr} {} {}", it.node.name(), it.shown.id())));
        }
    }
    for name in ["a", "b", "c"] {
        let node = catalog.node_in_any_spelling(name);
        lines.push(format!("{name}: {:?}", node.map(|node| node.name())));
    }
    lines
}

#[test]
fn nodes_and_instances_are_found_by_address_and_nodes_in_any_spelling() {
    let mut world = World::new();
    world.member("a", Status::Alive);
    world.claim("a", "Ext.Node", 7);
    world.service("a", "Ext.Node", "1", "web");
    world.update();
    let found = |world: &World, network: u8, low: u8| {
        let addr = IpAddr::from([10, network, 0, low]);
        let nodes = world.catalog.nodes_at(addr).map(|node| node.name().to_string());
        let instances = world.catalog.instances_at(addr).map(|it| it.shown.id().to_string());
        nodes.chain(instances).collect::<Vec<_>>()
    };
    assert_eq!(found(&world, 0, b'a'), ["a"]);
    assert_eq!((found(&world, 2, 7), found(&world, 1, 3)), (vec!["Ext.Node".into()], vec!["1".into()]));
    let spelt = |world: &World, lower: &str| {
        world.catalog.node_in_any_spelling(lower).map(|node| node.name().to_string())
    };
    assert_eq!(spelt(&world, "ext.node").as_deref(), Some("Ext.Node"));
    assert_eq!((spelt(&world, "ext.nod"), spelt(&world, "ext.node2")), (None, None));
    world.service("a", "Ext.Node", "1", "longer");
    world.claim("a", "Ext.Node", 8);
    world.update();
    assert_eq!((found(&world, 1, 3).len(), found(&world, 2, 7).len()), (0, 0));
    assert_eq!((found(&world, 1, 6).len(), found(&world, 2, 8).len()), (1, 1));
    world.member("a", Status::Left);
    world.update();
    assert_eq!(
        (found(&world, 0, b'a').len(), found(&world, 1, 6).len(), found(&world, 2, 8).len()),
        (0, 0, 0)
    );
    assert_eq!(spelt(&world, "ext.node"), None);
}

/// However it came to be, a catalog shows what one made at once would.
#[quickcheck]
fn following_step_by_step_is_looking_anew(steps: Vec<(u8, u8, u8, u8)>) -> bool {
    let mut world = World::new();
    for (what, who, which, how) in steps {
        let name = |n: u8| ["a", "b", "C"][usize::from(n % 3)];
        let (owner, node, id) = (name(who), name(who / 3), ["1", "2"][usize::from(which % 2)]);
        // The third is never a member of its own.
        let owner = if owner == "C" { "a" } else { owner };
        let health = [Health::Passing, Health::Warning, Health::Critical][usize::from(how % 3)];
        match what % 8 {
            0 => world.member(
                owner,
                [Status::Alive, Status::Failed, Status::Left, Status::None][usize::from(how % 4)],
            ),
            1 => world.claim(owner, node, u64::from(how % 3)),
            2 | 3 => world.service(owner, node, id, ["web", "Api"][usize::from(how % 2)]),
            4 | 5 => world.check(owner, node, id, ["", "1", "2"][usize::from(which % 3)], health),
            6 => world.remove(
                owner,
                node,
                [Kind::Node, Kind::Service, Kind::Check][usize::from(how % 3)],
                if how % 3 == 0 { "" } else { id },
            ),
            _ => {
                let before = picture(&world.catalog);
                let changes = world.update();
                if changes.is_empty() && before != picture(&world.catalog) {
                    return false;
                }
            }
        }
    }
    world.update();
    let mut anew = Catalog::new(1);
    anew.update(&world.view, &world.records);
    picture(&world.catalog) == picture(&anew)
}
