//! What internal queries carry: key requests and responses, conflict responses.

use core::net::IpAddr;

use bytes::BufMut;

use super::super::message::{need_ip, read_ip, read_name, write_ip};
use super::super::msgpack::{Dialect, Reader, Writer};
use super::{Pairs, SerfType, Texts};
use crate::error::Malformed;
use crate::swim::member::{Status, Versions};

/// An operation on the keyring; the query's name says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRequest<'a> {
    /// The key itself, decoded; empty for a listing.
    pub key: &'a [u8],
}

impl<'a> KeyRequest<'a> {
    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut key = &[][..];
        Reader::new(body).fields(&["Key"], |_, r| {
            key = r.bytes()?;
            Ok(())
        })?;
        Ok(KeyRequest { key })
    }

    /// Appends the message, its type byte first.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(SerfType::KeyRequest as u8);
        Writer::new(out, Dialect::Gossip).map(1).str("Key").bytes(self.key);
    }
}

/// How an operation on the keyring went at one member.
#[derive(Clone, Debug)]
pub struct KeyResponse<'a> {
    /// It was carried out.
    pub result: bool,
    /// Why not, or a note.
    pub message: &'a str,
    /// For a listing: the keys in base64.
    pub keys: Texts<'a>,
    /// For a listing: the primary key in base64; else empty.
    pub primary_key: &'a str,
}

impl<'a> KeyResponse<'a> {
    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut this = KeyResponse { result: false, message: "", keys: Texts::default(), primary_key: "" };
        Reader::new(body).fields(&["Result", "Message", "Keys", "PrimaryKey"], |index, r| {
            match index {
                0 => this.result = r.bool()?,
                1 => this.message = r.str()?,
                2 => this.keys = Texts::read(r)?,
                _ => this.primary_key = r.str()?,
            }
            Ok(())
        })?;
        Ok(this)
    }

    /// Appends such a message, its type byte first; without keys there is nil in their place.
    pub fn encode<'k>(
        result: bool,
        message: &str,
        keys: impl ExactSizeIterator<Item = &'k str>,
        primary_key: &str,
        out: &mut impl BufMut,
    ) {
        out.put_u8(SerfType::KeyResponse as u8);
        let mut w = Writer::new(out, Dialect::Gossip);
        w.map(4).str("Keys");
        if keys.len() == 0 {
            w.nil();
        } else {
            w.array(keys.len());
            for key in keys {
                w.str(key);
            }
        }
        w.str("Message").str(message);
        w.str("PrimaryKey").str(primary_key);
        w.str("Result").bool(result);
    }
}

/// A member as the Serf layer describes it to others.
#[derive(Clone, Debug)]
pub struct MemberRecord<'a> {
    /// Who.
    pub name: &'a str,
    /// Where.
    pub addr: IpAddr,
    /// Its gossip port.
    pub port: u16,
    /// What is thought of it, as a number of the wire: see [`Status`].
    pub status: Status,
    /// Its protocol versions.
    pub versions: Versions,
    /// Its tags.
    pub tags: Pairs<'a>,
}

/// What is known of a member whose name is disputed.
#[derive(Clone, Debug)]
pub struct ConflictResponse<'a> {
    /// The member; `None` if it is not known.
    pub member: Option<MemberRecord<'a>>,
}

impl<'a> ConflictResponse<'a> {
    const FIELDS: [&'static str; 11] = [
        "Name",
        "Addr",
        "Port",
        "Tags",
        "Status",
        "ProtocolMin",
        "ProtocolMax",
        "ProtocolCur",
        "DelegateMin",
        "DelegateMax",
        "DelegateCur",
    ];

    /// Decodes the body.
    ///
    /// # Errors
    /// What is malformed; [`Malformed::Address`] for a member without an address,
    /// [`Malformed::Range`] for a status nobody knows.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        if reader.take_nil() {
            return Ok(ConflictResponse { member: None });
        }
        let (mut name, mut addr, mut port, mut tags) = ("", None, 0, Pairs::default());
        let (mut status, mut v) = (0, Versions::default());
        reader.fields(&Self::FIELDS, |index, r| {
            match index {
                0 => name = read_name(r)?,
                1 => addr = read_ip(r)?,
                2 => port = r.u16()?,
                3 => tags = Pairs::read(r)?,
                4 => status = r.i64()?,
                5 => v.protocol_min = r.u8()?,
                6 => v.protocol_max = r.u8()?,
                7 => v.protocol_cur = r.u8()?,
                8 => v.delegate_min = r.u8()?,
                9 => v.delegate_max = r.u8()?,
                _ => v.delegate_cur = r.u8()?,
            }
            Ok(())
        })?;
        let status = match status {
            0 => Status::None,
            1 => Status::Alive,
            2 => Status::Leaving,
            3 => Status::Left,
            4 => Status::Failed,
            _ => return Err(Malformed::Range),
        };
        let addr = need_ip(addr)?;
        Ok(ConflictResponse { member: Some(MemberRecord { name, addr, port, status, versions: v, tags }) })
    }

    /// Appends the answer about a member that is not known, its type byte first.
    pub fn encode_unknown(out: &mut impl BufMut) {
        out.put_u8(SerfType::ConflictResponse as u8);
        Writer::new(out, Dialect::Gossip).nil();
    }
}

impl MemberRecord<'_> {
    /// Appends the answer about a known member, its type byte first, with `tags` in place of the
    /// record's own: they can then come from anywhere.
    pub fn encode_with<'t>(
        &self,
        tags: impl ExactSizeIterator<Item = (&'t str, &'t str)>,
        out: &mut impl BufMut,
    ) {
        let v = &self.versions;
        out.put_u8(SerfType::ConflictResponse as u8);
        let mut w = Writer::new(out, Dialect::Gossip);
        w.map(11).str("Addr");
        write_ip(&mut w, self.addr);
        w.str("DelegateCur").uint(v.delegate_cur.into());
        w.str("DelegateMax").uint(v.delegate_max.into());
        w.str("DelegateMin").uint(v.delegate_min.into());
        w.str("Name").str(self.name);
        w.str("Port").uint(self.port.into());
        w.str("ProtocolCur").uint(v.protocol_cur.into());
        w.str("ProtocolMax").uint(v.protocol_max.into());
        w.str("ProtocolMin").uint(v.protocol_min.into());
        w.str("Status").uint(self.status as u64);
        w.str("Tags").map(tags.len());
        for (key, value) in tags {
            w.str(key).str(value);
        }
    }
}
