//! What is held against what was said before it, and against the clock.

use std::time::Duration;

use bytes::Bytes;
use tidings_core::wire::message::{Alive, IndirectPing, MessageType, Nack, Ping, Source, Suspect};
use tidings_core::{
    Answer, AnswerKind, Cause, Command, Decision, Event, Input, LamportTime, Output, ProbeResult, Query,
    QueryId, QueryParams, Reply, State, Time, Token, UserEvent,
};
use tidings_sim::{Cluster, Sight, address};

use crate::history::{History, assert_finds, name};

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut payload = Vec::new();
    encode(&mut payload);
    payload
}

/// Four members, of whom n0 holds n2 suspect.
fn doubting() -> Cluster {
    let mut cluster = Cluster::lan(4).seed(3).start();
    let suspect = encoded(|out| Suspect { incarnation: 1, node: "n2", from: "n1" }.encode(out));
    cluster.inject(address(1), 0, &suspect);
    assert_eq!(cluster.state(0, 2), Some(State::Suspect));
    cluster
}

/// A time-out of host 0 has it look at what it holds now.
fn look(history: &mut History) -> Option<String> {
    history.tell(&Sight::Input(&Input::Timeout))
}

fn sent(history: &mut History, to: usize, payload: Vec<u8>) -> Option<String> {
    history.output(&Output::Datagram { to: address(to), payload: Bytes::from(payload) })
}

#[test]
fn nobody_holds_an_incarnation_that_was_never_issued_however_it_came() {
    let mut history = History::new();
    let versions = history.cluster.member(0, 1).map(|member| member.identity().versions);
    let alive = |incarnation| {
        encoded(|out| {
            Alive {
                incarnation,
                node: "n1",
                addr: address(1).ip(),
                port: address(1).port(),
                meta: b"",
                versions,
            }
            .encode(out);
        })
    };
    history.cluster.inject(address(2), 0, &alive(1));
    assert_eq!(look(&mut history), None);
    history.cluster.inject(address(2), 0, &alive(5));
    assert_finds(look(&mut history), &["M2 owner-only incarnation", "n0, n1", "holds incarnation 5"]);
}

#[test]
fn a_suspect_is_cleared_by_a_higher_incarnation_only() {
    let mut history = History::of(doubting());
    history.cluster = Cluster::lan(4).seed(3).start();
    assert_finds(look(&mut history), &["M3 precedence", "n0, n2", "at incarnation 1 as before"]);
    let mut history = History::of(doubting());
    history.cluster.run(Duration::from_secs(3));
    assert_eq!(history.cluster.state(0, 2), Some(State::Alive));
    assert_eq!(look(&mut history), None, "it has refuted");
}

#[test]
fn tags_change_with_the_incarnation_and_the_application_is_told() {
    let tagged = |host, config: &mut tidings_core::Config| {
        if host == 2 {
            config.tags.insert("rack", "b");
        }
    };
    let mut history = History::new();
    history.cluster = Cluster::lan(4).seed(3).configure(tagged).start();
    assert_finds(look(&mut history), &["M3 precedence", "n0, n2", "rack"]);
    let mut history = History::new();
    let set = vec![("rack".into(), "b".into())];
    history.cluster.command(2, Command::UpdateTags { delete: Vec::new(), set, replace: false });
    history.cluster.run(Duration::from_secs(2));
    assert_finds(look(&mut history), &["M16 events match state", "n0, n2", "were not told"]);
}

#[test]
fn gossip_keeps_to_the_packet_size_and_direct_messages_to_their_own() {
    let small = || {
        let plan = Cluster::lan(4).seed(3).configure(|_, config| config.packet.size = 576);
        History::of(plan.start())
    };
    assert_eq!(sent(&mut small(), 1, vec![0; 576]), None);
    assert_finds(sent(&mut small(), 1, vec![0; 577]), &["M11 packet bound", "577 bytes, allowed are 576"]);
    let direct = |bytes| {
        let mut payload = vec![7; bytes];
        payload[0] = MessageType::User as u8;
        sent(&mut small(), 1, payload)
    };
    assert_eq!(direct(1280), None);
    assert_finds(direct(1281), &["M11 packet bound", "1281 bytes, allowed are 1280"]);
}

#[test]
fn probes_are_as_patient_as_health_says() {
    let late = |passed: u64| {
        let mut history = History::new();
        history.probe("n1", 1);
        history.cluster.run(millis(passed));
        history.decide(Cause::Timer, Decision::ProbeLate { target: name("n1"), seq: 1 })
    };
    assert_finds(late(499), &["M12 LHM bounds", "helpers are asked after 499ms", "500ms to 4s"]);
    assert_eq!((late(500), late(4000)), (None, None));
    assert_finds(late(4002), &["M12 LHM bounds"]);
    let ends = |passed: u64, result| {
        let mut history = History::new();
        history.probe("n1", 1);
        history.cluster.run(millis(passed));
        history.decide(Cause::Timer, Decision::ProbeEnded { target: name("n1"), seq: 1, result })
    };
    let failed = ProbeResult::Failed { nacks: 0, expected: 3 };
    assert_finds(ends(999, failed), &["M12 LHM bounds", "the probe ends after 999ms", "1s to 8s"]);
    assert_eq!((ends(1000, failed), ends(8000, failed), ends(3, ProbeResult::Acked)), (None, None, None));
    assert_finds(ends(8002, failed), &["M12 LHM bounds"]);
}

#[test]
fn whoever_pings_a_suspect_tells_it_on_whose_behalf_ever() {
    let ping = || {
        let source = Source::new(address(0), "n0");
        encoded(|out| Ping { seq: 9, node: "n2", source }.encode(out))
    };
    assert_eq!(sent(&mut History::new(), 2, ping()), None);
    let mut history = History::of(doubting());
    assert_eq!(history.suspicion("n1", 0, 10), None);
    assert_eq!(sent(&mut history, 1, ping()), None, "somebody else is no suspect");
    assert_finds(sent(&mut history, 2, ping()), &["M13 buddy", "n0, n2", "does not say so"]);
}

#[test]
fn a_nack_leaves_at_its_time() {
    let source = Source::new(address(1), "n1");
    let target = address(2);
    let request = encoded(|out| {
        let (target, port) = (target.ip(), target.port());
        IndirectPing { seq: 4, target, port, node: "n2", nack: true, source }.encode(out);
    });
    for (passed, wrong) in [(399, true), (400, false), (402, true)] {
        let mut history = History::new();
        let ask = Output::Datagram { to: address(0), payload: Bytes::from(request.clone()) };
        assert_eq!(history.tell_at(1, &Sight::Output(&ask)), None);
        let arrival = Input::Datagram { from: address(1), payload: &request };
        assert_eq!(history.tell(&Sight::Input(&arrival)), None);
        history.cluster.run(millis(passed));
        let found = sent(&mut history, 1, encoded(|out| Nack { seq: 4 }.encode(out)));
        assert_eq!(found.is_some(), wrong, "{passed}: {found:?}");
        assert!(found.is_none_or(|found| found.contains("M14 nack timing")));
    }
}

#[test]
fn an_event_older_than_the_window_is_not_delivered() {
    let mut cluster = Cluster::lan(4).seed(3).configure(|_, config| config.events.buffer = 4).start();
    for _ in 0..9 {
        cluster.event(0, "tick", &[]);
    }
    cluster.run(Duration::from_secs(1));
    let mut history = History::of(cluster);
    let name = name("old");
    history.command_at(
        1,
        1,
        Command::UserEvent { name: "old".into(), payload: Bytes::new(), coalesce: false },
    );
    assert_eq!(look(&mut history), None);
    let mut event = |ltime| {
        let (name, payload) = (name.clone(), Bytes::new());
        history.event(Event::User(UserEvent { ltime: LamportTime(ltime), name, payload, coalesce: false }))
    };
    // The clock shows 10.
    assert_eq!(event(6), None);
    assert_finds(event(5), &["S2 at most once", "an event of time 5 delivered at 10"]);
}

#[test]
fn queries_are_somebody_s_and_their_answers_in_time() {
    let id = QueryId { ltime: LamportTime(1), id: 7 };
    let heard = |history: &mut History, text: &str| {
        let (deadline, payload) = (Time::ZERO, Bytes::new());
        let query = Query { id, name: name(text), payload, source: name("n1"), deadline };
        history.event_at(2, Event::Query(Box::new(query)))
    };
    let mut history = History::new();
    assert_finds(heard(&mut history, "who"), &["S3 no phantom", "query who was never asked"]);
    let params = QueryParams { name: "who".into(), ..QueryParams::default() };
    assert_eq!(history.command(3, Command::Query(Box::new(params))), None);
    assert_eq!(heard(&mut history, "who"), None);
    assert_eq!(history.reply_at(0, 3, Reply::QueryStarted { id, timeout: millis(800) }), None);
    let ack = |from: &str| Event::Answer(Answer { query: id, kind: AnswerKind::Ack { from: name(from) } });
    history.cluster.run(millis(800));
    assert_eq!(history.event(ack("n1")), None);
    history.cluster.run(millis(1));
    assert_finds(history.event(ack("n2")), &["S4 query", "came after the deadline"]);
}

#[test]
fn queries_and_answers_that_are_too_large_must_be_refused_too() {
    let query = |bytes: usize| {
        let payload = Bytes::from(vec![7; bytes]);
        Command::Query(Box::new(QueryParams { name: "ask".into(), payload, ..QueryParams::default() }))
    };
    let respond = |bytes: usize| {
        let id = QueryId { ltime: LamportTime(1), id: 7 };
        Command::Respond { id, payload: Bytes::from(vec![7; bytes]) }
    };
    for (command, what) in [
        (query(1021), None),
        (query(1022), Some("a query of 1025 bytes")),
        (respond(1024), None),
        (respond(1025), Some("an answer of 1025 bytes")),
    ] {
        let mut history = History::new();
        assert_eq!(history.command(9, command), None);
        let found = history.tell(&Sight::Output(&Output::Reply { token: Token(9), result: Ok(Reply::Done) }));
        match what {
            None => assert_eq!(found, None),
            Some(what) => assert_finds(found, &["S6 size limits", what]),
        }
    }
}
