//! Lamport clocks (serf-wire, section 4).

use core::fmt;

/// A moment on one of the cluster's logical clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LamportTime(pub u64);

impl LamportTime {
    /// The latest time anybody is believed: half of the range. No cluster counts that far (a
    /// million steps a second take 292,000 years), so a later one is an error or an attack.
    ///
    /// A message with such a time must be refused as a whole. Believed, it would wedge what it
    /// touches: nothing can be newer than the end of the range, so a member could never refute a
    /// leave, and the original's clock would even wrap to zero.
    pub const LAST_CREDIBLE: LamportTime = LamportTime(1 << 63);

    /// Whether a cluster can have counted to this time; see [`LamportTime::LAST_CREDIBLE`].
    #[must_use]
    pub const fn is_credible(self) -> bool {
        self.0 <= Self::LAST_CREDIBLE.0
    }

    /// The time one step later; the end of the range is followed by itself.
    #[must_use]
    pub const fn next(self) -> LamportTime {
        LamportTime(self.0.saturating_add(1))
    }
}

impl fmt::Display for LamportTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A logical clock: never goes back, whatever it witnesses, and never runs out: what it witnesses
/// leaves it half of its range to count on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LamportClock(u64);

impl LamportClock {
    /// The current time.
    #[must_use]
    pub const fn now(self) -> LamportTime {
        LamportTime(self.0)
    }

    /// Moves one step on and returns the new time.
    pub const fn increment(&mut self) -> LamportTime {
        self.0 = self.0.saturating_add(1);
        LamportTime(self.0)
    }

    /// Having seen `time`, the clock stands behind it. Times that are not
    /// [credible](LamportTime::is_credible) do not move it.
    pub const fn witness(&mut self, time: LamportTime) {
        if time.0 >= self.0 && time.is_credible() {
            self.0 = time.0 + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::{LamportClock, LamportTime};

    #[test]
    fn a_clock_stands_behind_what_it_has_seen() {
        for (start, seen, after) in [(0, 0, 1), (1, 0, 1), (1, 1, 2), (5, 4, 5), (5, 5, 6), (5, 9, 10)] {
            let mut clock = LamportClock(start);
            clock.witness(LamportTime(seen));
            assert_eq!(clock.now(), LamportTime(after), "{start} sees {seen}");
        }
    }

    #[test]
    fn the_first_time_of_a_fresh_clock_is_one() {
        assert_eq!(LamportClock::default().increment(), LamportTime(1));
    }

    #[test]
    fn a_time_at_the_end_of_the_range_does_not_stop_the_clock() {
        let mut clock = LamportClock(7);
        clock.witness(LamportTime(u64::MAX));
        clock.witness(LamportTime(LamportTime::LAST_CREDIBLE.0 + 1));
        assert_eq!(clock.now(), LamportTime(7));
        clock.witness(LamportTime::LAST_CREDIBLE);
        let now = clock.now();
        assert!(now > LamportTime::LAST_CREDIBLE);
        assert!(clock.increment() > now);
    }

    #[test]
    fn the_end_of_the_range_is_followed_by_itself() {
        assert_eq!(LamportTime(u64::MAX).next(), LamportTime(u64::MAX));
        let mut clock = LamportClock(u64::MAX);
        assert_eq!(clock.increment(), LamportTime(u64::MAX));
        clock.witness(LamportTime(u64::MAX));
        assert_eq!(clock.now(), LamportTime(u64::MAX));
    }

    #[quickcheck]
    fn a_clock_never_goes_back_and_always_has_a_next_time(seen: Vec<(u64, bool)>) -> bool {
        let mut clock = LamportClock::default();
        seen.into_iter().all(|(time, step)| {
            let before = clock.now();
            if step {
                clock.increment();
            } else {
                clock.witness(LamportTime(time));
            }
            let next = { clock }.increment();
            clock.now() >= before && next > clock.now()
        })
    }
}
