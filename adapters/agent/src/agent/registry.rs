//! The registry's part of an agent's start: what is on disk, who writes it, who probes, HTTP, DNS.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tidings_core::Config;
use tidings_tokio::{CheckRequest, Options};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use super::data::DataDir;
use super::from_files::FromFiles;
use super::persist::Writer;
use super::{Control, WRITES};
use crate::blued::{self, Blued, Rest};
use crate::checks;
use crate::config::{AgentConfig, Defined, DnsConfig, RegistryConfig};
use crate::dns::{self, Sockets};
use crate::http::{Directory, ReloadRequest, Server, Setup};
use crate::log::Log;
use crate::server;
use crate::tls::Certificates;

/// Probes that may wait to be started; further ones fail.
const PROBES: usize = 4096;

/// What is ready before the node is.
pub(super) struct Starting {
    probes: Option<mpsc::Receiver<CheckRequest>>,
    http: Option<TcpListener>,
    rest: Option<TcpListener>,
    dns: Option<Sockets>,
    certificates: Option<Arc<Certificates>>,
}

impl Starting {
    /// Takes hold of the data directory and the ports, and tells the node what an earlier run left.
    ///
    /// # Errors
    /// What cannot be used, as one line for the user.
    pub(super) fn prepare(
        config: &AgentConfig,
        core: &mut Config,
        options: &mut Options,
        log: &Log,
    ) -> Result<Starting, String> {
        let failed = |error: String| format!("Failed to start the Serf agent: {error}");
        let registry = &config.registry;
        let data = registry.data_dir.as_deref().map(DataDir::open).transpose().map_err(failed)?;
        let files = registry.http.as_ref().and_then(|http| http.tls.as_ref());
        let certificates =
            files.map(|(cert, key)| Certificates::load(cert, key)).transpose().map_err(failed)?;
        let certificates = certificates.map(Arc::new);
        let http = registry.http.as_ref().map(|http| server::bind(&http.addr.to_string())).transpose();
        let http = http.map_err(|error| format!("Error starting HTTP listener: {error}"))?;
        let rest = registry.rest.as_ref().map(|rest| server::bind(&rest.addr.to_string())).transpose();
        let rest = rest.map_err(|error| format!("Error starting REST listener: {error}"))?;
        let dns = registry.dns.as_ref().map(|dns| Sockets::bind(dns.addr)).transpose();
        let dns = dns.map_err(|error| format!("Error starting DNS server: {error}"))?;
        if registry.is_on() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            core.registry.generation = u64::try_from(now.as_millis()).unwrap_or(u64::MAX / 2);
            let id = data.as_ref().map_or_else(crate::uuid::random, DataDir::node_id).map_err(failed)?;
            core.registry.node.get_or_insert_default().id = id.as_str().into();
        }
        if let Some(data) = &data {
            let (registrations, news) = data.registrations().map_err(failed)?;
            if let Some(news) = news {
                log.warn("agent", format_args!("{news}"));
            }
            options.restored.registrations = registrations;
        }
        if data.is_some() || config.keyring_file.is_some() {
            let (sender, requests) = mpsc::channel(WRITES);
            let keyring = config.keyring_file.clone();
            let writer = Writer { keyring, registrations: data.map(DataDir::log), log: log.clone() };
            tokio::spawn(writer.write_all(requests));
            options.persist = Some(sender);
        }
        let probes = registry.is_on().then(|| {
            let (sender, requests) = mpsc::channel(PROBES);
            options.checks = Some(sender);
            requests
        });
        Ok(Starting { probes, http, rest, dns, certificates })
    }

    /// Serves the node that was started, whose RPC listens at `rpc_addr`.
    ///
    /// # Errors
    /// The runtime does not take the socket.
    pub(super) fn finish(
        self,
        config: &AgentConfig,
        control: &Control,
        rpc_addr: SocketAddr,
    ) -> Result<Registry, String> {
        let (reload, reloads) = mpsc::channel(1);
        let mut registry = Registry {
            http: None,
            rest: None,
            dns: None,
            follower: None,
            from_files: None,
            certificates: self.certificates.clone(),
            reloads: Mutex::new(reloads),
        };
        let Some(probes) = self.probes else { return Ok(registry) };
        let directory = Directory::new(control.node().clone());
        registry.from_files = Some(FromFiles::new(directory.clone(), config.registry.data_dir.as_deref()));
        tokio::spawn(checks::run_all(probes, directory.clone()));
        let counts = Arc::new(dns::Counts::default());
        if let (Some(listener), Some(rest)) = (self.rest, &config.registry.rest) {
            let setup = blued::Setup {
                directory: directory.clone(),
                control: control.clone(),
                ttl: rest.ttl,
                token: rest.token.clone(),
                rpc_addr,
            };
            let failed = |error: std::io::Error| format!("Error starting REST listener: {error}");
            let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
            registry.rest =
                Some(Rest::start(listener, Blued::new(setup), config.registry.limits).map_err(failed)?);
        }
        if let Some(sockets) = self.dns {
            registry.dns = start_dns(sockets, &config.registry, directory.clone(), Arc::clone(&counts))?;
        }
        let (Some(listener), Some(http)) = (self.http, &config.registry.http) else {
            // Nobody else keeps the catalog up to date.
            registry.follower = Some(tokio::spawn(directory.follow()));
            return Ok(registry);
        };
        let failed = |error: std::io::Error| format!("Error starting HTTP listener: {error}");
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        let setup = Setup {
            directory,
            control: control.clone(),
            datacenter: config.registry.datacenter.clone(),
            dns_port: registry.dns.as_ref().map(|dns| dns.addr().port()),
            dns_counts: counts,
            limits: config.registry.limits,
            pretty: http.pretty,
            ui: http.ui,
            allowed: config.registry.allowed,
            token: http.token.clone(),
            rules: http.rules.clone(),
            certificates: self.certificates.clone(),
            queries: config.registry.data_dir.as_ref().map(|dir| dir.join("queries.json")),
            reload,
        };
        registry.http = Some(Server::start(listener, setup).map_err(failed)?);
        Ok(registry)
    }
}

fn start_dns(
    sockets: Sockets,
    config: &RegistryConfig,
    directory: Directory,
    counts: Arc<dns::Counts>,
) -> Result<Option<dns::Server>, String> {
    let Some(dns) = &config.dns else { return Ok(None) };
    let setup = dns::Setup {
        directory,
        config: dns.clone(),
        domain: config.domain.clone(),
        datacenter: config.datacenter.clone(),
        limits: dns::Limits::default(),
        counts,
    };
    let server = dns::Server::start(sockets, setup);
    server.map(Some).map_err(|error| format!("Error starting DNS server: {error}"))
}

/// The registry of a running agent.
pub(super) struct Registry {
    http: Option<Server>,
    rest: Option<Rest>,
    dns: Option<dns::Server>,
    follower: Option<JoinHandle<()>>,
    from_files: Option<FromFiles>,
    certificates: Option<Arc<Certificates>>,
    reloads: Mutex<mpsc::Receiver<ReloadRequest>>,
}

impl Registry {
    pub(super) const fn http(&self) -> Option<&Server> {
        self.http.as_ref()
    }

    pub(super) const fn rest(&self) -> Option<&Rest> {
        self.rest.as_ref()
    }

    pub(super) const fn dns(&self) -> Option<&dns::Server> {
        self.dns.as_ref()
    }

    /// Reads the certificate of the HTTP server again.
    ///
    /// # Errors
    /// It cannot be used; the one there is stays.
    pub(super) fn reload_certificates(&self) -> Result<(), String> {
        self.certificates.as_ref().map_or(Ok(()), |it| it.reload())
    }

    /// Serves names as the configuration says now.
    ///
    /// # Errors
    /// It cannot be used; all is as it was.
    pub(super) fn reload_dns(&self, config: Option<&DnsConfig>) -> Result<(), String> {
        match (&self.dns, config) {
            (Some(server), Some(config)) => server.reconfigure(config.clone()),
            // It is started and stopped with the agent.
            _ => Ok(()),
        }
    }

    /// Registers what stands in the configuration files, and removes what stood there before.
    ///
    /// # Errors
    /// What could not be registered; then all is as it was.
    pub(super) async fn define(&self, defined: &Arc<Defined>) -> Result<(), String> {
        match &self.from_files {
            Some(from_files) => from_files.apply(defined).await,
            None if defined.is_empty() => Ok(()),
            None => Err(
                "this agent was started without a registry: services in configuration files need it to be \
                         started with them, or with one of -http-addr, -rest-addr, -dns-addr and -data-dir"
                    .to_owned(),
            ),
        }
    }

    /// Waits until a client of HTTP made the agent leave.
    pub(super) async fn left(&self) {
        match &self.http {
            Some(http) => http.left().await,
            None => std::future::pending().await,
        }
    }

    /// Waits until a client of HTTP asks for the configuration to be read again.
    pub(super) async fn reload_asked(&self) -> ReloadRequest {
        match self.reloads.lock().await.recv().await {
            Some(asked) => asked,
            // Without HTTP nobody does.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Some(follower) = &self.follower {
            follower.abort();
        }
    }
}
