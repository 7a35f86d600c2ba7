//! Defending oneself: suspicion, refutation, and how the suspect learns of it.

use tidings_core::{MemberEventKind, State, Status};

use crate::common::wire::{self, Read};
use crate::common::{Cluster, secs};

fn somebody_suspects(cluster: &Cluster, name: &str) -> bool {
    cluster.living().iter().any(|h| cluster.state(*h, name) == Some(State::Suspect))
}

#[test]
fn a_short_pause_is_suspected_and_refuted() {
    let mut cluster = Cluster::lan(5).joined();
    cluster.pause(4);
    cluster.until("it is suspected", secs(10), |c| somebody_suspects(c, "n4"));
    cluster.resume(4);
    cluster.until("everybody believes it again", secs(3), |c| {
        c.count(&[0, 1, 2, 3], |c, h| c.state(h, "n4") == Some(State::Alive)) == 4
    });
    cluster.run(secs(30));
    cluster.assert_nobody_heard(MemberEventKind::Failed);
    for host in 0..5 {
        let member = cluster.member(host, "n4").unwrap();
        assert_eq!((member.state(), member.incarnation()), (State::Alive, 2), "at n{host}");
    }
}

#[test]
fn suspicion_is_no_news_for_the_application() {
    let mut cluster = Cluster::lan(5).joined();
    cluster.pause(4);
    cluster.until("it is suspected", secs(10), |c| somebody_suspects(c, "n4"));
    cluster.assert_status(&[0, 1, 2, 3], "n4", Some(Status::Alive));
    cluster.resume(4);
    cluster.run(secs(10));
    for host in 0..5 {
        assert!(cluster.hosts[host].events.is_empty(), "n{host}: {:?}", cluster.hosts[host].events);
    }
}

#[test]
fn a_long_pause_fails_and_returns() {
    let mut cluster = Cluster::lan(5).joined();
    cluster.pause(4);
    cluster.until("it has failed", secs(45), |c| {
        c.count(&[0, 1, 2, 3], |c, h| c.status(h, "n4") == Some(Status::Failed)) == 4
    });
    cluster.resume(4);
    cluster.until_converged(secs(120));
    cluster.assert_heard_once(&[0, 1, 2, 3], MemberEventKind::Join, "n4");
}

#[test]
fn accusations_are_outbid() {
    // (claim, incarnation after it): gossip-wire, section 7.5.
    let mut cluster = Cluster::lan(3).joined();
    let from = Cluster::address(1);
    for (claim, expected) in [
        (wire::suspect("n0", 1, "n1"), 2),
        (wire::suspect("n0", 1, "n1"), 2),
        (wire::dead("n0", 40, "n1"), 41),
        (wire::dead("n0", 2, "n1"), 41),
        (wire::suspect("n0", 41, "n2"), 42),
    ] {
        cluster.inject(from, 0, &claim);
        cluster.run(secs(2));
        for host in 0..3 {
            assert_eq!(
                cluster.member(host, "n0").unwrap().incarnation(),
                expected,
                "n{host} of {claim:02x?}"
            );
        }
    }
    cluster.assert_nobody_heard(MemberEventKind::Failed);
}

#[test]
fn an_accusation_at_the_last_incarnation_does_no_harm() {
    let mut cluster = Cluster::lan(3).joined();
    let from = Cluster::address(1);
    for claim in [wire::suspect("n0", u32::MAX.into(), "n1"), wire::dead("n0", u32::MAX.into(), "n1")] {
        cluster.inject(from, 0, &claim);
        cluster.run(secs(10));
        assert_eq!(cluster.state(0, "n0"), Some(State::Alive));
    }
    cluster.assert_converged();
}

#[test]
fn an_incarnation_that_cannot_be_true_is_believed_by_nobody() {
    let mut cluster = Cluster::lan(3).joined();
    let n0 = Cluster::address(0);
    for claim in [
        wire::alive("n0", n0, u32::MAX.into()),
        wire::suspect("n0", u32::MAX.into(), "n1"),
        wire::dead("n0", u32::MAX.into(), "n0"),
        wire::alive("n0", n0, (3 << 30) + 1),
    ] {
        let before = cluster.refusals(1);
        cluster.inject(Cluster::address(2), 1, &claim);
        assert_eq!(cluster.refusals(1), before + 1);
        cluster.assert_converged();
    }
}

#[test]
fn whatever_incarnation_was_believed_can_be_contradicted() {
    for forged in [1 << 31, (1 << 31) + 1, 3 << 30] {
        let mut cluster = Cluster::lan(3).joined();
        cluster.inject(Cluster::address(2), 1, &wire::suspect("n0", forged, "n2"));
        assert_eq!(cluster.state(1, "n0"), Some(State::Suspect));
        cluster.run(secs(5));
        cluster.assert_converged();
        assert_eq!(cluster.member(1, "n0").unwrap().incarnation(), (1 << 31) + 1, "forged: {forged}");
        cluster.assert_nobody_heard(MemberEventKind::Failed);
    }
}

#[test]
fn a_newcomer_learns_of_a_member_whose_incarnation_was_forged() {
    let mut cluster = Cluster::lan(4);
    cluster.join(1, 0);
    cluster.run(secs(5));
    cluster.inject(Cluster::address(1), 0, &wire::suspect("n0", 1 << 31, "n1"));
    cluster.run(secs(5));
    for newcomer in [2, 3] {
        cluster.join(newcomer, 1);
        cluster.run(secs(60));
    }
    cluster.assert_converged();
    cluster.assert_nobody_heard(MemberEventKind::Failed);
}

/// Pings from `host` to `target` in the tap, with what travelled in the same packet.
fn pings(cluster: &Cluster, host: usize, target: &str) -> Vec<Vec<Read>> {
    let from_host = cluster.net.tap.iter().filter(|p| p.from == host);
    let packets = from_host.map(|p| wire::read_packet(&p.payload));
    packets.filter(|all| all.iter().any(|m| m.kind == 0 && m.text("Node") == target)).collect()
}

#[test]
fn a_ping_to_a_suspect_tells_it_so() {
    for buddy in [true, false] {
        let mut cluster = Cluster::with(3, |_, config| {
            config.suspicion.buddy = buddy;
            // Whatever else could tell it is off, and the suspicion lasts.
            config.gossip.piggyback = false;
            config.probe.indirect_checks = 0;
            config.suspicion.fixed = Some(secs(60));
        })
        .joined();
        cluster.pause(2);
        cluster.until("it is suspected", secs(10), |c| c.state(0, "n2") == Some(State::Suspect));
        cluster.run(secs(1));
        cluster.net.tapped = true;
        cluster.run(secs(10));
        let pings = pings(&cluster, 0, "n2");
        assert!(!pings.is_empty(), "a suspect is still probed");
        for ping in pings {
            let told = ping.iter().any(|m| m.kind == 3 && m.text("Node") == "n2" && m.text("From") == "n0");
            assert_eq!(told, buddy, "{ping:?}");
        }
    }
}

#[test]
fn the_dead_are_told_for_a_while() {
    for (told, hears) in [(secs(30), true), (secs(1), false)] {
        let mut cluster = Cluster::with(4, |_, config| config.gossip.to_the_dead = told).joined();
        cluster.kill(3);
        cluster.until("all have given it up", secs(60), |c| {
            c.count(&[0, 1, 2], |c, h| c.status(h, "n3") == Some(Status::Failed)) == 3
        });
        cluster.run(secs(2));
        cluster.net.tapped = true;
        cluster.event(0, "news", b"");
        cluster.run(secs(2));
        let to_it = cluster.net.tap.iter().filter(|p| p.to == Cluster::address(3));
        let mut news = to_it.flat_map(|p| wire::read_packet(&p.payload)).filter(|m| m.serf == Some(3));
        assert_eq!(news.next().is_some(), hears, "told for {told:?}");
    }
}

#[test]
fn one_declared_dead_in_error_comes_back_by_itself() {
    let mut cluster =
        Cluster::with(4, |_, config| config.members.reconnect_interval = secs(100_000)).joined();
    // It is heard no more, but hears: also of its own death.
    for other in 0..3 {
        cluster.net.block(3, other);
    }
    cluster.until("all have given it up", secs(60), |c| {
        c.count(&[0, 1, 2], |c, h| c.status(h, "n3") == Some(Status::Failed)) == 3
    });
    cluster.net.heal();
    cluster.until_converged(secs(60));
}

/// Those who hold its earlier life to have left take no notice of what it says, and whom it joined
/// through knows nothing of that life. The acks of its pings tell it; push/pull is off.
#[test]
fn one_that_returns_with_nothing_is_told_at_what_incarnation_it_left() {
    let returned = |buddy| {
        let mut cluster = Cluster::with(5, |_, config| {
            config.push_pull.interval = None;
            config.suspicion.buddy = buddy;
        })
        .joined();
        let token = cluster.leave(3);
        cluster.answer(3, token).unwrap();
        cluster.kill(3);
        cluster.kill(4);
        cluster.run(secs(5));
        cluster.start(4);
        cluster.join(4, 0);
        cluster.assert_status(&[0, 1, 2], "n3", Some(Status::Left));
        cluster.start(3);
        cluster.join(3, 4);
        cluster.run(secs(5));
        cluster.count(&[0, 1, 2, 4], |c, h| c.status(h, "n3") == Some(Status::Alive))
    };
    assert_eq!((returned(true), returned(false)), (4, 0));
}

/// An earlier life said one thing at an incarnation, the present one another: nobody can tell which
/// is newer. Whoever compares the two tells the member; there is neither gossip nor a push/pull with
/// it.
#[test]
fn two_claims_at_one_incarnation_are_brought_before_their_member() {
    let mut cluster = Cluster::with(3, |_, config| {
        config.gossip.interval = secs(3600);
        config.gossip.piggyback = false;
        config.gossip.eager = false;
        config.push_pull.interval = None;
    });
    for (host, meta) in [(0, b"\xff\x81\xa1k\xa1v"), (1, b"\xff\x81\xa1k\xa1w")] {
        cluster.inject(Cluster::address(2), host, &wire::alive_with("n2", Cluster::address(2), 5, meta));
    }
    cluster.run(secs(1));
    assert_eq!(cluster.member(2, "n2").unwrap().incarnation(), 1);
    cluster.join(1, 0);
    cluster.run(secs(1));
    assert_eq!(cluster.member(2, "n2").unwrap().incarnation(), 6);
    assert_eq!(cluster.member(0, "n2").unwrap().incarnation(), 5);
}
