//! What the node wants on disk: its keyring and the log of its registrations, confirmed when written.

use std::path::PathBuf;

use tidings_core::Persist;
use tidings_tokio::{PersistReply, PersistRequest};
use tokio::sync::mpsc;

use super::data::RegistrationLog;
use super::files;
use crate::config::render_keyring;
use crate::log::Log;

/// Requests taken together: their appended records reach the disk by one write.
const BATCH: usize = 256;

/// Who writes what.
pub(super) struct Writer {
    pub(super) keyring: Option<PathBuf>,
    pub(super) registrations: Option<RegistrationLog>,
    pub(super) log: Log,
}

impl Writer {
    /// Writes until the node stops. A request that is dropped counts as failed for the node.
    pub(super) async fn write_all(mut self, mut requests: mpsc::Receiver<PersistRequest>) {
        let mut batch = Vec::new();
        let mut failing = false;
        while requests.recv_many(&mut batch, BATCH).await > 0 {
            let taken = std::mem::take(&mut batch);
            // Disks may take their time, and nobody else must wait for them.
            let written = tokio::task::spawn_blocking(move || {
                let failure = self.write(taken);
                (self, failure)
            });
            let Ok((writer, failure)) = written.await else { return };
            self = writer;
            match failure {
                Some(failure) if !failing => {
                    self.log.error("agent", format_args!("Cannot keep registrations: {failure}"));
                    failing = true;
                }
                Some(_) => {}
                None => failing = false,
            }
        }
    }

    /// Writes a batch; what went wrong with its registrations, if something did.
    fn write(&mut self, batch: Vec<PersistRequest>) -> Option<String> {
        let mut pending = Pending::default();
        let mut failure = None;
        for PersistRequest { persist, reply, .. } in batch {
            match (persist, &mut self.registrations) {
                (Persist::Keyring { keys, .. }, _) => {
                    if let (Some(path), Some(reply)) = (&self.keyring, reply) {
                        reply.done(files::replace_now(path, render_keyring(&keys).as_bytes()));
                    }
                }
                (Persist::Registry { bytes, replace: false, .. }, Some(_)) => {
                    pending.bytes.extend_from_slice(&bytes);
                    pending.replies.extend(reply);
                }
                (Persist::Registry { bytes, replace: true, .. }, Some(log)) => {
                    // The whole holds all that was to be appended before.
                    let result = log.replace(&bytes);
                    failure = result.clone().err().or(failure);
                    pending.bytes.clear();
                    pending.replies.drain(..).chain(reply).for_each(|reply| reply.done(result.clone()));
                }
                _ => {}
            }
        }
        if let (Some(log), false) = (&mut self.registrations, pending.bytes.is_empty()) {
            let result = log.append(&pending.bytes);
            failure = result.clone().err().or(failure);
            pending.replies.into_iter().for_each(|reply| reply.done(result.clone()));
        }
        failure
    }
}

/// Records to be appended, and who waits for them.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    replies: Vec<PersistReply>,
}
