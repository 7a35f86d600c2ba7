//! The compress message: `9, {Algo, Buf}` (gossip-wire, section 4.3).

use alloc::vec::Vec;

use bytes::BufMut;

use super::lzw;
use super::message::MessageType;
use super::msgpack::{Dialect, Reader, Writer};
use crate::error::Malformed;

/// The only algorithm there is.
const LZW: u64 = 0;

/// Appends the message inside a compress message to `out`; `body` is what follows the type byte.
///
/// # Errors
/// What is malformed; [`Malformed::Compression`] for another algorithm, [`Malformed::TooLarge`] if
/// it has more than `max` bytes, [`Malformed::Empty`] if it has none. `out` may hold a part of it.
pub fn expand(body: &[u8], out: &mut Vec<u8>, max: usize) -> Result<(), Malformed> {
    let (mut algorithm, mut compressed) = (LZW, &[][..]);
    Reader::new(body).fields(&["Algo", "Buf"], |index, r| {
        match index {
            0 => algorithm = r.u64()?,
            _ => compressed = r.bytes()?,
        }
        Ok(())
    })?;
    if algorithm != LZW {
        return Err(Malformed::Compression);
    }
    let before = out.len();
    lzw::decode(compressed, out, max)?;
    if out.len() == before { Err(Malformed::Empty) } else { Ok(()) }
}

/// Compresses `message` into `scratch` (cleared first) and says how long the compress message
/// with it will be.
pub fn prepare(message: &[u8], scratch: &mut Vec<u8>) -> usize {
    scratch.clear();
    lzw::encode(message, scratch);
    let head = match scratch.len() {
        0..=0x1f => 1,
        0x20..=0xffff => 3,
        _ => 5,
    };
    b"\x09\x82\xa4Algo\x00\xa3Buf".len() + head + scratch.len()
}

/// Appends a compress message around what [`prepare`] made, its type byte first.
pub fn encode(compressed: &[u8], out: &mut impl BufMut) {
    out.put_u8(MessageType::Compress as u8);
    Writer::new(out, Dialect::Gossip).map(2).str("Algo").uint(LZW).str("Buf").bytes(compressed);
}
