//! What a node takes when many share a process: beside the view, which they share, next to nothing;
//! and nothing at all for a packet it answers.
//!
//! A binary of its own, because it counts allocations; each thread counts for itself.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;

use common::{Cluster, secs, storm, wire};
use tidings_core::{Input, Node, Output};

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
