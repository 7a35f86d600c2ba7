//! What comes out of a node: bytes to send, work for the adapter, news for the application.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::net::SocketAddr;

use bytes::Bytes;

use crate::command::{CommandError, Reply, Token};
use crate::event::Event;
use crate::input::{CheckId, PersistId, ResolveId, StreamId};
use crate::registry::check::CheckSpec;
use crate::trace::Trace;

/// One thing the outside has to do or may want to know, in the order it was decided.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Send a datagram from the gossip socket (its port is part of the protocol).
    Datagram {
        /// The destination.
        to: SocketAddr,
        /// The bytes: a slice of the node's reused buffer.
        payload: Bytes,
    },
    /// Do something with a stream.
    Stream {
        /// Which one.
        id: StreamId,
        /// What to do.
        action: StreamAction,
    },
    /// The answer to a command.
    Reply {
        /// As given with the command.
        token: Token,
        /// The result.
        result: Result<Reply, CommandError>,
    },
    /// News for the application.
    Event(Event),
    /// Look up a host name and hand back [`Input::Resolved`](crate::Input::Resolved).
    Resolve {
        /// Names this request.
        id: ResolveId,
        /// The host name, never an address literal.
        host: String,
        /// The port to put into the addresses found.
        port: u16,
    },
    /// Write to stable storage and, where asked, hand back
    /// [`Input::Persisted`](crate::Input::Persisted).
    Persist(Persist),
    /// Do what a check asks for and hand back [`Input::CheckResult`](crate::Input::CheckResult).
    RunCheck {
        /// Names this request.
        id: CheckId,
        /// What to do: its [`Probe::Run`](crate::registry::check::Probe::Run).
        spec: Arc<CheckSpec>,
    },
    /// A decision and its cause; only when [`Config::trace`](crate::Config::trace) asks for it.
    Trace(Box<Trace>),
}

/// What to do with a stream. Deadlines, caps and retries are the core's; the adapter obeys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamAction {
    /// Open a connection, then report [`StreamEvent::Connected`](crate::StreamEvent::Connected)
    /// or [`StreamEvent::Failed`](crate::StreamEvent::Failed).
    Connect {
        /// The destination.
        to: SocketAddr,
    },
    /// Write these bytes after all earlier ones.
    Send(Bytes),
    /// Write what is pending, then close. Nothing more is reported about this stream.
    Close,
}

/// Bytes for stable storage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Persist {
    /// Append lines to the snapshot.
    Append {
        /// Whole lines, each ending in `\n`.
        lines: Bytes,
        /// `true`: flush now (leaving, shutting down); `false`: whenever convenient.
        flush: bool,
    },
    /// Replace the snapshot as a whole (atomically, by a temporary file and a rename).
    Replace {
        /// The new content.
        lines: Bytes,
    },
    /// Append to the log of registrations, or replace it as a whole. It must be on disk before that
    /// is reported.
    Registry {
        /// Names this request; report it with [`Input::Persisted`](crate::Input::Persisted).
        id: PersistId,
        /// What to append, or the new content.
        bytes: Bytes,
        /// It is the new content (to be put in place atomically).
        replace: bool,
    },
    /// Replace the keyring file as a whole; its outcome decides what the asker is told.
    Keyring {
        /// Names this request; report it with [`Input::Persisted`](crate::Input::Persisted).
        id: PersistId,
        /// The keys, primary first.
        keys: Box<[Bytes]>,
    },
}
