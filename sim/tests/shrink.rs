//! Shrinking: of much that goes wrong, what it takes for an invariant to break.

use tidings_core::Status;
use tidings_sim::shrink::{Shrunk, shrink, shrink_watched};
use tidings_sim::{Cluster, Script, run};

/// Everything at once, written out.
fn big(seed: u64) -> Script {
    let text = "members = 12
        time = '2m'
        shuffle_ties = true
        config.snapshot = true
        config.gossip_nodes = 4
        net.zones = 2
        net.between_zones = { constant = '3ms' }
        random = { faults = 12, work = 8, settings = 1.0 }
        [[variant]]
        members = 'random 3'
        config.indirect_checks = 2
        [[work]]
        at = '2s'
        every = '7s'
        times = 15
        do.event = { name = 'tick', bytes = 24 }";
    Script::parse(text).unwrap().expand(seed)
}

/// The first seed that breaks an invariant of a user's, shrunk.
fn shrunk(name: &str, check: fn(&Cluster) -> Option<String>) -> (u64, Shrunk) {
    let watch = |cluster: &mut Cluster| {
        cluster.invariant(name, check);
    };
    let found = (0..20).find_map(|seed| Some((seed, shrink_watched(&big(seed), seed, 1000, watch)?)));
    found.expect("some seed breaks it")
}

fn lines(script: &Script) -> usize {
    script.to_text().lines().filter(|line| !line.is_empty()).count()
}

#[test]
fn a_user_s_invariant_is_broken_by_a_handful_of_lines() {
    let missed = |cluster: &Cluster| {
        let missed = (1..cluster.hosts().len()).find(|of| cluster.status(0, *of) == Some(Status::Failed))?;
        Some(format!("n0 misses n{missed}"))
    };
    let (seed, found) = shrunk("n0 misses nobody", missed);
    let text = found.script.to_text();
    assert_eq!(found.invariant, "n0 misses nobody");
    assert!(big(seed).fault.len() > 2 && lines(&big(seed)) > 30, "{}", big(seed).to_text());
    assert!(lines(&found.script) <= 8 && found.script.members <= 3, "{text}");
    assert!(found.script.variant.is_empty() && found.script.work.is_empty(), "{text}");
    // What is printed is what fails.
    let again = shrink_watched(&Script::parse(&text).unwrap(), seed, 1000, |cluster| {
        cluster.invariant("n0 misses nobody", missed);
    });
    assert_eq!(again.expect("it still breaks").script, found.script);
}

#[test]
fn work_that_alone_breaks_an_invariant_is_what_is_left() {
    let heard = |cluster: &Cluster| {
        let ticks = cluster.user_events(1, "tick").len();
        (ticks >= 3).then(|| format!("{ticks} ticks"))
    };
    let (_, found) = shrunk("n1 hears less than three ticks", heard);
    let text = found.script.to_text();
    assert!(found.script.fault.is_empty(), "{text}");
    assert_eq!((found.script.members, found.script.work.len()), (2, 1), "{text}");
    assert!((3..6).contains(&found.script.work[0].times), "{text}");
}

#[test]
fn shrinking_is_the_same_each_time() {
    let found = || {
        let lonely = |cluster: &Cluster| (cluster.living().len() < 11).then(|| "two are gone".into());
        shrunk("at most one is gone", lonely)
    };
    let ((seed, one), (other_seed, other)) = (found(), found());
    assert_eq!((seed, one.runs, one.script.to_text()), (other_seed, other.runs, other.script.to_text()));
}

#[test]
fn lies_that_do_not_matter_are_dropped() {
    let text = "members = 8
        time = '60s'
        [[fault]]
        at = '5s'
        do.hostile = { members = 'random 3', every = '200ms' }";
    let forged = |cluster: &mut Cluster| {
        cluster.invariant("nobody is a stranger", |c| {
            let view = c.host(0).node()?.view();
            (view.len() > c.hosts().len()).then(|| "n0 knows somebody who never was".into())
        });
    };
    let found = shrink_watched(&Script::parse(text).unwrap(), 1, 1000, forged).expect("liars invent");
    let text = found.script.to_text();
    assert!(
        text.contains("members = [") && (text.contains("[\"phantom\"]") || text.contains("[\"state\"]")),
        "{text}"
    );
}

#[test]
fn the_time_allowed_for_agreement_is_not_what_is_shrunk() {
    let text = "members = 4
        time = '90s'
        quiet = '5s'
        config.suspicion_mult = 200.0
        config.gossip_nodes = 2
        [[fault]]
        at = '20s'
        do.crash = { members = [2], return = 'never' }
        [[fault]]
        at = '5s'
        for = '2s'
        do.loss = { rate = 0.1 }";
    let script = Script::parse(text).unwrap();
    let found = shrink(&script, 4, 1000).expect("nobody can be declared dead so soon");
    assert_eq!((found.invariant.as_str(), found.script.quiet), ("L1 completeness", script.quiet));
    assert_eq!((found.script.members, found.script.fault.len()), (3, 1), "{}", found.script.to_text());
    let again = run::run(&found.script, 4).violation.expect("it still breaks");
    assert_eq!(again.invariant, "L1 completeness");
}
