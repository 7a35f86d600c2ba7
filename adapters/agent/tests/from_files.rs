//! Services and checks from configuration files: registered at the start, followed on SIGHUP.

mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use support::Process;
use support::web::{Answer, request};

fn put(addr: SocketAddr, path: &str, body: &str) {
    let answer = request(addr, "PUT", path, body);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// IDs and ports of what is registered.
fn ports(addr: SocketAddr) -> Value {
    let services = request(addr, "GET", "/v1/agent/services", "").json();
    services.as_object().unwrap().iter().map(|(id, it)| (id.clone(), it["Port"].clone())).collect()
}

fn checks(addr: SocketAddr) -> Vec<String> {
    let checks = request(addr, "GET", "/v1/agent/checks", "").json();
    checks.as_object().unwrap().keys().cloned().collect()
}

/// Two files in a directory, one of which sub-directories hide.
fn write(dir: &Path, name: &str, value: &Value) {
    fs::create_dir_all(dir.join("conf")).unwrap();
    fs::write(dir.join("conf").join(name), value.to_string()).unwrap();
}

const FLAGS: [&str; 2] = ["-http-addr=127.0.0.1:0", "-config-dir=conf"];

#[test]
fn what_stands_in_files_is_registered_and_followed() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.json", &json!({"service": {"name": "web", "port": 80, "check": {"ttl": "10m"}}}));
    let list = json!([{"name": "db", "port": 5432}, {"name": "old", "port": 1}]);
    let node = json!({"id": "disk", "name": "disk", "ttl": "10m", "status": "passing"});
    write(dir.path(), "b.json", &json!({"services": list, "checks": [node]}));
    fs::create_dir_all(dir.path().join("conf/sub")).unwrap();
    fs::write(dir.path().join("conf/sub/c.json"), "no JSON").unwrap();
    fs::write(dir.path().join("conf/notes.txt"), "no JSON").unwrap();
    let agent = Process::alpha(dir.path(), &FLAGS);
    let addr = agent.shown("HTTP addr");
    assert_eq!(ports(addr), json!({"web": 80, "db": 5432, "old": 1}));
    assert_eq!(checks(addr), ["disk", "service:web"]);

    put(addr, "/v1/agent/service/register", r#"{"Name": "mine", "Port": 7}"#);
    put(addr, "/v1/agent/check/pass/service:web?note=fine", "");
    let list = json!([{"name": "db", "port": 5433}, {"name": "new", "port": 2}]);
    write(dir.path(), "b.json", &json!({ "services": list }));
    agent.signal("HUP");
    let patience = std::time::Instant::now();
    while ports(addr) != json!({"web": 80, "db": 5433, "new": 2, "mine": 7}) {
        assert!(patience.elapsed() < Duration::from_secs(60), "{}", ports(addr));
    }
    assert_eq!(checks(addr), ["service:web"]);
    let found = request(addr, "GET", "/v1/agent/checks", "").json();
    assert_eq!(found["service:web"]["Output"], json!("fine"), "what did not change was left alone");

    // Over HTTP the same, and with an answer. What a client changed is again as the file has it.
    put(addr, "/v1/agent/service/register", r#"{"Name": "db", "Port": 9}"#);
    put(addr, "/v1/agent/service/deregister/new", "");
    put(addr, "/v1/agent/reload", "");
    assert_eq!(ports(addr), json!({"web": 80, "db": 5433, "new": 2, "mine": 7}));
}

#[test]
fn a_bad_reload_leaves_all_as_it_was_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.json", &json!({"service": {"name": "web", "port": 80}}));
    let agent = Process::alpha(dir.path(), &FLAGS);
    let addr = agent.shown("HTTP addr");
    let big: Vec<String> = (0..40_000).map(|n| format!("{n:032}")).collect();
    for (file, expected) in [
        (
            json!({"services": [{"name": "x"}, {"name": "y", "prot": 1}]}),
            "Error in 'conf/a.json': services[1]: unknown key 'prot'; allowed are address, check, checks,",
        ),
        (
            json!({"services": "x"}),
            "Error decoding 'conf/a.json': 1 error(s) decoding:\n\n* 'services' expected a map, got 'string'",
        ),
        (
            json!({"services": [{"name": "x"}, {"name": "y", "tags": big}]}),
            "Services of configuration files: service \"y\": the registration has",
        ),
        (
            json!({"service": {"name": "x"}, "check": {"name": "c", "ttl": "1m", "service_id": "nobody"}}),
            "Services of configuration files: check \"c\": ServiceID \"nobody\" does not exist",
        ),
    ] {
        write(dir.path(), "a.json", &file);
        let answer = request(addr, "PUT", "/v1/agent/reload", "");
        assert_eq!(answer.status, 500);
        assert!(answer.text().starts_with(expected), "{}\nfor {expected}", answer.text());
        assert_eq!(ports(addr), json!({"web": 80}), "{expected}");
    }
    agent.wait_for("Failed to reload configs", 4);
    // The same at a start ends it.
    let (status, said) = Process::alpha(dir.path(), &FLAGS).end();
    assert_eq!(status, Some(1));
    assert!(said.contains("==> Services of configuration files: check \"c\": ServiceID"), "{said}");
}

#[test]
fn a_later_run_removes_what_stands_in_no_file_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let flags = [FLAGS[0], FLAGS[1], "-data-dir=data"];
    let list = json!([{"name": "web", "port": 80}, {"name": "old", "port": 1}, {"name": "taken", "port": 2}]);
    write(dir.path(), "a.json", &json!({"services": list, "check": {"name": "c", "ttl": "10m"}}));
    let agent = Process::alpha(dir.path(), &flags);
    let addr = agent.shown("HTTP addr");
    put(addr, "/v1/agent/service/register", r#"{"Name": "mine", "Port": 7}"#);
    put(addr, "/v1/agent/service/register", r#"{"Name": "taken", "Port": 3}"#);
    put(addr, "/v1/agent/check/warn/c", "");
    agent.signal("KILL");
    agent.end();

    let kept = json!({"service": {"name": "web", "port": 81}, "check": {"name": "c", "ttl": "10m"}});
    write(dir.path(), "a.json", &kept);
    let agent = Process::alpha(dir.path(), &flags);
    let addr = agent.shown("HTTP addr");
    assert_eq!(ports(addr), json!({"web": 81, "mine": 7, "taken": 3}), "what came over HTTP stays");
    let found = request(addr, "GET", "/v1/agent/checks", "").json();
    assert_eq!(found["c"]["Status"], json!("warning"));
}

fn origin(answer: &Answer) -> Option<&str> {
    answer.headers.get("access-control-allow-origin").map(String::as_str)
}

#[test]
fn what_files_say_of_http_and_of_checks_holds() {
    let dir = tempfile::tempdir().unwrap();
    let rules = json!({
        "response_headers": {"Access-Control-Allow-Origin": "*"},
        "block_endpoints": ["/v1/agent/leave"],
    });
    write(dir.path(), "a.json", &json!({"http_config": rules, "discard_check_output": true}));
    let agent = Process::alpha(dir.path(), &FLAGS);
    let addr = agent.shown("HTTP addr");
    let blocked = request(addr, "PUT", "/v1/agent/leave", "");
    assert_eq!((blocked.status, blocked.text()), (403, "Endpoint is blocked by agent configuration".into()));
    assert_eq!(origin(&blocked), Some("*"));
    let unknown = request(addr, "GET", "/v1/nothing", "");
    assert_eq!((unknown.status, origin(&unknown)), (404, None));

    put(addr, "/v1/agent/check/register", r#"{"Name": "c", "TTL": "10m"}"#);
    put(addr, "/v1/agent/check/warn/c?note=words", "");
    let check = &request(addr, "GET", "/v1/agent/checks", "").json()["c"];
    assert_eq!((&check["Status"], &check["Output"]), (&json!("warning"), &json!("")));

    write(dir.path(), "a.json", &json!({"http_config": {"allow_write_http_from": ["10.0.0.0/8"]}}));
    let agent = Process::alpha(dir.path(), &FLAGS);
    let addr = agent.shown("HTTP addr");
    let refused = request(addr, "PUT", "/v1/agent/maintenance?enable=true", "");
    assert_eq!((refused.status, refused.text()), (403, "Access is restricted".into()));
    assert_eq!(request(addr, "GET", "/v1/agent/self", "").status, 200);

    write(dir.path(), "a.json", &json!({"check_output_max_size": 10}));
    let agent = Process::alpha(dir.path(), &FLAGS);
    let addr = agent.shown("HTTP addr");
    put(addr, "/v1/agent/check/register", r#"{"Name": "c", "TTL": "10m", "OutputMaxSize": 4000}"#);
    put(addr, "/v1/agent/check/warn/c?note=a-note-of-20-letters", "");
    let check = &request(addr, "GET", "/v1/agent/checks", "").json()["c"];
    assert_eq!(check["Output"], json!("a-note-of- ... (captured 10 of 20 bytes)"));

    for (wrong, said) in [
        (
            json!({"check_output_max_size": -1}),
            "'check_output_max_size' is -1, but must be a number of bytes from 1 to 65536",
        ),
        (
            json!({"limits": {"http_max_conns_per_client": 70000}}),
            "'limits.http_max_conns_per_client' is 70000, but must be from 1 to 65536",
        ),
    ] {
        write(dir.path(), "a.json", &wrong);
        let (status, all) = Process::alpha(dir.path(), &FLAGS[1..]).end();
        assert_eq!(status, Some(1));
        assert!(all.contains(said), "{all}");
    }

    write(dir.path(), "a.json", &json!({"http_config": {"allow_write_http_from": ["here"]}}));
    // While HTTP is off, too.
    for flags in [&FLAGS[..], &FLAGS[1..]] {
        let (status, said) = Process::alpha(dir.path(), flags).end();
        assert_eq!(status, Some(1));
        assert!(said.contains("Invalid http_config.allow_write_http_from: 'here'"), "{said}");
    }
}

/// How long the address of the node may be kept, as the DNS says.
fn ttl(dns: SocketAddr) -> u32 {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let question = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x05alpha\x04node\x06consul\0\0\x01\0\x01";
    socket.send_to(question, dns).unwrap();
    let mut answer = [0; 512];
    let len = socket.recv(&mut answer).unwrap();
    let record = b"\xc0\x0c\0\x01\0\x01";
    let place = answer[..len].windows(record.len()).position(|six| six == record).expect("an address");
    u32::from_be_bytes(answer[place + 6..place + 10].try_into().unwrap())
}

#[test]
fn what_files_say_of_dns_is_read_again_and_questions_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.json", &json!({"dns_config": {"node_ttl": "7s"}}));
    let agent = Process::alpha(dir.path(), &[FLAGS[0], FLAGS[1], "-dns-addr=127.0.0.1:0"]);
    let addr = agent.shown("HTTP addr");
    let dns: SocketAddr = agent.shown("DNS addr");
    assert_eq!(ttl(dns), 7);
    write(dir.path(), "a.json", &json!({"dns_config": {"node_ttl": "9s"}}));
    put(addr, "/v1/agent/reload", "");
    assert_eq!(ttl(dns), 9);
    write(dir.path(), "a.json", &json!({"dns_config": {"udp_answer_limit": -1}}));
    assert_eq!(request(addr, "PUT", "/v1/agent/reload", "").status, 500);
    assert_eq!(ttl(dns), 9, "a bad reload leaves all as it was");
    let metrics = request(addr, "GET", "/metrics", "").text();
    assert!(metrics.contains("\ntidings_dns_domain_query 3\n"), "{metrics}");
}
