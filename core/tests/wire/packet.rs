//! Packets: closing and opening, and what attackers would do to them.

use bytes::BytesMut;
use quickcheck_macros::quickcheck;
use tidings_core::wire::compound::{Compound, parts};
use tidings_core::wire::limits::COMPOUND_PARTS_MAX;
use tidings_core::wire::message::{Message, Ping, Source};
use tidings_core::wire::packet::{Closer, Opener, overhead};
use tidings_core::wire::serf_message::{Filter, Filters, encode_filters};
use tidings_core::wire::{Keyring, compress, label};
use tidings_core::{Config, Malformed, Refusal};

use crate::recorded::{config, keys};
use crate::vectors::{bytes, lines, text};

fn strict() -> Config {
    Config::lan("test", "127.0.0.1:7946".parse().unwrap())
}

fn open(packet: &[u8], config: &Config, keyring: &Keyring) -> Vec<Result<Vec<u8>, Refusal>> {
    let mut seen = Vec::new();
    Opener::new().open(packet, config, keyring, |message| seen.push(message.map(<[u8]>::to_vec)));
    seen
}

fn close(message: &[u8], with_crc: bool, config: &Config, keyring: &Keyring) -> BytesMut {
    let mut out = BytesMut::new();
    Closer::new().close(message, with_crc, config, keyring, || [5; 12], &mut out);
    out
}

#[quickcheck]
fn what_was_closed_is_opened_again(payload: Vec<u8>, repeat: u8, choices: u8) {
    let choice = |bit: u8| choices >> bit & 1 == 1;
    let mut config = strict();
    let mut keyring = Keyring::default();
    if choice(0) {
        config.security.label = "blue".into();
    }
    if choice(1) {
        keyring.add(&[4; 24]).unwrap();
        config.security.verify_outgoing = choice(2);
        config.security.verify_incoming = choice(2);
    }
    config.packet.compression = choice(3);
    let mut message = vec![8];
    message.extend(payload.repeat(repeat.into()));
    let packet = close(&message, choice(4), &config, &keyring);
    assert_eq!(open(&packet, &config, &keyring), [Ok(message.clone())]);
    let crc = if choice(4) { 5 } else { 0 };
    assert!(packet.len() <= message.len() + overhead(&config, &keyring) + crc);
}

#[test]
fn labels_must_agree_unless_something_else_has_checked_them() {
    let ping = [0, 0x80];
    let mut blue = Vec::new();
    label::encode("blue", &mut blue);
    blue.extend(ping);
    // (configured, check skipped, packet, taken)
    let cases: [(&str, bool, &[u8], bool); 8] = [
        ("", false, &ping, true),
        ("", false, &blue, false),
        ("blue", false, &blue, true),
        ("blue", false, &ping, false),
        ("red", false, &blue, false),
        ("blue", true, &ping, true),
        ("blue", true, &blue, false),
        ("", true, &blue, false),
    ];
    for (configured, skipped, packet, taken) in cases {
        let mut config = strict();
        config.security.label = configured.into();
        config.security.skip_inbound_label_check = skipped;
        let expected = if taken { Ok(ping.to_vec()) } else { Err(Refusal::Label) };
        assert_eq!(open(packet, &config, &Keyring::default()), [expected], "{configured} {skipped}");
    }
    for broken in [&[244][..], &[244, 0, 0, 0x80], &[244, 5, b'b']] {
        assert_eq!(open(broken, &strict(), &Keyring::default()), [Err(Refusal::Label)], "{broken:?}");
    }
}

#[test]
fn packets_without_content_are_refused_at_every_layer() {
    let keyring = Keyring::new([[1; 16]]).unwrap();
    let mut sealed = Vec::new();
    tidings_core::wire::seal::seal(&keyring, [0; 12], b"", &mut sealed, |_| {});
    let mut compressed_nothing = Vec::new();
    compress::encode(&[0x00, 0x03, 0x02], &mut compressed_nothing);
    let cases: [(&[u8], &Keyring); 6] = [
        (b"", &Keyring::default()),
        (b"\x0c\x00\x00\x00\x00", &Keyring::default()),
        (&sealed, &keyring),
        (&compressed_nothing, &Keyring::default()),
        (b"\x07\x01\x00\x00", &Keyring::default()),
        (b"\x09\xc0", &Keyring::default()),
    ];
    for (packet, keyring) in cases {
        let seen = open(packet, &strict(), keyring);
        assert!(matches!(seen.as_slice(), [Err(Refusal::Malformed { .. })]), "{packet:x?}: {seen:?}");
    }
    assert_eq!(open(b"\x0c\x00\x00", &strict(), &Keyring::default()), [Err(Refusal::Checksum)]);
    assert_eq!(open(b"\x07\x00", &strict(), &Keyring::default()), []);
}

#[test]
fn nesting_ends_where_no_peer_would_go() {
    let nested = |levels: usize| {
        let mut message = vec![0, 0x80];
        for _ in 0..levels {
            let mut compound = vec![7, 1];
            compound.extend((message.len() as u16).to_be_bytes());
            compound.extend(&message);
            message = compound;
        }
        open(&message, &strict(), &Keyring::default())
    };
    assert_eq!(nested(8), [Ok(vec![0, 0x80])]);
    let depth = Refusal::Malformed { what: "packet", error: Malformed::Depth };
    assert_eq!(nested(9), [Err(depth.clone())]);
    assert_eq!(nested(10_000), [Err(depth)]);
}

#[test]
fn a_packet_of_bombs_costs_no_more_than_its_allowance() {
    // 255 compressed messages that would grow to 60 MiB together: the first fits, the rest do not.
    let mut config = strict();
    config.packet.decompressed_max = 300 << 10;
    let (mut bomb, mut scratch) = (Vec::new(), Vec::new());
    let mut message = vec![8];
    message.resize(240 << 10, 0);
    compress::prepare(&message, &mut scratch);
    compress::encode(&scratch, &mut bomb);
    let mut compound = Compound::new();
    while compound.push(&bomb) {}
    assert_eq!(compound.len(), COMPOUND_PARTS_MAX);
    let mut packet = Vec::new();
    compound.encode(&mut packet);
    let (mut taken, mut refused) = (0, 0);
    Opener::new().open(&packet, &config, &Keyring::default(), |message| match message {
        Ok(_) => taken += 1,
        Err(refusal) => {
            let expected = Refusal::Malformed { what: "compress message", error: Malformed::TooLarge };
            assert_eq!(refusal, expected);
            refused += 1;
        }
    });
    assert_eq!((taken, refused), (1, 254));
}

#[test]
fn a_packet_holds_no_more_messages_than_allowed() {
    // Compounds in a compound: 255 * 255 empty parts would fit one packet.
    let mut inner = vec![7, 255];
    inner.extend([0; 510]);
    let mut compound = Compound::new();
    for _ in 0..100 {
        compound.push(&inner);
    }
    let mut packet = Vec::new();
    compound.encode(&mut packet);
    let seen = open(&packet, &strict(), &Keyring::default());
    assert!(seen.len() <= strict().packet.messages_max, "{}", seen.len());
    let too_many = Refusal::Malformed { what: "packet", error: Malformed::TooLarge };
    assert_eq!(seen.last(), Some(&Err(too_many)));
}

#[quickcheck]
fn a_compound_gives_back_its_parts(messages: Vec<Vec<u8>>) {
    let mut compound = Compound::new();
    let mut pushed = Vec::new();
    for message in &messages {
        if compound.push(message) {
            pushed.push(message.as_slice());
        }
    }
    let mut out = Vec::new();
    compound.encode(&mut out);
    assert_eq!(out.len(), compound.encoded_len());
    match pushed.as_slice() {
        [] => assert!(out.is_empty()),
        [single] => assert_eq!(out, *single),
        several => {
            assert_eq!(out[0], 7);
            let back: Result<Vec<_>, _> = parts(&out[1..]).unwrap().collect();
            assert_eq!(back.as_deref(), Ok(several));
        }
    }
    compound.clear();
    assert!(compound.is_empty() && compound.encoded_len() == 0);
}

#[test]
fn a_message_longer_than_a_part_can_be_is_not_added() {
    let mut compound = Compound::new();
    assert!(!compound.push(&vec![0; 65_536]));
    assert!(compound.is_empty());
    assert!(compound.push(&vec![0; 65_535]));
}

#[quickcheck]
fn garbage_is_refused_or_taken_but_never_panics(garbage: Vec<u8>, first: u8) {
    let mut packet = garbage;
    packet.insert(0, first % 14);
    for keyring in [Keyring::default(), keys("keyring")] {
        Opener::new().open(&packet, &config(), &keyring, |message| {
            if let Ok(message) = message {
                let _ = Message::decode(message);
            }
        });
    }
}

#[test]
fn recorded_packets_with_any_bit_changed_are_refused_or_taken_but_never_panic() {
    let (config, mut opener) = (config(), Opener::new());
    let lines = lines("injected.jsonl");
    let udp = lines.iter().filter(|line| text(line, "proto") == "udp").step_by(5);
    for line in udp {
        let packet = bytes(line, "hex");
        let changed = (0..packet.len() * 8).map(|bit| {
            let mut changed = packet.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            changed
        });
        for packet in changed.chain((0..packet.len()).map(|end| packet[..end].to_vec())) {
            opener.open(&packet, &config, &Keyring::default(), |message| {
                if let Ok(message) = message {
                    let _ = Message::decode(message);
                }
            });
        }
    }
}

#[test]
fn sources_are_sent_as_far_as_they_are_known() {
    let everything = Source::new("[2001:db8::1]:7946".parse().unwrap(), "a");
    let sources = [
        Source::default(),
        everything,
        Source { node: "a", ..Source::default() },
        Source { port: 5, ..Source::default() },
        Source { addr: Some([10, 0, 0, 1].into()), ..Source::default() },
    ];
    for source in sources {
        let ping = Ping { seq: u32::MAX, node: "b", source };
        let mut out = Vec::new();
        ping.encode(&mut out);
        assert_eq!(Message::decode(&out), Ok(Message::Ping(ping)));
        assert_eq!(source.socket().is_some(), source == everything);
    }
}

#[test]
fn addresses_are_four_or_sixteen_bytes() {
    let decode = |addr: &[u8]| {
        let mut packet = b"\x04\x82\xa4Addr".to_vec();
        packet.push(0xa0 | addr.len() as u8);
        packet.extend(addr);
        packet.extend(b"\xa4Node\xa1n");
        match Message::decode(&packet) {
            Ok(Message::Alive(alive)) => Ok(alive.addr.to_string()),
            Ok(other) => panic!("{other:?}"),
            Err(Refusal::Malformed { error, .. }) => Err(error),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(decode(&[10, 0, 0, 1]), Ok("10.0.0.1".into()));
    let mut mapped = [0; 16];
    mapped[10..].copy_from_slice(&[0xff, 0xff, 10, 0, 0, 1]);
    assert_eq!(decode(&mapped), Ok("10.0.0.1".into()));
    mapped[0] = 0x20;
    assert_eq!(decode(&mapped), Ok("2000::ffff:a00:1".into()));
    for wrong in [&[][..], &[1, 2, 3], &[0; 5], &[0; 17]] {
        assert_eq!(decode(wrong), Err(Malformed::Address), "{wrong:?}");
    }
}

#[test]
fn members_that_could_not_be_kept_are_refused() {
    let alive = |name: &str, meta: &[u8], vsn: &[u8]| {
        let mut packet = b"\x04".to_vec();
        use tidings_core::wire::msgpack::{Dialect, Writer};
        let mut w = Writer::new(&mut packet, Dialect::Gossip);
        w.map(4).str("Addr").bytes(&[10, 0, 0, 1]).str("Meta").bytes(meta);
        w.str("Node").str(name).str("Vsn").bytes(vsn);
        match Message::decode(&packet) {
            Ok(Message::Alive(alive)) => Ok(alive.versions.is_some()),
            Ok(other) => panic!("{other:?}"),
            Err(Refusal::Malformed { error, .. }) => Err(error),
            Err(other) => panic!("{other}"),
        }
    };
    let vsn = [1, 5, 2, 2, 5, 5];
    assert_eq!(alive(&"n".repeat(255), &[0; 512], &vsn), Ok(true));
    assert_eq!(alive("n", b"", &vsn[..5]), Ok(false));
    assert_eq!(alive("n", b"", b""), Ok(false));
    assert_eq!(alive("", b"", &vsn), Err(Malformed::Empty));
    assert_eq!(alive(&"n".repeat(256), b"", &vsn), Err(Malformed::TooLarge));
    assert_eq!(alive("n", &[0; 513], &vsn), Err(Malformed::TooLarge));
}

#[test]
fn filters_are_written_and_read() {
    let mut out = Vec::new();
    encode_filters(&["a", "b"], &[("role", "w.*"), ("dc", "^$")], &mut out);
    let filters = Filters::from_encoded(&out).unwrap();
    let mut seen = Vec::new();
    for filter in filters.iter() {
        seen.push(match filter.unwrap() {
            Filter::Nodes(names) => names.collect::<Vec<_>>().join(","),
            Filter::Tag { tag, expr } => format!("{tag}~{expr}"),
            Filter::Unknown(kind) => panic!("{kind}"),
        });
    }
    assert_eq!(seen, ["a,b", "role~w.*", "dc~^$"]);
    out.clear();
    encode_filters::<&str, &str, &str>(&[], &[], &mut out);
    assert_eq!(out, [0xc0]);
    // An empty filter crashed the original.
    let filters = Filters::from_encoded(b"\x91\xa0").unwrap();
    assert_eq!(filters.iter().map(|filter| filter.err()).collect::<Vec<_>>(), [Some(Malformed::Empty)]);
    assert!(Filters::from_encoded(b"\x91\x05").is_err());
}
