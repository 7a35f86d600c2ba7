//! R7, and the half of R6 that is about readers: what they are shown, and what was just asked.

use tidings_core::registry::catalog::Catalog;
use tidings_core::registry::check::Health;
use tidings_core::registry::command::{Erased, RegistryCommand};
use tidings_core::registry::record::{Key, Kind, Record};
use tidings_core::registry::{NODE_MAINTENANCE, RegistryView, SERVICE_MAINTENANCE};
use tidings_core::{Node, Status};

use super::super::Place;
use crate::watch::Violation;

const READS: &str = "R7 reads see own writes";

/// What a host's readers are shown.
#[derive(Clone, Debug)]
pub(super) struct Readers(Catalog);

impl Default for Readers {
    fn default() -> Self {
        Readers(Catalog::new(1))
    }
}

impl Readers {
    /// Readers start with this.
    pub(super) fn follow(&mut self, node: &Node, view: &RegistryView) {
        self.0.update(node.members(), view.records());
    }

    /// Looks at what is shown otherwise than before.
    pub(super) fn changed(
        &mut self,
        place: Place<'_>,
        node: &Node,
        view: &RegistryView,
    ) -> Option<Violation> {
        let changes = self.0.update(node.members(), view.records());
        changes.nodes.iter().find_map(|name| self.shown(place, node, view, name))
    }

    pub(super) fn shown(
        &self,
        place: Place<'_>,
        node: &Node,
        view: &RegistryView,
        name: &str,
    ) -> Option<Violation> {
        let status = |of: &str| node.members().get(of).map_or(Status::None, tidings_core::Member::status);
        let wrong = |invariant: &str, what: String| place.violation(invariant, name, what);
        let Some(shown) = self.0.node(name) else {
            // Whoever is a member and has not left must be shown.
            let hidden = matches!(status(name), Status::None | Status::Left);
            return (!hidden).then(|| wrong(READS, format!("{name} is not shown")))?;
        };
        let owner = shown.owner();
        if matches!(status(owner), Status::None | Status::Left) {
            return wrong("R6 member death", format!("{name} is shown, and {owner} is gone"));
        }
        if status(name) == Status::Failed && shown.health() != Health::Critical {
            return wrong("R6 member death", format!("{name} is failed, and shown {}", shown.health()));
        }
        let held = shown.services().chain(shown.checks()).map(|it| it.record());
        let stray = held.into_iter().find(|record| view.get(record.key()) != Some(*record));
        if let Some(record) = stray {
            return wrong(READS, format!("{} is shown, which is not held", super::of(record)));
        }
        let known = shown.services().find(|it| {
            let name = it.record().service().map_or("", |service| &*service.name);
            !self.0.service(name).any(|found| found.shown.record() == it.record())
        });
        known.map(|it| wrong(READS, format!("{} is not found by its name", super::of(it.record()))))?
    }
}

/// R7: what was asked is to be read now.
pub(super) fn own_write(
    place: Place<'_>,
    view: &RegistryView,
    command: &RegistryCommand,
) -> Option<Violation> {
    let key = |node: &str, kind: Kind, id: &str| Key {
        owner: place.name.into(),
        node: node.into(),
        kind,
        id: id.into(),
    };
    let own = |kind, id: &str| view.get(&key(place.name, kind, id));
    let fulfilled = match command {
        RegistryCommand::Register { id, service, checks, .. } => {
            own(Kind::Service, id).and_then(Record::service) == Some(service)
                && checks.iter().all(|spec| own(Kind::Check, &spec.id).is_some())
        }
        RegistryCommand::RegisterCheck(spec) => own(Kind::Check, &spec.id).is_some(),
        RegistryCommand::Deregister(id) => own(Kind::Service, id).is_none(),
        RegistryCommand::DeregisterCheck(id) => own(Kind::Check, id).is_none(),
        RegistryCommand::Report { check, status, .. } => {
            let now = own(Kind::Check, check).and_then(Record::check);
            // A slow host is told so when the instance should have gone for it already: then it goes.
            now.map_or(*status == Health::Critical, |it| it.status == *status)
        }
        RegistryCommand::Maintain { service, reason } => {
            let id = service.as_ref().map(|service| format!("{SERVICE_MAINTENANCE}{service}"));
            own(Kind::Check, id.as_deref().unwrap_or(NODE_MAINTENANCE)).is_some() == reason.is_some()
        }
        RegistryCommand::DescribeNode(info) => {
            own(Kind::Node, "").and_then(Record::node).is_some_and(|it| it.meta == info.meta)
        }
        RegistryCommand::Write(write) => write.service.as_ref().is_none_or(|(id, service)| {
            view.get(&key(&write.node, Kind::Service, id)).and_then(Record::service) == Some(service)
        }),
        RegistryCommand::Erase(erase) => match &erase.what {
            Erased::Node => view.get(&key(&erase.node, Kind::Node, "")).is_none(),
            Erased::Service(id) => view.get(&key(&erase.node, Kind::Service, id)).is_none(),
            Erased::Check(id) => view.get(&key(&erase.node, Kind::Check, id)).is_none(),
        },
        _ => true,
    };
    (!fulfilled)
        .then(|| place.violation(READS, "", format!("not to be read after it was asked: {command:?}")))?
}
