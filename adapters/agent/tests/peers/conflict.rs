//! Two agents of one name: the majority keeps whom it knows.

use crate::harness::{Agent, BOTH, Program, Serf, Tidings, all_see, serf_is_here};

/// A cluster whose first member's name a newcomer takes; the newcomer ends by itself.
fn newcomer_loses(incumbent: Program, newcomer: Program) {
    let dup = Agent::start(incumbent, "dup", &[]);
    let others = BOTH.map(|program| Agent::start(program, &format!("other-{program:?}"), &[]));
    for other in &others {
        other.join(&dup);
    }
    let everybody = [("dup", "alive"), ("other-Tidings", "alive"), ("other-Serf", "alive")];
    let agents = [&dup, &others[0], &others[1]];
    all_see(&agents, &everybody);

    let mut second = Agent::start(newcomer, "dup", &[]);
    second.join(&others[1]);
    let (status, said) = second.end();
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("[WARN] serf: minority in name conflict resolution, quitting [0 / "), "{said}");
    all_see(&agents, &everybody);
    let addr = dup.gossip.to_string();
    for agent in agents {
        let members = agent.members(Tidings).unwrap();
        let known = members.iter().find(|member| member["name"] == "dup").unwrap();
        assert_eq!(known["addr"], addr.as_str(), "at {}", agent.name);
    }
}

#[test]
fn a_newcomer_of_ours_gives_up_a_name_that_is_taken() {
    if serf_is_here() {
        newcomer_loses(Serf, Tidings);
    }
}

#[test]
fn a_newcomer_of_serf_s_gives_up_our_name() {
    if serf_is_here() {
        newcomer_loses(Tidings, Serf);
    }
}

#[test]
fn a_newcomer_of_ours_gives_up_our_name_without_serf() {
    let dup = Agent::start(Tidings, "dup", &[]);
    let others = ["other1", "other2"].map(|name| Agent::start(Tidings, name, &[]));
    for other in &others {
        other.join(&dup);
    }
    let everybody = [("dup", "alive"), ("other1", "alive"), ("other2", "alive")];
    let agents = [&dup, &others[0], &others[1]];
    all_see(&agents, &everybody);
    let mut second = Agent::start(Tidings, "dup", &[]);
    second.join(&others[0]);
    assert_eq!(second.end().0, Some(0));
    all_see(&agents, &everybody);
}
