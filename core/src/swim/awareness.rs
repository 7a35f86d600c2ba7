//! Local health: how far this node trusts its own view of the others (gossip-wire, section 9.3).

use core::time::Duration;

use crate::context::Context;
use crate::trace::Decision;

/// The health score: 0 is best; it never reaches [`Awareness::max`](crate::config::Awareness::max).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Awareness {
    score: u32,
}

impl Awareness {
    pub(crate) const fn score(self) -> u32 {
        self.score
    }

    /// Stretches an interval by the score.
    pub(crate) fn stretch(self, interval: Duration) -> Duration {
        interval.saturating_mul(self.score + 1)
    }

    /// A probe was answered.
    pub(crate) fn better(&mut self, cx: &mut Context) {
        if !bug!(cx, NeverRecovers) {
            self.set(cx, self.score.saturating_sub(1));
        }
    }

    /// This node missed `by` things it should have heard.
    pub(crate) fn worse(&mut self, cx: &mut Context, by: u32) {
        let highest = if bug!(cx, DespairsOfItself) { u32::MAX } else { cx.config.awareness.max - 1 };
        self.set(cx, self.score.saturating_add(by).min(highest));
    }

    fn set(&mut self, cx: &mut Context, after: u32) {
        let before = core::mem::replace(&mut self.score, after);
        if before != after {
            cx.trace(|| Decision::Awareness { before, after });
        }
    }
}
