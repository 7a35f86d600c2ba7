//! Two agents with HTTP: what one is told, the other shows; and bad requests.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use support::web::{ask, get, parse, put};
use support::{Cluster, Spec, cluster};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest anything is awaited.
const PATIENCE: Duration = Duration::from_secs(60);

async fn two() -> (Cluster, [SocketAddr; 2]) {
    let cluster = cluster(&[
        Spec::new("alpha", &["-http-addr=127.0.0.1:0"]),
        Spec::new("bravo", &["-http-addr=127.0.0.1:0"]),
    ])
    .await;
    let at = |index: usize| cluster.agents[index].http().unwrap().addr();
    let addrs = [at(0), at(1)];
    (cluster, addrs)
}

/// Reads again at each change until it is as wanted.
async fn until(addr: SocketAddr, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let reading = async {
        let mut index: u64 = 0;
        loop {
            let answer = get(addr, &format!("{path}?index={index}&wait=10s")).await;
            let value = answer.json();
            if wanted(&value) {
                return value;
            }
            index = answer.headers["x-consul-index"].parse().unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the change")
}

#[tokio::test]
async fn what_one_agent_is_told_the_other_shows() {
    let (_cluster, [alpha, bravo]) = two().await;
    let body = r#"{"Name":"web","Port":80,"Check":{"CheckID":"c","TTL":"10m","Status":"passing"}}"#;
    assert_eq!(put(bravo, "/v1/agent/service/register", body).await.status, 200);
    let found =
        until(alpha, "/v1/health/service/web", |found| found[0]["Service"]["Port"] == json!(80)).await;
    assert_eq!(found[0]["Node"]["Node"], json!("bravo"));
    assert_eq!(put(bravo, "/v1/agent/check/fail/c?note=no", "").await.status, 200);
    let critical = |found: &Value| {
        let checks = found[0]["Checks"].as_array().unwrap();
        checks.iter().any(|it| it["Status"] == json!("critical") && it["Output"] == json!("no"))
    };
    until(alpha, "/v1/health/service/web", critical).await;
    assert_eq!(get(alpha, "/v1/health/service/web?passing").await.json(), json!([]));
    assert_eq!(put(bravo, "/v1/agent/service/deregister/web", "").await.status, 200);
    until(alpha, "/v1/health/service/web", |found| *found == json!([])).await;
}

#[tokio::test]
async fn a_catalog_write_about_another_agent_goes_there() {
    let (_cluster, [alpha, bravo]) = two().await;
    let write = |node: &str, check: &str| {
        let service = json!({"ID": "w1", "Service": "web", "Port": 80});
        let check =
            json!({"CheckID": check, "Name": "c", "ServiceID": "w1", "Status": "warning", "Output": "so so"});
        json!({"Node": node, "Address": "192.0.2.1", "Service": service, "Check": check}).to_string()
    };
    for node in ["bravo", "alpha"] {
        let answer = put(alpha, "/v1/catalog/register", &write(node, "c1")).await;
        assert_eq!((answer.status, answer.text()), (200, "true".into()), "{node}");
    }
    for addr in [alpha, bravo] {
        assert_eq!(get(addr, "/v1/agent/services").await.json()["w1"]["Port"], json!(80));
        assert_eq!(get(addr, "/v1/agent/checks").await.json()["c1"]["Output"], json!("so so"));
        let both = |found: &Value| found.as_array().is_some_and(|all| all.len() == 2);
        until(addr, "/v1/health/service/web", both).await;
    }
    let answer = put(alpha, "/v1/catalog/register", &write("bravo", "serfHealth")).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.text(), "check \"serfHealth\" is probed by its agent: its state cannot be written");
    let answer = put(alpha, "/v1/catalog/deregister", r#"{"Node":"bravo"}"#).await;
    assert_eq!(answer.text(), "node \"bravo\" is an agent, and alive: it goes when it leaves");
    let answer = put(alpha, "/v1/catalog/deregister", r#"{"Node":"bravo","ServiceID":"w1"}"#).await;
    assert_eq!(answer.text(), "true");
    assert_eq!(get(bravo, "/v1/agent/services").await.json(), json!({}));
}

#[tokio::test]
async fn many_tags_reach_the_other_agent_too() {
    let (_cluster, [alpha, bravo]) = two().await;
    // 64 KiB, far more than a datagram holds.
    let tags: Vec<String> = (0..1024).map(|n| format!("{n:064}")).collect();
    let body = json!({ "Name": "web", "Tags": tags }).to_string();
    assert_eq!(put(bravo, "/v1/agent/service/register", &body).await.status, 200);
    until(alpha, "/v1/health/service/web", |found| found[0]["Service"]["Tags"] == json!(tags)).await;
}

#[tokio::test]
async fn members_and_their_addresses_are_told_alike_everywhere() {
    let (cluster, [alpha, bravo]) = two().await;
    let members = get(alpha, "/v1/agent/members").await.json();
    let shown = |member: &Value| (member["Name"].clone(), member["Status"].clone(), member["Port"].clone());
    let mut shown: Vec<_> = members.as_array().unwrap().iter().map(shown).collect();
    shown.sort_by_key(|(name, ..)| name.to_string());
    let expected = ["alpha", "bravo"].into_iter().enumerate();
    let expected: Vec<_> =
        expected.map(|(at, name)| (json!(name), json!(1), json!(cluster.gossip(at).port()))).collect();
    assert_eq!(shown, expected);
    let leader = get(alpha, "/v1/status/leader").await.json();
    assert_eq!(leader, get(bravo, "/v1/status/leader").await.json());
    let peers = get(bravo, "/v1/status/peers").await.json();
    assert_eq!((peers.as_array().unwrap().len(), &peers[0]), (2, &leader));
    let own = get(bravo, "/v1/agent/self").await.json();
    assert_eq!(own["Config"]["NodeName"], json!("bravo"));
    assert_eq!(own["Config"]["Datacenter"], json!("dc1"));
    assert_eq!(own["Member"]["Addr"], json!("127.0.0.1"));
    assert_eq!(own["Coord"]["Vec"].as_array().unwrap().len(), 8);
    assert_eq!(get(alpha, "/v1/coordinate/node/nobody").await.status, 404);
    let nodes = get(alpha, "/v1/coordinate/nodes").await.json();
    assert!(nodes.as_array().unwrap().iter().any(|it| it["Node"] == json!("alpha")), "{nodes}");
}

#[tokio::test]
async fn what_cannot_be_done_is_told_in_the_words_of_the_original() {
    let (_cluster, [alpha, _]) = two().await;
    for (method, path, status, words) in [
        ("PUT", "/v1/agent/force-leave/nobody", 500, "agent: No node found with name 'nobody'"),
        (
            "PUT",
            "/v1/agent/join/",
            500,
            "1 error occurred:\n\t* Failed to resolve : lookup : no such host\n\n",
        ),
        ("GET", "/v1/agent/join/x", 405, "method GET not allowed"),
        ("GET", "/v1/agent/monitor?loglevel=zz", 400, "Bad request: Unknown log level: zz"),
        ("PUT", "/v1/event/fire/", 400, "Missing name"),
        ("PUT", "/v1/event/fire/x?tag=y", 500, "Cannot provide tag filter without service filter"),
        ("GET", "/v1/status/leader?dc=nope", 500, "No path to datacenter"),
        ("GET", "/v1/agent/members?wan=1", 200, "null"),
        ("GET", "/v1/agent/self/", 404, ""),
    ] {
        let answer = ask(alpha, method, path, &[], "").await;
        assert_eq!((answer.status, answer.text().as_str()), (status, words), "{path}");
    }
    let answer = put(alpha, "/v1/agent/join/127.0.0.1:1", "").await;
    assert_eq!(answer.status, 500);
    assert!(
        answer.text().starts_with("1 error occurred:\n\t* Failed to join 127.0.0.1:1: "),
        "{}",
        answer.text()
    );
    for path in ["/v1/kv/a", "/v1/session/list", "/v1/txn", "/v1/kv/"] {
        let answer = put(alpha, path, "x").await;
        assert_eq!(answer.status, 501, "{path}");
        assert!(answer.text().contains("consistent store"), "{}", answer.text());
    }
}

#[tokio::test]
async fn an_event_is_listed_by_those_it_is_for() {
    let (_cluster, [alpha, bravo]) = two().await;
    put(bravo, "/v1/agent/service/register", r#"{"Name":"web","Tags":["v1"]}"#).await;
    let empty = get(bravo, "/v1/event/list").await;
    assert_eq!((empty.json(), empty.headers["x-consul-index"].as_str()), (json!([]), "1"));
    let fired = put(alpha, "/v1/event/fire/deploy?node=^al", "not for bravo").await.json();
    assert_eq!((&fired["Name"], &fired["NodeFilter"]), (&json!("deploy"), &json!("^al")));
    let fired = put(alpha, "/v1/event/fire/deploy?service=web&tag=v1", "hello").await.json();
    assert_eq!((&fired["Payload"], &fired["LTime"]), (&json!("aGVsbG8="), &json!(0)));
    let listed = until(bravo, "/v1/event/list", |list| *list != json!([])).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["ID"], fired["ID"]);
    assert!(listed[0]["LTime"].as_u64().unwrap() > 0);
    assert_eq!(get(bravo, "/v1/event/list?name=other").await.json(), json!([]));
    let listed = get(alpha, "/v1/event/list").await.json();
    assert_eq!(listed[0]["Payload"], json!("bm90IGZvciBicmF2bw=="));
    let big = put(alpha, "/v1/event/fire/big", &"z".repeat(1000)).await;
    assert_eq!(big.status, 500);
    assert!(big.text().contains("exceeds"), "{}", big.text());
}

#[tokio::test]
async fn what_is_counted_is_shown_as_json_and_for_prometheus() {
    let (_cluster, [alpha, _]) = two().await;
    let metrics = get(alpha, "/v1/agent/metrics").await.json();
    let members =
        metrics["Gauges"].as_array().unwrap().iter().find(|it| it["Name"] == json!("tidings.serf.members"));
    assert_eq!(members.unwrap()["Value"], json!(2));
    for path in ["/metrics", "/v1/agent/metrics?format=prometheus"] {
        let answer = get(alpha, path).await;
        assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        assert!(
            answer.text().contains("# TYPE tidings_serf_members gauge\ntidings_serf_members 2\n"),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn the_log_is_streamed_as_it_grows() {
    let (cluster, [alpha, _]) = two().await;
    let mut stream = TcpStream::connect(alpha).await.unwrap();
    stream.write_all(b"GET /v1/agent/monitor?loglevel=debug HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&bytes).contains("\r\n\r\n") {
            stream.read_buf(&mut bytes).await.unwrap();
        }
        cluster.agents[0].control().log().warn("test", format_args!("hello"));
        while !String::from_utf8_lossy(&bytes).contains("[WARN]  test: hello\n") {
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the line");
    assert!(!parse(&bytes).headers.contains_key("content-type"));
}

#[tokio::test]
async fn bad_registrations_are_refused_and_leave_nothing_behind() {
    let (_cluster, [alpha, _]) = two().await;
    let tags = |count: usize| json!({ "Name": "t", "Tags": vec!["x".repeat(64); count] }).to_string();
    let long = json!({ "Name": "n".repeat(100_000) }).to_string();
    let meta = json!({ "Name": "m", "Meta": { "k": "v".repeat(513) } }).to_string();
    let huge = json!({ "Name": "h", "Meta": { "k": "v".repeat(1 << 20) } }).to_string();
    for (body, status) in [
        ("{", 400),
        ("[]", 400),
        ("\"x\"", 400),
        ("{\"Name\":\"a\"} x", 400),
        (r#"{"Name":7}"#, 400),
        (r#"{"Name":"a","Port":"80"}"#, 400),
        (r#"{"Name":"a","Tags":"b"}"#, 400),
        (r#"{"Name":"a","Check":{"TTL":"1 s"}}"#, 400),
        (r#"{"Name":"a","Check":{"TTL":"15"}}"#, 400),
        (r#"{"Name":"a","Check":{"HTTP":"x"}}"#, 400),
        (r#"{"Name":"a","Weights":{"Passing":70000}}"#, 400),
        (&"[".repeat(100_000), 400),
        (&tags(5000), 413),
        (&long, 413),
        (&meta, 400),
        (&huge, 413),
    ] {
        let answer = put(alpha, "/v1/agent/service/register", body).await;
        assert_eq!(answer.status, status, "{:.80}: {:.200}", body, answer.text());
        assert!(!answer.body.is_empty(), "it says why");
    }
    assert_eq!(get(alpha, "/v1/agent/services").await.json(), json!({}));
    assert_eq!(get(alpha, "/v1/agent/checks").await.json(), json!({}));
}

#[tokio::test]
async fn paths_that_are_tricks_lead_nowhere() {
    let (_cluster, [alpha, _]) = two().await;
    for (path, status) in [
        ("/v1/agent/../agent/services", 301),
        ("/v1//agent/services", 301),
        ("/v1/agent/./services", 301),
        ("/v1/agent/service/%2e%2e%2f%2e%2e", 404),
        ("/v1/agent/service/a%00b", 400),
        ("/v1/agent/service/a%0d%0ab", 400),
        ("/v1/agent/services%2f", 404),
        ("/v1/agent/service/%ff%fe", 404),
        ("/v2/agent/services", 404),
    ] {
        assert_eq!(get(alpha, path).await.status, status, "{path}");
    }
}
