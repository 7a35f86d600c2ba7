//! What the membership layer holds, beside how much it may.

use crate::config::Config;
use crate::holdings::Holding;
use crate::swim::Swim;
use crate::swim::gossip::Class;
use crate::swim::join::JOINS_MAX;
use crate::swim::probe::FORWARDS_MAX;

impl Swim {
    pub(crate) fn holdings(&self, config: &Config) -> [Holding; 13] {
        let members = config.members.max;
        let queue = match config.queues.depth_min {
            0 => config.queues.depth_max,
            least => members.saturating_mul(2).max(least),
        };
        let (streams, accepted, buffered) = self.streams.holdings();
        // A read is taken in whole before the sum is looked at.
        let buffers = config.stream.buffered_max.saturating_add(config.stream.message_max);
        [
            Holding::new("members", self.members.len(), members),
            Holding::new("members that are gone", self.members.all_gone().len(), members),
            Holding::new("suspicions", self.suspicions.len(), members),
            Holding::new("member queue", self.gossip.len(Class::Member), members),
            Holding::new("intent queue", self.gossip.len(Class::Intent), queue),
            Holding::new("event queue", self.gossip.len(Class::Event), queue),
            Holding::new("query queue", self.gossip.len(Class::Query), queue),
            Holding::new("registry queue", self.gossip.len(Class::Registry), config.queues.depth_max),
            Holding::new("pings for others", self.probing.forwards(), FORWARDS_MAX),
            Holding::new("streams", streams, config.stream.open_max),
            Holding::new("accepted streams", accepted, config.push_pull.concurrent_max),
            Holding::new("bytes in streams", buffered, buffers),
            Holding::new("joins", self.joins.len(), JOINS_MAX),
        ]
    }
}
