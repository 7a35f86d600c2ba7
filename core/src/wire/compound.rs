//! Compound messages: several messages in one packet (gossip-wire, section 4.5).

use alloc::vec::Vec;

use bytes::BufMut;

use super::limits::{COMPOUND_OVERHEAD, COMPOUND_PART_MAX, COMPOUND_PART_OVERHEAD, COMPOUND_PARTS_MAX};
use super::message::MessageType;
use crate::error::Malformed;

/// The parts of a compound message whose body (behind the type byte) is given.
///
/// A part that claims more bytes than there are ends the iteration with an error; the parts before
/// it are good.
///
/// # Errors
/// [`Malformed::Truncated`] if the table of lengths is incomplete: then there are no parts at all.
pub fn parts(body: &[u8]) -> Result<Parts<'_>, Malformed> {
    let (&count, rest) = body.split_first().ok_or(Malformed::Truncated)?;
    let (lengths, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or(Malformed::Truncated)?;
    Ok(Parts { lengths, rest })
}

/// Iterates over the parts of a compound message.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    lengths: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&len, lengths) = self.lengths.split_first_chunk()?;
        let Some((part, rest)) = self.rest.split_at_checked(u16::from_be_bytes(len).into()) else {
            self.lengths = &[];
            return Some(Err(Malformed::Truncated));
        };
        (self.lengths, self.rest) = (lengths, rest);
        Some(Ok(part))
    }
}

/// Collects messages for one packet. Its buffers are reused from packet to packet.
#[derive(Clone, Debug, Default)]
pub struct Compound {
    lengths: Vec<u16>,
    parts: Vec<u8>,
}

impl Compound {
    /// No messages.
    #[must_use]
    pub const fn new() -> Self {
        Compound { lengths: Vec::new(), parts: Vec::new() }
    }

    /// Forgets the messages, keeps the memory.
    pub fn clear(&mut self) {
        self.lengths.clear();
        self.parts.clear();
    }

    /// Messages collected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Bytes [`encode`](Self::encode) will write.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        match self.len() {
            0 | 1 => self.parts.len(),
            count => COMPOUND_OVERHEAD + COMPOUND_PART_OVERHEAD * count + self.parts.len(),
        }
    }

    /// Adds a message and says whether it could: there is room for
    /// [`COMPOUND_PARTS_MAX`] of them, each of at most [`COMPOUND_PART_MAX`] bytes.
    pub fn push(&mut self, message: &[u8]) -> bool {
        self.push_with(|parts| parts.put_slice(message))
    }

    /// As [`push`](Self::push), with a message written in place.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        if self.len() >= COMPOUND_PARTS_MAX {
            return false;
        }
        let before = self.parts.len();
        write(&mut self.parts);
        match u16::try_from(self.parts.len() - before) {
            Ok(len) => self.lengths.push(len),
            Err(_) => {
                debug_assert!(self.parts.len() - before > COMPOUND_PART_MAX);
                self.parts.truncate(before);
                return false;
            }
        }
        true
    }

    /// Appends the compound message; a single message stands for itself, none is nothing.
    pub fn encode(&self, out: &mut impl BufMut) {
        if self.len() > 1 {
            out.put_u8(MessageType::Compound as u8);
            out.put_u8(self.len() as u8);
            self.lengths.iter().for_each(|len| out.put_u16(*len));
        }
        out.put_slice(&self.parts);
    }
}
