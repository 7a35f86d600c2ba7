//! The real program with the interface for apps: what it says at its start, and what outlives it.

mod support;

use serde_json::json;
use support::Process;
use support::web::request;

#[test]
fn a_start_that_cannot_work_says_why_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = taken.local_addr().unwrap();
    for (flags, expected) in [
        (
            vec![format!("-rest-addr={busy}")],
            format!("Error starting REST listener: listen tcp {busy}: bind: address already in use"),
        ),
        (vec!["-rest-addr=nowhere:x".into()], "Invalid REST address: address x: invalid port".to_owned()),
        (
            vec!["-rest-addr=0.0.0.0:0".into()],
            "REST on 0.0.0.0:0 can be reached from other hosts, who could register and deregister services: \
             set -http-token, or -http-open if that is wanted"
                .to_owned(),
        ),
        (
            vec!["-service-ttl=-1".into()],
            "'service_ttl' is -1, but must be a number of seconds from 1 to 4294967295".to_owned(),
        ),
    ] {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let (status, said) = Process::alpha(dir.path(), &flags).end();
        assert_eq!((status, said.lines().last()), (Some(1), Some(format!("==> {expected}").as_str())));
    }
}

#[test]
fn after_a_kill_services_are_there_until_their_time_is_over_and_apps_register_again() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["-rest-addr=127.0.0.1:0", "-http-addr=127.0.0.1:0", "-data-dir=data"];
    let agent = Process::alpha(dir.path(), &flags);
    let app = r#"{"addr":"http://10.0.0.1:80","providers":["x.c"],"consumers":["x.c"]}"#;
    assert_eq!(request(agent.shown("Rest addr"), "PUT", "/msd/register", app).status, 201);
    agent.signal("KILL");
    agent.end();

    let agent = Process::alpha(dir.path(), &[&flags[..], &["-service-ttl=2"]].concat());
    let (rest, http) = (agent.shown("Rest addr"), agent.shown("HTTP addr"));
    let found = request(http, "GET", "/v1/health/service/x.c?passing", "").json();
    assert_eq!(found[0]["Service"]["Port"], json!(80));
    let state = "/msd/fresh/aHR0cDovLzEwLjAuMC4xOjgw";
    assert_eq!(
        request(rest, "GET", state, "").json()["isLive"],
        json!(false),
        "what it uses is not known any more"
    );
    assert_eq!(request(rest, "PUT", "/msd/register", app).status, 201);
    assert_eq!(request(rest, "GET", state, "").json()["isLive"], json!(true));
    // Its time is that of the new run.
    let mut found = request(http, "GET", "/v1/catalog/service/x.c", "");
    while found.json() != json!([]) {
        let index = &found.headers["x-consul-index"];
        found = request(http, "GET", &format!("/v1/catalog/service/x.c?index={index}&wait=30s"), "");
    }
    assert_eq!(request(rest, "GET", state, "").json()["isLive"], json!(false));
}
