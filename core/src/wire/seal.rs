//! The encryption envelope: `version, nonce, ciphertext, tag` (gossip-wire, sections 4.2 and 6.2).
//!
//! Version 1 is sent; version 0, which pads to whole blocks, is read as well.

use alloc::vec::Vec;

use bytes::BufMut;

use super::keyring::{Keyring, NONCE, TAG};
use super::limits::{LABEL_MAX, SEAL_OVERHEAD, SEAL_V0_OVERHEAD_MAX, STREAM_SEAL_HEADER};
use super::message::MessageType;
use crate::error::Refusal;

/// Bytes of an AES block: version 0 pads to a multiple of it.
const BLOCK: usize = 16;
const _: () = assert!(SEAL_OVERHEAD == 1 + NONCE + TAG && SEAL_V0_OVERHEAD_MAX == SEAL_OVERHEAD + BLOCK);

/// Appends an envelope around what `write` appends, encrypted under the primary key. `ad` must be
/// presented again to open it. The same nonce must never be used twice with one key.
///
/// # Panics
/// If the ring is empty: then nothing is to be encrypted.
pub fn seal<B: BufMut + AsMut<[u8]>>(
    keyring: &Keyring,
    nonce: [u8; NONCE],
    ad: &[u8],
    out: &mut B,
    write: impl FnOnce(&mut B),
) {
    out.put_u8(1);
    out.put_slice(&nonce);
    let start = out.as_mut().len();
    write(out);
    let tag = keyring
        .encrypt(&nonce, ad, &mut out.as_mut()[start..])
        .expect("there is a key, and a message is far shorter than AES-GCM's 64 GiB");
    out.put_slice(&tag);
}

/// Opens an envelope into `plain` (cleared first), which may come out empty.
///
/// # Errors
/// [`Refusal::Decrypt`] if it is too short, has an unknown version, opens under no key, or claims
/// more padding than it has content.
pub fn open(keyring: &Keyring, envelope: &[u8], ad: &[u8], plain: &mut Vec<u8>) -> Result<(), Refusal> {
    plain.clear();
    let parts = || {
        let (&version, rest) = envelope.split_first()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (sealed, tag) = rest.split_last_chunk()?;
        Some((version, nonce, sealed, tag))
    };
    let (version, nonce, sealed, tag) = parts().ok_or(Refusal::Decrypt)?;
    if version > 1 || (version == 0 && sealed.len() < BLOCK) {
        return Err(Refusal::Decrypt);
    }
    if !keyring.decrypt(nonce, ad, sealed, tag, plain) {
        plain.clear();
        return Err(Refusal::Decrypt);
    }
    if version == 0 {
        let padding = usize::from(plain.last().copied().unwrap_or(0));
        let len = plain.len().checked_sub(padding).ok_or(Refusal::Decrypt)?;
        plain.truncate(len);
    }
    Ok(())
}

/// What an encrypted stream message authenticates besides itself: its header and the label.
#[derive(Clone, Debug)]
pub struct StreamAd {
    bytes: [u8; STREAM_SEAL_HEADER + LABEL_MAX],
    len: usize,
}

impl StreamAd {
    /// For an envelope of `len` bytes.
    ///
    /// # Panics
    /// If the label is longer than [`LABEL_MAX`], which no valid configuration allows.
    #[must_use]
    pub fn new(len: u32, label: &str) -> Self {
        let mut bytes = [0; STREAM_SEAL_HEADER + LABEL_MAX];
        let end = STREAM_SEAL_HEADER + label.len();
        bytes[0] = MessageType::Encrypt as u8;
        bytes[1..STREAM_SEAL_HEADER].copy_from_slice(&len.to_be_bytes());
        bytes[STREAM_SEAL_HEADER..end].copy_from_slice(label.as_bytes());
        StreamAd { bytes, len: end }
    }

    /// The header that precedes the envelope on the stream.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.bytes[..STREAM_SEAL_HEADER]
    }

    /// All of it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
