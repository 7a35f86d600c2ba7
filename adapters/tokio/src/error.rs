//! What can go wrong at start and later, and the words for it.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;
use tidings_core::{CommandError, ConfigError};

/// Why a node was not started. Nothing is left behind: no socket, no task.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A socket could not be opened.
    #[error(
        "Failed to start {kind} listener on \"{ip}\" port {port}: listen {network} {addr}: bind: {reason}",
        kind = .network.to_uppercase(), ip = .addr.ip(), port = .addr.port(), reason = os_text(.error)
    )]
    Bind {
        /// `tcp` or `udp`.
        network: &'static str,
        /// The address wanted.
        addr: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The sockets could not be set up.
    #[error("cannot set up the sockets: {0}")]
    Socket(io::Error),
    /// There is nothing to advertise: the node listens on every address and none is private.
    #[error("No private IP address found, and explicit IP not provided")]
    NoPrivateAddress,
    /// A fixed seed was given to a node that encrypts.
    #[error(
        "a fixed seed must not be used with encryption keys: nonces come from the seed, and a nonce used twice \
         reveals what was sent; leave `Options::seed` unset"
    )]
    SeedWithKeys,
    /// Records are to be written, but nobody takes them.
    #[error("{0} is on, but `Options::persist` is not set: nobody would write the records")]
    NoPersist(&'static str),
    /// The system has no random bytes to give.
    #[error("the system gives no random seed: {0}")]
    Random(getrandom::Error),
    /// Not called from within a tokio runtime.
    #[error("a node must be spawned within a tokio runtime")]
    NoRuntime,
}

/// Why a request to a running node failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The node refused the command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The node has been shut down.
    #[error("the node has been shut down")]
    Stopped,
    /// The node's task panicked: a bug. The node is gone.
    #[error("the node's task panicked: {0}")]
    Panicked(String),
}

/// What the system says, in the words clients of the original read: no number, no capital.
pub(crate) fn os_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => return "connection timed out".into(),
        io::ErrorKind::AddrInUse => return "address already in use".into(),
        _ => {}
    }
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => "unknown error".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_is_named_in_the_words_of_the_original() {
        let error = SpawnError::Bind {
            network: "tcp",
            addr: "127.0.0.45:7946".parse().unwrap(),
            error: io::ErrorKind::AddrInUse.into(),
        };
        assert_eq!(
            error.to_string(),
            "Failed to start TCP listener on \"127.0.0.45\" port 7946: \
             listen tcp 127.0.0.45:7946: bind: address already in use"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn system_errors_lose_their_number_and_their_capital() {
        for (errno, text) in [
            (111, "connection refused"),
            (113, "no route to host"),
            (101, "network is unreachable"),
            (110, "connection timed out"),
            (98, "address already in use"),
            (13, "permission denied"),
        ] {
            assert_eq!(os_text(&io::Error::from_raw_os_error(errno)), text);
        }
    }
}
