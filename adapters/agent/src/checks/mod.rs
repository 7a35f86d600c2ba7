//! Probes: the node says when and what, this looks and reports (consul-http, section 5).
//!
//! Each probe is a task of its own, so that none waits for another; how many there are at a time is
//! bounded, and what does not get its turn within its time has failed.

mod alias;
mod grpc;
mod http;
mod script;
mod tcp;

use std::sync::Arc;
use std::time::Duration;

use tidings_core::registry::check::{Action, CheckSpec, Health, Probe};
use tidings_tokio::CheckRequest;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::http::Directory;
use crate::tls::Trust;

/// Probes under way at a time.
const AT_ONCE: usize = 512;
/// Programs running at a time.
const SCRIPTS_AT_ONCE: usize = 64;

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: Health,
    pub(crate) output: String,
}

impl Outcome {
    fn new(status: Health, output: impl Into<String>) -> Self {
        Outcome { status, output: output.into() }
    }

    fn critical(output: impl Into<String>) -> Self {
        Outcome::new(Health::Critical, output)
    }
}

/// Runs probes until the node ends, and with it those under way.
pub(crate) async fn run_all(mut requests: mpsc::Receiver<CheckRequest>, directory: Directory) {
    let (probes, scripts) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(Semaphore::new(SCRIPTS_AT_ONCE)));
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            request = requests.recv() => match request {
                Some(CheckRequest { spec, reply }) => {
                    let is_script = matches!(&spec.probe, Probe::Run { action, .. }
                        if matches!(**action, Action::Script { .. }));
                    let turns = if is_script { scripts.clone() } else { probes.clone() };
                    let directory = directory.clone();
                    running.spawn(async move {
                        let Outcome { status, output } = run(&spec, &turns, &directory).await;
                        reply.done(status, output);
                    });
                }
                None => return,
            },
            Some(_) = running.join_next() => {}
        }
    }
}

async fn run(spec: &CheckSpec, turns: &Semaphore, directory: &Directory) -> Outcome {
    let Probe::Run { timeout, action, .. } = &spec.probe else {
        return Outcome::critical("there is nothing to probe");
    };
    let Ok(Ok(_turn)) = tokio::time::timeout(*timeout, turns.acquire()).await else {
        return Outcome::critical(format!("too many checks run at the same time (more than {AT_ONCE})"));
    };
    probe(spec, action, *timeout, directory).await
}

/// Whose certificates a check takes.
const fn trust(skip_verify: bool) -> Trust<'static> {
    if skip_verify { Trust::Anybody } else { Trust::System }
}

async fn probe(spec: &CheckSpec, action: &Action, timeout: Duration, directory: &Directory) -> Outcome {
    match action {
        Action::Http { url, method, header, body, tls_skip_verify } => {
            let request = http::Request { url, method, header, body, trust: trust(*tls_skip_verify) };
            http::probe(&request, timeout, spec.output_max).await
        }
        Action::Tcp { address } => tcp::probe(address, timeout).await,
        Action::Grpc { target, tls, tls_skip_verify } => {
            grpc::probe(target, tls.then(|| trust(*tls_skip_verify)), timeout).await
        }
        Action::Script { args } => script::probe(args, timeout, spec.output_max).await,
        Action::Alias { node, service } => {
            let own = directory.node().config().name.clone();
            alias::probe(&directory.catalog(), &own, &spec.id, node, service)
        }
        other => {
            Outcome::critical(format!("checks of kind {} are not supported by this agent", other.kind()))
        }
    }
}
