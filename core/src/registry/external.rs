//! Nodes that are no agents, registered through this one.

use alloc::vec::Vec;

use super::command::{Erase, Erased, RegistryError, Write};
use super::encoding::RECORD_MAX;
use super::node::NodeInfo;
use super::own::{Own, fits};
use super::record::{Body, Key, Kind, Record};
use super::service::Text;
use super::table::Table;
use crate::context::Context;
use crate::serf::clock::LamportTime;

impl Own {
    fn external(&self, node: &Text, kind: Kind, id: &Text) -> Key {
        Key { owner: self.me.clone(), node: node.clone(), kind, id: id.clone() }
    }

    /// Writes about a node that is no agent. `claimed` is the time of a claim made now.
    pub(crate) fn write_external(
        &mut self,
        cx: &Context,
        table: &mut Table,
        write: Write,
        claimed: LamportTime,
    ) -> Result<(), RegistryError> {
        let node_key = self.external(&write.node, Kind::Node, &"".into());
        let known = table.get(&node_key).and_then(Record::node).cloned();
        let info = match (write.info, known) {
            (Some(info), known) => NodeInfo { claimed: known.map_or(claimed, |known| known.claimed), ..info },
            (None, Some(known)) => known,
            (None, None) => return Err(RegistryError::NoAddress),
        };
        let mut bodies = Vec::with_capacity(2 + write.checks.len());
        bodies.push((node_key, Body::Node(info)));
        if let Some((id, service)) = write.service {
            bodies.push((self.external(&write.node, Kind::Service, &id), Body::Service(service)));
        }
        for (id, check) in write.checks {
            bodies.push((self.external(&write.node, Kind::Check, &id), Body::Check(check)));
        }
        self.has_room(cx, bodies.len())?;
        for (key, body) in &bodies {
            fits(key, body, RECORD_MAX)?;
        }
        for (key, body) in bodies {
            self.write(cx, table, key, body);
        }
        Ok(())
    }

    /// Removes what this agent wrote about a node that is no agent.
    pub(crate) fn erase_external(&mut self, cx: &Context, table: &mut Table, erase: &Erase) {
        let of_service = |record: &Record, id: &Text| {
            (record.key().kind == Kind::Service && record.key().id == *id)
                || record.check().is_some_and(|check| check.service_id == *id)
        };
        let keys: Vec<Key> = match &erase.what {
            Erased::Check(id) => Vec::from([self.external(&erase.node, Kind::Check, id)]),
            Erased::Node => self.externals(table, &erase.node).map(|record| record.key().clone()).collect(),
            Erased::Service(id) => self
                .externals(table, &erase.node)
                .filter(|record| of_service(record, id))
                .map(|record| record.key().clone())
                .collect(),
        };
        for key in keys {
            self.erase(cx, table, key);
        }
    }

    fn externals<'t>(&'t self, table: &'t Table, node: &'t Text) -> impl Iterator<Item = &'t Record> {
        table.of_owner(&self.me).filter(move |record| record.key().node == *node)
    }

    /// Another agent's claim of a node stands, or the node is an agent itself: what this one wrote
    /// about it goes. Whether there was something.
    pub(crate) fn yield_node(&mut self, cx: &Context, table: &mut Table, node: &Text) -> bool {
        let there = node != &self.me && self.externals(table, node).next().is_some();
        if there {
            self.erase_external(cx, table, &Erase { node: node.clone(), what: Erased::Node });
        }
        there
    }
}
