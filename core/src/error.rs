//! Errors by whose fault they are.
//!
//! * [`ConfigError`]: the configuration cannot work; the node was not made.
//! * [`Misuse`]: the caller broke the law of use; the node is as it was.
//! * [`Refused`]: bytes or claims from outside were not taken; the node is as it was, and says so
//!   by an event and a counter.
//!
//! What a command may fail with is in [`CommandError`](crate::CommandError).

use alloc::string::String;
use core::net::SocketAddr;

use thiserror::Error;

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A field has a value it cannot have.
    #[error("{field}: {problem}")]
    Field {
        /// The path of the field, as in Rust: `probe.interval`.
        field: &'static str,
        /// What is wrong with it and what is allowed.
        problem: String,
    },
    /// The Serf protocol version is below the supported range.
    #[error("Protocol version '{0}' too low. Must be in range: [2, 5]")]
    ProtocolTooLow(u8),
    /// The Serf protocol version is above the supported range.
    #[error("Protocol version '{0}' too high. Must be in range: [2, 5]")]
    ProtocolTooHigh(u8),
    /// The tags do not fit the 512 bytes they have on the wire.
    #[error("Encoded length of tags exceeds limit of 512 bytes")]
    TagsTooLarge,
    /// A key has none of the three sizes of AES.
    #[error("key size must be 16, 24 or 32 bytes")]
    KeySize,
}

/// The caller broke the law of use. The node is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// Time went backwards; inputs must carry times that never decrease.
    #[error("time went backwards: inputs must carry times that never decrease")]
    TimeWentBack,
    /// An accepted stream carries a number of the core's own streams.
    #[error("an accepted stream must be numbered by StreamId::accepted")]
    StreamNotAccepted,
    /// An accepted stream carries the number of a stream that is still open.
    #[error("a stream with this number is open already")]
    StreamExists,
}

/// Something from outside that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where it came from.
    pub source: SocketAddr,
    /// Why it was refused.
    pub reason: Refusal,
}

/// Why something from outside was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A message type nobody knows.
    #[error("message type {0} is not supported here")]
    UnknownType(u8),
    /// A Serf message type nobody knows.
    #[error("Serf message type {0} is not supported")]
    UnknownSerfType(u8),
    /// The bytes are not what their type says.
    #[error("malformed {what}: {error}")]
    Malformed {
        /// The kind of message.
        what: &'static str,
        /// What the decoder met.
        error: Malformed,
    },
    /// The label differs from the configured one.
    #[error("the label does not match the configured one")]
    Label,
    /// The checksum does not match.
    #[error("the checksum does not match")]
    Checksum,
    /// It could not be decrypted with any key.
    #[error("no installed key decrypts it")]
    Decrypt,
    /// It is plain although encryption is required.
    #[error("it is not encrypted, but encryption is configured")]
    Plaintext,
    /// It is encrypted although this node has no key.
    #[error("it is encrypted, but encryption is not configured")]
    Encrypted,
    /// It is larger than a limit.
    #[error("{what} of {size} bytes or entries exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its claimed or real size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// It speaks no common protocol version.
    #[error("member {node} speaks no protocol version that everybody here understands")]
    Version {
        /// The member.
        node: String,
    },
    /// It is from, or names, an address outside the allowed networks.
    #[error("address {0} is not in an allowed network")]
    NotAllowed(core::net::IpAddr),
    /// It is meant for another node.
    #[error("it is meant for node {0}")]
    WrongNode(String),
    /// A table or budget is full.
    #[error("{0} is full")]
    Full(&'static str),
    /// A stream was silent or too slow for its deadline.
    #[error("the stream did not finish in time")]
    StreamTimedOut,
    /// A stream ended in the middle of a message.
    #[error("the stream ended in the middle of a message")]
    StreamTruncated,
    /// A peer reported an error.
    #[error("remote error: {0}")]
    Remote(String),
    /// Anything else, in words.
    #[error("{0}")]
    Other(&'static str),
}

/// Why bytes could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The bytes end too early.
    #[error("it is truncated")]
    Truncated,
    /// A value has another type than its field.
    #[error("a value has the wrong type")]
    Type,
    /// A number does not fit its field.
    #[error("a number is out of range")]
    Range,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Utf8,
    /// Values are nested too deeply.
    #[error("it is nested too deeply")]
    Depth,
    /// Something is larger than its limit.
    #[error("it is larger than its limit")]
    TooLarge,
    /// The compressed bytes are no LZW stream, or name an unknown algorithm.
    #[error("it is not a valid compressed stream")]
    Compression,
    /// An address has neither 4 nor 16 bytes.
    #[error("an address has neither 4 nor 16 bytes")]
    Address,
    /// A required part is empty.
    #[error("a required part is empty")]
    Empty,
}
