//! A host's own idea of time.

use std::time::Duration;

use tidings_core::Time;

/// A clock that never goes back but may be ahead, run at its own rate, or stand still.
///
/// The process of a host sees only this clock; the world sees only its own time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// A moment of the world, and what the clock showed then.
    since: Time,
    shown: Time,
    /// Parts per million that it is fast (or, negative, slow).
    drift_ppm: i64,
    /// Timers fire only at whole multiples of this (by the world's time); zero: exactly.
    grain: Duration,
    stopped: bool,
}

/// No clock is worse than this: half or one and a half times the true rate.
const DRIFT_MAX: i64 = 500_000;
const MILLION: i128 = 1_000_000;

impl Default for Clock {
    fn default() -> Self {
        Clock { since: Time::ZERO, shown: Time::ZERO, drift_ppm: 0, grain: Duration::ZERO, stopped: false }
    }
}

impl Clock {
    /// What it shows at a moment of the world.
    #[must_use]
    pub fn local(&self, now: Time) -> Time {
        if self.stopped {
            return self.shown;
        }
        let passed = now.since(self.since);
        if self.drift_ppm == 0 {
            return self.shown + passed;
        }
        let passed = passed.as_nanos() as i128 * (MILLION + i128::from(self.drift_ppm)) / MILLION;
        self.shown + Duration::from_nanos(passed as u64)
    }

    /// When, in the world, it will show `local` and timers set for that moment fire; `None`: it
    /// stands still.
    #[must_use]
    pub fn world(&self, local: Time) -> Option<Time> {
        if self.stopped {
            return None;
        }
        let ahead = local.since(self.shown);
        let ahead = if self.drift_ppm == 0 {
            ahead
        } else {
            let rate = MILLION + i128::from(self.drift_ppm);
            let nanos = (ahead.as_nanos() as i128 * MILLION + rate - 1) / rate;
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let at = self.since + ahead;
        let grain = self.grain.as_nanos() as u64;
        if grain == 0 {
            return Some(at);
        }
        Some(Time::from_nanos(at.as_nanos().div_ceil(grain).saturating_mul(grain)))
    }

    /// Goes forward by a jump.
    pub fn jump(&mut self, now: Time, by: Duration) {
        self.settle(now);
        self.shown += by;
    }

    /// Runs faster (or, negative, slower) from now on.
    pub fn drift(&mut self, now: Time, ppm: i64) {
        self.settle(now);
        self.drift_ppm = ppm.clamp(-DRIFT_MAX, DRIFT_MAX);
    }

    /// Timers fire only at whole multiples of `grain` from now on.
    pub const fn coarsen(&mut self, grain: Duration) {
        self.grain = grain;
    }

    /// Stands still from now on, or goes on.
    pub fn stop(&mut self, now: Time, stopped: bool) {
        self.settle(now);
        self.stopped = stopped;
    }

    fn settle(&mut self, now: Time) {
        self.shown = self.local(now);
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use quickcheck_macros::quickcheck;

    use super::*;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    #[quickcheck]
    fn a_timer_fires_when_its_time_has_come_and_not_before(drift: i32, from: u32, ahead: u32) -> bool {
        let mut clock = Clock::default();
        clock.drift(at(u64::from(from)), i64::from(drift));
        let deadline = clock.local(at(u64::from(from))) + Duration::from_nanos(u64::from(ahead));
        let fires = clock.world(deadline).unwrap();
        let early = at(fires.as_nanos().saturating_sub(3));
        clock.local(fires) >= deadline
            && (ahead == 0 || clock.local(early) < deadline || early < at(from.into()))
    }

    #[test]
    fn it_drifts_jumps_and_stands_still() {
        let mut clock = Clock::default();
        clock.drift(at(1000), 100_000);
        assert_eq!(clock.local(at(2000)), at(2100));
        clock.jump(at(2000), Duration::from_nanos(50));
        assert_eq!(clock.local(at(3000)), at(3250));
        clock.stop(at(3000), true);
        assert_eq!(clock.local(at(9000)), at(3250));
        assert_eq!(clock.world(at(4000)), None);
        clock.stop(at(9000), false);
        assert_eq!(clock.local(at(9010)), at(3261));
    }

    #[test]
    fn coarse_timers_fire_late() {
        let mut clock = Clock::default();
        clock.coarsen(Duration::from_nanos(100));
        assert_eq!(clock.world(at(1)), Some(at(100)));
        assert_eq!(clock.world(at(100)), Some(at(100)));
    }
}
