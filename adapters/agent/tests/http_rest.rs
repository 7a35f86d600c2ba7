//! Prepared queries, coordinates of nodes that are no agents, definitions of their checks, the host, and
//! the page for people.

mod support;

use std::net::SocketAddr;

use serde_json::{Value, json};
use support::web::{Answer, ask};
use support::{Cluster, Spec, cluster};

async fn agent() -> (Cluster, SocketAddr) {
    let cluster = cluster(&[Spec::new("alpha", &["-http-addr=127.0.0.1:0"])]).await;
    let addr = cluster.agents[0].http().unwrap().addr();
    (cluster, addr)
}

async fn request(addr: SocketAddr, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    ask(addr, method, path, &[], &body).await
}

async fn get(addr: SocketAddr, path: &str) -> Answer {
    request(addr, "GET", path, &Value::Null).await
}

async fn put(addr: SocketAddr, path: &str, body: Value) {
    let answer = request(addr, "PUT", path, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The IDs of the instances that a query finds.
async fn found(addr: SocketAddr, query: &str) -> Vec<String> {
    let answer = get(addr, &format!("/v1/query/{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let nodes = answer.json()["Nodes"].clone();
    let mut ids: Vec<String> =
        nodes.as_array().unwrap().iter().map(|it| it["Service"]["ID"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn prepared_queries_are_kept_changed_and_carried_out() {
    let (_cluster, addr) = agent().await;
    for (id, tags, status, meta) in [
        ("good", json!(["a", "x"]), "passing", json!({"v": "1"})),
        ("so-so", json!(["a"]), "warning", json!({"v": "1"})),
        ("bad", json!(["a", "X"]), "critical", json!({"v": "2"})),
    ] {
        let check = json!({"CheckID": format!("c-{id}"), "TTL": "1h", "Status": status});
        let body = json!({"ID": id, "Name": "api", "Tags": tags, "Meta": meta, "Check": check});
        put(addr, "/v1/agent/service/register", body).await;
    }
    let create = |body: Value| async move { request(addr, "POST", "/v1/query", &body).await };
    let mut ids = Vec::new();
    for (name, service, expected) in [
        ("all", json!({"Service": "api"}), &["good", "so-so"][..]),
        ("passing", json!({"Service": "api", "OnlyPassing": true}), &["good"]),
        ("tagged", json!({"Service": "api", "Tags": ["x"]}), &["good"]),
        ("not-tagged", json!({"Service": "api", "Tags": ["!x"]}), &["so-so"]),
        ("lenient", json!({"Service": "api", "IgnoreCheckIDs": ["c-bad"]}), &["bad", "good", "so-so"]),
        ("meta", json!({"Service": "api", "ServiceMeta": {"v": "1"}, "Near": "_agent"}), &["good", "so-so"]),
        ("nowhere", json!({"Service": "api", "NodeMeta": {"rack": "9"}}), &[]),
        ("unknown", json!({"Service": "none"}), &[]),
    ] {
        let made = create(json!({"Name": name, "Service": service, "DNS": {"TTL": "10s"}})).await;
        let id = made.json()["ID"].as_str().unwrap().to_owned();
        for by in [name, &*id] {
            assert_eq!(found(addr, &format!("{by}/execute")).await, expected, "{name}");
        }
        ids.push(id);
    }
    assert_eq!(found(addr, "all/execute?limit=1").await.len(), 1);
    assert_eq!(found(addr, "all/execute?passing-only").await, ["good"]);
    let done = get(addr, "/v1/query/all/execute").await.json();
    assert_eq!(
        (&done["DNS"]["TTL"], &done["Service"], &done["Failovers"]),
        (&json!("10s"), &json!("api"), &json!(0))
    );

    let one = format!("/v1/query/{}", ids[0]);
    let listed = get(addr, "/v1/query").await;
    assert_eq!(listed.json().as_array().unwrap().len(), 8);
    let path = format!("/v1/query?index={}&wait=60s", listed.headers["x-consul-index"]);
    let waiting = tokio::spawn(async move { get(addr, &path).await });
    put(addr, &one, json!({"Name": "renamed", "Service": {"Service": "none"}})).await;
    assert_eq!(waiting.await.unwrap().status, 200, "who waits is woken");
    assert_eq!(get(addr, &one).await.json()[0]["Name"], json!("renamed"));
    assert_eq!(get(addr, "/v1/query/renamed/explain").await.json()["Query"]["ID"], json!(ids[0]));
    assert_eq!(get(addr, "/v1/query/all/execute").await.status, 404);
    let gone = format!("/v1/query/{}", ids[1]);
    assert_eq!(request(addr, "DELETE", &gone, &Value::Null).await.status, 200);
    let again = request(addr, "DELETE", &gone, &Value::Null).await;
    let words = format!("Cannot modify non-existent prepared query: '{}'", ids[1]);
    assert_eq!((again.status, again.text()), (500, words));
    let again = create(json!({"Name": "renamed", "Service": {"Service": "a"}})).await;
    assert_eq!((again.status, again.text()), (500, "name 'renamed' aliases an existing query name".into()));
}

#[tokio::test]
async fn prepared_queries_that_make_no_sense_are_refused() {
    let (_cluster, addr) = agent().await;
    let create = |body: Value| async move { request(addr, "POST", "/v1/query", &body).await };
    for (body, status, words) in [
        (json!({"Name": "n"}), 500, "Invalid prepared query: Must provide a Service name to query"),
        (
            json!({"Service": {"Service": "a"}, "Template": {"Type": "name_prefix_match"}}),
            500,
            "Invalid prepared query: templates are not supported by this agent",
        ),
        (
            json!({"Service": {"Service": "a"}, "DNS": {"TTL": "10"}}),
            500,
            "Bad DNS TTL '10': it must be a duration such as 10s, and not negative",
        ),
        (
            json!({"Service": "a"}),
            400,
            "Request decode failed: json: cannot unmarshal string into Go struct field",
        ),
        (Value::Null, 400, "Request decode failed: EOF"),
    ] {
        let answer = create(body).await;
        assert_eq!(answer.status, status);
        assert!(answer.text().starts_with(words), "{}\nfor {words}", answer.text());
    }
    assert_eq!(request(addr, "PATCH", "/v1/query", &Value::Null).await.status, 405);
    assert_eq!(get(addr, "/v1/query").await.json(), json!([]));
    assert_eq!(create(json!({"Name": "all", "Service": {"Service": "a"}})).await.status, 200);
    assert_eq!(get(addr, "/v1/query/all/execute?limit=x").await.status, 400);
}

/// A coordinate as it is told.
fn place(node: &str, x: f64) -> Value {
    let vec = [x, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    json!({"Node": node, "Coord": {"Vec": vec, "Error": 1.5, "Adjustment": 0, "Height": 1e-5}})
}

#[tokio::test]
async fn who_waits_for_coordinates_is_told_when_one_is_another() {
    let (_cluster, addr) = agent().await;
    put(addr, "/v1/catalog/register", json!({"Node": "near", "Address": "192.0.2.1"})).await;
    put(addr, "/v1/coordinate/update", place("near", 0.1)).await;
    let index = |answer: &Answer| header(answer, "x-consul-index").parse::<u64>().unwrap();
    let before = index(&get(addr, "/v1/coordinate/nodes").await);
    let path = format!("/v1/coordinate/nodes?index={before}&wait=50s");
    let waiting = tokio::spawn({
        let path = path.clone();
        async move { get(addr, &path).await }
    });
    put(addr, "/v1/coordinate/update", place("near", 0.2)).await;
    let told = waiting.await.unwrap();
    assert!(index(&told) > before);
    let near = told.json().as_array().unwrap().iter().find(|it| it["Node"] == "near").unwrap().clone();
    assert_eq!(near["Coord"]["Vec"][0], json!(0.2));
    // Whoever is behind need not wait.
    assert_eq!(get(addr, &path).await.json(), told.json());
}

#[tokio::test]
async fn nodes_that_are_no_agents_have_positions_and_definitions() {
    let (_cluster, addr) = agent().await;
    let given = json!({"HTTP": "http://x/", "Interval": "30s", "Timeout": "5s", "DeregisterCriticalServiceAfter": "1m30s",
        "Header": {"X-A": ["1"]}, "TLSSkipVerify": true});
    let check =
        json!({"CheckID": "c", "Name": "c", "Status": "passing", "Type": "http", "Definition": given});
    for (node, check) in [("near", check), ("far", json!({"CheckID": "c", "Definition": {}}))] {
        let service = json!({"Service": "db"});
        let body = json!({"Node": node, "Address": "192.0.2.1", "Service": service, "Check": check});
        put(addr, "/v1/catalog/register", body).await;
    }
    let checks = get(addr, "/v1/health/node/near").await.json();
    assert_eq!((&checks[0]["Type"], &checks[0]["Definition"]), (&json!("http"), &given));
    let checks = get(addr, "/v1/health/node/far").await.json();
    assert_eq!((&checks[0]["Type"], &checks[0]["Definition"]), (&json!(""), &json!({})));

    put(addr, "/v1/coordinate/update", place("near", 0.1)).await;
    put(addr, "/v1/coordinate/update", place("far", 0.9)).await;
    put(addr, "/v1/coordinate/update", place("nobody", 0.1)).await;
    assert_eq!(get(addr, "/v1/coordinate/node/near").await.json()[0]["Coord"]["Vec"][0], json!(0.1));
    assert_eq!(get(addr, "/v1/coordinate/node/nobody").await.status, 404);
    for near in ["near", "far"] {
        let found = get(addr, &format!("/v1/catalog/service/db?near={near}")).await.json();
        assert_eq!(found[0]["Node"], json!(near));
    }
    let bad = json!({"Node": "near", "Coord": {"Vec": [0.1], "Error": 1.5}});
    let answer = request(addr, "PUT", "/v1/coordinate/update", &bad).await;
    assert_eq!((answer.status, answer.text()), (500, "incompatible coordinate".into()));
    let empty = request(addr, "PUT", "/v1/coordinate/update", &Value::Null).await;
    assert_eq!((empty.status, empty.text()), (400, "Request decode failed: EOF".into()));
}

#[tokio::test]
async fn the_host_is_described() {
    let (_cluster, addr) = agent().await;
    let host = get(addr, "/v1/agent/host").await.json();
    for part in ["Memory", "CPU", "Host", "Disk", "CollectionTime", "Errors"] {
        assert!(host.get(part).is_some(), "no {part}");
    }
    assert_eq!(host["Host"]["os"], json!(std::env::consts::OS));
    assert!(host["CollectionTime"].as_u64().unwrap() > 0);
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", String::as_str)
}

#[tokio::test]
async fn the_page_is_there_when_it_is_asked_for_and_shows_nothing_without_the_token() {
    let flags = &["-http-addr=127.0.0.1:0", "-http-token=s3cret"];
    let cluster =
        cluster(&[Spec::new("alpha", &[flags[0], flags[1], "-ui"]), Spec::new("beta", flags)]).await;
    let [addr, without] = [0, 1].map(|i| cluster.agents[i].http().unwrap().addr());
    for (path, status, place) in [
        ("/", 301, "/ui/"),
        ("/ui", 301, "/ui/"),
        ("/ui/dc1/services/web", 301, "/ui/#/dc1/services/web"),
        ("/ui/../v1/agent/self", 301, "/v1/agent/self"),
        ("/v1/agent/self", 403, ""),
    ] {
        let answer = get(addr, path).await;
        assert_eq!((answer.status, header(&answer, "location")), (status, place), "{path}");
    }
    for (path, kind, part) in [
        ("/ui/", "text/html; charset=utf-8", "<script src=\"page.js\" defer></script>"),
        ("/ui/page.js", "text/javascript; charset=utf-8", "/v1/catalog/services"),
        ("/ui/page.css", "text/css; charset=utf-8", ".critical"),
    ] {
        let answer = get(addr, path).await;
        assert_eq!((answer.status, header(&answer, "content-type")), (200, kind), "{path}");
        assert!(answer.text().contains(part), "{path}");
        let policy = header(&answer, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }
    assert_eq!(request(addr, "PUT", "/ui/", &Value::Null).await.status, 405);
    for path in ["/", "/ui/", "/ui/page.js"] {
        assert_eq!(get(without, path).await.status, 403, "{path}");
        let answer = ask(without, "GET", path, &[("X-Consul-Token", "s3cret")], "").await;
        assert_eq!(answer.status, 404, "{path}");
    }
}
