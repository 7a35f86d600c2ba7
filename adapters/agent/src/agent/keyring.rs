//! The keyring file: rewritten on each change, before the change is confirmed to who asked for it.

use std::path::PathBuf;

use tidings_core::Persist;
use tidings_tokio::PersistRequest;
use tokio::sync::mpsc;

use super::files;
use crate::config::render_keyring;

/// Writes until the node stops. A request that is dropped counts as failed for the node.
pub(super) async fn write_all(path: PathBuf, mut requests: mpsc::Receiver<PersistRequest>) {
    while let Some(request) = requests.recv().await {
        if let (Persist::Keyring { keys, .. }, Some(reply)) = (request.persist, request.reply) {
            reply.done(files::replace(path.clone(), render_keyring(&keys)).await);
        }
    }
}
