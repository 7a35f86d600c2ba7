//! Leaving: say so as an intent, then in SWIM, and let each spread (serf-wire, section 5.5).

use crate::command::{CommandError, Reply, Token};
use crate::context::Context;
use crate::serf::{Serf, Wait, others_alive, reply, user_message};
use crate::swim::Swim;
use crate::swim::gossip::Class;
use crate::timers::Tick;
use crate::wire::serf_message::Leave;

/// How far the own leave has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Not leaving.
    #[default]
    No,
    /// The intent spreads.
    Intent(Token),
    /// SWIM's own word spreads.
    Dead(Token),
    /// Everything is said; it gets time to spread further.
    Settling(Token),
    /// Done.
    Left,
}

impl Leaving {
    pub(crate) const fn is_leaving(self) -> bool {
        !matches!(self, Self::No)
    }
}

impl Serf {
    /// The application wants to leave.
    pub(crate) fn leave(&mut self, cx: &mut Context, swim: &mut Swim, token: Token) {
        match self.leaving {
            Leaving::No => {}
            Leaving::Left => return reply(cx, token, Ok(Reply::Done)),
            _ => return reply(cx, token, Err(CommandError::LeaveInProgress)),
        }
        self.leaving = Leaving::Intent(token);
        self.snapshot_leave(cx);
        let me = swim.me.clone();
        let leave = Leave { ltime: self.clocks.member.now(), node: &me, prune: false };
        self.clocks.member.increment();
        self.hear_leave(cx, swim, &leave);
        if !others_alive(swim) {
            return self.leave_on(cx, swim);
        }
        let waiter = self.wait(cx, Wait::Leave);
        self.broadcast(cx, swim, Class::Intent, user_message(|out| leave.encode(out)), Some(waiter));
    }

    /// The leave's running stage is over.
    pub(crate) fn leave_on(&mut self, cx: &mut Context, swim: &mut Swim) {
        match self.leaving {
            Leaving::Intent(token) => {
                self.leaving = Leaving::Dead(token);
                let others = others_alive(swim);
                let waiter = others.then(|| self.wait(cx, Wait::Leave));
                swim.leave(cx, waiter);
                if !others {
                    self.leave_on(cx, swim);
                }
            }
            Leaving::Dead(token) => {
                self.leaving = Leaving::Settling(token);
                cx.timers.set_tick(Tick::Leave, cx.now + cx.config.leave.propagate_delay);
            }
            Leaving::Settling(token) => {
                self.leaving = Leaving::Left;
                reply(cx, token, Ok(Reply::Done));
            }
            Leaving::No | Leaving::Left => {}
        }
    }
}
