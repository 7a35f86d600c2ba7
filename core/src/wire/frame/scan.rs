//! Finding the end of a plain stream message.

use super::super::limits::REGISTRY_FRAME_MAX;
use super::super::message::{MessageType, PushPullHeader, UserHeader, malformed};
use super::super::msgpack::{Reader, Scanner};
use super::Side;
use crate::error::Refusal;

/// Walks a message as it arrives, no byte twice.
#[derive(Clone, Debug)]
pub(super) struct MessageScan {
    kind: MessageType,
    stage: Stage,
    max: usize,
}

#[derive(Clone, Debug)]
enum Stage {
    /// In the map behind the type byte.
    Head(Scanner),
    /// In the member record that starts at `at`.
    Nodes { at: usize, left: usize, record: Scanner, user_state_len: usize },
    /// In the counted bytes at the end.
    Tail { start: usize, end: usize },
}

/// A complete message: where it ends, and where its counted bytes start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) tail: usize,
    pub(super) end: usize,
}

impl MessageScan {
    /// Starts at a message with this type byte, of at most `max` bytes in all.
    ///
    /// # Errors
    /// [`Refusal::UnknownType`] if the other side may not send this type.
    pub(super) fn new(first: u8, side: Side, max: usize) -> Result<Self, Refusal> {
        let kind = MessageType::from_u8(first).filter(|kind| match side {
            Side::Accepted => {
                use MessageType::{Ping, PushPull, Registry, User};
                matches!(kind, Ping | PushPull | User | Registry)
            }
            Side::Dialled => {
                use MessageType::{Ack, Error, PushPull, Registry};
                matches!(kind, Ack | PushPull | Error | Registry)
            }
        });
        let kind = kind.ok_or(Refusal::UnknownType(first))?;
        let max = if kind == MessageType::Registry { max.min(REGISTRY_FRAME_MAX) } else { max };
        Ok(MessageScan { kind, stage: Stage::Head(Scanner::new(max.saturating_sub(1))), max })
    }

    /// The word for what is being read.
    pub(super) const fn what(&self) -> &'static str {
        self.kind.as_str()
    }

    /// Looks on; `bytes` starts with the type byte in every call and holds all there is so far.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<Option<Found>, Refusal> {
        let malformed = |error| malformed(self.kind.as_str(), error);
        loop {
            match &mut self.stage {
                Stage::Head(scanner) => {
                    let Some(len) = scanner.scan(bytes.get(1..).unwrap_or_default()).map_err(malformed)?
                    else {
                        return Ok(None);
                    };
                    self.stage = after_head(self.kind, bytes, 1 + len, self.max)?;
                }
                Stage::Nodes { at, left: 0, user_state_len, .. } => {
                    let (start, end) = (*at, at.saturating_add(*user_state_len));
                    check_size(self.kind, end, self.max)?;
                    self.stage = Stage::Tail { start, end };
                }
                Stage::Nodes { at, left, record, .. } => {
                    let Some(len) = record.scan(bytes.get(*at..).unwrap_or_default()).map_err(malformed)?
                    else {
                        return Ok(None);
                    };
                    *at += len;
                    *left -= 1;
                    *record = Scanner::new(self.max.saturating_sub(*at));
                }
                Stage::Tail { start, end } => {
                    let found = Found { tail: *start, end: *end };
                    return Ok((bytes.len() >= *end).then_some(found));
                }
            }
        }
    }
}

/// What follows the map that ends at `end`.
fn after_head(kind: MessageType, bytes: &[u8], end: usize, max: usize) -> Result<Stage, Refusal> {
    let mut head = Reader::new(bytes.get(1..end).unwrap_or_default());
    let counts = match kind {
        MessageType::PushPull => {
            PushPullHeader::decode_from(&mut head).map(|header| (header.nodes, header.user_state_len))
        }
        MessageType::User => UserHeader::decode_from(&mut head).map(|header| (0, header.len)),
        MessageType::Registry => head.u32().map(|len| (0, len as usize)),
        _ => Ok((0, 0)),
    };
    let (left, user_state_len) = counts.map_err(|error| malformed(kind.as_str(), error))?;
    // Every record has one byte at least.
    check_size(kind, end.saturating_add(left).saturating_add(user_state_len), max)?;
    Ok(Stage::Nodes { at: end, left, record: Scanner::new(max.saturating_sub(end)), user_state_len })
}

fn check_size(kind: MessageType, size: usize, limit: usize) -> Result<(), Refusal> {
    if size > limit {
        let what = kind.as_str();
        return Err(Refusal::TooLarge { what, size: size as u64, limit: limit as u64 });
    }
    Ok(())
}
