//! Work given to the cluster while it runs.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tidings_core::{Command, QueryParams, Time};

use crate::draw::{Draw, Purpose};
use crate::faults::Pick;
use crate::net::HostId;
use crate::plan::address;
use crate::registry::{CheckLuck, RegistryTask};
use crate::rider::Rider;
use crate::script::is_usual;
use crate::world::{Start, What, World};

/// Something the cluster's applications do, once or again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// When it is done first, from the start of the run.
    #[serde(with = "crate::span")]
    pub at: Duration,
    /// The time between repetitions.
    #[serde(default, with = "crate::span::option", skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
    /// How often it is done.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub times: u32,
    /// Number of its random stream; absent: its place in the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<u64>,
    /// What is done.
    #[serde(rename = "do")]
    pub what: Task,
}

const fn once() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_once(times: &u32) -> bool {
    *times == once()
}

fn one() -> Pick {
    Pick::Random(1)
}

/// What an application can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are explained with their variant")]
pub enum Task {
    /// Each of the members sends a user event with `bytes` of payload.
    Event {
        #[serde(default = "one")]
        members: Pick,
        name: String,
        #[serde(default, skip_serializing_if = "is_usual")]
        bytes: usize,
    },
    /// Each of the members asks a query, which everybody answers, or those in `to`.
    Query {
        #[serde(default = "one")]
        members: Pick,
        name: String,
        #[serde(default, skip_serializing_if = "is_usual")]
        relay: u8,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Pick>,
    },
    /// Each of the members changes a tag of its own.
    Tags {
        #[serde(default = "one")]
        members: Pick,
        key: String,
    },
    /// Each of the members (again) joins through the others picked.
    Join {
        members: Pick,
        #[serde(default = "one")]
        via: Pick,
    },
    /// The members leave; their processes end when they have.
    Leave {
        #[serde(default = "one")]
        members: Pick,
    },
    /// One member forces others out that have failed.
    ForceLeave {
        members: Pick,
        #[serde(default, skip_serializing_if = "is_usual")]
        prune: bool,
    },
    /// Members that do not run start afresh and join.
    Start {
        members: Pick,
        #[serde(default = "one")]
        via: Pick,
    },
    /// For each of the members that run, somebody starts under its name, at another address, and
    /// joins: two who claim one name.
    Double {
        #[serde(default = "one")]
        members: Pick,
        #[serde(default = "one")]
        via: Pick,
    },
    /// Something about services: `do.registry.register = { service = "web" }`.
    Registry(RegistryTask),
}

/// A piece of work and how often it has been done.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) work: Work,
    done: u32,
}

/// After saying good-bye, an application ends; the word needs this long at most.
const LEAVE_TIME: Duration = Duration::from_secs(15);

impl<R: Rider> World<R> {
    /// Plans a piece of work.
    pub fn plan_work(&mut self, work: Work) {
        let number = self.works.len() as u32;
        self.schedule(Time::ZERO + work.at, What::Work(number));
        self.works.push(Job { work, done: 0 });
    }

    /// Forgets all work that was not done yet; from now on all probes find instances well.
    pub fn end_work(&mut self) {
        for job in &mut self.works {
            job.done = job.work.times;
        }
        self.set_check_luck(CheckLuck::default());
    }

    /// Does a piece of work once.
    pub(crate) fn work(&mut self, number: usize) {
        let Job { work, done } = &mut self.works[number];
        if *done >= work.times {
            return;
        }
        *done += 1;
        let (turn, left) = (*done, work.times - *done);
        let (what, every, stream) = (work.what.clone(), work.every, work.stream);
        let draw = Draw::of(self.seed, Purpose::Work, stream.unwrap_or(number as u64)).part(u64::from(turn));
        self.do_task(&what, turn, draw);
        if let (Some(every), true) = (every, left > 0) {
            self.schedule(self.now + every, What::Work(number as u32));
        }
    }

    pub(crate) fn running(&self, pick: &Pick, draw: &mut Draw) -> Vec<HostId> {
        let mut hosts = pick.of(self.hosts.len(), &self.net, draw);
        hosts.retain(|host| self.hosts[*host].node.is_some());
        hosts
    }

    fn do_task(&mut self, task: &Task, turn: u32, mut draw: Draw) {
        match task {
            Task::Event { members, name, bytes } => {
                for host in self.running(members, &mut draw) {
                    // Each is told apart from all others.
                    let mut payload = format!("{turn}/{host}/{}", self.now).into_bytes();
                    payload.resize((*bytes).max(payload.len()), b'.');
                    let (name, payload) = (name.clone(), Bytes::from(payload));
                    self.command(host, Command::UserEvent { name, payload, coalesce: false });
                }
            }
            Task::Query { members, name, relay, to } => {
                for host in self.running(members, &mut draw) {
                    let (name, relay_factor) = (name.clone(), *relay);
                    let to = to.as_ref().map(|to| to.of(self.hosts.len(), &self.net, &mut draw));
                    let names = to.into_iter().flatten().map(|host| self.hosts[host].name().to_owned());
                    let nodes = names.collect();
                    let params =
                        QueryParams { name, relay_factor, nodes, ack: true, ..QueryParams::default() };
                    self.command(host, Command::Query(Box::new(params)));
                }
            }
            Task::Tags { members, key } => {
                for host in self.running(members, &mut draw) {
                    let set = vec![(key.clone(), format!("{turn}-{}", self.now.as_nanos()))];
                    self.command(host, Command::UpdateTags { delete: Vec::new(), set, replace: false });
                }
            }
            Task::Join { members, via } => {
                let via = via.of(self.hosts.len(), &self.net, &mut draw);
                for host in self.running(members, &mut draw) {
                    self.join(host, &via);
                }
            }
            Task::Leave { members } => {
                for host in self.running(members, &mut draw) {
                    self.command(host, Command::Leave);
                    self.happen(self.now + LEAVE_TIME, host, crate::host::Happening::Stop);
                }
            }
            Task::ForceLeave { members, prune } => {
                let gone = members.of(self.hosts.len(), &self.net, &mut draw);
                let names: Vec<String> =
                    gone.iter().map(|host| self.hosts[*host].name().to_owned()).collect();
                let Some(by) = self.running(&Pick::All, &mut draw).first().copied() else { return };
                for node in names {
                    self.command(by, Command::ForceLeave { node, prune: *prune });
                }
            }
            Task::Registry(task) => self.do_registry_task(task, turn, draw),
            Task::Start { members, via } => {
                let via = via.of(self.hosts.len(), &self.net, &mut draw);
                for host in members.of(self.hosts.len(), &self.net, &mut draw) {
                    if self.hosts[host].node.is_none() {
                        let registered = !self.hosts[host].disk.registrations().is_empty();
                        self.start(host, if registered { Start::Restored } else { Start::Fresh });
                        self.join(host, &via);
                    }
                }
            }
            Task::Double { members, via } => {
                let via = via.of(self.hosts.len(), &self.net, &mut draw);
                for host in self.running(members, &mut draw) {
                    let mut config = self.hosts[host].config().clone();
                    config.advertise = address(self.hosts.len());
                    let double = self.add(config);
                    self.start(double, Start::Fresh);
                    self.join(double, &via);
                }
            }
        }
    }

    /// A host joins through others.
    pub fn join(&mut self, host: HostId, via: &[HostId]) -> tidings_core::Token {
        let others = via.iter().filter(|other| **other != host);
        let addresses = others.map(|other| self.hosts[*other].addr().to_string()).collect();
        self.command(host, Command::Join { addresses, replay: false })
    }
}
