//! Lamport clocks (serf-wire, section 4).

use core::fmt;

/// A moment on one of the cluster's logical clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LamportTime(pub u64);

impl LamportTime {
    /// The latest time that is believed whatever the own clock shows: half of the range. No cluster
    /// counts that far (a million steps a second take 292,000 years), so a later one is an error, an
    /// attack, or comes from a clock that an attack has moved.
    pub const LAST_AT_ONCE: LamportTime = LamportTime(1 << 63);

    /// The latest time that is ever believed: three quarters of the range. Clocks that were moved to
    /// [`LamportTime::LAST_AT_ONCE`] count on from there, and never get here.
    ///
    /// A message with a later time must be refused as a whole. Believed, it would wedge what it
    /// touches: nothing can be newer than the end of the range, so a member could never refute a
    /// leave, and the original's clock would even wrap to zero.
    pub const LAST_CREDIBLE: LamportTime = LamportTime(3 << 62);

    /// Whether anybody may ever believe this time; see [`LamportTime::LAST_CREDIBLE`].
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

/// Beyond [`LamportTime::LAST_AT_ONCE`] a clock is moved on by no more than this at once, unless it
/// has refused later times before.
const STEP_MAX: u64 = 1 << 16;

/// A logical clock: never goes back, whatever it witnesses, and never runs out: what it witnesses
/// leaves it a quarter of its range to count on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LamportClock {
    now: u64,
    /// What it has refused lets it believe times up to here.
    reach: u64,
}

impl LamportClock {
    /// The current time.
    #[must_use]
    pub const fn now(self) -> LamportTime {
        LamportTime(self.now)
    }

    /// Moves one step on and returns the new time.
    pub const fn increment(&mut self) -> LamportTime {
        self.now = self.now.saturating_add(1);
        LamportTime(self.now)
    }

    /// Having seen `time`, the clock stands behind it. Returns whether it does; if not, whatever
    /// carries the time must be refused.
    ///
    /// Any time up to [`LamportTime::LAST_AT_ONCE`] is believed, and beyond it one that is not far
    /// ahead of the clock. A credible one farther ahead moves nothing, but widens what is believed
    /// next: if the others' clocks really show this, because of a message that was missed here or was
    /// before this clock's time, then what they say next is believed. What is refused is not passed
    /// on, so a clock that followed it would stand alone, and what all others say would be too old
    /// for it. So no message, forged or not, parts those who heard it from those who did not. Times
    /// that are not [credible](LamportTime::is_credible) do not even widen anything.
    pub const fn witness(&mut self, time: LamportTime) -> bool {
        if time.0 < self.now {
            return true;
        }
        if !time.is_credible() {
            return false;
        }
        let reach = self.believes_up_to();
        if time.0 > reach {
            self.reach = reach.saturating_add(STEP_MAX);
            return false;
        }
        self.now = time.0 + 1;
        true
    }

    const fn believes_up_to(self) -> u64 {
        let step = self.now.saturating_add(STEP_MAX);
        let reach = if step > self.reach { step } else { self.reach };
        if reach > LamportTime::LAST_AT_ONCE.0 { reach } else { LamportTime::LAST_AT_ONCE.0 }
    }

    /// Stands behind a time that this clock itself showed in an earlier life, however late it is.
    pub const fn resume(&mut self, time: LamportTime) {
        if time.0 >= self.now && time.is_credible() {
            self.now = time.0 + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::{LamportClock, LamportTime};

    const HALF: u64 = 1 << 63;
    const LAST: u64 = 3 << 62;
    const STEP: u64 = 1 << 16;

    fn at(now: u64) -> LamportClock {
        LamportClock { now, ..LamportClock::default() }
    }

    #[test]
    fn a_clock_stands_behind_what_it_has_seen() {
        for (start, seen, after) in [(0, 0, 1), (1, 0, 1), (1, 1, 2), (5, 4, 5), (5, 5, 6), (5, 9, 10)] {
            let mut clock = at(start);
            clock.witness(LamportTime(seen));
            assert_eq!(clock.now(), LamportTime(after), "{start} sees {seen}");
        }
    }

    #[test]
    fn the_first_time_of_a_fresh_clock_is_one() {
        assert_eq!(LamportClock::default().increment(), LamportTime(1));
    }

    #[test]
    fn how_far_a_clock_follows_at_once() {
        for (start, seen, believed, after) in [
            (7, HALF - 1, true, HALF),
            (7, HALF, true, HALF + 1),
            (7, HALF + 1, false, 7),
            (7, LAST, false, 7),
            (7, LAST + 1, false, 7),
            (7, u64::MAX, false, 7),
            (HALF - 1, HALF + STEP - 1, true, HALF + STEP),
            (HALF, HALF + 1, true, HALF + 2),
            (HALF + 1, HALF + 1 + STEP, true, HALF + 2 + STEP),
            (HALF + 1, HALF + 2 + STEP, false, HALF + 1),
            (HALF + 1, HALF - 5, true, HALF + 1),
            (HALF + 1, LAST, false, HALF + 1),
            (HALF + 1, LAST + 1, false, HALF + 1),
            (LAST, LAST, true, LAST + 1),
            (LAST + 2, LAST + 1, true, LAST + 2),
            (LAST + 1, LAST + 1, false, LAST + 1),
        ] {
            let mut clock = at(start);
            assert_eq!(clock.witness(LamportTime(seen)), believed, "{start} sees {seen}");
            assert_eq!(clock.now(), LamportTime(after), "{start} sees {seen}");
        }
    }

    #[test]
    fn what_it_has_refused_lets_a_clock_believe_more() {
        let mut clock = at(7);
        for (seen, believed, after) in [
            (HALF + STEP + 1, false, 7),
            (HALF + STEP + 1, false, 7),
            (u64::MAX, false, 7),
            (HALF + 2 * STEP + 1, false, 7),
            (9, true, 10),
            (HALF + STEP + 1, true, HALF + STEP + 2),
            (HALF + 3 * STEP + 1, false, HALF + STEP + 2),
            (HALF + 3 * STEP + 1, true, HALF + 3 * STEP + 2),
        ] {
            assert_eq!(clock.witness(LamportTime(seen)), believed, "sees {seen}");
            assert_eq!(clock.now(), LamportTime(after), "sees {seen}");
        }
    }

    /// Whatever is refused is not passed on, so it must not make what others say too old.
    #[quickcheck]
    fn what_is_refused_moves_nothing(start: u64, seen: Vec<u64>) -> bool {
        let near = [start, HALF, HALF + STEP, LAST, u64::MAX];
        let times =
            seen.into_iter().flat_map(|seen| near.map(|near| near.wrapping_add(seen % 5).wrapping_sub(2)));
        let mut clock = at(start.min(LAST));
        times.into_iter().all(|time| {
            let before = clock.now();
            clock.witness(LamportTime(time)) || clock.now() == before
        })
    }

    /// Whatever one forged message does to those who hear it, the others believe what these say
    /// next, if not at once then the second time.
    #[quickcheck]
    fn no_message_parts_those_who_heard_it_from_those_who_did_not(honest: u32, forged: u64) -> bool {
        let near = [1 << 63, 3 << 62, u64::MAX].map(|end: u64| end - 2 + forged % 4 % 3);
        [forged].into_iter().chain(near).all(|forged| {
            let mut heard = at(honest.into());
            heard.witness(LamportTime(forged));
            [0, u64::from(honest)].into_iter().all(|start| {
                let mut missed = at(start);
                missed.witness(heard.increment());
                missed.witness(heard.increment())
            })
        })
    }

    #[test]
    fn a_clock_goes_on_where_its_earlier_life_ended() {
        for (recorded, after) in [(0, 1), (5, 6), ((1 << 63) + 9, (1 << 63) + 10), (u64::MAX, 0)] {
            let mut clock = LamportClock::default();
            clock.resume(LamportTime(recorded));
            assert_eq!(clock.now(), LamportTime(after), "recorded: {recorded}");
        }
    }

    #[test]
    fn the_end_of_the_range_is_followed_by_itself() {
        assert_eq!(LamportTime(u64::MAX).next(), LamportTime(u64::MAX));
        let mut clock = at(u64::MAX);
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
