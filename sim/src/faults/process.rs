//! Processes that end, and how they come back.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Return, Undo};
use crate::net::HostId;
use crate::rider::Rider;
use crate::world::{Start, What, World};
use tidings_core::Command;

/// Others whom a host that comes back asks for the way into the cluster.
const CONTACTS: usize = 3;
/// Part of a fault's stream: whom a host asks.
const CONTACT_PICKS: u64 = 1 << 32;

impl<R: Rider> World<R> {
    /// A process ends (or its machine loses power), to come back when the fault ends.
    pub(super) fn crash(&mut self, number: usize, host: HostId, comes_back: Return, powered: bool) {
        if self.hosts[host].node.is_none() {
            return;
        }
        if comes_back == Return::OldState {
            self.hosts[host].disk.put_aside();
        }
        let mut draw = self.fault_draw(number).part(CONTACT_PICKS + host as u64);
        let mut contacts = draw.choose(self.hosts.len(), CONTACTS + 1);
        contacts.retain(|contact| *contact != host);
        if !powered {
            self.hosts[host].disk.tear(draw.unit());
        }
        self.stop(host, powered);
        self.faults.planned[number].undo.push(Undo::Restart { host, comes_back, contacts });
    }

    /// A host whose fault is over comes back, if it is to.
    pub(super) fn bring_back(
        &mut self,
        number: usize,
        host: HostId,
        comes_back: Return,
        contacts: Vec<HostId>,
    ) {
        let machine = &mut self.hosts[host];
        if machine.node.is_some() {
            return;
        }
        match comes_back {
            Return::Never => return,
            Return::WithState => {}
            Return::Afresh => machine.disk.wipe(),
            Return::OldState => machine.disk.bring_back(),
            Return::NewAddress => {
                machine.disk.wipe();
                let old = machine.config.advertise;
                let moved = SocketAddr::new(old.ip(), old.port().wrapping_add(1).max(1));
                Arc::make_mut(&mut machine.config).advertise = moved;
                self.glances[host].addr = moved;
                self.net.addresses.remove(&old);
            }
            Return::NewName => {
                machine.disk.wipe();
                let life = machine.life;
                let config = Arc::make_mut(&mut machine.config);
                let base = config.name.split('~').next().unwrap_or_default().to_owned();
                config.name = format!("{base}~{life}");
            }
        }
        let _ = number;
        let life = self.hosts[host].life;
        let contacts = contacts.into_boxed_slice();
        self.schedule(self.now, What::Restart { host: host as u32, life, contacts });
    }

    /// A host starts again, and asks some others for the way in unless its disk knows it.
    pub(crate) fn come_back(&mut self, host: HostId, life: u32, contacts: &[HostId]) {
        if self.hosts[host].life != life || self.hosts[host].node.is_some() {
            return;
        }
        let remembers = self.hosts[host].disk.remembers();
        self.start(host, if remembers { Start::Restored } else { Start::Fresh });
        let addresses: Vec<String> =
            contacts.iter().map(|contact| self.hosts[*contact].addr().to_string()).collect();
        if !addresses.is_empty() {
            self.command(host, Command::Join { addresses, replay: false });
        }
    }
}
