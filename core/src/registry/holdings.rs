//! What the registry holds, beside how much it may.

use super::state::Registry;
use crate::config::Config;
use crate::holdings::Holding;

impl Registry {
    pub(crate) fn holdings(&self, config: &Config) -> [Holding; 4] {
        let limits = &config.registry;
        let (waiting, wanted) = self.spread.holdings();
        [
            Holding::new("records", self.table.records().len(), limits.records_max),
            Holding::new("tombstones", self.table.tombstones(), limits.tombstones_max),
            waiting,
            wanted,
        ]
    }
}
