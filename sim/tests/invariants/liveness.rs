//! What must come true in time, and names that two members claim.

use std::time::Duration;

use tidings_core::{Command, Config, Event, Reply, State, Status, Time};
use tidings_sim::{Checks, Cluster, LinkPick, Pick, Sight, Task, Trouble, Work, address};

use crate::history::{History, assert_finds};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn a_doubt_about_a_reachable_member_must_end() {
    let mut history = History::of(Cluster::lan(4).start());
    assert_eq!(history.state_at(0, 2, State::Alive, State::Suspect), None);
    assert_eq!(history.after(secs(40)), None, "there is still time");
    assert_finds(history.after(secs(60)), &["L4 refutation", "n0, n2"]);
}

#[test]
fn a_doubt_that_is_over_in_time_is_none() {
    let mut history = History::of(Cluster::lan(4).start());
    history.state_at(0, 2, State::Alive, State::Suspect);
    history.cluster.run(secs(3));
    assert_eq!(history.state_at(0, 2, State::Suspect, State::Alive), None);
    assert_eq!(history.after(secs(100)), None);
}

#[test]
fn a_doubt_about_a_dead_member_or_a_member_cut_off_is_none() {
    let mut history = History::of(Cluster::lan(4).start());
    history.state_at(0, 2, State::Alive, State::Suspect);
    history.cluster.crash(2);
    assert_eq!(history.after(secs(100)), None);
    let mut history = History::of(Cluster::lan(4).start());
    history.cluster.partition(&[2]);
    history.state_at(0, 2, State::Alive, State::Suspect);
    assert_eq!(history.after(secs(100)), None);
}

#[test]
fn those_who_hold_each_other_dead_must_find_each_other() {
    for (one, other) in [(vec![0], vec![1, 2, 3]), (vec![0, 1], vec![2, 3])] {
        let mut history = History::of(Cluster::lan(4).start());
        history.cluster.loss(0.0);
        for (at, of) in one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))) {
            assert_eq!(history.state_at(at, of, State::Suspect, State::Dead), None);
            assert_eq!(history.state_at(of, at, State::Suspect, State::Dead), None);
        }
        history.cluster.heal();
        assert_eq!(history.tell(&Sight::Fault("ends")), None);
        assert_eq!(history.after(secs(100)), None, "there is still time");
        assert_finds(history.after(secs(2000)), &["L3 heal", "still holds"]);
    }
}

#[test]
fn a_newcomer_must_know_all_and_be_known_to_all() {
    let mut history = History::of(Cluster::lan(3).alone().start());
    let command = Command::Join { addresses: vec![address(1).to_string()], replay: false };
    history.command_at(2, 9, command);
    assert_eq!(history.reply_at(2, 9, Reply::Joined { contacted: 1, failures: Vec::new() }), None);
    assert_finds(history.after(secs(100)), &["L9 join", "n2 joined", "does not know n1"]);
}

/// Two hosts of one name, of which neither has heard of the other.
fn doubles() -> Cluster {
    let mut cluster = Cluster::lan(3).alone().start();
    let double = cluster.add(Config::lan("n1", address(7)));
    cluster.start(double, tidings_sim::Start::Fresh);
    cluster
}

#[test]
fn a_contest_about_a_name_must_end_with_one_who_has_it() {
    let mut history = History::of(doubles());
    let existing = history.cluster.member(1, 1).unwrap();
    let event = Event::Conflict { existing, addr: address(7) };
    assert_eq!(history.event(event), None);
    assert_eq!(history.after(secs(20)), None, "there is still time");
    assert_finds(history.after(secs(100)), &["M15 conflict", "runs at 10.0.0.2:7946 and at 10.0.0.8:7946"]);
}

#[test]
fn nobody_gives_up_a_name_that_most_know_it_by() {
    let lost = |matching, responses| {
        let event = Event::NameLost { matching, responses };
        History::of(doubles()).event_at(1, event)
    };
    for (matching, responses) in [(0, 0), (0, 3), (1, 2), (2, 5)] {
        assert_eq!(lost(matching, responses), None, "{matching} of {responses}");
    }
    for (matching, responses) in [(1, 1), (2, 3), (3, 5)] {
        assert_finds(lost(matching, responses), &["M15 conflict"]);
    }
}

#[test]
fn real_histories_keep_every_promise() {
    for seed in 0..6 {
        let mut cluster = Cluster::lan(9).seed(seed).traced().start();
        cluster.watch_from_now(Checks::new());
        // Everybody is doubted now and then, and refutes.
        cluster.loss(0.3).run(secs(60)).heal().run(secs(120));
        // Halves, and a single member alone, find each other again; newcomers come in.
        cluster.partition(&[0, 1, 2, 3]).run(secs(60)).heal().run(secs(250));
        cluster.partition(&[5]).run(secs(60)).heal().run(secs(250));
        cluster.crash(3).run(secs(40)).restart(3).run(secs(100));
        cluster.assert(|c| c.converged());
    }
}

#[test]
fn a_real_contest_ends_as_documented() {
    let mut cluster = Cluster::lan(6).traced().start();
    cluster.watch_from_now(Checks::new());
    let hash_seed = cluster.host(0).config().hash_seed;
    let config = Config { hash_seed, trace: true, ..Config::lan("n4", address(20)) };
    let double = cluster.add(config);
    cluster.start(double, tidings_sim::Start::Fresh);
    cluster.join(double, &[0, 1]);
    cluster.run(secs(150));
    assert!(cluster.host(double).node().is_none(), "the newcomer stops");
    assert!(cluster.host(4).node().is_some());
    assert!((0..6).all(|at| cluster.member(at, 4).unwrap().addr() == address(4)));
    let lost = |(_, event): &(Time, Event)| matches!(event, Event::NameLost { matching: 0, .. });
    assert!(cluster.host(double).events().iter().any(lost));
}

#[test]
fn a_storm_of_everything_fills_nothing_beyond_its_bound() {
    let small = |_, config: &mut Config| {
        // As slow as can be, or the queues are never full.
        config.gossip.eager = false;
        config.queues.depth_max = 16;
        config.events.buffer = 8;
        config.queries.buffer = 8;
        config.queries.open_max = 4;
        config.queries.pending_max = 4;
        config.members.recent_intents_max = 4;
        config.stream.open_max = 8;
        config.coordinate_peers_max = 3;
    };
    let mut cluster = Cluster::lan(8).seed(2).traced().configure(small).start();
    cluster.watch_from_now(Checks::new());
    let every = Some(Duration::from_millis(50));
    let storm = |what| Work { at: secs(1), every, times: 200, stream: None, what };
    cluster.work(storm(Task::Event { members: Pick::All, name: "e".into(), bytes: 300 }));
    cluster.work(storm(Task::Query { members: Pick::All, name: "q".into(), relay: 2, to: None }));
    cluster.work(storm(Task::Join { members: Pick::Random(3), via: Pick::Random(3) }));
    cluster.trouble(secs(20), Trouble::Duplicate { rate: 0.5, later: secs(1), links: LinkPick::default() });
    cluster.run(secs(30));
    let full = cluster.host(0).node().unwrap().metrics().broadcasts_dropped;
    assert!(full > 0, "the queues were full");
    assert_eq!(cluster.status(0, 7), Some(Status::Alive));
}
