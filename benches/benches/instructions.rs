//! What the packet path costs in instructions, which other load on the machine does not change.
//!
//! Run by the program `instructions`, which compares the counts with those in `instructions.json`.

#![allow(unused_qualifications, reason = "what the macros make qualifies its names")]

use std::hint::black_box;

use gungraun::prelude::*;
use tidings_benches::node::Bench;
use tidings_benches::packets::{Packet, fresh_updates, pings, pings_with_old_news};
use tidings_core::serf::dedup::EventBuffer;
use tidings_core::{Input, LamportTime, Output};

/// Packets of one count: enough that what happens once does not show.
const PACKETS: usize = 500;

type Prepared = (Bench, Vec<Packet>);

fn with_pings(members: usize) -> Prepared {
    warm(members, pings(2 * PACKETS, members))
}

fn with_old_news(members: usize) -> Prepared {
    warm(members, pings_with_old_news(2 * PACKETS, members))
}

fn with_fresh_updates(members: usize) -> Prepared {
    (Bench::quiet(members), fresh_updates(99, 2))
}

/// The first half of the packets has been handled, so that buffers have their sizes.
fn warm(members: usize, mut packets: Vec<Packet>) -> Prepared {
    let mut bench = Bench::quiet(members);
    for (from, packet) in packets.drain(..PACKETS) {
        bench.datagram(from, &packet);
    }
    (bench, packets)
}

#[library_benchmark(setup = with_pings)]
#[bench::of_1000(1_000)]
#[bench::of_10000(10_000)]
fn ping_to_ack(prepared: Prepared) -> Prepared {
    all_handled(prepared)
}

#[library_benchmark(setup = with_old_news)]
#[bench::of_1000(1_000)]
#[bench::of_10000(10_000)]
fn ping_with_four_known_updates(prepared: Prepared) -> Prepared {
    all_handled(prepared)
}

#[library_benchmark(setup = with_fresh_updates)]
#[bench::of_1000(1_000)]
#[bench::of_10000(10_000)]
fn fresh_update(prepared: Prepared) -> Prepared {
    all_handled(prepared)
}

/// Given back, so that its end is not counted.
fn all_handled((mut bench, packets): Prepared) -> Prepared {
    for (from, packet) in &packets {
        black_box(bench.datagram(*from, black_box(packet)));
    }
    (bench, packets)
}

/// Ever the same queue of so many updates, and none of them done.
fn with_queued(updates: usize) -> Bench {
    let mut bench = Bench::alone(|config| {
        config.gossip.fixed_limit = Some(u32::MAX);
        config.gossip.eager = false;
    });
    for (from, update) in fresh_updates(updates, 1) {
        bench.datagram(from, &update);
    }
    gossip(bench, 10)
}

#[library_benchmark(setup = with_queued)]
#[bench::from_1000(1_000)]
#[bench::from_10000(10_000)]
fn gossip_rounds(bench: Bench) -> Bench {
    gossip(bench, 50)
}

/// So many rounds of gossip, to three members each.
fn gossip(mut bench: Bench, rounds: usize) -> Bench {
    let mut sent = 0;
    while sent < 3 * rounds {
        bench.now = bench.node.poll_timeout().expect("gossip is due").max(bench.now);
        bench.node.handle_input(bench.now, Input::Timeout).expect("a lawful input");
        while let Some(output) = bench.node.poll_output() {
            sent += usize::from(matches!(black_box(output), Output::Datagram { .. }));
        }
    }
    bench
}

fn full_buffer() -> (EventBuffer, u64) {
    let mut buffer = EventBuffer::new(512, 4 << 20);
    for clock in 1..=512 {
        let _ = buffer.offer(LamportTime(clock), LamportTime(clock), "deploy", b"web 2.31.4");
    }
    (buffer, 512)
}

#[library_benchmark]
#[bench::after_512(full_buffer())]
fn event_heard_again((mut buffer, clock): (EventBuffer, u64)) -> EventBuffer {
    for back in 0..PACKETS as u64 {
        let (clock, ltime) = (LamportTime(clock), LamportTime(clock - back));
        let _ = black_box(buffer.offer(clock, ltime, black_box("deploy"), b"web 2.31.4"));
    }
    buffer
}

library_benchmark_group!(
    name = packet_path,
    benchmarks = [ping_to_ack, ping_with_four_known_updates, fresh_update, gossip_rounds, event_heard_again]
);

main!(library_benchmark_groups = packet_path);
