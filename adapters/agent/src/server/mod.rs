//! The RPC server (serf-agent, section 8).

mod command;
mod connection;
mod discovery;
mod feed;
mod hub;
mod members;
mod stats;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::hub::Hub;
use self::members::MembersCache;
use crate::agent::Control;
use crate::blued::Blued;
use crate::handlers::EventScript;

/// Clients at the same time; further ones are turned away. With the streams of gossip this stays
/// below the 1024 files that systems let a process open by default.
const CLIENTS_MAX: usize = 512;
/// Silence after which a client's host is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Pause after the system refused to accept, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What clients are given.
pub struct Setup {
    /// The agent's operations on its node.
    pub control: Control,
    /// Where streams come from.
    pub hub: Hub,
    /// The key clients have to send; empty: none.
    pub auth_key: String,
    /// The handlers of the start, for `stats`: they are shown until the end.
    pub handlers: Arc<[EventScript]>,
    /// Apps and routers, if the agent has them.
    pub blued: Option<Blued>,
}

/// What all connections share.
pub(crate) struct Shared {
    control: Control,
    hub: Hub,
    auth_key: String,
    handlers: Arc<[EventScript]>,
    blued: Option<Blued>,
    members: MembersCache,
    clients: AtomicUsize,
    accepted: AtomicU64,
    commands: AtomicU64,
    /// Set once a client made the agent leave.
    left: watch::Sender<bool>,
    /// Set when connections have to end.
    closing: watch::Sender<bool>,
}

/// A running server; dropping it closes its port and all connections.
pub struct Server {
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
    local_addr: SocketAddr,
}

/// Opens the port.
///
/// # Errors
/// Why it cannot be opened, in the words of the original: `listen tcp 127.0.0.1:7373: bind: ...`.
pub fn bind(address: &str) -> Result<std::net::TcpListener, String> {
    use std::net::ToSocketAddrs as _;
    let failed = |error: io::Error| crate::errors::reason(&error);
    // An empty host means all addresses.
    let full = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
    if !full.contains(':') {
        return Err(format!("listen tcp: address {address}: missing port in address"));
    }
    let found = full.to_socket_addrs().map_err(|error| {
        let host = full.rsplit_once(':').map_or("", |(host, _)| host);
        match error.kind() {
            io::ErrorKind::InvalidInput => format!("listen tcp: address {address}: invalid port"),
            _ => format!("listen tcp: lookup {host}: no such host"),
        }
    })?;
    let addr =
        found.into_iter().next().ok_or_else(|| format!("listen tcp: lookup {address}: no such host"))?;
    let listener = std::net::TcpListener::bind(addr)
        .map_err(|error| format!("listen tcp {addr}: bind: {}", failed(error)))?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

impl Server {
    /// Serves clients on an open port.
    ///
    /// # Errors
    /// The runtime does not take the socket.
    pub fn start(listener: std::net::TcpListener, setup: Setup) -> io::Result<Server> {
        let Setup { control, hub, auth_key, handlers, blued } = setup;
        let listener = TcpListener::from_std(listener)?;
        let local_addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            control,
            hub,
            auth_key,
            handlers,
            blued,
            members: MembersCache::default(),
            clients: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            left: watch::Sender::new(false),
            closing: watch::Sender::new(false),
        });
        let acceptor = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Server { shared, acceptor, local_addr })
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Waits until a client made the agent leave and has been told so.
    pub async fn left(&self) {
        let mut left = self.shared.left.subscribe();
        // The sender lives as long as this server.
        let _ = left.wait_for(|left| *left).await;
    }

    /// Connections accepted and commands received so far.
    #[must_use]
    pub fn counters(&self) -> (u64, u64) {
        (self.shared.accepted.load(Ordering::Relaxed), self.shared.commands.load(Ordering::Relaxed))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.acceptor.abort();
        self.shared.closing.send_replace(true);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (socket, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                shared.control.log().error("agent.ipc", format_args!("Failed to accept client: {error}"));
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if shared.clients.load(Ordering::Relaxed) >= CLIENTS_MAX {
            shared
                .control
                .log()
                .warn("agent.ipc", format_args!("{CLIENTS_MAX} clients are connected, turning away: {from}"));
            continue;
        }
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        shared.control.log().info("agent.ipc", format_args!("Accepted client: {from}"));
        // Small answers must not wait for more.
        let _ = socket.set_nodelay(true);
        // Clients whose host has vanished must not hold their place for ever.
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
        let _ = SockRef::from(&socket).set_tcp_keepalive(&keepalive);
        let client = ClientGuard::new(Arc::clone(&shared));
        tokio::spawn(async move {
            connection::serve(socket, from, &client.0).await;
        });
    }
}

/// Counts one client as long as it lives.
struct ClientGuard(Arc<Shared>);

impl ClientGuard {
    fn new(shared: Arc<Shared>) -> Self {
        shared.clients.fetch_add(1, Ordering::Relaxed);
        ClientGuard(shared)
    }
}

impl Drop for ClientGuard {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_cannot_be_opened_is_named_in_the_words_of_the_original() {
        let taken = bind("127.0.0.1:0").unwrap();
        let addr = taken.local_addr().unwrap();
        let error = bind(&addr.to_string()).unwrap_err();
        assert_eq!(error, format!("listen tcp {addr}: bind: address already in use"));
        assert_eq!(bind("nonsense").unwrap_err(), "listen tcp: address nonsense: missing port in address");
        assert_eq!(bind("127.0.0.1:x").unwrap_err(), "listen tcp: address 127.0.0.1:x: invalid port");
    }
}
