//! What an application may ask of a node, and how it is answered.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use crate::event::QueryId;
use crate::registry::command::{RegistryCommand, RegistryError};

/// Ties a [`Reply`] to its [`Command`]; chosen by the caller, never looked at by the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// A request of the application.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// Enter a cluster through any of these addresses; answered by [`Reply::Joined`] once every
    /// address has been tried, or [`CommandError::Join`] when none worked.
    ///
    /// An address is `[node-name/]host[:port]`; without a port the node's own is used.
    Join {
        /// The addresses, all of them tried.
        addresses: Vec<String>,
        /// Deliver user events that are older than this join.
        replay: bool,
    },
    /// Leave gracefully; answered when the word has spread (or could not).
    Leave,
    /// Turn a failed member into one that left.
    ForceLeave {
        /// The member's name.
        node: String,
        /// Also forget it at once, everywhere.
        prune: bool,
    },
    /// Send a user event to everyone.
    UserEvent {
        /// Its name.
        name: String,
        /// Its payload; empty and absent are the same.
        payload: Bytes,
        /// Receivers may fold events of one name into the newest.
        coalesce: bool,
    },
    /// Ask the cluster; answered at once by [`Reply::QueryStarted`], then by
    /// [`Event::Answer`](crate::Event::Answer)s.
    Query(Box<QueryParams>),
    /// Answer a query delivered as [`Event::Query`](crate::Event::Query).
    Respond {
        /// The query's identity.
        id: QueryId,
        /// The answer.
        payload: Bytes,
    },
    /// Change the own tags: deletions first, then settings.
    UpdateTags {
        /// Keys to remove.
        delete: Vec<String>,
        /// Keys to set.
        set: Vec<(String, String)>,
        /// Drop every tag that is not in `set`.
        replace: bool,
    },
    /// Change or list the encryption keys of the whole cluster.
    Keys(KeyCommand),
    /// Register, deregister, report.
    Registry(Box<RegistryCommand>),
    /// Try to re-enter through members known earlier (from a snapshot): one by one, until one
    /// answers. Answered by [`Reply::Joined`].
    Rejoin {
        /// `name/address` entries, tried in this order.
        addresses: Vec<String>,
    },
}

/// What to ask, and of whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryParams {
    /// The query's name. The prefix `_serf_` is reserved (only `_serf_ping` may be asked).
    pub name: String,
    /// The question.
    pub payload: Bytes,
    /// Only these nodes answer; empty: all.
    pub nodes: Vec<String>,
    /// Only nodes whose tag matches the expression answer (unanchored, RE2 syntax).
    pub tags: Vec<(String, String)>,
    /// Ask every receiver for an acknowledgement.
    pub ack: bool,
    /// Answers also travel through this many other members.
    pub relay_factor: u8,
    /// How long answers are awaited; zero: the default for the cluster's size.
    pub timeout: Duration,
}

/// An operation on the cluster's keyring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyCommand {
    /// Add a key everywhere.
    Install(Bytes),
    /// Encrypt with this key everywhere.
    Use(Bytes),
    /// Remove a key everywhere.
    Remove(Bytes),
    /// Ask everyone for its keys.
    List,
}

/// A successful answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// Done, with nothing to tell.
    Done,
    /// How the join went.
    Joined {
        /// Addresses that answered and whose state was merged.
        contacted: usize,
        /// Addresses that did not.
        failures: Vec<JoinFailure>,
    },
    /// The query is under way.
    QueryStarted {
        /// Found again in its [`Event::Answer`](crate::Event::Answer)s.
        id: QueryId,
        /// How long answers are awaited.
        timeout: Duration,
    },
    /// What the members said to a key operation.
    Keys(Box<KeyReport>),
}

/// Why one address could not be joined through.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct JoinFailure {
    /// The address, resolved where that worked.
    pub address: String,
    /// What went wrong, as a whole sentence.
    pub reason: String,
}

/// The sum of all answers to a key operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyReport {
    /// Members alive when it was asked.
    pub nodes: usize,
    /// Members that answered.
    pub responses: usize,
    /// Members that said no.
    pub errors: usize,
    /// What single members had to say.
    pub messages: Vec<(String, String)>,
    /// For a listing: each key in base64, and how many members hold it.
    pub keys: Vec<(String, usize)>,
    /// For a listing: each primary key, and how many members use it.
    pub primary_keys: Vec<(String, usize)>,
}

impl KeyReport {
    /// The operation's failure as one line, in the words clients know; `None`: every member agreed.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        if self.errors > 0 {
            Some(alloc::format!("{}/{} nodes reported failure", self.errors, self.nodes))
        } else if self.responses != self.nodes {
            Some(alloc::format!("{}/{} nodes reported success", self.responses, self.nodes))
        } else {
            None
        }
    }
}

/// Why a command was refused. Nothing changed in the node unless the variant says so.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No address answered. The node is as it was.
    #[error("{}", join_errors(.0))]
    Join(Vec<JoinFailure>),
    /// The node has left or is leaving.
    #[error("Serf can't Join after Leave or Shutdown")]
    JoinAfterLeave,
    /// Too many joins are under way at once.
    #[error("too many joins under way; wait for one to finish")]
    TooManyJoins,
    /// A leave is under way already.
    #[error("Leave already in progress")]
    LeaveInProgress,
    /// The node has been shut down.
    #[error("Leave called after Shutdown")]
    AfterShutdown,
    /// The removal did not get through in time; it stays known locally.
    #[error("timed out broadcasting node removal")]
    RemovalTimedOut,
    /// The tag change did not get through in time; it stays in force locally.
    #[error("timeout waiting for update broadcast")]
    UpdateTimedOut,
    /// The event is too large before encoding.
    #[error("user event exceeds configured limit of {0} bytes before encoding")]
    EventTooLarge(usize),
    /// The event is too large once encoded.
    #[error("encoded user event exceeds configured limit of {0} bytes after encoding")]
    EncodedEventTooLarge(usize),
    /// The query is too large once encoded.
    #[error("query exceeds limit of {0} bytes")]
    QueryTooLarge(usize),
    /// The query's name is reserved.
    #[error("Queries cannot contain the '_serf_' prefix")]
    ReservedQuery,
    /// The configured protocol version knows no queries.
    #[error("Feature not supported")]
    NotSupported,
    /// Too many queries of this node are open.
    #[error("too many open queries; wait for one to finish")]
    TooManyQueries,
    /// The query is unknown or its time is over.
    #[error("response is past the deadline")]
    PastDeadline,
    /// The query was answered already.
    #[error("response already sent")]
    AlreadyResponded,
    /// The answer is too large once encoded.
    #[error("response exceeds limit of {0} bytes")]
    ResponseTooLarge(usize),
    /// The tags do not fit the wire.
    #[error("Encoded length of tags exceeds limit of 512 bytes")]
    TagsTooLarge,
    /// The registry refused.
    #[error("{0}")]
    Registry(RegistryError),
    /// A name or tag that cannot be sent.
    #[error("{0}")]
    Invalid(String),
    /// A key operation that not every member carried out; those that did keep the change.
    #[error("{}", .0.failure().unwrap_or_else(|| "no failure".to_owned()))]
    Keys(Box<KeyReport>),
}

/// The text of several failures in one, as clients of the original know it.
fn join_errors(failures: &[JoinFailure]) -> String {
    use core::fmt::Write;

    let mut text = String::new();
    let plural = if failures.len() == 1 { "error" } else { "errors" };
    let _ = writeln!(text, "{} {plural} occurred:", failures.len());
    for failure in failures {
        let _ = writeln!(text, "\t* {failure}");
    }
    text.push('\n');
    text
}
