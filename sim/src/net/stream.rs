//! Streams: two ends, what waits to be sent at each, and the order that is kept whatever happens.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tidings_core::{StreamId, Time};

use super::HostId;

/// First wait before a part that did not get through is sent again; doubled each time.
pub(crate) const RETRY_FIRST: Duration = Duration::from_millis(200);
/// Longest such wait.
pub(crate) const RETRY_LONGEST: Duration = Duration::from_secs(8);

/// A part of a stream, as one end sends it to the other.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// May I?
    Open,
    /// You may.
    Opened,
    /// Nobody listens.
    Refused,
    Data(Bytes),
    /// Nothing more comes.
    End,
    /// The other process is gone, or something on the way ended the stream.
    Reset,
}

impl Part {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Data(bytes) => bytes,
            _ => &[],
        }
    }
}

/// One end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) host: HostId,
    pub(crate) life: u32,
    /// What the host calls it; `None`: not accepted yet.
    pub(crate) id: Option<StreamId>,
    /// What could not be sent yet.
    pub(crate) unsent: VecDeque<Part>,
    /// Nothing sent arrives before what was sent earlier.
    pub(crate) not_before: Time,
    /// How long to wait after the next failure.
    pub(crate) retry: Duration,
    /// Another attempt is scheduled.
    pub(crate) waiting: bool,
    /// This end has said its last.
    pub(crate) done: bool,
}

/// A connection: side 0 dialled, side 1 was dialled.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) ends: [End; 2],
}

impl Connection {
    pub(crate) fn new(from: (HostId, u32, StreamId), to: (HostId, u32), now: Time) -> Self {
        let end = |host, life, id| End {
            host,
            life,
            id,
            unsent: VecDeque::new(),
            not_before: now,
            retry: RETRY_FIRST,
            waiting: false,
            done: false,
        };
        Connection { ends: [end(from.0, from.1, Some(from.2)), end(to.0, to.1, None)] }
    }
}

/// All connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections {
    open: BTreeMap<u64, Connection>,
    next: u64,
}

impl Connections {
    pub(crate) fn add(&mut self, connection: Connection) -> u64 {
        let number = self.next;
        self.next += 1;
        self.open.insert(number, connection);
        number
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Connection> {
        self.open.get_mut(&number)
    }

    /// Forgets a connection of which both ends are done and nothing is under way.
    pub(crate) fn close(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// The connections that concern a host.
    pub(crate) fn of(&self, host: HostId) -> Vec<u64> {
        let touches = |connection: &Connection| connection.ends.iter().any(|end| end.host == host);
        self.open.iter().filter(|(_, c)| touches(c)).map(|(number, _)| *number).collect()
    }
}
