//! Into which symbols a digest falls.

use super::SYMBOLS_MAX;
use crate::hash::mix;

/// Symbols of the first window. The next one has as many, each further one as many as all before.
const FIRST_WINDOW: usize = 16;
const _: () = assert!(SYMBOLS_MAX.is_power_of_two() && SYMBOLS_MAX > FIRST_WINDOW);

/// The end of the windows that hold the first `symbols` symbols.
pub(super) fn window_end(symbols: usize) -> usize {
    if symbols == 0 { 0 } else { symbols.next_power_of_two().max(FIRST_WINDOW) }
}

/// The start of the window that holds a symbol.
fn window_start(symbol: usize) -> usize {
    if symbol < FIRST_WINDOW { 0 } else { 1 << symbol.ilog2() }
}

/// The symbols of one digest, in ascending order.
///
/// Whether it falls into symbol `i` is an independent draw of probability `1 / (1 + i / 2)`. So the
/// chance that it falls into none of those after `i` up to `j` is
/// `(i + 1) (i + 2) / ((j + 1) (j + 2))`, which is turned round to draw the next one directly, and
/// the draws may start anew at every window: the later symbols of a set need no state of the
/// earlier ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    /// The keyed hash of the digest.
    hash: u64,
    /// The generator of this window.
    state: u64,
    /// The symbol it stands at; [`usize::MAX`] behind the last one.
    at: usize,
    /// The end of this window.
    end: usize,
}

impl Walk {
    /// Stands at the first symbol at or after `start`, which is the start of a window.
    pub(super) fn from(hash: u64, start: usize) -> Self {
        debug_assert_eq!(window_start(start), start, "a walk starts with a window");
        let mut walk = Walk { hash, state: 0, at: 0, end: 0 };
        walk.enter(start);
        if start > 0 {
            walk.advance();
        }
        walk
    }

    /// Whether the digest with this hash falls into a symbol.
    pub(super) fn visits(hash: u64, symbol: usize) -> bool {
        let mut walk = Walk::from(hash, window_start(symbol));
        while walk.at < symbol {
            walk.advance();
        }
        walk.at == symbol
    }

    /// The symbol it stands at.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes to the next symbol.
    pub(super) fn advance(&mut self) {
        while self.at < SYMBOLS_MAX {
            self.state = mix(self.state, 1);
            // In (0, 1]. The square root of IEEE 754 is exact to the last bit, and so is all else
            // here: every machine draws the same. With a chance of 1 the root is `at + 1.5`
            // itself, so no rounding can lead back.
            let chance = ((self.state >> 11) + 1) as f64 / (1_u64 << 53) as f64;
            let at = self.at as f64;
            let last_missed = libm::sqrt((at + 1.0) * (at + 2.0) / chance + 0.25) - 1.5;
            if last_missed + 1.0 < self.end as f64 {
                self.at = last_missed as usize + 1;
                return;
            }
            self.enter(self.end);
        }
        self.at = usize::MAX;
    }

    /// Starts anew at the start of a window: at symbol 0, or just before the first of a later one.
    fn enter(&mut self, start: usize) {
        self.state = mix(self.hash, start as u64);
        self.at = start.saturating_sub(1);
        self.end = window_end(start + 1);
    }
}
