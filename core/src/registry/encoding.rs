//! Records as bytes: on the wire between members, and in the log.
//!
//! MessagePack arrays, values in a fixed order; a reader passes over values behind those it knows.
//!
//! | array | values |
//! |---|---|
//! | told | owner, node (nil: the owner), kind, id, generation, version, body (nil: it is gone) |
//! | node | id, address, tagged addresses (map), meta (map), data centre, claimed, floor, answers DNS (left out if it does not) |
//! | service | name, tags, meta (map), address, port, tagged addresses (map to [address, port]), weight passing, weight warning, tag override |
//! | check | name, status, notes, output, service id, service name, service tags, kind, definition (may be left out) |
//! | definition | http, method, header (map to lists), body, tls skip verify, tcp, interval, timeout, deregister after (nanoseconds) |

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::BufMut;

use super::check::{Check, Definition, Health};
use super::node::NodeInfo;
use super::record::{Body, Key, Kind, LentKey, Record, Stamp};
use super::service::{Address, Meta, Service, Text, Weights};
use super::table::Table;
use super::texts::Texts;
use crate::error::Malformed;
use crate::hash;
use crate::serf::clock::LamportTime;
use crate::time::nanos;
use crate::wire::limits::NAME_MAX;
use crate::wire::msgpack::{Dialect, Reader, Writer};

/// Bytes of a record at most. Larger ones are refused where they are registered.
pub const RECORD_MAX: usize = 256 << 10;
/// Bytes of an instance's or check's ID, and of a service's name.
pub const ID_MAX: usize = 1024;

/// Generations and versions stay below this: no owner counts so far, and one that has to go on
/// behind what somebody else said in its name must be able to.
const COUNT_MAX: u64 = 1 << 62;

/// What is told of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// What stands there now.
    Is(Record),
    /// Nothing since then.
    Gone(Key, Stamp),
}

impl Told {
    /// What it is about.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Told::Is(record) => record.key(),
            Told::Gone(key, _) => key,
        }
    }

    /// When its owner wrote it.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        match self {
            Told::Is(record) => record.stamp(),
            Told::Gone(_, stamp) => *stamp,
        }
    }

    /// Appends it.
    pub fn encode(&self, out: &mut impl BufMut) {
        let body = match self {
            Told::Is(record) => Some(record.body()),
            Told::Gone(..) => None,
        };
        write_told(self.key(), self.stamp(), body, out);
    }

    /// Reads one, for tables of this hash seed.
    ///
    /// # Errors
    /// What is malformed: also names, IDs and whole records beyond their limits.
    pub(crate) fn decode(r: &mut Reader<'_>, seed: u64, texts: &mut Texts) -> Result<Self, Malformed> {
        let start = r.position();
        let Front { key, stamp, extra } = Front::read(r)?;
        let LentKey { owner, node, kind, id } = key;
        let owner = texts.share(owner);
        let node = if *node == *owner { owner.clone() } else { texts.share(node) };
        let key = Key { owner, node, kind, id: texts.share(id) };
        let told = if r.take_nil() {
            Told::Gone(key, stamp)
        } else {
            let body = read_body(r, kind, texts)?;
            Told::Is(sealed(seed, key, stamp, body))
        };
        for _ in 0..extra {
            r.skip()?;
        }
        if r.position() - start > RECORD_MAX { Err(Malformed::TooLarge) } else { Ok(told) }
    }
}

/// What stands before the body: of what it is told, and since when.
struct Front<'a> {
    key: LentKey<'a>,
    stamp: Stamp,
    /// Values behind the body that a later version wrote.
    extra: usize,
}

impl<'a> Front<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, Malformed> {
        let extra = r.array_len()?.checked_sub(7).ok_or(Malformed::Empty)?;
        let owner = short(r.str()?, NAME_MAX)?;
        let node = if r.take_nil() { owner } else { short(r.str()?, NAME_MAX)? };
        let kind = Kind::from_u8(r.u8()?).ok_or(Malformed::Range)?;
        let id = short(r.str()?, ID_MAX)?;
        if owner.is_empty() || node.is_empty() || (kind == Kind::Node) != id.is_empty() {
            return Err(Malformed::Empty);
        }
        let stamp = Stamp { generation: r.u64()?, version: r.u64()? };
        if stamp.generation.max(stamp.version) >= COUNT_MAX {
            // Its owner could not count on from there.
            return Err(Malformed::Range);
        }
        Ok(Front { key: LentKey { owner, node, kind, id }, stamp, extra })
    }
}

/// Passes over a record that a table holds to the letter; whether it was one.
///
/// Gossip tells of each change a dozen times and more: to find what is known costs less than to read it.
pub(crate) fn pass_known(r: &mut Reader<'_>, table: &Table) -> bool {
    let mut ahead = r.clone();
    let known = Front::read(&mut ahead).is_ok_and(|front| {
        let body = ahead.value().unwrap_or_default();
        front.extra == 0 && table.holds(front.key, front.stamp, || hash::bytes(0, body))
    });
    if known {
        *r = ahead;
    }
    known
}

/// A record of this content, for tables of this hash seed.
pub(crate) fn sealed(seed: u64, key: Key, stamp: Stamp, body: Body) -> Record {
    let mut encoded = Vec::with_capacity(256);
    write_body(&mut Writer::new(&mut encoded, Dialect::Gossip), &body);
    Record::new(seed, key, stamp, hash::bytes(0, &encoded), body)
}

/// Bytes of a record.
#[must_use]
pub(crate) fn encoded_len(told: &Told) -> usize {
    let mut out = Vec::with_capacity(256);
    told.encode(&mut out);
    out.len()
}

/// Bytes a record of this content has at least: with its first stamp.
#[must_use]
pub(crate) fn content_len(key: &Key, body: &Body) -> usize {
    let mut out = Vec::with_capacity(256);
    write_told(key, Stamp::default(), Some(body), &mut out);
    out.len()
}

/// Appends what is told of a key; without a body, that it is gone.
fn write_told(key: &Key, stamp: Stamp, body: Option<&Body>, out: &mut impl BufMut) {
    let mut w = Writer::new(out, Dialect::Gossip);
    w.array(7).str(&key.owner);
    if key.node == key.owner {
        w.nil()
    } else {
        w.str(&key.node)
    };
    w.uint(key.kind as u64).str(&key.id).uint(stamp.generation).uint(stamp.version);
    match body {
        Some(body) => write_body(&mut w, body),
        None => {
            w.nil();
        }
    }
}

fn write_body<B: BufMut>(w: &mut Writer<'_, B>, body: &Body) {
    match body {
        Body::Node(node) => {
            w.array(if node.answers_dns { 8 } else { 7 }).str(&node.id).str(&node.address);
            write_pairs(w, &node.tagged_addresses);
            write_pairs(w, &node.meta);
            w.str(&node.datacenter).uint(node.claimed.0).uint(node.floor);
            if node.answers_dns {
                w.bool(true);
            }
        }
        Body::Service(service) => {
            w.array(9).str(&service.name);
            write_texts(w, &service.tags);
            write_pairs(w, &service.meta);
            w.str(&service.address).int(service.port);
            w.map(service.tagged_addresses.len());
            for (name, address) in &service.tagged_addresses {
                w.str(name).array(2).str(&address.address).int(address.port);
            }
            w.uint(service.weights.passing.into()).uint(service.weights.warning.into());
            w.bool(service.enable_tag_override);
        }
        Body::Check(check) => {
            w.array(if check.definition.is_some() { 9 } else { 8 });
            w.str(&check.name).uint(check.status as u64).str(&check.notes).str(&check.output);
            w.str(&check.service_id).str(&check.service_name);
            write_texts(w, &check.service_tags);
            w.str(&check.kind);
            if let Some(definition) = &check.definition {
                write_definition(w, definition);
            }
        }
    }
}

fn write_definition<B: BufMut>(w: &mut Writer<'_, B>, it: &Definition) {
    w.array(9).str(&it.http).str(&it.method).map(it.header.len());
    for (name, values) in &it.header {
        w.str(name);
        write_texts(w, values);
    }
    w.str(&it.body).bool(it.tls_skip_verify).str(&it.tcp);
    for time in [it.interval, it.timeout, it.deregister_after] {
        w.uint(nanos(time));
    }
}

fn write_texts<B: BufMut>(w: &mut Writer<'_, B>, texts: &[Text]) {
    w.array(texts.len());
    texts.iter().for_each(|text| {
        w.str(text);
    });
}

fn write_pairs<B: BufMut>(w: &mut Writer<'_, B>, pairs: &[(Text, Text)]) {
    w.map(pairs.len());
    for (key, value) in pairs {
        w.str(key).str(value);
    }
}

fn read_body(r: &mut Reader<'_>, kind: Kind, texts: &mut Texts) -> Result<Body, Malformed> {
    let len = r.array_len()?;
    let (body, known) = match kind {
        Kind::Node => (Body::Node(read_node(r, texts, len > 7)?), if len > 7 { 8 } else { 7 }),
        Kind::Service => (Body::Service(read_service(r, texts)?), 9),
        Kind::Check => (Body::Check(read_check(r, texts, len > 8)?), if len > 8 { 9 } else { 8 }),
    };
    for _ in 0..len.checked_sub(known).ok_or(Malformed::Empty)? {
        r.skip()?;
    }
    Ok(body)
}

fn read_node(r: &mut Reader<'_>, texts: &mut Texts, served: bool) -> Result<NodeInfo, Malformed> {
    Ok(NodeInfo {
        id: texts.share(r.str()?),
        address: texts.share(r.str()?),
        tagged_addresses: read_pairs(r, texts)?,
        meta: read_pairs(r, texts)?,
        datacenter: texts.share(r.str()?),
        claimed: LamportTime(r.u64()?),
        floor: r.u64()?,
        answers_dns: served && r.bool()?,
    })
}

fn read_service(r: &mut Reader<'_>, texts: &mut Texts) -> Result<Service, Malformed> {
    Ok(Service {
        name: texts.share(short(r.str()?, ID_MAX)?),
        tags: read_texts(r, texts)?,
        meta: read_pairs(r, texts)?,
        address: texts.share(r.str()?),
        port: r.i64()?,
        tagged_addresses: read_addresses(r, texts)?,
        weights: Weights { passing: r.u16()?, warning: r.u16()? },
        enable_tag_override: r.bool()?,
    })
}

fn read_check(r: &mut Reader<'_>, texts: &mut Texts, defined: bool) -> Result<Check, Malformed> {
    Ok(Check {
        name: texts.share(r.str()?),
        status: Health::from_u8(r.u8()?).ok_or(Malformed::Range)?,
        notes: texts.share(r.str()?),
        output: texts.share(r.str()?),
        service_id: texts.share(short(r.str()?, ID_MAX)?),
        service_name: texts.share(short(r.str()?, ID_MAX)?),
        service_tags: read_texts(r, texts)?,
        kind: texts.share(r.str()?),
        definition: if defined { Some(Box::new(read_definition(r, texts)?)) } else { None },
    })
}

fn read_definition(r: &mut Reader<'_>, texts: &mut Texts) -> Result<Definition, Malformed> {
    let extra = r.array_len()?.checked_sub(9).ok_or(Malformed::Empty)?;
    let definition = Definition {
        http: texts.share(r.str()?),
        method: texts.share(r.str()?),
        header: (0..r.map_len()?)
            .map(|_| Ok((texts.share(r.str()?), read_texts(r, texts)?)))
            .collect::<Result<_, Malformed>>()?,
        body: texts.share(r.str()?),
        tls_skip_verify: r.bool()?,
        tcp: texts.share(r.str()?),
        interval: Duration::from_nanos(r.u64()?),
        timeout: Duration::from_nanos(r.u64()?),
        deregister_after: Duration::from_nanos(r.u64()?),
    };
    for _ in 0..extra {
        r.skip()?;
    }
    Ok(definition)
}

fn read_texts(r: &mut Reader<'_>, texts: &mut Texts) -> Result<Box<[Text]>, Malformed> {
    (0..r.array_len()?).map(|_| Ok(texts.share(r.str()?))).collect()
}

fn read_pairs(r: &mut Reader<'_>, texts: &mut Texts) -> Result<Meta, Malformed> {
    let pairs: Meta = (0..r.map_len()?)
        .map(|_| Ok((texts.share(r.str()?), texts.share(r.str()?))))
        .collect::<Result<_, _>>()?;
    in_order(&pairs).map(|()| pairs)
}

fn read_addresses(r: &mut Reader<'_>, texts: &mut Texts) -> Result<Box<[(Text, Address)]>, Malformed> {
    let mut addresses = Vec::new();
    for _ in 0..r.map_len()? {
        let name = texts.share(r.str()?);
        let extra = r.array_len()?.checked_sub(2).ok_or(Malformed::Empty)?;
        addresses.push((name, Address { address: texts.share(r.str()?), port: r.i64()? }));
        for _ in 0..extra {
            r.skip()?;
        }
    }
    in_order(&addresses)?;
    Ok(addresses.into())
}

/// Names come in order and once, so that there is one way to write a record.
fn in_order<T>(pairs: &[(Text, T)]) -> Result<(), Malformed> {
    if pairs.is_sorted_by(|a, b| a.0 < b.0) { Ok(()) } else { Err(Malformed::Range) }
}

fn short(text: &str, max: usize) -> Result<&str, Malformed> {
    if text.len() > max { Err(Malformed::TooLarge) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::*;

    fn key(kind: Kind, id: &str) -> Key {
        Key { owner: "n1".into(), node: "n1".into(), kind, id: id.into() }
    }

    fn examples() -> Vec<Told> {
        let stamp = Stamp { generation: 1_700_000_000_000, version: 77 };
        let meta: Meta = vec![("env".into(), "prod".into()), ("v".into(), "1".into())].into();
        let node = NodeInfo {
            id: "2f8325de".into(),
            address: "10.0.0.9".into(),
            tagged_addresses: vec![("lan".into(), "10.0.0.9".into())].into(),
            meta: meta.clone(),
            datacenter: "dc1".into(),
            claimed: LamportTime(9),
            floor: 3,
            answers_dns: false,
        };
        let lan = Address { address: "10.1.1.1".into(), port: 8080 };
        let service = Service {
            name: "web".into(),
            tags: ["primary".into(), "v1".into()].into(),
            meta,
            address: "10.1.1.1".into(),
            port: -1,
            tagged_addresses: vec![("lan".into(), lan)].into(),
            weights: Weights { passing: 10, warning: 0 },
            enable_tag_override: true,
        };
        let check = Check {
            name: "web ttl".into(),
            status: Health::Warning,
            notes: "n".into(),
            output: "o".into(),
            service_id: "web1".into(),
            service_name: "web".into(),
            service_tags: ["primary".into()].into(),
            kind: "ttl".into(),
            definition: Some(Box::new(Definition {
                http: "http://h/".into(),
                header: [("X-A".into(), ["1".into(), "2".into()].into())].into(),
                interval: Duration::from_secs(10),
                tls_skip_verify: true,
                ..Definition::default()
            })),
        };
        let foreign = Key { node: "db".into(), ..key(Kind::Node, "") };
        vec![
            Told::Is(sealed(5, key(Kind::Node, ""), stamp, Body::Node(node.clone()))),
            Told::Is(sealed(
                5,
                key(Kind::Node, ""),
                stamp,
                Body::Node(NodeInfo { answers_dns: true, ..node.clone() }),
            )),
            Told::Is(sealed(5, foreign.clone(), stamp, Body::Node(node))),
            Told::Is(sealed(5, key(Kind::Service, "web1"), stamp, Body::Service(service))),
            Told::Is(sealed(5, key(Kind::Check, "service:web1"), stamp, Body::Check(check))),
            Told::Is(sealed(5, key(Kind::Service, "x"), stamp, Body::Service(Service::default()))),
            Told::Gone(foreign, stamp),
        ]
    }

    fn encoded(told: &Told) -> Vec<u8> {
        let mut out = Vec::new();
        told.encode(&mut out);
        out
    }

    #[test]
    fn what_is_written_is_read() {
        for told in examples() {
            let bytes = encoded(&told);
            assert_eq!(bytes.len(), encoded_len(&told));
            let mut reader = Reader::new(&bytes);
            let read = Told::decode(&mut reader, 5, &mut Texts::new(1)).unwrap();
            assert_eq!(read, told);
            assert!(reader.is_empty());
            if let (Told::Is(read), Told::Is(written)) = (&read, &told) {
                assert_eq!(read.digest(), written.digest());
            }
        }
    }

    #[test]
    fn the_digest_does_not_depend_on_the_seed() {
        for told in examples() {
            let read = Told::decode(&mut Reader::new(&encoded(&told)), 99, &mut Texts::new(1)).unwrap();
            if let (Told::Is(read), Told::Is(written)) = (&read, &told) {
                assert_eq!(read.digest(), written.digest());
            }
        }
    }

    #[test]
    fn counts_that_no_owner_reaches_are_refused() {
        for (count, fine) in [(0, true), (COUNT_MAX - 1, true), (COUNT_MAX, false), (u64::MAX, false)] {
            for stamp in [Stamp { generation: count, version: 1 }, Stamp { generation: 1, version: count }] {
                let bytes = encoded(&Told::Gone(key(Kind::Service, "a"), stamp));
                let read = Told::decode(&mut Reader::new(&bytes), 5, &mut Texts::new(1));
                assert_eq!(read.is_ok(), fine, "{stamp}");
            }
        }
    }

    #[test]
    fn cut_short_it_is_refused() {
        for told in examples() {
            let bytes = encoded(&told);
            for end in 0..bytes.len() {
                assert!(
                    Told::decode(&mut Reader::new(&bytes[..end]), 5, &mut Texts::new(1)).is_err(),
                    "{end} bytes of {told:?}"
                );
            }
        }
    }

    #[quickcheck]
    fn no_bytes_do_harm(bytes: Vec<u8>, at: usize, byte: u8) {
        let _ = Told::decode(&mut Reader::new(&bytes), 5, &mut Texts::new(1));
        for told in examples() {
            let mut bytes = encoded(&told);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = Told::decode(&mut Reader::new(&bytes), 5, &mut Texts::new(1));
        }
    }

    #[test]
    fn what_no_agent_writes_is_refused() {
        let stamp = Stamp::default();
        let unordered: Meta = vec![("b".into(), "".into()), ("a".into(), "".into())].into();
        let odd = [
            Told::Gone(Key { owner: "".into(), ..key(Kind::Service, "a") }, stamp),
            Told::Gone(key(Kind::Node, "with an ID"), stamp),
            Told::Gone(key(Kind::Check, ""), stamp),
            Told::Gone(key(Kind::Service, &"i".repeat(ID_MAX + 1)), stamp),
            Told::Gone(Key { node: "n".repeat(NAME_MAX + 1).as_str().into(), ..key(Kind::Node, "") }, stamp),
            Told::Is(sealed(
                5,
                key(Kind::Service, "a"),
                stamp,
                Body::Service(Service { meta: unordered, ..Service::default() }),
            )),
            Told::Is(sealed(
                5,
                key(Kind::Check, "a"),
                stamp,
                Body::Check(Check { output: "o".repeat(RECORD_MAX).as_str().into(), ..Check::default() }),
            )),
        ];
        for told in odd {
            assert!(Told::decode(&mut Reader::new(&encoded(&told)), 5, &mut Texts::new(1)).is_err());
        }
    }
}
