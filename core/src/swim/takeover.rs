//! Names of members that are gone and are claimed at another address (gossip-wire, section 7.1).
//!
//! Whoever left, or died long enough ago, may come back at another address with nothing of what it
//! knew. So the claim counts even though its incarnation is not higher, the one exception to the
//! order in which news of a member replace each other. Without order news may chase each other for
//! ever: "here", "left", "there", "left" and "here" again at one incarnation, with nobody to have the
//! last word if the name is invented, or its owner gone again. (In the original three packets set off
//! a storm that does not end.) So the exception is made once; until the news of before must be over,
//! the name goes to another address only by a higher incarnation.

use crate::context::Context;
use crate::swim::Swim;
use crate::swim::member::{Incarnation, Member, State};
use crate::timers::Key;

/// What a claim of a member's name at another address comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takeover {
    /// The name goes to the other address.
    Valid,
    /// It was said before somebody else took over the name.
    OldNews,
    /// The member has not given up its name.
    Conflict,
}

impl Swim {
    /// Whether another address may take over a member's name.
    pub(super) fn takeover(&self, cx: &Context, member: &Member, claimed: Incarnation) -> Takeover {
        let reclaim = cx.config.members.dead_reclaim;
        let free = match member.state {
            State::Left => true,
            State::Dead if !reclaim.is_zero() => {
                self.members.gone(member.name()).is_some_and(|gone| cx.now.since(gone.since) > reclaim)
            }
            _ => false,
        };
        if !free {
            Takeover::Conflict
        } else if claimed <= member.incarnation && cx.timers.is_set(&taken_over(member)) {
            Takeover::OldNews
        } else {
            Takeover::Valid
        }
    }

    /// Somebody takes over a member's name at an incarnation that is not higher. For as long as SWIM
    /// remembers who is gone, nobody else does.
    pub(super) fn begins_anew(&self, cx: &mut Context, member: &Member) {
        cx.timers.set(taken_over(member), cx.now + cx.config.gossip.to_the_dead);
    }
}

fn taken_over(member: &Member) -> Key {
    Key::TakenOver(member.identity.name.clone())
}
