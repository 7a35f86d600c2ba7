//! Key operations of the whole cluster: what one node answers, and what the answers of all come
//! to (serf-wire, section 6.6).
//!
//! The keyring itself belongs to the encryption of packets; here are the words about it.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::command::KeyReport;

/// Bytes the shortest key takes in a listing: 16 bytes in base64, and the head of the text.
const LISTED_KEY_MIN: usize = 25;
/// Bytes of a member's message that are kept.
const MESSAGE_MAX: usize = 1024;
/// Different keys counted at most. Members hold a handful; more is somebody's invention.
const KEYS_MAX: usize = 1024;

/// Why a node without a keyring cannot do what was asked of it, in the words the other nodes know.
/// What can be wrong with a key is the keyring's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoKeyring {
    /// To install, use or remove a key.
    #[error("No keyring to modify (encryption not enabled)")]
    Modify,
    /// To list its keys.
    #[error("Keyring is empty (encryption not enabled)")]
    List,
}

/// What a node tells about its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyListing {
    /// The keys in base64, the primary one first; perhaps not all.
    pub keys: Vec<String>,
    /// The primary key in base64.
    pub primary: String,
    /// Says so if keys were left out; else empty.
    pub message: String,
}

impl KeyListing {
    /// Lists as many keys (primary first) as fit. `fits` is asked for the whole response that
    /// would carry the listing, of which `limit` bytes may be sent.
    ///
    /// `None`: not even a listing without keys fits.
    pub fn fitting<K: AsRef<[u8]>>(
        keys: impl ExactSizeIterator<Item = K>,
        limit: usize,
        mut fits: impl FnMut(&KeyListing) -> bool,
    ) -> Option<KeyListing> {
        let all = keys.len();
        let keys: Vec<String> =
            keys.take(limit / LISTED_KEY_MIN).map(|key| encode_key(key.as_ref())).collect();
        let mut listing =
            KeyListing { primary: keys.first().cloned().unwrap_or_default(), keys, message: String::new() };
        loop {
            let listed = listing.keys.len();
            if listed < all {
                listing.message =
                    format!("truncated key list response, showing first {listed} of {all} keys");
            }
            if fits(&listing) {
                return Some(listing);
            }
            listing.keys.pop()?;
        }
    }
}

/// What a member answered to a key operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAnswer<'a, K> {
    /// Whether it was done.
    pub result: bool,
    /// An error, or a note; may be empty.
    pub message: &'a str,
    /// The keys it holds in base64; empty unless it was asked to list them.
    pub keys: K,
    /// Its primary key in base64; empty unless it was asked.
    pub primary: &'a str,
}

/// Sums up the answers to a key operation.
///
/// The caller hands in one answer for each member; the report lists members in the order they
/// answered in, and keys in their own.
#[derive(Clone, Debug, Default)]
pub struct KeyTally {
    nodes: usize,
    responses: usize,
    errors: usize,
    messages: Vec<(String, String)>,
    keys: BTreeMap<Box<str>, usize>,
    primary_keys: BTreeMap<Box<str>, usize>,
}

impl KeyTally {
    /// Waits for the answers of `nodes` members.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        KeyTally { nodes, ..KeyTally::default() }
    }

    /// Counts a member's answer.
    pub fn record<'a>(&mut self, from: &str, answer: KeyAnswer<'a, impl IntoIterator<Item = &'a str>>) {
        if answer.result {
            self.responses += 1;
            if !answer.message.is_empty() {
                self.note(from, answer.message);
            }
        } else {
            self.record_failure(from, answer.message);
        }
        for key in answer.keys {
            count(&mut self.keys, key);
        }
        if !answer.primary.is_empty() {
            count(&mut self.primary_keys, answer.primary);
        }
    }

    /// Counts a member that failed, or whose answer cannot be understood.
    pub fn record_failure(&mut self, from: &str, message: &str) {
        self.responses += 1;
        self.errors += 1;
        self.note(from, message);
    }

    /// Whether every member has answered, so that there is nothing left to wait for.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.responses >= self.nodes
    }

    /// The sum.
    #[must_use]
    pub fn into_report(self) -> KeyReport {
        let list = |keys: BTreeMap<Box<str>, usize>| {
            keys.into_iter().map(|(key, count)| (key.into_string(), count)).collect()
        };
        KeyReport {
            nodes: self.nodes,
            responses: self.responses,
            errors: self.errors,
            messages: self.messages,
            keys: list(self.keys),
            primary_keys: list(self.primary_keys),
        }
    }

    fn note(&mut self, from: &str, message: &str) {
        let mut end = message.len().min(MESSAGE_MAX);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        self.messages.push((from.to_owned(), message[..end].to_owned()));
    }
}

/// A key in base64, as listings and keyring files hold it.
#[must_use]
pub fn encode_key(key: &[u8]) -> String {
    STANDARD.encode(key)
}

fn count(keys: &mut BTreeMap<Box<str>, usize>, key: &str) {
    if let Some(count) = keys.get_mut(key) {
        *count += 1;
    } else if keys.len() < KEYS_MAX {
        keys.insert(key.into(), 1);
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::{KEYS_MAX, KeyAnswer, KeyListing, KeyTally, NoKeyring, encode_key};

    const OLD: &str = "AAECAwQFBgcICQoLDA0ODw==";
    const NEW: &str = "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM=";

    fn done<'a>(keys: &'a [&'a str], primary: &'a str) -> KeyAnswer<'a, impl IntoIterator<Item = &'a str>> {
        KeyAnswer { result: true, message: "", keys: keys.iter().copied(), primary }
    }

    #[test]
    fn keys_are_written_as_in_recorded_listings() {
        assert_eq!(encode_key(&(0..16).collect::<Vec<u8>>()), OLD);
        assert_eq!(encode_key(&(0x64..0x84).collect::<Vec<u8>>()), NEW);
    }

    #[test]
    fn a_listing_counts_each_key_and_each_primary_key() {
        let mut tally = KeyTally::new(3);
        tally.record("a", done(&[NEW, OLD], NEW));
        tally.record("b", done(&[OLD], OLD));
        assert!(!tally.is_complete());
        tally.record("c", done(&[NEW, OLD], NEW));
        assert!(tally.is_complete());
        let report = tally.into_report();
        assert_eq!(report.keys, [(OLD.to_string(), 3), (NEW.to_string(), 2)]);
        assert_eq!(report.primary_keys, [(OLD.to_string(), 1), (NEW.to_string(), 2)]);
        assert_eq!((report.nodes, report.responses, report.errors), (3, 3, 0));
        assert_eq!(report.failure(), None);
        assert!(report.messages.is_empty());
    }

    #[test]
    fn refusals_and_silence_make_the_operation_fail() {
        let no = NoKeyring::Modify.to_string();
        let mut tally = KeyTally::new(3);
        tally.record("a", done(&[], ""));
        tally.record("b", KeyAnswer { result: false, message: &no, keys: [], primary: "" });
        assert!(!tally.is_complete());
        let silent = tally.clone().into_report();
        assert_eq!(silent.failure().as_deref(), Some("1/3 nodes reported failure"));
        tally.record_failure("c", "not a key response");
        let report = tally.into_report();
        assert_eq!(report.failure().as_deref(), Some("2/3 nodes reported failure"));
        assert_eq!(
            report.messages,
            [
                ("b".to_string(), "No keyring to modify (encryption not enabled)".to_string()),
                ("c".to_string(), "not a key response".to_string())
            ]
        );
        let mut tally = KeyTally::new(2);
        tally.record("a", done(&[], ""));
        assert_eq!(tally.into_report().failure().as_deref(), Some("1/2 nodes reported success"));
    }

    #[test]
    fn a_note_of_a_successful_member_is_kept_and_no_failure() {
        let mut tally = KeyTally::new(1);
        let message = "truncated key list response, showing first 1 of 2 keys";
        tally.record("a", KeyAnswer { result: true, message, keys: [OLD], primary: OLD });
        let report = tally.into_report();
        assert_eq!(report.failure(), None);
        assert_eq!(report.messages, [("a".to_string(), message.to_string())]);
    }

    #[test]
    fn invented_keys_and_endless_messages_are_bounded() {
        let mut tally = KeyTally::new(1);
        let keys: Vec<String> = (0..2 * KEYS_MAX).map(|n| n.to_string()).collect();
        let message = "\u{e9}".repeat(5000);
        let keys = keys.iter().map(String::as_str);
        tally.record("a", KeyAnswer { result: false, message: &message, keys, primary: "" });
        let report = tally.into_report();
        assert_eq!(report.keys.len(), KEYS_MAX);
        assert_eq!(report.messages[0].1.len(), 1024);
    }

    /// Bytes of a response that carries a listing, nearly.
    fn size(listing: &KeyListing) -> usize {
        150 + listing.message.len() + listing.keys.iter().map(|key| key.len() + 1).sum::<usize>()
    }

    #[test]
    fn few_keys_are_listed_without_a_note() {
        let keys = [[1u8; 16], [2; 16]];
        let listing = KeyListing::fitting(keys.iter(), 1024, |l| size(l) <= 1024).expect("it fits");
        assert_eq!(listing.keys, [encode_key(&[1; 16]), encode_key(&[2; 16])]);
        assert_eq!(listing.primary, listing.keys[0]);
        assert_eq!(listing.message, "");
    }

    #[test]
    fn many_keys_are_cut_until_the_response_fits_and_the_note_says_so() {
        let keys: Vec<[u8; 32]> = (0..60).map(|n| [n; 32]).collect();
        let mut tries = 0;
        let listing = KeyListing::fitting(keys.iter(), 1024, |l| {
            tries += 1;
            size(l) <= 1024
        })
        .expect("some fit");
        assert_eq!(listing.keys.len(), 18);
        assert_eq!(tries, 40 - 18 + 1, "the first try has 40 keys");
        assert_eq!(listing.message, "truncated key list response, showing first 18 of 60 keys");
        assert_eq!(listing.primary, encode_key(&[0; 32]));
    }

    #[test]
    fn a_limit_below_everything_gives_no_listing() {
        assert_eq!(KeyListing::fitting([[1u8; 16]].iter(), 10, |_| false), None);
        assert_eq!(KeyListing::fitting([[1u8; 16]].iter(), 1024, |_| false), None);
    }

    #[quickcheck]
    fn a_listing_fits_and_leaves_out_as_little_as_it_must(count: u8, limit: u16) -> bool {
        let keys: Vec<[u8; 24]> = (0..count).map(|n| [n; 24]).collect();
        let limit = usize::from(limit % 3000);
        match KeyListing::fitting(keys.iter(), limit, |l| size(l) <= limit) {
            None => size(&KeyListing::default()) + 60 > limit,
            Some(listing) => {
                let whole = listing.keys.len() == keys.len();
                size(&listing) <= limit
                    && whole == listing.message.is_empty()
                    && (whole || listing.keys.len() == limit / 25 || size(&listing) + 40 > limit)
            }
        }
    }
}
