//! Clusters of both programs: everybody joins everybody, and all see the same.

use crate::harness::{Agent, Program, Serf, Tidings, all_alive, all_see, serf_is_here, wait_until};

const KEY: &str = "-encrypt=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Four agents, two of each program, joined so that each program joins each.
pub(crate) fn four(start: fn(Program, &str, &[&str]) -> Agent, flags: &[&str]) -> [Agent; 4] {
    let with = |program, name, tags: &[&str]| start(program, name, &[tags, flags].concat());
    let s1 = with(Serf, "s1", &["-tag=role=web", "-tag=dc=east"]);
    let t1 = with(Tidings, "t1", &["-tag=role=web", "-tag=dc=west"]);
    let s2 = with(Serf, "s2", &["-tag=role=db"]);
    let t2 = with(Tidings, "t2", &["-tag=role=db", "-tag=empty="]);
    t1.join(&s1);
    s2.join(&t1);
    t2.join(&t1);
    let all = [s1, t1, s2, t2];
    all_alive(&all.each_ref());
    all
}

#[test]
fn mixed_clusters_look_the_same_from_everywhere() {
    if !serf_is_here() {
        return;
    }
    let all = four(Agent::start, &[]);
    let [s1, t1, ..] = &all;
    // Tags changed at run time reach everybody, those of either program set by either.
    t1.tell(Serf, &["tags", "-set", "role=cache", "-delete", "dc"]);
    s1.tell(Tidings, &["tags", "-set", "role=proxy"]);
    let expected = [("s1", r#"{"dc":"east","role":"proxy"}"#), ("t1", r#"{"role":"cache"}"#)];
    for agent in &all {
        wait_until("the new tags", || {
            let members = agent.members(Serf)?;
            let of = |name: &str| {
                members.iter().find(|member| member["name"] == name).map(|m| m["tags"].to_string())
            };
            let seen = expected.map(|(name, _)| of(name).unwrap_or_default());
            if seen == expected.map(|(_, tags)| tags) { Ok(()) } else { Err(format!("{seen:?}")) }
        });
    }
    all_alive(&all.each_ref());
    for agent in &all {
        // A query may miss somebody now and then.
        wait_until("everybody to be reached", || {
            let outcome = agent.ask(Tidings, &["reachability"]);
            assert!(outcome.stdout.starts_with("Total members: 4, live members: 4\n"), "{outcome:?}");
            if outcome.status == Some(0) { Ok(()) } else { Err(outcome.stdout) }
        });
    }
}

#[test]
fn mixed_clusters_with_a_key_keep_out_who_has_none() {
    if !serf_is_here() {
        return;
    }
    let all = four(Agent::start, &[KEY]);
    let [s1, t1, ..] = &all;
    for (program, name) in [(Serf, "plain-s"), (Tidings, "plain-t")] {
        let plain = Agent::start(program, name, &[]);
        let other = Agent::start(program, "other", &["-encrypt=ICEiIyQlJicoKSorLC0uLw=="]);
        for incumbent in [s1, t1] {
            for stranger in [&plain, &other] {
                let outcome = stranger.ask(Tidings, &["join", &incumbent.gossip.to_string()]);
                assert_eq!(outcome.status, Some(1), "{outcome:?}");
                assert!(outcome.stdout.starts_with("Error joining the cluster: "), "{outcome:?}");
            }
        }
        all_see(&[&plain], &[(name, "alive")]);
    }
    all_alive(&all.each_ref());
}

#[test]
fn mixed_clusters_form_over_ipv6() {
    if !serf_is_here() {
        return;
    }
    let all = four(Agent::start_v6, &[]);
    let addr = all[1].gossip.to_string();
    assert!(addr.starts_with("[::1]:"));
    for agent in &all {
        for program in [Tidings, Serf] {
            let said = agent.tell(program, &["members", "-name=t1"]);
            let words: Vec<&str> = said.split_whitespace().collect();
            assert_eq!(words[..3], ["t1", addr.as_str(), "alive"], "{said}");
        }
    }
}
