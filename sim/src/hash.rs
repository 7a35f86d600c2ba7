//! A fast hash for tables that are looked up at every event and hold nothing an enemy chose.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table by this hash.
pub(crate) type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<FastHasher>>;

/// Multiplies and folds each word.
#[derive(Clone, Copy, Debug, Default)]
pub struct FastHasher(u64);

impl FastHasher {
    const fn word(&mut self, word: u64) {
        let product = (self.0 ^ word ^ 0x243f_6a88_85a3_08d3) as u128 * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

impl Hasher for FastHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.word(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.word(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.word(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.word(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.word(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, Hash};

    use super::*;

    /// Of 65,536 places, 10,000 balls thrown at random hit 9,300.
    fn spreads<T: Hash>(key: impl Fn(usize) -> T) {
        let hasher = BuildHasherDefault::<FastHasher>::default();
        for shift in [0, 24, 48] {
            let places: HashSet<u64> =
                (0..10_000).map(|n| hasher.hash_one(key(n)) >> shift & 0xffff).collect();
            assert!(places.len() > 9_000, "{} at {shift}", places.len());
        }
    }

    #[test]
    fn neighbours_are_spread_over_the_table() {
        spreads(crate::address);
        spreads(|n| format!("n{n}"));
        spreads(|n| n as u64);
    }
}
