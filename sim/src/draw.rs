//! Random numbers that depend on what they are for, and on nothing else.

use std::time::Duration;

/// What a stream of numbers is drawn for. Streams of different purposes have nothing in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u64)]
pub enum Purpose {
    /// The seed of a node, by host and life.
    Node = 1,
    /// How long a message takes, by sender.
    Latency = 2,
    /// A fault's own choices, by fault.
    Fault = 3,
    /// The work given to the cluster, by piece of work.
    Work = 4,
    /// The making of a random script.
    Script = 5,
    /// The order of events that carry the same time.
    Ties = 6,
    /// The order in which views are hashed.
    Views = 7,
    /// Whose settings are others.
    Settings = 8,
    /// How probes of services fare, by host.
    Checks = 9,
}

/// A stream of numbers made from a seed, a purpose and an index (splitmix64).
///
/// The n-th number is a function of these and n alone: [`Draw::nth`] gives it without drawing the
/// others. So a fault decides about the n-th packet of a sender in the same way whatever other
/// faults there are.
///
/// ```
/// use tidings_sim::{Draw, Purpose};
///
/// let mut stream = Draw::of(7, Purpose::Work, 0);
/// let same = stream.clone();
/// assert_eq!((stream.u64(), stream.u64()), (same.nth(0), same.nth(1)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    key: u64,
    drawn: u64,
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

const fn scramble(z: u64) -> u64 {
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

impl Draw {
    /// The stream of this seed for the `index`-th thing of this purpose.
    #[must_use]
    pub const fn of(seed: u64, purpose: Purpose, index: u64) -> Self {
        let key = scramble(seed.wrapping_add(GOLDEN));
        let key = scramble(key ^ (purpose as u64).wrapping_mul(GOLDEN));
        Draw { key: scramble(key ^ index.wrapping_mul(0xd6e8_feb8_6659_fd93)), drawn: 0 }
    }

    /// A stream of its own for one part of what this stream is for.
    #[must_use]
    pub const fn part(&self, index: u64) -> Self {
        Draw { key: scramble(self.key ^ index.wrapping_add(1).wrapping_mul(0xd6e8_feb8_6659_fd93)), drawn: 0 }
    }

    /// The `n`-th number of the stream, drawn or not.
    #[must_use]
    pub const fn nth(&self, n: u64) -> u64 {
        scramble(self.key.wrapping_add(n.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// The next number.
    pub const fn u64(&mut self) -> u64 {
        let number = self.nth(self.drawn);
        self.drawn += 1;
        number
    }

    /// Uniform in `0..n`; 0 when `n` is 0. The bias is below `n / 2^64`.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.u64()) * u128::from(n)) >> 64) as u64
    }

    /// An index into something of length `n`.
    pub fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        unit(self.u64())
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform between two durations.
    pub fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let (low, high) = (low.as_nanos() as u64, high.as_nanos() as u64);
        Duration::from_nanos(low + self.below(high.saturating_sub(low) + 1))
    }

    /// Puts a slice in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }

    /// `count` different numbers of `0..n` in random order, or all if there are fewer.
    pub fn choose(&mut self, n: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        self.shuffle(&mut all);
        all.truncate(count);
        all
    }

    /// A seed for a node.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for part in seed.chunks_exact_mut(8) {
            part.copy_from_slice(&self.u64().to_le_bytes());
        }
        seed
    }
}

/// A number as a fraction in `[0, 1)`, 53 bits fine.
#[must_use]
pub(crate) fn unit(number: u64) -> f64 {
    (number >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_different_purposes_and_indices_differ() {
        let mut firsts: Vec<u64> = (0..100)
            .flat_map(|index| {
                [Purpose::Node, Purpose::Latency, Purpose::Fault]
                    .map(|purpose| Draw::of(1, purpose, index).u64())
            })
            .collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 300);
    }

    #[test]
    fn numbers_are_uniform() {
        let mut draw = Draw::of(3, Purpose::Work, 0);
        let mut counts = [0u32; 10];
        for _ in 0..100_000 {
            counts[draw.index(10)] += 1;
        }
        // Chi-square with 9 degrees of freedom: 27.9 is exceeded once in a thousand times.
        let chi: f64 = counts.iter().map(|c| (f64::from(*c) - 1e4).powi(2) / 1e4).sum();
        assert!(chi < 27.9, "{counts:?}");
        let mean: f64 = (0..100_000).map(|_| draw.unit()).sum::<f64>() / 1e5;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
    }

    #[test]
    fn a_choice_has_no_one_twice() {
        let mut chosen = Draw::of(1, Purpose::Fault, 9).choose(20, 12);
        assert_eq!(chosen.len(), 12);
        chosen.sort_unstable();
        chosen.dedup();
        assert_eq!(chosen.len(), 12);
        assert_eq!(Draw::of(1, Purpose::Fault, 9).choose(3, 12).len(), 3);
    }
}
