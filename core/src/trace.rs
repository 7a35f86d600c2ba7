//! Decisions and their causes, for simulators, invariants and `explain`.
//!
//! Off unless [`Config::trace`](crate::Config::trace) is set; nothing in the node depends on it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

use crate::registry::record::{Key, Stamp};
use crate::serf::clock::LamportTime;
use crate::swim::member::{Incarnation, State, Status};

/// A decision with its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// What led to it.
    pub cause: Cause,
    /// What was decided.
    pub decision: Decision,
}

/// What led to a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// A deadline of this node passed.
    Timer,
    /// A command of the application.
    Command,
    /// A datagram from this address.
    Packet(SocketAddr),
    /// A stream with this peer.
    Stream(SocketAddr),
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProbeResult {
    /// The target answered the ping, directly or through a helper.
    Acked,
    /// Only the stream got through.
    AckedByStream,
    /// Nobody reached it.
    Failed {
        /// Helpers that said so themselves.
        nacks: u8,
        /// Helpers that should have.
        expected: u8,
    },
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// A probe was sent.
    ProbeStarted {
        /// The target.
        target: Arc<str>,
        /// Its sequence number.
        seq: u32,
    },
    /// The target's ack is late: helpers are asked, and a stream is tried.
    ProbeLate {
        /// The target.
        target: Arc<str>,
        /// Its sequence number.
        seq: u32,
    },
    /// A probe ended.
    ProbeEnded {
        /// The target.
        target: Arc<str>,
        /// Its sequence number.
        seq: u32,
        /// How it ended.
        result: ProbeResult,
    },
    /// A member's state changed in the SWIM layer.
    State {
        /// The member.
        member: Arc<str>,
        /// Before; `None`: unknown.
        before: Option<State>,
        /// After.
        after: State,
        /// The incarnation now.
        incarnation: Incarnation,
        /// Who says so.
        from: Arc<str>,
    },
    /// A member's status changed in the Serf layer.
    Status {
        /// The member.
        member: Arc<str>,
        /// Before.
        before: Status,
        /// After.
        after: Status,
        /// The status time now.
        ltime: LamportTime,
    },
    /// A suspicion started or a confirmation shortened it.
    Suspicion {
        /// The suspected member.
        member: Arc<str>,
        /// Who suspects.
        from: Arc<str>,
        /// Confirmations so far.
        confirmations: u32,
        /// Until it is declared dead.
        remaining: Duration,
    },
    /// A suspicion ran out undefended: the member is declared dead.
    SuspicionOver {
        /// The suspected member.
        member: Arc<str>,
        /// How many others had confirmed it.
        confirmations: u32,
    },
    /// This node defended itself.
    Refuted {
        /// Who accused it; its own name where somebody holds another description of it.
        from: Arc<str>,
        /// What it was said to be; [`State::Alive`]: alive, but not as it describes itself.
        accusation: State,
        /// The incarnation it was accused at.
        accused: Incarnation,
        /// Its new one.
        incarnation: Incarnation,
    },
    /// The health score moved.
    Awareness {
        /// Before.
        before: u32,
        /// After.
        after: u32,
    },
    /// A broadcast left the queue.
    BroadcastFinished {
        /// The member it is about; `None` for the Serf layer's messages.
        member: Option<Arc<str>>,
        /// How often it was sent.
        transmits: u32,
        /// Replaced by a newer one or dropped, rather than sent often enough.
        dropped: bool,
    },
    /// A member left the tables.
    Forgotten {
        /// The member.
        member: Arc<str>,
    },
    /// This node wrote a record of its registry, and tells of it.
    RecordWritten {
        /// Which.
        key: Box<Key>,
        /// Its new stamp.
        stamp: Stamp,
        /// The digest of what it says; `None`: that it is gone.
        digest: Option<u64>,
    },
    /// A query about the cluster's keys arrived, to be answered by the node itself.
    KeyQuery {
        /// What is asked for: `install-key`, `use-key`, `remove-key` or `list-keys`.
        operation: &'static str,
    },
    /// A change of keys that a query asked for was not made, or could not be kept.
    KeyQueryFailed {
        /// Why.
        reason: Arc<str>,
    },
}
