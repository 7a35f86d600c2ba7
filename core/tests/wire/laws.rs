//! Decoding gives back what was encoded, for every message and any content.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use quickcheck::{Arbitrary, Gen};
use quickcheck_macros::quickcheck;
use tidings_core::wire::message::{
    Ack, Alive, Dead, ErrorMessage, IndirectPing, Message, Nack, Ping, PushNode, PushPullHeader, Source,
    Suspect, UserHeader,
};
use tidings_core::wire::msgpack::Reader;
use tidings_core::wire::serf_message::{
    ConflictResponse, Filters, Join, KeyRequest, KeyResponse, Leave, MemberRecord, PushPull, Query,
    QueryResponse, Relay, UserEvent, encode_filters, encode_push_pull,
};
use tidings_core::{LamportTime, State, Status, Versions};

/// Something for every field of every message.
#[derive(Clone, Debug)]
struct Content {
    name: String,
    other: String,
    text: String,
    bytes: Vec<u8>,
    addr: IpAddr,
    versions: Versions,
    small: u16,
    number: u32,
    large: u64,
    signed: i64,
    choice: bool,
}

impl Arbitrary for Content {
    fn arbitrary(g: &mut Gen) -> Self {
        let name = |g: &mut Gen| String::arbitrary(g).chars().take(60).collect();
        let shift = u32::arbitrary(g) % 64;
        let mut v6 = u128::from(u64::arbitrary(g)) << 64 | u128::from(u64::arbitrary(g));
        v6 |= 1 << 127; // never IPv4 in disguise
        let addr = match bool::arbitrary(g) {
            true => Ipv4Addr::from(u32::arbitrary(g)).into(),
            false => Ipv6Addr::from(v6).into(),
        };
        Content {
            name: format!("n{}", name(g) as String),
            other: name(g),
            text: String::arbitrary(g),
            bytes: Vec::<u8>::arbitrary(g).into_iter().take(512).collect(),
            addr,
            versions: Versions::from_bytes(core::array::from_fn(|_| u8::arbitrary(g))),
            small: u16::arbitrary(g),
            number: u32::arbitrary(g) >> (shift % 32),
            large: u64::arbitrary(g) >> shift,
            signed: i64::arbitrary(g) >> shift,
            choice: bool::arbitrary(g),
        }
    }
}

impl Content {
    fn source(&self) -> Source<'_> {
        Source { addr: self.choice.then_some(self.addr), port: self.small, node: &self.other }
    }

    fn ltime(&self) -> LamportTime {
        LamportTime(self.large)
    }

    fn versions(&self) -> Option<Versions> {
        self.choice.then_some(self.versions)
    }

    fn state(&self) -> State {
        [State::Alive, State::Suspect, State::Dead, State::Left][self.small as usize % 4]
    }
}

fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

#[quickcheck]
fn gossip_messages_survive(c: Content) {
    let (node, from, incarnation, seq) = (c.name.as_str(), c.other.as_str(), c.number, c.number);
    let messages = [
        Message::Ping(Ping { seq, node, source: c.source() }),
        Message::IndirectPing(IndirectPing {
            seq,
            target: c.addr,
            port: c.small,
            node,
            nack: c.choice,
            source: c.source(),
        }),
        Message::Ack(Ack { seq, payload: &c.bytes }),
        Message::Nack(Nack { seq }),
        Message::Suspect(Suspect { incarnation, node, from }),
        Message::Dead(Dead { incarnation, node, from }),
        Message::Alive(Alive {
            node,
            addr: c.addr,
            port: c.small,
            meta: &c.bytes,
            incarnation,
            versions: c.versions(),
        }),
        Message::User(&c.bytes),
    ];
    for message in messages {
        let mut bytes = encoded(|out| message.encode(out));
        assert_eq!(Message::decode(&bytes), Ok(message));
        if !matches!(message, Message::User(_)) {
            bytes.extend_from_slice(&c.bytes);
            assert_eq!(Message::decode(&bytes), Ok(message), "what follows is ignored");
        }
    }
}

#[quickcheck]
fn parts_of_stream_messages_survive(c: Content) {
    let header = PushPullHeader {
        nodes: c.number as usize % (1 << 20),
        user_state_len: c.number as usize % (20 << 20),
        join: c.choice,
    };
    let bytes = encoded(|out| header.encode(out));
    assert_eq!(PushPullHeader::decode_from(&mut Reader::new(&bytes[1..])), Ok(header));

    let node = PushNode {
        name: &c.name,
        addr: c.addr,
        port: c.small,
        meta: &c.bytes,
        incarnation: c.number,
        state: c.state(),
        versions: c.versions(),
    };
    let bytes = encoded(|out| node.encode(out));
    let mut reader = Reader::new(&bytes);
    assert_eq!(PushNode::decode_from(&mut reader), Ok(node));
    assert!(reader.is_empty());

    let user = UserHeader { len: c.number as usize % (20 << 20) };
    let bytes = encoded(|out| user.encode(out));
    assert_eq!(UserHeader::decode_from(&mut Reader::new(&bytes[1..])), Ok(user));

    let error = ErrorMessage { error: &c.text };
    let bytes = encoded(|out| error.encode(out));
    assert_eq!(ErrorMessage::decode(&bytes[1..]), Ok(error));
}

#[quickcheck]
fn serf_messages_survive(c: Content) {
    let (ltime, node) = (c.ltime(), c.name.as_str());
    let leave = Leave { ltime, node, prune: c.choice };
    assert_eq!(Leave::decode(&encoded(|out| leave.encode(out))[1..]), Ok(leave));
    let join = Join { ltime, node };
    assert_eq!(Join::decode(&encoded(|out| join.encode(out))[1..]), Ok(join));
    let event = UserEvent { ltime, name: &c.text, payload: &c.bytes, coalesce: c.choice };
    assert_eq!(UserEvent::decode(&encoded(|out| event.encode(out))[1..]), Ok(event));

    let filters = encoded(|out| encode_filters(&[&c.name, &c.other], &[(&c.text, &c.other)], out));
    let query = Query {
        ltime,
        id: c.number,
        addr: c.addr,
        port: c.small,
        source_node: &c.other,
        filters: Filters::from_encoded(&filters).unwrap(),
        flags: c.number,
        relay_factor: c.small as u8,
        timeout: c.signed,
        name: &c.text,
        payload: &c.bytes,
    };
    assert_eq!(Query::decode(&encoded(|out| query.encode(out))[1..]), Ok(query));

    let response = QueryResponse { ltime, id: c.number, from: node, flags: c.number, payload: &c.bytes };
    let bytes = encoded(|out| response.encode(out));
    assert_eq!(QueryResponse::decode(&bytes[1..]), Ok(response));
    let relay = Relay { addr: c.addr, port: c.small, dest_name: &c.other, inner: &bytes };
    assert_eq!(Relay::decode(&encoded(|out| relay.encode(out))[1..]), Ok(relay));
    let request = KeyRequest { key: &c.bytes };
    assert_eq!(KeyRequest::decode(&encoded(|out| request.encode(out))[1..]), Ok(request));
}

#[quickcheck]
fn key_and_conflict_responses_survive(c: Content, keys: Vec<String>) {
    let bytes = encoded(|out| {
        KeyResponse::encode(c.choice, &c.text, keys.iter().map(String::as_str), &c.other, out);
    });
    let back = KeyResponse::decode(&bytes[1..]).unwrap();
    assert_eq!((back.result, back.message, back.primary_key), (c.choice, c.text.as_str(), c.other.as_str()));
    assert!(back.keys.eq(keys.iter().map(String::as_str)));

    let bytes = encoded(ConflictResponse::encode_unknown);
    let nothing = ConflictResponse::decode(&bytes[1..]).unwrap().member;
    assert!(nothing.is_none());
    let member = MemberRecord {
        name: &c.name,
        addr: c.addr,
        port: c.small,
        status: Status::Leaving,
        versions: c.versions,
        tags: Default::default(),
    };
    let tags = [("role", c.text.as_str()), (c.other.as_str(), "")];
    let bytes = encoded(|out| member.encode_with(tags.into_iter(), out));
    let back = ConflictResponse::decode(&bytes[1..]).unwrap().member.unwrap();
    assert_eq!((back.name, back.addr, back.port), (c.name.as_str(), c.addr, c.small));
    assert_eq!((back.status, back.versions), (Status::Leaving, c.versions));
    assert!(back.tags.eq(tags));
}

#[quickcheck]
fn the_state_of_the_serf_layer_survives(c: Content, names: Vec<u8>, slots: Vec<Option<(u64, Vec<u8>)>>) {
    let names: Vec<String> = names.iter().map(|name| format!("n{name}")).collect();
    let bytes = encoded(|out| {
        encode_push_pull(
            [c.ltime(), LamportTime(1), LamportTime(u64::MAX)],
            names.iter().map(|name| (name.as_str(), c.ltime())),
            names.iter().map(String::as_str),
            slots.iter().map(|slot| {
                let slot = slot.as_ref();
                slot.map(|(ltime, payload)| (LamportTime(*ltime), [("e", &payload[..])].into_iter()))
            }),
            &c.bytes,
            out,
        );
    });
    let state = PushPull::decode(&bytes[1..]).unwrap();
    assert_eq!((state.ltime, state.event_ltime, state.query_ltime.0), (c.ltime(), LamportTime(1), u64::MAX));
    assert!(state.status_ltimes.eq(names.iter().map(|name| (name.as_str(), c.ltime()))));
    assert!(state.left_members.eq(names.iter().map(String::as_str)));
    assert_eq!(state.registry, c.bytes);
    let events: Vec<_> = state
        .events
        .map(|slot| {
            slot.map(|slot| (slot.ltime.0, slot.events.map(|(_, payload)| payload.to_vec()).next().unwrap()))
        })
        .collect();
    assert_eq!(events, slots);
    for end in 0..bytes.len().min(400) {
        assert!(PushPull::decode(&bytes[1..end.max(1)]).is_err(), "{end}");
    }
}

#[quickcheck]
fn garbage_is_refused_or_decoded_but_never_panics(garbage: Vec<u8>) {
    let _ = Leave::decode(&garbage);
    let _ = Join::decode(&garbage);
    let _ = UserEvent::decode(&garbage);
    let _ = Query::decode(&garbage).map(|query| query.filters.iter().count());
    let _ = QueryResponse::decode(&garbage);
    let _ = Relay::decode(&garbage);
    let _ = KeyRequest::decode(&garbage);
    let _ = KeyResponse::decode(&garbage).map(|response| response.keys.count());
    let _ = ConflictResponse::decode(&garbage).map(|response| response.member.map(|m| m.tags.count()));
    let _ = PushPull::decode(&garbage).map(|state| state.events.flatten().flat_map(|s| s.events).count());
    let _ = Filters::from_encoded(&garbage).map(|filters| filters.iter().count());
}
