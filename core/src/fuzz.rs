//! What fuzz targets do with the bytes they are given, and plain tests with bytes kept from earlier:
//! no input may panic, hang, or take more than the configuration allows, and what was understood
//! once is understood the same way again.
//!
//! Outside of the promises about versions: for this project's own `fuzz/` and tests.

mod again;
mod script;

use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

use bytes::{Bytes, BytesMut};

pub use self::again::encoded;
pub use self::script::node;
use crate::config::Config;
use crate::node::Node;
use crate::registry::log::{self, Entry};
use crate::serf::restore::Restored;
use crate::time::Time;
use crate::wire::Keyring;
use crate::wire::frame::{Frame, FrameDecoder, Side, StreamMessage, StreamRefusal};
use crate::wire::message::MessageType;
use crate::wire::packet::{Closer, Opener};

/// The key of all that is encrypted.
const KEY: [u8; 16] = *b"0123456789abcdef";
/// Bytes of a stream's message at most, small enough for a fuzzer to reach.
const MESSAGE_MAX: usize = 64 << 10;
/// Members taken from a snapshot.
const RESTORED_MAX: usize = 64;

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1), port))
}

fn config() -> Config {
    let mut config = Config::lan("fuzzed", address(7946));
    config.stream.message_max = MESSAGE_MAX;
    config.stream.decompressed_max = 2 * MESSAGE_MAX;
    config.stream.buffered_max = 4 * MESSAGE_MAX;
    config
}

fn keyring() -> Keyring {
    Keyring::new([KEY]).expect("a key of 16 bytes")
}

/// The first byte, which chooses among variants, and the rest.
fn choice(bytes: &[u8]) -> (u8, &[u8]) {
    bytes.split_first().map_or((0, bytes), |(&first, rest)| (first, rest))
}

/// Opens a datagram; all messages in it, none of them empty.
fn open(datagram: &[u8], config: &Config, keyring: &Keyring) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let mut seen = 0;
    Opener::new().open(datagram, config, keyring, |message| {
        seen += 1;
        if let Ok(message) = message {
            assert!(!message.is_empty(), "an empty message came out of a datagram");
            messages.push(message.to_vec());
        }
    });
    assert!(seen <= 2 * config.packet.messages_max + 1, "a datagram holds {seen} messages");
    messages
}

/// A datagram of a cluster that does not encrypt.
pub fn datagram_plain(bytes: &[u8]) {
    let config = config();
    for message in open(bytes, &config, &Keyring::default()) {
        again::message(&message);
    }
}

/// A datagram of a cluster that encrypts. By the first byte: as it came from the network; or the
/// bytes as a message that somebody who has the key sealed, opened, and refused with any bit of it
/// turned.
pub fn datagram_encrypted(bytes: &[u8]) {
    let (mode, bytes) = choice(bytes);
    let (mut config, keyring) = (config(), keyring());
    if mode & 4 != 0 {
        config.security.label = "fuzz".into();
    }
    if mode & 3 == 0 {
        for message in open(bytes, &config, &keyring) {
            again::message(&message);
        }
        return;
    }
    config.packet.compression = mode & 8 != 0;
    // A message of the checksum's type would be taken for one.
    let with_crc = mode & 2 != 0 || bytes.first() == Some(&(MessageType::HasCrc as u8));
    let mut sealed = BytesMut::new();
    Closer::new().close(bytes, with_crc, &config, &keyring, || [mode; 12], &mut sealed);
    let opened = open(&sealed, &config, &keyring);
    // Compression counts as one more message around it.
    if !config.packet.compression {
        assert_eq!(opened, open_plainly(bytes, &config), "sealing changed what a message says");
    }
    opened.iter().for_each(|message| again::message(message));
    let bit = usize::from(mode) * 131 % (8 * sealed.len());
    sealed[bit / 8] ^= 1 << (bit % 8);
    assert!(open(&sealed, &config, &keyring).is_empty(), "bit {bit} was turned and nobody noticed");
}

/// What is in a message that needs no opening.
fn open_plainly(message: &[u8], config: &Config) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    if !message.is_empty() {
        Opener::new().expand(message, &config.packet, |message| messages.extend(message.ok().map(Vec::from)));
    }
    messages
}

/// A stream, fed whole and in slices. The first byte says which end it is, whether it is encrypted,
/// and how the slices are cut; however that is, the same comes out.
pub fn stream(bytes: &[u8]) {
    let (mode, bytes) = choice(bytes);
    let side = if mode & 1 == 0 { Side::Accepted } else { Side::Dialled };
    let mut config = config();
    config.security.verify_incoming = mode & 4 == 0;
    let keyring = if mode & 2 == 0 { Keyring::default() } else { keyring() };
    let whole = feed(side, &config, &keyring, &[bytes]);
    // Slices of 1 to 32 bytes, of all lengths in turn for some.
    let step = usize::from(mode >> 3) + 1;
    let mut slices = Vec::new();
    let (mut rest, mut len) = (bytes, step);
    while !rest.is_empty() {
        let (slice, after) = rest.split_at(len.min(rest.len()));
        slices.push(slice);
        rest = after;
        len = if step % 2 == 0 { len % 32 + 1 } else { step };
    }
    let (frames, refusal) = feed(side, &config, &keyring, &slices);
    assert_eq!(frames, whole.0, "slices made other messages");
    assert_eq!(
        refusal.is_some(),
        whole.1.is_some(),
        "slices were judged otherwise: {refusal:?}, {:?}",
        whole.1
    );
    frames.iter().for_each(look_into);
}

/// What a decoder makes of pieces until it refuses or they end.
fn feed(
    side: Side,
    config: &Config,
    keyring: &Keyring,
    pieces: &[&[u8]],
) -> (Vec<Frame>, Option<StreamRefusal>) {
    let mut decoder = FrameDecoder::new(side);
    let mut frames = Vec::new();
    for piece in pieces {
        let mut piece = *piece;
        loop {
            match decoder.feed(piece, config, keyring) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(refusal) => return (frames, Some(refusal)),
            }
            piece = &[];
        }
        assert!(decoder.buffered() <= 8 * MESSAGE_MAX, "{} bytes are held", decoder.buffered());
    }
    (frames, decoder.finish())
}

fn look_into(frame: &Frame) {
    if let Ok(StreamMessage::PushPull(state)) = frame.message() {
        let good = state.nodes.filter(Result::is_ok).count();
        assert!(good <= frame.as_bytes().len(), "more members than bytes");
        again::serf(state.user_state);
    }
}

/// A snapshot. The first byte says whether a leave in it counts.
pub fn snapshot(bytes: &[u8]) {
    let (mode, file) = choice(bytes);
    let rejoin = mode & 1 == 1;
    let restored = Restored::read(file, rejoin, RESTORED_MAX);
    assert!(restored.alive.len() <= RESTORED_MAX, "{} members", restored.alive.len());
    assert!(restored.alive.is_sorted_by(|a, b| a.0 < b.0), "members are out of order or twice there");
    assert_eq!(restored.torn, file.last().is_some_and(|last| *last != b'\n'));
    let end = file.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let complete = Restored::read(&file[..end], rejoin, RESTORED_MAX);
    assert_eq!(
        Restored { torn: false, size: restored.size, ..restored.clone() },
        Restored { size: restored.size, ..complete },
        "a torn line counted"
    );
    live_on(config(), &restored);
}

/// The log of registrations. By the first byte: as it lay on disk; or the bytes as what its entries
/// say, so that what stands behind the checksums is reached.
pub fn registry_log(bytes: &[u8]) {
    let (mode, bytes) = choice(bytes);
    let log = if mode & 1 == 0 { bytes.to_vec() } else { entries(bytes) };
    let replay = log::replay(&log);
    let good = replay.good_len();
    assert!(good <= log.len());
    assert_eq!(replay.fault().is_none(), good == log.len(), "the fault is not where the good part ends");
    let mut written = Vec::new();
    if good > 0 {
        log::start(&mut written);
        for entry in replay.entries() {
            log::append(&mut written, entry).expect("it was in a log");
        }
    }
    assert_eq!(written, log[..good], "what was read is written otherwise");
    let mut config = config();
    config.registry.enabled = true;
    config.registry.durable = true;
    live_on(config, &Restored { registrations: Bytes::from(log), ..Restored::default() });
}

/// A good log: a byte for the kind and the length of the key, one for that of the value, the key,
/// the value, and again.
fn entries(mut bytes: &[u8]) -> Vec<u8> {
    let mut log = Vec::new();
    log::start(&mut log);
    while let [head, value_len, rest @ ..] = bytes {
        let (key, rest) = rest.split_at(usize::from(head >> 1).min(rest.len()));
        let (value, rest) = rest.split_at(usize::from(*value_len).min(rest.len()));
        let entry = if head & 1 == 0 { Entry::Put { key, value } } else { Entry::Delete { key } };
        log::append(&mut log, entry).expect("far below the limits");
        bytes = rest;
    }
    log
}

/// A node starts with what was read, and runs on.
fn live_on(config: Config, restored: &Restored) {
    let mut node = Node::restore(config, [7; 32], Time::ZERO, restored).expect("a good configuration");
    let addresses = restored.alive.iter().map(|(_, addr)| alloc::format!("{addr}")).collect();
    let inputs = vec![crate::Command::Rejoin { addresses }, crate::Command::Leave];
    let mut now = Time::ZERO;
    for (token, command) in (0..).zip(inputs) {
        let input = crate::Input::Command { token: crate::Token(token), command };
        node.handle_input(now, input).expect("time stands still");
        while node.poll_output().is_some() {}
        now = node.poll_timeout().unwrap_or(now).max(now);
        node.handle_input(now, crate::Input::Timeout).expect("time goes on");
        while node.poll_output().is_some() {}
    }
}
