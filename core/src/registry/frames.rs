//! What members with a registry say to each other on a stream.
//!
//! | kind | what follows | who says it |
//! |---|---|---|
//! | 0 hello | key of the sketch (4 bytes), number of records (4), coded symbols | who dialled |
//! | 1 more | how many symbols (2) | who was dialled |
//! | 2 symbols | coded symbols | who dialled |
//! | 3 need | digests (8 each); more of them follow | who was dialled |
//! | 4 need, at last | digests | who was dialled |
//! | 5 need all | nothing | who was dialled |
//! | 6 records | records and deletions; more frames follow | both |
//! | 7 records, at last | records and deletions, perhaps none | both |
//! | 8 go on | nothing: a frame of records was taken in | both |
//! | 9 fetch | keys with stamps (in a deletion's form) | who dialled |
//! | 10 ask | records to be written about who was dialled, or the deletion of one | who dialled |
//! | 11 answer | why not (text); empty: it is done | who was dialled |

use alloc::vec::Vec;

use super::encoding::Told;
use super::texts::Texts;
use crate::error::Malformed;
use crate::wire::msgpack::Reader;

/// Bytes a frame of records is filled to; a single larger record still travels as a whole.
pub(crate) const FRAME_FILL: usize = 60 << 10;
/// Digests asked for in one frame.
pub(crate) const NEED_PER_FRAME: usize = FRAME_FILL / 8;

const HELLO: u8 = 0;
const MORE: u8 = 1;
const SYMBOLS: u8 = 2;
const NEED: u8 = 3;
const NEED_LAST: u8 = 4;
const NEED_ALL: u8 = 5;
const RECORDS: u8 = 6;
const RECORDS_LAST: u8 = 7;
const GO_ON: u8 = 8;
const FETCH: u8 = 9;
const ASK: u8 = 10;
const ANSWER: u8 = 11;

/// A message of a registry stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    Hello { key: u32, records: u32, symbols: &'a [u8] },
    More(u16),
    Symbols(&'a [u8]),
    Need { digests: &'a [u8], last: bool },
    NeedAll,
    Records { told: &'a [u8], last: bool },
    GoOn,
    Fetch(&'a [u8]),
    Ask(&'a [u8]),
    Answer(&'a [u8]),
}

impl<'a> Frame<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (kind, body) = match *self {
            Frame::Hello { key, records, symbols } => {
                let mut out = Vec::with_capacity(9 + symbols.len());
                out.push(HELLO);
                out.extend(key.to_be_bytes());
                out.extend(records.to_be_bytes());
                out.extend_from_slice(symbols);
                return out;
            }
            Frame::More(count) => return [&[MORE][..], &count.to_be_bytes()].concat(),
            Frame::Symbols(symbols) => (SYMBOLS, symbols),
            Frame::Need { digests, last } => (if last { NEED_LAST } else { NEED }, digests),
            Frame::NeedAll => (NEED_ALL, &[][..]),
            Frame::Records { told, last } => (if last { RECORDS_LAST } else { RECORDS }, told),
            Frame::GoOn => (GO_ON, &[][..]),
            Frame::Fetch(keys) => (FETCH, keys),
            Frame::Ask(told) => (ASK, told),
            Frame::Answer(text) => (ANSWER, text),
        };
        [&[kind], body].concat()
    }

    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (&kind, body) = bytes.split_first().ok_or(Malformed::Empty)?;
        Ok(match kind {
            HELLO => {
                let (key, rest) = body.split_first_chunk().ok_or(Malformed::Truncated)?;
                let (records, symbols) = rest.split_first_chunk().ok_or(Malformed::Truncated)?;
                let (key, records) = (u32::from_be_bytes(*key), u32::from_be_bytes(*records));
                Frame::Hello { key, records, symbols }
            }
            MORE => {
                let (count, _) = body.split_first_chunk().ok_or(Malformed::Truncated)?;
                Frame::More(u16::from_be_bytes(*count))
            }
            SYMBOLS => Frame::Symbols(body),
            NEED | NEED_LAST => Frame::Need { digests: body, last: kind == NEED_LAST },
            NEED_ALL => Frame::NeedAll,
            RECORDS | RECORDS_LAST => Frame::Records { told: body, last: kind == RECORDS_LAST },
            GO_ON => Frame::GoOn,
            FETCH => Frame::Fetch(body),
            ASK => Frame::Ask(body),
            ANSWER => Frame::Answer(body),
            _ => return Err(Malformed::Type),
        })
    }
}

/// Reads records and deletions to the end.
pub(crate) fn read_told(bytes: &[u8], seed: u64, texts: &mut Texts) -> Result<Vec<Told>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut told = Vec::new();
    while !reader.is_empty() {
        told.push(Told::decode(&mut reader, seed, texts)?);
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        for frame in [
            Frame::Hello { key: 7, records: 100_000, symbols: b"symbols" },
            Frame::More(513),
            Frame::Symbols(b"abc"),
            Frame::Need { digests: b"12345678", last: false },
            Frame::Need { digests: b"", last: true },
            Frame::NeedAll,
            Frame::Records { told: b"x", last: false },
            Frame::Records { told: b"", last: true },
            Frame::GoOn,
            Frame::Fetch(b"y"),
            Frame::Ask(b"z"),
            Frame::Answer(b""),
        ] {
            assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
        }
        assert_eq!(Frame::decode(&[]), Err(Malformed::Empty));
        assert_eq!(Frame::decode(&[12]), Err(Malformed::Type));
        assert_eq!(Frame::decode(&[HELLO, 1, 2, 3, 4, 5, 6, 7]), Err(Malformed::Truncated));
    }

    #[quickcheck]
    fn no_frame_does_harm(bytes: Vec<u8>) {
        let _ = Frame::decode(&bytes);
        let _ = read_told(&bytes, 1, &mut Texts::new(1));
    }
}
