//! The invariants (papers, section 7), checked at the event that changed something.
//!
//! | group | here |
//! |---|---|
//! | M: membership | M1 to M16; M17 is `--twice` |
//! | S: the Serf layer | S1 to S7 |
//! | R: the registry | R1 to R7, of hosts that keep one (`registry`) |
//! | L: liveness | L3, L4, L7 and L9; the others are asked for after the quiet phase, in [`crate::run`] |
//!
//! Nothing is parsed from logs: the checkers see inputs, outputs, the node's own trace, and
//! immutable views that cost nothing to keep.
//!
//! # That they bite
//!
//! Compiled with `--cfg tidings_bugs`, the core has deliberate bugs, which scripts switch on by name
//! (`bugs = ["ForgetsToRefute"]` under `[config]`). `tests/bugs.rs` demands that each is found by
//! the invariant beside it; `tests/invariants` has hand-made histories for what no single bug breaks.
//!
//! | bug | found by |
//! |---|---|
//! | `BelievesOldAlives` | M1 incarnation-monotone |
//! | `AccusesAhead` | M2 owner-only incarnation |
//! | `ClearsSuspects` | M3 precedence |
//! | `SuspectsTheDead` | M3 precedence |
//! | `RaisesTheDead` | M4 no resurrection |
//! | `SuspectsTheLeft` | M5 left stays left |
//! | `RefutesInVain` | M6 self is alive |
//! | `ForgetsToRefute` | M6 self is alive |
//! | `LosesPatience` | M7 suspicion window |
//! | `GrantsTimeAnew` | M7 suspicion window |
//! | `ProbesOnTop` | M8 one probe |
//! | `ForgetsItsPlace` | M9 round robin |
//! | `TellsTooOften` | M10 retransmit limit |
//! | `KeepsOldUpdates` | M10 retransmit limit |
//! | `OverfillsPackets` | M11 packet bound |
//! | `ForgetsTheChecksum` | M11 packet bound |
//! | `DespairsOfItself` | M12 LHM bounds |
//! | `ForgetsTheBuddy` | M13 buddy |
//! | `GivesUpAtOnce` | M14 nack timing |
//! | `NacksTwice` | M14 nack timing |
//! | `KeepsForwards` | M14 nack timing |
//! | `NeverYields` | M15 conflict |
//! | `HidesReturns` | M16 events match state |
//! | `StopsItsClock` | S1 Lamport |
//! | `ForgetsTheTime` | S1 Lamport |
//! | `ForgetsEvents` | S2 at most once |
//! | `ClipsEvents` | S3 no phantom |
//! | `CountsCopies` | S4 query |
//! | `IgnoresFilters` | S4 query |
//! | `IgnoresTags` | S4 query |
//! | `MistrustsTags` | S4 query |
//! | `BelievesOldJoins` | S5 intent order |
//! | `KeepsIntents` | S5 intent order |
//! | `AcceptsLargeEvents` | S6 size limits |
//! | `DropsTags` | S7 tags |
//! | `NeverBuries` | L1 completeness |
//! | `ForgetsWhoLeft` | L2 convergence |
//! | `HidesThePruned` | L2 convergence |
//! | `AgreesWithDamage` | L2 convergence |
//! | `GivesUpTheLost` | L3 heal |
//! | `StopsAtTheEdge` | L4 refutation |
//! | `HoldsGrudges` | L4 refutation |
//! | `TellsForEver` | L5 quiescence |
//! | `NeverRecovers` | L6 no livelock |
//! | `HoardsMessages` | L7 bounded memory |
//! | `KeepsEventsToItself` | L8 spread |
//! | `FollowsTheRefused` | L8 spread |
//! | `LearnsNothing` | L9 join |
//! | `SpeaksForOthers` | R1 owner writes |
//! | `TakesOlderRecords` | R2 version order |
//! | `IgnoresRefreshes` | R3 TTL not early |
//! | `OversleepsChecks` | R4 TTL not late |
//! | `ForgetsDeletions` | R5 no resurrection |
//! | `TellsOnlyWhatIsGone` | R6 member death |
//! | `DropsTheFailed` | R6 member death |
//! | `KeepsTheOldTime` | R7 reads see own writes |
//! | `KeepsTheFirst` | R7 reads see own writes |

mod accused;
mod audience;
mod bounds;
mod conflict;
mod liveness;
mod membership;
mod memory;
mod names;
mod packets;
mod probes;
mod recent;
mod registry;
mod serf;
mod updates;

use tidings_core::{Command, Event, Incarnation, Input, Output, Trace, View};

use crate::host::Host;
use crate::net::HostId;
use crate::rider::Rider;
use crate::watch::{Sight, Violation, Watch};
use crate::world::World;

/// All checkers of safety.
///
/// Nodes must be traced ([`Plan::traced`](crate::Plan::traced)).
#[derive(Clone, Debug, Default)]
pub struct Checks {
    hosts: Vec<Seen>,
    names: names::Names,
    membership: membership::Membership,
    packets: packets::Packets,
    serf: serf::Serf,
    liveness: liveness::Liveness,
    registry: registry::Registries,
    conflicts: conflict::Conflicts,
    audiences: audience::Audiences,
    /// Packets may carry lies (they are damaged on the way): what only holds among honest members
    /// is not checked.
    lies: bool,
}

/// What is remembered of a host's present life.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Its view as it was checked last.
    view: View,
    /// It was told to leave.
    leaving: bool,
    probes: probes::Probes,
    membership: membership::Seen,
    serf: serf::Seen,
    updates: updates::Updates,
    /// At which incarnation it was accused in the step under way, if it must contradict that.
    accused: Option<Incarnation>,
    /// Hash of the packet sent last, if it told of members and nothing else: the next target of a
    /// round mostly gets the same.
    told_last: Option<u64>,
}

/// Where something is seen.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    world_time: tidings_core::Time,
    /// The host's own time.
    local: tidings_core::Time,
    name: &'a str,
    host: HostId,
}

impl Place<'_> {
    fn violation(&self, invariant: &str, about: &str, what: String) -> Option<Violation> {
        let mut members = vec![self.name.to_owned()];
        if !about.is_empty() && about != self.name {
            members.push(about.to_owned());
        }
        Some(Violation { invariant: invariant.to_owned(), at: self.world_time, members, what })
    }
}

impl Checks {
    /// Checkers that have seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checkers for a run in which packets are damaged: some may say what nobody ever said.
    #[must_use]
    pub fn among_lies() -> Self {
        Checks { lies: true, ..Self::default() }
    }

    /// Looks at how a host's view has changed since it was looked at last.
    fn look_at_view<R: Rider>(&mut self, world: &World<R>, place: Place<'_>) -> Option<Violation> {
        let host = &world.hosts()[place.host];
        let node = host.node()?;
        let seen = &mut self.hosts[place.host];
        if node.shows(&seen.view) {
            return None;
        }
        let view = node.view();
        let before = std::mem::replace(&mut seen.view, view.clone());
        seen.probes.known(view.all().len());
        let mut changed = Vec::new();
        before.all().diff(view.all(), |old, new| changed.push((old.cloned(), new.cloned())));
        for (old, new) in changed {
            let seen = &mut self.hosts[place.host];
            let found = self.membership.changed(world, place, &mut self.names, seen, self.lies, (&old, &new));
            if found.is_some() {
                return found;
            }
        }
        self.hosts[place.host].membership.looked();
        None
    }

    fn on_trace<R: Rider>(&mut self, world: &World<R>, place: Place<'_>, trace: &Trace) -> Option<Violation> {
        let host = &world.hosts()[place.host];
        let (seen, names) = (&mut self.hosts[place.host], &mut self.names);
        seen.updates.on_trace(names, trace);
        membership::on_trace(place, host, names, seen, trace)
            .or_else(|| probes::on_trace(place, host, names, seen, trace))
    }
}

impl<R: Rider> Watch<R> for Checks {
    fn see(&mut self, world: &World<R>, host: HostId, sight: &Sight<'_>) -> Option<Violation> {
        let machine: &Host<R> = world.hosts().get(host)?;
        if self.hosts.len() < world.hosts().len() {
            self.hosts.resize_with(world.hosts().len(), Seen::default);
        }
        let local = machine.clock().local(world.now());
        let place = Place { world_time: world.now(), local, name: machine.name(), host };
        if let Some(found) = self.liveness.see(world, host, sight) {
            return Some(found);
        }
        let Checks { registry, liveness, .. } = self;
        let found = registry.see(world, place, sight, self.lies, || liveness.is_healing(world));
        if found.is_some() {
            return found;
        }
        // Who claims another's name in a lie runs nowhere.
        if !self.lies
            && let Some(found) = self.conflicts.see(world, place, sight)
        {
            return Some(found);
        }
        match sight {
            Sight::Started => {
                let view = machine.node()?.view();
                self.hosts[host] = Seen::start(view);
                self.membership.published(&mut self.names, machine);
                serf::started(place, machine)
            }
            Sight::Stopped => {
                self.membership.published(&mut self.names, machine);
                None
            }
            Sight::Input(input) => {
                if let Some(accused) = self.hosts[host].accused.take()
                    && let Some(found) = accused::answered(place, machine, accused)
                {
                    return Some(found);
                }
                if let Input::Command { token, command } = input {
                    self.hosts[host].leaving |= matches!(command, Command::Leave);
                    self.audiences.on_command(host, *token, command);
                }
                if let Input::Datagram { from, payload } = input {
                    let seen = &mut self.hosts[host];
                    let accused = self.packets.on_arrival(place, machine, self.lies, *from, payload);
                    seen.accused = accused.filter(|_| !seen.leaving);
                }
                if let Some(found) = self.look_at_view(world, place) {
                    return Some(found);
                }
                if let Some(found) = memory::bounded(place, machine, input) {
                    return Some(found);
                }
                self.serf.on_input(place, machine, &mut self.hosts[host].serf, input)
            }
            Sight::Output(Output::Trace(trace)) => self.on_trace(world, place, trace),
            Sight::Output(Output::Datagram { to, payload }) => {
                let Checks { packets, membership, hosts, names, lies, .. } = self;
                packets.on_datagram(world, place, names, &mut hosts[host], membership, *lies, *to, payload)
            }
            Sight::Output(Output::Event(event)) => {
                if let (Event::Query(query), false) = (event, self.lies)
                    && let Some(found) = self.audiences.on_query(place, machine, query)
                {
                    return Some(found);
                }
                let seen = &mut self.hosts[host];
                membership::on_event(place, &mut self.names, seen, event)
                    .or_else(|| self.serf.on_event(place, machine, &mut seen.serf, self.lies, event))
            }
            Sight::Output(Output::Reply { token, result }) => {
                self.audiences.on_reply(host, *token, result);
                self.serf.on_reply(place, &mut self.hosts[host].serf, *token, result)
            }
            _ => None,
        }
    }
}

impl Seen {
    fn start(view: View) -> Self {
        let membership = membership::Seen::starting(view.clone());
        Seen { view, membership, ..Seen::default() }
    }
}
