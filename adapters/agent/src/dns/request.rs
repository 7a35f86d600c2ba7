//! Queries: from bytes that anybody may have sent to a question (consul-dns, section 2).

use std::net::IpAddr;

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};

use super::name::Name;
use super::record::Rcode;

/// Bytes of a message's head.
pub(super) const HEAD: usize = 12;

/// Bits of the second word of a head.
pub(super) mod bit {
    pub(in crate::dns) const RESPONSE: u16 = 1 << 15;
    pub(in crate::dns) const OPCODE: u16 = 0xf << 11;
    pub(in crate::dns) const AUTHORITATIVE: u16 = 1 << 10;
    pub(in crate::dns) const TRUNCATED: u16 = 1 << 9;
    pub(in crate::dns) const RECURSION_DESIRED: u16 = 1 << 8;
    pub(in crate::dns) const RECURSION_AVAILABLE: u16 = 1 << 7;
    pub(in crate::dns) const AUTHENTIC: u16 = 1 << 5;
    pub(in crate::dns) const CHECKING_DISABLED: u16 = 1 << 4;
}

/// A client's question.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) id: u16,
    /// Bits of the head that are the client's to set.
    pub(super) bits: u16,
    /// As it was spelt.
    pub(super) name: Name,
    pub(super) kind: u16,
    pub(super) class: u16,
    pub(super) edns: Option<Edns>,
}

/// What a client says of itself in an OPT record.
#[derive(Clone, Debug)]
pub(super) struct Edns {
    /// Bytes of the largest datagram it takes, as it said.
    pub(super) payload: u16,
    pub(super) version: u8,
    /// It wants to see signatures.
    pub(super) dnssec: bool,
    /// The network it asks for: address, bits that count.
    pub(super) subnet: Option<(IpAddr, u8)>,
}

/// What some bytes turned out to be.
#[derive(Debug)]
pub(super) enum Parsed {
    Request(Request),
    /// Nothing to be answered but this.
    Refused([u8; HEAD]),
    /// Nothing to be answered: too short to tell who asks, or an answer.
    Nothing,
}

/// Reads a message.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let Some(head) = bytes.first_chunk::<HEAD>() else { return Parsed::Nothing };
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let (id, bits) = (word(0), word(2));
    // Nobody answers answers: two servers would never come to an end.
    if bits & bit::RESPONSE != 0 {
        return Parsed::Nothing;
    }
    if bits & bit::OPCODE != 0 {
        return Parsed::Refused(refusal(id, bits, Rcode::NotImp));
    }
    let [questions, answers, authorities, additionals] = [word(4), word(6), word(8), word(10)];
    // Before anything is read, and room is made for what is announced.
    let plausible = questions == 1 && answers <= 1 && authorities <= 1 && additionals <= 2;
    match plausible.then(|| decode(bytes)).flatten() {
        Some((name, kind, class, edns)) => {
            Parsed::Request(Request { id, bits: bits & KEPT, name, kind, class, edns })
        }
        None => Parsed::Refused(refusal(id, bits, Rcode::FormErr)),
    }
}

/// Bits that are a client's.
const KEPT: u16 = bit::RECURSION_DESIRED | bit::AUTHENTIC | bit::CHECKING_DISABLED;

/// An answer of nothing but a head.
fn refusal(id: u16, bits: u16, rcode: Rcode) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let bits = bit::RESPONSE | bits & (bit::OPCODE | KEPT) | rcode as u16;
    head[..2].copy_from_slice(&id.to_be_bytes());
    head[2..4].copy_from_slice(&bits.to_be_bytes());
    head
}

type Decoded = (Name, u16, u16, Option<Edns>);

fn decode(bytes: &[u8]) -> Option<Decoded> {
    let message = Message::from_vec(bytes).ok()?;
    let question = message.queries.first()?;
    let name = Name::of_labels(question.name.iter())?;
    let edns = message.edns.as_ref().map(|edns| {
        let subnet = match edns.option(EdnsCode::Subnet) {
            Some(EdnsOption::Subnet(subnet)) => Some((subnet.addr(), subnet.source_prefix())),
            _ => None,
        };
        Edns { payload: edns.max_payload(), version: edns.version(), dnssec: edns.flags().dnssec_ok, subnet }
    });
    Some((name, question.query_type.into(), question.query_class.into(), edns))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; 12] = [0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];

    fn refused(bytes: &[u8]) -> Option<u8> {
        match parse(bytes) {
            Parsed::Refused(head) => {
                assert_eq!(head[..2], bytes[..2]);
                assert_eq!(head[2] & 0x80, 0x80);
                assert_eq!(head[4..], [0; 8]);
                Some(head[3] & 0xf)
            }
            _ => None,
        }
    }

    #[test]
    fn a_question_is_read_as_it_was_spelt() {
        let bytes = [&HEADER[..], b"\x03Web\x07service\x06consul\0\0\x21\0\x03"].concat();
        let Parsed::Request(request) = parse(&bytes) else { panic!() };
        assert_eq!((request.id, request.bits), (0xabcd, 0x100));
        assert_eq!(format!("{:?}", request.name), "Web.service.consul.");
        assert_eq!((request.kind, request.class), (33, 3));
        assert!(request.edns.is_none());
    }

    #[test]
    fn an_opt_record_says_what_the_client_takes() {
        let mut bytes = [&HEADER[..], b"\0\0\x02\0\x01"].concat();
        bytes[11] = 1;
        // 10.0.0.0/8, and a cookie.
        bytes.extend_from_slice(b"\0\0\x29\x04\xd0\0\0\x80\0\0\x15\0\x08\0\x05\0\x01\x08\0\x0a\0\x0a\0\x08");
        bytes.extend_from_slice(&[7; 8]);
        let Parsed::Request(request) = parse(&bytes) else { panic!() };
        let edns = request.edns.unwrap();
        assert_eq!((edns.payload, edns.version, edns.dnssec), (1232, 0, true));
        assert_eq!(edns.subnet, Some(("10.0.0.0".parse().unwrap(), 8)));
        assert_eq!(request.name.wire(), b"\0");
    }

    #[test]
    fn what_is_no_query_is_refused_or_passed_over() {
        let with = |at: usize, byte: u8, rest: &[u8]| {
            let mut bytes = [&HEADER[..], rest].concat();
            bytes[at] = byte;
            bytes
        };
        let question = b"\x01a\0\0\x01\0\x01";
        let formerr = Some(Rcode::FormErr as u8);
        let cases: [(Vec<u8>, Option<u8>, &str); 13] = [
            (HEADER[..11].to_vec(), None, "too short to be answered"),
            (with(2, 0x81, question), None, "an answer"),
            (with(2, 0x10, question), Some(Rcode::NotImp as u8), "STATUS"),
            (HEADER.to_vec(), formerr, "no question behind the head"),
            (with(5, 0, b""), formerr, "no question announced"),
            (with(5, 2, &[&question[..], question].concat()), formerr, "two questions"),
            (with(4, 0xff, question), formerr, "65,281 questions"),
            (with(10, 0xff, question), formerr, "65,280 additional records"),
            (with(5, 1, b"\xc0\x0c\0\x01\0\x01"), formerr, "a name that is its own end"),
            (with(5, 1, b"\x01a\xc0\x0c\0\x01\0\x01"), formerr, "a name that comes back to itself"),
            (with(5, 1, b"\xc0\xff\0\x01\0\x01"), formerr, "a name that ends outside"),
            (with(5, 1, b"\x41a\0\0\x01\0\x01"), formerr, "a label of an unknown kind"),
            (with(5, 1, b"\x3fa\0\0\x01\0\x01"), formerr, "a label longer than the message"),
        ];
        for (bytes, expected, what) in cases {
            assert_eq!(refused(&bytes), expected, "{what}");
            assert!(!matches!(parse(&bytes), Parsed::Request(_)), "{what}");
        }
        let long = [&HEADER[..], &b"\x01a".repeat(128), b"\0\0\x01\0\x01"].concat();
        assert_eq!(refused(&long), formerr, "a name of 257 bytes");
    }

    #[test]
    fn random_bytes_behind_a_plausible_head_never_do_harm() {
        fn check(id: u16, counts: (u8, u8, u8, u8), rest: Vec<u8>) -> bool {
            let mut bytes = id.to_be_bytes().to_vec();
            bytes.extend([1, 0, 0, counts.0 % 3, 0, counts.1 % 3, 0, counts.2 % 3, 0, counts.3 % 4]);
            bytes.extend(&rest);
            match parse(&bytes) {
                Parsed::Request(request) => request.id == id && request.name.wire().len() <= 255,
                Parsed::Refused(head) => head[..2] == bytes[..2] && head[3] & 0xf == Rcode::FormErr as u8,
                Parsed::Nothing => false,
            }
        }
        quickcheck::quickcheck(check as fn(u16, (u8, u8, u8, u8), Vec<u8>) -> bool);
    }
}
