//! Equal seeds tell equal stories, to the last byte, whatever else the process does.

use std::time::Duration;

use tidings_sim::{Cluster, Digest, LinkPick, Pick, Return, Task, Trouble, Work};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn story(seed: u64, shuffled: bool) -> Digest {
    let plan = Cluster::lan(12).seed(seed).traced().configure(|_, config| config.snapshot = true);
    let plan = if shuffled { plan.shuffle_ties() } else { plan };
    let mut cluster = plan.start();
    let what = Task::Event { members: Pick::Random(2), name: "e".into(), bytes: 40 };
    cluster.work(Work { at: secs(1), every: Some(secs(2)), times: 20, stream: None, what });
    cluster.trouble(secs(40), Trouble::Loss { rate: 0.1, links: LinkPick::default() });
    let members = Pick::Random(3);
    cluster.trouble(secs(20), Trouble::Crash { members, comes_back: Return::WithState, rolling: false });
    cluster.trouble(secs(10), Trouble::Freeze { members: Pick::Random(2) });
    cluster.run(secs(60));
    cluster.digest()
}

#[test]
fn a_seed_tells_one_story() {
    assert_eq!(story(1, false), story(1, false));
    assert_ne!(story(1, false), story(2, false));
    assert_ne!(story(1, false), story(1, true));
}

#[test]
fn threads_make_no_difference() {
    let alone: Vec<Digest> = (0..4).map(|seed| story(seed, false)).collect();
    let threads: Vec<_> = (0..4).map(|seed| std::thread::spawn(move || story(seed, false))).collect();
    let together: Vec<Digest> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(alone, together);
}

/// The same constants in every build, debug or optimised, on every machine. A change of what nodes
/// decide, or of what the simulator draws, changes them on purpose: then the new ones stand in the
/// failure.
#[test]
fn every_build_tells_the_story_that_is_recorded_here() {
    let digests: Vec<String> = (1..=3).map(|seed| story(seed, true).to_string()).collect();
    assert_eq!(digests, ["efe8d5807b07e567", "fe25357331cc3c58", "88d7be44ba99154b"]);
}
