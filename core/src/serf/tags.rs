//! A node's tags and their form on the wire (serf-wire, section 3).

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, btree_map};
use alloc::string::String;

use bytes::BufMut;

use crate::error::Malformed;
use crate::wire::msgpack::{Dialect, Reader, Writer};

/// First byte of a meta that holds a map of tags. Any other meta is the tag `role` alone.
const MAGIC: u8 = 0xff;
/// The tag that nodes had before there were tags.
const ROLE: &str = "role";
/// First Serf protocol with tags.
const TAGS_PROTOCOL: u8 = 3;

/// Keys and values a node describes itself with, in the order of the keys.
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

    /// A tag's value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Removes a tag and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    /// All tags, ordered by key.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.0.iter())
    }

    /// Number of tags.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the meta for a Serf protocol version: all tags, or below version 3 the bare `role`.
    pub fn encode(&self, protocol: u8, out: &mut impl BufMut) {
        if protocol < TAGS_PROTOCOL {
            out.put_slice(self.get(ROLE).unwrap_or_default().as_bytes());
            return;
        }
        out.put_u8(MAGIC);
        let mut map = Writer::new(out, Dialect::Gossip);
        map.map(self.len());
        for (key, value) in self {
            map.str(key).str(value);
        }
    }

    /// Bytes of the encoded form under a Serf protocol version.
    #[must_use]
    pub fn encoded_len(&self, protocol: u8) -> usize {
        if protocol < TAGS_PROTOCOL {
            return self.get(ROLE).unwrap_or_default().len();
        }
        let texts = self.iter().map(|(key, value)| text_len(key) + text_len(value)).sum::<usize>();
        1 + head_len(self.len(), 15) + texts
    }

    /// Decodes a member's meta. Whatever it holds gives tags: without a map they are the `role`
    /// alone, of a broken map those before the fault, and texts that are not UTF-8 are shown with
    /// replacement characters. Bytes behind the map are ignored.
    #[must_use]
    pub fn decode(meta: &[u8]) -> Self {
        Self::decode_prefix(meta).0
    }

    /// As [`decode`](Self::decode), and the bytes behind the map: empty if there is no whole map.
    #[must_use]
    pub fn decode_prefix(meta: &[u8]) -> (Self, &[u8]) {
        let mut tags = Tags::new();
        let Some((&MAGIC, map)) = meta.split_first() else {
            tags.insert(ROLE, String::from_utf8_lossy(meta));
            return (tags, &[]);
        };
        let mut reader = Reader::new(map);
        let trailing = if tags.read_map(&mut reader).is_ok() { reader.rest() } else { &[] };
        (tags, trailing)
    }

    fn read_map(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        for _ in 0..reader.map_len()? {
            let key = text(reader)?;
            let value = text(reader)?;
            self.insert(key, value);
        }
        Ok(())
    }
}

/// A text of the map; Go's may hold any bytes.
fn text<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, Malformed> {
    reader.bytes().map(String::from_utf8_lossy)
}

/// Bytes of an encoded text.
fn text_len(text: &str) -> usize {
    head_len(text.len(), 31) + text.len()
}

/// Bytes of the head of something with `len` parts, of which `short_max` fit into one byte.
fn head_len(len: usize, short_max: usize) -> usize {
    match len {
        _ if len <= short_max => 1,
        0..=0xffff => 3,
        _ => 5,
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Tags {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(tags: I) -> Self {
        Tags(tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl<'a> IntoIterator for &'a Tags {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Iterator over keys and values, ordered by key.
#[derive(Clone, Debug)]
pub struct Iter<'a>(btree_map::Iter<'a, String, String>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::string::String;
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::Tags;

    fn encode(tags: &Tags, protocol: u8) -> Vec<u8> {
        let mut meta = Vec::new();
        tags.encode(protocol, &mut meta);
        meta
    }

    #[test]
    fn metas_of_recorded_agents_decode_and_encode_to_the_same_bytes() {
        let table = [
            (&b"\xff\x80"[..], Tags::new()),
            (b"\xff\x81\xa4role\xa2db", [("role", "db")].into_iter().collect()),
            (b"\xff\x81\xa4role\xa3web", [("role", "web")].into_iter().collect()),
            (b"\xff\x81\xa7version\xa17", [("version", "7")].into_iter().collect()),
        ];
        for (meta, tags) in table {
            assert_eq!(Tags::decode(meta), tags);
            assert_eq!(encode(&tags, 5), meta);
        }
    }

    #[test]
    fn keys_are_written_in_order() {
        let tags: Tags = [("role", "web"), ("dc", "fra")].into_iter().collect();
        assert_eq!(encode(&tags, 5), b"\xff\x82\xa2dc\xa3fra\xa4role\xa3web");
    }

    #[test]
    fn a_meta_without_a_map_is_the_role_alone() {
        for (meta, role) in
            [(&b""[..], ""), (b"web", "web"), (b"\x81\xa4role\xa2db", "\u{fffd}\u{fffd}role\u{fffd}db")]
        {
            let (tags, trailing) = Tags::decode_prefix(meta);
            assert_eq!(tags, [("role", role)].into_iter().collect());
            assert!(trailing.is_empty());
        }
    }

    #[test]
    fn protocol_two_sends_the_bare_role() {
        let tags: Tags = [("dc", "fra"), ("role", "web")].into_iter().collect();
        assert_eq!(encode(&tags, 2), b"web");
        assert_eq!(tags.encoded_len(2), 3);
        assert_eq!(encode(&Tags::new(), 2), b"");
        assert_eq!(encode(&tags, 3), encode(&tags, 5));
    }

    #[test]
    fn a_broken_map_gives_the_tags_before_the_fault() {
        for fault in [&b"\xa1b"[..], b"\xa1b\x07", b"\xa1b\xa9x", b"\xc1", b""] {
            let meta = [&b"\xff\x82\xa1a\xa11"[..], fault].concat();
            let (tags, trailing) = Tags::decode_prefix(&meta);
            assert_eq!(tags, [("a", "1")].into_iter().collect(), "{fault:x?}");
            assert!(trailing.is_empty());
        }
    }

    #[test]
    fn nil_map_nil_values_and_repeated_keys_are_taken_as_go_takes_them() {
        assert_eq!(Tags::decode(b"\xff\xc0"), Tags::new());
        assert_eq!(Tags::decode(b"\xff"), Tags::new());
        assert_eq!(Tags::decode(b"\xff\x81\xa1a\xc0").get("a"), Some(""));
        assert_eq!(Tags::decode(b"\xff\x82\xa1a\xa11\xa1a\xa12").get("a"), Some("2"));
    }

    #[test]
    fn the_end_of_the_map_is_found() {
        let (tags, trailing) = Tags::decode_prefix(b"\xff\x81\xa1a\xa11marker");
        assert_eq!(tags.get("a"), Some("1"));
        assert_eq!(trailing, b"marker");
        assert_eq!(Tags::decode(b"\xff\x81\xa1a\xa11marker"), tags);
    }

    #[test]
    fn a_claimed_size_is_not_believed() {
        assert_eq!(Tags::decode(b"\xff\xdf\xff\xff\xff\xff\xa1a\xa11"), Tags::new());
    }

    #[quickcheck]
    fn decoding_what_was_encoded_gives_the_same_tags(tags: BTreeMap<String, String>, tail: Vec<u8>) -> bool {
        let tags: Tags = tags.into_iter().collect();
        let mut meta = encode(&tags, 5);
        let exact = meta.len() == tags.encoded_len(5);
        meta.extend_from_slice(&tail);
        exact && Tags::decode_prefix(&meta) == (tags, &tail[..])
    }

    #[quickcheck]
    fn the_length_is_exact_for_many_and_long_tags(count: u8, len: u16) -> bool {
        let value = "x".repeat(usize::from(len % 300));
        let tags: Tags = (0..count % 40).map(|n| (std::format!("{n}"), value.as_str())).collect();
        [2, 3, 5].iter().all(|&protocol| encode(&tags, protocol).len() == tags.encoded_len(protocol))
    }

    #[quickcheck]
    fn any_meta_gives_tags(meta: Vec<u8>) -> bool {
        let _ = Tags::decode(&[&[0xff], &meta[..]].concat());
        Tags::decode(&meta).len() <= meta.len().max(1)
    }
}
