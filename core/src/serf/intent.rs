//! Join and leave intents that arrive before the member they are about (serf-wire, section 5.4).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::time::Duration;

use crate::serf::clock::LamportTime;
use crate::time::Time;

/// What a member was said to intend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentKind {
    /// To be a member.
    Join,
    /// To leave.
    Leave,
}

/// An intent about a member that is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Join or leave.
    pub kind: IntentKind,
    /// When it was announced, on the member clock.
    pub ltime: LamportTime,
    /// When it arrived here.
    pub received: Time,
}

/// The newest intent about each unknown name, as many names as configured. Takes no memory while
/// it is empty.
///
/// `by_age` holds exactly one entry for each intent in `by_name`, so the oldest is found without
/// a search.
#[derive(Clone, Debug, Default)]
pub struct RecentIntents {
    by_name: BTreeMap<Arc<str>, Intent>,
    by_age: BTreeSet<(Time, Arc<str>)>,
}

impl RecentIntents {
    /// No intents.
    #[must_use]
    pub const fn new() -> Self {
        RecentIntents { by_name: BTreeMap::new(), by_age: BTreeSet::new() }
    }

    /// Remembers an intent unless one with the same or a greater time is known. At `max` names the
    /// one heard of longest ago is forgotten.
    ///
    /// Returns whether it was remembered, which is when it is to be passed on.
    pub fn record(&mut self, max: usize, name: &str, intent: Intent) -> bool {
        if !intent.ltime.is_credible() || max == 0 {
            return false;
        }
        if let Some((key, known)) = self.by_name.get_key_value(name) {
            if intent.ltime <= known.ltime {
                return false;
            }
            let key = key.clone();
            self.by_age.remove(&(known.received, key.clone()));
            self.put(key, intent);
            return true;
        }
        while self.by_name.len() >= max {
            let Some((_, oldest)) = self.by_age.pop_first() else { break };
            self.by_name.remove(&oldest);
        }
        self.put(name.into(), intent);
        true
    }

    /// The intent about a name. It stays known until it expires, as in the original, so that it
    /// also counts when its member is forgotten and appears again.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Intent> {
        self.by_name.get(name).copied()
    }

    /// Forgets all intents received `timeout` or longer ago.
    pub fn expire(&mut self, now: Time, timeout: Duration) {
        while self.by_age.first().is_some_and(|(received, _)| *received + timeout <= now) {
            if let Some((_, name)) = self.by_age.pop_first() {
                self.by_name.remove(&name);
            }
        }
        if self.is_empty() {
            // An emptied tree keeps a node of memory, a new one has none.
            *self = Self::new();
        }
    }

    /// When the oldest of them arrived.
    #[must_use]
    pub fn oldest(&self) -> Option<Time> {
        self.by_age.first().map(|(received, _)| *received)
    }

    /// Number of names with an intent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    fn put(&mut self, name: Arc<str>, intent: Intent) {
        self.by_age.insert((intent.received, name.clone()));
        self.by_name.insert(name, intent);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::string::String;
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::{Duration, Intent, IntentKind, LamportTime, RecentIntents, Time};

    fn join(ltime: u64, second: u64) -> Intent {
        Intent {
            kind: IntentKind::Join,
            ltime: LamportTime(ltime),
            received: Time::ZERO + Duration::from_secs(second),
        }
    }

    fn leave(ltime: u64, second: u64) -> Intent {
        Intent { kind: IntentKind::Leave, ..join(ltime, second) }
    }

    #[test]
    fn the_greater_time_wins_and_the_first_wins_a_tie() {
        for (first, second, wins) in [
            (join(3, 0), leave(4, 1), true),
            (leave(3, 0), join(4, 1), true),
            (join(3, 0), leave(3, 1), false),
            (join(3, 0), leave(2, 1), false),
        ] {
            let mut intents = RecentIntents::new();
            assert!(intents.record(8, "a", first));
            assert_eq!(intents.record(8, "a", second), wins);
            assert_eq!(intents.get("a"), Some(if wins { second } else { first }));
            assert_eq!(intents.len(), 1);
        }
    }

    #[test]
    fn a_full_table_forgets_what_it_heard_longest_ago() {
        let mut intents = RecentIntents::new();
        for (name, second) in [("b", 1), ("a", 2), ("c", 3)] {
            intents.record(3, name, join(1, second));
        }
        intents.record(3, "b", join(2, 4));
        intents.record(3, "d", join(1, 5));
        assert_eq!(intents.get("a"), None);
        assert!(intents.get("b").is_some() && intents.get("c").is_some() && intents.get("d").is_some());
    }

    #[test]
    fn intents_expire_with_their_time() {
        let mut intents = RecentIntents::new();
        intents.record(8, "old", join(1, 0));
        intents.record(8, "new", leave(2, 10));
        let timeout = Duration::from_secs(300);
        intents.expire(Time::ZERO + Duration::from_secs(299), timeout);
        assert_eq!(intents.len(), 2);
        intents.expire(Time::ZERO + Duration::from_secs(300), timeout);
        assert_eq!(intents.get("old"), None);
        assert_eq!(intents.get("new"), Some(leave(2, 10)));
    }

    #[test]
    fn an_incredible_time_is_not_remembered() {
        let mut intents = RecentIntents::new();
        assert!(!intents.record(8, "a", leave(u64::MAX, 0)));
        assert!(intents.is_empty());
    }

    #[quickcheck]
    fn it_agrees_with_a_plain_map_and_keeps_its_bound(steps: Vec<(u8, u8, bool)>) -> bool {
        let mut intents = RecentIntents::new();
        let mut model: BTreeMap<String, Intent> = BTreeMap::new();
        steps.into_iter().enumerate().all(|(second, (name, ltime, expire))| {
            let second = second as u64;
            if expire {
                let timeout = Duration::from_secs(5);
                intents.expire(Time::ZERO + Duration::from_secs(second), timeout);
                model.retain(|_, i| i.received + timeout > Time::ZERO + Duration::from_secs(second));
            }
            let name = std::format!("{}", name % 7);
            let intent = leave(u64::from(ltime), second);
            let newer = model.get(&name).is_none_or(|known| known.ltime < intent.ltime);
            if newer {
                if !model.contains_key(&name) && model.len() == 4 {
                    let oldest = model.iter().min_by_key(|(_, i)| i.received).map(|(n, _)| n.clone());
                    model.remove(&oldest.unwrap_or_default());
                }
                model.insert(name.clone(), intent);
            }
            intents.record(4, &name, intent) == newer
                && intents.len() == model.len()
                && intents.by_age.len() == model.len()
                && model.iter().all(|(n, i)| intents.get(n) == Some(*i))
        })
    }
}
