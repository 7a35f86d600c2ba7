//! A host's disk: the snapshot, the keyring and the log of registrations, with writes that may fail or
//! tear.

use std::collections::VecDeque;

use bytes::Bytes;
use tidings_core::{Persist, PersistId};

/// What a host finds again after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// The snapshot as it is on the disk.
    snapshot: Vec<u8>,
    /// Bytes of it that would survive a loss of power.
    durable: usize,
    registry: Log,
    /// Older copies of snapshot and log, if they were put aside.
    aside: Option<(Vec<u8>, Vec<u8>)>,
    /// What is there is not what the last process left.
    is_other: bool,
    keyring: Vec<Bytes>,
    /// Writes fail.
    full: bool,
}

/// The log of registrations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Log {
    bytes: Vec<u8>,
    /// Bytes that would survive a loss of power.
    durable: usize,
    /// Writes that have not reached the disk, oldest first, and how long the log is with them.
    pending: VecDeque<(PersistId, usize)>,
    /// What was there before a replacement that is one of them.
    before: Option<(PersistId, Vec<u8>)>,
}

impl Log {
    fn write(&mut self, id: PersistId, bytes: &[u8], replace: bool) {
        if replace {
            let old = std::mem::take(&mut self.bytes);
            let durable = &old[..self.durable];
            self.before = Some((id, self.before.take().map_or_else(|| durable.to_vec(), |(_, first)| first)));
            self.pending.clear();
            self.durable = 0;
        }
        self.bytes.extend_from_slice(bytes);
        self.pending.push_back((id, self.bytes.len()));
    }

    /// A write, and all before it, have reached the disk.
    fn synced(&mut self, id: PersistId) {
        while let Some((of, len)) = self.pending.front().copied().filter(|(of, _)| of.0 <= id.0) {
            self.pending.pop_front();
            self.durable = len;
            self.before = self.before.take().filter(|(replaced_by, _)| *replaced_by != of);
        }
    }

    fn tear(&mut self, share: f64) {
        self.pending.clear();
        match self.before.take() {
            // A file is put in the place of another as a whole, or not at all.
            Some((_, old)) if share < 0.5 => self.bytes = old,
            Some(_) => {}
            None => {
                let loose = self.bytes.len() - self.durable;
                self.bytes.truncate(self.durable + (loose as f64 * share) as usize);
            }
        }
        self.durable = self.bytes.len();
    }

    /// The process has ended; what it wrote is with the kernel, which goes on.
    fn settle(&mut self) {
        self.tear(1.0);
    }
}

impl Disk {
    /// Does what the node asks for.
    ///
    /// # Errors
    /// The disk is full.
    pub fn write(&mut self, persist: &Persist) -> Result<(), String> {
        if self.full {
            return Err("no space left on device".into());
        }
        match persist {
            Persist::Append { lines, flush } => {
                self.snapshot.extend_from_slice(lines);
                if *flush {
                    self.durable = self.snapshot.len();
                }
            }
            Persist::Replace { lines } => {
                self.snapshot = lines.to_vec();
                self.durable = self.snapshot.len();
            }
            Persist::Registry { id, bytes, replace } => self.registry.write(*id, bytes, *replace),
            Persist::Keyring { keys, .. } => self.keyring = keys.to_vec(),
            _ => {}
        }
        Ok(())
    }

    /// The snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &[u8] {
        &self.snapshot
    }

    /// The log of registrations.
    #[must_use]
    pub fn registrations(&self) -> &[u8] {
        &self.registry.bytes
    }

    /// Whether there is anything to go on with.
    #[must_use]
    pub fn remembers(&self) -> bool {
        !self.snapshot.is_empty() || !self.registry.bytes.is_empty()
    }

    /// Whether what a process is about to find is not what the last one left.
    pub(crate) const fn is_other(&self) -> bool {
        self.is_other
    }

    /// A process has found what is there, or is going to overwrite it.
    pub(crate) const fn set_other(&mut self, other: bool) {
        self.is_other = other;
    }

    /// The node is told that a write of its log has reached the disk.
    pub(crate) fn synced(&mut self, id: PersistId) {
        self.registry.synced(id);
    }

    /// The process has ended.
    pub(crate) fn closed(&mut self) {
        self.registry.settle();
    }

    /// The keyring, empty if none was written.
    #[must_use]
    pub fn keyring(&self) -> &[Bytes] {
        &self.keyring
    }

    /// The power fails: of what was not flushed, a part is lost, perhaps in the middle of a line.
    pub fn tear(&mut self, share: f64) {
        let loose = self.snapshot.len() - self.durable;
        let kept = (loose as f64 * share.clamp(0.0, 1.0)) as usize;
        self.snapshot.truncate(self.durable + kept);
        self.durable = self.snapshot.len();
        self.registry.tear(share.clamp(0.0, 1.0));
    }

    /// Everything is gone.
    pub fn wipe(&mut self) {
        *self = Disk { full: self.full, is_other: true, ..Disk::default() };
    }

    /// Puts the snapshot of this moment aside, and the log as it was when it was half as long.
    pub fn put_aside(&mut self) {
        let half = self.registry.bytes.len() / 2;
        self.aside = Some((self.snapshot.clone(), self.registry.bytes[..half].to_vec()));
    }

    /// Brings back what was put aside, as from an old backup.
    pub fn bring_back(&mut self) {
        if let Some((snapshot, log)) = self.aside.take() {
            self.durable = snapshot.len();
            self.snapshot = snapshot;
            self.registry = Log { durable: log.len(), bytes: log, ..Log::default() };
            self.is_other = true;
        }
    }

    /// Whether writes fail from now on.
    pub const fn set_full(&mut self, full: bool) {
        self.full = full;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(text: &'static str, flush: bool) -> Persist {
        Persist::Append { lines: Bytes::from_static(text.as_bytes()), flush }
    }

    #[test]
    fn power_loss_spares_what_was_flushed() {
        let mut disk = Disk::default();
        disk.write(&append("clock: 1\n", true)).unwrap();
        disk.write(&append("clock: 2\n", false)).unwrap();
        disk.tear(0.5);
        assert_eq!(disk.snapshot(), b"clock: 1\ncloc");
        disk.tear(0.0);
        assert_eq!(disk.snapshot(), b"clock: 1\ncloc", "it had reached the disk");
    }

    fn register(id: u64, text: &'static str, replace: bool) -> Persist {
        let bytes = Bytes::from_static(text.as_bytes());
        Persist::Registry { id: PersistId(id), bytes, replace }
    }

    #[test]
    fn power_loss_tears_what_was_appended_and_spares_one_of_two_replacements() {
        for (share, torn, replaced) in [(0.0, "ab", "ab"), (0.4, "abc", "ab"), (1.0, "abcdef", "xy")] {
            let mut disk = Disk::default();
            disk.write(&register(0, "ab", true)).unwrap();
            disk.synced(PersistId(0));
            let mut other = disk.clone();
            disk.write(&register(1, "cdef", false)).unwrap();
            disk.tear(share);
            assert_eq!(disk.registrations(), torn.as_bytes(), "{share}");
            other.write(&register(1, "xy", true)).unwrap();
            other.tear(share);
            assert_eq!(other.registrations(), replaced.as_bytes(), "{share}");
            assert!(other.remembers());
        }
    }

    #[test]
    fn a_full_disk_refuses_and_an_old_copy_comes_back() {
        let mut disk = Disk::default();
        disk.write(&append("clock: 1\n", true)).unwrap();
        disk.put_aside();
        disk.write(&append("clock: 2\n", true)).unwrap();
        disk.set_full(true);
        assert!(disk.write(&append("clock: 3\n", true)).is_err());
        disk.bring_back();
        assert_eq!(disk.snapshot(), b"clock: 1\n");
        disk.wipe();
        assert_eq!(disk.snapshot(), b"");
    }
}
