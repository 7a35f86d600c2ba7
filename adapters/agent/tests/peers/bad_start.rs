//! Wrong input of the user: a message where it is looked for, and an exit status that says so.
//!
//! What is recorded of Serf's agent is tried by the tests of the start; here is what no recording
//! shows.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use crate::harness::{Agent, Outcome, Tidings, fresh_ip};

fn agent(flags: &[&str]) -> Outcome {
    let ip = fresh_ip();
    let (bind, rpc) = (format!("-bind={ip}"), format!("-rpc-addr={ip}:7373"));
    Tidings.run(&[&["agent", "-node=x", &bind, &rpc][..], flags].concat())
}

/// Ended with a failure whose reason is on stdout, as Serf's agent says it, naming these.
#[track_caller]
fn fails(outcome: &Outcome, naming: &[&str]) {
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    for name in naming {
        assert!(outcome.stdout.contains(name), "no {name:?} in {outcome:?}");
    }
    assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
}

#[test]
fn ports_in_use_are_named_whoever_has_them() {
    let ip = fresh_ip();
    let addr = |port| SocketAddr::from((ip, port));
    let [bind, rpc] = [format!("-bind={ip}:7946"), format!("-rpc-addr={ip}:7373")];
    let start = || Tidings.run(&["agent", "-node=x", &bind, &rpc]);
    let udp = UdpSocket::bind(addr(7946)).unwrap();
    fails(&start(), &["7946", "address already in use"]);
    drop(udp);
    let tcp = TcpListener::bind(addr(7946)).unwrap();
    fails(&start(), &["7946", "address already in use"]);
    drop(tcp);
    let tcp = TcpListener::bind(addr(7373)).unwrap();
    fails(&start(), &["Error starting RPC listener", "7373", "address already in use"]);
    drop(tcp);
    // Nothing was left behind by those: the same addresses serve now.
    let agent = Agent::start_at(Tidings, "x", addr(7946), addr(7373), &[]);
    assert_eq!(agent.statuses().len(), 1);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("broken.json"), "{\"node_name\": ").unwrap();
    fs::write(path("latin.json"), b"{\"node_name\": \"\xff\"}").unwrap();
    fs::write(path("list.json"), "[1]").unwrap();
    let cases = [
        (format!("-config-file={}", path("broken.json")), "broken.json"),
        (format!("-config-file={}", path("list.json")), "list.json"),
        (format!("-config-file={}", path("nothing.json")), "nothing.json"),
        (format!("-config-file={}", dir.path().join("no/where").display()), "no/where"),
        (format!("-keyring-file={}", path("broken.json")), ""),
        (format!("-keyring-file={}", dir.path().display()), dir.path().to_str().unwrap()),
        (format!("-tags-file={}", path("broken.json")), ""),
        (format!("-tags-file={}", dir.path().display()), dir.path().to_str().unwrap()),
    ];
    for (flag, naming) in &cases {
        fails(&agent(&[flag]), &["==> ", naming]);
    }
    let outcome = agent(&[&format!("-config-file={}", path("latin.json"))]);
    assert_ne!(outcome.status, Some(0), "{outcome:?}");
}

#[test]
fn files_that_can_no_longer_be_written_are_told_to_whoever_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (home, moved) = (dir.path().join("home"), dir.path().join("moved"));
    fs::create_dir(&home).unwrap();
    let ring = home.join("ring");
    fs::write(&ring, "[\"T0xET0xET0xET0xET0xEIQ==\"]").unwrap();
    let flags =
        [format!("-keyring-file={}", ring.display()), format!("-tags-file={}", home.join("tags").display())];
    let agent = Agent::start(Tidings, "x", &[&flags[0], &flags[1]]);
    agent.tell(Tidings, &["tags", "-set", "a=1"]);
    assert_eq!(fs::read_to_string(home.join("tags")).unwrap().matches("\"a\"").count(), 1);
    // Permissions do not stop a superuser, a folder that is gone stops everybody.
    fs::rename(&home, &moved).unwrap();
    let outcome = agent.ask(Tidings, &["tags", "-set", "a=2"]);
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert!(outcome.stdout.starts_with("Error setting tags: "), "{outcome:?}");
    let outcome = agent.ask(Tidings, &["keys", "-install=TkVXTkVXTkVXTkVXTkVXTkVXTkVXTkVXTkVXTkVXTkU="]);
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains("failed:  x  "), "{outcome:?}");
    // And it lives, and can write again when the folder is back.
    fs::rename(&moved, &home).unwrap();
    agent.tell(Tidings, &["tags", "-set", "a=3"]);
    agent.tell(Tidings, &["keys", "-install=QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="]);
    let ring = fs::read_to_string(&ring).unwrap();
    assert!(ring.contains("QkJCQkJC"), "{ring}");
}

#[test]
fn wrong_flags_of_the_agent_and_the_commands_end_with_a_reason() {
    fails(&agent(&["-tag=zzz"]), &["zzz"]);
    fails(&agent(&["-retry-join=127.0.0.1", "-retry-interval=fast"]), &["fast"]);
    for words in [
        &["agent", "-no-such-flag"][..],
        &["members", "-no-such-flag"],
        &["query", "-timeout=fast", "q"],
        &["join"],
        &["force-leave"],
        &["no-such-command"],
    ] {
        let outcome = Tidings.run(words);
        assert!(!matches!(outcome.status, Some(0) | None), "{words:?}: {outcome:?}");
        assert!(!(outcome.stdout.is_empty() && outcome.stderr.is_empty()), "{words:?}");
        assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
    }
}
