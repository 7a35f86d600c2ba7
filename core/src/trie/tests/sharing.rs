//! Pools, and the memory of many tries.

use quickcheck_macros::quickcheck;
use std::collections::HashSet;
use std::vec;
use std::vec::Vec;

use super::super::{Pool, Trie};
use super::{Hashing, Item, Script, nodes, shape};
use crate::rng::Rng;

const MEMBERS: u32 = 5000;
const TRIES: usize = 64;

/// Bytes of some tries, what they share counted once.
fn bytes<'a>(tries: impl IntoIterator<Item = &'a Trie<Item>>) -> usize {
    let mut seen = HashSet::new();
    tries.into_iter().map(|trie| trie.heap_bytes(&mut |node| seen.insert(node))).sum()
}

fn cluster() -> Vec<Trie<Item>> {
    let trie: Trie<Item> = (0..MEMBERS).map(|key| Hashing::Spread.item(key, 0, true)).collect();
    vec![trie; TRIES]
}

fn updates(rng: &mut Rng, count: usize) -> Vec<Item> {
    // Keys beyond the members there are join.
    let mut keys: Vec<u32> = (0..MEMBERS + 500).collect();
    rng.shuffle(&mut keys);
    keys.iter().take(count).map(|&key| Hashing::Spread.item(key, 1, false)).collect()
}

#[quickcheck]
fn with_a_pool_everything_is_as_without(scripts: Vec<Script>) {
    let mut pool = Pool::new();
    let Some(hashing) = scripts.first().map(|script| script.hashing) else { return };
    let (mut pooled, mut plain): (Vec<Trie<Item>>, Vec<Trie<Item>>) = (Vec::new(), Vec::new());
    for script in scripts.iter().take(8) {
        // Each goes on from where an earlier one stands.
        let mut a = pooled.last().cloned().unwrap_or_default();
        let mut b = plain.last().cloned().unwrap_or_default();
        for (step, op) in script.ops.iter().enumerate() {
            // Now and then without the pool: it must not mind.
            let pool = (step % 7 != 3).then_some(&mut pool);
            assert_eq!(op.apply(hashing, &mut a, pool), op.apply(hashing, &mut b, None));
        }
        pooled.push(a);
        plain.push(b);
    }
    pool.sweep();
    for (a, b) in pooled.iter().zip(&plain) {
        assert_eq!(shape(a), shape(b));
        assert_eq!(a, b);
    }
}

#[test]
fn tries_that_apply_the_same_updates_share_their_memory_again() {
    let mut rng = Rng::new([3; 32]);
    let (mut tries, mut pool) = (cluster(), Pool::new());
    let one = bytes(&tries);
    for round in 0..3 {
        let mut updates = updates(&mut rng, 200);
        for trie in &mut tries {
            // The second round in another order each, the third one by one.
            if round == 1 {
                rng.shuffle(&mut updates);
            }
            for &item in updates.iter().filter(|_| round < 2) {
                trie.upsert(item, Some(&mut pool));
            }
        }
        for &item in updates.iter().filter(|_| round == 2) {
            for trie in &mut tries {
                trie.upsert(item, Some(&mut pool));
            }
            assert!(tries.iter().all(|trie| trie.same(&tries[0])));
        }
        assert!(tries.iter().all(|trie| trie.same(&tries[0])));
        assert!(bytes(&tries) < one + one / 8, "{} bytes after {one}", bytes(&tries));
    }
}

#[test]
fn without_a_pool_they_do_not() {
    let mut rng = Rng::new([3; 32]);
    let mut tries = cluster();
    let one = bytes(&tries);
    assert_eq!(bytes(&tries[..1]), one);
    let updates = updates(&mut rng, 200);
    for trie in &mut tries {
        for &item in &updates {
            trie.upsert(item, None);
        }
    }
    assert!(bytes(&tries) > 20 * one);
}

#[test]
fn updates_in_different_orders_halfway_through_share_most_memory() {
    let mut rng = Rng::new([5; 32]);
    let (mut tries, mut pool) = (cluster(), Pool::new());
    let one = bytes(&tries);
    let mut updates = updates(&mut rng, 20);
    for trie in &mut tries {
        rng.shuffle(&mut updates);
        for &item in &updates[..10] {
            trie.upsert(item, Some(&mut pool));
        }
    }
    assert!(bytes(&tries) < 4 * one, "{} bytes after {one}", bytes(&tries));
}

#[test]
fn a_pool_forgets_what_no_trie_uses() {
    let mut rng = Rng::new([9; 32]);
    let mut pool = Pool::new();
    let mut trie = Trie::new();
    for version in 0..60_000 {
        let item = Hashing::Spread.item(rng.below(500) as u32, version, true);
        trie.upsert(item, Some(&mut pool));
        assert!(pool.len() <= 1 << 12, "{} nodes", pool.len());
    }
    pool.sweep();
    assert_eq!(pool.len(), nodes(&trie).len());
    drop(trie);
    pool.sweep();
    assert!(pool.is_empty());
}

#[test]
fn a_pool_does_not_mistake_depths() {
    let items = || (0..40).map(|key| Hashing::Deep.item(key, 0, true));
    let mut pool = Pool::new();
    // With a record far away, the others lie below the root as they lie at the root without it.
    let mut more = Trie::new();
    more.upsert(Item { hash: 0, ..Hashing::Deep.item(1000, 0, true) }, Some(&mut pool));
    let mut just = Trie::new();
    for item in items() {
        more.upsert(item, Some(&mut pool));
        just.upsert(item, Some(&mut pool));
    }
    more.remove(0, &1000, Some(&mut pool));
    let plain: Trie<Item> = items().collect();
    for trie in [&more, &just] {
        assert_eq!(shape(trie), shape(&plain));
        assert!(items().all(|item| trie.get(item.hash, &item.key) == Some(&item)));
    }
    assert!(more.same(&just));
}

#[test]
fn a_record_costs_little_more_than_its_own_size() {
    for members in [100, 1000, 3000, 10_000, 30_000, 100_000] {
        let trie: Trie<Item> = (0..members).map(|key| Hashing::Spread.item(key, 0, true)).collect();
        let each = trie.heap_bytes(&mut |_| true) as f64 / f64::from(members);
        assert!((32.0..38.0).contains(&each), "{each} bytes a record of {members}");
    }
}
