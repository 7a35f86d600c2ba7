//! Each part of the checkers that no deliberate bug breaks fires on a history that breaks it, and is
//! quiet on the nearest one that does not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::registry::RegistryView;
use tidings_core::registry::check::{Check, Health};
use tidings_core::registry::node::NodeInfo;
use tidings_core::registry::record::{Body, Key, Kind, Record, Stamp};
use tidings_core::registry::service::Service;
use tidings_core::{Status, Time};

use super::records::{Held, Scene};
use super::*;
use crate::cluster::Cluster;
use crate::registry::Registration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn cluster() -> Cluster {
    Cluster::lan(3).seed(3).registry().traced().start()
}

fn key(owner: &str, kind: Kind, id: &str) -> Key {
    Key { owner: owner.into(), node: owner.into(), kind, id: id.into() }
}

/// The hash seed of a cluster.
fn seed(cluster: &Cluster) -> u64 {
    cluster.host(0).config().hash_seed.unwrap_or_default()
}

fn record(seed: u64, key: Key, (generation, version): (u64, u64), port: i64) -> Record {
    let body = match key.kind {
        Kind::Node => Body::Node(NodeInfo { floor: port as u64, ..NodeInfo::default() }),
        Kind::Service => Body::Service(Service { name: "web".into(), port, ..Service::default() }),
        Kind::Check => Body::Check(Check { status: Health::Critical, ..Check::default() }),
    };
    Record::of(seed, key, Stamp { generation, version }, body)
}

fn place(name: &'static str, host: usize) -> Place<'static> {
    Place { world_time: Time::ZERO, local: Time::ZERO, name, host }
}

/// What n0 holds, told change by change.
struct History {
    cluster: Cluster,
    issued: Issued,
    held: Held,
    view: Vec<Record>,
    forgotten: BTreeSet<Arc<str>>,
}

impl History {
    fn new() -> Self {
        let (view, forgotten) = (Vec::new(), BTreeSet::new());
        History { cluster: cluster(), issued: Issued::default(), held: Held::default(), view, forgotten }
    }

    fn service(&self, owner: &str, stamp: (u64, u64)) -> Record {
        record(seed(&self.cluster), key(owner, Kind::Service, "web"), stamp, 80)
    }

    fn head(&self, owner: &str, stamp: (u64, u64), floor: i64) -> Record {
        record(seed(&self.cluster), key(owner, Kind::Node, ""), stamp, floor)
    }

    fn issue(&mut self, record: &Record) {
        self.issued.add(record.key(), record.stamp(), Some(record.digest()));
        self.issued.raise(record);
    }

    /// The invariant that n0 breaks when a record changes so.
    fn change(&mut self, old: Option<&Record>, new: Option<&Record>) -> Option<String> {
        self.view.retain(|record| old.is_none_or(|old| old.key() != record.key()));
        self.view.extend(new.cloned());
        let view = RegistryView::of(seed(&self.cluster), self.view.iter().cloned());
        let node = self.cluster.host(0).node().unwrap();
        let (issued, forgotten) = (&self.issued, &self.forgotten);
        let scene = Scene { place: place("n0", 0), node, issued, view: &view, forgotten, lies: false };
        let found = self.held.changed(&scene, old, new).or_else(|| self.held.forgotten(&scene));
        found.map(|found| found.invariant)
    }
}

#[test]
fn what_is_held_was_written_and_what_went_was_taken_back() {
    let mut it = History::new();
    let (first, second) = (it.service("n1", (1, 1)), it.service("n1", (1, 3)));
    assert_eq!(it.change(None, Some(&first)).as_deref(), Some("R1 owner writes"));
    let mut it = History::new();
    it.issue(&first);
    it.issue(&second);
    assert_eq!(it.change(None, Some(&first)), None);
    assert_eq!(it.change(Some(&first), Some(&second)), None);
    assert_eq!(it.change(Some(&second), None).as_deref(), Some("R1 owner writes"));
    it.issued.add(second.key(), Stamp { generation: 1, version: 4 }, None);
    assert_eq!(it.change(None, Some(&second)), None);
    assert_eq!(it.change(Some(&second), None), None);
    assert_eq!(it.change(None, Some(&first)).as_deref(), Some("R5 no resurrection"));
}

#[test]
fn nothing_is_held_below_what_its_owner_says_is_void() {
    let mut it = History::new();
    let (old, new) = (it.service("n1", (4, 9)), it.service("n1", (5, 2)));
    let head = it.head("n1", (5, 1), 5);
    for record in [&old, &new, &head] {
        it.issue(record);
    }
    assert_eq!(it.change(None, Some(&head)), None);
    assert_eq!(it.change(None, Some(&new)), None);
    assert_eq!(it.change(Some(&new), Some(&old)).as_deref(), Some("R2 version order"));
    let mut it = History::new();
    for record in [&old, &head] {
        it.issue(record);
    }
    assert_eq!(it.change(None, Some(&old)), None, "the floor is not known yet");
    assert_eq!(it.change(Some(&old), None), None, "somebody who knows it says so");
    assert_eq!(it.change(None, Some(&head)), None);
    assert_eq!(it.change(None, Some(&old)).as_deref(), Some("R2 version order"));
    assert_eq!(it.change(Some(&head), None).as_deref(), Some("R1 owner writes"), "a head is never void");
}

#[test]
fn records_come_and_go_with_those_who_speak() {
    let mut it = History::new();
    let stranger = it.service("n9", (1, 1));
    it.issue(&stranger);
    assert_eq!(it.change(None, Some(&stranger)).as_deref(), Some("R6 member death"));
    // It has been forgotten, and its record stays.
    let mut it = History::new();
    it.issue(&stranger);
    it.forgotten.insert("n9".into());
    assert_eq!(it.change(None, Some(&stranger)).as_deref(), Some("R6 member death"));
    assert_eq!(it.change(Some(&stranger), None), None, "it goes along");
}

#[test]
fn readers_are_shown_what_is_held_and_a_failed_node_critical() {
    let mut cluster = cluster();
    cluster.register(1, Registration::of("web").port(80));
    cluster.eventually(secs(5), |c| c.all_see("web", &[1]));
    let node = cluster.host(0).node().unwrap();
    let mut readers = Readers::default();
    let known = node.registry();
    readers.follow(node, &known);
    assert_eq!(readers.changed(place("n0", 0), node, &known), None);

    // Looked up by whoever holds less than is shown.
    let mut readers = Readers::default();
    let fewer = known.records().iter().filter(|record| record.service().is_none()).cloned();
    let fewer = RegistryView::of(seed(&cluster), fewer);
    readers.follow(node, &known);
    let found = readers.shown(place("n0", 0), node, &fewer, "n1").unwrap();
    assert_eq!(found.invariant, "R7 reads see own writes");

    // Readers who have not heard that n1 failed.
    cluster.crash(1);
    let mut readers = Readers::default();
    readers.follow(cluster.host(0).node().unwrap(), &known);
    cluster.eventually(secs(60), |c| c.status(0, 1) == Some(Status::Failed));
    let node = cluster.host(0).node().unwrap();
    let found = readers.shown(place("n0", 0), node, &known, "n1").unwrap();
    assert_eq!(found.invariant, "R6 member death");
    assert_eq!(readers.changed(place("n0", 0), node, &known), None, "now they have");
}

#[test]
fn a_ttl_ends_neither_early_nor_late() {
    let mut cluster = cluster();
    let registration = Registration::of("web").ttl(secs(10));
    cluster.register(0, registration.clone());
    let node = cluster.host(0).node().unwrap();
    let at = |seconds| Time::ZERO + secs(seconds);
    let expired = Check { status: Health::Critical, output: "TTL expired".into(), ..Check::default() };
    let key = key("n0", Kind::Check, "ttl:web");
    let expired = Record::of(seed(&cluster), key, Stamp::default(), Body::Check(expired));

    let mut ttls = Ttls::default();
    ttls.asked(at(5), &registration.command(), node);
    let found = ttls.changed(place("n0", 0), at(14), None, &expired).unwrap();
    assert_eq!(found.invariant, "R3 TTL not early");
    assert_eq!(ttls.changed(place("n0", 0), at(15), None, &expired), None);
    // It is passing, whatever the time.
    assert_eq!(ttls.overdue(place("n0", 0), at(14), node), None);
    let found = ttls.overdue(place("n0", 0), at(15), node).unwrap();
    assert_eq!(found.invariant, "R4 TTL not late");
}

#[test]
fn in_peace_all_hear_of_a_change_and_of_an_expiry_within_the_bound() {
    for (ttl, invariant) in [(None, "L8 spread"), (Some(secs(5)), "R4 TTL not late")] {
        let mut cluster = cluster();
        let registration = ttl.map_or(Registration::of("web"), |ttl| Registration::of("web").ttl(ttl));
        cluster.run(secs(1)).register(0, registration);
        cluster.run(secs(10));
        let issued = Issued::default();
        let (kind, id) = if ttl.is_some() { (Kind::Check, "ttl:web") } else { (Kind::Service, "web") };
        let promise = |stamp| {
            let mut promises = Promises::default();
            (0..3).for_each(|host| promises.started(host, Time::ZERO));
            let place = Place { world_time: cluster.now(), ..place("n0", 0) };
            promises.make(&cluster, place, &key("n0", kind, id), stamp);
            promises
        };
        let written = cluster.host(0).node().unwrap().registry().get(&key("n0", kind, id)).unwrap().stamp();
        // Somebody is said to have written what nobody tells.
        let later = Stamp { version: written.version + 1, ..written };
        let (mut kept, mut broken, mut void) = (promise(written), promise(later), promise(later));
        assert_eq!(broken.look(&cluster, &issued), None, "it is too early");
        cluster.run(secs(120));
        assert_eq!(kept.look(&cluster, &issued), None);
        assert_eq!(broken.look(&cluster, &issued).unwrap().invariant, invariant);
        void.void();
        assert_eq!(void.look(&cluster, &issued), None);
    }
}

#[test]
fn what_was_confirmed_is_there_after_a_restart() {
    let mut cluster = cluster();
    let registration = Registration::of("web").port(80);
    let token = cluster.register(0, registration.clone());
    let node = cluster.host(0).node().unwrap();
    let key = key("n0", Kind::Service, "web");
    let written = node.registry().get(&key).cloned().unwrap();
    let mut issued = Issued::default();
    issued.add(&key, written.stamp(), Some(written.digest()));
    let nothing = RegistryView::default();
    let restart = |writes: &mut Writes, view: &RegistryView, issued: &Issued| {
        writes.restarted(place("n0", 0), cluster.host(0), issued, view).map(|found| found.invariant)
    };

    let mut writes = Writes::default();
    writes.carried_out(place("n0", 0), &issued, token, &registration.command());
    let mut unanswered = writes.clone();
    assert_eq!(restart(&mut unanswered, &nothing, &issued), None, "nobody was told that it is kept");
    writes.replied(token, true);
    assert_eq!(restart(&mut writes.clone(), &node.registry(), &issued), None);
    let lost = restart(&mut writes.clone(), &nothing, &issued);
    assert_eq!(lost.as_deref(), Some("R7 reads see own writes"));
    issued.add(&key, Stamp { version: written.stamp().version + 1, ..written.stamp() }, None);
    assert_eq!(restart(&mut writes, &nothing, &issued), None, "it was deregistered since");
}
