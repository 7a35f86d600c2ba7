//! Real agents on this machine: started, joined, asked over RPC, and ended by their numbers.

use std::env;
use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use tidings_client::Client;
use tokio::task::JoinSet;

use crate::usage::{self, Usage};

/// Agents at most, whatever is asked for: they share one machine.
pub const AGENTS_MAX: usize = 1_000;
/// A started agent must answer within this time.
const START_TIME: Duration = Duration::from_secs(20);
/// Between two looks at an agent that has not come so far yet.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Why a measurement did not come about, in words for the user.
pub type Failure = String;

/// What the command line asks for: numbers, and whose agent.
#[derive(Clone, Debug)]
pub struct Options {
    /// The numbers, with defaults filled in.
    pub numbers: Vec<usize>,
    /// Further words for every agent, from `--` onwards.
    pub flags: Vec<String>,
    program: PathBuf,
}

impl Options {
    /// Reads `NUMBER... [--serf | --agent PATH] [-- FLAG...]`.
    ///
    /// # Errors
    /// What cannot be understood.
    pub fn parse(defaults: &[usize]) -> Result<Options, Failure> {
        let mut numbers = Vec::new();
        let mut program = None;
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--serf" => program = Some("serf".into()),
                "--agent" => {
                    program = Some(words.next().ok_or("--agent needs the path of a program")?.into())
                }
                "--" => break,
                number => {
                    let number =
                        number.parse().map_err(|_| format!("\"{number}\" is neither a number nor --serf"))?;
                    numbers.push(number);
                }
            }
        }
        let given = numbers.len();
        if given > defaults.len() {
            return Err(format!("{} numbers at most, {given} given", defaults.len()));
        }
        numbers.extend_from_slice(&defaults[given..]);
        let program = program.map_or_else(beside, Ok)?;
        Ok(Options { numbers, flags: words.collect(), program })
    }
}

/// The agent built by the same cargo, in the same profile.
fn beside() -> Result<PathBuf, Failure> {
    let this = env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    let agent = this.with_file_name("tidings");
    if agent.exists() {
        Ok(agent)
    } else {
        Err(format!("{} is missing; build it: cargo build --release -p tidings", agent.display()))
    }
}

/// One running agent. Dropping it ends its process.
#[derive(Debug)]
pub struct Agent {
    /// Its process, ended when it is dropped.
    process: Process,
    /// Where it gossips.
    pub gossip: SocketAddr,
    /// Where its RPC listens.
    pub rpc: SocketAddr,
    /// Connected to its RPC.
    pub client: Client,
}

#[derive(Debug)]
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Agent {
    /// Starts the `i`-th agent and waits until it answers.
    ///
    /// # Errors
    /// It cannot be started, or does not answer in time.
    pub async fn start(options: Options, i: usize) -> Result<Agent, Failure> {
        let gossip = address(i, 7946);
        let rpc = address(i, 7373);
        let child = Command::new(&options.program)
            .arg("agent")
            .arg(format!("-node=agent-{i}"))
            .arg(format!("-bind={gossip}"))
            .arg(format!("-rpc-addr={rpc}"))
            .arg("-log-level=err")
            .args(&options.flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", options.program.display()))?;
        let process = Process(child);
        let deadline = Instant::now() + START_TIME;
        let client = loop {
            match Client::connect(&rpc.to_string(), None).await {
                Ok(client) => break client,
                Err(error) if Instant::now() > deadline => {
                    return Err(format!("agent {i} does not answer at {rpc}: {error}"));
                }
                Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
            }
        };
        Ok(Agent { process, gossip, rpc, client })
    }

    /// What its process uses.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage(&self) -> Result<Usage, Failure> {
        let pid = self.process.0.id();
        Usage::of(pid).map_err(|error| format!("process {pid} of {}: {error}", self.gossip))
    }

    /// Bytes of memory it takes, where what it shares with others counts in part.
    ///
    /// # Errors
    /// When it has ended, or the kernel does not tell.
    pub fn proportional(&self) -> Result<u64, Failure> {
        usage::proportional(self.process.0.id())
            .map_err(|error| format!("memory of {}: {error}", self.gossip))
    }

    /// Members it takes for alive.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn alive(&self) -> Result<usize, Failure> {
        let stats = self.client.stats().await.map_err(|error| format!("stats of {}: {error}", self.rpc))?;
        let number = |key: &str| stats.get("serf").and_then(|serf| serf.get(key)?.parse::<usize>().ok());
        let counts = number("members").zip(number("failed")).zip(number("left"));
        let ((members, failed), left) = counts.ok_or("the agent's stats have no counts of members")?;
        Ok(members.saturating_sub(failed + left))
    }
}

/// An address of this host for each agent; different runs have different networks.
#[must_use]
pub fn address(i: usize, port: u16) -> SocketAddr {
    let run = 64 + (std::process::id() % 128) as u8;
    let [a, b] = (i as u16 + 1).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, run, a, b), port))
}

/// Starts `count` agents, each joined through the first, `at_a_time` of them at any moment.
///
/// # Errors
/// The first agent that does not start or join.
pub async fn start(options: &Options, count: usize, at_a_time: usize) -> Result<Vec<Agent>, Failure> {
    if !(1..=AGENTS_MAX).contains(&count) {
        return Err(format!("{count} agents: 1 to {AGENTS_MAX} can be started"));
    }
    let first = Agent::start(options.clone(), 0).await?;
    let seed = first.gossip;
    let mut agents = vec![first];
    let mut starting = JoinSet::new();
    let mut next = 1;
    while agents.len() < count {
        while next < count && starting.len() < at_a_time.max(1) {
            let options = options.clone();
            let i = next;
            next += 1;
            starting.spawn(async move {
                let agent = Agent::start(options, i).await?;
                let joined = agent.client.join(vec![seed.to_string()], false).await;
                joined.map_err(|error| format!("agent {i} cannot join: {error}"))?;
                Ok::<_, Failure>(agent)
            });
        }
        let Some(started) = starting.join_next().await else { break };
        agents.push(started.map_err(|error| error.to_string())??);
    }
    Ok(agents)
}

/// Waits until every agent takes all of them for alive.
///
/// # Errors
/// An agent that does not answer.
pub async fn agree(agents: &[Agent]) -> Result<(), Failure> {
    // One after another: whoever has come so far stays there, and asking all costs their time.
    for agent in agents {
        while agent.alive().await? != agents.len() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
    Ok(())
}

/// What each of these agents uses.
///
/// # Errors
/// An agent that has ended.
pub fn usage(agents: &[Agent]) -> Result<Vec<Usage>, Failure> {
    agents.iter().map(Agent::usage).collect()
}

/// Runs a measurement within `bound`; prints why it failed if it does.
pub fn measure<F, T>(bound: Duration, defaults: &[usize], run: F) -> ExitCode
where
    F: FnOnce(Options) -> T,
    T: Future<Output = Result<(), Failure>>,
{
    let outcome = Options::parse(defaults).and_then(|options| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start the runtime: {error}"))?;
        runtime.block_on(async {
            let late = |_| format!("not done within {bound:?}");
            tokio::time::timeout(bound, run(options)).await.map_err(late)?
        })
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Least, median and greatest of some values, and how they are shown.
#[derive(Clone, Copy, Debug)]
pub struct Spread<T> {
    /// The least.
    pub least: T,
    /// As many below as above.
    pub median: T,
    /// The greatest.
    pub most: T,
}

impl<T: Copy + Ord> Spread<T> {
    /// Of these values.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn of(mut values: Vec<T>) -> Self {
        values.sort_unstable();
        Spread { least: values[0], median: values[values.len() / 2], most: values[values.len() - 1] }
    }
}

impl<T: fmt::Debug> fmt::Display for Spread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1?} (median; {:.1?} to {:.1?})", self.median, self.least, self.most)
    }
}
