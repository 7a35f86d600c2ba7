//! What two sets differ in, told in bytes that follow the difference and not the sets: a rateless
//! invertible Bloom lookup table (Yang, Gilad, Alizadeh: Practical Rateless Set Reconciliation,
//! SIGCOMM 2024; papers, section 5).
//!
//! A set of 64-bit digests becomes an endless row of *coded symbols*. Each holds the exclusive-or
//! of the digests that fall into it, that of their checks, and their number. Symbol 0 holds the
//! whole set, symbol `i` a digest with probability `1 / (1 + i / 2)`. Symbols are linear: those of
//! one set minus those of another are those of the difference. A symbol of the difference that
//! holds a single digest gives it away; taken out of all others it lays bare the next, and with
//! about 1.35 to 1.7 symbols per differing digest everything falls out. Nobody needs to know the
//! size of the difference beforehand: one side sends symbols until the other says stop.
//!
//! ```
//! use tidings_core::registry::sketch::{Decoder, Sketch};
//!
//! let digest = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
//! let ours = || (0..1_000).map(digest);
//! let theirs = || (1..1_002).map(digest);
//! let key = 7;
//!
//! let mut sender = Sketch::new(key);
//! sender.grow(16, theirs());
//! let mut message = Vec::new();
//! sender.encode(0..16, &mut message);
//!
//! let mut decoder = Decoder::new(Sketch::new(key), 1_000);
//! assert!(decoder.accept(&message, ours())?);
//! let difference = decoder.into_difference().expect("it is complete");
//! assert_eq!(difference.only_remote.len(), 2);
//! assert_eq!(difference.only_local, [digest(0)]);
//! # Ok::<(), tidings_core::registry::sketch::SketchError>(())
//! ```
//!
//! # The wire
//! A symbol is 11 bytes, big-endian: the sum (8), then 20 bits of check and 4 bits of count. The
//! count may wrap: it matters only where one digest is left, and there it is 1 or -1. The check may
//! be short, as a digest is also believed only in symbols it falls into.
//!
//! Bytes until the whole difference is known, where every changed record is a digest on either
//! side: on average 36 each for 1 or 10 of them, 31 for 100 and 30 for 1,000, whatever the size of
//! the sets.
//!
//! # Whom it trusts
//! Where a digest falls and its check depend on a key that both sides use. Whoever knows the key
//! can make digests that never come apart; a fresh key for each exchange, or one that only members
//! know, leaves them to chance. A peer that sends nonsense is found out, or stopped at the limit of
//! symbols; it may name digests nobody has, so look up what is said to be local.

use alloc::vec::Vec;
use core::ops::Range;

use self::walk::{Walk, window_end};
use crate::hash;

mod decoder;
#[cfg(test)]
mod tests;
mod walk;

pub use self::decoder::{Decoder, Difference, SketchError};

/// Bytes of a coded symbol on the wire.
pub const SYMBOL_BYTES: usize = 11;
/// Symbols of a set that can be made; enough for a difference of twelve million digests.
pub const SYMBOLS_MAX: usize = 1 << 24;

const CHECK_BITS: u32 = 20;
const COUNT_BITS: u32 = 4;
const _: () = assert!(8 * SYMBOL_BYTES as u32 == u64::BITS + CHECK_BITS + COUNT_BITS);

/// One coded symbol: of a set, or of the difference of two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Symbol {
    /// The exclusive-or of the digests.
    sum: u64,
    /// The exclusive-or of their checks.
    check: u32,
    /// Their number, wrapping; below zero where the other set has more.
    count: u32,
}

impl Symbol {
    /// Adds a digest `by` 1, or takes it out by -1.
    fn toggle(&mut self, item: u64, hash: u64, by: i8) {
        self.sum ^= item;
        self.check ^= check(hash);
        self.count = self.count.wrapping_add_signed(by.into());
    }

    /// This minus another one, as far as the wire carries it.
    fn minus(self, other: Symbol) -> Symbol {
        let count = self.count.wrapping_sub(other.count);
        Symbol { sum: self.sum ^ other.sum, check: self.check ^ other.check, count }
    }

    /// The count as the wire carries it, signed: -8 to 7.
    fn count(self) -> i32 {
        const UNUSED: u32 = u32::BITS - COUNT_BITS;
        (self.count << UNUSED) as i32 >> UNUSED
    }

    fn is_empty(self) -> bool {
        self.sum == 0 && self.check == 0 && self.count() == 0
    }

    fn encode(self, out: &mut Vec<u8>) {
        let tail = self.check << COUNT_BITS | self.count & ((1 << COUNT_BITS) - 1);
        out.extend(self.sum.to_be_bytes());
        out.extend(&tail.to_be_bytes()[1..]);
    }

    fn decode(bytes: &[u8; SYMBOL_BYTES]) -> Symbol {
        let [s0, s1, s2, s3, s4, s5, s6, s7, t0, t1, t2] = *bytes;
        let tail = u32::from_be_bytes([0, t0, t1, t2]);
        Symbol {
            sum: u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            check: tail >> COUNT_BITS,
            count: tail & ((1 << COUNT_BITS) - 1),
        }
    }
}

/// What decides where a digest falls and what its check is. Without the key nobody can choose it.
fn keyed(key: u64, item: u64) -> u64 {
    hash::bytes(key, &item.to_be_bytes())
}

/// The check of a digest with this keyed hash.
fn check(hash: u64) -> u32 {
    (hash >> (u64::BITS - CHECK_BITS)) as u32
}

/// The first coded symbols of a set. The same set and key give the same symbols everywhere.
///
/// Symbols are made in windows that double ([`Sketch::grow`]), each in one pass over the set, and
/// nothing is kept per digest: 16 bytes a symbol are all its memory. They can also be kept up to
/// date while the set changes ([`Sketch::insert`], [`Sketch::remove`]), at a few steps a change, so
/// that a question about a small difference costs no pass at all.
#[derive(Clone, Debug)]
pub struct Sketch {
    key: u64,
    symbols: Vec<Symbol>,
}

impl Sketch {
    /// No symbols yet, of whatever set.
    #[must_use]
    pub fn new(key: u64) -> Self {
        Sketch { key, symbols: Vec::new() }
    }

    /// Symbols that are made.
    #[must_use]
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Whether no symbols are made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Makes symbols until there are at least `symbols` of them ([`SYMBOLS_MAX`] at most), in one
    /// pass over `items`; if there are enough, `items` is left alone. It must be the same set each
    /// time (a view of it, if it changes meanwhile), each digest once.
    pub fn grow(&mut self, symbols: usize, items: impl IntoIterator<Item = u64>) {
        let from = self.symbols.len();
        let to = window_end(symbols.min(SYMBOLS_MAX));
        if from >= to {
            return;
        }
        self.symbols.reserve_exact(to - from);
        self.symbols.resize(to, Symbol::default());
        for item in items {
            self.apply(item, from, 1);
        }
    }

    /// Takes a digest into the symbols that are made. It must not be in the set.
    pub fn insert(&mut self, item: u64) {
        self.apply(item, 0, 1);
    }

    /// Takes a digest out of the symbols that are made. It must be in the set.
    pub fn remove(&mut self, item: u64) {
        self.apply(item, 0, -1);
    }

    /// Appends these symbols' wire form, as far as they are made.
    pub fn encode(&self, range: Range<usize>, out: &mut Vec<u8>) {
        let end = range.end.min(self.symbols.len());
        let symbols = self.symbols.get(range.start..end).unwrap_or_default();
        out.reserve(symbols.len() * SYMBOL_BYTES);
        for symbol in symbols {
            symbol.encode(out);
        }
    }

    /// Adds or takes out a digest wherever it falls from `from`, the start of a window, onwards.
    fn apply(&mut self, item: u64, from: usize, by: i8) {
        let hash = keyed(self.key, item);
        let mut walk = Walk::from(hash, from);
        while let Some(symbol) = self.symbols.get_mut(walk.at()) {
            symbol.toggle(item, hash, by);
            walk.advance();
        }
    }
}
