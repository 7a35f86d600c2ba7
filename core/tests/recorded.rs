//! Real agents' reactions to crafted messages, replayed: ours must react alike.
//!
//! `injected.jsonl` and `injected-join.jsonl` hold what was sent to real agents and everything
//! they sent back. Nodes configured like them get the same bytes at the same times; replies are
//! compared by meaning, silence as silence. What an agent does in its own time (its probes, how
//! often it gossips) is not compared, nor is what [`DIFFERENT`] lists.

mod common;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes128Gcm, Nonce};
use common::wire::{self, Read, bytes_of, field, value};
use common::{Cluster, StreamHappening, ms};
use rmpv::Value;
use serde_json::Value as Json;
use tidings_core::{Config, StreamId, Time};

/// Where we differ on purpose: a part of the recorded reaction, and why.
const DIFFERENT: [(&str, &str); 5] = [
    ("novsn", "an alive without six version bytes breaks merging for a whole cluster, so it is refused"),
    ("suspect ghost 7", "whether the silent ghost is suspected before the end depends on probe order"),
    ("alive x 1", "a lone node's first alive rides on acks there; ours travels by push/pull alone"),
    ("alive y 1", "as for x"),
    ("ack 118", "a name sent as bin is understood by newer agents and by us"),
];

fn is_different(text: &str) -> bool {
    DIFFERENT.iter().any(|(part, _)| text.starts_with(part) || text.contains(&format!(" {part} ")))
}

/// The key of agent e.
const KEY: &[u8] = b"0123456789abcdef";

struct Line {
    at: Duration,
    tcp: bool,
    src: SocketAddr,
    dst: SocketAddr,
    conn: u64,
    reply: bool,
    bytes: Vec<u8>,
    note: String,
}

impl Line {
    fn injected(&self) -> bool {
        self.note.starts_with("INJECTED:")
    }
}

fn lines(file: &str) -> Vec<Line> {
    let parse = |line: &str| {
        let json: Json = serde_json::from_str(line).unwrap();
        let text = |name: &str| json[name].as_str().unwrap_or_default();
        let hex = text("hex");
        Line {
            at: Duration::from_secs_f64(json["t"].as_f64().unwrap()),
            tcp: text("proto") == "tcp",
            src: text("src").parse().unwrap(),
            dst: text("dst").parse().unwrap(),
            conn: json["conn"].as_u64().unwrap_or_default(),
            reply: text("dir") == "reply",
            bytes: (0..hex.len() / 2)
                .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
                .collect(),
            note: text("note").to_string(),
        }
    };
    file.lines().map(parse).collect()
}

fn addr(last: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, last], 7946))
}

/// Agents x, y and e of `injected.jsonl`. There, x came to know y by an ack of y's.
fn three_agents() -> Cluster {
    let mut cluster = agents(&[("x", 193), ("y", 194), ("e", 195)], true);
    let tags = [0xff, 0x81, 0xa1, b't', 0xa1, b'y'];
    cluster.inject(addr(194), 0, &wire::alive_with("y", addr(194), 1, &tags));
    cluster
}

/// Agents by name and last octet of their address; the one called `e` has the key.
fn agents(names: &[(&str, u8)], tagged: bool) -> Cluster {
    let mut cluster = Cluster::empty(11);
    cluster.net.latency = Duration::from_micros(100);
    cluster.net.tapped = true;
    for (name, last) in names {
        let mut config = Config::lan(*name, addr(*last));
        // Theirs came too late to be recorded.
        config.push_pull.interval = None;
        // News waits for the next round, as theirs does.
        config.gossip.eager = false;
        if *name == "e" {
            config.security.keys = vec![KEY.into()];
        } else if tagged {
            config.tags.insert("t", *name);
        }
        cluster.add(config);
    }
    cluster
}

/// Opens an envelope of agent e: `version, nonce, ciphertext`.
fn open(envelope: &[u8], header: &[u8]) -> Vec<u8> {
    assert_eq!(envelope[0], 1, "version 1 is what is sent");
    let cipher = Aes128Gcm::new_from_slice(KEY).unwrap();
    let nonce = Nonce::try_from(&envelope[1..13]).unwrap();
    cipher.decrypt(&nonce, Payload { msg: &envelope[13..], aad: header }).expect("under the key of e")
}

/// Reads a datagram of an agent.
fn read(from: SocketAddr, bytes: &[u8]) -> Vec<Read> {
    if from == addr(195) { wire::read_packet(&open(bytes, &[])) } else { wire::read_packet(bytes) }
}

/// The direct answers in a datagram: to pings and queries of the sender.
fn answers(messages: &[Read]) -> Vec<String> {
    let told = messages.iter().filter_map(|m| match (m.kind, m.serf) {
        (2, _) => Some(format!("ack {}", m.number("SeqNo"))),
        (11, _) => Some(format!("nack {}", m.number("SeqNo"))),
        (8, Some(5)) => Some(format!(
            "response {} flags {} from {}: {}",
            m.number("ID"),
            m.number("Flags"),
            m.text("From"),
            payload(bytes_of(m.field("Payload")))
        )),
        _ => None,
    });
    told.filter(|text| !is_different(text)).collect()
}

/// The meaning of a response's payload: messages may be worded otherwise.
fn payload(bytes: &[u8]) -> String {
    match bytes.split_first() {
        None => "nothing".into(),
        Some((kind @ (6 | 8), body)) => {
            let (Value::Map(mut fields), _) = value(body) else { return format!("{kind} of nil") };
            fields.retain(|(key, _)| key.as_str() != Some("Message"));
            let mut fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{key}={:02x?}", plain(value))).collect();
            fields.sort();
            format!("{kind} of {fields:?}")
        }
        Some(_) => format!("{bytes:02x?}"),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:02x?}", text.as_bytes()),
        other => other.to_string(),
    }
}

/// What a datagram passes on, in words.
fn gossip(messages: &[Read]) -> Vec<String> {
    let told = messages.iter().filter_map(|m| match (m.kind, m.serf) {
        (4, _) => Some(format!(
            "alive {} {} at {:02x?}:{} meta {:02x?}",
            m.text("Node"),
            m.number("Incarnation"),
            bytes_of(m.field("Addr")),
            m.number("Port"),
            bytes_of(m.field("Meta"))
        )),
        (3, _) => Some(format!("suspect {} {}", m.text("Node"), m.number("Incarnation"))),
        (5, _) => {
            Some(format!("dead {} {} from {}", m.text("Node"), m.number("Incarnation"), m.text("From")))
        }
        (8, Some(0)) => Some(format!("leave {} {}", m.text("Node"), m.number("LTime"))),
        (8, Some(1)) => Some(format!("join {} {}", m.text("Node"), m.number("LTime"))),
        (8, Some(3)) => Some(format!("event {} {}", m.text("Name"), m.number("LTime"))),
        (8, Some(4)) => Some(format!("query {} {}", m.text("Name"), m.number("ID"))),
        _ => None,
    });
    told.filter(|text| !is_different(text)).collect()
}

/// The meaning of a stream's answer: what would be merged from it.
fn stream_answer(mut bytes: Vec<u8>) -> String {
    if bytes.first() == Some(&10) {
        bytes = open(&bytes[5..], &bytes[..5]);
    }
    if bytes.first() == Some(&9) {
        bytes = wire::decompress(&bytes[1..]);
    }
    let Some((&kind, body)) = bytes.split_first() else { return "silence".into() };
    let (header, mut rest) = value(body);
    match kind {
        2 => format!("ack {} with {}", field(&header, "SeqNo"), field(&header, "Payload")),
        13 => "an error".into(),
        6 => {
            let mut states = BTreeSet::new();
            for _ in 0..field(&header, "Nodes").as_u64().unwrap() {
                let (state, next) = value(&rest);
                rest = next;
                let part = |name| plain(field(&state, name));
                states.insert(
                    ["Name", "Incarnation", "State", "Addr", "Port", "Meta", "Vsn"].map(part).join(" "),
                );
            }
            assert_eq!(rest.len() as u64, field(&header, "UserStateLen").as_u64().unwrap());
            format!("push/pull join={} {states:#?} {}", field(&header, "Join"), serf_state(&rest))
        }
        kind => format!("type {kind}"),
    }
}

fn serf_state(bytes: &[u8]) -> String {
    assert_eq!(bytes[0], 2, "the type of the state");
    let (state, rest) = value(&bytes[1..]);
    assert!(rest.is_empty());
    let Value::Map(mut times) = field(&state, "StatusLTimes").clone() else { panic!("{state}") };
    times.sort_by_key(|(name, _)| name.to_string());
    let clocks = ["LTime", "EventLTime", "QueryLTime"].map(|name| field(&state, name).to_string());
    let events = field(&state, "Events").as_array().unwrap();
    assert_eq!(events.len(), 512, "real agents send every slot");
    let events: Vec<String> = events.iter().filter(|slot| !slot.is_nil()).map(ToString::to_string).collect();
    format!("clocks {clocks:?} times {times:?} left {} events {events:?}", field(&state, "LeftMembers"))
}

/// Runs up to `until`; the sender answers pings meanwhile once it plays a member.
fn run(cluster: &mut Cluster, until: Time, answering: Option<&str>, seen: &mut usize) {
    while cluster.now < until {
        cluster.run(until.since(cluster.now).min(ms(2)));
        let new: Vec<_> = cluster.net.tap[*seen..].to_vec();
        *seen = cluster.net.tap.len();
        for packet in new.iter().filter(|p| Some(p.to) == answering.map(|_| addr(201)) && p.from != 2) {
            for ping in read(cluster.hosts[packet.from].addr(), &packet.payload) {
                if ping.kind == 0 && Some(&*ping.text("Node")) == answering {
                    let ack = wire::ack(ping.number("SeqNo"), wire::V::Nil);
                    cluster.inject(addr(201), packet.from, &ack);
                }
            }
        }
    }
}

/// Replays all injected lines; returns the streams opened, by connection.
fn replay(cluster: &mut Cluster, lines: &[Line]) -> Vec<(u64, usize, StreamId)> {
    let start = cluster.now + ms(100);
    let (mut streams, mut answering, mut seen) = (Vec::new(), None, 0);
    for line in lines.iter().filter(|line| line.injected()) {
        run(cluster, start + line.at, answering, &mut seen);
        if line.note.contains("alive ghost inc=5 |") {
            answering = Some("ghost");
        }
        let host = cluster.net.addresses[&line.dst];
        if !line.tcp {
            cluster.inject(line.src, host, &line.bytes);
            continue;
        }
        let id = cluster.accepted_id(host);
        streams.push((line.conn, host, id));
        cluster.inject_stream(host, id, StreamHappening::Accepted(line.src));
        let piece = if line.note.contains("7-byte pieces") { 7 } else { 1 << 20 };
        for piece in line.bytes.chunks(piece) {
            cluster.inject_stream(host, id, StreamHappening::Data(piece.to_vec().into()));
        }
    }
    run(cluster, cluster.now + ms(1500), answering, &mut seen);
    streams
}

/// The recorded and our answers on each stream, by what was sent.
fn compare_streams(cluster: &Cluster, lines: &[Line], streams: &[(u64, usize, StreamId)]) -> Vec<String> {
    let mut different = Vec::new();
    for (conn, host, id) in streams {
        let sent = lines.iter().find(|l| l.conn == *conn && l.injected()).unwrap();
        let reply = lines.iter().find(|l| l.conn == *conn && l.reply);
        let theirs = stream_answer(reply.map(|l| l.bytes.clone()).unwrap_or_default());
        let (said, _) = &cluster.handmade[&(*host, *id)];
        let ours = stream_answer(said.clone());
        if theirs != ours {
            different.push(format!("{}\n  theirs: {theirs}\n  ours: {ours}", sent.note));
        }
    }
    different
}

#[test]
fn crafted_messages_are_answered_as_real_agents_do() {
    let lines = lines(include_str!("vectors/injected.jsonl"));
    let mut cluster = three_agents();
    let streams = replay(&mut cluster, &lines);
    let sender = addr(201);
    let mut different = compare_streams(&cluster, &lines, &streams);
    for host in 0..3 {
        let agent = cluster.hosts[host].addr();
        let recorded = lines.iter().filter(|l| !l.tcp && l.src == agent && l.dst == sender);
        let mut theirs: Vec<String> = recorded.flat_map(|l| answers(&read(agent, &l.bytes))).collect();
        let told = cluster.net.tap.iter().filter(|p| p.from == host && p.to == sender);
        let mut ours: Vec<String> = told.flat_map(|p| answers(&read(agent, &p.payload))).collect();
        theirs.sort();
        ours.sort();
        if theirs != ours {
            let missing: Vec<_> = theirs.iter().filter(|t| !ours.contains(t)).collect();
            let extra: Vec<_> = ours.iter().filter(|t| !theirs.contains(t)).collect();
            let name = &cluster.hosts[host].config.name;
            different.push(format!(
                "{name} does not say {missing:?} but {extra:?} ({} for {})",
                ours.len(),
                theirs.len()
            ));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn crafted_news_is_passed_on_as_real_agents_do() {
    let lines = lines(include_str!("vectors/injected.jsonl"));
    let mut cluster = three_agents();
    replay(&mut cluster, &lines);
    let ghost = [addr(201), SocketAddr::from(([127, 0, 0, 201], 7950))];
    let agents = [addr(193), addr(194)];
    let recorded = lines.iter().filter(|l| !l.tcp && agents.contains(&l.src) && ghost.contains(&l.dst));
    let theirs: BTreeSet<String> = recorded.flat_map(|l| gossip(&read(l.src, &l.bytes))).collect();
    let told = cluster.net.tap.iter().filter(|p| p.from < 2 && ghost.contains(&p.to));
    let ours: BTreeSet<String> = told.flat_map(|p| gossip(&read(addr(193), &p.payload))).collect();
    let missing: Vec<_> = theirs.difference(&ours).collect();
    let extra: Vec<_> = ours.difference(&theirs).collect();
    assert!(missing.is_empty() && extra.is_empty(), "not passed on: {missing:#?}\nbut: {extra:#?}");
}

#[test]
fn crafted_push_pulls_are_answered_and_merged_as_real_agents_do() {
    let lines = lines(include_str!("vectors/injected-join.jsonl"));
    let mut cluster = agents(&[("x", 241), ("y", 242)], false);
    let streams = replay(&mut cluster, &lines);
    let different = compare_streams(&cluster, &lines, &streams);
    assert!(different.is_empty(), "{}", different.join("\n"));
    cluster.assert_no_open_streams();
}
