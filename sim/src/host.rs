//! A machine of the simulated cluster: a process that may run, a clock, a socket buffer, a disk.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_core::registry::check::Health;
use tidings_core::{
    CheckId, Command, CommandError, Config, Event, Input, Node, PersistId, Reply, ResolveId, StreamEvent,
    StreamId, Time, Token,
};

use crate::clock::Clock;
use crate::disk::Disk;

/// Something that reaches a process from outside, with bytes of its own so that it can wait.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    Datagram {
        from: SocketAddr,
        payload: Bytes,
    },
    Stream {
        id: StreamId,
        event: StreamHappening,
    },
    Command {
        token: Token,
        command: Box<Command>,
    },
    Resolved {
        id: ResolveId,
        result: Result<Vec<SocketAddr>, String>,
    },
    Persisted {
        id: PersistId,
        result: Result<(), String>,
    },
    /// A probe of a service has ended.
    CheckResult {
        id: CheckId,
        status: Health,
        output: String,
    },
    /// A message between riders.
    Message {
        from: SocketAddr,
        payload: Bytes,
    },
    /// The socket takes nothing any more, or takes datagrams again.
    Stalled(bool),
    /// The process ends by its own decision.
    Stop,
}

/// A [`StreamEvent`] with bytes of its own.
#[derive(Clone, Debug)]
pub(crate) enum StreamHappening {
    Accepted(SocketAddr),
    Connected,
    Data(Bytes),
    Closed,
    Failed(String),
}

impl Happening {
    /// As the node takes it; `None`: it is for the rider.
    pub(crate) fn as_input(&self) -> Option<Input<'_>> {
        Some(match self {
            Self::Datagram { from, payload } => Input::Datagram { from: *from, payload },
            Self::Stream { id, event } => Input::Stream { id: *id, event: event.as_event() },
            Self::Stalled(stalled) => Input::Stalled(*stalled),
            Self::Command { token, command } => {
                Input::Command { token: *token, command: (**command).clone() }
            }
            Self::Resolved { id, result } => Input::Resolved { id: *id, result: result.clone() },
            Self::Persisted { id, result } => Input::Persisted { id: *id, result: result.clone() },
            Self::CheckResult { id, status, output } => {
                Input::CheckResult { id: *id, status: *status, output: output.clone() }
            }
            Self::Message { .. } | Self::Stop => return None,
        })
    }

    /// Bytes it takes in a socket's buffer; `None`: it does not go through one.
    fn buffered(&self) -> Option<usize> {
        match self {
            Self::Datagram { payload, .. } | Self::Message { payload, .. } => {
                Some(payload.len() + BUFFER_OVERHEAD)
            }
            _ => None,
        }
    }

    /// Whether it comes from the network.
    fn is_network(&self) -> bool {
        matches!(self, Self::Datagram { .. } | Self::Stream { .. } | Self::Message { .. })
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

/// What the kernel charges a datagram in a socket's buffer for, beside its bytes.
const BUFFER_OVERHEAD: usize = 768;

/// How a machine is able to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Bytes of received datagrams that may wait (768 bytes of overhead each counted in); more are
    /// dropped. 208 KiB is Linux's default.
    pub socket_buffer: usize,
    /// Packets a sending task has in hand while the process's I/O is blocked; more are dropped.
    pub blocked_sends: usize,
    /// Time the processor takes for each input; zero: none.
    pub service: Duration,
}

impl Default for Machine {
    fn default() -> Self {
        Machine { socket_buffer: 212_992, blocked_sends: 2, service: Duration::ZERO }
    }
}

/// One machine of the cluster.
#[derive(Clone, Debug)]
pub struct Host<R = ()> {
    pub(crate) config: Arc<Config>,
    pub(crate) node: Option<Node>,
    /// The user's own state machine, if there is one; made anew with each life.
    pub(crate) rider: R,
    pub(crate) life: u32,
    /// Its process found its past on the disk.
    pub(crate) restored: bool,
    pub(crate) clock: Clock,
    pub(crate) machine: Machine,
    pub(crate) disk: Disk,
    /// Faults that stop the process; their number, since they may overlap.
    pub(crate) frozen: u32,
    /// Faults that block its I/O.
    pub(crate) blocked: u32,
    pub(crate) busy_until: Time,
    pub(crate) resuming: bool,
    inbox: VecDeque<Happening>,
    inbox_bytes: usize,
    /// Sent while blocked.
    pub(crate) outbox: Vec<(SocketAddr, Bytes)>,
    /// Messages sent so far in all lives: the index of the next one's luck.
    pub(crate) sent: u64,
    /// Streams by the node's number: connection and side.
    pub(crate) streams: BTreeMap<StreamId, (u64, usize)>,
    pub(crate) accepted: u64,
    pub(crate) events: Vec<(Time, Event)>,
    pub(crate) replies: HashMap<Token, (Time, Result<Reply, CommandError>)>,
    /// Services whose probes find them ill.
    pub(crate) ill: BTreeSet<String>,
    /// Probes begun in all lives: the index of the next one's luck.
    pub(crate) probes: u64,
    /// Datagrams dropped because the socket's buffer was full.
    pub(crate) overflowed: u64,
    /// Its timers may have been late, or its clock wrong, at some time.
    pub(crate) disturbed: bool,
    /// When a fault that froze, blocked or slowed it ended last.
    pub(crate) eased: Option<Time>,
    /// Until when its clock was wrong last; [`Time::MAX`]: it still is.
    pub(crate) clock_wrong_until: Option<Time>,
    /// Whether the machine answers at all; without power, not even its kernel says no.
    pub(crate) powered: bool,
}

impl<R> Host<R> {
    pub(crate) fn new(config: Arc<Config>, rider: R) -> Self {
        Host {
            config,
            node: None,
            rider,
            life: 0,
            restored: false,
            clock: Clock::default(),
            machine: Machine::default(),
            disk: Disk::default(),
            frozen: 0,
            blocked: 0,
            busy_until: Time::ZERO,
            resuming: false,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            outbox: Vec::new(),
            sent: 0,
            streams: BTreeMap::new(),
            accepted: 0,
            events: Vec::new(),
            replies: HashMap::new(),
            ill: BTreeSet::new(),
            probes: 0,
            overflowed: 0,
            disturbed: false,
            eased: None,
            clock_wrong_until: None,
            powered: true,
        }
    }

    /// Its name in the cluster.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Its address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.config.advertise
    }

    /// The configuration its process was, or will be, started with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The running node; `None`: the process is dead.
    #[must_use]
    pub const fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// The user's own state machine.
    #[must_use]
    pub const fn rider(&self) -> &R {
        &self.rider
    }

    /// How often it has been restarted.
    #[must_use]
    pub const fn life(&self) -> u32 {
        self.life
    }

    /// What its application was told, in order; empty when the cluster does not keep events.
    #[must_use]
    pub fn events(&self) -> &[(Time, Event)] {
        &self.events
    }

    /// Datagrams dropped because its socket's buffer was full.
    #[must_use]
    pub const fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Its own clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether its timers may have been late, or its clock wrong, at some time.
    #[must_use]
    pub const fn was_disturbed(&self) -> bool {
        self.disturbed
    }

    /// Whether its process is stopped by a fault, or is short of I/O or of time.
    #[must_use]
    pub fn is_hampered(&self) -> bool {
        self.frozen > 0 || self.blocked > 0 || self.machine.service > Duration::ZERO
    }

    /// Whether it is [hampered](Self::is_hampered), or was at some time since then.
    #[must_use]
    pub fn was_hampered_since(&self, time: Time) -> bool {
        self.is_hampered() || self.eased.is_some_and(|eased| eased >= time)
    }

    /// Whether its clock is wrong, or was at some time since then: a fault moved it, makes it run
    /// fast or slow, or makes its timers coarse.
    #[must_use]
    pub fn had_wrong_clock_since(&self, time: Time) -> bool {
        self.clock_wrong_until.is_some_and(|until| until >= time)
    }

    /// Whether something that reaches it now must wait.
    pub(crate) fn must_wait(&self, now: Time, what: &Happening) -> bool {
        if matches!(what, Happening::Stalled(_)) {
            // The sending tasks stop and go on beside the receiving one and its backlog.
            return self.frozen > 0;
        }
        self.frozen > 0
            || self.busy_until > now
            || self.blocked > 0 && what.is_network()
            || !self.inbox.is_empty() && self.machine.service > Duration::ZERO
    }

    /// Lets something wait, unless its buffer is full: then it is given back.
    pub(crate) fn wait(&mut self, what: Happening) -> Option<Happening> {
        if let Some(bytes) = what.buffered() {
            if self.inbox_bytes + bytes > self.machine.socket_buffer {
                self.overflowed += 1;
                return Some(what);
            }
            self.inbox_bytes += bytes;
        }
        self.inbox.push_back(what);
        None
    }

    /// The next thing that waited and may be handled now.
    pub(crate) fn next_waiting(&mut self, now: Time) -> Option<Happening> {
        if self.frozen > 0 || self.busy_until > now {
            return None;
        }
        let place = match self.blocked {
            0 => 0,
            _ => self.inbox.iter().position(|what| !what.is_network())?,
        };
        let what = self.inbox.remove(place)?;
        self.inbox_bytes -= what.buffered().unwrap_or(0);
        Some(what)
    }

    /// What the process leaves behind when it ends.
    pub(crate) fn clear(&mut self) {
        self.node = None;
        self.inbox.clear();
        self.inbox_bytes = 0;
        self.outbox.clear();
        self.resuming = false;
        self.busy_until = Time::ZERO;
        self.life += 1;
    }
}
