//! What the Serf layer holds, beside how much it may.

use crate::config::Config;
use crate::holdings::Holding;
use crate::serf::Serf;
use crate::time::Time;

impl Serf {
    pub(crate) fn oldest_intent(&self) -> Option<Time> {
        self.intents.oldest()
    }

    pub(crate) fn holdings(&self, config: &Config) -> [Holding; 7] {
        let (events, queries) = (config.events.buffer.max(1), config.queries.buffer.max(1));
        let peers = self.coordinates.as_ref().map_or(0, |client| client.peers_len());
        [
            Holding::new(
                "intents for unknown members",
                self.intents.len(),
                config.members.recent_intents_max,
            ),
            Holding::new("event times", self.events.len(), events),
            Holding::new("bytes of events", self.events.bytes(), config.events.buffer_bytes_max),
            Holding::new("query times", self.queries.len(), queries),
            Holding::new("queries asked", self.open.len(), config.queries.open_max),
            Holding::new("queries to answer", self.pending.len(), config.queries.pending_max),
            Holding::new("coordinates", peers, config.coordinate_peers_max),
        ]
    }
}
