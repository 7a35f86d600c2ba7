//! What was lately: a table that forgets what has not been put for a while.

use std::hash::Hash;
use std::time::Duration;

use tidings_core::Time;

use crate::hash::FastMap;

/// What is older is long over: a packet on its way, a probe and all who help with it.
const KEPT: Duration = Duration::from_secs(60);
/// A table of fewer entries is not looked through for what is old.
const FEW: usize = 4096;

/// Values by key, each with the time at which it was put last.
#[derive(Clone, Debug)]
pub(super) struct Recent<K, V = ()> {
    entries: FastMap<K, (Time, V)>,
    /// When it has grown to this, what is old goes.
    most: usize,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Recent { entries: FastMap::default(), most: FEW }
    }
}

impl<K: Hash + Eq, V: Default> Recent<K, V> {
    /// Puts an entry, or renews the time of the one that is there. Looking through the table costs
    /// each entry that was put about as much as putting it.
    pub(super) fn put(&mut self, key: K, now: Time) {
        if self.entries.len() >= self.most {
            self.entries.retain(|_, (at, _)| now.since(*at) < KEPT);
            self.most = FEW.max(2 * self.entries.len());
        }
        self.entries.entry(key).or_insert_with(|| (now, V::default())).0 = now;
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_what_is_old_and_nothing_else() {
        let at = |seconds: u64| Time::ZERO + Duration::from_secs(seconds);
        let mut recent: Recent<u64> = Recent::default();
        for key in 0..FEW as u64 - 1 {
            recent.put(key, at(key % 2 * 50));
        }
        recent.put(0, at(50));
        recent.put(FEW as u64 - 1, at(50));
        recent.put(u64::MAX, at(70));
        assert!(recent.contains(&0), "it was put again");
        assert!(recent.contains(&1) && recent.contains(&u64::MAX));
        assert!(!recent.contains(&2), "70 s old");
        assert_eq!(recent.entries.len(), FEW / 2 + 2);
        for key in 0..FEW as u64 {
            recent.put(FEW as u64 + key, at(71));
        }
        assert_eq!(recent.entries.len(), FEW * 3 / 2 + 2, "it grows with what is recent");
    }
}
