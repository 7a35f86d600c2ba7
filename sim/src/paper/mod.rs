//! The published experiments, run with our own core.
//!
//! Each prints the published figure beside ours, with its confidence interval and the band in
//! which it has to lie. The SWIM of the papers is the same core with mechanisms switched off.

pub mod epidemic;
pub mod lifeguard;
pub mod lifeguard_grid;
mod lifeguard_published;
pub mod lifeguard_tables;
pub mod pool;
pub mod record;
pub mod stats;
pub mod swim;
pub mod swim_loss;
pub mod swim_tables;
pub mod table;

pub use pool::Pool;
pub use record::Record;
pub use table::{Band, Row, Table};

/// How much of an experiment is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Few seeds, and for Lifeguard a part of the grid: minutes on two cores.
    Reduced,
    /// The paper's set-up.
    Full {
        /// Runs of each combination; `None`: as many as the paper's.
        times: Option<u64>,
    },
}

impl Scale {
    /// Runs of each combination, where a reduced experiment has `reduced` and the paper's `full`.
    #[must_use]
    pub fn runs(self, reduced: u64, full: u64) -> u64 {
        match self {
            Scale::Reduced => reduced,
            Scale::Full { times } => times.unwrap_or(full),
        }
    }
}
