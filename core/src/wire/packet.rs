//! Opening received datagrams and closing those to be sent (gossip-wire, section 4).
//!
//! From the outside in: label, encryption, checksum; then compress and compound messages in any
//! nesting; then the messages themselves.

use alloc::vec::Vec;
use core::mem;

use bytes::BytesMut;

use super::keyring::{Keyring, NONCE};
use super::limits::{COMPOUND_PARTS_MAX, CRC_OVERHEAD, NESTING_MAX, SCRATCH_KEEP, SEAL_OVERHEAD};
use super::message::{MessageType, malformed};
use super::{compound, compress, crc, label, seal};
use crate::config::{Config, Packet};
use crate::error::{Malformed, Refusal};

/// Removes label, encryption and checksum from a datagram. The message inside borrows from the
/// datagram, or from `plain` if it was encrypted.
///
/// # Errors
/// Why the datagram is to be dropped; it is never to be answered.
pub fn unwrap<'a>(
    datagram: &'a [u8],
    config: &Config,
    keyring: &Keyring,
    plain: &'a mut Vec<u8>,
) -> Result<&'a [u8], Refusal> {
    let security = &config.security;
    let packet = match label::split(datagram) {
        label::Split::Complete { label, rest } => {
            label::check(label, security)?;
            rest
        }
        label::Split::Partial if datagram.is_empty() => return Err(malformed("packet", Malformed::Empty)),
        label::Split::Partial | label::Split::Empty => return Err(Refusal::Label),
    };
    let packet = if keyring.is_empty() {
        packet
    } else {
        match seal::open(keyring, packet, security.label.as_bytes(), plain) {
            Ok(()) => plain,
            // Nothing in a packet says whether it is encrypted.
            Err(_) if !security.verify_incoming => packet,
            Err(refusal) => return Err(refusal),
        }
    };
    match crc::strip(packet)? {
        [] => Err(malformed("packet", Malformed::Empty)),
        message => Ok(message),
    }
}

/// Opens datagrams, reusing its memory from one to the next.
#[derive(Clone, Debug, Default)]
pub struct Opener {
    pub(crate) plain: Vec<u8>,
    /// Decompressed messages, one buffer for each level of nesting.
    levels: Vec<Vec<u8>>,
}

impl Opener {
    /// Without memory yet.
    #[must_use]
    pub const fn new() -> Self {
        Opener { plain: Vec::new(), levels: Vec::new() }
    }

    /// Calls `each` for every message in a datagram, type byte first and never empty, in the order
    /// they stand there, and for every part that had to be refused.
    pub fn open(
        &mut self,
        datagram: &[u8],
        config: &Config,
        keyring: &Keyring,
        mut each: impl FnMut(Result<&[u8], Refusal>),
    ) {
        let mut plain = mem::take(&mut self.plain);
        match unwrap(datagram, config, keyring, &mut plain) {
            Ok(message) => self.expand(message, &config.packet, each),
            Err(refusal) => each(Err(refusal)),
        }
        self.plain = keep(plain);
    }

    /// As [`open`](Self::open), for what [`unwrap`] left of a datagram.
    pub fn expand(&mut self, message: &[u8], limits: &Packet, mut each: impl FnMut(Result<&[u8], Refusal>)) {
        let mut walk = Walk {
            levels: &mut self.levels,
            bytes_left: limits.decompressed_max,
            messages_left: limits.messages_max,
            each: &mut each,
        };
        if let Err(refusal) = walk.message(message, 0) {
            each(Err(refusal));
        }
    }
}

/// What is left of a packet's allowances while its messages are looked at.
struct Walk<'w, F> {
    levels: &'w mut Vec<Vec<u8>>,
    bytes_left: usize,
    messages_left: usize,
    each: &'w mut F,
}

impl<F: FnMut(Result<&[u8], Refusal>)> Walk<'_, F> {
    /// An error ends the whole packet: an allowance is used up. What is wrong with a single part
    /// is told to `each`.
    fn message(&mut self, message: &[u8], depth: usize) -> Result<(), Refusal> {
        self.messages_left =
            self.messages_left.checked_sub(1).ok_or(malformed("packet", Malformed::TooLarge))?;
        let Some((&first, body)) = message.split_first() else {
            (self.each)(Err(malformed("packet", Malformed::Empty)));
            return Ok(());
        };
        match MessageType::from_u8(first) {
            Some(MessageType::Compound | MessageType::Compress) if depth >= NESTING_MAX => {
                (self.each)(Err(malformed("packet", Malformed::Depth)));
                Ok(())
            }
            Some(MessageType::Compound) => self.compound(body, depth),
            Some(MessageType::Compress) => self.compress(body, depth),
            _ => {
                (self.each)(Ok(message));
                Ok(())
            }
        }
    }

    fn compound(&mut self, body: &[u8], depth: usize) -> Result<(), Refusal> {
        let refuse = |error| malformed(MessageType::Compound.as_str(), error);
        match compound::parts(body) {
            Ok(parts) => {
                for part in parts {
                    match part {
                        Ok(part) => self.message(part, depth + 1)?,
                        Err(error) => (self.each)(Err(refuse(error))),
                    }
                }
            }
            Err(error) => (self.each)(Err(refuse(error))),
        }
        Ok(())
    }

    fn compress(&mut self, body: &[u8], depth: usize) -> Result<(), Refusal> {
        let mut buffer = self.levels.pop().unwrap_or_default();
        let result = compress::expand(body, &mut buffer, self.bytes_left);
        self.bytes_left = self.bytes_left.saturating_sub(buffer.len());
        let result = match result {
            Ok(()) => self.message(&buffer, depth + 1),
            Err(error) => {
                (self.each)(Err(malformed(MessageType::Compress.as_str(), error)));
                Ok(())
            }
        };
        self.levels.push(keep(buffer));
        result
    }
}

/// Empties a buffer, and gives back what is more than packets commonly need.
fn keep(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    buffer.shrink_to(SCRATCH_KEEP);
    buffer
}

/// Bytes that closing adds to a message at most, checksum apart: what a packet's budget must leave
/// room for.
#[must_use]
pub fn overhead(config: &Config, keyring: &Keyring) -> usize {
    let sealed = config.security.verify_outgoing && !keyring.is_empty();
    label::overhead(&config.security.label) + if sealed { SEAL_OVERHEAD } else { 0 }
}

/// Closes messages into datagrams, reusing its memory from one to the next.
#[derive(Clone, Debug, Default)]
pub struct Closer {
    compressed: Vec<u8>,
}

impl Closer {
    /// Without memory yet.
    #[must_use]
    pub const fn new() -> Self {
        Closer { compressed: Vec::new() }
    }

    /// Appends to `out` the datagram for a message (or compound message): compressed if that saves
    /// bytes, with a checksum if the receiver is known to understand it, encrypted and labelled as
    /// configured. `nonce` is asked for 12 fresh random bytes only if they are needed.
    pub fn close(
        &mut self,
        message: &[u8],
        with_crc: bool,
        config: &Config,
        keyring: &Keyring,
        nonce: impl FnOnce() -> [u8; NONCE],
        out: &mut BytesMut,
    ) {
        let label = config.security.label.as_str();
        out.reserve(overhead(config, keyring) + CRC_OVERHEAD + message.len());
        label::encode(label, out);
        let compressed = self.compress(message, &config.packet);
        let write = |out: &mut BytesMut| {
            let crc_at = out.len();
            let start = crc_at + if with_crc { CRC_OVERHEAD } else { 0 };
            out.resize(start, 0);
            match compressed {
                Some(compressed) => compress::encode(compressed, out),
                None => out.extend_from_slice(message),
            }
            if with_crc {
                let (head, rest) = out.split_at_mut(start);
                crc::encode(rest, &mut &mut head[crc_at..]);
            }
        };
        if config.security.verify_outgoing && !keyring.is_empty() {
            seal::seal(keyring, nonce(), label.as_bytes(), out, write);
        } else {
            write(out);
        }
        if self.compressed.capacity() > SCRATCH_KEEP {
            self.compressed = Vec::new();
        }
    }

    /// The compressed form, if it makes the message smaller.
    fn compress(&mut self, message: &[u8], limits: &Packet) -> Option<&[u8]> {
        if !limits.compression || message.len() < limits.compression_min {
            return None;
        }
        let len = compress::prepare(message, &mut self.compressed);
        (len < message.len()).then_some(self.compressed.as_slice())
    }
}

// A packet of the most parts there can be must still be within the walk's allowance by default.
const _: () = assert!(COMPOUND_PARTS_MAX < 1024);
