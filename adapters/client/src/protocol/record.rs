//! What a stream, a monitor and a query send until they end (serf-agent, section 8.4).

use bytes::Bytes;
use tidings_core::wire::msgpack::Reader;

use super::message::messages;
use super::response::Member;
use super::value::{RpcWriter, Value};
use crate::protocol::Malformed;

messages! {
    /// A line of the agent's log.
    pub struct LogRecord {
        /// The line, without its newline.
        log: String = "Log" @ 0,
    }

    /// Any stream record as it came: fields of other kinds are zero.
    struct AnyStreamRecord {
        coalesce: bool = "Coalesce" @ 0,
        event: String = "Event" @ 1,
        id: u64 = "ID" @ 2,
        ltime: u64 = "LTime" @ 3,
        members: Vec<Member> = "Members" @ 4,
        name: String = "Name" @ 5,
        payload: Bytes = "Payload" @ 6,
    }

    /// Any query record as it came.
    struct AnyQueryRecord {
        from: String = "From" @ 1,
        payload: Bytes = "Payload" @ 2,
        kind: String = "Type" @ 0,
    }
}

/// What a stream tells.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamRecord {
    /// Members joined, left, failed, changed or were reaped.
    Members {
        /// `member-join`, `member-leave`, `member-failed`, `member-update` or `member-reap`.
        event: String,
        /// Whom it befell.
        members: Vec<Member>,
    },
    /// Somebody sent a user event.
    User {
        /// Receivers may fold events of this name into the newest.
        coalesce: bool,
        /// When, on the event clock.
        ltime: u64,
        /// Its name.
        name: String,
        /// What goes with it.
        payload: Bytes,
    },
    /// Somebody asks.
    Query {
        /// To be given in [`Respond`](super::Respond); counts on this connection only.
        id: u64,
        /// When, on the query clock.
        ltime: u64,
        /// The query's name.
        name: String,
        /// The question.
        payload: Bytes,
    },
}

impl StreamRecord {
    /// The word for the kind of event.
    #[must_use]
    pub fn event(&self) -> &str {
        match self {
            StreamRecord::Members { event, .. } => event,
            StreamRecord::User { .. } => "user",
            StreamRecord::Query { .. } => "query",
        }
    }
}

impl Value for StreamRecord {
    fn zero() -> Self {
        StreamRecord::Members { event: String::new(), members: Vec::new() }
    }

    fn write(&self, writer: &mut RpcWriter<'_>) {
        match self {
            StreamRecord::Members { event, members } => {
                writer.map(2).str("Event").str(event).str("Members");
                members.write(writer);
            }
            StreamRecord::User { coalesce, ltime, name, payload } => {
                writer.map(5).str("Coalesce").bool(*coalesce).str("Event").str("user");
                write_clocked(*ltime, name, payload, writer);
            }
            StreamRecord::Query { id, ltime, name, payload } => {
                writer.map(5).str("Event").str("query").str("ID").uint(*id);
                write_clocked(*ltime, name, payload, writer);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let AnyStreamRecord { coalesce, event, id, ltime, members, name, payload } = Value::read(reader)?;
        Ok(match event.as_str() {
            "user" => StreamRecord::User { coalesce, ltime, name, payload },
            "query" => StreamRecord::Query { id, ltime, name, payload },
            _ => StreamRecord::Members { event, members },
        })
    }
}

/// The fields that user events and queries end with.
fn write_clocked(ltime: u64, name: &str, payload: &Bytes, writer: &mut RpcWriter<'_>) {
    writer.str("LTime").uint(ltime).str("Name").str(name).str("Payload").bytes_or_nil(payload);
}

/// What comes back for a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryRecord {
    /// Who sent it; empty at the end.
    pub from: String,
    /// What it is.
    pub kind: QueryRecordKind,
    /// The answer; empty unless it is one.
    pub payload: Bytes,
}

/// What a [`QueryRecord`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryRecordKind {
    /// Somebody received the query.
    Ack,
    /// Somebody answers.
    Response,
    /// The time is over; nothing follows.
    Done,
}

impl QueryRecordKind {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            QueryRecordKind::Ack => "ack",
            QueryRecordKind::Response => "response",
            QueryRecordKind::Done => "done",
        }
    }
}

impl Value for QueryRecord {
    fn zero() -> Self {
        QueryRecord { from: String::new(), kind: QueryRecordKind::Done, payload: Bytes::new() }
    }

    fn write(&self, writer: &mut RpcWriter<'_>) {
        writer.map(3).str("From").str(&self.from);
        writer.str("Payload").bytes_or_nil(&self.payload);
        writer.str("Type").str(self.kind.as_str());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let AnyQueryRecord { from, kind, payload } = Value::read(reader)?;
        let kind = match kind.as_str() {
            "ack" => QueryRecordKind::Ack,
            "response" => QueryRecordKind::Response,
            "done" => QueryRecordKind::Done,
            _ => return Err(Malformed::Type),
        };
        Ok(QueryRecord { from, kind, payload })
    }
}
