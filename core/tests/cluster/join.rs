//! Entering a cluster.

use std::net::{IpAddr, Ipv4Addr};

use tidings_core::{Command, CommandError, Config, MemberEventKind, Reply, Status, Tags, Time, Versions};

use crate::common::{Cluster, ms, secs};

#[test]
fn a_lone_node_is_its_own_member() {
    let mut cluster = Cluster::lan(1);
    cluster.run(secs(5));
    cluster.assert_converged();
    assert_eq!(cluster.heard_of(0, MemberEventKind::Join), ["n0"]);
    assert_eq!(cluster.net.packets, 0, "there is nobody to talk to");
}

#[test]
fn two_nodes_see_each_other_at_once() {
    let mut cluster = Cluster::with(2, |i, config| config.tags.insert("role", format!("r{i}")));
    let token = cluster.join(1, 0);
    let reply = cluster.answer(1, token);
    assert_eq!(reply, Ok(Reply::Joined { contacted: 1, failures: Vec::new() }));
    assert!(cluster.now <= Time::ZERO + ms(50), "a join takes a few round trips, not {}", cluster.now);
    cluster.run(ms(10));
    cluster.assert_converged();
    for (host, other) in [(0, "n1"), (1, "n0")] {
        cluster.assert_heard_once(&[host], MemberEventKind::Join, other);
        let member = cluster.member(host, other).unwrap();
        let mut tags = Tags::new();
        tags.insert("role", format!("r{}", 1 - host));
        assert_eq!(member.tags(), tags);
        assert_eq!(member.addr(), Cluster::address(1 - host));
        assert_eq!(member.identity().versions, Versions::ours(5));
        assert_eq!(member.incarnation(), 1);
    }
}

#[test]
fn every_member_is_announced_exactly_once() {
    for n in [2, 5, 30] {
        let mut cluster = Cluster::lan(n);
        for host in 1..n {
            cluster.join(host, host / 2);
            cluster.run(ms(30));
        }
        cluster.until_converged(secs(90));
        cluster.run(secs(40));
        cluster.assert_converged();
        let everybody: Vec<usize> = (0..n).collect();
        for host in 0..n {
            cluster.assert_heard_once(&everybody, MemberEventKind::Join, &format!("n{host}"));
        }
        for kind in [MemberEventKind::Failed, MemberEventKind::Leave, MemberEventKind::Reap] {
            cluster.assert_nobody_heard(kind);
        }
        cluster.run(secs(1));
    }
}

#[test]
fn exchanges_close_their_streams() {
    let mut cluster = Cluster::lan(5).joined();
    for _ in 0..20 {
        cluster.run(secs(10));
        cluster.until("no stream is open", secs(1), |c| c.hosts.iter().all(|h| h.streams.is_empty()));
    }
    cluster.assert_no_open_streams();
    assert!(cluster.hosts[0].node().metrics().push_pulls > 0);
}

#[test]
fn a_join_through_a_dead_address_says_so() {
    let mut cluster = Cluster::lan(2);
    let token = cluster.join_at(1, &["10.9.9.9:7946"]);
    let Err(CommandError::Join(failures)) = cluster.answer(1, token) else { panic!("it cannot work") };
    assert_eq!(failures.len(), 1);
    assert!(failures[0].address.contains("10.9.9.9:7946"), "{failures:?}");
    assert!(failures[0].reason.contains("connection refused"), "{failures:?}");
    assert_eq!(cluster.statuses(1).len(), 1);
}

#[test]
fn one_address_that_answers_is_enough() {
    let mut cluster = Cluster::lan(3);
    cluster.join(1, 0);
    cluster.run(secs(1));
    let addresses = ["10.9.9.9:7946", &Cluster::address(0).to_string(), &Cluster::address(1).to_string()];
    let token = cluster.join_at(2, &addresses);
    let Ok(Reply::Joined { contacted, failures }) = cluster.answer(2, token) else { panic!("it must work") };
    assert_eq!((contacted, failures.len()), (2, 1));
    cluster.run(secs(2));
    cluster.assert_converged();
}

#[test]
fn a_port_is_the_own_one_unless_given() {
    let mut cluster = Cluster::lan(2);
    let token = cluster.join_at(1, &["10.0.0.1"]);
    assert_eq!(cluster.answer(1, token), Ok(Reply::Joined { contacted: 1, failures: Vec::new() }));
}

#[test]
fn host_names_are_looked_up_and_all_their_addresses_tried() {
    let mut cluster = Cluster::lan(3);
    let ips = [0, 1, 7].map(|i| IpAddr::V4(Ipv4Addr::from(0x0a00_0001 + i)));
    cluster.net.names.insert("seeds.example".into(), ips.to_vec());
    let token = cluster.join_at(2, &["seeds.example:7946"]);
    let Ok(Reply::Joined { contacted, failures }) = cluster.answer(2, token) else { panic!("it must work") };
    assert_eq!((contacted, failures.len()), (2, 1));

    let token = cluster.join_at(2, &["nowhere.example"]);
    let Err(CommandError::Join(failures)) = cluster.answer(2, token) else { panic!("it cannot work") };
    assert!(failures[0].reason.contains("no such host"), "{failures:?}");
}

#[test]
fn a_name_before_the_address_is_taken_along() {
    let mut cluster = Cluster::lan(2);
    let token = cluster.join_at(1, &["n0/10.0.0.1:7946"]);
    assert_eq!(cluster.answer(1, token), Ok(Reply::Joined { contacted: 1, failures: Vec::new() }));
    cluster.run(secs(1));
    cluster.assert_converged();
}

#[test]
fn a_silent_seed_is_given_up_at_the_stream_deadline() {
    let mut cluster = Cluster::lan(2);
    cluster.net.partition(&[&[0], &[1]]);
    let token = cluster.join(1, 0);
    assert!(cluster.answer(1, token).is_err());
    let took = cluster.now.since(Time::ZERO);
    assert!(took >= secs(9) && took <= secs(11), "it took {took:?}");
}

#[test]
fn a_seed_that_dies_in_the_exchange_fails_the_join() {
    let mut cluster = Cluster::lan(2);
    let token = cluster.join(1, 0);
    cluster.run(ms(2));
    cluster.kill(0);
    assert!(matches!(cluster.answer(1, token), Err(CommandError::Join(_))));
    assert_eq!(cluster.statuses(1).len(), 1);
}

#[test]
fn joining_merges_two_clusters() {
    let mut cluster = Cluster::lan(6);
    for (host, seed) in [(1, 0), (2, 0), (4, 3), (5, 3)] {
        cluster.join(host, seed);
    }
    cluster.run(secs(5));
    assert_eq!(cluster.statuses(1).len(), 3);
    cluster.join(5, 1);
    // Gossip may miss somebody; push/pull does not.
    cluster.until_converged(secs(90));
}

#[test]
fn after_a_leave_there_is_no_way_back() {
    let mut cluster = Cluster::lan(2).joined();
    let token = cluster.leave(1);
    cluster.answer(1, token).unwrap();
    let token = cluster.join(1, 0);
    assert_eq!(cluster.answer(1, token), Err(CommandError::JoinAfterLeave));
}

#[test]
fn rejoining_tries_one_after_the_other_until_one_answers() {
    let mut cluster = Cluster::lan(3);
    let addresses = vec!["gone/10.9.9.9:7946".into(), "n0/10.0.0.1:7946".into(), "n1/10.0.0.2:7946".into()];
    let reply = cluster.ask(2, Command::Rejoin { addresses });
    assert!(matches!(reply, Ok(Reply::Joined { contacted: 1, .. })), "{reply:?}");
    cluster.run(secs(2));
    assert_eq!(cluster.statuses(2).len(), 2, "the first that answered was enough");
}

#[test]
fn ipv6_works_as_well() {
    let mut cluster = Cluster::with(4, |i, config| {
        config.advertise = format!("[2001:db8::{}]:7946", i + 1).parse().unwrap();
    });
    for host in 1..4 {
        cluster.join(host, 0);
    }
    cluster.until_converged(secs(90));
    cluster.kill(3);
    cluster.until("the failure is seen", secs(40), |c| {
        c.count(&[0, 1, 2], |c, h| c.status(h, "n3") == Some(Status::Failed)) == 3
    });
}

#[test]
fn the_other_profiles_work_as_well() {
    type Profile = fn(String, std::net::SocketAddr) -> Config;
    let profiles: [Profile; 2] =
        [|name, addr| Config::wan(name, addr), |name, addr| Config::local(name, addr)];
    for profile in profiles {
        let mut cluster = Cluster::with(5, |_, config| {
            *config = profile(config.name.clone(), config.advertise);
        });
        for host in 1..5 {
            cluster.join(host, 0);
        }
        cluster.until_converged(secs(200));
        cluster.kill(4);
        cluster.until("the failure is seen", secs(300), |c| {
            c.count(&[0, 1, 2, 3], |c, h| c.status(h, "n4") == Some(Status::Failed)) == 4
        });
    }
}
