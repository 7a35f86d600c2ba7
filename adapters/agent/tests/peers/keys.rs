//! A new key for a running cluster of both programs, and the old one gone.

use std::fs;
use std::path::PathBuf;

use crate::harness::{Agent, Program, Serf, Tidings, all_alive, serf_is_here};

const OLD: &str = "T0xET0xET0xET0xET0xEIQ==";
const NEW: &str = "TkVXTkVXTkVXTkVXTkVXTkVXTkVXTkVXTkVXTkVXTkU=";

/// Two agents of each program, each with a keyring file of its own that holds the old key.
fn cluster(dir: &tempfile::TempDir) -> (Vec<Agent>, Vec<PathBuf>) {
    let of = |(program, name): (Program, &str)| {
        let ring = dir.path().join(name);
        fs::write(&ring, format!("[\"{OLD}\"]")).unwrap();
        let flag = format!("-keyring-file={}", ring.display());
        (Agent::start(program, name, &[&flag]), ring)
    };
    let (agents, rings): (Vec<_>, Vec<_>) =
        [(Serf, "s1"), (Tidings, "t1"), (Serf, "s2"), (Tidings, "t2")].map(of).into_iter().unzip();
    for agent in &agents[1..] {
        agent.join(&agents[0]);
    }
    all_alive(&agents.iter().collect::<Vec<_>>());
    (agents, rings)
}

/// Asks again until everybody has answered: key queries are gossip, which may miss somebody.
fn act(agent: &Agent, by: Program, flag: &str, done: &str) {
    crate::harness::wait_until(flag, || {
        let outcome = agent.ask(by, &["keys", flag]);
        let is_done = outcome.status == Some(0) && outcome.stdout.ends_with(done);
        assert!(!outcome.stdout.contains("reported failure"), "{outcome:?}");
        if is_done { Ok(()) } else { Err(format!("{outcome:?}")) }
    });
}

/// Waits until everybody has answered a list, which must be this one.
fn lists(agent: &Agent, by: Program, keys: &[&str]) {
    let mut expected: Vec<String> = keys.iter().map(|key| format!("{key} [4/4]")).collect();
    expected.sort();
    crate::harness::wait_until("the keys", || {
        let outcome = agent.ask(by, &["keys", "-list"]);
        let rows = outcome.stdout.lines().filter(|line| line.ends_with(']'));
        let mut rows: Vec<String> =
            rows.map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        rows.sort();
        if outcome.status == Some(0) && rows == expected { Ok(()) } else { Err(format!("{outcome:?}")) }
    });
}

#[test]
fn a_cluster_takes_a_new_key_whoever_brings_it() {
    if !serf_is_here() {
        return;
    }
    // The side that brings the key: the program and command line that install it; the other side uses it.
    for (installer, user, by) in [(0, 1, Serf), (1, 0, Tidings)] {
        let dir = tempfile::tempdir().unwrap();
        let (agents, rings) = cluster(&dir);
        let (installer, user) = (&agents[installer], &agents[user]);
        lists(installer, by, &[OLD]);
        act(installer, by, &format!("-install={NEW}"), "==> Successfully installed key!\n");
        lists(user, Tidings, &[OLD, NEW]);
        act(user, by, &format!("-use={NEW}"), "==> Successfully changed primary key!\n");
        crate::harness::wait_until("everybody to refuse", || {
            let refused = installer.ask(by, &["keys", &format!("-remove={NEW}")]);
            assert_eq!(refused.status, Some(1), "{refused:?}");
            let refusals = refused.stdout.matches("Removing the primary key is not allowed").count();
            if refusals == 4 { Ok(()) } else { Err(format!("{refused:?}")) }
        });
        act(installer, Tidings, &format!("-remove={OLD}"), "==> Successfully removed key!\n");
        lists(user, by, &[NEW]);
        for ring in &rings {
            let keys: Vec<String> = serde_json::from_str(&fs::read_to_string(ring).unwrap()).unwrap();
            assert_eq!(keys, [NEW], "{}", ring.display());
        }
        let all: Vec<&Agent> = agents.iter().collect();
        all_alive(&all);
        restart_with_written_ring(agents);
    }
}

/// What was written is what the next start reads.
fn restart_with_written_ring(mut agents: Vec<Agent>) {
    agents[1].kill();
    agents[1].restart();
    agents[1].join(&agents[2]);
    all_alive(&agents.iter().collect::<Vec<_>>());
}
