//! Hosts that lie: what they forge is sealed as an honest packet is, and says what is not so.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tidings_core::wire::Keyring;
use tidings_core::wire::frame::{self, Side};
use tidings_core::wire::message::{Ack, Alive, Dead, Message, PushNode, Suspect};
use tidings_core::wire::packet::Closer;
use tidings_core::wire::serf_message::{Join, Leave, UserEvent};
use tidings_core::{LamportTime, Member, State, StreamId, Time};

use crate::draw::Draw;
use crate::net::stream::{Connection, Part};
use crate::net::{Carriage, HostId, Parcel};
use crate::rider::Rider;
use crate::world::{What, World};

/// Part of a fault's stream: what the liars say.
const LIES: u64 = 1 << 33;
/// Forged packets are numbered from here, so that the sender's own keep their luck.
const FORGED: u64 = 1 << 63;
/// Members that never were.
const PHANTOMS: u64 = 20;
/// The longest garbage.
const GARBAGE_MAX: usize = 300;
/// Ends of what is believed, and of the range.
const ENDS: [u64; 4] = [1 << 63, 3 << 62, u64::MAX - 1, u64::MAX];
/// Whom nobody dialled has this stream; no node ever counts so far.
const FORGED_STREAM: u64 = u64::MAX >> 1;

/// What a hostile host says of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lie {
    /// A member is alive: at a higher incarnation, at another address, with other tags.
    Alive,
    /// Somebody is alive who never was.
    Phantom,
    /// A member is suspect.
    Suspect,
    /// A member is dead.
    Dead,
    /// A member has left, by its own word.
    Left,
    /// A member intends to join, or to leave.
    Intent,
    /// An event that nobody sent.
    Event,
    /// The ack of a ping that somebody else was sent.
    Ack,
    /// A whole state, in which everybody is what nobody is.
    State,
    /// Bytes.
    Garbage,
}

impl Lie {
    /// All there are.
    pub const ALL: [Lie; 10] = [
        Self::Alive,
        Self::Phantom,
        Self::Suspect,
        Self::Dead,
        Self::Left,
        Self::Intent,
        Self::Event,
        Self::Ack,
        Self::State,
        Self::Garbage,
    ];
}

/// All of them: what a script means that names none.
pub(super) fn all() -> Vec<Lie> {
    Lie::ALL.to_vec()
}

pub(super) fn is_all(lies: &[Lie]) -> bool {
    *lies == Lie::ALL
}

/// Whom a lie is about, as the liar knows it.
struct Victim {
    name: String,
    addr: SocketAddr,
    member: Option<Member>,
}

impl Victim {
    fn meta(&self) -> &[u8] {
        self.member.as_ref().map_or(&[], |member| &member.identity().meta)
    }

    /// An incarnation that others may believe: the one they hold, a higher one, or one at an end.
    fn incarnation(&self, luck: &mut Draw) -> u32 {
        let held = self.member.as_ref().map_or(0, Member::incarnation);
        match luck.below(12) {
            0..6 => held,
            6..10 => held.saturating_add(1 + luck.below(3) as u32),
            10 => held.saturating_add(1 << luck.below(20)),
            _ => (ENDS[luck.index(ENDS.len())] >> 32) as u32,
        }
    }
}

/// A time near the one the liar's clock shows, far ahead of it, or at an end.
fn ltime(now: LamportTime, luck: &mut Draw) -> LamportTime {
    LamportTime(match luck.below(12) {
        0..8 => now.0.saturating_add(luck.below(4)),
        8..10 => now.0.saturating_add(luck.below(10_000)),
        10 => now.0.saturating_add(1 << luck.below(40)),
        _ => ENDS[luck.index(ENDS.len())],
    })
}

impl<R: Rider> World<R> {
    /// A hostile host tells one other host its next lie.
    pub(super) fn lie(&mut self, number: usize, liar: HostId, step: u32, lies: &[Lie]) {
        if self.hosts[liar].node.is_none() || self.hosts[liar].is_hampered() || lies.is_empty() {
            return;
        }
        let mut luck = self.fault_draw(number).part(LIES).part(u64::from(step) << 32 | liar as u64);
        let lie = lies[luck.index(lies.len())];
        let to = luck.index(self.hosts.len());
        if to == liar {
            return;
        }
        let stream = self.faults.planned[number].fault.stream.unwrap_or(number as u64);
        match lie {
            Lie::State => self.forge_state(liar, to, &mut luck),
            Lie::Garbage => {
                let bytes = garbage(&mut luck);
                self.forge(liar, to, bytes, FORGED | stream << 32 | u64::from(step));
            }
            lie => {
                let message = self.forged(lie, liar, &mut luck);
                let bytes = self.sealed(liar, &message, &mut luck);
                self.forge(liar, to, bytes, FORGED | stream << 32 | u64::from(step));
            }
        }
    }

    /// The message of a lie, type byte first.
    fn forged(&self, lie: Lie, liar: HostId, luck: &mut Draw) -> Vec<u8> {
        let victim = self.victim(liar, lie, luck);
        let (node, from) = (victim.name.as_str(), self.hosts[luck.index(self.hosts.len())].name());
        let incarnation = victim.incarnation(luck);
        let mut out = Vec::new();
        match lie {
            Lie::Alive | Lie::Phantom => {
                let elsewhere = luck.chance(0.2);
                let addr = if elsewhere { phantom_address(luck) } else { victim.addr };
                let meta =
                    if luck.chance(0.3) { b"\xff\x81\xa3lie\xa3yes".as_slice() } else { victim.meta() };
                let own = self.held(liar, self.hosts[liar].name());
                let versions = victim.member.as_ref().or(own.as_ref()).map(|known| known.identity().versions);
                let incarnation = incarnation.max(1);
                let (addr, port) = (addr.ip(), addr.port());
                Message::Alive(Alive { node, addr, port, meta, incarnation, versions }).encode(&mut out);
            }
            Lie::Suspect => Message::Suspect(Suspect { incarnation, node, from }).encode(&mut out),
            Lie::Dead => {
                let from = if from == node { self.hosts[liar].name() } else { from };
                Message::Dead(Dead { incarnation, node, from }).encode(&mut out);
            }
            Lie::Left => Message::Dead(Dead { incarnation, node, from: node }).encode(&mut out),
            Lie::Intent | Lie::Event => {
                let body = self.serf_lie(lie, liar, node, luck);
                Message::User(&body).encode(&mut out);
            }
            Lie::Ack | Lie::State | Lie::Garbage => {
                let seq = 1 + luck.below(200) as u32;
                Message::Ack(Ack { seq, payload: &[] }).encode(&mut out);
            }
        }
        out
    }

    fn serf_lie(&self, lie: Lie, liar: HostId, node: &str, luck: &mut Draw) -> Vec<u8> {
        let clocks = self.hosts[liar].node().map(tidings_core::Node::stats);
        let (members, events) = clocks.map_or((0, 0), |stats| (stats.member_time, stats.event_time));
        let mut body = Vec::new();
        if lie == Lie::Event {
            let ltime = ltime(LamportTime(events), luck);
            UserEvent { ltime, name: "lie", payload: b"nobody said this", coalesce: false }.encode(&mut body);
            return body;
        }
        let ltime = ltime(LamportTime(members), luck);
        if luck.chance(0.3) {
            Join { ltime, node }.encode(&mut body);
        } else {
            Leave { ltime, node, prune: luck.chance(0.1) }.encode(&mut body);
        }
        body
    }

    fn victim(&self, liar: HostId, lie: Lie, luck: &mut Draw) -> Victim {
        if lie == Lie::Phantom {
            let name = format!("phantom{}", luck.below(PHANTOMS));
            let addr = phantom_address(luck);
            return Victim { member: self.held(liar, &name), name, addr };
        }
        let about = &self.hosts[luck.index(self.hosts.len())];
        let name = about.name().to_owned();
        Victim { member: self.held(liar, &name), name, addr: about.addr() }
    }

    fn held(&self, at: HostId, name: &str) -> Option<Member> {
        self.hosts[at].node()?.view().get(name).cloned()
    }

    /// A datagram as an honest node on the liar's host would close it.
    fn sealed(&self, liar: HostId, message: &[u8], luck: &mut Draw) -> Bytes {
        let config = self.hosts[liar].config();
        let Ok(keyring) = Keyring::new(&config.security.keys) else { return Bytes::new() };
        let mut out = BytesMut::new();
        Closer::new().close(message, luck.chance(0.5), config, &keyring, || nonce(luck), &mut out);
        out.freeze()
    }

    /// Sends a datagram under a number that no honest packet has.
    fn forge(&mut self, from: HostId, to: HostId, payload: Bytes, number: u64) {
        if self.net.held_by(from, to).is_some() {
            return;
        }
        let parcel = Parcel { from, to, carriage: Carriage::Datagram, number, payload: &payload };
        for copy in self.net.carry(self.now, &parcel) {
            let payload = payload.clone();
            let what = What::Datagram { from: from as u32, to: to as u32, for_rider: false, payload };
            self.schedule(self.now + copy.delay, what);
        }
    }

    /// Dials a host and pushes a state at it; what it answers, nobody reads.
    fn forge_state(&mut self, liar: HostId, to: HostId, luck: &mut Draw) {
        if !self.net.passes(liar, to, Carriage::Stream) || self.net.held_by(liar, to).is_some() {
            return;
        }
        let bytes = self.forged_state(liar, luck);
        let dialler = (liar, self.hosts[liar].life, StreamId::accepted(FORGED_STREAM));
        let connection = Connection::new(dialler, (to, self.hosts[to].life), self.now);
        let connection = self.connections.add(connection);
        let mut at: Time = self.now;
        for part in [Part::Open, Part::Data(bytes), Part::End] {
            at += luck.between(Duration::from_micros(1), Duration::from_millis(2));
            self.schedule(at, What::Segment { connection, side: 1, part: Box::new(part) });
        }
        if let Some(found) = self.connections.get_mut(connection) {
            found.ends[0].done = true;
        }
    }

    fn forged_state(&self, liar: HostId, luck: &mut Draw) -> Bytes {
        let config = self.hosts[liar].config();
        let Ok(keyring) = Keyring::new(&config.security.keys) else { return Bytes::new() };
        let view = self.hosts[liar].node().map(tidings_core::Node::view);
        let members: Vec<&Member> = view.iter().flat_map(|view| view.iter()).collect();
        let states = [State::Alive, State::Suspect, State::Dead, State::Left];
        let nodes: Vec<PushNode<'_>> = members
            .iter()
            .map(|member| {
                let older = luck.chance(0.5) && member.incarnation() > 1;
                PushNode {
                    name: member.name(),
                    addr: member.addr().ip(),
                    port: member.addr().port(),
                    meta: &member.identity().meta,
                    incarnation: member.incarnation() - u32::from(older),
                    state: states[luck.index(states.len())],
                    versions: Some(member.identity().versions),
                }
            })
            .collect();
        let (mut message, mut out) = (Vec::new(), BytesMut::new());
        frame::encode_push_pull(luck.chance(0.3), nodes.iter().copied(), &[], &mut message);
        frame::close(&message, Side::Dialled, config, &keyring, || nonce(luck), &mut out);
        out.freeze()
    }
}

fn phantom_address(luck: &mut Draw) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 99, 0, 1 + luck.below(200) as u8), 7946))
}

fn nonce(luck: &mut Draw) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&luck.u64().to_le_bytes());
    nonce[8..].copy_from_slice(&luck.u64().to_le_bytes()[..4]);
    nonce
}

/// Random bytes, half of them behind the type byte of a message.
fn garbage(luck: &mut Draw) -> Bytes {
    let length = luck.index(GARBAGE_MAX);
    let mut bytes: Vec<u8> = (0..length).map(|_| luck.u64() as u8).collect();
    if let (Some(first), true) = (bytes.first_mut(), luck.chance(0.5)) {
        *first %= 14;
    }
    bytes.into()
}
