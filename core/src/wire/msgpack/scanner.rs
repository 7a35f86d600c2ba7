//! Finding the end of a value that arrives in pieces.

use super::Head;
use crate::error::Malformed;

/// Finds where a value ends without reading any byte twice, however it is cut.
///
/// It never runs further than `max` bytes: what claims more is refused as soon as the claim can
/// be seen.
///
/// ```
/// use tidings_core::wire::msgpack::Scanner;
///
/// let mut scanner = Scanner::new(1 << 20);
/// assert_eq!(scanner.scan(b"\x92\xa3on"), Ok(None));
/// assert_eq!(scanner.scan(b"\x92\xa3one\x01rest"), Ok(Some(6)));
/// ```
#[derive(Clone, Debug)]
pub struct Scanner {
    /// Bytes of the value already understood.
    at: usize,
    /// Values still to come, nested ones included.
    pending: usize,
    max: usize,
}

impl Scanner {
    /// Starts before a value of at most `max` bytes.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Scanner { at: 0, pending: 1, max }
    }

    /// Looks on. `bytes` starts with the value's first byte in every call and holds all that has
    /// arrived since; the answer is the value's length once it is complete.
    ///
    /// # Errors
    /// [`Malformed::TooLarge`] when the value must become longer than `max`, [`Malformed::Type`]
    /// when it is no MessagePack. The scanner stays where it was.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        while self.pending > 0 {
            let Some(rest) = bytes.get(self.at..) else { return Ok(None) };
            let (head, len) = match Head::parse(rest) {
                Ok(parsed) => parsed,
                Err(Malformed::Truncated) => return Ok(None),
                Err(error) => return Err(error),
            };
            let end = self.at.saturating_add(len).saturating_add(head.content());
            let pending = (self.pending - 1).saturating_add(head.children());
            // Every value has one byte at least.
            if end.saturating_add(pending) > self.max {
                return Err(Malformed::TooLarge);
            }
            (self.at, self.pending) = (end, pending);
        }
        Ok((bytes.len() >= self.at).then_some(self.at))
    }
}
