//! MessagePack in the two dialects the protocols need (gossip-wire, section 2; serf-agent,
//! section 8.1).
//!
//! Gossip speaks the *old* specification: texts and byte strings are both `raw`, `str8` and `bin`
//! are never sent. The agent's RPC speaks the new one. A [`Reader`] takes both, and everything
//! else Go's decoder takes; a [`Writer`] emits exactly one. A [`Scanner`] finds the end of a value
//! that arrives in pieces.
//!
//! Nothing here recurses or allocates, and no claimed length is believed beyond the bytes that
//! are really there.

mod reader;
mod scanner;
mod writer;

pub use reader::Reader;
pub use scanner::Scanner;
pub use writer::{Dialect, Writer};

use crate::error::Malformed;

/// What the first bytes of a value say about it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Head {
    Nil,
    Bool(bool),
    Uint(u64),
    /// Always negative: other integers are `Uint`.
    Int(i64),
    Float(f64),
    /// `raw` or `str` with this many bytes behind the head.
    Text(usize),
    /// `bin` with this many bytes behind the head.
    Bin(usize),
    /// Extension: this many bytes behind the head, its type included.
    Ext(usize),
    /// Elements.
    Array(usize),
    /// Pairs.
    Map(usize),
}

impl Head {
    /// Reads the head at the start of `bytes` and says how many bytes it has.
    fn parse(bytes: &[u8]) -> Result<(Head, usize), Malformed> {
        let (&tag, rest) = bytes.split_first().ok_or(Malformed::Truncated)?;
        Ok(match tag {
            0x00..=0x7f => (Head::Uint(tag.into()), 1),
            0x80..=0x8f => (Head::Map((tag & 0x0f).into()), 1),
            0x90..=0x9f => (Head::Array((tag & 0x0f).into()), 1),
            0xa0..=0xbf => (Head::Text((tag & 0x1f).into()), 1),
            0xc0 => (Head::Nil, 1),
            0xc1 => return Err(Malformed::Type),
            0xc2 | 0xc3 => (Head::Bool(tag == 0xc3), 1),
            0xc4 => (Head::Bin(size::<1>(rest)?), 2),
            0xc5 => (Head::Bin(size::<2>(rest)?), 3),
            0xc6 => (Head::Bin(size::<4>(rest)?), 5),
            0xc7 => (Head::Ext(size::<1>(rest)?.saturating_add(1)), 2),
            0xc8 => (Head::Ext(size::<2>(rest)?.saturating_add(1)), 3),
            0xc9 => (Head::Ext(size::<4>(rest)?.saturating_add(1)), 5),
            0xca => (Head::Float(f32::from_be_bytes(take(rest)?).into()), 5),
            0xcb => (Head::Float(f64::from_be_bytes(take(rest)?)), 9),
            0xcc => (Head::Uint(u8::from_be_bytes(take(rest)?).into()), 2),
            0xcd => (Head::Uint(u16::from_be_bytes(take(rest)?).into()), 3),
            0xce => (Head::Uint(u32::from_be_bytes(take(rest)?).into()), 5),
            0xcf => (Head::Uint(u64::from_be_bytes(take(rest)?)), 9),
            0xd0 => (Head::signed(i8::from_be_bytes(take(rest)?).into()), 2),
            0xd1 => (Head::signed(i16::from_be_bytes(take(rest)?).into()), 3),
            0xd2 => (Head::signed(i32::from_be_bytes(take(rest)?).into()), 5),
            0xd3 => (Head::signed(i64::from_be_bytes(take(rest)?)), 9),
            0xd4..=0xd8 => (Head::Ext((1 << (tag - 0xd4)) + 1), 1),
            0xd9 => (Head::Text(size::<1>(rest)?), 2),
            0xda => (Head::Text(size::<2>(rest)?), 3),
            0xdb => (Head::Text(size::<4>(rest)?), 5),
            0xdc => (Head::Array(size::<2>(rest)?), 3),
            0xdd => (Head::Array(size::<4>(rest)?), 5),
            0xde => (Head::Map(size::<2>(rest)?), 3),
            0xdf => (Head::Map(size::<4>(rest)?), 5),
            0xe0..=0xff => (Head::Int((tag as i8).into()), 1),
        })
    }

    fn signed(n: i64) -> Head {
        u64::try_from(n).map_or(Head::Int(n), Head::Uint)
    }

    /// Bytes of content directly behind the head.
    const fn content(self) -> usize {
        match self {
            Head::Text(n) | Head::Bin(n) | Head::Ext(n) => n,
            _ => 0,
        }
    }

    /// Values nested directly in it.
    const fn children(self) -> usize {
        match self {
            Head::Array(n) => n,
            Head::Map(n) => n.saturating_mul(2),
            _ => 0,
        }
    }
}

fn take<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.first_chunk().copied().ok_or(Malformed::Truncated)
}

/// A big-endian length of `N` bytes.
fn size<const N: usize>(bytes: &[u8]) -> Result<usize, Malformed> {
    let bytes: [u8; N] = take(bytes)?;
    Ok(bytes.iter().fold(0, |n, &b| n << 8 | usize::from(b)))
}
