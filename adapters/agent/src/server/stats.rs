//! The groups of `stats` (serf-agent, section 2.4).

use std::collections::BTreeMap;

use tidings_client::protocol::StatsResponse;
use tidings_core::Stats;

use super::Shared;

/// Everything `stats` tells.
pub(super) fn response(shared: &Shared, stats: &Stats) -> StatsResponse {
    let node = shared.control.node();
    let agent = group([("name", node.config().name.clone())]);
    let handlers =
        shared.handlers.iter().map(|entry| (entry.filter.to_string(), entry.script.clone())).collect();
    let view = node.view();
    let own = view.get(&node.config().name);
    let tags = own
        .map(|member| member.tags().iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
    BTreeMap::from([
        ("agent".to_owned(), agent),
        ("event_handlers".to_owned(), handlers),
        ("runtime".to_owned(), runtime()),
        ("serf".to_owned(), serf(stats)),
        ("tags".to_owned(), tags.unwrap_or_default()),
    ])
}

/// The original's names; what it counts as goroutines are tasks here.
fn runtime() -> BTreeMap<String, String> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    let metrics = tokio::runtime::Handle::current().metrics();
    group([
        ("os", if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS }.to_owned()),
        ("arch", arch().to_owned()),
        ("version", format!("tidings {}", env!("CARGO_PKG_VERSION"))),
        ("max_procs", metrics.num_workers().to_string()),
        ("goroutines", metrics.num_alive_tasks().to_string()),
        ("cpu_count", cpus),
    ])
}

/// The processor's name as Go writes it.
const fn arch() -> &'static str {
    if cfg!(target_arch = "x86_64") {
        "amd64"
    } else if cfg!(target_arch = "aarch64") {
        "arm64"
    } else if cfg!(target_arch = "x86") {
        "386"
    } else {
        std::env::consts::ARCH
    }
}

fn serf(stats: &Stats) -> BTreeMap<String, String> {
    let mut out = group([
        ("members", stats.members.to_string()),
        ("failed", stats.failed.to_string()),
        ("left", stats.left.to_string()),
        ("health_score", stats.health_score.to_string()),
        ("member_time", stats.member_time.to_string()),
        ("event_time", stats.event_time.to_string()),
        ("query_time", stats.query_time.to_string()),
        ("intent_queue", stats.intent_queue.to_string()),
        ("event_queue", stats.event_queue.to_string()),
        ("query_queue", stats.query_queue.to_string()),
        ("encrypted", stats.encrypted.to_string()),
    ]);
    if let Some(resets) = stats.coordinate_resets {
        out.insert("coordinate_resets".to_owned(), resets.to_string());
    }
    out
}

fn group<const N: usize>(entries: [(&str, String); N]) -> BTreeMap<String, String> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
