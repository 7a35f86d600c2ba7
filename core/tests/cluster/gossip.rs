//! How news spreads: promptly, cheaply, and by push/pull where gossip was lost; coordinates.

use std::time::Duration;

use rmpv::Value;
use tidings_core::{MemberEventKind, Status};

use crate::common::wire::{self, Read};
use crate::common::{Cluster, Draw, ms, secs};

/// Sends one event in a quiet cluster of `n`; how long until all had it, and how many datagrams
/// carried it that would not have been sent anyway.
fn spread(n: usize, eager: bool) -> (Duration, usize) {
    let mut cluster = Cluster::with(n, |_, config| config.gossip.eager = eager).joined();
    cluster.run(secs(10));
    cluster.net.tapped = true;
    let sent = cluster.now;
    cluster.event(n / 3, "spread", b"");
    cluster.run(secs(15));
    let last = (0..n).map(|h| {
        let heard = cluster.user_events(h, "spread");
        assert_eq!(heard.len(), 1, "n{h}");
        heard[0].0.since(sent)
    });
    let took = last.max().unwrap();
    let carries = |all: &[Read]| {
        let anyway = all.iter().any(|m| matches!(m.kind, 0 | 1 | 2 | 11));
        !anyway && all.iter().any(|m| m.serf == Some(3))
    };
    let packets = cluster.net.tap.iter().filter(|p| carries(&wire::read_packet(&p.payload)));
    (took, packets.count())
}

#[test]
fn prompt_gossip_is_fast_and_costs_no_more() {
    let n = if cfg!(debug_assertions) { 50 } else { 100 };
    let (prompt, prompt_packets) = spread(n, true);
    let (patient, patient_packets) = spread(n, false);
    assert!(prompt < ms(150), "it took {prompt:?}");
    assert!(patient > prompt, "waiting for rounds took {patient:?}");
    // Both send as many copies; patient ones ride on a few more pings that leave anyway.
    let limit = if n < 100 { 8 } else { 12 };
    assert!(
        prompt_packets <= n * limit && prompt_packets <= patient_packets + patient_packets / 50,
        "{prompt_packets} datagrams promptly, {patient_packets} patiently"
    );
}

#[test]
fn gossip_alone_reaches_nearly_everybody_nearly_always() {
    // Below ten members each node sends four copies: chance leaves somebody out of up to one event
    // in fifteen until the next push/pull, about as among real agents. From ten on it is eight.
    for (n, missed_max) in [(4, 0), (6, 4), (9, 16), (12, 0), (30, 4)] {
        let mut cluster =
            Cluster::with(n, |_, config| config.push_pull.interval = Some(secs(100_000))).joined();
        let mut missed = 0;
        for i in 0..400 {
            let name = format!("e{i}");
            cluster.event(i % n, &name, b"");
            // The last copies ride on the pings of the next second.
            cluster.run(ms(1500));
            missed += usize::from((0..n).any(|host| cluster.user_events(host, &name).is_empty()));
            cluster.forget_events();
        }
        assert!(missed <= missed_max, "{missed} of 400 events did not reach all of {n}");
    }
}

#[test]
fn push_pull_heals_what_gossip_lost() {
    let mut cluster = Cluster::with(5, |_, config| config.push_pull.interval = Some(secs(10))).joined();
    for other in 1..5 {
        cluster.net.block_datagrams(0, other);
        cluster.net.block_datagrams(other, 0);
    }
    cluster.event(0, "lost", b"");
    let token = cluster.set_tags(0, &[("role", "lost")]);
    let took = cluster
        .until("the event is everywhere", secs(60), |c| (0..5).all(|h| c.user_events(h, "lost").len() == 1));
    assert!(took >= ms(100), "no datagram can have brought it");
    cluster.until("the tags are everywhere", secs(60), |c| {
        (1..5).all(|h| c.heard(h, MemberEventKind::Update, "n0").len() == 1)
    });
    let _ = cluster.answer(0, token);
}

#[test]
fn a_quiet_cluster_sends_little() {
    let mut cluster = Cluster::lan(10).joined();
    cluster.run(secs(30));
    let before = cluster.net.packets;
    cluster.run(secs(60));
    let packets = cluster.net.packets - before;
    // A ping and an ack a second and node, and nothing else.
    assert!((1100..=1210).contains(&packets), "{packets} datagrams in a quiet minute");
}

#[test]
fn packets_keep_to_their_size() {
    let mut cluster = Cluster::with(20, |_, config| config.packet.compression = false);
    let mut draw = Draw::new(4);
    cluster.net.tapped = true;
    for host in 1..20 {
        cluster.join(host, 0);
    }
    for host in 0..20 {
        for i in 0..20 {
            // Random letters, so that packing them saves little.
            let text: Vec<u8> = draw.bytes(200).iter().map(|b| b' ' + b % 94).collect();
            cluster.event(host, &format!("e{i}"), &text);
        }
    }
    cluster.run(secs(20));
    let largest = cluster.net.tap.iter().map(|p| p.payload.len()).max().unwrap();
    // The budget leaves out the checksum's five bytes: gossip-wire, section 8.4.
    assert!((1000..=1405).contains(&largest), "the largest had {largest} bytes");
}

#[test]
fn gossip_alone_spreads_a_failure() {
    // Only n0 can find out: nobody else probes often enough to notice.
    let mut cluster = Cluster::with(6, |i, config| {
        config.suspicion.fixed = Some(secs(3));
        if i != 0 {
            config.probe.interval = secs(3600);
        }
    })
    .joined();
    cluster.kill(5);
    cluster.until("all know", secs(30), |c| (0..5).all(|h| c.status(h, "n5") == Some(Status::Failed)));
    let first = cluster.heard(0, MemberEventKind::Failed, "n5")[0];
    for host in 1..5 {
        let heard = cluster.heard(host, MemberEventKind::Failed, "n5");
        assert!(heard[0].since(first) < secs(1) || heard[0] < first, "n{host} heard at {heard:?}");
    }
}

/// A coordinate as it travels on acks.
#[derive(Debug)]
struct Coordinate {
    vec: Vec<f64>,
    height: f64,
    adjustment: f64,
}

impl Coordinate {
    fn read(payload: &Value) -> Self {
        let bytes = wire::bytes_of(payload);
        assert_eq!(bytes[0], 1, "the version of the payload");
        let (map, rest) = wire::value(&bytes[1..]);
        assert!(rest.is_empty());
        let number = |name| wire::field(&map, name).as_f64().unwrap();
        let vec = wire::field(&map, "Vec").as_array().unwrap().iter();
        Coordinate {
            vec: vec.map(|v| v.as_f64().unwrap()).collect(),
            height: number("Height"),
            adjustment: number("Adjustment"),
        }
    }

    fn distance(&self, other: &Self) -> f64 {
        let square: f64 = self.vec.iter().zip(&other.vec).map(|(a, b)| (a - b) * (a - b)).sum();
        let raw = square.sqrt() + self.height + other.height;
        let adjusted = raw + self.adjustment + other.adjustment;
        if adjusted > 0.0 { adjusted } else { raw }
    }
}

/// The last coordinate each host told.
fn coordinates(cluster: &Cluster) -> Vec<Option<Coordinate>> {
    (0..cluster.hosts.len())
        .map(|host| {
            let own = cluster.net.tap.iter().rev().filter(|p| p.from == host);
            let mut acks = own.flat_map(|p| wire::read_packet(&p.payload)).filter(|m| m.kind == 2);
            acks.find(|m| !wire::bytes_of(m.field("Payload")).is_empty())
                .map(|m| Coordinate::read(m.field("Payload")))
        })
        .collect()
}

#[test]
fn coordinates_come_to_tell_the_round_trip_times() {
    let mut cluster = Cluster::lan(6);
    for a in 0..6 {
        for b in 0..a {
            // Two sites, 5 ms inside and 40 ms between.
            let latency = if a % 2 == b % 2 { ms(5) } else { ms(40) };
            cluster.net.link(a, b, latency);
        }
    }
    let mut cluster = cluster.joined();
    cluster.run(secs(600));
    cluster.net.tapped = true;
    cluster.run(secs(30));
    let told = coordinates(&cluster);
    for a in 0..6 {
        for b in 0..a {
            let real = if a % 2 == b % 2 { 0.010 } else { 0.080 };
            let (Some(one), Some(other)) = (&told[a], &told[b]) else { panic!("no coordinates") };
            let distance = one.distance(other);
            assert!((distance - real).abs() < real * 0.25 + 0.005, "n{a} to n{b}: {distance}, really {real}");
        }
    }
    assert_eq!(cluster.hosts[0].node().stats().coordinate_resets, Some(0));
}

#[test]
fn without_coordinates_acks_carry_none() {
    let mut cluster = Cluster::with(2, |_, config| config.coordinates = false).joined();
    cluster.net.tapped = true;
    cluster.run(secs(5));
    assert!(coordinates(&cluster).iter().all(Option::is_none));
    assert_eq!(cluster.hosts[0].node().stats().coordinate_resets, None);
}

#[test]
fn snapshot_lines_tell_who_was_there() {
    let mut cluster = Cluster::with(3, |i, config| config.snapshot = i == 0).joined();
    cluster.event(1, "deploy", b"");
    cluster.run(secs(5));
    cluster.kill(2);
    cluster.run(secs(40));
    let token = cluster.leave(0);
    cluster.answer(0, token).unwrap();
    let mut lines = String::new();
    for (_, persist) in &cluster.hosts[0].persisted {
        let tidings_core::Persist::Append { lines: more, .. } = persist else { continue };
        assert_eq!(more.last(), Some(&b'\n'), "whole lines only");
        lines.push_str(std::str::from_utf8(more).unwrap());
    }
    for line in
        ["alive: n1 10.0.0.2:7946", "alive: n2 10.0.0.3:7946", "not-alive: n2", "event-clock: 1", "leave"]
    {
        assert!(lines.lines().any(|l| l == line), "{line} is missing in:\n{lines}");
    }
    assert!(lines.lines().any(|l| l.starts_with("clock: ")));
    assert!(cluster.hosts[1].persisted.is_empty(), "only where asked for");
}
