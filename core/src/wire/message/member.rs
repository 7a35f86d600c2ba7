//! What is said about members: alive, suspect, dead.

use core::net::IpAddr;

use bytes::BufMut;

use super::super::msgpack::{Dialect, Reader, Writer};
use super::{MessageType, need_ip, read_ip, read_meta, read_name, read_versions, write_ip, write_versions};
use crate::error::Malformed;
use crate::swim::member::{Incarnation, Versions};

/// A member is there, under this address and with these properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alive<'a> {
    /// Who; never empty.
    pub node: &'a str,
    /// Where.
    pub addr: IpAddr,
    /// Gossip port; 0: the receiver's own.
    pub port: u16,
    /// Encoded tags, at most [`META_MAX`](crate::wire::limits::META_MAX) bytes.
    pub meta: &'a [u8],
    /// How often it has asserted itself.
    pub incarnation: Incarnation,
    /// Its protocol versions; `None`: it did not send all six bytes, and must be refused, or no
    /// push/pull in the cluster works any more (gossip-wire, section 5.1).
    pub versions: Option<Versions>,
}

impl<'a> Alive<'a> {
    /// Declaration order of the original, for peers that send structures as arrays.
    const FIELDS: [&'static str; 6] = ["Incarnation", "Node", "Addr", "Port", "Meta", "Vsn"];

    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed; [`Malformed::Empty`] without a name, [`Malformed::Address`] without an
    /// address, [`Malformed::TooLarge`] for a name or meta above its limit.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let (mut node, mut addr, mut port, mut meta) = ("", None, 0, &[][..]);
        let (mut incarnation, mut versions) = (0, None);
        Reader::new(body).fields(&Self::FIELDS, |index, r| {
            match index {
                0 => incarnation = r.u32()?,
                1 => node = read_name(r)?,
                2 => addr = read_ip(r)?,
                3 => port = r.u16()?,
                4 => meta = read_meta(r)?,
                _ => versions = read_versions(r)?,
            }
            Ok(())
        })?;
        if node.is_empty() {
            return Err(Malformed::Empty);
        }
        Ok(Alive { node, addr: need_ip(addr)?, port, meta, incarnation, versions })
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(MessageType::Alive as u8);
        let mut w = Writer::new(out, Dialect::Gossip);
        w.map(6).str("Addr");
        write_ip(&mut w, self.addr);
        w.str("Incarnation").uint(self.incarnation.into());
        w.str("Meta").bytes_or_nil(self.meta);
        w.str("Node").str(self.node);
        w.str("Port").uint(self.port.into());
        w.str("Vsn");
        write_versions(&mut w, self.versions);
    }
}

/// Somebody accuses a member: the body that suspect and dead share.
#[derive(Clone, Copy)]
struct Accusation<'a> {
    incarnation: Incarnation,
    node: &'a str,
    from: &'a str,
}

impl<'a> Accusation<'a> {
    const FIELDS: [&'static str; 3] = ["Incarnation", "Node", "From"];

    fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut this = Accusation { incarnation: 0, node: "", from: "" };
        Reader::new(body).fields(&Self::FIELDS, |index, r| {
            match index {
                0 => this.incarnation = r.u32()?,
                1 => this.node = read_name(r)?,
                _ => this.from = read_name(r)?,
            }
            Ok(())
        })?;
        Ok(this)
    }

    fn encode(self, kind: MessageType, out: &mut impl BufMut) {
        out.put_u8(kind as u8);
        let mut w = Writer::new(out, Dialect::Gossip);
        w.map(3).str("From").str(self.from);
        w.str("Incarnation").uint(self.incarnation.into());
        w.str("Node").str(self.node);
    }
}

/// A member does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect<'a> {
    /// The incarnation it was last known in.
    pub incarnation: Incarnation,
    /// Who.
    pub node: &'a str,
    /// Who says so.
    pub from: &'a str,
}

impl<'a> Suspect<'a> {
    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed; [`Malformed::TooLarge`] for a name above its limit.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let Accusation { incarnation, node, from } = Accusation::decode(body)?;
        Ok(Suspect { incarnation, node, from })
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        let Suspect { incarnation, node, from } = *self;
        Accusation { incarnation, node, from }.encode(MessageType::Suspect, out);
    }
}

/// A member failed; or it left, if it says so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dead<'a> {
    /// The incarnation it was last known in.
    pub incarnation: Incarnation,
    /// Who.
    pub node: &'a str,
    /// Who says so.
    pub from: &'a str,
}

impl<'a> Dead<'a> {
    /// Whether the member left, rather than failed.
    #[must_use]
    pub fn is_leave(&self) -> bool {
        self.node == self.from
    }

    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed; [`Malformed::TooLarge`] for a name above its limit.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let Accusation { incarnation, node, from } = Accusation::decode(body)?;
        Ok(Dead { incarnation, node, from })
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        let Dead { incarnation, node, from } = *self;
        Accusation { incarnation, node, from }.encode(MessageType::Dead, out);
    }
}
