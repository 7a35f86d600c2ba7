//! The client against agents that say what real ones were recorded saying, and worse.

mod support;

use std::collections::BTreeMap;

use support::{Step, agent, handshake, recorded};
use tidings_client::protocol::{
    Event, Join, MembersFiltered, Message, Query, QueryRecordKind, Request, Respond, ResponseHeader, Stop,
    Stream, StreamRecord,
};
use tidings_client::{Client, Error, Limits};

const VERSIONS: [&str; 2] = ["serf-0.9.4", "serf-0.10.1"];

/// Connects to an agent that plays a recording, and checks afterwards that all of it was played.
async fn with_recording<F, Fut>(version: &str, name: &str, auth: Option<&str>, test: F)
where
    F: FnOnce(Client) -> Fut,
    Fut: Future<Output = ()>,
{
    let (addr, played) = agent(recorded(version, name)).await;
    test(Client::connect(&addr, auth).await.unwrap()).await;
    played.await.unwrap();
}

fn header(error: &str, seq: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    ResponseHeader { error: error.to_owned(), seq }.encode(&mut bytes);
    bytes
}

fn request(request: Request, seq: u64) -> Step {
    let mut bytes = Vec::new();
    request.encode(seq, &mut bytes);
    Step::Expect(bytes)
}

#[tokio::test]
async fn plain_commands_say_and_understand_what_the_reference_does() {
    for version in VERSIONS {
        with_recording(version, "cli-event", None, async |client| {
            let event = Event { name: "deploy".into(), payload: "v3".into(), coalesce: true };
            client.user_event(event).await.unwrap();
        })
        .await;
        with_recording(version, "cli-force-leave-unknown", None, async |client| {
            client.force_leave("nosuch", false).await.unwrap();
        })
        .await;
        with_recording(version, "cli-leave", None, async |client| client.leave().await.unwrap()).await;
        with_recording(version, "cli-tags", None, async |client| {
            let set = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
            client.update_tags(set, vec!["c".to_owned()]).await.unwrap();
        })
        .await;
        with_recording(version, "cli-info", None, async |client| {
            assert_eq!(client.stats().await.unwrap()["agent"]["name"], "alpha");
        })
        .await;
        with_recording(version, "cli-rtt", None, async |client| {
            client.stats().await.unwrap();
            let beta = client.coordinate("beta").await.unwrap().unwrap();
            let alpha = client.coordinate("alpha").await.unwrap().unwrap();
            let rtt = beta.distance(&alpha).unwrap();
            assert!(!rtt.is_zero() && rtt.as_millis() < 10, "{rtt:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_failed_join_tells_the_error_and_leaves_the_connection_usable() {
    for version in VERSIONS {
        let steps = recorded(version, "cli-join-fail");
        let Step::Expect(bytes) = &steps[2] else { panic!("the talk has another form") };
        let body = &bytes[bytes.iter().position(|&byte| byte == 0x82).unwrap() + 1..];
        let body = &body[body.iter().position(|&byte| byte == 0x82).unwrap()..];
        let existing = Join::decode(body).unwrap().existing;
        let (addr, played) = agent(steps).await;
        let client = Client::connect(&addr, None).await.unwrap();
        let error = client.join(existing, false).await.unwrap_err();
        assert!(matches!(error, Error::Agent(_)));
        assert!(error.to_string().starts_with("1 error occurred:\n\t* Failed to join 127.9."), "{error}");
        drop(client);
        played.await.unwrap();
    }
}

#[tokio::test]
async fn members_come_with_addresses_of_both_families() {
    for version in VERSIONS {
        with_recording(version, "cli-members-ipv6", None, async |client| {
            let members = client.members_filtered(MembersFiltered::default()).await.unwrap();
            assert!(members[0].gossip_addr().to_string().starts_with("[::1]:1795"));
        })
        .await;
        with_recording(version, "cli-members-filtered", None, async |client| {
            let tags = BTreeMap::from([("role".to_owned(), "web".to_owned())]);
            let filter = MembersFiltered { tags, status: "alive".into(), name: "alpha".into() };
            let members = client.members_filtered(filter).await.unwrap();
            assert_eq!((members.len(), members[0].name.as_str()), (1, "alpha"));
        })
        .await;
    }
}

#[tokio::test]
async fn a_query_yields_acks_and_answers_and_then_ends() {
    for version in VERSIONS {
        with_recording(version, "cli-query", None, async |client| {
            let query = Query {
                filter_nodes: vec!["alpha".into()],
                filter_tags: Some(BTreeMap::from([("role".into(), "web".into())])),
                name: "greet".into(),
                payload: "bob".into(),
                request_ack: true,
                timeout: 2_000_000_000,
                ..Query::default()
            };
            let mut answers = client.query(query).await.unwrap();
            assert_eq!(answers.next().await.unwrap().unwrap().kind, QueryRecordKind::Ack);
            let answer = answers.next().await.unwrap().unwrap();
            assert_eq!(&*answer.payload, b"hello from alpha: bob\n");
            assert_eq!(answers.next().await.unwrap(), None);
            assert_eq!(answers.next().await.unwrap(), None);
        })
        .await;
    }
}

#[tokio::test]
async fn key_commands_report_each_node_when_they_fail() {
    for version in VERSIONS {
        with_recording(version, "cli-keys-install-fail", None, async |client| {
            let Err(Error::Keys { error, report }) = client.install_key("c2hvcnQ=").await else {
                panic!("it should fail");
            };
            assert_eq!(error, "2/2 nodes reported failure");
            assert_eq!(report.messages["enc1"], "key size must be 16, 24 or 32 bytes");
        })
        .await;
        with_recording(version, "cli-keys-list", None, async |client| {
            assert_eq!(client.list_keys().await.unwrap().keys.unwrap().len(), 2);
        })
        .await;
    }
}

#[tokio::test]
async fn a_wrong_key_is_told_when_connecting_and_a_missing_one_by_each_command() {
    for version in VERSIONS {
        let (addr, played) = agent(recorded(version, "cli-auth-wrong")).await;
        let error = Client::connect(&addr, Some("nope")).await.unwrap_err();
        assert_eq!(error.to_string(), "Invalid authentication token");
        played.await.unwrap();
        with_recording(version, "cli-auth-ok", Some("s3cret"), async |client| {
            let members = client.members_filtered(MembersFiltered::default()).await.unwrap();
            assert_eq!(members.len(), 1);
        })
        .await;
        // Two refusals come for one request: its body is taken for a second one.
        with_recording(version, "cli-auth-missing", None, async |client| {
            let error = client.members_filtered(MembersFiltered::default()).await.unwrap_err();
            assert_eq!(error.to_string(), "Authentication required");
        })
        .await;
    }
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_told_in_the_words_of_go() {
    let error = Client::connect("127.0.0.99:1", None).await.unwrap_err();
    assert_eq!(error.to_string(), "dial tcp 127.0.0.99:1: connect: connection refused");
    let error = Client::connect("nonsense", None).await.unwrap_err();
    assert_eq!(error.to_string(), "dial tcp: address nonsense: missing port in address");
}

#[tokio::test]
async fn whatever_cannot_be_understood_closes_the_connection() {
    let stray = [header("", 99), b"\x80".to_vec()].concat();
    let huge = [header("", 2), b"\x81\xa7Members\xc6\xff\xff\xff\xff".to_vec()].concat();
    let cut = [header("", 2), b"\x81\xa7Mem".to_vec()].concat();
    for garbage in [b"\xc1\xc1".to_vec(), b"\x05".to_vec(), stray, huge, cut] {
        let mut steps = handshake();
        steps.extend([request(Request::Members, 2), Step::Send(garbage)]);
        let (addr, played) = agent(steps).await;
        let client = Client::connect(&addr, None).await.unwrap();
        // The last one is incomplete for ever: only the agent's end ends it.
        let impatient = tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            played.abort();
        });
        let answer = client.members().await;
        assert!(matches!(answer, Err(Error::Closed)), "{answer:?}");
        impatient.await.unwrap();
    }
}

#[tokio::test]
async fn a_body_of_another_kind_loses_only_its_request() {
    let mut steps = handshake();
    let wrong = [header("", 2), b"\x05".to_vec()].concat();
    steps.extend([request(Request::Members, 2), Step::Send(wrong)]);
    let right = [header("", 3), b"\x81\xa7Members\x90".to_vec()].concat();
    steps.extend([request(Request::Members, 3), Step::Send(right)]);
    let (addr, _played) = agent(steps).await;
    let client = Client::connect(&addr, None).await.unwrap();
    assert!(matches!(client.members().await, Err(Error::Answer(_))));
    assert_eq!(client.members().await.unwrap(), []);
}

fn user(ltime: u64) -> Vec<u8> {
    let mut bytes = header("", 2);
    let record = StreamRecord::User { coalesce: false, ltime, name: "n".into(), payload: "p".into() };
    record.encode(&mut bytes);
    bytes
}

fn stream_of_everything() -> Step {
    request(Request::Stream(Stream { event_type: "*".into() }), 2)
}

#[tokio::test]
async fn a_listener_that_does_not_take_its_records_loses_them_and_holds_up_nobody() {
    let mut steps = handshake();
    let records: Vec<u8> = (0..10).flat_map(user).collect();
    steps.extend([stream_of_everything(), Step::Send([header("", 2), records].concat())]);
    let respond = Request::Respond(Respond { id: 1, payload: "x".into() });
    steps.extend([request(respond, 3), Step::Send(header("", 3))]);
    steps.extend([request(Request::Stop(Stop { stop: 2 }), 4), Step::Send(header("", 4))]);
    let (addr, played) = agent(steps).await;
    let limits = Limits { records_max: 4, ..Limits::default() };
    let client = Client::connect_with(&addr, None, limits).await.unwrap();
    let mut stream = client.stream("*").await.unwrap();
    client.respond(1, "x".into()).await.unwrap();
    assert_eq!(stream.missed(), 6);
    for expected in 0..4 {
        let Some(StreamRecord::User { ltime, .. }) = stream.next().await.unwrap() else {
            panic!("a user event was sent");
        };
        assert_eq!(ltime, expected);
    }
    stream.stop().await.unwrap();
    drop(client);
    played.await.unwrap();
}

#[tokio::test]
async fn a_dropped_stream_is_stopped_and_late_records_are_ignored() {
    let mut steps = handshake();
    steps.extend([stream_of_everything(), Step::Send(header("", 2))]);
    steps.push(request(Request::Stop(Stop { stop: 2 }), 3));
    steps.push(Step::Send([user(1), header("", 3)].concat()));
    let answer = [header("", 4), b"\x81\xa7Members\x90".to_vec()].concat();
    steps.extend([request(Request::Members, 4), Step::Send(answer)]);
    let (addr, played) = agent(steps).await;
    let client = Client::connect(&addr, None).await.unwrap();
    drop(client.stream("*").await.unwrap());
    assert_eq!(client.members().await.unwrap(), []);
    drop(client);
    played.await.unwrap();
}

#[tokio::test]
async fn listeners_learn_that_the_connection_has_ended() {
    let mut steps = handshake();
    steps.extend([stream_of_everything(), Step::Send([header("", 2), user(1)].concat())]);
    let (addr, played) = agent(steps).await;
    let client = Client::connect(&addr, None).await.unwrap();
    let mut stream = client.stream("*").await.unwrap();
    assert!(stream.next().await.unwrap().is_some());
    played.abort();
    assert!(matches!(stream.next().await, Err(Error::Closed)));
    assert!(matches!(client.members().await, Err(Error::Closed)));
}

#[tokio::test]
async fn clones_share_the_connection_and_each_gets_its_own_answer() {
    let mut steps = handshake();
    let ask = |seq| {
        let get = tidings_client::protocol::GetCoordinate { node: "n".into() };
        request(Request::GetCoordinate(get), seq)
    };
    let answer = |seq| Step::Send([header("", seq), b"\x81\xa2Ok\xc3".to_vec()].concat());
    steps.extend((2..=9).flat_map(|seq| [ask(seq)]));
    // The order of the answers is the agent's affair.
    steps.extend((2..=9).rev().map(answer));
    let (addr, played) = agent(steps).await;
    let client = Client::connect(&addr, None).await.unwrap();
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.coordinate("n").await.unwrap().is_some() })
        })
        .collect();
    for asked in asked {
        assert!(asked.await.unwrap());
    }
    drop(client);
    played.await.unwrap();
}

#[tokio::test]
async fn a_request_given_up_leaves_the_connection_in_order() {
    let mut steps = handshake();
    steps.push(request(Request::Stats, 2));
    steps.push(request(Request::Members, 3));
    steps.push(Step::Send([header("", 2), b"\x80".to_vec()].concat()));
    steps.push(Step::Send([header("", 3), b"\x81\xa7Members\x90".to_vec()].concat()));
    let (addr, played) = agent(steps).await;
    let client = Client::connect(&addr, None).await.unwrap();
    let impatience = std::time::Duration::from_millis(20);
    assert!(tokio::time::timeout(impatience, client.stats()).await.is_err());
    assert_eq!(client.members().await.unwrap(), []);
    drop(client);
    played.await.unwrap();
}

#[tokio::test]
async fn an_agent_that_takes_no_bytes_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let deaf = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut socket, &header("", 1)).await.unwrap();
        std::future::pending::<()>().await;
    });
    let limits = Limits { write: std::time::Duration::from_millis(50), ..Limits::default() };
    let client = Client::connect_with(&addr, None, limits).await.unwrap();
    // More than the buffers of both sockets hold.
    let event = Event { payload: vec![0; 64 << 20].into(), ..Event::default() };
    let error = client.user_event(event).await.unwrap_err();
    assert!(matches!(error, Error::WriteTimedOut), "{error:?}");
    assert!(matches!(client.members().await, Err(Error::Closed)));
    deaf.abort();
}
