//! The client commands against recordings of Serf's: same arguments, same words, same exit status.
//!
//! Each case runs in this process against an agent that answers what the recorded one must have
//! answered (`script.rs`). What varies from run to run is made equal first (`compare.rs`). Cases
//! that need more than one answering agent are in `ELSEWHERE`, and nowhere else.

mod agent;
mod compare;
mod script;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use serde::Deserialize;

use agent::Agent;

/// Cases by the start of their names, and why they are not tried here.
const ELSEWHERE: [(&str, &str); 9] = [
    ("agent-", "output of an agent process"),
    ("file-", "a file that an agent leaves"),
    ("telemetry-", "metrics of an agent"),
    ("handlers-", "scripts that an agent runs"),
    ("coalescing-handler-log", "scripts that an agent runs"),
    ("member-event-handler-log", "scripts that an agent runs"),
    ("replay-", "scripts that an agent runs"),
    ("monitor-debug", "a process ended by a signal"),
    ("help-sub-agent", "the agent's own command"),
];

/// Cases of these very names.
const ELSEWHERE_EXACTLY: [(&str, &str); 1] = [("monitor", "a process ended by a signal")];

/// A recorded case.
#[derive(Debug, Deserialize)]
pub(crate) struct Golden {
    case: String,
    argv: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    exit: serde_json::Value,
    stdout: String,
    stderr: String,
}

impl Golden {
    fn is_elsewhere(&self) -> bool {
        ELSEWHERE.iter().any(|elsewhere| self.case.starts_with(elsewhere.0))
            || ELSEWHERE_EXACTLY.iter().any(|elsewhere| self.case == elsewhere.0)
    }

    /// The command, such as `members`.
    fn command(&self) -> &str {
        self.argv.get(1).map_or("", String::as_str)
    }
}

fn golden(version: &str) -> Vec<Golden> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/cli").join(version);
    let mut cases: Vec<Golden> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| serde_json::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap())
        .collect();
    cases.sort_by(|a, b| a.case.cmp(&b.case));
    cases
}

/// What a run of a command left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    exit: i64,
    stdout: String,
    stderr: String,
}

/// Runs the case against an agent of its own, in place of the one it was recorded with.
fn run(golden: &Golden) -> Outcome {
    let agent = Agent::start(script::of(golden));
    let here = |text: &str| match text.find("127.0.0.") {
        // Nobody is at .99, in the recordings and here.
        Some(at) if text.ends_with(":7373") && !text.contains("127.0.0.99") => {
            format!("{}{}", &text[..at], agent.addr())
        }
        _ => text.to_owned(),
    };
    let args: Vec<OsString> = golden.argv.iter().skip(1).map(|arg| here(arg).into()).collect();
    let env: BTreeMap<String, String> = golden.env.iter().map(|(k, v)| (k.clone(), here(v))).collect();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let exit = tidings::cli::run(&args, &|name| env.get(name).cloned(), &mut stdout, &mut stderr);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome { exit: exit.into(), stdout: text(stdout), stderr: text(stderr) }
}

fn try_all(version: &str) {
    let mut tried = 0;
    let mut different = Vec::new();
    for golden in golden(version).iter().filter(|golden| !golden.is_elsewhere()) {
        let got = run(golden);
        let want = Outcome {
            exit: golden.exit.as_i64().unwrap(),
            stdout: golden.stdout.clone(),
            stderr: golden.stderr.clone(),
        };
        let (got, want) = (compare::normal(golden, got), compare::normal(golden, want));
        if got != want {
            different.push(format!("{}: {got:#?}, want {want:#?}", golden.case));
        }
        tried += 1;
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(tried > 150, "only {tried} cases were tried");
}

#[test]
fn commands_say_what_those_of_serf_0_9_4_say() {
    try_all("serf-0.9.4");
}

#[test]
fn commands_say_what_those_of_serf_0_10_1_say() {
    try_all("serf-0.10.1");
}

#[test]
fn nothing_is_listed_elsewhere_without_being_there() {
    let cases = golden("serf-0.9.4");
    for (name, _) in ELSEWHERE.iter().chain(&ELSEWHERE_EXACTLY) {
        assert!(cases.iter().any(|golden| golden.case.starts_with(name)), "{name}");
    }
}
