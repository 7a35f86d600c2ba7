//! Which host bears a name now.

use std::collections::HashMap;

use crate::net::HostId;

/// Names to hosts: a host that comes back under another name has both.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<String, HostId>);

impl Names {
    /// A host's process has started under a name.
    pub(crate) fn learn(&mut self, name: &str, host: HostId) {
        if self.0.get(name) != Some(&host) {
            self.0.insert(name.to_owned(), host);
        }
    }

    /// The host that bore a name last.
    pub(crate) fn host(&self, name: &str) -> Option<HostId> {
        self.0.get(name).copied()
    }
}
