//! What the agent has counted, as JSON and for Prometheus (consul-http, section 3).

use std::fmt::Write as _;

use http::StatusCode;
use serde_json::{Value, json};

use super::Site;
use super::answer::{Answer, Body};
use super::params::Params;
use crate::agent::{core_counters, core_sums};

/// What stands before each name.
const PREFIX: &str = "tidings";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything at one moment, by name.
struct Counted {
    gauges: Vec<(&'static str, u64)>,
    /// How often, and the sum.
    counters: Vec<(&'static str, u64, u64)>,
}

impl Counted {
    async fn now(site: &Site) -> Counted {
        let node = site.control.node();
        let core = node.metrics().await.unwrap_or_default();
        let stats = node.stats().await.unwrap_or_default();
        let (nodes, instances) = {
            let catalog = site.directory.catalog();
            (catalog.nodes().count() as u64, catalog.instances() as u64)
        };
        let gauges = vec![
            ("memberlist.health.score", u64::from(stats.health_score)),
            ("serf.members", stats.members as u64),
            ("serf.members.failed", stats.failed as u64),
            ("serf.members.left", stats.left as u64),
            ("serf.queue.Intent", stats.intent_queue as u64),
            ("serf.queue.Event", stats.event_queue as u64),
            ("serf.queue.Query", stats.query_queue as u64),
            ("catalog.nodes", nodes),
            ("catalog.instances", instances),
        ];
        let counters = core_counters(&core).chain(site.dns_counts.named()).map(|(name, n)| (name, n, n));
        let counters = counters.chain(core_sums(&core)).collect();
        Counted { gauges, counters }
    }
}

pub(super) async fn metrics(site: &Site, params: &Params) -> Answer {
    if params.get("format") == Some("prometheus") {
        return prometheus(site).await;
    }
    let Counted { gauges, counters } = Counted::now(site).await;
    let gauge = |(name, value): &(&str, u64)| json!({ "Name": format!("{PREFIX}.{name}"), "Value": value, "Labels": {} });
    let counter = |(name, count, sum): &(&str, u64, u64)| json!({ "Name": format!("{PREFIX}.{name}"), "Count": count, "Sum": sum, "Labels": {} });
    let timestamp = chrono::Utc::now().format("%Y-%m-%d %H:%M:%S +0000 UTC").to_string();
    Answer::json(json!({
        "Timestamp": timestamp,
        "Gauges": gauges.iter().map(gauge).collect::<Value>(),
        "Points": [],
        "Counters": counters.iter().map(counter).collect::<Value>(),
        "Samples": [],
    }))
}

pub(super) async fn prometheus(site: &Site) -> Answer {
    let Counted { gauges, counters } = Counted::now(site).await;
    let mut text = String::new();
    let mut write = |name: &str, kind: &str, value: u64| {
        let name = format!("{PREFIX}_{}", name.replace(['.', '-'], "_"));
        writeln!(text, "# HELP {name} {name}\n# TYPE {name} {kind}\n{name} {value}")
            .expect("strings take all");
    };
    gauges.iter().for_each(|(name, value)| write(name, "gauge", *value));
    counters.iter().for_each(|(name, _, sum)| write(name, "counter", *sum));
    Answer::new(StatusCode::OK, Body::Other(PROMETHEUS, text.into()))
}
