//! A persistent, canonical hash trie: the table of everything a node knows.
//!
//! A record's place is a seeded 64-bit hash of its key, so the records lie in the order of
//! (hash, key). The trie is that of a binary bucket trie: a part of the hash space with at most
//! 32 records is one leaf, a fuller one is cut in two. Four cuts at a time are packed into an
//! inner node of 16 slots, where a leaf may cover an aligned block of 2, 4 or 8 of them.
//!
//! - **Canonical**: the shape follows from the contents alone, never from the order of arrival.
//!   Two nodes that know the same hold equal trees.
//! - **Persistent**: [`Trie::clone`] is O(1) and a clone never changes. A change happens in place
//!   where nobody else looks, and otherwise copies the path to the record.
//! - **Measured**: every subtree knows how many records it holds, how many of them are
//!   [live](Record::live) or [marked](Record::marked), and the sum of their [digests](Record::digest). Hence ranks, walks and
//!   differences in the time the answer needs.
//!
//! # Walks
//! A pass over the records in the order of `hash XOR mask`, with a random `mask` drawn per pass
//! ([`Trie::walk_next`]), needs no list and no shuffle: the cursor is the record visited last.
//! Every record present throughout a pass is visited exactly once, whatever comes and goes
//! meanwhile. Start the first pass at a uniformly random rank ([`Trie::walk_first`]): from the
//! beginning of the order, the chance to be first depends on the gap before a record's hash.
//!
//! # Sharing
//! Tries that copied their paths for the same change hold equal nodes at different addresses. A
//! simulator with a hundred thousand of them hands a [`Pool`] to every change: nodes that exist
//! already are found by their digest before anything is copied. It changes memory, nothing else.

use core::cmp::Ordering;
use core::fmt;

mod diff;
mod edit;
mod iter;
mod node;
mod pool;
mod walk;

#[cfg(test)]
mod tests;

pub use self::iter::Iter;
pub use self::pool::Pool;

use self::edit::Edit;
use self::node::{Subtree, Summary};

/// What a [`Trie`] holds. About 32 bytes serve it best; bulk belongs behind an `Arc`.
pub trait Record: Clone + PartialEq {
    /// What tells records apart. Of two records with equal keys a trie holds one.
    type Key: ?Sized + Ord;

    /// Seeded hash of the key, well spread over all 64 bits: the place in the trie. Only tries of
    /// one seed can be compared.
    fn hash(&self) -> u64;

    /// The key.
    fn key(&self) -> &Self::Key;

    /// A number well spread over all 64 bits, made from the key and everything else that `==`
    /// looks at: equal records have equal digests, and different ones differ but for accident.
    fn digest(&self) -> u64;

    /// Whether it is counted among the live ones, by which [`Trie::nth_live`] and walks go.
    fn live(&self) -> bool;

    /// Whether it is counted among the marked ones, by which [`Trie::nth_marked`] goes.
    fn marked(&self) -> bool {
        false
    }
}

/// Records in the order of (hash, key). Empty, it holds no memory.
pub struct Trie<R> {
    root: Subtree<R>,
}

impl<R: Record> Trie<R> {
    /// Without records.
    #[must_use]
    pub const fn new() -> Self {
        Trie { root: Subtree::EMPTY }
    }

    /// Number of records.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.root.sum.count as usize
    }

    /// Number of live records.
    #[must_use]
    pub const fn live(&self) -> usize {
        self.root.sum.live as usize
    }

    /// Number of marked records.
    #[must_use]
    pub const fn marked(&self) -> usize {
        self.root.sum.marked as usize
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The wrapping sum of all records' digests. Tries with equal records have equal ones.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.root.sum.digest
    }

    /// Whether both are the very same memory, and so hold the same records.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.root.node.same(&other.root.node)
    }

    /// The record under a key, given the key's hash.
    #[must_use]
    pub fn get(&self, hash: u64, key: &R::Key) -> Option<&R> {
        self.get_by(hash, |it| it.cmp(key))
    }

    /// The record under a key that is at hand in another form: its hash, and how a record's key
    /// compares to it.
    pub(crate) fn get_by(&self, hash: u64, compare: impl Fn(&R::Key) -> Ordering) -> Option<&R> {
        self.root.get_by(hash, compare)
    }

    /// Puts a record in the place of the one with the same key, and returns that one.
    ///
    /// A record equal to the one there changes nothing and copies nothing.
    pub fn upsert(&mut self, record: R, pool: Option<&mut Pool<R>>) -> Option<R> {
        let old = self.get(record.hash(), record.key());
        if old == Some(&record) {
            return Some(record);
        }
        let before = old.map_or(Summary::ZERO, Summary::of);
        let old = old.cloned();
        let change = Summary::of(&record).minus(before);
        self.root.apply(0, Edit::Put(record), change, pool);
        old
    }

    /// Takes a record out, given its key and the key's hash.
    pub fn remove(&mut self, hash: u64, key: &R::Key, pool: Option<&mut Pool<R>>) -> Option<R> {
        let old = self.get(hash, key)?.clone();
        let change = Summary::ZERO.minus(Summary::of(&old));
        self.root.apply(0, Edit::Remove { hash, key }, change, pool);
        Some(old)
    }

    /// All records in the order of (hash, key).
    #[must_use]
    pub fn iter(&self) -> Iter<'_, R> {
        Iter::new(core::slice::from_ref(&self.root))
    }

    /// Bytes allocated by the trie itself, without the allocator's overhead and without what the
    /// records point to. `first_visit` is asked with the address of each node and says whether it
    /// is new: one set of addresses for many tries counts what they share once.
    pub fn heap_bytes(&self, first_visit: &mut dyn FnMut(usize) -> bool) -> usize {
        self.root.node.heap_bytes(first_visit)
    }
}

impl<R> Clone for Trie<R> {
    fn clone(&self) -> Self {
        Trie { root: self.root.clone() }
    }
}

impl<R: Record> Default for Trie<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Record> PartialEq for Trie<R> {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) || (self.root.sum == other.root.sum && self.iter().eq(other.iter()))
    }
}

impl<R: Record + fmt::Debug> fmt::Debug for Trie<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<'a, R: Record> IntoIterator for &'a Trie<R> {
    type Item = &'a R;
    type IntoIter = Iter<'a, R>;

    fn into_iter(self) -> Iter<'a, R> {
        self.iter()
    }
}

impl<R: Record> Extend<R> for Trie<R> {
    fn extend<I: IntoIterator<Item = R>>(&mut self, records: I) {
        for record in records {
            self.upsert(record, None);
        }
    }
}

impl<R: Record> FromIterator<R> for Trie<R> {
    fn from_iter<I: IntoIterator<Item = R>>(records: I) -> Self {
        let mut trie = Self::new();
        trie.extend(records);
        trie
    }
}
