//! Ten agents as processes: services are registered while agents are killed and started again. What was
//! confirmed is there in the end, and who is dead is not served as passing for long.

mod support;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::Process;
use support::web::{get, put};

const AGENTS: usize = 10;
/// Rounds in which two agents are killed.
const ROUNDS: usize = 3;
/// Services registered at each agent in each round.
const PER_ROUND: usize = 3;
/// The longest anything is awaited.
const PATIENCE: Duration = Duration::from_secs(50);
/// A dead agent's services are not passing after this: the time the local profile takes to declare a
/// failure and to spread it, and as much again for a machine that is busy.
const BOUND: Duration = Duration::from_secs(15);

/// An agent that comes back under its name, at its address, with its data.
struct Agent {
    dir: PathBuf,
    name: String,
    gossip: String,
    process: Option<Process>,
    http: SocketAddr,
}

impl Agent {
    fn launch(dir: &Path, name: &str, gossip: &str, seeds: &[String]) -> Process {
        let mut words = vec![
            "agent".to_owned(),
            format!("-node={name}"),
            format!("-bind={gossip}"),
            format!("-data-dir={name}"),
            "-rpc-addr=127.0.0.1:0".to_owned(),
            "-http-addr=127.0.0.1:0".to_owned(),
            "-profile=local".to_owned(),
            "-retry-interval=1s".to_owned(),
        ];
        words.extend(seeds.iter().map(|seed| format!("-retry-join={seed}")));
        Process::start(dir, &words)
    }

    fn start(dir: &Path, name: String, seeds: &[String]) -> Agent {
        let process = Agent::launch(dir, &name, "127.0.0.1:0", seeds);
        let (gossip, http) = (process.shown("Bind addr"), process.shown("HTTP addr"));
        Agent { dir: dir.to_owned(), name, gossip, process: Some(process), http }
    }

    fn kill(&mut self) {
        let process = self.process.take().unwrap();
        process.signal("KILL");
        process.end();
    }

    fn revive(&mut self, seeds: &[String]) {
        let process = Agent::launch(&self.dir, &self.name, &self.gossip, seeds);
        self.http = process.shown("HTTP addr");
        self.process = Some(process);
    }

    fn is_up(&self) -> bool {
        self.process.is_some()
    }
}

/// Instances that an agent serves as passing, as `node/id`.
async fn passing(addr: SocketAddr) -> BTreeSet<String> {
    let found = get(addr, "/v1/health/service/web?passing").await.json();
    let name = |it: &Value| {
        format!("{}/{}", it["Node"]["Node"].as_str().unwrap(), it["Service"]["ID"].as_str().unwrap())
    };
    found.as_array().unwrap().iter().map(name).collect()
}

/// Waits, woken by each change at this agent, until what it serves is as wanted.
async fn until(addr: SocketAddr, limit: Duration, what: &str, wanted: impl Fn(&BTreeSet<String>) -> bool) {
    let start = Instant::now();
    let mut index = "1".to_owned();
    loop {
        let now = passing(addr).await;
        if wanted(&now) {
            return;
        }
        assert!(start.elapsed() < limit, "{what} not within {limit:?}: {} at {addr}", now.len());
        let path = format!("/v1/health/service/web?passing&index={index}&wait=500ms");
        index = get(addr, &path).await.headers["x-consul-index"].clone();
    }
}

/// Registers instances at all who live; returns those that were confirmed.
async fn register(agents: &[Agent], round: usize) -> BTreeSet<String> {
    let mut confirmed = BTreeSet::new();
    for agent in agents.iter().filter(|agent| agent.is_up()) {
        for n in 0..PER_ROUND {
            let id = format!("web-{round}-{n}");
            let body =
                json!({"ID": id, "Name": "web", "Port": 80, "Check": {"TTL": "1h", "Status": "passing"}});
            let answer = put(agent.http, "/v1/agent/service/register", &body.to_string()).await;
            if answer.status == 200 {
                confirmed.insert(format!("{}/{id}", agent.name));
            }
        }
    }
    confirmed
}

#[tokio::test]
async fn nothing_confirmed_is_lost_and_nobody_dead_is_passing_for_long() {
    let dir = tempfile::tempdir().unwrap();
    let mut agents: Vec<Agent> = Vec::new();
    for n in 0..AGENTS {
        let seeds: Vec<String> = agents.first().map(|first| first.gossip.clone()).into_iter().collect();
        agents.push(Agent::start(dir.path(), format!("n{n}"), &seeds));
    }
    let seeds: Vec<String> = agents.iter().take(3).map(|agent| agent.gossip.clone()).collect();
    let mut confirmed = BTreeSet::new();
    for round in 0..ROUNDS {
        let victims = [(2 * round) % AGENTS, (2 * round + 5) % AGENTS];
        confirmed.append(&mut register(&agents, round).await);
        for victim in victims {
            // In the middle of a write, as like as not.
            let http = agents[victim].http;
            let body = json!({"ID": format!("torn-{round}"), "Name": "torn"}).to_string();
            let torn = std::thread::spawn(move || ask_once(http, &body));
            agents[victim].kill();
            // Whatever became of it: nobody was told that it is done.
            let _ = torn.join().unwrap();
        }
        let dead: Vec<String> = victims.iter().map(|victim| format!("{}/", agents[*victim].name)).collect();
        let witness = agents.iter().find(|agent| agent.is_up()).unwrap().http;
        until(witness, BOUND, "the dead are not passing", |now| {
            !now.iter().any(|it| dead.iter().any(|name| it.starts_with(name)))
        })
        .await;
        confirmed.append(&mut register(&agents, round + ROUNDS).await);
        for victim in victims {
            agents[victim].revive(&seeds);
        }
    }
    for agent in &agents {
        until(agent.http, PATIENCE, "all that was confirmed is passing", |now| now.is_superset(&confirmed))
            .await;
    }
    assert!(confirmed.len() >= AGENTS * ROUNDS * PER_ROUND, "{}", confirmed.len());
}

/// Asks without expecting anything: the other side may be killed at any moment.
fn ask_once(addr: SocketAddr, body: &str) -> std::io::Result<usize> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "PUT /v1/agent/service/register HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    stream.read(&mut [0; 1024])
}
