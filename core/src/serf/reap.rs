//! What time does to members that are gone: they are tried again, and in the end forgotten
//! (serf-wire, section 5.7).

use alloc::vec::Vec;

use crate::context::Context;
use crate::event::Event;
use crate::serf::Serf;
use crate::swim::Swim;
use crate::swim::member::{Member, Status};
use crate::timers::Tick;

impl Serf {
    /// Forgets members whose time is over, and intents nobody came for.
    pub(crate) fn on_reap(&mut self, cx: &mut Context, swim: &mut Swim) {
        cx.timers.set_tick(Tick::Reap, cx.now + cx.config.members.reap_interval);
        if !bug!(cx, KeepsIntents) {
            self.intents.expire(cx.now, cx.config.members.recent_intent_timeout);
        }
        let config = cx.config.clone();
        let over: Vec<Member> = swim
            .members
            .all_gone()
            .filter_map(|(name, gone)| {
                let member = swim.members.get(name)?;
                let keep = match member.status {
                    Status::Failed => config.members.reconnect_timeout,
                    Status::Left => config.members.tombstone_timeout,
                    _ => return None,
                };
                (gone.since + keep < cx.now).then(|| member.clone())
            })
            .collect();
        for member in over {
            self.erase(cx, swim, &member);
        }
    }

    /// Tries a failed member, the likelier the more of them there are.
    pub(crate) fn on_reconnect(&mut self, cx: &mut Context, swim: &mut Swim) {
        cx.timers.set_tick(Tick::Reconnect, cx.now + cx.config.members.reconnect_interval);
        let failed = swim.members.with_status(Status::Failed);
        if failed == 0 || self.leaving.is_leaving() || rare!(cx, ReconnectSkipped) || bug!(cx, GivesUpTheLost)
        {
            return;
        }
        let others = swim.members.serf_len() - failed - swim.members.with_status(Status::Left);
        if cx.rng.unit() > failed as f64 / others.max(1) as f64 {
            return;
        }
        let rank = cx.rng.index(failed);
        let chosen = swim
            .members
            .all_gone()
            .filter_map(|(name, _)| swim.members.get(name))
            .filter(|member| member.status == Status::Failed)
            .nth(rank)
            .cloned();
        if let Some(member) = chosen {
            swim.dial_reconnect(cx, &member);
            cx.event(Event::Reconnecting { member });
        }
    }
}
