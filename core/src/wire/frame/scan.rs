//! Finding the end of a plain stream message.

use super::super::message::{MessageType, PushPullHeader, UserHeader, malformed};
use super::super::msgpack::{Reader, Scanner};
use super::Side;
use crate::error::{Malformed, Refusal};

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
            Side::Accepted => matches!(kind, MessageType::Ping | MessageType::PushPull | MessageType::User),
            Side::Dialled => matches!(kind, MessageType::Ack | MessageType::PushPull | MessageType::Error),
        });
        let kind = kind.ok_or(Refusal::UnknownType(first))?;
        Ok(MessageScan { kind, stage: Stage::Head(Scanner::new(max.saturating_sub(1))), max })
    }

    /// The word for what is being read.
    pub(super) const fn what(&self) -> &'static str {
        self.kind.as_str()
    }

    /// Looks on; `bytes` starts with the type byte in every call and holds all there is so far.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<Option<Found>, Refusal> {
        let what = self.what();
        self.step(bytes).map_err(|error| match error {
            // Say the limit: it is a matter of configuration.
            Malformed::TooLarge => {
                let limit = self.max as u64;
                Refusal::TooLarge { what, size: self.claimed(bytes), limit }
            }
            error => malformed(what, error),
        })
    }

    fn step(&mut self, bytes: &[u8]) -> Result<Option<Found>, Malformed> {
        loop {
            match &mut self.stage {
                Stage::Head(scanner) => {
                    let Some(len) = scanner.scan(bytes.get(1..).unwrap_or_default())? else {
                        return Ok(None);
                    };
                    self.stage = after_head(self.kind, bytes, 1 + len, self.max)?;
                }
                Stage::Nodes { at, left: 0, user_state_len, .. } => {
                    let (start, end) = (*at, at.saturating_add(*user_state_len));
                    if end > self.max {
                        return Err(Malformed::TooLarge);
                    }
                    self.stage = Stage::Tail { start, end };
                }
                Stage::Nodes { at, left, record, .. } => {
                    let Some(len) = record.scan(bytes.get(*at..).unwrap_or_default())? else {
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

    /// Bytes the message must have, as far as it can be said.
    fn claimed(&self, bytes: &[u8]) -> u64 {
        let claimed = match &self.stage {
            Stage::Nodes { at, left, user_state_len, .. } => {
                at.saturating_add(*left).saturating_add(*user_state_len)
            }
            Stage::Tail { end, .. } => *end,
            Stage::Head(_) => 0,
        };
        claimed.max(bytes.len()).max(self.max.saturating_add(1)) as u64
    }
}

/// What follows the map that ends at `end`.
fn after_head(kind: MessageType, bytes: &[u8], end: usize, max: usize) -> Result<Stage, Malformed> {
    let mut head = Reader::new(&bytes[1..end]);
    let (nodes, counted) = match kind {
        MessageType::PushPull => {
            let header = PushPullHeader::decode_from(&mut head)?;
            (header.nodes, header.user_state_len)
        }
        MessageType::User => (0, UserHeader::decode_from(&mut head)?.len),
        _ => (0, 0),
    };
    // Every record has one byte at least.
    if end.saturating_add(nodes).saturating_add(counted) > max {
        return Err(Malformed::TooLarge);
    }
    let record = Scanner::new(max - end);
    Ok(Stage::Nodes { at: end, left: nodes, record, user_state_len: counted })
}
