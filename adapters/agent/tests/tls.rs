//! HTTP over TLS: the server's certificate, its reload, and who connects to it.

mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use support::Process;

/// Writes a fresh certificate for the loopback that vouches for itself, and its key.
fn make(dir: &Path, name: &str) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    fs::write(dir.join(format!("{name}.crt")), made.cert.pem()).unwrap();
    fs::write(dir.join(format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
}

/// Takes a certificate into use.
fn install(dir: &Path, name: &str) {
    for kind in ["crt", "key"] {
        fs::copy(dir.join(format!("{name}.{kind}")), dir.join(format!("server.{kind}"))).unwrap();
    }
}

fn start(dir: &Path) -> Process {
    let files = ["-http-cert-file=server.crt", "-http-key-file=server.key", "-config-dir=conf"];
    Process::alpha(dir, &[&["-http-addr=127.0.0.1:0"], &files[..]].concat())
}

/// Runs a command against the agent; whether it succeeded, and what it said.
fn tidings(dir: &Path, words: &[&str]) -> (bool, String) {
    let program = env!("CARGO_BIN_EXE_tidings");
    let done =
        Command::new(program).args(words).current_dir(dir).env_remove("SSL_CERT_FILE").output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// Runs a command until it says what is wanted.
fn until(dir: &Path, words: &[&str], wanted: impl Fn(bool, &str) -> bool) {
    let start = Instant::now();
    loop {
        let (ok, said) = tidings(dir, words);
        if wanted(ok, &said) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{words:?}: {said}");
    }
}

#[test]
fn http_is_served_with_a_certificate_that_can_be_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir(dir.join("conf")).unwrap();
    make(dir, "first");
    make(dir, "second");
    install(dir, "first");
    let agent = start(dir);
    let addr: SocketAddr = agent.shown("HTTP addr");
    let at = format!("-http-addr=https://{addr}");
    let trusting = |name: &str| format!("-http-ca-file={name}.crt");

    let (ok, said) = tidings(dir, &["nodes", &at, &trusting("first")]);
    assert!(ok && said.contains("alpha"), "{said}");
    let (ok, said) = tidings(dir, &["nodes", &at, &trusting("second")]);
    assert!(!ok && said.contains("tls: invalid peer certificate"), "{said}");
    let (ok, said) = tidings(dir, &["nodes", &at, "-http-ca-file=none.crt"]);
    assert!(!ok && said.contains("tls: open none.crt: no such file or directory"), "{said}");
    let (ok, _) = tidings(dir, &["nodes", &format!("-http-addr={addr}")]);
    assert!(!ok, "nothing is served without TLS");

    install(dir, "second");
    let check = json!({"http": format!("https://{addr}/v1/status/leader"), "tls_skip_verify": true, "interval": "1s"});
    let mut strict = check.clone();
    strict["tls_skip_verify"] = json!(false);
    // So that it is told at once what comes of it.
    strict["status"] = json!("passing");
    let list = json!([{"name": "lax", "check": check}, {"name": "strict", "check": strict}]);
    fs::write(dir.join("conf/a.json"), json!({ "services": list }).to_string()).unwrap();
    agent.signal("HUP");
    until(dir, &["nodes", &at, &trusting("second")], |ok, _| ok);
    assert!(!tidings(dir, &["nodes", &at, &trusting("first")]).0);
    let checks = |name| ["health".to_owned(), "-format=json".into(), at.clone(), trusting("second"), name];
    for (name, expected) in [("lax", "200 OK"), ("strict", "tls: invalid peer certificate")] {
        let words = checks(name.to_owned());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        until(dir, &words, |_, said| said.contains(expected));
    }

    fs::write(dir.join("server.crt"), "nonsense").unwrap();
    agent.signal("HUP");
    agent.wait_for("Failed to reload configs", 1);
    assert!(agent.said().contains("Invalid certificate file: server.crt: no certificate in it"));
    assert!(tidings(dir, &["nodes", &at, &trusting("second")]).0, "what was good is still served");
    let (status, said) = start(dir).end();
    assert_eq!(status, Some(1));
    assert!(said.contains("Invalid certificate file: server.crt: no certificate in it"), "{said}");
}
