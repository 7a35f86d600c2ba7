//! Telling others: packets filled from a long queue, and events heard again and again.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tidings_benches::node::{Bench, alive};
use tidings_core::serf::dedup::{EventBody, EventBuffer, Heard};
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
    for _ in 0..512 {
        assert!(matches!(hear_fresh(&mut buffer, &mut clock), Heard::Fresh(_)));
    }
    group.bench_function("fresh", |b| b.iter(|| hear_fresh(&mut buffer, &mut clock)));
    let mut back = 0;
    group.bench_function("heard before", |b| {
        b.iter(|| {
            back = (back + 97) % 500;
            let heard =
                buffer.offer(LamportTime(clock), LamportTime(clock - 1 - back), black_box(NAME), PAYLOAD);
            assert_eq!(heard, Heard::Duplicate);
        });
    });
    group.finish();
}

const NAME: &str = "deploy";
const PAYLOAD: &[u8] = b"web 2.31.4";

/// An event later than all before.
fn hear_fresh(buffer: &mut EventBuffer, clock: &mut u64) -> Heard<EventBody> {
    *clock += 1;
    buffer.offer(LamportTime(*clock), LamportTime(*clock - 1), black_box(NAME), PAYLOAD)
}

criterion_group!(benches, fill, dedup);
criterion_main!(benches);
