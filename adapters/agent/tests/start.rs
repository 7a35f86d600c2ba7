//! The program's start and its ways to end, against the recorded output of the original.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use support::Process;

/// A recorded case, its addresses moved to where nobody else is.
struct Case {
    words: Vec<String>,
    status: Option<i32>,
    stdout: String,
    dir: tempfile::TempDir,
}

impl Case {
    /// `last`: the last number of the address used instead of the recorded ones.
    fn load(name: &str, last: u8) -> Case {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/cli/serf-0.10.1");
        let text = fs::read_to_string(path.join(format!("{name}.json"))).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        let moved = |text: &str| {
            let own = format!("127.7.91.{last}");
            text.replace("127.0.0.90", &own).replace("127.0.0.91", "127.7.90.1")
        };
        let dir = tempfile::tempdir().unwrap();
        for (file, content) in json["files"].as_object().into_iter().flatten() {
            fs::write(dir.path().join(file), content.as_str().unwrap()).unwrap();
        }
        let words = json["argv"].as_array().unwrap().iter().skip(1);
        Case {
            words: words.map(|word| moved(word.as_str().unwrap())).collect(),
            status: json["exit"].as_i64().map(|status| i32::try_from(status).unwrap()),
            stdout: moved(json["stdout"].as_str().unwrap()),
            dir,
        }
    }

    fn start(&self) -> Process {
        Process::start(self.dir.path(), &self.words)
    }
}

/// Output without times and clients, which differ from run to run.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n').filter(|line| !line.contains("Accepted client")) {
        match line.strip_prefix("    20") {
            Some(rest) if rest.as_bytes().get(2) == Some(&b'/') => {
                out.push_str("    TIME");
                out.push_str(&rest["26/11/21 00:15:13".len()..]);
            }
            _ => out.push_str(line),
        }
    }
    out
}

/// Output without folded events: when they come, and whether before the end, is a race in the
/// original, too.
fn without_received(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.contains("Received event")).collect()
}

#[test]
fn a_start_that_fails_says_why_as_recorded() {
    let names = [
        "agent-bad-bind",
        "agent-bad-config",
        "agent-bad-config2",
        "agent-bad-config3",
        "agent-bad-config4",
        "agent-bad-config5",
        "agent-bad-encrypt",
        "agent-bad-event-handler",
        "agent-bad-iface",
        "agent-bad-log-level",
        "agent-bad-profile",
        "agent-bad-retry-interval",
        "agent-bad-tag",
        "agent-big-tags",
        "agent-join-fail",
        "agent-keyring-and-encrypt",
        "agent-keyring-empty",
        "agent-keyring-missing",
        "agent-missing-config",
        "agent-protocol-high",
        "agent-protocol-low",
        "agent-retry-join-max",
        "agent-short-encrypt",
        "agent-tagsfile-and-tags",
    ];
    for (index, name) in names.into_iter().enumerate() {
        let case = Case::load(name, u8::try_from(index + 1).unwrap());
        let (status, stdout) = case.start().end();
        let plain = |text: &str| without_received(&plain(text)).trim_end().to_owned();
        assert_eq!(plain(&stdout), plain(&case.stdout), "{name}");
        assert_eq!(status, case.status, "{name}");
    }
}

#[test]
fn an_unknown_flag_is_refused_with_the_usage() {
    let case = Case::load("agent-bad-flag", 30);
    let (status, stdout) = case.start().end();
    assert_eq!(status, Some(1));
    assert!(stdout.starts_with("==> Usage: "), "{stdout}");
}

#[test]
fn settings_of_later_versions_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.json");
    for (json, flag, expected) in [
        ("{}", "-snapshot=x", "==> -snapshot is not supported by this version of tidings; remove it\n".to_owned()),
        (
            r#"{"statsd_addr": "a:1"}"#,
            "-replay",
            "==> Error decoding 'c.json': 'statsd_addr' is not supported by this version of tidings; remove it\n".into(),
        ),
    ] {
        fs::write(&config, json).unwrap();
        let words = ["agent", "-config-file=c.json", flag].map(str::to_owned);
        let (status, stdout) = Process::start(dir.path(), &words).end();
        assert_eq!((status, stdout), (Some(1), expected));
    }
}

#[test]
fn warnings_come_first_and_the_agent_runs_as_recorded() {
    let case = Case::load("agent-warnings", 31);
    let process = case.start();
    process.wait_for("Received event: member-join", 1);
    assert_eq!(plain(&process.said()), plain(&case.stdout));
    process.signal("TERM");
    assert_eq!(process.end().0, Some(1));
}

#[test]
fn an_advertised_address_is_shown_as_recorded() {
    let mut case = Case::load("agent-advertise-stdout", 32);
    let own = "127.7.91.32";
    case.words.extend(["-node=adv", "-profile=local"].map(str::to_owned));
    case.words.push(format!("-bind={own}"));
    case.words.push(format!("-rpc-addr={own}:7373"));
    let process = case.start();
    process.wait_for("EventMemberJoin", 1);
    assert_eq!(plain(&process.said()), plain(&case.stdout).replace("127.0.0.47", own));
}

/// Starts the agent of a recorded case about signals.
fn signalled(name: &str, own: &str, json: &str) -> (Process, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("c.json"), json).unwrap();
    let mut words = vec!["agent".to_owned(), "-config-file=c.json".into(), "-profile=local".into()];
    words.extend([format!("-node={name}"), format!("-bind={own}"), format!("-rpc-addr={own}:7373")]);
    let process = Process::start(dir.path(), &words);
    process.wait_for("EventMemberJoin", 1);
    (process, dir)
}

#[test]
fn signals_end_the_agent_as_recorded() {
    let cases = [
        ("agent-sigint-alone", &["INT"][..], "{}", "127.0.0.12", 41),
        ("agent-sigint-twice", &["INT", "INT"], "{}", "127.0.0.13", 42),
        ("agent-skip-leave-on-interrupt", &["INT"], r#"{"skip_leave_on_interrupt": true}"#, "127.0.0.11", 43),
        ("agent-leave-on-terminate", &["TERM"], r#"{"leave_on_terminate": true}"#, "127.0.0.10", 44),
    ];
    for (name, signals, json, recorded, last) in cases {
        let case = Case::load(name, last);
        let own = format!("127.7.91.{last}");
        let (process, _dir) = signalled(name, &own, json);
        for (index, signal) in signals.iter().enumerate() {
            if index > 0 {
                process.wait_for("requesting graceful leave", 1);
                std::thread::sleep(Duration::from_millis(100));
            }
            process.signal(signal);
        }
        let (status, stdout) = process.end();
        let plain = |text: &str| without_received(&plain(text)).replace(recorded, &own);
        assert_eq!(plain(&stdout), plain(&case.stdout), "{name}");
        assert_eq!(status, case.status, "{name}");
    }
}

#[test]
fn ports_in_use_are_named_as_recorded() {
    let own = "127.7.91.45";
    let (first, dir) = signalled("first", own, "{}");
    let words = |bind: &str, rpc: &str| -> Vec<String> {
        ["agent".to_owned(), "-node=x".into(), format!("-bind={bind}"), format!("-rpc-addr={rpc}:7373")]
            .into()
    };
    for (name, bind, rpc) in
        [("agent-bind-port-busy", own, "127.7.91.46"), ("agent-rpc-port-busy", "127.7.91.46", own)]
    {
        let case = Case::load(name, 45);
        let (status, stdout) = Process::start(dir.path(), &words(bind, rpc)).end();
        assert_eq!(stdout.trim_end(), case.stdout.replace("127.0.0.45", own).trim_end(), "{name}");
        assert_eq!(status, Some(1), "{name}");
    }
    drop(first);
}

#[test]
fn a_reload_takes_over_what_it_can_and_survives_broken_files() {
    let own = "127.7.91.47";
    let (process, dir) = signalled("reloader", own, r#"{"tags": {"v": "1"}}"#);
    let file = dir.path().join("c.json");
    let reload = |json: &str, times: usize| {
        fs::write(&file, json).unwrap();
        process.signal("HUP");
        process.wait_for("==> Reloading configuration...", times);
    };
    reload(r#"{"tags": {"v": "2", "w": "3"}, "log_level": "debug"}"#, 1);
    process.wait_for("EventMemberUpdate: reloader", 1);
    reload(r#"{"nope": 1}"#, 2);
    process.wait_for("==> Failed to reload configs", 1);
    reload(r#"{"log_level": "loud", "tags": {"v": "2", "w": "3"}, "leave_on_terminate": true}"#, 3);
    process.wait_for("==> Invalid log level: LOUD. Valid log levels are: [TRACE DEBUG INFO WARN ERR]", 1);
    process.signal("TERM");
    let (status, stdout) = process.end();
    assert_eq!(status, Some(0), "leave_on_terminate was taken over");
    let broken = "==> Caught signal: hangup\n==> Reloading configuration...\n==> Error decoding 'c.json': 1 error(s) \
                  decoding:\n\n* '' has invalid keys: nope\n==> Failed to reload configs\n";
    assert!(stdout.contains(broken), "{stdout}");
    assert!(stdout.ends_with("shutdown complete\n"), "{stdout}");
}

#[test]
fn directories_and_flags_are_merged_as_documented() {
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("conf");
    fs::create_dir(&conf).unwrap();
    write(&conf, "b.json", r#"{"tags": {"x": "b", "y": "b"}, "event_handlers": ["user=echo b"]}"#);
    write(&conf, "a.json", r#"{"tags": {"x": "a", "z": "a"}, "event_handlers": ["query=echo a"]}"#);
    write(&conf, "ignored.txt", "no JSON");
    let words = [
        format!("-config-dir={}", conf.display()),
        "-tag=y=cli".into(),
        "-event-handler=member-join=echo cli".into(),
    ];
    let settings = tidings::config::Flags::parse(words).unwrap().read().unwrap();
    let tags: Vec<String> = settings.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["x=b", "y=cli", "z=a"]);
    assert_eq!(settings.event_handlers, ["query=echo a", "user=echo b", "member-join=echo cli"]);
}

fn write(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join(name), text).unwrap();
}
