//! Conditions: what is wrong with some links while a fault lasts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidings_core::Time;
use tidings_core::wire::message::MessageType;

use super::{Carriage, Copies, Copy, Damage, HEADER_BYTES, HostId, LostTo, Parcel};
use crate::draw::{Draw, unit};

/// Names a condition in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConditionId(pub u64);

/// The links a condition is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Links {
    /// Every link.
    All,
    /// Those with one of these hosts at either end.
    Touching(BTreeSet<HostId>),
    /// Those from one set to another, and the way back if `both`.
    Between {
        /// Senders.
        from: BTreeSet<HostId>,
        /// Receivers.
        to: BTreeSet<HostId>,
        /// Also from `to` to `from`.
        both: bool,
    },
    /// Those between hosts of different groups; hosts without a group form one.
    Across(BTreeMap<HostId, u32>),
    /// Those between hosts that have no group in common: overlapping groups (bridge, ring).
    Apart(BTreeMap<HostId, BTreeSet<u32>>),
}

impl Links {
    /// Whether the link from one host to another is among them.
    #[must_use]
    pub fn contain(&self, from: HostId, to: HostId) -> bool {
        match self {
            Self::All => true,
            Self::Touching(hosts) => hosts.contains(&from) || hosts.contains(&to),
            Self::Between { from: senders, to: receivers, both } => {
                senders.contains(&from) && receivers.contains(&to)
                    || *both && senders.contains(&to) && receivers.contains(&from)
            }
            Self::Across(groups) => groups.get(&from) != groups.get(&to),
            Self::Apart(groups) => match (groups.get(&from), groups.get(&to)) {
                (Some(a), Some(b)) => a.is_disjoint(b),
                _ => true,
            },
        }
    }
}

/// What is done to the parcels on the links.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Nothing passes. Streams find it out by waiting.
    Block {
        /// Datagrams are blocked.
        datagrams: bool,
        /// Streams are blocked.
        streams: bool,
    },
    /// What is sent waits until the condition is lifted, then arrives in order.
    Hold,
    /// A share of the datagrams is lost; of the parts of streams, the same share is late by a
    /// retransmission.
    Loss(f64),
    /// Losses come in bursts (two states, moved along by each packet of the sender).
    Burst {
        /// Probability that a packet begins a burst.
        enter: f64,
        /// Probability that a packet ends it.
        leave: f64,
        /// Share lost within a burst.
        loss: f64,
    },
    /// A share arrives twice, the second copy later by up to this.
    Duplicate(f64, Duration),
    /// A share is late by up to this, and overtaken.
    Reorder(f64, Duration),
    /// A share comes back much later, between these delays.
    Replay(f64, Duration, Duration),
    /// A share has a bit flipped.
    Corrupt(f64),
    /// A share is cut off somewhere.
    Truncate(f64),
    /// Every message takes longer, by this distribution.
    Delay(super::Latency),
    /// Datagrams above this size, headers included, are dropped.
    Mtu(usize),
    /// Links carry this many bytes a second and queue this many bytes; more is dropped.
    Rate {
        /// Bytes a second.
        bytes_per_second: u64,
        /// Bytes that may wait.
        queue_bytes: u64,
    },
    /// Datagrams whose outermost message has this type are dropped.
    DropType(MessageType),
    /// The n-th datagram (from 1) on these links is dropped, and no other.
    DropNth(u64),
}

/// A change to some links, while it lasts.
#[derive(Clone, Debug)]
pub struct Condition {
    links: Links,
    change: Change,
    draw: Draw,
    /// Datagrams seen, for [`Change::DropNth`].
    seen: u64,
    /// Senders within a burst.
    bursts: BTreeSet<(HostId, HostId)>,
    /// When each link has sent what it was given, for [`Change::Rate`].
    busy_until: BTreeMap<(HostId, HostId), Time>,
}

/// How long a stream waits before it sends a lost part again.
const RETRANSMIT: Duration = Duration::from_millis(200);

impl Condition {
    /// A change to these links, with a stream of numbers of its own.
    #[must_use]
    pub fn new(links: Links, change: Change, draw: Draw) -> Self {
        Condition { links, change, draw, seen: 0, bursts: BTreeSet::new(), busy_until: BTreeMap::new() }
    }

    pub(super) fn blocks(&self, from: HostId, to: HostId, carriage: Carriage) -> bool {
        let Change::Block { datagrams, streams } = self.change else { return false };
        let concerned = match carriage {
            Carriage::Datagram => datagrams,
            Carriage::Stream => streams,
        };
        concerned && from != to && self.links.contain(from, to)
    }

    pub(super) fn holds(&self, from: HostId, to: HostId) -> bool {
        matches!(self.change, Change::Hold) && from != to && self.links.contain(from, to)
    }

    /// What a parcel that it lets no copy of through is lost to.
    pub(super) const fn loses_by(&self) -> LostTo {
        match self.change {
            Change::Block { .. } => LostTo::Cut,
            Change::Burst { .. } => LostTo::Burst,
            Change::Mtu(_) => LostTo::Mtu,
            Change::Rate { .. } => LostTo::LinkQueue,
            Change::DropType(_) => LostTo::DropType,
            Change::DropNth(_) => LostTo::DropNth,
            _ => LostTo::Loss,
        }
    }

    /// What this condition makes of the copies under way; none left: the parcel is lost.
    pub(super) fn apply(&mut self, now: Time, parcel: &Parcel<'_>, copies: &mut Copies) {
        if !self.links.contain(parcel.from, parcel.to) {
            return;
        }
        let sender = self.draw.part(parcel.from as u64);
        let mut luck = sender.part(parcel.number);
        match parcel.carriage {
            Carriage::Datagram => self.apply_to_datagram(now, parcel, &mut luck, copies),
            Carriage::Stream => self.apply_to_stream(now, parcel, &mut luck, copies),
        }
    }

    fn apply_to_datagram(&mut self, now: Time, parcel: &Parcel<'_>, luck: &mut Draw, copies: &mut Copies) {
        let size = parcel.payload.len();
        match &self.change {
            Change::Block { datagrams, .. } if *datagrams => copies.clear(),
            Change::Block { .. } | Change::Hold => {}
            Change::Loss(share) => copies.retain(|_| !luck.chance(*share)),
            Change::Burst { enter, leave, loss } => {
                let link = (parcel.from, parcel.to);
                let inside =
                    if self.bursts.contains(&link) { !luck.chance(*leave) } else { luck.chance(*enter) };
                if inside {
                    self.bursts.insert(link);
                    copies.retain(|_| !luck.chance(*loss));
                } else {
                    self.bursts.remove(&link);
                }
            }
            Change::Duplicate(share, later) => {
                if luck.chance(*share)
                    && let Some(first) = copies.first().cloned()
                {
                    copies.push(Copy { delay: first.delay + luck.between(Duration::ZERO, *later), ..first });
                }
            }
            Change::Replay(share, soon, late) => {
                if luck.chance(*share)
                    && let Some(first) = copies.first().cloned()
                {
                    copies.push(Copy { delay: first.delay + luck.between(*soon, *late), ..first });
                }
            }
            Change::Reorder(share, later) => {
                for copy in copies.iter_mut().filter(|_| luck.chance(*share)) {
                    copy.delay += later.mul_f64(unit(parcel.number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
                }
            }
            Change::Corrupt(share) => {
                for copy in copies.iter_mut() {
                    if luck.chance(*share) {
                        copy.damage = Damage::Flip(luck.below(8 * size.max(1) as u64));
                    }
                }
            }
            Change::Truncate(share) => {
                for copy in copies.iter_mut() {
                    if luck.chance(*share) {
                        copy.damage = Damage::Cut(luck.index(size));
                    }
                }
            }
            Change::Delay(latency) => delay_all(copies, latency.delay(luck.u64())),
            Change::Mtu(bytes) => copies.retain(|_| size + HEADER_BYTES <= *bytes),
            Change::Rate { bytes_per_second, queue_bytes } => {
                let (rate, queue) = (*bytes_per_second, *queue_bytes);
                self.queue_up(now, parcel, rate, queue, copies);
            }
            Change::DropType(kind) => copies.retain(|_| parcel.payload.first() != Some(&(*kind as u8))),
            Change::DropNth(nth) => {
                self.seen += 1;
                let dropped = self.seen == *nth;
                copies.retain(|_| !dropped);
            }
        }
    }

    /// Streams hide loss behind delay; damage and repetition do not get past their checksums.
    fn apply_to_stream(&mut self, now: Time, parcel: &Parcel<'_>, luck: &mut Draw, copies: &mut Copies) {
        match &self.change {
            Change::Loss(share) => {
                let mut wait = RETRANSMIT;
                while luck.chance(*share) && wait < Duration::from_secs(30) {
                    delay_all(copies, wait);
                    wait *= 2;
                }
            }
            Change::Delay(latency) => delay_all(copies, latency.delay(luck.u64())),
            Change::Rate { bytes_per_second, .. } => {
                let rate = *bytes_per_second;
                self.queue_up(now, parcel, rate, u64::MAX, copies);
            }
            _ => {}
        }
    }

    fn queue_up(&mut self, now: Time, parcel: &Parcel<'_>, rate: u64, queue: u64, copies: &mut Copies) {
        let nanos = |bytes: u64| bytes.saturating_mul(1_000_000_000) / rate.max(1);
        let busy = self.busy_until.entry((parcel.from, parcel.to)).or_insert(now);
        let waiting = busy.since(now);
        if waiting.as_nanos() as u64 > nanos(queue) {
            return copies.clear();
        }
        let takes = Duration::from_nanos(nanos((parcel.payload.len() + HEADER_BYTES) as u64));
        *busy = (*busy).max(now) + takes;
        delay_all(copies, waiting + takes);
    }
}

fn delay_all(copies: &mut Copies, by: Duration) {
    for copy in copies {
        copy.delay += by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Purpose;
    use crate::net::{Latency, Net};

    const MS: Duration = Duration::from_millis(1);

    fn net(changes: &[(u64, Change)]) -> Net {
        let mut net = Net::new(1);
        net.latency = Latency::Constant(MS);
        for (stream, change) in changes {
            net.impose(Condition::new(Links::All, change.clone(), Draw::of(5, Purpose::Fault, *stream)));
        }
        net
    }

    fn send(net: &mut Net, number: u64, carriage: Carriage) -> Copies {
        let parcel = Parcel { from: 0, to: 1, carriage, number, payload: &[0; 100] };
        net.carry(Time::from_nanos(number * 1_000_000), &parcel)
    }

    fn arrived(net: &mut Net, n: u64) -> u64 {
        (0..n).map(|number| send(net, number, Carriage::Datagram).len() as u64).sum()
    }

    #[test]
    fn each_change_does_what_it_says_to_datagrams() {
        let table: [(Change, std::ops::RangeInclusive<u64>); 10] = [
            (Change::Block { datagrams: true, streams: false }, 0..=0),
            (Change::Block { datagrams: false, streams: true }, 10_000..=10_000),
            (Change::Loss(0.25), 7_300..=7_700),
            (Change::Burst { enter: 0.1, leave: 0.4, loss: 1.0 }, 7_700..=8_300),
            (Change::Duplicate(0.1, MS), 10_800..=11_200),
            (Change::Replay(0.1, MS, 9 * MS), 10_800..=11_200),
            (Change::Mtu(100), 0..=0),
            (Change::Mtu(128), 10_000..=10_000),
            (Change::DropNth(3), 9_999..=9_999),
            (Change::DropType(MessageType::Ping), 0..=0),
        ];
        for (change, expected) in table {
            let got = arrived(&mut net(&[(0, change.clone())]), 10_000);
            assert!(expected.contains(&got), "{change:?}: {got}");
        }
    }

    #[test]
    fn removing_a_fault_shifts_nothing_else() {
        let loss = (7, Change::Loss(0.3));
        let mut alone = net(std::slice::from_ref(&loss));
        let mut beside = net(&[(3, Change::Duplicate(0.5, MS)), loss]);
        for number in 0..1000 {
            let alone = !send(&mut alone, number, Carriage::Datagram).is_empty();
            let copies = send(&mut beside, number, Carriage::Datagram);
            assert!(!alone || !copies.is_empty(), "packet {number} was not lost before");
        }
    }

    #[test]
    fn a_slow_link_delays_and_then_drops() {
        let mut net = net(&[(0, Change::Rate { bytes_per_second: 128_000, queue_bytes: 1280 })]);
        let parcel = Parcel { from: 0, to: 1, carriage: Carriage::Datagram, number: 0, payload: &[0; 100] };
        let delays: Vec<_> =
            (0..20).filter_map(|_| net.carry(Time::ZERO, &parcel).first().map(|copy| copy.delay)).collect();
        assert_eq!(delays[..3], [2 * MS, 3 * MS, 4 * MS], "one millisecond a packet");
        assert_eq!(delays.len(), 11, "ten wait, the rest is dropped");
    }

    #[test]
    fn streams_hide_loss_behind_delay() {
        let mut net = net(&[(0, Change::Loss(0.5)), (1, Change::Corrupt(1.0))]);
        let mut late = 0;
        for number in 0..1000 {
            let copies = send(&mut net, number, Carriage::Stream);
            assert_eq!(copies.len(), 1);
            assert_eq!(copies[0].damage, Damage::None);
            late += u32::from(copies[0].delay > MS);
        }
        assert!((400..600).contains(&late), "{late}");
    }

    #[test]
    fn links_are_chosen_by_set_group_and_direction() {
        let set = |hosts: &[HostId]| hosts.iter().copied().collect::<BTreeSet<_>>();
        let one_way = Links::Between { from: set(&[0]), to: set(&[1]), both: false };
        assert!(one_way.contain(0, 1) && !one_way.contain(1, 0));
        let both = Links::Between { from: set(&[0]), to: set(&[1]), both: true };
        assert!(both.contain(1, 0) && !both.contain(1, 2));
        let across = Links::Across([(0, 1), (1, 1)].into());
        assert!(across.contain(0, 2) && !across.contain(0, 1) && !across.contain(2, 3));
        let bridge = Links::Apart([(0, set2(&[1])), (1, set2(&[1, 2])), (2, set2(&[2]))].into());
        assert!(bridge.contain(0, 2) && !bridge.contain(0, 1) && !bridge.contain(1, 2));
    }

    fn set2(groups: &[u32]) -> BTreeSet<u32> {
        groups.iter().copied().collect()
    }
}
