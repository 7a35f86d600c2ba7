//! Traffic recorded between real agents: all of it decodes, and encodes to the same bytes.

use bytes::BytesMut;
use serde_json::Value;
use tidings_core::fuzz::encoded;
use tidings_core::wire::compound::{Compound, parts};
use tidings_core::wire::frame::{self, FrameDecoder, Side, StreamMessage};
use tidings_core::wire::message::Message;
use tidings_core::wire::packet::{Closer, Opener, unwrap};
use tidings_core::wire::serf_message::{PushPull, Query, QueryResponse, Relay, SerfType};
use tidings_core::wire::{Keyring, compress};
use tidings_core::{Config, Malformed, Refusal};

use crate::vectors::{bytes, lines, text, unhex};

/// Every recorded file.
const FILES: [&str; 15] = [
    "address-change-0.10.1",
    "big-events-0.10.1",
    "encrypted-mixed",
    "injected",
    "injected-join",
    "keyring",
    "name-conflict-0.10.1",
    "name-conflict-0.9.4",
    "no-compression-0.10.1",
    "plain-0.10.1",
    "plain-0.9.4",
    "role-legacy-protocol2",
    "snapshot",
    "suspect-refute-mixed",
    "twelve-nodes-mixed",
];

pub(crate) fn keys(file: &str) -> Keyring {
    let keys: &[&str] = match file {
        "encrypted-mixed" => &["000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"],
        "keyring" => &[
            "000102030405060708090a0b0c0d0e0f",
            "6465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80818283",
            "32333435363738393a3b3c3d3e3f40414243444546474849",
        ],
        "injected" => &["30313233343536373839616263646566"],
        _ => &[],
    };
    Keyring::new(keys.iter().map(|key| unhex(key))).unwrap()
}

/// Reads plain and encrypted traffic alike: some files hold both.
pub(crate) fn config() -> Config {
    let mut config = Config::lan("test", "127.0.0.1:7946".parse().unwrap());
    config.security.verify_incoming = false;
    config.packet.compression_min = 0;
    config
}

fn is_injected(line: &Value) -> bool {
    text(line, "note").starts_with("INJECTED")
}

fn is_udp(line: &Value) -> bool {
    text(line, "proto") == "udp"
}

fn recorded(proto: &str) -> impl Iterator<Item = (&'static str, Value)> {
    let udp = proto == "udp";
    FILES.into_iter().flat_map(move |file| {
        let lines = lines(&format!("{file}.jsonl"));
        lines.into_iter().filter(move |line| is_udp(line) == udp).map(move |line| (file, line))
    })
}

/// Decodes a message and all that is nested in it, and encodes it again.
fn again(message: &[u8]) -> Result<Vec<u8>, Refusal> {
    let decoded = Message::decode(message)?;
    let mut out = Vec::new();
    if let Message::User(serf) = decoded {
        assert_eq!(serf_again(serf)?, serf);
    }
    decoded.encode(&mut out);
    Ok(out)
}

fn serf_again(message: &[u8]) -> Result<Vec<u8>, Refusal> {
    let (&first, body) = message.split_first().ok_or(Refusal::Other("empty"))?;
    let kind = SerfType::from_u8(first).ok_or(Refusal::UnknownSerfType(first))?;
    serf_body_again(kind, body).map_err(|error| Refusal::Malformed { what: kind.as_str(), error })
}

fn serf_body_again(kind: SerfType, body: &[u8]) -> Result<Vec<u8>, Malformed> {
    match kind {
        SerfType::Query => {
            let query = Query::decode(body)?;
            assert!(query.filters.iter().all(|filter| filter.is_ok()));
            if query.name.starts_with("_serf_") && query.name.ends_with("key") {
                assert_eq!(serf_again(query.payload).unwrap(), query.payload);
            }
        }
        SerfType::Relay => {
            let relay = Relay::decode(body)?;
            assert_eq!(serf_again(relay.inner).unwrap(), relay.inner);
        }
        _ => {}
    }
    encoded(kind, body).map(|out| out.expect("no recorded agent keeps a registry"))
}

#[test]
fn every_recorded_message_is_encoded_again_byte_for_byte() {
    let (config, mut opener, mut count) = (config(), Opener::new(), 0);
    for (file, line) in recorded("udp").filter(|(_, line)| !is_injected(line)) {
        opener.open(&bytes(&line, "hex"), &config, &keys(file), |message| {
            let message = message.unwrap_or_else(|refusal| panic!("{refusal}: {line}"));
            assert_eq!(again(message).as_deref(), Ok(message), "{line}");
            count += 1;
        });
    }
    assert!(count > 5000, "{count}");
}

#[test]
fn every_recorded_packet_is_closed_again_byte_for_byte() {
    let (mut plain, mut closer, mut out) = (Vec::new(), Closer::new(), BytesMut::new());
    let mut compounds = 0;
    for (file, line) in recorded("udp").filter(|(_, line)| !is_injected(line)) {
        let (mut config, keyring, packet) = (config(), keys(file), bytes(&line, "hex"));
        config.packet.compression = file != "no-compression-0.10.1";
        let key =
            text(&line, "note").strip_prefix("enc-v1(key").map(|rest| usize::from(rest.as_bytes()[0] - b'0'));
        let mut sender = Keyring::default();
        if let Some(key) = key {
            sender.add(keyring.keys().nth(key).unwrap()).unwrap();
        }
        let message = unwrap(&packet, &config, &sender, &mut plain).unwrap();
        let with_crc = text(&line, "note").contains("crc[");
        let mut inner = Vec::new();
        let message = match message.split_first() {
            Some((9, body)) => {
                compress::expand(body, &mut inner, 1 << 16).unwrap();
                &inner
            }
            _ => message,
        };
        if message[0] == 7 {
            let mut compound = Compound::new();
            parts(&message[1..]).unwrap().for_each(|part| assert!(compound.push(part.unwrap())));
            let mut joined = Vec::new();
            compound.encode(&mut joined);
            assert_eq!(joined, message, "{line}");
            assert_eq!(compound.encoded_len(), message.len());
            compounds += 1;
        }
        out.clear();
        closer.close(message, with_crc, &config, &sender, || packet[1..13].try_into().unwrap(), &mut out);
        assert_eq!(out, packet, "{line}");
    }
    assert!(compounds > 100, "{compounds}");
}

#[test]
fn every_recorded_stream_is_read_in_any_pieces_and_encoded_again() {
    let config = config();
    let mut count = 0;
    for (file, line) in recorded("tcp").filter(|(_, line)| !is_injected(line)) {
        let (keyring, stream) = (keys(file), bytes(&line, "hex"));
        let side = if text(&line, "dir") == "open" { Side::Accepted } else { Side::Dialled };
        for piece in [1, 7, 1000, stream.len()] {
            let mut decoder = FrameDecoder::new(side);
            let mut frame = None;
            for data in stream.chunks(piece) {
                assert!(frame.is_none(), "complete before the end: {line}");
                frame = decoder.feed(data, &config, &keyring).unwrap_or_else(|e| panic!("{e}: {line}"));
            }
            let frame = frame.unwrap_or_else(|| panic!("incomplete: {line}"));
            assert_eq!(decoder.finish(), None);
            assert_eq!(stream_again(&frame), frame.as_bytes(), "{line}");
        }
        count += 1;
    }
    assert!(count > 150, "{count}");
}

fn stream_again(frame: &frame::Frame) -> Vec<u8> {
    let mut out = Vec::new();
    match frame.message().unwrap() {
        StreamMessage::Ping(ping) => ping.encode(&mut out),
        StreamMessage::Ack(ack) => ack.encode(&mut out),
        StreamMessage::Error(error) => error.encode(&mut out),
        StreamMessage::User(message) => frame::encode_user(message, &mut out),
        StreamMessage::Registry(message) => frame::encode_registry(message, &mut out),
        StreamMessage::PushPull(state) => {
            let nodes = state.nodes.map(|node| node.unwrap());
            if !state.user_state.is_empty() {
                assert_eq!(serf_again(state.user_state).as_deref(), Ok(state.user_state));
            }
            frame::encode_push_pull(state.join, nodes, state.user_state, &mut out);
        }
    }
    out
}

#[test]
fn every_recorded_stream_is_closed_again_byte_for_byte() {
    let mut count = 0;
    for (file, line) in recorded("tcp").filter(|(_, line)| !is_injected(line)) {
        let (mut config, stream) = (config(), bytes(&line, "hex"));
        config.packet.compression = file != "no-compression-0.10.1";
        let side = if text(&line, "dir") == "open" { Side::Accepted } else { Side::Dialled };
        let keyring = keys(file);
        let frame = FrameDecoder::new(side).feed(&stream, &config, &keyring).unwrap().unwrap();
        let mut sender = Keyring::default();
        let sealed = stream[0] == 10;
        if sealed {
            let key = text(&line, "note").strip_prefix("enc-v1(key").unwrap().as_bytes()[0] - b'0';
            sender.add(keyring.keys().nth(key.into()).unwrap()).unwrap();
        }
        let mut out = BytesMut::new();
        let sent_by = if side == Side::Accepted { Side::Dialled } else { Side::Accepted };
        let nonce = || stream[6..18].try_into().unwrap();
        frame::close(frame.as_bytes(), sent_by, &config, &sender, nonce, &mut out);
        assert_eq!(out, stream, "{line}");
        count += 1;
    }
    assert!(count > 150, "{count}");
}

#[test]
fn key_and_conflict_responses_in_query_responses_are_read() {
    let (config, mut opener) = (config(), Opener::new());
    let (mut key_responses, mut conflict_responses) = (0, 0);
    for (file, line) in
        recorded("udp").filter(|(file, _)| file.contains("keyring") || file.contains("conflict"))
    {
        opener.open(&bytes(&line, "hex"), &config, &keys(file), |message| {
            let Ok(Message::User([5, body @ ..])) = Message::decode(message.unwrap()) else { return };
            let response = QueryResponse::decode(body).unwrap();
            if response.is_ack() {
                return;
            }
            assert_eq!(serf_again(response.payload).as_deref(), Ok(response.payload), "{line}");
            match response.payload[0] {
                8 => key_responses += 1,
                6 => conflict_responses += 1,
                other => panic!("{other}: {line}"),
            }
        });
    }
    assert!(key_responses >= 30 && conflict_responses >= 4, "{key_responses} {conflict_responses}");
}

/// What the reader of an injected message makes of it: the messages it takes, and the first refusal.
fn fate(line: &Value) -> (usize, Option<Refusal>) {
    let encrypted = text(line, "dst").starts_with("127.0.0.195");
    let keyring = if encrypted { keys("injected") } else { Keyring::default() };
    let config = Config::lan("test", "127.0.0.1:7946".parse().unwrap());
    let (mut taken, mut refused) = (0, None);
    let mut judge =
        |message: Result<Vec<u8>, Refusal>| match message.and_then(|message| serf_or_gossip(&message)) {
            Ok(()) => taken += 1,
            Err(refusal) => refused = refused.take().or(Some(refusal)),
        };
    let packet = bytes(line, "hex");
    if is_udp(line) {
        Opener::new().open(&packet, &config, &keyring, |message| judge(message.map(<[u8]>::to_vec)));
    } else {
        match FrameDecoder::new(Side::Accepted).feed(&packet, &config, &keyring) {
            Ok(Some(frame)) => match frame.message().unwrap() {
                StreamMessage::PushPull(state) if !state.user_state.is_empty() => {
                    judge(serf_kind(state.user_state, SerfType::PushPull).map(|()| vec![0]));
                }
                _ => taken += 1,
            },
            Ok(None) => {}
            Err(error) => refused = Some(error.refusal),
        }
    }
    (taken, refused)
}

fn serf_kind(message: &[u8], expected: SerfType) -> Result<(), Refusal> {
    match message.split_first() {
        Some((&first, body)) if first == expected as u8 => match PushPull::decode(body) {
            Ok(_) => Ok(()),
            Err(error) => Err(Refusal::Malformed { what: expected.as_str(), error }),
        },
        other => Err(Refusal::UnknownSerfType(other.map_or(0, |(first, _)| *first))),
    }
}

fn serf_or_gossip(message: &[u8]) -> Result<(), Refusal> {
    match message {
        [0] => Ok(()), // a stream's message, judged already
        _ => match Message::decode(message)? {
            Message::User(serf) => serf_again(serf).map(drop),
            _ => Ok(()),
        },
    }
}

#[test]
fn injected_messages_meet_the_fate_they_met_at_real_agents() {
    let malformed = |what, error| Some(Refusal::Malformed { what, error });
    // Everything that is not here is taken, as one message.
    let fates = [
        ("bad crc", (0, Some(Refusal::Checksum))),
        ("compress(crc(ping))", (0, Some(Refusal::UnknownType(12)))),
        ("truncated in its last part", (1, malformed("compound message", Malformed::Truncated))),
        ("compound of two pings", (2, None)),
        ("compound nesting", (2, None)),
        ("as float64", (0, malformed("ping", Malformed::Type))),
        ("malformed msgpack", (0, malformed("ping", Malformed::Type))),
        ("unknown message type 200", (0, Some(Refusal::UnknownType(200)))),
        ("suspect over TCP", (0, Some(Refusal::UnknownType(3)))),
        ("labelled", (0, Some(Refusal::Label))),
        ("unknown serf type 99", (0, Some(Refusal::UnknownSerfType(99)))),
        ("2,000,000 nodes", (0, malformed("push/pull", Malformed::TooLarge))),
        (
            "announcing 2 GiB",
            (
                0,
                Some(Refusal::TooLarge {
                    what: "encrypted stream message",
                    size: 0x7fff_ffff,
                    limit: 20_971_565,
                }),
            ),
        ),
        ("user state with wrong type", (0, Some(Refusal::UnknownSerfType(5)))),
        ("user state malformed", (0, malformed("Serf state", Malformed::Type))),
        ("encrypted push/pull to an agent without", (0, Some(Refusal::Encrypted))),
        ("plaintext push/pull", (0, Some(Refusal::Plaintext))),
        ("plaintext ping to encrypted", (0, Some(Refusal::Decrypt))),
        ("unknown key", (0, Some(Refusal::Decrypt))),
        ("foreign associated data", (0, Some(Refusal::Decrypt))),
        ("encryption version 2", (0, Some(Refusal::Decrypt))),
        ("encrypted ping to an agent without", (0, malformed("indirect ping", Malformed::Type))),
    ];
    let mut used = vec![0; fates.len()];
    for file in ["injected", "injected-join"] {
        for line in lines(&format!("{file}.jsonl")).iter().filter(|line| is_injected(line)) {
            let entry = fates.iter().position(|(part, _)| text(line, "note").contains(part));
            let expected = entry.map_or((1, None), |entry| fates[entry].1.clone());
            assert_eq!(fate(line), expected, "{line}");
            entry.into_iter().for_each(|entry| used[entry] += 1);
        }
    }
    assert!(used.iter().all(|&count| count > 0), "{used:?}");
}
