//! Words of a story about services.

use std::time::Duration;

use tidings_core::registry::check::{Action, CheckSpec, Health, Probe};
use tidings_core::registry::command::RegistryCommand;
use tidings_core::registry::service::Service;
use tidings_core::{Command, Token};

use super::work::RegistryTask;
use crate::cluster::Cluster;
use crate::faults::Pick;
use crate::net::HostId;
use crate::rider::Rider;
use crate::workload::Task;
use crate::world::World;

/// The longest a simulated probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// An instance of a service as it is registered: its ID is the service's name.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    service: Service,
    check: Option<CheckSpec>,
}

impl Registration {
    /// An instance without a check.
    #[must_use]
    pub fn of(service: &str) -> Self {
        Registration { service: Service { name: service.into(), ..Service::default() }, check: None }
    }

    /// Its port.
    #[must_use]
    pub const fn port(mut self, port: i64) -> Self {
        self.service.port = port;
        self
    }

    /// Its tags.
    #[must_use]
    pub fn tags(mut self, tags: &[&str]) -> Self {
        self.service.tags = tags.iter().map(|tag| (*tag).into()).collect();
        self
    }

    /// It has to be [refreshed](Cluster::refresh) within this time, again and again, and is passing
    /// until then.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        self.checked("ttl", Probe::Ttl(ttl))
    }

    /// It is probed at this interval, and is critical until the first answer.
    #[must_use]
    pub fn probed(self, interval: Duration) -> Self {
        let action = Action::Tcp { address: "127.0.0.1:80".into() };
        let timeout = PROBE_TIMEOUT.min(interval);
        self.checked("probe", Probe::Run { interval, timeout, action: action.into() })
    }

    /// It goes when it has been critical for so long. It must have a check already.
    #[must_use]
    pub fn deregister_after(mut self, time: Duration) -> Self {
        if let Some(check) = &mut self.check {
            check.deregister_after = time;
        }
        self
    }

    /// It has meta data of so many bytes.
    #[must_use]
    pub(super) fn filled(mut self, bytes: usize) -> Self {
        if bytes > 0 {
            self.service.meta = [("filling".into(), ".".repeat(bytes).as_str().into())].into();
        }
        self
    }

    fn checked(mut self, kind: &str, probe: Probe) -> Self {
        let status = matches!(probe, Probe::Ttl(_)).then_some(Health::Passing);
        self.check = Some(CheckSpec {
            id: check_id(kind, &self.service.name).as_str().into(),
            name: "simulated".into(),
            notes: "".into(),
            service_id: self.service.name.clone(),
            status,
            probe,
            success_before_passing: 0,
            failures_before_critical: 0,
            deregister_after: Duration::ZERO,
            output_max: 4096,
        });
        self
    }

    /// The request that registers it.
    #[must_use]
    pub fn command(&self) -> RegistryCommand {
        RegistryCommand::Register {
            id: self.service.name.clone(),
            service: self.service.clone(),
            checks: self.check.iter().cloned().collect(),
            replace_checks: true,
        }
    }
}

/// The ID of an instance's check of a kind.
pub(super) fn check_id(kind: &str, service: &str) -> String {
    format!("{kind}:{service}")
}

impl<R: Rider> World<R> {
    /// Hands a request to a host's registry.
    pub fn ask_registry(&mut self, host: HostId, command: RegistryCommand) -> Token {
        self.command(host, Command::Registry(Box::new(command)))
    }
}

impl<R: Rider> Cluster<R> {
    /// Registers an instance at a host, in place of one of the same service.
    pub fn register(&mut self, host: HostId, what: Registration) -> Token {
        self.story.beyond.insert("what was registered");
        self.world.ask_registry(host, what.command())
    }

    /// Deregisters a host's instance of a service.
    pub fn deregister(&mut self, host: HostId, service: &str) -> Token {
        let members = Pick::These(vec![host]);
        let task = RegistryTask::Deregister { members, service: service.into() };
        self.story.does(self.world.now, Task::Registry(task));
        self.world.ask_registry(host, RegistryCommand::Deregister(service.into()))
    }

    /// Says how a host's instance with a TTL fares.
    pub fn refresh(&mut self, host: HostId, service: &str, status: Health) -> Token {
        let members = Pick::These(vec![host]);
        let task = RegistryTask::Refresh { members, service: service.into(), status: status.into() };
        self.story.does(self.world.now, Task::Registry(task));
        self.world.report(host, service, status)
    }

    /// No traffic is wanted for a host's instance (`None`: for the whole host), for this reason;
    /// without one, it is wanted again.
    pub fn maintain(&mut self, host: HostId, service: Option<&str>, reason: Option<&str>) -> Token {
        let task = RegistryTask::Maintain {
            members: Pick::These(vec![host]),
            service: service.map(Into::into),
            on: reason.is_some(),
        };
        self.story.does(self.world.now, Task::Registry(task));
        let (service, reason) = (service.map(Into::into), reason.map(Into::into));
        self.world.ask_registry(host, RegistryCommand::Maintain { service, reason })
    }

    /// Probes of a host's instance find it ill from now on, or well again.
    pub fn sicken(&mut self, host: HostId, service: &str, ill: bool) -> &mut Self {
        self.story.beyond.insert("which instances are ill");
        let known = &mut self.world.hosts[host].ill;
        if ill {
            known.insert(service.into());
        } else {
            known.remove(service);
        }
        self
    }
}
