//! The estimate that the original publishes for its own convergence (papers, section 3.2).

use std::time::Duration;

/// Rounds after which the page stops.
const ROUNDS_MAX: u32 = 100;
/// The share at which it stops.
const ENOUGH: f64 = 0.9999;

/// What the estimate depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Members.
    pub members: usize,
    /// Others told in each round.
    pub fanout: usize,
    /// Length of a round.
    pub interval: Duration,
    /// Share of the packets lost, 0 to 1.
    pub loss: f64,
    /// Share of the members that have failed, 0 to 1.
    pub failed: f64,
}

impl Estimate {
    /// The share of the members that know of it after `rounds`, which need not be whole.
    #[must_use]
    pub fn infected(&self, rounds: f64) -> f64 {
        let n = self.members as f64;
        let contact = self.fanout as f64 / n * (1.0 - self.loss) * (1.0 - self.failed) * 0.5;
        1.0 / (1.0 + (n + 1.0) * libm::exp(-contact * n * rounds))
    }

    /// The first whole round in which a share of the members knows of it; `None`: not within 100.
    #[must_use]
    pub fn rounds_to(&self, share: f64) -> Option<u32> {
        (0..=ROUNDS_MAX).find(|round| self.infected(f64::from(*round)) >= share)
    }

    /// The curve, from the start to where 99.99 % know of it: time and share, 16 points for each
    /// round.
    #[must_use]
    pub fn curve(&self) -> Vec<(Duration, f64)> {
        let mut curve = Vec::new();
        for point in 0..=16 * ROUNDS_MAX {
            let rounds = f64::from(point) / 16.0;
            let share = self.infected(rounds);
            curve.push((self.interval.mul_f64(rounds), share));
            if share >= ENOUGH {
                break;
            }
        }
        curve
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of papers, section 3.2.
    #[test]
    fn the_published_table_comes_out() {
        let table = [
            (30, 0.0, 0.0, [3, 4, 6, 7, 9]),
            (100, 0.0, 0.0, [4, 5, 7, 8, 10]),
            (1_000, 0.0, 0.0, [5, 7, 8, 10, 11]),
            (10_000, 0.0, 0.0, [7, 8, 10, 11, 13]),
            (100_000, 0.0, 0.0, [8, 10, 11, 13, 14]),
            (10_000, 0.1, 0.0, [7, 9, 11, 12, 14]),
            (10_000, 0.5, 0.0, [13, 16, 19, 22, 25]),
            (10_000, 0.1, 0.1, [8, 10, 12, 14, 16]),
        ];
        for (members, loss, failed, expected) in table {
            let interval = Duration::from_millis(200);
            let estimate = Estimate { members, fanout: 3, interval, loss, failed };
            let got = [0.5, 0.9, 0.99, 0.999, 0.9999].map(|share| estimate.rounds_to(share).unwrap());
            assert_eq!(got, expected, "n = {members}, loss {loss}, failed {failed}");
        }
    }
}
