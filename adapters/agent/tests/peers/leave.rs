//! Leaving, dying and returning, seen from both programs.

use crate::harness::{Agent, BOTH, Program, Serf, Tidings, all_alive, all_see, serf_is_here};

/// Two that stay, one of each program, and one that goes.
fn two_and(program: Program) -> [Agent; 3] {
    let stay_s = Agent::start(Serf, "stay-s", &[]);
    let stay_t = Agent::start(Tidings, "stay-t", &[]);
    let goes = Agent::start(program, "goes", &["-tag=role=web"]);
    stay_t.join(&stay_s);
    goes.join(&stay_t);
    let all = [stay_s, stay_t, goes];
    all_alive(&all.each_ref());
    all
}

fn they_see(stay_s: &Agent, stay_t: &Agent, status: &str) {
    let mut expected = vec![("stay-s", "alive"), ("stay-t", "alive")];
    if !status.is_empty() {
        expected.push(("goes", status));
    }
    all_see(&[stay_s, stay_t], &expected);
}

#[test]
fn graceful_leaves_are_seen_as_such_and_who_left_can_return() {
    if !serf_is_here() {
        return;
    }
    for program in BOTH {
        let [stay_s, stay_t, mut goes] = two_and(program);
        for (index, way) in ["INT", "leave", "leave by the other program"].into_iter().enumerate() {
            if index > 0 {
                goes.restart();
                goes.join(if index == 1 { &stay_s } else { &stay_t });
                they_see(&stay_s, &stay_t, "alive");
            }
            match way {
                "INT" => goes.signal("INT"),
                way => {
                    let by = if way == "leave" { Tidings } else { Serf };
                    assert_eq!(goes.tell(by, &["leave"]), "Graceful leave complete\n");
                }
            }
            let (status, said) = goes.end();
            assert_eq!(status, Some(0), "{said}");
            they_see(&stay_s, &stay_t, "left");
        }
        for stays in [&stay_s, &stay_t] {
            assert!(!stays.said().contains("EventMemberFailed"), "{}", stays.said());
        }
    }
}

#[test]
fn who_is_killed_fails_and_returns_at_the_same_address() {
    if !serf_is_here() {
        return;
    }
    for program in BOTH {
        let [stay_s, stay_t, mut goes] = two_and(program);
        goes.kill();
        they_see(&stay_s, &stay_t, "failed");
        goes.restart();
        goes.join(&stay_t);
        all_alive(&[&stay_s, &stay_t, &goes]);
        // Killed and back before anybody has seen it: nothing but a new incarnation.
        goes.kill();
        goes.restart();
        goes.join(&stay_s);
        all_alive(&[&stay_s, &stay_t, &goes]);
    }
}

#[test]
fn the_failed_are_forced_out_from_either_side() {
    if !serf_is_here() {
        return;
    }
    let [stay_s, stay_t, mut goes] = two_and(Tidings);
    goes.kill();
    they_see(&stay_s, &stay_t, "failed");
    assert_eq!(stay_t.tell(Serf, &["force-leave", "goes"]), "");
    they_see(&stay_s, &stay_t, "left");
    assert_eq!(stay_s.tell(Tidings, &["force-leave", "-prune", "goes"]), "");
    they_see(&stay_s, &stay_t, "");
    goes.restart();
    goes.join(&stay_s);
    they_see(&stay_s, &stay_t, "alive");
    goes.kill();
    they_see(&stay_s, &stay_t, "failed");
    assert_eq!(stay_s.tell(Tidings, &["force-leave", "goes"]), "");
    they_see(&stay_s, &stay_t, "left");
    assert_eq!(stay_t.tell(Tidings, &["force-leave", "-prune", "goes"]), "");
    they_see(&stay_s, &stay_t, "");
}

#[test]
fn the_living_refuse_to_be_forced_out() {
    if !serf_is_here() {
        return;
    }
    // Three are needed: Serf does not tell anybody of a forced leave when it knows no other member.
    let all = two_and(Tidings);
    let [stay_s, stay_t, _] = &all;
    assert_eq!(stay_t.tell(Tidings, &["force-leave", "stay-s"]), "");
    all_alive(&all.each_ref());
    assert_eq!(stay_s.tell(Tidings, &["force-leave", "stay-t"]), "");
    all_alive(&all.each_ref());
}
