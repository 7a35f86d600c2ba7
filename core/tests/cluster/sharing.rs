//! Nodes of one process share views and the states they send: it must make no difference.

use tidings_core::{Config, Metrics};

use crate::common::{Cluster, Fnv, ms, secs};

/// Joins, a crash, a leave, a partition, a member with other versions, tags, events; frequent
/// exchanges of state, also while members are suspected.
fn story(seed: u64, sharing: bool, edit: impl Fn(usize, &mut Config)) -> Cluster {
    let mut cluster = Cluster::seeded(seed, 24, |host, config| {
        config.push_pull.interval = Some(secs(1));
        config.trace = true;
        config.snapshot = host % 3 == 0;
        edit(host, config);
    });
    cluster.sharing = sharing;
    cluster.hashed = true;
    cluster.net.jitter = ms(2);
    for host in 1..24 {
        cluster.join(host, host / 2);
        cluster.run(ms(40));
    }
    cluster.run(secs(5));
    cluster.event(3, "deploy", b"v1");
    cluster.set_tags(5, &[("role", "db")]);
    cluster.kill(7);
    cluster.run(secs(20));
    cluster.leave(8);
    cluster.event(4, "deploy", b"v2");
    cluster.run(secs(10));
    let (one, other): (Vec<usize>, Vec<usize>) = (0..24).partition(|host| *host < 9);
    cluster.net.partition(&[&one, &other]);
    cluster.run(secs(15));
    cluster.net.heal();
    cluster.start(7);
    cluster.join(7, 20);
    cluster.run(secs(40));
    cluster
}

fn told(cluster: &Cluster) -> (Fnv, Vec<Metrics>) {
    let living = cluster.hosts.iter().filter_map(|host| host.node.as_ref());
    (cluster.digest, living.map(|node| node.metrics().clone()).collect())
}

fn makes_no_difference(edit: impl Fn(usize, &mut Config) + Copy) {
    for seed in 1..4 {
        let (shared, alone) = (story(seed, true, edit), story(seed, false, edit));
        let exchanges: u64 =
            shared.hosts.iter().flat_map(|host| &host.node).map(|node| node.metrics().push_pulls).sum();
        assert!(exchanges > 1000, "{exchanges}: too few for a proof");
        assert_eq!(told(&shared), told(&alone), "seed {seed}");
    }
}

#[test]
fn sharing_makes_no_difference_to_what_nodes_do() {
    makes_no_difference(|_, _| {});
}

#[test]
fn sharing_makes_no_difference_among_nodes_of_several_configurations() {
    makes_no_difference(|host, config| {
        config.packet.compression = host % 2 == 0;
        config.protocol = 2 + (host % 4) as u8;
        config.events.buffer = if host % 5 == 0 { 16 } else { 512 };
        if host % 4 == 1 {
            config.stream.message_max = 3000;
        }
    });
}

#[test]
fn sharing_makes_no_difference_to_encrypted_and_labelled_nodes() {
    makes_no_difference(|host, config| {
        config.security.label = "blue".into();
        if host % 2 == 0 {
            config.security.keys = vec![bytes::Bytes::from_static(&[7; 16])];
            config.security.verify_incoming = false;
            config.security.verify_outgoing = host % 4 == 0;
        }
    });
}
