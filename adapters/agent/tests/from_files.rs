//! Services and checks from configuration files: registered at the start, followed on SIGHUP.

mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use support::Process;
use support::web::request;

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
