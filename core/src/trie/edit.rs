//! Changes: in place where a node is not shared, by copying it where it is, and by adopting the
//! result where a pool has it already.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::iter::once;
use core::ops::Range;

use super::Record;
use super::iter::Iter;
use super::node::{
    Block, Blocks, DEPTH_MAX, Inner, LEAF_LIMIT, Node, SLOT_BITS, Subtree, Summary, search, slot,
};
use super::pool::{self, Pool};

/// A change that is known to change something.
pub(super) enum Edit<'a, R: Record> {
    /// Adds a record or replaces the one with the same key.
    Put(R),
    /// Removes the record that is there.
    Remove {
        /// Hash of the key.
        hash: u64,
        /// Its key.
        key: &'a R::Key,
    },
}

impl<R: Record> Edit<'_, R> {
    fn hash(&self) -> u64 {
        match self {
            Edit::Put(record) => record.hash(),
            Edit::Remove { hash, .. } => *hash,
        }
    }

    /// The records of a leaf after the change, unless it was made in place.
    fn apply_to(self, records: &mut Arc<[R]>) -> Option<Arc<[R]>> {
        match self {
            Edit::Put(record) => match search(records, record.hash(), record.key()) {
                Ok(at) => {
                    Arc::make_mut(records)[at] = record;
                    None
                }
                Err(at) => {
                    let (before, after) = records.split_at(at);
                    Some(before.iter().cloned().chain(once(record)).chain(after.iter().cloned()).collect())
                }
            },
            Edit::Remove { hash, key } => {
                let at = search(records, hash, key).ok()?;
                Some(records[..at].iter().chain(&records[at + 1..]).cloned().collect())
            }
        }
    }
}

impl<R: Record> Subtree<R> {
    /// Makes a change in a subtree at `depth`; `change` is what it does to the summary, known
    /// beforehand so that the result can be looked up before anything is copied.
    pub(super) fn apply(
        &mut self,
        depth: u32,
        edit: Edit<'_, R>,
        change: Summary,
        mut pool: Option<&mut Pool<R>>,
    ) {
        let sum = self.sum.plus(change);
        if let Some(node) = pool::find(pool.as_deref(), depth, &sum) {
            *self = Subtree { sum, node };
            return;
        }
        match &mut self.node {
            Node::Empty => {
                if let Edit::Put(record) = edit {
                    self.node = Node::Leaf(Arc::new([record]));
                }
            }
            Node::Leaf(_) if sum.count == 0 => self.node = Node::Empty,
            Node::Leaf(records) => {
                if let Some(records) = edit.apply_to(records) {
                    if records.len() > LEAF_LIMIT && depth < DEPTH_MAX {
                        *self = Subtree::build(&records, depth, pool);
                        return;
                    }
                    self.node = Node::Leaf(records);
                }
            }
            Node::Inner(inner) if sum.fits_leaf() => {
                let mut records: Arc<[R]> = Iter::new(&inner.children).cloned().collect();
                let changed = edit.apply_to(&mut records);
                self.node = Node::Leaf(changed.unwrap_or(records));
            }
            Node::Inner(inner) => inner.apply(depth, edit, change, pool.as_deref_mut()),
        }
        self.sum = sum;
        pool::add(pool, depth, self);
    }
}

impl<R: Record> Inner<R> {
    fn apply(&mut self, depth: u32, edit: Edit<'_, R>, change: Summary, mut pool: Option<&mut Pool<R>>) {
        let slot = slot(edit.hash(), depth);
        let block = self.block(slot);
        let old = &self.children[block.index];
        let new_sum = old.sum.plus(change);
        if block.width > 1 && !new_sum.fits_leaf() {
            self.split(depth, block, edit, pool);
            return;
        }
        let shrinks = new_sum.count < old.sum.count;
        let child = &mut Arc::make_mut(&mut self.children)[block.index];
        child.apply(depth + SLOT_BITS, edit, change, pool.as_deref_mut());
        if shrinks {
            self.join(depth, slot, pool);
        }
    }

    /// Cuts a block of several slots whose leaf a new record would overfill.
    #[cold]
    fn split(&mut self, depth: u32, block: Block, edit: Edit<'_, R>, pool: Option<&mut Pool<R>>) {
        let mut records: Arc<[R]> = Iter::new(&self.children[block.index..=block.index]).cloned().collect();
        let records = edit.apply_to(&mut records).unwrap_or(records);
        let mut blocks = Blocks::default();
        blocks.deal(&records, depth, block.start, block.width, pool);
        self.replace(block.index..block.index + 1, blocks);
    }

    /// Makes one block of the widest one around a slot whose records fit into one leaf.
    fn join(&mut self, depth: u32, slot: u32, pool: Option<&mut Pool<R>>) {
        for width in [8, 4, 2] {
            let start = slot & !(width - 1);
            let parts = self.children_in(start..start + width);
            let children = &self.children[parts.clone()];
            if parts.len() < 2 {
                return;
            }
            let sum = children.iter().map(|child| child.sum).fold(Summary::ZERO, Summary::plus);
            if sum.fits_leaf() {
                let records: Vec<R> = Iter::new(children).cloned().collect();
                let mut blocks = Blocks::default();
                blocks.deal(&records, depth, start, width, pool);
                self.starts &= !((((1u32 << width) - 1) << start) as u16);
                self.replace(parts, blocks);
                return;
            }
        }
    }

    /// Puts blocks in the place of some children.
    fn replace(&mut self, children: Range<usize>, blocks: Blocks<R>) {
        let (before, after) = (&self.children[..children.start], &self.children[children.end..]);
        self.starts |= blocks.starts;
        self.children = before.iter().cloned().chain(blocks.children).chain(after.iter().cloned()).collect();
    }
}
