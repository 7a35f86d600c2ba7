//! R7 over restarts: what was confirmed is on the disk.

use std::collections::BTreeMap;

use tidings_core::Token;
use tidings_core::registry::RegistryView;
use tidings_core::registry::command::RegistryCommand;
use tidings_core::registry::record::{Key, Kind, Stamp};

use super::super::Place;
use super::Issued;
use crate::host::Host;
use crate::watch::Violation;

/// What a host's applications were told is kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Writes {
    /// Requests that were carried out and have no answer yet: what each wrote, and as of when.
    open: BTreeMap<Token, (Key, Stamp)>,
    /// What was confirmed of each key.
    confirmed: BTreeMap<Key, Stamp>,
}

impl Writes {
    /// A request about an instance has been carried out.
    pub(super) fn carried_out(
        &mut self,
        place: Place<'_>,
        issued: &Issued,
        token: Token,
        command: &RegistryCommand,
    ) {
        let (RegistryCommand::Register { id, .. } | RegistryCommand::Deregister(id)) = command else {
            return;
        };
        let key =
            Key { owner: place.name.into(), node: place.name.into(), kind: Kind::Service, id: id.clone() };
        if let Some(stamp) = issued.last(&key) {
            self.open.insert(token, (key, stamp));
        }
    }

    /// A request was answered.
    pub(super) fn replied(&mut self, token: Token, well: bool) {
        let Some((key, stamp)) = self.open.remove(&token).filter(|_| well) else { return };
        self.confirmed_elsewhere(key, stamp);
    }

    /// Another host was told that this is in force here.
    pub(super) fn confirmed_elsewhere(&mut self, key: Key, stamp: Stamp) {
        let confirmed = self.confirmed.entry(key).or_default();
        *confirmed = stamp.max(*confirmed);
    }

    /// The host's process has started again, and goes on with this.
    pub(super) fn restarted<R>(
        &mut self,
        place: Place<'_>,
        host: &Host<R>,
        issued: &Issued,
        view: &RegistryView,
    ) -> Option<Violation> {
        self.open.clear();
        if host.disk.is_other() || !host.config().registry.durable {
            self.confirmed.clear();
            return None;
        }
        let lost = self.confirmed.iter().find(|(key, stamp)| match view.get(key) {
            Some(record) => record.stamp() < **stamp,
            None => !issued.gone_since(key, **stamp),
        });
        lost.map(|(key, stamp)| {
            let what =
                format!("after a restart, {} {} is not as it was confirmed at {stamp}", key.node, key.id);
            place.violation("R7 reads see own writes", "", what)
        })?
    }
}
