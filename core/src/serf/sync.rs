//! What the Serf layer adds to a full-state exchange (serf-wire, section 4).

use alloc::vec::Vec;

use crate::context::Context;
use crate::serf::Serf;
use crate::serf::clock::LamportTime;
use crate::swim::Swim;
use crate::swim::member::Status;
use crate::wire::serf::{self, Join, Leave, PushPull, PushPullState, UserEvent};

impl Serf {
    /// This node's state, for the user part of a push/pull.
    pub(crate) fn encode_state(&self, swim: &Swim, out: &mut Vec<u8>) {
        let members = || swim.members.trie().iter().filter(|member| member.status != Status::None);
        PushPullState {
            ltime: self.clocks.member.now(),
            event_ltime: self.clocks.event.now(),
            query_ltime: self.clocks.query.now(),
            status_ltimes: members().map(|member| (member.name(), member.status_ltime)),
            left_members: members().filter(|member| member.status == Status::Left).map(|member| member.name()),
            events: self.events.slots(),
        }
        .encode(out);
    }

    /// Merges a peer's state. `ignore_old`: this node joins and does not want what was said before.
    pub(crate) fn merge_state(&mut self, cx: &mut Context, swim: &mut Swim, state: &PushPull<'_>, ignore_old: bool) {
        for (clock, time) in [
            (&mut self.clocks.member, state.ltime),
            (&mut self.clocks.event, state.event_ltime),
            (&mut self.clocks.query, state.query_ltime),
        ] {
            if time.0 > 0 {
                clock.witness(LamportTime(time.0 - 1));
            }
        }
        // A member that left is said to have left just after its status time.
        for node in state.left_members() {
            let ltime = state.status_ltime(node).unwrap_or_default();
            let ltime = LamportTime(ltime.0.saturating_add(1));
            self.hear_leave(cx, swim, &Leave { ltime, node, prune: false });
        }
        for (node, ltime) in state.status_ltimes() {
            if !state.has_left(node) {
                self.hear_join(cx, swim, &Join { ltime, node });
            }
        }
        if ignore_old {
            self.events.raise_min(state.event_ltime);
        }
        for (ltime, serf::SyncEvent { name, payload }) in state.events() {
            self.hear_event(cx, &UserEvent { ltime, name, payload, coalesce: false });
        }
    }
}
