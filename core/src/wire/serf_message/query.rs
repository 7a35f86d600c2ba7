//! Queries, their filters, their answers, and relays of these.

use alloc::vec::Vec;
use core::net::IpAddr;

use bytes::BufMut;

use super::super::message::{need_ip, read_ip, read_name, write_ip};
use super::super::msgpack::{Dialect, Reader, Writer};
use super::{Filter, Filters, SerfType};
use crate::error::Malformed;
use crate::serf::clock::LamportTime;

/// A question to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// When it was asked, on the query clock.
    pub ltime: LamportTime,
    /// The random part of its identity.
    pub id: u32,
    /// Where answers go.
    pub addr: IpAddr,
    /// Where answers go.
    pub port: u16,
    /// Who asks; empty if an old peer did not say.
    pub source_node: &'a str,
    /// Who may answer.
    pub filters: Filters<'a>,
    /// [`ACK`](Self::ACK) and [`NO_BROADCAST`](Self::NO_BROADCAST), added up; other bits mean
    /// nothing and are kept.
    pub flags: u32,
    /// Answers also travel through this many other members.
    pub relay_factor: u8,
    /// How long answers are awaited, in nanoseconds; not positive: not at all.
    pub timeout: i64,
    /// Its name.
    pub name: &'a str,
    /// The question itself, empty if it has none.
    pub payload: &'a [u8],
}

impl<'a> Query<'a> {
    /// Receivers acknowledge it.
    pub const ACK: u32 = 1;
    /// Receivers do not pass it on.
    pub const NO_BROADCAST: u32 = 2;

    const FIELDS: [&'static str; 11] = [
        "LTime",
        "ID",
        "Addr",
        "Port",
        "SourceNode",
        "Filters",
        "Flags",
        "RelayFactor",
        "Timeout",
        "Name",
        "Payload",
    ];

    /// Decodes the body. Filters are only looked at when they are walked.
    ///
    /// # Errors
    /// What is malformed; [`Malformed::Address`] without an address for the answers,
    /// [`Malformed::TooLarge`] for a node name above its limit.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let (mut ltime, mut id, mut addr, mut port) = (0, 0, None, 0);
        let (mut source_node, mut filters, mut flags) = ("", Filters::default(), 0);
        let (mut relay_factor, mut timeout, mut name, mut payload) = (0, 0, "", &[][..]);
        Reader::new(body).fields(&Self::FIELDS, |index, r| {
            match index {
                0 => ltime = r.u64()?,
                1 => id = r.u32()?,
                2 => addr = read_ip(r)?,
                3 => port = r.u16()?,
                4 => source_node = read_name(r)?,
                5 => filters = Filters::read(r)?,
                6 => flags = r.u32()?,
                7 => relay_factor = r.u8()?,
                8 => timeout = r.i64()?,
                9 => name = r.str()?,
                _ => payload = r.bytes()?,
            }
            Ok(())
        })?;
        let (ltime, addr) = (LamportTime(ltime), need_ip(addr)?);
        Ok(Query { ltime, id, addr, port, source_node, filters, flags, relay_factor, timeout, name, payload })
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(SerfType::Query as u8);
        let mut w = Writer::new(out, Dialect::Gossip);
        w.map(11).str("Addr");
        write_ip(&mut w, self.addr);
        w.str("Filters").encoded_or_nil(self.filters.as_bytes());
        w.str("Flags").uint(self.flags.into());
        w.str("ID").uint(self.id.into());
        w.str("LTime").uint(self.ltime.0);
        w.str("Name").str(self.name);
        w.str("Payload").bytes_or_nil(self.payload);
        w.str("Port").uint(self.port.into());
        w.str("RelayFactor").uint(self.relay_factor.into());
        w.str("SourceNode").str(self.source_node);
        w.str("Timeout").int(self.timeout);
    }
}

/// Appends the filters of a query for use with [`Filters::from_encoded`]: one filter for all
/// `nodes` (if there are any), one for each pair of tag and expression; nil if there is none.
pub fn encode_filters<N: AsRef<str>, T: AsRef<str>, E: AsRef<str>>(
    nodes: &[N],
    tags: &[(T, E)],
    out: &mut impl BufMut,
) {
    let mut w = Writer::new(out, Dialect::Gossip);
    let count = usize::from(!nodes.is_empty()) + tags.len();
    if count == 0 {
        w.nil();
        return;
    }
    w.array(count);
    let mut filter = Vec::new();
    if !nodes.is_empty() {
        filter.push(Filter::NODES);
        let mut inner = Writer::new(&mut filter, Dialect::Gossip);
        inner.array(nodes.len());
        for node in nodes {
            inner.str(node.as_ref());
        }
        w.bytes(&filter);
    }
    for (tag, expr) in tags {
        filter.clear();
        filter.push(Filter::TAG);
        let mut inner = Writer::new(&mut filter, Dialect::Gossip);
        inner.map(2).str("Expr").str(expr.as_ref()).str("Tag").str(tag.as_ref());
        w.bytes(&filter);
    }
}

/// The answer to a query, or the acknowledgement of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryResponse<'a> {
    /// The query's time.
    pub ltime: LamportTime,
    /// The random part of the query's identity.
    pub id: u32,
    /// Who answers.
    pub from: &'a str,
    /// [`ACK`](Self::ACK) or nothing; other bits mean nothing and are kept.
    pub flags: u32,
    /// The answer; empty in an acknowledgement.
    pub payload: &'a [u8],
}

impl<'a> QueryResponse<'a> {
    /// It is an acknowledgement.
    pub const ACK: u32 = 1;

    /// Whether it is an acknowledgement.
    #[must_use]
    pub const fn is_ack(&self) -> bool {
        self.flags & Self::ACK != 0
    }

    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed; [`Malformed::TooLarge`] for a name above its limit.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut this = QueryResponse { ltime: LamportTime(0), id: 0, from: "", flags: 0, payload: &[] };
        Reader::new(body).fields(&["LTime", "ID", "From", "Flags", "Payload"], |index, r| {
            match index {
                0 => this.ltime = LamportTime(r.u64()?),
                1 => this.id = r.u32()?,
                2 => this.from = read_name(r)?,
                3 => this.flags = r.u32()?,
                _ => this.payload = r.bytes()?,
            }
            Ok(())
        })?;
        Ok(this)
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(SerfType::QueryResponse as u8);
        let mut w = Writer::new(out, Dialect::Gossip);
        w.map(5).str("Flags").uint(self.flags.into());
        w.str("From").str(self.from);
        w.str("ID").uint(self.id.into());
        w.str("LTime").uint(self.ltime.0);
        w.str("Payload").bytes_or_nil(self.payload);
    }
}

/// A message for a third node (serf-wire, section 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay<'a> {
    /// Where it goes.
    pub addr: IpAddr,
    /// Where it goes.
    pub port: u16,
    /// Whom it is for.
    pub dest_name: &'a str,
    /// The Serf message, its type byte first; passed on unchanged.
    pub inner: &'a [u8],
}

impl<'a> Relay<'a> {
    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed; [`Malformed::Address`] without a destination, [`Malformed::Empty`]
    /// without a message inside, [`Malformed::TooLarge`] for a name above its limit.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let (mut addr, mut port, mut dest_name) = (None, 0, "");
        let mut reader = Reader::new(body);
        reader.fields(&["DestAddr", "DestName"], |index, r| match index {
            0 => r.fields(&["IP", "Port", "Zone"], |index, r| {
                match index {
                    0 => addr = read_ip(r)?,
                    1 => port = r.u16()?,
                    _ => drop(r.str()?),
                }
                Ok(())
            }),
            _ => {
                dest_name = read_name(r)?;
                Ok(())
            }
        })?;
        let inner = reader.rest();
        if inner.is_empty() {
            return Err(Malformed::Empty);
        }
        Ok(Relay { addr: need_ip(addr)?, port, dest_name, inner })
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(SerfType::Relay as u8);
        let mut w = Writer::new(out, Dialect::Gossip);
        w.map(2).str("DestAddr").map(3).str("IP");
        write_ip(&mut w, self.addr);
        w.str("Port").uint(self.port.into());
        w.str("Zone").str("");
        w.str("DestName").str(self.dest_name);
        out.put_slice(self.inner);
    }
}
