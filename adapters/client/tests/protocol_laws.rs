//! Laws and tables of the protocol that no recording shows.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use quickcheck::quickcheck;
use tidings_client::protocol::{
    Command, Event, KeyResponse, Malformed, Member, MembersFiltered, MembersResponse, Message, MicroApp,
    ObjectBuffer, Query, QueryRecord, Request, RequestHeader, ResponseHeader, Router, RouterAddr,
    StatsResponse, StreamRecord,
};

/// Adds a text, as short ones are written.
fn text(out: &mut Vec<u8>, text: &str) {
    out.push(0xa0 | u8::try_from(text.len()).unwrap());
    out.extend_from_slice(text.as_bytes());
}

#[test]
fn structs_as_arrays_have_the_order_of_their_declaration() {
    let event = Event::decode(b"\x93\xa1n\xa1p\xc3").unwrap();
    assert_eq!(event, Event { name: "n".into(), payload: "p".into(), coalesce: true });
    let filter = MembersFiltered::decode(b"\x93\xc0\xa5alive\xa1a").unwrap();
    assert_eq!((filter.status.as_str(), filter.name.as_str()), ("alive", "a"));
    let query = Query::decode(b"\x97\xc0\xc0\xc3\x02\x01\xa1n\xc0").unwrap();
    assert_eq!((query.request_ack, query.relay_factor, query.timeout), (true, 2, 1));
    assert_eq!(Event::decode(b"\x91\xa1n").unwrap().name, "n");
    assert_eq!(Event::decode(b"\x95\xa1n\xa1p\xc3\x05\x05").unwrap().name, "n");
}

#[test]
fn apps_and_routers_have_the_names_of_go_and_may_come_as_arrays() {
    let app = MicroApp { addr: "a".into(), providers: vec!["x".into()], consumers: Vec::new() };
    let mut out = Vec::new();
    vec![app.clone()].encode(&mut out);
    assert_eq!(out, b"\x91\x83\xa4Addr\xa1a\xa9Consumers\xc0\xa9Providers\x91\xa1x");
    assert_eq!(Vec::<MicroApp>::decode(b"\x91\x93\xa1a\x91\xa1x\xc0"), Ok(vec![app]));
    let addr = RouterAddr { node: "n".into(), addr: "a".into() };
    let router = Router { service: "x".into(), addrs: vec![addr], checksum: "c".into() };
    out.clear();
    vec![router.clone()].encode(&mut out);
    assert_eq!(
        out,
        b"\x91\x83\xa5Addrs\x91\x82\xa4Addr\xa1a\xa4Node\xa1n\xa8Checksum\xc4\x01c\xa7Service\xa1x"
    );
    assert_eq!(Vec::<Router>::decode(b"\x91\x93\xa1x\x91\x92\xa1n\xa1a\xa1c"), Ok(vec![router]));
    assert_eq!(Vec::<Router>::decode(b"\xc0"), Ok(Vec::new()), "nobody set it");
    assert_eq!(Vec::<Router>::decode(b"\xdc\x00\x03\x80\x80\x80"), Err(Malformed::TooLarge));
}

/// Each line was tried against a released agent.
#[test]
fn values_of_another_type_are_taken_or_refused_as_the_agent_does() {
    let cases: [(&[u8], bool); 15] = [
        (b"\x81\xa4Name\xa2\xff\xfe", true),
        (b"\x82\xa4Name\xa2nm\xa8Coalesce\xc0", true),
        (b"\x82\xa4Name\xa2nm\xa8Coalesce\x01", true),
        (b"\x82\xa4Name\xc4\x02nm\xa8Coalesce\xc2", false),
        (b"\x82\xa4Name\x01\xa8Coalesce\xc2", false),
        (b"\x81\xc4\x04Name\xa2nm", false),
        (b"\x82\xa4Name\xa2nm\xa7Payload\xa1p", true),
        (b"\x82\xa4Name\xa2nm\xa7Payload\xc4\x01p", true),
        (b"\x82\xa4Name\xa2nm\xa7Payload\xc0", true),
        (b"\x82\xa4Name\xa2nm\xa7Payload\x93\x01\x02\x03", true),
        (b"\x82\xa4Name\xa2nm\xa1X\xd4\x01\x02", true),
        (b"\x82\xa4Name\xa2nm\xa4Name\xa2n2", true),
        (b"\x82\x01\x02\xa4Name\xa2nm", false),
        (b"\xc0", true),
        (b"\x05", false),
    ];
    for (body, taken) in cases {
        assert_eq!(Event::decode(body).is_ok(), taken, "{}", body.escape_ascii());
    }
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    let relay = |bytes: &[u8]| Query::decode(&[b"\x81\xabRelayFactor", bytes].concat());
    assert_eq!(relay(b"\xcc\xff").unwrap().relay_factor, 255);
    assert_eq!(relay(b"\xcd\x01\x00"), Err(Malformed::Range));
    assert_eq!(Query::decode(b"\x81\xa7Timeout\xff").unwrap().timeout, -1);
    assert_eq!(RequestHeader::decode(b"\x81\xa3Seq\xff"), Err(Malformed::Range));
}

#[test]
fn addresses_have_four_or_sixteen_bytes_and_old_agents_map_them() {
    let addr = |bytes: &[u8]| {
        let mut member = vec![0x81];
        text(&mut member, "Addr");
        member.extend_from_slice(&[0xc4, u8::try_from(bytes.len()).unwrap()]);
        member.extend_from_slice(bytes);
        Member::decode(&member).map(|member| member.addr)
    };
    let v4: IpAddr = "10.1.2.3".parse().unwrap();
    assert_eq!(addr(&[10, 1, 2, 3]), Ok(v4));
    assert_eq!(addr(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3]), Ok(v4));
    assert_eq!(addr(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), Ok("::1".parse().unwrap()));
    assert_eq!(addr(&[1, 2, 3]), Err(Malformed::Address));
    assert_eq!(addr(&[]), Ok("0.0.0.0".parse().unwrap()));
}

#[test]
fn empty_lists_maps_and_payloads_have_the_shapes_of_the_reference() {
    let mut out = Vec::new();
    MembersResponse::default().encode(&mut out);
    assert_eq!(out, b"\x81\xa7Members\x90");
    out.clear();
    KeyResponse::default().encode(&mut out);
    assert_eq!(out, b"\x85\xa4Keys\xc0\xa8Messages\x80\xa6NumErr\x00\xa8NumNodes\x00\xa7NumResp\x00");
    out.clear();
    Request::Event(Event::default()).encode(1, &mut out);
    assert!(out.ends_with(b"\xa4Name\xa0\xa7Payload\xc0"));
    out.clear();
    StatsResponse::default().encode(&mut out);
    assert_eq!(out, b"\x80");
}

/// Thousands of empty members would take many times their bytes in memory.
#[test]
fn lists_that_claim_more_than_their_bytes_can_hold_are_refused() {
    let mut members = b"\x81\xa7Members\xdc\x03\xe8".to_vec();
    members.extend([0x80; 1000]);
    assert_eq!(MembersResponse::decode(&members), Err(Malformed::TooLarge));
    assert_eq!(MembersResponse::decode(b"\x81\xa7Members\xdd\xff\xff\xff\xff"), Err(Malformed::Truncated));
}

#[test]
fn an_object_that_claims_gigabytes_is_refused_at_its_claim() {
    let mut buffer = ObjectBuffer::new(1 << 24);
    buffer.extend(b"\x81\xa7Payload\xc6\xff\xff\xff\xff");
    assert_eq!(buffer.next_object(), Err(Malformed::TooLarge));
}

#[test]
fn every_command_has_one_word() {
    for &command in Command::ALL {
        assert_eq!(Command::from_word(command.as_str()), Some(command));
    }
    assert_eq!(Command::from_word("frob"), None);
    assert_eq!(Command::from_word("Members"), None);
}

#[test]
fn bytes_behind_an_object_are_refused() {
    assert!(ResponseHeader::decode(b"\x81\xa3Seq\x01\x01").is_err());
}

quickcheck! {
    fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) -> bool {
        let mut buffer = ObjectBuffer::new(1 << 10);
        buffer.extend(&bytes);
        while let Ok(Some(object)) = buffer.next_object() {
            let _ = RequestHeader::decode(&object);
            let _ = StreamRecord::decode(&object);
            let _ = QueryRecord::decode(&object);
            let _ = MembersResponse::decode(&object);
            for command in Command::ALL {
                let _ = command.decode_request(&object);
            }
        }
        true
    }

    fn queries_survive_the_wire(
        names: (Vec<String>, String), tags: BTreeMap<String, String>, payload: Vec<u8>, numbers: (u8, bool, i64)
    ) -> bool {
        let query = Query {
            filter_nodes: names.0,
            filter_tags: Some(tags),
            name: names.1,
            payload: Bytes::from(payload),
            relay_factor: numbers.0,
            request_ack: numbers.1,
            timeout: numbers.2,
        };
        let mut out = Vec::new();
        query.encode(&mut out);
        Query::decode(&out) == Ok(query)
    }

    fn records_survive_the_wire(id: u64, ltime: u64, name: String, payload: Vec<u8>, is_query: bool) -> bool {
        let payload = Bytes::from(payload);
        let record = if is_query {
            StreamRecord::Query { id, ltime, name, payload }
        } else {
            StreamRecord::User { coalesce: id > ltime, ltime, name, payload }
        };
        let mut out = Vec::new();
        record.encode(&mut out);
        StreamRecord::decode(&out) == Ok(record)
    }

    fn cutting_the_stream_anywhere_gives_the_same_objects(seqs: Vec<u64>, piece: usize) -> bool {
        let mut bytes = Vec::new();
        for &seq in &seqs {
            Request::Stop(tidings_client::protocol::Stop { stop: seq }).encode(seq, &mut bytes);
        }
        let mut buffer = ObjectBuffer::new(1 << 10);
        let mut objects = 0;
        for piece in bytes.chunks(piece % 40 + 1) {
            buffer.extend(piece);
            while let Ok(Some(_)) = buffer.next_object() {
                objects += 1;
            }
        }
        objects == 2 * seqs.len() && buffer.is_empty()
    }
}
