//! The registry of the real program: what it serves, keeps over restarts and refuses.

mod support;

use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;
use support::Process;
use support::web::{ask, request};

/// What an agent says when it ends by itself, which it does with status 1.
fn refused(agent: Process) -> String {
    let (status, said) = agent.end();
    assert_eq!(status, Some(1), "{said}");
    said.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn what_was_registered_outlives_a_kill_at_any_time() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["-http-addr=127.0.0.1:0", "-data-dir=data"];
    let agent = Process::alpha(dir.path(), &flags);
    let addr = agent.shown("HTTP addr");
    for n in 0..20 {
        let check = r#"{"TTL":"10m","Status":"warning"}"#;
        let body = format!(r#"{{"ID":"w{n}","Name":"web","Port":{n},"Check":{check}}}"#);
        let answer = request(addr, "PUT", "/v1/agent/service/register", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(request(addr, "PUT", "/v1/agent/service/deregister/w3", "").status, 200);
    assert_eq!(request(addr, "PUT", "/v1/agent/check/pass/service:w5?note=ok", "").status, 200);
    let id = request(addr, "GET", "/v1/catalog/nodes", "").json()[0]["ID"].clone();
    let query = request(addr, "POST", "/v1/query", r#"{"Name":"q","Service":{"Service":"web"}}"#);
    assert_eq!(query.status, 200, "{}", query.text());
    agent.signal("KILL");
    agent.end();

    let agent = Process::alpha(dir.path(), &flags);
    let addr = agent.shown("HTTP addr");
    let services = request(addr, "GET", "/v1/agent/services", "").json();
    let ids: Vec<String> = services.as_object().unwrap().keys().cloned().collect();
    assert_eq!(ids.len(), 19);
    assert!(!ids.contains(&"w3".to_owned()));
    assert_eq!(services["w7"]["Port"], json!(7));
    let checks = request(addr, "GET", "/v1/agent/checks", "").json();
    assert_eq!(checks["service:w4"]["Status"], json!("warning"));
    assert_eq!(request(addr, "GET", "/v1/query", "").json()[0]["ID"], query.json()["ID"]);
    assert_eq!(request(addr, "GET", "/v1/catalog/nodes", "").json()[0]["ID"], id);
}

#[test]
fn a_data_directory_has_one_agent() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Process::alpha(dir.path(), &["-http-addr=127.0.0.1:0", "-data-dir=data"]);
    agent.shown::<SocketAddr>("HTTP addr");
    let said = refused(Process::alpha(dir.path(), &["-http-addr=127.0.0.1:0", "-data-dir=data"]));
    assert_eq!(said, "==> Failed to start the Serf agent: data directory data is in use by another agent");
}

#[test]
fn a_start_that_cannot_work_says_why_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = taken.local_addr().unwrap();
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let busy_datagrams = datagrams.local_addr().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    std::fs::create_dir(dir.path().join("foreign")).unwrap();
    std::fs::write(dir.path().join("foreign/registrations.log"), "something else").unwrap();
    for (flags, expected) in [
        (
            vec![format!("-http-addr={busy}")],
            format!("Error starting HTTP listener: listen tcp {busy}: bind: address already in use"),
        ),
        (
            vec![format!("-dns-addr={busy}")],
            format!("Error starting DNS server: listen tcp {busy}: bind: address already in use"),
        ),
        (
            vec![format!("-dns-addr={busy_datagrams}"), "-http-addr=127.0.0.1:0".into()],
            format!("Error starting DNS server: listen udp {busy_datagrams}: bind: address already in use"),
        ),
        (
            vec!["-recursor=192.0.2.1".into()],
            "-recursor needs DNS to be served: set -dns-addr".to_owned(),
        ),
        (vec!["-http-addr=nowhere:x".into()], "Invalid HTTP address: address x: invalid port".to_owned()),
        (
            vec!["-http-addr=0.0.0.0:0".into()],
            "HTTP on 0.0.0.0:0 can be reached from other hosts, who could register and deregister services: \
             set -http-token, -http-cert-file and -http-key-file, or -http-open if that is wanted"
                .to_owned(),
        ),
        (vec!["-data-dir=file".into()], "Failed to start the Serf agent: mkdir file: file exists".to_owned()),
        (
            vec!["-data-dir=foreign".into()],
            "Failed to start the Serf agent: cannot read foreign/registrations.log: byte 0: this is no log of \
             registrations; move it away to start without it"
                .to_owned(),
        ),
        (
            vec!["-dev".into(), "-data-dir=d".into()],
            "-dev keeps nothing on disk; leave out one of -dev and -data-dir".to_owned(),
        ),
    ] {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        assert_eq!(refused(Process::alpha(dir.path(), &flags)), format!("==> {expected}"));
    }
}

#[test]
fn an_agent_to_try_things_with_serves_http_and_leaves_nothing_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Process::alpha(
        dir.path(),
        &["-dev", "-http-addr=127.0.0.1:0", "-dns-addr=127.0.0.1:0", "-datacenter=dc7"],
    );
    let addr = agent.shown("HTTP addr");
    let nodes = request(addr, "GET", "/v1/catalog/nodes", "");
    assert!(nodes.text().starts_with("[\n    {\n"), "it is for people to read: {}", nodes.text());
    assert!(agent.said().contains("DNS addr: '127.0.0.1:"), "{}", agent.said());
    assert_eq!(nodes.json()[0]["Datacenter"], json!("dc7"));
    agent.signal("INT");
    assert_eq!(agent.end().0, Some(0));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn with_a_token_only_who_shows_it_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Process::alpha(dir.path(), &["-http-addr=127.0.0.1:0", "-http-token=s3cret"]);
    let addr = agent.shown("HTTP addr");
    let path = "/v1/agent/services";
    for (path, header, expected) in [
        (path, None, 403),
        ("/v1/agent/services?token=wrong", None, 403),
        ("/v1/agent/services?token=s3cret", None, 200),
        ("/v1/status/leader", None, 200),
        (path, Some(("X-Consul-Token", "s3cret")), 200),
        (path, Some(("X-Consul-Token", "s3cre")), 403),
        (path, Some(("Authorization", "bearer s3cret")), 200),
        (path, Some(("Authorization", "Basic s3cret")), 403),
    ] {
        let headers: Vec<_> = header.into_iter().collect();
        assert_eq!(ask(addr, "GET", path, &headers, "").await.status, expected, "{path} {headers:?}");
    }
}

#[tokio::test]
async fn probes_are_run_and_what_comes_of_them_is_shown() {
    let target = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let agent = Process::alpha(dir.path(), &["-http-addr=127.0.0.1:0", "-enable-script-checks"]);
    let addr = agent.shown("HTTP addr");
    let to = target.local_addr().unwrap();
    for body in [
        format!(r#"{{"Name":"up","ID":"up","Check":{{"TCP":"{to}","Interval":"1s"}}}}"#),
        r#"{"Name":"down","ID":"down","Check":{"HTTP":"http://127.0.0.1:1/","Interval":"1s","Status":"passing"}}"#.to_owned(),
        r#"{"Name":"s","ID":"s","Check":{"Args":["sh","-c","echo hm; exit 1"],"Interval":"1s"}}"#.to_owned(),
        r#"{"Name":"a","ID":"a","Check":{"AliasService":"s"}}"#.to_owned(),
        r#"{"Name":"g","ID":"g","Check":{"GRPC":"127.0.0.1:1/x","Interval":"1s","Status":"passing"}}"#.to_owned(),
    ] {
        assert_eq!(ask(addr, "PUT", "/v1/agent/service/register", &[], &body).await.status, 200);
    }
    let expected = [
        ("service:up", "passing", format!("TCP connect {to}: Success")),
        (
            "service:down",
            "critical",
            "Get \"http://127.0.0.1:1/\": dial tcp 127.0.0.1:1: connect: connection refused".into(),
        ),
        ("service:s", "warning", "hm\n".into()),
        (
            "service:g",
            "critical",
            "gRPC check 127.0.0.1:1/x: dial tcp 127.0.0.1:1: connect: connection refused".into(),
        ),
        ("service:a", "warning", "Aliased check \"Service 's' check\" failing: hm\n".into()),
    ];
    let mut index: u64 = 1;
    loop {
        let checks = ask(addr, "GET", "/v1/agent/checks", &[], "").await.json();
        let shown = |(id, status, output): &(&str, &str, String)| {
            checks[id]["Status"] == json!(status) && checks[id]["Output"] == json!(output)
        };
        if expected.iter().all(shown) {
            break;
        }
        let path = format!("/v1/health/state/any?index={index}&wait=1s");
        let answer = ask(addr, "GET", &path, &[], "").await;
        index = answer.headers["x-consul-index"].parse().unwrap();
    }
}

#[test]
fn a_client_makes_the_agent_read_its_configuration_again_and_leave() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.json");
    std::fs::write(&path, r#"{"tags":{"a":"1"}}"#).unwrap();
    let agent = Process::alpha(dir.path(), &["-http-addr=127.0.0.1:0", "-config-file=c.json"]);
    let addr = agent.shown("HTTP addr");
    std::fs::write(&path, "{").unwrap();
    let answer = request(addr, "PUT", "/v1/agent/reload", "");
    assert_eq!((answer.status, answer.text().contains("c.json")), (500, true), "{}", answer.text());
    std::fs::write(&path, r#"{"tags":{"a":"2"}}"#).unwrap();
    assert_eq!(request(addr, "PUT", "/v1/agent/reload", "").status, 200);
    let tag = || request(addr, "GET", "/v1/agent/members", "").json()[0]["Tags"]["a"].clone();
    while tag() != json!("2") {
        std::thread::yield_now();
    }
    assert_eq!(request(addr, "PUT", "/v1/agent/leave", "").status, 200);
    assert_eq!(agent.end().0, Some(0));
}

/// Runs a command against an agent, and gives its exit status and output.
fn run(dir: &Path, addr: SocketAddr, words: &[&str]) -> (Option<i32>, String) {
    let (command, rest) = words.split_first().unwrap();
    let addr = format!("-http-addr={addr}");
    let words = [*command, &addr].into_iter().chain(rest.iter().copied()).map(str::to_owned);
    Process::start(dir, &words.collect::<Vec<_>>()).end()
}

#[test]
fn services_are_registered_shown_and_removed_from_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Process::alpha(dir.path(), &["-http-addr=127.0.0.1:0"]);
    let addr = agent.shown("HTTP addr");
    let run = |words: &[&str]| run(dir.path(), addr, words);
    let file = r#"{"services":[{"name":"db","port":5432,"tags":["main"]},{"name":"a/b c","id":"x/y z"}]}"#;
    std::fs::write(dir.path().join("s.json"), file).unwrap();
    assert_eq!(
        run(&["register", "s.json"]),
        (Some(0), "Registered service: db\nRegistered service: a/b c\n".into())
    );
    let flags = [
        "register",
        "-name=web",
        "-id=w1",
        "-port=80",
        "-address=10.0.0.1",
        "-tag=v1",
        "-ttl=10m",
        "-meta=a=b",
    ];
    assert_eq!(run(&flags), (Some(0), "Registered service: web\n".into()));
    assert_eq!(run(&["services"]), (Some(0), "a/b c  \ndb     main\nweb    v1\n".into()));
    assert_eq!(run(&["service", "web"]), (Some(0), "alpha  w1  10.0.0.1:80  critical  v1\n".into()));
    assert_eq!(run(&["service", "-passing", "web"]), (Some(0), "\n".into()));
    assert_eq!(run(&["service", "a/b c"]).1, "alpha  x/y z  127.0.0.1:0  passing\n");
    assert_eq!(run(&["nodes"]), (Some(0), "alpha  127.0.0.1  dc1  passing\n".into()));
    assert_eq!(run(&["health", "web"]), (Some(0), "alpha  service:w1  critical  web\n".into()));
    let json: serde_json::Value = serde_json::from_str(&run(&["service", "-format=json", "web"]).1).unwrap();
    assert_eq!(json[0]["Service"]["Meta"]["a"], json!("b"));

    let watch = format!("-http-addr={addr}");
    let words = ["watch", &watch, "service", "web"].map(str::to_owned);
    let watch = Process::start(dir.path(), &words);
    watch.wait_for("+ alpha/w1 10.0.0.1:80 critical v1\n", 1);
    assert_eq!(request(addr, "PUT", "/v1/agent/check/pass/service:w1", "").status, 200);
    watch.wait_for("~ alpha/w1 10.0.0.1:80 passing v1\n", 1);
    assert_eq!(run(&["deregister", "w1", "x/y z"]).0, Some(0));
    watch.wait_for("- alpha/w1\n", 1);
    watch.signal("INT");
    assert_eq!(watch.end().0, Some(0));
    assert_eq!(run(&["services"]).1, "db  main\n");

    for (words, expected) in [
        (&["register"][..], "Either a file or -name must be given."),
        (&["register", "none.json"], "Error reading 'none.json': open none.json: no such file or directory"),
        (&["register", "-name=x", "-ttl=1"], "Request decode failed: "),
        (&["service"], "One service name must be given."),
        (&["health", "-state=odd"], "The state must be any, passing, warning or critical."),
        (&["services", "-format=yaml"], "Invalid output format"),
    ] {
        let (status, said) = run(words);
        assert_eq!(status, Some(1), "{words:?}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
    let nobody = "127.0.0.1:1".parse().unwrap();
    let (status, said) = self::run(dir.path(), nobody, &["services"]);
    assert_eq!(status, Some(1));
    assert_eq!(said, "Error querying agent: dial tcp 127.0.0.1:1: connect: connection refused\n");
}
