//! A node's tags and their form on the wire (serf-wire, section 3).

use alloc::collections::BTreeMap;
use alloc::string::String;

/// Keys and values a node describes itself with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    /// No tags.
    #[must_use]
    pub const fn new() -> Self {
        Tags(BTreeMap::new())
    }

    /// Sets a tag.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), value.into());
    }

    /// Decodes a member's meta; what cannot be decoded is left out.
    #[must_use]
    pub fn decode(_meta: &[u8]) -> Self {
        Tags::new()
    }

    /// Bytes of the encoded form under a Serf protocol version.
    #[must_use]
    pub fn encoded_len(&self, _protocol: u8) -> usize {
        0
    }
}
