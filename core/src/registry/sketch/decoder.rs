//! From the symbols of two sets to what they differ in.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use thiserror::Error;

use super::walk::Walk;
use super::{SYMBOL_BYTES, Sketch, Symbol, check, keyed};

/// What two sets differ in, in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Digests the other side has and we do not.
    pub only_remote: Vec<u64>,
    /// Digests we are said to have and the other side not. A peer that lies may name others.
    pub only_local: Vec<u64>,
}

/// Why decoding ended without an answer. The decoder is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SketchError {
    /// The bytes are no whole number of symbols.
    #[error("coded symbols have {SYMBOL_BYTES} bytes each, and these do not come out even")]
    Malformed,
    /// As many symbols as are allowed did not suffice.
    #[error("the difference is too large for the symbols allowed")]
    TooManySymbols,
    /// The symbols contradict one another: the peer is broken, has another key or lies. Or a check
    /// matched by chance: about once in 5,000 differences of 2,000 digests and once in 40,000 of
    /// 200, which another key puts right.
    #[error("the coded symbols contradict one another")]
    Nonsense,
}

/// A symbol of the difference, less what has been found.
#[derive(Clone, Copy, Debug)]
struct Cell {
    symbol: Symbol,
    /// Whether it waits to be looked at.
    queued: bool,
}

/// A digest in the difference.
#[derive(Clone, Copy, Debug)]
struct Found {
    item: u64,
    hash: u64,
    /// 1 if only the other side has it, -1 if only we do.
    count: i8,
    /// Stands at the first of its symbols that is still to come.
    walk: Walk,
}

/// Finds what another set has and ours has not, and the other way round, from the other's symbols
/// in order. Its memory and time are bounded by the number of symbols it takes.
#[derive(Clone, Debug)]
pub struct Decoder {
    local: Sketch,
    symbols_max: usize,
    cells: Vec<Cell>,
    /// Cells that are not empty.
    open: usize,
    /// Cells to look at: each at most once at a time.
    queue: Vec<usize>,
    found: Vec<Found>,
    /// The digests among `found`.
    seen: HashSet<u64, FixedState>,
    /// The next symbol of each digest found, with its place in `found`.
    coming: BinaryHeap<Reverse<(usize, usize)>>,
    failure: Option<SketchError>,
}

impl Decoder {
    /// Takes our own symbols, as far as they are made, and how many of the other side's symbols to
    /// take at most (the limit of [`SYMBOLS_MAX`](super::SYMBOLS_MAX) holds besides).
    #[must_use]
    pub fn new(local: Sketch, symbols_max: usize) -> Self {
        let seed = local.key;
        Decoder {
            local,
            symbols_max: symbols_max.min(super::SYMBOLS_MAX),
            cells: Vec::new(),
            open: 0,
            queue: Vec::new(),
            found: Vec::new(),
            seen: HashSet::with_hasher(FixedState::with_seed(seed)),
            coming: BinaryHeap::new(),
            failure: None,
        }
    }

    /// Symbols taken so far: the next one expected.
    #[must_use]
    pub fn received(&self) -> usize {
        self.cells.len()
    }

    /// Whether the whole difference is known.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failure.is_none() && !self.cells.is_empty() && self.open == 0
    }

    /// The difference, once it is complete.
    #[must_use]
    pub fn into_difference(self) -> Option<Difference> {
        if !self.is_complete() {
            return None;
        }
        let mut difference = Difference::default();
        for found in self.found {
            let side = if found.count > 0 { &mut difference.only_remote } else { &mut difference.only_local };
            side.push(found.item);
        }
        difference.only_remote.sort_unstable();
        difference.only_local.sort_unstable();
        Some(difference)
    }

    /// Takes the next symbols of the other side and says whether the difference is complete now;
    /// what comes after that is ignored. `items` is our set, gone through only if more of our own
    /// symbols must be made, as with [`Sketch::grow`].
    ///
    /// # Errors
    /// See [`SketchError`]. Further calls fail likewise.
    pub fn accept(
        &mut self,
        symbols: &[u8],
        items: impl IntoIterator<Item = u64>,
    ) -> Result<bool, SketchError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let result = self.accept_all(symbols, items);
        self.failure = result.err();
        result
    }

    fn accept_all(
        &mut self,
        symbols: &[u8],
        items: impl IntoIterator<Item = u64>,
    ) -> Result<bool, SketchError> {
        let (symbols, rest) = symbols.as_chunks();
        if !rest.is_empty() {
            return Err(SketchError::Malformed);
        }
        if self.is_complete() {
            return Ok(true);
        }
        let room = self.symbols_max - self.cells.len();
        let taken = &symbols[..symbols.len().min(room)];
        self.local.grow(self.cells.len() + taken.len(), items);
        for symbol in taken {
            self.push(Symbol::decode(symbol));
            self.peel()?;
            if self.is_complete() {
                return Ok(true);
            }
        }
        if self.cells.len() == self.symbols_max { Err(SketchError::TooManySymbols) } else { Ok(false) }
    }

    /// Appends the next cell: the other's symbol, less ours, less what has been found.
    fn push(&mut self, remote: Symbol) {
        let at = self.cells.len();
        let mut symbol = remote.minus(self.local.symbols[at]);
        while let Some(mut top) = self.coming.peek_mut().filter(|top| top.0.0 == at) {
            let found = &mut self.found[top.0.1];
            symbol.toggle(found.item, found.hash, -found.count);
            found.walk.advance();
            top.0.0 = found.walk.at();
        }
        self.open += usize::from(!symbol.is_empty());
        self.cells.push(Cell { symbol, queued: true });
        self.queue.push(at);
    }

    /// Takes out digests as long as there are cells that give one away.
    fn peel(&mut self) -> Result<(), SketchError> {
        while let Some(at) = self.queue.pop() {
            self.cells[at].queued = false;
            let symbol = self.cells[at].symbol;
            let count = match symbol.count() {
                1 => 1,
                -1 => -1,
                0 => continue,
                // Digests that cancel each other and yet count: one is there twice.
                _ if symbol.sum == 0 && symbol.check == 0 => return Err(SketchError::Nonsense),
                _ => continue,
            };
            let (item, hash) = (symbol.sum, keyed(self.local.key, symbol.sum));
            if check(hash) == symbol.check && Walk::visits(hash, at) {
                self.take_out(item, hash, count)?;
            }
        }
        // The first symbol holds everything: with it empty, nothing can be left elsewhere.
        let contradiction = self.open > 0 && self.cells[0].symbol.is_empty();
        if contradiction { Err(SketchError::Nonsense) } else { Ok(()) }
    }

    /// Notes a digest of the difference and takes it out of all cells.
    fn take_out(&mut self, item: u64, hash: u64, count: i8) -> Result<(), SketchError> {
        // A cell gives away one digest and is empty from then on, so there are never more of them
        // than cells; this also ends whatever a peer may have thought out.
        if self.found.len() == self.cells.len() || !self.seen.insert(item) {
            return Err(SketchError::Nonsense);
        }
        let mut walk = Walk::from(hash, 0);
        while let Some(cell) = self.cells.get_mut(walk.at()) {
            self.open -= usize::from(!cell.symbol.is_empty());
            cell.symbol.toggle(item, hash, -count);
            self.open += usize::from(!cell.symbol.is_empty());
            if !cell.queued && !cell.symbol.is_empty() {
                cell.queued = true;
                self.queue.push(walk.at());
            }
            walk.advance();
        }
        self.coming.push(Reverse((walk.at(), self.found.len())));
        self.found.push(Found { item, hash, count, walk });
        Ok(())
    }
}
