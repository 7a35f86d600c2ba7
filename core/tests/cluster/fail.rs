//! Finding failures: how soon, by whom, and never of the living.

use tidings_core::{Decision, MemberEventKind, ProbeResult, Status, Time};

use crate::common::{Cluster, secs};

#[test]
fn a_crash_is_seen_by_everybody() {
    for n in [3, 5, 12] {
        let mut cluster = Cluster::lan(n).joined();
        let victim = n - 1;
        let name = format!("n{victim}");
        cluster.kill(victim);
        let crash = cluster.now;
        let rest: Vec<usize> = (0..victim).collect();
        // Probed within a pass or two, one interval to give up, the longest suspicion at worst.
        cluster.until("all know", secs(45), |c| {
            c.count(&rest, |c, h| c.status(h, &name) == Some(Status::Failed)) == rest.len()
        });
        cluster.assert_heard_once(&rest, MemberEventKind::Failed, &name);
        let heard: Vec<Time> =
            rest.iter().flat_map(|h| cluster.heard(*h, MemberEventKind::Failed, &name)).collect();
        let (first, last) = (*heard.iter().min().unwrap(), *heard.iter().max().unwrap());
        assert!(
            first.since(crash) >= secs(4),
            "suspicion lasts 4 s at least, it was {:?}",
            first.since(crash)
        );
        assert!(last.since(first) <= secs(1), "the word took {:?} to spread", last.since(first));
        cluster.run(secs(60));
        cluster.assert_heard_once(&rest, MemberEventKind::Failed, &name);
        for other in &rest[..] {
            assert!(
                cluster.heard_of(*other, MemberEventKind::Failed) == [name.clone()],
                "only {name} failed"
            );
        }
    }
}

#[test]
fn two_nodes_need_no_confirmations() {
    let mut cluster = Cluster::lan(2).joined();
    cluster.kill(1);
    let took = cluster.until("it is seen", secs(20), |c| c.status(0, "n1") == Some(Status::Failed));
    // Up to one interval to the probe, one for the probe, 4 s of suspicion. The score rises with
    // the failed probe, but the suspicion runs on its own.
    assert!((secs(5)..=secs(7)).contains(&took), "it took {took:?}");
}

#[test]
fn suspicion_shrinks_with_each_confirmation() {
    let mut cluster = Cluster::with(5, |_, config| config.trace = true).joined();
    cluster.kill(4);
    cluster.until("all know", secs(45), |c| {
        c.count(&[0, 1, 2, 3], |c, h| c.status(h, "n4") == Some(Status::Failed)) == 4
    });
    // gossip-wire, section 9.4: n <= 10 on a LAN.
    let limits = [24.0, 11.381, 4.0];
    let mut seen = [0; 3];
    for host in 0..4 {
        let mut started = None;
        for (at, trace) in &cluster.hosts[host].traces {
            let Decision::Suspicion { member, confirmations, remaining, .. } = &trace.decision else {
                continue;
            };
            assert_eq!(&**member, "n4", "nobody else is suspected");
            let started = *started.get_or_insert(*at);
            if *confirmations == 0 {
                assert_eq!(started, *at, "it starts once");
            }
            let limit = limits[*confirmations as usize];
            let total = (at.since(started) + *remaining).as_secs_f64();
            let due = total.max(at.since(started).as_secs_f64());
            assert!(
                (due - limit).abs() < 0.002 || remaining.is_zero(),
                "{confirmations} confirmations: {total} s"
            );
            seen[*confirmations as usize] += 1;
        }
    }
    assert!(seen[0] >= 1, "somebody suspected it: {seen:?}");
    assert!(seen[1] + seen[2] >= 1, "somebody confirmed it: {seen:?}");
}

#[test]
fn a_fixed_suspicion_replaces_the_computed_one() {
    let mut cluster = Cluster::with(2, |_, config| config.suspicion.fixed = Some(secs(9))).joined();
    cluster.kill(1);
    let took = cluster.until("it is seen", secs(20), |c| c.status(0, "n1") == Some(Status::Failed));
    assert!((secs(10)..=secs(12)).contains(&took), "it took {took:?}");
}

#[test]
fn without_confirmations_the_longest_time_counts() {
    let mut cluster = Cluster::with(5, |_, config| {
        config.suspicion.confirmations = Some(2);
        config.suspicion.max_mult = 1.0;
    })
    .joined();
    cluster.kill(4);
    let took = cluster.until("it is seen", secs(30), |c| c.status(0, "n4") == Some(Status::Failed));
    assert!(took <= secs(14), "a factor of one leaves the lower bound: {took:?}");
}

#[test]
fn helpers_reach_around_a_broken_link() {
    let mut cluster = Cluster::with(4, |_, config| config.trace = true).joined();
    cluster.net.block(0, 1);
    cluster.net.block(1, 0);
    cluster.run(secs(60));
    cluster.assert_converged();
    cluster.assert_nobody_heard(MemberEventKind::Failed);
    assert_eq!(cluster.hosts[1].node().metrics().refutations, 0, "nobody even suspected it");
    let failed = cluster.hosts[0].node().metrics().probes_failed;
    assert_eq!(failed, 0, "the helpers' acks count");
}

#[test]
fn a_stream_reaches_where_datagrams_do_not() {
    let mut cluster = Cluster::with(2, |_, config| config.trace = true).joined();
    cluster.net.block_datagrams(0, 1);
    cluster.run(secs(20));
    cluster.assert_nobody_heard(MemberEventKind::Failed);
    let by_stream = cluster.hosts[0].node().metrics().probes_by_stream;
    assert!(by_stream >= 10, "{by_stream} probes went by stream");
    assert!(
        cluster.hosts[0].traces.iter().any(|(_, t)| matches!(
            t.decision,
            Decision::ProbeEnded { result: ProbeResult::AckedByStream, .. }
        ))
    );
}

#[test]
fn without_the_stream_fallback_blocked_datagrams_mean_failure() {
    let mut cluster = Cluster::with(2, |_, config| config.probe.stream_fallback = false).joined();
    cluster.net.block_datagrams(0, 1);
    cluster.net.block_datagrams(1, 0);
    cluster.until("both are seen", secs(30), |c| {
        c.status(0, "n1") == Some(Status::Failed) && c.status(1, "n0") == Some(Status::Failed)
    });
}

#[test]
fn loss_alone_fails_nobody() {
    let mut cluster = Cluster::lan(10).joined();
    cluster.net.loss = 0.2;
    cluster.run(secs(120));
    cluster.assert_nobody_heard(MemberEventKind::Failed);
    cluster.net.loss = 0.0;
    cluster.run(secs(10));
    cluster.assert_converged();
}

#[test]
fn slow_and_uneven_links_fail_nobody() {
    let mut cluster = Cluster::lan(10);
    cluster.net.latency = std::time::Duration::from_millis(60);
    cluster.net.jitter = std::time::Duration::from_millis(120);
    let mut cluster = cluster.joined();
    cluster.run(secs(120));
    cluster.assert_nobody_heard(MemberEventKind::Failed);
    cluster.assert_converged();
}

#[test]
fn every_member_is_probed_in_every_pass() {
    let mut cluster = Cluster::with(8, |_, config| config.trace = true).joined();
    cluster.run(secs(70));
    for host in 0..8 {
        let mut last = std::collections::BTreeMap::new();
        let mut gap = 0;
        let mut count = 0;
        for (_, trace) in &cluster.hosts[host].traces {
            let Decision::ProbeStarted { target, .. } = &trace.decision else { continue };
            if let Some(before) = last.insert(target.clone(), count) {
                gap = gap.max(count - before);
            }
            count += 1;
        }
        assert_eq!(last.len(), 7, "n{host} probed {last:?}");
        assert!(gap < 2 * 8, "n{host} left a member alone for {gap} probes");
        assert!(count >= 65, "n{host} probed {count} times in 70 s");
    }
}

#[test]
fn the_dead_are_forgotten_by_swim_but_not_by_the_application() {
    let mut cluster = Cluster::lan(4).joined();
    cluster.kill(3);
    cluster.run(secs(180));
    cluster.assert_status(&[0, 1, 2], "n3", Some(Status::Failed));
    for host in 0..3 {
        assert_eq!(cluster.hosts[host].node().stats().failed, 1);
    }
}
