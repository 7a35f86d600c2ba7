//! The catalog that the HTTP and DNS interfaces read, kept up to date behind the node, and who waits
//! for which part of it to change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use tidings_core::registry::catalog::{Catalog, Changes};
use tidings_core::registry::service::Text;
use tidings_tokio::Handle;
use tokio::sync::watch;

/// A part of the catalog that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Watch {
    /// The list of nodes.
    Nodes,
    /// Which instances there are.
    Services,
    /// How all checks fare.
    Checks,
    /// What a look-up of one service shows, its name in small letters.
    Service(Text),
    /// Everything on one node.
    Node(Text),
}

/// A catalog that follows a node. Clones share it.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    node: Handle,
    catalog: RwLock<Catalog>,
    /// Who waits, by what for. The value is the catalog's count when that changed last.
    waiting: Mutex<HashMap<Watch, watch::Sender<u64>>>,
}

impl Directory {
    /// Over a running node. It is up to date only after [`refresh`](Self::refresh), and follows the
    /// node while [`follow`](Self::follow) runs.
    #[must_use]
    pub fn new(node: Handle) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let catalog = RwLock::new(Catalog::new(u64::try_from(now.as_millis()).unwrap_or(u64::MAX / 2)));
        let directory = Directory(Arc::new(Inner { node, catalog, waiting: Mutex::default() }));
        directory.refresh();
        directory
    }

    /// The node it is about.
    #[must_use]
    pub fn node(&self) -> &Handle {
        &self.0.node
    }

    /// The catalog as it is now. Whoever holds it keeps it from being brought up to date: be brief.
    pub fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.0.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the catalog up to date, and wakes who waits for what changed. What a node has
    /// confirmed is there after this.
    pub fn refresh(&self) {
        let (index, changes) = {
            let mut catalog = self.0.catalog.write().unwrap_or_else(PoisonError::into_inner);
            let changes = catalog.update(&self.0.node.view(), self.0.node.registry().records());
            (catalog.index(), changes)
        };
        self.wake(index, &changes);
    }

    /// Follows the node until it ends.
    pub async fn follow(self) {
        let mut changed = self.0.node.changes();
        let ended = self.0.node.clone();
        let mut ended = std::pin::pin!(async move { ended.ended().await });
        loop {
            self.refresh();
            tokio::select! {
                result = changed.changed() => if result.is_err() { return },
                _ = &mut ended => return,
            }
        }
    }

    /// Tells when this part changes from now on.
    pub(crate) fn watch(&self, what: Watch) -> watch::Receiver<u64> {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entry(what).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    fn wake(&self, index: u64, changes: &Changes) {
        if changes.is_empty() {
            return;
        }
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let some = |condition: bool, watch: Watch| condition.then_some(watch);
        let parts = changes.services.iter().cloned().map(Watch::Service);
        let parts = parts.chain(changes.nodes.iter().cloned().map(Watch::Node));
        let parts = parts
            .chain(some(changes.any_node, Watch::Nodes))
            .chain(some(changes.any_service, Watch::Services))
            .chain(some(changes.any_check, Watch::Checks));
        for part in parts {
            if let Some(sender) = waiting.get(&part) {
                sender.send_replace(index);
            }
        }
        // Who waits no longer leaves nothing behind.
        waiting.retain(|_, sender| sender.receiver_count() > 0);
    }
}
