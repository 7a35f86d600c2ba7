//! How changes reach the other members: gossiped, fetched where they are too large for that, and held
//! back for a moment where they overtake the word of their owner.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use smallvec::SmallVec;

use super::encoding::{Told, encoded_len};
use super::forward::Forward;
use super::messages::{self, Notice, Said};
use super::record::{Key, Stamp};
use super::service::Text;
use super::session::Session;
use super::table::Merged;
use crate::error::Refusal;
use crate::holdings::Holding;
use crate::input::StreamId;
use crate::node::Node;
use crate::swim::Swim;
use crate::swim::gossip::MESSAGE_OVERHEAD;
use crate::swim::member::Status;
use crate::time::Time;
use crate::trace::Decision;
use crate::trie::Record as _;
use crate::wire::limits::CRC_OVERHEAD;
use crate::wire::message::malformed;

/// How long a record whose owner is no member is held back: gossip about the owner is under way for
/// no longer.
const WAIT: Duration = Duration::from_secs(10);
/// Records held back at most; the oldest go first. When members that failed together come back
/// together, whoever starts with them is told of their records before it hears that they are there.
const WAITING_MAX: usize = 4096;
/// Bytes of them at most.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// Owners of dropped records that are remembered at most.
const MISSED_MAX: usize = 1024;
/// Records to be fetched that are remembered at most.
const WANTED_MAX: usize = 1024;
/// Members remembered for each that are said to have it.
const HOLDERS_MAX: usize = 4;
/// Records fetched on one stream.
const FETCH_MAX: usize = 64;
/// Streams to fetch on at the same time.
const FETCHES_MAX: usize = 4;
/// What a talk brings is gossiped on up to so many records; more reach others by further talks.
const PASSED_ON_MAX: usize = 64;

/// A record that is too large for gossip, and who is said to have it.
#[derive(Clone, Debug)]
struct Wanted {
    stamp: Stamp,
    holders: SmallVec<[Text; 2]>,
    /// On its way.
    asked: bool,
}

#[derive(Clone, Debug)]
struct Waiting {
    until: Time,
    size: usize,
    told: Told,
}

/// Owners of whom something was dropped while they were no members: when they are, it is missing.
#[derive(Clone, Debug, Default)]
struct Missed {
    owners: BTreeSet<Text>,
    /// There are more than are remembered.
    more: bool,
}

impl Missed {
    fn add(&mut self, owner: Text) {
        if self.owners.len() < MISSED_MAX {
            self.owners.insert(owner);
        } else {
            self.more |= !self.owners.contains(&owner);
        }
    }

    fn is_of(&self, owner: &str) -> bool {
        self.more || self.owners.contains(owner)
    }
}

/// What is under way between this node's registry and others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spread {
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    missed: Missed,
    wanted: BTreeMap<Key, Wanted>,
    /// What each stream to fetch on is to bring.
    fetches: BTreeMap<StreamId, Vec<Key>>,
    /// Catalog writes on their way to other agents.
    pub(super) forwards: BTreeMap<StreamId, Forward>,
    /// Streams on which other agents wait for this one to answer their writes.
    pub(super) asked: BTreeSet<StreamId>,
    /// The talks, on the streams they are held on.
    pub(super) sessions: BTreeMap<StreamId, Session>,
    /// The talk about everything that this node dialled for, if there is one.
    pub(super) syncing: Option<StreamId>,
    /// Talks that are still to follow one that brought much.
    pub(super) follow_ups: u32,
}

impl Spread {
    /// Holds a record back until its owner is a member.
    fn hold_back(&mut self, now: Time, told: Told) {
        let size = encoded_len(&told);
        self.waiting.push_back(Waiting { until: now + WAIT, size, told });
        self.waiting_bytes += size;
        let over = |it: &Self| {
            it.waiting.len() > WAITING_MAX
                || it.waiting_bytes > WAITING_BYTES_MAX
                || it.waiting.front().is_some_and(|first| first.until <= now)
        };
        while over(self) {
            let Some(first) = self.waiting.pop_front() else { return };
            self.waiting_bytes -= first.size;
            self.missed.add(first.told.key().owner.clone());
        }
    }

    /// What waits for its owner, and what is to be fetched.
    pub(crate) fn holdings(&self) -> (Holding, Holding) {
        let waiting = Holding::new("records without an owner", self.waiting.len(), WAITING_MAX);
        (waiting, Holding::new("records to fetch", self.wanted.len(), WANTED_MAX))
    }

    /// An owner is a member: takes out what was held back of it and is not too old. Whether there was
    /// more.
    fn release(&mut self, now: Time, owner: &str) -> (Vec<Told>, bool) {
        let missed = self.missed.is_of(owner);
        if self.waiting.is_empty() {
            return (Vec::new(), missed);
        }
        let (out, kept): (VecDeque<_>, VecDeque<_>) =
            core::mem::take(&mut self.waiting).into_iter().partition(|it| *it.told.key().owner == *owner);
        self.waiting_bytes = kept.iter().map(|it| it.size).sum();
        self.waiting = kept;
        let (count, fresh) = (out.len(), out.into_iter().filter(|it| it.until > now));
        let fresh: Vec<Told> = fresh.map(|it| it.told).collect();
        let missed = missed || fresh.len() < count;
        (fresh, missed)
    }

    /// A talk about everything begins: what was missed comes up again.
    pub(super) fn compares(&mut self) {
        self.missed = Missed::default();
    }

    /// Notes that a record is to be fetched; whether there is room for it.
    fn want(&mut self, notice: Notice) -> bool {
        let Notice { holder, key, stamp } = notice;
        if self.wanted.len() >= WANTED_MAX && !self.wanted.contains_key(&key) {
            return false;
        }
        let wanted =
            self.wanted.entry(key).or_insert(Wanted { stamp, holders: SmallVec::new(), asked: false });
        if stamp > wanted.stamp {
            // Who has the older one need not have this one.
            (wanted.stamp, wanted.holders) = (stamp, SmallVec::new());
        }
        if stamp == wanted.stamp && wanted.holders.len() < HOLDERS_MAX && !wanted.holders.contains(&holder) {
            wanted.holders.push(holder);
        }
        true
    }

    /// Whom to ask next, and for what: as much of what is wanted as the first one has.
    fn next_fetch(&mut self) -> Option<(Text, Vec<Told>)> {
        let holder = self.wanted.values().find(|it| !it.asked)?.holders.first()?.clone();
        let mut keys = Vec::new();
        for (key, wanted) in self.wanted.iter_mut().filter(|(_, it)| !it.asked) {
            let place = wanted.holders.iter().position(|known| *known == holder);
            if let Some(place) = place {
                wanted.holders.remove(place);
                wanted.asked = true;
                keys.push(Told::Gone(key.clone(), wanted.stamp));
            }
            if keys.len() == FETCH_MAX {
                break;
            }
        }
        Some((holder, keys))
    }

    /// A stream to fetch on is over: what it did not bring is asked of others. Whether something is
    /// wanted that nobody is known to have.
    fn fetch_ended(&mut self, id: StreamId) -> bool {
        let mut lost = false;
        for key in self.fetches.remove(&id).unwrap_or_default() {
            let Some(wanted) = self.wanted.get_mut(&key) else { continue };
            wanted.asked = false;
            if wanted.holders.is_empty() {
                self.wanted.remove(&key);
                lost = true;
            }
        }
        lost
    }

    /// A key is known up to this stamp.
    fn satisfied(&mut self, key: &Key, stamp: Stamp) {
        if self.wanted.get(key).is_some_and(|wanted| wanted.stamp <= stamp) {
            self.wanted.remove(key);
        }
    }

    fn forget(&mut self, owner: &str) {
        self.wanted.retain(|key, _| *key.owner != *owner);
    }
}

/// Whether records of this owner are taken.
fn is_member(swim: &Swim, owner: &str) -> bool {
    swim.members.get(owner).is_some_and(|member| member.status != Status::None)
}

fn written(told: &Told) -> Decision {
    let digest = if let Told::Is(record) = told { Some(record.digest()) } else { None };
    Decision::RecordWritten { key: Box::new(told.key().clone()), stamp: told.stamp(), digest }
}

impl Node {
    /// Has what this node wrote put on disk, and tells the others; answers who asked for it.
    pub(crate) fn tell_written(&mut self) {
        let Node { cx, registry: Some(registry), .. } = self else { return };
        registry.save_changes(cx);
        for told in registry.take_told() {
            self.cx.trace(|| written(&told));
            self.tell_change(&told);
        }
        self.answer_asked();
    }

    /// Gossips a change, or, if it is too large for that, where it can be fetched.
    fn tell_change(&mut self, told: &Told) {
        let Node { cx, swim, registry: Some(registry), .. } = self else { return };
        if swim.others_with_registry() == 0 {
            return;
        }
        let most = cx.config.packet.size - 2 * MESSAGE_OVERHEAD - CRC_OVERHEAD - swim.packets.overhead();
        let mut bytes = swim.packets.encode(|out| messages::encode_told(told, out));
        if bytes.len() > most {
            let (me, size) = (swim.me.clone(), bytes.len());
            bytes = swim.packets.encode(|out| messages::encode_notice(&me, told, size, out));
        }
        let topic = told.key().topic(registry.table.seed());
        if bytes.len() > most || swim.gossip.push_change(cx, topic, bytes) > 0 {
            self.plan_sync();
        }
    }

    /// Another member gossips about the registry.
    pub(crate) fn on_registry_gossip(&mut self, from: SocketAddr, body: &[u8]) {
        let Some(registry) = &mut self.registry else { return };
        let mut said: SmallVec<[Said; 2]> = SmallVec::new();
        let read = messages::decode(body, &registry.table, &mut registry.texts, |it| said.push(it));
        if let Err(error) = read {
            self.cx.refuse(from, malformed("registry gossip", error));
        }
        for said in said {
            match said {
                Said::Told(told) => {
                    if let Merged::News(_) = self.hear_told(from, &told) {
                        self.tell_change(&told);
                    }
                }
                Said::Notice(notice) => self.hear_notice(notice),
            }
        }
        self.fetch_on();
        self.tell_written();
    }

    /// Takes in a record or a deletion that a member told of.
    pub(super) fn hear_told(&mut self, from: SocketAddr, told: &Told) -> Merged {
        let Node { cx, swim, registry: Some(registry), .. } = self else { return Merged::Known };
        if !is_member(swim, &told.key().owner) {
            registry.spread.hold_back(cx.now, told.clone());
            return Merged::Known;
        }
        let merged = registry.hear(cx, told.clone());
        if merged == Merged::Full {
            cx.refuse(from, Refusal::Full("the registry"));
        }
        registry.spread.satisfied(told.key(), told.stamp());
        merged
    }

    /// A member says that it has something too large to be gossiped.
    fn hear_notice(&mut self, notice: Notice) {
        let Node { swim, registry: Some(registry), .. } = self else { return };
        let known = registry.table.told(&notice.key).is_some_and(|known| known.stamp() >= notice.stamp);
        let holder = swim.members.get(&notice.holder);
        let others = notice.key.owner != swim.me && notice.holder != swim.me;
        if known || !others || !holder.is_some_and(|member| member.marked()) {
            return;
        }
        if !is_member(swim, &notice.key.owner) || !registry.spread.want(notice) {
            self.plan_sync();
        }
    }

    /// Fetches what is wanted, as far as streams may be open for it.
    pub(super) fn fetch_on(&mut self) {
        while let Node { cx, swim, registry: Some(registry), .. } = self
            && registry.spread.fetches.len() < FETCHES_MAX
            && let Some((holder, wanted)) = registry.spread.next_fetch()
        {
            let keys = wanted.iter().map(|told| told.key().clone()).collect();
            let session = Session::fetch(&wanted);
            let dialled = swim
                .members
                .get(&holder)
                .map(|member| member.addr())
                .and_then(|addr| swim.dial(cx, addr, crate::swim::streams::Purpose::Registry).ok());
            let Some(id) = dialled else {
                // Nobody is asked: others may be, or it is found when states are compared.
                let id = StreamId::dialled(u64::MAX >> 1);
                registry.spread.fetches.insert(id, keys);
                if registry.spread.fetch_ended(id) {
                    self.plan_sync();
                }
                continue;
            };
            registry.spread.fetches.insert(id, keys);
            registry.spread.sessions.insert(id, session);
        }
    }

    /// A stream to fetch on is over.
    pub(super) fn fetch_ended(&mut self, id: StreamId) {
        let Some(registry) = &mut self.registry else { return };
        if registry.spread.fetch_ended(id) {
            self.plan_sync();
        }
        self.fetch_on();
    }

    /// What a talk told: merged, and passed on if it is not too much. What is known better comes
    /// back.
    pub(super) fn hear_all(&mut self, from: SocketAddr, told: &[Told], news: &mut usize) -> Vec<Told> {
        let mut better = Vec::new();
        for told in told {
            match self.hear_told(from, told) {
                Merged::News(_) => {
                    *news += 1;
                    if *news <= PASSED_ON_MAX {
                        self.tell_change(told);
                    } else if *news == PASSED_ON_MAX + 1 {
                        self.plan_follow_ups();
                    }
                }
                Merged::Older(known) => better.push(known),
                Merged::Known | Merged::Full => {}
            }
        }
        self.tell_written();
        better
    }

    /// A member is there: what was held back of it is taken, and what this node says about a node of
    /// that name is the member's to say.
    pub(crate) fn on_owner_there(&mut self, name: &Text) {
        let Node { cx, registry: Some(registry), .. } = self else { return };
        if *name != registry.own.me {
            registry.on_agent(cx, name);
        }
        let (released, missed) = registry.spread.release(cx.now, name);
        if missed {
            self.plan_sync();
        }
        for told in released {
            let from = self.swim.members.get(name).map(|member| member.addr());
            if let Merged::News(_) = self.hear_told(from.unwrap_or(self.swim.addr), &told) {
                self.tell_change(&told);
            }
        }
    }

    /// A member is forgotten, and with it all that it said.
    pub(crate) fn on_owner_erased(&mut self, name: &str) {
        let Some(registry) = &mut self.registry else { return };
        registry.table.forget(name);
        registry.spread.forget(name);
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::super::record::Kind;
    use super::*;

    fn key(owner: &str, id: &str) -> Key {
        Key { owner: owner.into(), node: owner.into(), kind: Kind::Service, id: id.into() }
    }

    fn stamp(version: u64) -> Stamp {
        Stamp { generation: 1, version }
    }

    fn notice(holder: &str, id: &str, version: u64) -> Notice {
        Notice { holder: holder.into(), key: key("o", id), stamp: stamp(version) }
    }

    #[test]
    fn what_overtakes_its_owner_waits_for_a_while() {
        let mut spread = Spread::default();
        let start = Time::ZERO;
        for (owner, id) in [("a", "1"), ("b", "1"), ("a", "2")] {
            spread.hold_back(start, Told::Gone(key(owner, id), stamp(1)));
        }
        let (told, missed) = spread.release(start + WAIT / 2, "a");
        assert_eq!((told.len(), missed), (2, false));
        assert_eq!(spread.release(start + WAIT / 2, "a"), (Vec::new(), false));
        assert_eq!(spread.release(start + WAIT, "b"), (Vec::new(), true), "it has waited too long");
        for i in 0..2 * WAITING_MAX {
            spread.hold_back(start, Told::Gone(key("c", &format!("{i}")), stamp(1)));
        }
        assert_eq!(spread.waiting.len(), WAITING_MAX);
        for i in 0..2 * WAITING_MAX {
            spread.hold_back(start, Told::Gone(key("c", &format!("{i:>1000}")), stamp(1)));
        }
        assert!(spread.waiting_bytes <= WAITING_BYTES_MAX);
        let held: usize = spread.waiting.iter().map(|it| it.size).sum();
        assert_eq!(spread.waiting_bytes, held);
    }

    #[test]
    fn whose_records_were_dropped_is_remembered_until_all_is_compared() {
        let mut spread = Spread::default();
        for i in 0..=WAITING_MAX {
            let owner = if i == 0 { "dropped" } else { "held" };
            spread.hold_back(Time::ZERO, Told::Gone(key(owner, &format!("{i}")), stamp(1)));
        }
        assert_eq!(spread.release(Time::ZERO, "dropped"), (Vec::new(), true));
        let (told, missed) = spread.release(Time::ZERO, "held");
        assert_eq!((told.len(), missed), (WAITING_MAX, false));
        spread.compares();
        assert_eq!(spread.release(Time::ZERO, "dropped"), (Vec::new(), false));
        // Of too many, anybody may be one.
        for i in 0..=MISSED_MAX {
            spread.missed.add(format!("{i}").as_str().into());
        }
        assert!(spread.release(Time::ZERO, "who knows").1);
        assert_eq!(spread.missed.owners.len(), MISSED_MAX);
    }

    #[test]
    fn what_is_wanted_is_asked_of_one_after_the_other() {
        let mut spread = Spread::default();
        for (holder, id, version) in [("h1", "a", 1), ("h2", "a", 1), ("h1", "b", 1), ("h3", "c", 1)] {
            assert!(spread.want(notice(holder, id, version)));
        }
        let (holder, keys) = spread.next_fetch().unwrap();
        assert_eq!((&*holder, keys.len()), ("h1", 2));
        let (holder, keys) = spread.next_fetch().unwrap();
        assert_eq!((&*holder, keys.len()), ("h3", 1));
        assert!(spread.next_fetch().is_none(), "all is asked for");
        // The first stream fails: one of the two is known to be elsewhere.
        let id = StreamId::dialled(1);
        spread.fetches.insert(id, [key("o", "a"), key("o", "b")].into());
        assert!(spread.fetch_ended(id), "nobody else has the other");
        let (holder, keys) = spread.next_fetch().unwrap();
        assert_eq!((&*holder, keys), ("h2", [Told::Gone(key("o", "a"), stamp(1))].into()));
        spread.satisfied(&key("o", "a"), stamp(1));
        spread.satisfied(&key("o", "c"), stamp(0));
        assert_eq!(spread.wanted.len(), 1, "an older version does not satisfy");
    }

    #[test]
    fn a_newer_version_is_asked_only_of_those_that_have_it() {
        let mut spread = Spread::default();
        for (holder, version) in [("old", 1), ("new", 2), ("older", 1)] {
            spread.want(notice(holder, "a", version));
        }
        let (holder, keys) = spread.next_fetch().unwrap();
        assert_eq!((&*holder, keys), ("new", [Told::Gone(key("o", "a"), stamp(2))].into()));
    }

    #[test]
    fn wants_are_bounded() {
        let mut spread = Spread::default();
        let taken = (0..2 * WANTED_MAX).filter(|i| spread.want(notice("h", &format!("{i}"), 1))).count();
        assert_eq!((taken, spread.wanted.len()), (WANTED_MAX, WANTED_MAX));
        let (_, keys) = spread.next_fetch().unwrap();
        assert_eq!(keys.len(), FETCH_MAX);
        spread.forget("o");
        assert!(spread.wanted.is_empty());
    }
}
