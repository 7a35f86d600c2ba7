//! What the event loop asks of a host at every event, packed densely: of ten thousand machines it
//! stays in the processor's cache when the machines themselves do not.

use std::net::SocketAddr;

use tidings_core::Time;

/// A host at a glance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glance {
    /// Where its packets come from.
    pub(crate) addr: SocketAddr,
    /// When a wake-up of the host is queued that counts; all others are ignored.
    /// [`Time::MAX`]: none.
    armed: Time,
    /// When the host wants to be woken, not before `armed`. [`Time::MAX`]: not at all.
    due: Time,
}

/// What becomes of a queued wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// Another one took its place.
    Void,
    /// What it was for has been done. The host is woken at this time instead.
    Later(Time),
    /// The host has something to do.
    Now,
}

impl Glance {
    pub(crate) const fn new(addr: SocketAddr) -> Self {
        Glance { addr, armed: Time::MAX, due: Time::MAX }
    }

    /// The host wants to be woken at `due`; returns whether a wake-up must be queued for that.
    pub(crate) fn want(&mut self, due: Time) -> bool {
        self.due = due;
        let sooner = due < self.armed;
        self.armed = self.armed.min(due);
        sooner
    }

    /// No wake-up that is queued counts any more.
    pub(crate) const fn disarm(&mut self) {
        (self.armed, self.due) = (Time::MAX, Time::MAX);
    }

    /// The wake-up queued for `at` has come.
    pub(crate) fn wake(&mut self, at: Time) -> Wake {
        if self.armed != at {
            return Wake::Void;
        }
        if self.due > at && self.due != Time::MAX {
            self.armed = self.due;
            return Wake::Later(self.due);
        }
        self.disarm();
        Wake::Now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_wake_ups_one_counts_and_it_comes_when_it_is_wanted() {
        let at = Time::from_nanos;
        let mut host = Glance::new(crate::address(0));
        assert_eq!(host.wake(at(5)), Wake::Void);
        assert!(host.want(at(50)));
        assert!(host.want(at(30)), "sooner");
        assert!(!host.want(at(80)), "one is queued before that");
        assert_eq!(host.wake(at(30)), Wake::Later(at(80)));
        assert_eq!(host.wake(at(50)), Wake::Void);
        assert_eq!(host.wake(at(80)), Wake::Now);
        assert_eq!(host.wake(at(80)), Wake::Void, "once");
        assert!(host.want(at(90)));
        host.disarm();
        assert_eq!(host.wake(at(90)), Wake::Void);
    }
}
