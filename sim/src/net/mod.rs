//! The network: what becomes of a packet that a host sends.
//!
//! A packet's fate is a function of the sender, of how many it has sent before, and of the
//! conditions in force. No number is drawn for one packet that another could have had.

pub mod condition;
pub mod latency;
mod lost;
pub mod stream;

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasherDefault;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use smallvec::SmallVec;
use tidings_core::Time;

use crate::draw::{Draw, Purpose};
use crate::hash::FastHasher;
pub use condition::{Condition, ConditionId, Links};
pub use latency::Latency;
pub use lost::LostTo;

/// Bytes of IP and UDP headers, which count against a link's rate and its MTU.
pub const HEADER_BYTES: usize = 28;

/// Hosts by address.
pub type Addresses = HashMap<SocketAddr, HostId, BuildHasherDefault<FastHasher>>;

/// Number of a host; hosts are numbered from 0 in the order they were added.
pub type HostId = usize;

/// What travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// A datagram: it may be lost.
    Datagram,
    /// Part of a stream: what does not get through is tried again.
    Stream,
}

/// A message on its way.
#[derive(Clone, Copy, Debug)]
pub struct Parcel<'a> {
    /// The sender.
    pub from: HostId,
    /// The receiver.
    pub to: HostId,
    /// How it travels.
    pub carriage: Carriage,
    /// How many the sender has sent before.
    pub number: u64,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// A copy of a message that arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// After how long.
    pub delay: Duration,
    /// What was done to its bytes.
    pub damage: Damage,
}

/// What may happen to a message's bytes on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Nothing.
    None,
    /// A bit is flipped; the number says which.
    Flip(u64),
    /// Cut off after this many bytes.
    Cut(usize),
}

/// The copies of a message that arrive: mostly one.
pub type Copies = SmallVec<[Copy; 1]>;

/// The network between the hosts.
#[derive(Clone, Debug)]
pub struct Net {
    /// One-way delay within a zone, and everywhere without zones.
    pub latency: Latency,
    /// One-way delays between zones, in both directions.
    pub zones: HashMap<(u32, u32), Latency>,
    /// The zone of each host; hosts without one are in zone 0.
    pub zone_of: Vec<u32>,
    /// Which host has an address.
    pub addresses: Addresses,
    /// What the resolver knows.
    pub names: HashMap<String, Vec<IpAddr>>,
    conditions: Vec<(ConditionId, Condition)>,
    /// Hosts between which no condition is in force.
    spared: BTreeSet<HostId>,
    next_condition: u64,
    seed: u64,
    /// Datagrams sent.
    pub datagrams: u64,
    /// Bytes of them.
    pub datagram_bytes: u64,
    /// Datagrams that did not arrive because of the network's conditions.
    pub lost: u64,
    /// What the last of them was lost to.
    lost_to: LostTo,
}

impl Net {
    /// A network without faults whose messages take 0.2 to 0.7 ms, as in one rack.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Net {
            latency: Latency::Uniform { min: Duration::from_micros(200), max: Duration::from_micros(700) },
            zones: HashMap::new(),
            zone_of: Vec::new(),
            addresses: Addresses::default(),
            names: HashMap::new(),
            conditions: Vec::new(),
            spared: BTreeSet::new(),
            next_condition: 0,
            seed,
            datagrams: 0,
            datagram_bytes: 0,
            lost: 0,
            lost_to: LostTo::Loss,
        }
    }

    /// The zone of a host.
    #[must_use]
    pub fn zone(&self, host: HostId) -> u32 {
        self.zone_of.get(host).copied().unwrap_or(0)
    }

    /// Puts a condition in force.
    pub fn impose(&mut self, condition: Condition) -> ConditionId {
        let id = ConditionId(self.next_condition);
        self.next_condition += 1;
        self.conditions.push((id, condition));
        id
    }

    /// Ends a condition; returns it.
    pub fn lift(&mut self, id: ConditionId) -> Option<Condition> {
        let place = self.conditions.iter().position(|(known, _)| *known == id)?;
        Some(self.conditions.remove(place).1)
    }

    /// Ends all conditions.
    pub fn heal(&mut self) {
        self.conditions.clear();
    }

    /// Whether no condition is in force.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.conditions.is_empty()
    }

    /// From now on no condition, of now or later, concerns the links between these hosts.
    pub fn spare(&mut self, hosts: &BTreeSet<HostId>) {
        self.spared.clone_from(hosts);
    }

    fn is_spared(&self, from: HostId, to: HostId) -> bool {
        self.spared.contains(&from) && self.spared.contains(&to)
    }

    /// Whether anything can get from one host to another now.
    #[must_use]
    pub fn passes(&self, from: HostId, to: HostId, carriage: Carriage) -> bool {
        self.is_spared(from, to)
            || self.conditions.iter().all(|(_, condition)| !condition.blocks(from, to, carriage))
    }

    /// When a parcel must wait for its link to be released (a clog), which condition holds it.
    #[must_use]
    pub fn held_by(&self, from: HostId, to: HostId) -> Option<ConditionId> {
        if self.is_spared(from, to) {
            return None;
        }
        let holds = |(_, condition): &&(ConditionId, Condition)| condition.holds(from, to);
        self.conditions.iter().find(holds).map(|(id, _)| *id)
    }

    /// Decides what becomes of a parcel sent at `now`: which copies of it arrive, and when.
    pub fn carry(&mut self, now: Time, parcel: &Parcel<'_>) -> Copies {
        let base = self.base_delay(parcel);
        let mut copies: Copies = smallvec::smallvec![Copy { delay: base, damage: Damage::None }];
        if parcel.from == parcel.to || self.is_spared(parcel.from, parcel.to) {
            return copies;
        }
        for (_, condition) in &mut self.conditions {
            condition.apply(now, parcel, &mut copies);
            if copies.is_empty() {
                self.lost += 1;
                self.lost_to = condition.loses_by();
                break;
            }
        }
        copies
    }

    /// What the last parcel of which no copy arrived was lost to.
    #[must_use]
    pub const fn lost_to(&self) -> LostTo {
        self.lost_to
    }

    fn base_delay(&self, parcel: &Parcel<'_>) -> Duration {
        let latency = if self.zones.is_empty() {
            &self.latency
        } else {
            let (a, b) = (self.zone(parcel.from), self.zone(parcel.to));
            self.zones.get(&(a, b)).or_else(|| self.zones.get(&(b, a))).unwrap_or(&self.latency)
        };
        match latency {
            Latency::Constant(delay) => *delay,
            other => {
                let sender = Draw::of(self.seed, Purpose::Latency, parcel.from as u64);
                other.delay(sender.nth(parcel.number))
            }
        }
    }
}
