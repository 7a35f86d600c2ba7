//! Queries.

use bytes::Bytes;
use tidings_core::{Command, CommandError, QueryParams, Reply};

use crate::common::{Cluster, ms, secs, wire};

fn query(name: &str) -> QueryParams {
    QueryParams { name: name.into(), ..QueryParams::default() }
}

fn names(hosts: &[usize]) -> Vec<String> {
    let mut names: Vec<String> = hosts.iter().map(|h| format!("n{h}")).collect();
    names.sort();
    names
}

#[test]
fn everybody_acknowledges_and_answers_once() {
    for n in [1, 3, 12] {
        let mut cluster = Cluster::lan(n).joined();
        let (id, timeout) = cluster.query(0, QueryParams { ack: true, ..query("load") });
        // serf-wire, section 6.4: 200 ms x 16 x ceil(log10(n + 1)).
        assert_eq!(timeout, if n == 12 { ms(6400) } else { ms(3200) });
        cluster.run(secs(1));
        assert_eq!(cluster.respond_all("load"), n);
        cluster.run(secs(10));
        let answers = cluster.answers(0, id).sorted();
        let everybody = names(&(0..n).collect::<Vec<_>>());
        assert_eq!(answers.acks, everybody);
        let who: Vec<String> = answers.responses.iter().map(|(from, _)| from.clone()).collect();
        assert_eq!(who, everybody);
        assert!(answers.responses.iter().all(|(from, payload)| from.as_bytes() == payload));
        assert_eq!(answers.done, Some(timeout));
    }
}

#[test]
fn a_query_says_what_was_asked() {
    let mut cluster = Cluster::lan(2).joined();
    cluster.query(0, QueryParams { payload: Bytes::from_static(b"now?"), timeout: secs(7), ..query("load") });
    let asked = cluster.now;
    cluster.run(secs(1));
    let events = &cluster.hosts[1].events;
    let [(at, tidings_core::Event::Query(got))] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&*got.name, &got.payload[..], &*got.source), ("load", &b"now?"[..], "n0"));
    assert_eq!(got.deadline, *at + secs(7));
    assert!(at.since(asked) <= ms(500));
}

#[test]
fn without_ack_there_is_none() {
    let mut cluster = Cluster::lan(3).joined();
    let (id, _) = cluster.query(0, query("quiet"));
    cluster.run(secs(5));
    let answers = cluster.answers(0, id);
    assert!(answers.acks.is_empty() && answers.responses.is_empty(), "{answers:?}");
    assert!(answers.done.is_some());
}

#[test]
fn filters_choose_who_answers() {
    let mut cluster = Cluster::with(6, |i, config| {
        config.tags.insert("role", if i % 2 == 0 { "web" } else { "db" });
        if i == 4 {
            config.tags.insert("dc", "east");
        }
    })
    .joined();
    let by_nodes = |nodes: &[&str]| QueryParams {
        nodes: nodes.iter().map(ToString::to_string).collect(),
        ..query("who")
    };
    let by_tags = |tags: &[(&str, &str)]| QueryParams {
        tags: tags.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        ..query("who")
    };
    for (params, expected) in [
        (by_nodes(&["n1", "n2"]), vec![1, 2]),
        (by_nodes(&["nobody"]), vec![]),
        (by_tags(&[("role", "web")]), vec![0, 2, 4]),
        (by_tags(&[("role", "w.*")]), vec![0, 2, 4]),
        (by_tags(&[("role", "e")]), vec![0, 2, 4]),
        (by_tags(&[("role", "^e")]), vec![]),
        (by_tags(&[("role", "web|db")]), vec![0, 1, 2, 3, 4, 5]),
        (by_tags(&[("dc", "^$")]), vec![0, 1, 2, 3, 5]),
        (by_tags(&[("role", "web"), ("dc", "east")]), vec![4]),
        (QueryParams { nodes: vec!["n0".into(), "n1".into()], ..by_tags(&[("role", "db")]) }, vec![1]),
    ] {
        let shown = format!("{params:?}");
        let (id, _) = cluster.query(0, QueryParams { ack: true, timeout: secs(2), ..params });
        cluster.run(secs(3));
        assert_eq!(cluster.answers(0, id).sorted().acks, names(&expected), "{shown}");
        cluster.forget_events();
    }
}

#[test]
fn a_filter_that_is_no_expression_is_refused_or_matches_nobody() {
    let mut cluster = Cluster::lan(3).joined();
    let params = QueryParams { tags: vec![("role".into(), "(".into())], ack: true, ..query("who") };
    let token = cluster.command(0, Command::Query(Box::new(params)));
    cluster.run(secs(5));
    if let Some((_, Ok(Reply::QueryStarted { id, .. }))) = cluster.hosts[0].replies.get(&token).cloned() {
        assert!(cluster.answers(0, id).acks.is_empty());
    }
}

#[test]
fn relays_carry_answers_around_a_broken_link() {
    let mut cluster = Cluster::lan(6).joined();
    // Answers of n5 do not get to n0 directly; its probes do, by the others.
    cluster.net.block_datagrams(5, 0);
    let ask = |relay_factor| QueryParams { ack: true, relay_factor, timeout: secs(3), ..query("far") };
    let (direct, _) = cluster.query(0, ask(0));
    cluster.run(secs(1));
    cluster.respond_all("far");
    cluster.run(secs(4));
    assert_eq!(cluster.answers(0, direct).sorted().acks, names(&[0, 1, 2, 3, 4]));
    cluster.forget_events();

    let (relayed, _) = cluster.query(0, ask(3));
    cluster.run(secs(1));
    cluster.respond_all("far");
    cluster.run(secs(4));
    let answers = cluster.answers(0, relayed).sorted();
    assert_eq!(answers.acks, names(&[0, 1, 2, 3, 4, 5]));
    assert_eq!(answers.responses.len(), 6, "copies are dropped");
    let metrics = cluster.hosts[0].node().metrics();
    assert!(metrics.query_duplicate_acks > 0 && metrics.query_duplicate_responses > 0);
}

#[test]
fn answers_have_a_deadline() {
    let mut cluster = Cluster::lan(2).joined();
    let (id, _) = cluster.query(0, QueryParams { timeout: secs(2), ..query("slow") });
    cluster.run(secs(3));
    let payload = Bytes::from_static(b"late");
    let reply = cluster.ask(1, Command::Respond { id, payload });
    assert_eq!(reply, Err(CommandError::PastDeadline));
    assert!(cluster.answers(0, id).responses.is_empty());
}

#[test]
fn an_answer_is_given_once() {
    let mut cluster = Cluster::lan(2).joined();
    let (id, _) = cluster.query(0, query("once"));
    cluster.run(secs(1));
    let respond = |payload| Command::Respond { id, payload: Bytes::from_static(payload) };
    assert_eq!(cluster.ask(1, respond(b"first")), Ok(Reply::Done));
    assert_eq!(cluster.ask(1, respond(b"second")), Err(CommandError::AlreadyResponded));
    cluster.run(secs(5));
    assert_eq!(cluster.answers(0, id).responses, [("n1".to_string(), Bytes::from_static(b"first"))]);
}

#[test]
fn an_answer_to_nothing_is_refused() {
    let mut cluster = Cluster::lan(1);
    let id = tidings_core::QueryId { ltime: tidings_core::LamportTime(4), id: 4 };
    let reply = cluster.ask(0, Command::Respond { id, payload: Bytes::new() });
    assert_eq!(reply, Err(CommandError::PastDeadline));
}

#[test]
fn sizes_are_limited() {
    let mut cluster = Cluster::lan(2).joined();
    let params = QueryParams { payload: vec![0; 1024].into(), ..query("large") };
    assert_eq!(cluster.ask(0, Command::Query(Box::new(params))), Err(CommandError::QueryTooLarge(1024)));
    let (id, _) = cluster.query(0, query("small"));
    cluster.run(secs(1));
    let respond = |n: usize| Command::Respond { id, payload: vec![0; n].into() };
    assert_eq!(cluster.ask(1, respond(1024)), Err(CommandError::ResponseTooLarge(1024)));
    assert_eq!(cluster.ask(1, respond(900)), Ok(Reply::Done), "a refusal does not use the answer up");
}

#[test]
fn internal_names_are_reserved_except_for_the_ping() {
    let mut cluster = Cluster::lan(3).joined();
    for name in ["_serf_conflict", "_serf_install-key", "_serf_", "_serf_nonesuch"] {
        let reply = cluster.ask(0, Command::Query(Box::new(query(name))));
        assert_eq!(reply, Err(CommandError::ReservedQuery), "{name}");
    }
    let (id, _) = cluster.query(0, QueryParams { ack: true, ..query("_serf_ping") });
    cluster.run(secs(5));
    assert_eq!(cluster.answers(0, id).sorted().acks, names(&[0, 1, 2]));
    for host in 0..3 {
        assert!(cluster.queries(host, "_serf_ping").is_empty(), "it is never delivered");
    }
}

#[test]
fn old_protocols_ask_nothing() {
    let mut cluster = Cluster::with(2, |_, config| config.protocol = 3).joined();
    let reply = cluster.ask(0, Command::Query(Box::new(query("load"))));
    assert_eq!(reply, Err(CommandError::NotSupported));
}

#[test]
fn a_repeated_query_gets_no_second_ack() {
    let mut cluster = Cluster::lan(1);
    let outsider = "10.3.3.3:7946".parse().unwrap();
    cluster.net.tapped = true;
    let ask = wire::QueryMessage { flags: 1, ..wire::QueryMessage::new("hello", outsider, 7, 77) };
    let other = wire::QueryMessage { id: 78, ..ask.clone() };
    for (message, acks) in [(&ask, 1), (&ask, 1), (&other, 2), (&ask, 2), (&other, 2)] {
        cluster.inject(outsider, 0, &message.bytes());
        cluster.run(ms(10));
        let sent = cluster.net.tap.iter().flat_map(|p| wire::read_packet(&p.payload));
        let count = sent.filter(|m| m.serf == Some(5) && m.number("Flags") == 1).count();
        assert_eq!(count, acks);
    }
    assert_eq!(cluster.queries(0, "hello").len(), 2);
}

#[test]
fn a_filtered_query_is_still_passed_on() {
    let mut cluster = Cluster::lan(2).joined();
    let outsider = "10.3.3.3:7946".parse().unwrap();
    cluster.net.tapped = true;
    for (id, flags, passed) in [(1, 0, true), (2, 2, false)] {
        let mut ask = wire::QueryMessage::new("elsewhere", outsider, 7, id);
        ask.flags = flags;
        let mut filter = vec![0];
        wire::V::Array(vec![wire::raw("nobody")]).encode(&mut filter);
        ask.filters = vec![wire::raw(filter)];
        cluster.net.tap.clear();
        cluster.inject(outsider, 0, &ask.bytes());
        cluster.run(secs(2));
        let sent = cluster.net.tap.iter().filter(|p| p.from == 0);
        let mut sent = sent.flat_map(|p| wire::read_packet(&p.payload));
        let found = sent.any(|m| m.serf == Some(4) && m.number("ID") == id);
        assert_eq!(found, passed, "flags {flags}");
    }
    assert!(cluster.queries(0, "elsewhere").is_empty());
}

#[test]
fn queries_are_remembered_against_a_newcomer_s_repetition() {
    let mut cluster = Cluster::lan(5).joined();
    let (id, _) = cluster.query(1, QueryParams { ack: true, ..query("load") });
    cluster.run(secs(30));
    for host in 0..5 {
        assert_eq!(cluster.queries(host, "load"), [id], "n{host}");
        assert_eq!(cluster.hosts[host].node().stats().query_queue, 0);
    }
}
