//! Figures from samples, with the doubt that comes with them.

/// A figure and the bounds it lies between with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

impl Estimate {
    /// A figure without doubt, such as a count.
    #[must_use]
    pub const fn exact(value: f64) -> Self {
        Estimate { value, low: value, high: value }
    }

    /// The same in another unit.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Estimate { value: self.value * factor, low: self.low * factor, high: self.high * factor }
    }
}

/// Standard deviations on either side of the mean that hold 95 %.
const Z: f64 = 1.959_964;

/// The mean of samples, by the normal approximation; not a number if there are none.
#[must_use]
pub fn mean(samples: &[f64]) -> Estimate {
    let n = samples.len() as f64;
    let value = samples.iter().sum::<f64>() / n;
    let squares: f64 = samples.iter().map(|sample| (sample - value).powi(2)).sum();
    let half = if n > 1.0 { Z * (squares / (n - 1.0) / n).sqrt() } else { f64::INFINITY };
    Estimate { value, low: value - half, high: value + half }
}

/// A quantile of sorted samples, bounded by the order statistics around it; not a number if there
/// are none.
///
/// ```
/// use tidings_sim::paper::stats::quantile;
///
/// let samples: Vec<f64> = (0..=100).map(f64::from).collect();
/// let median = quantile(&samples, 0.5);
/// assert_eq!(median.value, 50.0);
/// assert!(median.low == 40.0 && median.high == 60.0);
/// ```
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> Estimate {
    let n = sorted.len() as f64;
    let at = |rank: f64| match sorted.len() {
        0 => f64::NAN,
        len => sorted[(rank.max(0.0) as usize).min(len - 1)],
    };
    let rank = share * (n - 1.0);
    let half = Z * (n * share * (1.0 - share)).sqrt();
    Estimate { value: at(rank.round()), low: at((rank - half).round()), high: at((rank + half).round()) }
}

/// The ratio of the means of two samples, in percent; the doubt of both is added up.
#[must_use]
pub fn percent_of(ours: &[f64], base: &[f64]) -> Estimate {
    let (ours, base) = (mean(ours), mean(base));
    let value = 100.0 * ours.value / base.value;
    let doubt = |estimate: Estimate| (estimate.high - estimate.value) / estimate.value.max(f64::MIN_POSITIVE);
    let half = value * (doubt(ours).powi(2) + doubt(base).powi(2)).sqrt();
    let half = if ours.value == 0.0 { 0.0 } else { half };
    Estimate { value, low: (value - half).max(0.0), high: value + half }
}

/// The ratio of two paired sums, in percent: both configurations met the same anomalies, so the
/// doubt is that of the runs' differences.
///
/// # Panics
/// If the samples are not pairs.
#[must_use]
pub fn paired_percent(ours: &[f64], base: &[f64]) -> Estimate {
    assert_eq!(ours.len(), base.len(), "each run needs its twin");
    let differences: Vec<f64> = ours.iter().zip(base).map(|(ours, base)| ours - base).collect();
    let gap = mean(&differences).scaled(100.0 / mean(base).value);
    Estimate { value: 100.0 + gap.value, low: 100.0 + gap.low, high: 100.0 + gap.high }
}

/// The share of samples for which something holds, with Wilson's interval, which stays within 0
/// and 1 and has a width even when all or none hold.
#[must_use]
pub fn share(hits: usize, of: usize) -> Estimate {
    let (n, value) = (of as f64, hits as f64 / of as f64);
    let centre = (value + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (value * (1.0 - value) / n + Z * Z / (4.0 * n * n)).sqrt();
    Estimate { value, low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
}

/// Puts samples in order.
pub fn sort(samples: &mut [f64]) {
    samples.sort_by(f64::total_cmp);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(ours: Estimate, value: f64, low: f64, high: f64) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() < 5e-4;
        near(ours.value, value) && near(ours.low, low) && near(ours.high, high)
    }

    #[test]
    fn means_come_with_their_standard_errors() {
        let half = Z / 3f64.sqrt();
        let table =
            [(vec![1.0, 3.0, 1.0, 3.0], 2.0, 2.0 - half, 2.0 + half), (vec![5.0, 5.0, 5.0], 5.0, 5.0, 5.0)];
        for (samples, value, low, high) in table {
            assert!(close(mean(&samples), value, low, high), "{samples:?}: {:?}", mean(&samples));
        }
        assert_eq!(mean(&[7.0]).high, f64::INFINITY, "one sample says nothing of the next");
        assert!(mean(&[]).value.is_nan());
    }

    #[test]
    fn quantiles_are_samples_bounded_by_samples() {
        let samples: Vec<f64> = (0..=1000).map(f64::from).collect();
        let table = [
            (0.0, 0.0, 0.0, 0.0),
            (0.5, 500.0, 469.0, 531.0),
            (0.99, 990.0, 984.0, 996.0),
            (0.999, 999.0, 997.0, 1000.0),
            (1.0, 1000.0, 1000.0, 1000.0),
        ];
        for (share, value, low, high) in table {
            assert_eq!(quantile(&samples, share), Estimate { value, low, high }, "{share}");
        }
        assert_eq!(quantile(&[1.0, 2.0, 3.0], 0.999).high, 3.0);
        assert!(quantile(&[], 0.5).value.is_nan());
    }

    #[test]
    fn intervals_of_the_mean_hold_it_as_often_as_they_say() {
        let mut draw = crate::draw::Draw::of(1, crate::draw::Purpose::Work, 3);
        let held = (0..1000).filter(|_| {
            let samples: Vec<f64> = (0..100).map(|_| draw.unit()).collect();
            let estimate = mean(&samples);
            estimate.low <= 0.5 && 0.5 <= estimate.high
        });
        let held = held.count();
        assert!((930..=968).contains(&held), "{held} of 1000");
    }

    #[test]
    fn shares_have_wilsons_interval() {
        // Newcombe 1998: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        let table = [
            (81, 263, 0.3080, 0.2553, 0.3662),
            (15, 148, 0.1014, 0.0624, 0.1605),
            (0, 20, 0.0, 0.0, 0.1611),
            (1, 29, 0.0345, 0.0061, 0.1718),
            (20, 20, 1.0, 0.8389, 1.0),
        ];
        for (hits, of, value, low, high) in table {
            assert!(close(share(hits, of), value, low, high), "{hits} of {of}: {:?}", share(hits, of));
        }
    }

    #[test]
    fn percentages_of_nothing_are_nothing() {
        assert_eq!(percent_of(&[0.0, 0.0], &[1.0, 3.0]), Estimate::exact(0.0));
        assert_eq!(percent_of(&[1.0, 1.0], &[2.0, 2.0]).value, 50.0);
    }

    #[test]
    fn pairs_that_differ_by_the_same_leave_no_doubt() {
        assert!(close(paired_percent(&[2.0, 12.0], &[1.0, 11.0]), 116.667, 116.667, 116.667));
        let doubtful = paired_percent(&[2.0, 11.0, 15.0], &[1.0, 11.0, 12.0]);
        assert!(doubtful.low < doubtful.value && doubtful.value < doubtful.high);
    }
}
