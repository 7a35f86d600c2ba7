//! What an application wants of the registry.

use alloc::string::String;
use alloc::vec::Vec;

use thiserror::Error;

use super::check::{Check, CheckSpec, Health};
use super::node::NodeInfo;
use super::service::{Service, Text};

/// A request of the registry, as [`Command::Registry`](crate::Command::Registry). Answered by
/// [`Reply::Done`](crate::Reply::Done) when it is in force here and, if registrations are
/// [kept](crate::config::Registry::durable), on disk.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RegistryCommand {
    /// Register an instance at this agent, in place of one of the same ID.
    Register {
        /// Its ID.
        id: Text,
        /// What it is.
        service: Service,
        /// Its checks, each with an ID of its own.
        checks: Vec<CheckSpec>,
        /// Drop checks of it that are not among these.
        replace_checks: bool,
    },
    /// Register a check of this node, or of an instance registered here.
    RegisterCheck(CheckSpec),
    /// Remove an instance and its checks. One that is not there is removed already.
    Deregister(Text),
    /// Remove a check. One that is not there is removed already.
    DeregisterCheck(Text),
    /// Say how a check of the kind `ttl` fares.
    Report {
        /// The check.
        check: Text,
        /// How it fares.
        status: Health,
        /// What to show for it.
        output: String,
    },
    /// No traffic is wanted (or it is wanted again).
    Maintain {
        /// For this instance; `None`: for the whole node.
        service: Option<Text>,
        /// Why; `None`: it is over.
        reason: Option<String>,
    },
    /// Set what this agent says of itself.
    DescribeNode(NodeInfo),
    /// Write to the catalog. About a node that is no agent, this agent becomes the owner of what is
    /// written; about an agent, it is sent on to that one, as if it had been registered there.
    Write(Write),
    /// Remove from what this agent wrote about a node that is no agent, or, sent on to it, from what an
    /// agent registered.
    Erase(Erase),
}

/// What is written about a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Write {
    /// The node.
    pub node: Text,
    /// What it is; `None`: it stays as it is.
    pub info: Option<NodeInfo>,
    /// An instance and its ID.
    pub service: Option<(Text, Service)>,
    /// Checks and their IDs. Nobody probes them.
    pub checks: Vec<(Text, Check)>,
}

/// What is removed of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erase {
    /// The node.
    pub node: Text,
    /// What of it.
    pub what: Erased,
}

/// What is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erased {
    /// The node and everything on it.
    Node,
    /// An instance and its checks.
    Service(Text),
    /// A check.
    Check(Text),
}

/// Why the registry refused a request. Nothing has changed, unless the variant says so.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// This node has no registry.
    #[error("the registry is off")]
    Off,
    /// A check is for an instance that is not registered here.
    #[error("ServiceID \"{0}\" does not exist")]
    NoService(String),
    /// There is no such instance here.
    #[error("No service registered with ID \"{0}\"")]
    UnknownService(String),
    /// The check takes no reports, or there is none.
    #[error("CheckID \"{0}\" does not have associated TTL")]
    NotTtl(String),
    /// The node is an agent that is not alive now: nobody can decide.
    #[error("node \"{0}\" is an agent, and not alive: only it can change what stands there")]
    NotAlive(String),
    /// The node is an agent that is alive: it cannot be removed as a whole.
    #[error("node \"{0}\" is an agent, and alive: it goes when it leaves")]
    IsAlive(String),
    /// The node is a member that keeps no registry.
    #[error("node \"{0}\" is a member without a registry: nothing can be registered there")]
    NoRegistry(String),
    /// The agent that the write is about was not reached, or did not answer in time. It may be in
    /// force all the same.
    #[error("node \"{0}\" is an agent that did not answer: {1}")]
    NotForwarded(String, String),
    /// The agent that the write is about refused it, in these words.
    #[error("{0}")]
    Refused(String),
    /// The check is one that its agent finds out about by itself.
    #[error("check \"{0}\" is probed by its agent: its state cannot be written")]
    Probed(String),
    /// Nothing is known of the node yet, so its address is needed.
    #[error("Must provide address if SkipNodeUpdate is not set")]
    NoAddress,
    /// It would not fit.
    #[error("the {what} has {size} bytes; at most {max} are allowed")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its bytes.
        size: usize,
        /// How many there may be.
        max: usize,
    },
    /// There are too many registrations here.
    #[error("this agent holds {0} registrations and may not hold more")]
    TooMany(usize),
    /// It is in force, but could not be written to disk, and would be lost with this process.
    #[error("registered, but it will not survive a restart: {0}")]
    NotKept(String),
}
