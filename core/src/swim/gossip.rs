//! The broadcast queue and its pace: which updates ride in the next packet, and when the next
//! round of packets leaves (gossip-wire, section 8).

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;

use bytes::Bytes;
use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::config;
use crate::context::{Context, give_back};
use crate::time::Time;
use crate::timers::Tick;
use crate::trace::Decision;
use crate::wire::compound::Compound;
use crate::wire::limits::COMPOUND_PARTS_MAX;

/// Of a message's copies, one in this many is left to ride on pings and acks. With fewer copies than
/// that, as below ten members, none can be spared.
const TAIL_FRACTION: u32 = 6;

/// Bytes a message costs in a packet beside its own: its length in the compound header.
pub(crate) const MESSAGE_OVERHEAD: usize = 2;

/// Bytes of changes of the registry that wait at most.
const CHANGES_BYTES_MAX: usize = 1 << 20;

/// Who is told when a broadcast has been sent often enough (or is dropped).
pub(crate) type Waiter = u64;

/// The kinds of updates, in the order they are taken into packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// SWIM's own: alive, suspect, dead.
    Member,
    /// Join and leave intents.
    Intent,
    /// Queries.
    Query,
    /// User events.
    Event,
    /// Changes of the registry, for members that keep one.
    Registry,
}

impl Class {
    /// What every member understands.
    pub(crate) const COMMON: &[Class] = &[Class::Member, Class::Intent, Class::Query, Class::Event];
    /// What only members with a registry understand.
    pub(crate) const REGISTRY: &[Class] = &[Class::Registry];
    const ALL: &[Class] = &[Class::Member, Class::Intent, Class::Query, Class::Event, Class::Registry];

    /// What a member understands.
    pub(crate) const fn understood(keeps_registry: bool) -> &'static [Class] {
        if keeps_registry { Class::ALL } else { Class::COMMON }
    }
}

/// What a broadcast is about; a newer one about the same replaces it.
#[derive(Clone, Debug)]
enum About {
    Member(Arc<str>),
    /// A number that stands for a key of the registry.
    Topic(u64),
}

/// The place of a message in its queue: least sent first, then longest, then newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    transmits: u32,
    /// Messages fit a packet, so their lengths fit here.
    len: Reverse<u32>,
    id: Reverse<u64>,
}

const _: () = assert!(size_of::<Rank>() == 16, "a rank is moved with each transmission");

#[derive(Clone, Debug)]
struct Broadcast {
    rank: Rank,
    bytes: Bytes,
    about: Option<About>,
    waiter: Option<Waiter>,
}

/// Which broadcast of a queue; stays the same from its first transmission to its last.
type Slot = u32;

/// Broadcasts stay where they are; what moves as they are sent is their rank.
#[derive(Clone, Debug, Default)]
struct Queue {
    order: BTreeMap<Rank, Slot>,
    slots: Vec<Option<Broadcast>>,
    free: Vec<Slot>,
}

impl Queue {
    /// The message to take next into `free` bytes: in the least sent tier that has one fitting,
    /// the longest that fits.
    fn fitting(&self, free: usize, from_tier: u32) -> Option<(Rank, Slot)> {
        let free = u32::try_from(free).unwrap_or(u32::MAX);
        let mut tier = from_tier;
        loop {
            let start = Rank { transmits: tier, len: Reverse(free), id: Reverse(u64::MAX) };
            let (rank, slot) = self.order.range(start..).next()?;
            if rank.transmits == tier {
                return Some((*rank, *slot));
            }
            tier = rank.transmits;
        }
    }

    fn put(&mut self, broadcast: Broadcast) -> Slot {
        let rank = broadcast.rank;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as Slot - 1
        });
        self.slots[slot as usize] = Some(broadcast);
        self.order.insert(rank, slot);
        slot
    }

    /// Takes a broadcast out, whether it is in the order or not.
    fn take(&mut self, slot: Slot) -> Option<Broadcast> {
        let broadcast = self.slots.get_mut(slot as usize)?.take()?;
        self.order.remove(&broadcast.rank);
        self.free.push(slot);
        if self.free.len() == self.slots.len() {
            // Nothing is left: busier times are over.
            (self.slots, self.free) = (Vec::new(), Vec::new());
        }
        Some(broadcast)
    }
}

/// The changes of the registry that are queued.
#[derive(Clone, Debug, Default)]
struct Changes {
    queue: Queue,
    /// Where the change of a topic stands.
    places: BTreeMap<u64, Slot>,
    /// Bytes of all of them.
    bytes: usize,
    /// Hashes of the members told last, oldest first.
    told_lately: Vec<u64>,
}

/// What is waiting to be told, by class.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gossip {
    /// Those of [`Class::COMMON`].
    queues: [Queue; 4],
    /// Where a member's broadcast stands in the first queue.
    about: HashMap<Arc<str>, Slot, foldhash::fast::FixedState>,
    /// Those of the registry; `None` while there are none.
    changes: Option<Box<Changes>>,
    next_id: u64,
    /// Messages somebody waits for.
    waiters: usize,
    /// Waiters whose broadcast is done, until the node asks.
    done: Vec<Waiter>,
    pace: Pace,
}

impl Gossip {
    pub(crate) fn new(cx: &mut Context) -> Self {
        let phase = cx.now + cx.rng.part_of(cx.config.gossip.interval);
        let hasher = foldhash::fast::FixedState::with_seed(cx.rng.u64());
        Gossip {
            about: HashMap::with_hasher(hasher),
            pace: Pace { phase, ..Pace::default() },
            ..Gossip::default()
        }
    }

    pub(crate) fn len(&self, class: Class) -> usize {
        self.queue(class).map_or(0, |queue| queue.order.len())
    }

    fn queue(&self, class: Class) -> Option<&Queue> {
        self.queues.get(class as usize).or_else(|| Some(&self.changes.as_ref()?.queue))
    }

    fn queue_mut(&mut self, class: Class) -> Option<&mut Queue> {
        match self.queues.get_mut(class as usize) {
            Some(queue) => Some(queue),
            None => self.changes.as_mut().map(|changes| &mut changes.queue),
        }
    }

    /// The members told last what is new in the registry, while something is.
    pub(crate) fn registry_told_lately(&mut self) -> Option<&mut Vec<u64>> {
        self.changes.as_mut().map(|changes| &mut changes.told_lately)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.is_silent(Class::ALL)
    }

    /// Whether none of these classes has anything to tell.
    pub(crate) fn is_silent(&self, classes: &[Class]) -> bool {
        classes.iter().all(|class| self.len(*class) == 0)
    }

    /// Gives back memory that busier times needed.
    pub(crate) fn rest(&mut self) {
        self.queues.iter_mut().for_each(|queue| give_back(&mut queue.order));
        self.about.shrink_to(0);
    }

    /// Queues an update about a member, in place of an older one.
    pub(crate) fn push_member(
        &mut self,
        cx: &mut Context,
        member: Arc<str>,
        bytes: Bytes,
        waiter: Option<Waiter>,
    ) {
        if let Some(slot) = self.about.remove(&*member).filter(|_| !bug!(cx, KeepsOldUpdates)) {
            self.drop_message(cx, Class::Member, slot);
        }
        let slot = self.insert(cx, Class::Member, bytes, Some(About::Member(member.clone())), waiter);
        self.about.insert(member, slot);
    }

    /// Queues a change of the registry, in place of an older one of the same topic. Returns how many
    /// were dropped because the queue is full.
    pub(crate) fn push_change(&mut self, cx: &mut Context, topic: u64, bytes: Bytes) -> usize {
        let older = self.changes.as_ref().and_then(|changes| changes.places.get(&topic).copied());
        if let Some(slot) = older {
            self.drop_message(cx, Class::Registry, slot);
        }
        let len = bytes.len();
        self.changes.get_or_insert_default();
        let slot = self.insert(cx, Class::Registry, bytes, Some(About::Topic(topic)), None);
        let changes = self.changes.get_or_insert_default();
        changes.places.insert(topic, slot);
        changes.bytes += len;
        let mut dropped = self.prune(cx, Class::Registry, cx.config.queues.depth_max);
        while self.changes.as_ref().is_some_and(|it| it.bytes > CHANGES_BYTES_MAX) {
            dropped += self.prune(cx, Class::Registry, self.len(Class::Registry) - 1);
        }
        dropped
    }

    /// Drops all changes of the registry: nobody is there to hear them.
    pub(crate) fn drop_changes(&mut self, cx: &mut Context) {
        self.prune(cx, Class::Registry, 0);
    }

    /// Queues a message of the Serf layer; drops from the end of a queue that is full.
    pub(crate) fn push(
        &mut self,
        cx: &mut Context,
        class: Class,
        bytes: Bytes,
        waiter: Option<Waiter>,
        depth_max: usize,
    ) {
        self.insert(cx, class, bytes, None, waiter);
        if bug!(cx, HoardsMessages) {
            return;
        }
        self.prune(cx, class, depth_max);
    }

    /// Drops messages from the end of a queue until it holds at most `depth_max`; how many.
    pub(crate) fn prune(&mut self, cx: &mut Context, class: Class, depth_max: usize) -> usize {
        let mut dropped = 0;
        while self.len(class) > depth_max {
            let last = self.queue(class).and_then(|queue| queue.order.last_key_value());
            let Some((_, &slot)) = last else { break };
            self.drop_message(cx, class, slot);
            cx.metrics.broadcasts_dropped += 1;
            dropped += 1;
        }
        dropped
    }

    fn insert(
        &mut self,
        cx: &mut Context,
        class: Class,
        bytes: Bytes,
        about: Option<About>,
        waiter: Option<Waiter>,
    ) -> Slot {
        let len = Reverse(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        let rank = Rank { transmits: 0, len, id: Reverse(self.next_id) };
        self.next_id += 1;
        self.waiters += usize::from(waiter.is_some());
        let broadcast = Broadcast { rank, bytes, about, waiter };
        let slot = match self.queues.get_mut(class as usize) {
            Some(queue) => queue.put(broadcast),
            None => self.changes.get_or_insert_default().queue.put(broadcast),
        };
        self.pace.fresh(cx);
        slot
    }

    fn drop_message(&mut self, cx: &mut Context, class: Class, slot: Slot) {
        if let Some(broadcast) = self.queue_mut(class).and_then(|queue| queue.take(slot)) {
            self.finish(cx, broadcast, true);
        }
    }

    fn finish(&mut self, cx: &mut Context, broadcast: Broadcast, dropped: bool) {
        let Broadcast { rank: Rank { transmits, .. }, about, waiter, bytes } = broadcast;
        self.waiters -= usize::from(waiter.is_some());
        self.done.extend(waiter);
        let member = match about {
            Some(About::Topic(topic)) => return self.forget_change(topic, bytes.len()),
            Some(About::Member(member)) => {
                self.about.remove(&member);
                Some(member)
            }
            None => None,
        };
        cx.trace(|| Decision::BroadcastFinished { member, transmits, dropped });
    }

    fn forget_change(&mut self, topic: u64, len: usize) {
        let Some(changes) = &mut self.changes else { return };
        changes.places.remove(&topic);
        changes.bytes -= len;
        if changes.places.is_empty() {
            self.changes = None;
        }
    }

    /// Whether there are waiters whose broadcast is done.
    pub(crate) fn has_done(&self) -> bool {
        !self.done.is_empty()
    }

    /// Waiters whose broadcast is done.
    pub(crate) fn take_done(&mut self) -> Vec<Waiter> {
        core::mem::take(&mut self.done)
    }

    /// Adds messages to a packet that has `free` bytes left; returns how many. Each counts as sent
    /// once; `limits` says for each class after how many times they are done. `classes` are those
    /// the target understands.
    pub(crate) fn fill(
        &mut self,
        cx: &mut Context,
        mut free: usize,
        limits: Limits,
        classes: &[Class],
        packet: &mut Compound,
    ) -> usize {
        let most = cx.config.gossip.updates_per_packet.unwrap_or(COMPOUND_PARTS_MAX - 1);
        let mut added = 0;
        for &class in classes {
            let mut taken: SmallVec<[Slot; 16]> = SmallVec::new();
            let mut tier = 0;
            while added < most && free > MESSAGE_OVERHEAD {
                let Some(queue) = self.queue_mut(class) else { break };
                let Some((rank, slot)) = queue.fitting(free - MESSAGE_OVERHEAD, tier) else { break };
                queue.order.remove(&rank);
                let Some(broadcast) = &queue.slots[slot as usize] else { break };
                if !bug!(cx, OverfillsPackets) {
                    free -= MESSAGE_OVERHEAD + broadcast.bytes.len();
                }
                tier = rank.transmits;
                packet.push(&broadcast.bytes);
                taken.push(slot);
                added += 1;
            }
            for slot in taken {
                self.sent(cx, class, slot, limits.of(class));
            }
        }
        added
    }

    /// Puts a message back behind those sent less often, or finishes it.
    fn sent(&mut self, cx: &mut Context, class: Class, slot: Slot, limit: u32) {
        let limit = if bug!(cx, TellsTooOften) { 2 * limit } else { limit };
        let Some(queue) = self.queue_mut(class) else { return };
        let Some(broadcast) = queue.slots[slot as usize].as_mut() else { return };
        broadcast.rank.transmits += 1;
        if broadcast.rank.transmits < limit || bug!(cx, TellsForEver) {
            queue.order.insert(broadcast.rank, slot);
            return;
        }
        let Some(broadcast) = queue.take(slot) else { return };
        self.finish(cx, broadcast, false);
    }

    /// A round has been sent: when the next one leaves.
    pub(crate) fn round_done(&mut self, cx: &mut Context, limits: Limits) {
        let next = if self.is_empty() {
            Next::Never
        } else if self.is_urgent(cx, limits, Class::ALL) {
            Next::Soon
        } else {
            Next::Late
        };
        self.pace.round_done(cx, next);
    }

    /// Whether the round under way still has something to tell to members that understand these
    /// classes.
    pub(crate) fn is_round_due(&self, cx: &Context, limits: Limits, classes: &[Class]) -> bool {
        !self.is_silent(classes) && (self.pace.late || self.is_urgent(cx, limits, classes))
    }

    /// Whether somebody waits for a message, or one has been sent so rarely that not everybody may
    /// have it.
    ///
    /// The last copies of each message are for stragglers. They ride for nothing on the pings and
    /// acks of the next probe interval, so that being prompt costs no packet more.
    fn is_urgent(&self, cx: &Context, limits: Limits, classes: &[Class]) -> bool {
        let ride = cx.config.gossip.eager && cx.config.gossip.piggyback && self.waiters == 0;
        classes.iter().any(|&class| {
            let limit = limits.of(class);
            let tail = if ride { limit / TAIL_FRACTION } else { 0 };
            let least = self.queue(class).and_then(|queue| queue.order.first_key_value());
            least.is_some_and(|(rank, _)| rank.transmits + tail < limit)
        })
    }
}

/// After how many transmissions a message is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) member: u32,
    pub(crate) serf: u32,
    pub(crate) registry: u32,
}

impl Limits {
    const fn of(self, class: Class) -> u32 {
        match class {
            Class::Member => self.member,
            Class::Intent | Class::Query | Class::Event => self.serf,
            Class::Registry => self.registry,
        }
    }
}

/// The transmit limit in a cluster of `members` (gossip-wire, section 8.1).
pub(crate) fn transmit_limit(config: &config::Gossip, members: usize) -> u32 {
    config.fixed_limit.unwrap_or_else(|| config.retransmit_mult.saturating_mul(decades(members + 1)))
}

/// The transmit limit of a change of the registry among `members` that keep one: a whole round more.
///
/// Of `n` members that tell `c` others each, a change misses about `n * e^-c` (papers, section 1.1,
/// with the copies of section 3.3), and whoever misses one waits until states are compared. The
/// limit of 8 copies leaves out somebody in one change of 50 among 60 members; that is enough for
/// what SWIM says, which is said again, but hundreds of checks may change at once and are told once.
/// Each round more makes that rarer by `e^3`, or 20 times: one in 1,000. It costs each member one
/// more copy of the change to three others.
pub(crate) fn change_limit(config: &config::Gossip, members: usize) -> u32 {
    transmit_limit(config, members).saturating_add(config.nodes as u32)
}

/// `ceil(log10(n))`, computed in whole numbers.
pub(crate) fn decades(n: usize) -> u32 {
    n.saturating_sub(1).checked_ilog10().map_or(0, |log| log + 1)
}

/// When rounds leave. With nothing to tell there are none.
///
/// The original has a round each interval. Ours sends a fresh update at once, then again after
/// gaps that double until they reach the interval: the same copies, earlier. Whatever arrives
/// within a gap shares the next round, and the last copies wait for packets that leave anyway.
#[derive(Clone, Debug, Default)]
struct Pace {
    /// Rounds at the slow pace fall on whole intervals after this moment.
    phase: Time,
    last_round: Option<Time>,
    gap: Duration,
    /// The next round is for the last copies, which found no packet to ride on.
    late: bool,
}

/// When another round is worth its packets.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// Nothing is left to tell.
    Never,
    /// Only last copies are left: give them time to ride on other packets.
    Late,
    /// At the running pace.
    Soon,
}

impl Pace {
    fn fresh(&mut self, cx: &mut Context) {
        self.late = false;
        if cx.config.gossip.eager {
            self.gap = cx.config.gossip.eager_gap;
            let earliest = self.last_round.map_or(cx.now, |last| (last + self.gap).max(cx.now));
            let at = cx.timers.tick(Tick::Gossip).min(earliest);
            cx.timers.set_tick(Tick::Gossip, at);
        } else if cx.timers.tick(Tick::Gossip) == Time::MAX {
            let at = self.next_whole(cx);
            cx.timers.set_tick(Tick::Gossip, at);
        }
    }

    fn round_done(&mut self, cx: &mut Context, next: Next) {
        self.last_round = Some(cx.now);
        self.late = matches!(next, Next::Late);
        let late = if rare!(cx, GossipLate) { cx.config.gossip.interval } else { Duration::ZERO };
        let at = match next {
            Next::Never => return,
            Next::Late => cx.now + cx.config.probe.interval.max(cx.config.gossip.interval),
            Next::Soon if cx.config.gossip.eager && self.gap < cx.config.gossip.interval => {
                let at = cx.now + self.gap;
                self.gap = self.gap.saturating_mul(2);
                at
            }
            Next::Soon => self.next_whole(cx),
        };
        cx.timers.set_tick(Tick::Gossip, at + late);
    }

    /// The next whole interval after now.
    fn next_whole(&self, cx: &Context) -> Time {
        let interval = crate::time::nanos(cx.config.gossip.interval);
        let passed = crate::time::nanos(cx.now.since(self.phase));
        if cx.now < self.phase {
            return self.phase;
        }
        Time::from_nanos(
            self.phase.as_nanos().saturating_add((passed / interval + 1).saturating_mul(interval)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transmit_limit_grows_with_the_logarithm_of_the_cluster() {
        let config = crate::Config::lan("a", "127.0.0.1:1".parse().unwrap()).gossip;
        for (members, limit) in [(1, 4), (9, 4), (10, 8), (12, 8), (99, 8), (100, 12), (999, 12), (1000, 16)]
        {
            assert_eq!(transmit_limit(&config, members), limit, "{members} members");
        }
        for (members, limit) in [(9, 7), (60, 11), (999, 15), (10_000, 23)] {
            assert_eq!(change_limit(&config, members), limit, "{members} members");
        }
        assert_eq!(decades(1), 0);
        assert_eq!(decades(10), 1);
        assert_eq!(decades(11), 2);
    }
}
