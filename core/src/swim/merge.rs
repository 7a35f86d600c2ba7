//! What others say about members against what is held: the only place where a member's state
//! changes (gossip-wire, section 7).

use alloc::string::ToString;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use crate::config::valid_name;
use crate::context::Context;
use crate::error::Refusal;
use crate::event::Event;
use crate::swim::gossip::Waiter;
use crate::swim::member::{Identity, Incarnation, Member, State, Status, Versions};
use crate::swim::members::Name;
use crate::swim::probe::CRC_SINCE;
use crate::swim::suspicion::Suspicion;
use crate::swim::takeover::Takeover;
use crate::swim::{Notice, Swim, belief};
use crate::timers::Key;
use crate::trace::{Cause, Decision};
use crate::wire::message::{Alive, Dead, Suspect};

/// A claim that a member lives, with every default filled in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AliveClaim<'a> {
    pub(crate) name: &'a str,
    pub(crate) addr: SocketAddr,
    pub(crate) incarnation: Incarnation,
    pub(crate) meta: &'a [u8],
    pub(crate) versions: Versions,
}

/// A claim that a member is suspect, dead or (by itself) gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accusation<'a> {
    pub(crate) node: &'a str,
    pub(crate) from: &'a str,
    pub(crate) incarnation: Incarnation,
}

impl AliveClaim<'_> {
    fn says(&self, identity: &Identity) -> bool {
        identity.addr == self.addr && *identity.meta == *self.meta && identity.versions == self.versions
    }

    /// The identity claimed, sharing whatever is already held.
    fn identity(&self, known: Option<&Member>) -> Arc<Identity> {
        match known {
            Some(member) if self.says(&member.identity) => member.identity.clone(),
            Some(member) => {
                let held = &member.identity;
                let meta = if *held.meta == *self.meta {
                    held.meta.clone()
                } else {
                    Bytes::copy_from_slice(self.meta)
                };
                Arc::new(Identity::new(held.name.clone(), self.addr, meta, self.versions))
            }
            None => {
                let meta = Bytes::copy_from_slice(self.meta);
                Arc::new(Identity::new(self.name.into(), self.addr, meta, self.versions))
            }
        }
    }
}

impl Swim {
    /// Somebody (at `source`) says that a member is alive.
    pub(crate) fn apply_alive(&mut self, cx: &mut Context, source: SocketAddr, claim: &AliveClaim<'_>) {
        cx.metrics.alive_in += 1;
        let about_us = *claim.name == *self.me;
        if about_us && self.leaving {
            return;
        }
        if let Err(reason) = self.admit(cx, claim) {
            return cx.refuse(source, reason);
        }
        let Some(incarnation) = self.believed(cx, claim.name, claim.incarnation) else { return };
        let claim = &AliveClaim { incarnation, ..*claim };
        let known = self.members.known(claim.name).cloned();
        let mut moved = false;
        if let Some(member) = &known {
            if member.identity.addr != claim.addr {
                match self.takeover(cx, member, claim.incarnation) {
                    Takeover::Valid => moved = true,
                    Takeover::OldNews => return,
                    Takeover::Conflict => {
                        cx.event(Event::Conflict { existing: member.clone(), addr: claim.addr });
                        if about_us {
                            self.notices.push(Notice::OwnNameClaimed);
                        }
                        return;
                    }
                }
            }
            let held = member.incarnation;
            if about_us {
                let same = claim.incarnation == held && claim.says(&member.identity);
                if claim.incarnation >= held && !same {
                    self.refute(cx, claim.incarnation, State::Alive, claim.name);
                }
                return;
            }
            let believed = match member.state {
                State::Dead => claim.incarnation == held && bug!(cx, RaisesTheDead),
                State::Suspect if claim.incarnation == held => bug!(cx, ClearsSuspects),
                State::Alive | State::Suspect => claim.incarnation < held && bug!(cx, BelievesOldAlives),
                State::Left | State::Forgotten => false,
            };
            let grudge = matches!(member.state, State::Suspect | State::Dead) && bug!(cx, HoldsGrudges);
            if grudge || claim.incarnation <= held && !moved && !believed {
                return self.tell_of_double(cx, member, claim);
            }
            if moved && claim.incarnation <= held {
                self.begins_anew(cx, member);
            }
        } else if claim.incarnation == 0 {
            // An unknown member starts at incarnation 0, which this does not exceed.
            return;
        }
        self.accept_alive(cx, claim, known);
    }

    /// A peer's state says something else of a member than is held, at the same incarnation: a process
    /// that died said the one, the next one of that name the other, and neither is newer. (Or a packet
    /// was damaged.) Such claims stay side by side until the member hears of that which is not its own;
    /// in the original by a push/pull with just the right peer, which takes a cluster of 50 half an hour.
    /// So it is told both by whoever compares them, and outbids them.
    fn tell_of_double(&mut self, cx: &mut Context, member: &Member, claim: &AliveClaim<'_>) {
        let live = matches!(member.state, State::Alive | State::Suspect);
        let differ = claim.incarnation == member.incarnation && !claim.says(&member.identity);
        if !live || !differ || !matches!(cx.cause, Cause::Stream(_)) {
            return;
        }
        let identity = &member.identity;
        let parts = self.packets.begin();
        for (meta, versions) in [(&*identity.meta, identity.versions), (claim.meta, claim.versions)] {
            let alive = Alive {
                node: claim.name,
                addr: claim.addr.ip(),
                port: claim.addr.port(),
                incarnation: claim.incarnation,
                meta,
                versions: Some(versions),
            };
            parts.push_with(|out| alive.encode(out));
        }
        self.packets.finish(cx, claim.addr, identity.versions.protocol_max >= CRC_SINCE);
    }

    /// Whether a claim may be looked at: versions, names, networks, room.
    fn admit(&self, cx: &Context, claim: &AliveClaim<'_>) -> Result<(), Refusal> {
        if !claim.versions.are_consistent() {
            return Err(Refusal::Version { node: claim.name.to_string() });
        }
        if claim.name.is_empty() {
            return Err(Refusal::Other("a member without a name"));
        }
        if cx.config.members.validate_names && !valid_name(claim.name) {
            return Err(Refusal::Other("a member's name holds characters that are not allowed"));
        }
        if !allowed(cx, claim.addr) {
            return Err(Refusal::NotAllowed(claim.addr.ip()));
        }
        if self.members.len() >= cx.config.members.max && self.members.get(claim.name).is_none() {
            return Err(Refusal::Full("the table of members"));
        }
        Ok(())
    }

    /// The incarnation that a claim about a member is taken for; refuses the claim if there is none.
    fn believed(&self, cx: &mut Context, name: &str, claimed: Incarnation) -> Option<Incarnation> {
        let held = || self.members.get(name).map_or(0, |member| member.incarnation);
        let beyond = claimed > belief::LAST_AT_ONCE && bug!(cx, StopsAtTheEdge);
        let believed = if beyond { None } else { belief::believed(held, claimed) };
        if let (None, Cause::Packet(source) | Cause::Stream(source)) = (believed, &cx.cause) {
            let source = *source;
            cx.refuse(source, Refusal::Other("an incarnation that cannot be true"));
        }
        believed
    }

    fn accept_alive(&mut self, cx: &mut Context, claim: &AliveClaim<'_>, known: Option<Member>) {
        let remembered = known.clone().or_else(|| self.members.get(claim.name).cloned());
        let mut identity = claim.identity(remembered.as_ref());
        if known.is_some() && bug!(cx, DropsTags) {
            identity = AliveClaim { meta: &[], ..*claim }.identity(None);
        }
        let before = known.as_ref().map(|member| member.state);
        let meta_changed = known.as_ref().is_some_and(|member| member.identity.meta != identity.meta);
        let member = Member {
            hash: self.members.hash(claim.name),
            identity,
            status: remembered.as_ref().map_or(Status::None, |member| member.status),
            status_ltime: remembered.as_ref().map_or_else(Default::default, |member| member.status_ltime),
            incarnation: claim.incarnation,
            state: State::Alive,
        };
        let name = member.identity.name.clone();
        self.end_suspicion(cx, &name);
        self.change(cx, member, before, &name);
        self.gossip_alive(cx, &name, None);
        match before {
            None | Some(State::Dead | State::Left | State::Forgotten) => {
                let gone_since = self.members.gone(&name).map(|gone| gone.since);
                self.members.came_back(&name);
                cx.timers.cancel(&Key::Forget(name.clone()));
                self.notices.push(Notice::Alive { name, gone_since });
            }
            _ if meta_changed => self.notices.push(Notice::Updated(name)),
            _ => {}
        }
    }

    /// Somebody suspects a member.
    pub(crate) fn apply_suspect(&mut self, cx: &mut Context, accusation: &Accusation<'_>) {
        cx.metrics.suspect_in += 1;
        let Some(incarnation) = self.believed(cx, accusation.node, accusation.incarnation) else { return };
        let accusation = &Accusation { incarnation, ..*accusation };
        let Some(member) = self.members.known(accusation.node) else { return };
        if accusation.incarnation < member.incarnation {
            return;
        }
        let open = match member.state {
            State::Alive => true,
            State::Suspect => return self.confirm(cx, accusation),
            State::Dead => bug!(cx, SuspectsTheDead),
            State::Left => bug!(cx, SuspectsTheLeft),
            State::Forgotten => false,
        };
        if !open {
            return;
        }
        let (member, name) = (member.clone(), member.identity.name.clone());
        if *name == *self.me && !bug!(cx, ForgetsToRefute) {
            return self.refute(cx, accusation.incarnation, State::Suspect, accusation.from);
        }
        let from: Name = self.shared_name(accusation.from);
        let suspicion = Suspicion::new(&cx.config, self.members.known_len(), from.clone(), cx.now);
        let mut at = suspicion.deadline();
        if bug!(cx, LosesPatience) {
            at = cx.now + at.since(cx.now) / 8;
        }
        cx.timers.set(Key::Suspicion(name.clone()), at);
        self.suspicions.insert(name.clone(), suspicion);
        let suspected = Member { incarnation: accusation.incarnation, state: State::Suspect, ..member };
        self.change(cx, suspected, Some(member.state), &from);
        self.trace_suspicion(cx, &name, accusation.from, 0);
        self.gossip_accusation(cx, name, Accuse::Suspect, accusation, None);
    }

    /// Somebody suspects a member that is suspect already. Most of what is heard of a failure is
    /// this, and most of it nothing new.
    fn confirm(&mut self, cx: &mut Context, accusation: &Accusation<'_>) {
        let Some(suspicion) = self.suspicions.get(accusation.node) else { return };
        if rare!(cx, ConfirmationLost) || !suspicion.would_confirm(accusation.from) {
            return;
        }
        let (name, from) = (self.shared_name(accusation.node), self.shared_name(accusation.from));
        let Some(suspicion) = self.suspicions.get_mut(&name) else { return };
        suspicion.confirm(from);
        let (mut at, confirmations) = (suspicion.deadline(), suspicion.confirmations());
        if bug!(cx, GrantsTimeAnew) {
            at = cx.now + Duration::from_secs(100);
        }
        cx.timers.set(Key::Suspicion(name.clone()), at.max(cx.now));
        self.trace_suspicion(cx, &name, accusation.from, confirmations);
        self.gossip_accusation(cx, name, Accuse::Suspect, accusation, None);
    }

    /// Somebody says that a member is dead or, if it says so itself, has left.
    pub(crate) fn apply_dead(
        &mut self,
        cx: &mut Context,
        accusation: &Accusation<'_>,
        waiter: Option<Waiter>,
    ) {
        cx.metrics.dead_in += 1;
        let Some(incarnation) = self.believed(cx, accusation.node, accusation.incarnation) else { return };
        let accusation = &Accusation { incarnation, ..*accusation };
        let Some(member) = self.members.known(accusation.node) else { return };
        let before = member.state;
        if accusation.incarnation < member.incarnation || !matches!(before, State::Alive | State::Suspect) {
            return;
        }
        let (member, name) = (member.clone(), member.identity.name.clone());
        if *name == *self.me && !self.leaving {
            return self.refute(cx, accusation.incarnation, State::Dead, accusation.from);
        }
        self.end_suspicion(cx, &name);
        let state = if accusation.node == accusation.from { State::Left } else { State::Dead };
        let from = self.shared_name(accusation.from);
        let gone = Member { incarnation: accusation.incarnation, state, ..member };
        self.change(cx, gone, Some(before), &from);
        self.members.went(&name, cx.now, state == State::Dead);
        cx.timers.set(Key::Forget(name.clone()), cx.now + cx.config.gossip.to_the_dead);
        self.gossip_accusation(cx, name.clone(), Accuse::Dead, accusation, waiter);
        self.notices.push(Notice::Gone(name));
    }

    /// Whom this node suspects, in no order.
    pub(crate) fn suspects(&self) -> impl Iterator<Item = &str> {
        self.suspicions.keys().map(|name| &**name)
    }

    /// A suspicion has run out undefended.
    pub(crate) fn on_suspicion_over(&mut self, cx: &mut Context, name: &str) {
        let suspicion = self.suspicions.remove(name);
        let Some(member) = self.members.known(name).filter(|member| member.state == State::Suspect) else {
            return;
        };
        if bug!(cx, NeverBuries) {
            return;
        }
        let confirmations = suspicion.map_or(0, |suspicion| suspicion.confirmations());
        cx.trace(|| Decision::SuspicionOver { member: member.identity.name.clone(), confirmations });
        let (node, me) = (member.identity.name.clone(), self.me.clone());
        let accusation = Accusation { node: &node, from: &me, incarnation: member.incarnation };
        self.apply_dead(cx, &accusation, None);
    }

    /// A member is dead or left for so long that SWIM forgets it (the Serf layer may not).
    pub(crate) fn on_forget(&mut self, cx: &mut Context, name: &str) {
        self.members.tell_no_longer(name);
        let Some(member) = self.members.known(name).cloned() else { return };
        if !matches!(member.state, State::Dead | State::Left) || *name == *self.me {
            return;
        }
        let (before, node) = (member.state, member.identity.name.clone());
        if member.status == Status::None {
            self.members.remove(name);
        } else {
            self.change(cx, Member { state: State::Forgotten, ..member }, Some(before), &node);
        }
        cx.trace(|| Decision::Forgotten { member: node });
    }

    /// Asserts that this node lives, with a higher incarnation than it was accused at.
    pub(crate) fn refute(&mut self, cx: &mut Context, accused: Incarnation, accusation: State, from: &str) {
        self.incarnation = self.incarnation.saturating_add(1).max(accused.saturating_add(1));
        if bug!(cx, RefutesInVain) {
            self.incarnation = accused;
        }
        if rare!(cx, RefutesFar) {
            self.incarnation = self.incarnation.saturating_add(7);
        }
        cx.metrics.refutations += 1;
        self.notices.push(Notice::Refuted);
        self.awareness.worse(cx, 1);
        let incarnation = self.incarnation;
        cx.trace(|| Decision::Refuted { from: from.into(), accusation, accused, incarnation });
        self.assert_self(cx, None);
    }

    /// Puts the own record in at the own incarnation and tells everyone.
    pub(crate) fn assert_self(&mut self, cx: &mut Context, waiter: Option<Waiter>) {
        let me = self.me.clone();
        let Some(member) = self.members.get(&me).cloned() else { return };
        self.end_suspicion(cx, &me);
        let before = member.state;
        let incarnation = self.incarnation;
        self.change(cx, Member { incarnation, state: State::Alive, ..member }, Some(before), &me);
        self.gossip_alive(cx, &me, waiter);
    }

    fn end_suspicion(&mut self, cx: &mut Context, name: &str) {
        if let Some((name, _)) = self.suspicions.remove_entry(name) {
            cx.timers.cancel(&Key::Suspicion(name));
        }
    }

    /// Writes a member whose state or incarnation changed.
    fn change(&mut self, cx: &mut Context, member: Member, before: Option<State>, from: &Name) {
        let (name, after, incarnation) = (member.identity.name.clone(), member.state, member.incarnation);
        self.members.put(member);
        if before != Some(after) {
            let from = from.clone();
            cx.trace(|| Decision::State { member: name, before, after, incarnation, from });
        }
    }

    fn trace_suspicion(&self, cx: &mut Context, name: &Name, from: &str, confirmations: u32) {
        let remaining =
            self.suspicions.get(name).map_or_else(Default::default, |s| s.deadline().since(cx.now));
        cx.trace(|| Decision::Suspicion {
            member: name.clone(),
            from: from.into(),
            confirmations,
            remaining,
        });
    }

    /// A name as the table shares it, or a new one.
    fn shared_name(&self, name: &str) -> Name {
        self.members.get(name).map_or_else(|| name.into(), |member| member.identity.name.clone())
    }

    /// Queues the alive message of a member as it stands in the table.
    fn gossip_alive(&mut self, cx: &mut Context, name: &Name, waiter: Option<Waiter>) {
        let Some(member) = self.members.get(name) else { return };
        let identity = &member.identity;
        let message = Alive {
            node: &identity.name,
            addr: identity.addr.ip(),
            port: identity.addr.port(),
            incarnation: member.incarnation,
            meta: &identity.meta,
            versions: Some(identity.versions),
        };
        let bytes = self.packets.encode(|out| message.encode(out));
        self.gossip.push_member(cx, name.clone(), bytes, waiter);
    }

    fn gossip_accusation(
        &mut self,
        cx: &mut Context,
        name: Name,
        what: Accuse,
        accusation: &Accusation<'_>,
        waiter: Option<Waiter>,
    ) {
        let Accusation { node, from, incarnation } = *accusation;
        let bytes = self.packets.encode(|out| match what {
            Accuse::Suspect => Suspect { node, from, incarnation }.encode(out),
            Accuse::Dead => Dead { node, from, incarnation }.encode(out),
        });
        self.gossip.push_member(cx, name, bytes, waiter);
    }
}

/// The two kinds of accusation.
#[derive(Clone, Copy, Debug)]
enum Accuse {
    Suspect,
    Dead,
}

/// Whether members may have this address.
pub(crate) fn allowed(cx: &Context, addr: SocketAddr) -> bool {
    let networks = &cx.config.security.allowed;
    networks.is_empty() || networks.iter().any(|(network, bits)| within(addr.ip(), *network, *bits))
}

fn within(ip: core::net::IpAddr, network: core::net::IpAddr, bits: u8) -> bool {
    use core::net::IpAddr::{V4, V6};

    match (ip, network) {
        (V4(ip), V4(network)) => {
            (ip.to_bits() ^ network.to_bits()).checked_shr(32 - u32::from(bits)).unwrap_or(0) == 0
        }
        (V6(ip), V6(network)) => {
            (ip.to_bits() ^ network.to_bits()).checked_shr(128 - u32::from(bits)).unwrap_or(0) == 0
        }
        _ => false,
    }
}
