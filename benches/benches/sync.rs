//! Full-state exchange of a large cluster: a push/pull arrives, is merged, and is answered.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tidings_benches::node::{Bench, META, address, name};
use tidings_core::wire::Keyring;
use tidings_core::wire::frame::{self, Side};
use tidings_core::wire::message::PushNode;
use tidings_core::wire::serf_message;
use tidings_core::{Config, Input, LamportTime, State, StreamEvent, StreamId, Versions};

/// The bytes of a peer's push/pull with members 1 to `members`.
fn push_pull(members: usize, config: &Config) -> Vec<u8> {
    let names: Vec<_> = (1..members).map(name).collect();
    let nodes = names.iter().enumerate().map(|(i, name)| PushNode {
        name,
        addr: address(i + 1).ip(),
        port: 7946,
        meta: META,
        incarnation: 1,
        state: State::Alive,
        versions: Some(Versions::ours(5)),
    });
    let mut user_state = Vec::new();
    let times = names.iter().map(|name| (name.as_str(), LamportTime(1)));
    let no_events = std::iter::empty::<Option<(LamportTime, std::iter::Empty<(&str, &[u8])>)>>();
    serf_message::encode_push_pull(
        [LamportTime(2); 3],
        times,
        std::iter::empty::<&str>(),
        no_events,
        &[],
        &mut user_state,
    );
    let (mut message, mut out) = (Vec::new(), BytesMut::new());
    frame::encode_push_pull(false, nodes, &user_state, &mut message);
    frame::close(&message, Side::Dialled, config, &Keyring::default(), || [3; 12], &mut out);
    out.to_vec()
}

/// What a push/pull that brings nothing new costs the member that accepts it, its answer included.
fn known(c: &mut Criterion) {
    let mut group = c.benchmark_group("sync/push-pull, nothing new");
    group.sample_size(10);
    for members in [1_000, 10_000] {
        for compression in [false, true] {
            let mut bench = Bench::alone(|config| config.packet.compression = compression);
            let state = push_pull(members, bench.node.config());
            exchange(&mut bench, 0, &state);
            bench.hush();
            assert_eq!(bench.node.view().len(), members);
            let mut streams = 0;
            group.throughput(Throughput::Elements(members as u64));
            let kind = if compression { "compressed" } else { "plain" };
            group.bench_function(BenchmarkId::new(kind, members), |b| {
                b.iter(|| {
                    streams += 1;
                    exchange(&mut bench, streams, black_box(&state));
                });
            });
        }
    }
    group.finish();
}

/// What it costs a newcomer to learn everybody.
fn newcomer(c: &mut Criterion) {
    let mut group = c.benchmark_group("sync/push-pull, everything new");
    group.sample_size(10);
    for members in [1_000, 10_000] {
        let state = push_pull(members, Bench::alone(|_| {}).node.config());
        group.throughput(Throughput::Elements(members as u64));
        group.bench_function(BenchmarkId::from_parameter(members), |b| {
            b.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    let mut bench = Bench::alone(|_| {});
                    let start = Instant::now();
                    exchange(&mut bench, 0, black_box(&state));
                    spent += start.elapsed();
                    assert_eq!(bench.node.view().len(), members);
                }
                spent
            });
        });
    }
    group.finish();
}

/// A peer connects and sends its state in pieces as sockets give them.
fn exchange(bench: &mut Bench, stream: u64, state: &[u8]) {
    let id = StreamId::accepted(stream);
    let mut event = |event| {
        bench.input(Input::Stream { id, event });
    };
    event(StreamEvent::Accepted { from: address(1) });
    state.chunks(64 << 10).for_each(|piece| event(StreamEvent::Data(piece)));
}

criterion_group!(benches, known, newcomer);
criterion_main!(benches);
