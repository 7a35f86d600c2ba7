//! How many questions came, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts questions.
#[derive(Debug, Default)]
pub struct Counts {
    domain: AtomicU64,
    reverse: AtomicU64,
    others: AtomicU64,
    refused: AtomicU64,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It was about a name.
    Name,
    /// It was about an address's name.
    Address,
    /// Others were asked about it.
    Others,
    /// It was no question, or not ours, and nobody else is asked.
    Refused,
}

impl Counts {
    pub(super) fn count(&self, asked: Asked) {
        let count = match asked {
            Asked::Name => &self.domain,
            Asked::Address => &self.reverse,
            Asked::Others => &self.others,
            Asked::Refused => &self.refused,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts by name; the first two are the original's.
    pub(crate) fn named(&self) -> [(&'static str, u64); 4] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("dns.domain_query", of(&self.domain)),
            ("dns.ptr_query", of(&self.reverse)),
            ("dns.recursor_query", of(&self.others)),
            ("dns.refused", of(&self.refused)),
        ]
    }
}
