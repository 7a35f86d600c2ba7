//! The queue of what is to happen: a hierarchical wheel with a sorted front.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Buckets of a level. A bucket of one level covers a whole turn of the level below.
const BUCKETS: usize = 1 << BUCKET_BITS;
const BUCKET_BITS: u32 = 10;
/// Width of a bucket of the lowest level, in nanoseconds and as a shift: 65.5 µs.
const FINE_BITS: u32 = 16;
/// Levels: their turns take 67 ms, 69 s and 20 h.
const LEVELS: usize = 3;

/// Emptied buckets whose memory is kept, and the entries for which one of them has room at most.
const SPARE_MAX: usize = BUCKETS;
const SPARE_ENTRIES_MAX: usize = 256;

/// Something to happen.
#[derive(Clone, Debug)]
struct Entry<T> {
    at: u64,
    /// Decides among entries of the same time.
    order: u64,
    what: T,
}

impl<T> Entry<T> {
    const fn rank(&self) -> (u64, u64) {
        (self.at, self.order)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// One level of the wheel: unsorted buckets, and a bit for each that is not empty.
#[derive(Clone, Debug)]
struct Level<T> {
    buckets: Vec<Vec<Entry<T>>>,
    full: [u64; BUCKETS / 64],
}

impl<T> Level<T> {
    fn new() -> Self {
        Level { buckets: (0..BUCKETS).map(|_| Vec::new()).collect(), full: [0; BUCKETS / 64] }
    }

    fn push(&mut self, bucket: usize, entry: Entry<T>, spare: &mut Vec<Vec<Entry<T>>>) {
        let entries = &mut self.buckets[bucket];
        if entries.capacity() == 0 {
            *entries = spare.pop().unwrap_or_default();
        }
        entries.push(entry);
        self.full[bucket / 64] |= 1 << (bucket % 64);
    }

    fn take(&mut self, bucket: usize) -> Vec<Entry<T>> {
        self.full[bucket / 64] &= !(1 << (bucket % 64));
        std::mem::take(&mut self.buckets[bucket])
    }

    /// The first bucket from `from` on, in this turn, that is not empty.
    fn first(&self, from: usize) -> Option<usize> {
        let mut word = from / 64;
        let mut bits = self.full.get(word)? & (u64::MAX << (from % 64));
        while bits == 0 {
            word += 1;
            bits = *self.full.get(word)?;
        }
        Some(word * 64 + bits.trailing_zeros() as usize)
    }
}

/// Events ordered by time, then by the order in which they were pushed.
///
/// Pushing and popping cost a constant number of moves, whatever is pending: an event lies
/// unsorted in a bucket of the level that tells its time from now, moves down as its time comes
/// near, and is sorted with the few that share its finest bucket. Nothing may be pushed before
/// what was popped last.
///
/// ```
/// let mut queue = tidings_sim::Queue::new();
/// queue.push(20, "late");
/// queue.push(10, "first");
/// queue.push(10, "second");
/// assert_eq!(queue.pop(15), Some((10, "first")));
/// assert_eq!(queue.pop(15), Some((10, "second")));
/// assert_eq!(queue.pop(15), None, "nothing else is due by 15");
/// ```
#[derive(Clone, Debug)]
pub struct Queue<T> {
    levels: [Level<T>; LEVELS],
    /// Later than all levels reach.
    far: BinaryHeap<Reverse<Entry<T>>>,
    /// The finest bucket that is being popped: latest first.
    front: Vec<Entry<T>>,
    /// Memory of buckets that were emptied, for those that fill next.
    spare: Vec<Vec<Entry<T>>>,
    /// What was pushed into that bucket since it was sorted.
    fresh: BinaryHeap<Reverse<Entry<T>>>,
    /// The finest bucket that is being popped, counted from time 0.
    tick: u64,
    pushed: u64,
    len: usize,
    ties: Option<u64>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Queue<T> {
    /// An empty queue at time 0.
    #[must_use]
    pub fn new() -> Self {
        Queue {
            levels: std::array::from_fn(|_| Level::new()),
            far: BinaryHeap::new(),
            front: Vec::new(),
            spare: Vec::new(),
            fresh: BinaryHeap::new(),
            tick: 0,
            pushed: 0,
            len: 0,
            ties: None,
        }
    }

    /// From now on, events of the same time come in an order drawn from `key` rather than in that
    /// in which they were pushed.
    pub const fn shuffle_ties(&mut self, key: u64) {
        self.ties = Some(key);
    }

    /// Number of events pending.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is pending.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Something is to happen at `at` nanoseconds (or now, if that has passed).
    pub fn push(&mut self, at: u64, what: T) {
        let order = match self.ties {
            None => self.pushed,
            // A bijection: no two events get the same place.
            Some(key) => (self.pushed ^ key).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29),
        };
        self.pushed += 1;
        self.len += 1;
        self.place(Entry { at, order, what });
    }

    fn place(&mut self, entry: Entry<T>) {
        let tick = entry.at >> FINE_BITS;
        if tick <= self.tick {
            return self.fresh.push(Reverse(entry));
        }
        // The highest bit in which the two differ tells the level whose turn they share.
        let level = (63 - (tick ^ self.tick).leading_zeros()) / BUCKET_BITS;
        match self.levels.get_mut(level as usize) {
            Some(wheel) => wheel.push(bucket(tick, level), entry, &mut self.spare),
            None => self.far.push(Reverse(entry)),
        }
    }

    /// Takes out the next event if it is due by `until`.
    pub fn pop(&mut self, until: u64) -> Option<(u64, T)> {
        while self.front.is_empty() && self.fresh.is_empty() {
            if !self.advance(until) {
                return None;
            }
        }
        let fresh = self.fresh.peek().map(|Reverse(entry)| entry.rank());
        let front = self.front.last().map(Entry::rank);
        let (next, from_front) = match (front, fresh) {
            (Some(front), Some(fresh)) => (front.min(fresh), front < fresh),
            (Some(front), None) => (front, true),
            (None, fresh) => (fresh?, false),
        };
        if next.0 > until {
            return None;
        }
        let entry = if from_front { self.front.pop()? } else { self.fresh.pop()?.0 };
        self.len -= 1;
        Some((entry.at, entry.what))
    }

    /// Moves on to the next bucket that is not empty and begins by `until`.
    fn advance(&mut self, until: u64) -> bool {
        let until = until >> FINE_BITS;
        for level in 0..LEVELS as u32 {
            let next = bucket(self.tick, level) + 1;
            let Some(found) = self.levels[level as usize].first(next) else { continue };
            let shift = level * BUCKET_BITS;
            let turn = self.tick >> (shift + BUCKET_BITS) << BUCKET_BITS;
            let tick = (turn | found as u64) << shift;
            if tick > until {
                return false;
            }
            self.tick = tick;
            let entries = self.levels[level as usize].take(found);
            self.spread(entries);
            return true;
        }
        let Some(Reverse(first)) = self.far.peek() else { return false };
        let tick = first.at >> FINE_BITS;
        if tick > until {
            return false;
        }
        self.tick = tick;
        let top = LEVELS as u32 * BUCKET_BITS;
        while let Some(Reverse(entry)) = self.far.peek()
            && entry.at >> FINE_BITS >> top == tick >> top
            && let Some(Reverse(entry)) = self.far.pop()
        {
            self.place(entry);
        }
        true
    }

    /// Puts what a bucket held where it belongs now.
    fn spread(&mut self, mut entries: Vec<Entry<T>>) {
        if entries.iter().all(|entry| entry.at >> FINE_BITS == self.tick) {
            entries.sort_unstable_by_key(|entry| Reverse(entry.rank()));
            std::mem::swap(&mut self.front, &mut entries);
        } else {
            for entry in entries.drain(..) {
                self.place(entry);
            }
        }
        if self.spare.len() < SPARE_MAX && entries.capacity() <= SPARE_ENTRIES_MAX {
            self.spare.push(entries);
        }
    }
}

const fn bucket(tick: u64, level: u32) -> usize {
    (tick >> (level * BUCKET_BITS)) as usize & (BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use quickcheck_macros::quickcheck;

    use super::*;

    /// Steps: push after a delay whose size spans all levels, or pop up to some time.
    #[quickcheck]
    fn it_agrees_with_a_binary_heap(steps: Vec<(u8, u32, bool)>) -> bool {
        let mut queue = Queue::new();
        let mut model = BinaryHeap::new();
        let mut now = 0;
        for (number, (size, delay, push)) in steps.into_iter().enumerate() {
            let delay = u64::from(delay) >> (size % 32) << (size % 24);
            if push {
                queue.push(now + delay, number);
                model.push(Reverse((now + delay, number)));
            } else {
                let until = now + delay;
                while let Some(Reverse(next)) = model.peek().copied().filter(|next| next.0.0 <= until) {
                    model.pop();
                    if queue.pop(until) != Some(next) {
                        return false;
                    }
                }
                if queue.pop(until).is_some() || queue.len() != model.len() {
                    return false;
                }
                now = until;
            }
        }
        let rest = std::iter::from_fn(|| queue.pop(u64::MAX)).collect::<Vec<_>>();
        let expected: Vec<_> = std::iter::from_fn(|| model.pop().map(|Reverse(next)| next)).collect();
        rest == expected && queue.is_empty()
    }

    #[test]
    fn shuffled_ties_lose_nothing_and_keep_time() {
        let mut queue = Queue::new();
        queue.shuffle_ties(42);
        for number in 0..1000u64 {
            queue.push(number / 10, number);
        }
        let popped: Vec<_> = std::iter::from_fn(|| queue.pop(u64::MAX)).collect();
        assert!(popped.is_sorted_by_key(|(at, _)| *at));
        assert!(popped.iter().all(|(at, number)| number / 10 == *at));
        assert!(!popped.is_sorted(), "the order of ties changed");
        assert_eq!(popped.len(), 1000);
    }

    #[test]
    fn what_is_pushed_for_the_past_comes_next() {
        let mut queue = Queue::new();
        queue.push(1 << 40, "late");
        assert_eq!(queue.pop(1 << 40), Some((1 << 40, "late")));
        queue.push(5, "in the past");
        assert_eq!(queue.pop(1 << 40), Some((5, "in the past")));
    }
}
