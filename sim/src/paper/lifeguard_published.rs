//! Lifeguard's published figures (papers, section 2.3).

/// Of one configuration, at alpha 5 and beta 6.
pub(super) struct Published {
    /// Seconds to the first detection: median, 99 %, 99.9 %.
    pub(super) first: [f64; 3],
    /// Seconds to the full dissemination: median, 99 %, 99.9 %.
    pub(super) full: [f64; 3],
    /// FP in percent of SWIM's.
    pub(super) false_percent: f64,
    /// FP- in percent of SWIM's.
    pub(super) at_healthy_percent: f64,
    /// Messages in percent of SWIM's.
    pub(super) messages_percent: f64,
    /// Bytes in percent of SWIM's.
    pub(super) bytes_percent: f64,
}

/// False positives of the baseline per run.
pub(super) const FALSE_PER_RUN: f64 = 78.5;
/// Those at healthy agents.
pub(super) const AT_HEALTHY_PER_RUN: f64 = 0.307;
/// Messages of the baseline per member and run.
pub(super) const MESSAGES_PER_MEMBER: f64 = 787.0;
/// Bytes in one of them.
pub(super) const BYTES_PER_MESSAGE: f64 = 368.0;

/// In the order of [`Setup::ALL`](super::lifeguard::Setup::ALL).
pub(super) const CONFIGURATIONS: [Published; 5] = [
    Published {
        first: [12.44, 16.96, 19.40],
        full: [12.90, 16.93, 20.17],
        false_percent: 100.0,
        at_healthy_percent: 100.0,
        messages_percent: 100.0,
        bytes_percent: 100.0,
    },
    Published {
        first: [12.42, 17.75, 20.10],
        full: [12.90, 17.98, 20.56],
        false_percent: 67.72,
        at_healthy_percent: 32.88,
        messages_percent: 98.46,
        bytes_percent: 90.03,
    },
    Published {
        first: [12.42, 17.47, 25.41],
        full: [12.89, 17.33, 23.80],
        false_percent: 3.00,
        at_healthy_percent: 6.71,
        messages_percent: 111.31,
        bytes_percent: 106.52,
    },
    Published {
        first: [12.45, 17.12, 19.16],
        full: [12.92, 17.18, 19.81],
        false_percent: 94.08,
        at_healthy_percent: 44.57,
        messages_percent: 100.07,
        bytes_percent: 99.01,
    },
    Published {
        first: [12.45, 17.90, 21.20],
        full: [12.91, 18.05, 21.68],
        false_percent: 1.53,
        at_healthy_percent: 1.89,
        messages_percent: 110.59,
        bytes_percent: 97.97,
    },
];

/// Full Lifeguard with other bounds of the suspicion time-out (Table VII), in percent of SWIM.
pub(super) struct Tuning {
    /// The lower bound.
    pub(super) alpha: f64,
    /// The upper one, as a multiple.
    pub(super) beta: f64,
    /// First detection and full dissemination: medians, 99 %, 99.9 %.
    pub(super) latency: Option<[f64; 6]>,
    /// FP and FP-.
    pub(super) false_percent: Option<[f64; 2]>,
}

const fn unpublished(alpha: f64, beta: f64) -> Tuning {
    Tuning { alpha, beta, latency: None, false_percent: None }
}

/// The nine of the paper's grid; of six only the shape is published.
pub(super) const TUNINGS: [Tuning; 9] = [
    Tuning {
        alpha: 2.0,
        beta: 2.0,
        latency: Some([53.14, 55.12, 69.81, 73.07, 76.08, 76.20]),
        false_percent: Some([98.37, 31.15]),
    },
    unpublished(2.0, 4.0),
    unpublished(2.0, 6.0),
    unpublished(4.0, 2.0),
    unpublished(4.0, 4.0),
    Tuning {
        alpha: 4.0,
        beta: 6.0,
        latency: Some([83.12, 84.42, 96.82, 96.52, 94.69, 92.71]),
        false_percent: Some([3.18, 4.83]),
    },
    unpublished(5.0, 2.0),
    unpublished(5.0, 4.0),
    Tuning {
        alpha: 5.0,
        beta: 6.0,
        latency: Some([100.08, 100.08, 105.54, 106.62, 109.28, 107.49]),
        false_percent: Some([1.53, 1.89]),
    },
];
