//! The label header: `244, length, label` (gossip-wire, section 4.1).

use bytes::BufMut;

use super::limits::LABEL_MAX;
use super::message::MessageType;
use crate::config::Security;
use crate::error::Refusal;

/// Appends the header; an empty label has none.
///
/// # Panics
/// If the label has more than [`LABEL_MAX`] bytes, which no valid configuration allows.
pub fn encode(label: &str, out: &mut impl BufMut) {
    assert!(label.len() <= LABEL_MAX, "the configuration limits labels");
    if !label.is_empty() {
        out.put_u8(MessageType::HasLabel as u8);
        out.put_u8(label.len() as u8);
        out.put_slice(label.as_bytes());
    }
}

/// Bytes the header of a label has.
#[must_use]
pub const fn overhead(label: &str) -> usize {
    if label.is_empty() { 0 } else { 2 + label.len() }
}

/// What the start of some bytes says about a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split<'a> {
    /// The label, empty if there is no header, and what follows it.
    Complete {
        /// The label.
        label: &'a [u8],
        /// What follows the header.
        rest: &'a [u8],
    },
    /// The header is not complete yet.
    Partial,
    /// The header has an empty label, which nobody may send.
    Empty,
}

/// Looks for the header at the start of `bytes`.
#[must_use]
pub fn split(bytes: &[u8]) -> Split<'_> {
    match bytes {
        [] => Split::Partial,
        [first, ..] if *first != MessageType::HasLabel as u8 => Split::Complete { label: &[], rest: bytes },
        [_, 0, ..] => Split::Empty,
        [_, len, rest @ ..] if rest.len() >= usize::from(*len) => {
            let (label, rest) = rest.split_at(usize::from(*len));
            Split::Complete { label, rest }
        }
        _ => Split::Partial,
    }
}

/// Compares a received label (empty: none) with the configured one. Where the check is skipped,
/// something else has removed the header already, and there must be none.
///
/// # Errors
/// [`Refusal::Label`] if they do not agree.
pub fn check(label: &[u8], security: &Security) -> Result<(), Refusal> {
    let expected = if security.skip_inbound_label_check { "" } else { &security.label };
    if label == expected.as_bytes() { Ok(()) } else { Err(Refusal::Label) }
}
