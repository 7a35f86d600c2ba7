//! M10: an update that a newer one about the same member has replaced is not told any more.

use tidings_core::{Decision, Incarnation, State, Trace};

use super::Place;
use super::names::{ByName, NameId, Names};
use crate::watch::Violation;

/// What a packet says of a member, as far as it replaces other updates.
#[derive(Clone, Copy, Debug)]
pub(super) enum Update {
    Alive,
    Suspect,
    Dead,
}

/// The newest that a host has told of a member.
#[derive(Clone, Copy, Debug)]
struct Told {
    incarnation: Incarnation,
    dead: bool,
}

/// What a host has told of each member.
#[derive(Clone, Debug, Default)]
pub(super) struct Updates {
    newest: ByName<Told>,
}

impl Updates {
    /// A host that has forgotten a member may hear old news of it again. So may one for which
    /// somebody else has taken over the name of a member that is gone, and counts incarnations of its
    /// own: then, and only then (M4), one that was gone lives at an incarnation no higher.
    pub(super) fn on_trace(&mut self, names: &mut Names, trace: &Trace) {
        let (Decision::Forgotten { member } | Decision::State { member, .. }) = &trace.decision else {
            return;
        };
        let id = names.id(member);
        let anew = match &trace.decision {
            Decision::State {
                before: Some(State::Dead | State::Left),
                after: State::Alive,
                incarnation,
                ..
            } => self.newest.get(&id).is_some_and(|told| *incarnation <= told.incarnation),
            Decision::State { before, .. } => before.is_none(),
            _ => true,
        };
        if anew {
            self.newest.remove(&id);
        }
    }

    /// A host tells an update in a datagram. Suspicions do not replace each other: each tells of
    /// another accuser.
    pub(super) fn on_told(
        &mut self,
        place: Place<'_>,
        (id, name): (NameId, &str),
        incarnation: Incarnation,
        update: &Update,
    ) -> Option<Violation> {
        let dead = matches!(update, Update::Dead);
        if let Some(known) = self.newest.get(&id)
            && (incarnation < known.incarnation || incarnation == known.incarnation && known.dead && !dead)
        {
            let (now, newest) = (incarnation, known.incarnation);
            let what = format!("it tells {update:?} at {now} after it told news at {newest}");
            return place.violation("M10 retransmit limit", name, what);
        }
        if !matches!(update, Update::Suspect) {
            self.newest.insert(id, Told { incarnation, dead });
        }
        None
    }
}
