//! All records of some subtrees, in order.

use core::iter::FusedIterator;
use core::slice;

use smallvec::SmallVec;

use super::Record;
use super::node::{Node, Subtree, Summary};

/// The records of a [`Trie`](super::Trie) in the order of (hash, key).
pub struct Iter<'a, R> {
    /// What is left at each level above the current leaf.
    path: SmallVec<[slice::Iter<'a, Subtree<R>>; 4]>,
    /// What is left of the current leaf.
    records: slice::Iter<'a, R>,
    /// Number of records to come.
    left: usize,
}

impl<'a, R: Record> Iter<'a, R> {
    pub(super) fn new(subtrees: &'a [Subtree<R>]) -> Self {
        let sum = subtrees.iter().map(|subtree| subtree.sum).fold(Summary::ZERO, Summary::plus);
        let mut path = SmallVec::new();
        path.push(subtrees.iter());
        Iter { path, records: [].iter(), left: sum.count as usize }
    }
}

impl<'a, R> Iterator for Iter<'a, R> {
    type Item = &'a R;

    fn next(&mut self) -> Option<&'a R> {
        loop {
            if let Some(record) = self.records.next() {
                self.left -= 1;
                return Some(record);
            }
            match self.path.last_mut()?.next().map(|subtree| &subtree.node) {
                None => {
                    self.path.pop();
                }
                Some(Node::Empty) => {}
                Some(Node::Leaf(records)) => self.records = records.iter(),
                Some(Node::Inner(inner)) => self.path.push(inner.children.iter()),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<R> ExactSizeIterator for Iter<'_, R> {}
impl<R> FusedIterator for Iter<'_, R> {}

impl<R> Clone for Iter<'_, R> {
    fn clone(&self) -> Self {
        Iter { path: self.path.clone(), records: self.records.clone(), left: self.left }
    }
}
