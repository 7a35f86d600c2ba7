//! What one agent registers, all others come to know: whole clusters in virtual time.

mod common;

use common::{Cluster, ms, secs};
use tidings_core::registry::check::{Check, Health};
use tidings_core::registry::command::{Erase, Erased, RegistryCommand, RegistryError, Write};
use tidings_core::registry::node::NodeInfo;
use tidings_core::registry::service::Service;
use tidings_core::{Command, CommandError, Config, Event, Reply, Status};

fn with_registry(config: &mut Config) {
    config.registry.enabled = true;
    config.registry.generation = 1;
}

/// Joined members that all keep a registry.
fn cluster(n: usize) -> Cluster {
    Cluster::with(n, |_, config| with_registry(config)).joined()
}

fn web(tag: &str) -> Service {
    Service { name: "web".into(), port: 80, tags: [tag.into()].into(), ..Service::default() }
}

fn write(cluster: &mut Cluster, host: usize, command: RegistryCommand) {
    let reply = cluster.ask(host, Command::Registry(Box::new(command)));
    assert_eq!(reply, Ok(Reply::Done));
}

fn register(cluster: &mut Cluster, host: usize, id: &str, service: Service) {
    let command = RegistryCommand::Register { id: id.into(), service, checks: vec![], replace_checks: false };
    write(cluster, host, command);
}

fn deregister(cluster: &mut Cluster, host: usize, id: &str) {
    write(cluster, host, RegistryCommand::Deregister(id.into()));
}

/// The instances of services that a host knows of: owner, ID and first tag.
fn instances(cluster: &Cluster, host: usize) -> Vec<(String, String, String)> {
    let view = cluster.hosts[host].node().registry();
    let mut found: Vec<_> = view
        .records()
        .iter()
        .filter_map(|record| {
            let tag = record.service()?.tags.first().map_or("", |tag| tag);
            Some((record.key().owner.to_string(), record.key().id.to_string(), tag.to_string()))
        })
        .collect();
    found.sort();
    found
}

fn knows(cluster: &Cluster, host: usize, owner: &str, id: &str, tag: &str) -> bool {
    instances(cluster, host).contains(&(owner.into(), id.into(), tag.into()))
}

/// Whether these hold the same records.
fn agree(cluster: &Cluster, hosts: &[usize]) -> bool {
    let digest = |host: &usize| cluster.hosts[*host].node().registry().records().digest();
    hosts.iter().all(|host| digest(host) == digest(&hosts[0]))
}

fn all(cluster: &Cluster) -> Vec<usize> {
    (0..cluster.hosts.len()).collect()
}

fn syncs(cluster: &Cluster) -> u64 {
    cluster.hosts.iter().map(|host| host.node().metrics().registry_syncs).sum()
}

#[test]
fn a_change_reaches_all_by_gossip() {
    for n in [2, 5, 40] {
        let mut cluster = cluster(n);
        // What the joins had to tell has been told.
        cluster.run(secs(120));
        assert!(agree(&cluster, &all(&cluster)), "{n} members");
        let before = syncs(&cluster);
        for (id, tag) in [("a", "v1"), ("a", "v2"), ("b", "v1")] {
            register(&mut cluster, n - 1, id, web(tag));
            let owner = format!("n{}", n - 1);
            let took =
                cluster.until("all know it", secs(2), |c| (0..n).all(|host| knows(c, host, &owner, id, tag)));
            println!("{n} members: {took:?}");
        }
        deregister(&mut cluster, n - 1, "a");
        cluster
            .until("all know that it is gone", secs(2), |c| (0..n).all(|host| instances(c, host).len() == 1));
        assert_eq!(syncs(&cluster), before, "nobody had to ask");
    }
}

#[test]
fn two_that_register_in_the_same_moment_both_appear() {
    let mut cluster = cluster(10);
    for host in [2, 7] {
        register(&mut cluster, host, "app", web("v1"));
    }
    cluster.until("all know both", secs(2), |c| {
        (0..10).all(|host| ["n2", "n7"].iter().all(|owner| knows(c, host, owner, "app", "v1")))
    });
}

#[test]
fn members_without_a_registry_hear_nothing_of_it() {
    // One in four keeps a registry; then only two of thirty.
    for (n, keeps) in [(12, 4), (30, 15)] {
        let marked = |i: usize| i.is_multiple_of(keeps);
        let mut cluster = Cluster::with(n, |i, config| {
            if marked(i) {
                with_registry(config);
            }
        })
        .joined();
        cluster.run(secs(60));
        register(&mut cluster, 0, "a", web("v1"));
        cluster.until("those with a registry know it", secs(3), |c| {
            (0..n).filter(|i| marked(*i)).all(|i| knows(c, i, "n0", "a", "v1"))
        });
        cluster.run(secs(60));
        for i in 0..n {
            let metrics = cluster.hosts[i].node().metrics();
            assert_eq!(metrics.refused, 0, "n{i} was told what it does not understand");
            assert_eq!(cluster.hosts[i].node().registry().records().is_empty(), !marked(i));
        }
        cluster.assert_converged();
    }
}

#[test]
fn a_newcomer_knows_everything_at_once() {
    let mut cluster = Cluster::with(6, |_, config| with_registry(config));
    for host in 1..5 {
        cluster.join(host, 0);
    }
    cluster.run(secs(10));
    for host in 0..5 {
        for i in 0..100 {
            register(&mut cluster, host, &format!("i{i}"), web("v1"));
        }
    }
    deregister(&mut cluster, 3, "i50");
    cluster.until("they agree", secs(60), |c| agree(c, &[0, 1, 2, 3, 4]));
    register(&mut cluster, 5, "its own", web("v1"));
    let before = cluster.hosts[5].node().metrics().registry_syncs;
    cluster.join(5, 0);
    cluster.until("it knows everything", secs(1), |c| instances(c, 5).len() == 500);
    assert_eq!(cluster.hosts[5].node().metrics().registry_syncs, before + 1, "in one talk");
    cluster
        .until("it is known to all", secs(3), |c| (0..5).all(|host| knows(c, host, "n5", "its own", "v1")));
}

#[test]
fn what_is_too_large_for_a_datagram_is_fetched() {
    let mut cluster = cluster(12);
    cluster.run(secs(120));
    let before = syncs(&cluster);
    for size in [1_200, 1_500, 20_000, 100_000] {
        let id = format!("of {size} bytes");
        register(&mut cluster, 4, &id, web(&"x".repeat(size)));
        let took = cluster.until("all know it", secs(3), |c| {
            (0..12).all(|host| knows(c, host, "n4", &id, &"x".repeat(size)))
        });
        println!("{size} bytes: {took:?}");
    }
    assert_eq!(syncs(&cluster), before, "nobody had to ask");
    // A change and the end of it travel as well.
    register(&mut cluster, 4, "of 20000 bytes", web(&"y".repeat(20_000)));
    deregister(&mut cluster, 4, "of 100000 bytes");
    cluster.until("all know the change", secs(3), |c| {
        (0..12).all(|host| {
            knows(c, host, "n4", "of 20000 bytes", &"y".repeat(20_000)) && instances(c, host).len() == 3
        })
    });
}

#[test]
fn after_a_partition_both_sides_know_what_happened_on_the_other() {
    let mut cluster = cluster(8);
    for host in 0..8 {
        register(&mut cluster, host, "first", web("v1"));
    }
    cluster.until("they agree", secs(60), |c| agree(c, &all(c)));
    let (left, right) = ([0, 1, 2, 3], [4, 5, 6, 7]);
    cluster.net.partition(&[&left, &right]);
    cluster.run(secs(120));
    deregister(&mut cluster, 0, "first");
    register(&mut cluster, 1, "first", web("v2"));
    register(&mut cluster, 6, "second", web("v1"));
    deregister(&mut cluster, 7, "first");
    cluster.run(secs(30));
    assert!(knows(&cluster, 5, "n0", "first", "v1"), "the other side cannot know");
    cluster.net.heal();
    cluster.until_converged(secs(240));
    let took = cluster.until("they agree", secs(60), |c| agree(c, &all(c)));
    println!("agreed {took:?} after the members did");
    for host in 0..8 {
        assert_eq!(instances(&cluster, host).len(), 7, "n{host}");
        assert!(knows(&cluster, host, "n1", "first", "v2") && knows(&cluster, host, "n6", "second", "v1"));
    }
}

#[test]
fn who_starts_again_without_memory_takes_back_what_it_said() {
    let mut cluster = cluster(6);
    register(&mut cluster, 3, "old", web("v1"));
    cluster.until("all know it", secs(2), |c| (0..6).all(|host| knows(c, host, "n3", "old", "v1")));
    cluster.kill(3);
    cluster.run(secs(60));
    assert!(knows(&cluster, 0, "n3", "old", "v1"), "records of the failed are kept");
    cluster.hosts[3].config.registry.generation = 2;
    cluster.start(3);
    cluster.join(3, 0);
    register(&mut cluster, 3, "new", web("v1"));
    cluster.until("the old is gone and the new is known", secs(10), |c| {
        (0..6).all(|host| !knows(c, host, "n3", "old", "v1") && knows(c, host, "n3", "new", "v1"))
    });
    cluster.run(secs(60));
    assert!(agree(&cluster, &all(&cluster)));
}

#[test]
fn with_a_member_that_is_forgotten_goes_what_it_said() {
    let mut cluster = cluster(5);
    register(&mut cluster, 2, "a", web("v1"));
    cluster.until("all know it", secs(2), |c| (0..5).all(|host| knows(c, host, "n2", "a", "v1")));
    cluster.kill(2);
    let rest = [0, 1, 3, 4];
    cluster.until("it has failed", secs(60), |c| {
        rest.iter().all(|host| c.status(*host, "n2") == Some(Status::Failed))
    });
    assert!(knows(&cluster, 0, "n2", "a", "v1"), "it may come back");
    let token = cluster.force_leave(0, "n2", true);
    cluster.answer(0, token).unwrap();
    cluster.until("it is gone", secs(30), |c| rest.iter().all(|host| instances(c, *host).is_empty()));
    assert!(agree(&cluster, &rest));
}

#[test]
fn of_two_claims_of_one_node_all_see_the_later_one() {
    let mut cluster = cluster(6);
    let claim = |address: &str| {
        RegistryCommand::Write(Write {
            node: "printer".into(),
            info: Some(NodeInfo { address: address.into(), ..NodeInfo::default() }),
            ..Write::default()
        })
    };
    write(&mut cluster, 1, claim("10.9.9.1"));
    cluster.run(secs(2));
    write(&mut cluster, 4, claim("10.9.9.4"));
    let claims = |cluster: &Cluster, host: usize| -> Vec<String> {
        let registry = cluster.hosts[host].node().registry();
        let about = registry.records().iter().filter(|record| &*record.key().node == "printer");
        about.map(|record| record.key().owner.to_string()).collect()
    };
    cluster.until("one claim stands", secs(5), |c| (0..6).all(|host| claims(c, host) == ["n4"]));
    let lost = Event::NodeClaimLost { node: "printer".into(), to: "n4".into() };
    assert!(cluster.hosts[1].events.iter().any(|(_, event)| *event == lost));
}

/// What the catalog is asked about a member.
fn about(node: &str, service: Option<&str>, check: Option<&str>) -> RegistryCommand {
    let info = Some(NodeInfo { address: "192.0.2.1".into(), ..NodeInfo::default() });
    let service = service.map(|id| (id.into(), web("written")));
    let checks = check.map(|id| (id.into(), Check { name: id.into(), ..Check::default() }));
    RegistryCommand::Write(Write { node: node.into(), info, service, checks: checks.into_iter().collect() })
}

fn refusal(cluster: &mut Cluster, host: usize, command: RegistryCommand) -> RegistryError {
    match cluster.ask(host, Command::Registry(Box::new(command))) {
        Err(CommandError::Registry(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_catalog_write_about_another_agent_is_that_agents_to_decide() {
    let mut cluster = cluster(5);
    cluster.run(secs(10));
    write(&mut cluster, 1, about("n3", Some("s"), Some("c")));
    assert!(knows(&cluster, 3, "n3", "s", "written"), "it is in force when the client is told so");
    assert_eq!(cluster.hosts[3].node().check("c").unwrap().status, Health::Critical);
    cluster.until("all know it", secs(3), |c| (0..5).all(|host| knows(c, host, "n3", "s", "written")));
    let error = refusal(&mut cluster, 1, about("n3", None, Some("serfHealth")));
    assert_eq!(
        error,
        RegistryError::Refused(
            "check \"serfHealth\" is probed by its agent: its state cannot be written".into()
        )
    );
    let erase = |what| RegistryCommand::Erase(Erase { node: "n3".into(), what });
    write(&mut cluster, 2, erase(Erased::Check("c".into())));
    write(&mut cluster, 2, erase(Erased::Service("s".into())));
    assert_eq!(instances(&cluster, 3), []);
    let error = refusal(&mut cluster, 2, erase(Erased::Node));
    assert_eq!(
        error,
        RegistryError::Refused("node \"n3\" is an agent, and alive: it goes when it leaves".into())
    );
    let metrics = cluster.hosts.iter().map(|host| host.node().metrics().refused).sum::<u64>();
    assert_eq!(metrics, 0);
}

#[test]
fn a_catalog_write_that_nobody_can_decide_says_why() {
    let mut cluster = Cluster::with(4, |i, config| {
        if i != 3 {
            with_registry(config);
        }
    })
    .joined();
    cluster.run(secs(10));
    assert_eq!(
        refusal(&mut cluster, 0, about("n3", Some("s"), None)),
        RegistryError::NoRegistry("n3".into())
    );
    cluster.net.partition(&[&[0, 1, 3], &[2]]);
    let error = refusal(&mut cluster, 0, about("n2", Some("s"), None));
    assert!(matches!(error, RegistryError::NotForwarded(ref node, _) if node == "n2"), "{error}");
    cluster.run(secs(60));
    assert_eq!(refusal(&mut cluster, 0, about("n2", Some("s"), None)), RegistryError::NotAlive("n2".into()));
    let big = "x".repeat(200_000);
    let command = RegistryCommand::Write(Write {
        node: "n1".into(),
        service: Some(("s".into(), web(&big))),
        ..Write::default()
    });
    assert!(
        matches!(refusal(&mut cluster, 0, command), RegistryError::Refused(_)),
        "that agent takes no more either"
    );
    for host in 0..4 {
        assert_eq!(instances(&cluster, host), [], "n{host}");
    }
}

#[test]
fn many_changes_at_once_reach_all_though_gossip_cannot_carry_them() {
    let mut cluster = Cluster::with(8, |_, config| {
        with_registry(config);
        config.queues.depth_max = 64;
    })
    .joined();
    for i in 0..1_000 {
        register(&mut cluster, 5, &format!("i{i}"), web("v1"));
    }
    let took = cluster.until("all know all", secs(30), |c| agree(c, &all(c)));
    println!("1,000 changes: {took:?}");
    assert_eq!(instances(&cluster, 0).len(), 1_000);
}

#[test]
fn lost_packets_lose_nothing() {
    let mut cluster = cluster(10);
    cluster.net.loss = 0.3;
    cluster.net.jitter = ms(20);
    for host in 0..10 {
        register(&mut cluster, host, "a", web("v1"));
        register(&mut cluster, host, "b", web("v1"));
        deregister(&mut cluster, host, "a");
    }
    cluster.net.loss = 0.0;
    cluster.until("they agree", secs(120), |c| agree(c, &all(c)));
    assert_eq!(instances(&cluster, 0).len(), 10);
}

#[test]
fn encrypted_and_labelled_members_talk_as_well() {
    let mut cluster = Cluster::with(4, |_, config| {
        with_registry(config);
        config.security.keys = vec![vec![7; 16].into()];
        config.security.label = "blue".into();
    })
    .joined();
    for i in 0..50 {
        register(&mut cluster, 1, &format!("i{i}"), web(&"x".repeat(2_000)));
    }
    cluster.until("they agree", secs(30), |c| agree(c, &all(c)));
    assert_eq!(instances(&cluster, 3).len(), 50);
    assert!(cluster.hosts.iter().all(|host| host.node().metrics().refused == 0));
    cluster.run(secs(20));
    cluster.assert_no_open_streams();
}
