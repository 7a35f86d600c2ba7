//! The talk of two members about what their registries differ in: what each says when.
//!
//! Who dialled describes its set in coded symbols until the other knows the difference. That one
//! asks for what it lacks, and tells in turn what the first one lacks:
//!
//! ```text
//! dialled                      accepted
//!    |--- hello, symbols --------->|
//!    |<-- more --------------------|   until the difference is known
//!    |--- symbols ---------------->|
//!    |<-- need --------------------|
//!    |--- records ---------------->|   what was needed
//!    |<-- records -----------------|   what else differs, and what is known better
//!    |--- records ---------------->|   what is known better
//! ```
//!
//! Where one side has next to nothing, or the difference is very large, both tell all they have. A
//! side that has nothing left to say closes. Records travel in frames of bounded size, a few of them
//! at a time before the other has said that it took them in.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::encoding::Told;
use super::frames::{FRAME_FILL, Frame, NEED_PER_FRAME, read_told};
use super::record::Record;
use super::sketch::{Decoder, Difference, Sketch, SketchError};
use super::table::Table;
use super::texts::Texts;
use crate::error::{Malformed, Refusal};
use crate::time::Time;
use crate::trie::Trie;
use crate::wire::message::malformed;

/// Symbols said with the hello: enough for one change, mostly.
const SYMBOLS_FIRST: usize = 4;
/// Symbols in one frame at most.
const SYMBOLS_PER_FRAME: usize = 4096;
/// Symbols of one talk at most; a difference that needs more is told as a whole.
const SYMBOLS_MAX: usize = 1 << 17;
/// Digests and keys that may be asked for in one talk; no more than symbols can give away.
const NEED_MAX: usize = SYMBOLS_MAX;
/// Both tell all they have where one has so many times the records of the other.
const UNEVEN: usize = 8;
/// Frames of records on their way before the other side says that it took one in.
const WINDOW: usize = 4;

/// One side of a talk.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    role: Role,
    phase: Phase,
    /// The records at the beginning: what the talk is about.
    snapshot: Trie<Record>,
    giving: Giving,
    /// What the other side told and is known better here.
    replies: Vec<Told>,
    /// Records that were new here.
    pub(crate) news: usize,
    /// Until when it may last; `None` before the other side has said anything.
    pub(crate) until: Option<Time>,
    /// The other side does not know yet what comes of it.
    awaited: bool,
    /// What begins it, until the stream stands.
    opening: Option<Vec<u8>>,
}

/// Which side it is.
#[derive(Clone, Debug)]
enum Role {
    /// Dialled, to find out what differs.
    Asking {
        sketch: Sketch,
        /// Symbols said so far.
        sent: usize,
        needed: Vec<u64>,
    },
    /// Was dialled.
    Answering { decoder: Option<Decoder>, mine: Mine },
    /// Dialled, to fetch some records.
    Fetching,
}

/// What of the own records the other side lacks.
#[derive(Clone, Debug)]
enum Mine {
    These(Vec<u64>),
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The difference is being found.
    Comparing,
    /// This side tells; `last`: then it closes.
    Giving { last: bool },
    /// The other side tells; `last`: then this one closes.
    Taking { last: bool },
    /// The other side has told all; now this one may.
    Turn,
    /// Over.
    Over,
}

/// What is being told, frame by frame.
#[derive(Clone, Debug, Default)]
struct Giving {
    /// All of these, from this one on.
    all: Trie<Record>,
    at: usize,
    /// Then these.
    list: VecDeque<Told>,
    /// Frames that may be sent now.
    credit: usize,
}

impl Giving {
    fn new(all: Trie<Record>, list: impl IntoIterator<Item = Told>) -> Self {
        Giving { all, at: 0, list: list.into_iter().collect(), credit: WINDOW }
    }

    fn peek(&self) -> Option<Told> {
        self.all.nth(self.at).map(|record| Told::Is(record.clone())).or_else(|| self.list.front().cloned())
    }

    fn advance(&mut self) {
        if self.at < self.all.len() {
            self.at += 1;
        } else {
            self.list.pop_front();
        }
    }

    /// The next frame's records, and whether they are the last.
    fn next_frame(&mut self) -> (Vec<u8>, bool) {
        let mut frame = Vec::new();
        while let Some(told) = self.peek() {
            let before = frame.len();
            told.encode(&mut frame);
            if before > 0 && frame.len() > FRAME_FILL {
                frame.truncate(before);
                return (frame, false);
            }
            self.advance();
        }
        (frame, true)
    }
}

impl Session {
    fn new(role: Role, phase: Phase, snapshot: Trie<Record>) -> Self {
        Session {
            role,
            phase,
            snapshot,
            giving: Giving::default(),
            replies: Vec::new(),
            news: 0,
            until: None,
            awaited: false,
            opening: None,
        }
    }

    /// Begins a talk about everything.
    pub(crate) fn ask(table: &Table, key: u32) -> Self {
        let snapshot = table.records().clone();
        let mut sketch = Sketch::new(key.into());
        sketch.grow(SYMBOLS_FIRST, digests(&snapshot));
        let mut symbols = Vec::new();
        sketch.encode(0..SYMBOLS_FIRST, &mut symbols);
        let records = u32::try_from(snapshot.len()).unwrap_or(u32::MAX);
        let hello = Frame::Hello { key, records, symbols: &symbols }.encode();
        let role = Role::Asking { sketch, sent: SYMBOLS_FIRST, needed: Vec::new() };
        Session { opening: Some(hello), ..Self::new(role, Phase::Comparing, snapshot) }
    }

    /// Begins to fetch these.
    pub(crate) fn fetch(wanted: &[Told]) -> Self {
        let mut keys = Vec::new();
        wanted.iter().for_each(|told| told.encode(&mut keys));
        let session = Self::new(Role::Fetching, Phase::Taking { last: true }, Trie::new());
        Session { opening: Some(Frame::Fetch(&keys).encode()), ..session }
    }

    /// What to say when the stream stands.
    pub(crate) fn take_opening(&mut self) -> Option<Vec<u8>> {
        self.opening.take()
    }

    /// Was dialled by another member.
    pub(crate) fn answer(table: &Table) -> Self {
        let role = Role::Answering { decoder: None, mine: Mine::These(Vec::new()) };
        Self::new(role, Phase::Comparing, table.records().clone())
    }

    /// Whether everything has been said that must be.
    pub(crate) fn is_over(&self) -> bool {
        match self.phase {
            Phase::Over | Phase::Giving { last: true } => true,
            // The other side closes when it has nothing to tell.
            Phase::Taking { .. } => !matches!(self.role, Role::Fetching),
            Phase::Comparing | Phase::Turn | Phase::Giving { last: false } => false,
        }
    }

    /// Takes in what the other side says. What it tells is returned, to be merged before
    /// [`go_on`](Self::go_on); what is known better goes to [`reply`](Self::reply).
    ///
    /// # Errors
    /// Why the talk cannot go on.
    pub(crate) fn on_frame(
        &mut self,
        bytes: &[u8],
        table: &Table,
        texts: &mut Texts,
        out: &mut Vec<Vec<u8>>,
    ) -> Result<Vec<Told>, Refusal> {
        let frame = Frame::decode(bytes).map_err(fault)?;
        if matches!((&frame, &self.role), (Frame::Records { .. }, Role::Asking { .. }))
            && self.phase == Phase::Comparing
        {
            // It lacks nothing.
            self.phase = Phase::Taking { last: false };
        }
        match (frame, self.phase) {
            (Frame::Records { told, last }, Phase::Taking { last: then_over }) => {
                let told = read_told(told, table.seed(), texts).map_err(fault)?;
                if last {
                    self.phase = if then_over { Phase::Over } else { Phase::Turn };
                } else {
                    out.push(Frame::GoOn.encode());
                }
                return Ok(told);
            }
            (Frame::GoOn, Phase::Giving { .. }) => self.giving.credit = (self.giving.credit + 1).min(WINDOW),
            // It crossed the last frame.
            (Frame::GoOn, _) => {}
            (frame, Phase::Comparing) => self.compare(frame, table, texts, out)?,
            _ => return Err(UNEXPECTED),
        }
        Ok(Vec::new())
    }

    /// Finds out what differs.
    fn compare(
        &mut self,
        frame: Frame<'_>,
        table: &Table,
        texts: &mut Texts,
        out: &mut Vec<Vec<u8>>,
    ) -> Result<(), Refusal> {
        match (frame, &mut self.role) {
            (Frame::More(count), Role::Asking { sketch, sent, .. }) => {
                let end = *sent + usize::from(count).min(SYMBOLS_PER_FRAME);
                if end > SYMBOLS_MAX {
                    return Err(UNEXPECTED);
                }
                sketch.grow(end, digests(&self.snapshot));
                let mut symbols = Vec::new();
                sketch.encode(*sent..end, &mut symbols);
                *sent = end;
                out.push(Frame::Symbols(&symbols).encode());
                Ok(())
            }
            (Frame::Need { digests, last }, Role::Asking { needed, .. }) => {
                needed.extend(digests.as_chunks().0.iter().map(|digest| u64::from_be_bytes(*digest)));
                if needed.len() > NEED_MAX {
                    return Err(Refusal::Full("the list of records asked for"));
                }
                if last {
                    needed.sort_unstable();
                    let needed = core::mem::take(needed);
                    self.give(Giving::new(Trie::new(), select(&self.snapshot, &needed)), false);
                }
                Ok(())
            }
            (Frame::NeedAll, Role::Asking { .. }) => {
                self.give(Giving::new(self.snapshot.clone(), table.all_gone()), false);
                Ok(())
            }
            (Frame::Hello { key, records, symbols }, Role::Answering { decoder: None, .. }) => {
                let (here, there) = (self.snapshot.len(), records as usize);
                if UNEVEN * here.min(there) <= here.max(there) {
                    self.need_all(out);
                    return Ok(());
                }
                let decoder = Decoder::new(Sketch::new(key.into()), SYMBOLS_MAX);
                self.decode(decoder, symbols, out)
            }
            (Frame::Symbols(symbols), Role::Answering { decoder: Some(_), .. }) => {
                let Role::Answering { decoder, .. } = &mut self.role else { return Err(UNEXPECTED) };
                let Some(decoder) = decoder.take() else { return Err(UNEXPECTED) };
                self.decode(decoder, symbols, out)
            }
            (Frame::Fetch(keys), Role::Answering { decoder: None, .. }) => {
                let wanted = read_told(keys, table.seed(), texts).map_err(fault)?;
                let known = wanted.iter().filter_map(|told| table.told(told.key()));
                self.give(Giving::new(Trie::new(), known.collect::<Vec<_>>()), false);
                Ok(())
            }
            _ => Err(UNEXPECTED),
        }
    }

    /// Takes the next symbols of the other side's set.
    fn decode(
        &mut self,
        mut decoder: Decoder,
        symbols: &[u8],
        out: &mut Vec<Vec<u8>>,
    ) -> Result<(), Refusal> {
        match decoder.accept(symbols, digests(&self.snapshot)) {
            Ok(false) if symbols.is_empty() => return Err(UNEXPECTED),
            Ok(false) => {
                let had = decoder.received();
                // Fewer too many while they are the greater part of the cost, fewer questions later.
                let step = if had < 128 { had / 4 } else { had / 2 };
                let more = step.clamp(3, SYMBOLS_PER_FRAME).min(SYMBOLS_MAX - had);
                out.push(Frame::More(more as u16).encode());
                self.role = Role::Answering { decoder: Some(decoder), mine: Mine::These(Vec::new()) };
            }
            Ok(true) => self.need(decoder.into_difference().unwrap_or_default(), out),
            Err(SketchError::TooManySymbols) => self.need_all(out),
            Err(_) => return Err(Refusal::Other("coded symbols of a registry that contradict one another")),
        }
        Ok(())
    }

    fn need(&mut self, difference: Difference, out: &mut Vec<Vec<u8>>) {
        let Difference { only_remote, only_local } = difference;
        self.role = Role::Answering { decoder: None, mine: Mine::These(only_local) };
        if only_remote.is_empty() {
            self.awaited = true;
            self.phase = Phase::Turn;
            return;
        }
        self.phase = Phase::Taking { last: false };
        let mut parts = only_remote.chunks(NEED_PER_FRAME).peekable();
        while let Some(part) = parts.next() {
            let digests: Vec<u8> = part.iter().flat_map(|digest| digest.to_be_bytes()).collect();
            out.push(Frame::Need { digests: &digests, last: parts.peek().is_none() }.encode());
        }
    }

    fn need_all(&mut self, out: &mut Vec<Vec<u8>>) {
        self.role = Role::Answering { decoder: None, mine: Mine::All };
        self.phase = Phase::Taking { last: false };
        out.push(Frame::NeedAll.encode());
    }

    fn give(&mut self, giving: Giving, last: bool) {
        self.giving = giving;
        self.phase = Phase::Giving { last };
    }

    /// The other side told of something that is known better here.
    pub(crate) fn reply(&mut self, told: Told) {
        self.replies.push(told);
    }

    /// Goes on as far as possible; whether the stream is to be closed.
    pub(crate) fn go_on(&mut self, table: &Table, out: &mut Vec<Vec<u8>>) -> bool {
        if self.phase == Phase::Turn {
            self.take_turn(table);
        }
        while let Phase::Giving { last } = self.phase
            && self.giving.credit > 0
        {
            self.giving.credit -= 1;
            let (told, done) = self.giving.next_frame();
            out.push(Frame::Records { told: &told, last: done }.encode());
            if done {
                self.giving = Giving::default();
                let close = matches!(self.role, Role::Answering { .. });
                self.phase = if last { Phase::Over } else { Phase::Taking { last: close } };
            }
        }
        self.phase == Phase::Over
    }

    /// The other side has told all: what is there to say to it?
    fn take_turn(&mut self, table: &Table) {
        let replies = core::mem::take(&mut self.replies);
        let (giving, last) = match &self.role {
            Role::Answering { mine: Mine::All, .. } => {
                (Giving::new(self.snapshot.clone(), table.all_gone().chain(replies)), false)
            }
            Role::Answering { mine: Mine::These(digests), .. } => {
                // What the other side just told may have replaced it.
                let holds = |told: &Told| table.told(told.key()).as_ref() == Some(told);
                let mine = select(&self.snapshot, digests).filter(holds);
                (Giving::new(Trie::new(), mine.chain(replies).collect::<Vec<_>>()), false)
            }
            Role::Asking { .. } | Role::Fetching => (Giving::new(Trie::new(), replies), true),
        };
        let awaited = core::mem::take(&mut self.awaited);
        if awaited || giving.peek().is_some() { self.give(giving, last) } else { self.phase = Phase::Over }
    }
}

const UNEXPECTED: Refusal = Refusal::Other("a registry message that does not belong here");

fn fault(error: Malformed) -> Refusal {
    malformed("registry message", error)
}

fn digests(records: &Trie<Record>) -> impl Iterator<Item = u64> {
    records.iter().map(Record::digest)
}

/// The records with these digests, which are in order.
fn select<'a>(records: &'a Trie<Record>, digests: &'a [u64]) -> impl Iterator<Item = Told> + 'a {
    let found = move |record: &&Record| digests.binary_search(&record.digest()).is_ok();
    // Without any, there is no need to look.
    let records = (!digests.is_empty()).then(|| records.iter()).into_iter().flatten();
    records.filter(found).map(|record| Told::Is(record.clone()))
}

#[cfg(test)]
mod tests;
