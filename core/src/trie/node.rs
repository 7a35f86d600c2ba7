//! The nodes: what a subtree is, how records are dealt out to slots, and how one is found.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::mem::size_of_val;
use core::ops::Range;

use super::Record;
use super::pool::{self, Pool};

/// Most records in a leaf. Cutting at 33 leaves 16 to 32 in each, 22 on average.
pub(super) const LEAF_LIMIT: usize = 32;
/// Bits of the hash an inner node consumes.
pub(super) const SLOT_BITS: u32 = 4;
/// Slots of an inner node.
pub(super) const SLOTS: u32 = 1 << SLOT_BITS;
/// Where the hash is used up: leaves at this depth hold equal hashes, however many.
pub(super) const DEPTH_MAX: u32 = u64::BITS;

const _: () = assert!(SLOTS == u16::BITS, "block starts are kept in 16 bits");
const _: () = assert!(DEPTH_MAX.is_multiple_of(SLOT_BITS), "the deepest inner node uses up the hash");

/// The slot of a hash in an inner node at `depth`, the number of bits consumed above it.
pub(super) const fn slot(hash: u64, depth: u32) -> u32 {
    (hash >> (DEPTH_MAX - SLOT_BITS - depth)) as u32 & (SLOTS - 1)
}

/// What is known of a set of records without looking at them. All arithmetic wraps, so that a
/// difference of two summaries is one as well, and what is added can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Summary {
    pub(super) digest: u64,
    pub(super) count: u32,
    pub(super) live: u32,
    pub(super) marked: u32,
}

impl Summary {
    pub(super) const ZERO: Self = Summary { digest: 0, count: 0, live: 0, marked: 0 };

    pub(super) fn of<R: Record>(record: &R) -> Self {
        Summary {
            digest: record.digest(),
            count: 1,
            live: u32::from(record.live()),
            marked: u32::from(record.marked()),
        }
    }

    pub(super) fn of_all<R: Record>(records: &[R]) -> Self {
        records.iter().map(Self::of).fold(Self::ZERO, Self::plus)
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Summary {
            digest: self.digest.wrapping_add(other.digest),
            count: self.count.wrapping_add(other.count),
            live: self.live.wrapping_add(other.live),
            marked: self.marked.wrapping_add(other.marked),
        }
    }

    pub(super) const fn minus(self, other: Self) -> Self {
        Summary {
            digest: self.digest.wrapping_sub(other.digest),
            count: self.count.wrapping_sub(other.count),
            live: self.live.wrapping_sub(other.live),
            marked: self.marked.wrapping_sub(other.marked),
        }
    }

    /// Whether so many records are one leaf.
    pub(super) const fn fits_leaf(&self) -> bool {
        self.count as usize <= LEAF_LIMIT
    }
}

/// The records of one part of the hash space, with their summary.
pub(super) struct Subtree<R> {
    pub(super) sum: Summary,
    pub(super) node: Node<R>,
}

/// Where the records of a subtree are.
pub(super) enum Node<R> {
    /// There are none.
    Empty,
    /// One to [`LEAF_LIMIT`] records in order, or any number of equal hashes at [`DEPTH_MAX`].
    Leaf(Arc<[R]>),
    /// More than [`LEAF_LIMIT`] records.
    Inner(Inner<R>),
}

/// Sixteen slots, cut into aligned blocks of 1, 2, 4 or 8 with a subtree each.
///
/// A block wider than one slot holds a leaf or nothing; the pair of two neighbour blocks always
/// holds more than [`LEAF_LIMIT`] records, or they would be one block.
pub(super) struct Inner<R> {
    /// The slots where blocks begin, as bits; the first bit is always set.
    pub(super) starts: u16,
    /// A subtree for each block, in order.
    pub(super) children: Arc<[Subtree<R>]>,
}

/// A block of an inner node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Which child it is.
    pub(super) index: usize,
    /// Its first slot.
    pub(super) start: u32,
    /// Number of its slots: 1, 2, 4 or 8, of which `start` is a multiple.
    pub(super) width: u32,
}

impl<R> Inner<R> {
    /// The block that covers a slot.
    pub(super) const fn block(&self, slot: u32) -> Block {
        let up_to = self.starts & (u16::MAX >> (SLOTS - 1 - slot));
        let start = SLOTS - 1 - up_to.leading_zeros();
        let behind = (self.starts as u32 | 1 << SLOTS) >> (slot + 1);
        let end = slot + 1 + behind.trailing_zeros();
        Block { index: up_to.count_ones() as usize - 1, start, width: end - start }
    }

    /// The children whose blocks begin in some slots.
    pub(super) fn children_in(&self, slots: Range<u32>) -> Range<usize> {
        let before = |slot: u32| (self.starts as u32 & ((1 << slot) - 1)).count_ones() as usize;
        before(slots.start)..before(slots.end)
    }
}

impl<R> Clone for Subtree<R> {
    fn clone(&self) -> Self {
        Subtree { sum: self.sum, node: self.node.clone() }
    }
}

impl<R> Clone for Node<R> {
    fn clone(&self) -> Self {
        match self {
            Node::Empty => Node::Empty,
            Node::Leaf(records) => Node::Leaf(Arc::clone(records)),
            Node::Inner(inner) => {
                Node::Inner(Inner { starts: inner.starts, children: Arc::clone(&inner.children) })
            }
        }
    }
}

impl<R> Node<R> {
    /// Whether both are the very same memory.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Node::Empty, Node::Empty) => true,
            (Node::Leaf(a), Node::Leaf(b)) => Arc::ptr_eq(a, b),
            (Node::Inner(a), Node::Inner(b)) => Arc::ptr_eq(&a.children, &b.children),
            _ => false,
        }
    }

    /// See [`super::Trie::heap_bytes`].
    pub(super) fn heap_bytes(&self, first_visit: &mut dyn FnMut(usize) -> bool) -> usize {
        /// An `Arc` keeps two counters before its contents.
        const HEADER: usize = 2 * size_of::<usize>();
        match self {
            Node::Leaf(records) if first_visit(records.as_ptr() as usize) => HEADER + size_of_val(&**records),
            Node::Inner(inner) if first_visit(inner.children.as_ptr() as usize) => {
                let below = inner.children.iter().map(|child| child.node.heap_bytes(first_visit));
                HEADER + size_of_val(&*inner.children) + below.sum::<usize>()
            }
            _ => 0,
        }
    }
}

/// Finds a key among the records of a leaf: its index, or where it would go.
pub(super) fn search<R: Record>(records: &[R], hash: u64, key: &R::Key) -> Result<usize, usize> {
    search_by(records, hash, |it| it.cmp(key))
}

/// The same, with how a record's key compares to the one that is looked for.
fn search_by<R: Record>(
    records: &[R],
    hash: u64,
    compare: impl Fn(&R::Key) -> Ordering,
) -> Result<usize, usize> {
    records.binary_search_by(|record| record.hash().cmp(&hash).then_with(|| compare(record.key())))
}

impl<R> Subtree<R> {
    pub(super) const EMPTY: Self = Subtree { sum: Summary::ZERO, node: Node::Empty };
}

impl<R: Record> Subtree<R> {
    pub(super) fn get_by(&self, hash: u64, compare: impl Fn(&R::Key) -> Ordering) -> Option<&R> {
        let mut node = &self.node;
        let mut depth = 0;
        loop {
            match node {
                Node::Empty => return None,
                Node::Leaf(records) => {
                    return search_by(records, hash, compare).ok().map(|at| &records[at]);
                }
                Node::Inner(inner) => {
                    node = &inner.children[inner.block(slot(hash, depth)).index].node;
                    depth += SLOT_BITS;
                }
            }
        }
    }

    /// The subtree at `depth` of some records, in order.
    pub(super) fn build(records: &[R], depth: u32, mut pool: Option<&mut Pool<R>>) -> Self {
        let sum = Summary::of_all(records);
        if let Some(node) = pool::find(pool.as_deref(), depth, &sum) {
            return Subtree { sum, node };
        }
        let node = if records.is_empty() {
            Node::Empty
        } else if sum.fits_leaf() || depth == DEPTH_MAX {
            Node::Leaf(Arc::from(records))
        } else {
            let mut blocks = Blocks::default();
            blocks.deal(records, depth, 0, SLOTS, pool.as_deref_mut());
            Node::Inner(Inner { starts: blocks.starts, children: Arc::from(blocks.children) })
        };
        let subtree = Subtree { sum, node };
        pool::add(pool, depth, &subtree);
        subtree
    }
}

/// Blocks of an inner node in the making.
pub(super) struct Blocks<R> {
    pub(super) starts: u16,
    pub(super) children: Vec<Subtree<R>>,
}

impl<R> Default for Blocks<R> {
    fn default() -> Self {
        Blocks { starts: 0, children: Vec::new() }
    }
}

impl<R: Record> Blocks<R> {
    /// Cuts an aligned block of `width` slots of an inner node at `depth` until each part is a
    /// leaf or one slot wide.
    pub(super) fn deal(
        &mut self,
        records: &[R],
        depth: u32,
        start: u32,
        width: u32,
        mut pool: Option<&mut Pool<R>>,
    ) {
        if width == 1 || records.len() <= LEAF_LIMIT {
            self.starts |= 1 << start;
            self.children.push(Subtree::build(records, depth + SLOT_BITS, pool));
            return;
        }
        let middle = start + width / 2;
        let (low, high) = records.split_at(records.partition_point(|r| slot(r.hash(), depth) < middle));
        self.deal(low, depth, start, width / 2, pool.as_deref_mut());
        self.deal(high, depth, middle, width / 2, pool);
    }
}
