//! M10: an update that a newer one about the same member has replaced is not told any more.

use std::net::SocketAddr;

use tidings_core::{Decision, Incarnation, Trace};

use super::Place;
use super::names::{ByName, NameId, Names};
use crate::watch::Violation;

/// What a packet says of a member, as far as it replaces other updates.
#[derive(Clone, Debug)]
pub(super) enum Update {
    Alive(SocketAddr),
    Suspect,
    Dead,
}

/// The newest that a host has told of a member.
#[derive(Clone, Copy, Debug)]
struct Told {
    incarnation: Incarnation,
    dead: bool,
    addr: Option<SocketAddr>,
}

/// What a host has told of each member.
#[derive(Clone, Debug, Default)]
pub(super) struct Updates {
    newest: ByName<Told>,
}

impl Updates {
    /// A host that has forgotten a member may hear old news of it again.
    pub(super) fn on_trace(&mut self, names: &mut Names, trace: &Trace) {
        if let Decision::Forgotten { member } | Decision::State { member, before: None, .. } = &trace.decision
        {
            self.newest.remove(&names.id(member));
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
        let addr = if let Update::Alive(addr) = update { Some(*addr) } else { None };
        let known = self.newest.get(&id).copied();
        if let Some(known) = known {
            // Somebody else may take over the name of a member that is gone, and begins anew.
            let same = addr.is_none() || known.addr.is_none() || known.addr == addr;
            let older = incarnation < known.incarnation
                || incarnation == known.incarnation && known.dead && matches!(update, Update::Suspect);
            if older && same {
                let (now, newest) = (incarnation, known.incarnation);
                let what = format!("it tells {update:?} at {now} after it told news at {newest}");
                return place.violation("M10 retransmit limit", name, what);
            }
        }
        if !matches!(update, Update::Suspect) {
            let addr = addr.or(known.and_then(|known| known.addr));
            self.newest.insert(id, Told { incarnation, dead, addr });
        }
        None
    }
}
