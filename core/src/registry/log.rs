//! The log that an agent's own registrations are kept in: bytes to be written, and what can be read
//! back after a crash at any instant.
//!
//! ```
//! use tidings_core::registry::log::{self, Entry};
//!
//! let mut bytes = Vec::new();
//! log::start(&mut bytes);
//! log::append(&mut bytes, Entry::Put { key: b"web", value: b"port 80" })?;
//! log::append(&mut bytes, Entry::Delete { key: b"old" })?;
//!
//! // The last write was torn: its entry is lost, and nothing else.
//! let replay = log::replay(&bytes[..bytes.len() - 1]);
//! assert_eq!(replay.entries().count(), 1);
//! assert_eq!(replay.fault().expect("the cut").to_string(), "byte 33: the log is cut short");
//! bytes.truncate(replay.good_len());
//! assert!(log::replay(&bytes).fault().is_none());
//! # Ok::<(), tidings_core::registry::log::EntryTooLarge>(())
//! ```
//!
//! # The format
//! Numbers are big-endian. The log starts with [`HEADER`], whose last byte is the version of all
//! that follows. Then entry after entry:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the body |
//! | 4 | CRC-32 of the length |
//! | 4 | CRC-32 of the body |
//! | 1 | body: 1 put, 2 delete |
//! | 2 | body: length of the key |
//! | .. | body: the key, and with a put the value |
//!
//! The length has a sum of its own so that it can be believed before the body is there: a log that
//! ends within an entry was torn, which is the mark of an ordinary crash, and one that is damaged
//! says so, wherever the bit is. Later entries of a key replace earlier ones; making one log of the
//! entries that are left is a matter of [`start`] and [`append`].

use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;

#[cfg(test)]
mod tests;

/// What a log starts with: seven bytes that nothing else starts with, and the format's version.
pub const HEADER: [u8; 8] = *b"tdg-log\x01";
/// Bytes of a key at most.
pub const KEY_BYTES_MAX: usize = 4 << 10;
/// Bytes of a value at most.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// Bytes of a body before the key.
const BODY_HEAD_BYTES: usize = 3;
const BODY_BYTES_MAX: usize = BODY_HEAD_BYTES + KEY_BYTES_MAX + VALUE_BYTES_MAX;
const _: () = assert!(KEY_BYTES_MAX <= u16::MAX as usize && BODY_BYTES_MAX <= u32::MAX as usize);

const PUT: u8 = 1;
const DELETE: u8 = 2;

/// One change of the record with this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// The record is this from now on.
    Put {
        /// Names the record.
        key: &'a [u8],
        /// What it says.
        value: &'a [u8],
    },
    /// The record is no more.
    Delete {
        /// Names the record.
        key: &'a [u8],
    },
}

/// An entry that no log takes. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "an entry with {key_bytes} bytes of key and {value_bytes} of value is too large for the log: \
     at most {KEY_BYTES_MAX} and {VALUE_BYTES_MAX} are allowed"
)]
pub struct EntryTooLarge {
    /// Bytes of its key.
    pub key_bytes: usize,
    /// Bytes of its value.
    pub value_bytes: usize,
}

/// Where a log stops being good, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The place of the header or entry that is not good, in bytes from the start of the log.
    pub at: usize,
    /// What is wrong there.
    pub defect: Defect,
}

/// What is wrong at the end of a log's good part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Defect {
    /// The log ends within the header or an entry: the last write was torn.
    #[error("the log is cut short")]
    Torn,
    /// It is no log of registrations.
    #[error("this is no log of registrations")]
    Foreign,
    /// It is a log of another version of the format.
    #[error("the log has format version {0}, and only {known} can be read", known = HEADER[7])]
    Version(u8),
    /// The length of an entry is damaged, so nothing behind it can be found.
    #[error("the checksum of an entry's length does not match")]
    LengthChecksum,
    /// An entry is damaged.
    #[error("the checksum of an entry does not match")]
    BodyChecksum,
    /// An entry says what none can say, though its sums are right: another program wrote it.
    #[error("an entry is of no known form")]
    Form,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.at, self.defect)
    }
}

/// Starts a log.
pub fn start(out: &mut Vec<u8>) {
    out.extend(HEADER);
}

/// Appends an entry.
///
/// # Errors
/// [`EntryTooLarge`], and nothing is appended.
pub fn append(out: &mut Vec<u8>, entry: Entry<'_>) -> Result<(), EntryTooLarge> {
    let (kind, key, value) = match entry {
        Entry::Put { key, value } => (PUT, key, value),
        Entry::Delete { key } => (DELETE, key, [].as_slice()),
    };
    if key.len() > KEY_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
        return Err(EntryTooLarge { key_bytes: key.len(), value_bytes: value.len() });
    }
    let body_len = ((BODY_HEAD_BYTES + key.len() + value.len()) as u32).to_be_bytes();
    out.extend(body_len);
    out.extend(crc32fast::hash(&body_len).to_be_bytes());
    let sum_at = out.len();
    out.extend([0; 4]);
    out.push(kind);
    out.extend((key.len() as u16).to_be_bytes());
    out.extend(key);
    out.extend(value);
    let sum = crc32fast::hash(&out[sum_at + 4..]);
    out[sum_at..sum_at + 4].copy_from_slice(&sum.to_be_bytes());
    Ok(())
}

/// Reads a log up to its end or the first thing that is not good. An empty log is good: one that
/// was about to be started.
#[must_use]
pub fn replay(log: &[u8]) -> Replay<'_> {
    let (header_len, mut defect) = match check_header(log) {
        Ok(len) => (len, None),
        Err(defect) => (0, Some(defect)),
    };
    let mut good_len = header_len;
    while defect.is_none() && good_len < log.len() {
        match Framed::split(&log[good_len..]).and_then(|framed| framed.check().map(|_| framed)) {
            Ok(framed) => good_len = log.len() - framed.rest.len(),
            Err(found) => defect = Some(found),
        }
    }
    Replay {
        entries: Entries { rest: &log[header_len..good_len] },
        good_len,
        fault: defect.map(|defect| Fault { at: good_len, defect }),
    }
}

/// What a log holds.
#[derive(Clone, Copy, Debug)]
pub struct Replay<'a> {
    entries: Entries<'a>,
    good_len: usize,
    fault: Option<Fault>,
}

impl<'a> Replay<'a> {
    /// The good entries, in the order they were appended.
    #[must_use]
    pub fn entries(&self) -> Entries<'a> {
        self.entries
    }

    /// Bytes of the log that are good. Cut off the rest before anything is appended; if nothing is
    /// left, [`start`] anew.
    #[must_use]
    pub fn good_len(&self) -> usize {
        self.good_len
    }

    /// What was wrong with the rest, if there is any.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }
}

/// The good entries of a log.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'a> {
    /// Whole entries that have been checked.
    rest: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let framed = Framed::split(self.rest).ok()?;
        self.rest = framed.rest;
        decode(framed.body).ok()
    }
}

/// How many bytes the header has; none if the log is empty.
fn check_header(log: &[u8]) -> Result<usize, Defect> {
    let magic = HEADER.len() - 1;
    match log.split_at_checked(magic) {
        None if log.is_empty() => Ok(0),
        None if HEADER.starts_with(log) => Err(Defect::Torn),
        Some((start, rest)) if HEADER.starts_with(start) => match rest.first() {
            None => Err(Defect::Torn),
            Some(version) if *version == HEADER[magic] => Ok(HEADER.len()),
            Some(version) => Err(Defect::Version(*version)),
        },
        None | Some(_) => Err(Defect::Foreign),
    }
}

/// The first entry of some bytes.
#[derive(Clone, Copy, Debug)]
struct Framed<'a> {
    body: &'a [u8],
    body_sum: u32,
    /// What follows it.
    rest: &'a [u8],
}

impl<'a> Framed<'a> {
    /// Finds where an entry ends, which its length says, if that can be believed.
    fn split(log: &'a [u8]) -> Result<Self, Defect> {
        let (&body_len, rest) = log.split_first_chunk().ok_or(Defect::Torn)?;
        let (&len_sum, rest) = rest.split_first_chunk().ok_or(Defect::Torn)?;
        if crc32fast::hash(&body_len) != u32::from_be_bytes(len_sum) {
            return Err(Defect::LengthChecksum);
        }
        let (&body_sum, rest) = rest.split_first_chunk().ok_or(Defect::Torn)?;
        let body_len = u32::from_be_bytes(body_len) as usize;
        if body_len > BODY_BYTES_MAX {
            return Err(Defect::Form);
        }
        let (body, rest) = rest.split_at_checked(body_len).ok_or(Defect::Torn)?;
        Ok(Framed { body, body_sum: u32::from_be_bytes(body_sum), rest })
    }

    /// The entry, if its body is what was written.
    fn check(&self) -> Result<Entry<'a>, Defect> {
        if crc32fast::hash(self.body) == self.body_sum {
            decode(self.body)
        } else {
            Err(Defect::BodyChecksum)
        }
    }
}

/// What a body says.
fn decode(body: &[u8]) -> Result<Entry<'_>, Defect> {
    let (&[kind, len_high, len_low], rest) = body.split_first_chunk().ok_or(Defect::Form)?;
    let key_len = usize::from(u16::from_be_bytes([len_high, len_low]));
    let (key, value) = rest.split_at_checked(key_len).ok_or(Defect::Form)?;
    if key.len() > KEY_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
        return Err(Defect::Form);
    }
    match kind {
        PUT => Ok(Entry::Put { key, value }),
        DELETE if value.is_empty() => Ok(Entry::Delete { key }),
        _ => Err(Defect::Form),
    }
}
