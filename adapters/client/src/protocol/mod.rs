//! The agent's RPC protocol, IPC version 1 (serf-agent, section 8).
//!
//! A connection carries bare MessagePack objects in both directions, one after another. Each
//! request is a [`RequestHeader`] and, for most commands, a body; each response is a
//! [`ResponseHeader`] and, for some commands, a body; a stream, a monitor and a query send further
//! header and record pairs with the sequence number of their request.
//!
//! Everything here is plain data and bytes: [`ObjectBuffer`] cuts what arrives into objects,
//! [`Message`] turns an object into a struct and back, [`Request`] joins header and body.

mod command;
mod discovery;
mod message;
mod object;
mod record;
mod request;
mod response;
mod value;

pub use command::{Command, Request};
pub use discovery::{MicroApp, Router, RouterAddr};
pub use message::Message;
pub use object::ObjectBuffer;
pub use record::{LogRecord, QueryRecord, QueryRecordKind, StreamRecord};
pub use request::{
    Auth, Event, ForceLeave, GetCoordinate, Handshake, Join, KeyRequest, MembersFiltered, Monitor, Query,
    RequestHeader, Respond, Stop, Stream, Tags,
};
pub use response::{
    Coordinate, CoordinateResponse, JoinResponse, KeyResponse, Member, MembersResponse, ResponseHeader,
    StatsResponse,
};
pub use tidings_core::Malformed;

/// The only version of the protocol.
pub const VERSION: i64 = 1;

/// Texts of errors that both sides must know word for word (serf-agent, sections 8.3 and 8.4).
pub mod error_text {
    /// A command that needs authentication came before it. No body follows, whatever the command.
    pub const AUTHENTICATION_REQUIRED: &str = "Authentication required";
    /// The key given is not the agent's.
    pub const INVALID_AUTHENTICATION_TOKEN: &str = "Invalid authentication token";
    /// A command came before the handshake; the agent closes the connection.
    pub const HANDSHAKE_REQUIRED: &str = "Handshake required";
    /// The second handshake of a connection.
    pub const HANDSHAKE_ALREADY_PERFORMED: &str = "Handshake already performed";
    /// The handshake asks for a version that is not [`VERSION`](super::VERSION).
    pub const UNSUPPORTED_IPC_VERSION: &str = "Unsupported IPC version";
    /// No such command; the agent closes the connection.
    pub const UNSUPPORTED_COMMAND: &str = "Unsupported command";
    /// A stream asks for an event nobody knows.
    pub const INVALID_EVENT_FILTER: &str = "Invalid event filter";
    /// A stream reuses the sequence number of a running one.
    pub const STREAM_EXISTS: &str = "Stream with given sequence exists";
    /// The second monitor of a connection.
    pub const MONITOR_EXISTS: &str = "Monitor already exists";
    /// An answer to a query that is unknown, expired, or another connection's.
    pub const NO_SUCH_QUERY: &str = "No pending queries matching ID";
}
