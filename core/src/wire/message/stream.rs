//! What only streams carry: the parts of a push/pull, user headers, errors.

use core::net::IpAddr;

use bytes::BufMut;

use super::super::limits::{PUSH_PULL_NODES_MAX, USER_STATE_MAX};
use super::super::msgpack::{Dialect, Reader, Writer};
use super::{MessageType, need_ip, read_ip, read_meta, read_name, read_versions, write_ip, write_versions};
use crate::error::Malformed;
use crate::swim::member::{Incarnation, State, Versions};

/// The head of a push/pull: what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushPullHeader {
    /// Member records that follow, at most
    /// [`PUSH_PULL_NODES_MAX`](crate::wire::limits::PUSH_PULL_NODES_MAX).
    pub nodes: usize,
    /// Bytes of user state behind them, at most
    /// [`USER_STATE_MAX`](crate::wire::limits::USER_STATE_MAX).
    pub user_state_len: usize,
    /// The sender joins or reconnects; not a periodic exchange.
    pub join: bool,
}

impl PushPullHeader {
    const FIELDS: [&'static str; 3] = ["Nodes", "UserStateLen", "Join"];

    /// Decodes the next value.
    ///
    /// # Errors
    /// What is malformed; [`Malformed::Range`] for a negative count, [`Malformed::TooLarge`] for
    /// one above its limit.
    pub fn decode_from(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut this = PushPullHeader { nodes: 0, user_state_len: 0, join: false };
        reader.fields(&Self::FIELDS, |index, r| {
            match index {
                0 => this.nodes = read_count(r, PUSH_PULL_NODES_MAX)?,
                1 => this.user_state_len = read_count(r, USER_STATE_MAX)?,
                _ => this.join = r.bool()?,
            }
            Ok(())
        })?;
        Ok(this)
    }

    /// Appends the head, the type byte of the push/pull first.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(MessageType::PushPull as u8);
        let mut w = Writer::new(out, Dialect::Gossip);
        w.map(3).str("Join").bool(self.join);
        w.str("Nodes").uint(self.nodes as u64);
        w.str("UserStateLen").uint(self.user_state_len as u64);
    }
}

/// A count that peers declare as signed.
fn read_count(r: &mut Reader<'_>, max: usize) -> Result<usize, Malformed> {
    let count = usize::try_from(r.i64()?).map_err(|_| Malformed::Range)?;
    if count > max { Err(Malformed::TooLarge) } else { Ok(count) }
}

/// A member record of a push/pull. It has no type byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushNode<'a> {
    /// Who; never empty.
    pub name: &'a str,
    /// Where.
    pub addr: IpAddr,
    /// Gossip port; 0: the receiver's own.
    pub port: u16,
    /// Encoded tags.
    pub meta: &'a [u8],
    /// How often it has asserted itself.
    pub incarnation: Incarnation,
    /// What the sender thinks of it; never [`State::Forgotten`].
    pub state: State,
    /// Its protocol versions, if the sender knows all six.
    pub versions: Option<Versions>,
}

impl<'a> PushNode<'a> {
    const FIELDS: [&'static str; 7] = ["Name", "Addr", "Port", "Meta", "Incarnation", "State", "Vsn"];

    /// Decodes the next value.
    ///
    /// # Errors
    /// What is malformed; [`Malformed::Empty`] without a name, [`Malformed::Address`] without an
    /// address, [`Malformed::Range`] for a state nobody knows, [`Malformed::TooLarge`] for a name
    /// or meta above its limit.
    pub fn decode_from(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let (mut name, mut addr, mut port, mut meta) = ("", None, 0, &[][..]);
        let (mut incarnation, mut state, mut versions) = (0, 0, None);
        reader.fields(&Self::FIELDS, |index, r| {
            match index {
                0 => name = read_name(r)?,
                1 => addr = read_ip(r)?,
                2 => port = r.u16()?,
                3 => meta = read_meta(r)?,
                4 => incarnation = r.u32()?,
                5 => state = r.i64()?,
                _ => versions = read_versions(r)?,
            }
            Ok(())
        })?;
        let state = match state {
            0 => State::Alive,
            1 => State::Suspect,
            2 => State::Dead,
            3 => State::Left,
            _ => return Err(Malformed::Range),
        };
        if name.is_empty() {
            return Err(Malformed::Empty);
        }
        Ok(PushNode { name, addr: need_ip(addr)?, port, meta, incarnation, state, versions })
    }

    /// Appends the record. A forgotten member must not be sent; it would be taken for a dead one.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut w = Writer::new(out, Dialect::Gossip);
        w.map(7).str("Addr");
        write_ip(&mut w, self.addr);
        w.str("Incarnation").uint(self.incarnation.into());
        w.str("Meta").bytes_or_nil(self.meta);
        w.str("Name").str(self.name);
        w.str("Port").uint(self.port.into());
        w.str("State").uint(match self.state {
            State::Alive => 0,
            State::Suspect => 1,
            State::Dead | State::Forgotten => 2,
            State::Left => 3,
        });
        w.str("Vsn");
        write_versions(&mut w, self.versions);
    }
}

/// The head of a user message on a stream: how many bytes follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserHeader {
    /// Bytes of the message, at most [`USER_STATE_MAX`](crate::wire::limits::USER_STATE_MAX).
    pub len: usize,
}

impl UserHeader {
    /// Decodes the next value.
    ///
    /// # Errors
    /// What is malformed; [`Malformed::Range`] for a negative length, [`Malformed::TooLarge`] for
    /// one above its limit.
    pub fn decode_from(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut len = 0;
        reader.fields(&["UserMsgLen"], |_, r| {
            len = read_count(r, USER_STATE_MAX)?;
            Ok(())
        })?;
        Ok(UserHeader { len })
    }

    /// Appends the head, the type byte of the user message first.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(MessageType::User as u8);
        Writer::new(out, Dialect::Gossip).map(1).str("UserMsgLen").uint(self.len as u64);
    }
}

/// The other side could not read what it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorMessage<'a> {
    /// Why, in words.
    pub error: &'a str,
}

impl<'a> ErrorMessage<'a> {
    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut error = "";
        Reader::new(body).fields(&["Error"], |_, r| {
            error = r.str()?;
            Ok(())
        })?;
        Ok(ErrorMessage { error })
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(MessageType::Error as u8);
        Writer::new(out, Dialect::Gossip).map(1).str("Error").str(self.error);
    }
}
