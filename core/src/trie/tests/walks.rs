//! Walks in the order of `hash XOR mask`.

use quickcheck_macros::quickcheck;
use std::collections::{BTreeMap, BTreeSet};
use std::vec;
use std::vec::Vec;

use super::super::Trie;
use super::{Hashing, Item, Script};
use crate::rng::Rng;

/// A whole pass from the beginning of the order.
fn pass(trie: &Trie<Item>, mask: u64) -> Vec<Item> {
    let mut visited = Vec::new();
    let mut next = trie.walk_first(mask, 0);
    while let Some(item) = next {
        visited.push(*item);
        next = trie.walk_next_live(mask, item.hash, &item.key);
    }
    visited
}

#[quickcheck]
fn a_walk_goes_by_hash_xor_mask_and_key(script: Script, mask: u64) {
    let mut trie = Trie::new();
    script.play(&mut trie, None);
    for mask in [mask, 0, u64::MAX, mask & 15] {
        let mut sorted: Vec<Item> = trie.iter().copied().collect();
        sorted.sort_by_key(|item| (item.hash ^ mask, item.key));
        let live: Vec<Item> = sorted.iter().filter(|item| item.live).copied().collect();
        assert_eq!(pass(&trie, mask), live);
        for (rank, item) in live.iter().enumerate() {
            assert_eq!(trie.walk_first(mask, rank), Some(item));
        }
        assert_eq!(trie.walk_first(mask, live.len()), None);
        // Also after keys that are not there.
        for key in 0..1100 {
            let hash = script.hashing.hash(key);
            let later = |item: &&Item| (item.hash ^ mask, item.key) > (hash ^ mask, key);
            let from = sorted.partition_point(|item| !later(&item));
            assert_eq!(trie.walk_next(mask, hash, &key), sorted.get(from));
            assert_eq!(trie.walk_next_live(mask, hash, &key), live.iter().find(later));
        }
    }
}

#[quickcheck]
fn a_pass_visits_who_stays_exactly_once_whatever_comes_and_goes(script: Script, churn: Script, mask: u64) {
    let mut trie = Trie::new();
    script.play(&mut trie, None);
    // Keys that the churn leaves alone stay; the others come, go, and change meanwhile.
    let moving = |key: u32| key.is_multiple_of(3);
    let ops: Vec<_> = churn.ops.iter().filter(|op| moving(op.key())).collect();
    let stay: BTreeSet<u32> =
        trie.iter().filter(|item| item.live && !moving(item.key)).map(|item| item.key).collect();

    let mut visits: BTreeMap<u32, u32> = BTreeMap::new();
    let mut ops = ops.iter();
    let mut next = trie.walk_first(mask, 0).copied();
    while let Some(item) = next {
        *visits.entry(item.key).or_default() += 1;
        for op in ops.by_ref().take(3) {
            op.apply(script.hashing, &mut trie, None);
        }
        if moving(item.key) {
            trie.remove(item.hash, &item.key, None);
        }
        next = trie.walk_next_live(mask, item.hash, &item.key).copied();
    }
    assert!(visits.values().all(|&visits| visits == 1));
    assert!(stay.iter().all(|key| visits.contains_key(key)));
    assert!(visits.keys().all(|key| moving(*key) || stay.contains(key)));
}

#[test]
fn two_visits_are_at_most_two_passes_apart() {
    let mut rng = Rng::new([7; 32]);
    for n in [1, 2, 33, 100, 700] {
        let trie: Trie<Item> = (0..n).map(|key| Hashing::Spread.item(key, 0, true)).collect();
        let mut last = vec![None; n as usize];
        let mut mask = rng.u64();
        let mut next = trie.walk_first(mask, rng.index(n as usize));
        for period in 0..20 * n {
            let item = next.unwrap();
            if let Some(last) = last[item.key as usize].replace(period) {
                assert!(period - last < 2 * n, "{n} members, {} periods", period - last);
            } else {
                assert!(period < 2 * n, "first visit in period {period} of {n} members");
            }
            next = trie.walk_next_live(mask, item.hash, &item.key).or_else(|| {
                mask = rng.u64();
                trie.walk_first(mask, 0)
            });
        }
    }
}

#[test]
fn a_walk_starts_anywhere_with_equal_chance() {
    const MEMBERS: usize = 100;
    const DRAWS: usize = 400;
    let mut rng = Rng::new([1; 32]);
    let trie: Trie<Item> = (0..MEMBERS as u32).map(|key| Hashing::Spread.item(key, 0, true)).collect();
    let mut first = [0; MEMBERS];
    let mut second = [0; MEMBERS];
    for _ in 0..MEMBERS * DRAWS {
        let mask = rng.u64();
        let item = trie.walk_first(mask, rng.index(MEMBERS)).unwrap();
        first[item.key as usize] += 1;
        if let Some(item) = trie.walk_next_live(mask, item.hash, &item.key) {
            second[item.key as usize] += 1;
        }
    }
    // Five standard deviations of 20 each way.
    assert!(first.iter().all(|count| (300..=500).contains(count)), "{first:?}");
    assert!(second.iter().all(|count| (300..=500).contains(count)), "{second:?}");
}

#[test]
fn a_walk_without_live_records_ends_at_once() {
    let trie: Trie<Item> = (0..1000).map(|key| Hashing::Spread.item(key, 0, false)).collect();
    assert_eq!(trie.walk_first(3, 0), None);
    assert_eq!(trie.walk_next_live(3, 0, &0), None);
    assert_eq!(Trie::<Item>::new().walk_next(3, 0, &0), None);
}
