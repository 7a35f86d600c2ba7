//! Lists and maps inside messages, borrowed as they were received.
//!
//! They are checked once when the message is decoded; walking them cannot fail after that.

use super::super::msgpack::Reader;
use crate::error::Malformed;

/// Walks the elements of an encoded array or map that was checked before.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn array(encoded: &'a [u8]) -> Self {
        let mut reader = Reader::new(encoded);
        let left = reader.array_len().unwrap_or(0);
        Walk { reader, left }
    }

    pub(super) fn map(encoded: &'a [u8]) -> Self {
        let mut reader = Reader::new(encoded);
        let left = reader.map_len().unwrap_or(0);
        Walk { reader, left }
    }

    pub(super) fn next<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
    ) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        read(&mut self.reader).ok()
    }

    pub(super) const fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// Reads a whole array or map whose elements `element` can read, and returns its bytes.
fn checked<'a>(
    reader: &mut Reader<'a>,
    len: impl FnOnce(&mut Reader<'a>) -> Result<usize, Malformed>,
    mut element: impl FnMut(&mut Reader<'a>) -> Result<(), Malformed>,
) -> Result<&'a [u8], Malformed> {
    let (start, rest) = (reader.position(), reader.rest());
    for _ in 0..len(reader)? {
        element(reader)?;
    }
    rest.get(..reader.position() - start).ok_or(Malformed::Truncated)
}

/// As [`checked`], for an array.
pub(super) fn checked_array<'a>(
    reader: &mut Reader<'a>,
    element: impl FnMut(&mut Reader<'a>) -> Result<(), Malformed>,
) -> Result<&'a [u8], Malformed> {
    checked(reader, Reader::array_len, element)
}

/// As [`checked`], for a map.
pub(super) fn checked_map<'a>(
    reader: &mut Reader<'a>,
    element: impl FnMut(&mut Reader<'a>) -> Result<(), Malformed>,
) -> Result<&'a [u8], Malformed> {
    checked(reader, Reader::map_len, element)
}

/// A list of texts.
#[derive(Clone, Debug)]
pub struct Texts<'a>(Walk<'a>);

impl Default for Texts<'_> {
    /// No texts.
    fn default() -> Self {
        Texts(Walk::array(&[]))
    }
}

impl<'a> Texts<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let encoded = checked_array(reader, |r| r.str().map(drop))?;
        Ok(Texts(Walk::array(encoded)))
    }
}

impl<'a> Iterator for Texts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.0.next(|r| r.str())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Texts<'_> {}

/// Pairs of texts, in the order they were received: the tags of a member.
#[derive(Clone, Debug)]
pub struct Pairs<'a>(Walk<'a>);

impl Default for Pairs<'_> {
    /// No pairs.
    fn default() -> Self {
        Pairs(Walk::map(&[]))
    }
}

impl<'a> Pairs<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let encoded = checked_map(reader, |r| {
            r.str()?;
            r.str().map(drop)
        })?;
        Ok(Pairs(Walk::map(encoded)))
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        self.0.next(|r| Ok((r.str()?, r.str()?)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Pairs<'_> {}

/// The filters of a query: a node answers if it passes all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filters<'a> {
    encoded: &'a [u8],
}

impl<'a> Filters<'a> {
    /// Filters as [`encode_filters`](super::encode_filters) wrote them.
    ///
    /// # Errors
    /// What is malformed.
    pub fn from_encoded(encoded: &'a [u8]) -> Result<Self, Malformed> {
        Self::read(&mut Reader::new(encoded))
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        checked_array(reader, |r| r.bytes().map(drop)).map(|encoded| Filters { encoded })
    }

    /// Their encoded form; empty if nothing was said about filters.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.encoded
    }

    /// Each filter, or why it cannot be understood: then no node passes it.
    pub fn iter(&self) -> impl Iterator<Item = Result<Filter<'a>, Malformed>> + Clone + use<'a> {
        let mut walk = Walk::array(self.encoded);
        core::iter::from_fn(move || walk.next(|r| r.bytes())).map(Filter::decode)
    }
}

/// A condition for answering a query (serf-wire, section 6.3).
#[derive(Clone, Debug)]
pub enum Filter<'a> {
    /// The node's name is one of these.
    Nodes(Texts<'a>),
    /// The expression (RE2 syntax, not anchored) matches the value of this tag of the node; a tag
    /// that it does not have counts as empty.
    Tag {
        /// The tag.
        tag: &'a str,
        /// The expression.
        expr: &'a str,
    },
    /// A kind of filter nobody knows: no node passes.
    Unknown(u8),
}

impl Filter<'_> {
    pub(super) const NODES: u8 = 0;
    pub(super) const TAG: u8 = 1;
}

impl<'a> Filter<'a> {
    /// Decodes a filter, its type byte first.
    ///
    /// # Errors
    /// What is malformed; [`Malformed::Empty`] without a type byte.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (&kind, body) = bytes.split_first().ok_or(Malformed::Empty)?;
        let mut reader = Reader::new(body);
        match kind {
            Self::NODES => Texts::read(&mut reader).map(Filter::Nodes),
            Self::TAG => {
                let (mut tag, mut expr) = ("", "");
                reader.fields(&["Tag", "Expr"], |index, r| {
                    match index {
                        0 => tag = r.str()?,
                        _ => expr = r.str()?,
                    }
                    Ok(())
                })?;
                Ok(Filter::Tag { tag, expr })
            }
            unknown => Ok(Filter::Unknown(unknown)),
        }
    }
}
