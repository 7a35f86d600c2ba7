//! The metrics dump of SIGUSR1, in the original's text form (serf-agent, section 6).

use std::fmt::Write as _;

use tidings_core::Metrics;

use super::Agent;

impl Agent {
    /// What the agent has counted since its start, one line each.
    pub(super) async fn metrics(&self) -> String {
        let node = self.control.node();
        let core = node.metrics().await.unwrap_or_default();
        let stats = node.stats().await.unwrap_or_default();
        let (accepted, commands) = self.server.counters();
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let now = chrono::Utc::now().format("%Y-%m-%d %H:%M:%S +0000 UTC");

        let mut text = String::new();
        let gauges = [
            ("runtime.num_goroutines", tasks),
            ("memberlist.health.score", stats.health_score as usize),
            ("serf.queue.Intent", stats.intent_queue),
            ("serf.queue.Event", stats.event_queue),
            ("serf.queue.Query", stats.query_queue),
        ];
        for (name, value) in gauges {
            writeln!(text, "[{now}][G] 'serf-agent.{host}.{name}': {value}.000").expect("strings take all");
        }
        let own = [("agent.ipc.accept", accepted), ("agent.ipc.command", commands)];
        let counters = own.into_iter().chain(core_counters(&core)).map(|(name, n)| (name, n, n));
        for (name, count, sum) in counters.chain(core_sums(&core)).filter(|(_, count, _)| *count > 0) {
            writeln!(text, "[{now}][C] 'serf-agent.{name}': Count: {count} Sum: {sum}.000")
                .expect("strings take all");
        }
        text
    }
}

/// The core's counters under the original's names.
pub(crate) fn core_counters(core: &Metrics) -> impl Iterator<Item = (&'static str, u64)> {
    [
        ("memberlist.gossip", core.gossip_packets),
        ("memberlist.probeNode", core.probes),
        ("memberlist.pushPullNode", core.push_pulls),
        ("memberlist.msg.alive", core.alive_in),
        ("memberlist.msg.suspect", core.suspect_in),
        ("memberlist.msg.dead", core.dead_in),
        ("memberlist.tcp.accept", core.streams_accepted),
        ("memberlist.tcp.connect", core.streams_dialled),
        ("memberlist.refused", core.refused),
        ("serf.member.join", core.members_joined),
        ("serf.member.left", core.members_left),
        ("serf.member.failed", core.members_failed),
        ("serf.member.update", core.members_updated),
        ("serf.member.flap", core.members_flapped),
        ("serf.events", core.events),
        ("serf.queries", core.queries),
        ("serf.query_acks", core.query_acks),
        ("serf.query_responses", core.query_responses),
        ("serf.query_duplicate_acks", core.query_duplicate_acks),
        ("serf.query_duplicate_responses", core.query_duplicate_responses),
        ("serf.coordinate.rejected", core.coordinates_rejected),
    ]
    .into_iter()
}

/// Those that sum up bytes: name, how often, bytes.
pub(crate) fn core_sums(core: &Metrics) -> impl Iterator<Item = (&'static str, u64, u64)> {
    let streams = core.streams_accepted + core.streams_dialled;
    [
        ("memberlist.udp.sent", core.datagrams_out, core.datagram_bytes_out),
        ("memberlist.udp.received", core.datagrams_in, core.datagram_bytes_in),
        ("memberlist.tcp.sent", streams, core.stream_bytes_out),
    ]
    .into_iter()
}
