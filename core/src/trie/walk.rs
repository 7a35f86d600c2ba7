//! Ranks, and walks in the order of `hash XOR mask`.

use core::cmp::Ordering;

use smallvec::SmallVec;

use super::node::{Inner, LEAF_LIMIT, Node, SLOT_BITS, SLOTS, Subtree, Summary, search, slot};
use super::{Record, Trie};

impl<R: Record> Trie<R> {
    /// The record with `rank` others before it in the order of (hash, key).
    #[must_use]
    pub fn nth(&self, rank: usize) -> Option<&R> {
        self.root.nth(rank, |sum| sum.count, |_| true)
    }

    /// The live record with `rank` other live ones before it in the order of (hash, key).
    #[must_use]
    pub fn nth_live(&self, rank: usize) -> Option<&R> {
        self.root.nth(rank, |sum| sum.live, R::live)
    }

    /// The marked record with `rank` other marked ones before it in the order of (hash, key).
    #[must_use]
    pub fn nth_marked(&self, rank: usize) -> Option<&R> {
        self.root.nth(rank, |sum| sum.marked, R::marked)
    }

    /// How many records come before a key, there or not, in the order of (hash, key).
    #[must_use]
    pub fn rank(&self, hash: u64, key: &R::Key) -> usize {
        let mut node = &self.root.node;
        let (mut depth, mut before) = (0, 0);
        loop {
            match node {
                Node::Empty => return before,
                Node::Leaf(records) => {
                    let (Ok(at) | Err(at)) = search(records, hash, key);
                    return before + at;
                }
                Node::Inner(inner) => {
                    let index = inner.block(slot(hash, depth)).index;
                    let left = inner.children[..index].iter().map(|child| child.sum.count as usize);
                    before += left.sum::<usize>();
                    node = &inner.children[index].node;
                    depth += SLOT_BITS;
                }
            }
        }
    }

    /// The live record at `rank` among the live ones in the order of `hash XOR mask`. With a
    /// uniformly random rank below [`Trie::live`], a walk starts anywhere with equal chance.
    #[must_use]
    pub fn walk_first(&self, mask: u64, rank: usize) -> Option<&R> {
        self.root.walk_nth::<true>(0, mask, rank)
    }

    /// The record after a key, there or not, in the order of `hash XOR mask` and then key. `None`
    /// ends the pass: the next begins at `walk_first(mask, 0)`, with the mask of one's choice.
    #[must_use]
    pub fn walk_next(&self, mask: u64, after_hash: u64, after_key: &R::Key) -> Option<&R> {
        self.root.walk_after::<false>(0, mask, after_hash, after_key)
    }

    /// Like [`Trie::walk_next`] among live records. Parts without any are not looked at.
    #[must_use]
    pub fn walk_next_live(&self, mask: u64, after_hash: u64, after_key: &R::Key) -> Option<&R> {
        self.root.walk_after::<true>(0, mask, after_hash, after_key)
    }
}

/// Whether a record counts in a walk over all, or over live ones.
fn counts<const LIVE: bool, R: Record>(record: &R) -> bool {
    !LIVE || record.live()
}

/// Which record comes first in a walk.
fn order<R: Record>(mask: u64, a: &R, b: &R) -> Ordering {
    (a.hash() ^ mask).cmp(&(b.hash() ^ mask)).then_with(|| a.key().cmp(b.key()))
}

impl<R> Inner<R> {
    /// The children in the order of a walk, from place `from` of 16 on. Flipping bits of the
    /// slots' numbers maps aligned blocks to aligned blocks.
    fn walk(&self, depth: u32, mask: u64, mut from: u32) -> impl Iterator<Item = &Subtree<R>> {
        let flip = slot(mask, depth);
        core::iter::from_fn(move || {
            (from < SLOTS).then(|| {
                let block = self.block(from ^ flip);
                from += block.width;
                &self.children[block.index]
            })
        })
    }
}

impl<R: Record> Subtree<R> {
    const fn weight<const LIVE: bool>(&self) -> usize {
        if LIVE { self.sum.live as usize } else { self.sum.count as usize }
    }

    /// The record with `rank` others before it among those that `counts` takes, of which `weight`
    /// says how many there are.
    #[inline]
    fn nth(
        &self,
        mut rank: usize,
        weight: impl Fn(&Summary) -> u32,
        counts: impl Fn(&R) -> bool,
    ) -> Option<&R> {
        let mut node = &self.node;
        loop {
            match node {
                Node::Empty => return None,
                Node::Leaf(records) => return records.iter().filter(|record| counts(record)).nth(rank),
                Node::Inner(inner) => {
                    let mut children = inner.children.iter();
                    let mut child = children.next()?;
                    while rank >= weight(&child.sum) as usize {
                        rank -= weight(&child.sum) as usize;
                        child = children.next()?;
                    }
                    node = &child.node;
                }
            }
        }
    }

    fn walk_nth<const LIVE: bool>(&self, depth: u32, mask: u64, mut rank: usize) -> Option<&R> {
        if rank >= self.weight::<LIVE>() {
            return None;
        }
        match &self.node {
            Node::Empty => None,
            Node::Leaf(records) => nth_of_leaf::<LIVE, R>(records, mask, rank),
            Node::Inner(inner) => {
                let child = inner.walk(depth, mask, 0).find(|child| {
                    let weight = child.weight::<LIVE>();
                    let here = rank < weight;
                    rank -= if here { 0 } else { weight };
                    here
                });
                child?.walk_nth::<LIVE>(depth + SLOT_BITS, mask, rank)
            }
        }
    }

    fn walk_after<const LIVE: bool>(&self, depth: u32, mask: u64, hash: u64, key: &R::Key) -> Option<&R> {
        if self.weight::<LIVE>() == 0 {
            return None;
        }
        match &self.node {
            Node::Empty => None,
            Node::Leaf(records) => next_of_leaf::<LIVE, R>(records, mask, hash ^ mask, key)
                .unwrap_or_else(|| next_by_key::<LIVE, R>(records, mask, hash, key)),
            Node::Inner(inner) => {
                let block = inner.block(slot(hash, depth));
                let below = depth + SLOT_BITS;
                let next = inner.children[block.index].walk_after::<LIVE>(below, mask, hash, key);
                next.or_else(|| {
                    let place = slot(hash ^ mask, depth) & !(block.width - 1);
                    let mut rest = inner.walk(depth, mask, place + block.width);
                    rest.find(|child| child.weight::<LIVE>() > 0)?.walk_nth::<LIVE>(below, mask, 0)
                })
            }
        }
    }
}

/// The record of a leaf that comes after a place in a walk. `None`: hashes are equal, and keys
/// must be looked at.
fn next_of_leaf<'a, const LIVE: bool, R: Record>(
    records: &'a [R],
    mask: u64,
    place: u64,
    key: &R::Key,
) -> Option<Option<&'a R>> {
    // Without branches on what nobody can predict.
    let (mut next, mut at) = (u64::MAX, records.len());
    let (mut equal, mut equal_at) = (0u32, 0);
    for (index, record) in records.iter().enumerate() {
        let here = record.hash() ^ mask;
        let better = counts::<LIVE, R>(record) & (here > place) & (here < next);
        next = if better { here } else { next };
        at = if better { index } else { at };
        equal_at = if here == place { index } else { equal_at };
        equal += u32::from(here == place);
    }
    // A record at the place is mostly the one the walk comes from. The last place of all cannot be
    // told from none; records of equal hashes lie side by side.
    let found = records.get(at);
    let twin = |other: Option<&R>| other.is_some_and(|other| other.hash() ^ mask == next);
    let unclear = equal > 1
        || equal == 1 && records[equal_at].key() != key
        || found.is_none() && records.iter().any(|record| record.hash() ^ mask == u64::MAX)
        || found.is_some() && (twin(records.get(at + 1)) || at > 0 && twin(records.get(at - 1)));
    (!unclear).then_some(found)
}

/// The same where hashes may be equal.
#[cold]
fn next_by_key<'a, const LIVE: bool, R: Record>(
    records: &'a [R],
    mask: u64,
    hash: u64,
    key: &R::Key,
) -> Option<&'a R> {
    let place = hash ^ mask;
    let later = |record: &&R| {
        let ordering = (record.hash() ^ mask).cmp(&place);
        counts::<LIVE, R>(record) && ordering.then_with(|| record.key().cmp(key)).is_gt()
    };
    records.iter().filter(later).min_by(|a, b| order(mask, *a, *b))
}

/// The record at `rank` in the order of a walk through a leaf.
fn nth_of_leaf<const LIVE: bool, R: Record>(records: &[R], mask: u64, rank: usize) -> Option<&R> {
    let mut counted = records.iter().filter(|record| counts::<LIVE, R>(record));
    if records.len() > LEAF_LIMIT {
        // Equal hashes: the order is the leaf's own.
        return counted.nth(rank);
    }
    if rank == 0 {
        return counted.min_by(|a, b| order(mask, *a, *b));
    }
    let mut sorted: SmallVec<[(u64, &R); LEAF_LIMIT]> =
        counted.map(|record| (record.hash() ^ mask, record)).collect();
    // Stable: records of equal hashes stay in the order of their keys.
    sorted.sort_by_key(|&(place, _)| place);
    sorted.get(rank).map(|&(_, record)| record)
}
