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

/// Puts samples in order.
pub fn sort(samples: &mut [f64]) {
    samples.sort_by(f64::total_cmp);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_comes_with_its_standard_error() {
        let estimate = mean(&[1.0, 3.0, 1.0, 3.0]);
        assert_eq!(estimate.value, 2.0);
        assert!((estimate.high - 2.0 - Z / 3f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn percentages_of_nothing_are_nothing() {
        assert_eq!(percent_of(&[0.0, 0.0], &[1.0, 3.0]), Estimate::exact(0.0));
        assert_eq!(percent_of(&[1.0, 1.0], &[2.0, 2.0]).value, 50.0);
    }

    #[test]
    fn quantiles_stay_within_the_samples() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0], 0.999).high, 3.0);
        assert!(quantile(&[], 0.5).value.is_nan());
    }
}
