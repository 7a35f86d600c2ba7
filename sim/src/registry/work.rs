//! What applications have the registry do, in scripts.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_core::registry::check::Health;
use tidings_core::registry::command::{Erase, Erased, RegistryCommand, Write};
use tidings_core::registry::node::NodeInfo;
use tidings_core::registry::service::Service;
use tidings_core::{Config, Token};

use super::story::{Registration, check_id};
use crate::draw::Draw;
use crate::faults::Pick;
use crate::net::HostId;
use crate::rider::Rider;
use crate::world::World;

/// Services that random work is about.
const SERVICES: [&str; 4] = ["web", "db", "cache", "mail"];
/// Nodes that are no agents, which random work is about.
const EXTERNAL: [&str; 3] = ["printer", "router", "badge-reader"];

fn one() -> Pick {
    Pick::Random(1)
}

const fn passing() -> Fares {
    Fares::Passing
}

const fn yes() -> bool {
    true
}

/// How an instance with a TTL is said to fare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the core's")]
pub enum Fares {
    Passing,
    Warning,
    Critical,
}

impl From<Fares> for Health {
    fn from(fares: Fares) -> Self {
        match fares {
            Fares::Passing => Health::Passing,
            Fares::Warning => Health::Warning,
            Fares::Critical => Health::Critical,
        }
    }
}

impl From<Health> for Fares {
    fn from(health: Health) -> Self {
        match health {
            Health::Passing => Fares::Passing,
            Health::Warning => Fares::Warning,
            Health::Critical => Fares::Critical,
        }
    }
}

/// Something applications have the registry do. Members that keep none refuse it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are explained with their variant")]
pub enum RegistryTask {
    /// Each of the members registers an instance of a service, whose port tells the turns apart:
    /// with a TTL, or probed at an interval, or without a check.
    Register {
        #[serde(default = "one")]
        members: Pick,
        service: String,
        #[serde(default, with = "crate::span::option", skip_serializing_if = "Option::is_none")]
        ttl: Option<Duration>,
        #[serde(default, with = "crate::span::option", skip_serializing_if = "Option::is_none")]
        probed: Option<Duration>,
        #[serde(default, with = "crate::span::option", skip_serializing_if = "Option::is_none")]
        deregister_after: Option<Duration>,
        /// Bytes of its meta data: above some 1,200, it does not fit a datagram.
        #[serde(default)]
        bytes: usize,
    },
    /// Each of the members deregisters its instance.
    Deregister {
        #[serde(default = "one")]
        members: Pick,
        service: String,
    },
    /// Each of the members refreshes its instance's TTL.
    Refresh {
        #[serde(default = "one")]
        members: Pick,
        service: String,
        #[serde(default = "passing")]
        status: Fares,
    },
    /// Each of the members wants no traffic for its instance, or (without a service) for all of it; or
    /// wants it again.
    Maintain {
        #[serde(default = "one")]
        members: Pick,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<String>,
        #[serde(default = "yes")]
        on: bool,
    },
    /// Each of the members speaks for a node that is no agent, or takes back what it said.
    External {
        #[serde(default = "one")]
        members: Pick,
        node: String,
        #[serde(default)]
        erase: bool,
    },
    /// Each of the members writes to its catalog that another one runs an instance of a service, or no
    /// longer does: it is for that one to decide.
    Catalog {
        #[serde(default = "one")]
        members: Pick,
        /// The one it is about, whether it runs or not; of several, the first.
        #[serde(default = "one")]
        about: Pick,
        service: String,
        #[serde(default)]
        erase: bool,
    },
    /// Each of the members says something new of itself.
    Describe {
        #[serde(default = "one")]
        members: Pick,
    },
}

impl<R: Rider> World<R> {
    /// Does a piece of work; `turn` tells its repetitions apart.
    pub(crate) fn do_registry_task(&mut self, task: &RegistryTask, turn: u32, mut draw: Draw) {
        for host in self.running(task.members(), &mut draw) {
            match task {
                RegistryTask::Refresh { service, status, .. } => {
                    self.report(host, service, (*status).into());
                }
                RegistryTask::Catalog { about, service, erase, .. } => {
                    let about = about.of(self.hosts.len(), &self.net, &mut draw);
                    if let Some(about) = about.into_iter().find(|about| *about != host) {
                        let node = self.hosts[about].name();
                        let command = catalog_write(node, service, *erase, turn);
                        self.ask_registry(host, command);
                    }
                }
                task => {
                    let command = task.command(turn, &self.hosts[host].config);
                    self.ask_registry(host, command);
                }
            }
        }
    }

    /// A host's application says how its instance fares.
    pub(super) fn report(&mut self, host: HostId, service: &str, status: Health) -> Token {
        let (check, output) = (check_id("ttl", service).as_str().into(), format!("it says {status}"));
        self.ask_registry(host, RegistryCommand::Report { check, status, output })
    }
}

impl RegistryTask {
    const fn members(&self) -> &Pick {
        match self {
            Self::Register { members, .. }
            | Self::Deregister { members, .. }
            | Self::Refresh { members, .. }
            | Self::Maintain { members, .. }
            | Self::External { members, .. }
            | Self::Catalog { members, .. }
            | Self::Describe { members } => members,
        }
    }

    /// Whom it concerns, to be changed.
    pub(crate) const fn members_mut(&mut self) -> &mut Pick {
        match self {
            Self::Register { members, .. }
            | Self::Deregister { members, .. }
            | Self::Refresh { members, .. }
            | Self::Maintain { members, .. }
            | Self::External { members, .. }
            | Self::Catalog { members, .. }
            | Self::Describe { members } => members,
        }
    }

    /// What is asked of a host's node.
    fn command(&self, turn: u32, config: &Config) -> RegistryCommand {
        let port = i64::from(turn);
        match self {
            Self::Register { service, ttl, probed, deregister_after, bytes, .. } => {
                let mut it = Registration::of(service).port(port).filled(*bytes);
                it = match (ttl, probed) {
                    (Some(ttl), _) => it.ttl(*ttl),
                    (None, Some(interval)) => it.probed(*interval),
                    (None, None) => it,
                };
                it.deregister_after(deregister_after.unwrap_or_default()).command()
            }
            Self::Deregister { service, .. } => RegistryCommand::Deregister(service.as_str().into()),
            Self::Refresh { service, status, .. } => RegistryCommand::Report {
                check: check_id("ttl", service).as_str().into(),
                status: (*status).into(),
                output: String::new(),
            },
            Self::Maintain { service, on, .. } => RegistryCommand::Maintain {
                service: service.as_deref().map(Into::into),
                reason: on.then(|| format!("turn {turn}")),
            },
            // About nobody in particular: about itself.
            Self::Catalog { service, erase, .. } => catalog_write(&config.name, service, *erase, turn),
            Self::External { node, erase: true, .. } => {
                RegistryCommand::Erase(Erase { node: node.as_str().into(), what: Erased::Node })
            }
            Self::External { node, .. } => RegistryCommand::Write(external(node, port, config)),
            Self::Describe { .. } => {
                let meta = [("turn".into(), turn.to_string().as_str().into())].into();
                RegistryCommand::DescribeNode(NodeInfo { meta, ..NodeInfo::default() })
            }
        }
    }
}

/// What is written to a catalog about an agent.
fn catalog_write(node: &str, service: &str, erase: bool, turn: u32) -> RegistryCommand {
    let (node, id) = (node.into(), service.into());
    if erase {
        return RegistryCommand::Erase(Erase { node, what: Erased::Service(id) });
    }
    let service = Service { name: service.into(), port: i64::from(turn), ..Service::default() };
    RegistryCommand::Write(Write { node, info: None, service: Some((id, service)), checks: Vec::new() })
}

fn external(node: &str, port: i64, config: &Config) -> Write {
    let address = format!("192.0.2.{}", port % 250);
    let info = NodeInfo { address: address.as_str().into(), ..NodeInfo::default() };
    let meta = [("by".into(), config.name.as_str().into())].into();
    let service = Service { name: "thing".into(), port, meta, ..Service::default() };
    Write {
        node: node.into(),
        info: Some(info),
        service: Some(("thing".into(), service)),
        checks: Vec::new(),
    }
}

/// A piece of work drawn from a seed.
pub(crate) fn draw(luck: &mut Draw) -> RegistryTask {
    let secs = Duration::from_secs;
    let members = crate::faults::draw::members(luck);
    let service = SERVICES[luck.index(SERVICES.len())].to_owned();
    match luck.below(12) {
        0..=3 => {
            let (ttl, probed) = match luck.below(3) {
                0 => (Some(secs(2 + luck.below(30))), None),
                1 => (None, Some(secs(1 + luck.below(15)))),
                _ => (None, None),
            };
            let deregister_after = luck.chance(0.3).then(|| secs(5 + luck.below(40)));
            let bytes = if luck.chance(0.2) { 500 + luck.index(6000) } else { luck.index(100) };
            RegistryTask::Register { members, service, ttl, probed, deregister_after, bytes }
        }
        4 | 5 => {
            let statuses = [Fares::Passing, Fares::Passing, Fares::Warning, Fares::Critical];
            RegistryTask::Refresh { members, service, status: statuses[luck.index(statuses.len())] }
        }
        6 => RegistryTask::Deregister { members, service },
        7 => RegistryTask::Maintain {
            members,
            service: luck.chance(0.7).then_some(service),
            on: luck.chance(0.6),
        },
        8 | 9 => RegistryTask::External {
            members: Pick::Random(1 + luck.index(3)),
            node: EXTERNAL[luck.index(EXTERNAL.len())].to_owned(),
            erase: luck.chance(0.3),
        },
        10 => {
            let (about, erase) = (crate::faults::draw::members(luck), luck.chance(0.3));
            RegistryTask::Catalog { members: Pick::Random(1), about, service, erase }
        }
        _ => RegistryTask::Describe { members },
    }
}
