//! How long a message is under way.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::draw::unit;

/// A distribution of one-way delays.
///
/// All are drawn from one uniform number, so that a slower link is slower for every message: two
/// runs that differ in it meet the same luck.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Latency {
    /// Always the same.
    Constant(#[serde(with = "crate::span")] Duration),
    /// Uniform between two bounds.
    Uniform {
        /// At least this.
        #[serde(with = "crate::span")]
        min: Duration,
        /// At most this.
        #[serde(with = "crate::span")]
        max: Duration,
    },
    /// A floor, and an exponential part above it.
    Exponential {
        /// The floor.
        #[serde(with = "crate::span")]
        min: Duration,
        /// Mean of the part above the floor.
        #[serde(with = "crate::span")]
        mean: Duration,
    },
    /// Log-normal: most near the median, some far above.
    LogNormal {
        /// Half of all messages are faster.
        #[serde(with = "crate::span")]
        median: Duration,
        /// Standard deviation of the logarithm; 0.5 is moderate, 1.5 wild.
        sigma: f64,
    },
    /// Pareto: a heavy tail above a floor.
    HeavyTail {
        /// The floor.
        #[serde(with = "crate::span")]
        min: Duration,
        /// The exponent, above 0; the smaller, the heavier (below 1 the mean is infinite).
        shape: f64,
    },
}

/// No message is under way for longer; a heavy tail has to end somewhere.
const LONGEST: Duration = Duration::from_secs(3600);

impl Latency {
    /// The delay that a uniform number stands for.
    #[must_use]
    pub fn delay(&self, number: u64) -> Duration {
        let share = unit(number);
        let delay = match *self {
            Self::Constant(delay) => return delay,
            Self::Uniform { min, max } => min + scale(max.saturating_sub(min), share),
            Self::Exponential { min, mean } => min + scale(mean, -libm::log(1.0 - share)),
            Self::LogNormal { median, sigma } => scale(median, libm::exp(sigma * normal_quantile(share))),
            Self::HeavyTail { min, shape } => scale(min, libm::pow(1.0 - share, -1.0 / shape.max(0.01))),
        };
        delay.min(LONGEST)
    }
}

fn scale(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(LONGEST)
}

/// The number that a standard normal variable stays below with this probability (Acklam's rational
/// approximation, relative error below 1.2e-9).
fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416];
    let tail = |p: f64| {
        let q = libm::sqrt(-2.0 * libm::log(p));
        polynomial(&C, q) / (polynomial(&D, q) * q + 1.0)
    };
    let p = p.clamp(1e-15, 1.0 - 1e-15);
    if p < 0.02425 {
        tail(p)
    } else if p > 1.0 - 0.02425 {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        polynomial(&A, r) * q / (polynomial(&B, r) * r + 1.0)
    }
}

fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| sum * x + c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Draw, Purpose};

    const MS: Duration = Duration::from_millis(1);

    fn quantiles(latency: &Latency) -> [f64; 3] {
        let mut draw = Draw::of(1, Purpose::Latency, 0);
        let mut delays: Vec<Duration> = (0..20_001).map(|_| latency.delay(draw.u64())).collect();
        delays.sort();
        [0, 10_000, 19_800].map(|rank: usize| delays[rank].as_secs_f64() * 1e3)
    }

    fn near(got: f64, expected: f64) -> bool {
        (got - expected).abs() <= 0.05 * expected + 0.01
    }

    #[test]
    fn distributions_have_their_quantiles() {
        let table = [
            (Latency::Constant(MS), [1.0, 1.0, 1.0]),
            (Latency::Uniform { min: MS, max: 3 * MS }, [1.0, 2.0, 2.98]),
            (Latency::Exponential { min: MS, mean: MS }, [1.0, 1.693, 5.6]),
            (Latency::LogNormal { median: 10 * MS, sigma: 0.5 }, [1.4, 10.0, 32.0]),
            (Latency::HeavyTail { min: MS, shape: 1.0 }, [1.0, 2.0, 100.0]),
        ];
        for (latency, [min, median, most]) in table {
            let [a, b, c] = quantiles(&latency);
            assert!(near(b, median) && c > 0.85 * most && c < 1.15 * most, "{latency:?}: {a} {b} {c}");
            assert!(a >= min * 0.8, "{latency:?}: {a}");
        }
    }

    #[test]
    fn no_delay_is_endless() {
        let wild = Latency::HeavyTail { min: 100 * MS, shape: 0.1 };
        assert_eq!(wild.delay(u64::MAX), LONGEST);
    }
}
