//! What the simulator has found stays fixed: the smallest script of each find, with its seed.

use std::fs;

use tidings_sim::Script;

/// Each script's first line is `# seed N: invariant`, as `shrink` prints it.
#[test]
fn nothing_that_was_found_comes_back() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/found");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no script in {folder}");
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let head = text.lines().next().and_then(|line| line.strip_prefix("# seed "));
        let (seed, _) = head.and_then(|line| line.split_once(':')).expect("the seed stands first");
        let script = Script::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let outcome = tidings_sim::run::run(&script, seed.parse().unwrap());
        if let Some(violation) = outcome.violation {
            panic!("{}: {violation}", path.display());
        }
    }
}
