//! Hostile bytes on the gossip port: refused, told, and without effect on the cluster.

use std::io::Write;
use std::time::Duration;

use tidings_core::wire::message::MessageType;
use tidings_core::wire::msgpack::Writer;
use tidings_core::wire::serf_message::SerfType;
use tidings_core::wire::{Keyring, compress, crc, lzw, seal};

use crate::harness::{Agent, Serf, serf_is_here};
use crate::hostile::{Draw, Target, many_connections, pack, read_to_end, recorded};

const COMPOUND: u8 = MessageType::Compound as u8;
const USER: u8 = MessageType::User as u8;
const PUSH_PULL: u8 = MessageType::PushPull as u8;
const COMPRESS: u8 = MessageType::Compress as u8;
const ENCRYPT: u8 = MessageType::Encrypt as u8;
const QUERY: u8 = SerfType::Query as u8;

#[test]
fn random_and_damaged_packets_are_refused() {
    let target = Target::start(&[]);
    let mut draw = Draw::new(1);
    for round in 0..4_000 {
        let len = draw.below(200);
        let mut bytes = draw.bytes(len);
        if let (Some(first), true) = (bytes.first_mut(), round % 2 == 0) {
            *first %= 14;
        }
        target.datagram(&bytes);
    }
    let packets = recorded("udp");
    for _ in 0..4 {
        for packet in &packets {
            let mut damaged = draw.damaged(packet);
            // A right checksum lets the damage in.
            if damaged.len() > 5 && damaged[0] == MessageType::HasCrc as u8 && draw.below(2) == 0 {
                let rest = damaged.split_off(5);
                damaged.clear();
                crc::encode(&rest, &mut damaged);
            }
            target.datagram(&damaged);
        }
    }
    target.has_survived(true);
}

fn compressed(message: &[u8]) -> Vec<u8> {
    let (mut packed, mut out) = (Vec::new(), Vec::new());
    lzw::encode(message, &mut packed);
    compress::encode(&packed, &mut out);
    out
}

fn compound(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![COMPOUND, u8::try_from(parts.len()).unwrap()];
    for part in parts {
        out.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
    }
    out.extend(parts.iter().flatten());
    out
}

#[test]
fn bombs_and_nests_do_not_grow_memory() {
    let target = Target::start(&[]);
    // 30 MiB of zeros in some 40 KB, by datagram and, more of it, by stream.
    let bomb = compressed(&vec![0; 30 << 20]);
    assert!(bomb.len() < 65_000, "{}", bomb.len());
    for _ in 0..20 {
        target.datagram(&bomb);
    }
    for _ in 0..5 {
        read_to_end(target.stream(&bomb));
    }
    let mut nest = vec![0; 8];
    for _ in 0..2_000 {
        nest = compound(&[nest]);
    }
    target.datagram(&nest);
    let mut wide = compound(&vec![vec![0; 4]; 255]);
    for _ in 0..2 {
        wide = compound(&vec![wide.clone(); 6]);
    }
    target.datagram(&wide);
    let mut both = vec![0; 60];
    for _ in 0..30 {
        both = compressed(&compound(&[both]));
    }
    target.datagram(&both);
    target.has_survived(true);
}

/// A push/pull stream of this header and nothing more.
fn push_pull(nodes: i64, state_bytes: i64) -> Vec<u8> {
    let header = pack(|w| {
        w.map(3).str("Join").bool(true).str("Nodes").int(nodes).str("UserStateLen").int(state_bytes);
    });
    [&[PUSH_PULL][..], &header].concat()
}

#[test]
fn claims_of_gigabytes_are_refused_at_once() {
    let target = Target::start(&[]);
    let user = |len: i64| {
        let header = pack(|w| {
            w.map(1).str("UserMsgLen").int(len);
        });
        [&[USER][..], &header].concat()
    };
    let claims = [
        push_pull(-1, 0),
        push_pull(1 << 40, 0),
        push_pull(0, 1 << 40),
        push_pull(i64::MAX, i64::MAX),
        push_pull(0, i64::MIN),
        user(1 << 40),
        user(u32::MAX.into()),
        vec![ENCRYPT, 0xff, 0xff, 0xff, 0xff],
        // Texts, lists and maps of 4 GiB where the header stands.
        vec![PUSH_PULL, 0xdb, 0xff, 0xff, 0xff, 0xff],
        vec![PUSH_PULL, 0xdd, 0xff, 0xff, 0xff, 0xff],
        vec![PUSH_PULL, 0xdf, 0xff, 0xff, 0xff, 0xff],
        vec![COMPRESS, 0x82, 0xa3, b'B', b'u', b'f', 0xc6, 0xff, 0xff, 0xff, 0xff],
    ];
    // Each is followed by bytes that a believer would keep.
    let zeros = vec![0; 4 << 20];
    for claim in &claims {
        for _ in 0..2 {
            let mut stream = target.stream(claim);
            let _ = stream.write_all(&zeros);
            drop(stream);
        }
    }
    // A claim that nothing follows: the state is neither read nor waited for beyond the time-out.
    for claim in &claims {
        read_to_end(target.stream(claim));
    }
    target.has_survived(true);
}

#[test]
fn many_streams_of_megabytes_share_one_bound() {
    let target = Target::start(&[]);
    // Each claims no more than it may, and brings nearly all of it.
    let most = [&push_pull(0, 20 << 20)[..], &vec![0xc1; 19 << 20]].concat();
    let streams: Vec<_> = (0..40).map(|_| target.stream(&most)).collect();
    target.has_survived(false);
    drop(streams);
    // The same, in records of members.
    let node = pack(|w| {
        w.map(2).str("Meta").bytes(&[0; 500]).str("Name").str("x");
    });
    let nodes = [push_pull(1 << 20, 0), node.repeat(30_000)].concat();
    let streams: Vec<_> = (0..20).map(|_| target.stream(&nodes)).collect();
    target.has_survived(false);
    drop(streams);
}

#[test]
fn damaged_streams_are_refused() {
    let target = Target::start(&[]);
    let mut draw = Draw::new(2);
    let streams = recorded("tcp");
    for round in 0..400 {
        let damaged = draw.damaged(&streams[round % streams.len()]);
        drop(target.stream(&damaged));
    }
    for _ in 0..200 {
        let len = draw.below(3_000);
        drop(target.stream(&draw.bytes(len)));
    }
    target.has_survived(true);
}

/// A query of Serf's with these fields, as it travels.
fn query(id: u64, name: &str, filters: &dyn Fn(&mut Writer<'_, Vec<u8>>), payload: &[u8]) -> Vec<u8> {
    let body = pack(|w| {
        w.map(11).str("Addr").bytes(&[127, 0, 0, 1]).str("Filters");
        filters(w);
        w.str("Flags").uint(1).str("ID").uint(id).str("LTime").uint(3 + id).str("Name").str(name);
        w.str("Payload").bytes_or_nil(payload).str("Port").uint(9).str("RelayFactor").uint(0);
        w.str("SourceNode").str("nobody").str("Timeout").uint(2_000_000_000);
    });
    [&[USER, QUERY][..], &body].concat()
}

/// What ends an agent of Serf's.
fn killers() -> Vec<Vec<u8>> {
    let none = |w: &mut Writer<'_, Vec<u8>>| {
        w.nil();
    };
    let empty = |w: &mut Writer<'_, Vec<u8>>| {
        w.array(1).bytes(&[]);
    };
    let internal =
        ["_serf_install-key", "_serf_use-key", "_serf_remove-key", "_serf_list-keys", "_serf_conflict"];
    let mut packets: Vec<Vec<u8>> =
        internal.iter().zip(1..).map(|(name, id)| query(id, name, &none, b"")).collect();
    packets.push(query(20, "greet", &empty, b""));
    packets.push(query(21, "_serf_install-key", &none, &[7]));
    packets
}

#[test]
fn what_kills_serf_does_not_kill_us() {
    // With and without a keyring: key queries go further with one.
    for flags in [&[][..], &["-encrypt=AAECAwQFBgcICQoLDA0ODw=="]] {
        let target = Target::start(flags);
        for packet in killers() {
            let packet = if flags.is_empty() { packet } else { sealed(&packet) };
            target.datagram(&packet);
        }
        for claim in [push_pull(-1, 0), push_pull(1 << 40, 0), push_pull(0, 1 << 40)] {
            drop(target.stream(&claim));
        }
        target.has_survived(true);
    }
}

#[test]
fn what_kills_serf_stops_at_us() {
    if !serf_is_here() {
        return;
    }
    let target = Target::start(&[]);
    let serf = Agent::start(Serf, "fragile", &[]);
    serf.join(&target.victim);
    for packet in killers() {
        target.datagram(&packet);
    }
    target.has_survived(false);
    serf.wait_for("user-event: still-here", 1);
    assert_eq!(serf.statuses().len(), 3);
}

/// The packet as a member with the key would send it.
fn sealed(packet: &[u8]) -> Vec<u8> {
    let key: Vec<u8> = (0..16).collect();
    let mut out = Vec::new();
    seal::seal(&Keyring::new([&key]).unwrap(), [9; 12], b"", &mut out, |out| out.extend(packet));
    out
}

#[test]
fn strangers_to_the_key_are_refused() {
    let target = Target::start(&["-encrypt=T0xET0xET0xET0xET0xEIQ=="]);
    for packet in recorded("udp") {
        target.datagram(&packet);
        target.datagram(&sealed(&packet));
    }
    for stream in recorded("tcp").iter().take(50) {
        drop(target.stream(stream));
    }
    // An envelope that claims 4 GiB, one as long as allowed, and one cut short.
    for claim in [u32::MAX, 20 << 20, 100] {
        let mut stream = target.stream(&[&[ENCRYPT][..], &claim.to_be_bytes()].concat());
        let _ = stream.write_all(&vec![1; 1 << 20]);
    }
    target.has_survived(true);
    let seen = target.victim.statuses();
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[test]
fn slow_silent_and_countless_streams_hold_nobody_up() {
    let target = Target::start(&[]);
    let silent: Vec<_> = (0..200).map(|_| target.stream(&[])).collect();
    let half_open: Vec<_> = (0..200).map(|_| target.stream(&push_pull(1000, 1000))).collect();
    let whole =
        recorded("tcp").into_iter().find(|bytes| bytes[0] == PUSH_PULL || bytes[0] == COMPRESS).unwrap();
    let mut slow = target.stream(&[]);
    for byte in &whole[..40] {
        if slow.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let crowd = many_connections(target.victim.gossip, 2_000);
    target.has_survived(false);
    // Nobody is kept for ever.
    for stream in silent.into_iter().chain(half_open) {
        read_to_end(stream);
    }
    drop(crowd);
    target.has_survived(false);
}
