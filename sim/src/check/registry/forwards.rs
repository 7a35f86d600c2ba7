//! R7 of what is written to a catalog about another agent: once it is confirmed, that agent has written
//! it, and keeps it.

use std::collections::BTreeMap;

use tidings_core::registry::command::RegistryCommand;
use tidings_core::registry::record::{Body, Key, Kind, Record, Stamp};
use tidings_core::registry::service::Service;
use tidings_core::{Node, Status, Token};

use super::super::Place;
use super::Issued;
use crate::net::HostId;
use crate::watch::Violation;

/// Writes that were passed on and have no answer yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Forwards(BTreeMap<(HostId, Token), (Key, Service)>);

/// Whether a request is for another agent to decide.
pub(super) fn is_forwarded(place: Place<'_>, node: &Node, command: &RegistryCommand) -> bool {
    let about = match command {
        RegistryCommand::Write(write) => &write.node,
        RegistryCommand::Erase(erase) => &erase.node,
        _ => return false,
    };
    let status = node.members().get(about).map_or(Status::None, tidings_core::Member::status);
    **about != *place.name && !matches!(status, Status::None | Status::Left)
}

impl Forwards {
    /// A request that is for another agent to decide.
    pub(super) fn asked(&mut self, at: HostId, token: Token, command: &RegistryCommand) {
        let RegistryCommand::Write(write) = command else { return };
        let Some((id, service)) = &write.service else { return };
        let (owner, node) = (write.node.clone(), write.node.clone());
        let key = Key { owner, node, kind: Kind::Service, id: id.clone() };
        self.0.insert((at, token), (key, service.clone()));
    }

    /// A request was answered: what the other agent wrote, if it was one of these and is confirmed.
    pub(super) fn answered(
        &mut self,
        place: Place<'_>,
        issued: &Issued,
        token: Token,
        well: bool,
    ) -> Result<Option<(Key, Stamp)>, Violation> {
        let Some((key, service)) = self.0.remove(&(place.host, token)).filter(|_| well) else {
            return Ok(None);
        };
        let says_so = |stamp: Stamp| Record::of(0, key.clone(), stamp, Body::Service(service.clone()));
        let said = issued.said.get(&key).into_iter().flatten();
        let written = said.filter(|(stamp, digest)| **digest == Some(says_so(**stamp).digest()));
        match written.map(|(stamp, _)| *stamp).max() {
            Some(stamp) => Ok(Some((key, stamp))),
            None => {
                let what = format!("{} is confirmed for {}, which never wrote it", key.id, key.owner);
                let found = place.violation("R7 reads see own writes", &key.owner, what);
                found.map_or(Ok(None), Err)
            }
        }
    }
}
