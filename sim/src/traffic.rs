//! What hosts send, on its way through the network.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tidings_core::{StreamAction, StreamId, Time};

use crate::host::{Happening, StreamHappening};
use crate::net::stream::{Connection, Part, RETRY_FIRST, RETRY_LONGEST};
use crate::net::{Carriage, Damage, HostId, LostTo, Parcel};
use crate::rider::Rider;
use crate::world::{Held, What, World};

/// Dialled streams come from ports above this.
const PORTS_FROM: u16 = 40_000;

impl<R: Rider> World<R> {
    pub(crate) fn send_datagram(&mut self, from: HostId, to: SocketAddr, payload: Bytes) {
        let host = &mut self.hosts[from];
        if host.blocked > 0 {
            if host.outbox.len() < host.machine.blocked_sends {
                host.outbox.push((to, payload));
                return;
            }
            let to = self.net.addresses.get(&to).copied();
            return self.lose_sent(from, to, &payload, LostTo::BlockedSender);
        }
        self.transmit(from, to, payload, false);
    }

    pub(crate) fn send_message(&mut self, from: HostId, to: SocketAddr, payload: Bytes) {
        if self.hosts[from].blocked == 0 {
            self.transmit(from, to, payload, true);
        }
    }

    fn transmit(&mut self, from: HostId, to: SocketAddr, payload: Bytes, for_rider: bool) {
        self.net.datagrams += 1;
        self.net.datagram_bytes += payload.len() as u64;
        let Some(&to) = self.net.addresses.get(&to) else {
            return self.lose_sent(from, None, &payload, LostTo::NoAddress);
        };
        if let Some(condition) = self.net.held_by(from, to) {
            let held = Held { from, to, for_rider, payload };
            return self.held.entry(condition).or_default().push(held);
        }
        self.carry(from, to, payload, for_rider);
    }

    /// Sends a datagram into the network.
    pub(crate) fn carry(&mut self, from: HostId, to: HostId, payload: Bytes, for_rider: bool) {
        let number = self.hosts[from].sent;
        self.hosts[from].sent += 1;
        let parcel = Parcel { from, to, carriage: Carriage::Datagram, number, payload: &payload };
        let copies = self.net.carry(self.now, &parcel);
        if copies.is_empty() && !for_rider {
            let why = self.net.lost_to();
            return self.lose_sent(from, Some(to), &payload, why);
        }
        for copy in copies {
            let payload = damaged(&payload, copy.damage);
            let what = What::Datagram { from: from as u32, to: to as u32, for_rider, payload };
            self.schedule(self.now + copy.delay, what);
        }
    }

    pub(crate) fn stream_action(&mut self, host: HostId, id: StreamId, action: StreamAction) {
        match action {
            StreamAction::Connect { to } => self.connect(host, id, to),
            StreamAction::Send(bytes) => self.say(host, id, Part::Data(bytes)),
            StreamAction::Close => {
                self.say(host, id, Part::End);
                self.hosts[host].streams.remove(&id);
            }
            // The core knows no other action.
            _ => {}
        }
    }

    fn connect(&mut self, host: HostId, id: StreamId, to: SocketAddr) {
        let life = self.hosts[host].life;
        let Some(&target) = self.net.addresses.get(&to) else {
            // Nobody has this address: nothing comes back, and the node gives up in its time.
            return;
        };
        let there = (target, self.hosts[target].life);
        let connection = self.connections.add(Connection::new((host, life, id), there, self.now));
        self.hosts[host].streams.insert(id, (connection, 0));
        self.push_part(connection, 0, Part::Open);
    }

    fn say(&mut self, host: HostId, id: StreamId, part: Part) {
        if let Some(&(connection, side)) = self.hosts[host].streams.get(&id) {
            self.push_part(connection, side, part);
        }
    }

    fn push_part(&mut self, connection: u64, side: usize, part: Part) {
        let Some(end) = self.connections.get_mut(connection).map(|c| &mut c.ends[side]) else { return };
        if end.done {
            return;
        }
        end.done = matches!(part, Part::End | Part::Reset | Part::Refused);
        end.unsent.push_back(part);
        if !end.waiting {
            self.pump(connection, side);
        }
    }

    pub(crate) fn pump_again(&mut self, connection: u64, side: usize) {
        if let Some(found) = self.connections.get_mut(connection) {
            found.ends[side].waiting = false;
            self.pump(connection, side);
        }
    }

    /// Sends what waits at one side, as far as the network lets it through.
    fn pump(&mut self, connection: u64, side: usize) {
        let Some(found) = self.connections.get_mut(connection) else { return };
        let (from, to) = (found.ends[side].host, found.ends[1 - side].host);
        let passes = self.net.passes(from, to, Carriage::Stream)
            && self.net.held_by(from, to).is_none()
            && self.hosts[from].blocked == 0;
        let Some(found) = self.connections.get_mut(connection) else { return };
        let end = &mut found.ends[side];
        if !passes {
            if end.retry > RETRY_LONGEST && end.done {
                // Nobody will hear the end of it.
                return self.connections.close(connection);
            }
            end.waiting = true;
            let at = self.now + end.retry;
            end.retry = (2 * end.retry).min(2 * RETRY_LONGEST);
            return self.schedule(at, What::Pump { connection, side: side as u8 });
        }
        end.retry = RETRY_FIRST;
        let mut not_before = end.not_before;
        for part in std::mem::take(&mut end.unsent) {
            not_before = self.carry_part(connection, (side, from, to), part, not_before);
        }
        if let Some(found) = self.connections.get_mut(connection) {
            found.ends[side].not_before = not_before;
        }
    }

    fn carry_part(
        &mut self,
        connection: u64,
        (side, from, to): (usize, HostId, HostId),
        part: Part,
        not_before: Time,
    ) -> Time {
        let number = self.hosts[from].sent;
        self.hosts[from].sent += 1;
        let parcel = Parcel { from, to, carriage: Carriage::Stream, number, payload: part.bytes() };
        let copies = self.net.carry(self.now, &parcel);
        let delay = copies.first().map_or(Duration::ZERO, |copy| copy.delay);
        // Two parts never arrive at the same moment: their order must not be left to chance.
        let at = (self.now + delay).max(not_before + Duration::from_nanos(1));
        let side = 1 - side as u8;
        self.schedule(at, What::Segment { connection, side, part: Box::new(part) });
        at
    }

    /// Part of a stream has reached a side.
    pub(crate) fn segment_arrives(&mut self, connection: u64, side: usize, part: Part) {
        let Some(found) = self.connections.get_mut(connection) else { return };
        let (host, life, id) = (found.ends[side].host, found.ends[side].life, found.ends[side].id);
        let peer = found.ends[1 - side].host;
        let over = matches!(part, Part::Reset | Part::Refused)
            || matches!(part, Part::End) && found.ends[side].done && found.ends[side].unsent.is_empty();
        if matches!(part, Part::Open) {
            return self.accept(connection, host);
        }
        if self.hosts[host].life != life || self.hosts[host].node.is_none() {
            if self.hosts[host].powered && !over {
                self.push_part(connection, side, Part::Reset);
            } else {
                self.connections.close(connection);
            }
            return;
        }
        if over {
            self.connections.close(connection);
        }
        let (Some(id), Some(event)) = (id, self.as_heard(peer, part)) else { return };
        self.deliver(host, Happening::Stream { id, event });
    }

    /// What a node is told when this part comes from `peer`.
    fn as_heard(&self, peer: HostId, part: Part) -> Option<StreamHappening> {
        let addr = self.hosts[peer].config.advertise;
        Some(match part {
            Part::Open => return None,
            Part::Opened => StreamHappening::Connected,
            Part::Refused => StreamHappening::Failed(format!("dial tcp {addr}: connect: connection refused")),
            Part::Data(bytes) => StreamHappening::Data(bytes),
            Part::End => StreamHappening::Closed,
            Part::Reset => StreamHappening::Failed(format!("read tcp {addr}: connection reset by peer")),
        })
    }

    /// Somebody dials a host.
    fn accept(&mut self, connection: u64, host: HostId) {
        if !self.hosts[host].powered {
            // The dialler asks again until its node gives up.
            return;
        }
        if self.hosts[host].node.is_none() {
            return self.push_part(connection, 1, Part::Refused);
        }
        let machine = &mut self.hosts[host];
        machine.accepted += 1;
        let id = StreamId::accepted(machine.accepted);
        machine.streams.insert(id, (connection, 1));
        let life = machine.life;
        let Some(found) = self.connections.get_mut(connection) else { return };
        found.ends[1].id = Some(id);
        found.ends[1].life = life;
        let dialler = self.hosts[found.ends[0].host].config.advertise.ip();
        let from = SocketAddr::new(dialler, PORTS_FROM + (connection % 20_000) as u16);
        self.deliver(host, Happening::Stream { id, event: StreamHappening::Accepted(from) });
        self.push_part(connection, 1, Part::Opened);
    }

    /// Whether the node is to hear of this: it may have closed the stream while it was under way.
    pub(crate) fn stream_event_passes(
        &mut self,
        host: HostId,
        id: StreamId,
        event: &StreamHappening,
    ) -> bool {
        let streams = &mut self.hosts[host].streams;
        match event {
            StreamHappening::Failed(_) => streams.remove(&id).is_some(),
            _ => streams.contains_key(&id),
        }
    }

    /// A process has ended: its kernel resets its streams, or nobody hears of them again.
    pub(crate) fn drop_streams(&mut self, host: HostId, tell: bool) {
        for (connection, side) in std::mem::take(&mut self.hosts[host].streams).into_values() {
            if tell {
                self.push_part(connection, side, Part::Reset);
            } else {
                self.connections.close(connection);
            }
        }
    }

    /// Something on the way ends every stream of a host, for both ends.
    pub(crate) fn reset_streams(&mut self, host: HostId) {
        for connection in self.connections.of(host) {
            let Some(found) = self.connections.get_mut(connection) else { continue };
            let ends = found.ends.clone();
            self.connections.close(connection);
            let peers = [ends[1].host, ends[0].host];
            for (end, peer) in ends.into_iter().zip(peers) {
                let current = self.hosts[end.host].life == end.life && self.hosts[end.host].node.is_some();
                if let (true, Some(id)) = (current, end.id)
                    && let Some(event) = self.as_heard(peer, Part::Reset)
                {
                    self.deliver(end.host, Happening::Stream { id, event });
                }
            }
        }
    }

    /// A host's I/O works again: what it had in hand goes out.
    pub(crate) fn flush_outbox(&mut self, host: HostId) {
        for (to, payload) in std::mem::take(&mut self.hosts[host].outbox) {
            self.send_datagram(host, to, payload);
        }
    }
}

fn damaged(payload: &Bytes, damage: Damage) -> Bytes {
    match damage {
        Damage::None => payload.clone(),
        Damage::Cut(at) => payload.slice(..at.min(payload.len())),
        Damage::Flip(bit) => {
            let mut bytes = payload.to_vec();
            let place = (bit / 8) as usize % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << (bit % 8);
            }
            bytes.into()
        }
    }
}
