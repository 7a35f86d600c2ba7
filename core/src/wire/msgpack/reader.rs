//! Reading values as tolerantly as Go does.

use super::Head;
use crate::error::Malformed;

/// Reads MessagePack from a slice, front to back, handing out borrowed texts and bytes.
///
/// What it takes is what Go's decoder takes (gossip-wire, section 2): any width and sign for an
/// integer that fits, nil as the zero value of everything, `raw`, `str` and `bin` for texts and
/// bytes. After an error its position is unspecified; the message is to be dropped.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Texts must not come as `bin`.
    strict: bool,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0, strict: false }
    }

    /// As [`new`](Self::new), but refuses texts and keys that come as `bin`, as the agent's RPC
    /// does (serf-agent, section 8.1).
    #[must_use]
    pub const fn strict(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0, strict: true }
    }

    /// Bytes read so far.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// The bytes not read yet.
    #[must_use]
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Whether everything was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Whether the next value is nil.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        self.bytes.get(self.at) == Some(&0xc0)
    }

    /// Reads a nil if there is one, and says whether there was.
    pub fn take_nil(&mut self) -> bool {
        let nil = self.is_nil();
        self.at += usize::from(nil);
        nil
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// [`Malformed::Range`] if it is negative, [`Malformed::Type`] if it is no integer.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        if let [small @ 0..=0x7f, ..] = *self.rest() {
            self.at += 1;
            return Ok(small.into());
        }
        match self.head()? {
            Head::Nil => Ok(0),
            Head::Uint(n) => Ok(n),
            Head::Int(_) => Err(Malformed::Range),
            _ => Err(Malformed::Type),
        }
    }

    /// An unsigned integer of 32 bits.
    ///
    /// # Errors
    /// As [`u64`](Self::u64), and [`Malformed::Range`] if it does not fit.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.u64()?.try_into().map_err(|_| Malformed::Range)
    }

    /// An unsigned integer of 16 bits.
    ///
    /// # Errors
    /// As [`u64`](Self::u64), and [`Malformed::Range`] if it does not fit.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.u64()?.try_into().map_err(|_| Malformed::Range)
    }

    /// An unsigned integer of 8 bits.
    ///
    /// # Errors
    /// As [`u64`](Self::u64), and [`Malformed::Range`] if it does not fit.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.u64()?.try_into().map_err(|_| Malformed::Range)
    }

    /// A signed integer.
    ///
    /// # Errors
    /// [`Malformed::Range`] if it does not fit, [`Malformed::Type`] if it is no integer.
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        match self.head()? {
            Head::Nil => Ok(0),
            Head::Uint(n) => n.try_into().map_err(|_| Malformed::Range),
            Head::Int(n) => Ok(n),
            _ => Err(Malformed::Type),
        }
    }

    /// A number; integers are numbers too.
    ///
    /// # Errors
    /// [`Malformed::Type`] if it is no number.
    pub fn f64(&mut self) -> Result<f64, Malformed> {
        if let [0xcb, rest @ ..] = self.rest()
            && let Some(bytes) = rest.first_chunk()
        {
            self.at += 9;
            return Ok(f64::from_be_bytes(*bytes));
        }
        match self.head()? {
            Head::Nil => Ok(0.0),
            Head::Float(n) => Ok(n),
            Head::Uint(n) => Ok(n as f64),
            Head::Int(n) => Ok(n as f64),
            _ => Err(Malformed::Type),
        }
    }

    /// A truth value; 0 and 1 count as such.
    ///
    /// # Errors
    /// [`Malformed::Type`] if it is neither.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        match self.head()? {
            Head::Nil | Head::Uint(0) => Ok(false),
            Head::Uint(1) => Ok(true),
            Head::Bool(b) => Ok(b),
            _ => Err(Malformed::Type),
        }
    }

    /// A byte string; nil is empty.
    ///
    /// # Errors
    /// [`Malformed::Type`] if it is none, [`Malformed::Truncated`] if it claims more than there is.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        match self.head()? {
            Head::Nil => Ok(&[]),
            Head::Text(len) | Head::Bin(len) => self.advance(len),
            _ => Err(Malformed::Type),
        }
    }

    /// A byte string that may also come as an array of integers, as Go takes it for every field of
    /// bytes. Copies into `out` what fits there and returns the length it has on the wire.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and those of [`u8`](Self::u8) for elements.
    pub fn short_bytes(&mut self, out: &mut [u8]) -> Result<usize, Malformed> {
        // An address or six versions, as everybody writes them.
        if let [tag @ 0xa0..=0xbf, ..] = *self.rest() {
            self.at += 1;
            let bytes = self.advance(usize::from(tag & 0x1f))?;
            let fits = bytes.len().min(out.len());
            out[..fits].copy_from_slice(&bytes[..fits]);
            return Ok(bytes.len());
        }
        let start = self.at;
        if let Head::Array(_) = self.head()? {
            self.at = start;
            let len = self.array_len()?;
            for index in 0..len {
                let byte = self.u8()?;
                if let Some(slot) = out.get_mut(index) {
                    *slot = byte;
                }
            }
            return Ok(len);
        }
        self.at = start;
        let bytes = self.bytes()?;
        out.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = *byte);
        Ok(bytes.len())
    }

    /// A text; nil is empty.
    ///
    /// # Errors
    /// [`Malformed::Type`] if it is none, [`Malformed::Truncated`] if it claims more than there is,
    /// [`Malformed::Utf8`] if it is not UTF-8.
    pub fn str(&mut self) -> Result<&'a str, Malformed> {
        core::str::from_utf8(self.text()?).map_err(|_| Malformed::Utf8)
    }

    /// The head of an array; nil has no elements.
    ///
    /// # Errors
    /// [`Malformed::Type`] if it is none, [`Malformed::Truncated`] if it claims more elements than
    /// there are bytes.
    pub fn array_len(&mut self) -> Result<usize, Malformed> {
        match self.head()? {
            Head::Nil => Ok(0),
            head @ Head::Array(len) => self.believe(head).map(|()| len),
            _ => Err(Malformed::Type),
        }
    }

    /// The head of a map: its pairs; nil has none.
    ///
    /// # Errors
    /// [`Malformed::Type`] if it is none, [`Malformed::Truncated`] if it claims more pairs than
    /// there can be in the bytes left.
    pub fn map_len(&mut self) -> Result<usize, Malformed> {
        match self.head()? {
            Head::Nil => Ok(0),
            head @ Head::Map(len) => self.believe(head).map(|()| len),
            _ => Err(Malformed::Type),
        }
    }

    /// Passes over one value of any kind, however nested.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] if it is incomplete, [`Malformed::Type`] if it is no MessagePack.
    pub fn skip(&mut self) -> Result<(), Malformed> {
        // Counting the values still to come does what a stack of levels would.
        let mut pending = 1usize;
        while pending > 0 {
            let head = self.head()?;
            self.advance(head.content())?;
            pending = (pending - 1).saturating_add(head.children());
            if pending > self.bytes.len() - self.at {
                return Err(Malformed::Truncated);
            }
        }
        Ok(())
    }

    /// Passes over one value and returns its bytes.
    ///
    /// # Errors
    /// As [`skip`](Self::skip).
    pub fn value(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.at;
        self.skip()?;
        self.bytes.get(start..self.at).ok_or(Malformed::Truncated)
    }

    /// Reads a structure: a map with any of `names` as keys (other keys are skipped, of equal keys
    /// the last wins, missing fields are not reported), an array with the values in the order of
    /// `names` (more are skipped), or nil as an empty map.
    ///
    /// `field` is called with the index of the name and must read exactly one value.
    ///
    /// # Errors
    /// Whatever `field` returns; [`Malformed::Type`] if the value is no structure or a key no
    /// text; [`Malformed::Truncated`] if the bytes end too early.
    pub fn fields(
        &mut self,
        names: &[&str],
        mut field: impl FnMut(usize, &mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let head = self.head()?;
        self.believe(head)?;
        match head {
            Head::Nil => {}
            Head::Map(len) => {
                for _ in 0..len {
                    let key = self.text()?;
                    match names.iter().position(|name| same(name.as_bytes(), key)) {
                        Some(index) => field(index, self)?,
                        None => self.skip()?,
                    }
                }
            }
            Head::Array(len) => {
                for index in 0..len {
                    if index < names.len() { field(index, self)? } else { self.skip()? }
                }
            }
            _ => return Err(Malformed::Type),
        }
        Ok(())
    }

    /// The bytes of a text, whether UTF-8 or not.
    fn text(&mut self) -> Result<&'a [u8], Malformed> {
        // Nearly every key and name is short.
        if let [tag @ 0xa0..=0xbf, ..] = *self.rest() {
            self.at += 1;
            return self.advance(usize::from(tag & 0x1f));
        }
        match self.head()? {
            Head::Nil => Ok(&[]),
            Head::Bin(_) if self.strict => Err(Malformed::Type),
            Head::Text(len) | Head::Bin(len) => self.advance(len),
            _ => Err(Malformed::Type),
        }
    }

    fn head(&mut self) -> Result<Head, Malformed> {
        let (head, len) = Head::parse(self.rest())?;
        self.at += len;
        Ok(head)
    }

    #[inline]
    fn advance(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let bytes = self.rest().get(..len).ok_or(Malformed::Truncated)?;
        self.at += len;
        Ok(bytes)
    }

    /// Refuses to count further than the bytes left can reach: every value has one at least.
    fn believe(&self, head: Head) -> Result<(), Malformed> {
        if head.children() > self.bytes.len() - self.at { Err(Malformed::Truncated) } else { Ok(()) }
    }
}

/// Whether two keys are equal. Those of one message often share their length and their beginning;
/// the last byte tells them apart without a call.
fn same(name: &[u8], key: &[u8]) -> bool {
    name.len() == key.len() && name.last() == key.last() && name == key
}
