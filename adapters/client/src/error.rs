//! What a client may meet.

use std::io;

use tidings_core::Malformed;

/// Why a request, or the connection, failed. The texts are those of Serf's client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The agent could not be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The agent refused the request; the connection is as it was.
    #[error("{0}")]
    Agent(String),
    /// The agent refused a key command, and said what each node answered.
    #[error("{error}")]
    Keys {
        /// What went wrong altogether.
        error: String,
        /// The answers.
        report: crate::protocol::KeyResponse,
    },
    /// The connection has ended: by the agent, or because what it sent could not be understood.
    #[error("client closed")]
    Closed,
    /// The agent answered with something else than what was asked for; only this request is lost.
    #[error("the agent's answer could not be decoded: {0}")]
    Answer(#[from] Malformed),
    /// The agent took no bytes for ten seconds; the connection is given up.
    #[error("write tcp: i/o timeout")]
    WriteTimedOut,
    /// The request could not be written.
    #[error("write tcp: {0}")]
    Write(#[source] io::Error),
}

/// Why the agent could not be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The address is empty.
    #[error("dial tcp: missing address")]
    MissingAddress,
    /// The address is not `host:port`.
    #[error("dial tcp: address {addr}: {problem}")]
    Address {
        /// The address as given.
        addr: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The host name has no address.
    #[error("dial tcp: lookup {host}: no such host")]
    Lookup {
        /// The name.
        host: String,
    },
    /// The connection was not made.
    #[error("dial tcp {addr}: {problem}")]
    Connect {
        /// Where to.
        addr: String,
        /// What the system said.
        problem: String,
    },
}
