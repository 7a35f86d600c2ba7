//! Laws and costs of coded symbols.

use std::collections::BTreeSet;
use std::vec::Vec;

use quickcheck_macros::quickcheck;

use super::walk::Walk;
use super::{Decoder, Difference, SYMBOL_BYTES, Sketch, SketchError, Symbol, check, keyed};
use crate::hash::mix;

/// The bytes of the first symbols of a set.
fn symbols(key: u64, items: &[u64], count: usize) -> Vec<u8> {
    let mut sketch = Sketch::new(key);
    sketch.grow(count, items.iter().copied());
    let mut bytes = Vec::new();
    sketch.encode(0..count, &mut bytes);
    bytes
}

/// Sends one symbol at a time until the difference is known; gives it and the bytes sent.
fn reconcile(key: u64, remote: &[u64], local: &[u64]) -> Result<(Difference, usize), SketchError> {
    let mut sketch = Sketch::new(key);
    let mut decoder = Decoder::new(Sketch::new(key), 8 * (remote.len() + local.len()) + 200);
    let mut sent = 0;
    loop {
        let next = decoder.received();
        sketch.grow(next + 1, remote.iter().copied());
        let mut bytes = Vec::new();
        sketch.encode(next..next + 1, &mut bytes);
        sent += bytes.len();
        if decoder.accept(&bytes, local.iter().copied())? {
            return Ok((decoder.into_difference().expect("it is complete"), sent));
        }
    }
}

/// `count` digests, others for another `seed`.
fn digests(seed: u64, count: u64) -> impl Iterator<Item = u64> + Clone {
    (0..count).map(move |i| mix(mix(17, seed), i))
}

impl Symbol {
    fn plus(self, other: Symbol) -> Symbol {
        let (sum, check) = (self.sum ^ other.sum, self.check ^ other.check);
        Symbol { sum, check, count: self.count + other.count }
    }
}

#[quickcheck]
fn decoding_finds_exactly_what_differs(
    key: u64,
    shared: BTreeSet<u64>,
    remote: BTreeSet<u64>,
    local: BTreeSet<u64>,
) -> bool {
    let remote: BTreeSet<u64> = shared.union(&remote).copied().collect();
    let local: BTreeSet<u64> = shared.union(&local).copied().collect();
    let expected = Difference {
        only_remote: remote.difference(&local).copied().collect(),
        only_local: local.difference(&remote).copied().collect(),
    };
    let (remote, local): (Vec<_>, Vec<_>) = (remote.into_iter().collect(), local.into_iter().collect());
    reconcile(key, &remote, &local).is_ok_and(|(difference, _)| difference == expected)
}

#[quickcheck]
fn how_symbols_are_cut_into_messages_makes_no_difference(sizes: Vec<u8>, remote: u8, local: u8) -> bool {
    let ours: Vec<u64> = digests(1, local.into()).collect();
    let theirs: Vec<u64> = digests(2, remote.into()).collect();
    let bytes = symbols(5, &theirs, 2_000);
    let mut whole = Decoder::new(Sketch::new(5), 2_000);
    assert_eq!(whole.accept(&bytes, ours.iter().copied()), Ok(true));

    let mut parts = Decoder::new(Sketch::new(5), 2_000);
    let mut rest = &bytes[..];
    for size in sizes.into_iter().chain([u8::MAX; 8]) {
        let (message, after) = rest.split_at((usize::from(size) * SYMBOL_BYTES).min(rest.len()));
        parts.accept(message, ours.iter().copied()).expect("good symbols");
        rest = after;
    }
    parts.received() == whole.received() && parts.into_difference() == whole.into_difference()
}

#[quickcheck]
fn symbols_are_the_same_however_the_sketch_came_to_hold_them(
    key: u64,
    items: BTreeSet<u64>,
    gone: u64,
) -> bool {
    let all: Vec<u64> = items.iter().copied().collect();
    let mut by_windows = Sketch::new(key);
    for count in [1, 17, 100, 1_000] {
        by_windows.grow(count, all.iter().copied());
    }
    let mut by_changes = Sketch::new(key);
    by_changes.grow(1_000, []);
    if !items.contains(&gone) {
        by_changes.insert(gone);
    }
    for &item in all.iter().rev() {
        by_changes.insert(item);
    }
    if !items.contains(&gone) {
        by_changes.remove(gone);
    }
    by_windows.symbols == by_changes.symbols
}

#[test]
fn equal_sets_need_one_symbol() {
    for count in [0, 1, 1_000] {
        let set: Vec<u64> = digests(3, count).collect();
        let (difference, bytes) = reconcile(9, &set, &set).expect("equal sets");
        assert_eq!((difference, bytes), (Difference::default(), SYMBOL_BYTES), "{count} digests");
    }
}

/// The bounds have some slack over what the runs give; the module's documentation has the averages.
#[test]
fn the_cost_follows_the_difference_and_not_the_sets() {
    const RECORDS: u64 = 100_000;
    for (changed, runs, bytes_max) in [(1, 100, 40.0), (10, 40, 39.0), (100, 10, 33.0), (1_000, 2, 31.5)] {
        let mut shared = Sketch::new(changed);
        shared.grow(4_096, digests(1, RECORDS - changed));
        let mut sent = 0;
        for run in 0..runs {
            let [mut ours, mut theirs] = [shared.clone(), shared.clone()];
            digests(2 + 2 * run, changed).for_each(|item| ours.insert(item));
            digests(3 + 2 * run, changed).for_each(|item| theirs.insert(item));
            let mut decoder = Decoder::new(ours, 4_096);
            let mut bytes = Vec::new();
            theirs.encode(0..4_096, &mut bytes);
            assert_eq!(decoder.accept(&bytes, []), Ok(true));
            sent += decoder.received() * SYMBOL_BYTES;
            let difference = decoder.into_difference().expect("it is complete");
            assert_eq!(difference.only_local.len() as u64, changed);
            assert_eq!(difference.only_remote.len() as u64, changed);
        }
        let each = sent as f64 / (runs * changed) as f64;
        assert!(each <= bytes_max, "{changed} records changed: {each:.1} bytes each");
    }
}

#[test]
fn a_digest_falls_into_a_symbol_as_often_as_it_should() {
    const DIGESTS: u64 = 20_000;
    let mut sketch = Sketch::new(11);
    sketch.grow(1_024, digests(4, DIGESTS));
    // The windows' borders are where the draws start anew.
    for at in [0, 1, 2, 5, 15, 16, 17, 31, 32, 33, 64, 100] {
        let expected = DIGESTS as f64 / (1.0 + at as f64 / 2.0);
        let found = f64::from(sketch.symbols[at].count);
        assert!((found - expected).abs() <= 4.0 * expected.sqrt(), "symbol {at}: {found}, not {expected}");
    }
    let total: u64 = sketch.symbols[512..].iter().map(|symbol| u64::from(symbol.count)).sum();
    let expected: f64 = (512..1_024).map(|at| DIGESTS as f64 / (1.0 + f64::from(at) / 2.0)).sum();
    assert!((total as f64 - expected).abs() <= 4.0 * expected.sqrt(), "{total}, not {expected}");
}

#[test]
fn symbols_are_the_same_on_every_machine() {
    let bytes = symbols(1, &digests(5, 1_000).collect::<Vec<_>>(), 1_024);
    assert_eq!(bytes[..SYMBOL_BYTES], [114, 120, 213, 67, 202, 153, 83, 48, 223, 107, 88]);
    assert_eq!(crate::hash::bytes(0, &bytes), 11_070_434_538_303_849_532);
}

#[test]
fn what_is_too_long_or_does_not_come_out_even_is_an_error() {
    let ours: Vec<u64> = digests(1, 50).collect();
    let theirs: Vec<u64> = digests(2, 50).collect();
    let bytes = symbols(3, &theirs, 500);
    let mut decoder = Decoder::new(Sketch::new(3), 20);
    assert_eq!(decoder.accept(&bytes[..20 * SYMBOL_BYTES - 1], ours.clone()), Err(SketchError::Malformed));
    assert_eq!(decoder.accept(&bytes[..SYMBOL_BYTES], ours.clone()), Err(SketchError::Malformed), "it stays");

    let mut decoder = Decoder::new(Sketch::new(3), 20);
    assert_eq!(decoder.accept(&bytes[..19 * SYMBOL_BYTES], ours.clone()), Ok(false));
    assert_eq!(decoder.accept(&bytes[19 * SYMBOL_BYTES..], ours), Err(SketchError::TooManySymbols));
    assert_eq!(decoder.received(), 20);
    assert_eq!(decoder.into_difference(), None);
}

#[test]
fn nothing_is_known_before_the_first_symbol() {
    let mut decoder = Decoder::new(Sketch::new(3), 20);
    assert_eq!(decoder.accept(&[], []), Ok(false));
    assert_eq!(decoder.into_difference(), None);
}

/// A symbol that holds this digest alone.
fn pure(key: u64, item: u64) -> Symbol {
    Symbol { sum: item, check: check(keyed(key, item)), count: 1 }
}

#[test]
fn contradictions_are_found_out() {
    let key = 4;
    // Digests that fall into symbols 1 and 2.
    let mut low = (0..).filter(|&item| [1, 2].iter().all(|&at| Walk::visits(keyed(key, item), at)));
    let [a, b, c] = [(); 3].map(|()| pure(key, low.next().expect("one in three is one")));
    let sum = |symbols: &[Symbol]| symbols.iter().fold(Symbol::default(), |sum, &other| sum.plus(other));
    let twice = sum(&[a, a]);
    let cases: [(&str, &[Symbol]); 3] = [
        ("a digest twice", &[twice]),
        ("a digest of the first symbol is missing in the second", &[sum(&[a, b]), a]),
        ("a digest is found twice", &[sum(&[a, b, c]), a, twice]),
    ];
    for (what, symbols) in cases {
        let mut bytes = Vec::new();
        symbols.iter().for_each(|symbol| symbol.encode(&mut bytes));
        let mut decoder = Decoder::new(Sketch::new(key), 100);
        assert_eq!(decoder.accept(&bytes, []), Err(SketchError::Nonsense), "{what}");
        assert_eq!(decoder.accept(&[], []), Err(SketchError::Nonsense), "{what}: it stays so");
    }
}

#[quickcheck]
fn random_bytes_end_in_an_error_or_at_the_limit(bytes: Vec<u8>, local: u8, key: u64) -> bool {
    let ours: Vec<u64> = digests(1, local.into()).collect();
    let mut decoder = Decoder::new(Sketch::new(key), 64);
    let whole = bytes.len() / SYMBOL_BYTES * SYMBOL_BYTES;
    for _ in 0..64 {
        if let Err(error) = decoder.accept(&bytes[..whole], ours.iter().copied()) {
            return error != SketchError::Malformed && decoder.into_difference().is_none();
        }
    }
    decoder.received() < 64
}
