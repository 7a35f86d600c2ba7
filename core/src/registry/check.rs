//! What everybody knows of a check, and what its owner knows beside.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::service::Text;

/// How something fares. Worse is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Health {
    /// Well.
    Passing = 0,
    /// Not quite well.
    Warning = 1,
    /// Not to be used.
    #[default]
    Critical = 2,
}

impl Health {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Health::Passing => "passing",
            Health::Warning => "warning",
            Health::Critical => "critical",
        }
    }

    /// What the word means, in small letters.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Health::Passing, Health::Warning, Health::Critical]
            .into_iter()
            .find(|health| health.as_str() == word)
    }

    /// What the number means.
    #[must_use]
    pub const fn from_u8(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Health::Passing,
            1 => Health::Warning,
            2 => Health::Critical,
            _ => return None,
        })
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A check as everybody knows it. Its ID is in the record's key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// Its name for people.
    pub name: Text,
    /// How it fares.
    pub status: Health,
    /// What its author says of it.
    pub notes: Text,
    /// What came of it last. A change of this alone is told late.
    pub output: Text,
    /// The instance it belongs to; empty: the node.
    pub service_id: Text,
    /// The name of that instance's service.
    pub service_name: Text,
    /// That instance's tags when the check was registered.
    pub service_tags: Box<[Text]>,
    /// `ttl`, `http`, `tcp`, `script`, `grpc`, `alias`, `maintenance`, or nothing.
    pub kind: Text,
    /// How its author wants it to be probed, by whoever probes nodes that are no agents.
    pub definition: Option<Box<Definition>>,
}

/// How a check is to be probed, as it was written to the catalog. What was left out is empty or zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// A URL to be asked.
    pub http: Text,
    /// How it is asked.
    pub method: Text,
    /// Header lines to send, and the values of each.
    pub header: Box<[(Text, Box<[Text]>)]>,
    /// What is sent along.
    pub body: Text,
    /// Any certificate will do.
    pub tls_skip_verify: bool,
    /// A `host:port` to connect to.
    pub tcp: Text,
    /// From one probe to the next.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// When the instance goes that stays critical.
    pub deregister_after: Duration,
}

/// A check as it is registered at its owner.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckSpec {
    /// Unique at its node.
    pub id: Text,
    /// Its name for people.
    pub name: Text,
    /// What its author says of it.
    pub notes: Text,
    /// The instance it belongs to; empty: the node.
    pub service_id: Text,
    /// How it fares until it is known. A check that is replaced by one of the same ID and kind keeps
    /// its state if this is `None`; a new one starts critical.
    pub status: Option<Health>,
    /// What is done to find out.
    pub probe: Probe,
    /// Results in a row that make it passing. 0 and 1: the first.
    pub success_before_passing: u32,
    /// Results in a row that make it critical. 0 and 1: the first.
    pub failures_before_critical: u32,
    /// The instance is deregistered when it has been critical for so long; zero: never.
    pub deregister_after: Duration,
    /// Bytes of output kept; zero: the configured number.
    pub output_max: usize,
}

/// What is done to find out how something fares.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Probe {
    /// Nothing: somebody reports within this time, or it is critical.
    Ttl(Duration),
    /// Something the adapter does at this interval, with at most this much time for it.
    Run {
        /// From the end of one to the start of the next.
        interval: Duration,
        /// How long one may take.
        timeout: Duration,
        /// What.
        action: Arc<Action>,
    },
    /// Nothing at all: it says what was written.
    Fixed,
    /// It is there while somebody wants no traffic.
    Maintenance,
}

impl Probe {
    /// The word for it in listings.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Probe::Ttl(_) => "ttl",
            Probe::Run { action, .. } => action.kind(),
            Probe::Fixed => "",
            Probe::Maintenance => "maintenance",
        }
    }
}

/// What an adapter does for a check (consul-http, section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Asks a web server.
    Http {
        /// Of what.
        url: String,
        /// How; empty: `GET`.
        method: String,
        /// Header lines by name.
        header: Vec<(String, Vec<String>)>,
        /// What is sent along.
        body: String,
        /// Any certificate will do.
        tls_skip_verify: bool,
    },
    /// Connects.
    Tcp {
        /// `host:port`.
        address: String,
    },
    /// Runs a program.
    Script {
        /// The program and its arguments.
        args: Vec<String>,
    },
    /// Asks for health by gRPC.
    Grpc {
        /// `host:port`, perhaps with `/service` behind.
        target: String,
        /// Over TLS.
        tls: bool,
        /// Any certificate will do.
        tls_skip_verify: bool,
    },
    /// Looks how others fare.
    Alias {
        /// A node; empty: its own.
        node: String,
        /// An instance; empty: the node itself.
        service: String,
    },
}

impl Action {
    /// The word for it in listings.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Action::Http { .. } => "http",
            Action::Tcp { .. } => "tcp",
            Action::Script { .. } => "script",
            Action::Grpc { .. } => "grpc",
            Action::Alias { .. } => "alias",
        }
    }
}
