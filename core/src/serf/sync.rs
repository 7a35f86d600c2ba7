//! What the Serf layer adds to a full-state exchange (serf-wire, section 4).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::iter;

use crate::context::Context;
use crate::serf::clock::LamportTime;
use crate::serf::{Serf, user_message};
use crate::swim::Swim;
use crate::swim::gossip::Class;
use crate::swim::member::{Member, Status};
use crate::wire::serf_message::{Join, Leave, PushPull, UserEvent, encode_push_pull};

impl Serf {
    /// This node's state, for the user part of a push/pull, with these of the members. `registry` is
    /// what the registry comes to, empty without one.
    pub(crate) fn encode_state<'m>(
        &'m self,
        members: impl Iterator<Item = &'m Member> + Clone,
        registry: &[u8],
        out: &mut Vec<u8>,
    ) {
        let members = || members.clone().filter(|member| member.status != Status::None);
        let left = members().filter(|member| member.status == Status::Left);
        let events = self.events.slots().map(|slot| {
            slot.map(|(ltime, events)| (ltime, events.iter().map(|event| (&*event.name, &*event.payload))))
        });
        encode_push_pull(
            self.clocks.now(),
            members().map(|member| (member.name(), member.status_ltime)),
            left.map(|member| member.name()),
            events,
            registry,
            out,
        );
    }

    /// What of this node's state does not follow from its members, for comparison: clocks, events
    /// and registry, encoded as a state without members and without unused slots.
    pub(crate) fn encode_heard(&self, registry: &[u8], out: &mut Vec<u8>) {
        let events = self
            .events
            .times()
            .map(|(ltime, events)| Some((ltime, events.iter().map(|event| (&*event.name, &*event.payload)))));
        encode_push_pull(self.clocks.now(), iter::empty(), iter::empty(), events, registry, out);
    }

    /// Merges a peer's state. `ignore_old`: this node joins and does not want what was said before.
    pub(crate) fn merge_state(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        state: &PushPull<'_>,
        ignore_old: bool,
    ) {
        for (clock, time) in [
            (&mut self.clocks.member, state.ltime),
            (&mut self.clocks.event, state.event_ltime),
            (&mut self.clocks.query, state.query_ltime),
        ] {
            if time.0 > 0 {
                cx.witness(clock, LamportTime(time.0 - 1));
            }
        }
        // A member that left is said to have left just after its status time.
        let mut left: BTreeSet<&str> = state.left_members.clone().collect();
        if bug!(cx, ForgetsWhoLeft) {
            left.clear();
        }
        for (node, mut ltime) in state.status_ltimes.clone().filter(|(node, _)| left.contains(node)) {
            // Who holds that already has nothing to add, or two who agree would raise the time, and with
            // it their clocks, at each exchange. (In the original they do.)
            if swim.members.get(node).is_none_or(|member| member.status != Status::Left) {
                ltime = LamportTime(ltime.0.saturating_add(1));
            }
            self.merge_leave(cx, swim, &Leave { ltime, node, prune: false });
        }
        for (node, ltime) in state.status_ltimes.clone().filter(|(node, _)| !left.contains(node)) {
            self.hear_join(cx, swim, &Join { ltime, node });
        }
        if ignore_old && state.event_ltime <= self.clocks.event.now() {
            self.events.raise_min(state.event_ltime);
        }
        for slot in state.events.clone().flatten() {
            for (name, payload) in slot.events {
                self.hear_event(cx, &UserEvent { ltime: slot.ltime, name, payload, coalesce: false });
            }
        }
    }

    /// A peer's state says that a member left. If it lives here, one of the two is out of date:
    /// everyone is told, so that the member can contradict. (The original keeps it to itself, and
    /// may take a member that came back for leaving until it is restarted.)
    fn merge_leave(&mut self, cx: &mut Context, swim: &mut Swim, leave: &Leave<'_>) {
        let lives = swim.members.get(leave.node).is_some_and(|member| member.status == Status::Alive);
        if self.hear_leave(cx, swim, leave) && lives {
            self.broadcast(cx, swim, Class::Intent, user_message(|out| leave.encode(out)), None);
        }
    }
}
