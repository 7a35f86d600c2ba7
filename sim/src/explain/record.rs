//! What has to be remembered of a run to explain what is held of one member.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

use tidings_core::{
    Cause, Decision, Incarnation, Input, Member, Output, ProbeResult, State, StreamAction, StreamEvent,
    StreamId, Time,
};

use crate::digest::Digest;
use crate::letter::{Letter, Letters};
use crate::net::{HostId, LostTo};
use crate::watch::Sight;
use crate::world::World;

/// Everything about one member, at all hosts.
#[derive(Debug, Default)]
pub(super) struct Chronicle {
    /// The member's name.
    pub(super) about: String,
    pub(super) changes: Vec<Change>,
    pub(super) probes: Vec<Probe>,
    pub(super) packets: Vec<Packet>,
    pub(super) tries: Vec<StreamTry>,
    /// Suspicions that ran out: when, where, and confirmations.
    pub(super) overs: Vec<(Time, HostId, u32)>,
    /// Who bore a name last.
    names: BTreeMap<String, HostId>,
    letters: Letters,
    /// Packets that have not arrived, by sender, receiver and contents.
    underway: HashMap<(HostId, Option<HostId>, u64), VecDeque<usize>>,
    /// The packet that a host is handling, of those that are remembered.
    in_hand: Option<usize>,
}

/// Something changed, or was confirmed, about the member.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) at: Time,
    pub(super) host: HostId,
    pub(super) what: What,
    pub(super) cause: Why,
}

#[derive(Debug)]
pub(super) enum What {
    /// The host's process started, holding this.
    Started {
        held: Option<State>,
    },
    /// The host's process ended.
    Stopped,
    State {
        before: Option<State>,
        after: State,
        incarnation: Incarnation,
        from: String,
    },
    /// Somebody else suspects the member, too.
    Suspicion {
        from: String,
    },
    /// The member defended itself.
    Refuted {
        from: String,
        accusation: State,
        incarnation: Incarnation,
    },
}

/// What led to a change.
#[derive(Debug)]
pub(super) enum Why {
    /// The host itself: a timer, or its start.
    Own,
    Command,
    /// A packet from a host; which, if it was seen when it was sent.
    Packet(Option<HostId>, Option<usize>),
    Stream(Option<HostId>),
}

/// A probe of the member.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) host: HostId,
    pub(super) seq: u32,
    pub(super) started: Time,
    pub(super) late: Option<Time>,
    pub(super) ended: Option<(Time, ProbeResult)>,
    /// How the member and the one who probed it stood at the end.
    pub(super) target_was: Option<&'static str>,
    pub(super) prober_was: Option<&'static str>,
}

/// A datagram that has to do with the member.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) at: Time,
    pub(super) from: HostId,
    pub(super) to: Option<HostId>,
    pub(super) letters: Vec<Letter>,
    pub(super) fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Underway,
    Read(Time),
    Lost(LostTo),
}

/// A stream to the member.
#[derive(Debug)]
pub(super) struct StreamTry {
    pub(super) host: HostId,
    pub(super) id: StreamId,
    pub(super) at: Time,
    pub(super) outcome: Option<(Time, String)>,
}

/// What is wrong with a host; `None`: nothing.
fn condition(world: &World, host: HostId) -> Option<&'static str> {
    let machine = &world.hosts()[host];
    if machine.node().is_none() {
        Some("did not run")
    } else if machine.frozen > 0 {
        Some("was frozen")
    } else if machine.blocked > 0 {
        Some("could neither send nor receive (blocked I/O)")
    } else if machine.is_hampered() {
        Some("was slow")
    } else {
        None
    }
}

fn hash(payload: &[u8]) -> u64 {
    let mut digest = Digest::default();
    digest.bytes(payload);
    digest.get()
}

impl Chronicle {
    pub(super) fn new(about: &str) -> Self {
        Chronicle { about: about.to_owned(), ..Chronicle::default() }
    }

    /// The host that bore a name last.
    pub(super) fn host(&self, name: &str) -> Result<HostId, String> {
        self.names.get(name).copied().ok_or_else(|| {
            let known: Vec<_> = self.names.keys().map(String::as_str).take(10).collect();
            let more = if self.names.len() > known.len() { ", ..." } else { "" };
            format!("there is no member `{name}`; allowed: {}{more}", known.join(", "))
        })
    }

    /// A host's name.
    pub(super) fn name(&self, host: HostId) -> &str {
        let name = self.names.iter().find(|(_, known)| **known == host);
        name.map_or("somebody", |(name, _)| name)
    }

    pub(super) fn see(&mut self, world: &World, host: HostId, sight: &Sight<'_>) {
        let now = world.now();
        match sight {
            Sight::Started => {
                let machine = &world.hosts()[host];
                self.names.insert(machine.name().to_owned(), host);
                let held = machine.node().and_then(|node| node.view().get(&self.about).map(Member::state));
                self.change(now, host, What::Started { held }, Why::Own);
            }
            Sight::Stopped => self.change(now, host, What::Stopped, Why::Own),
            Sight::Input(input) => {
                self.in_hand = None;
                match input {
                    Input::Datagram { from, payload } => self.arrive(world, host, *from, payload),
                    Input::Stream { id, event } => self.on_stream(now, host, *id, event),
                    _ => {}
                }
            }
            Sight::Output(Output::Trace(trace)) => self.decide(world, host, &trace.decision, &trace.cause),
            Sight::Output(Output::Datagram { to, payload }) => self.send(world, host, *to, payload),
            Sight::Output(Output::Stream { id, action: StreamAction::Connect { to } }) => {
                let target = world.net().addresses.get(to);
                if target.is_some_and(|target| world.hosts()[*target].name() == self.about) {
                    self.tries.push(StreamTry { host, id: *id, at: now, outcome: None });
                }
            }
            Sight::Lost { to, payload, why } => {
                if let Some(packet) = self.take(host, *to, payload) {
                    self.packets[packet].fate = Fate::Lost(*why);
                }
            }
            _ => {}
        }
    }

    fn change(&mut self, at: Time, host: HostId, what: What, cause: Why) {
        self.changes.push(Change { at, host, what, cause });
    }

    fn send(&mut self, world: &World, from: HostId, to: SocketAddr, payload: &[u8]) {
        let letters = self.letters.read(world.hosts()[from].config(), payload);
        let to = world.net().addresses.get(&to).copied();
        let from_it = world.hosts()[from].name() == self.about;
        let concerns = |letter: &Letter| match letter {
            Letter::Ack { seq } => from_it || self.is_probe(to, *seq),
            Letter::Nack { seq } => self.is_probe(to, *seq),
            other => other.about() == Some(&self.about),
        };
        if letters.iter().any(concerns) {
            self.underway.entry((from, to, hash(payload))).or_default().push_back(self.packets.len());
            self.packets.push(Packet { at: world.now(), from, to, letters, fate: Fate::Underway });
        }
    }

    /// Whether a host probes the member by this number.
    fn is_probe(&self, host: Option<HostId>, seq: u32) -> bool {
        let recent = self.probes.iter().rev().take(4 * self.names.len());
        recent.into_iter().any(|probe| Some(probe.host) == host && probe.seq == seq)
    }

    fn take(&mut self, from: HostId, to: Option<HostId>, payload: &[u8]) -> Option<usize> {
        self.underway.get_mut(&(from, to, hash(payload)))?.pop_front()
    }

    fn arrive(&mut self, world: &World, host: HostId, from: SocketAddr, payload: &[u8]) {
        let Some(&from) = world.net().addresses.get(&from) else { return };
        self.in_hand = self.take(from, Some(host), payload);
        if let Some(packet) = self.in_hand {
            self.packets[packet].fate = Fate::Read(world.now());
        }
    }

    fn on_stream(&mut self, now: Time, host: HostId, id: StreamId, event: &StreamEvent<'_>) {
        let open = self.tries.iter_mut().rev().find(|attempt| attempt.host == host && attempt.id == id);
        if let Some(attempt) = open {
            let text = match event {
                StreamEvent::Connected => "connected".to_owned(),
                StreamEvent::Failed(why) => format!("failed: {why}"),
                StreamEvent::Closed => "closed".to_owned(),
                _ => "answered".to_owned(),
            };
            attempt.outcome = Some((now, text));
        }
    }

    fn decide(&mut self, world: &World, host: HostId, decision: &Decision, cause: &Cause) {
        let now = world.now();
        let of_it = |name: &str| name == self.about;
        match decision {
            Decision::ProbeStarted { target, seq } if of_it(target) => {
                let (started, seq) = (now, *seq);
                let (late, ended, target_was, prober_was) = (None, None, None, None);
                self.probes.push(Probe { host, seq, started, late, ended, target_was, prober_was });
            }
            Decision::ProbeLate { target, seq } if of_it(target) => {
                if let Some(probe) = self.probe(host, *seq) {
                    probe.late = Some(now);
                }
            }
            Decision::ProbeEnded { target, seq, result } if of_it(target) => {
                let target = self.names.get(&self.about).copied();
                if let Some(probe) = self.probe(host, *seq) {
                    probe.ended = Some((now, *result));
                    probe.target_was = target.and_then(|target| condition(world, target));
                    probe.prober_was = condition(world, host);
                }
            }
            Decision::State { member, before, after, incarnation, from } if of_it(member) => {
                let (before, after, incarnation, from) = (*before, *after, *incarnation, from.to_string());
                let cause = self.why(world, cause);
                self.change(now, host, What::State { before, after, incarnation, from }, cause);
            }
            Decision::Suspicion { member, from, confirmations, .. }
                if of_it(member) && *confirmations > 0 =>
            {
                let cause = self.why(world, cause);
                self.change(now, host, What::Suspicion { from: from.to_string() }, cause);
            }
            Decision::SuspicionOver { member, confirmations } if of_it(member) => {
                self.overs.push((now, host, *confirmations));
            }
            Decision::Refuted { from, accusation, incarnation, .. } if of_it(world.hosts()[host].name()) => {
                let (accusation, incarnation, from) = (*accusation, *incarnation, from.to_string());
                let cause = self.why(world, cause);
                self.change(now, host, What::Refuted { from, accusation, incarnation }, cause);
            }
            _ => {}
        }
    }

    fn probe(&mut self, host: HostId, seq: u32) -> Option<&mut Probe> {
        self.probes.iter_mut().rev().find(|probe| probe.host == host && probe.seq == seq)
    }

    fn why(&self, world: &World, cause: &Cause) -> Why {
        let net = world.net();
        match cause {
            Cause::Command => Why::Command,
            Cause::Packet(from) => Why::Packet(net.addresses.get(from).copied(), self.in_hand),
            Cause::Stream(with) => {
                // Whoever dials does so from a port of its own.
                let by_ip = || world.hosts().iter().position(|host| host.addr().ip() == with.ip());
                Why::Stream(net.addresses.get(with).copied().or_else(by_ip))
            }
            _ => Why::Own,
        }
    }
}
