//! Leaving, and being made to.

use tidings_core::{Command, CommandError, MemberEventKind, Reply, State, Status};

use crate::common::{Cluster, secs, wire};

#[test]
fn a_leave_is_seen_as_one() {
    let mut cluster = Cluster::lan(5).joined();
    let token = cluster.leave(4);
    assert_eq!(cluster.answer(4, token), Ok(Reply::Done));
    let rest = [0, 1, 2, 3];
    cluster.assert_status(&rest, "n4", Some(Status::Left));
    cluster.run(secs(60));
    cluster.assert_status(&rest, "n4", Some(Status::Left));
    cluster.assert_heard_once(&rest, MemberEventKind::Leave, "n4");
    cluster.assert_nobody_heard(MemberEventKind::Failed);
}

#[test]
fn the_time_of_a_departure_settles() {
    let mut cluster = Cluster::lan(5).joined();
    let token = cluster.leave(4);
    cluster.answer(4, token).unwrap();
    cluster.kill(4);
    cluster.run(secs(60));
    let times =
        |cluster: &Cluster| (0..4).map(|host| cluster.hosts[host].node().stats().member_time).collect();
    let before: Vec<_> = times(&cluster);
    cluster.run(secs(600));
    assert_eq!(before, times(&cluster), "who agrees has nothing to tell another");
}

#[test]
fn a_leaver_that_then_stops_stays_left() {
    let mut cluster = Cluster::lan(5).joined();
    let token = cluster.leave(4);
    cluster.answer(4, token).unwrap();
    cluster.kill(4);
    cluster.run(secs(120));
    cluster.assert_status(&[0, 1, 2, 3], "n4", Some(Status::Left));
    cluster.assert_nobody_heard(MemberEventKind::Failed);
}

#[test]
fn a_leave_takes_its_broadcasts_and_the_delay() {
    let mut cluster = Cluster::lan(5).joined();
    let start = cluster.now;
    let token = cluster.leave(2);
    cluster.answer(2, token).unwrap();
    let took = cluster.now.since(start);
    assert!((secs(1)..=secs(5)).contains(&took), "the propagation delay is 1 s, it took {took:?}");
}

#[test]
fn the_last_one_leaves_quickly() {
    let mut cluster = Cluster::lan(1);
    cluster.run(secs(1));
    let start = cluster.now;
    let token = cluster.leave(0);
    assert_eq!(cluster.answer(0, token), Ok(Reply::Done));
    assert!(cluster.now.since(start) <= secs(2));
}

#[test]
fn a_leave_among_the_dead_ends_nevertheless() {
    let mut cluster = Cluster::lan(3).joined();
    cluster.kill(0);
    cluster.kill(1);
    let start = cluster.now;
    let token = cluster.leave(2);
    let _ = cluster.answer(2, token);
    assert!(cluster.now.since(start) <= secs(13), "two broadcasts of 5 s and the delay at most");
}

#[test]
fn leaving_twice_is_refused() {
    let mut cluster = Cluster::lan(3).joined();
    let first = cluster.leave(2);
    let second = cluster.leave(2);
    assert_eq!(cluster.answer(2, second), Err(CommandError::LeaveInProgress));
    assert_eq!(cluster.answer(2, first), Ok(Reply::Done));
}

#[test]
fn many_leave_at_once() {
    let mut cluster = Cluster::lan(12).joined();
    let tokens: Vec<_> = (6..12).map(|host| (host, cluster.leave(host))).collect();
    for (host, token) in tokens {
        cluster.answer(host, token).unwrap();
        cluster.kill(host);
    }
    cluster.run(secs(60));
    let rest: Vec<usize> = (0..6).collect();
    for host in 6..12 {
        cluster.assert_status(&rest, &format!("n{host}"), Some(Status::Left));
        cluster.assert_heard_once(&rest, MemberEventKind::Leave, &format!("n{host}"));
    }
    cluster.assert_nobody_heard(MemberEventKind::Failed);
}

#[test]
fn one_that_left_may_come_back() {
    let mut cluster = Cluster::lan(4).joined();
    let token = cluster.leave(3);
    cluster.answer(3, token).unwrap();
    cluster.kill(3);
    cluster.run(secs(5));
    cluster.start(3);
    cluster.join(3, 0);
    cluster.until_converged(secs(10));
    cluster.run(secs(60));
    cluster.assert_converged();
    cluster.assert_heard_once(&[0, 1, 2], MemberEventKind::Join, "n3");
}

#[test]
fn a_failed_member_can_be_made_to_have_left() {
    let mut cluster = Cluster::lan(4).joined();
    cluster.kill(3);
    let rest = [0, 1, 2];
    cluster.until("it has failed", secs(45), |c| {
        c.count(&rest, |c, h| c.status(h, "n3") == Some(Status::Failed)) == 3
    });
    let token = cluster.force_leave(1, "n3", false);
    assert_eq!(cluster.answer(1, token), Ok(Reply::Done));
    cluster.run(secs(3));
    cluster.assert_status(&rest, "n3", Some(Status::Left));
    cluster.assert_heard_once(&rest, MemberEventKind::Leave, "n3");
    assert_eq!(cluster.hosts[0].node().stats().failed, 0);
    assert_eq!(cluster.hosts[0].node().stats().left, 1);
}

#[test]
fn a_pruned_member_is_forgotten_everywhere() {
    let mut cluster = Cluster::lan(4).joined();
    cluster.kill(3);
    let rest = [0, 1, 2];
    cluster.until("it has failed", secs(45), |c| {
        c.count(&rest, |c, h| c.status(h, "n3") == Some(Status::Failed)) == 3
    });
    let token = cluster.force_leave(0, "n3", true);
    assert_eq!(cluster.answer(0, token), Ok(Reply::Done));
    cluster.run(secs(5));
    cluster.assert_status(&rest, "n3", None);
    cluster.assert_heard_once(&rest, MemberEventKind::Reap, "n3");
    for host in rest {
        assert_eq!(cluster.hosts[host].node().view().len(), 3);
        assert_eq!(cluster.hosts[host].node().stats().members, 3);
    }
    cluster.run(secs(120));
    cluster.assert_status(&rest, "n3", None);
}

#[test]
fn a_pruned_member_may_come_back() {
    let mut cluster = Cluster::lan(4).joined();
    cluster.kill(3);
    cluster.run(secs(45));
    let token = cluster.force_leave(0, "n3", true);
    cluster.answer(0, token).unwrap();
    cluster.run(secs(5));
    cluster.start(3);
    cluster.join(3, 1);
    cluster.until_converged(secs(30));
    cluster.run(secs(60));
    cluster.assert_converged();
}

#[test]
fn a_living_member_refuses_to_have_left() {
    let mut cluster = Cluster::lan(4).joined();
    let token = cluster.force_leave(0, "n3", false);
    let _ = cluster.answer(0, token);
    cluster.until("it is alive everywhere", secs(10), |c| {
        c.count(&[0, 1, 2, 3], |c, h| c.status(h, "n3") == Some(Status::Alive)) == 4
    });
    cluster.run(secs(30));
    cluster.assert_converged();
    cluster.assert_nobody_heard(MemberEventKind::Leave);
}

#[test]
fn forcing_out_a_stranger_changes_nothing() {
    let mut cluster = Cluster::lan(2).joined();
    let token = cluster.force_leave(0, "stranger", true);
    let _ = cluster.answer(0, token);
    cluster.run(secs(5));
    cluster.assert_converged();
}

#[test]
fn left_without_an_intent_shows_as_failed() {
    // serf-wire, section 5.1: the status comes from intents, not from SWIM alone.
    let mut cluster = Cluster::lan(2).joined();
    let ghost = "10.3.3.3:7946".parse().unwrap();
    cluster.inject(ghost, 0, &wire::alive("ghost", ghost, 5));
    assert_eq!(cluster.status(0, "ghost"), Some(Status::Alive));
    cluster.inject(ghost, 0, &wire::dead("ghost", 5, "ghost"));
    assert_eq!(cluster.state(0, "ghost"), Some(State::Left));
    assert_eq!(cluster.status(0, "ghost"), Some(Status::Failed));
}

#[test]
fn commands_after_the_leave_get_an_answer() {
    let mut cluster = Cluster::lan(2).joined();
    let token = cluster.leave(1);
    cluster.answer(1, token).unwrap();
    for command in [
        Command::Leave,
        Command::UserEvent { name: "late".into(), payload: Default::default(), coalesce: false },
        Command::ForceLeave { node: "n0".into(), prune: false },
        Command::UpdateTags { delete: vec![], set: vec![("role".into(), "ghost".into())], replace: false },
    ] {
        let _ = cluster.ask(1, command);
    }
    cluster.run(secs(10));
    assert_eq!(cluster.state(0, "n1"), Some(State::Left), "none of them brings it back");
}

#[test]
fn a_living_member_that_is_pruned_is_taken_back() {
    let mut cluster = Cluster::lan(4).joined();
    let token = cluster.force_leave(0, "n3", true);
    let _ = cluster.answer(0, token);
    cluster.until("it is hidden or not, and then alive everywhere", secs(10), |c| {
        c.count(&[0, 1, 2, 3], |c, h| c.status(h, "n3") == Some(Status::Alive)) == 4
    });
    // One has not heard the contradiction, and prunes it when its time is over.
    let at = cluster.member(1, "n3").unwrap().status_ltime();
    cluster.inject(Cluster::address(0), 1, &wire::leave_intent("n3", at.0 + 1, true));
    cluster.run(secs(60));
    cluster.assert_converged();
    cluster.assert_status(&[0, 1, 2, 3], "n3", Some(Status::Alive));
}
