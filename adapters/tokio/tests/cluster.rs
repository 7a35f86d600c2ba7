//! Whole nodes on the loopback interface: what goes in at one comes out at the other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_core::{
    CommandError, Config, Event, KeyCommand, Member, MemberEventKind, Persist, QueryParams, Restored, Status,
    UserEvent,
};
use tidings_tokio::{Error, Events, Handle, Notice, Options, QueryItem, spawn, spawn_with_events};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Long enough for any machine; nothing waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

fn config(name: &str) -> Config {
    let mut config = Config::local(name, "127.0.0.1:0".parse().unwrap());
    config.leave.propagate_delay = Duration::from_millis(100);
    config
}

fn node(name: &str) -> Handle {
    spawn(config(name), Options::default()).unwrap()
}

/// What must happen, and would fail the test rather than hang it.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it never happened")
}

async fn join(node: &Handle, to: &Handle) {
    let joined = soon(node.join(vec![to.local_addr().to_string()], false)).await.unwrap();
    assert_eq!(joined.contacted, 1);
}

/// Reads events until one is what `wanted` looks for.
async fn until<T>(events: &mut Events, wanted: impl Fn(&Event) -> Option<T>) -> T {
    let search = async {
        loop {
            match events.next().await.expect("the node stopped") {
                Notice::Event(event) => {
                    if let Some(found) = wanted(&event) {
                        return found;
                    }
                }
                other => panic!("unexpected {other:?}"),
            }
        }
    };
    soon(search).await
}

async fn until_member(events: &mut Events, kind: MemberEventKind, name: &str) -> Member {
    until(events, |event| match event {
        Event::Members(event) if event.kind == kind => {
            event.members.iter().find(|member| member.name() == name).cloned()
        }
        _ => None,
    })
    .await
}

async fn until_user_event(events: &mut Events) -> UserEvent {
    until(events, |event| match event {
        Event::User(event) => Some(event.clone()),
        _ => None,
    })
    .await
}

fn status(node: &Handle, name: &str) -> Option<Status> {
    node.view().get(name).map(Member::status)
}

#[tokio::test]
async fn two_nodes_join_and_see_each_other() {
    let (a, b) = (node("a"), node("b"));
    let mut events = a.subscribe();
    join(&b, &a).await;
    assert_eq!(status(&b, "a"), Some(Status::Alive));
    let member = until_member(&mut events, MemberEventKind::Join, "b").await;
    assert_eq!(member.addr(), b.local_addr());
    // Who hears of a change finds it in the view.
    assert_eq!(status(&a, "b"), Some(Status::Alive));
    assert_eq!(soon(a.stats()).await.unwrap().members, 2);
    assert!(soon(a.metrics()).await.unwrap().streams_accepted >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_from_the_start_begins_with_the_nodes_own_join() {
    let (node, mut events) = spawn_with_events(config("a"), Options::default()).unwrap();
    until_member(&mut events, MemberEventKind::Join, "a").await;
    assert_eq!(status(&node, "a"), Some(Status::Alive));
}

#[tokio::test]
async fn a_join_through_names_looks_them_up() {
    let (a, b) = (node("a"), node("b"));
    let joined = soon(b.join(vec![format!("localhost:{}", a.local_addr().port())], false)).await.unwrap();
    assert!(joined.contacted >= 1);
    assert_eq!(status(&b, "a"), Some(Status::Alive));
}

#[tokio::test]
async fn a_join_nobody_answers_fails_in_the_words_of_the_original() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let error = soon(node("a").join(vec![addr.to_string()], false)).await.unwrap_err();
    assert!(matches!(error, Error::Command(CommandError::Join(_))));
    assert_eq!(
        error.to_string(),
        format!(
            "1 error occurred:\n\t* Failed to join {addr}: dial tcp {addr}: connect: connection refused\n\n"
        )
    );
}

#[tokio::test]
async fn a_user_event_reaches_the_other_node_and_its_sender() {
    let (a, b) = (node("a"), node("b"));
    join(&b, &a).await;
    let (mut at_a, mut at_b) = (a.subscribe(), b.subscribe());
    soon(a.user_event("deploy", "v1.2", false)).await.unwrap();
    for events in [&mut at_a, &mut at_b] {
        let event = until_user_event(events).await;
        assert_eq!((&*event.name, &event.payload[..]), ("deploy", &b"v1.2"[..]));
    }
}

#[tokio::test]
async fn a_query_collects_acks_and_responses_until_it_is_done() {
    let (a, b) = (node("a"), node("b"));
    join(&b, &a).await;
    let mut events = b.subscribe();
    let responder = b.clone();
    let answering = tokio::spawn(async move {
        let query = until(&mut events, |event| match event {
            Event::Query(query) => Some(query.clone()),
            _ => None,
        })
        .await;
        assert_eq!((&*query.name, &query.payload[..]), ("load", &b"?"[..]));
        soon(responder.respond(query.id, "0.5")).await.unwrap();
        assert!(soon(responder.respond(query.id, "0.6")).await.is_err());
    });
    let params = QueryParams {
        name: "load".into(),
        payload: Bytes::from_static(b"?"),
        nodes: vec!["b".into()],
        ack: true,
        timeout: Duration::from_secs(5),
        ..QueryParams::default()
    };
    let mut answers = soon(a.query(params)).await.unwrap();
    assert_eq!(answers.timeout(), Duration::from_secs(5));
    let (mut acks, mut responses, mut done) = (Vec::new(), Vec::new(), false);
    while let Some(item) = soon(answers.next()).await {
        assert!(!done, "{item:?} after the end");
        match item {
            QueryItem::Ack { from } => acks.push(from),
            QueryItem::Response { from, payload } => responses.push((from, payload)),
            QueryItem::Done { .. } => done = true,
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(done);
    assert_eq!(acks, [Arc::from("b")]);
    assert_eq!(responses, [(Arc::from("b"), Bytes::from_static(b"0.5"))]);
    soon(answering).await.unwrap();
}

#[tokio::test]
async fn a_node_that_leaves_is_known_to_have_left() {
    let (a, b) = (node("a"), node("b"));
    let mut events = a.subscribe();
    join(&b, &a).await;
    until_member(&mut events, MemberEventKind::Join, "b").await;
    soon(b.leave_and_shutdown()).await.unwrap();
    until_member(&mut events, MemberEventKind::Leave, "b").await;
    assert_eq!(status(&a, "b"), Some(Status::Left));
}

#[tokio::test]
async fn a_node_that_is_gone_is_found_to_have_failed_and_can_be_sent_off() {
    let (a, b) = (node("a"), node("b"));
    let mut events = a.subscribe();
    join(&b, &a).await;
    until_member(&mut events, MemberEventKind::Join, "b").await;
    drop(b);
    until_member(&mut events, MemberEventKind::Failed, "b").await;
    soon(a.force_leave("b", false)).await.unwrap();
    until_member(&mut events, MemberEventKind::Leave, "b").await;
}

#[tokio::test]
async fn changed_tags_reach_the_other_node() {
    let (a, b) = (node("a"), node("b"));
    join(&b, &a).await;
    let mut events = b.subscribe();
    soon(a.update_tags(vec![], vec![("role".into(), "web".into())], false)).await.unwrap();
    let member = until_member(&mut events, MemberEventKind::Update, "a").await;
    assert_eq!(member.tags().get("role"), Some("web"));
}

#[tokio::test]
async fn a_slow_subscriber_is_told_what_it_missed_and_stops_nobody() {
    let options = Options { events_max: 4, ..Options::default() };
    let node = spawn(config("a"), options).unwrap();
    let (mut slow, mut fast) = (node.subscribe(), node.subscribe());
    for n in 0..20 {
        soon(node.user_event(format!("event-{n}"), "", false)).await.unwrap();
        assert_eq!(*until_user_event(&mut fast).await.name, *format!("event-{n}"));
    }
    let (mut missed, mut seen) = (0, Vec::new());
    while seen.last().map(String::as_str) != Some("event-19") {
        match soon(slow.next()).await.unwrap() {
            Notice::Missed(n) => missed += n,
            Notice::Event(event) => match &*event {
                Event::User(event) => seen.push(event.name.to_string()),
                _ => missed += 1,
            },
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(missed >= 16, "{missed} missed");
    assert_eq!(seen, ["event-16", "event-17", "event-18", "event-19"]);
}

#[tokio::test]
async fn an_encrypted_cluster_writes_its_keyring_before_it_says_so() {
    let (old, new) = (Bytes::from_static(&[1; 16]), Bytes::from_static(&[2; 16]));
    let start = |name: &str| {
        let mut config = config(name);
        config.security.keys.push(old.clone());
        config.security.persist_keyring = true;
        let (writer, records) = mpsc::channel(8);
        let options = Options { persist: Some(writer), ..Options::default() };
        (spawn(config, options).unwrap(), records)
    };
    let ((a, mut records_a), (b, mut records_b)) = (start("a"), start("b"));
    join(&b, &a).await;
    assert!(soon(b.stats()).await.unwrap().encrypted);

    let asker = a.clone();
    let key = new.clone();
    let asking = tokio::spawn(async move { asker.keys(KeyCommand::Install(key)).await });
    for records in [&mut records_a, &mut records_b] {
        let request = soon(records.recv()).await.unwrap();
        match request.persist {
            Persist::Keyring { keys, .. } => assert_eq!(*keys, [old.clone(), new.clone()]),
            other => panic!("unexpected {other:?}"),
        }
        request.reply.unwrap().done(Ok(()));
    }
    let report = soon(asking).await.unwrap().unwrap();
    assert_eq!((report.nodes, report.responses, report.errors), (2, 2, 0));

    // A writer that fails is a member that says no.
    let asker = a.clone();
    let asking = tokio::spawn(async move { asker.keys(KeyCommand::Use(new)).await });
    soon(records_a.recv()).await.unwrap().reply.unwrap().done(Ok(()));
    soon(records_b.recv()).await.unwrap().reply.unwrap().done(Err("disk full".into()));
    match soon(asking).await.unwrap() {
        Err(Error::Command(CommandError::Keys(report))) => {
            assert_eq!(report.errors, 1);
            assert!(report.messages.iter().any(|(node, text)| node == "b" && text.contains("disk full")));
        }
        other => panic!("unexpected {other:?}"),
    }
}

#[tokio::test]
async fn a_snapshot_written_by_one_run_is_where_the_next_goes_on() {
    let seed = node("seed");
    let mut with_snapshot = config("a");
    with_snapshot.snapshot = true;
    let start = |restored| {
        let (writer, records) = mpsc::channel(256);
        let options = Options { persist: Some(writer), restored, ..Options::default() };
        (spawn(with_snapshot.clone(), options).unwrap(), records)
    };
    let (a, mut records) = start(Restored::default());
    join(&a, &seed).await;
    a.user_event("before", "", false).await.unwrap();
    a.shutdown().await.unwrap();

    let mut file = Vec::new();
    while let Some(request) = soon(records.recv()).await {
        assert_eq!(request.lost, 0);
        match request.persist {
            Persist::Append { lines, .. } => file.extend_from_slice(&lines),
            Persist::Replace { lines } => file = lines.to_vec(),
            other => panic!("unexpected {other:?}"),
        }
    }
    let restored = Restored::read(&file, false, 100);
    assert_eq!(restored.ignored, 0);
    let known: Vec<_> = restored.alive.iter().map(|(name, addr)| format!("{name}/{addr}")).collect();
    assert!(known.contains(&format!("seed/{}", seed.local_addr())), "{known:?}");

    let (a, _records) = start(restored);
    let joined = soon(a.rejoin(known)).await.unwrap();
    assert_eq!(joined.contacted, 1);
    assert_eq!(status(&a, "seed"), Some(Status::Alive));
}

#[tokio::test]
async fn half_open_connections_give_way_to_real_ones() {
    let mut crowded = config("a");
    crowded.stream.open_max = 8;
    crowded.stream.timeout = Duration::from_millis(300);
    let a = spawn(crowded, Options::default()).unwrap();
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(a.local_addr()).await.unwrap());
    }
    let b = node("b");
    // Turned away while the others hold their places, until their time is over.
    let joining = async { while b.join(vec![a.local_addr().to_string()], false).await.is_err() {} };
    soon(joining).await;
    assert_eq!(status(&b, "a"), Some(Status::Alive));
    assert_eq!(a.socket_metrics().accept_errors, 0);
}
