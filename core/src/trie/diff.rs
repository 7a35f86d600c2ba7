//! Differences of two tries, at the cost of what differs.

use core::cmp::Ordering;

use super::iter::Iter;
use super::node::{Inner, Node, SLOTS, Subtree};
use super::{Record, Trie};

impl<R: Record> Trie<R> {
    /// Calls `f` with every record of `self` and `other` that the other lacks or holds
    /// differently, in the order of (hash, key).
    ///
    /// Subtrees with equal digests are taken for equal. The time is that of the difference.
    pub fn diff<'a>(&'a self, other: &'a Self, mut f: impl FnMut(Option<&'a R>, Option<&'a R>)) {
        differ(&self.root, &other.root, &mut f);
    }
}

fn differ<'a, R: Record>(
    a: &'a Subtree<R>,
    b: &'a Subtree<R>,
    f: &mut impl FnMut(Option<&'a R>, Option<&'a R>),
) {
    // What is shared has the same summary, too: no need to compare addresses.
    if a.sum == b.sum {
        return;
    }
    match (&a.node, &b.node) {
        (Node::Inner(a), Node::Inner(b)) => differ_inside(a, b, f),
        _ => merge(Iter::new(core::slice::from_ref(a)), Iter::new(core::slice::from_ref(b)), f),
    }
}

fn differ_inside<'a, R: Record>(
    a: &'a Inner<R>,
    b: &'a Inner<R>,
    f: &mut impl FnMut(Option<&'a R>, Option<&'a R>),
) {
    let mut slot = 0;
    while slot < SLOTS {
        let (x, y) = (a.block(slot), b.block(slot));
        let end = slot + x.width.max(y.width);
        if x.width == y.width {
            differ(&a.children[x.index], &b.children[y.index], f);
        } else {
            // One side has a leaf of at most 32 here, the other more than that.
            let part = |inner: &'a Inner<R>| Iter::new(&inner.children[inner.children_in(slot..end)]);
            merge(part(a), part(b), f);
        }
        slot = end;
    }
}

/// Compares record by record.
fn merge<'a, R: Record>(
    mut a: Iter<'a, R>,
    mut b: Iter<'a, R>,
    f: &mut impl FnMut(Option<&'a R>, Option<&'a R>),
) {
    let (mut left, mut right) = (a.next(), b.next());
    loop {
        let order = match (left, right) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(x), Some(y)) => x.hash().cmp(&y.hash()).then_with(|| x.key().cmp(y.key())),
        };
        match order {
            Ordering::Less => f(left, None),
            Ordering::Greater => f(None, right),
            Ordering::Equal if left != right => f(left, right),
            Ordering::Equal => {}
        }
        if order.is_le() {
            left = a.next();
        }
        if order.is_ge() {
            right = b.next();
        }
    }
}
