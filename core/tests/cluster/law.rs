//! The law of use: what a node may rely on, what its driver may do, and that nothing is left to
//! chance.

use tidings_core::{Config, Misuse, Node, Output, QueryParams, StreamAction, StreamEvent, StreamId, Time};

use crate::common::{Cluster, Fnv, Happening, digest_output, ms, secs};

/// A busy story of five nodes, everything digested and host 2's inputs written down.
fn story(seed: u64) -> Cluster {
    let mut cluster = Cluster::empty(seed);
    cluster.hashed = true;
    cluster.net.loss = 0.05;
    cluster.net.jitter = ms(3);
    for i in 0..5 {
        let mut config = Config::lan(format!("n{i}"), Cluster::address(i));
        config.trace = true;
        config.snapshot = true;
        cluster.add(config);
        cluster.hosts[i].script = Some(Vec::new());
    }
    for host in 1..5 {
        cluster.join(host, host - 1);
        cluster.run(ms(150));
    }
    cluster.run(secs(3));
    cluster.event(2, "deploy", b"v1");
    cluster.query(2, QueryParams { name: "load".into(), ack: true, relay_factor: 2, ..Default::default() });
    cluster.run(secs(1));
    cluster.respond_all("load");
    cluster.set_tags(2, &[("role", "db")]);
    cluster.pause(3);
    cluster.run(secs(6));
    cluster.resume(3);
    cluster.run(secs(6));
    cluster.kill(4);
    cluster.run(secs(40));
    cluster.leave(1);
    cluster.run(secs(10));
    cluster
}

#[test]
fn equal_seeds_tell_equal_stories() {
    let one = story(1);
    let other = story(1);
    assert_eq!(one.digest, other.digest);
    assert_eq!(one.net.packets, other.net.packets);
    assert_ne!(one.digest, story(2).digest, "another seed is another story");
}

#[test]
fn the_story_is_the_same_on_every_machine() {
    // Changes with whatever changes a decision or a byte sent; then it is written anew. It must not
    // change with the machine, the build or the run.
    assert_eq!(format!("{:016x}", story(1).digest.0), "0dcf2e1d8c42fbaa");
}

/// Feeds host 2's inputs to a fresh node with its seed, and digests what comes out.
fn replay(
    cluster: &Cluster,
    mut around: impl FnMut(&mut Node, Time, Option<Time>, &mut dyn FnMut(&mut Node)),
) -> Fnv {
    let host = &cluster.hosts[2];
    let mut digest = Fnv::START;
    let mut drain = |node: &mut Node| {
        while let Some(output) = node.poll_output() {
            digest_output(&mut digest, &output);
        }
    };
    let mut node = Node::new(host.config.clone(), host.seed, Time::ZERO).unwrap();
    let script = host.script.as_ref().unwrap();
    for (i, (at, what)) in script.iter().enumerate() {
        node.handle_input(*at, what.as_input()).unwrap();
        around(&mut node, *at, script.get(i + 1).map(|(next, _)| *next), &mut drain);
    }
    drain(&mut node);
    digest
}

#[test]
fn a_node_repeats_itself_exactly() {
    let cluster = story(3);
    let again = replay(&cluster, |node, _, _, drain| drain(node));
    assert_eq!(again, cluster.hosts[2].digest);
}

#[test]
fn when_outputs_are_drained_does_not_matter() {
    let cluster = story(4);
    for batch in [2, 7, 64, usize::MAX] {
        let mut waiting = 0;
        let digest = replay(&cluster, |node, _, _, drain| {
            waiting += 1;
            if waiting == batch {
                waiting = 0;
                drain(node);
            }
        });
        assert_eq!(digest, cluster.hosts[2].digest, "drained after {batch} inputs");
    }
}

#[test]
fn superfluous_timeouts_change_nothing() {
    let cluster = story(5);
    let digest = replay(&cluster, |node, at, next, drain| {
        drain(node);
        let between = next.map_or(at, |next| Time::from_nanos((at.as_nanos() + next.as_nanos()) / 2));
        for moment in [at, between] {
            if node.poll_timeout().is_none_or(|due| due > moment) {
                node.handle_input(moment, Happening::Wake.as_input()).unwrap();
                assert_eq!(node.poll_output(), None, "nothing was due at {moment}");
            }
        }
    });
    assert_eq!(digest, cluster.hosts[2].digest);
}

#[test]
fn a_deadline_is_never_left_behind() {
    let cluster = story(6);
    replay(&cluster, |node, at, _, drain| {
        drain(node);
        node.handle_input(at, Happening::Wake.as_input()).unwrap();
        drain(node);
        assert!(node.poll_timeout().is_none_or(|due| due > at), "still due after the time-out at {at}");
    });
}

#[test]
fn misuse_is_refused_and_changes_nothing() {
    let mut node = Node::new(Config::lan("a", Cluster::address(0)), [1; 32], Time::from_nanos(500)).unwrap();
    let accept = |node: &mut Node, at: u64, id: StreamId| {
        let event = StreamEvent::Accepted { from: Cluster::address(1) };
        node.handle_input(Time::from_nanos(at), tidings_core::Input::Stream { id, event })
    };
    assert_eq!(accept(&mut node, 400, StreamId::accepted(1)), Err(Misuse::TimeWentBack));
    assert_eq!(accept(&mut node, 500, StreamId::accepted(1)), Ok(()));
    assert_eq!(accept(&mut node, 500, StreamId::accepted(1)), Err(Misuse::StreamExists));
    assert_eq!(accept(&mut node, 600, StreamId::accepted(2)), Ok(()));
    assert_eq!(accept(&mut node, 599, StreamId::accepted(3)), Err(Misuse::TimeWentBack));

    let command = tidings_core::Command::Join { addresses: vec!["10.0.0.2:7946".into()], replay: false };
    let input = tidings_core::Input::Command { token: tidings_core::Token(1), command };
    node.handle_input(Time::from_nanos(700), input).unwrap();
    let mut dialled = None;
    while let Some(output) = node.poll_output() {
        if let Output::Stream { id, action: StreamAction::Connect { .. } } = output {
            dialled = Some(id);
        }
    }
    let dialled = dialled.expect("a join dials");
    assert_eq!(accept(&mut node, 700, dialled), Err(Misuse::StreamNotAccepted));
}

#[test]
fn events_on_unknown_streams_are_ignored() {
    let mut node = Node::new(Config::lan("a", Cluster::address(0)), [1; 32], Time::ZERO).unwrap();
    while node.poll_output().is_some() {}
    for event in [
        StreamEvent::Connected,
        StreamEvent::Data(&[1, 2, 3]),
        StreamEvent::Closed,
        StreamEvent::Failed("reset"),
    ] {
        let id = StreamId::accepted(9);
        node.handle_input(Time::ZERO, tidings_core::Input::Stream { id, event }).unwrap();
        assert_eq!(node.poll_output(), None);
    }
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    type Edit = fn(&mut Config);
    let edits: [(&str, Edit); 9] = [
        ("name", |c| c.name.clear()),
        ("probe.interval", |c| c.probe.interval = secs(0)),
        ("gossip.nodes", |c| c.gossip.nodes = 0),
        ("suspicion.mult", |c| c.suspicion.mult = f64::NAN),
        ("security.label", |c| c.security.label = "x".repeat(256)),
        ("Protocol version '1' too low", |c| c.protocol = 1),
        ("Protocol version '6' too high", |c| c.protocol = 6),
        ("key size", |c| c.security.keys = vec![vec![0; 17].into()]),
        ("512 bytes", |c| c.tags.insert("k", "v".repeat(600))),
    ];
    for (says, edit) in edits {
        let mut config = Config::lan("a", Cluster::address(0));
        edit(&mut config);
        let error = Node::new(config, [1; 32], Time::ZERO).unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
}
