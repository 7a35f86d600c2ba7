//! What two registries come to when they have talked, and what it costs.

use std::collections::BTreeMap;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use quickcheck_macros::quickcheck;

use super::super::encoding::{RECORD_MAX, encoded_len, sealed};
use super::super::record::{Body, Key, Kind, Stamp};
use super::super::service::Service;
use super::super::table::{Limits, Merged};
use super::*;
use crate::wire::limits::REGISTRY_FRAME_MAX;

/// Tables of different seeds, as those of different members are.
fn table(seed: u64) -> Table {
    Table::new(seed, Limits { records: 1 << 20, tombstones: 1 << 16 })
}

fn key(id: &str) -> Key {
    Key { owner: "owner".into(), node: "owner".into(), kind: Kind::Service, id: id.into() }
}

fn service(seed: u64, id: &str, version: u64) -> Told {
    let body = Body::Service(Service { name: "web".into(), port: 80, ..Service::default() });
    Told::Is(sealed(seed, key(id), Stamp { generation: 1, version }, body))
}

fn gone(id: &str, version: u64) -> Told {
    Told::Gone(key(id), Stamp { generation: 1, version })
}

fn hear(table: &mut Table, told: Told) -> Merged {
    table.merge(told, Time::MAX)
}

/// What a talk cost.
#[derive(Debug, Default)]
struct Cost {
    /// Bytes said on the stream, by both.
    bytes: usize,
    /// Of them those of records and deletions.
    told: usize,
    /// Records and deletions told.
    count: usize,
    frames: usize,
    largest: usize,
}

impl Cost {
    fn beside(&self) -> usize {
        self.bytes - self.told
    }
}

struct Side<'t> {
    table: &'t mut Table,
    texts: Texts,
    session: Session,
    closed: bool,
}

impl Side<'_> {
    fn hear(&mut self, frame: &[u8], cost: &mut Cost) -> Vec<Vec<u8>> {
        let mut framed = Vec::new();
        crate::wire::frame::encode_registry(frame, &mut framed);
        cost.bytes += framed.len();
        cost.frames += 1;
        cost.largest = cost.largest.max(framed.len());
        let mut out = Vec::new();
        let told = self.session.on_frame(frame, self.table, &mut self.texts, &mut out).expect("a good peer");
        for told in told {
            cost.told += encoded_len(&told);
            cost.count += 1;
            if let Merged::Older(better) = hear(self.table, told) {
                self.session.reply(better);
            }
        }
        self.closed = self.session.go_on(self.table, &mut out);
        out
    }
}

/// Has two tables talk to the end.
fn talk(dialler: &mut Table, accepter: &mut Table, key: u32) -> Cost {
    let mut cost = Cost::default();
    let mut asking = Session::ask(dialler, key);
    let hello = asking.take_opening().expect("a hello");
    let session = Session::answer(accepter);
    let mut sides = [
        Side { table: dialler, texts: Texts::new(1), session: asking, closed: false },
        Side { table: accepter, texts: Texts::new(2), session, closed: false },
    ];
    let mut under_way = VecDeque::from([(1, hello)]);
    while let Some((to, frame)) = under_way.pop_front() {
        if sides[to].closed {
            continue;
        }
        let said = sides[to].hear(&frame, &mut cost);
        under_way.extend(said.into_iter().map(|frame| (1 - to, frame)));
    }
    for (side, name) in sides.iter().zip(["who dialled", "who was dialled"]) {
        assert!(
            side.closed || side.session.is_over(),
            "{name} waits for something: {:?}",
            side.session.phase
        );
    }
    cost
}

/// The records by ID and what they are, whatever the seed.
fn holds(table: &Table) -> BTreeMap<String, u64> {
    table.records().iter().map(|record| (format!("{:?}", record.key()), record.digest())).collect()
}

/// Two tables of the same `count` records.
fn alike(count: usize) -> [Table; 2] {
    [1, 2].map(|seed| {
        let mut table = table(seed);
        for i in 0..count {
            hear(&mut table, service(seed, &format!("i{i}"), 1));
        }
        table
    })
}

#[test]
fn who_agrees_says_next_to_nothing() {
    let [mut a, mut b] = alike(1000);
    let cost = talk(&mut a, &mut b, 1);
    assert_eq!((cost.frames, cost.count), (2, 0));
    assert!(cost.bytes <= 64, "{} bytes", cost.bytes);
}

/// Beside the records themselves. On the way to a talk the digests in a push/pull take 14 bytes each.
#[test]
fn the_cost_follows_the_difference() {
    let [mut a, mut b] = alike(100_000);
    let agreed = talk(&mut a, &mut b, 1);
    std::println!("none changed: {} bytes", agreed.bytes);
    assert!(agreed.bytes <= 64, "{} bytes", agreed.bytes);
    let mut version = 2;
    for (changed, runs) in [(1, 5), (10, 4), (100, 1), (1_000, 1)] {
        let mut beside = 0;
        for run in 0..runs {
            for i in 0..changed {
                // Either side has news of its own.
                let id = format!("i{}", (i * 97 + run * 13) % 100_000);
                let (table, seed) = if i % 2 == 0 { (&mut a, 1) } else { (&mut b, 2) };
                hear(table, service(seed, &id, version));
            }
            version += 1;
            let cost = talk(&mut a, &mut b, run as u32);
            assert_eq!(a.records().digest(), b.records().digest());
            assert!(cost.count <= 2 * changed, "{} records told for {changed} changes", cost.count);
            beside += cost.beside();
        }
        let each = beside / (runs * changed);
        std::println!("{changed} changed: {} bytes beside the records, {each} for each", beside / runs);
        assert!(each <= 100, "{each} bytes for each of {changed} differences");
    }
}

#[test]
fn who_has_next_to_nothing_is_told_everything_at_once() {
    for newcomer_dials in [true, false] {
        let [mut old, _] = alike(5_000);
        hear(&mut old, gone("i7", 2));
        let mut new = table(9);
        hear(&mut new, service(9, "its own", 1));
        let cost = if newcomer_dials { talk(&mut new, &mut old, 1) } else { talk(&mut old, &mut new, 1) };
        assert_eq!(holds(&new), holds(&old));
        assert_eq!(new.records().len(), 5_000);
        assert!(cost.largest <= 64 << 10, "a frame of {} bytes", cost.largest);
        assert!(cost.count <= 5_003, "{} told", cost.count);
        // What is gone stays gone.
        assert!(matches!(hear(&mut new, service(9, "i7", 1)), Merged::Older(Told::Gone(..))));
    }
}

#[test]
fn a_record_that_others_know_to_be_gone_goes() {
    for owner_dials in [true, false] {
        let [mut a, mut b] = alike(100);
        hear(&mut a, gone("i7", 2));
        let cost = if owner_dials { talk(&mut a, &mut b, 1) } else { talk(&mut b, &mut a, 1) };
        assert_eq!((a.records().len(), holds(&b)), (99, holds(&a)));
        assert!(cost.count <= 2, "{cost:?}");
    }
}

#[test]
fn the_largest_record_fits_a_frame() {
    let [mut a, mut b] = alike(10);
    let tags = [" ".repeat(RECORD_MAX - 200).as_str().into()].into();
    let body = Body::Service(Service { tags, ..Service::default() });
    let told = Told::Is(sealed(1, key("large"), Stamp { generation: 1, version: 1 }, body));
    assert!(encoded_len(&told) <= RECORD_MAX);
    hear(&mut a, told);
    let cost = talk(&mut a, &mut b, 1);
    assert_eq!(holds(&a), holds(&b));
    assert!(cost.largest <= REGISTRY_FRAME_MAX);
}

#[test]
fn a_difference_too_large_to_be_found_is_told_as_a_whole() {
    let mut tables = [1, 2].map(|seed| {
        let mut table = table(seed);
        for i in 0..50_000 {
            hear(&mut table, service(seed, &format!("{seed}.{i}"), 1));
        }
        table
    });
    let [a, b] = &mut tables;
    talk(a, b, 1);
    assert_eq!((a.records().len(), a.records().digest()), (100_000, b.records().digest()));
}

#[test]
fn what_is_wanted_is_fetched_and_what_is_unknown_is_not_waited_for() {
    let [mut holder, _] = alike(10);
    let mut asker = table(5);
    hear(&mut holder, gone("i3", 2));
    let wanted = [gone("i2", 1), gone("i3", 1), gone("unknown", 1)];
    let mut session = Session::fetch(&wanted);
    let mut answering = Session::answer(&holder);
    let (mut texts, mut out) = (Texts::new(1), vec![]);
    let fetch = session.take_opening().unwrap();
    answering.on_frame(&fetch, &holder, &mut texts, &mut out).unwrap();
    assert!(!answering.go_on(&holder, &mut out));
    let [records] = &out[..] else { panic!("{} frames", out.len()) };
    let mut none = vec![];
    let told = session.on_frame(records, &asker, &mut texts, &mut none).unwrap();
    assert!(session.go_on(&asker, &mut none) && session.is_over() && none.is_empty());
    assert_eq!(told, [service(5, "i2", 1), gone("i3", 2)]);
    told.into_iter().for_each(|told| assert!(matches!(hear(&mut asker, told), Merged::News(_))));
}

#[test]
fn what_does_not_belong_ends_the_talk() {
    let [a, b] = alike(100);
    let mut texts = Texts::new(1);
    for frame in [
        Frame::Symbols(&[0; 44]),
        Frame::Need { digests: &[], last: true },
        Frame::Records { told: &[], last: true },
        Frame::More(1),
        Frame::NeedAll,
        Frame::Hello { key: 1, records: 100, symbols: &[1, 2, 3] },
        Frame::Hello { key: 1, records: 100, symbols: &[] },
    ] {
        let mut session = Session::answer(&b);
        assert!(session.on_frame(&frame.encode(), &b, &mut texts, &mut vec![]).is_err(), "{frame:?}");
    }
    let mut session = Session::ask(&a, 1);
    for frame in [Frame::Hello { key: 1, records: 1, symbols: &[] }, Frame::Symbols(&[]), Frame::Fetch(&[])] {
        assert!(session.on_frame(&frame.encode(), &a, &mut texts, &mut vec![]).is_err(), "{frame:?}");
    }
    // A peer that asks for symbols for ever is stopped.
    let more = Frame::More(u16::MAX).encode();
    let mut asked = 0;
    while session.on_frame(&more, &a, &mut texts, &mut vec![]).is_ok() {
        asked += 1;
    }
    assert!(asked <= SYMBOLS_MAX / SYMBOLS_PER_FRAME);
}

#[quickcheck]
fn no_bytes_do_harm(frames: Vec<(u8, Vec<u8>)>) {
    let [a, b] = alike(20);
    for mut session in [Session::ask(&a, 1), Session::answer(&b), Session::fetch(&[gone("i1", 1)])] {
        for (kind, body) in &frames {
            let frame = [&[kind % 11][..], body].concat();
            let mut out = vec![];
            let _ = session.on_frame(&frame, &a, &mut Texts::new(1), &mut out);
            let _ = session.go_on(&a, &mut out);
            assert!(out.iter().all(|frame| frame.len() <= REGISTRY_FRAME_MAX));
        }
    }
}

/// Whatever either side holds and knows to be gone: after two talks both hold the same, and what
/// stands is the newest of what either held.
#[quickcheck]
fn after_a_talk_both_hold_the_same(held: [Vec<(u8, u8, bool)>; 2], keys: (u32, u32)) {
    let mut tables = [1, 2].map(table);
    let mut newest: BTreeMap<u8, (u8, bool)> = BTreeMap::new();
    for ((table, told), seed) in tables.iter_mut().zip(&held).zip([1, 2]) {
        for (id, version, dead) in told {
            let (id, version) = (id % 40, version % 8);
            // A stamp is given once: one and the same is never a record here and a deletion there.
            let dead = *dead && version % 2 == 0 || version == 7;
            let told = if dead {
                gone(&format!("{id}"), version.into())
            } else {
                service(seed, &format!("{id}"), 1 + 2 * u64::from(version / 2))
            };
            let version = told.stamp().version as u8;
            let entry = newest.entry(id).or_insert((version, dead));
            *entry = (*entry).max((version, dead));
            hear(table, told);
        }
    }
    let [a, b] = &mut tables;
    talk(a, b, keys.0);
    assert_eq!(holds(a), holds(b));
    let stands = newest.iter().filter(|(_, (_, dead))| !dead).count();
    assert_eq!(holds(a).len(), stands);
    let again = talk(b, a, keys.1);
    assert!(a.records().is_empty() || again.count == 0, "{again:?}");
}
