//! Changes, look-ups, ranks and differences.

use core::cell::Cell;
use quickcheck_macros::quickcheck;
use std::rc::Rc;
use std::vec::Vec;

use super::super::node::{DEPTH_MAX, LEAF_LIMIT, Node, SLOT_BITS, Subtree, Summary};
use super::super::{Record, Trie};
use super::{Hashing, Item, Model, Script, nodes, shape};

fn holds_what_the_model_holds(trie: &Trie<Item>, model: &Model) {
    assert_eq!(trie.len(), model.len());
    assert_eq!(trie.is_empty(), model.is_empty());
    assert_eq!(trie.live(), model.values().filter(|item| item.live).count());
    assert_eq!(trie.digest(), model.values().fold(0u64, |sum, item| sum.wrapping_add(item.digest())));
    assert_eq!(trie.iter().len(), model.len());
    assert!(trie.iter().eq(model.values()));
    for (rank, (&(hash, key), item)) in model.iter().enumerate() {
        assert_eq!(trie.get(hash, &key), Some(item));
        assert_eq!(trie.nth(rank), Some(item));
        assert_eq!(trie.rank(hash, &key), rank);
    }
    assert_eq!(trie.nth(model.len()), None);
    let live = model.values().filter(|item| item.live);
    assert!((0..).map_while(|rank| trie.nth_live(rank)).eq(live));
    let marked: Vec<&Item> = model.values().filter(|item| item.marked()).collect();
    assert_eq!(trie.marked(), marked.len());
    assert!((0..).map_while(|rank| trie.nth_marked(rank)).eq(marked));
}

/// Summaries add up; leaves and blocks are neither too full nor too empty.
fn every_node_is_in_order(subtree: &Subtree<Item>, depth: u32) -> Summary {
    let sum = match &subtree.node {
        Node::Empty => Summary::ZERO,
        Node::Leaf(records) => {
            assert!(!records.is_empty());
            assert!(records.len() <= LEAF_LIMIT || depth == DEPTH_MAX);
            Summary::of_all(records)
        }
        Node::Inner(inner) => {
            assert!(subtree.sum.count as usize > LEAF_LIMIT);
            assert_eq!(inner.starts.count_ones() as usize, inner.children.len());
            inner
                .children
                .iter()
                .map(|child| every_node_is_in_order(child, depth + SLOT_BITS))
                .fold(Summary::ZERO, Summary::plus)
        }
    };
    assert_eq!(subtree.sum, sum);
    sum
}

#[quickcheck]
fn it_does_what_an_ordered_map_does(script: Script) {
    let (mut trie, mut model) = (Trie::new(), Model::new());
    for op in &script.ops {
        let replaced = op.apply(script.hashing, &mut trie, None);
        assert_eq!(replaced, op.apply_to_model(script.hashing, &mut model));
    }
    holds_what_the_model_holds(&trie, &model);
    every_node_is_in_order(&trie.root, 0);
    for key in 0..1200 {
        let place = (script.hashing.hash(key), key);
        assert_eq!(trie.get(place.0, &key), model.get(&place));
        assert_eq!(trie.rank(place.0, &key), model.range(..place).count());
    }
}

#[quickcheck]
fn the_shape_depends_on_the_contents_alone(script: Script) {
    let mut trie = Trie::new();
    script.play(&mut trie, None);
    let model = script.model();
    let ascending: Trie<Item> = model.values().copied().collect();
    let descending: Trie<Item> = model.values().rev().copied().collect();
    assert_eq!(shape(&trie), shape(&ascending));
    assert_eq!(shape(&trie), shape(&descending));
    assert_eq!(trie.digest(), ascending.digest());
    assert_eq!(trie, descending);
}

#[quickcheck]
fn what_is_filled_and_emptied_is_empty(script: Script) {
    let mut trie = Trie::new();
    script.play(&mut trie, None);
    for &(hash, key) in script.model().keys() {
        assert!(trie.remove(hash, &key, None).is_some());
    }
    assert_eq!(shape(&trie), "-");
    assert_eq!(trie.digest(), 0);
    assert_eq!(trie.heap_bytes(&mut |_| true), 0);
}

#[quickcheck]
fn clones_never_change(script: Script) {
    let (mut trie, mut model) = (Trie::new(), Model::new());
    let mut clones = Vec::new();
    for (step, op) in script.ops.iter().enumerate() {
        if step % 100 == 50 {
            clones.push((trie.clone(), model.clone()));
        }
        op.apply(script.hashing, &mut trie, None);
        op.apply_to_model(script.hashing, &mut model);
    }
    for (clone, model) in &clones {
        holds_what_the_model_holds(clone, model);
    }
    holds_what_the_model_holds(&trie, &model);
}

#[quickcheck]
fn a_difference_is_what_one_has_and_the_other_has_not(before: Script, mut after: Script) {
    after.hashing = before.hashing;
    let mut old = Trie::new();
    before.play(&mut old, None);
    // Once with shared nodes, once without.
    let mut shared = old.clone();
    after.play(&mut shared, None);
    let mut apart = Trie::new();
    before.play(&mut apart, None);
    after.play(&mut apart, None);

    let mut expected = Vec::new();
    let [a, b]: [Model; 2] =
        [&old, &shared].map(|trie| trie.iter().map(|item| ((item.hash, item.key), *item)).collect());
    let mut places: Vec<_> = a.keys().chain(b.keys()).collect();
    places.sort_unstable();
    places.dedup();
    for place in places {
        if a.get(place) != b.get(place) {
            expected.push((a.get(place).copied(), b.get(place).copied()));
        }
    }
    for new in [&shared, &apart] {
        let mut found = Vec::new();
        old.diff(new, |old, new| found.push((old.copied(), new.copied())));
        assert_eq!(found, expected);
    }
}

/// A record that counts how often it and others are compared.
#[derive(Clone)]
struct Counted {
    item: Item,
    comparisons: Rc<Cell<usize>>,
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.comparisons.set(self.comparisons.get() + 1);
        self.item == other.item
    }
}

impl Record for Counted {
    type Key = u32;

    fn hash(&self) -> u64 {
        self.item.hash()
    }

    fn key(&self) -> &u32 {
        self.item.key()
    }

    fn digest(&self) -> u64 {
        self.item.digest()
    }

    fn live(&self) -> bool {
        self.item.live()
    }
}

#[test]
fn a_difference_looks_at_the_neighbours_of_what_changed_only() {
    let comparisons = Rc::new(Cell::new(0));
    let item = |key, version| Counted {
        item: Hashing::Spread.item(key, version, true),
        comparisons: Rc::clone(&comparisons),
    };
    let old: Trie<Counted> = (0..20_000).map(|key| item(key, 0)).collect();
    let mut new: Trie<Counted> = (0..20_000).map(|key| item(key, 0)).collect();
    for key in 0..10 {
        new.upsert(item(key * 1999, 1), None);
    }
    comparisons.set(0);
    let mut differences = 0;
    old.diff(&new, |_, _| differences += 1);
    assert_eq!(differences, 10);
    assert!(comparisons.get() <= 10 * LEAF_LIMIT, "{} comparisons", comparisons.get());
}

#[test]
fn an_equal_record_changes_nothing_and_copies_nothing() {
    let mut trie: Trie<Item> = (0..1000).map(|key| Hashing::Spread.item(key, 0, true)).collect();
    let clone = trie.clone();
    let again = Hashing::Spread.item(500, 0, true);
    assert_eq!(trie.upsert(again, None), Some(again));
    assert!(trie.same(&clone));
    assert_eq!(trie.remove(Hashing::Spread.hash(1000), &1000, None), None);
    assert!(trie.same(&clone));
}

#[test]
fn alone_a_trie_is_changed_in_place() {
    let mut trie: Trie<Item> = (0..1000).map(|key| Hashing::Spread.item(key, 0, true)).collect();
    let before = nodes(&trie);
    for key in 0..1000 {
        trie.upsert(Hashing::Spread.item(key, 1, false), None);
    }
    assert_eq!(nodes(&trie), before);
    assert_eq!(trie.live(), 0);
}

#[test]
fn a_change_to_a_clone_copies_one_path() {
    let trie: Trie<Item> = (0..10_000).map(|key| Hashing::Spread.item(key, 0, true)).collect();
    let mut clone = trie.clone();
    clone.upsert(Hashing::Spread.item(5000, 1, true), None);
    let old = nodes(&trie);
    let copied = nodes(&clone).iter().filter(|node| !old.contains(node)).count();
    assert!((2..=4).contains(&copied), "{copied} nodes copied");
    assert_eq!(trie.get(Hashing::Spread.hash(5000), &5000).unwrap().version, 0);
}
