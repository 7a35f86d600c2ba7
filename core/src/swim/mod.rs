//! SWIM with Lifeguard: who is there, and who is alive.
//!
//! The layer is fed by the node with decoded messages and passed deadlines; what it notices about
//! members it leaves for the Serf layer to make sense of.

pub mod member;

pub(crate) mod awareness;
mod belief;
pub(crate) mod census;
pub(crate) mod gossip;
mod holdings;
pub(crate) mod join;
pub(crate) mod members;
pub(crate) mod merge;
pub(crate) mod packets;
pub(crate) mod probe;
pub(crate) mod push_pull;
pub(crate) mod stall;
pub(crate) mod streams;
pub(crate) mod suspicion;
mod takeover;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::Bytes;
use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::config::Config;
use crate::context::Context;
use crate::error::ConfigError;
use crate::input::StreamId;
use crate::registry::marker::encode_meta;
use crate::serf::clock::LamportTime;
use crate::serf::tags::Tags;
use crate::swim::awareness::Awareness;
use crate::swim::gossip::{Class, Gossip, Limits, MESSAGE_OVERHEAD, Waiter, change_limit, transmit_limit};
use crate::swim::join::Joins;
use crate::swim::member::{Identity, Incarnation, Member, State, Status, Versions};
use crate::swim::members::{Members, Name, Walk};
use crate::swim::merge::Accusation;
use crate::swim::packets::Packets;
use crate::swim::probe::{CRC_SINCE, Probing};
use crate::swim::stall::Stall;
use crate::swim::streams::Streams;
use crate::swim::suspicion::Suspicion;
use crate::time::Time;
use crate::timers::Tick;
use crate::trie::Record as _;
use crate::wire::limits::CRC_OVERHEAD;

/// Members gossiped to last that the next round leaves out, at most.
const TOLD_LATELY_MAX: usize = 12;

/// What SWIM noticed, for the Serf layer to make sense of.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    /// A member is new, or has come back.
    Alive {
        name: Name,
        /// Since when it was gone.
        gone_since: Option<Time>,
    },
    /// A member is dead or has left.
    Gone(Name),
    /// A member's meta changed.
    Updated(Name),
    /// A member is forgotten for good.
    Erased(Name),
    /// This node was said to be gone, and says that it is not.
    Refuted,
    /// Another address claims the own name.
    OwnNameClaimed,
    /// A join has been answered, for better or worse.
    JoinEnded(join::Ended),
    /// A talk about the registry could not be held to its end.
    TalkFailed { id: StreamId, peer: SocketAddr, reason: String },
}

/// The membership layer of a node.
#[derive(Clone, Debug)]
pub(crate) struct Swim {
    pub(crate) me: Name,
    pub(crate) addr: SocketAddr,
    pub(crate) tags: Tags,
    pub(crate) members: Members,
    pub(crate) gossip: Gossip,
    pub(crate) packets: Packets,
    pub(crate) awareness: Awareness,
    /// The own incarnation; it starts at 1 with each start and only grows.
    incarnation: Incarnation,
    /// This node has said good-bye.
    pub(crate) leaving: bool,
    suspicions: HashMap<Name, Suspicion, foldhash::fast::FixedState>,
    pub(crate) probing: Probing,
    pub(crate) stall: Stall,
    walk: Walk,
    /// Hashes of the members gossiped to last, oldest first.
    told_lately: Vec<u64>,
    pub(crate) streams: Streams,
    pub(crate) joins: Joins,
    /// What acks carry: this node's coordinate.
    pub(crate) ack_payload: Vec<u8>,
    pub(crate) name_vote_running: bool,
    pub(crate) notices: Vec<Notice>,
}

impl Swim {
    pub(crate) fn new(cx: &mut Context, hash_seed: u64) -> Result<Self, ConfigError> {
        let config = cx.config.clone();
        let me: Name = config.name.as_str().into();
        let mut swim = Swim {
            me: me.clone(),
            addr: config.advertise,
            tags: config.tags.clone(),
            members: Members::new(hash_seed, me.clone()),
            gossip: Gossip::new(cx),
            packets: Packets::new(&config)?,
            awareness: Awareness::default(),
            incarnation: 1,
            leaving: false,
            suspicions: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(hash_seed)),
            probing: Probing::default(),
            stall: Stall::default(),
            walk: Walk::default(),
            told_lately: Vec::new(),
            streams: Streams::default(),
            joins: Joins::default(),
            ack_payload: Vec::new(),
            name_vote_running: false,
            notices: Vec::new(),
        };
        let identity = swim.own_identity(&config);
        swim.members.put(Member {
            hash: swim.members.hash(&me),
            identity,
            status: Status::None,
            status_ltime: LamportTime(0),
            incarnation: swim.incarnation,
            state: State::Alive,
        });
        swim.notices.push(Notice::Alive { name: me, gone_since: None });
        let first = cx.now + cx.rng.part_of(config.probe.interval);
        cx.timers.set_tick(Tick::Probe, first);
        swim.plan_push_pull(cx);
        Ok(swim)
    }

    fn own_identity(&self, config: &Config) -> Arc<Identity> {
        let protocol = config.protocol;
        let mut meta = Vec::new();
        encode_meta(&self.tags, protocol, config.registry.enabled, &mut meta);
        Arc::new(Identity::new(self.me.clone(), self.addr, meta.into(), Versions::ours(protocol)))
    }

    /// Describes this node anew, to everyone.
    pub(crate) fn set_tags(&mut self, cx: &mut Context, tags: Tags, waiter: Option<Waiter>) {
        if self.leaving {
            // To describe itself would be to say that it lives. Whoever waits, waits in vain.
            return;
        }
        self.tags = tags;
        let identity = self.own_identity(&cx.config);
        let Some(member) = self.members.get(&self.me).cloned() else { return };
        self.members.put(Member { identity, ..member });
        self.incarnation = self.incarnation.saturating_add(1);
        self.assert_self(cx, waiter);
        self.notices.push(Notice::Updated(self.me.clone()));
    }

    /// Says good-bye: the own record becomes left, and everyone is told.
    pub(crate) fn leave(&mut self, cx: &mut Context, waiter: Option<Waiter>) {
        self.leaving = true;
        let me = self.me.clone();
        let accusation = Accusation { node: &me, from: &me, incarnation: self.incarnation };
        self.apply_dead(cx, &accusation, waiter);
    }

    /// Some members are told what is new.
    pub(crate) fn on_gossip_tick(&mut self, cx: &mut Context) {
        let targets = self.gossip_targets(cx);
        let marked = self.registry_targets(cx, &targets);
        if targets.is_empty() && marked.is_empty() {
            // Nobody to tell. A newcomer is an update itself and sets rounds going again.
            return;
        }
        let limits = self.limits(cx);
        for target in &targets {
            self.tell(cx, target, Class::understood(target.identity.keeps_registry()), limits);
        }
        for target in &marked {
            self.tell(cx, target, Class::REGISTRY, limits);
        }
        self.gossip.round_done(cx, limits);
    }

    /// Sends a packet of a round to one member, if the round has something for it.
    fn tell(&mut self, cx: &mut Context, target: &Member, classes: &[Class], limits: Limits) {
        if !self.gossip.is_round_due(cx, limits, classes) {
            return;
        }
        let crc = target.identity.versions.protocol_max >= CRC_SINCE;
        let checksum = if crc && !bug!(cx, ForgetsTheChecksum) { CRC_OVERHEAD } else { 0 };
        let mut budget = cx.config.packet.size - MESSAGE_OVERHEAD - checksum - self.packets.overhead();
        if rare!(cx, SmallPackets) {
            budget /= 8;
        }
        let parts = self.packets.begin();
        if self.gossip.fill(cx, budget, limits, classes, parts) == 0 {
            return;
        }
        cx.metrics.gossip_packets += 1;
        self.packets.finish(cx, target.identity.addr, crc);
    }

    fn limits(&self, cx: &Context) -> Limits {
        Limits {
            member: transmit_limit(&cx.config.gossip, self.members.known_len()),
            serf: transmit_limit(&cx.config.gossip, self.members.serf_len()),
            registry: change_limit(&cx.config.gossip, self.members.trie().marked()),
        }
    }

    /// Whom this round tells: drawn among those not told in the rounds just before, so that the few
    /// copies of an update reach as many as they can. In a small cluster drawing among all would
    /// leave somebody out of one update in twenty.
    fn gossip_targets(&mut self, cx: &mut Context) -> SmallVec<[Member; 4]> {
        if self.gossip.len(Class::Registry) > 0 && self.gossip.is_silent(Class::COMMON) {
            // Only members with a registry are told anything.
            return SmallVec::new();
        }
        let count = cx.config.gossip.nodes;
        spare(&mut self.told_lately, self.members.trie().live(), count);
        let (me, lately) = (self.me.clone(), &self.told_lately);
        let targets = self
            .members
            .audience(&mut cx.rng, count, |member| *member.name() != *me && !lately.contains(&member.hash));
        self.told_lately.extend(targets.iter().map(|target| target.hash));
        targets
    }

    /// Whom this round tells beside `targets` what is new in the registry: as many as make up for
    /// those who would not understand it.
    fn registry_targets(&mut self, cx: &mut Context, targets: &[Member]) -> SmallVec<[Member; 4]> {
        if self.gossip.len(Class::Registry) == 0 {
            return SmallVec::new();
        }
        if self.others_with_registry() == 0 {
            // Whoever comes compares all it holds with somebody else's.
            self.gossip.drop_changes(cx);
            return SmallVec::new();
        }
        let told: SmallVec<[u64; 4]> =
            targets.iter().filter(|target| target.marked()).map(|target| target.hash).collect();
        let nodes = cx.config.gossip.nodes;
        let Some(lately) = self.gossip.registry_told_lately() else { return SmallVec::new() };
        spare(lately, self.members.trie().marked(), nodes);
        lately.extend(&told);
        let me = self.me.clone();
        let marked = self.members.random_marked(&mut cx.rng, nodes.saturating_sub(told.len()), |member| {
            *member.name() != *me && !lately.contains(&member.hash)
        });
        lately.extend(marked.iter().map(|target| target.hash));
        marked
    }

    /// How many other members that are there keep a registry.
    pub(crate) fn others_with_registry(&self) -> usize {
        let own = self.members.get(&self.me).is_some_and(Member::marked);
        self.members.trie().marked() - usize::from(own)
    }

    /// Gives back memory that busier times needed.
    pub(crate) fn rest(&mut self) {
        self.gossip.rest();
        if self.members.pool.is_none() {
            // What is lent is not the node's to give back.
            self.packets.rest();
        }
        self.probing.rest();
        self.members.rest();
        self.joins.rest();
        self.suspicions.shrink_to(0);
        if self.gossip.is_empty() {
            // The next round is long after the last one.
            self.told_lately = Vec::new();
        }
        self.notices.shrink_to(0);
    }

    /// Sends one message, with whatever updates fit behind it. `name` is the member that lives at
    /// `to`, empty if that is not known.
    fn send(&mut self, cx: &mut Context, to: SocketAddr, name: &str, encode: impl FnOnce(&mut Vec<u8>)) {
        let parts = self.packets.begin();
        parts.push_with(encode);
        let len = parts.encoded_len();
        if cx.config.gossip.piggyback && !self.gossip.is_empty() {
            let taken = len + 2 * MESSAGE_OVERHEAD + self.packets.overhead();
            if let Some(budget) = cx.config.packet.size.checked_sub(taken) {
                let keeps_registry = self.gossip.len(Class::Registry) > 0
                    && self.members.known(name).is_some_and(|member| member.identity.keeps_registry());
                let classes = Class::understood(keeps_registry);
                let limits = self.limits(cx);
                self.gossip.fill(cx, budget, limits, classes, self.packets.parts());
            }
        }
        self.packets.finish(cx, to, false);
    }
}

/// Forgets the first of those told lately, so that enough members are left to be told.
fn spare(lately: &mut Vec<u64>, members: usize, count: usize) {
    let spared = members.saturating_sub(1 + count).min(TOLD_LATELY_MAX);
    let excess = lately.len().saturating_sub(spared);
    lately.drain(..excess);
}

/// A value that is only read later, as bytes of its own.
pub(crate) fn owned(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
