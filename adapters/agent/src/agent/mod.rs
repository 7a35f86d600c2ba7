//! A running agent: a node with its log, scripts, RPC server and files.

mod control;
mod data;
mod events;
mod files;
mod from_files;
mod metrics;
mod persist;
mod registry;
mod retry;
mod run;
mod signals;

use std::sync::Arc;
use std::time::Duration;

use tidings_tokio::{Error, Handle, Options, SpawnError, spawn_with_events};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::control::Control;
use self::events::Dispatcher;
pub(crate) use self::files::replace as replace_file;
pub(crate) use self::metrics::{core_counters, core_sums};
use self::registry::{Registry, Starting};
pub use self::run::run;
use crate::blued::Rest;
use crate::config::{AgentConfig, COALESCE};
use crate::dns;
use crate::handlers::Handlers;
use crate::http;
use crate::log::Log;
use crate::server::{self, Hub, Server};

/// Writes that may wait for the disk; more fail.
const WRITES: usize = 4096;
/// How long the last events may take to reach log and streams at the end.
const LAST_EVENTS: Duration = Duration::from_millis(500);

/// A running agent. Dropping it closes its server; the node lives as long as its handles.
pub struct Agent {
    control: Control,
    server: Server,
    registry: Registry,
    handlers: Arc<Handlers>,
    dispatcher: JoinHandle<()>,
    name_lost: watch::Receiver<bool>,
}

impl Agent {
    /// Starts everything. The configuration's files must have been
    /// [loaded](AgentConfig::load_files).
    ///
    /// # Errors
    /// What could not be started, as one line for the user. Nothing is left behind.
    pub async fn start(config: &AgentConfig, log: Log) -> Result<Agent, String> {
        let failed = |error: String| format!("Failed to start the Serf agent: Error creating Serf: {error}");
        config.check_core().map_err(failed)?;
        log.info("agent", format_args!("Serf agent starting"));
        let mut core = config.core.clone();
        let mut options = Options { bind: Some(config.bind), ..Options::default() };
        let started = Starting::prepare(config, &mut core, &mut options, &log)?;
        let (node, mut events) =
            spawn_with_events(core, options).map_err(|error| failed(spawn_error(&error)))?;
        let listener = match server::bind(&config.rpc_addr) {
            Ok(listener) => listener,
            Err(error) => return Err(stop(&node, format!("Error starting RPC listener: {error}")).await),
        };
        let (tags, tags_file) = (config.live.tags.clone(), config.tags_file.clone());
        let control = Control::new(node.clone(), log.clone(), tags, tags_file);
        let rpc_addr = match listener.local_addr() {
            Ok(addr) => addr,
            Err(error) => return Err(stop(&node, format!("Error starting RPC listener: {error}")).await),
        };
        let registry = match started.finish(config, &control, rpc_addr) {
            Ok(registry) => registry,
            Err(error) => return Err(stop(&node, error).await),
        };
        if let Err(error) = registry.define(&config.live.defined).await {
            return Err(stop(&node, error).await);
        }
        let hub = Hub::new(log.clone());
        let scripts = Arc::clone(&config.live.handlers);
        let handlers = Arc::new(Handlers::start(Arc::clone(&scripts), node.clone(), log.clone()));
        let (lost, name_lost) = watch::channel(false);
        let mut dispatcher =
            Dispatcher::new(node.clone(), log, Arc::clone(&handlers), hub.clone(), COALESCE, lost);
        dispatcher.begin(&mut events).await;
        let dispatcher = tokio::spawn(dispatcher.run(events));
        let setup = server::Setup {
            control: control.clone(),
            hub,
            auth_key: config.rpc_auth.clone(),
            handlers: scripts,
            blued: registry.rest().map(|rest| rest.blued().clone()),
        };
        match Server::start(listener, setup) {
            Ok(server) => Ok(Agent { control, server, registry, handlers, dispatcher, name_lost }),
            Err(error) => Err(stop(&node, format!("Error starting RPC listener: {error}")).await),
        }
    }

    /// Its operations.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Its RPC server.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Its HTTP server, if it serves HTTP.
    #[must_use]
    pub fn http(&self) -> Option<&http::Server> {
        self.registry.http()
    }

    /// Its interface for apps, if it has one.
    #[must_use]
    pub fn rest(&self) -> Option<&Rest> {
        self.registry.rest()
    }

    /// Its DNS server, if it serves DNS.
    #[must_use]
    pub fn dns(&self) -> Option<&dns::Server> {
        self.registry.dns()
    }

    /// Waits until a client made the agent leave and has been told so.
    async fn left(&self) {
        tokio::select! {
            () = self.server.left() => {}
            () = self.registry.left() => {}
        }
    }

    /// Waits until a client asks for the configuration to be read again.
    async fn reload_asked(&self) -> http::ReloadRequest {
        self.registry.reload_asked().await
    }

    /// Waits until the vote on the own name is lost.
    async fn name_lost(&self) {
        let mut lost = self.name_lost.clone();
        if lost.wait_for(|lost| *lost).await.is_err() {
            // The node has stopped: there is nothing to lose any more.
            std::future::pending::<()>().await;
        }
    }

    /// Stops everything. `left`: the cluster was told.
    pub async fn shutdown(self, left: bool) {
        let Agent { control, server, dispatcher, .. } = self;
        let log = control.log();
        log.info("agent", format_args!("requesting serf shutdown"));
        if !left {
            log.warn("serf", format_args!("Shutdown without a Leave"));
        }
        if let Err(error) = control.node().shutdown().await {
            log.error("agent", format_args!("{error}"));
        }
        // A reader that does not keep up loses its last events rather than keep us.
        let _ = tokio::time::timeout(LAST_EVENTS, dispatcher).await;
        drop(server);
        log.info("agent", format_args!("shutdown complete"));
    }
}

async fn stop(node: &Handle, error: String) -> String {
    match node.shutdown().await {
        Ok(()) | Err(Error::Stopped) => error,
        Err(other) => format!("{error}; {other}"),
    }
}

/// Why a node was not started, in the words of the original.
fn spawn_error(error: &SpawnError) -> String {
    match error {
        SpawnError::Bind { .. } => format!(
            "Failed to create memberlist: Could not set up network transport: failed to obtain an address: {error}"
        ),
        SpawnError::NoPrivateAddress => format!(
            "Failed to create memberlist: Failed to get final advertise address: {error}; give one with -advertise"
        ),
        other => other.to_string(),
    }
}
