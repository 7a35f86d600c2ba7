//! What the recordings do not show: our own variables and help, signals, output that nobody reads.

#[path = "golden/agent.rs"]
#[allow(dead_code, reason = "the recorded cases use all of it")]
mod agent;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use agent::{Agent, Script};
use bytes::Bytes;
use tidings_client::protocol::{Member, QueryRecord, QueryRecordKind};

/// Runs the program in this process.
fn run(args: &[&str], env: &[(&str, &str)]) -> (u8, String, String) {
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    let env: BTreeMap<&str, &str> = env.iter().copied().collect();
    let env = |name: &str| env.get(name).map(|value| (*value).to_owned());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let exit = tidings::cli::run(&args, &env, &mut stdout, &mut stderr);
    (exit, String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn member(name: &str, status: &str) -> Member {
    Member { name: name.to_owned(), status: status.to_owned(), ..Member::default() }
}

fn ack(from: &str) -> QueryRecord {
    QueryRecord { from: from.to_owned(), kind: QueryRecordKind::Ack, payload: Bytes::new() }
}

#[test]
fn our_own_variables_come_before_those_of_serf_and_after_the_flags() {
    const NOWHERE: &str = "127.0.0.99:1";
    /// Variables, flags, and the exit status expected.
    type Case = (&'static [(&'static str, &'static str)], &'static [&'static str], u8);
    let agent = || Agent::start(Script { auth_key: Some("k"), ..Script::default() }).addr().to_string();
    let cases: [Case; 5] = [
        (&[("TIDINGS_RPC_ADDR", "AGENT"), ("SERF_RPC_ADDR", NOWHERE), ("SERF_RPC_AUTH", "k")], &[], 0),
        (&[("TIDINGS_RPC_ADDR", ""), ("SERF_RPC_ADDR", "AGENT"), ("SERF_RPC_AUTH", "k")], &[], 0),
        (&[("SERF_RPC_ADDR", "AGENT"), ("TIDINGS_RPC_AUTH", "k"), ("SERF_RPC_AUTH", "no")], &[], 0),
        (&[("TIDINGS_RPC_ADDR", "AGENT"), ("TIDINGS_RPC_AUTH", "k")], &["-rpc-auth=no"], 1),
        (&[("TIDINGS_RPC_ADDR", "AGENT"), ("TIDINGS_RPC_AUTH", "k")], &["-rpc-addr", NOWHERE], 1),
    ];
    for (env, flags, expected) in cases {
        let addr = agent();
        let env: Vec<(&str, &str)> =
            env.iter().map(|&(k, v)| (k, if v == "AGENT" { addr.as_str() } else { v })).collect();
        let args = [&["members"], flags].concat();
        let (exit, stdout, _) = run(&args, &env);
        assert_eq!(exit, expected, "{env:?} {args:?}: {stdout}");
    }
}

#[test]
fn every_command_explains_its_flags_with_their_defaults() {
    let (_, _, usage) = run(&["-h"], &[]);
    let commands = usage.lines().filter_map(|line| line.strip_prefix("    "));
    let commands: Vec<&str> = commands.filter_map(|line| line.split(' ').next()).collect();
    assert!(commands.len() >= 14, "{usage}");
    for command in commands.into_iter().filter(|command| *command != "agent") {
        let (exit, stdout, stderr) = run(&[command, "--help"], &[]);
        assert_eq!((exit, stdout.as_str()), (0, ""), "{command}");
        assert!(stderr.starts_with(&format!("Usage: tidings {command}")), "{stderr}");
        let over_http = ["deregister", "health", "nodes", "register", "service", "services", "watch"];
        let (flag, default) = match command {
            "keygen" | "version" => continue,
            _ if over_http.contains(&command) => ("--http-addr <ADDR>", "127.0.0.1:8500"),
            _ => ("--rpc-addr <ADDR>", "127.0.0.1:7373"),
        };
        assert!(stderr.contains(flag) && stderr.contains(default), "{stderr}");
    }
}

#[test]
fn words_before_the_command_are_no_commands() {
    assert_eq!(run(&["--", "members"], &[]).0, 127);
    assert_eq!(run(&["", "-x"], &[]).0, 127);
    assert_eq!(run(&["help", "members"], &[]).0, 127);
    let (exit, stdout, stderr) = run(&["-x", "members"], &[]);
    assert_eq!((exit, stdout.as_str()), (1, ""));
    assert!(stderr.starts_with("Invalid flags before the subcommand."), "{stderr}");
    let (exit, stdout, _) = run(&["event", "x", "-v"], &[]);
    assert_eq!((exit, stdout.lines().nth(1)), (0, Some("Agent Protocol: 5 (Understands back to: 2)")));
}

/// Names come from the network: none may break the lines or panic the table.
#[test]
fn members_with_strange_names_are_listed() {
    let members = vec![member("längst\u{301}", "alive"), member("", "left")];
    let agent = Agent::start(Script { members, ..Script::default() });
    let (exit, stdout, _) = run(&["members", &format!("-rpc-addr={}", agent.addr())], &[]);
    assert_eq!(exit, 0);
    assert_eq!(stdout, "längst\u{301}  0.0.0.0:0  alive  \n         0.0.0.0:0  left\n");
}

#[test]
fn reachability_tells_duplicates_and_answers_of_the_dead() {
    let check = |live: &[&str], acks: &[&str]| {
        let members = live.iter().map(|name| member(name, "alive")).collect();
        let answers = acks.iter().map(|name| ack(name)).collect();
        let agent = Agent::start(Script { members, answers, ..Script::default() });
        let (exit, stdout, _) = run(&["reachability", &format!("-rpc-addr={}", agent.addr())], &[]);
        (exit, stdout)
    };
    let (exit, stdout) = check(&["a"], &["a", "a"]);
    assert_eq!(exit, 1);
    assert!(stdout.contains("Duplicate response from 'a'\n"), "{stdout}");
    assert!(stdout.ends_with("Successfully contacted all live nodes\n"), "{stdout}");
    let (exit, stdout) = check(&["a"], &["a", "b"]);
    assert_eq!(exit, 1);
    assert!(stdout.contains("Acks from non-live nodes:\n\tb\n"), "{stdout}");
    assert!(stdout.contains("Troubleshooting tips:\n"), "{stdout}");
}

/// A reader that has gone away, as `head` does.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn output_that_nobody_reads_ends_a_command_quietly() {
    let agent = Agent::start(Script { members: vec![member("a", "alive")], ..Script::default() });
    let args = ["members".into(), format!("-rpc-addr={}", agent.addr()).into()];
    let mut stderr = Vec::new();
    assert_eq!(tidings::cli::run(&args, &|_| None, &mut Gone, &mut stderr), 1);
    assert_eq!(tidings::cli::run(&["version".into()], &|_| None, &mut Gone, &mut stderr), 1);
    assert_eq!(tidings::cli::run(&["keygen".into()], &|_| None, &mut Gone, &mut stderr), 1);
    assert_eq!(stderr, b"");
}

/// Starts the program against an agent that never ends anything, interrupts it once it has said
/// `line`, and returns its exit status and what it said after that.
#[cfg(unix)]
fn interrupted_after(line: &str, args: &[&str]) -> (Option<i32>, String) {
    let script = Script { is_endless: true, members: vec![member("a", "alive")], ..Script::default() };
    let script = Script { log: vec!["first".to_owned()], ..script };
    let agent = Agent::start(script);
    let mut program = Command::new(env!("CARGO_BIN_EXE_tidings"))
        .args(args)
        .env("TIDINGS_RPC_ADDR", agent.addr().to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(program.stdout.take().unwrap());
    let mut said = String::new();
    while said.trim_end() != line {
        said.clear();
        assert_ne!(stdout.read_line(&mut said).unwrap(), 0, "it ended before it said {line:?}");
    }
    let pid = program.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    (program.wait().unwrap().code(), rest)
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_what_would_go_on() {
    assert_eq!(interrupted_after("first", &["monitor"]), (Some(0), String::new()));
    assert_eq!(interrupted_after("Query 'q' dispatched", &["query", "q"]), (Some(1), String::new()));
    let said = "Test interrupted\n".to_owned();
    assert_eq!(interrupted_after("Starting reachability test...", &["reachability"]), (Some(1), said));
}

/// A payload is bytes, not text.
#[cfg(unix)]
#[test]
fn arguments_that_are_not_utf_8_are_taken() {
    use std::os::unix::ffi::OsStringExt;
    let agent = Agent::start(Script::default());
    let word = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let addr = format!("-rpc-addr={}", agent.addr()).into();
    let args = ["event".into(), addr, word(b"n"), word(b"\xff\xfe")];
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    assert_eq!(tidings::cli::run(&args, &|_| None, &mut stdout, &mut stderr), 0);
    let args = ["members".into(), word(b"-\xff")];
    assert_eq!(tidings::cli::run(&args, &|_| None, &mut stdout, &mut stderr), 1);
}
