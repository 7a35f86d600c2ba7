//! A host's disk: the snapshot and the keyring, with writes that may fail or tear.

use bytes::Bytes;
use tidings_core::Persist;

/// What a host finds again after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// The snapshot as it is on the disk.
    snapshot: Vec<u8>,
    /// Bytes of it that would survive a loss of power.
    durable: usize,
    /// An older copy, if one was put aside.
    aside: Option<Vec<u8>>,
    keyring: Vec<Bytes>,
    /// Writes fail.
    full: bool,
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
    }

    /// Everything is gone.
    pub fn wipe(&mut self) {
        *self = Disk { full: self.full, ..Disk::default() };
    }

    /// Puts the snapshot of this moment aside.
    pub fn put_aside(&mut self) {
        self.aside = Some(self.snapshot.clone());
    }

    /// Brings back the snapshot put aside, as from an old backup.
    pub fn bring_back(&mut self) {
        if let Some(old) = self.aside.take() {
            self.durable = old.len();
            self.snapshot = old;
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
