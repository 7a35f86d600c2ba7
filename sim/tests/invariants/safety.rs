//! What must hold at every event.

use std::time::Duration;

use bytes::Bytes;
use tidings_core::wire::message::{Alive, Suspect};
use tidings_core::{
    Answer, AnswerKind, Cause, Command, CommandError, Decision, Event, Input, LamportTime, MemberEvent,
    MemberEventKind, Output, QueryId, Reply, State, Token, UserEvent,
};
use tidings_sim::{Cluster, Sight, address};

use crate::history::{History, assert_finds, name};

#[test]
fn who_suspects_counts_once_and_never_lengthens_the_suspicion() {
    for (from, confirmations, remaining, wrong) in [
        ("n3", 1, 8, None),
        ("n3", 1, 10, None),
        ("n3", 1, 11, Some("longer")),
        ("n3", 2, 8, Some("2 confirmations are too many")),
        ("n1", 1, 8, Some("n1 counts twice")),
    ] {
        let mut history = History::new();
        assert_eq!(history.suspicion("n1", 0, 10), None);
        let found = history.suspicion(from, confirmations, remaining);
        match wrong {
            None => assert_eq!(found, None),
            Some(wrong) => assert_finds(found, &["M7 suspicion window", wrong]),
        }
    }
}

#[test]
fn suspects_die_within_the_window_and_by_others_at_any_time() {
    // Among four: 4 s to six times that.
    for (millis, cause, wrong) in [
        (3990, Cause::Timer, true),
        (4000, Cause::Timer, false),
        (24_000, Cause::Timer, false),
        (24_010, Cause::Timer, true),
        (1000, Cause::Packet(address(3)), false),
    ] {
        let mut history = History::new();
        history.suspicion("n1", 0, 24);
        history.cluster.run(Duration::from_millis(millis));
        let found = history.state(cause, Some(State::Suspect), State::Dead);
        assert_eq!(found.is_some(), wrong, "{millis}: {found:?}");
        assert!(found.is_none_or(|found| found.contains("M7 suspicion window")));
    }
}

#[test]
fn states_follow_each_other_as_the_rules_of_precedence_say() {
    use State::{Alive, Dead, Forgotten, Left, Suspect};
    let all = [Alive, Suspect, Dead, Left, Forgotten];
    let legal = |before: Option<State>, after: State| match before {
        None | Some(Forgotten) => after == Alive,
        Some(Alive) => after != Forgotten,
        Some(Suspect) => [Alive, Dead, Left].contains(&after),
        Some(Dead | Left) => [Alive, Forgotten].contains(&after),
    };
    for before in all.into_iter().map(Some).chain([None]) {
        for after in all {
            let found = History::new().state(Cause::Timer, before, after);
            assert_eq!(found.is_none(), legal(before, after), "{before:?} to {after:?}: {found:?}");
            let left = before == Some(Left) && [Suspect, Dead].contains(&after);
            let invariant = if left { "M5 left stays left" } else { "M3 precedence" };
            assert!(found.is_none_or(|found| found.contains(invariant)), "{before:?} to {after:?}");
        }
    }
}

#[test]
fn one_probe_at_a_time_and_neither_of_oneself_nor_of_the_gone() {
    let mut history = History::new();
    assert_eq!(history.probe("n1", 1), None);
    assert_eq!(history.probe_over("n1", 1), None);
    assert_finds(history.probe_over("n1", 1), &["M8 one probe", "probe 1 ends, but None"]);
    assert_eq!(history.probe("n2", 2), None);
    assert_finds(history.probe("n3", 3), &["M8 one probe", "the probe of n2 is not over"]);
    assert_finds(history.probe_over("n2", 3), &["M8 one probe", "probe 3 ends"]);
    assert_finds(History::new().probe("n0", 1), &["M8 one probe", "probes itself"]);
    let mut cluster = Cluster::lan(4).seed(3).start();
    cluster.crash(2).run(Duration::from_secs(25));
    assert_eq!(cluster.state(0, 2), Some(State::Dead));
    let mut history = History::of(cluster);
    assert_finds(history.probe("n2", 1), &["M8 one probe", "it is held Some(Dead)"]);
    assert_eq!(history.probe("n3", 2), None);
}

#[test]
fn nothing_is_sent_too_often_too_large_or_with_an_incarnation_nobody_has() {
    // Among four, four times.
    let finished = |transmits| {
        let decision = Decision::BroadcastFinished { member: None, transmits, dropped: false };
        History::new().decide(Cause::Timer, decision)
    };
    assert_eq!(finished(4), None);
    assert_finds(finished(5), &["M10 retransmit limit", "sent 5 times, 4 are allowed"]);
    let sent = |payload: Vec<u8>| {
        History::new().output(&Output::Datagram { to: address(1), payload: Bytes::from(payload) })
    };
    assert_eq!(sent(vec![0; 1400]), None);
    assert_finds(sent(vec![0; 1401]), &["M11 packet bound", "1401 bytes, allowed are 1400"]);
    let suspect = |incarnation| {
        let mut payload = Vec::new();
        Suspect { incarnation, node: "n2", from: "n0" }.encode(&mut payload);
        sent(payload)
    };
    assert_eq!(suspect(1), None);
    assert_finds(suspect(2), &["M2 owner-only incarnation", "n0, n2", "1 is the highest issued"]);
    let health = |after| History::new().decide(Cause::Timer, Decision::Awareness { before: 0, after });
    assert_eq!(health(7), None);
    assert_finds(health(8), &["M12 LHM bounds", "health score 8 of 8"]);
}

#[test]
fn the_application_is_told_changes_only() {
    let mut history = History::new();
    let member = history.cluster.member(0, 1).unwrap();
    for (kind, wrong) in [
        (MemberEventKind::Join, Some("member-join of a member that was alive")),
        (MemberEventKind::Update, Some("an update to the tags it had")),
        (MemberEventKind::Failed, None),
        (MemberEventKind::Failed, Some("of a member that was failed")),
        (MemberEventKind::Leave, None),
        (MemberEventKind::Reap, None),
        (MemberEventKind::Update, Some("of a member that was none")),
        (MemberEventKind::Join, None),
    ] {
        let members = [member.clone()].into_iter().collect();
        let found = history.event(Event::Members(MemberEvent { kind, members }));
        match wrong {
            None => assert_eq!(found, None, "{kind}"),
            Some(wrong) => assert_finds(found, &["M16 events match state", wrong]),
        }
    }
}

#[test]
fn clocks_only_advance_and_ones_own_events_come_after_all_heard() {
    let mut cluster = Cluster::lan(4).seed(3).start();
    for _ in 0..5 {
        cluster.event(0, "tick", &[]);
    }
    cluster.run(Duration::from_secs(1));
    let mut history = History::of(cluster);
    let command =
        |name: &str| Command::UserEvent { name: name.into(), payload: Bytes::new(), coalesce: false };
    let event = |label: &str, ltime| {
        let (name, payload) = (name(label), Bytes::new());
        Event::User(UserEvent { ltime: LamportTime(ltime), name, payload, coalesce: false })
    };
    assert_eq!(history.command(1, command("a")), None);
    assert_eq!(history.event(event("a", 3)), None);
    // Somebody else's event of the same time is nothing special.
    assert_eq!(history.event(event("a", 2)), None);
    assert_eq!(history.command(2, command("b")), None);
    assert_finds(history.event(event("b", 3)), &["S1 Lamport", "its own event has time 3"]);
    assert_finds(history.event(event("a", 6)), &["S1 Lamport", "the event clock shows 6"]);
    assert_finds(history.event(event("a", 3)), &["S2 at most once", "of time 3 delivered again"]);
    assert_finds(history.event(event("c", 4)), &["S3 no phantom", "never issued"]);
    assert_eq!(history.tell(&Sight::Input(&Input::Timeout)), None);
    history.cluster = Cluster::lan(4).seed(3).start();
    assert_finds(history.tell(&Sight::Input(&Input::Timeout)), &["S1 Lamport", "clocks"]);
}

#[test]
fn answers_come_once_from_those_asked_and_before_the_end() {
    let id = |id| QueryId { ltime: LamportTime(1), id };
    let ack = |query, from: &str| {
        Event::Answer(Answer { query: id(query), kind: AnswerKind::Ack { from: name(from) } })
    };
    let says = |query, from: &str| {
        let kind = AnswerKind::Response { from: name(from), payload: Bytes::new() };
        Event::Answer(Answer { query: id(query), kind })
    };
    let mut history = History::new();
    for fine in [ack(1, "n1"), says(1, "n1"), ack(1, "n2"), ack(2, "n1")] {
        assert_eq!(history.event(fine), None);
    }
    assert_finds(history.event(says(1, "n1")), &["S4 query", "answered twice"]);
    assert_finds(history.event(ack(1, "n2")), &["S4 query", "answered twice"]);
    let done = AnswerKind::Done { after: Duration::from_secs(1) };
    assert_eq!(history.event(Event::Answer(Answer { query: id(1), kind: done })), None);
    assert_finds(history.event(ack(1, "n3")), &["S4 query", "after the deadline"]);
    assert_eq!(history.event(ack(2, "n3")), None, "another query is still open");
}

#[test]
fn what_is_too_large_must_be_refused() {
    for (bytes, refused, wrong) in [(507, false, false), (508, true, false), (508, false, true)] {
        let mut history = History::new();
        let payload = Bytes::from(vec![7; bytes]);
        assert_eq!(
            history.command(9, Command::UserEvent { name: "event".into(), payload, coalesce: false }),
            None
        );
        let result = if refused { Err(CommandError::EventTooLarge(512)) } else { Ok(Reply::Done) };
        let found = history.output(&Output::Reply { token: Token(9), result });
        assert_eq!(found.is_some(), wrong, "{bytes}: {found:?}");
        assert!(found.is_none_or(|found| found.contains("S6 size limits")));
    }
}

#[test]
fn the_time_of_a_status_never_goes_back() {
    let fresh = || Cluster::lan(4).seed(3).start();
    let mut later = fresh();
    later.join(1, &[2]);
    later.run(Duration::from_secs(2));
    let time = |cluster: &Cluster| cluster.member(0, 1).unwrap().status_ltime();
    assert!(time(&later) > time(&fresh()));
    let mut history = History::of(later);
    assert_eq!(history.tell(&Sight::Input(&Input::Timeout)), None);
    history.cluster = fresh();
    assert_finds(history.tell(&Sight::Input(&Input::Timeout)), &["S5 intent order", "n0, n1"]);
}

/// Whether it is S7 that is broken. (That applications are told of tags, M16, nobody sees to here.)
fn is_out_of_order(found: Option<String>) -> bool {
    found.is_some_and(|found| found.contains("S7 tags"))
}

/// Tags of n2 as host 0 comes to hold them. In its first life n2 publishes turn=1 at incarnation 2,
/// turn=2 at 3 and turn=3 at 4; then its process dies, and starts with nothing: no tags at incarnation 1.
#[test]
fn tags_follow_the_incarnation_at_which_they_were_published() {
    let mut before = Cluster::lan(4).seed(3).start();
    before.set_tags(2, &[("turn", "1")]);
    before.run(Duration::from_secs(2));
    let mut later = before.fork();
    later.set_tags(2, &[("turn", "2")]);
    later.run(Duration::from_secs(2));
    let held = |cluster: &Cluster| cluster.member(0, 2).map(|member| member.incarnation());
    let mut last = later.fork();
    last.set_tags(2, &[("turn", "3")]);
    last.run(Duration::from_secs(2));
    assert_eq!([held(&before), held(&later), held(&last)], [Some(2), Some(3), Some(4)]);
    let meta = |cluster: &Cluster| cluster.member(0, 2).unwrap().identity().meta.clone();
    let (none, second) = (meta(&Cluster::lan(4).seed(3).start()), meta(&later));
    // What host 0 hears after it held turn=1, and whether it may believe that.
    for (incarnation, heard, fine) in [
        (3, &second, true),
        // Tags it has published, but not at that incarnation.
        (3, &none, false),
        (4, &second, false),
        (4, &none, false),
    ] {
        let mut history = History::of(Cluster::lan(4).seed(3).start());
        for cluster in [&before, &later, &last] {
            history.cluster = cluster.fork();
            assert!(!is_out_of_order(history.tell_at(2, &Sight::Input(&Input::Timeout))));
        }
        history.cluster = before.fork();
        assert!(!is_out_of_order(history.tell(&Sight::Input(&Input::Timeout))));
        history.cluster.crash(2).restart(2);
        let n2 = history.cluster.host(2).addr();
        let versions = Some(history.cluster.member(0, 2).unwrap().identity().versions);
        let mut payload = Vec::new();
        let (addr, port) = (n2.ip(), n2.port());
        Alive { node: "n2", addr, port, meta: heard, incarnation, versions }.encode(&mut payload);
        history.cluster.inject(address(1), 0, &payload);
        let found = history.tell(&Sight::Input(&Input::Timeout));
        assert_eq!(!is_out_of_order(found), fine, "{incarnation}, {heard:?}");
    }
}

/// What a life said at a higher incarnation counts after what the next one said at a lower.
#[test]
fn tags_of_an_earlier_life_may_come_after_those_of_the_present_one() {
    let mut cluster = Cluster::lan(4).seed(3).start();
    for turn in ["1", "2"] {
        cluster.set_tags(2, &[("turn", turn)]);
        cluster.run(Duration::from_secs(2));
    }
    let old = cluster.fork();
    let mut history = History::of(Cluster::lan(4).seed(3).start());
    history.cluster = old;
    assert!(!is_out_of_order(history.tell_at(2, &Sight::Input(&Input::Timeout))));
    // A newcomer holds the present life, as it began.
    history.cluster = Cluster::lan(4).seed(3).start();
    assert_eq!(history.tell_at(0, &Sight::Started), None);
    let present = history.cluster.member(0, 2).unwrap();
    assert_eq!(present.incarnation(), 1);
    history.cluster = cluster;
    assert!(!is_out_of_order(history.tell(&Sight::Input(&Input::Timeout))));
}
