//! However much comes from outside, memory stays within what the configuration allows.
//!
//! One test in its own binary, because it counts every allocation of the process.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::wire::{self, QueryMessage, V};
use common::{Cluster, Draw, StreamHappening, ms, secs};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything to the system's allocator unchanged and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn outsider() -> SocketAddr {
    "10.66.6.6:7946".parse().unwrap()
}

/// A lone node under attack; nothing of what comes out is kept.
fn victim() -> Cluster {
    let mut cluster = Cluster::with(1, |_, config| {
        config.members.max = 2_000;
        config.registry.enabled = true;
        config.registry.records_max = 2_000;
        config.registry.tombstones_max = 2_000;
        config.stream.buffered_max = 4 << 20;
        config.stream.message_max = 2 << 20;
        config.events.buffer_bytes_max = 1 << 20;
    });
    cluster.record_events = false;
    cluster.run(secs(1));
    cluster
}

/// Runs an attack; returns the bytes held more afterwards, and at the worst moment.
fn cost(attack: impl FnOnce(&mut Cluster)) -> (usize, usize) {
    let mut cluster = victim();
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    attack(&mut cluster);
    let after = HELD.load(Ordering::Relaxed).saturating_sub(before);
    (after, PEAK.load(Ordering::Relaxed) - before)
}

/// Sends `n` datagrams, a hundred each ten virtual milliseconds.
fn flood(cluster: &mut Cluster, n: u64, mut packet: impl FnMut(u64) -> Vec<u8>) {
    for i in 0..n {
        cluster.inject(outsider(), 0, &packet(i));
        if i % 100 == 0 {
            cluster.run(ms(10));
        }
    }
}

fn open(cluster: &mut Cluster, bytes: &[u8]) {
    let id = cluster.accepted_id(0);
    cluster.inject_stream(0, id, StreamHappening::Accepted(outsider()));
    cluster.inject_stream(0, id, StreamHappening::Data(bytes.to_vec().into()));
}

/// That something large-named of an owner is gone.
fn told(owner: &str, i: u64) -> V {
    let id = wire::raw(format!("{i:>900}"));
    V::Array(vec![wire::raw(owner), V::Nil, V::U(1), id, V::U(1 << 60), V::U(i), V::Nil])
}

fn encoded(value: &V) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

/// A datagram about the registry.
fn registry(kind: u8, values: &[V]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(encoded).collect();
    [&[8, b'T', kind], &values[..]].concat()
}

/// A message of a talk about the registry.
fn talk(message: &[u8]) -> Vec<u8> {
    [&[b'T'][..], &encoded(&V::U(message.len() as u64)), message].concat()
}

/// An attack on the first of a cluster's hosts.
type Attack = fn(&mut Cluster);

const MIB: usize = 1 << 20;

/// Name, attack, and the mebibytes it may cost at its worst.
const ATTACKS: [(&str, Attack, usize); 12] = [
    (
        "records of strangers and of its own",
        |c| {
            flood(c, 40_000, |i| {
                let owner = if i % 2 == 0 { format!("stranger{i}") } else { "n0".into() };
                registry(0, &[told(&owner, i)])
            });
        },
        8,
    ),
    (
        "notices of records nobody has",
        |c| {
            flood(c, 40_000, |i| {
                registry(1, &[wire::raw(format!("holder{i}")), V::U(100_000), told("n0", i)])
            });
        },
        8,
    ),
    (
        "talks that go nowhere",
        |c| {
            for i in 0..2_000 {
                open(c, &talk(&[&[0, 0, 0, 0, i as u8, 0, 0, 0, 1][..], &[9; 44]].concat()));
                open(c, &talk(&[&[9][..], &encoded(&told("n0", i))].concat()));
                open(c, &talk(&[0x55; 40_000])[..30_000]);
            }
        },
        8,
    ),
    (
        "ghosts",
        |c| flood(c, 40_000, |i| wire::alive(&format!("ghost{i}"), Cluster::address(1000 + i as usize), 1)),
        8,
    ),
    (
        "intents for strangers",
        |c| flood(c, 60_000, |i| wire::leave_intent(&format!("stranger{i}"), i, false)),
        8,
    ),
    (
        "events at one time",
        |c| flood(c, 20_000, |i| wire::user_event(&format!("event{i}"), 5, &[0; 500])),
        12,
    ),
    ("events at all times", |c| flood(c, 20_000, |i| wire::user_event("event", i, &[0; 500])), 12),
    (
        "queries",
        |c| {
            flood(c, 20_000, |i| {
                let query = QueryMessage::new("query", outsider(), i / 100, i);
                QueryMessage { timeout: i64::MAX, payload: wire::raw([0; 400]), ..query }.bytes()
            });
        },
        12,
    ),
    (
        "indirect pings",
        |c| {
            flood(c, 40_000, |i| {
                let mut ping = vec![1];
                V::Map(vec![
                    ("Nack", V::Bool(true)),
                    ("Node", wire::raw("nobody")),
                    ("Port", V::U(7946)),
                    ("SeqNo", V::U(i)),
                    ("Target", wire::raw([10, 77, 7, 7])),
                ])
                .encode(&mut ping);
                ping
            });
        },
        8,
    ),
    (
        "half messages on streams",
        |c| {
            let mut draw = Draw::new(9);
            for _ in 0..2_000 {
                // Claims a megabyte of state and sends half of it.
                let claim = wire::push_pull(true, V::U(0), &[], V::U(1 << 20), &draw.bytes(100_000));
                open(c, &claim);
            }
        },
        // The budget of 4 MiB, and what the harness holds of a piece while it is handed in.
        10,
    ),
    (
        "claims of gigabytes",
        |c| {
            for _ in 0..500 {
                open(c, &wire::push_pull(true, V::U(1 << 40), &[], V::U(1 << 40), &[0; 100]));
                open(c, &[6, 0x83, 0xdb, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
                open(c, &[10, 0x01, 0x30, 0, 0, 1, 2, 3]);
            }
        },
        4,
    ),
    (
        "compression bombs",
        |c| {
            let bomb = wire::compress(&vec![0; 30 << 20]);
            for _ in 0..3 {
                c.inject(outsider(), 0, &bomb[..bomb.len().min(65_000)]);
                open(c, &bomb);
            }
        },
        // The bomb itself is made before and held by the attacker: 30 MiB and its working copies.
        110,
    ),
];

#[test]
fn memory_is_bounded_whatever_comes() {
    for (name, attack, limit) in ATTACKS {
        let (after, peak) = cost(attack);
        assert!(peak <= limit * MIB, "{name}: {peak} bytes at the worst, {limit} MiB allowed");
        assert!(after <= limit * MIB, "{name}: {after} bytes stay");
    }
}
