//! Figures over many seeds, as the command line gives them.

use std::path::PathBuf;
use std::process::Command;

/// What `check --stats` finds over ten seeds of one crash among ten, with some threads.
fn figures(jobs: &str) -> Vec<serde_json::Value> {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (script, json) =
        (directory.join(format!("crash-{jobs}.toml")), directory.join(format!("stats-{jobs}.json")));
    let crash = "members = 10\ntime = '60s'\n[[fault]]\nat = '5s'\n\
                 do.crash = { members = 'random 1', return = 'never' }\n\
                 [[work]]\nat = '1s'\ndo.event = { name = 'news' }\n";
    std::fs::write(&script, crash).expect("a file can be written");
    let mut line = Command::new(env!("CARGO_BIN_EXE_tidings-sim"));
    line.arg("check").arg(&script).args(["--seeds", "0..10", "--jobs", jobs, "--stats"]).arg(&json);
    let done = line.output().expect("the binary runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    serde_json::from_str(&std::fs::read_to_string(json).expect("it is written")).expect("it is JSON")
}

#[test]
fn a_check_tells_how_long_things_took_and_how_sure_it_is() {
    let figures = figures("1");
    let find = |name: &str| figures.iter().find(|figure| figure["name"] == name).expect(name).clone();
    let first = find("first detection of a crash");
    let mean = |figure: &serde_json::Value, key: &str| figure["mean"][key].as_f64().expect("a number");
    assert_eq!((first["samples"].as_u64(), first["unit"].as_str()), (Some(10), Some("s")));
    // One period until the first probe, one until it has failed, and the shortest suspicion: 4 s
    // among ten; and not the longest, 24 s.
    let value = mean(&first, "value");
    assert!((4.0..15.0).contains(&value), "{value}");
    assert!(mean(&first, "low") < value && value < mean(&first, "high"));
    assert!(mean(&find("detection at all members"), "value") >= value);
    let event = find("an event at all members");
    // The script's, and the one that asks in the end whether events spread.
    assert_eq!(event["samples"], 20);
    assert!(mean(&event, "value") < 2.0, "{event}");
    assert_eq!(mean(&find("false failures"), "value"), 0.0);
    assert_eq!(find("agreement after the last fault")["quantiles"].as_array().map(Vec::len), Some(4));
}

#[test]
fn the_figures_do_not_depend_on_the_number_of_threads() {
    assert_eq!(figures("2"), figures("3"));
}
