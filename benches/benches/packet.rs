//! One packet through a node: bytes in, decision, bytes out. What a cluster's size costs shows in
//! the rows of each group.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tidings_benches::node::Bench;
use tidings_benches::packets::{fresh_updates, pings, pings_with_old_news};

const SIZES: [usize; 3] = [100, 1_000, 10_000];
/// Packets prepared for a bench, from as many members as there are at most.
const PACKETS: usize = 1_024;

/// A ping comes in, its ack goes out. Senders change with each packet.
fn ping_to_ack(c: &mut Criterion) {
    let mut group = c.benchmark_group("packet/ping");
    for members in SIZES {
        let mut bench = Bench::quiet(members);
        let pings = pings(PACKETS, members);
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
        let packets = pings_with_old_news(PACKETS, members);
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
                    let updates = fresh_updates(some as usize, incarnation);
                    let start = std::time::Instant::now();
                    for (from, update) in &updates {
                        bench.datagram(*from, black_box(update));
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

criterion_group!(benches, ping_to_ack, ping_with_old_news, news);
criterion_main!(benches);
