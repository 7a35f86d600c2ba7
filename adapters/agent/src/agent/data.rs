//! The data directory: who holds it, the node's ID, and the log of registrations.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};
use tidings_core::registry::log::{self, Defect};

use super::files;
use crate::config::os_error;

/// A data directory that no other agent holds, as long as this lives.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    /// Locked.
    _lock: File,
}

impl DataDir {
    /// Takes hold of a directory, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be used, or another agent holds it.
    pub(super) fn open(path: &Path) -> Result<DataDir, String> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| os_error("mkdir", path, &error))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
        let lock = lock.map_err(|error| os_error("open", &lock_path, &error))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(DataDir { path: path.to_owned(), _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(format!("data directory {} is in use by another agent", path.display()))
            }
            Err(error) => Err(os_error("lock", &lock_path, &error.into())),
        }
    }

    /// The node's ID: the same at every start.
    ///
    /// # Errors
    /// It can be neither read nor written.
    pub(super) fn node_id(&self) -> Result<String, String> {
        let path = self.path.join("node-id");
        match fs::read_to_string(&path) {
            Ok(text) if text.trim().len() == 36 => Ok(text.trim().to_owned()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(os_error("open", &path, &error)),
            _ => {
                let id = crate::uuid::random()?;
                files::replace_now(&path, id.as_bytes())?;
                Ok(id)
            }
        }
    }

    /// What an earlier run registered, and what is to be told about it.
    ///
    /// # Errors
    /// The log cannot be read, or is none that this version can read: it is not to be overwritten.
    pub(super) fn registrations(&self) -> Result<(Bytes, Option<String>), String> {
        let path = self.log_path();
        let mut bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Bytes::new(), None)),
            Err(error) => return Err(os_error("open", &path, &error)),
        };
        let replay = log::replay(&bytes);
        let (good, fault) = (replay.good_len(), replay.fault());
        let news = match fault {
            None => None,
            Some(fault) if matches!(fault.defect, Defect::Foreign | Defect::Version(_)) => {
                return Err(format!(
                    "cannot read {}: {fault}; move it away to start without it",
                    path.display()
                ));
            }
            Some(fault) if fault.defect == Defect::Torn => {
                Some(format!("{}: the last write was cut short and is dropped ({fault})", path.display()))
            }
            Some(fault) => {
                let kept = self.path.join("registrations.damaged");
                files::replace_now(&kept, &bytes)?;
                let lost = bytes.len() - good;
                Some(format!(
                    "{}: {fault}; the {lost} bytes from there on are lost, and kept in {}",
                    path.display(),
                    kept.display()
                ))
            }
        };
        bytes.truncate(good);
        Ok((bytes.into(), news))
    }

    fn log_path(&self) -> PathBuf {
        self.path.join("registrations.log")
    }

    /// The log, to be written.
    pub(super) fn log(self) -> RegistrationLog {
        RegistrationLog { path: self.log_path(), _dir: self, file: None, fault: None }
    }
}

/// The log of registrations on disk. Nothing of what it reports as written is ever lost.
#[derive(Debug)]
pub(super) struct RegistrationLog {
    path: PathBuf,
    _dir: DataDir,
    /// Open once it was written afresh.
    file: Option<File>,
    /// Why appending makes no sense until it is written afresh.
    fault: Option<String>,
}

impl RegistrationLog {
    /// Appends, and waits until it is on disk.
    ///
    /// # Errors
    /// What failed. All that is appended later fails as well, until the log is replaced: what
    /// follows a write of which a part may stand there could not be read.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), String> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let written = match &mut self.file {
            Some(file) => file.write_all(bytes).and_then(|()| file.sync_data()),
            None => Err(io::Error::other("the log was not begun")),
        };
        written.map_err(|error| {
            let fault = os_error("write", &self.path, &error);
            self.fault = Some(fault.clone());
            fault
        })
    }

    /// Writes it afresh, as a whole or not at all.
    ///
    /// # Errors
    /// What failed; the log is as it was.
    pub(super) fn replace(&mut self, bytes: &[u8]) -> Result<(), String> {
        files::replace_now(&self.path, bytes)?;
        let file = OpenOptions::new().append(true).open(&self.path);
        self.file = Some(file.map_err(|error| os_error("open", &self.path, &error))?);
        self.fault = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidings_core::registry::log::Entry;

    use super::*;

    fn entry(key: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        log::append(&mut bytes, Entry::Put { key, value: b"v" }).unwrap();
        bytes
    }

    fn fresh() -> Vec<u8> {
        let mut bytes = Vec::new();
        log::start(&mut bytes);
        bytes
    }

    #[test]
    fn a_directory_has_one_holder_and_one_id() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a").join("b");
        let held = DataDir::open(&path).unwrap();
        let error = DataDir::open(&path).unwrap_err();
        assert_eq!(error, format!("data directory {} is in use by another agent", path.display()));
        let id = held.node_id().unwrap();
        drop(held);
        assert_eq!(DataDir::open(&path).unwrap().node_id(), Ok(id));
    }

    #[test]
    fn a_directory_that_is_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "").unwrap();
        let error = DataDir::open(&path).unwrap_err();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }

    #[test]
    fn what_was_written_is_read_back_but_for_a_torn_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = DataDir::open(dir.path()).unwrap().log();
        assert!(log.append(&entry(b"a")).is_err(), "it was not begun");
        log.replace(&fresh()).unwrap();
        log.append(&entry(b"a")).unwrap();
        log.append(&entry(b"b")[..5]).unwrap();
        drop(log);
        let (bytes, news) = DataDir::open(dir.path()).unwrap().registrations().unwrap();
        assert_eq!(bytes, [fresh(), entry(b"a")].concat());
        assert!(news.unwrap().contains("cut short"));
    }

    #[test]
    fn a_damaged_log_is_kept_aside_and_a_foreign_one_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("registrations.log");
        let mut bytes = [fresh(), entry(b"a"), entry(b"b")].concat();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let (good, news) = DataDir::open(dir.path()).unwrap().registrations().unwrap();
        assert_eq!(good, [fresh(), entry(b"a")].concat());
        assert!(news.unwrap().contains("registrations.damaged"));
        assert_eq!(fs::read(dir.path().join("registrations.damaged")).unwrap(), bytes);
        fs::write(&path, "hello, world").unwrap();
        let error = DataDir::open(dir.path()).unwrap().registrations().unwrap_err();
        assert!(error.contains("no log of registrations"), "{error}");
    }

    #[test]
    fn after_a_failed_write_only_a_fresh_log_will_do() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = DataDir::open(dir.path()).unwrap().log();
        log.replace(&fresh()).unwrap();
        // A device that is always full.
        log.file = Some(OpenOptions::new().write(true).open("/dev/full").unwrap());
        let error = log.append(&entry(b"a")).unwrap_err();
        assert!(error.ends_with("no space left on device"), "{error}");
        assert_eq!(log.append(&entry(b"b")), Err(error));
        log.replace(&fresh()).unwrap();
        assert_eq!(log.append(&entry(b"c")), Ok(()));
    }
}
