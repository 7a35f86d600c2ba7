//! The header and the bodies of requests (serf-agent, section 8.4).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::message::messages;

messages! {
    /// Precedes every request.
    pub struct RequestHeader {
        /// The command's word; see [`Command`](super::Command).
        command: String = "Command" @ 0,
        /// Chosen by the client, echoed by every answer and record.
        seq: u64 = "Seq" @ 1,
    }

    /// Body of `handshake`, the first request of a connection.
    pub struct Handshake {
        /// Must be [`VERSION`](super::VERSION).
        version: i64 = "Version" @ 0,
    }

    /// Body of `auth`.
    pub struct Auth {
        /// The agent's `rpc_auth`.
        auth_key: String = "AuthKey" @ 0,
    }

    /// Body of `event`: send a user event.
    pub struct Event {
        /// Receivers may fold events of this name into the newest.
        coalesce: bool = "Coalesce" @ 2,
        /// Name of the event.
        name: String = "Name" @ 0,
        /// What goes with it; name and payload may have 512 bytes by default.
        payload: Bytes = "Payload" @ 1,
    }

    /// Body of `force-leave`: make a failed member one that left.
    pub struct ForceLeave {
        /// Name of the member.
        node: String = "Node" @ 0,
        /// Forget it at once as well.
        prune: bool = "Prune" @ 1,
    }

    /// Body of `join`.
    pub struct Join {
        /// Addresses, each `[node-name/]host[:port]`; all are tried.
        existing: Vec<String> = "Existing" @ 0,
        /// Deliver user events from before the join.
        replay: bool = "Replay" @ 1,
    }

    /// Body of `members-filtered`. The agent wraps each expression as `^` expression `$`; an empty
    /// status or name is no filter.
    pub struct MembersFiltered {
        /// Expression for the name.
        name: String = "Name" @ 2,
        /// Expression for the status word.
        status: String = "Status" @ 1,
        /// Expressions for tags, all of which must match; a missing tag counts as empty.
        tags: BTreeMap<String, String> = "Tags" @ 0,
    }

    /// Body of `stream`: send events from now on.
    pub struct Stream {
        /// Comma list of `member-join`, `user:deploy`, `query`, ...; empty and `*` are all.
        event_type: String = "Type" @ 0,
    }

    /// Body of `monitor`: send the log from now on, the last lines first.
    pub struct Monitor {
        /// Lines of this level and above, in any letter case.
        log_level: String = "LogLevel" @ 0,
    }

    /// Body of `stop`: end a stream or monitor.
    pub struct Stop {
        /// Sequence number of the request that started it.
        stop: u64 = "Stop" @ 0,
    }

    /// Body of `tags`: deletions first, then settings.
    pub struct Tags {
        /// Keys to remove.
        delete_tags: Vec<String> = "DeleteTags" @ 1,
        /// Keys to set.
        tags: BTreeMap<String, String> = "Tags" @ 0,
    }

    /// Body of `query`: ask the cluster.
    pub struct Query {
        /// Only these nodes answer; none: all.
        filter_nodes: Vec<String> = "FilterNodes" @ 0,
        /// Only nodes whose tags match the expressions answer (unanchored). `None` and empty mean
        /// the same and differ on the wire only.
        filter_tags: Option<BTreeMap<String, String>> = "FilterTags" @ 1,
        /// Name of the query.
        name: String = "Name" @ 5,
        /// The question.
        payload: Bytes = "Payload" @ 6,
        /// Members that pass each answer on, so that it arrives by several ways.
        relay_factor: u8 = "RelayFactor" @ 3,
        /// Ask every receiver for an acknowledgement.
        request_ack: bool = "RequestAck" @ 2,
        /// Nanoseconds to collect answers; 0: the agent's default.
        timeout: i64 = "Timeout" @ 4,
    }

    /// Body of `respond`: answer a query that came by a stream.
    pub struct Respond {
        /// The query's ID on this connection.
        id: u64 = "ID" @ 0,
        /// The answer.
        payload: Bytes = "Payload" @ 1,
    }

    /// Body of `install-key`, `use-key` and `remove-key`.
    pub struct KeyRequest {
        /// The key in base64.
        key: String = "Key" @ 0,
    }

    /// Body of `get-coordinate`.
    pub struct GetCoordinate {
        /// Name of the member.
        node: String = "Node" @ 0,
    }
}
