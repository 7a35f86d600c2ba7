//! Why a member holds another suspect or failed: the chain leads to what truly happened.

use std::time::Duration;

use tidings_core::Time;
use tidings_sim::Script;
use tidings_sim::explain::{Explanation, explain};

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

fn why(text: &str, seed: u64, seconds: u64, member: &str, about: &str) -> Explanation {
    let script = Script::parse(text).expect("a script");
    let why = explain(&script, seed, at(seconds), member, about).expect("it is explained");
    holds_together(&why);
    why
}

/// Each step lies before the one it explains, and whoever told it is where the chain goes on.
fn holds_together(why: &Explanation) {
    assert!(why.steps.iter().rev().map(|step| step.at).is_sorted(), "{why}");
    for (step, cause) in why.steps.iter().zip(&why.steps[1..]) {
        let told = |detail: &String| {
            let rest =
                detail.strip_prefix("told by ").or(detail.strip_prefix("learned in a push/pull with "))?;
            Some(rest.split([' ', ',']).next()?.to_owned())
        };
        let teller = step.details.iter().find_map(told);
        assert_eq!(teller.as_ref().unwrap_or(&step.member), &cause.member, "{why}");
    }
}

/// Times that news was told in a datagram.
fn hops(why: &Explanation) -> usize {
    why.steps.iter().filter(|step| step.details.iter().any(|detail| detail.starts_with("told by "))).count()
}

fn details(why: &Explanation) -> String {
    why.steps.iter().flat_map(|step| step.details.clone()).collect::<Vec<_>>().join("\n")
}

const CRASH: &str =
    "members = 6\ntime = '40s'\n[[fault]]\nat = '5s'\ndo.crash = { members = [3], return = 'never' }\n";

#[test]
fn a_crash_is_explained_by_the_probe_that_nobody_answered() {
    for (seed, member) in [(1, "n0"), (2, "n1"), (3, "n5")] {
        let why = why(CRASH, seed, 38, member, "n3");
        assert_eq!(why.headline, format!("At 38.000000s {member} holds n3 failed."));
        let told = details(&why);
        let origin = why.steps.last().unwrap();
        assert!(origin.what.contains("holds n3 suspect"), "{why}");
        let accuser = &origin.member;
        for part in [
            format!("ping {accuser} → n3: lost to a process that does not run"),
            format!("stream {accuser} → n3: failed: "),
            "no answer in time: helpers are asked".into(),
            format!("indirect ping {accuser} → "),
            "its suspicion ran out undefended".into(),
            "n3 did not run then".into(),
        ] {
            assert!(told.contains(&part), "{part} is missing in {why}");
        }
    }
}

#[test]
fn what_is_held_before_anything_happens_is_said_to_be_so_from_the_start() {
    let why = why(CRASH, 1, 4, "n0", "n3");
    assert_eq!(why.headline, "At 4.000000s n0 holds n3 alive.");
    assert!(why.steps.len() == 1 && why.steps[0].what.contains("starts and holds n3 alive"), "{why}");
}

#[test]
fn a_one_way_link_is_told_from_a_crash() {
    let mute = "members = 5\ntime = '60s'\n[[fault]]\nat = '5s'\nfor = '50s'\n\
        do.block = { datagrams = true, streams = true, links = { from = [2], to = 'all', both = false } }\n";
    let why = why(mute, 2, 40, "n0", "n2");
    assert!(why.headline.ends_with("holds n2 failed."), "{why}");
    let told = details(&why);
    let origin = &why.steps.last().unwrap().member;
    assert!(told.contains(&format!("ping {origin} → n2: read at ")), "the way there is open: {why}");
    assert!(told.contains(&format!("ack n2 → {origin}: lost to a partition or blocked link")), "{why}");
    assert!(told.contains("stream") && !told.contains("n2 did not run then"), "{why}");
}

#[test]
fn a_false_suspicion_is_explained_by_the_slow_member_that_raised_it() {
    let slow = "members = 6\ntime = '60s'\n[[fault]]\nat = '5s'\nfor = '50s'\n\
        do.slow-cpu = { members = [2], service = '900ms' }\n";
    let mut found = 0;
    for seconds in [15, 25, 35] {
        for about in ["n0", "n1", "n3", "n4", "n5"] {
            let why = why(slow, 1, seconds, "n2", about);
            let own = why.steps.last().filter(|step| step.member == "n2" && step.what.contains("suspect"));
            if let Some(origin) = own {
                let told = origin.details.join("\n");
                assert!(told.contains(&format!("ping n2 → {about}: read at ")), "{why}");
                assert!(told.contains("after the probe had ended") || told.contains("never read"), "{why}");
                assert!(told.contains("n2 was slow then"), "{why}");
                found += 1;
            }
        }
    }
    assert!(found > 0, "it suspects somebody");
}

#[test]
fn news_is_followed_over_several_hops() {
    let text = "members = 16\ntime = '60s'\nconfig = { eager = false, gossip_nodes = 1 }\n[[fault]]\nat = '5s'\n\
        do.crash = { members = [5], return = 'never' }\n";
    let mut most = 0;
    for member in ["n0", "n1", "n2", "n3", "n4", "n6", "n7", "n8"] {
        let why = why(text, 3, 50, member, "n5");
        assert!(why.headline.ends_with("failed.") || why.headline.ends_with("forgotten."), "{why}");
        assert!(details(&why).contains("→ n5: lost to a process that does not run"), "{why}");
        most = most.max(hops(&why));
    }
    assert!(most >= 3, "{most}");
}

#[test]
fn news_that_came_by_push_pull_is_followed_to_the_peer() {
    // Datagrams to and from n7 are lost; streams work, and keep it a member.
    let text = "members = 12\ntime = '60s'\nconfig = { push_pull_interval = '2s' }\n[[fault]]\nat = '1s'\nfor = '55s'\n\
        do.block = { datagrams = true, streams = false, links = { from = [7], to = 'all', both = true } }\n\
        [[fault]]\nat = '10s'\ndo.crash = { members = [3], return = 'never' }\n";
    let by_stream = |seed: &u64| {
        let why = why(text, *seed, 50, "n7", "n3");
        assert!(why.headline.ends_with("holds n3 failed."), "{why}");
        let place = why.steps.iter().position(|step| {
            step.details.iter().any(|detail| detail.starts_with("learned in a push/pull with n"))
        });
        place.is_some_and(|place| why.steps.len() > place + 1)
    };
    assert!((1..=6).filter(by_stream).count() >= 2);
}

#[test]
fn a_refutation_is_followed_to_the_accusation() {
    let text = "members = 6\ntime = '60s'\n[[fault]]\nat = '5s'\nfor = '4s'\ndo.freeze = { members = [2] }\n";
    let why = why(text, 2, 50, "n0", "n2");
    assert!(why.headline.ends_with("holds n2 alive."), "{why}");
    let defence = why.steps.iter().find(|step| step.what.contains("defends itself")).expect("a refutation");
    assert_eq!(defence.member, "n2");
    assert!(details(&why).contains("n2 was frozen then"), "{why}");
}

#[test]
fn questions_without_an_answer_are_refused() {
    let script = Script::parse(CRASH).unwrap();
    for (member, about, part) in [
        ("n9", "n3", "no member `n9`; allowed: n0, n1"),
        ("n0", "n9", "no member `n9`"),
        ("n0", "n0", "holds itself alive"),
        ("n3", "n0", "n3 does not run at 20.000000s"),
    ] {
        let error = explain(&script, 1, at(20), member, about).expect_err("no answer");
        assert!(error.contains(part), "{error}");
    }
}
