//! What a failing story tells, and that what it tells leads back to the failure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tidings_core::{State, Status, Time};
use tidings_sim::run::{run, stop_at};
use tidings_sim::{Cluster, Fault, Pick, Return, Script, Shape, Trouble, each_seed};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What a story that must fail says.
fn failure(story: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(story)).expect_err("the story fails");
    panic.downcast_ref::<String>().expect("it fails with a text").clone()
}

fn assert_tells(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

/// The script in a failure's text.
fn script_in(text: &str) -> Script {
    let (_, script) = text.split_once("as a script").and_then(|(_, rest)| rest.split_once(":\n")).unwrap();
    Script::parse(script).unwrap()
}

#[test]
fn an_assertion_that_fails_tells_seed_time_members_and_how_to_see_it_again() {
    let told = failure(|| {
        let mut cluster = Cluster::lan(4).seed(9).start();
        cluster.run(secs(1)).partition(&[3]).run(secs(40)).assert(|c| c.converged());
    });
    let again =
        "cargo test an_assertion_that_fails_tells_seed_time_members_and_how_to_see_it_again -- --exact";
    assert_tells(&told, &["seed     9", "at       41.0", "members  n0, n3", "n0 holds n3 failed", again]);
    assert_tells(&told, &["tidings-sim run FILE --seed 9", "do.partition"]);
}

#[test]
fn a_condition_that_never_comes_tells_how_long_it_was_waited_for() {
    let told = failure(|| {
        let mut cluster = Cluster::lan(4).seed(2).start();
        cluster.eventually(secs(3), |c| c.status(0, 1) == Some(Status::Failed));
    });
    assert_tells(&told, &["not within 3s; all hosts agree", "seed     2", "at       3.0", "members  all"]);
}

#[test]
fn an_invariant_that_breaks_tells_its_name_and_moment() {
    let told = failure(|| {
        let mut cluster = Cluster::lan(4).seed(5).start();
        cluster.invariant("nobody is suspected", |c| {
            (1..4).find(|of| c.state(0, *of) == Some(State::Suspect)).map(|of| format!("n{of} is"))
        });
        cluster.partition(&[0]).run(secs(60));
    });
    assert_tells(&told, &["nobody is suspected at ", " is\n", "seed     5", "members  all"]);
}

#[test]
fn each_seed_names_the_variable_that_tells_one_story_alone() {
    let mut told = Vec::new();
    let text = failure(|| {
        each_seed(0..5, |seed| {
            told.push(seed);
            let mut cluster = Cluster::lan(3).seed(seed).start();
            cluster.run(secs(1)).assert(|_| seed < 2);
        });
    });
    assert_eq!(told, [0, 1, 2], "those before it are fine");
    assert_tells(&text, &["seed     2", "TIDINGS_SIM_SEED=2 cargo test each_seed_names"]);
}

#[test]
fn the_script_of_a_failure_leads_to_the_same_picture() {
    let story = |cluster: &mut Cluster| {
        cluster.run(secs(3)).crash(1).run(secs(30)).restart(1).run(secs(20));
        cluster.loss(0.2).freeze(2).run(secs(30)).thaw(2).heal();
        cluster.partition(&[0, 4]).event(3, "deploy", b"v2");
        cluster.run(secs(60));
    };
    let told = failure(|| {
        let mut cluster = Cluster::lan(5).seed(4).configure(|_, config| config.snapshot = true).start();
        story(&mut cluster);
        cluster.assert(|c| c.converged());
    });
    let script = script_in(&told);
    assert_eq!((script.fault.len(), script.work.len(), script.config.snapshot), (4, 1, Some(true)));
    let (cluster, violation) = stop_at(&script, 4, Time::ZERO + script.time);
    assert_eq!(violation, None);
    let picture = cluster.picture();
    assert!(told.contains(&picture), "{picture}\n{told}");
    assert_eq!(cluster.host(1).life(), 1);
    assert_eq!(cluster.user_events(2, "deploy").len(), 1);
}

#[test]
fn a_script_says_what_it_leaves_out() {
    let mut cluster =
        Cluster::lan(3).alone().zones(|host| host as u32).configure(|_, c| c.events.buffer = 9).start();
    cluster.run(secs(1));
    let (_, left_out) = cluster.script();
    assert_eq!(left_out.len(), 3, "{left_out:?}");
    assert_tells(&left_out.join("\n"), &["start alone", "configuration", "zones"]);
}

/// A script whose faults all pick members at random.
fn picking() -> Script {
    let mut script = Script::parse("members = 12\ntime = '60s'").unwrap();
    for what in [
        Trouble::Partition { shape: Shape::IsolateOne },
        Trouble::Freeze { members: Pick::Random(3) },
        Trouble::BlockIo { members: Pick::Random(2) },
        Trouble::Crash { members: Pick::Random(2), comes_back: Return::Never, rolling: false },
    ] {
        script.fault.push(Fault::new(secs(2), secs(50), what));
    }
    // As every script that is read.
    Script::parse(&script.to_text()).unwrap()
}

/// Whom the last three faults of [`picking`] have struck at 3 s.
fn struck(script: &Script, seed: u64) -> Vec<(bool, bool)> {
    let (cluster, _) = stop_at(script, seed, Time::ZERO + secs(3));
    cluster.hosts().iter().map(|host| (host.is_hampered(), host.node().is_some())).collect()
}

#[test]
fn a_fault_that_is_taken_away_leaves_the_luck_of_the_others() {
    let whole = picking();
    let mut less = whole.clone();
    less.fault.remove(0);
    let mut renumbered = less.clone();
    for (number, fault) in renumbered.fault.iter_mut().enumerate() {
        fault.stream = Some(number as u64);
    }
    let seeds = 0..10;
    for seed in seeds.clone() {
        assert_eq!(struck(&whole, seed), struck(&less, seed), "seed {seed}");
    }
    let others = seeds.filter(|seed| struck(&whole, *seed) != struck(&renumbered, *seed)).count();
    assert!(others > 5, "other streams would be other luck: {others} of 10");
}

#[test]
fn a_recorded_run_is_the_same_run_and_an_edited_one_is_not() {
    let mixed = tidings_sim::script::mixed(6);
    for seed in 0..3 {
        let recorded = Script::parse(&mixed.expand(seed).to_text()).unwrap();
        let digest = run(&mixed, seed).digest;
        assert_eq!(run(&recorded, seed).digest, digest, "seed {seed}");
        let mut edited = recorded.clone();
        edited.fault.remove(0);
        assert_ne!(run(&edited, seed).digest, digest, "seed {seed}");
    }
}
