//! Agents on free ports of the loopback.

use std::net::SocketAddr;
use std::time::Duration;

use tidings::agent::Agent;
use tidings::config::{Flags, resolve};
use tidings::log::{Level, Log};
use tidings_core::Status;

/// What an agent is to be.
#[derive(Clone, Default)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    /// Further flags.
    pub(crate) flags: Vec<String>,
    /// The text of a configuration file.
    pub(crate) json: Option<&'static str>,
}

impl Spec {
    pub(crate) fn new(name: &'static str, flags: &[&str]) -> Spec {
        Spec { name, flags: flags.iter().map(|flag| (*flag).to_owned()).collect(), json: None }
    }
}

/// Starts an agent. Its timing is that of the local profile, with gossip five times as fast and
/// repeated so often that nobody misses anything.
pub(crate) async fn agent(spec: &Spec) -> Agent {
    let dir = tempfile::tempdir().unwrap();
    let mut words =
        vec![format!("-node={}", spec.name), "-rpc-addr=127.0.0.1:0".into(), "-profile=local".into()];
    if !spec.flags.iter().any(|flag| flag.starts_with("-bind")) {
        words.push("-bind=127.0.0.1:0".into());
    }
    if let Some(json) = spec.json {
        let path = dir.path().join("config.json");
        std::fs::write(&path, json).unwrap();
        words.push(format!("-config-file={}", path.display()));
    }
    words.extend(spec.flags.iter().cloned());
    let settings = Flags::parse(words).unwrap().read().unwrap();
    let mut config = resolve(&settings, &mut |notice| panic!("{notice}")).unwrap();
    config.core.gossip.interval = Duration::from_millis(20);
    config.core.gossip.retransmit_mult = 10;
    let log = Log::new(Level::Info, None);
    config.load_files(&mut |_| {}).unwrap();
    Agent::start(&config, log).await.unwrap()
}

/// Agents that know each other; talks go to the first.
pub(crate) struct Cluster {
    pub(crate) agents: Vec<Agent>,
}

impl Cluster {
    pub(crate) fn rpc(&self) -> SocketAddr {
        self.agents[0].server().local_addr()
    }

    pub(crate) fn gossip(&self, index: usize) -> SocketAddr {
        self.agents[index].control().node().local_addr()
    }
}

/// Starts agents and joins them to the first.
pub(crate) async fn cluster(specs: &[Spec]) -> Cluster {
    let mut agents: Vec<Agent> = Vec::new();
    for spec in specs {
        let started = agent(spec).await;
        if let Some(first) = agents.first() {
            let seed = first.control().node().local_addr().to_string();
            started.control().join(vec![seed], false).await.unwrap();
        }
        agents.push(started);
    }
    let everybody = |agent: &Agent| {
        let view = agent.control().node().view();
        view.iter().filter(|member| member.status() == Status::Alive).count() == specs.len()
    };
    for _ in 0..500 {
        if agents.iter().all(everybody) {
            return Cluster { agents };
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the agents do not find each other");
}
