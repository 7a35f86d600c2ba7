//! Many nodes that join through one seed.

use std::time::Duration;

use tidings_core::Config;

use super::{Cluster, Draw, ms};

/// A cluster too large to keep every event.
pub fn large(n: usize) -> Cluster {
    let mut cluster = Cluster::empty(n as u64);
    cluster.record_events = false;
    for i in 0..n {
        let mut config = Config::lan(format!("n{i}"), Cluster::address(i));
        config.hash_seed = Some(7);
        cluster.add(config);
    }
    cluster
}

/// All join through host 0, at random moments of the time `spread`; returns the virtual time from
/// the first join until every view holds everybody alive.
pub fn join_all(cluster: &mut Cluster, spread: Duration, within: Duration) -> Duration {
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
    while !cluster.full() {
        let took = cluster.now.since(start);
        assert!(took <= within, "after {took:?} {} views are not full", cluster.not_full());
        cluster.run(ms(50));
    }
    cluster.assert_converged();
    cluster.now.since(start)
}

impl Cluster {
    /// Whether every view holds as many members as there are hosts: the cheap half of converged.
    fn full(&self) -> bool {
        self.hosts.iter().all(|host| host.node().view().len() >= self.hosts.len())
    }

    fn not_full(&self) -> usize {
        self.hosts.iter().filter(|host| host.node().view().len() < self.hosts.len()).count()
    }
}
