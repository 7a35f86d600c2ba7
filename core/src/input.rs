//! What goes into a node: the passing of time, bytes from the network, commands from the application.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::command::{Command, Token};
use crate::registry::check::Health;

/// One thing that happened outside.
///
/// Several inputs may be handed in before the outputs are drained; none of them blocks.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// The moment announced by [`Node::poll_timeout`](crate::Node::poll_timeout) has come.
    /// Late, early and superfluous calls are harmless.
    Timeout,
    /// A datagram arrived on the gossip socket.
    Datagram {
        /// Where it came from.
        from: SocketAddr,
        /// Its bytes, at most 65,535 of them.
        payload: &'a [u8],
    },
    /// Something happened to a stream.
    Stream {
        /// Which stream.
        id: StreamId,
        /// What happened.
        event: StreamEvent<'a>,
    },
    /// Whether the gossip socket takes no datagrams at present.
    ///
    /// Meanwhile the running probe and gossip wait, as the sending tasks of an implementation with
    /// blocking sockets do; suspicions go on, since their deadlines are promises to others. Once
    /// the socket takes datagrams again, all that waited is due at once. What the node still puts
    /// out while stalled (answers, the ping of one more probe) may be kept or dropped. Telling the
    /// same twice is harmless.
    ///
    /// The simulator sends it for members whose I/O is blocked, which is how the Lifeguard paper
    /// made its slow members. A driver with a non-blocking socket never needs it.
    Stalled(bool),
    /// The application wants something. The answer comes back as
    /// [`Output::Reply`](crate::Output::Reply) with the same token.
    Command {
        /// Chosen by the caller, echoed in the reply.
        token: Token,
        /// What to do.
        command: Command,
    },
    /// A host name asked for by [`Output::Resolve`](crate::Output::Resolve) was looked up.
    Resolved {
        /// The number of the request.
        id: ResolveId,
        /// The addresses, or why there are none.
        result: Result<Vec<SocketAddr>, String>,
    },
    /// Bytes handed out as [`Output::Persist`](crate::Output::Persist) are durable, or could not
    /// be written.
    Persisted {
        /// The number of the request.
        id: PersistId,
        /// Why it failed, if it did.
        result: Result<(), String>,
    },
    /// A probe asked for by [`Output::RunCheck`](crate::Output::RunCheck) has ended.
    CheckResult {
        /// The number of the request.
        id: CheckId,
        /// How what it looked at fares.
        status: Health,
        /// What to show for it.
        output: String,
    },
}

/// A stream (TCP connection) that carries gossip.
///
/// The low bit says who opened it, so core and adapter number their streams without asking each
/// other: streams the core connects are even, accepted ones odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u64);

impl StreamId {
    /// The `n`-th stream accepted by the adapter.
    #[must_use]
    pub const fn accepted(n: u64) -> Self {
        StreamId(n << 1 | 1)
    }

    /// The `n`-th stream opened by the core.
    #[must_use]
    pub(crate) const fn dialled(n: u64) -> Self {
        StreamId(n << 1)
    }

    /// Whether the adapter accepted this stream (`false`: the core asked for it).
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        self.0 & 1 == 1
    }

    /// The number, unique among all streams of one node.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// What happened to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEvent<'a> {
    /// A peer connected to the gossip port.
    Accepted {
        /// The peer's address.
        from: SocketAddr,
    },
    /// The connection asked for by [`StreamAction::Connect`](crate::StreamAction::Connect) stands.
    Connected,
    /// Bytes arrived, in order.
    Data(&'a [u8]),
    /// The peer finished sending.
    Closed,
    /// Connecting, reading or writing failed; the text goes into error messages
    /// (for example `connect: connection refused`).
    Failed(&'a str),
}

/// Names one [`Output::Resolve`](crate::Output::Resolve) request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResolveId(pub u64);

/// Names one [`Output::RunCheck`](crate::Output::RunCheck) request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub u64);

/// Names one [`Output::Persist`](crate::Output::Persist) request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistId(pub u64);
