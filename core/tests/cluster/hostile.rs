//! Bytes from outside: refused or taken, but never a panic, a hang, or a cluster that flaps.

use std::net::SocketAddr;

use tidings_core::{Event, LamportTime, MemberEventKind, Refusal, State, StreamId};

use crate::common::wire::{self, NodeState, QueryMessage, V};
use crate::common::{Cluster, Draw, StreamHappening, ms, secs};

fn outsider() -> SocketAddr {
    "10.66.6.6:7946".parse().unwrap()
}

/// Datagrams and stream halves recorded between real agents.
fn recorded(proto: &str) -> Vec<Vec<u8>> {
    let file = include_str!("../vectors/plain-0.10.1.jsonl");
    let lines = file.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let lines = lines.filter(|line| line["proto"] == proto);
    lines.map(|line| unhex(line["hex"].as_str().unwrap())).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// Opens a stream to host 0 as an outsider and sends these pieces.
fn stream(cluster: &mut Cluster, pieces: &[&[u8]]) -> StreamId {
    let id = cluster.accepted_id(0);
    cluster.inject_stream(0, id, StreamHappening::Accepted(outsider()));
    for piece in pieces {
        cluster.inject_stream(0, id, StreamHappening::Data(piece.to_vec().into()));
    }
    id
}

/// Three nodes that must still be a cluster afterwards, whatever `attack` did to the first.
fn survives(attack: impl FnOnce(&mut Cluster)) -> Cluster {
    let mut cluster = Cluster::lan(3).joined();
    attack(&mut cluster);
    cluster.run(secs(30));
    for host in 0..3 {
        for other in 0..3 {
            let state = cluster.state(host, &format!("n{other}"));
            assert_eq!(state, Some(State::Alive), "n{other} at n{host}");
        }
        for name in cluster.heard_of(host, MemberEventKind::Failed) {
            assert!(!["n0", "n1", "n2"].contains(&name.as_str()), "{name} flapped at n{host}");
        }
    }
    cluster.event(0, "still-here", b"");
    cluster.until("the event arrives", secs(120), |c| c.user_events(2, "still-here").len() == 1);
    cluster
}

#[test]
fn random_bytes_are_refused() {
    survives(|cluster| {
        let mut draw = Draw::new(1);
        for round in 0..20_000u64 {
            let size = draw.below(120) as usize;
            let mut bytes = draw.bytes(size);
            if let (Some(first), true) = (bytes.first_mut(), round % 2 == 0) {
                *first %= 14;
            }
            cluster.inject(outsider(), 0, &bytes);
        }
    });
}

#[test]
fn damaged_packets_are_refused_or_taken() {
    let packets = recorded("udp");
    let mut cluster = Cluster::lan(1);
    let mut draw = Draw::new(2);
    for round in 0..6_000 {
        let mut packet = packets[round % packets.len()].clone();
        match draw.below(3) {
            0 => packet.truncate(draw.below(packet.len() as u64) as usize),
            1 => {
                for _ in 0..=draw.below(4) {
                    let at = draw.below(packet.len() as u64) as usize;
                    packet[at] ^= 1 << draw.below(8);
                }
            }
            _ => {
                let at = draw.below(packet.len() as u64) as usize;
                packet[at] = draw.u64() as u8;
                let tail = draw.below(9) as usize;
                packet.extend(draw.bytes(tail));
            }
        }
        // The checksum would refuse most of them at the door.
        if packet.len() > 5 && packet[0] == 12 {
            packet = wire::crc(&packet[5..]);
        }
        cluster.inject(outsider(), 0, &packet);
        if round % 100 == 0 {
            cluster.run(ms(50));
        }
    }
    cluster.run(secs(60));
    assert_eq!(cluster.state(0, "n0"), Some(State::Alive));
}

#[test]
fn damaged_streams_are_refused_or_taken() {
    let halves = recorded("tcp");
    let mut cluster = Cluster::lan(1);
    let mut draw = Draw::new(3);
    for round in 0..600 {
        let mut half = halves[round % halves.len()].clone();
        for _ in 0..draw.below(4) {
            let at = draw.below(half.len() as u64) as usize;
            half[at] = draw.u64() as u8;
        }
        half.truncate(draw.below(2 * half.len() as u64) as usize);
        let cut = draw.below(half.len() as u64 + 1) as usize;
        let id = stream(&mut cluster, &[&half[..cut], &half[cut..]]);
        if round % 3 == 0 {
            cluster.inject_stream(0, id, StreamHappening::Closed);
        }
        cluster.run(ms(50));
    }
    cluster.run(secs(60));
    // Members made up by damage are dialled now and then; what others opened must be closed.
    assert!(!cluster.hosts[0].streams.keys().any(|id| id.is_accepted()));
    assert_eq!(cluster.state(0, "n0"), Some(State::Alive));
}

#[test]
fn streams_may_come_in_single_bytes() {
    let mut cluster = Cluster::lan(1);
    let ghost = NodeState::new("ghost", outsider(), 1, 0);
    for bytes in [
        wire::honest_push_pull(true, &[ghost], b""),
        wire::compress(&wire::honest_push_pull(true, &[NodeState::new("other", outsider(), 1, 0)], b"")),
    ] {
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        stream(&mut cluster, &pieces);
        cluster.run(ms(10));
    }
    assert_eq!(cluster.statuses(0).len(), 3);
    cluster.run(secs(15));
    cluster.assert_no_open_streams();
}

#[test]
fn compression_bombs_are_refused() {
    let cluster = survives(|cluster| {
        let zeros = wire::compress(&vec![0; 10 << 20]);
        cluster.inject(outsider(), 0, &zeros[..zeros.len().min(65_000)]);
        let nested = wire::compress(&wire::compress(&vec![7; 4 << 20]));
        cluster.inject(outsider(), 0, &nested[..nested.len().min(65_000)]);
        let pushed = wire::compress(&[&[6u8][..], &vec![0; 50 << 20]].concat());
        stream(cluster, &[&pushed]);
    });
    assert!(cluster.refusals(0) >= 2, "they were refused");
}

#[test]
fn deep_nesting_is_refused() {
    survives(|cluster| {
        let mut packed = wire::ping(1, "n0");
        let mut nested = wire::ping(1, "n0");
        for _ in 0..400 {
            nested = wire::compound(&[nested]);
            cluster.inject(outsider(), 0, &nested);
        }
        while packed.len() < 30_000 {
            packed = wire::compress(&packed);
            cluster.inject(outsider(), 0, &packed);
        }
        // A tree of compounds: every level holds the next one many times.
        let mut tree = wire::ping(1, "");
        while tree.len() < 6_000 {
            tree = wire::compound(&vec![tree; 8]);
            cluster.inject(outsider(), 0, &tree);
        }
        // Msgpack in msgpack: ten thousand arrays of one.
        let mut deep = vec![0];
        deep.extend(vec![0x91; 10_000]);
        cluster.inject(outsider(), 0, &deep);
        let mut deep = vec![0, 0x81, 0xa1, b'x'];
        deep.extend(vec![0x91; 10_000]);
        cluster.inject(outsider(), 0, &deep);
    });
}

#[test]
fn impossible_claims_are_refused() {
    let states = [NodeState::new("ghost", outsider(), 1, 0)];
    let honest = V::U(1);
    let cases = [
        ("no nodes at all, negative", wire::push_pull(false, V::I(-1), &[], V::U(0), b"")),
        ("2^40 nodes", wire::push_pull(false, V::U(1 << 40), &[], V::U(0), b"")),
        ("2^20 nodes", wire::push_pull(false, V::U(1 << 20), &[], V::U(0), b"")),
        ("2^40 bytes of state", wire::push_pull(false, honest.clone(), &states, V::U(1 << 40), b"")),
        ("negative state", wire::push_pull(false, honest.clone(), &states, V::I(-1), b"")),
        ("i64::MIN nodes", wire::push_pull(false, V::I(i64::MIN), &[], V::I(i64::MIN), b"")),
        ("u64::MAX nodes", wire::push_pull(false, V::U(u64::MAX), &[], V::U(u64::MAX), b"")),
        ("a name of 4 GiB", vec![6, 0x83, 0xdb, 0xff, 0xff, 0xff, 0xff]),
        ("a map of 4 G entries", vec![6, 0xdf, 0xff, 0xff, 0xff, 0xff]),
        ("an array of 4 G entries", vec![0, 0xdd, 0xff, 0xff, 0xff, 0xff]),
        ("2 GiB of ciphertext", vec![10, 0x7f, 0xff, 0xff, 0xff]),
        (
            "a user message of 4 GiB",
            [&[8u8][..], &V::Map(vec![("UserMsgLen", V::U(4 << 30))]).bytes()].concat(),
        ),
        ("a type nobody knows", vec![77, 1, 2, 3]),
        ("an empty label", vec![244, 0, 6]),
        ("an endless label", vec![244, 255, b'a']),
    ];
    let cluster = survives(|cluster| {
        for (_, bytes) in &cases {
            stream(cluster, &[bytes]);
            cluster.inject(outsider(), 0, bytes);
            cluster.run(ms(20));
        }
    });
    cluster.assert_no_open_streams();
}

#[test]
fn what_would_end_an_original_is_not_passed_on() {
    let cluster = survives(|cluster| {
        let ask = |name: &str, id| QueryMessage::new(name, outsider(), 7, id);
        let fatal = [
            QueryMessage { filters: vec![wire::raw(vec![])], ..ask("odd", 1) },
            QueryMessage { filters: vec![wire::raw(vec![9]), wire::raw(vec![])], ..ask("odd", 2) },
            ask("_serf_install-key", 3),
            QueryMessage { payload: wire::raw(""), ..ask("_serf_use-key", 4) },
            ask("_serf_remove-key", 5),
        ];
        for query in fatal {
            cluster.inject(outsider(), 0, &query.bytes());
        }
    });
    assert_eq!(cluster.hosts[0].node().metrics().refused, 5);
    assert_eq!(cluster.hosts[1].node().metrics().queries, 0);
}

#[test]
fn odd_queries_are_survived() {
    survives(|cluster| {
        let ask = |name: &str, id| QueryMessage::new(name, outsider(), 7, id);
        let with_filter = |id, filter: Vec<u8>| QueryMessage {
            filters: vec![wire::raw(filter)],
            flags: 1,
            ..ask("odd", id)
        };
        let tag = |expr: &str| {
            let mut filter = vec![1];
            V::Map(vec![("Expr", wire::raw(expr)), ("Tag", wire::raw("role"))]).encode(&mut filter);
            filter
        };
        let payload = |name: &str, id, payload: V| QueryMessage { payload, ..ask(name, id) };
        for query in [
            with_filter(1, vec![]),
            with_filter(2, vec![0]),
            with_filter(3, vec![1, 0xc1]),
            with_filter(4, vec![9, 0x90]),
            with_filter(5, tag("(")),
            with_filter(6, tag(&"(a*)*".repeat(50))),
            with_filter(7, tag("((a{1,1000}){1,1000}){1,1000}")),
            with_filter(8, tag(&"(".repeat(5000))),
            payload("_serf_install-key", 10, V::Nil),
            payload("_serf_install-key", 11, wire::raw("")),
            payload("_serf_use-key", 12, wire::raw([7])),
            payload("_serf_remove-key", 13, wire::raw([7, 0xc1])),
            payload("_serf_list-keys", 14, V::Nil),
            payload("_serf_conflict", 15, V::Nil),
            payload("_serf_conflict", 16, wire::raw([0xff; 300])),
            payload("_serf_", 17, V::Nil),
            QueryMessage { timeout: i64::MIN, flags: 1, ..ask("odd", 20) },
            QueryMessage { timeout: i64::MAX, flags: 1, ..ask("odd", 21) },
            QueryMessage { timeout: 0, flags: 1, ..ask("odd", 22) },
            QueryMessage { ltime: u64::MAX, flags: 3, ..ask("odd", 23) },
            QueryMessage { relay: 255, flags: 1, ..ask("odd", 24) },
            QueryMessage { flags: u32::MAX.into(), ..ask("odd", 25) },
            QueryMessage { name: String::new(), flags: 1, ..ask("odd", 26) },
        ] {
            cluster.inject(outsider(), 0, &query.bytes());
            cluster.run(ms(20));
        }
        cluster.respond_all("odd");
    });
}

#[test]
fn counters_at_their_ends_are_survived() {
    let cluster = survives(|cluster| {
        for message in [
            wire::user_event("end", u64::MAX, b""),
            wire::join_intent("n1", u64::MAX),
            wire::leave_intent("stranger", u64::MAX, true),
            wire::suspect("n0", u32::MAX.into(), "n1"),
            wire::dead("n0", u32::MAX.into(), "n1"),
            wire::ping(u32::MAX.into(), "n0"),
            wire::ack(u32::MAX.into(), V::Nil),
            wire::alive("ghost", outsider(), u32::MAX.into()),
            wire::suspect("ghost", u32::MAX.into(), "n1"),
        ] {
            cluster.inject(outsider(), 0, &message);
            cluster.run(ms(200));
        }
    });
    assert!(cluster.member(0, "n1").unwrap().status_ltime() <= LamportTime(u64::MAX));
}

#[test]
fn members_without_end_fill_the_view_and_no_more() {
    let mut cluster = Cluster::with(1, |_, config| config.members.max = 50);
    for i in 0..200 {
        let ghost = format!("ghost{i}");
        cluster.inject(outsider(), 0, &wire::alive(&ghost, Cluster::address(1000 + i), 1));
    }
    assert_eq!(cluster.hosts[0].node().view().len(), 50);
    let full = cluster.hosts[0].events.iter().filter(|(_, event)| match event {
        Event::Refused(refused) => matches!(refused.reason, Refusal::Full(_)),
        _ => false,
    });
    assert_eq!(full.count(), 151);
    cluster.run(secs(30));
}

#[test]
fn ghosts_come_and_go_without_hurting_the_living() {
    survives(|cluster| {
        for i in 0..60 {
            let ghost = format!("ghost{i}");
            cluster.inject(outsider(), 0, &wire::alive(&ghost, Cluster::address(1000 + i), 1));
        }
        // Failing probes slow the prober down: it takes a while to be through with all.
        cluster.run(secs(1800));
        let statuses = cluster.statuses(1);
        assert_eq!(statuses.values().filter(|s| **s == tidings_core::Status::Alive).count(), 3);
    });
}

#[test]
fn half_open_streams_are_limited_and_timed_out() {
    let mut cluster = Cluster::lan(1);
    for i in 0..1000u32 {
        let bytes: &[u8] = if i % 2 == 0 { &[] } else { &[6, 0x83] };
        stream(&mut cluster, &[bytes]);
    }
    let limit = cluster.hosts[0].config.stream.open_max;
    assert!(cluster.hosts[0].streams.len() <= limit, "{} are open", cluster.hosts[0].streams.len());
    cluster.run(secs(12));
    cluster.assert_no_open_streams();
    // And it is open for business again.
    let id = stream(&mut cluster, &[&wire::ping(9, "n0")]);
    cluster.run(ms(1));
    assert!(!cluster.hosts[0].streams.contains_key(&id), "answered and closed");
    assert!(cluster.hosts[0].node().metrics().stream_bytes_out > 0);
}

#[test]
fn a_replayed_conversation_changes_nothing() {
    let mut cluster = Cluster::lan(3);
    cluster.net.tapped = true;
    let mut cluster = cluster.joined();
    cluster.event(1, "once", b"");
    cluster.run(secs(10));
    let told = std::mem::take(&mut cluster.net.tap);
    cluster.forget_events();
    for _ in 0..2 {
        for packet in &told {
            let Some(&to) = cluster.net.addresses.get(&packet.to) else { continue };
            let from = Cluster::address(packet.from);
            cluster.inject(from, to, &packet.payload);
        }
        cluster.net.tap.clear();
        cluster.run(secs(5));
    }
    cluster.assert_converged();
    for host in 0..3 {
        assert!(cluster.user_events(host, "once").is_empty(), "n{host} heard it before");
        for kind in [MemberEventKind::Failed, MemberEventKind::Leave, MemberEventKind::Join] {
            assert!(cluster.heard_of(host, kind).is_empty(), "n{host} {kind}");
        }
    }
}

#[test]
fn acks_nobody_waits_for_are_ignored() {
    survives(|cluster| {
        for seq in 0..5_000 {
            cluster.inject(outsider(), 0, &wire::ack(seq, V::Nil));
        }
    });
}

#[test]
fn relays_are_not_a_way_to_amplify() {
    let mut cluster = Cluster::lan(1);
    // A relay to a third party: sent on once, unchanged in size, and nothing else.
    let header = V::Map(vec![
        (
            "DestAddr",
            V::Map(vec![("IP", wire::ip(outsider().ip())), ("Port", V::U(7946)), ("Zone", wire::raw(""))]),
        ),
        ("DestName", wire::raw("x")),
    ]);
    let mut relay = wire::user(9, header);
    relay.extend([5, 0x80]);
    let before = cluster.net.packets;
    cluster.inject(outsider(), 0, &relay);
    assert_eq!(cluster.net.packets, before + 1);
    assert!(cluster.net.bytes < relay.len() as u64);
}
