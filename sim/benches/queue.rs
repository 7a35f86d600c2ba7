//! The queue against the standard library's heap, with a million events pending: each popped event
//! schedules another, as in a simulation.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tidings_sim::{Draw, Purpose, Queue};

const PENDING: u64 = 1_000_000;
const STEPS: u64 = 100_000;

/// As large as an event of the simulator.
type Payload = [u64; 6];

/// Delays as nodes cause them: packets within milliseconds, probes within a second, a few long.
fn delay(draw: &mut Draw) -> u64 {
    match draw.below(10) {
        0..5 => draw.below(2_000_000),
        5..9 => draw.below(1_000_000_000),
        _ => draw.below(100_000_000_000),
    }
}

fn queues(c: &mut Criterion) {
    let mut group = c.benchmark_group("a million pending");
    group.throughput(Throughput::Elements(STEPS)).sample_size(10);

    let mut draw = Draw::of(1, Purpose::Work, 0);
    let mut wheel = Queue::new();
    for _ in 0..PENDING {
        wheel.push(delay(&mut draw), Payload::default());
    }
    group.bench_function("wheel", |b| {
        b.iter_batched(
            || (),
            |()| {
                for _ in 0..STEPS {
                    let (now, what) = wheel.pop(u64::MAX).expect("it is never empty");
                    wheel.push(now + delay(&mut draw), black_box(what));
                }
            },
            BatchSize::PerIteration,
        );
    });

    let mut draw = Draw::of(1, Purpose::Work, 0);
    let mut heap = BinaryHeap::new();
    let mut order = 0u64;
    for _ in 0..PENDING {
        heap.push(Reverse((delay(&mut draw), order, Payload::default())));
        order += 1;
    }
    group.bench_function("binary heap", |b| {
        b.iter_batched(
            || (),
            |()| {
                for _ in 0..STEPS {
                    let Reverse((now, _, what)) = heap.pop().expect("it is never empty");
                    heap.push(Reverse((now + delay(&mut draw), order, black_box(what))));
                    order += 1;
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, queues);
criterion_main!(benches);
