//! Where nodes and instances are, and nodes by name in any spelling: what name servers look up.

use alloc::collections::BTreeSet;
use core::net::IpAddr;
use core::ops::Bound;

use super::{Catalog, Instance, Node};
use crate::registry::check::Health;
use crate::registry::record::Record;
use crate::registry::service::{Service, Text};

/// What is shown, by address and by spelling.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// Nodes whose names have capital letters, by their names in small ones.
    spellings: BTreeSet<(Text, Text)>,
    /// Nodes by address.
    nodes: BTreeSet<(IpAddr, Text)>,
    /// Agents that answer the cluster's DNS.
    name_servers: BTreeSet<Text>,
    /// Node and ID of instances that have an address of their own, by that.
    instances: BTreeSet<(IpAddr, Text, Text)>,
}

impl Places {
    /// A node is shown here (or nowhere) now, and was there.
    pub(super) fn move_node(&mut self, name: &Text, before: Option<IpAddr>, after: Option<IpAddr>) {
        if before == after {
            return;
        }
        if let Some(addr) = before {
            self.nodes.remove(&(addr, name.clone()));
        }
        if let Some(addr) = after {
            self.nodes.insert((addr, name.clone()));
        }
    }

    /// An agent is shown that answers the cluster's DNS, or no longer.
    pub(super) fn serve(&mut self, name: &Text, serves: bool) {
        if serves {
            self.name_servers.insert(name.clone());
        } else {
            self.name_servers.remove(name);
        }
    }

    /// An instance came, or is shown again.
    pub(super) fn place(&mut self, node: &Text, record: &Record) {
        if let Some(addr) = record.service().and_then(address_of) {
            self.instances.insert((addr, node.clone(), record.key().id.clone()));
        }
    }

    /// An instance is gone, or no longer shown.
    pub(super) fn displace(&mut self, node: &Text, record: &Record) {
        if let Some(addr) = record.service().and_then(address_of) {
            self.instances.remove(&(addr, node.clone(), record.key().id.clone()));
        }
    }

    /// A node is shown, or no longer.
    pub(super) fn spell(&mut self, name: &Text, shown: bool) {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let entry = (Text::from(name.to_ascii_lowercase().as_str()), name.clone());
            if shown {
                self.spellings.insert(entry);
            } else {
                self.spellings.remove(&entry);
            }
        }
    }
}

fn address_of(service: &Service) -> Option<IpAddr> {
    service.address.parse().ok()
}

impl Node {
    /// Its address: where it gossips, or else what is registered, unless that is a host name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.gossip_addr() {
            Some(addr) => Some(addr.ip()),
            None => self.info()?.address.parse().ok(),
        }
    }
}

impl Catalog {
    /// A node by its name in small letters, however it is spelt itself. Of several the one that is
    /// spelt so, or the first.
    #[must_use]
    pub fn node_in_any_spelling(&self, lower: &str) -> Option<&Node> {
        let spelt = || {
            let start = (Text::from(lower), Text::from(""));
            let from = self.places.spellings.range((Bound::Included(start), Bound::Unbounded));
            let (_, name) = from.into_iter().next().filter(|(small, _)| **small == *lower)?;
            self.node(name)
        };
        self.node(lower).or_else(spelt)
    }

    /// The nodes at an address, by name.
    pub fn nodes_at(&self, addr: IpAddr) -> impl Iterator<Item = &Node> {
        let start = (addr, Text::from(""));
        let from = self.places.nodes.range((Bound::Included(start), Bound::Unbounded));
        from.take_while(move |(at, _)| *at == addr).filter_map(|(_, name)| self.node(name))
    }

    /// The agents that answer the cluster's DNS and are not failed, by name: those behind this one, then
    /// those from the first on to it.
    pub fn name_servers_from(&self, name: &str) -> impl Iterator<Item = &Node> {
        let start = Text::from(name);
        let behind = self.places.name_servers.range((Bound::Excluded(start.clone()), Bound::Unbounded));
        let before = self.places.name_servers.range(..=start);
        let nodes = behind.chain(before).filter_map(|name| self.node(name));
        nodes.filter(|node| node.membership() == Some(Health::Passing))
    }

    /// The instances that have this address as their own, by node and ID.
    pub fn instances_at(&self, addr: IpAddr) -> impl Iterator<Item = Instance<'_>> {
        let start = (addr, Text::from(""), Text::from(""));
        let from = self.places.instances.range((Bound::Included(start), Bound::Unbounded));
        let here = from.take_while(move |(at, ..)| *at == addr);
        here.filter_map(|(_, node, id)| Instance::of(self.node(node)?, id))
    }
}
