//! Whole clusters: a quiet second, with and without all invariants checked, and a crash of one in a
//! hundred until all others agree on it. The long ones are `tidings-sim bench`.

use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tidings_core::Status;
use tidings_sim::{Checks, Cluster};

const SECOND: Duration = Duration::from_secs(1);

/// A converged cluster that has run long enough for its buffers to have found their size.
fn warm(members: usize, checked: bool) -> Cluster {
    let plan = Cluster::lan(members).seed(1).keep_events(false);
    let mut cluster = plan.configure(|_, config| config.trace = checked).start();
    if checked {
        cluster.watch_from_now(Checks::new());
    }
    cluster.run(5 * SECOND);
    cluster
}

fn quiet(c: &mut Criterion) {
    let mut group = c.benchmark_group("a quiet second");
    group.sample_size(10);
    for (members, checked) in [(100, false), (1_000, false), (1_000, true)] {
        let mut cluster = warm(members, checked);
        let before = cluster.tally().inputs;
        cluster.run(SECOND);
        group.throughput(Throughput::Elements(cluster.tally().inputs - before));
        let kind = if checked { "checked" } else { "plain" };
        group.bench_function(BenchmarkId::new(kind, members), |b| {
            b.iter(|| {
                cluster.run(SECOND);
            });
        });
    }
    group.finish();
}

fn crash(c: &mut Criterion) {
    let mut group = c.benchmark_group("a crash until all agree");
    group.sample_size(10);
    for members in [100, 300] {
        let cluster = warm(members, false);
        group.bench_function(BenchmarkId::from_parameter(members), |b| {
            b.iter_batched(
                || cluster.fork(),
                |mut cluster| {
                    (1..=members / 100).for_each(|host| {
                        cluster.crash(host);
                    });
                    cluster.eventually(120 * SECOND, |cluster| {
                        (1..=members / 100).all(|host| cluster.all_hold(host, Some(Status::Failed)))
                    })
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, quiet, crash);
criterion_main!(benches);
