//! Who keeps a registry, and how.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidings_core::{Config, Time};

use super::checks::CheckLuck;
use crate::faults::Pick;
use crate::net::HostId;
use crate::plan::Plan;
use crate::rider::Rider;
use crate::world::World;

/// A script's `[registry]`: absent, nobody keeps one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrySettings {
    /// The members that keep one.
    #[serde(default)]
    pub members: Pick,
    /// Registrations are written to the disk before they are confirmed.
    #[serde(default = "yes")]
    pub durable: bool,
    /// The share of probes that find an instance ill, 0.0 to 1.0.
    #[serde(default)]
    pub check_failures: f64,
    /// The share of probes that never end, 0.0 to 1.0.
    #[serde(default)]
    pub check_losses: f64,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        RegistrySettings { members: Pick::All, durable: true, check_failures: 0.0, check_losses: 0.0 }
    }
}

const fn yes() -> bool {
    true
}

impl RegistrySettings {
    /// What cannot be about it among so many members, if something.
    pub(crate) fn wrong(&self, members: usize) -> Option<String> {
        for (key, share) in [("check_failures", self.check_failures), ("check_losses", self.check_losses)] {
            if !(0.0..=1.0).contains(&share) {
                return Some(format!("registry.{key} = {share}: allowed are 0.0 to 1.0"));
            }
        }
        crate::valid::members(&self.members, members).map(|wrong| format!("registry.members: {wrong}"))
    }

    /// Sets up a member that keeps one.
    pub(crate) fn apply(&self, config: &mut Config) {
        config.registry.enabled = true;
        config.registry.durable = self.durable;
    }

    /// How probes fare.
    pub(crate) const fn luck(&self) -> CheckLuck {
        CheckLuck { failures: self.check_failures, losses: self.check_losses }
    }
}

impl<R: Rider> Plan<R> {
    /// All hosts keep a registry, and have registrations written to their disks before they are
    /// confirmed.
    pub fn registry(self) -> Self {
        self.configure(|_, config| RegistrySettings::default().apply(config))
    }
}

impl<R: Rider> World<R> {
    /// Numbers the coming run of a host's process, as an agent does by the time of day: in
    /// milliseconds, and no two runs alike.
    pub(crate) fn number_run(&mut self, host: HostId) {
        let millis = self.now.since(Time::ZERO).as_millis() as u64;
        let machine = &mut self.hosts[host];
        if machine.config.registry.enabled {
            let run = millis + u64::from(machine.life) + 1;
            Arc::make_mut(&mut machine.config).registry.generation = run;
        }
    }
}
