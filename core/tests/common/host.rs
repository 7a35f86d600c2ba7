//! One machine of the virtual network: its node, what happened to it, and its stream ends.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use bytes::Bytes;
use tidings_core::{
    Command, CommandError, Config, Event, Input, Node, Output, Persist, PersistId, Reply, ResolveId,
    StreamEvent, StreamId, Time, Token, Trace,
};

use super::Fnv;

/// An [`Input`] that owns its bytes, so that it can wait in a queue and be replayed.
#[derive(Clone, Debug)]
pub enum Happening {
    Wake,
    Datagram { from: SocketAddr, payload: Bytes },
    Stream { id: StreamId, event: StreamHappening },
    Command { token: Token, command: Box<Command> },
    Resolved { id: ResolveId, result: Result<Vec<SocketAddr>, String> },
    Persisted { id: PersistId, result: Result<(), String> },
}

/// A [`StreamEvent`] that owns its bytes.
#[derive(Clone, Debug)]
pub enum StreamHappening {
    Accepted(SocketAddr),
    Connected,
    Data(Bytes),
    Closed,
    Failed(String),
}

impl Happening {
    pub fn as_input(&self) -> Input<'_> {
        match self {
            Self::Wake => Input::Timeout,
            Self::Datagram { from, payload } => Input::Datagram { from: *from, payload },
            Self::Stream { id, event } => Input::Stream { id: *id, event: event.as_event() },
            Self::Command { token, command } => {
                Input::Command { token: *token, command: (**command).clone() }
            }
            Self::Resolved { id, result } => Input::Resolved { id: *id, result: result.clone() },
            Self::Persisted { id, result } => Input::Persisted { id: *id, result: result.clone() },
        }
    }
}

impl StreamHappening {
    fn as_event(&self) -> StreamEvent<'_> {
        match self {
            Self::Accepted(from) => StreamEvent::Accepted { from: *from },
            Self::Connected => StreamEvent::Connected,
            Self::Data(bytes) => StreamEvent::Data(bytes),
            Self::Closed => StreamEvent::Closed,
            Self::Failed(reason) => StreamEvent::Failed(reason),
        }
    }
}

/// This host's end of a stream.
#[derive(Debug)]
pub struct StreamEnd {
    /// Host, life and stream at the other end; `None`: nobody hears what is sent here.
    pub peer: Option<(usize, u32, StreamId)>,
    /// Nothing sent arrives before what was sent earlier.
    pub not_before: Time,
}

/// What a stopped process finds when it is continued.
#[derive(Debug, Default)]
pub struct Inbox(pub Vec<Happening>);

/// One machine. `node` is `None` while it is dead.
#[derive(Debug)]
pub struct Host {
    pub config: Config,
    pub node: Option<Node>,
    /// Counts restarts; whatever was under way to an earlier life is lost.
    pub life: u32,
    /// The wake-up already scheduled.
    pub armed: Option<Time>,
    /// `Some` while the process is stopped.
    pub paused: Option<Inbox>,
    pub streams: BTreeMap<StreamId, StreamEnd>,
    pub accepted: u64,
    pub events: Vec<(Time, Event)>,
    /// How many of them happened before this life.
    pub events_before: usize,
    pub traces: Vec<(Time, Trace)>,
    pub replies: HashMap<Token, (Time, Result<Reply, CommandError>)>,
    pub persisted: Vec<(Time, Persist)>,
    /// Answered to the next keyring write instead of success.
    pub disk_error: Option<String>,
    pub packets_out: u64,
    pub bytes_out: u64,
    /// Every input of this life, when asked for.
    pub script: Option<Vec<(Time, Happening)>>,
    /// The seed of this life.
    pub seed: [u8; 32],
    /// Digest of this life's outputs, when asked for.
    pub digest: Fnv,
}

impl Host {
    pub fn new(config: Config) -> Self {
        Host {
            config,
            node: None,
            life: 0,
            armed: None,
            paused: None,
            streams: BTreeMap::new(),
            accepted: 0,
            events: Vec::new(),
            events_before: 0,
            traces: Vec::new(),
            replies: HashMap::new(),
            persisted: Vec::new(),
            disk_error: None,
            packets_out: 0,
            bytes_out: 0,
            script: None,
            seed: [0; 32],
            digest: Fnv::START,
        }
    }

    pub fn addr(&self) -> SocketAddr {
        self.config.advertise
    }

    pub fn node(&self) -> &Node {
        self.node.as_ref().expect("this host is dead")
    }
}

/// Adds an output to a digest. Datagrams, the bulk, go in as bytes; the rest in words.
pub fn digest_output(digest: &mut Fnv, output: &Output) {
    match output {
        Output::Datagram { to, payload } => {
            digest.add(&[u8::from(to.is_ipv6())]);
            match to {
                SocketAddr::V4(v4) => digest.add(&v4.ip().octets()),
                SocketAddr::V6(v6) => digest.add(&v6.ip().octets()),
            }
            digest.add(&to.port().to_be_bytes());
            digest.add(payload);
        }
        other => digest.add(format!("{other:?}").as_bytes()),
    }
}
