//! Agents of both kinds as processes, each at an address of its own, and what they say of the
//! cluster.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Process, is_here};

/// The longest anything is awaited, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at what is awaited.
const PAUSE: Duration = Duration::from_millis(100);

/// A program that is agent and command line at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Tidings,
    Serf,
}
pub(crate) use Program::{Serf, Tidings};

pub(crate) const BOTH: [Program; 2] = [Tidings, Serf];

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Its output, if it succeeded.
    #[track_caller]
    pub(crate) fn expect_success(self) -> String {
        assert_eq!(self.status, Some(0), "{self:?}");
        self.stdout
    }
}

impl Program {
    fn path(self) -> &'static str {
        match self {
            Tidings => env!("CARGO_BIN_EXE_tidings"),
            Serf => "serf",
        }
    }

    /// Runs a command to its end; `timeout` ends it if it hangs.
    pub(crate) fn run(self, words: &[&str]) -> Outcome {
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", "90", self.path()]).args(words);
        let output = command.env("TZ", "UTC").stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Outcome { status: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// Whether there is a Serf to run. Says so if not.
pub(crate) fn serf_is_here() -> bool {
    is_here("serf", "version", "serf")
}

/// Waits until something holds, and fails with what was seen last.
#[track_caller]
pub(crate) fn wait_until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(seen) => return seen,
            Err(seen) => assert!(start.elapsed() < PATIENCE, "{what}: still {seen}"),
        }
        sleep(PAUSE);
    }
}

/// An address nobody else has, in this process and most likely in others.
pub(crate) fn fresh_ip() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (pid, count) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    assert!(count < 250, "no address is left");
    let [_, _, high, low] = pid.to_be_bytes();
    Ipv4Addr::new(127, 64 + high % 128, low, u8::try_from(count + 1).unwrap())
}

/// A port of the IPv6 loopback that was free a moment ago, for both protocols.
fn free_port() -> u16 {
    loop {
        let listener = std::net::TcpListener::bind("[::1]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        if std::net::UdpSocket::bind(("::1", port)).is_ok() {
            return port;
        }
    }
}

/// An agent's process. It ends with this.
pub(crate) struct Agent {
    pub(crate) program: Program,
    pub(crate) name: String,
    pub(crate) gossip: SocketAddr,
    pub(crate) rpc: SocketAddr,
    words: Vec<String>,
    process: Option<Process>,
}

impl Agent {
    /// Starts an agent at an address of its own, fast as the local profile is.
    pub(crate) fn start(program: Program, name: &str, flags: &[&str]) -> Agent {
        let ip = IpAddr::V4(fresh_ip());
        Agent::start_at(program, name, SocketAddr::new(ip, 7946), SocketAddr::new(ip, 7373), flags)
    }

    /// Starts an agent at the IPv6 loopback.
    pub(crate) fn start_v6(program: Program, name: &str, flags: &[&str]) -> Agent {
        let at = || SocketAddr::new("::1".parse().unwrap(), free_port());
        Agent::start_at(program, name, at(), at(), flags)
    }

    pub(crate) fn start_at(
        program: Program,
        name: &str,
        gossip: SocketAddr,
        rpc: SocketAddr,
        flags: &[&str],
    ) -> Agent {
        let mut words = vec![
            "agent".to_owned(),
            format!("-node={name}"),
            format!("-bind={gossip}"),
            format!("-rpc-addr={rpc}"),
        ];
        if !flags.iter().any(|flag| flag.starts_with("-profile")) {
            words.push("-profile=local".to_owned());
        }
        words.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let mut agent = Agent { program, name: name.to_owned(), gossip, rpc, words, process: None };
        agent.restart();
        agent
    }

    /// Starts the agent (again), as it was started first, and waits until it answers.
    pub(crate) fn restart(&mut self) {
        assert!(self.process.is_none(), "{} still runs", self.name);
        let mut command = Command::new(self.program.path());
        command.args(&self.words).env("TZ", "UTC").stderr(Stdio::piped());
        self.process = Some(Process::spawn(&mut command));
        self.wait_for("Log data will now stream", 1);
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        self.process().said()
    }

    /// Waits until it has said this so many times.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str, times: usize) {
        wait_until(&format!("{} to say {text:?}", self.name), || {
            let said = self.said();
            if said.matches(text).count() >= times { Ok(()) } else { Err(said) }
        });
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process().signal(name);
    }

    /// Kills it as the system would.
    pub(crate) fn kill(&mut self) {
        self.check();
        drop(self.process.take());
    }

    /// Waits for its end; gives its exit status and what it said.
    #[track_caller]
    pub(crate) fn end(&mut self) -> (Option<i32>, String) {
        self.check();
        self.process.take().expect("it runs").end()
    }

    /// Runs a command against it.
    pub(crate) fn ask(&self, program: Program, words: &[&str]) -> Outcome {
        let rpc = format!("-rpc-addr={}", self.rpc);
        let mut all = vec![words[0], rpc.as_str()];
        all.extend(&words[1..]);
        program.run(&all)
    }

    /// Runs a command against it that must succeed; gives its output.
    #[track_caller]
    pub(crate) fn tell(&self, program: Program, words: &[&str]) -> String {
        self.ask(program, words).expect_success()
    }

    /// Joins another agent, by its own command line.
    #[track_caller]
    pub(crate) fn join(&self, other: &Agent) {
        let said = self.tell(self.program, &["join", &other.gossip.to_string()]);
        assert_eq!(said, "Successfully joined cluster by contacting 1 nodes.\n");
    }

    /// The members it knows, as a command line lists them, in the order of their names.
    pub(crate) fn members(&self, program: Program) -> Result<Vec<Value>, String> {
        let outcome = self.ask(program, &["members", "-format=json"]);
        if outcome.status != Some(0) {
            return Err(format!("{outcome:?}"));
        }
        let json: Value = serde_json::from_str(&outcome.stdout).map_err(|error| error.to_string())?;
        let mut members = json["members"].as_array().cloned().unwrap_or_default();
        members.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
        Ok(members)
    }

    /// Name and status of each member it knows.
    pub(crate) fn statuses(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let members = self.members(Tidings).unwrap_or_default();
        members.iter().map(|member| (text(&member["name"]), text(&member["status"]))).collect()
    }

    /// The most memory the process ever held, in KiB.
    pub(crate) fn memory_peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process().id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Nothing of ours may ever panic, whatever a test looks for.
    fn check(&self) {
        if self.program == Tidings
            && let Some(process) = &self.process
        {
            let said = process.said();
            assert!(!said.contains("panicked"), "{}: {said}", self.name);
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        } else if self.process.is_some() {
            let said = self.said();
            let said: Vec<&str> = said.lines().filter(|line| !line.contains("Accepted client")).collect();
            println!("---- {} said:\n{}", self.name, said.join("\n"));
        }
    }
}

/// Waits until all agents, asked by both programs, list the same members, and these with these
/// statuses.
#[track_caller]
pub(crate) fn all_see(agents: &[&Agent], expected: &[(&str, &str)]) {
    let expected: BTreeMap<&str, &str> = expected.iter().copied().collect();
    let programs = if agents.iter().any(|agent| agent.program == Serf) { &BOTH[..] } else { &[Tidings] };
    wait_until("all to list the same", || {
        let mut first: Option<Vec<Value>> = None;
        for agent in agents {
            for program in programs {
                let members = agent.members(*program)?;
                let statuses: BTreeMap<&str, &str> = members
                    .iter()
                    .map(|member| (member["name"].as_str().unwrap(), member["status"].as_str().unwrap()))
                    .collect();
                if statuses != expected {
                    return Err(format!("at {}: {statuses:?}, not {expected:?}", agent.name));
                }
                match &first {
                    Some(first) if *first != members => {
                        return Err(format!(
                            "at {} by {program:?}: {members:#?}, not {first:#?}",
                            agent.name
                        ));
                    }
                    _ => first = Some(members),
                }
            }
        }
        Ok(())
    });
}

/// Waits until all of these agents are alive to each other.
#[track_caller]
pub(crate) fn all_alive(agents: &[&Agent]) {
    let expected: Vec<(&str, &str)> = agents.iter().map(|agent| (agent.name.as_str(), "alive")).collect();
    all_see(agents, &expected);
}
