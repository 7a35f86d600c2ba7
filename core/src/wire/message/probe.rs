//! Failure detection: ping, indirect ping, ack, nack.

use core::net::{IpAddr, SocketAddr};

use bytes::BufMut;

use super::super::msgpack::{Dialect, Reader, Writer};
use super::{MessageType, need_ip, read_ip, read_name, write_ip};
use crate::error::Malformed;

/// Where an answer goes, as far as the asker says. Absent fields are not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source<'a> {
    /// The asker's address.
    pub addr: Option<IpAddr>,
    /// The asker's gossip port; 0: not said.
    pub port: u16,
    /// The asker's name; empty: not said.
    pub node: &'a str,
}

impl<'a> Source<'a> {
    /// A node that says everything.
    #[must_use]
    pub const fn new(addr: SocketAddr, node: &'a str) -> Self {
        Source { addr: Some(addr.ip()), port: addr.port(), node }
    }

    /// Where to answer, if both address and port were given; else the packet's source counts.
    #[must_use]
    pub fn socket(&self) -> Option<SocketAddr> {
        self.addr.filter(|_| self.port != 0).map(|ip| SocketAddr::new(ip, self.port))
    }

    /// Reads the field that has this index among address, port, node.
    fn read(&mut self, index: usize, r: &mut Reader<'a>) -> Result<(), Malformed> {
        match index {
            0 => self.addr = read_ip(r)?,
            1 => self.port = r.u16()?,
            _ => self.node = read_name(r)?,
        }
        Ok(())
    }

    fn count(&self) -> usize {
        usize::from(self.addr.is_some()) + usize::from(self.port != 0) + usize::from(!self.node.is_empty())
    }

    fn write<B: BufMut>(&self, w: &mut Writer<'_, B>) {
        if let Some(addr) = self.addr {
            w.str("SourceAddr");
            write_ip(w, addr);
        }
        if !self.node.is_empty() {
            w.str("SourceNode").str(self.node);
        }
        if self.port != 0 {
            w.str("SourcePort").uint(self.port.into());
        }
    }
}

/// Are you there?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping<'a> {
    /// Ties the answer to the question.
    pub seq: u32,
    /// Whom it is meant for; empty: anyone.
    pub node: &'a str,
    /// Who asks.
    pub source: Source<'a>,
}

impl<'a> Ping<'a> {
    const FIELDS: [&'static str; 5] = ["SeqNo", "Node", "SourceAddr", "SourcePort", "SourceNode"];

    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed; [`Malformed::TooLarge`] for a name above its limit.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        Self::decode_from(&mut Reader::new(body))
    }

    /// Decodes the next value.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_from(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let mut this = Ping { seq: 0, node: "", source: Source::default() };
        reader.fields(&Self::FIELDS, |index, r| {
            match index {
                0 => this.seq = r.u32()?,
                1 => this.node = read_name(r)?,
                _ => this.source.read(index - 2, r)?,
            }
            Ok(())
        })?;
        Ok(this)
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(MessageType::Ping as u8);
        let mut w = Writer::new(out, Dialect::Gossip);
        w.map(2 + self.source.count()).str("Node").str(self.node);
        w.str("SeqNo").uint(self.seq.into());
        self.source.write(&mut w);
    }
}

/// Ask another node whether it is there, and tell me.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndirectPing<'a> {
    /// The asker's number, echoed in the answer.
    pub seq: u32,
    /// The other node's address.
    pub target: IpAddr,
    /// The other node's gossip port; 0: the receiver's own.
    pub port: u16,
    /// The other node's name.
    pub node: &'a str,
    /// Whether the asker wants to hear of a failure too.
    pub nack: bool,
    /// Who asks.
    pub source: Source<'a>,
}

impl<'a> IndirectPing<'a> {
    const FIELDS: [&'static str; 8] =
        ["SeqNo", "Target", "Port", "Node", "Nack", "SourceAddr", "SourcePort", "SourceNode"];

    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed; [`Malformed::Address`] without a target, [`Malformed::TooLarge`] for a
    /// name above its limit.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let (mut seq, mut target, mut port, mut node, mut nack) = (0, None, 0, "", false);
        let mut source = Source::default();
        Reader::new(body).fields(&Self::FIELDS, |index, r| {
            match index {
                0 => seq = r.u32()?,
                1 => target = read_ip(r)?,
                2 => port = r.u16()?,
                3 => node = read_name(r)?,
                4 => nack = r.bool()?,
                _ => source.read(index - 5, r)?,
            }
            Ok(())
        })?;
        Ok(IndirectPing { seq, target: need_ip(target)?, port, node, nack, source })
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(MessageType::IndirectPing as u8);
        let mut w = Writer::new(out, Dialect::Gossip);
        w.map(5 + self.source.count()).str("Nack").bool(self.nack);
        w.str("Node").str(self.node);
        w.str("Port").uint(self.port.into());
        w.str("SeqNo").uint(self.seq.into());
        self.source.write(&mut w);
        w.str("Target");
        write_ip(&mut w, self.target);
    }
}

/// Yes, I am there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The number of the ping.
    pub seq: u32,
    /// The coordinate of the answering node; empty on relayed and stream acks.
    pub payload: &'a [u8],
}

impl<'a> Ack<'a> {
    const FIELDS: [&'static str; 2] = ["SeqNo", "Payload"];

    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut this = Ack { seq: 0, payload: &[] };
        Reader::new(body).fields(&Self::FIELDS, |index, r| {
            match index {
                0 => this.seq = r.u32()?,
                _ => this.payload = r.bytes()?,
            }
            Ok(())
        })?;
        Ok(this)
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(MessageType::Ack as u8);
        let mut w = Writer::new(out, Dialect::Gossip);
        w.map(2).str("Payload").bytes_or_nil(self.payload);
        w.str("SeqNo").uint(self.seq.into());
    }
}

/// The node you asked me about does not answer me either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack {
    /// The number of the indirect ping.
    pub seq: u32,
}

impl Nack {
    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut seq = 0;
        Reader::new(body).fields(&["SeqNo"], |_, r| {
            seq = r.u32()?;
            Ok(())
        })?;
        Ok(Nack { seq })
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(MessageType::Nack as u8);
        Writer::new(out, Dialect::Gossip).map(1).str("SeqNo").uint(self.seq.into());
    }
}
