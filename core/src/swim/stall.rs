//! A socket that takes nothing: the running probe and gossip wait, as tasks that block in a send
//! do; suspicions go on. Once it takes datagrams again, all that waited is due at once, and a
//! probe whose time is over has failed (papers, section 2.6).

use smallvec::SmallVec;

use crate::context::Context;
use crate::swim::Swim;
use crate::timers::Tick;

/// Work that waits for the socket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stall {
    stalled: bool,
    held: SmallVec<[Tick; 4]>,
}

impl Swim {
    /// Whether this work has to wait; then it is remembered. One probe may begin, its ping in hand.
    pub(crate) fn holds(&mut self, tick: Tick) -> bool {
        let sends = match tick {
            Tick::ProbeLate | Tick::ProbeEnd | Tick::Gossip => true,
            Tick::Probe => self.probing.current.is_some(),
            _ => false,
        };
        let holds = self.stall.stalled && sends;
        if holds && !self.stall.held.contains(&tick) {
            self.stall.held.push(tick);
        }
        holds
    }

    /// The socket takes nothing any more, or takes datagrams again: then all that waited is due.
    pub(crate) fn on_stall(&mut self, cx: &mut Context, stalled: bool) {
        self.stall.stalled = stalled;
        if !stalled {
            for tick in core::mem::take(&mut self.stall.held) {
                cx.timers.set_tick(tick, cx.now);
            }
        }
    }
}
