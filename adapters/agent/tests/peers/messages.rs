//! Events and queries between both programs, in every direction.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::harness::{Agent, BOTH, Serf, Tidings, serf_is_here, wait_until};
use crate::join::four;

const GREET: &str =
    "-event-handler=query:greet=echo \"$SERF_SELF_NAME ($SERF_TAG_ROLE): $SERF_QUERY_NAME $(cat)\"";

#[test]
fn events_of_anybody_reach_everybody_once() {
    if !serf_is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let heard = dir.path().join("heard");
    let handler = format!(
        "-event-handler=user:deploy=echo \"$SERF_SELF_NAME: $SERF_EVENT $SERF_USER_EVENT $(cat)\" >> {}",
        heard.display()
    );
    let all = four(Agent::start, &[&handler]);
    let mut expected = Vec::new();
    for (index, agent) in all.iter().enumerate() {
        let program = BOTH[index / 2];
        agent.tell(program, &["event", "-coalesce=false", "deploy", &format!("by {}", agent.name)]);
        expected.extend(all.each_ref().map(|other| format!("{}: user deploy by {}", other.name, agent.name)));
    }
    expected.sort();
    wait_until("all to hear all events once", || {
        let text = fs::read_to_string(&heard).unwrap_or_default();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        if lines == expected { Ok(()) } else { Err(text) }
    });
    let said = all[1].tell(Serf, &["event", "-coalesce=false", "nobody-listens"]);
    assert_eq!(said, "Event 'nobody-listens' dispatched! Coalescing enabled: false\n");
    for agent in &all {
        agent.wait_for("user-event: nobody-listens", 1);
    }
}

/// Who acknowledged and who responded with what, in one query by each program to each agent.
fn answers(
    agent: &Agent,
    program: crate::harness::Program,
    flags: &[&str],
) -> (BTreeSet<String>, Vec<String>) {
    let words = [&["query", "-format=json", "-timeout=1s"], flags, &["greet", "you"]].concat();
    let said = agent.tell(program, &words);
    let json: Value = serde_json::from_str(&said).unwrap();
    let acks: Vec<String> =
        json["Acks"].as_array().into_iter().flatten().map(|ack| ack.as_str().unwrap().to_owned()).collect();
    let names: BTreeSet<String> = acks.iter().cloned().collect();
    assert_eq!(names.len(), acks.len(), "somebody acknowledged twice: {said}");
    let responses = json["Responses"].as_object().unwrap();
    let responses = responses.iter().map(|(from, text)| {
        let text = text.as_str().unwrap();
        assert!(text.starts_with(&format!("{from} (")) && text.ends_with("): greet you\n"), "{said}");
        from.clone()
    });
    (names, responses.collect())
}

#[test]
fn queries_of_anybody_are_answered_by_those_asked() {
    if !serf_is_here() {
        return;
    }
    let all = four(Agent::start, &[GREET]);
    /// Flags, and who acknowledges and answers.
    type Case = (&'static [&'static str], &'static [&'static str]);
    let cases: [Case; 6] = [
        (&[], &["s1", "s2", "t1", "t2"]),
        (&["-tag=role=w.b"], &["s1", "t1"]),
        (&["-node=s2", "-node=t1", "-node=nobody"], &["s2", "t1"]),
        (&["-relay-factor=2"], &["s1", "s2", "t1", "t2"]),
        (&["-tag=role=^db$", "-node=t2", "-relay-factor=1"], &["t2"]),
        (&["-tag=role=("], &[]),
    ];
    for (index, (flags, expected)) in cases.into_iter().enumerate() {
        // Each case is asked at an agent of each program, by a command line of each.
        for (agent, program) in [(&all[index % 2], Tidings), (&all[(index + 1) % 2], Serf)] {
            // Gossip may miss somebody now and then, never reach anybody else.
            wait_until("all answers", || {
                let (acks, responses) = answers(agent, program, flags);
                assert!(acks.iter().all(|name| expected.contains(&name.as_str())), "{acks:?}, {flags:?}");
                assert!(
                    responses.iter().all(|name| expected.contains(&name.as_str())),
                    "{responses:?}, {flags:?}"
                );
                let all_in = acks.len() == expected.len() && responses.len() == expected.len();
                if all_in { Ok(()) } else { Err(format!("{acks:?} and {responses:?} to {flags:?}")) }
            });
        }
    }
    let (acks, _) = answers(&all[1], Tidings, &["-no-ack"]);
    assert!(acks.is_empty(), "{acks:?}");
}
