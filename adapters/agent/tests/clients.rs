//! Client libraries made for Consul, unchanged, against two real agents of ours.
//!
//! What is needed to run them is named by variables; `.ci/run` makes it:
//! * `TIDINGS_PYTHON_CONSUL2` and `TIDINGS_PY_CONSUL`: Python interpreters that have the package of
//!   that name, each running `clients/python.py`;
//! * `TIDINGS_RUST_CLIENTS`: the program built from `clients/rust`.
//!
//! Without one its test says so and ends; where `CI` is set it fails.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::Process;

/// The value of a variable, if there is one. Says so if not.
fn given(variable: &str) -> Option<PathBuf> {
    let value = std::env::var_os(variable).map(PathBuf::from);
    if value.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{variable} is not set; see the head of this test");
        eprintln!("SKIPPED: {variable} is not set; see the head of this test");
    }
    value
}

/// An agent on free ports; where it gossips and where it serves HTTP.
fn start(dir: &Path, name: &str, join: Option<&str>) -> (Process, String, String) {
    let mut words: Vec<String> =
        ["agent", "-bind=127.0.0.1:0", "-rpc-addr=127.0.0.1:0", "-http-addr=127.0.0.1:0", "-profile=local"]
            .map(ToOwned::to_owned)
            .into();
    words.push(format!("-node={name}"));
    words.extend(join.map(|addr| format!("-join={addr}")));
    let agent = Process::start(dir, &words);
    agent.wait_for("Log data will now stream", 1);
    let said = agent.said();
    let shown = |label: &str| {
        let (_, rest) = said.split_once(label).unwrap_or_else(|| panic!("no {label} in {said}"));
        rest.split_once('\'').unwrap().0.to_owned()
    };
    (agent, shown("Bind addr: '"), shown("HTTP addr: '"))
}

/// Runs a client with the addresses of two agents that know each other.
fn runs(client: &mut Command) {
    let dir = tempfile::tempdir().unwrap();
    let (_alpha, gossip, alpha) = start(dir.path(), "alpha", None);
    let (bravo, _, other) = start(dir.path(), "bravo", Some(&gossip));
    bravo.wait_for("EventMemberJoin: alpha", 1);
    let output = client.args([alpha, other]).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}{errors}");
    assert_eq!(said.lines().last(), Some("done"), "{said}{errors}");
}

fn python(variable: &str) {
    if let Some(python) = given(variable) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python.py");
        runs(Command::new(python).arg(script));
    }
}

#[test]
fn python_consul2_runs_unchanged() {
    python("TIDINGS_PYTHON_CONSUL2");
}

#[test]
fn py_consul_runs_unchanged() {
    python("TIDINGS_PY_CONSUL");
}

#[test]
fn crates_for_consul_run_unchanged() {
    if let Some(program) = given("TIDINGS_RUST_CLIENTS") {
        runs(&mut Command::new(program));
    }
}
