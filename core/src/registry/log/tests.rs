//! What a log gives back, whatever happened to it.

use std::string::ToString;
use std::vec;
use std::vec::Vec;

use quickcheck::{Arbitrary, Gen};
use quickcheck_macros::quickcheck;

use super::{
    Defect, Entry, EntryTooLarge, Fault, HEADER, KEY_BYTES_MAX, VALUE_BYTES_MAX, append, replay, start,
};

/// An entry with its own bytes: a key, and a value unless it is deleted.
#[derive(Clone, Debug, PartialEq)]
struct Change(Vec<u8>, Option<Vec<u8>>);

impl Change {
    fn entry(&self) -> Entry<'_> {
        match self {
            Change(key, Some(value)) => Entry::Put { key, value },
            Change(key, None) => Entry::Delete { key },
        }
    }
}

impl Arbitrary for Change {
    fn arbitrary(g: &mut Gen) -> Self {
        Change(Arbitrary::arbitrary(g), Arbitrary::arbitrary(g))
    }

    fn shrink(&self) -> std::boxed::Box<dyn Iterator<Item = Self>> {
        std::boxed::Box::new((self.0.clone(), self.1.clone()).shrink().map(|(key, value)| Change(key, value)))
    }
}

/// A log of these changes, and where each of them starts; last, where the log ends.
fn write(changes: &[Change]) -> (Vec<u8>, Vec<usize>) {
    let mut log = Vec::new();
    start(&mut log);
    let mut starts = vec![log.len()];
    for change in changes {
        append(&mut log, change.entry()).expect("it is small");
        starts.push(log.len());
    }
    (log, starts)
}

/// Whether a replay gives exactly the first `count` changes and ends where they end.
fn gives_back(log: &[u8], changes: &[Change], starts: &[usize], count: usize) -> bool {
    let replay = replay(log);
    replay.entries().eq(changes[..count].iter().map(Change::entry)) && replay.good_len() == starts[count]
}

/// Some changes, each kind and empty parts among them.
fn samples() -> Vec<Change> {
    vec![
        Change(b"web".to_vec(), Some(b"port 80".to_vec())),
        Change(b"web".to_vec(), None),
        Change(Vec::new(), Some(Vec::new())),
        Change(Vec::new(), None),
        Change(vec![0; 300], Some(vec![0xff; 70])),
    ]
}

#[quickcheck]
fn what_was_appended_comes_back(changes: Vec<Change>) -> bool {
    let (log, starts) = write(&changes);
    replay(&log).fault().is_none() && gives_back(&log, &changes, &starts, changes.len())
}

/// A cut log gives all entries before the cut, and is a torn one unless the cut is between two.
fn survives_a_cut(changes: &[Change], at: usize) -> bool {
    let (log, starts) = write(changes);
    let at = at % (log.len() + 1);
    if at < HEADER.len() {
        let replay = replay(&log[..at]);
        let torn = (at > 0).then_some(Fault { at: 0, defect: Defect::Torn });
        return replay.good_len() == 0 && replay.entries().next().is_none() && replay.fault() == torn;
    }
    let whole = starts.iter().rposition(|&start| start <= at).expect("the header is there");
    let torn = (starts[whole] < at).then_some(Fault { at: starts[whole], defect: Defect::Torn });
    replay(&log[..at]).fault() == torn && gives_back(&log[..at], changes, &starts, whole)
}

#[quickcheck]
fn a_cut_anywhere_loses_the_last_entry_alone(changes: Vec<Change>, at: usize) -> bool {
    survives_a_cut(&changes, at)
}

#[test]
fn every_single_cut_of_a_log_loses_the_last_entry_alone() {
    let changes = samples();
    for at in 0..=write(&changes).0.len() {
        assert!(survives_a_cut(&changes, at), "cut at {at}");
    }
}

/// A log with a flipped bit gives all entries before the bit, says what is wrong right there, and
/// does not take it for a torn write.
fn survives_a_flip(changes: &[Change], bit: usize) -> bool {
    let (mut log, starts) = write(changes);
    let bit = bit % (8 * log.len());
    let byte = bit / 8;
    log[byte] ^= 1 << (bit % 8);
    if byte < HEADER.len() {
        let version_bit = byte == HEADER.len() - 1;
        let defect = if version_bit { Defect::Version(log[byte]) } else { Defect::Foreign };
        let replay = replay(&log);
        return replay.fault() == Some(Fault { at: 0, defect }) && replay.entries().next().is_none();
    }
    let whole = starts.iter().rposition(|&start| start <= byte).expect("the header is whole");
    let defect = if byte - starts[whole] < 8 { Defect::LengthChecksum } else { Defect::BodyChecksum };
    replay(&log).fault() == Some(Fault { at: starts[whole], defect })
        && gives_back(&log, changes, &starts, whole)
}

#[quickcheck]
fn a_flipped_bit_anywhere_ends_the_replay_right_there(changes: Vec<Change>, bit: usize) -> bool {
    survives_a_flip(&changes, bit)
}

#[test]
fn every_single_flipped_bit_of_a_log_ends_the_replay_right_there() {
    let changes = samples();
    for bit in 0..8 * write(&changes).0.len() {
        assert!(survives_a_flip(&changes, bit), "bit {bit}");
    }
}

#[quickcheck]
fn what_is_left_after_damage_can_be_continued(changes: Vec<Change>, more: Change, bit: usize) -> bool {
    let (mut log, starts) = write(&changes);
    let body = log.len() - HEADER.len();
    if body > 0 {
        log[HEADER.len() + bit / 8 % body] ^= 1 << (bit % 8);
    }
    let kept =
        starts.iter().rposition(|&start| start == replay(&log).good_len()).expect("it ends at an entry");
    log.truncate(replay(&log).good_len());
    append(&mut log, more.entry()).expect("it is small");
    let mut changes = changes[..kept].to_vec();
    changes.push(more);
    replay(&log).fault().is_none() && replay(&log).entries().eq(changes.iter().map(Change::entry))
}

#[quickcheck]
fn any_bytes_are_read_without_panic(bytes: Vec<u8>, behind_a_header: bool) -> bool {
    let log = if behind_a_header { [&HEADER, bytes.as_slice()].concat() } else { bytes };
    let replay = replay(&log);
    replay.good_len() <= log.len() && (replay.good_len() == log.len()) == replay.fault().is_none()
}

#[test]
fn an_entry_has_bounds_and_nothing_is_written_beyond_them() {
    let (key, value) = (vec![1; KEY_BYTES_MAX + 1], vec![2; VALUE_BYTES_MAX + 1]);
    let mut log = Vec::new();
    start(&mut log);
    for (key, value, ok) in [
        (&key[1..], &value[1..], true),
        (&key[..], &value[1..], false),
        (&key[1..], &value[..], false),
        (&key[..], &[][..], false),
    ] {
        let before = log.len();
        let expected = EntryTooLarge { key_bytes: key.len(), value_bytes: value.len() };
        assert_eq!(append(&mut log, Entry::Put { key, value }), if ok { Ok(()) } else { Err(expected) });
        assert_eq!(log.len() > before, ok);
    }
    let expected = EntryTooLarge { key_bytes: key.len(), value_bytes: 0 };
    assert_eq!(append(&mut log, Entry::Delete { key: &key }), Err(expected));
    assert_eq!(replay(&log).entries().count(), 1);
    assert_eq!(
        expected.to_string(),
        "an entry with 4097 bytes of key and 0 of value is too large for the log: at most 4096 and 1048576 \
         are allowed"
    );
}

/// A log with one entry of this body, its sums right.
fn framed(body: &[u8], body_len: u32) -> Vec<u8> {
    let mut log = HEADER.to_vec();
    log.extend(body_len.to_be_bytes());
    log.extend(crc32fast::hash(&body_len.to_be_bytes()).to_be_bytes());
    log.extend(crc32fast::hash(body).to_be_bytes());
    log.extend(body);
    log
}

#[test]
fn entries_of_no_known_form_end_the_replay() {
    let long_key = [&[1, 0x10, 0x01][..], &[7; 4097]].concat();
    for (what, body) in [
        ("no body", &b""[..]),
        ("no length of the key", b"\x01\x00"),
        ("a key longer than the body", b"\x01\x00\x04key"),
        ("a key longer than allowed", &long_key),
        ("a deletion with a value", b"\x02\x00\x03keyvalue"),
        ("an unknown kind", b"\x03\x00\x03key"),
    ] {
        let log = framed(body, body.len() as u32);
        let fault = Some(Fault { at: HEADER.len(), defect: Defect::Form });
        assert_eq!((replay(&log).fault(), replay(&log).good_len()), (fault, HEADER.len()), "{what}");
    }
    // A length that no entry has is refused before anyone waits for so many bytes.
    let log = framed(b"", u32::MAX);
    assert_eq!(replay(&log).fault(), Some(Fault { at: HEADER.len(), defect: Defect::Form }));
}

#[test]
fn faults_say_where_and_what() {
    for (log, text) in [
        (&b"tdg-l"[..], "byte 0: the log is cut short"),
        (b"-----BEGIN", "byte 0: this is no log of registrations"),
        (b"alive", "byte 0: this is no log of registrations"),
        (b"tdg-log\x02", "byte 0: the log has format version 2, and only 1 can be read"),
        (b"tdg-log\x01\0\0", "byte 8: the log is cut short"),
        (b"tdg-log\x01\0\0\0\0\0\0\0\0\0\0\0\0", "byte 8: the checksum of an entry's length does not match"),
    ] {
        assert_eq!(replay(log).fault().expect("it is not good").to_string(), text);
    }
    assert_eq!(replay(b"").fault(), None);
    assert_eq!(replay(&HEADER).fault(), None);
}

/// The format is on disks: what is written today must be readable by every later version.
#[test]
fn the_format_stays_as_it_is() {
    let (log, _) = write(&[Change(b"k".to_vec(), Some(b"v".to_vec())), Change(b"k".to_vec(), None)]);
    // The sums were computed by an independent implementation.
    let expected = [
        &b"tdg-log\x01"[..],
        b"\0\0\0\x05\x51\x2e\x2b\x93\xc5\xef\xd2\xff\x01\0\x01kv",
        b"\0\0\0\x04\x26\x29\x1b\x05\x48\x36\x9e\x06\x02\0\x01k",
    ];
    assert_eq!(log, expected.concat());
}
