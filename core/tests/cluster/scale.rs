//! Large clusters.

use crate::common::{Cluster, ms, secs, storm};

#[test]
fn a_thousand_join_through_one_seed_within_five_seconds() {
    let n = if cfg!(debug_assertions) { 100 } else { 1000 };
    let mut cluster = storm::large(1, n);
    storm::join_all(&mut cluster, secs(1));
    cluster.run(secs(4));
    // By gossip alone each pair has a chance of about one in 100,000 to miss each other; push/pull
    // finds those later.
    let missing = cluster.missing();
    assert!(missing <= 2 + n * n / 50_000, "{missing} members are missing in views");
    storm::fill_views(&mut cluster, secs(600));
    cluster.run(secs(1));
    assert_eq!(cluster.member_events, (n * n) as u64, "each member announced to each once");
}

#[test]
fn a_large_cluster_finds_a_crash() {
    let n = if cfg!(debug_assertions) { 60 } else { 300 };
    let mut cluster = storm::large(2, n);
    storm::join_all(&mut cluster, secs(1));
    storm::fill_views(&mut cluster, secs(600));
    cluster.run(secs(10));
    let before = cluster.member_events;
    cluster.kill(n - 1);
    cluster.until("nearly all know", secs(60), |c| c.member_events >= before + n as u64 - 3);
    // Push/pull tells whom gossip missed.
    cluster.run(secs(600));
    assert_eq!(cluster.member_events, before + n as u64 - 1, "one failure each, and nobody else");
    cluster.assert_converged();
}

#[test]
fn churn_settles() {
    let n = if cfg!(debug_assertions) { 24 } else { 100 };
    let mut cluster = Cluster::lan(n).joined();
    cluster.net.loss = 0.05;
    cluster.net.jitter = ms(20);
    for round in 0..20 {
        let host = 1 + (round * 7) % (n - 1);
        cluster.kill(host);
        cluster.run(ms(700));
        cluster.start(host);
        cluster.join(host, (host + 1) % n);
        cluster.run(ms(900));
    }
    cluster.net.loss = 0.0;
    // A join may have met a dead seed or lost its stream; whoever is alone asks again.
    for host in 0..n {
        if cluster.statuses(host).len() < 2 {
            cluster.join(host, 0);
        }
    }
    cluster.until_converged(secs(120));
}
