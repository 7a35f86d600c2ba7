//! What members with a registry tell each other in datagrams.
//!
//! A message is user data of the Serf type [`SerfType::Registry`]: a byte that says of which kind,
//! then one or more of that kind.
//!
//! | kind | of what |
//! |---|---|
//! | 0 | records and deletions, as [`Told`] writes them |
//! | 1 | notices: who has it (text), bytes of the record, its key and stamp (a deletion's form) |

use alloc::vec::Vec;

use super::encoding::{RECORD_MAX, Told, pass_known};
use super::record::{Key, Stamp};
use super::service::Text;
use super::table::Table;
use super::texts::Texts;
use crate::error::Malformed;
use crate::wire::message::MessageType;
use crate::wire::msgpack::{Dialect, Reader, Writer};
use crate::wire::serf_message::SerfType;

const TOLD: u8 = 0;
const NOTICE: u8 = 1;

/// That there is something too large for a datagram.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notice {
    /// The member that has it: whoever says so.
    pub(crate) holder: Text,
    pub(crate) key: Key,
    pub(crate) stamp: Stamp,
}

/// One thing that a message says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Told(Told),
    Notice(Notice),
}

/// Appends a message with one record or deletion.
pub(crate) fn encode_told(told: &Told, out: &mut Vec<u8>) {
    out.extend([MessageType::User as u8, SerfType::Registry as u8, TOLD]);
    told.encode(out);
}

/// Appends a message that says that `holder` has this.
pub(crate) fn encode_notice(holder: &str, told: &Told, size: usize, out: &mut Vec<u8>) {
    out.extend([MessageType::User as u8, SerfType::Registry as u8, NOTICE]);
    Writer::new(out, Dialect::Gossip).str(holder).uint(size as u64);
    Told::Gone(told.key().clone(), told.stamp()).encode(out);
}

/// Reads a message behind its Serf type byte; calls `each` for everything it says that the table does
/// not hold to the letter, up to the first fault.
///
/// # Errors
/// What is malformed. A later version's kinds are passed over.
pub(crate) fn decode(
    body: &[u8],
    table: &Table,
    texts: &mut Texts,
    mut each: impl FnMut(Said),
) -> Result<(), Malformed> {
    let seed = table.seed();
    let (&kind, rest) = body.split_first().ok_or(Malformed::Empty)?;
    let mut reader = Reader::new(rest);
    while !reader.is_empty() {
        let said = match kind {
            TOLD if pass_known(&mut reader, table) => continue,
            TOLD => Said::Told(Told::decode(&mut reader, seed, texts)?),
            NOTICE => Said::Notice(read_notice(&mut reader, seed, texts)?),
            _ => return Ok(()),
        };
        each(said);
    }
    Ok(())
}

fn read_notice(r: &mut Reader<'_>, seed: u64, texts: &mut Texts) -> Result<Notice, Malformed> {
    let holder = texts.share(r.str()?);
    if r.u64()? > RECORD_MAX as u64 {
        return Err(Malformed::TooLarge);
    }
    let told = Told::decode(r, seed, texts)?;
    Ok(Notice { holder, key: told.key().clone(), stamp: told.stamp() })
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::super::encoding::sealed;
    use super::super::record::{Body, Kind};
    use super::super::service::Service;
    use super::super::table::Limits;
    use super::*;
    use crate::time::Time;

    fn key(id: &str) -> Key {
        Key { owner: "n1".into(), node: "n1".into(), kind: Kind::Service, id: id.into() }
    }

    fn told() -> Told {
        let body = Body::Service(Service { name: "web".into(), ..Service::default() });
        Told::Is(sealed(7, key("a"), Stamp { generation: 1, version: 2 }, body))
    }

    fn read(message: &[u8]) -> Result<Vec<Said>, Malformed> {
        read_beside(&table(), message)
    }

    fn table() -> Table {
        Table::new(7, Limits { records: 10, tombstones: 10 })
    }

    fn read_beside(table: &Table, message: &[u8]) -> Result<Vec<Said>, Malformed> {
        let mut said = Vec::new();
        decode(message, table, &mut Texts::new(1), |it| said.push(it)).map(|()| said)
    }

    #[test]
    fn what_is_known_to_the_letter_is_passed_over() {
        let later = Stamp { generation: 1, version: 3 };
        let other = Body::Service(Service { name: "mail".into(), ..Service::default() });
        let known = [told(), Told::Is(sealed(7, key("b"), later, other.clone()))];
        let mut table = table();
        for told in &known {
            table.merge(told.clone(), Time::MAX);
        }
        // Of another stamp, of another content, deleted, unknown: all of them are read.
        let unknown = [
            Told::Is(sealed(7, key("a"), later, other.clone())),
            Told::Is(sealed(7, key("a"), told().stamp(), other.clone())),
            Told::Gone(key("a"), told().stamp()),
            Told::Is(sealed(7, key("c"), later, other)),
        ];
        let mut message = Vec::new();
        encode_told(&known[0], &mut message);
        for told in unknown.iter().chain(&known[1..]) {
            told.encode(&mut message);
        }
        let said: Vec<Said> = unknown.into_iter().map(Said::Told).collect();
        assert_eq!(read_beside(&table, &message[2..]), Ok(said));
        // What is cut off is malformed, known or not.
        let mut message = Vec::new();
        encode_told(&known[0], &mut message);
        for end in 4..message.len() {
            assert!(read_beside(&table, &message[2..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn records_deletions_and_notices_are_read_as_they_were_written() {
        let gone = Told::Gone(key("b"), Stamp { generation: 1, version: 3 });
        let mut message = Vec::new();
        encode_told(&told(), &mut message);
        assert_eq!(message[..3], [8, b'T', 0]);
        gone.encode(&mut message);
        assert_eq!(read(&message[2..]), Ok(vec![Said::Told(told()), Said::Told(gone)]));

        let mut message = Vec::new();
        encode_notice("n2", &told(), 20_000, &mut message);
        let stamp = Stamp { generation: 1, version: 2 };
        let notice = Notice { holder: "n2".into(), key: key("a"), stamp };
        assert_eq!(read(&message[2..]), Ok(vec![Said::Notice(notice)]));
        for end in 3..message.len() {
            assert!(read(&message[2..end]).is_err() || end == 3, "{end}");
        }
    }

    #[test]
    fn what_nobody_may_register_is_not_announced_and_what_comes_later_is_passed_over() {
        let mut message = Vec::new();
        encode_notice("n2", &told(), RECORD_MAX + 1, &mut message);
        assert_eq!(read(&message[2..]), Err(Malformed::TooLarge));
        assert_eq!(read(&[]), Err(Malformed::Empty));
        assert_eq!(read(&[9, 1, 2, 3]), Ok(vec![]));
    }

    #[quickcheck]
    fn no_message_does_harm(bytes: Vec<u8>) {
        let _ = read(&bytes);
        let _ = read(&[&[NOTICE], &bytes[..]].concat());
    }
}
