//! What spreads to everyone: intents and user events.

use bytes::BufMut;

use super::super::message::read_name;
use super::super::msgpack::{Dialect, Reader, Writer};
use super::SerfType;
use crate::error::Malformed;
use crate::serf::clock::LamportTime;

/// A member is about to leave, or was forced to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave<'a> {
    /// When it was said, on the member clock.
    pub ltime: LamportTime,
    /// Who leaves.
    pub node: &'a str,
    /// Forget it at once.
    pub prune: bool,
}

impl<'a> Leave<'a> {
    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed; [`Malformed::TooLarge`] for a name above its limit.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut this = Leave { ltime: LamportTime(0), node: "", prune: false };
        Reader::new(body).fields(&["LTime", "Node", "Prune"], |index, r| {
            match index {
                0 => this.ltime = LamportTime(r.u64()?),
                1 => this.node = read_name(r)?,
                _ => this.prune = r.bool()?,
            }
            Ok(())
        })?;
        Ok(this)
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(SerfType::Leave as u8);
        let mut w = Writer::new(out, Dialect::Gossip);
        w.map(3).str("LTime").uint(self.ltime.0);
        w.str("Node").str(self.node);
        w.str("Prune").bool(self.prune);
    }
}

/// A member is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join<'a> {
    /// When it was said, on the member clock.
    pub ltime: LamportTime,
    /// Who joins.
    pub node: &'a str,
}

impl<'a> Join<'a> {
    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed; [`Malformed::TooLarge`] for a name above its limit.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut this = Join { ltime: LamportTime(0), node: "" };
        Reader::new(body).fields(&["LTime", "Node"], |index, r| {
            match index {
                0 => this.ltime = LamportTime(r.u64()?),
                _ => this.node = read_name(r)?,
            }
            Ok(())
        })?;
        Ok(this)
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(SerfType::Join as u8);
        let mut w = Writer::new(out, Dialect::Gossip);
        w.map(2).str("LTime").uint(self.ltime.0);
        w.str("Node").str(self.node);
    }
}

/// An application's event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserEvent<'a> {
    /// When it was sent, on the event clock.
    pub ltime: LamportTime,
    /// Its name.
    pub name: &'a str,
    /// Its payload, empty if it has none.
    pub payload: &'a [u8],
    /// It may be folded into a newer one of the same name.
    pub coalesce: bool,
}

impl<'a> UserEvent<'a> {
    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut this = UserEvent { ltime: LamportTime(0), name: "", payload: &[], coalesce: false };
        Reader::new(body).fields(&["LTime", "Name", "Payload", "CC"], |index, r| {
            match index {
                0 => this.ltime = LamportTime(r.u64()?),
                1 => this.name = r.str()?,
                2 => this.payload = r.bytes()?,
                _ => this.coalesce = r.bool()?,
            }
            Ok(())
        })?;
        Ok(this)
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(SerfType::UserEvent as u8);
        let mut w = Writer::new(out, Dialect::Gossip);
        w.map(4).str("CC").bool(self.coalesce);
        w.str("LTime").uint(self.ltime.0);
        w.str("Name").str(self.name);
        w.str("Payload").bytes_or_nil(self.payload);
    }
}
