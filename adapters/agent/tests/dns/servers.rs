//! Who is named as a server of the zone.

use std::collections::BTreeSet;

use tidings::agent::Agent;

use crate::client::{Question, dns};
use crate::support::{Spec, cluster};

/// The servers that an agent names, and where they are.
async fn servers(agent: &Agent) -> (BTreeSet<String>, BTreeSet<String>) {
    let last = |record: String| record.rsplit(' ').next().map(str::to_owned).unwrap_or_default();
    let mut addr = dns(agent);
    if addr.ip().is_unspecified() {
        addr.set_ip([127, 0, 0, 1].into());
    }
    let answer = Question::of(&["consul", "NS"]).ask(addr).await;
    let sorted = |records: Vec<String>| records.into_iter().map(last).collect();
    (sorted(answer.answers()), sorted(answer.additionals()))
}

#[tokio::test]
async fn agents_that_others_can_ask_are_named_as_servers() {
    // Each but the last answers where it gossips; that one answers elsewhere.
    let spec = |name, ip: &str, dns: &str| {
        Spec::new(name, &[&format!("-bind={ip}:0"), &format!("-dns-addr={dns}:0")])
    };
    let specs = [
        spec("one", "127.0.1.21", "127.0.1.21"),
        spec("two", "127.0.1.22", "0.0.0.0"),
        spec("three", "127.0.1.23", "127.0.1.23"),
        spec("four", "127.0.1.24", "127.0.1.24"),
        spec("local", "127.0.1.25", "127.0.0.1"),
    ];
    let cluster = cluster(&specs).await;
    let address = |name: &str| match name.split('.').next() {
        Some("one") => "127.0.1.21".to_owned(),
        Some("two") => "127.0.1.22".to_owned(),
        Some("three") => "127.0.1.23".to_owned(),
        Some("four") => "127.0.1.24".to_owned(),
        _ => "127.0.1.25".to_owned(),
    };
    for (agent, spec) in cluster.agents.iter().zip(["one", "two", "three", "four", "local"]) {
        // What agents say of themselves takes a moment to arrive.
        let (named, addresses) = loop {
            let (named, addresses) = servers(agent).await;
            if named.len() == 3 {
                break (named, addresses);
            }
        };
        assert!(named.contains(&format!("{spec}.node.dc1.consul.")), "{spec} names {named:?}");
        assert!(spec == "local" || !named.contains("local.node.dc1.consul."), "{spec} names {named:?}");
        assert_eq!(addresses, named.iter().map(|name| address(name)).collect(), "{spec}");
    }
}
