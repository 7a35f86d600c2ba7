//! The checksum header: `12, crc32, rest` (gossip-wire, section 4.4).

use bytes::BufMut;

use super::message::MessageType;
use crate::error::Refusal;

/// Appends the header for `rest`, which is to follow it.
pub fn encode(rest: &[u8], out: &mut impl BufMut) {
    out.put_u8(MessageType::HasCrc as u8);
    out.put_u32(crc32fast::hash(rest));
}

/// Removes the header, if there is one, and checks it.
///
/// # Errors
/// [`Refusal::Checksum`] if it is cut short or does not match what follows it.
pub fn strip(packet: &[u8]) -> Result<&[u8], Refusal> {
    match packet.split_first() {
        Some((&first, body)) if first == MessageType::HasCrc as u8 => {
            let (sum, rest) = body.split_first_chunk().ok_or(Refusal::Checksum)?;
            if crc32fast::hash(rest) == u32::from_be_bytes(*sum) { Ok(rest) } else { Err(Refusal::Checksum) }
        }
        _ => Ok(packet),
    }
}
