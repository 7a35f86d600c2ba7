//! What was heard already: user events and queries remembered against repetition (serf-wire,
//! sections 6.1 and 6.2).
//!
//! The original keeps a ring with a slot for each Lamport time modulo its size. A time is too old
//! once the clock has moved a whole ring past it, so two times that are both young enough never
//! share a slot, and a map ordered by time says the same as the ring while it takes memory only
//! for what it holds.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::BuildHasher as _;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::serf::clock::LamportTime;

/// Events remembered under one Lamport time at most. Only events sent at the very same moment by
/// different nodes share a time.
pub const EVENTS_PER_TIME_MAX: usize = 512;

/// So many events of one time are compared one by one: that costs less than a fingerprint.
const FEW: usize = 8;

/// Bytes an event is charged for besides its name and payload: its entry, its fingerprint and the two
/// reference counts.
const EVENT_OVERHEAD: usize = size_of::<EventBody>() + size_of::<u64>() + 48;

/// What came of offering something to a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Heard<T> {
    /// It is new and now remembered: deliver it and pass it on.
    Fresh(T),
    /// It was heard already.
    Duplicate,
    /// It is older than what is remembered, or its time cannot be true.
    TooOld,
    /// It is from before the time this node takes part in.
    BeforeMin,
    /// It could not be remembered within the bounds, so it must not be delivered either: it would
    /// be delivered again with each repetition.
    Full,
}

/// The content of a user event, sharing its memory with whoever it was delivered to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBody {
    /// Its name.
    pub name: Arc<str>,
    /// Its payload, empty if it has none.
    pub payload: Bytes,
}

impl EventBody {
    fn cost(name: &str, payload: &[u8]) -> usize {
        EVENT_OVERHEAD + name.len() + payload.len()
    }
}

/// The events of one Lamport time, in the order in which they came.
#[derive(Clone, Debug, Default)]
struct Moment {
    events: Vec<EventBody>,
    /// Of each a fingerprint: when half a cluster sends at once, hundreds share a time, and each of
    /// them is heard a dozen times.
    prints: Vec<u64>,
}

impl Moment {
    fn holds(&self, name: &str, payload: &[u8]) -> bool {
        let is = |event: &EventBody| *event.name == *name && *event.payload == *payload;
        if self.events.len() <= FEW {
            return self.events.iter().any(is);
        }
        let print = print_of(name, payload);
        let alike = self.prints.iter().zip(&self.events).filter(|(known, _)| **known == print);
        alike.map(|(_, event)| event).any(is)
    }

    fn push(&mut self, event: EventBody) {
        self.prints.push(print_of(&event.name, &event.payload));
        self.events.push(event);
    }
}

/// A number by which nearly all events that differ can be told apart; it stays within this process.
fn print_of(name: &str, payload: &[u8]) -> u64 {
    foldhash::fast::FixedState::default().hash_one((name, payload))
}

/// The times a buffer still tells apart.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// Lamport times remembered.
    size: u64,
    /// Earlier ones are not for this node.
    min: LamportTime,
    /// Earlier ones were dropped for their memory and count as too old.
    floor: LamportTime,
}

impl Window {
    fn new(size: usize) -> Self {
        Window { size: (size as u64).max(1), min: LamportTime(0), floor: LamportTime(0) }
    }

    /// The oldest time to keep once `ltime` is in, or why it is not let in.
    fn admit<T>(&self, clock: LamportTime, ltime: LamportTime) -> Result<LamportTime, Heard<T>> {
        // A clock that has witnessed `ltime` stands behind it; hold with callers that forgot to.
        let oldest = self.oldest(clock.max(ltime.next()));
        if ltime < self.min {
            Err(Heard::BeforeMin)
        } else if ltime < oldest || !ltime.is_credible() {
            Err(Heard::TooOld)
        } else {
            Ok(oldest)
        }
    }

    /// The oldest time that is not too old.
    fn oldest(&self, clock: LamportTime) -> LamportTime {
        self.floor.max(LamportTime(clock.0.saturating_sub(self.size)))
    }

    fn raise_min(&mut self, min: LamportTime) {
        if min.is_credible() {
            self.min = self.min.max(min);
        }
    }
}

/// User events remembered against repetition and for newcomers, who get them by push/pull.
///
/// Holds at most as many times as configured, [`EVENTS_PER_TIME_MAX`] events under each, and the
/// configured bytes in all, where the oldest time goes first. Empty, it has no memory of its own.
#[derive(Clone, Debug)]
pub struct EventBuffer {
    window: Window,
    times: BTreeMap<LamportTime, Moment>,
    bytes: usize,
    bytes_max: usize,
}

impl EventBuffer {
    /// An empty buffer for `size` Lamport times (at least 1) and `bytes_max` bytes.
    #[must_use]
    pub fn new(size: usize, bytes_max: usize) -> Self {
        EventBuffer { window: Window::new(size), times: BTreeMap::new(), bytes: 0, bytes_max }
    }

    /// Refuses events before `min` from now on. Never goes back.
    pub fn raise_min(&mut self, min: LamportTime) {
        self.window.raise_min(min);
    }

    /// The time before which events are refused.
    #[must_use]
    pub fn min(&self) -> LamportTime {
        self.window.min
    }

    /// Remembers an event if it is new. `clock` is the event clock after it has witnessed `ltime`.
    /// Two events are the same if time, name and payload are; whether they may be coalesced does
    /// not count.
    pub fn offer(
        &mut self,
        clock: LamportTime,
        ltime: LamportTime,
        name: &str,
        payload: &[u8],
    ) -> Heard<EventBody> {
        match self.window.admit(clock, ltime) {
            Ok(oldest) => self.forget_before(oldest),
            Err(refused) => return refused,
        }
        let known = self.times.get(&ltime);
        if known.is_some_and(|known| known.holds(name, payload)) {
            return Heard::Duplicate;
        }
        let cost = EventBody::cost(name, payload);
        let crowded = known.is_some_and(|known| known.events.len() >= EVENTS_PER_TIME_MAX);
        if crowded || !self.make_room(ltime, cost) {
            return Heard::Full;
        }
        let body = EventBody { name: name.into(), payload: Bytes::copy_from_slice(payload) };
        self.bytes += cost;
        self.times.entry(ltime).or_default().push(body.clone());
        Heard::Fresh(body)
    }

    /// The times that have events, oldest first, and their events.
    pub fn times(&self) -> impl Iterator<Item = (LamportTime, &[EventBody])> + Clone {
        self.times.iter().map(|(time, moment)| (*time, moment.events.as_slice()))
    }

    /// The ring as push/pull shows it: one entry for each slot in order, `None` for unused ones.
    pub fn slots(&self) -> impl ExactSizeIterator<Item = Option<(LamportTime, &[EventBody])>> + Clone {
        let size = self.window.size;
        let newest = self.times.last_key_value().map_or(0, |(time, _)| time.0);
        // The times of the current round of the ring are in its first slots, those of the round
        // before in the slots behind.
        let round = LamportTime(newest - newest % size);
        let mut used = self.times.range(round..).chain(self.times.range(..round)).peekable();
        (0..size as usize).map(move |slot| {
            let (time, moment) = used.next_if(|(time, _)| time.0 % size == slot as u64)?;
            Some((*time, moment.events.as_slice()))
        })
    }

    /// Bytes remembered, with what their administration takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// How many Lamport times something is remembered under.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Drops the oldest times until `cost` bytes fit. An event at the oldest time itself, or before
    /// it, gets no room: it would be the first to go.
    fn make_room(&mut self, ltime: LamportTime, cost: usize) -> bool {
        while self.bytes + cost > self.bytes_max {
            match self.times.first_key_value() {
                Some((oldest, _)) if *oldest < ltime => {
                    let next = oldest.next();
                    self.forget_before(next);
                    self.window.floor = next;
                }
                _ => return false,
            }
        }
        true
    }

    fn forget_before(&mut self, time: LamportTime) {
        while let Some(entry) = self.times.first_entry() {
            if *entry.key() >= time {
                break;
            }
            let moment = entry.remove();
            self.bytes -= moment.events.iter().map(|e| EventBody::cost(&e.name, &e.payload)).sum::<usize>();
        }
    }
}

/// Queries remembered against repetition, by Lamport time and number.
///
/// Holds at most as many times as configured and `per_time_max` numbers under each. Empty, it has
/// no memory of its own.
#[derive(Clone, Debug)]
pub struct QueryBuffer {
    window: Window,
    times: BTreeMap<LamportTime, SmallVec<[u32; 2]>>,
    per_time_max: usize,
}

impl QueryBuffer {
    /// An empty buffer for `size` Lamport times (at least 1) and `per_time_max` queries under each.
    #[must_use]
    pub fn new(size: usize, per_time_max: usize) -> Self {
        QueryBuffer { window: Window::new(size), times: BTreeMap::new(), per_time_max }
    }

    /// Refuses queries before `min` from now on. Never goes back.
    pub fn raise_min(&mut self, min: LamportTime) {
        self.window.raise_min(min);
    }

    /// Remembers a query if it is new. `clock` is the query clock after it has witnessed `ltime`.
    pub fn offer(&mut self, clock: LamportTime, ltime: LamportTime, id: u32) -> Heard<()> {
        let oldest = match self.window.admit(clock, ltime) {
            Ok(oldest) => oldest,
            Err(refused) => return refused,
        };
        while let Some(entry) = self.times.first_entry() {
            if *entry.key() >= oldest {
                break;
            }
            entry.remove();
        }
        match self.times.entry(ltime) {
            Entry::Occupied(known) if known.get().contains(&id) => Heard::Duplicate,
            Entry::Occupied(known) if known.get().len() >= self.per_time_max => Heard::Full,
            entry => {
                entry.or_default().push(id);
                Heard::Fresh(())
            }
        }
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// How many Lamport times something is remembered under.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::{EVENTS_PER_TIME_MAX, EventBuffer, Heard, LamportTime, QueryBuffer};

    const ROOMY: usize = 1 << 20;

    /// Offers an event as a node does: the clock witnesses it first.
    fn offer(buffer: &mut EventBuffer, clock: &mut u64, ltime: u64, name: &str) -> &'static str {
        *clock = (*clock).max(ltime + 1);
        word(buffer.offer(LamportTime(*clock), LamportTime(ltime), name, b"p"))
    }

    fn word<T>(heard: Heard<T>) -> &'static str {
        match heard {
            Heard::Fresh(_) => "fresh",
            Heard::Duplicate => "duplicate",
            Heard::TooOld => "too old",
            Heard::BeforeMin => "before min",
            Heard::Full => "full",
        }
    }

    #[test]
    fn the_rules_for_one_event_after_another() {
        let table: &[&[(u64, &str, &str)]] = &[
            &[(1, "a", "fresh"), (1, "a", "duplicate"), (1, "b", "fresh"), (1, "b", "duplicate")],
            &[(0, "a", "fresh"), (512, "a", "fresh"), (0, "a", "too old"), (1, "a", "fresh")],
            &[(0, "a", "fresh"), (511, "a", "fresh"), (0, "a", "duplicate"), (0, "b", "fresh")],
            &[(2000, "a", "fresh"), (1488, "a", "too old"), (1489, "a", "fresh"), (1489, "a", "duplicate")],
            &[(1 << 63, "a", "fresh"), (u64::MAX - 1, "a", "too old"), (5, "a", "too old")],
        ];
        for steps in table {
            let (mut buffer, mut clock) = (EventBuffer::new(512, ROOMY), 1);
            for &(ltime, name, expected) in *steps {
                assert_eq!(
                    offer(&mut buffer, &mut clock, ltime, name),
                    expected,
                    "{ltime} {name} of {steps:?}"
                );
            }
        }
    }

    #[test]
    fn an_event_at_the_end_of_the_range_is_refused() {
        let mut buffer = EventBuffer::new(512, ROOMY);
        assert_eq!(word(buffer.offer(LamportTime(9), LamportTime(u64::MAX), "a", b"")), "too old");
        assert!(buffer.is_empty());
    }

    #[test]
    fn payloads_tell_events_of_one_name_apart() {
        let mut buffer = EventBuffer::new(512, ROOMY);
        let (clock, ltime) = (LamportTime(2), LamportTime(1));
        let Heard::Fresh(body) = buffer.offer(clock, ltime, "deploy", b"1") else { panic!("new") };
        assert_eq!((&*body.name, &*body.payload), ("deploy", &b"1"[..]));
        assert_eq!(word(buffer.offer(clock, ltime, "deploy", b"2")), "fresh");
        assert_eq!(word(buffer.offer(clock, ltime, "deploy", b"")), "fresh");
        assert_eq!(word(buffer.offer(clock, ltime, "deploy", b"1")), "duplicate");
    }

    #[test]
    fn events_before_the_minimum_are_refused_and_the_minimum_never_falls() {
        let mut buffer = EventBuffer::new(512, ROOMY);
        buffer.raise_min(LamportTime(10));
        buffer.raise_min(LamportTime(3));
        buffer.raise_min(LamportTime(u64::MAX));
        let mut clock = 12;
        assert_eq!(offer(&mut buffer, &mut clock, 9, "a"), "before min");
        assert_eq!(offer(&mut buffer, &mut clock, 10, "a"), "fresh");
    }

    #[test]
    fn slots_stand_where_the_original_has_them() {
        let (mut buffer, mut clock) = (EventBuffer::new(4, ROOMY), 1);
        for ltime in [3, 4, 6] {
            offer(&mut buffer, &mut clock, ltime, "a");
        }
        offer(&mut buffer, &mut clock, 4, "b");
        let shown: Vec<_> = buffer.slots().map(|slot| slot.map(|(t, events)| (t.0, events.len()))).collect();
        assert_eq!(shown, [Some((4, 2)), None, Some((6, 1)), Some((3, 1))]);
        assert!(EventBuffer::new(512, ROOMY).slots().all(|slot| slot.is_none()));
        assert_eq!(EventBuffer::new(512, ROOMY).slots().len(), 512);
    }

    #[test]
    fn a_full_buffer_drops_its_oldest_time_and_counts_it_as_too_old() {
        let (mut buffer, mut clock) = (EventBuffer::new(512, 3 * (super::EVENT_OVERHEAD + 2)), 1);
        for ltime in [5, 6, 7, 8] {
            assert_eq!(offer(&mut buffer, &mut clock, ltime, "a"), "fresh");
        }
        assert_eq!(offer(&mut buffer, &mut clock, 5, "a"), "too old");
        assert_eq!(offer(&mut buffer, &mut clock, 6, "b"), "full");
        assert_eq!(offer(&mut buffer, &mut clock, 6, "a"), "duplicate");
        assert_eq!(offer(&mut buffer, &mut clock, 7, "b"), "fresh");
        assert_eq!(offer(&mut buffer, &mut clock, 6, "a"), "too old");
    }

    #[test]
    fn an_event_larger_than_all_memory_is_not_delivered() {
        let mut buffer = EventBuffer::new(512, 64);
        assert_eq!(word(buffer.offer(LamportTime(2), LamportTime(1), "a", &[0; 64])), "full");
    }

    #[test]
    fn one_time_holds_a_bounded_number_of_events() {
        let (mut buffer, mut clock) = (EventBuffer::new(512, ROOMY), 1);
        for n in 0..EVENTS_PER_TIME_MAX {
            assert_eq!(offer(&mut buffer, &mut clock, 1, &std::format!("{n}")), "fresh");
        }
        assert_eq!(offer(&mut buffer, &mut clock, 1, "one more"), "full");
        assert_eq!(offer(&mut buffer, &mut clock, 2, "one more"), "fresh");
    }

    #[quickcheck]
    fn events_agree_with_the_ring_of_the_original(steps: Vec<(u8, u8)>) -> bool {
        const SIZE: u64 = 8;
        let (mut buffer, mut clock) = (EventBuffer::new(SIZE as usize, ROOMY), 1);
        let mut ring: BTreeMap<u64, (u64, Vec<u8>)> = BTreeMap::new();
        steps.into_iter().all(|(ltime, name)| {
            let (ltime, name) = (u64::from(ltime % 40), name % 3);
            clock = clock.max(ltime + 1);
            let expected = if clock > SIZE && ltime < clock - SIZE {
                "too old"
            } else {
                let slot = ring.entry(ltime % SIZE).or_insert((ltime, Vec::new()));
                if slot.0 != ltime {
                    *slot = (ltime, Vec::new());
                }
                if slot.1.contains(&name) {
                    "duplicate"
                } else {
                    slot.1.push(name);
                    "fresh"
                }
            };
            let agrees = offer(&mut buffer, &mut clock, ltime, &std::format!("{name}")) == expected;
            // The original also shows slots that are too old by now; every receiver drops them.
            let shown = buffer.slots().enumerate().all(|(slot, shown)| match ring.get(&(slot as u64)) {
                Some((ltime, names)) if clock <= SIZE || *ltime >= clock - SIZE => {
                    shown.is_some_and(|(t, events)| t.0 == *ltime && events.len() == names.len())
                }
                _ => shown.is_none_or(|(t, _)| clock > SIZE && t.0 < clock - SIZE),
            });
            agrees && shown
        })
    }

    #[quickcheck]
    fn any_sequence_of_events_keeps_the_bounds(steps: Vec<(u64, u64, u8)>) -> bool {
        let mut buffer = EventBuffer::new(16, 1000);
        steps.into_iter().all(|(clock, ltime, len)| {
            let _ = buffer.offer(LamportTime(clock), LamportTime(ltime), "e", &[0; 255][..len.into()]);
            let shown: usize = buffer.slots().flatten().map(|(_, events)| events.len()).sum();
            buffer.bytes() <= 1000 && shown <= 16
        })
    }

    #[test]
    fn queries_are_told_apart_by_time_and_number() {
        let mut buffer = QueryBuffer::new(4, 3);
        let mut offer = |clock, ltime, id| word(buffer.offer(LamportTime(clock), LamportTime(ltime), id));
        for (clock, ltime, id, expected) in [
            (2, 1, 7, "fresh"),
            (2, 1, 7, "duplicate"),
            (2, 1, 8, "fresh"),
            (3, 2, 7, "fresh"),
            (3, 1, 9, "fresh"),
            (3, 1, 10, "full"),
            (3, 1, 9, "duplicate"),
            (6, 1, 7, "too old"),
            (6, 5, 7, "fresh"),
            (6, u64::MAX, 7, "too old"),
        ] {
            assert_eq!(offer(clock, ltime, id), expected, "query {id} at {ltime}, clock {clock}");
        }
        buffer.raise_min(LamportTime(9));
        assert_eq!(word(buffer.offer(LamportTime(6), LamportTime(5), 1)), "before min");
    }

    #[quickcheck]
    fn any_sequence_of_queries_keeps_the_bounds(steps: Vec<(u8, u8, u32)>) -> bool {
        let mut buffer = QueryBuffer::new(8, 4);
        let mut clock = 0;
        steps.into_iter().all(|(step, back, id)| {
            clock += u64::from(step);
            let ltime = clock.saturating_sub(u64::from(back));
            let first = buffer.offer(LamportTime(clock + 1), LamportTime(ltime), id);
            let again = buffer.offer(LamportTime(clock + 1), LamportTime(ltime), id);
            (!matches!(first, Heard::Fresh(())) || again == Heard::Duplicate)
                && buffer.times.len() <= 8
                && buffer.times.values().all(|ids| ids.len() <= 4)
        })
    }
}
