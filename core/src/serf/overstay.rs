//! Members that are said to leave and stay.
//!
//! A leave that was forced on a living member, or cut short, is contradicted by a join intent with
//! a newer Lamport time. Whoever misses that word holds the member `leaving` from then on: a
//! push/pull does not tell, since both sides may hold the same time of status. (In the original
//! that lasts until the member starts anew.) So who is still there after a leave must be over is
//! asked by itself: it alone is told the leave intent again, with a newer time, and contradicts it
//! for all. One that does leave takes no notice. Peers of the original answer in the same way.

use crate::context::Context;
use crate::serf::clock::LamportTime;
use crate::serf::{Serf, user_message};
use crate::swim::Swim;
use crate::swim::member::{Member, State, Status};
use crate::timers::Key;
use crate::wire::serf_message::Leave;

impl Serf {
    /// A member is leaving: looks later whether it has.
    pub(super) fn expect_to_go(&mut self, cx: &mut Context, member: &Member) {
        let leave = &cx.config.leave;
        // Its word as an intent, its word in SWIM, and the time these get to spread.
        let most = 2 * leave.broadcast_timeout + leave.propagate_delay;
        // Not all who missed the same word ask at once.
        let at = cx.now + most + cx.rng.part_of(most);
        cx.timers.set(Key::Overstay(member.identity.name.clone()), at);
    }

    /// A member that was leaving has had its time.
    pub(crate) fn on_overstay(&mut self, cx: &mut Context, swim: &mut Swim, name: &str) {
        let Some(member) = swim.members.get(name).filter(|member| member.status == Status::Leaving).cloned()
        else {
            return;
        };
        if !matches!(member.state, State::Alive | State::Suspect) || *name == *swim.me {
            return;
        }
        let newer = LamportTime(member.status_ltime.0.saturating_add(1));
        let leave = Leave { ltime: self.clocks.member.now().max(newer), node: name, prune: false };
        let bytes = user_message(|out| leave.encode(out));
        swim.packets.send_direct(cx, member.addr(), &bytes);
        self.expect_to_go(cx, &member);
    }
}
