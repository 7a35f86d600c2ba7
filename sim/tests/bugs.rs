//! The invariants find what they are there for: each deliberate bug of the core, by name, within
//! two hundred seeds; and nothing where there is no bug, however rare the branches that are taken.
#![cfg(tidings_bugs)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tidings_core::bugs::Bug;
use tidings_core::rare::Rare;
use tidings_sim::Script;
use tidings_sim::run::run;
use tidings_sim::shrink::shrink;

/// Seeds in which a bug must show.
const SEEDS: u64 = 200;

fn path(name: &str) -> String {
    format!("{}/scripts/{name}.toml", env!("CARGO_MANIFEST_DIR"))
}

fn script(name: &str) -> Script {
    let text = std::fs::read_to_string(path(name)).expect("the script is there");
    Script::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A script that leads to where the bug is.
fn suited(bug: Bug) -> &'static str {
    match bug {
        Bug::OverfillsPackets
        | Bug::IgnoresFilters
        | Bug::IgnoresTags
        | Bug::MistrustsTags
        | Bug::AcceptsLargeEvents => "talk",
        Bug::TellsForEver => "calm",
        Bug::KeepsEventsToItself => "wide",
        Bug::GivesUpTheLost => "partition",
        Bug::HoldsGrudges => "stumble",
        Bug::HoardsMessages => "storm",
        Bug::LearnsNothing | Bug::KeepsIntents => "newcomers",
        Bug::NeverYields => "double",
        Bug::SpeaksForOthers
        | Bug::TakesOlderRecords
        | Bug::IgnoresRefreshes
        | Bug::OversleepsChecks
        | Bug::ForgetsDeletions
        | Bug::DropsTheFailed
        | Bug::KeepsTheFirst => "services",
        _ => found_by(bug).unwrap_or("dozen"),
    }
}

/// The script with which the simulator found a bug that is deliberate now.
fn found_by(bug: Bug) -> Option<&'static str> {
    match bug {
        Bug::HidesThePruned => Some("found/pruned-alive"),
        Bug::ForgetsTheChecksum => Some("found/no-room-for-the-checksum"),
        Bug::StopsAtTheEdge => Some("found/forged-at-the-edges"),
        Bug::KeepsTheOldTime => Some("found/registered-while-critical"),
        Bug::AgreesWithDamage => Some("found/damaged-record"),
        Bug::TellsOnlyWhatIsGone => Some("found/void-after-a-restart"),
        Bug::FollowsTheRefused => Some("found/deaf-to-the-others"),
        _ => None,
    }
}

/// How a bug was found.
struct Found {
    bug: Bug,
    seed: u64,
    what: String,
    runs: u64,
    took: Duration,
}

/// Runs seed after seed until the bug shows, and each of them without it.
fn find(bug: Bug) -> Result<Found, String> {
    let wall = Instant::now();
    let mut healthy = script(suited(bug));
    if bug == Bug::BelievesOldAlives {
        // Before it tells of it, which would break M10.
        healthy.config.eager = Some(false);
    }
    let mut sick = healthy.clone();
    sick.config.bugs = vec![bug];
    for seed in 0..SEEDS {
        let found = run(&sick, seed).violation;
        if let Some(false_alarm) = run(&healthy, seed).violation {
            return Err(format!("{bug:?}: seed {seed} has no bug, and yet: {false_alarm}"));
        }
        match found {
            None => {}
            Some(found) if found.invariant == bug.invariant() => {
                let what = format!("{} at {}: {}", found.members.join(", "), found.at, found.what);
                return Ok(Found { bug, seed, what, runs: 2 * (seed + 1), took: wall.elapsed() });
            }
            Some(found) => {
                return Err(format!("{bug:?}: seed {seed} breaks not {}, but {found}", bug.invariant()));
            }
        }
    }
    Err(format!("{bug:?}: {} does not see it in {SEEDS} seeds of {}", bug.invariant(), suited(bug)))
}

#[test]
fn every_invariant_holds_however_often_the_rare_branches_are_taken() {
    let mut script = script("dozen");
    script.config.rare = Rare::ALL.to_vec();
    for seed in 0..SEEDS {
        if let Some(found) = run(&script, seed).violation {
            panic!("seed {seed}: {found}");
        }
    }
}

/// The seed that a script under `found` names is one that fails without the fix.
#[test]
fn what_was_found_is_found_again_with_the_same_seed() {
    let finds = Bug::ALL.iter().filter_map(|bug| Some((*bug, found_by(*bug)?)));
    for (bug, name) in finds {
        let mut sick = script(name);
        let text = std::fs::read_to_string(path(name)).expect("the script is there");
        let head = text.lines().next().and_then(|line| line.strip_prefix("# seed "));
        let (seed, invariant) = head.and_then(|head| head.split_once(": ")).expect("the seed stands first");
        sick.config.bugs = vec![bug];
        let found = run(&sick, seed.parse().unwrap()).violation;
        let found = found.unwrap_or_else(|| panic!("{name} holds with {bug:?}"));
        assert_eq!((&*found.invariant, bug.invariant()), (invariant, invariant), "{name}: {found}");
    }
}

#[test]
fn every_bug_is_found_by_the_invariant_that_is_there_for_it() {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(bug) = Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = find(*bug);
                    results.lock().unwrap().push(result);
                }
            });
        }
    });
    let (found, missed): (Vec<_>, Vec<_>) =
        results.into_inner().unwrap().into_iter().partition(Result::is_ok);
    let mut found: Vec<Found> = found.into_iter().flatten().collect();
    found.sort_by_key(|found| found.bug);
    for Found { bug, seed, what, runs, took } in &found {
        let what = what.lines().next().unwrap_or_default();
        println!(
            "{:<20} {:<24} seed {seed:<3} {runs:>3} runs {took:>6.1?}  {what}",
            bug.name(),
            bug.invariant()
        );
    }
    let missed: Vec<String> = missed.into_iter().filter_map(Result::err).collect();
    assert!(missed.is_empty(), "{} not found:\n{}", missed.len(), missed.join("\n"));
}

#[test]
fn a_big_script_shrinks_to_the_handful_of_lines_that_show_the_bug() {
    for bug in [Bug::ForgetsToRefute, Bug::RaisesTheDead, Bug::DropsTags] {
        let mut big = script("mixed");
        big.config.bugs = vec![bug];
        let broken =
            |seed: &u64| run(&big, *seed).violation.is_some_and(|found| found.invariant == bug.invariant());
        let seed = (0..SEEDS).find(broken).expect("some seed shows it");
        let found = shrink(&big, seed, 1000).expect("it breaks something");
        let lines = |script: &Script| script.to_text().lines().filter(|line| !line.is_empty()).count();
        let (before, after) = (lines(&big.expand(seed)), lines(&found.script));
        let text = found.script.to_text();
        println!("{bug:?}: seed {seed}, {} runs, {before} lines to {after}\n{text}", found.runs);
        assert_eq!(found.invariant, bug.invariant());
        assert!(after <= 16 && found.script.config.bugs == [bug], "{text}");
        assert!(found.script.fault.len() + found.script.work.len() <= 3, "{text}");
    }
}

#[test]
fn the_documentation_lists_every_bug_with_its_invariant() {
    let documentation = include_str!("../src/check/mod.rs");
    let rows = documentation.lines().filter(|line| line.starts_with("//! | `")).count();
    assert_eq!(rows, Bug::ALL.len());
    for bug in Bug::ALL {
        let row = format!("//! | `{}` | {} |\n", bug.name(), bug.invariant());
        assert!(documentation.contains(&row), "{row}");
    }
}
