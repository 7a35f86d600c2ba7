//! The trie against an ordered map, under four kinds of hashes.

mod changes;
mod sharing;
mod walks;

use std::boxed::Box;
use std::collections::BTreeMap;
use std::format;
use std::string::String;
use std::vec::Vec;

use quickcheck::{Arbitrary, Gen};

use super::node::{Node, Subtree};
use super::{Pool, Record, Trie};
use crate::hash::mix;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Item {
    hash: u64,
    key: u32,
    version: u32,
    live: bool,
    _bulk: u64,
}

impl Record for Item {
    type Key = u32;

    fn hash(&self) -> u64 {
        self.hash
    }

    fn key(&self) -> &u32 {
        &self.key
    }

    fn digest(&self) -> u64 {
        mix(mix(self.hash, u64::from(self.key)), u64::from(self.version) << 1 | u64::from(self.live))
    }

    fn live(&self) -> bool {
        self.live
    }

    fn marked(&self) -> bool {
        self.live && self.version == 1
    }
}

/// How keys are hashed.
#[derive(Clone, Copy, Debug)]
enum Hashing {
    /// As it should be.
    Spread,
    /// To 64 places all over, so that groups have equal hashes.
    Grouped,
    /// To places that differ in their last eight bits only: a deep trie.
    Deep,
    /// All to one place.
    Constant,
}

impl Hashing {
    fn hash(self, key: u32) -> u64 {
        let spread = mix(0, u64::from(key));
        match self {
            Hashing::Spread => spread,
            Hashing::Grouped => mix(1, spread & 63),
            Hashing::Deep => u64::MAX << 8 | spread >> 56,
            Hashing::Constant => 0x0123_4567_89ab_cdef,
        }
    }

    fn item(self, key: u32, version: u32, live: bool) -> Item {
        Item { hash: self.hash(key), key, version, live, _bulk: 0 }
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Put { key: u32, version: u32, live: bool },
    Remove { key: u32 },
}

/// Random changes to apply in order.
#[derive(Clone, Debug)]
struct Script {
    hashing: Hashing,
    ops: Vec<Op>,
}

impl Arbitrary for Script {
    fn arbitrary(g: &mut Gen) -> Self {
        let hashing = *g
            .choose(&[
                Hashing::Spread,
                Hashing::Spread,
                Hashing::Spread,
                Hashing::Grouped,
                Hashing::Deep,
                Hashing::Constant,
            ])
            .unwrap();
        let keys = g.choose(&[4, 40, 80, 300, 1000]).copied().unwrap();
        let removals = u32::arbitrary(g) % 10;
        let len = usize::arbitrary(g) % 1500;
        let ops = (0..len).map(|_| Op::random(g, keys, removals)).collect();
        Script { hashing, ops }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let hashing = self.hashing;
        let halves = [self.ops[..self.ops.len() / 2].to_vec(), self.ops[self.ops.len() / 2..].to_vec()];
        let shorter = (0..self.ops.len()).map({
            let ops = self.ops.clone();
            move |at| [&ops[..at], &ops[at + 1..]].concat()
        });
        let halves = if self.ops.len() > 1 { Vec::from(halves) } else { Vec::new() };
        Box::new(halves.into_iter().chain(shorter).map(move |ops| Script { hashing, ops }))
    }
}

impl Op {
    fn random(g: &mut Gen, keys: u32, removals: u32) -> Self {
        let key = u32::arbitrary(g) % keys;
        if u32::arbitrary(g) % 10 < removals {
            Op::Remove { key }
        } else {
            Op::Put { key, version: u32::arbitrary(g) % 4, live: bool::arbitrary(g) }
        }
    }

    fn key(self) -> u32 {
        match self {
            Op::Put { key, .. } | Op::Remove { key } => key,
        }
    }

    fn apply(self, hashing: Hashing, trie: &mut Trie<Item>, pool: Option<&mut Pool<Item>>) -> Option<Item> {
        match self {
            Op::Put { key, version, live } => trie.upsert(hashing.item(key, version, live), pool),
            Op::Remove { key } => trie.remove(hashing.hash(key), &key, pool),
        }
    }

    fn apply_to_model(self, hashing: Hashing, model: &mut Model) -> Option<Item> {
        match self {
            Op::Put { key, version, live } => {
                model.insert((hashing.hash(key), key), hashing.item(key, version, live))
            }
            Op::Remove { key } => model.remove(&(hashing.hash(key), key)),
        }
    }
}

type Model = BTreeMap<(u64, u32), Item>;

impl Script {
    fn play(&self, trie: &mut Trie<Item>, mut pool: Option<&mut Pool<Item>>) {
        for op in &self.ops {
            op.apply(self.hashing, trie, pool.as_deref_mut());
        }
    }

    fn model(&self) -> Model {
        let mut model = Model::new();
        for op in &self.ops {
            op.apply_to_model(self.hashing, &mut model);
        }
        model
    }
}

/// The shape of a trie, in a form to compare and to look at.
fn shape<R>(trie: &Trie<R>) -> String {
    fn part<R>(subtree: &Subtree<R>) -> String {
        match &subtree.node {
            Node::Empty => String::from("-"),
            Node::Leaf(records) => format!("{}", records.len()),
            Node::Inner(inner) => {
                let parts: Vec<String> = inner.children.iter().map(part).collect();
                format!("{:016b}({})", inner.starts.reverse_bits(), parts.join(" "))
            }
        }
    }
    part(&trie.root)
}

/// Addresses of all nodes.
fn nodes<R: Record>(trie: &Trie<R>) -> Vec<usize> {
    let mut nodes = Vec::new();
    trie.heap_bytes(&mut |node| {
        nodes.push(node);
        true
    });
    nodes
}
