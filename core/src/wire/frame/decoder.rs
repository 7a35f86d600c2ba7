//! Taking a stream apart as it arrives.

use alloc::vec::Vec;
use core::mem;

use thiserror::Error;

use super::super::keyring::Keyring;
use super::super::limits::{SEAL_V0_OVERHEAD_MAX, STREAM_SEAL_HEADER};
use super::super::message::{MessageType, malformed};
use super::super::msgpack::Scanner;
use super::super::{compress, label, seal};
use super::scan::MessageScan;
use super::{Frame, Side};
use crate::config::Config;
use crate::error::{Malformed, Refusal};

/// Why a stream is to be closed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{refusal}")]
pub struct StreamRefusal {
    /// What was wrong.
    pub refusal: Refusal,
    /// Whether whoever accepted the stream answers with an
    /// [`ErrorMessage`](crate::wire::message::ErrorMessage) before closing: nothing inside the
    /// wrappers has been seen yet (gossip-wire, section 6.3).
    pub reply: bool,
}

impl StreamRefusal {
    fn silent(refusal: Refusal) -> Self {
        StreamRefusal { refusal, reply: false }
    }

    fn told(refusal: Refusal) -> Self {
        StreamRefusal { refusal, reply: true }
    }
}

/// Finds the one message of a stream in what arrives, in pieces of any size.
///
/// It holds no more than the configured size of a message, wrappers included, plus the last piece;
/// what claims to be larger is refused as soon as the claim can be seen. After a refusal, or once
/// it has returned the message, it takes nothing more.
#[derive(Clone, Debug)]
pub struct FrameDecoder {
    side: Side,
    stage: Stage,
    /// What has arrived behind the label header.
    buffer: Vec<u8>,
    /// Anything arrived at all.
    begun: bool,
}

#[derive(Clone, Debug)]
enum Stage {
    Label,
    Kind,
    Sealed,
    Compressed(Scanner),
    Plain(MessageScan),
    /// Behind a message about the registry.
    Between,
    Done,
}

impl FrameDecoder {
    /// Before the first byte.
    #[must_use]
    pub const fn new(side: Side) -> Self {
        FrameDecoder { side, stage: Stage::Label, buffer: Vec::new(), begun: false }
    }

    /// Bytes of memory held for what is not complete yet.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.capacity()
    }

    /// Which end of the stream this is.
    pub(crate) const fn side(&self) -> Side {
        self.side
    }

    /// Whether nothing has arrived yet.
    pub(crate) const fn is_fresh(&self) -> bool {
        !self.begun
    }

    /// Takes the next piece; returns the message once it is complete. What follows it is ignored,
    /// unless it is a message about the registry: then the next one is returned by a further call,
    /// which needs no new piece.
    ///
    /// # Errors
    /// Why the stream is to be closed.
    pub fn feed(
        &mut self,
        data: &[u8],
        config: &Config,
        keyring: &Keyring,
    ) -> Result<Option<Frame>, StreamRefusal> {
        if matches!(self.stage, Stage::Done) {
            return Ok(None);
        }
        self.begun |= !data.is_empty();
        self.buffer.extend_from_slice(data);
        let result = self.advance(config, keyring);
        match &result {
            Ok(None) => {}
            Ok(Some(frame)) if frame.kind() == Some(MessageType::Registry) => {
                self.stage = Stage::Between;
            }
            _ => {
                self.stage = Stage::Done;
                self.buffer = Vec::new();
            }
        }
        result
    }

    /// The other side has finished sending. `None`: it said nothing at all, or all it had to say.
    #[must_use]
    pub fn finish(&self) -> Option<StreamRefusal> {
        match self.stage {
            Stage::Done => None,
            Stage::Between if self.buffer.is_empty() => None,
            _ if !self.begun => None,
            Stage::Label | Stage::Plain(_) => Some(StreamRefusal::silent(Refusal::StreamTruncated)),
            _ => Some(StreamRefusal::told(Refusal::StreamTruncated)),
        }
    }

    fn advance(&mut self, config: &Config, keyring: &Keyring) -> Result<Option<Frame>, StreamRefusal> {
        loop {
            let next = match &mut self.stage {
                Stage::Label => self.label(config)?,
                Stage::Kind => self.kind(config, keyring)?,
                Stage::Sealed => return self.sealed(config, keyring),
                Stage::Compressed(scanner) => {
                    let body = self.buffer.get(1..).unwrap_or_default();
                    let found = scanner.scan(body).map_err(|error| told("compress message", error))?;
                    let Some(body) = found.and_then(|len| body.get(..len)) else { return Ok(None) };
                    let (used, inner) = (1 + body.len(), expand(body, config)?);
                    self.use_up(used);
                    return whole(inner, self.side, config).map(Some);
                }
                Stage::Plain(scan) => {
                    let found = scan.advance(&self.buffer).map_err(StreamRefusal::silent)?;
                    return Ok(found.map(|found| {
                        let rest = self.buffer.split_off(found.end);
                        let bytes = mem::replace(&mut self.buffer, rest);
                        Frame { bytes, tail: found.tail }
                    }));
                }
                Stage::Between if self.buffer.is_empty() => return Ok(None),
                Stage::Between => Some(Stage::Kind),
                Stage::Done => return Ok(None),
            };
            match next {
                Some(stage) => self.stage = stage,
                None => return Ok(None),
            }
        }
    }

    /// Drops what has been read.
    fn use_up(&mut self, len: usize) {
        let rest = self.buffer.split_off(len);
        self.buffer = rest;
    }

    /// Removes the label header. Only the side that dials sends one.
    fn label(&mut self, config: &Config) -> Result<Option<Stage>, StreamRefusal> {
        if self.side == Side::Dialled {
            return Ok(Some(Stage::Kind));
        }
        let header = match label::split(&self.buffer) {
            label::Split::Complete { label, rest } => {
                label::check(label, &config.security).map_err(StreamRefusal::silent)?;
                self.buffer.len() - rest.len()
            }
            label::Split::Partial => return Ok(None),
            label::Split::Empty => return Err(StreamRefusal::silent(Refusal::Label)),
        };
        self.buffer.drain(..header);
        Ok(Some(Stage::Kind))
    }

    /// Looks at the type byte.
    fn kind(&mut self, config: &Config, keyring: &Keyring) -> Result<Option<Stage>, StreamRefusal> {
        let Some(&first) = self.buffer.first() else { return Ok(None) };
        let max = config.stream.message_max;
        if first == MessageType::Encrypt as u8 {
            return if keyring.is_empty() {
                Err(StreamRefusal::told(Refusal::Encrypted))
            } else {
                Ok(Some(Stage::Sealed))
            };
        }
        if !keyring.is_empty() && config.security.verify_incoming {
            return Err(StreamRefusal::told(Refusal::Plaintext));
        }
        if first == MessageType::Compress as u8 {
            return Ok(Some(Stage::Compressed(Scanner::new(max))));
        }
        let scan = MessageScan::new(first, self.side, max).map_err(StreamRefusal::silent)?;
        Ok(Some(Stage::Plain(scan)))
    }

    /// Waits for the whole envelope, then opens it.
    fn sealed(&mut self, config: &Config, keyring: &Keyring) -> Result<Option<Frame>, StreamRefusal> {
        let Some((header, rest)) = self.buffer.split_first_chunk::<STREAM_SEAL_HEADER>() else {
            return Ok(None);
        };
        let [_, len @ ..] = *header;
        let len = u32::from_be_bytes(len);
        let limit = config.stream.message_max.saturating_add(SEAL_V0_OVERHEAD_MAX);
        if len as usize > limit {
            let what = "encrypted stream message";
            let refusal = Refusal::TooLarge { what, size: len.into(), limit: limit as u64 };
            return Err(StreamRefusal::told(refusal));
        }
        let Some(envelope) = rest.get(..len as usize) else { return Ok(None) };
        let ad = seal::StreamAd::new(len, &config.security.label);
        let mut plain = Vec::new();
        seal::open(keyring, envelope, ad.as_bytes(), &mut plain).map_err(StreamRefusal::told)?;
        self.use_up(STREAM_SEAL_HEADER + len as usize);
        match plain.split_first() {
            None => Err(told("encrypted stream message", Malformed::Empty)),
            Some((&first, body)) if first == MessageType::Compress as u8 => {
                let inner = expand(body, config)?;
                whole(inner, self.side, config).map(Some)
            }
            Some(_) => whole(plain, self.side, config).map(Some),
        }
    }
}

fn told(what: &'static str, error: Malformed) -> StreamRefusal {
    StreamRefusal::told(malformed(what, error))
}

fn expand(body: &[u8], config: &Config) -> Result<Vec<u8>, StreamRefusal> {
    let mut inner = Vec::new();
    compress::expand(body, &mut inner, config.stream.decompressed_max)
        .map_err(|error| told("compress message", error))?;
    Ok(inner)
}

/// A message whose bytes are all there.
fn whole(mut bytes: Vec<u8>, side: Side, config: &Config) -> Result<Frame, StreamRefusal> {
    let first = bytes.first().copied().unwrap_or_default();
    // What was decompressed may be as large as decompression allows.
    let max = config.stream.message_max.max(config.stream.decompressed_max);
    let scan = MessageScan::new(first, side, max);
    let mut scan = scan.map_err(StreamRefusal::silent)?;
    match scan.advance(&bytes).map_err(StreamRefusal::silent)? {
        Some(found) => {
            bytes.truncate(found.end);
            Ok(Frame { bytes, tail: found.tail })
        }
        None => Err(StreamRefusal::silent(malformed(scan.what(), Malformed::Truncated))),
    }
}
