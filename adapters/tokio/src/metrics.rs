//! What sockets met: counters of the driver, beside those of the core.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a node's sockets met so far. Every field only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketMetrics {
    /// Datagrams the system refused to send.
    pub send_errors: u64,
    /// Datagrams not sent because too many waited.
    pub datagrams_dropped: u64,
    /// Failed attempts to receive a datagram.
    pub receive_errors: u64,
    /// Failed attempts to accept a connection, each followed by a pause.
    pub accept_errors: u64,
    /// Streams that failed because their bytes had no room to wait in.
    pub streams_overflowed: u64,
}

/// The same, as counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) send_errors: Counter,
    pub(crate) datagrams_dropped: Counter,
    pub(crate) receive_errors: Counter,
    pub(crate) accept_errors: Counter,
    pub(crate) streams_overflowed: Counter,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> SocketMetrics {
        SocketMetrics {
            send_errors: self.send_errors.get(),
            datagrams_dropped: self.datagrams_dropped.get(),
            receive_errors: self.receive_errors.get(),
            accept_errors: self.accept_errors.get(),
            streams_overflowed: self.streams_overflowed.get(),
        }
    }
}

/// A number that only grows, counted by the node and read by anyone.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
