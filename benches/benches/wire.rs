//! The codecs alone: messages, packets, encryption, checksum, compression.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tidings_benches::node::{address, alive, name, ping};
use tidings_core::Config;
use tidings_core::wire::compound::Compound;
use tidings_core::wire::message::Message;
use tidings_core::wire::packet::{Closer, Opener};
use tidings_core::wire::{Keyring, lzw, seal};

/// One message in each direction.
fn messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("wire/message");
    for (kind, bytes) in [("ping", ping(1, 7)), ("alive", alive(1, 7))] {
        group.bench_function(BenchmarkId::new("decode", kind), |b| {
            b.iter(|| Message::decode(black_box(&bytes)).expect("a good message"));
        });
        let message = Message::decode(&bytes).expect("a good message");
        let mut out = Vec::with_capacity(bytes.len());
        group.bench_function(BenchmarkId::new("encode", kind), |b| {
            b.iter(|| {
                out.clear();
                black_box(&message).encode(&mut out);
                out.len()
            });
        });
    }
    group.finish();
}

/// A gossip packet as full as it gets: how it is closed, and opened and decoded again.
fn gossip_packet(c: &mut Criterion) {
    let plain = Config::lan(name(0), address(0));
    let mut without_lzw = plain.clone();
    without_lzw.packet.compression = false;
    let key = Keyring::new([[7; 32]]).expect("a good key");
    let kinds = [
        ("plain", &without_lzw, Keyring::default()),
        ("compressed", &plain, Keyring::default()),
        ("encrypted", &without_lzw, key),
    ];
    let mut parts = Compound::new();
    for i in (1..).take_while(|i| 14 * i <= 1_400 / 8) {
        parts.push(&alive(i, 1));
    }
    let mut message = Vec::new();
    parts.encode(&mut message);

    let mut group = c.benchmark_group(format!("wire/packet of {} alive messages", parts.len()));
    group.throughput(Throughput::Bytes(message.len() as u64));
    for (kind, config, keyring) in kinds {
        let (mut closer, mut opener, mut out) = (Closer::new(), Opener::new(), BytesMut::new());
        group.bench_function(BenchmarkId::new("close", kind), |b| {
            b.iter(|| {
                out.clear();
                closer.close(black_box(&message), true, config, &keyring, || [3; 12], &mut out);
                out.len()
            });
        });
        group.bench_function(BenchmarkId::new("open and decode", kind), |b| {
            b.iter(|| {
                let mut messages = 0;
                opener.open(black_box(&out), config, &keyring, |message| {
                    black_box(Message::decode(message.expect("no refusal"))).expect("a good message");
                    messages += 1;
                });
                assert_eq!(messages, parts.len());
            });
        });
    }
    group.finish();
}

/// Encryption alone, for each size of key.
fn sealing(c: &mut Criterion) {
    let mut group = c.benchmark_group("wire/seal 1400 bytes");
    let message = [0x5a; 1_400];
    group.throughput(Throughput::Bytes(message.len() as u64));
    for size in [16, 24, 32] {
        let keyring = Keyring::new([vec![7; size]]).expect("a good key");
        let (mut out, mut opened) = (Vec::with_capacity(2_000), Vec::with_capacity(2_000));
        group.bench_function(BenchmarkId::new("seal", 8 * size), |b| {
            b.iter(|| {
                out.clear();
                seal::seal(&keyring, [3; 12], b"", &mut out, |out| {
                    out.extend_from_slice(black_box(&message))
                });
                out.len()
            });
        });
        group.bench_function(BenchmarkId::new("open", 8 * size), |b| {
            b.iter(|| seal::open(&keyring, black_box(&out), b"", &mut opened).expect("the same key"));
        });
    }
    group.finish();
}

/// Compression alone, of what a push/pull looks like.
fn compression(c: &mut Criterion) {
    let plain: Vec<u8> = (1..1_000).flat_map(|i| alive(i, 1)).collect();
    let mut packed = Vec::new();
    lzw::encode(&plain, &mut packed);
    let mut group = c.benchmark_group("wire/lzw");
    group.throughput(Throughput::Bytes(plain.len() as u64)).sample_size(20);
    let mut out = Vec::new();
    group.bench_function("encode", |b| {
        b.iter(|| {
            out.clear();
            lzw::encode(black_box(&plain), &mut out);
            out.len()
        });
    });
    group.bench_function("decode", |b| {
        b.iter(|| {
            out.clear();
            lzw::decode(black_box(&packed), &mut out, plain.len()).expect("good codes");
            out.len()
        });
    });
    group.finish();
}

criterion_group!(benches, messages, gossip_packet, sealing, compression);
criterion_main!(benches);
