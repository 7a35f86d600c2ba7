//! What is registered of a node.

use super::service::{Meta, Text};
use crate::serf::clock::LamportTime;

/// A node: an agent of itself, or another one through an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeInfo {
    /// A UUID, or empty.
    pub id: Text,
    /// Where it is; empty for an agent, whose membership says it.
    pub address: Text,
    /// Further addresses by name, in the order of the names.
    pub tagged_addresses: Meta,
    /// Texts by name.
    pub meta: Meta,
    /// The data centre.
    pub datacenter: Text,
    /// Of a node that is no agent: when its registration was first claimed, on the registry's
    /// clock. Of two agents that claim one node the later claim holds, and of equal ones that of the
    /// greater name.
    pub claimed: LamportTime,
    /// Of an agent: records of its earlier generations than this are void.
    pub floor: u64,
    /// Of an agent: it answers the cluster's DNS at the address it gossips at.
    pub answers_dns: bool,
}
