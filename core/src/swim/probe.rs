//! Failure detection: ping, indirect ping, stream fallback (gossip-wire, section 9; the SWIM
//! paper's probe period, Lifeguard's awareness and nacks).

use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

use hashbrown::HashMap;

use crate::context::Context;
use crate::error::Refusal;
use crate::input::StreamId;
use crate::swim::Swim;
use crate::swim::member::{Identity, Incarnation, Member, State};
use crate::swim::members::Name;
use crate::swim::merge::Accusation;
use crate::time::Time;
use crate::timers::{Key, Tick};
use crate::trace::{Decision, ProbeResult};
use crate::wire::message::{Ack, Dead, IndirectPing, Nack, Ping, Source, Suspect};

/// Pings sent for others and not yet answered, at most; a flood of requests beyond is refused.
pub(crate) const FORWARDS_MAX: usize = 1024;
/// Gossip protocol from which a peer understands a ping over a stream, a nack, a checksum.
const STREAM_PING_SINCE: u8 = 3;
const NACK_SINCE: u8 = 4;
pub(crate) const CRC_SINCE: u8 = 5;

/// The probe under way; a node has one at a time.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    target: Arc<Identity>,
    /// The incarnation a failure would suspect.
    incarnation: Incarnation,
    seq: u32,
    sent: Time,
    deadline: Time,
    /// Helpers were asked; an ack no longer tells the round-trip time.
    late: bool,
    nacks_expected: u8,
    nacks: u8,
    pub(crate) stream: Option<StreamId>,
    acked_by_stream: bool,
}

/// A ping sent on behalf of another member.
#[derive(Clone, Copy, Debug)]
struct Forward {
    /// Who asked, and under which number.
    to: SocketAddr,
    seq: u32,
    /// Say so when the target does not answer.
    nack: bool,
    /// An ack that comes until then is still passed on.
    until: Time,
}

/// Failure detection's own state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probing {
    pub(crate) current: Option<Probe>,
    next_seq: u32,
    forwards: HashMap<u32, Forward, foldhash::fast::FixedState>,
}

impl Probing {
    /// Gives back memory that busier times needed.
    pub(crate) fn rest(&mut self) {
        self.forwards.shrink_to(0);
    }

    /// How many pings were sent on behalf of others and are not over.
    pub(crate) fn forwards(&self) -> usize {
        self.forwards.len()
    }

    fn seq(&mut self) -> u32 {
        self.next_seq = self.next_seq.wrapping_add(1);
        self.next_seq
    }
}

/// What an ack told about its sender.
#[derive(Clone, Debug)]
pub(crate) struct RoundTrip {
    pub(crate) name: Name,
    pub(crate) time: Duration,
}

impl Swim {
    /// Time for a probe: the next one begins, unless one is still under way.
    pub(crate) fn on_probe_tick(&mut self, cx: &mut Context) {
        let mut next = cx.now + cx.config.probe.interval;
        if let Some(probe) = self.probing.current.as_ref().filter(|_| !bug!(cx, ProbesOnTop)) {
            // The original's ticker fires again as soon as an overlong probe is over.
            next = probe.deadline.max(cx.now);
            cx.timers.set_tick(Tick::Probe, next);
            return;
        }
        if rare!(cx, ProbeLate) {
            next += cx.config.probe.interval / 2;
        }
        cx.timers.set_tick(Tick::Probe, next);
        if self.leaving {
            return;
        }
        if bug!(cx, ForgetsItsPlace) {
            self.walk = Default::default();
        }
        if let Some(target) = self.walk.next(&self.members, &mut cx.rng, &self.me) {
            self.probe(cx, &target);
        }
    }

    fn probe(&mut self, cx: &mut Context, target: &Member) {
        let interval = self.awareness.stretch(cx.config.probe.interval);
        let late = if cx.config.awareness.scale_timeout {
            self.awareness.stretch(cx.config.probe.timeout)
        } else {
            cx.config.probe.timeout
        };
        let seq = self.probing.seq();
        let deadline = cx.now + interval;
        cx.metrics.probes += 1;
        cx.timers.set_tick(Tick::ProbeLate, (cx.now + late).min(deadline));
        cx.timers.set_tick(Tick::ProbeEnd, deadline);
        self.probing.current = Some(Probe {
            target: target.identity.clone(),
            incarnation: target.incarnation,
            seq,
            sent: cx.now,
            deadline,
            late: false,
            nacks_expected: 0,
            nacks: 0,
            stream: None,
            acked_by_stream: false,
        });
        cx.trace(|| Decision::ProbeStarted { target: target.identity.name.clone(), seq });
        self.ping(cx, target.identity.addr, &target.identity.name, seq);
    }

    /// Sends a ping, for this node or for another. Whoever is suspect is told so in the same packet,
    /// so that it can refute at once (Lifeguard's buddy system).
    fn ping(&mut self, cx: &mut Context, to: SocketAddr, node: &str, seq: u32) {
        let me = self.me.clone();
        let ping = Ping { node, seq, source: Source::new(self.addr, &me) };
        let suspect = self
            .members
            .known(node)
            .filter(|member| {
                member.state == State::Suspect && cx.config.suspicion.buddy && !bug!(cx, ForgetsTheBuddy)
            })
            .map(|member| (member.incarnation, member.identity.versions.protocol_max >= CRC_SINCE));
        let Some((incarnation, crc)) = suspect else {
            return self.send(cx, to, node, |out| ping.encode(out));
        };
        let suspect = Suspect { node, from: &me, incarnation };
        let parts = self.packets.begin();
        parts.push_with(|out| ping.encode(out));
        parts.push_with(|out| suspect.encode(out));
        self.packets.finish(cx, to, crc);
    }

    /// The ack is late: ask helpers and, at the same time, try a stream.
    pub(crate) fn on_probe_late(&mut self, cx: &mut Context) {
        let Some(mut probe) = self.probing.current.take() else { return };
        probe.late = true;
        let (late, seq) = (probe.target.name.clone(), probe.seq);
        cx.trace(|| Decision::ProbeLate { target: late, seq });
        let me = self.me.clone();
        let target = probe.target.clone();
        let count = if rare!(cx, NoHelpers) { 0 } else { cx.config.probe.indirect_checks };
        let helpers = self.members.random(&mut cx.rng, count, |member| {
            member.state == State::Alive && *member.name() != *me && *member.name() != *target.name
        });
        for helper in helpers {
            let nack = cx.config.probe.nacks && helper.identity.versions.protocol_max >= NACK_SINCE;
            probe.nacks_expected += u8::from(nack);
            let request = IndirectPing {
                node: &target.name,
                target: target.addr.ip(),
                port: target.addr.port(),
                seq: probe.seq,
                nack,
                source: Source::new(self.addr, &me),
            };
            self.send(cx, helper.identity.addr, helper.name(), |out| request.encode(out));
        }
        if cx.config.probe.stream_fallback && target.versions.protocol_max >= STREAM_PING_SINCE {
            probe.stream = self.dial_ping(cx, &target, probe.seq, probe.deadline);
        }
        self.probing.current = Some(probe);
    }

    /// The probe's time is over without an ack.
    pub(crate) fn on_probe_end(&mut self, cx: &mut Context) {
        let Some(probe) = self.probing.current.take() else { return };
        if probe.acked_by_stream {
            cx.metrics.probes_by_stream += 1;
            self.awareness.better(cx);
            return self.probe_ended(cx, probe, ProbeResult::AckedByStream);
        }
        cx.metrics.probes_failed += 1;
        let (nacks, expected) = (probe.nacks, probe.nacks_expected);
        let worse = if expected > 0 { u32::from(expected.saturating_sub(nacks)) } else { 1 };
        self.awareness.worse(cx, worse);
        let (target, mut incarnation) = (probe.target.clone(), probe.incarnation);
        if bug!(cx, AccusesAhead) {
            incarnation += 1;
        }
        self.probe_ended(cx, probe, ProbeResult::Failed { nacks, expected });
        let me = self.me.clone();
        self.apply_suspect(cx, &Accusation { node: &target.name, from: &me, incarnation });
    }

    fn probe_ended(&mut self, cx: &mut Context, probe: Probe, result: ProbeResult) {
        cx.timers.clear_tick(Tick::ProbeLate);
        cx.timers.clear_tick(Tick::ProbeEnd);
        if let Some(stream) = probe.stream {
            self.drop_stream(cx, stream);
        }
        let (target, seq) = (probe.target.name.clone(), probe.seq);
        cx.trace(|| Decision::ProbeEnded { target, seq, result });
    }

    /// The stream of the running probe brought the target's ack.
    pub(crate) fn on_stream_ack(&mut self, seq: u32) {
        if let Some(probe) = self.probing.current.as_mut().filter(|probe| probe.seq == seq) {
            probe.acked_by_stream = true;
        }
    }

    /// Somebody pings: answer, if this node is meant.
    pub(crate) fn on_ping(&mut self, cx: &mut Context, from: SocketAddr, ping: &Ping<'_>) {
        if !ping.node.is_empty() && *ping.node != *self.me {
            return cx.refuse(from, Refusal::WrongNode(ping.node.into()));
        }
        let to = ping.source.socket().unwrap_or(from);
        let payload = core::mem::take(&mut self.ack_payload);
        let ack = Ack { seq: ping.seq, payload: &payload };
        match self.buried(cx, ping.source.node) {
            None => self.send(cx, to, ping.source.node, |out| ack.encode(out)),
            Some(member) => {
                let (node, incarnation) = (member.name(), member.incarnation);
                let from = if member.state == State::Left { node } else { &*self.me };
                let parts = self.packets.begin();
                parts.push_with(|out| ack.encode(out));
                parts.push_with(|out| Dead { node, from, incarnation }.encode(out));
                self.packets.finish(cx, to, member.identity.versions.protocol_max >= CRC_SINCE);
            }
        }
        self.ack_payload = payload;
    }

    /// Who is held dead or left, and pings: it is told so with its ack and can refute at once, as a
    /// suspect can that is pinged. It matters to one that came back with nothing of what it knew:
    /// whoever holds a higher incarnation of it takes no notice of what it says, and gossip tells
    /// those who left nothing. (In the original it learns of that by a push/pull, in the end.)
    fn buried(&self, cx: &Context, node: &str) -> Option<Member> {
        if !cx.config.suspicion.buddy {
            return None;
        }
        self.members.gone(node)?;
        self.members.known(node).filter(|member| matches!(member.state, State::Dead | State::Left)).cloned()
    }

    /// Somebody cannot reach a member: try for them.
    pub(crate) fn on_indirect_ping(
        &mut self,
        cx: &mut Context,
        from: SocketAddr,
        request: &IndirectPing<'_>,
    ) {
        if self.probing.forwards.len() >= FORWARDS_MAX || rare!(cx, HelpRefused) {
            return cx.refuse(from, Refusal::Full("the table of indirect pings"));
        }
        let to = request.source.socket().unwrap_or(from);
        let port = if request.port == 0 { self.addr.port() } else { request.port };
        let seq = self.probing.seq();
        let until = cx.now + cx.config.probe.timeout;
        self.probing.forwards.insert(seq, Forward { to, seq: request.seq, nack: request.nack, until });
        let mut patience = cx.config.probe.timeout.saturating_mul(cx.config.probe.nack_percent) / 100;
        if bug!(cx, GivesUpAtOnce) {
            patience /= 8;
        }
        cx.timers.set(Key::Forward(seq), cx.now + patience);
        self.ping(cx, SocketAddr::new(request.target, port), request.node, seq);
    }

    /// A ping sent for somebody else was not answered in time.
    pub(crate) fn on_forward_over(&mut self, cx: &mut Context, seq: u32) {
        let Some(forward) = self.probing.forwards.get_mut(&seq) else { return };
        let Forward { to, seq: asked, nack, until } = *forward;
        if until > cx.now {
            forward.nack = false;
            cx.timers.set(Key::Forward(seq), until);
        } else {
            self.probing.forwards.remove(&seq);
        }
        if nack {
            self.send(cx, to, "", |out| Nack { seq: asked }.encode(out));
            if bug!(cx, NacksTwice) {
                self.send(cx, to, "", |out| Nack { seq: asked }.encode(out));
            }
        }
    }

    /// An ack: for the running probe, or for a ping sent for somebody else. Returns the round trip
    /// where it was measured.
    pub(crate) fn on_ack(&mut self, cx: &mut Context, seq: u32) -> Option<RoundTrip> {
        if let Some(probe) = self.probing.current.take_if(|probe| probe.seq == seq) {
            self.awareness.better(cx);
            let trip = (!probe.late)
                .then(|| RoundTrip { name: probe.target.name.clone(), time: cx.now.since(probe.sent) });
            self.probe_ended(cx, probe, ProbeResult::Acked);
            return trip;
        }
        let forward = *self.probing.forwards.get(&seq)?;
        if !bug!(cx, KeepsForwards) {
            self.probing.forwards.remove(&seq);
            cx.timers.cancel(&Key::Forward(seq));
        }
        let ack = Ack { seq: forward.seq, payload: &[] };
        self.send(cx, forward.to, "", |out| ack.encode(out));
        None
    }

    /// A helper says that it did not reach the target either.
    pub(crate) fn on_nack(&mut self, seq: u32) {
        if let Some(probe) = self.probing.current.as_mut().filter(|probe| probe.seq == seq) {
            probe.nacks = probe.nacks.saturating_add(1).min(probe.nacks_expected);
        }
    }
}
