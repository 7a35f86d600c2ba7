//! Streams: wrapping and finding messages, and what attackers would do with them.

use bytes::BytesMut;
use quickcheck_macros::quickcheck;
use tidings_core::wire::Keyring;
use tidings_core::wire::frame::{
    self, Frame, FrameDecoder, Side, StreamMessage, StreamRefusal, encode_push_pull, encode_user,
};
use tidings_core::wire::message::{Ack, Ping, PushNode, Source};
use tidings_core::wire::msgpack::{Dialect, Writer};
use tidings_core::wire::{compress, seal};
use tidings_core::{Config, Malformed, Refusal, State, Versions};

use crate::vectors::{bytes, lines, text};

fn config() -> Config {
    Config::lan("test", "127.0.0.1:7946".parse().unwrap())
}

fn none() -> Keyring {
    Keyring::default()
}

/// Feeds a stream in pieces.
fn feed(
    side: Side,
    stream: &[u8],
    piece: usize,
    config: &Config,
    keyring: &Keyring,
) -> Result<Option<Frame>, StreamRefusal> {
    let mut decoder = FrameDecoder::new(side);
    for data in stream.chunks(piece) {
        if let Some(frame) = decoder.feed(data, config, keyring)? {
            return Ok(Some(frame));
        }
    }
    Ok(None)
}

fn refusal(stream: &[u8], config: &Config, keyring: &Keyring) -> (Refusal, bool) {
    let error = feed(Side::Accepted, stream, stream.len(), config, keyring).unwrap_err();
    assert_eq!(feed(Side::Accepted, stream, 1, config, keyring), Err(error.clone()));
    (error.refusal, error.reply)
}

fn node(name: &str) -> PushNode<'_> {
    PushNode {
        name,
        addr: [10, 0, 0, 1].into(),
        port: 7946,
        meta: b"\xff\x80",
        incarnation: 3,
        state: State::Suspect,
        versions: Some(Versions::ours(5)),
    }
}

#[quickcheck]
fn what_was_closed_is_found_again_in_any_pieces(state: Vec<u8>, names: Vec<u16>, piece: u8, choices: u8) {
    let choice = |bit: u8| choices >> bit & 1 == 1;
    let (mut config, mut keyring) = (config(), none());
    config.packet.compression = choice(0);
    if choice(1) {
        keyring.add(&[4; 16]).unwrap();
    }
    if choice(2) {
        config.security.label = "blue".into();
    }
    let names: Vec<String> = names.iter().map(|name| format!("n{name}")).collect();
    let mut message = Vec::new();
    encode_push_pull(choice(3), names.iter().map(|name| node(name)), &state, &mut message);
    for (from, to) in [(Side::Dialled, Side::Accepted), (Side::Accepted, Side::Dialled)] {
        let mut stream = BytesMut::new();
        frame::close(&message, from, &config, &keyring, || [9; 12], &mut stream);
        let found = feed(to, &stream, usize::from(piece).max(1), &config, &keyring).unwrap().unwrap();
        assert_eq!(found.as_bytes(), message);
        let Ok(StreamMessage::PushPull(push_pull)) = found.message() else { panic!("{found:?}") };
        assert_eq!((push_pull.join, push_pull.user_state), (choice(3), state.as_slice()));
        let nodes: Result<Vec<_>, _> = push_pull.nodes.collect();
        assert_eq!(nodes.unwrap(), names.iter().map(|name| node(name)).collect::<Vec<_>>());
    }
}

#[quickcheck]
fn messages_of_a_talk_follow_each_other_in_any_pieces(said: Vec<Vec<u8>>, piece: u8, choices: u8) {
    let choice = |bit: u8| choices >> bit & 1 == 1;
    let (mut config, mut keyring) = (config(), none());
    if choice(0) {
        keyring.add(&[4; 16]).unwrap();
    }
    if choice(1) {
        config.security.label = "blue".into();
    }
    // Long ones are compressed where that saves bytes.
    let said: Vec<Vec<u8>> =
        said.into_iter().map(|said| said.repeat(if choice(2) { 100 } else { 1 })).collect();
    for (from, to) in [(Side::Dialled, Side::Accepted), (Side::Accepted, Side::Dialled)] {
        let mut stream = BytesMut::new();
        for (i, said) in said.iter().enumerate() {
            let first = i == 0 && from == Side::Dialled;
            frame::close_registry(said, first, &config, &keyring, || [9; 12], &mut stream);
        }
        let mut decoder = FrameDecoder::new(to);
        let mut found = Vec::new();
        for mut piece in stream.chunks(usize::from(piece).max(1)) {
            while let Some(frame) = decoder.feed(piece, &config, &keyring).unwrap() {
                let Ok(StreamMessage::Registry(message)) = frame.message() else { panic!("{frame:?}") };
                found.push(message.to_vec());
                piece = &[];
            }
        }
        assert_eq!(found, said);
        assert_eq!(decoder.finish(), None);
        if !stream.is_empty() {
            decoder.feed(&stream[stream.len() - 1..], &config, &keyring).ok();
            let _ = decoder.finish();
        }
    }
}

#[test]
fn a_talk_is_cut_off_in_the_middle_of_a_message_and_at_one_too_large() {
    let (config, keyring) = (config(), none());
    let mut stream = BytesMut::new();
    frame::close_registry(b"one", true, &config, &keyring, || [9; 12], &mut stream);
    let mut decoder = FrameDecoder::new(Side::Accepted);
    assert!(decoder.feed(&stream, &config, &keyring).unwrap().is_some());
    assert_eq!(decoder.feed(&stream[..2], &config, &keyring).unwrap(), None);
    assert!(decoder.finish().is_some());
    let mut decoder = FrameDecoder::new(Side::Accepted);
    let claim = [b'T', 0xce, 0x00, 0x10, 0x00, 0x00];
    assert!(matches!(decoder.feed(&claim, &config, &keyring), Err(refused) if !refused.reply));
}

#[test]
fn user_messages_and_pings_are_found() {
    let mut user = Vec::new();
    encode_user(b"\x03payload", &mut user);
    user.extend(b"trailing bytes");
    let found = feed(Side::Accepted, &user, 3, &config(), &none()).unwrap().unwrap();
    assert!(matches!(found.message(), Ok(StreamMessage::User(b"\x03payload"))));
    let ping = Ping { seq: 1, node: "a", source: Source::default() };
    let mut stream = Vec::new();
    ping.encode(&mut stream);
    let found = feed(Side::Accepted, &stream, 3, &config(), &none()).unwrap().unwrap();
    assert!(matches!(found.message(), Ok(StreamMessage::Ping(same)) if same == ping));
}

#[test]
fn each_side_takes_only_what_the_other_may_say() {
    let (mut ping, mut ack) = (Vec::new(), Vec::new());
    Ping { seq: 1, node: "a", source: Source::default() }.encode(&mut ping);
    Ack { seq: 1, payload: b"" }.encode(&mut ack);
    assert_eq!(refusal(&ack, &config(), &none()), (Refusal::UnknownType(2), false));
    let error = feed(Side::Dialled, &ping, 1, &config(), &none()).unwrap_err();
    assert_eq!(error, StreamRefusal { refusal: Refusal::UnknownType(0), reply: false });
    assert!(feed(Side::Dialled, &ack, 1, &config(), &none()).unwrap().is_some());
    for unknown in (14..=243).filter(|kind| *kind != b'T') {
        assert_eq!(refusal(&[unknown, 0x80], &config(), &none()).0, Refusal::UnknownType(unknown));
    }
}

fn push_pull_head(nodes: i64, user_state_len: i64) -> Vec<u8> {
    let mut stream = vec![6];
    let mut w = Writer::new(&mut stream, Dialect::Gossip);
    w.map(2).str("Nodes").int(nodes).str("UserStateLen").int(user_state_len);
    stream
}

#[test]
fn counts_that_no_peer_would_claim_are_refused_at_once() {
    let malformed = |error| Refusal::Malformed { what: "push/pull", error };
    let cases = [
        (-1, 0, malformed(Malformed::Range)),
        (0, -1, malformed(Malformed::Range)),
        ((1 << 20) + 1, 0, malformed(Malformed::TooLarge)),
        (1 << 40, 0, malformed(Malformed::TooLarge)),
        (i64::MIN, 0, malformed(Malformed::Range)),
        (0, (20 << 20) + 1, malformed(Malformed::TooLarge)),
        (0, 1 << 40, malformed(Malformed::TooLarge)),
        (0, 4 << 30, malformed(Malformed::TooLarge)),
    ];
    for (nodes, user_state_len, expected) in cases {
        let stream = push_pull_head(nodes, user_state_len);
        assert_eq!(refusal(&stream, &config(), &none()), (expected, false), "{nodes} {user_state_len}");
    }
    let stream = push_pull_head(1 << 20, 20 << 20);
    let (error, _) = refusal(&stream, &config(), &none());
    assert!(matches!(error, Refusal::TooLarge { limit: 20_971_520, .. }), "{error}");
    // What may come true is waited for.
    assert_eq!(feed(Side::Accepted, &push_pull_head(1 << 20, 0), 1, &config(), &none()), Ok(None));
}

#[test]
fn claims_of_four_gigabytes_hold_no_memory() {
    let claims: [&[u8]; 4] = [
        b"\x06\xdf\xff\xff\xff\xff",
        b"\x00\x81\xa4Node\xdb\xff\xff\xff\xff",
        b"\x09\x82\xa4Algo\x00\xa3Buf\xdb\xff\xff\xff\xff",
        b"\x08\xc9\xff\xff\xff\xff",
    ];
    for claim in claims {
        let error = feed(Side::Accepted, claim, 1, &config(), &none()).unwrap_err();
        assert!(matches!(error.refusal, Refusal::Malformed { error: Malformed::TooLarge, .. }), "{error}");
    }
    let keyring = Keyring::new([[1; 16]]).unwrap();
    let mut decoder = FrameDecoder::new(Side::Accepted);
    assert_eq!(decoder.feed(b"\x0a\x01\x00\x00\x00\x01", &config(), &keyring), Ok(None));
    assert!(decoder.buffered() < 100);
}

#[test]
fn a_stream_never_holds_more_than_one_message() {
    let mut config = config();
    config.stream.message_max = 4096;
    // A map that never ends: each piece is a complete pair.
    let mut decoder = FrameDecoder::new(Side::Accepted);
    assert_eq!(decoder.feed(b"\x00\xde\x03\xff", &config, &none()), Ok(None));
    let mut fed = 0;
    let error = loop {
        match decoder.feed(b"\xa1x\xa9123456789", &config, &none()) {
            Ok(None) => fed += 12,
            Ok(Some(frame)) => panic!("{frame:?}"),
            Err(error) => break error,
        }
        assert!(decoder.buffered() <= 2 * 4096);
    };
    assert!(fed <= 4096, "{fed}");
    assert!(matches!(error.refusal, Refusal::Malformed { error: Malformed::TooLarge, .. }), "{error}");
    assert_eq!(decoder.buffered(), 0);
    assert_eq!(decoder.feed(b"more", &config, &none()), Ok(None));
}

#[test]
fn errors_before_the_message_are_answered_and_later_ones_are_not() {
    let keyring = Keyring::new([[1; 16]]).unwrap();
    let mut ping = Vec::new();
    Ping { seq: 1, node: "a", source: Source::default() }.encode(&mut ping);
    let close = |message: &[u8], config: &Config, keyring: &Keyring| {
        let mut stream = BytesMut::new();
        frame::close(message, Side::Dialled, config, keyring, || [0; 12], &mut stream);
        stream
    };
    let sealed = close(&ping, &config(), &keyring);
    assert_eq!(refusal(&sealed, &config(), &none()), (Refusal::Encrypted, true));
    assert_eq!(refusal(&ping, &config(), &keyring), (Refusal::Plaintext, true));
    let other = Keyring::new([[2; 16]]).unwrap();
    assert_eq!(refusal(&sealed, &config(), &other), (Refusal::Decrypt, true));
    assert!(matches!(
        refusal(b"\x0a\xff\xff\xff\xff", &config(), &keyring),
        (Refusal::TooLarge { .. }, true)
    ));
    assert_eq!(refusal(b"\x0a\x00\x00\x00\x03\x01\x02\x03", &config(), &keyring), (Refusal::Decrypt, true));
    let mut bad_lzw = Vec::new();
    compress::encode(b"\xff\xff\xff\xff", &mut bad_lzw);
    let compression = |error| Refusal::Malformed { what: "compress message", error };
    assert_eq!(refusal(&bad_lzw, &config(), &none()), (compression(Malformed::Compression), true));
    assert_eq!(
        refusal(b"\x09\x81\xa4Algo\x01", &config(), &none()),
        (compression(Malformed::Compression), true)
    );

    let mut labelled = config();
    labelled.security.label = "blue".into();
    assert_eq!(refusal(&ping, &labelled, &none()), (Refusal::Label, false));
    assert_eq!(refusal(&close(&ping, &labelled, &none()), &config(), &none()), (Refusal::Label, false));
    let truncated = |what| Refusal::Malformed { what, error: Malformed::Truncated };
    let stream = close(&push_pull_head(1, 0), &config(), &none());
    assert_eq!(refusal(&stream, &config(), &none()), (truncated("push/pull"), false));
    let stream = close(&push_pull_head(0, 1), &config(), &keyring);
    assert_eq!(refusal(&stream, &config(), &keyring), (truncated("push/pull"), false));
    let stream = close(&[9, 0x80], &config(), &none());
    assert_eq!(refusal(&stream, &config(), &none()), (Refusal::UnknownType(9), false));
}

#[test]
fn an_encrypted_message_without_content_is_refused() {
    let keyring = Keyring::new([[1; 16]]).unwrap();
    let ad = seal::StreamAd::new(29, "");
    let mut stream = ad.header().to_vec();
    seal::seal(&keyring, [0; 12], ad.as_bytes(), &mut stream, |_| {});
    let empty = Refusal::Malformed { what: "encrypted stream message", error: Malformed::Empty };
    assert_eq!(refusal(&stream, &config(), &keyring), (empty, true));
}

#[test]
fn a_bomb_on_a_stream_stops_at_the_limit() {
    let mut config = config();
    config.stream.decompressed_max = 1 << 20;
    let (mut scratch, mut stream) = (Vec::new(), Vec::new());
    compress::prepare(&vec![0; 2 << 20], &mut scratch);
    compress::encode(&scratch, &mut stream);
    let error = Refusal::Malformed { what: "compress message", error: Malformed::TooLarge };
    assert_eq!(refusal(&stream, &config, &none()), (error, true));
}

#[test]
fn the_end_of_a_stream_is_judged_by_how_far_it_came() {
    let keyring = Keyring::new([[1; 16]]).unwrap();
    let end = |data: &[u8], keyring: &Keyring| {
        let mut decoder = FrameDecoder::new(Side::Accepted);
        decoder.feed(data, &config(), keyring).unwrap();
        decoder.finish().map(|error| (error.refusal, error.reply))
    };
    assert_eq!(end(b"", &none()), None);
    assert_eq!(end(b"\x06\x83", &none()), Some((Refusal::StreamTruncated, false)));
    assert_eq!(end(b"\x09\x82", &none()), Some((Refusal::StreamTruncated, true)));
    assert_eq!(end(b"\x0a\x00", &keyring), Some((Refusal::StreamTruncated, true)));
    assert_eq!(end(b"\xf4", &none()), Some((Refusal::StreamTruncated, false)));
    assert_eq!(end(b"\x00\x80", &none()), None);
}

#[test]
fn one_odd_member_does_not_hide_the_others() {
    let mut message = push_pull_head(4, 2);
    node("first").encode(&mut message);
    message.extend(b"\x81\xa4Name\xc0"); // no name
    message.extend(b"\x82\xa4Name\xa1x\xa5State\x09"); // no such state
    node("last").encode(&mut message);
    message.extend(b"us");
    let found = feed(Side::Accepted, &message, 5, &config(), &none()).unwrap().unwrap();
    let Ok(StreamMessage::PushPull(push_pull)) = found.message() else { panic!() };
    let names: Vec<_> = push_pull.nodes.map(|node| node.map(|node| node.name)).collect();
    assert_eq!(names, [Ok("first"), Err(Malformed::Empty), Err(Malformed::Range), Ok("last")]);
    assert_eq!(push_pull.user_state, b"us");
}

#[quickcheck]
fn garbage_is_refused_or_waited_for_but_never_panics(garbage: Vec<u8>, first: u8, dialled: bool) {
    let mut stream = garbage;
    stream.insert(0, first % 14);
    let side = if dialled { Side::Dialled } else { Side::Accepted };
    for keyring in [none(), Keyring::new([[1; 16]]).unwrap()] {
        let once = feed(side, &stream, stream.len(), &config(), &keyring);
        let bytewise = feed(side, &stream, 1, &config(), &keyring);
        if let (Ok(Some(once)), Ok(Some(bytewise))) = (&once, &bytewise) {
            assert_eq!(once, bytewise);
        }
        let Ok(Some(frame)) = once else { continue };
        let Ok(StreamMessage::PushPull(push_pull)) = frame.message() else { continue };
        push_pull.nodes.for_each(drop);
    }
}

#[test]
fn recorded_streams_with_changed_bits_are_refused_or_taken_but_never_panic() {
    let lines = lines("injected-join.jsonl");
    for line in lines.iter().filter(|line| text(line, "proto") == "tcp") {
        let stream = bytes(line, "hex");
        let side = if text(line, "dir") == "open" { Side::Accepted } else { Side::Dialled };
        for bit in (0..stream.len() * 8).step_by(3) {
            let mut changed = stream.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let Ok(Some(frame)) = feed(side, &changed, 64, &config(), &none()) else { continue };
            let Ok(StreamMessage::PushPull(push_pull)) = frame.message() else { continue };
            push_pull.nodes.for_each(drop);
            if let [2, body @ ..] = push_pull.user_state {
                let _ = tidings_core::wire::serf_message::PushPull::decode(body);
            }
        }
    }
}
