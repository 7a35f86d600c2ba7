//! One packet through a node: bytes in, decision, bytes out. What a cluster's size costs shows in
//! the rows of each group.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tidings_benches::node::{Bench, alive, ping};
use tidings_core::wire::compound::Compound;

const SIZES: [usize; 3] = [100, 1_000, 10_000];
/// Packets prepared for a bench, from as many members as there are at most.
const PACKETS: usize = 1_024;

/// A ping comes in, its ack goes out. Senders change with each packet.
fn ping_to_ack(c: &mut Criterion) {
    let mut group = c.benchmark_group("packet/ping");
    for members in SIZES {
        let mut bench = Bench::quiet(members);
        let pings: Vec<_> = (0..PACKETS).map(|k| (sender(k, members), k)).collect();
        let pings: Vec<_> = pings.into_iter().map(|(i, k)| (i, ping(i, k as u32))).collect();
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(members), |b| {
            b.iter(|| {
                next = (next + 1) % PACKETS;
                let (from, packet) = &pings[next];
                let sent = bench.datagram(*from, black_box(packet));
                assert!(sent > 0);
            });
        });
    }
    group.finish();
}

/// A ping with four updates on it that are known already, as most are in a cluster at work.
fn ping_with_old_news(c: &mut Criterion) {
    let mut group = c.benchmark_group("packet/ping+4 known updates");
    for members in SIZES {
        let mut bench = Bench::quiet(members);
        let packets: Vec<_> = (0..PACKETS)
            .map(|k| {
                let mut parts = Compound::new();
                parts.push(&ping(sender(k, members), k as u32));
                for update in 0..4 {
                    parts.push(&alive(sender(5 * k + update, members), 1));
                }
                let mut packet = Vec::new();
                parts.encode(&mut packet);
                (sender(k, members), packet)
            })
            .collect();
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(members), |b| {
            b.iter(|| {
                next = (next + 1) % PACKETS;
                let (from, packet) = &packets[next];
                let sent = bench.datagram(*from, black_box(packet));
                assert!(sent > 0);
            });
        });
    }
    group.finish();
}

/// An update that is news: applied to the view and queued to be told on.
fn news(c: &mut Criterion) {
    let mut group = c.benchmark_group("packet/one fresh update");
    for members in SIZES {
        let mut bench = Bench::quiet(members);
        let mut incarnation = 1;
        group.bench_function(BenchmarkId::from_parameter(members), |b| {
            b.iter_custom(|rounds| {
                let mut spent = std::time::Duration::ZERO;
                let mut left = rounds;
                while left > 0 {
                    incarnation += 1;
                    let some = left.min(64.min(members as u64 - 1));
                    let updates: Vec<_> = (0..some as usize).map(|i| alive(1 + i, incarnation)).collect();
                    let start = std::time::Instant::now();
                    for update in &updates {
                        bench.datagram(1, black_box(update));
                    }
                    spent += start.elapsed();
                    left -= some;
                    bench.hush();
                }
                spent
            });
        });
    }
    group.finish();
}

/// Some member other than the node under test; far apart for neighbouring `k`.
fn sender(k: usize, members: usize) -> usize {
    1 + k.wrapping_mul(7_919) % (members - 1)
}

criterion_group!(benches, ping_to_ack, ping_with_old_news, news);
criterion_main!(benches);
