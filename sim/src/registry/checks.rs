//! What agents would do for checks: probes that take their time, find something, or never end.

use std::time::Duration;

use tidings_core::registry::check::{CheckSpec, Health, Probe};
use tidings_core::{CheckId, Output};

use crate::draw::{Draw, Purpose};
use crate::host::Happening;
use crate::net::HostId;
use crate::rider::Rider;
use crate::world::World;

/// A probe that ends takes at most this part of its time-out.
const QUICK: f64 = 0.5;

/// How probes fare, in shares of them, 0.0 to 1.0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CheckLuck {
    /// Those that find an instance ill that is not.
    pub failures: f64,
    /// Those that never end.
    pub losses: f64,
}

impl<R: Rider> World<R> {
    /// How all probes fare from now on.
    pub const fn set_check_luck(&mut self, luck: CheckLuck) {
        self.check_luck = luck;
    }

    /// Does what a node asks for: a probe of one of its instances.
    pub(crate) fn run_check(&mut self, host: HostId, output: &Output) {
        let Output::RunCheck { id, spec } = output else { return };
        let Probe::Run { timeout, .. } = &spec.probe else { return };
        let nth = self.hosts[host].probes;
        self.hosts[host].probes += 1;
        let mut luck = Draw::of(self.seed, Purpose::Checks, host as u64).part(nth);
        let after = timeout.mul_f64(QUICK * luck.unit()).max(Duration::from_micros(1));
        let (lost, fails) = (luck.chance(self.check_luck.losses), luck.chance(self.check_luck.failures));
        if !lost {
            let result = self.result(host, *id, spec, fails);
            self.happen(self.now + after, host, result);
        }
    }

    fn result(&self, host: HostId, id: CheckId, spec: &CheckSpec, fails: bool) -> Happening {
        let ill = fails || self.hosts[host].ill.contains(&*spec.service_id);
        let (status, output) =
            if ill { (Health::Critical, "it does not answer") } else { (Health::Passing, "it answers") };
        Happening::CheckResult { id, status, output: output.into() }
    }
}
