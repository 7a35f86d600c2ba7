//! Answers, written out.
//!
//! Queries are decoded by hickory-proto; answers are not encoded by it, because its encoder forgets
//! names after the first 64 it met, and an answer about forty instances has more: it would be a third
//! larger, and fit where it must not be cut no longer.

use std::net::IpAddr;

use super::Map;
use super::name::Name;
use super::record::{Data, IN, Rcode, Record, Reply, kind};
use super::request::{Edns, HEAD, Request, bit};

/// Bytes of a text within a TXT record.
const TEXT_MAX: usize = 255;
/// The last place in a message that a name can point to.
const POINTER_MAX: usize = 0x3fff;
/// Where the bits stand in a head.
const BITS: usize = 2;
/// The client's subnet in an OPT record.
const SUBNET: u16 = 8;

/// How answers are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Names point to where they occurred before.
    pub(super) compress: bool,
    /// There is somebody to ask what is not known here.
    pub(super) recursion: bool,
}

/// What of a reply is written out.
pub(super) struct Part<'a> {
    pub(super) reply: &'a Reply,
    pub(super) answers: &'a [Record],
    pub(super) additionals: Vec<&'a Record>,
}

/// Writes an answer.
pub(super) fn encode(request: &Request, part: &Part<'_>, style: Style) -> Vec<u8> {
    let reply = part.reply;
    let mut writer = Writer { out: Vec::with_capacity(512), names: Map::default(), compress: style.compress };
    // Who is refused gets no more than the question back.
    let edns = request.edns.as_ref().filter(|_| reply.rcode != Rcode::Refused);
    let mut bits = bit::RESPONSE | request.bits & bit::RECURSION_DESIRED | reply.rcode as u16 & 0xf;
    for (set, bit) in [(reply.authoritative, bit::AUTHORITATIVE), (style.recursion, bit::RECURSION_AVAILABLE)]
    {
        bits |= if set { bit } else { 0 };
    }
    let additionals = part.additionals.len() + usize::from(edns.is_some());
    for word in [
        request.id,
        bits,
        1,
        counted(part.answers.len()),
        counted(reply.authorities.len()),
        counted(additionals),
    ] {
        writer.word(word);
    }
    debug_assert_eq!(writer.out.len(), HEAD);
    writer.name(&request.name, true);
    writer.word(request.kind);
    writer.word(request.class);
    let records = part.answers.iter().chain(&reply.authorities).chain(part.additionals.iter().copied());
    for record in records {
        writer.record(record);
    }
    if let Some(edns) = edns {
        writer.opt(edns, reply.rcode);
    }
    writer.out
}

/// Says in an answer that some of it was left out.
pub(super) fn mark_truncated(answer: &mut [u8]) {
    answer[BITS] |= (bit::TRUNCATED >> 8) as u8;
}

/// A query for a name, as it is sent to others: with `edns` if the client had something to say.
pub(super) fn query(id: u16, bits: u16, question: (&Name, u16, u16), edns: Option<&Edns>) -> Vec<u8> {
    let (name, kind, class) = question;
    let mut writer = Writer { out: Vec::with_capacity(64), names: Map::default(), compress: false };
    for word in [id, bits, 1, 0, 0, u16::from(edns.is_some())] {
        writer.word(word);
    }
    writer.name(name, false);
    writer.word(kind);
    writer.word(class);
    if let Some(edns) = edns {
        // Whom the client asks for is between it and us.
        writer.opt(&Edns { subnet: None, ..edns.clone() }, Rcode::NoError);
        if edns.dnssec {
            let flags = writer.out.len() - 4;
            writer.out[flags] |= 0x80;
        }
    }
    writer.out
}

fn counted(records: usize) -> u16 {
    u16::try_from(records).unwrap_or(u16::MAX)
}

struct Writer<'a> {
    out: Vec<u8>,
    /// Where names, and their ends, stand already.
    names: Map<&'a [u8], u16>,
    compress: bool,
}

impl<'a> Writer<'a> {
    fn word(&mut self, word: u16) {
        self.out.extend_from_slice(&word.to_be_bytes());
    }

    fn long(&mut self, long: u32) {
        self.out.extend_from_slice(&long.to_be_bytes());
    }

    /// A name; `point`: it may end where another one stands.
    fn name(&mut self, name: &'a Name, point: bool) {
        let mut rest = name.wire();
        while let Some(len) = rest.first().filter(|len| **len > 0) {
            if self.compress {
                match self.names.get(rest) {
                    Some(place) if point => return self.word(0xc000 | *place),
                    Some(_) => {}
                    None if self.out.len() <= POINTER_MAX => {
                        self.names.insert(rest, self.out.len() as u16);
                    }
                    None => {}
                }
            }
            let (label, behind) = rest.split_at(1 + usize::from(*len));
            self.out.extend_from_slice(label);
            rest = behind;
        }
        self.out.push(0);
    }

    fn record(&mut self, record: &'a Record) {
        self.name(&record.owner, true);
        self.word(record.data.kind());
        self.word(IN);
        self.long(record.ttl);
        let place = self.out.len();
        self.word(0);
        self.data(&record.data);
        self.measure(place);
    }

    /// Notes at a place how much was written behind it.
    fn measure(&mut self, place: usize) {
        let len = counted(self.out.len() - place - 2);
        self.out[place..place + 2].copy_from_slice(&len.to_be_bytes());
    }

    fn data(&mut self, data: &'a Data) {
        match data {
            Data::A(addr) => self.out.extend_from_slice(&addr.octets()),
            Data::Aaaa(addr) => self.out.extend_from_slice(&addr.octets()),
            Data::Cname(name) | Data::Ns(name) | Data::Ptr(name) => self.name(name, true),
            Data::Txt(text) if text.is_empty() => self.out.push(0),
            Data::Txt(text) => {
                for piece in text.as_bytes().chunks(TEXT_MAX) {
                    self.out.push(piece.len() as u8);
                    self.out.extend_from_slice(piece);
                }
            }
            Data::Srv { weight, port, target } => {
                for word in [1, *weight, *port] {
                    self.word(word);
                }
                // RFC 2782: in full.
                self.name(target, false);
            }
            Data::Soa { server, mail, serial, refresh, retry, expire, min_ttl } => {
                self.name(server, true);
                self.name(mail, true);
                for long in [serial, refresh, retry, expire, min_ttl] {
                    self.long(*long);
                }
            }
        }
    }

    fn opt(&mut self, edns: &Edns, rcode: Rcode) {
        self.out.push(0);
        self.word(kind::OPT);
        self.word(edns.payload);
        // The upper bits of the code, version 0, no flags.
        self.long(u32::from(rcode as u16 >> 4) << 24);
        let place = self.out.len();
        self.word(0);
        if let Some((addr, prefix)) = edns.subnet {
            let (family, octets) = match addr {
                IpAddr::V4(addr) => (1, addr.octets().to_vec()),
                IpAddr::V6(addr) => (2, addr.octets().to_vec()),
            };
            let octets = &octets[..octets.len().min(usize::from(prefix).div_ceil(8))];
            self.word(SUBNET);
            self.word(counted(4 + octets.len()));
            self.word(family);
            self.out.extend_from_slice(&[prefix, prefix]);
            self.out.extend_from_slice(octets);
        }
        self.measure(place);
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;
    use hickory_proto::rr::RData;

    use super::*;

    /// Few labels, in both spellings, so that names end alike in many ways.
    fn name(bits: u32) -> Name {
        const LABELS: [&str; 8] = ["a", "A", "node", "Node", "dc1", "consul", "x.y", "0a010101"];
        let labels = (0..1 + bits % 5).map(|n| LABELS[(bits >> (3 * n + 3)) as usize % 8]);
        Name::parse(&labels.collect::<Vec<_>>().join(".")).unwrap()
    }

    fn record((owner, kind, content): (u32, u8, u32)) -> Record {
        let data = match kind % 7 {
            0 => Data::A(content.into()),
            1 => Data::Aaaa(u128::from(content).into()),
            2 => Data::Cname(name(content)),
            3 => Data::Ns(name(content)),
            4 => Data::Ptr(name(content)),
            5 => Data::Srv { weight: content as u16, port: (content >> 16) as u16, target: name(content) },
            _ => Data::Txt("t".repeat(content as usize % 700)),
        };
        Record { owner: name(owner), ttl: content, data }
    }

    /// Whether a record was read as it was written.
    fn same(read: &hickory_proto::rr::Record, written: &Record) -> bool {
        let is = |read: &hickory_proto::rr::Name, written: &Name| read.iter().eq(written.labels());
        let data = match (&read.data, &written.data) {
            (RData::A(read), Data::A(written)) => read.0 == *written,
            (RData::AAAA(read), Data::Aaaa(written)) => read.0 == *written,
            (RData::CNAME(read), Data::Cname(written)) => is(&read.0, written),
            (RData::NS(read), Data::Ns(written)) => is(&read.0, written),
            (RData::PTR(read), Data::Ptr(written)) => is(&read.0, written),
            (RData::SRV(read), Data::Srv { weight, port, target }) => {
                (read.priority, read.weight, read.port) == (1, *weight, *port) && is(&read.target, target)
            }
            (RData::TXT(read), Data::Txt(written)) => read.txt_data.concat() == written.as_bytes(),
            _ => false,
        };
        data && is(&read.name, &written.owner) && read.ttl == written.ttl
    }

    #[test]
    fn what_is_written_is_read_by_others() {
        type Bits = Vec<(u32, u8, u32)>;
        fn check(asked: u32, answers: Bits, additionals: Bits, compress: bool) -> bool {
            let edns = Some(Edns { payload: 4096, version: 0, dnssec: false, subnet: None });
            let request = Request { id: 7, bits: 0, name: name(asked), kind: kind::ANY, class: IN, edns };
            let mut reply = Reply::of(answers.into_iter().map(record).collect());
            reply.additionals = additionals.into_iter().map(record).collect();
            let additionals = reply.additionals.iter().collect();
            let part = Part { reply: &reply, answers: &reply.answers, additionals };
            let bytes = encode(&request, &part, Style { compress, recursion: false });
            let message = Message::from_vec(&bytes).unwrap();
            let all = |read: &[hickory_proto::rr::Record], written: &[Record]| {
                read.len() == written.len()
                    && read.iter().zip(written).all(|(read, written)| same(read, written))
            };
            message.queries[0].name.iter().eq(request.name.labels())
                && all(&message.answers, &reply.answers)
                && all(&message.additionals, &reply.additionals)
                && message.edns.is_some()
        }
        quickcheck::quickcheck(check as fn(u32, Bits, Bits, bool) -> bool);
    }
}
