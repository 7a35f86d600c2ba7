//! R3 and R4 at the owner: a TTL expires when its time is over, and not before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tidings_core::registry::check::{Health, Probe};
use tidings_core::registry::command::RegistryCommand;
use tidings_core::registry::record::Record;
use tidings_core::{Node, Time};

use super::super::Place;
use crate::watch::Violation;

/// What the record of a check says that nobody refreshed.
const EXPIRED: &str = "TTL expired";

/// The checks of one host that have a TTL.
#[derive(Clone, Debug, Default)]
pub(super) struct Ttls {
    checks: BTreeMap<Arc<str>, Ttl>,
    /// When each of them that has not expired does.
    due: BTreeSet<(Time, Arc<str>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ttl {
    time: Duration,
    /// When it was refreshed last, by the host's clock.
    refreshed: Time,
}

impl Ttl {
    fn ends(self) -> Time {
        self.refreshed + self.time
    }
}

impl Ttls {
    /// A host starts: what it goes on with has its whole time again.
    pub(super) fn begin(&mut self, node: &Node, now: Time) {
        for check in node.checks() {
            if let Probe::Ttl(time) = check.spec.probe {
                self.refresh(&check.spec.id, time, now);
            }
        }
    }

    fn refresh(&mut self, id: &Arc<str>, time: Duration, now: Time) {
        let ttl = Ttl { time, refreshed: now };
        if let Some(before) = self.checks.insert(id.clone(), ttl) {
            self.due.remove(&(before.ends(), id.clone()));
        }
        self.due.insert((ttl.ends(), id.clone()));
    }

    fn forget(&mut self, id: &Arc<str>) {
        if let Some(before) = self.checks.remove(id) {
            self.due.remove(&(before.ends(), id.clone()));
        }
    }

    /// A request was carried out at this time.
    pub(super) fn asked(&mut self, at: Time, command: &RegistryCommand, node: &Node) {
        match command {
            RegistryCommand::Register { checks, .. } => {
                for spec in checks {
                    match spec.probe {
                        Probe::Ttl(time) => self.refresh(&spec.id, time, at),
                        _ => self.forget(&spec.id),
                    }
                }
            }
            RegistryCommand::RegisterCheck(spec) => match spec.probe {
                Probe::Ttl(time) => self.refresh(&spec.id, time, at),
                _ => self.forget(&spec.id),
            },
            RegistryCommand::Report { check, .. } => {
                if let Some(Ttl { time, .. }) = self.checks.get(check).copied() {
                    self.refresh(check, time, at);
                }
            }
            _ => {}
        }
        let gone: Vec<Arc<str>> = self.checks.keys().filter(|id| node.check(id).is_none()).cloned().collect();
        gone.iter().for_each(|id| self.forget(id));
    }

    /// R3: a record of the host's own has changed, at the latest input, which came at `last`.
    pub(super) fn changed(
        &self,
        place: Place<'_>,
        last: Time,
        old: Option<&Record>,
        new: &Record,
    ) -> Option<Violation> {
        let check =
            new.check().filter(|_| *new.key().owner == *place.name && *new.key().node == *place.name)?;
        let expired = |record: &Record| {
            record.check().is_some_and(|it| it.status == Health::Critical && &*it.output == EXPIRED)
        };
        if !expired(new) || old.is_some_and(expired) {
            return None;
        }
        let ttl = self.checks.get(&new.key().id)?;
        (last < ttl.ends()).then(|| {
            let what = format!(
                "the check {} of {} expired at {last}, {:?} after it was refreshed; its TTL is {:?}",
                new.key().id,
                check.service_id,
                last.since(ttl.refreshed),
                ttl.time
            );
            place.violation("R3 TTL not early", "", what)
        })?
    }

    /// R4 at the owner: at `last` it was time for some to have expired, for whoever looks.
    pub(super) fn overdue(&mut self, place: Place<'_>, last: Time, node: &Node) -> Option<Violation> {
        while let Some((ends, id)) = self.due.first().filter(|(ends, _)| *ends <= last).cloned() {
            self.due.pop_first();
            let Some(check) = node.check(&id) else { continue };
            if check.status != Health::Critical {
                let what =
                    format!("the check {id} is {} at {last}; its time was over at {ends}", check.status);
                return place.violation("R4 TTL not late", "", what);
            }
        }
        None
    }
}
