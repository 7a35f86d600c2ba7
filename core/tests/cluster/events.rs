//! User events.

use bytes::Bytes;
use tidings_core::{Command, CommandError, LamportTime, Reply};

use crate::common::{Cluster, ms, secs, wire};

fn send(name: &str, payload: Vec<u8>) -> Command {
    Command::UserEvent { name: name.into(), payload: Bytes::from(payload), coalesce: false }
}

#[test]
fn an_event_reaches_everybody_once() {
    for n in [1, 2, 5, 30] {
        let mut cluster = Cluster::lan(n).joined();
        cluster.event(n / 2, "deploy", b"v2");
        cluster.run(secs(60));
        for host in 0..n {
            let heard = cluster.user_events(host, "deploy");
            assert_eq!(heard.len(), 1, "n{host} of {n}: {heard:?}");
            assert_eq!(&heard[0].1.payload[..], b"v2");
            assert_eq!(heard[0].1.ltime, LamportTime(1));
        }
    }
}

#[test]
fn events_keep_their_clock_and_flags() {
    let mut cluster = Cluster::lan(3).joined();
    for (host, coalesce) in [(0, true), (1, false), (2, true)] {
        let payload = Bytes::from_static(b"x");
        let reply = cluster.ask(host, Command::UserEvent { name: "tick".into(), payload, coalesce });
        assert_eq!(reply, Ok(Reply::Done));
        cluster.run(secs(2));
    }
    for host in 0..3 {
        let heard: Vec<_> =
            cluster.user_events(host, "tick").into_iter().map(|(_, e)| (e.ltime.0, e.coalesce)).collect();
        assert_eq!(heard, [(1, true), (2, false), (3, true)]);
        assert_eq!(cluster.hosts[host].node().stats().event_time, 4);
    }
}

#[test]
fn an_event_without_payload_arrives_without() {
    let mut cluster = Cluster::lan(2).joined();
    cluster.event(0, "empty", b"");
    cluster.run(secs(1));
    assert!(cluster.user_events(1, "empty")[0].1.payload.is_empty());
}

#[test]
fn loss_delays_an_event_but_does_not_stop_it() {
    let mut cluster = Cluster::lan(10).joined();
    cluster.net.loss = 0.3;
    for i in 0..10 {
        cluster.event(i, &format!("e{i}"), b"lossy");
        cluster.run(ms(100));
    }
    cluster.run(secs(60));
    for host in 0..10 {
        for i in 0..10 {
            assert_eq!(cluster.user_events(host, &format!("e{i}")).len(), 1, "e{i} at n{host}");
        }
    }
}

#[test]
fn copies_of_an_event_are_dropped() {
    // (name, time, payload, whether it is news): serf-wire, section 6.1.
    let mut cluster = Cluster::lan(1);
    let from = "10.3.3.3:7946".parse().unwrap();
    for (name, ltime, payload, news) in [
        ("a", 9, "1", true),
        ("a", 9, "1", false),
        ("a", 9, "2", true),
        ("b", 9, "1", true),
        ("a", 9, "2", false),
        ("a", 10, "1", true),
        ("zero", 0, "1", true),
        ("zero", 0, "1", false),
        ("far", 2000, "1", true),
        ("old", 1488, "1", false),
        ("old", 1489, "1", true),
        ("a", 9, "3", false),
    ] {
        let before = cluster.user_events(0, name).len();
        cluster.inject(from, 0, &wire::user_event(name, ltime, payload.as_bytes()));
        let heard = cluster.user_events(0, name).len() - before;
        assert_eq!(heard, usize::from(news), "{name} at {ltime} with {payload}");
    }
    assert_eq!(cluster.hosts[0].node().stats().event_time, 2001);
    assert_eq!(cluster.hosts[0].node().metrics().too_old, 2);
}

#[test]
fn the_end_of_the_clock_is_survived() {
    let mut cluster = Cluster::lan(2).joined();
    let from = Cluster::address(1);
    cluster.inject(from, 0, &wire::user_event("last", u64::MAX, b""));
    cluster.run(secs(1));
    let _ = cluster.ask(0, send("after", vec![]));
    cluster.run(secs(5));
    cluster.assert_converged();
}

#[test]
fn no_forged_time_parts_those_who_heard_it_from_those_who_did_not() {
    for forged in [(1 << 63) - 1, 1 << 63, (1 << 63) + 1, 3 << 62, u64::MAX] {
        let mut cluster = Cluster::lan(4);
        for host in [1, 2] {
            cluster.join(host, 0);
        }
        cluster.run(secs(5));
        // Who hears it does not get to pass it on.
        cluster.net.partition(&[&[0], &[1, 2, 3]]);
        for message in [
            wire::user_event("forged", forged, b""),
            wire::join_intent("n1", forged),
            wire::leave_intent("n0", forged, false),
            wire::leave_intent("stranger", forged, false),
        ] {
            cluster.inject(Cluster::address(1), 0, &message);
        }
        cluster.run(secs(4));
        cluster.net.heal();
        cluster.run(secs(90));
        cluster.join(3, 1);
        cluster.run(secs(90));
        cluster.assert_converged();
        for host in 0..4 {
            let name = format!("of n{host}");
            cluster.event(host, &name, b"");
            cluster.run(secs(5));
            let heard: Vec<usize> = (0..4).map(|at| cluster.user_events(at, &name).len()).collect();
            assert_eq!(heard, [1; 4], "{name}, with a forged time of {forged}");
        }
    }
}

/// Seed 7700 of the simulator's mixed faults: it followed what it refused, alone.
#[test]
fn a_forged_time_that_is_refused_makes_nobody_deaf() {
    for forged in [(1 << 63) + 1, 3 << 62] {
        let mut cluster = Cluster::lan(3).joined();
        cluster.inject(Cluster::address(1), 0, &wire::user_event("forged", forged, b""));
        cluster.event(2, "honest", b"");
        cluster.run(secs(2));
        for (name, times) in [("forged", 0), ("honest", 1)] {
            let heard: Vec<usize> = (0..3).map(|at| cluster.user_events(at, name).len()).collect();
            assert_eq!(heard, [times; 3], "{name}, with a forged time of {forged}");
        }
    }
}

#[test]
fn old_events_that_overtake_the_answer_to_a_join_stay_unheard() {
    let mut cluster = Cluster::lan(2);
    // Nobody was there to be told: the event is still to be gossiped.
    cluster.event(0, "old", b"news");
    let gossip = wire::user_event("old", 1, b"news");
    let addresses = vec![Cluster::address(0).to_string()];
    let token = cluster.command(1, Command::Join { addresses, replay: false });
    cluster.inject(Cluster::address(0), 1, &gossip);
    cluster.run(secs(30));
    cluster.answer(1, token).unwrap();
    assert!(cluster.user_events(1, "old").is_empty());
    cluster.event(0, "new", b"");
    cluster.run(secs(5));
    assert_eq!(cluster.user_events(1, "new").len(), 1);
}

#[test]
fn a_newcomer_hears_old_events_only_if_it_asks() {
    for replay in [false, true] {
        let mut cluster = Cluster::lan(3);
        cluster.join(1, 0);
        cluster.run(secs(2));
        cluster.event(0, "old", b"news");
        cluster.run(secs(5));
        let addresses = vec![Cluster::address(0).to_string()];
        cluster.ask(2, Command::Join { addresses, replay }).unwrap();
        cluster.run(secs(60));
        assert_eq!(cluster.user_events(2, "old").len(), usize::from(replay));
        cluster.event(0, "new", b"");
        cluster.run(secs(5));
        assert_eq!(cluster.user_events(2, "new").len(), 1);
    }
}

#[test]
fn an_event_too_large_to_gossip_travels_by_push_pull() {
    let mut cluster = Cluster::with(4, |_, config| {
        config.events.size_limit = 9000;
        config.push_pull.interval = Some(secs(15));
    })
    .joined();
    cluster.net.tapped = true;
    cluster.event(0, "big", &[b'x'; 3000]);
    assert_eq!(cluster.user_events(0, "big").len(), 1, "the sender has it at once");
    cluster.until("it is everywhere", secs(120), |c| {
        c.count(&[0, 1, 2, 3], |c, h| c.user_events(h, "big").len() == 1) == 4
    });
    cluster.run(secs(60));
    for host in 0..4 {
        assert_eq!(cluster.user_events(host, "big").len(), 1);
    }
    assert!(cluster.net.tap.iter().all(|p| p.payload.len() < 1500), "no datagram carried it");
}

#[test]
fn an_event_just_within_a_packet_is_gossiped() {
    let mut cluster = Cluster::with(4, |_, config| {
        config.events.size_limit = 9000;
        config.push_pull.interval = None;
    })
    .joined();
    cluster.event(0, "fits", &[b'x'; 1280]);
    cluster.run(secs(5));
    for host in 0..4 {
        assert_eq!(cluster.user_events(host, "fits").len(), 1);
    }
}

#[test]
fn events_too_large_are_refused() {
    let mut cluster = Cluster::lan(1);
    let encoded = cluster.ask(0, send("name", vec![0; 508]));
    assert_eq!(encoded, Err(CommandError::EncodedEventTooLarge(512)), "512 bytes before, more after");
    assert_eq!(cluster.ask(0, send("name", vec![0; 509])), Err(CommandError::EventTooLarge(512)));
    assert_eq!(cluster.ask(0, send("name", vec![0; 400])), Ok(Reply::Done));
}

#[test]
fn many_events_at_once_all_arrive() {
    let mut cluster = Cluster::lan(8).joined();
    for i in 0..200 {
        cluster.event(i % 8, &format!("burst{i}"), &[b'x'; 60]);
    }
    cluster.run(secs(30));
    for host in 0..8 {
        for i in 0..200 {
            assert_eq!(cluster.user_events(host, &format!("burst{i}")).len(), 1, "burst{i} at n{host}");
        }
        assert_eq!(cluster.hosts[host].node().stats().event_queue, 0, "the queue runs dry");
    }
}

#[test]
fn a_message_is_sent_as_often_as_the_limit_says() {
    // gossip-wire, section 8.1: 4 times in a cluster of 4, 8 times in one of 12.
    for (n, limit) in [(4, 4), (12, 8)] {
        let mut cluster = Cluster::lan(n).joined();
        cluster.net.tapped = true;
        cluster.event(0, "spread", b"");
        cluster.run(secs(20));
        for host in 0..n {
            let packets = cluster.net.tap.iter().filter(|p| p.from == host);
            let messages = packets.flat_map(|p| wire::read_packet(&p.payload));
            let sent = messages.filter(|m| m.serf == Some(3) && m.text("Name") == "spread").count();
            assert_eq!(sent, limit, "n{host} of {n}");
        }
    }
}

#[test]
fn events_of_some_names_are_told_one_by_one_although_they_allow_folding() {
    let coalesce = tidings_core::config::Coalesce { period: secs(3), quiescent: secs(1) };
    let mut cluster = Cluster::with(2, |i, config| {
        config.events.coalesce = Some(coalesce);
        config.events.told_singly = (i == 1).then(|| "rs".to_owned()).into_iter().collect();
    })
    .joined();
    for i in 0..5 {
        let command = Command::UserEvent { name: "rs".into(), payload: vec![i].into(), coalesce: true };
        cluster.ask(0, command).unwrap();
    }
    cluster.run(secs(5));
    let mut heard: Vec<u8> = cluster.user_events(1, "rs").iter().map(|(_, event)| event.payload[0]).collect();
    // They may overtake each other on their way.
    heard.sort_unstable();
    assert_eq!(heard, [0, 1, 2, 3, 4]);
    assert_eq!(cluster.user_events(0, "rs").len(), 1, "others fold them");
}
