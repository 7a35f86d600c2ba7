//! Hash-consing: nodes that exist already are found by what they will hold.

use core::fmt;

use alloc::sync::Arc;
use alloc::vec::Vec;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::Record;
use super::node::{DEPTH_MAX, Node, SLOT_BITS, Subtree, Summary};

/// Tables of a pool: one a level for inner nodes and crowded leaves, one for all other leaves.
const TABLES: usize = (DEPTH_MAX / SLOT_BITS) as usize + 2;
const LEAVES: usize = TABLES - 1;
/// Fewer nodes than this are not worth a sweep.
const SWEEP_MIN: usize = 1 << 12;

/// Nodes that many tries may share, for a simulator that holds the views of a whole cluster.
///
/// Handed to every change of every trie of one hash seed, it lets tries that come to hold the
/// same records share their memory again. No result of any operation depends on it, but for the
/// accident of equal 64-bit digests of different contents.
///
/// What no trie uses any more is dropped by a sweep whenever the pool has doubled, so that its
/// memory stays within a constant factor of what the tries use at that moment.
pub struct Pool<R> {
    /// Made when the first node comes: an empty pool is small, since it is lent to and taken back
    /// from a node with each of its inputs.
    tables: Vec<HashMap<Summary, Node<R>, FixedState>>,
    len: usize,
    sweep_at: usize,
}

// Derived, it would want records that can be cloned; nodes only count their references.
impl<R> Clone for Pool<R> {
    fn clone(&self) -> Self {
        Pool { tables: self.tables.clone(), len: self.len, sweep_at: self.sweep_at }
    }
}

impl<R> Default for Pool<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> Pool<R> {
    /// Without nodes.
    #[must_use]
    pub const fn new() -> Self {
        Pool { tables: Vec::new(), len: 0, sweep_at: SWEEP_MIN }
    }

    /// Number of nodes held, in use or not.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Drops all nodes that no trie uses.
    pub fn sweep(&mut self) {
        // Parents lie in earlier tables than their children: one round finds all.
        for table in &mut self.tables {
            table.retain(|_, node| match node {
                Node::Empty => false,
                Node::Leaf(records) => Arc::strong_count(records) > 1,
                Node::Inner(inner) => Arc::strong_count(&inner.children) > 1,
            });
            if table.capacity() > 4 * table.len() {
                table.shrink_to(2 * table.len());
            }
        }
        self.len = self.tables.iter().map(HashMap::len).sum();
        self.sweep_at = SWEEP_MIN.max(2 * self.len);
    }
}

/// A leaf is the same wherever it hangs; the shape of anything larger depends on its depth.
const fn table(depth: u32, sum: &Summary) -> usize {
    if sum.fits_leaf() { LEAVES } else { (depth / SLOT_BITS) as usize }
}

/// The node at `depth` of the records with this summary, if there is a pool and it has it.
pub(super) fn find<R>(pool: Option<&Pool<R>>, depth: u32, sum: &Summary) -> Option<Node<R>> {
    pool?.tables.get(table(depth, sum))?.get(sum).cloned()
}

/// Shows a subtree to the pool, if there is one.
pub(super) fn add<R: Record>(pool: Option<&mut Pool<R>>, depth: u32, subtree: &Subtree<R>) {
    let (Some(pool), false) = (pool, matches!(subtree.node, Node::Empty)) else { return };
    if pool.len >= pool.sweep_at {
        pool.sweep();
    }
    if pool.tables.is_empty() {
        pool.tables.resize_with(TABLES, || HashMap::with_hasher(FixedState::default()));
    }
    let table = &mut pool.tables[table(depth, &subtree.sum)];
    if table.insert(subtree.sum, subtree.node.clone()).is_none() {
        pool.len += 1;
    }
}

impl<R> fmt::Debug for Pool<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("len", &self.len).field("sweep_at", &self.sweep_at).finish()
    }
}
