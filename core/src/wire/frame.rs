//! Messages on streams: found in what arrives piece by piece, and wrapped for sending
//! (gossip-wire, section 6).
//!
//! A stream carries one message in each direction. Plain ones have no length, so their end is
//! found by walking their MessagePack; nobody waits for the other side to close. Only members that
//! keep a registry talk longer: their messages follow each other, each wrapped by itself.

mod decoder;
mod scan;

use alloc::vec::Vec;

use bytes::{BufMut, BytesMut};

pub use decoder::{FrameDecoder, StreamRefusal};

use super::keyring::{Keyring, NONCE};
use super::limits::{SEAL_OVERHEAD, STREAM_SEAL_HEADER};
use super::message::{Ack, ErrorMessage, MessageType, Ping, PushNode, PushPullHeader, UserHeader, malformed};
use super::msgpack::{Dialect, Reader, Writer};
use super::{compress, label, seal};
use crate::config::Config;
use crate::error::{Malformed, Refusal};

/// Bytes of the type and the length before a message of a registry stream.
const REGISTRY_HEADER_MAX: usize = 6;

/// Which end of a stream this is: the label and what may be said depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// This node connected: it asks.
    Dialled,
    /// The other node connected: this one answers.
    Accepted,
}

/// A complete message of a stream: decrypted, decompressed, and known to be as long as it claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Type byte and body.
    bytes: Vec<u8>,
    /// Where the counted bytes at the end start: user state or user message.
    tail: usize,
}

/// What a [`Frame`] says.
#[derive(Clone, Debug)]
pub enum StreamMessage<'a> {
    /// Are you there? (accepted streams)
    Ping(Ping<'a>),
    /// Yes. (dialled streams)
    Ack(Ack<'a>),
    /// The other side could not read what it was sent. (dialled streams)
    Error(ErrorMessage<'a>),
    /// Full state.
    PushPull(PushPull<'a>),
    /// A message of the Serf layer, its own type byte first. (accepted streams)
    User(&'a [u8]),
    /// Part of a talk about the registry. More may follow it on the same stream.
    Registry(&'a [u8]),
}

/// Full state of the other side.
#[derive(Clone, Debug)]
pub struct PushPull<'a> {
    /// The sender joins or reconnects; not a periodic exchange.
    pub join: bool,
    /// The members it knows.
    pub nodes: PushNodes<'a>,
    /// The state of its Serf layer, type byte first; empty if it has none.
    pub user_state: &'a [u8],
}

impl PushPull<'_> {
    /// A state as if it had just arrived.
    pub(crate) fn frame<'n>(
        join: bool,
        nodes: impl Iterator<Item = PushNode<'n>> + Clone,
        user_state: &[u8],
    ) -> Frame {
        let mut bytes = Vec::new();
        encode_push_pull(join, nodes, user_state, &mut bytes);
        let tail = bytes.len() - user_state.len();
        Frame { bytes, tail }
    }
}

/// Iterates over the member records of a push/pull.
///
/// One that makes no sense comes out as an error, and the next ones still follow: a single odd
/// member must not keep a cluster from merging.
#[derive(Clone, Debug)]
pub struct PushNodes<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Iterator for PushNodes<'a> {
    type Item = Result<PushNode<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let record = self.reader.value();
        if record.is_err() {
            self.left = 0;
        }
        Some(record.and_then(|bytes| PushNode::decode_from(&mut Reader::new(bytes))))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

impl Frame {
    /// Its type.
    #[must_use]
    pub fn kind(&self) -> Option<MessageType> {
        self.bytes.first().copied().and_then(MessageType::from_u8)
    }

    /// Type byte and body, as they would be sent without wrappers.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it says.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] with what the decoder met; of a push/pull only the head is decoded
    /// here.
    pub fn message(&self) -> Result<StreamMessage<'_>, Refusal> {
        let Some((&first, body)) = self.bytes.split_first() else {
            return Err(malformed("stream", Malformed::Empty));
        };
        let kind = MessageType::from_u8(first).ok_or(Refusal::UnknownType(first))?;
        let tail = self.bytes.get(self.tail..).unwrap_or_default();
        let message = match kind {
            MessageType::Ping => Ping::decode(body).map(StreamMessage::Ping),
            MessageType::Ack => Ack::decode(body).map(StreamMessage::Ack),
            MessageType::Error => ErrorMessage::decode(body).map(StreamMessage::Error),
            MessageType::User => Ok(StreamMessage::User(tail)),
            MessageType::Registry => Ok(StreamMessage::Registry(tail)),
            MessageType::PushPull => {
                let mut reader = Reader::new(body);
                PushPullHeader::decode_from(&mut reader).map(|header| {
                    let nodes = PushNodes { reader, left: header.nodes };
                    StreamMessage::PushPull(PushPull { join: header.join, nodes, user_state: tail })
                })
            }
            _ => return Err(Refusal::UnknownType(first)),
        };
        message.map_err(|error| malformed(kind.as_str(), error))
    }
}

/// Appends a push/pull, without wrappers: the members, then the state of the Serf layer.
///
/// `nodes` is walked twice, first to count them.
pub fn encode_push_pull<'n>(
    join: bool,
    nodes: impl Iterator<Item = PushNode<'n>> + Clone,
    user_state: &[u8],
    out: &mut impl BufMut,
) {
    let header = PushPullHeader { nodes: nodes.clone().count(), user_state_len: user_state.len(), join };
    header.encode(out);
    nodes.for_each(|node| node.encode(out));
    out.put_slice(user_state);
}

/// Appends a user message, without wrappers.
pub fn encode_user(message: &[u8], out: &mut impl BufMut) {
    UserHeader { len: message.len() }.encode(out);
    out.put_slice(message);
}

/// Appends a message of a registry stream, without wrappers.
pub fn encode_registry(message: &[u8], out: &mut impl BufMut) {
    out.put_u8(MessageType::Registry as u8);
    Writer::new(out, Dialect::Gossip).uint(message.len() as u64);
    out.put_slice(message);
}

/// Appends what is to be sent on a stream for a message: compressed, encrypted and labelled as
/// configured. `nonce` is asked for 12 fresh random bytes only if they are needed.
pub fn close(
    message: &[u8],
    side: Side,
    config: &Config,
    keyring: &Keyring,
    nonce: impl FnOnce() -> [u8; NONCE],
    out: &mut BytesMut,
) {
    // Streams are compressed even where that makes them longer, as the original does.
    let compress = config.packet.compression;
    if side == Side::Dialled {
        label::encode(&config.security.label, out);
    }
    seal_message(message, compress, config, keyring, nonce, out);
}

/// As [`close`], for a message of a registry stream: compressed only where that saves bytes, and
/// labelled if it is the `first` one of the side that dials.
pub fn close_registry(
    message: &[u8],
    first: bool,
    config: &Config,
    keyring: &Keyring,
    nonce: impl FnOnce() -> [u8; NONCE],
    out: &mut BytesMut,
) {
    let mut plain = Vec::with_capacity(message.len() + REGISTRY_HEADER_MAX);
    encode_registry(message, &mut plain);
    let packet = &config.packet;
    let compress = packet.compression
        && message.len() >= packet.compression_min
        && compress::prepare(&plain, &mut Vec::new()) < plain.len();
    if first {
        label::encode(&config.security.label, out);
    }
    seal_message(&plain, compress, config, keyring, nonce, out);
}

/// Appends a message, compressed and encrypted.
fn seal_message(
    message: &[u8],
    compress: bool,
    config: &Config,
    keyring: &Keyring,
    nonce: impl FnOnce() -> [u8; NONCE],
    out: &mut BytesMut,
) {
    let security = &config.security;
    let mut compressed = Vec::new();
    let len = if compress { compress::prepare(message, &mut compressed) } else { message.len() };
    let write = |out: &mut BytesMut| {
        if compress {
            compress::encode(&compressed, out);
        } else {
            out.extend_from_slice(message);
        }
    };
    out.reserve(STREAM_SEAL_HEADER + SEAL_OVERHEAD + len);
    if security.verify_outgoing && !keyring.is_empty() {
        let sealed = u32::try_from(SEAL_OVERHEAD + len).expect("no stream message comes near 4 GiB");
        let ad = seal::StreamAd::new(sealed, &security.label);
        out.extend_from_slice(ad.header());
        let before = out.len();
        seal::seal(keyring, nonce(), ad.as_bytes(), out, write);
        debug_assert_eq!(out.len() - before, SEAL_OVERHEAD + len);
    } else {
        write(out);
    }
}
