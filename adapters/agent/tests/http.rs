//! Recorded HTTP talks, replayed against our interface.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use support::web::{Answer, ask};
use tidings::agent::Control;
use tidings::http::{Allowed, Directory, Limits, Rules, Server, Setup};
use tidings::log::{Level, Log};
use tidings_core::Config;
use tidings_core::registry::node::NodeInfo;
use tidings_tokio::{Handle, Options, spawn};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// An agent's node with the interface over it.
struct Agent {
    node: Handle,
    server: Server,
}

impl Agent {
    async fn start(name: &str, addr: &str, meta: &[(&str, &str)]) -> Agent {
        Agent::limited(name, addr, meta, Limits::default()).await
    }

    async fn limited(name: &str, addr: &str, meta: &[(&str, &str)], limits: Limits) -> Agent {
        let mut config = Config::local(name, addr.parse().unwrap());
        config.registry.enabled = true;
        config.registry.generation = 1;
        config.registry.node = Some(Box::new(NodeInfo {
            id: "2f8325de-d485-9cd4-82f2-7ef4a46fccc4".into(),
            meta: meta.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            datacenter: "dc1".into(),
            ..NodeInfo::default()
        }));
        let node = spawn(config, Options::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let directory = Directory::new(node.clone());
        let setup = Setup {
            directory,
            control: Control::new(node.clone(), Log::new(Level::Info, None), BTreeMap::new(), None),
            datacenter: "dc1".into(),
            dns_port: None,
            dns_counts: Arc::default(),
            rules: Rules::default(),
            limits,
            pretty: false,
            ui: false,
            allowed: Allowed { scripts: true, ..Allowed::default() },
            token: None,
            certificates: None,
            queries: None,
            reload: tokio::sync::mpsc::channel(1).0,
        };
        let server = Server::start(listener, setup).unwrap();
        Agent { node, server }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        ask(self.server.addr(), method, path, headers, body).await
    }
}

/// The recorded requests of a file.
fn recorded(text: &str) -> impl Iterator<Item = Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|case: &Value| case["path"].is_string())
}

/// Without what differs from run to run.
fn settled(value: &Value) -> Value {
    const VOLATILE: [&str; 3] = ["CreateIndex", "ModifyIndex", "ContentHash"];
    match value {
        Value::Object(map) => {
            // The recorded servers register themselves as a service, which nobody does here.
            let kept = map.iter().filter(|(key, _)| !VOLATILE.contains(&key.as_str()) && *key != "consul");
            kept.map(|(key, value)| (key.clone(), settled(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().filter(|it| !is_elsewhere(it)).map(settled).collect();
            // The original shows these in an order that differs from time to time.
            list.sort_by_key(|value| (value["CheckID"].to_string(), value.as_str().map(str::to_owned)));
            list.into()
        }
        other => other.clone(),
    }
}

/// What the recorded cluster has beside the agent that is replayed: its second node, and the server.
fn is_elsewhere(value: &Value) -> bool {
    value["Node"] == json!("bravo") || value["Node"]["Node"] == json!("bravo") || value == &json!("consul")
}

/// What differs from a recording, if something does.
fn difference(case: &Value, answer: &Answer) -> Option<String> {
    if json!(answer.status) != case["status"] {
        return Some(format!("status {} for {}: {}", answer.status, case["status"], answer.text()));
    }
    let expected = case["headers"]["Content-Type"].as_str();
    let found = answer.headers.get("content-type").map(String::as_str);
    if found != expected {
        return Some(format!("type {found:?} for {expected:?}"));
    }
    if expected == Some("application/json") {
        let pretty = || serde_json::from_str(case["body_text"].as_str().unwrap_or("null")).unwrap();
        let expected = settled(&case.get("body").cloned().unwrap_or_else(pretty));
        let found = settled(&answer.json());
        return first_difference("", &found, &expected);
    }
    let expected = case["body_text"].as_str().unwrap_or_default();
    (answer.text() != expected).then(|| format!("{:?}\n  for {expected:?}", answer.text()))
}

/// Where two values differ first, and how.
fn first_difference(place: &str, found: &Value, expected: &Value) -> Option<String> {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let keys: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
            keys.into_iter().find_map(|key| {
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or(json!("(absent)"));
                first_difference(&format!("{place}/{key}"), &of(found), &of(expected))
            })
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            let mut pairs = found.iter().zip(expected).enumerate();
            pairs.find_map(|(at, (found, expected))| {
                first_difference(&format!("{place}/{at}"), found, expected)
            })
        }
        _ => (found != expected).then(|| format!("{place}: {found}\n  for {expected}")),
    }
}

/// Replays the cases of a file that `wanted` takes. Differences must be those that are known, by the
/// names of the cases.
async fn replay(agent: &Agent, text: &str, wanted: impl Fn(&str) -> bool, known: &[(&str, &str)]) {
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for case in recorded(text) {
        let (id, path) = (case["id"].as_str().unwrap(), case["path"].as_str().unwrap());
        if case["at"] != "alpha" || !wanted(path) {
            continue;
        }
        let body = match &case["request_body"] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let headers = case["request_headers"].as_object().into_iter().flatten();
        let headers: Vec<_> = headers.map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        let answer = agent.ask(case["method"].as_str().unwrap(), path, &headers, &body).await;
        seen.insert(id.to_owned());
        let differs = difference(&case, &answer);
        let expected = known.iter().any(|(known, _)| *known == id);
        match differs {
            Some(difference) if !expected => wrong.push(format!("{id} {path}\n  {difference}")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{} cases\n{}", wrong.len(), wrong.join("\n"));
    let stale: Vec<_> = known.iter().filter(|(known, _)| !seen.contains(*known)).collect();
    assert!(stale.is_empty(), "no such cases: {stale:?}");
}

const AGENT: &str = include_str!("vectors/consul/agent.jsonl");
const BLOCKING: &str = include_str!("vectors/consul/blocking.jsonl");
const CATALOG: &str = include_str!("vectors/consul/catalog.jsonl");
const HEALTH: &str = include_str!("vectors/consul/health.jsonl");
const HTTP: &str = include_str!("vectors/consul/http.jsonl");

#[tokio::test]
async fn registrations_and_checks_go_as_recorded() {
    let agent = Agent::start("alpha", "127.0.0.1:0", &[("os", "linux"), ("rack", "r1")]).await;
    let parts = ["/v1/agent/service", "/v1/agent/check", "/v1/agent/health", "/v1/agent/maintenance"];
    let known = [
        ("register-snake", "every snake spelling is taken"),
        ("service-sn1", "it was registered"),
        ("check-register-snake", "its service was registered"),
        ("register-array", "the name of a Go structure"),
        ("register-kind", "there is no service mesh here"),
        ("register-ns", "a field of newer versions is passed over"),
        ("check-register-badjson", "the words of another JSON reader"),
        ("checks-all", "those of the service registered in snake spelling"),
        ("checks-durations", "a time to live of 15 ns was over in the recording"),
        ("service-hash-wake", "recorded while another request changed the service"),
    ];
    replay(&agent, AGENT, |path| parts.iter().any(|part| path.starts_with(part)), &known).await;
    // What another client did while these were recorded.
    for (path, body) in [
        (
            "/v1/agent/service/register",
            r#"{"ID":"web1","Name":"web","Tags":["primary","v3"],"Port":8080,"Address":"10.1.1.1"}"#,
        ),
        ("/v1/agent/service/deregister/sn1", ""),
        ("/v1/agent/service/deregister/nsx", ""),
    ] {
        assert_eq!(agent.ask("PUT", path, &[], body).await.status, 200);
    }
    let known = [
        ("node-alpha", "there is no service mesh here"),
        ("node-services", "there is one agent only"),
        ("register-snake", "every snake spelling is taken"),
        ("node-ext5", "it was registered in snake spelling"),
    ];
    replay(&agent, CATALOG, |_| true, &known).await;
    let known = [("service-consul", "there are no servers to register themselves")];
    replay(&agent, HEALTH, |_| true, &known).await;
    // The tag of an instance on the second node.
    let cases = ["max_stale", "cached", "cached2", "pretty", "pretty-1", "pretty-false", "dc-self"];
    let known = cases.map(|case| (case, "there is one agent only"));
    let wanted = |path: &str| {
        ["/v1/agent/service", "/v1/catalog", "/v1/acl", "/v1/nope", "/v1/agent/selfx", "//"]
            .iter()
            .any(|part| path.starts_with(part))
    };
    replay(&agent, HTTP, wanted, &known).await;
    let wanted = |path: &str| {
        ["index=zz", "wait=1", "index=-1"]
            .iter()
            .any(|part| path.ends_with(part) || path.contains(&format!("{part}&")))
    };
    replay(&agent, BLOCKING, wanted, &[]).await;
    agent.node.shutdown().await.unwrap();
}

#[tokio::test]
async fn who_waits_is_woken_by_what_it_waits_for() {
    let agent = Agent::start("alpha", "127.0.0.1:0", &[]).await;
    let empty = agent.ask("GET", "/v1/health/service/web", &[], "").await;
    assert_eq!(empty.json(), json!([]));
    let index = &empty.headers["x-consul-index"];
    let addr = agent.server.addr();
    let path = format!("/v1/health/service/web?index={index}&wait=30s");
    let waiting = tokio::spawn(async move { ask(addr, "GET", &path, &[], "").await });
    let other = agent.ask("PUT", "/v1/agent/service/register", &[], r#"{"Name":"other"}"#).await;
    assert_eq!(other.status, 200);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished(), "another service is none of its business");
    agent.ask("PUT", "/v1/agent/service/register", &[], r#"{"Name":"web","Port":80}"#).await;
    let woken = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    assert_eq!(woken.json()[0]["Service"]["Port"], json!(80));
    assert!(woken.headers["x-consul-index"].parse::<u64>().unwrap() > index.parse().unwrap());
}

#[tokio::test]
async fn who_is_slow_or_wants_too_much_is_turned_away() {
    let limits = Limits { body_max: 1000, connections_per_client: 2, read_time: Duration::from_millis(100) };
    let agent = Agent::limited("alpha", "127.0.0.1:0", &[], limits).await;
    let addr = agent.server.addr();
    // They say nothing, or begin and do not go on: their connections are closed, and give way to others.
    for begin in
        ["", "GET /v1/agent/serv", "PUT /v1/agent/service/register HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"]
    {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(begin.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_string(&mut answer)).await;
        assert!(read.is_ok(), "it is held open: {begin:?}");
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    let too_much = agent.ask("PUT", "/v1/agent/service/register", &[], &"x".repeat(1001)).await;
    assert_eq!(too_much.status, 413);
    let held = [TcpStream::connect(addr).await.unwrap(), TcpStream::connect(addr).await.unwrap()];
    let mut third = TcpStream::connect(addr).await.unwrap();
    let mut answer = Vec::new();
    // Closed without an answer, which the system may tell as a reset.
    let _ = third.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
    drop(held);
    assert_eq!(agent.ask("GET", "/v1/agent/services", &[], "").await.json(), json!({}));
}
