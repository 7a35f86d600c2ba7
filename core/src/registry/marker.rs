//! How members that keep a registry recognise each other.
//!
//! Behind the map of tags in a member's meta stands a marker. Real Serf agents pass a meta on as it
//! is and decode no further than the end of the map, so that they neither show it nor log it.

use alloc::vec::Vec;

use crate::serf::tags::Tags;
use crate::wire::limits::META_MAX;
use crate::wire::msgpack::Reader;

/// First byte of a meta that holds a map of tags; any other has nothing behind it.
const TAGS_MAGIC: u8 = 0xff;
/// What begins the marker: a byte that no MessagePack value begins with, and a letter.
const PREFIX: [u8; 2] = [0xc1, b'T'];
/// The form of the registry's messages. What later versions add stands behind it.
const VERSION: u8 = 1;
/// First Serf protocol whose metas hold a map.
const TAGS_PROTOCOL: u8 = 3;

/// Appends the meta of a node with these tags: with the marker behind them if it keeps a registry
/// and the tags leave room.
pub(crate) fn encode_meta(tags: &Tags, protocol: u8, registry: bool, out: &mut Vec<u8>) {
    let start = out.len();
    tags.encode(protocol, out);
    let room = META_MAX.saturating_sub(out.len() - start);
    if registry && protocol >= TAGS_PROTOCOL && room > PREFIX.len() {
        out.extend_from_slice(&PREFIX);
        out.push(VERSION);
    }
}

/// Whether the member with this meta keeps a registry whose messages this node understands.
pub(crate) fn is_marked(meta: &[u8]) -> bool {
    // Nearly always answered by the first or the last bytes.
    let Some((&TAGS_MAGIC, map)) = meta.split_first() else { return false };
    if !map.windows(PREFIX.len()).any(|pair| pair == PREFIX) {
        return false;
    }
    let mut reader = Reader::new(map);
    let marker = reader.skip().ok().and_then(|()| reader.rest().strip_prefix(&PREFIX));
    marker.is_some_and(|rest| rest.first().is_some_and(|version| *version >= VERSION))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::string::String;
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::*;

    fn meta(tags: &Tags, protocol: u8, registry: bool) -> Vec<u8> {
        let mut out = Vec::new();
        encode_meta(tags, protocol, registry, &mut out);
        out
    }

    #[test]
    fn the_marker_stands_behind_the_tags() {
        let tags: Tags = [("role", "web")].into_iter().collect();
        assert_eq!(meta(&tags, 5, true), b"\xff\x81\xa4role\xa3web\xc1T\x01");
        assert_eq!(meta(&tags, 5, false), b"\xff\x81\xa4role\xa3web");
        assert_eq!(meta(&tags, 2, true), b"web", "old metas have no room behind the role");
    }

    #[test]
    fn who_is_marked() {
        let table = [
            (&b"\xff\x80\xc1T\x01"[..], true),
            (b"\xff\x80\xc1T\x02", true),
            (b"\xff\x80\xc1T\x01and what comes later", true),
            (b"\xff\x80\xc1T", false),
            (b"\xff\x80\xc1T\x00", false),
            (b"\xff\x80\xc1U\x01", false),
            (b"\xff\x80 \xc1T\x01", false),
            (b"\xff\x81\xa1a\xa3\xc1T\x01", false),
            (b"\xff\x81\xa1a\xa4\xc1T\x01", false),
            (b"\x80\xc1T\x01", false),
            (b"\xc1T\x01", false),
            (b"\xff", false),
            (b"", false),
        ];
        for (meta, marked) in table {
            assert_eq!(is_marked(meta), marked, "{meta:x?}");
        }
    }

    #[test]
    fn it_gives_way_to_tags_that_need_the_room() {
        for (len, marked) in [(500, true), (502, true), (503, false), (505, false)] {
            let tags: Tags = [("a", "x".repeat(len))].into_iter().collect();
            let meta = meta(&tags, 5, true);
            assert!(meta.len() <= META_MAX, "{} bytes", meta.len());
            assert_eq!(is_marked(&meta), marked, "a value of {len} bytes");
            assert_eq!(Tags::decode(&meta), tags);
        }
    }

    #[quickcheck]
    fn tags_are_read_as_without_it(tags: BTreeMap<String, String>) -> bool {
        let tags: Tags = tags.into_iter().collect();
        let (with, without) = (meta(&tags, 5, true), meta(&tags, 5, false));
        Tags::decode(&with) == tags && !is_marked(&without) && is_marked(&with) == (with != without)
    }
}
