//! Coded symbols of a set of digests: making them, and finding a difference with them.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tidings_core::registry::sketch::{Decoder, Sketch};

const ITEMS: u64 = 100_000;
/// Differing digests: a hundred changed records.
const DIFFERENT: u64 = 200;

/// Well-spread numbers: a walk through all of them by the golden ratio, mixed.
fn digest(i: u64) -> u64 {
    let i = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (i ^ i >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

fn encode(c: &mut Criterion) {
    let items: Vec<u64> = (0..ITEMS).map(digest).collect();
    let mut group = c.benchmark_group(format!("sketch/of {ITEMS} digests"));
    group.sample_size(20);
    for symbols in [64, 1_024] {
        group.bench_function(BenchmarkId::new("first symbols", symbols), |b| {
            b.iter(|| {
                let mut sketch = Sketch::new(7);
                sketch.grow(symbols, black_box(&items).iter().copied());
                sketch
            });
        });
    }
    let mut sketch = Sketch::new(7);
    sketch.grow(1_024, items.iter().copied());
    group.bench_function("one change in 1024 symbols", |b| {
        let mut next = ITEMS;
        b.iter(|| {
            sketch.insert(digest(next));
            next += 1;
        });
    });
    group.finish();
}

fn decode(c: &mut Criterion) {
    let mut theirs = Sketch::new(7);
    theirs.grow(512, (0..ITEMS).map(digest));
    let mut ours = theirs.clone();
    for i in 0..DIFFERENT / 2 {
        ours.remove(digest(i));
        ours.insert(digest(ITEMS + i));
    }
    let mut bytes = Vec::new();
    theirs.encode(0..512, &mut bytes);
    c.bench_function(&format!("sketch/decode {DIFFERENT} differing digests"), |b| {
        b.iter(|| {
            let mut decoder = Decoder::new(ours.clone(), 512);
            assert_eq!(decoder.accept(black_box(&bytes), []), Ok(true));
            decoder.into_difference()
        });
    });
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
