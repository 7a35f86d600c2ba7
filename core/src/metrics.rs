//! Plain counters: the core counts, whoever drives it publishes.

/// What a node has done since it was made. Every field only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Bytes of them.
    pub datagram_bytes_in: u64,
    /// Datagrams sent.
    pub datagrams_out: u64,
    /// Bytes of them.
    pub datagram_bytes_out: u64,
    /// Streams accepted.
    pub streams_accepted: u64,
    /// Streams dialled.
    pub streams_dialled: u64,
    /// Bytes received on streams.
    pub stream_bytes_in: u64,
    /// Bytes sent on streams.
    pub stream_bytes_out: u64,
    /// Inputs refused, for whatever reason.
    pub refused: u64,
    /// Messages about members applied: alive.
    pub alive_in: u64,
    /// Messages about members applied: suspect.
    pub suspect_in: u64,
    /// Messages about members applied: dead.
    pub dead_in: u64,
    /// Probes started.
    pub probes: u64,
    /// Probes nobody answered.
    pub probes_failed: u64,
    /// Probes that only a stream got through.
    pub probes_by_stream: u64,
    /// Accusations against this node that it refuted.
    pub refutations: u64,
    /// Gossip packets sent.
    pub gossip_packets: u64,
    /// Push/pulls completed.
    pub push_pulls: u64,
    /// Members that joined.
    pub members_joined: u64,
    /// Members that left.
    pub members_left: u64,
    /// Members that failed.
    pub members_failed: u64,
    /// Members that changed.
    pub members_updated: u64,
    /// Members that were forgotten.
    pub members_reaped: u64,
    /// Members that came back soon after they failed.
    pub members_flapped: u64,
    /// User events delivered.
    pub events: u64,
    /// Queries received.
    pub queries: u64,
    /// Acks received for own queries.
    pub query_acks: u64,
    /// Responses received for own queries.
    pub query_responses: u64,
    /// Acks received twice.
    pub query_duplicate_acks: u64,
    /// Responses received twice.
    pub query_duplicate_responses: u64,
    /// Events, queries and intents dropped because they were too old to be remembered.
    pub too_old: u64,
    /// Broadcasts dropped because a queue was full.
    pub broadcasts_dropped: u64,
    /// Comparisons of the registry with another member's that this node began.
    pub registry_syncs: u64,
    /// Coordinates refused.
    pub coordinates_rejected: u64,
}

/// How a node stands now, in the original's terms (serf-wire, section 11).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Members of any status.
    pub members: usize,
    /// Failed ones among them.
    pub failed: usize,
    /// Ones that left among them.
    pub left: usize,
    /// Health score, 0 is best.
    pub health_score: u32,
    /// The member clock.
    pub member_time: u64,
    /// The event clock.
    pub event_time: u64,
    /// The query clock.
    pub query_time: u64,
    /// News of members waiting to be sent: alive, suspect, dead.
    pub member_queue: usize,
    /// Intents waiting to be sent.
    pub intent_queue: usize,
    /// Events waiting to be sent.
    pub event_queue: usize,
    /// Queries waiting to be sent.
    pub query_queue: usize,
    /// Whether there is a keyring.
    pub encrypted: bool,
    /// How often the own coordinate had to start afresh; `None`: coordinates are off.
    pub coordinate_resets: Option<u64>,
}
