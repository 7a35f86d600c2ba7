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

use support::{Process, skipped};

/// The value of a variable, if there is one. Says so if not.
fn given(variable: &str) -> Option<PathBuf> {
    let value = std::env::var_os(variable).map(PathBuf::from);
    if value.is_none() {
        skipped(&format!("{variable} is not set; see the head of this test"));
    }
    value
}

/// An agent on free ports; where it gossips and where it serves HTTP.
fn start(dir: &Path, name: &str, join: Option<&str>) -> (Process, String, String) {
    let (node, join) = (format!("-node={name}"), join.map(|addr| format!("-join={addr}")));
    let mut flags = vec!["-http-addr=127.0.0.1:0", &node];
    flags.extend(join.as_deref());
    let agent = Process::alpha(dir, &flags);
    let (gossip, http) = (agent.shown("Bind addr"), agent.shown("HTTP addr"));
    (agent, gossip, http)
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
