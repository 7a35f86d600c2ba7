//! The messages of the gossip layer (gossip-wire, sections 3 and 5).
//!
//! Every message borrows its texts and bytes from what was received. `decode` takes the body
//! behind the type byte and ignores what follows it, as Go does; `encode` writes the type byte and
//! the fields in wire order, without allocating.

mod member;
mod probe;
mod stream;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::BufMut;

pub use member::{Alive, Dead, Suspect};
pub use probe::{Ack, IndirectPing, Nack, Ping, Source};
pub use stream::{ErrorMessage, PushNode, PushPullHeader, UserHeader};

use super::limits::{META_MAX, NAME_MAX};
use super::msgpack::{Reader, Writer};
use crate::error::{Malformed, Refusal};
use crate::swim::member::Versions;

/// The first byte of every plain message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MessageType {
    /// Are you there?
    Ping = 0,
    /// Ask another node whether it is there.
    IndirectPing = 1,
    /// Yes.
    Ack = 2,
    /// It may have failed.
    Suspect = 3,
    /// It is there.
    Alive = 4,
    /// It failed, or left.
    Dead = 5,
    /// Full state; streams only.
    PushPull = 6,
    /// Several messages in one packet.
    Compound = 7,
    /// A message of the Serf layer.
    User = 8,
    /// A compressed message.
    Compress = 9,
    /// An encrypted stream message.
    Encrypt = 10,
    /// The other node did not answer me either.
    Nack = 11,
    /// A packet with a checksum.
    HasCrc = 12,
    /// Something went wrong; streams only.
    Error = 13,
    /// Part of the talk of two members that keep a registry; streams only.
    Registry = b'T',
    /// A label in front of everything else.
    HasLabel = 244,
}

impl MessageType {
    /// The type with this number.
    #[must_use]
    pub const fn from_u8(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Ping,
            1 => Self::IndirectPing,
            2 => Self::Ack,
            3 => Self::Suspect,
            4 => Self::Alive,
            5 => Self::Dead,
            6 => Self::PushPull,
            7 => Self::Compound,
            8 => Self::User,
            9 => Self::Compress,
            10 => Self::Encrypt,
            11 => Self::Nack,
            12 => Self::HasCrc,
            13 => Self::Error,
            b'T' => Self::Registry,
            244 => Self::HasLabel,
            _ => return None,
        })
    }

    /// The word for it in refusals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::IndirectPing => "indirect ping",
            Self::Ack => "ack",
            Self::Suspect => "suspect message",
            Self::Alive => "alive message",
            Self::Dead => "dead message",
            Self::PushPull => "push/pull",
            Self::Compound => "compound message",
            Self::User => "user message",
            Self::Compress => "compress message",
            Self::Encrypt => "encrypted message",
            Self::Nack => "nack",
            Self::HasCrc => "checksum header",
            Self::Error => "error message",
            Self::Registry => "registry message",
            Self::HasLabel => "label header",
        }
    }
}

/// One message of a packet, all wrappers removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Type 0.
    Ping(Ping<'a>),
    /// Type 1.
    IndirectPing(IndirectPing<'a>),
    /// Type 2.
    Ack(Ack<'a>),
    /// Type 11.
    Nack(Nack),
    /// Type 3.
    Suspect(Suspect<'a>),
    /// Type 4.
    Alive(Alive<'a>),
    /// Type 5.
    Dead(Dead<'a>),
    /// Type 8: a message of the Serf layer, its own type byte first.
    User(&'a [u8]),
}

impl<'a> Message<'a> {
    /// Decodes a message, its type byte first.
    ///
    /// # Errors
    /// [`Refusal::UnknownType`] for a type that no packet may hold here, wrappers included;
    /// [`Refusal::Malformed`] with what the decoder met.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let Some((&first, body)) = bytes.split_first() else {
            return Err(malformed("packet", Malformed::Empty));
        };
        let kind = MessageType::from_u8(first).ok_or(Refusal::UnknownType(first))?;
        let message = match kind {
            MessageType::Ping => Ping::decode(body).map(Message::Ping),
            MessageType::IndirectPing => IndirectPing::decode(body).map(Message::IndirectPing),
            MessageType::Ack => Ack::decode(body).map(Message::Ack),
            MessageType::Nack => Nack::decode(body).map(Message::Nack),
            MessageType::Suspect => Suspect::decode(body).map(Message::Suspect),
            MessageType::Alive => Alive::decode(body).map(Message::Alive),
            MessageType::Dead => Dead::decode(body).map(Message::Dead),
            MessageType::User => Ok(Message::User(body)),
            _ => return Err(Refusal::UnknownType(first)),
        };
        message.map_err(|error| malformed(kind.as_str(), error))
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        match self {
            Message::Ping(message) => message.encode(out),
            Message::IndirectPing(message) => message.encode(out),
            Message::Ack(message) => message.encode(out),
            Message::Nack(message) => message.encode(out),
            Message::Suspect(message) => message.encode(out),
            Message::Alive(message) => message.encode(out),
            Message::Dead(message) => message.encode(out),
            Message::User(body) => {
                out.put_u8(MessageType::User as u8);
                out.put_slice(body);
            }
        }
    }
}

pub(crate) fn malformed(what: &'static str, error: Malformed) -> Refusal {
    Refusal::Malformed { what, error }
}

/// A node's name; empty if there is none.
pub(super) fn read_name<'a>(r: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    let name = r.str()?;
    if name.len() > NAME_MAX { Err(Malformed::TooLarge) } else { Ok(name) }
}

/// A member's meta.
fn read_meta<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let meta = r.bytes()?;
    if meta.len() > META_MAX { Err(Malformed::TooLarge) } else { Ok(meta) }
}

/// An address: 4 bytes, 16 bytes, or none. IPv4 in its IPv6 form is IPv4, as it is for Go.
pub(super) fn read_ip(r: &mut Reader<'_>) -> Result<Option<IpAddr>, Malformed> {
    let mut bytes = [0; 16];
    match r.short_bytes(&mut bytes)? {
        0 => Ok(None),
        4 => {
            let [a, b, c, d, ..] = bytes;
            Ok(Some(Ipv4Addr::new(a, b, c, d).into()))
        }
        16 => Ok(Some(IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical())),
        _ => Err(Malformed::Address),
    }
}

/// An address that must be there.
pub(super) fn need_ip(ip: Option<IpAddr>) -> Result<IpAddr, Malformed> {
    ip.ok_or(Malformed::Address)
}

pub(super) fn write_ip<B: BufMut>(w: &mut Writer<'_, B>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => w.bytes(&ip.octets()),
        IpAddr::V6(ip) => w.bytes(&ip.octets()),
    };
}

/// The six version bytes; fewer say nothing that could be relied on, more are ignored.
fn read_versions(r: &mut Reader<'_>) -> Result<Option<Versions>, Malformed> {
    let mut bytes = [0; 6];
    let len = r.short_bytes(&mut bytes)?;
    Ok((len >= bytes.len()).then(|| Versions::from_bytes(bytes)))
}

/// Peers that said nothing are relayed as they were: without version bytes.
fn write_versions<B: BufMut>(w: &mut Writer<'_, B>, versions: Option<Versions>) {
    match versions {
        Some(versions) => w.bytes(&versions.to_bytes()),
        None => w.nil(),
    };
}
