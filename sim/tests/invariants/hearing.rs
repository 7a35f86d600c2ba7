//! What hosts make of what they hear: accusations, requests for help, queries, and claims about others.

use std::time::Duration;

use bytes::Bytes;
use tidings_core::wire::message::{Dead, IndirectPing, Nack, Source, Suspect};
use tidings_core::{Command, Event, Input, LamportTime, Output, Query, QueryId, QueryParams, Reply, Time};
use tidings_sim::{Cluster, Sight, address};

use crate::history::{History, assert_finds, name};

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut payload = Vec::new();
    encode(&mut payload);
    payload
}

/// Host 0's next input: its last step is over.
fn look(history: &mut History) -> Option<String> {
    history.tell(&Sight::Input(&Input::Timeout))
}

/// Host 1 sends this to host 0, which is about to handle it.
fn arrives(history: &mut History, payload: &[u8]) -> Option<String> {
    let sent = Output::Datagram { to: address(0), payload: Bytes::copy_from_slice(payload) };
    assert_eq!(history.tell_at(1, &Sight::Output(&sent)), None);
    history.tell(&Sight::Input(&Input::Datagram { from: address(1), payload }))
}

#[test]
fn whoever_is_accused_contradicts_in_the_same_step() {
    let suspect = |node, incarnation| encoded(|out| Suspect { incarnation, node, from: "n1" }.encode(out));
    let dead = |node, incarnation| encoded(|out| Dead { incarnation, node, from: "n1" }.encode(out));
    for (accusation, of_itself) in [
        (suspect("n0", 1), true),
        (dead("n0", 1), true),
        (suspect("n0", 0), false),
        (suspect("n2", 1), false),
        (dead("n2", 1), false),
    ] {
        let mut history = History::new();
        assert_eq!(arrives(&mut history, &accusation), None);
        let found = look(&mut history);
        if of_itself {
            assert_finds(found, &["M6 self is alive", "accused at incarnation 1, and stays at 1"]);
        } else {
            assert_eq!(found, None);
        }
        // Told as it is, and handled.
        let mut history = History::new();
        assert_eq!(arrives(&mut history, &accusation), None);
        history.cluster.inject(address(1), 0, &accusation);
        let own = history.cluster.member(0, 0).map(|own| own.incarnation());
        assert_eq!(own, Some(if of_itself { 2 } else { 1 }));
        assert!(look(&mut history).is_none_or(|found| !found.contains("M6")));
    }
}

#[test]
fn whoever_leaves_need_not_contradict() {
    let mut history = History::new();
    assert_eq!(history.command(1, Command::Leave), None);
    let accusation = encoded(|out| Dead { incarnation: 1, node: "n0", from: "n0" }.encode(out));
    assert_eq!(arrives(&mut history, &accusation), None);
    assert_eq!(look(&mut history), None);
}

#[test]
fn a_helper_says_once_for_each_request_that_it_failed() {
    let target = address(2);
    let request = encoded(|out| {
        let (source, target, port) = (Source::new(address(1), "n1"), target.ip(), target.port());
        IndirectPing { seq: 4, target, port, node: "n2", nack: true, source }.encode(out);
    });
    let nack =
        Output::Datagram { to: address(1), payload: Bytes::from(encoded(|out| Nack { seq: 4 }.encode(out))) };
    for asks in [1, 2] {
        let mut history = History::new();
        for _ in 0..asks {
            assert_eq!(arrives(&mut history, &request), None);
        }
        history.cluster.run(Duration::from_millis(400));
        for _ in 0..asks {
            assert_eq!(history.output(&nack), None);
        }
        let what = format!("{} nacks of probe 4, asked for {asks} times", asks + 1);
        assert_finds(history.output(&nack), &["M14 nack timing", &what]);
    }
}

#[test]
fn queries_are_delivered_by_those_whom_their_filters_let_pass() {
    let mut cluster = Cluster::lan(4).seed(3).start();
    cluster.set_tags(1, &[("role", "web")]);
    cluster.set_tags(2, &[("role", "db")]);
    cluster.run(Duration::from_secs(2));
    let asked = |nodes: &[&str], tags: &[(&str, &str)]| QueryParams {
        name: "who".into(),
        nodes: nodes.iter().map(|name| (*name).to_owned()).collect(),
        tags: tags.iter().map(|(tag, expr)| ((*tag).to_owned(), (*expr).to_owned())).collect(),
        ..QueryParams::default()
    };
    for (params, passes) in [
        (asked(&[], &[]), [true, true, true, true]),
        (asked(&["n1", "n3"], &[]), [false, true, false, true]),
        (asked(&[], &[("role", "^w")]), [false, true, false, false]),
        (asked(&[], &[("role", "^$")]), [true, false, false, true]),
        (asked(&["n1", "n2"], &[("role", "b")]), [false, true, true, false]),
        (asked(&[], &[("role", "b"), ("role", "^d")]), [false, false, true, false]),
    ] {
        let mut history = History::of(cluster.fork());
        let id = QueryId { ltime: LamportTime(1), id: 7 };
        assert_eq!(history.command(3, Command::Query(Box::new(params.clone()))), None);
        let started = Reply::QueryStarted { id, timeout: Duration::from_secs(1) };
        assert_eq!(history.reply_at(0, 3, started), None);
        for (host, passes) in passes.into_iter().enumerate() {
            let (payload, source, deadline) = (Bytes::new(), name("n0"), Time::ZERO);
            let query = Query { id, name: name("who"), payload, source, deadline };
            match history.event_at(host, Event::Query(Box::new(query))) {
                None => assert!(passes, "n{host}: {params:?}"),
                found => {
                    assert!(!passes, "n{host}: {params:?}");
                    assert_finds(found, &["S4 query", "whose filters exclude it"]);
                }
            }
        }
    }
}

/// A node does not even take such a claim, so the history is of two clusters: in each n2 came to
/// incarnation 2 with tags of its own.
#[test]
fn other_tags_at_the_same_incarnation_are_no_transition() {
    let turned = |turn| {
        let mut cluster = Cluster::lan(4).seed(3).start();
        cluster.set_tags(2, &[("turn", turn)]);
        cluster.run(Duration::from_secs(2));
        cluster
    };
    let [one, two] = ["1", "2"].map(turned);
    assert_eq!([&one, &two].map(|cluster| cluster.member(0, 2).unwrap().incarnation()), [2, 2]);
    let mut history = History::of(one);
    assert_eq!(look(&mut history), None);
    history.cluster = two;
    assert_finds(look(&mut history), &["M3 precedence", "n0, n2", "at incarnation 2 as before"]);
}
