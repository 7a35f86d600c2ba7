//! What others write to the catalog about this agent itself: it is as if they had registered it here.
//!
//! What the agent says of its own node, and how its own probes turn out, nobody else writes.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::check::{Check, CheckSpec, Probe};
use super::command::{Erase, Erased, RegistryError, Write};
use super::own::Own;
use super::service::{Service, Text};
use super::table::Table;
use crate::context::Context;

/// The check that shows how a member stands; it is the membership's to say.
const MEMBERSHIP: &str = "serfHealth";

impl Own {
    /// Registers what is written about this agent, all of it or nothing. What it says of the node
    /// itself is passed over.
    pub(super) fn write_about_me(
        &mut self,
        cx: &mut Context,
        table: &mut Table,
        write: Write,
    ) -> Result<(), RegistryError> {
        let Write { service, checks, .. } = write;
        self.may_write(cx, table, service.as_ref(), &checks)?;
        if let Some((id, service)) = service {
            self.register(cx, table, &id, service, Vec::new(), false)?;
        }
        for (id, check) in checks {
            match self.check(&id).map(|known| known.spec.probe.clone()) {
                Some(Probe::Ttl(_)) => self.report(cx, table, &id, check.status, &check.output)?,
                _ => {
                    let output = check.output.clone();
                    self.put_check(cx, table, told_check(id, check), output);
                }
            }
        }
        Ok(())
    }

    fn may_write(
        &self,
        cx: &Context,
        table: &Table,
        service: Option<&(Text, Service)>,
        checks: &[(Text, Check)],
    ) -> Result<(), RegistryError> {
        self.has_room(cx, checks.len() + usize::from(service.is_some()))?;
        for (id, check) in checks {
            let probed = self
                .check(id)
                .is_some_and(|known| matches!(known.spec.probe, Probe::Run { .. } | Probe::Maintenance));
            if probed || **id == *MEMBERSHIP {
                return Err(RegistryError::Probed(id.to_string()));
            }
            let of = &check.service_id;
            let new = service.filter(|(id, _)| id == of).map(|(_, service)| service);
            let its = match new.or_else(|| self.service(table, of)) {
                None if !of.is_empty() => {
                    return Err(RegistryError::NoService(of.to_string()));
                }
                its => its.cloned().unwrap_or_default(),
            };
            self.check_fits(&told_check(id.clone(), check.clone()), &its)?;
        }
        Ok(())
    }

    /// Removes what somebody wants to be gone of this agent.
    pub(super) fn erase_about_me(
        &mut self,
        cx: &mut Context,
        table: &mut Table,
        erase: &Erase,
    ) -> Result<(), RegistryError> {
        match &erase.what {
            // It is alive, as it shows just now.
            Erased::Node => return Err(RegistryError::IsAlive(self.me.to_string())),
            Erased::Service(id) => self.deregister(cx, table, id),
            Erased::Check(id) => self.deregister_check(cx, table, id),
        };
        Ok(())
    }
}

/// A check that says what was written.
fn told_check(id: Text, check: Check) -> CheckSpec {
    CheckSpec {
        id,
        name: check.name,
        notes: check.notes,
        service_id: check.service_id,
        status: Some(check.status),
        probe: Probe::Fixed,
        success_before_passing: 0,
        failures_before_critical: 0,
        deregister_after: Duration::ZERO,
        output_max: 0,
    }
}
