//! Lamport clocks (serf-wire, section 4).

use core::fmt;

/// A moment on one of the cluster's logical clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LamportTime(pub u64);

impl fmt::Display for LamportTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A logical clock: never goes back, whatever it witnesses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LamportClock(u64);

impl LamportClock {
    /// The current time.
    #[must_use]
    pub const fn now(self) -> LamportTime {
        LamportTime(self.0)
    }

    /// Moves one step on and returns the new time. Stops at the end of its range.
    pub const fn increment(&mut self) -> LamportTime {
        self.0 = self.0.saturating_add(1);
        LamportTime(self.0)
    }

    /// Having seen `time`, the clock stands behind it (or at the end of its range).
    pub const fn witness(&mut self, time: LamportTime) {
        if time.0 >= self.0 {
            self.0 = time.0.saturating_add(1);
        }
    }
}
