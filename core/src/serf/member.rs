//! Members as the application sees them: SWIM's news and the intents make a status
//! (serf-wire, section 5).

use alloc::sync::Arc;
use core::time::Duration;

use smallvec::smallvec;

use crate::command::{CommandError, Token};
use crate::context::Context;
use crate::event::{Event, MemberEvent, MemberEventKind};
use crate::serf::clock::LamportTime;
use crate::serf::intent::{Intent, IntentKind};
use crate::serf::{Serf, Wait, others_alive, reply, user_message};
use crate::swim::gossip::Class;
use crate::swim::member::{Member, State, Status};
use crate::swim::{Notice, Swim};
use crate::time::Time;
use crate::timers::{Key, Tick};
use crate::trace::Decision;
use crate::wire::serf_message::{Join, Leave};

/// A member that comes back within this time after it failed is flapping (serf-wire, section 12).
const FLAP_TIMEOUT: Duration = Duration::from_secs(60);

impl Serf {
    /// SWIM has a new member, or one that was gone has come back.
    pub(crate) fn on_alive(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        name: &str,
        gone_since: Option<Time>,
    ) {
        let Some(member) = swim.members.get(name).cloned() else { return };
        let (mut status, mut ltime) = (Status::Alive, member.status_ltime);
        if member.status == Status::None {
            match self.intents.get(name) {
                Some(Intent { kind: IntentKind::Join, ltime: at, .. }) => ltime = at,
                Some(Intent { kind: IntentKind::Leave, ltime: at, .. }) => {
                    (status, ltime) = (Status::Leaving, at)
                }
                None => {}
            }
        }
        if member.status == Status::Failed
            && gone_since.is_some_and(|since| cx.now.since(since) < FLAP_TIMEOUT)
        {
            cx.metrics.members_flapped += 1;
        }
        cx.timers.cancel(&Key::Prune(member.identity.name.clone()));
        cx.metrics.members_joined += 1;
        let member = self.set_status(cx, swim, &member, status, ltime);
        if status == Status::Leaving {
            self.expect_to_go(cx, &member);
        }
        if gone_since.is_some() && bug!(cx, HidesReturns) {
            return;
        }
        self.tell(cx, swim, MemberEventKind::Join, member);
    }

    /// SWIM declared a member dead, or it said good-bye.
    pub(crate) fn on_gone(&mut self, cx: &mut Context, swim: &mut Swim, name: &str) {
        let Some(member) = swim.members.get(name).cloned() else { return };
        let (status, kind) = match member.status {
            Status::Leaving => (Status::Left, MemberEventKind::Leave),
            Status::Alive => (Status::Failed, MemberEventKind::Failed),
            Status::None | Status::Left | Status::Failed => return,
        };
        match kind {
            MemberEventKind::Leave => cx.metrics.members_left += 1,
            _ => cx.metrics.members_failed += 1,
        }
        let member = self.set_status(cx, swim, &member, status, member.status_ltime);
        self.tell(cx, swim, kind, member);
    }

    /// A member's tags or address changed.
    pub(crate) fn on_updated(&mut self, cx: &mut Context, swim: &mut Swim, name: &str) {
        let Some(member) = swim.members.get(name).filter(|member| member.status != Status::None).cloned()
        else {
            return;
        };
        cx.metrics.members_updated += 1;
        self.tell(cx, swim, MemberEventKind::Update, member);
    }

    /// Somebody announces its own or another's leave; whether that was news worth passing on.
    pub(crate) fn hear_leave(&mut self, cx: &mut Context, swim: &mut Swim, leave: &Leave<'_>) -> bool {
        if !cx.witness(&mut self.clocks.member, leave.ltime) {
            return false;
        }
        let Some(member) = known(swim, leave.node) else {
            return self.buffer_intent(cx, leave.node, IntentKind::Leave, leave.ltime);
        };
        if *leave.node == *swim.me && !self.leaving.is_leaving() {
            // At the very time of its own last word, too, which the original lets pass: whoever has not
            // heard that word believes the leave, and a prune makes them forget who is there.
            if leave.ltime >= member.status_ltime {
                self.announce_join(cx, swim);
            }
            return false;
        }
        if leave.ltime <= member.status_ltime {
            return false;
        }
        match member.status {
            Status::Alive => {
                let member = self.set_status(cx, swim, &member, Status::Leaving, leave.ltime);
                self.expect_to_go(cx, &member);
                if leave.prune {
                    // It may still be saying good-bye; the original waits as long.
                    let patience = cx.config.leave.broadcast_timeout + cx.config.leave.propagate_delay;
                    cx.timers.set(Key::Prune(member.identity.name.clone()), cx.now + patience);
                }
            }
            Status::Failed => {
                cx.metrics.members_left += 1;
                let member = self.set_status(cx, swim, &member, Status::Left, leave.ltime);
                self.tell(cx, swim, MemberEventKind::Leave, member.clone());
                if leave.prune {
                    self.erase(cx, swim, &member);
                }
            }
            Status::None | Status::Leaving | Status::Left => {
                let member = self.set_status(cx, swim, &member, member.status, leave.ltime);
                if leave.prune {
                    self.erase(cx, swim, &member);
                }
            }
        }
        true
    }

    /// Somebody announces that it joined; whether that was news.
    pub(crate) fn hear_join(&mut self, cx: &mut Context, swim: &mut Swim, join: &Join<'_>) -> bool {
        if !cx.witness(&mut self.clocks.member, join.ltime) {
            return false;
        }
        let Some(member) = known(swim, join.node) else {
            return !bug!(cx, HidesThePruned) && self.take_back(cx, swim, join)
                || self.buffer_intent(cx, join.node, IntentKind::Join, join.ltime);
        };
        if join.ltime <= member.status_ltime && !bug!(cx, BelievesOldJoins) {
            return false;
        }
        let status = if member.status == Status::Leaving { Status::Alive } else { member.status };
        if status == Status::Alive {
            cx.timers.cancel(&Key::Prune(member.identity.name.clone()));
        }
        self.set_status(cx, swim, &member, status, join.ltime);
        true
    }

    /// A member that was pruned while it lives is a member again as soon as anybody says so; whether
    /// it was such a one. (In the original it stays hidden until SWIM sees it go and come back.)
    fn take_back(&mut self, cx: &mut Context, swim: &mut Swim, join: &Join<'_>) -> bool {
        let lives = |member: &&Member| matches!(member.state, State::Alive | State::Suspect);
        let Some(member) = swim.members.get(join.node).filter(lives).cloned() else { return false };
        cx.metrics.members_joined += 1;
        let member = self.set_status(cx, swim, &member, Status::Alive, join.ltime);
        self.tell(cx, swim, MemberEventKind::Join, member);
        true
    }

    fn buffer_intent(&mut self, cx: &mut Context, node: &str, kind: IntentKind, ltime: LamportTime) -> bool {
        let intent = Intent { kind, ltime, received: cx.now };
        let most = if rare!(cx, FewIntents) { 1 } else { cx.config.members.recent_intents_max };
        self.intents.record(most, node, intent)
    }

    /// Tells everyone that this node has joined: after a join, and when somebody says it leaves.
    pub(crate) fn announce_join(&mut self, cx: &mut Context, swim: &mut Swim) {
        let me = swim.me.clone();
        let join = Join { ltime: self.clocks.member.now(), node: &me };
        self.hear_join(cx, swim, &join);
        self.broadcast(cx, swim, Class::Intent, user_message(|out| join.encode(out)), None);
    }

    /// Turns a failed member into one that left, everywhere (serf-wire, section 5.6).
    pub(crate) fn force_leave(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        token: Token,
        node: &str,
        prune: bool,
    ) {
        let leave = Leave { ltime: self.clocks.member.now(), node, prune };
        self.clocks.member.increment();
        self.hear_leave(cx, swim, &leave);
        let waiter = others_alive(swim)
            .then(|| self.wait(cx, Wait::Command { token, late: CommandError::RemovalTimedOut }));
        if waiter.is_none() {
            reply(cx, token, Ok(crate::command::Reply::Done));
        }
        self.broadcast(cx, swim, Class::Intent, user_message(|out| leave.encode(out)), waiter);
    }

    /// A member that was leaving and is to be pruned has had its time.
    pub(crate) fn on_prune(&mut self, cx: &mut Context, swim: &mut Swim, name: &str) {
        let member = swim.members.get(name).cloned();
        if let Some(member) = member.filter(|member| matches!(member.status, Status::Leaving | Status::Left))
        {
            self.erase(cx, swim, &member);
        }
    }

    /// Forgets a member for good.
    pub(crate) fn erase(&mut self, cx: &mut Context, swim: &mut Swim, member: &Member) {
        let name = member.identity.name.clone();
        if *name == *swim.me {
            return;
        }
        cx.metrics.members_reaped += 1;
        swim.notices.push(Notice::Erased(name.clone()));
        if member.state == State::Forgotten {
            self.trace_status(cx, member, Status::None, member.status_ltime);
            swim.members.remove(&name);
            cx.trace(|| Decision::Forgotten { member: name.clone() });
        } else {
            self.set_status(cx, swim, member, Status::None, LamportTime(0));
        }
        if let Some(coordinates) = &mut self.coordinates {
            coordinates.forget(&name);
        }
        self.tell(cx, swim, MemberEventKind::Reap, member.clone());
    }

    /// Writes a member's status; the only place where it changes.
    fn set_status(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        member: &Member,
        status: Status,
        ltime: LamportTime,
    ) -> Member {
        self.trace_status(cx, member, status, ltime);
        let member = Member { status, status_ltime: ltime, ..member.clone() };
        swim.members.put(member.clone());
        member
    }

    fn trace_status(&self, cx: &mut Context, member: &Member, after: Status, ltime: LamportTime) {
        let (name, before): (Arc<str>, _) = (member.identity.name.clone(), member.status);
        if before != after {
            cx.trace(|| Decision::Status { member: name, before, after, ltime });
        }
    }

    /// Tells the application, at once or after folding, and the snapshot.
    fn tell(&mut self, cx: &mut Context, swim: &Swim, kind: MemberEventKind, member: Member) {
        self.snapshot_member(cx, swim, kind, &member);
        let Some(coalescer) = &mut self.member_events else {
            cx.event(Event::Members(MemberEvent { kind, members: smallvec![member] }));
            return;
        };
        coalescer.handle(cx.now, MemberEvent { kind, members: smallvec![member] });
        cx.timers.set_tick(Tick::MemberEvents, coalescer.poll_timeout().unwrap_or(Time::MAX));
    }

    /// The folding time of member events is over.
    pub(crate) fn flush_member_events(&mut self, cx: &mut Context) {
        let Some(coalescer) = &mut self.member_events else { return };
        for event in coalescer.flush() {
            cx.event(Event::Members(event));
        }
    }
}

/// A member the Serf layer knows.
fn known(swim: &Swim, name: &str) -> Option<Member> {
    swim.members.get(name).filter(|member| member.status != Status::None).cloned()
}
