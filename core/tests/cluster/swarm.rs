//! Random faults, then peace: whatever happened, the cluster heals. Each run leaves some kinds of
//! faults out, since faults can hide each other.
//!
//! Leaving is not among them; the simulator's mixed faults have it.

use std::collections::HashMap;

use tidings_core::{Incarnation, State};

use crate::common::{Cluster, Draw, ms, secs};

const HOSTS: usize = 7;

/// What a member's incarnation was while it was thought alive, by observer (and its life) and name.
type Seen = HashMap<(usize, u32, String), Incarnation>;

/// Nobody believes an older incarnation than before (unless SWIM forgot the member meanwhile), and
/// nobody doubts itself.
fn check(cluster: &Cluster, seen: &mut Seen) {
    for observer in cluster.living() {
        let host = &cluster.hosts[observer];
        let view = host.node().view();
        for member in view.iter() {
            let key = (observer, host.life, member.name().to_string());
            if !matches!(member.state(), State::Alive | State::Suspect) {
                seen.remove(&key);
                continue;
            }
            let before = seen.insert(key, member.incarnation()).unwrap_or(0);
            assert!(before <= member.incarnation(), "n{observer} went back from {before} to {member:?}");
        }
        let own = view.get(&host.config.name).expect("a node knows itself");
        assert_eq!(own.state(), State::Alive, "n{observer} believes that it is gone");
    }
}

fn fault(cluster: &mut Cluster, draw: &mut Draw, kind: u64) {
    let host = 1 + draw.below(HOSTS as u64 - 1) as usize;
    let running = cluster.hosts[host].node.is_some();
    let paused = cluster.hosts[host].paused.is_some();
    match kind {
        0 if running => cluster.kill(host),
        0 => {
            cluster.start(host);
            cluster.join(host, 0);
        }
        1 if paused => cluster.resume(host),
        1 if running => cluster.pause(host),
        2 => {
            let side: Vec<usize> = (0..HOSTS).filter(|_| draw.below(2) == 0).collect();
            cluster.net.partition(&[&side]);
        }
        3 => cluster.net.heal(),
        4 => cluster.net.block(host, draw.below(HOSTS as u64) as usize),
        5 => cluster.net.loss = draw.unit() * 0.4,
        6 => cluster.net.jitter = ms(draw.below(300)),
        7 if running && !paused => {
            cluster.set_tags(host, &[("turn", &draw.below(1000).to_string())]);
        }
        _ => {}
    }
}

fn make_peace(cluster: &mut Cluster) {
    cluster.net.heal();
    cluster.net.loss = 0.0;
    cluster.net.jitter = ms(1);
    for host in 0..HOSTS {
        if cluster.hosts[host].paused.is_some() {
            cluster.resume(host);
        }
        if cluster.hosts[host].node.is_none() {
            cluster.start(host);
        }
    }
    // Whoever never got in asks again; the others must find each other by themselves.
    for host in 1..HOSTS {
        if cluster.statuses(host).len() < 2 {
            cluster.join(host, 0);
        }
    }
}

fn swarm(seed: u64) {
    let mut cluster = Cluster::seeded(seed, HOSTS, |_, _| {}).joined();
    let mut draw = Draw::new(seed);
    let allowed = draw.u64() | 1;
    let mut seen = Seen::new();
    for _ in 0..60 {
        let kind = draw.below(8);
        if allowed >> kind & 1 == 1 {
            fault(&mut cluster, &mut draw, kind);
        }
        cluster.run(ms(draw.below(4000)));
        check(&cluster, &mut seen);
        cluster.assert_lawful_events();
    }
    make_peace(&mut cluster);
    // Reconnecting is tried every 30 s, by chance when few have failed.
    cluster.until_converged(secs(900));
    // A join still under way would take an event sent meanwhile for an old one.
    cluster.run(secs(15));
    cluster.until_converged(secs(900));
    check(&cluster, &mut Seen::new());
    cluster.event(3, "peace", b"");
    // Where gossip misses somebody, push/pull does not.
    cluster.until(&format!("all heard of it, seed {seed}"), secs(120), |c| {
        (0..HOSTS).all(|host| !c.user_events(host, "peace").is_empty())
    });
    cluster.run(secs(60));
    cluster.assert_lawful_events();
    for host in 0..HOSTS {
        assert_eq!(cluster.user_events(host, "peace").len(), 1, "seed {seed}, n{host}");
    }
    cluster.assert_converged();
}

#[test]
fn the_cluster_heals_whatever_happened() {
    let seeds = if cfg!(debug_assertions) { 10 } else { 60 };
    // More on request, to look for trouble: `SWARM_SEEDS=1000`.
    let seeds = std::env::var("SWARM_SEEDS").map_or(seeds, |n| n.parse().expect("a number"));
    for seed in 0..seeds {
        swarm(seed);
    }
}
