//! Deadlines: a fixed row for what every node always has, a heap with cancellation for the rest.

use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashMap;

use crate::event::QueryId;
use crate::input::{PersistId, ResolveId, StreamId};
use crate::time::Time;

/// Deadlines of which a node has one each. Those due at the same moment come in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Tick {
    /// The ack of the running probe is late: ask helpers.
    ProbeLate,
    /// The running probe ends.
    ProbeEnd,
    /// Start a probe.
    Probe,
    /// Tell some members what is new.
    Gossip,
    /// Exchange full state with somebody.
    PushPull,
    /// The running leave enters its next stage.
    Leave,
    /// Forget members whose time is over.
    Reap,
    /// Try a failed member.
    Reconnect,
    /// Look at the queues' depth.
    QueueCheck,
    /// Write the clocks into the snapshot.
    SnapshotClock,
    /// Tell coalesced member events.
    MemberEvents,
    /// Tell coalesced user events.
    UserEvents,
    /// Compare the registry with somebody's.
    RegistrySync,
}

const TICKS: [Tick; 13] = [
    Tick::ProbeLate,
    Tick::ProbeEnd,
    Tick::Probe,
    Tick::Gossip,
    Tick::PushPull,
    Tick::Leave,
    Tick::Reap,
    Tick::Reconnect,
    Tick::QueueCheck,
    Tick::SnapshotClock,
    Tick::MemberEvents,
    Tick::UserEvents,
    Tick::RegistrySync,
];

const _: () = assert!(TICKS[TICKS.len() - 1] as usize == TICKS.len() - 1);

/// Deadlines of which there may be many, named by what they are about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A suspicion runs out.
    Suspicion(Arc<str>),
    /// SWIM forgets a dead or left member.
    Forget(Arc<str>),
    /// Somebody else took over the name of a member that was gone: what was said before is over.
    TakenOver(Arc<str>),
    /// A ping sent for somebody else, by our sequence number, was not answered.
    Forward(u32),
    /// A stream must be done.
    Stream(StreamId),
    /// A name look-up must be done.
    Resolve(ResolveId),
    /// Something must be written.
    Persist(PersistId),
    /// A query this node asked is over.
    OpenQuery(QueryId),
    /// A received query may no longer be answered.
    PendingQuery(QueryId),
    /// Somebody waits no longer for a broadcast.
    Wait(u64),
    /// A pruned member that was leaving is erased.
    Prune(Arc<str>),
    /// A member that is leaving should be gone.
    Overstay(Arc<str>),
    /// A check's time has come.
    Check(u64),
    /// A check's output is told.
    Output(u64),
    /// An instance has been critical for too long, by this check.
    Deregister(u64),
}

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Tick(Tick),
    Key(Key),
}

#[derive(Clone, Debug)]
struct Entry {
    at: Time,
    /// Entries due at the same moment come in the order they were set.
    order: u64,
    key: Key,
}

impl Entry {
    fn rank(&self) -> (Time, u64) {
        (self.at, self.order)
    }
}

/// All deadlines of a node.
#[derive(Clone, Debug)]
pub(crate) struct Timers {
    ticks: [Time; TICKS.len()],
    /// The earliest of them: asked for far more often than one changes.
    first_tick: Time,
    /// A binary heap whose entries know their place through `places`.
    heap: Vec<Entry>,
    places: HashMap<Key, usize, foldhash::fast::FixedState>,
    next_order: u64,
}

impl Timers {
    pub(crate) fn new(hash_seed: u64) -> Self {
        Timers {
            ticks: [Time::MAX; TICKS.len()],
            first_tick: Time::MAX,
            heap: Vec::new(),
            places: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(hash_seed)),
            next_order: 0,
        }
    }

    /// Gives back memory that busier times needed.
    pub(crate) fn rest(&mut self) {
        self.heap.shrink_to(0);
        self.places.shrink_to(0);
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Time> {
        let keyed = self.heap.first().map_or(Time::MAX, |entry| entry.at);
        Some(self.first_tick.min(keyed)).filter(|at| *at != Time::MAX)
    }

    pub(crate) fn set_tick(&mut self, tick: Tick, at: Time) {
        let before = core::mem::replace(&mut self.ticks[tick as usize], at);
        if at <= self.first_tick {
            self.first_tick = at;
        } else if before == self.first_tick {
            self.first_tick = self.ticks.iter().copied().min().unwrap_or(Time::MAX);
        }
    }

    pub(crate) fn clear_tick(&mut self, tick: Tick) {
        self.set_tick(tick, Time::MAX);
    }

    /// When a tick is due; [`Time::MAX`]: it is not set.
    pub(crate) fn tick(&self, tick: Tick) -> Time {
        self.ticks[tick as usize]
    }

    /// Sets or moves a deadline.
    pub(crate) fn set(&mut self, key: Key, at: Time) {
        self.cancel(&key);
        let order = self.next_order;
        self.next_order += 1;
        let place = self.heap.len();
        self.places.insert(key.clone(), place);
        self.heap.push(Entry { at, order, key });
        self.sift_up(place);
    }

    /// Whether a deadline is set.
    pub(crate) fn is_set(&self, key: &Key) -> bool {
        self.places.contains_key(key)
    }

    /// Drops a deadline; does nothing if it is not set.
    pub(crate) fn cancel(&mut self, key: &Key) {
        let Some(place) = self.places.remove(key) else { return };
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            self.places.insert(self.heap[place].key.clone(), place);
            let place = self.sift_up(place);
            self.sift_down(place);
        }
        if self.heap.is_empty() && self.heap.capacity() > 16 {
            self.heap = Vec::new();
            self.places.shrink_to(0);
        }
    }

    /// Takes out the earliest deadline at or before `now`.
    pub(crate) fn pop(&mut self, now: Time) -> Option<Due> {
        // Asked with each input; mostly nothing is due.
        if self.next().is_none_or(|at| at > now) {
            return None;
        }
        let keyed = self.heap.first().map_or(Time::MAX, |entry| entry.at);
        if self.first_tick <= keyed {
            let place = self.ticks.iter().position(|at| *at == self.first_tick)?;
            let tick = TICKS[place];
            self.clear_tick(tick);
            return Some(Due::Tick(tick));
        }
        let key = self.heap[0].key.clone();
        self.cancel(&key);
        Some(Due::Key(key))
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        for place in [a, b] {
            if let Some(known) = self.places.get_mut(&self.heap[place].key) {
                *known = place;
            }
        }
    }

    fn sift_up(&mut self, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent].rank() <= self.heap[place].rank() {
                break;
            }
            self.swap(parent, place);
            place = parent;
        }
        place
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let children = [2 * place + 1, 2 * place + 2];
            let Some(least) =
                children.into_iter().filter(|c| *c < self.heap.len()).min_by_key(|c| self.heap[*c].rank())
            else {
                return;
            };
            if self.heap[place].rank() <= self.heap[least].rank() {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use quickcheck_macros::quickcheck;

    #[quickcheck]
    fn it_behaves_like_an_ordered_map_of_deadlines(steps: Vec<(u8, u16, bool)>) -> bool {
        let mut timers = Timers::new(7);
        let mut model: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for (order, (key, at, set)) in steps.into_iter().enumerate() {
            let key = u32::from(key % 16);
            if set {
                timers.set(Key::Forward(key), Time::from_nanos(at.into()));
                model.insert(key, (at.into(), order as u64));
            } else {
                timers.cancel(&Key::Forward(key));
                model.remove(&key);
            }
            let next = model.values().map(|(at, _)| Time::from_nanos(*at)).min();
            if timers.next() != next {
                return false;
            }
        }
        let mut expected: Vec<_> = model.into_iter().map(|(key, rank)| (rank, key)).collect();
        expected.sort_unstable();
        let popped: Vec<_> = core::iter::from_fn(|| timers.pop(Time::from_nanos(1 << 20))).collect();
        popped == expected.into_iter().map(|(_, key)| Due::Key(Key::Forward(key))).collect::<Vec<_>>()
    }

    #[test]
    fn nothing_is_due_before_its_time_and_ticks_come_in_their_order() {
        let mut timers = Timers::new(7);
        let at = Time::from_nanos(5);
        timers.set_tick(Tick::Probe, at);
        timers.set_tick(Tick::ProbeEnd, at);
        timers.set(Key::Forward(1), at);
        assert_eq!(timers.pop(Time::from_nanos(4)), None);
        assert_eq!(timers.pop(at), Some(Due::Tick(Tick::ProbeEnd)));
        assert_eq!(timers.pop(at), Some(Due::Tick(Tick::Probe)));
        assert_eq!(timers.pop(at), Some(Due::Key(Key::Forward(1))));
        assert_eq!(timers.pop(at), None);
        assert_eq!(timers.next(), None);
    }
}
