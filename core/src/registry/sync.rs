//! Comparing what this node's registry holds with what others hold: when, with whom, on what streams.

use alloc::format;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::BytesMut;

use super::session::Session;
use crate::error::Refusal;
use crate::event::Event;
use crate::input::StreamId;
use crate::node::Node;
use crate::output::StreamAction;
use crate::swim::streams::Purpose;
use crate::timers::{Key, Tick};
use crate::wire::frame::{self, StreamRefusal};

/// Talks that others may hold with this node at the same time; more are turned away.
const ACCEPTED_MAX: usize = 8;
/// A talk may last for so many times of what a stream without news may take.
const TIMES_LONGER: u32 = 60;
/// The next talk comes so long after something showed that one is needed, or up to twice as long.
const SOON: Duration = Duration::from_secs(1);
/// So many talks follow one that brought much, each after twice as long as the one before: the peer
/// may itself have known little of those that it had just heard of.
const FOLLOW_UPS: u32 = 4;
/// Bytes of a digest.
const DIGEST: usize = 8;

impl Node {
    /// What the registry comes to, for push/pulls; empty without one, or if nobody could know that
    /// it is there.
    pub(crate) fn registry_digest(&self) -> Vec<u8> {
        let Some(registry) = &self.registry else { return Vec::new() };
        registry.records().digest().to_be_bytes().to_vec()
    }

    /// A peer answered a push/pull: if its registry comes to something else, find out what.
    pub(crate) fn on_peer_digest(&mut self, peer: SocketAddr, digest: &[u8]) {
        let (Some(registry), DIGEST) = (&self.registry, digest.len()) else { return };
        if digest != registry.records().digest().to_be_bytes() {
            self.sync_with(peer);
        }
    }

    /// Compares with somebody soon.
    pub(super) fn plan_sync(&mut self) {
        self.plan_sync_after(SOON);
    }

    /// Compares with somebody after this time, or up to twice as long; if that is planned anyway for an
    /// earlier moment, then.
    fn plan_sync_after(&mut self, time: Duration) {
        let planned = self.cx.timers.tick(Tick::RegistrySync);
        let earliest = self.cx.now + time;
        if planned > earliest {
            let at = planned.min(earliest + self.cx.rng.part_of(time));
            self.cx.timers.set_tick(Tick::RegistrySync, at);
        }
    }

    /// A talk brought much: compares with others, too.
    pub(super) fn plan_follow_ups(&mut self) {
        let Some(registry) = &mut self.registry else { return };
        registry.spread.follow_ups = FOLLOW_UPS;
        self.plan_next_follow_up();
    }

    fn plan_next_follow_up(&mut self) {
        let Some(registry) = &mut self.registry else { return };
        let Some(left) = registry.spread.follow_ups.checked_sub(1) else { return };
        registry.spread.follow_ups = left;
        self.plan_sync_after(SOON * (1 << (FOLLOW_UPS - 1 - left)));
    }

    /// It is time to compare with somebody.
    pub(crate) fn on_registry_sync(&mut self) {
        let Node { cx, swim, registry: Some(_), .. } = self else { return };
        let me = swim.me.clone();
        let peer = swim.members.random_marked(&mut cx.rng, 1, |member| *member.name() != *me);
        if let Some(peer) = peer.first() {
            self.sync_with(peer.addr());
        }
    }

    fn sync_with(&mut self, peer: SocketAddr) {
        let Node { cx, swim, registry: Some(registry), .. } = self else { return };
        if swim.leaving {
            return;
        }
        if registry.spread.syncing.is_some() {
            return self.plan_sync();
        }
        // A full table of streams skips this turn.
        let Ok(id) = swim.dial(cx, peer, Purpose::Registry) else { return self.plan_sync() };
        let key = cx.rng.u64() as u32;
        registry.spread.compares();
        registry.spread.sessions.insert(id, Session::ask(&registry.table, key));
        registry.spread.syncing = Some(id);
        cx.metrics.registry_syncs += 1;
    }

    /// The stream of a talk stands: say what begins it.
    pub(crate) fn on_registry_connected(&mut self, id: StreamId) {
        if self.on_forward_connected(id) {
            return;
        }
        let Some(session) = self.registry.as_mut().and_then(|it| it.spread.sessions.get_mut(&id)) else {
            return;
        };
        if let Some(hello) = session.take_opening() {
            self.say_registry(id, &hello, true);
        }
    }

    pub(super) fn say_registry(&mut self, id: StreamId, message: &[u8], first: bool) {
        let bytes = self.swim.packets.close_registry_frame(&mut self.cx, message, first);
        self.cx.stream(id, StreamAction::Send(bytes));
    }

    /// A peer begins a talk on a stream that it opened.
    pub(crate) fn on_registry_hello(&mut self, id: StreamId, message: &[u8]) {
        if self.registry.is_none() {
            let refusal = Refusal::UnknownType(crate::wire::message::MessageType::Registry as u8);
            return self.refuse_stream(id, StreamRefusal { refusal, reply: false });
        };
        if self.on_asked(id, message) {
            return;
        }
        let Node { swim, registry: Some(registry), .. } = self else { return };
        let accepted = registry.spread.sessions.keys().filter(|id| id.is_accepted()).count();
        let Some(stream) = swim.streams.get_mut(id) else { return };
        if accepted >= ACCEPTED_MAX {
            // The other side tries somebody else.
            return swim.drop_stream(&mut self.cx, id);
        }
        stream.purpose = Purpose::Registry;
        registry.spread.sessions.insert(id, Session::answer(&registry.table));
        self.on_registry_frame(id, message);
    }

    /// The other side of a talk says something.
    pub(crate) fn on_registry_frame(&mut self, id: StreamId, message: &[u8]) {
        if self.on_forward_answered(id, message) {
            return;
        }
        let Node { cx, swim, registry: Some(registry), .. } = self else { return };
        let Some(peer) = swim.streams.get_mut(id).map(|stream| stream.peer) else { return };
        let Some(mut session) = registry.spread.sessions.remove(&id) else { return };
        let until =
            *session.until.get_or_insert(cx.now + cx.config.stream.timeout.saturating_mul(TIMES_LONGER));
        cx.timers.set(Key::Stream(id), (cx.now + cx.config.stream.timeout).min(until));
        let mut out = Vec::new();
        let told = match session.on_frame(message, &registry.table, &mut registry.texts, &mut out) {
            Ok(told) => told,
            Err(refusal) => {
                registry.spread.sessions.insert(id, session);
                return self.refuse_stream(id, StreamRefusal { refusal, reply: false });
            }
        };
        let mut news = session.news;
        let better = self.hear_all(peer, &told, &mut news);
        session.news = news;
        better.into_iter().for_each(|told| session.reply(told));
        let Some(registry) = &mut self.registry else { return };
        let close = session.go_on(&registry.table, &mut out);
        registry.spread.sessions.insert(id, session);
        out.iter().for_each(|message| self.say_registry(id, message, false));
        if close {
            self.swim.drop_stream(&mut self.cx, id);
            self.on_talk_over(id, true);
        }
    }

    /// The other side has closed the stream of a talk.
    pub(crate) fn on_registry_closed(&mut self, id: StreamId) {
        let sessions = self.registry.as_ref().map(|registry| &registry.spread.sessions);
        let over = sessions.and_then(|sessions| sessions.get(&id)).is_some_and(Session::is_over);
        if over || id.is_accepted() {
            self.swim.drop_stream(&mut self.cx, id);
            self.forward_failed(id, "the stream was closed");
            self.on_talk_over(id, over);
        } else {
            self.swim.stream_failed(&mut self.cx, id, "the peer closed the stream without an answer");
            self.settle();
        }
    }

    /// A talk is over, for better or worse.
    pub(crate) fn on_talk_over(&mut self, id: StreamId, well: bool) {
        let Some(registry) = &mut self.registry else { return };
        registry.spread.sessions.remove(&id);
        if registry.spread.syncing == Some(id) {
            registry.spread.syncing = None;
            if well {
                self.plan_next_follow_up();
            } else {
                self.plan_sync();
            }
        }
        self.fetch_ended(id);
    }

    /// A talk could not be held to its end.
    pub(crate) fn on_talk_failed(&mut self, id: StreamId, peer: SocketAddr, reason: &str) {
        let Some(registry) = &self.registry else { return };
        if registry.spread.syncing == Some(id) {
            self.cx.event(Event::SyncFailed { peer, reason: format!("registry: {reason}") });
        }
        self.forward_failed(id, reason);
        self.on_talk_over(id, false);
    }
}

impl crate::swim::packets::Packets {
    /// A message of a talk, wrapped as configured; the first one of a stream is labelled.
    fn close_registry_frame(
        &mut self,
        cx: &mut crate::context::Context,
        message: &[u8],
        first: bool,
    ) -> bytes::Bytes {
        let mut out = BytesMut::new();
        let (config, keyring) = (cx.config.clone(), self.keyring());
        let nonce = || crate::swim::packets::fresh_nonce(&mut cx.rng);
        frame::close_registry(message, first, &config, keyring, nonce, &mut out);
        out.freeze()
    }
}
