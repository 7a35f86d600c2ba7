//! Writing values in their shortest form.

use bytes::BufMut;

/// Which of the two specifications is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Old specification, for gossip: texts and byte strings are `raw`; never `str8`, `bin` or
    /// `ext`, which old peers refuse.
    Gossip,
    /// New specification, for the agent's RPC: texts are `str`, byte strings `bin`.
    Rpc,
}

/// Writes MessagePack behind what a buffer already holds.
///
/// The caller keeps counts and values in step: after [`map`](Writer::map)`(n)` come `n` keys, each
/// with its value. Buffers that cannot grow panic when they are full, as [`BufMut`] says.
///
/// ```
/// use tidings_core::wire::msgpack::{Dialect, Writer};
///
/// let mut nack = Vec::new();
/// Writer::new(&mut nack, Dialect::Gossip).map(1).str("SeqNo").uint(5);
/// assert_eq!(nack, b"\x81\xa5SeqNo\x05");
/// ```
#[derive(Debug)]
pub struct Writer<'b, B: BufMut> {
    buf: &'b mut B,
    dialect: Dialect,
}

impl<'b, B: BufMut> Writer<'b, B> {
    /// Appends to `buf`.
    pub fn new(buf: &'b mut B, dialect: Dialect) -> Self {
        Writer { buf, dialect }
    }

    /// The absence of a value.
    pub fn nil(&mut self) -> &mut Self {
        self.tag(0xc0)
    }

    /// A truth value.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.tag(if value { 0xc3 } else { 0xc2 })
    }

    /// An unsigned integer.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        match value {
            0..=0x7f => self.buf.put_u8(value as u8),
            0x80..=0xff => self.tag(0xcc).buf.put_u8(value as u8),
            0x100..=0xffff => self.tag(0xcd).buf.put_u16(value as u16),
            0x1_0000..=0xffff_ffff => self.tag(0xce).buf.put_u32(value as u32),
            _ => self.tag(0xcf).buf.put_u64(value),
        }
        self
    }

    /// A signed integer; not negative ones take the unsigned forms, as both recorded peers do.
    pub fn int(&mut self, value: i64) -> &mut Self {
        match value {
            0.. => return self.uint(value as u64),
            -0x20..0 => self.buf.put_i8(value as i8),
            -0x80..-0x20 => self.tag(0xd0).buf.put_i8(value as i8),
            -0x8000..-0x80 => self.tag(0xd1).buf.put_i16(value as i16),
            -0x8000_0000..-0x8000 => self.tag(0xd2).buf.put_i32(value as i32),
            _ => self.tag(0xd3).buf.put_i64(value),
        }
        self
    }

    /// A number of 64 bits precision.
    pub fn f64(&mut self, value: f64) -> &mut Self {
        self.tag(0xcb).buf.put_f64(value);
        self
    }

    /// A text, at most 4 GiB of it.
    pub fn str(&mut self, text: &str) -> &mut Self {
        self.text_head(text.len());
        self.buf.put_slice(text.as_bytes());
        self
    }

    /// A byte string, at most 4 GiB of it.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        match (self.dialect, bytes.len()) {
            (Dialect::Gossip, len) => self.text_head(len),
            (Dialect::Rpc, len @ 0..=0xff) => self.tag(0xc4).buf.put_u8(len as u8),
            (Dialect::Rpc, len @ 0x100..=0xffff) => self.tag(0xc5).buf.put_u16(len as u16),
            (Dialect::Rpc, len) => self.tag(0xc6).buf.put_u32(count(len)),
        }
        self.buf.put_slice(bytes);
        self
    }

    /// A byte string, or nil when it is empty: what Go makes of a slice nobody set.
    pub fn bytes_or_nil(&mut self, bytes: &[u8]) -> &mut Self {
        if bytes.is_empty() { self.nil() } else { self.bytes(bytes) }
    }

    /// A value that is encoded already, or nil in place of no bytes.
    pub fn encoded_or_nil(&mut self, encoded: &[u8]) -> &mut Self {
        if encoded.is_empty() {
            return self.nil();
        }
        self.buf.put_slice(encoded);
        self
    }

    /// The head of an array of `len` values.
    pub fn array(&mut self, len: usize) -> &mut Self {
        match len {
            0..=0x0f => self.buf.put_u8(0x90 | len as u8),
            0x10..=0xffff => self.tag(0xdc).buf.put_u16(len as u16),
            _ => self.tag(0xdd).buf.put_u32(count(len)),
        }
        self
    }

    /// The head of a map of `len` pairs.
    pub fn map(&mut self, len: usize) -> &mut Self {
        match len {
            0..=0x0f => self.buf.put_u8(0x80 | len as u8),
            0x10..=0xffff => self.tag(0xde).buf.put_u16(len as u16),
            _ => self.tag(0xdf).buf.put_u32(count(len)),
        }
        self
    }

    fn tag(&mut self, tag: u8) -> &mut Self {
        self.buf.put_u8(tag);
        self
    }

    fn text_head(&mut self, len: usize) {
        match (self.dialect, len) {
            (_, 0..=0x1f) => self.buf.put_u8(0xa0 | len as u8),
            (Dialect::Rpc, 0x20..=0xff) => self.tag(0xd9).buf.put_u8(len as u8),
            (_, 0..=0xffff) => self.tag(0xda).buf.put_u16(len as u16),
            _ => self.tag(0xdb).buf.put_u32(count(len)),
        }
    }
}

/// Lengths on the wire have 32 bits. No limit of the protocols comes near that, so a longer value
/// is a mistake of this program, never of a peer.
fn count(len: usize) -> u32 {
    u32::try_from(len).expect("a value of the protocols is shorter than 4 GiB")
}
