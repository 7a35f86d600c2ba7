//! Recorded cases of Serf's that need a live agent, or several, replayed with ours.
//!
//! `start.rs` has those that end at their start, `golden` those of the client commands. What is
//! tried nowhere, or otherwise, is in `NOT_REPLAYED`, with the reason.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Agent, Tidings, all_alive, all_see, fresh_ip, wait_until};

const NOT_REPLAYED: [(&str, &str); 21] = [
    ("agent-encrypted-stdout", "the output follows a list of commands that was not kept"),
    ("agent-exit-after-rpc-leave", "as above; leave.rs leaves by RPC"),
    ("agent-mdns-iface-alone", "the flag is known here, and refused as not supported"),
    ("agent-sighup", "start.rs reloads in the same steps, with other files"),
    ("agent-sigint", "the output follows a list of commands that was not kept; leave.rs interrupts"),
    ("agent-snapshot-rejoin-stdout", "no snapshots yet"),
    ("agent-snapshot-restart-stdout", "no snapshots yet"),
    ("agent-startup-debug", "debug lines are our own"),
    ("agent-stdout-after-leave", "the output follows a list of commands that was not kept"),
    ("agent-syslog-no-daemon", "no syslog yet"),
    ("coalescing-handler-log", "depends on time; handlers.rs tries the same in the test's process"),
    ("file-alpha.snap", "no snapshots yet"),
    ("file-dump.alpha.txt", "of many cases at once; handlers.rs tries environment and input"),
    ("file-snapshot-killed", "no snapshots yet"),
    ("file-snapshot-left", "no snapshots yet"),
    ("handlers-run-serially", "depends on time; the case agent-slow-handler-stdout shows the same"),
    ("help-sub-agent", "the help is our own; start.rs and command_line.rs ask for it"),
    ("monitor-debug", "debug lines are our own; command_line.rs interrupts a monitor"),
    ("monitor", "a process ended by a signal; command_line.rs interrupts a monitor"),
    ("telemetry-statsd-lines", "no statsd yet"),
    ("telemetry-statsite-lines", "no statsite yet"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/cli/serf-0.10.1")
}

/// What the case shows on stdout.
fn recorded(case: &str) -> String {
    let text = fs::read_to_string(folder().join(format!("{case}.json"))).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    json["stdout"].as_str().unwrap().to_owned()
}

/// The lines in any order, without times and clients; addresses are those of the recording.
fn normal(text: &str, addresses: &[(&Agent, &str)]) -> Vec<String> {
    let mut text = text.to_owned();
    for (agent, there) in addresses {
        // As whole addresses: ours may begin like each other.
        for end in [":", "\n", " ", "'"] {
            text = text.replace(&format!("{}{end}", agent.gossip.ip()), &format!("{there}{end}"));
        }
    }
    let timeless = |line: &str| match line.strip_prefix("    20") {
        Some(rest) => rest.get("26/11/21 00:22:53".len()..).unwrap_or_default().to_owned(),
        None => line.to_owned(),
    };
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| {
            !line.is_empty() && !line.contains("Accepted client") && !line.contains("Received event: member")
        })
        .map(timeless)
        .collect();
    lines.sort();
    // Each further packet that carries the same claim tells the conflict once more.
    lines.dedup_by(|one, other| one == other && one.contains("onflict"));
    lines
}

#[test]
fn a_name_conflict_is_told_as_recorded() {
    let dup = Agent::start(Tidings, "dup", &[]);
    let others = ["one", "two"].map(|name| Agent::start(Tidings, name, &[]));
    for other in &others {
        other.join(&dup);
    }
    all_alive(&[&dup, &others[0], &others[1]]);
    let join = format!("-join={}", others[0].gossip);
    let mut second = Agent::start(Tidings, "dup", &[&join]);
    let (status, said) = second.end();
    assert_eq!(status, Some(0), "{said}");
    let at = [
        (&dup, "127.0.0.26"),
        (&others[0], "127.0.0.27"),
        (&others[1], "127.0.0.28"),
        (&second, "127.0.0.29"),
    ];
    // The query of the vote may miss one of the two.
    let said = said.replace("[0 / 1]", "[0 / 2]");
    assert_eq!(normal(&said, &at), normal(&recorded("agent-name-conflict"), &[]));
    assert_eq!(normal(&dup.said(), &at), normal(&recorded("agent-name-conflict-winner"), &[]));
}

#[test]
fn a_join_without_the_key_fails_as_recorded() {
    let locked = Agent::start(Tidings, "enc1", &["-encrypt=T0xET0xET0xET0xET0xEIQ=="]);
    let ip = fresh_ip();
    let words = [
        "agent",
        "-node=plain",
        "-profile=local",
        &format!("-bind={ip}"),
        &format!("-rpc-addr={ip}:7373"),
        &format!("-join={}", locked.gossip),
    ];
    let outcome = Tidings.run(&words);
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    let said = outcome.stdout.replace(&locked.gossip.to_string(), "127.0.0.18:7946");
    let said = said.replace(&ip.to_string(), "127.0.0.20");
    assert_eq!(normal(&said, &[]), normal(&recorded("agent-join-encrypted-without-key"), &[]));
}

#[test]
fn old_events_are_replayed_if_asked_for_as_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let first = Agent::start(Tidings, "first", &[]);
    for payload in ["0", "1", "2"] {
        first.tell(Tidings, &["event", "-coalesce=false", "old", payload]);
    }
    let heard = |name: &str| dir.path().join(name);
    let late = |name: &str, flags: &[&str]| {
        let handler = format!("-event-handler=user=cat >> {}", heard(name).display());
        let join = format!("-join={}", first.gossip);
        Agent::start(Tidings, name, &[&[handler.as_str(), &join], flags].concat())
    };
    let without = late("off", &[]);
    let with = late("on", &["-replay"]);
    all_alive(&[&first, &without, &with]);
    wait_until("the old events", || {
        let text = fs::read_to_string(heard("on")).unwrap_or_default();
        if text == recorded("replay-on") { Ok(()) } else { Err(text) }
    });
    assert_eq!(recorded("replay-off"), "(no file: handler never ran)");
    let off = fs::read_to_string(heard("off"));
    assert!(off.is_err(), "{off:?}");
}

#[test]
fn a_slow_script_is_told_as_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("slow.txt").display().to_string();
    let slow = Agent::start(Tidings, "slow", &[&format!("-event-handler=user=sleep 2; date +%s >> {log}")]);
    slow.wait_for("Received event: member-join", 1);
    for name in ["s0", "s1", "s2"] {
        slow.tell(Tidings, &["event", "-coalesce=false", name]);
    }
    slow.wait_for("execution exceeding 1s", 3);
    let said = slow.said().replace(&log, "slow.txt");
    assert_eq!(normal(&said, &[(&slow, "127.0.0.57")]), normal(&recorded("agent-slow-handler-stdout"), &[]));
}

#[test]
fn members_come_and_go_and_are_forgotten_as_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (log, config) = (dir.path().join("reap.txt"), dir.path().join("c.json"));
    fs::write(&config, r#"{"reconnect_timeout": "1s", "tombstone_timeout": "1s"}"#).unwrap();
    let handler = format!(
        "-event-handler=member-join,member-leave,member-failed,member-reap=echo \"$SERF_EVENT $(tr '\\t' ' ')\" >> {}",
        log.display()
    );
    let reaper = Agent::start(Tidings, "reaper", &[&handler, &format!("-config-file={}", config.display())]);
    let mut victim = Agent::start(Tidings, "victim", &[]);
    let mut leaver = Agent::start(Tidings, "leaver", &[]);
    victim.join(&reaper);
    leaver.join(&reaper);
    all_alive(&[&reaper, &victim, &leaver]);
    // Whoever comes and goes within the time that events are folded over is not told of.
    wait_until("the joins to be told", || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        if text.contains("leaver") && text.contains("victim") { Ok(()) } else { Err(text) }
    });
    leaver.signal("INT");
    assert_eq!(leaver.end().0, Some(0));
    victim.kill();
    all_see(&[&reaper], &[("reaper", "alive")]);
    // Which members share an event depends on time: each is taken with its event.
    let pairs = |text: &str, at: &[(&Agent, &str)]| -> Vec<String> {
        let mut event = String::new();
        let mut pairs = Vec::new();
        for line in text.lines() {
            let mut words: Vec<&str> = line.split_whitespace().collect();
            if words[0].starts_with("member-") {
                event = words.remove(0).to_owned();
            }
            let there = at.iter().find(|(agent, _)| agent.name == words[0]);
            let addr = there.map_or(words[1], |(agent, there)| {
                assert_eq!(words[1], agent.gossip.ip().to_string());
                there
            });
            pairs.push(format!("{event} {} {addr}", words[0]));
        }
        pairs.sort();
        pairs
    };
    let expected = pairs(&recorded("member-event-handler-log"), &[]);
    let at = [(&victim, "127.0.0.52"), (&leaver, "127.0.0.53"), (&reaper, "127.0.0.51")];
    wait_until("all events", || {
        let seen = pairs(&fs::read_to_string(&log).unwrap_or_default(), &at);
        if seen == expected { Ok(()) } else { Err(format!("{seen:?}, not {expected:?}")) }
    });
}

#[test]
fn files_are_written_as_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let tags = dir.path().join("tg.json");
    let tagged = Agent::start(Tidings, "x", &[&format!("-tags-file={}", tags.display())]);
    tagged.tell(Tidings, &["tags", "-set", "a=1", "-set", "b=2"]);
    assert_eq!(fs::read_to_string(&tags).unwrap(), recorded("file-tagsfile"));
    assert_eq!(fs::metadata(&tags).unwrap().permissions().mode() & 0o777, 0o600);

    let ring = dir.path().join("kr1.json");
    let [a, b, c] = [
        "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
        "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=",
        "Q0NDQ0NDQ0NDQ0NDQ0NDQw==",
    ];
    fs::write(&ring, format!("[\"{a}\"]")).unwrap();
    let keyed = Agent::start(Tidings, "y", &[&format!("-keyring-file={}", ring.display())]);
    for flag in
        [format!("-install={b}"), format!("-use={b}"), format!("-remove={a}"), format!("-install={c}")]
    {
        keyed.tell(Tidings, &["keys", &flag]);
    }
    assert_eq!(fs::read_to_string(&ring).unwrap(), recorded("file-keyring-after"));
    assert_eq!(fs::metadata(&ring).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn signals_that_end_nothing_end_nothing_as_recorded() {
    for case in ["agent-sigpipe", "agent-sigusr1"] {
        let agent = Agent::start(Tidings, case, &[]);
        agent.signal(if case == "agent-sigpipe" { "PIPE" } else { "USR1" });
        if case == "agent-sigusr1" {
            // In the form of the case telemetry-sigusr1; what is counted differs.
            agent.wait_for("][G] 'serf-agent.", 1);
            agent.wait_for("][C] 'serf-agent.", 1);
        }
        assert_eq!(agent.statuses().len(), 1);
        let own = normal(&recorded(case), &[]);
        let said = agent.said();
        let ip = if case == "agent-sigpipe" { "127.0.0.15" } else { "127.0.0.14" };
        for line in own {
            assert!(normal(&said, &[(&agent, ip)]).contains(&line), "no {line:?} in {said}");
        }
    }
}

#[test]
fn a_termination_without_leave_ends_as_recorded() {
    let stays = Agent::start(Tidings, "stays", &[]);
    let mut goes = Agent::start(Tidings, "goes", &[]);
    goes.join(&stays);
    all_alive(&[&stays, &goes]);
    goes.signal("TERM");
    let (status, said) = goes.end();
    assert_eq!(status, Some(1));
    // A further line there tells who noticed first: a race in the original.
    let recorded = recorded("agent-sigterm");
    let last = |text: &str| {
        let lines = normal(&text[text.find("==> Caught signal").unwrap()..], &[]);
        lines.into_iter().filter(|line| !line.contains("shutdown detected")).collect::<Vec<_>>()
    };
    assert_eq!(last(&said), last(&recorded));
    all_see(&[&stays], &[("stays", "alive"), ("goes", "failed")]);
}

/// Cases of the commands of clients, which `golden` takes all of.
fn is_of_a_client(case: &str) -> bool {
    let agents = ["agent-", "file-", "telemetry-", "handlers-", "replay-", "coalescing-", "member-event-"];
    !agents.iter().any(|start| case.starts_with(start))
        && !["monitor", "monitor-debug", "help-sub-agent"].contains(&case)
}

#[test]
fn no_case_is_forgotten() {
    let tests = [include_str!("../start.rs"), include_str!("recorded.rs")].concat();
    let mut left_out = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let case = path.file_name().unwrap().to_str().unwrap().strip_suffix(".json").unwrap();
        if is_of_a_client(case) {
            continue;
        }
        let is_named = tests.contains(&format!("\"{case}\"")) || case == "telemetry-sigusr1";
        if !is_named {
            left_out.push(case.to_owned());
        }
    }
    assert!(left_out.is_empty(), "{left_out:?}");
    for (case, _) in NOT_REPLAYED {
        assert!(folder().join(format!("{case}.json")).exists(), "{case}");
    }
}
