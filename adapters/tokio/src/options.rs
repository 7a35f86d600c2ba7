//! What a node on tokio can be told besides its [`Config`](tidings_core::Config).

use std::net::SocketAddr;

use tidings_core::Restored;
use tokio::sync::mpsc;

use crate::checks::CheckRequest;
use crate::persist::PersistRequest;

/// How a node runs; the protocol's own settings are in [`Config`](tidings_core::Config).
#[derive(Clone, Debug)]
pub struct Options {
    /// Address to listen on, for UDP and TCP; port 0 takes any port free for both.
    /// `None` (default): the address in [`Config::advertise`](tidings_core::Config::advertise).
    pub bind: Option<SocketAddr>,
    /// Seed of all the node's randomness. `None` (default): drawn from the system. A fixed one
    /// repeats choices for tests and is refused together with encryption keys, whose nonces come
    /// from it.
    pub seed: Option<[u8; 32]>,
    /// What a snapshot of an earlier run says, so that no old event is taken for new; default:
    /// nothing. Entering the cluster again is [`Handle::rejoin`](crate::Handle::rejoin)'s.
    pub restored: Restored,
    /// Events a subscriber may be behind before it misses the oldest, default 1024. One
    /// ring serves all subscribers. Also the answers of one query that may wait to be read, if the
    /// cluster has fewer members than half of it.
    pub events_max: usize,
    /// Bytes that may wait to be written on all streams together, default 64 MiB. A stream whose
    /// next bytes do not fit fails.
    pub stream_backlog_max: usize,
    /// Datagrams that may wait while the socket is full, default 1024; more are dropped.
    pub datagram_backlog_max: usize,
    /// Who writes snapshot and keyring records; needed if the configuration asks for them.
    pub persist: Option<mpsc::Sender<PersistRequest>>,
    /// Who runs the probes of checks. Without one they fail.
    pub checks: Option<mpsc::Sender<CheckRequest>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            bind: None,
            seed: None,
            restored: Restored::default(),
            events_max: 1024,
            stream_backlog_max: 64 << 20,
            datagram_backlog_max: 1024,
            persist: None,
            checks: None,
        }
    }
}
