//! Suspicions: a deadline that independent confirmations shorten (gossip-wire, section 9.4; the
//! Lifeguard paper's local health aware suspicion).

use alloc::sync::Arc;
use core::time::Duration;

use smallvec::SmallVec;

use crate::config;
use crate::time::Time;

/// A member under suspicion.
#[derive(Clone, Debug)]
pub(crate) struct Suspicion {
    start: Time,
    min: Duration,
    max: Duration,
    /// Confirmations that bring the time-out down to `min`.
    needed: u32,
    /// Who suspects it; the first accuser is no confirmation.
    accusers: SmallVec<[Arc<str>; 4]>,
}

impl Suspicion {
    /// A suspicion raised by `from` in a cluster of `members`.
    pub(crate) fn new(config: &config::Config, members: usize, from: Arc<str>, now: Time) -> Self {
        let (min, max) = bounds(config, members);
        let needed = needed(&config.suspicion, members);
        let mut accusers = SmallVec::new();
        accusers.push(from);
        Suspicion { start: now, min, max, needed, accusers }
    }

    /// Counts an accuser; whether that was news.
    pub(crate) fn confirm(&mut self, from: Arc<str>) -> bool {
        let news = self.would_confirm(&from);
        if news {
            self.accusers.push(from);
        }
        news
    }

    /// Whether an accuser would count.
    pub(crate) fn would_confirm(&self, from: &str) -> bool {
        self.confirmations() < self.needed && !self.accusers.iter().any(|known| **known == *from)
    }

    /// Independent confirmations so far.
    pub(crate) fn confirmations(&self) -> u32 {
        self.accusers.len() as u32 - 1
    }

    /// When the suspect is declared dead.
    pub(crate) fn deadline(&self) -> Time {
        self.start + timeout(self.min, self.max, self.confirmations(), self.needed)
    }
}

/// Confirmations that count: none where too few others could give them.
fn needed(config: &config::Suspicion, members: usize) -> u32 {
    let wanted = config.confirmations.unwrap_or_else(|| (config.mult - 2.0).max(0.0) as u32);
    if (members as u64) < u64::from(wanted) + 2 { 0 } else { wanted }
}

/// The shortest and longest time-out for a cluster's size.
fn bounds(config: &config::Config, members: usize) -> (Duration, Duration) {
    let min = config.suspicion.fixed.unwrap_or_else(|| {
        let scale = libm::log10(members.max(1) as f64).max(1.0);
        let scale = libm::floor(1000.0 * scale) / 1000.0;
        seconds(config.suspicion.mult * scale * config.probe.interval.as_secs_f64())
    });
    (min, seconds(config.suspicion.max_mult * min.as_secs_f64()))
}

/// The time-out after `confirmations`: from `max` down to `min` with their logarithm.
fn timeout(min: Duration, max: Duration, confirmations: u32, needed: u32) -> Duration {
    if needed == 0 {
        return min;
    }
    let fraction = libm::log(f64::from(confirmations) + 1.0) / libm::log(f64::from(needed) + 1.0);
    let raw = max.as_secs_f64() - fraction * (max.as_secs_f64() - min.as_secs_f64());
    Duration::from_millis(libm::floor(1000.0 * raw).max(0.0) as u64).max(min)
}

/// A duration of so many seconds, to the nanosecond, saturating.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn config(make: fn(&str, core::net::SocketAddr) -> Config) -> Config {
        make("a", "127.0.0.1:7946".parse().unwrap())
    }

    /// Time-outs in milliseconds after 0, 1, 2, ... confirmations.
    fn timeouts(config: &Config, members: usize) -> alloc::vec::Vec<u128> {
        let mut suspicion = Suspicion::new(config, members, "first".into(), Time::ZERO);
        let mut seen = alloc::vec![suspicion.deadline().since(Time::ZERO).as_millis()];
        for accuser in ["a", "b", "c", "d", "e", "f"] {
            if suspicion.confirm(accuser.into()) {
                seen.push(suspicion.deadline().since(Time::ZERO).as_millis());
            }
        }
        seen
    }

    #[test]
    fn timeouts_are_those_of_the_original() {
        let lan = config(|n, a| Config::lan(n, a));
        let wan = config(|n, a| Config::wan(n, a));
        let local = config(|n, a| Config::local(n, a));
        assert_eq!(timeouts(&lan, 10), [24_000, 11_381, 4_000]);
        assert_eq!(timeouts(&wan, 10), [180_000, 115_398, 77_609, 50_797, 30_000]);
        assert_eq!(*timeouts(&lan, 50).last().unwrap(), 6_792);
        assert_eq!(*timeouts(&lan, 1000).last().unwrap(), 12_000);
        assert_eq!(*timeouts(&local, 50).last().unwrap(), 5_094);
        assert_eq!(timeouts(&lan, 3), [4_000], "too few others to confirm");
    }

    #[test]
    fn an_accuser_counts_once_and_the_first_not_at_all() {
        let lan = config(|n, a| Config::lan(n, a));
        let mut suspicion = Suspicion::new(&lan, 10, "a".into(), Time::ZERO);
        assert!(!suspicion.confirm("a".into()));
        assert!(suspicion.confirm("b".into()));
        assert!(!suspicion.confirm("b".into()));
        assert_eq!(suspicion.confirmations(), 1);
    }
}
