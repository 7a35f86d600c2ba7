//! What a node takes when many share a process: beside the view, which they share, next to nothing;
//! and nothing at all for a packet it answers.
//!
//! A binary of its own, because it counts allocations; each thread counts for itself.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use common::{Cluster, secs, storm, wire};
use tidings_core::registry::RegistryView;
use tidings_core::registry::catalog::Catalog;
use tidings_core::registry::record::{Body, Key, Kind, Record, Stamp};
use tidings_core::registry::service::Service;
use tidings_core::{
    Command, Config, Input, Node, Output, StreamAction, StreamEvent, StreamId, Time, Token, View,
};

struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: isize, allocations: usize) {
    // The allocator outlives the thread's storage.
    let _ = HELD.try_with(|held| held.set(held.get() + bytes));
    let _ = ALLOCATIONS.try_with(|counted| counted.set(counted.get() + allocations));
}

// SAFETY: hands everything to the system's allocator unchanged and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize, 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize), 0);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize, 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NODES: usize = 300;

/// A cluster that came together in a storm and has had nothing to tell since, until what it
/// remembers of its beginnings (intents that came too early) is forgotten.
///
/// Coordinates are off: each one remembered takes about 200 bytes, as many as the configuration
/// allows.
fn settled() -> Cluster {
    let mut cluster = storm::large_with(1, NODES, |config| config.coordinates = false);
    storm::join_all(&mut cluster, secs(1));
    cluster.run(secs(330));
    cluster
}

#[test]
fn an_idle_node_takes_4_kib_beside_the_view_it_shares() {
    let mut cluster = settled();
    let shared = cluster.hosts[0].node().view();
    let apart = cluster.hosts.iter().filter(|host| !host.node().view().same(&shared)).count();
    let before = HELD.get();
    cluster.hosts.iter_mut().for_each(|host| drop(host.node.take()));
    // The view lives on here, so what is freed was the nodes' own, parts of views that differ
    // included; they themselves lie in the hosts.
    let own = (before - HELD.get()) as usize / NODES + size_of::<Node>();
    println!("{own} bytes a node, {} of them the node itself; {apart} views differ", size_of::<Node>());
    assert!(own <= 4096, "{own} bytes a node");
}

#[test]
fn views_together_take_as_much_as_one() {
    let mut cluster = settled();
    let one = cluster.hosts[0].node().view();
    let before = HELD.get();
    let views: Vec<_> = cluster.hosts.iter().map(|host| host.node().view()).collect();
    let copies = (HELD.get() - before) as usize;
    assert!(copies <= NODES * 256, "{copies} bytes for {NODES} copies of a view");
    drop(views);

    cluster.hosts.iter_mut().for_each(|host| drop(host.node.take()));
    drop(cluster);
    let before = HELD.get();
    drop(one);
    let record = (before - HELD.get()) as usize / NODES;
    println!("{record} bytes a record, its identity included");
    assert!(record <= 400, "{record} bytes a record");
}

#[test]
fn a_ping_is_answered_without_an_allocation() {
    let mut cluster = settled();
    let asker: SocketAddr = Cluster::address(1);
    let mut node = cluster.hosts[0].node.take().expect("it runs");
    let pings: Vec<_> = (0..256).map(|seq| wire::ping(seq, "n0")).collect();
    let round = |node: &mut Node| {
        let before = ALLOCATIONS.get();
        for payload in &pings {
            node.handle_input(cluster.now, Input::Datagram { from: asker, payload }).unwrap();
            let mut acks = 0;
            while let Some(output) = node.poll_output() {
                acks += usize::from(matches!(output, Output::Datagram { .. }));
            }
            assert_eq!(acks, 1);
        }
        ALLOCATIONS.get() - before
    };
    round(&mut node);
    assert_eq!(round(&mut node), 0);
}

const OWNERS: usize = 1_000;
const INSTANCES_EACH: usize = 10;
const HASH_SEED: u64 = 7;

/// What an agent registered: instances of services that others run, too.
fn instances(of: usize) -> impl Iterator<Item = Record> {
    let owner: std::sync::Arc<str> = format!("n{of}").as_str().into();
    (0..INSTANCES_EACH).map(move |nth| {
        let id = format!("service-{nth}-{of}").as_str().into();
        let key = Key { owner: owner.clone(), node: owner.clone(), kind: Kind::Service, id };
        let name = format!("service-{nth}").as_str().into();
        let address = format!("10.1.{}.{}", of / 250, of % 250).as_str().into();
        let tags = ["primary".into(), format!("rack-{}", of % 20).as_str().into()].into();
        let service = Service { name, tags, address, port: 8000 + nth as i64, ..Service::default() };
        Record::of(HASH_SEED, key, Stamp { generation: 1, version: 1 + nth as u64 }, Body::Service(service))
    })
}

/// Bytes of all texts in these records, each counted once.
fn text_bytes(view: &RegistryView) -> usize {
    let mut texts = BTreeSet::new();
    for record in view.records() {
        let key = record.key();
        texts.extend([&*key.owner, &*key.id]);
        if let Some(service) = record.service() {
            texts.extend([&*service.name, &*service.address]);
            texts.extend(service.tags.iter().map(|tag| &**tag));
        }
    }
    texts.iter().map(|text| text.len()).sum()
}

/// Carries what two nodes say to each other on the streams that the first one dials, whoever they are
/// meant for, until both are silent.
fn talk(dialler: &mut Node, accepter: &mut Node, now: Time) {
    // The other side's number of a stream is its place here.
    let mut dialled: Vec<StreamId> = Vec::new();
    loop {
        let mut silent = true;
        while let Some(output) = dialler.poll_output() {
            silent = false;
            let Output::Stream { id, action } = output else { continue };
            if let StreamAction::Connect { .. } = action {
                let accepted = StreamId::accepted(dialled.len() as u64);
                dialled.push(id);
                let event = StreamEvent::Accepted { from: Cluster::address(1) };
                accepter.handle_input(now, Input::Stream { id: accepted, event }).unwrap();
                dialler.handle_input(now, Input::Stream { id, event: StreamEvent::Connected }).unwrap();
            } else if let Some(place) = dialled.iter().position(|known| *known == id) {
                hear(accepter, StreamId::accepted(place as u64), &action, now);
            }
        }
        while let Some(output) = accepter.poll_output() {
            silent = false;
            let Output::Stream { id, action } = output else { continue };
            let place = (0..dialled.len()).find(|place| StreamId::accepted(*place as u64) == id);
            if let Some(place) = place {
                hear(dialler, dialled[place], &action, now);
            }
        }
        if silent {
            return;
        }
    }
}

fn hear(node: &mut Node, id: StreamId, action: &StreamAction, now: Time) {
    let event = match action {
        StreamAction::Send(bytes) => StreamEvent::Data(bytes),
        StreamAction::Close => StreamEvent::Closed,
        _ => return,
    };
    // It may have closed the stream itself.
    let _ = node.handle_input(now, Input::Stream { id, event });
}

/// Whoever joins learns ten thousand instances of a thousand agents from another.
#[test]
fn an_instance_takes_400_bytes_beside_its_texts() {
    let configs: Vec<Config> = (0..OWNERS)
        .map(|i| {
            let mut config = Config::lan(format!("n{i}"), Cluster::address(i));
            config.hash_seed = Some(HASH_SEED);
            config.registry.enabled = true;
            config
        })
        .collect();
    let view = View::converged(HASH_SEED, &configs);
    let start = |i: usize| Node::converged(configs[i].clone(), [i as u8; 32], Time::ZERO, &view).unwrap();
    let (mut old, mut new) = (start(0), start(1));
    let known = RegistryView::of(HASH_SEED, (2..OWNERS).flat_map(instances));
    old.knows(&known);
    let count = known.records().len();

    let join = Command::Join { addresses: vec![Cluster::address(0).to_string()], replay: false };
    new.handle_input(Time::ZERO, Input::Command { token: Token(1), command: join }).unwrap();
    let before = HELD.get();
    talk(&mut new, &mut old, Time::ZERO);
    let held = (HELD.get() - before) as usize;

    let learned = new.registry();
    assert!(learned.records().len() >= count, "{} of {count} learned", learned.records().len());
    let texts = text_bytes(&learned);
    let each = (held - texts) / count;
    println!("{each} bytes an instance, and {} of texts", texts / count);
    assert!(each <= 400, "{each} bytes an instance");

    let before = HELD.get();
    let mut catalog = Catalog::new(1);
    catalog.update(&view, learned.records());
    println!("{} more in indexes", (HELD.get() - before) as usize / count);
}

/// Nodes that nothing new happens to; every packet arrives at once.
struct Quiet {
    nodes: Vec<Node>,
    now: Time,
    /// Datagrams handed to a node so far, and allocations it made with one or with a time-out.
    datagrams: usize,
    allocations: usize,
}

impl Quiet {
    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        let due = |node: &Node| node.poll_timeout().expect("a node that runs waits for something");
        while let Some(next) = (0..self.nodes.len())
            .min_by_key(|i| due(&self.nodes[*i]))
            .filter(|i| due(&self.nodes[*i]) <= until)
        {
            self.now = due(&self.nodes[next]).max(self.now);
            let mut sent = Vec::new();
            self.give(next, Input::Timeout, &mut sent);
            while let Some((from, to, payload)) = sent.pop() {
                let to = (0..self.nodes.len()).find(|i| Cluster::address(*i) == to).expect("one of them");
                self.datagrams += 1;
                let from = Cluster::address(from);
                self.give(to, Input::Datagram { from, payload: &payload }, &mut sent);
            }
        }
        self.now = until;
    }

    fn give(&mut self, to: usize, input: Input<'_>, sent: &mut Vec<(usize, SocketAddr, Bytes)>) {
        let node = &mut self.nodes[to];
        let before = ALLOCATIONS.get();
        node.handle_input(self.now, input).unwrap();
        self.allocations += ALLOCATIONS.get() - before;
        loop {
            let before = ALLOCATIONS.get();
            let output = node.poll_output();
            self.allocations += ALLOCATIONS.get() - before;
            match output {
                Some(Output::Datagram { to: addr, payload }) => sent.push((to, addr, payload)),
                Some(_) => {}
                None => return,
            }
        }
    }
}

#[test]
fn quiet_minutes_of_probes_pass_without_an_allocation() {
    let mut cluster = storm::large_with(1, 20, |config| {
        config.push_pull.interval = None;
        // When they look at their queues, nodes give buffers back as well.
        config.queues.check_interval = secs(100_000);
    });
    storm::join_all(&mut cluster, secs(1));
    cluster.run(secs(330));
    let nodes = cluster.hosts.iter_mut().map(|host| host.node.take().expect("it runs")).collect();
    let mut quiet = Quiet { nodes, now: cluster.now, datagrams: 0, allocations: 0 };
    quiet.run(secs(120));
    (quiet.datagrams, quiet.allocations) = (0, 0);
    quiet.run(secs(120));
    assert!(quiet.datagrams >= 20 * 120 * 2, "{} datagrams", quiet.datagrams);
    assert_eq!(quiet.allocations, 0, "in {} datagrams", quiet.datagrams);
}
