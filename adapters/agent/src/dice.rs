//! The order of answers over DNS and of prepared queries: spread, not secret.

use std::sync::atomic::{AtomicU64, Ordering};

/// The step of the sequence: odd, and no pattern in its bits.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A source of numbers (SplitMix64) that many may draw from at once.
#[derive(Debug)]
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Dice {
        Dice(AtomicU64::new(seed))
    }

    /// With a seed of the system's.
    ///
    /// # Errors
    /// It has none to give.
    pub(crate) fn seeded() -> Result<Dice, getrandom::Error> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed)?;
        Ok(Dice::new(u64::from_le_bytes(seed)))
    }

    fn draw(&self) -> u64 {
        let mut bits = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// Puts a list into an order, each as likely as any other.
    pub(crate) fn shuffle<T>(&self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let place = (u128::from(self.draw()) * (last as u128 + 1)) >> 64;
            list.swap(last, place as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_comes_up_about_as_often() {
        let dice = Dice::new(1);
        let mut seen = std::collections::BTreeMap::<[u8; 3], u32>::new();
        for _ in 0..6000 {
            let mut list = [0, 1, 2];
            dice.shuffle(&mut list);
            *seen.entry(list).or_default() += 1;
        }
        assert_eq!(seen.len(), 6);
        assert!(seen.values().all(|count| (850..1150).contains(count)), "{seen:?}");
    }
}
