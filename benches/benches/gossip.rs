//! Telling others: packets filled from a long queue, and events heard again and again.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tidings_benches::{Bench, alive};
use tidings_core::serf::dedup::{EventBuffer, Heard};
use tidings_core::{Input, LamportTime, Output};

/// One round of gossip to three members, with this many updates waiting.
///
/// Every packet takes the least told updates that fit, so its cost must not follow the queue.
fn fill(c: &mut Criterion) {
    let mut group = c.benchmark_group("gossip/round with queued updates");
    for queued in [10, 100, 1_000, 10_000] {
        let mut bench = Bench::alone(|config| {
            // Never done: the queue keeps its length.
            config.gossip.fixed_limit = Some(u32::MAX);
            config.gossip.eager = false;
        });
        for i in 1..=queued {
            bench.datagram(i, &alive(i, 1));
        }
        group.bench_function(BenchmarkId::from_parameter(queued), |b| {
            b.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                let mut done = 0;
                while done < rounds {
                    bench.now = bench.node.poll_timeout().expect("gossip is due").max(bench.now);
                    let start = Instant::now();
                    bench.node.handle_input(bench.now, Input::Timeout).expect("a lawful input");
                    let mut packets = 0;
                    while let Some(output) = bench.node.poll_output() {
                        packets += u64::from(matches!(black_box(output), Output::Datagram { .. }));
                    }
                    // Other deadlines pass as well; only rounds count.
                    if packets == 3 {
                        spent += start.elapsed();
                        done += 1;
                    }
                }
                spent
            });
        });
    }
    group.finish();
}

/// Deciding whether an event was heard before, with a full buffer of 512 times.
fn dedup(c: &mut Criterion) {
    let mut group = c.benchmark_group("gossip/event dedup");
    let mut buffer = EventBuffer::new(512, 4 << 20);
    let mut clock = 0;
    let mut heard_fresh = |buffer: &mut EventBuffer| {
        clock += 1;
        buffer.offer(LamportTime(clock + 1), LamportTime(clock), "deploy", b"web 2.31.4")
    };
    for _ in 0..512 {
        assert!(matches!(heard_fresh(&mut buffer), Heard::Fresh(_)));
    }
    group.bench_function("fresh", |b| b.iter(|| heard_fresh(&mut buffer)));
    let newest = (1..).map(LamportTime).find(|t| probe(&buffer, *t)).expect("it holds some");
    let mut step = 0;
    group.bench_function("heard before", |b| {
        b.iter(|| {
            step = (step + 97) % 500;
            let ltime = LamportTime(newest.0 + 1 + step);
            let clock = LamportTime(newest.0 + 512);
            let heard = buffer.offer(clock, ltime, black_box("deploy"), black_box(b"web 2.31.4"));
            assert_eq!(heard, Heard::Duplicate);
        });
    });
    group.finish();
}

/// Whether the buffer holds events of this time.
fn probe(buffer: &EventBuffer, ltime: LamportTime) -> bool {
    buffer.slots().flatten().any(|(held, _)| held == ltime)
}

criterion_group!(benches, fill, dedup);
criterion_main!(benches);
