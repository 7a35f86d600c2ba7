//! Datagrams on their way in: unwrap, decode, send each message to its part.

use core::net::SocketAddr;

use crate::error::{Malformed, Refusal};
use crate::node::Node;
use crate::swim::gossip::Class;
use crate::swim::merge::{Accusation, AliveClaim, allowed};
use crate::swim::owned;
use crate::trace::Cause;
use crate::wire::message::{Alive, Message, malformed};
use crate::wire::packet;
use crate::wire::serf_message::{Join, Leave, Query, QueryResponse, Relay, SerfType, UserEvent};

impl Node {
    pub(crate) fn on_datagram(&mut self, from: SocketAddr, payload: &[u8]) {
        self.cx.metrics.datagrams_in += 1;
        self.cx.metrics.datagram_bytes_in += payload.len() as u64;
        if payload.is_empty() {
            return;
        }
        self.cx.cause = Cause::Packet(from);
        let limits = self.cx.config.packet.clone();
        // Borrowed for the length of this packet, so that its messages may change the node.
        let scratch = self.swim.packets.scratch();
        let mut plain = core::mem::take(&mut scratch.plain);
        let mut opener = core::mem::take(&mut scratch.opener);
        match packet::unwrap(payload, &self.cx.config, self.swim.packets.keyring(), &mut plain) {
            Ok(message) => opener.expand(message, &limits, |message| match message {
                Ok(message) => self.on_message(from, message),
                Err(refusal) => self.cx.refuse(from, refusal),
            }),
            Err(refusal) => self.cx.refuse(from, refusal),
        }
        plain.clear();
        plain.shrink_to(crate::wire::limits::SCRATCH_KEEP);
        let scratch = self.swim.packets.scratch();
        (scratch.plain, scratch.opener) = (plain, opener);
    }

    /// One message of a packet, its type byte first.
    fn on_message(&mut self, from: SocketAddr, bytes: &[u8]) {
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(refusal) => return self.cx.refuse(from, refusal),
        };
        let Node { cx, swim, serf, .. } = self;
        match message {
            Message::Ping(ping) => swim.on_ping(cx, from, &ping),
            Message::IndirectPing(request) => swim.on_indirect_ping(cx, from, &request),
            Message::Ack(ack) => {
                if let Some(trip) = swim.on_ack(cx, ack.seq) {
                    serf.on_round_trip(cx, swim, from, &trip, ack.payload);
                }
            }
            Message::Nack(nack) => swim.on_nack(nack.seq),
            Message::Alive(alive) => self.on_alive(from, &alive),
            Message::Suspect(said) => {
                let said = Accusation { node: said.node, from: said.from, incarnation: said.incarnation };
                swim.apply_suspect(cx, &said);
            }
            Message::Dead(said) => {
                let said = Accusation { node: said.node, from: said.from, incarnation: said.incarnation };
                swim.apply_dead(cx, &said, None);
            }
            Message::User(body) => self.on_user_message(from, body, bytes),
        }
        self.settle();
    }

    fn on_alive(&mut self, from: SocketAddr, alive: &Alive<'_>) {
        if !allowed(&self.cx, from) {
            return self.cx.refuse(from, Refusal::NotAllowed(from.ip()));
        }
        let Some(versions) = alive.versions else {
            // A member without versions would make every push/pull of the cluster fail.
            return self.cx.refuse(from, Refusal::Version { node: alive.node.into() });
        };
        let port = if alive.port == 0 { self.swim.addr.port() } else { alive.port };
        let claim = AliveClaim {
            name: alive.node,
            addr: SocketAddr::new(alive.addr, port),
            incarnation: alive.incarnation,
            meta: alive.meta,
            versions,
        };
        self.swim.apply_alive(&mut self.cx, from, &claim);
    }

    /// A message of the Serf layer; `whole` has the type byte of user data before it and is what
    /// is passed on, unchanged.
    pub(crate) fn on_user_message(&mut self, from: SocketAddr, body: &[u8], whole: &[u8]) {
        let (&first, body) = match body.split_first() {
            Some(parts) => parts,
            None => return self.cx.refuse(from, malformed("user message", Malformed::Empty)),
        };
        let Some(kind) = SerfType::from_u8(first) else {
            return self.cx.refuse(from, Refusal::UnknownSerfType(first));
        };
        let Node { cx, swim, serf, registry, .. } = self;
        let heard = match kind {
            SerfType::Leave => {
                Leave::decode(body).map(|leave| (Class::Intent, serf.hear_leave(cx, swim, &leave)))
            }
            SerfType::Join => Join::decode(body).map(|join| (Class::Intent, serf.hear_join(cx, swim, &join))),
            // Gossip of somebody we join may overtake its answer, which tells old events from new
            // ones. Until then none is taken; those that are new are told again.
            SerfType::UserEvent => UserEvent::decode(body)
                .map(|event| (Class::Event, !swim.awaits_first_state() && serf.hear_event(cx, &event))),
            SerfType::Query => {
                Query::decode(body).map(|query| (Class::Query, serf.hear_query(cx, swim, from, &query)))
            }
            SerfType::QueryResponse => QueryResponse::decode(body).map(|response| {
                serf.hear_response(cx, swim, &response);
                (Class::Query, false)
            }),
            SerfType::Relay => Relay::decode(body).map(|relay| {
                serf.on_relay(cx, swim, from, &relay);
                (Class::Query, false)
            }),
            SerfType::Registry if registry.is_some() => return self.on_registry_gossip(from, body),
            // These travel inside others, or need a registry.
            SerfType::PushPull
            | SerfType::ConflictResponse
            | SerfType::KeyRequest
            | SerfType::KeyResponse
            | SerfType::Registry => return cx.refuse(from, Refusal::UnknownSerfType(first)),
        };
        let (class, news) = match heard {
            Ok(heard) => heard,
            Err(error) => return cx.refuse(from, malformed(kind.as_str(), error)),
        };
        if news && !(class == Class::Event && bug!(cx, KeepsEventsToItself)) {
            serf.broadcast(cx, swim, class, owned(whole), None);
        }
    }
}
