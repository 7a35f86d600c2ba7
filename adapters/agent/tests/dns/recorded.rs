//! Recorded look-ups, repeated.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::Value;
use tidings::agent::Agent;

use crate::client::{Answer, Question, dns, put, spec};
use crate::support::web::ask;
use crate::support::{Spec, agent, cluster};

const SETUP: &str = include_str!("../vectors/consul/dns_setup.jsonl");
const LOOKUPS: &str = include_str!("../vectors/consul/dns.jsonl");
const CONFIGURED: &str = include_str!("../vectors/consul/dns_config.jsonl");

/// What differs on purpose.
const DIFFERENCES: &[(&str, &str)] = &[
    ("svc-txt", "a service has no TXT records: no answer, where the original answers with addresses"),
    ("consul-svc", "there are no servers, which the original registers as a service"),
    ("consul-srv", "there are no servers, which the original registers as a service"),
    ("pq", "there are no prepared queries"),
    ("pq-srv", "there are no prepared queries"),
    ("pq-dotted", "there are no prepared queries"),
    ("pq-dc", "there are no prepared queries"),
    ("many-edns-4096-SRV", "what a node says of itself is sent once, and so there is room for it"),
    (
        "many-edns-1232-SRV",
        "that records were dropped for their size is said, so that clients ask again by TCP",
    ),
    ("apex-axfr", "a transfer is answered with NOTIMP before the connection ends"),
    ("ttl/pq", "there are no prepared queries"),
    ("only_passing/pq", "there are no prepared queries"),
    ("truncate/pq", "there are no prepared queries"),
    ("a_record_limit/pq", "there are no prepared queries"),
    ("nocompress/pq", "there are no prepared queries"),
    ("nocompress/srv", "without the texts all eight fit; the original drops one record before it looks"),
];

fn lines(text: &'static str) -> impl Iterator<Item = Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Records without what differs from run to run, each once: the original repeats some.
fn settled<'a>(records: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let settled = |record: &str| {
        let mut words: Vec<&str> = record.split(' ').collect();
        if words.get(3) == Some(&"SOA") {
            words[6] = "(serial)";
        }
        words.join(" ")
    };
    records.into_iter().map(settled).collect()
}

/// What differs from a recording, if something does.
fn difference(case: &Value, answer: &Answer) -> Option<String> {
    let id = case["id"].as_str().unwrap();
    if answer.rcode() != case["rcode"] {
        return Some(format!("{} for {}", answer.rcode(), case["rcode"]));
    }
    if answer.flags() != texts(&case["flags"]) {
        return Some(format!("{:?} for {}", answer.flags(), case["flags"]));
    }
    if answer.payload().map(u64::from) != case["edns_udp"].as_u64() {
        return Some(format!("payload {:?} for {}", answer.payload(), case["edns_udp"]));
    }
    // Which of many are shown differs from time to time.
    let sample = id.contains("noedns") || id.starts_with("many-") || id.starts_with("a_record_limit/");
    let mut all_as_many = true;
    for (name, found) in [
        ("answer", answer.answers()),
        ("authority", answer.authorities()),
        ("additional", answer.additionals()),
    ] {
        let expected = texts(&case[name]);
        all_as_many &= found.len() == expected.len();
        let (found, expected) = (settled(found.iter().map(String::as_str)), settled(expected));
        let same = if sample { found.len() == expected.len() } else { found == expected };
        if !same {
            return Some(format!("{name} {found:#?}\n  for {expected:#?}"));
        }
    }
    let size = answer.size as u64;
    (all_as_many && Some(size) != case["size"].as_u64()).then(|| format!("{size} bytes for {}", case["size"]))
}

/// Repeats a look-up. Whether it differs must be known.
async fn repeat(case: &Value, server: SocketAddr, wrong: &mut Vec<String>) {
    let id = case["id"].as_str().unwrap();
    let answer = Question::of(&texts(&case["query"])).ask(server).await;
    let known = DIFFERENCES.iter().find(|(known, _)| *known == id);
    match (difference(case, &answer), known) {
        (Some(difference), None) => wrong.push(format!("{id} {}\n  {difference}", case["query"])),
        (None, Some((_, reason))) => wrong.push(format!("{id} does not differ any more: {reason}")),
        _ => {}
    }
}

/// Waits until an agent lists the same services as another.
async fn agree(one: &Agent, other: &Agent) {
    loop {
        let mut seen = Vec::new();
        for agent in [one, other] {
            let addr = agent.http().unwrap().addr();
            seen.push(
                ask(addr, "GET", "/v1/health/state/any", &[], "").await.json().as_array().unwrap().len(),
            );
            seen.push(ask(addr, "GET", "/v1/catalog/services", &[], "").await.body.len());
        }
        if seen[..2] == seen[2..] {
            return;
        }
    }
}

#[tokio::test]
async fn names_are_looked_up_as_recorded() {
    let specs = [
        spec("alpha", "127.0.1.1", &["-node-meta=os=linux", "-node-meta=rack=r1"]),
        spec("bravo", "127.0.1.2", &["-node-meta=rack=r2"]),
    ];
    let cluster = cluster(&specs).await;
    let [alpha, bravo] = &cluster.agents[..] else { unreachable!() };
    let at = |case: &Value| if case["at"] == "alpha" { alpha } else { bravo };
    let maintenance = "/v1/agent/service/maintenance";
    for case in lines(SETUP) {
        let path = case["path"].as_str().unwrap();
        // What comes later in the recording, and prepared queries.
        if !(path.starts_with(maintenance) || path == "/v1/query") {
            put(at(&case), path, &case["request_body"].to_string()).await;
        }
    }
    agree(alpha, bravo).await;
    let mut wrong = Vec::new();
    for case in lines(LOOKUPS) {
        match case["id"].as_str().unwrap() {
            "svc-after-maint" => put(alpha, &format!("{maintenance}/web1?enable=true"), "").await,
            "svc-node-maint" => put(alpha, "/v1/agent/maintenance?enable=true", "").await,
            _ => {}
        }
        repeat(&case, dns(at(&case)), &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{} cases\n{}", wrong.len(), wrong.join("\n"));
}

/// The services of the recorded agent with other settings.
async fn register_more(agent: &Agent) {
    for n in 1..=12 {
        let status = ["critical", "passing", "warning"][n % 3];
        let body = format!(
            r#"{{"ID":"web{n}","Name":"web","Port":{},"Address":"10.4.0.{n}","Check":{{"TTL":"60m","Status":"{status}"}}}}"#,
            79 + n
        );
        put(agent, "/v1/agent/service/register", &body).await;
    }
    for body in [
        r#"{"Name":"db-primary","Port":1,"Address":"10.4.1.1"}"#,
        r#"{"Name":"cn","Port":1,"Address":"www.example.com"}"#,
    ] {
        put(agent, "/v1/agent/service/register", body).await;
    }
}

#[tokio::test]
async fn settings_change_what_is_answered_as_recorded() {
    let refusing = agent(&spec("refusing", "127.0.1.4", &[])).await;
    let mut wrong = Vec::new();
    let mut started: Option<(Value, Agent)> = None;
    for case in lines(CONFIGURED) {
        let mut config = case["config"].clone();
        if !config["recursors"].is_null() {
            config["recursors"] = serde_json::json!([dns(&refusing).to_string()]);
        }
        if started.as_ref().is_none_or(|(known, _)| *known != config) {
            let json: &'static str = config.to_string().leak();
            let spec = Spec { json: Some(json), ..spec("charlie", "127.0.1.3", &[]) };
            let agent = agent(&spec).await;
            register_more(&agent).await;
            started = Some((config, agent));
        }
        let Some((_, agent)) = &started else { unreachable!() };
        repeat(&case, dns(agent), &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{} cases\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_difference_is_one_of_a_recorded_case() {
    let ids: BTreeSet<String> =
        lines(LOOKUPS).chain(lines(CONFIGURED)).map(|case| case["id"].as_str().unwrap().to_owned()).collect();
    let stale: Vec<_> = DIFFERENCES.iter().filter(|(id, _)| !ids.contains(*id)).collect();
    assert!(stale.is_empty(), "{stale:?}");
}

#[tokio::test]
async fn names_that_lead_back_to_themselves_come_to_an_end() {
    let agent = agent(&spec("alpha", "127.0.1.12", &[])).await;
    for (name, address) in [
        ("self", "self.service.consul"),
        ("ping", "Pong.service.consul"),
        ("pong", "ping.service.dc1.consul"),
    ] {
        let body = format!(r#"{{"Name":"{name}","Port":1,"Address":"{address}"}}"#);
        put(&agent, "/v1/agent/service/register", &body).await;
    }
    let own = ["self.service.consul. 0 IN CNAME self.service.consul."];
    assert_eq!(Question::of(&["self.service.consul"]).ask(dns(&agent)).await.answers(), own);
    let answer = Question::of(&["ping.service.consul"]).ask(dns(&agent)).await;
    let aliases = answer.answers();
    assert!((2..=4).contains(&aliases.len()) && aliases.iter().all(|it| it.contains("CNAME")), "{aliases:?}");
    let answer = Question::of(&["+tcp", "ping.service.consul", "SRV"]).ask(dns(&agent)).await;
    assert_eq!(answer.answers(), ["ping.service.consul. 0 IN SRV 1 1 1 Pong.service.consul."]);
    assert_eq!(Question::of(&["self.service.consul", "SRV"]).ask(dns(&agent)).await.rcode(), "NOERROR");
}
