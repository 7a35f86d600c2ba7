//! Services come and go in a cluster that real Serf agents share: these hear nothing of it.

use crate::harness::{Agent, Serf, Tidings, all_alive, fresh_ip, serf_is_here, wait_until};

/// What a member is to the registry's commands: its HTTP address as a flag.
struct Site(String);

impl Site {
    fn new() -> Site {
        Site(format!("-http-addr={}:8500", fresh_ip()))
    }

    #[track_caller]
    fn tell(&self, words: &[&str]) -> String {
        let mut all = vec![words[0], self.0.as_str()];
        all.extend(&words[1..]);
        Tidings.run(&all).expect_success()
    }

    /// Waits until a service has this many instances here.
    #[track_caller]
    fn shows(&self, service: &str, instances: usize) {
        wait_until(&format!("{instances} of {service}"), || {
            let said = self.tell(&["service", "-format=json", service]);
            let list: serde_json::Value = serde_json::from_str(&said).map_err(|error| error.to_string())?;
            let found = list.as_array().map_or(0, Vec::len);
            if found == instances { Ok(()) } else { Err(said) }
        });
    }
}

#[test]
fn services_come_and_go_and_serf_s_agents_hear_nothing_of_it() {
    if !serf_is_here() {
        return;
    }
    let sites = [Site::new(), Site::new()];
    let agents = [
        Agent::start(Serf, "s1", &["-log-level=debug"]),
        Agent::start(Tidings, "t1", &["-log-level=debug", &sites[0].0]),
        Agent::start(Serf, "s2", &["-log-level=debug"]),
        Agent::start(Tidings, "t2", &["-log-level=debug", &sites[1].0]),
    ];
    for agent in &agents[1..] {
        agent.join(&agents[0]);
    }
    all_alive(&agents.each_ref());
    let before = agents[0].members(Serf).unwrap();

    // A few hundred bytes each, so that some travel by datagram and some by stream.
    let tag = format!("-tag={}", "x".repeat(900));
    for round in 0..10 {
        let (here, there) = (&sites[round % 2], &sites[(round + 1) % 2]);
        let id = format!("-id=web-{round}");
        here.tell(&["register", "-name=web", &id, "-port=80", "-ttl=10m"]);
        here.tell(&["register", "-name=large", "-port=81", &tag, &tag, &tag]);
        there.shows("web", 1);
        there.shows("large", 1);
        here.tell(&["deregister", &format!("web-{round}"), "large"]);
        there.shows("web", 0);
        there.shows("large", 0);
    }

    // Members look the same as before, marker and all, and nobody complains.
    assert_eq!(agents[0].members(Serf).unwrap(), before);
    all_alive(&agents.each_ref());
    for agent in &agents {
        let said = agent.said();
        for wrong in ["[WARN]", "[ERR]", "nknown", "Failed", "Suspect", "nvalid", "unsupported"] {
            assert!(!said.contains(wrong), "{wrong:?} in what {} said:\n{said}", agent.name);
        }
    }
}
