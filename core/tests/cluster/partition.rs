//! Partitions, restarts and addresses that change hands.

use tidings_core::{Event, MemberEventKind, State, Status};

use crate::common::{Cluster, ms, secs};

fn sees_failed(cluster: &Cluster, hosts: &[usize], name: &str) -> bool {
    hosts.iter().all(|h| cluster.status(*h, name) == Some(Status::Failed))
}

#[test]
fn both_sides_of_a_partition_give_each_other_up_and_find_each_other_again() {
    let mut cluster = Cluster::lan(6).joined();
    let (left, right) = ([0, 1, 2], [3, 4, 5]);
    cluster.net.partition(&[&left, &right]);
    cluster.until("each side has given the other up", secs(90), |c| {
        right.iter().all(|h| sees_failed(c, &left, &format!("n{h}")))
            && left.iter().all(|h| sees_failed(c, &right, &format!("n{h}")))
    });
    // Longer than the dead are told of themselves: only reconnecting can heal it.
    cluster.run(secs(60));
    cluster.net.heal();
    cluster.forget_events();
    cluster.until_converged(secs(240));
    cluster.run(secs(60));
    cluster.assert_converged();
    for a in left {
        for b in right {
            cluster.assert_heard_once(&[a], MemberEventKind::Join, &format!("n{b}"));
            cluster.assert_heard_once(&[b], MemberEventKind::Join, &format!("n{a}"));
        }
    }
    cluster.assert_nobody_heard(MemberEventKind::Failed);
}

#[test]
fn one_forced_out_while_unreachable_comes_back() {
    for seed in 0..100 {
        let mut cluster = Cluster::seeded(seed, 6, |_, _| {}).joined();
        cluster.net.partition(&[&[5]]);
        let rest = [0, 1, 2, 3, 4];
        cluster.until("it has failed", secs(60), |c| sees_failed(c, &rest, "n5"));
        let token = cluster.force_leave(0, "n5", false);
        cluster.answer(0, token).unwrap();
        cluster.run(secs(60));
        cluster.assert_status(&rest, "n5", Some(Status::Left));
        cluster.net.heal();
        // Nobody dials one that left; n5 dials those it thinks failed.
        cluster.until_converged(secs(300));
        cluster.run(secs(120));
        cluster.assert_converged();
    }
}

#[test]
fn events_of_the_other_side_arrive_after_the_partition() {
    let mut cluster = Cluster::lan(6).joined();
    cluster.net.partition(&[&[0, 1, 2]]);
    cluster.run(secs(60));
    cluster.event(0, "meanwhile", b"");
    cluster.run(secs(5));
    assert!(cluster.user_events(4, "meanwhile").is_empty());
    cluster.net.heal();
    cluster.until("the event is everywhere", secs(300), |c| {
        (0..6).all(|h| c.user_events(h, "meanwhile").len() == 1)
    });
}

#[test]
fn a_short_partition_fails_nobody() {
    let mut cluster = Cluster::lan(6).joined();
    for _ in 0..5 {
        cluster.net.partition(&[&[0, 1, 2]]);
        cluster.run(secs(2));
        cluster.net.heal();
        cluster.run(secs(20));
    }
    cluster.assert_nobody_heard(MemberEventKind::Failed);
    cluster.assert_converged();
}

#[test]
fn reconnecting_is_announced() {
    let mut cluster = Cluster::lan(2).joined();
    cluster.kill(1);
    cluster.run(secs(120));
    let tried = cluster.hosts[0].events.iter();
    let tried = tried.filter(|(_, e)| matches!(e, Event::Reconnecting { member } if member.name() == "n1"));
    assert!(tried.count() >= 2, "one of one failed is always tried, every 30 s");
}

#[test]
fn a_restart_before_anybody_notices_is_no_failure() {
    let mut cluster = Cluster::lan(5).joined();
    cluster.kill(4);
    cluster.run(ms(300));
    cluster.start(4);
    cluster.join(4, 1);
    cluster.run(secs(30));
    cluster.assert_converged();
    cluster.assert_nobody_heard(MemberEventKind::Failed);
}

#[test]
fn a_restart_outbids_what_the_others_remember() {
    let mut cluster = Cluster::lan(4).joined();
    for round in 1..=3 {
        cluster.kill(3);
        cluster.until("it has failed", secs(60), |c| sees_failed(c, &[0, 1, 2], "n3"));
        let before = cluster.member(0, "n3").unwrap().incarnation();
        cluster.forget_events();
        cluster.start(3);
        assert_eq!(cluster.member(3, "n3").unwrap().incarnation(), 1, "it does not remember");
        cluster.join(3, 0);
        cluster.until_converged(secs(10));
        cluster.run(secs(5));
        for host in 0..4 {
            let member = cluster.member(host, "n3").unwrap();
            assert!(member.incarnation() > before, "round {round} at n{host}: {member:?}");
        }
        cluster.assert_heard_once(&[0, 1, 2], MemberEventKind::Join, "n3");
    }
}

#[test]
fn a_restart_with_other_tags_is_an_update() {
    let mut cluster = Cluster::lan(4).joined();
    cluster.kill(3);
    cluster.hosts[3].config.tags.insert("version", "2");
    cluster.start(3);
    cluster.join(3, 0);
    cluster.run(secs(10));
    cluster.assert_converged();
    let tags = cluster.hosts[3].config.tags.clone();
    for host in 0..4 {
        assert_eq!(cluster.member(host, "n3").unwrap().tags(), tags, "n{host}");
    }
    cluster.assert_heard_once(&[0, 1, 2], MemberEventKind::Update, "n3");
}

/// Restarts host 3 of 4 at another address, after `end` ended its earlier life.
fn moved(end: impl Fn(&mut Cluster), edit: impl Fn(&mut tidings_core::Config)) -> Cluster {
    let mut cluster = Cluster::with(4, |_, config| edit(config)).joined();
    end(&mut cluster);
    cluster.hosts[3].config.advertise = Cluster::address(77);
    cluster.forget_events();
    cluster.start(3);
    cluster.join(3, 0);
    cluster.run(secs(10));
    cluster
}

#[test]
fn one_that_left_may_return_at_another_address() {
    let cluster = moved(
        |c| {
            let token = c.leave(3);
            c.answer(3, token).unwrap();
            c.kill(3);
            c.run(secs(2));
        },
        |_| {},
    );
    cluster.assert_converged();
    for host in 0..3 {
        assert_eq!(cluster.member(host, "n3").unwrap().addr(), Cluster::address(77));
    }
    cluster.assert_heard_once(&[0, 1, 2], MemberEventKind::Join, "n3");
}

#[test]
fn one_that_failed_may_not() {
    let cluster = moved(
        |c| {
            c.kill(3);
            c.until("it has failed", secs(60), |c| sees_failed(c, &[0, 1, 2], "n3"));
        },
        |_| {},
    );
    for host in 0..3 {
        let member = cluster.member(host, "n3").unwrap();
        assert_eq!((member.addr(), member.status()), (Cluster::address(3), Status::Failed), "n{host}");
    }
    let told = |h: usize| {
        let events = cluster.hosts[h].events.iter();
        events
            .filter(|(_, e)| matches!(e, Event::Conflict { addr, .. } if *addr == Cluster::address(77)))
            .count()
    };
    assert!((0..3).any(|h| told(h) > 0), "somebody was told of the conflict");
}

#[test]
fn one_that_failed_may_after_the_reclaim_time() {
    let cluster = moved(
        |c| {
            c.kill(3);
            c.until("it has failed", secs(60), |c| sees_failed(c, &[0, 1, 2], "n3"));
            c.run(secs(6));
        },
        |config| config.members.dead_reclaim = secs(5),
    );
    cluster.assert_converged();
}

#[test]
fn another_name_may_take_the_address_of_the_dead() {
    let mut cluster = Cluster::lan(4).joined();
    cluster.kill(3);
    cluster.until("it has failed", secs(60), |c| sees_failed(c, &[0, 1, 2], "n3"));
    cluster.hosts[3].config.name = "heir".into();
    cluster.start(3);
    cluster.join(3, 0);
    cluster.run(secs(20));
    for host in 0..4 {
        assert_eq!(cluster.status(host, "heir"), Some(Status::Alive), "n{host}");
        assert_ne!(cluster.status(host, "n3"), Some(Status::Alive), "n{host}");
    }
    cluster.run(secs(90));
    for host in 0..4 {
        assert_eq!(cluster.state(host, "heir"), Some(State::Alive), "n{host}");
        assert_ne!(cluster.status(host, "n3"), Some(Status::Alive), "n{host}");
    }
}

/// Three nodes and a fourth that claims the name of the first and joins through the second.
fn contested(resolve: bool) -> Cluster {
    let mut cluster = Cluster::with(4, |i, config| {
        config.members.resolve_conflicts = resolve;
        if i == 3 {
            config.name = "n0".into();
        }
    });
    cluster.join(1, 0);
    cluster.join(2, 0);
    cluster.run(secs(5));
    cluster.forget_events();
    cluster.join(3, 1);
    cluster.run(secs(10));
    cluster
}

fn lost(cluster: &Cluster, host: usize) -> Vec<(usize, usize)> {
    let events = cluster.hosts[host].events.iter();
    let lost = events.filter_map(|(_, event)| match event {
        Event::NameLost { matching, responses } => Some((*matching, *responses)),
        _ => None,
    });
    lost.collect()
}

#[test]
fn the_newcomer_loses_the_vote_about_a_name() {
    let cluster = contested(true);
    assert_eq!(lost(&cluster, 3), [(0, 2)]);
    assert_eq!(lost(&cluster, 0), [], "the first has the majority");
    for host in 0..3 {
        assert_eq!(cluster.member(host, "n0").unwrap().addr(), Cluster::address(0), "n{host}");
        assert_eq!(cluster.status(host, "n0"), Some(Status::Alive));
    }
    for host in [1, 2] {
        assert_eq!(lost(&cluster, host), [], "it is not their name");
    }
    let conflicts = cluster.hosts[1].events.iter().filter(|(_, e)| matches!(e, Event::Conflict { .. }));
    assert!(conflicts.count() > 0, "its seed noticed");
}

#[test]
fn without_votes_nobody_loses_a_name() {
    let cluster = contested(false);
    for host in 0..4 {
        assert_eq!(lost(&cluster, host), []);
    }
    for host in 0..3 {
        assert_eq!(cluster.member(host, "n0").unwrap().addr(), Cluster::address(0), "n{host}");
    }
}
