//! What the registry can be told.

use alloc::boxed::Box;
use core::time::Duration;

use crate::registry::node::NodeInfo;

/// Services and checks.
#[derive(Clone, Debug, PartialEq)]
pub struct Registry {
    /// Keep a registry, and exchange it with those members that do too; default off: without it a
    /// node says and sends exactly what a Serf agent does, which is what recordings of agents and
    /// digests of simulated clusters hold it to. On, three bytes behind the tags tell the others.
    pub enabled: bool,
    /// Number of this run: greater than that of any run before, for example the time of day in
    /// milliseconds at the start; default 0.
    pub generation: u64,
    /// Have each registration written (as [`Persist::Registry`](crate::Persist::Registry)) before it
    /// is confirmed, default off: with the process goes what was registered.
    pub durable: bool,
    /// What this agent says of itself.
    pub node: Option<Box<NodeInfo>>,
    /// Records held at most, default 1,048,576.
    pub records_max: usize,
    /// Records registered at this agent at most, default 65,536.
    pub own_records_max: usize,
    /// Deletions remembered at most, default 65,536; the oldest go first.
    pub tombstones_max: usize,
    /// How long deletions are remembered, default 72 h: longer than any partition that is to heal
    /// without what was deleted coming back for a moment.
    pub tombstone_for: Duration,
    /// What comes of checks besides their states is not kept, default off.
    pub discard_output: bool,
    /// How long a change of a check's output alone may wait to be told, default 5 min.
    pub output_interval: Duration,
}

impl Default for Registry {
    fn default() -> Self {
        Registry {
            enabled: false,
            generation: 0,
            durable: false,
            node: None,
            records_max: 1 << 20,
            own_records_max: 1 << 16,
            tombstones_max: 1 << 16,
            tombstone_for: Duration::from_secs(72 * 60 * 60),
            discard_output: false,
            output_interval: Duration::from_secs(5 * 60),
        }
    }
}
