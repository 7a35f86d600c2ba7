//! M15: two running members with one name, and the documented end of it (serf-wire, section 5.9):
//! whoever finds its name claimed asks all others, and stops unless most of those who answer hold
//! the name at its address.

use std::collections::BTreeMap;

use tidings_core::{Event, Time};

use super::liveness::is_peace;
use super::{Place, bounds};
use crate::net::HostId;
use crate::rider::Rider;
use crate::watch::{Sight, Violation};
use crate::world::World;

const NAME: &str = "M15 conflict";

/// The contests about names.
#[derive(Clone, Debug, Default)]
pub(super) struct Conflicts {
    /// By when each must be over.
    due: BTreeMap<String, Time>,
}

impl Conflicts {
    pub(super) fn see<R: Rider>(
        &mut self,
        world: &World<R>,
        place: Place<'_>,
        sight: &Sight<'_>,
    ) -> Option<Violation> {
        match sight {
            Sight::Fault(_) => self.due.clear(),
            Sight::Output(tidings_core::Output::Event(event)) => return self.on_event(world, place, event),
            _ => {}
        }
        if self.due.is_empty() {
            return None;
        }
        let (name, _) = self.due.iter().find(|(_, due)| **due <= world.now())?;
        let name = name.clone();
        self.due.remove(&name);
        over(world, place, &name)
    }

    fn on_event<R: Rider>(&mut self, world: &World<R>, place: Place<'_>, event: &Event) -> Option<Violation> {
        match event {
            Event::Conflict { existing, .. } => {
                let config = world.host(place.host).config();
                // Whoever came back at another address, alone of its name, waits until the old one is
                // held dead and forgotten, which is no contest.
                if running(world, existing.name()).count() < 2 {
                    return None;
                }
                let votes = world.hosts().iter().all(|host| host.config().members.resolve_conflicts);
                let bound = bounds::contest(config, world.hosts().len());
                if let (true, Some(bound)) = (votes && is_peace(world, config), bound) {
                    self.due.entry(existing.name().to_owned()).or_insert(world.now() + bound);
                }
                None
            }
            Event::NameLost { matching, responses } => {
                if *matching <= responses / 2 {
                    return None;
                }
                let what = format!("it gives its name up with {matching} of {responses} votes");
                place.violation(NAME, place.name, what)
            }
            _ => None,
        }
    }
}

/// The hosts that run with this name.
fn running<'w, R: Rider>(world: &'w World<R>, name: &'w str) -> impl Iterator<Item = HostId> + 'w {
    let named = move |host: &HostId| world.host(*host).name() == name && world.host(*host).node().is_some();
    (0..world.hosts().len()).filter(named)
}

/// The contest's time is over: at most one is left, and all who hold the name hold it there.
fn over<R: Rider>(world: &World<R>, place: Place<'_>, name: &str) -> Option<Violation> {
    let left: Vec<HostId> = running(world, name).collect();
    let addr = |host: HostId| world.host(host).addr();
    if let [one, other, ..] = left[..] {
        let what = format!("it runs at {} and at {}", addr(one), addr(other));
        return place.violation(NAME, name, what);
    }
    let winner = *left.first()?;
    let elsewhere = world.hosts().iter().find(|host| {
        let held = host.node().and_then(|node| node.view().get(name).map(|member| member.addr()));
        held.is_some_and(|held| held != addr(winner))
    })?;
    let what = format!("it is left at {}, and {} holds it elsewhere", addr(winner), elsewhere.name());
    place.violation(NAME, name, what)
}
