//! Many nodes that join through one seed.

use std::time::Duration;

use tidings_core::Config;

use super::{Cluster, Draw, ms};

/// A cluster too large to keep every event.
pub fn large(seed: u64, n: usize) -> Cluster {
    large_with(seed, n, |_| {})
}

/// As [`large`], of nodes configured a little differently.
pub fn large_with(seed: u64, n: usize, change: impl Fn(&mut Config)) -> Cluster {
    let mut cluster = Cluster::empty(seed);
    cluster.record_events = false;
    for i in 0..n {
        let mut config = Config::lan(format!("n{i}"), Cluster::address(i));
        config.hash_seed = Some(7);
        change(&mut config);
        cluster.add(config);
    }
    cluster
}

/// All join through host 0, at random moments of the time `spread`; runs until `spread` is over.
pub fn join_all(cluster: &mut Cluster, spread: Duration) {
    let n = cluster.hosts.len();
    let mut draw = Draw::new(n as u64);
    let mut moments: Vec<u64> = (1..n).map(|_| draw.below(spread.as_nanos() as u64)).collect();
    moments.sort_unstable();
    let start = cluster.now;
    for (i, moment) in moments.into_iter().enumerate() {
        let at = start + Duration::from_nanos(moment);
        cluster.run(at.since(cluster.now));
        cluster.join(i + 1, 0);
    }
    cluster.run((start + spread).since(cluster.now));
}

/// Runs until every view holds everybody; returns how long it took.
pub fn fill_views(cluster: &mut Cluster, within: Duration) -> Duration {
    let start = cluster.now;
    while cluster.missing() > 0 {
        let took = cluster.now.since(start);
        assert!(took <= within, "after {took:?} {} members are missing in views", cluster.missing());
        cluster.run(ms(50));
    }
    cluster.assert_converged();
    cluster.now.since(start)
}

impl Cluster {
    /// How many members are missing in all views together.
    pub fn missing(&self) -> usize {
        let n = self.hosts.len();
        self.hosts.iter().map(|host| n.saturating_sub(host.node().view().len())).sum()
    }
}
