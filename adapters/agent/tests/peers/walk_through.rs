//! The first steps of a user: three agents on one host, events and queries with scripts.

use std::fs;

use crate::harness::{Agent, Program, Tidings, all_alive, fresh_ip, wait_until};

/// What the first steps use: one address, three ports each.
fn node(number: u16, ip: &str, log: &std::path::Path) -> Agent {
    let role = if number == 2 { "ui" } else { "apiserver" };
    let log = log.join(format!("{number}.log"));
    let log = format!("-event-handler=user:log=echo \"$SERF_SELF_NAME got $(cat)\" >> {}", log.display());
    let greet = "-event-handler=query:greet=echo \"$SERF_SELF_NAME greets $(cat)\"";
    let role = format!("-tag=role={role}");
    let at = |port: u16| format!("{ip}:{port}").parse().unwrap();
    let flags = [role.as_str(), log.as_str(), greet, "-profile=lan"];
    Agent::start_at(Tidings, &format!("node{number}"), at(5000 + number), at(7472 + number), &flags)
}

/// The steps, at any address.
fn walk(ip: &str, client: Program) {
    let dir = tempfile::tempdir().unwrap();
    let [node1, node2, node3] = [1, 2, 3].map(|number| node(number, ip, dir.path()));
    let join = |from: &Agent, to: &Agent| {
        let said = from.tell(client, &["join", &to.gossip.to_string()]);
        assert_eq!(said, "Successfully joined cluster by contacting 1 nodes.\n");
    };
    join(&node2, &node1);
    join(&node1, &node3);
    all_alive(&[&node1, &node2, &node3]);

    let said = node1.tell(client, &["event", "log", "payload"]);
    assert_eq!(said, "Event 'log' dispatched! Coalescing enabled: true\n");
    for number in 1..=3 {
        let expected = format!("node{number} got payload\n");
        wait_until("the event's script to run", || {
            let seen = fs::read_to_string(dir.path().join(format!("{number}.log"))).unwrap_or_default();
            if seen == expected { Ok(()) } else { Err(seen) }
        });
    }

    wait_until("the answer of node2", || {
        let said = node3.tell(client, &["query", "-tag", "role=ui", "greet", "payload"]);
        assert!(!said.contains("'node1'") && !said.contains("'node3'"), "{said}");
        let answer = "Response from 'node2': node2 greets payload\n";
        if said.contains(answer) && said.ends_with("Total Acks: 1\nTotal Responses: 1\n") {
            Ok(())
        } else {
            Err(said)
        }
    });
}

#[test]
fn three_agents_share_events_and_answer_queries() {
    walk(&fresh_ip().to_string(), Tidings);
}
