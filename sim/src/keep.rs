//! What processes leave on their disks, and find there again.

use std::sync::Arc;

use bytes::Bytes;
use tidings_core::{Command, Config, Persist, Restored};

use crate::host::Happening;
use crate::net::HostId;
use crate::rider::Rider;
use crate::world::{LOCAL_WORK, World};

impl<R: Rider> World<R> {
    /// What a host's process is to start with, which finds this on its disk. If it knew somebody, it
    /// tries to rejoin.
    pub(crate) fn restored(&mut self, host: HostId, mut config: Arc<Config>) -> (Arc<Config>, Restored) {
        let disk = &self.hosts[host].disk;
        let mut restored = Restored::read(disk.snapshot(), config.rejoin_after_leave, config.members.max);
        restored.registrations = Bytes::copy_from_slice(disk.registrations());
        if !disk.keyring().is_empty() {
            Arc::make_mut(&mut config).security.keys = disk.keyring().to_vec();
        }
        let addresses = restored.alive.iter().filter(|(name, _)| *name != config.name);
        let addresses: Vec<String> = addresses.map(|(name, addr)| format!("{name}/{addr}")).collect();
        if !addresses.is_empty() {
            self.command_later(host, Command::Rejoin { addresses });
        }
        (config, restored)
    }

    /// Writes what a host's node has to be kept, and tells it how that went if it waits for it.
    pub(crate) fn persist(&mut self, host: HostId, persist: &Persist) {
        let result = self.hosts[host].disk.write(persist);
        if let Persist::Keyring { id, .. } | Persist::Registry { id, .. } = persist {
            self.happen(self.now + LOCAL_WORK, host, Happening::Persisted { id: *id, result });
        }
    }
}
