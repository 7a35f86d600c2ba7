//! How much of an answer fits (consul-dns, section 4): what is left out, in which order, and whether
//! that is said.

use super::Set;
use super::encode::{Part, Style, encode, mark_truncated};
use super::name::Name;
use super::record::{Data, Record, Reply};
use super::request::Request;

/// Bytes of a datagram if the client does not say.
pub(super) const DATAGRAM: usize = 512;
/// Bytes of a message at most, whatever the client says: what one datagram carries over IPv4.
const DATAGRAM_MAX: usize = 65_507;
/// Bytes of a message on a stream.
const STREAM_MAX: usize = 65_535;
/// Bytes of the smallest record.
pub(super) const RECORD_MIN: usize = 14;
/// Bytes of what stands before a record's data at least: a pointer to its name, numbers, a length.
const RECORD_HEAD: usize = 12;

/// Times that the number of answers that fit is guessed from how long a message became.
const GUESSES: u32 = 4;

/// How a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// Whether it is said that some of an answer was left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Truncation {
    /// Never.
    Unsaid,
    /// If there was no room for it, but not if only the number of answers is limited.
    #[default]
    BySize,
    /// Always.
    Said,
}

/// What there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Bytes.
    pub(super) bytes: usize,
    /// Answers of those that are counted.
    pub(super) answers: Option<usize>,
}

impl Room {
    /// What a client has room for; `limit`: answers in small datagrams.
    pub(super) fn of(request: &Request, transport: Transport, limit: usize) -> Room {
        let payload = request.edns.as_ref().map_or(DATAGRAM, |edns| usize::from(edns.payload));
        match transport {
            Transport::Tcp => Room { bytes: STREAM_MAX, answers: None },
            Transport::Udp if payload <= DATAGRAM => Room { bytes: DATAGRAM, answers: Some(limit) },
            Transport::Udp => Room { bytes: payload.min(DATAGRAM_MAX), answers: None },
        }
    }

    /// As many records as could ever fit.
    pub(super) const fn records(self) -> usize {
        self.bytes / RECORD_MIN
    }
}

/// Writes as much of a reply as there is room for.
pub(super) fn fitted(
    request: &Request,
    reply: &Reply,
    room: Room,
    style: Style,
    truncation: Truncation,
) -> Vec<u8> {
    let limit = room.answers.filter(|_| reply.counted).unwrap_or(usize::MAX);
    let counted = reply.answers.len().min(limit);
    let possible = counted.min(room.records());
    if possible == reply.answers.len() && reply.additionals.len() <= room.records() {
        let all = Part { reply, answers: &reply.answers, additionals: reply.additionals.iter().collect() };
        let answer = encode(request, &all, style);
        if answer.len() <= room.bytes {
            return marked(answer, reply.shortened && truncation != Truncation::Unsaid);
        }
    }
    let (answers, answer) = most(request, reply, &reply.answers[..possible], room, style);
    let by_limit = counted < reply.answers.len();
    let by_size = answers < counted || reply.shortened && !by_limit;
    let said = match truncation {
        Truncation::Unsaid => false,
        Truncation::BySize => by_size,
        Truncation::Said => by_size || by_limit,
    };
    marked(answer, said)
}

/// The most answers that fit, and the message with them. Of what is additional only addresses of
/// those who are named in an answer come along.
fn most(request: &Request, reply: &Reply, answers: &[Record], room: Room, style: Style) -> (usize, Vec<u8>) {
    let with = |count: usize| {
        let answers = &answers[..count];
        encode(request, &Part { reply, answers, additionals: addresses(reply, answers) }, style)
    };
    // So many fit, so many do not.
    let (mut fits, mut fails) = (0, possible(answers, room.bytes) + 1);
    let (mut best, mut tries) = (None, 0);
    let mut next = fails - 1;
    while fits + 1 < fails {
        let message = with(next);
        let len = message.len();
        if len <= room.bytes {
            (fits, best) = (next, Some(message));
        } else {
            fails = next;
        }
        tries += 1;
        // Records are much alike; if they are not, halving finds the place.
        let guess = if tries <= GUESSES { next * room.bytes / len.max(1) } else { fits.midpoint(fails) };
        next = guess.clamp(fits + 1, (fails - 1).max(fits + 1));
    }
    (fits, best.unwrap_or_else(|| with(0)))
}

/// Bytes that a record takes at least, whatever names are abbreviated to.
pub(super) fn least(record: &Record) -> usize {
    match &record.data {
        // Only these names are written in full.
        Data::Srv { target, .. } => RECORD_HEAD + 6 + target.wire().len(),
        _ => RECORD_HEAD,
    }
}

/// How many of these answers could fit, whatever names are abbreviated to.
fn possible(answers: &[Record], bytes: usize) -> usize {
    let mut taken = 0;
    let fits = |record: &&Record| {
        taken += least(record);
        taken <= bytes
    };
    answers.iter().take_while(fits).count()
}

fn addresses<'a>(reply: &'a Reply, answers: &[Record]) -> Vec<&'a Record> {
    let named = |record: &Record| match &record.data {
        Data::Srv { target, .. } | Data::Ns(target) => Some(target.clone()),
        _ => None,
    };
    let named: Set<Name> = answers.iter().chain(&reply.authorities).filter_map(named).collect();
    let wanted = |record: &&Record| !matches!(record.data, Data::Txt(_)) && named.contains(&record.owner);
    reply.additionals.iter().filter(wanted).collect()
}

fn marked(mut answer: Vec<u8>, truncated: bool) -> Vec<u8> {
    if truncated {
        mark_truncated(&mut answer);
    }
    answer
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;

    use super::super::record::kind;
    use super::super::request::Edns;
    use super::*;

    fn request(payload: Option<u16>) -> Request {
        let edns = payload.map(|payload| Edns { payload, version: 0, dnssec: false, subnet: None });
        let name = Name::parse("many.service.consul").unwrap();
        Request { id: 1, bits: 0, name, kind: kind::SRV, class: 1, edns }
    }

    /// Forty instances as in the recording: 2,448 bytes without the texts, and 5,539 with them.
    fn forty() -> Reply {
        let (zone, owner) = (Name::parse("consul").unwrap(), Name::parse("many.service.consul").unwrap());
        let node = zone.with("alpha.node.dc1").unwrap();
        let mut reply = Reply { counted: true, ..Reply::of(Vec::new()) };
        for n in 1..=40_u8 {
            let target = zone.with(&format!("0a0200{n:02x}.addr.dc1")).unwrap();
            let data = Data::Srv { weight: 1, port: 9000, target: target.clone() };
            reply.answers.push(Record { owner: owner.clone(), ttl: 0, data });
            reply.additionals.push(Record { owner: target, ttl: 0, data: Data::A([10, 2, 0, n].into()) });
            for text in ["rack=r1", "os=linux", "consul-network-segment="] {
                let data = Data::Txt(text.into());
                reply.additionals.push(Record { owner: node.clone(), ttl: 0, data });
            }
        }
        reply
    }

    const STYLE: Style = Style { compress: true, recursion: false };

    #[test]
    fn as_many_answers_are_kept_as_the_recording_has() {
        use Transport::{Tcp, Udp};
        use Truncation::{BySize, Said, Unsaid};
        let reply = forty();
        let cases = [
            // Bytes the client takes, how it asks, what is said of it: answers, additionals, bytes, said.
            (None, Udp, BySize, (3, 3, 217, false)),
            (None, Udp, Said, (3, 3, 217, true)),
            (Some(512), Udp, BySize, (3, 4, 228, false)),
            (Some(1232), Udp, Unsaid, (19, 20, 1188, false)),
            (Some(1232), Udp, BySize, (19, 20, 1188, true)),
            (Some(4096), Udp, Said, (40, 41, 2448, false)),
            (Some(1232), Tcp, Said, (40, 161, 5539, false)),
        ];
        for (payload, transport, truncation, expected) in cases {
            let request = request(payload);
            let bytes = fitted(&request, &reply, Room::of(&request, transport, 3), STYLE, truncation);
            let message = Message::from_vec(&bytes).unwrap();
            let additionals = message.additionals.len() + usize::from(message.edns.is_some());
            let found = (message.answers.len(), additionals, bytes.len(), message.metadata.truncation);
            assert_eq!(found, expected, "{payload:?} {transport:?} {truncation:?}");
        }
    }

    #[test]
    fn an_answer_that_alone_is_too_large_is_left_to_a_stream() {
        let (owner, data) = (Name::parse("a.node.consul").unwrap(), Data::Txt("x".repeat(640)));
        let record = Record { owner, ttl: 0, data };
        let reply = Reply { additionals: vec![record.clone(); 100], ..Reply::of(vec![record]) };
        let request = request(None);
        let fitted = |transport| {
            let room = Room::of(&request, transport, 3);
            let bytes = fitted(&request, &reply, room, STYLE, Truncation::BySize);
            let message = Message::from_vec(&bytes).unwrap();
            (message.answers.len(), message.additionals.len(), message.metadata.truncation)
        };
        assert_eq!(fitted(Transport::Udp), (0, 0, true));
        assert_eq!(fitted(Transport::Tcp), (1, 0, false), "65 KB of texts do not fit; the answer does");
    }

    #[test]
    fn what_a_client_takes_is_believed_within_reason() {
        let room = |payload, transport| Room::of(&request(payload), transport, 3);
        let small = Room { bytes: 512, answers: Some(3) };
        assert_eq!((room(None, Transport::Udp), room(Some(0), Transport::Udp)), (small, small));
        assert_eq!(room(Some(65_535), Transport::Udp), Room { bytes: 65_507, answers: None });
        assert_eq!(room(None, Transport::Tcp), Room { bytes: 65_535, answers: None });
    }
}
