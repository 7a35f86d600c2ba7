//! Full-state exchange: when it happens, what is sent, how it is merged (gossip-wire, sections
//! 6.4, 6.7, 10 and 11).

use alloc::string::ToString;
use core::net::SocketAddr;

use crate::context::Context;
use crate::error::Refusal;
use crate::swim::Swim;
use crate::swim::member::{Member, State, Versions};
use crate::swim::members::Name;
use crate::swim::merge::{Accusation, AliveClaim};
use crate::swim::streams::Purpose;
use crate::timers::Tick;
use crate::wire::message::PushNode;

/// Clusters up to this size exchange state at the configured interval.
const SMALL: usize = 32;

/// How much rarer exchanges are in a cluster of `members`.
fn scale(members: usize) -> u32 {
    if members <= SMALL {
        return 1;
    }
    // ceil(log2(members) - log2(32)) + 1, in whole numbers.
    (members - 1).ilog2() + 1 - SMALL.ilog2() + 1
}

impl Swim {
    /// Plans the first exchange: at any time within the interval that fits the cluster.
    pub(crate) fn plan_push_pull(&self, cx: &mut Context) {
        let Some(interval) = cx.config.push_pull.interval else { return };
        let interval = interval.saturating_mul(scale(self.members.known_len()));
        let first = cx.now + cx.rng.part_of(interval);
        cx.timers.set_tick(Tick::PushPull, first);
    }

    /// Time to exchange state with somebody.
    pub(crate) fn on_push_pull_tick(&mut self, cx: &mut Context) {
        let Some(interval) = cx.config.push_pull.interval else { return };
        let next = cx.now + interval.saturating_mul(scale(self.members.known_len()));
        cx.timers.set_tick(Tick::PushPull, next);
        if self.leaving || rare!(cx, SyncSkipped) {
            return;
        }
        let me = self.me.clone();
        let peer = self
            .members
            .random(&mut cx.rng, 1, |member| member.state == State::Alive && *member.name() != *me);
        if let Some(peer) = peer.first() {
            // A full table of streams skips this turn; the next comes by itself.
            let _ = self.dial(cx, peer.identity.addr, Purpose::Sync);
        }
    }

    /// The members of this node's state, in the order of the view.
    pub(crate) fn state_nodes(&self) -> impl Iterator<Item = PushNode<'_>> + Clone {
        self.members.trie().iter().filter_map(PushNode::of)
    }

    /// Whether everybody on both sides speaks a version that everybody alive understands.
    pub(crate) fn verify_versions<'a>(
        &self,
        remote: impl Iterator<Item = PushNode<'a>> + Clone,
    ) -> Result<(), Refusal> {
        let mut common = Common::default();
        for node in remote.clone() {
            if node.state == State::Alive
                && let Some(versions) = node.versions
            {
                common.narrow(versions);
            }
        }
        let census = self.members.view().census();
        for (versions, _) in census.kinds().filter(|(_, alive)| *alive) {
            common.narrow(versions);
        }
        let misfit = remote
            .map(|node| (node.name, node.versions.unwrap_or_default()))
            .find(|(_, versions)| !common.admits(*versions));
        if let Some((node, _)) = misfit {
            return Err(Refusal::Version { node: node.to_string() });
        }
        if census.kinds().all(|(versions, _)| common.admits(versions)) {
            return Ok(());
        }
        let known = self.members.trie().iter().filter(|member| member.state != State::Forgotten);
        match known.into_iter().find(|member| !common.admits(member.identity.versions)) {
            Some(member) => Err(Refusal::Version { node: member.name().to_string() }),
            None => Ok(()),
        }
    }

    /// Merges the members of a peer's state.
    pub(crate) fn merge_nodes<'a>(
        &mut self,
        cx: &mut Context,
        source: SocketAddr,
        nodes: impl Iterator<Item = PushNode<'a>>,
    ) {
        let me: Name = self.me.clone();
        for node in nodes {
            match node.state {
                State::Alive => {
                    let port = if node.port == 0 { self.addr.port() } else { node.port };
                    let Some(versions) = node.versions else {
                        cx.refuse(source, Refusal::Version { node: node.name.to_string() });
                        continue;
                    };
                    let claim = AliveClaim {
                        name: node.name,
                        addr: SocketAddr::new(node.addr, port),
                        incarnation: node.incarnation,
                        meta: node.meta,
                        versions,
                    };
                    self.apply_alive(cx, source, &claim);
                }
                State::Left => {
                    let said = Accusation { node: node.name, from: node.name, incarnation: node.incarnation };
                    self.apply_dead(cx, &said, None);
                }
                // A state is hearsay: it only raises suspicion, so that the member can refute.
                State::Suspect | State::Dead | State::Forgotten => {
                    let said = Accusation { node: node.name, from: &me, incarnation: node.incarnation };
                    self.apply_suspect(cx, &said);
                }
            }
        }
    }
}

impl<'a> PushNode<'a> {
    /// What a state says of a member; `None`: nothing, since SWIM has forgotten it.
    pub(crate) fn of(member: &'a Member) -> Option<Self> {
        let identity = member.identity();
        (member.state != State::Forgotten).then(|| PushNode {
            name: &identity.name,
            addr: identity.addr.ip(),
            port: identity.addr.port(),
            meta: &identity.meta,
            incarnation: member.incarnation,
            state: member.state,
            versions: Some(identity.versions),
        })
    }
}

/// The range of versions that everybody alive understands.
#[derive(Clone, Copy, Debug)]
struct Common {
    protocol: (u8, u8),
    delegate: (u8, u8),
}

impl Default for Common {
    fn default() -> Self {
        Common { protocol: (0, u8::MAX), delegate: (0, u8::MAX) }
    }
}

impl Common {
    fn narrow(&mut self, versions: Versions) {
        self.protocol =
            (self.protocol.0.max(versions.protocol_min), self.protocol.1.min(versions.protocol_max));
        self.delegate =
            (self.delegate.0.max(versions.delegate_min), self.delegate.1.min(versions.delegate_max));
    }

    fn admits(&self, versions: Versions) -> bool {
        (self.protocol.0..=self.protocol.1).contains(&versions.protocol_cur)
            && (self.delegate.0..=self.delegate.1).contains(&versions.delegate_cur)
    }
}

#[cfg(test)]
mod tests {
    use super::scale;

    #[test]
    fn exchanges_get_rarer_with_each_doubling() {
        for (members, expected) in [(1, 1), (32, 1), (33, 2), (64, 2), (65, 3), (128, 3), (129, 4), (256, 4)]
        {
            assert_eq!(scale(members), expected, "{members} members");
        }
    }
}
