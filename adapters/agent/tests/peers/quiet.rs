//! Our agents among Serf's for a while, at Serf's usual pace: nobody has a reason to doubt them.

use std::thread::sleep;
use std::time::Duration;

use crate::harness::{Agent, Serf, Tidings, all_alive, serf_is_here};

/// Long enough for some thirty probes of each member by each other.
const WHILE: Duration = Duration::from_secs(75);

#[test]
fn our_agents_live_among_serf_s_without_being_suspected() {
    if !serf_is_here() {
        return;
    }
    let flags = ["-profile=lan", "-log-level=debug"];
    let agents = [(Serf, "s1"), (Tidings, "t1"), (Serf, "s2"), (Tidings, "t2")]
        .map(|(program, name)| Agent::start(program, name, &flags));
    for agent in &agents[1..] {
        agent.join(&agents[0]);
    }
    all_alive(&agents.each_ref());
    sleep(WHILE);
    all_alive(&agents.each_ref());
    for agent in agents.iter().filter(|agent| agent.program == Serf) {
        let said = agent.said();
        for wrong in
            ["Suspect t", "Marking", "Failed fallback", "Refuting", "EventMemberFailed", "[WARN]", "[ERR]"]
        {
            assert!(!said.contains(wrong), "{wrong:?} in what {} said:\n{said}", agent.name);
        }
    }
}
