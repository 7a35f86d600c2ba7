//! Faults: what goes wrong, where, from when to when.
//!
//! Each fault draws from a stream of its own, so that taking one away changes nothing about what
//! the others do by themselves.

mod act;
mod core;
pub(crate) mod draw;
mod hostile;
mod pick;
mod process;
mod shape;
mod text;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::core::{Core, Fate};
use crate::net::{ConditionId, HostId};
use crate::script::is_usual;
pub(crate) use act::{MESSAGE_NAMES, message_type};
pub use draw::Group;
pub use hostile::Lie;
pub use pick::{LinkPick, Pick};
pub use shape::Shape;

/// A fault: when, how long, and what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When it begins, from the start of the run.
    #[serde(with = "crate::span")]
    pub at: Duration,
    /// How long it lasts; absent: until the faults' time is over.
    #[serde(default, rename = "for", with = "crate::span::option", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Duration>,
    /// Number of its random stream; absent: its place in the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<u64>,
    /// What goes wrong.
    #[serde(rename = "do")]
    pub what: Trouble,
}

impl Fault {
    /// A fault that begins at `at`.
    #[must_use]
    pub const fn new(at: Duration, lasts: Duration, what: Trouble) -> Self {
        Fault { at, lasts: Some(lasts), stream: None, what }
    }
}

/// How a process that ended comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Return {
    /// With what is on its disk (which needs `snapshot` in the configuration), else afresh.
    #[default]
    WithState,
    /// With an empty disk.
    Afresh,
    /// With the snapshot as it was half of the fault's time before.
    OldState,
    /// Afresh, at another address.
    NewAddress,
    /// Afresh, at the same address under another name.
    NewName,
    /// Never.
    Never,
}

fn always() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}

/// What can go wrong (papers, section 8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are explained with their variant")]
pub enum Trouble {
    /// A share of the packets is lost.
    Loss {
        rate: f64,
        #[serde(default, skip_serializing_if = "is_usual")]
        links: LinkPick,
    },
    /// Packets are lost in bursts: chances to enter and to leave one, and the share lost within.
    Burst {
        enter: f64,
        leave: f64,
        #[serde(default = "always")]
        rate: f64,
        #[serde(default, skip_serializing_if = "is_usual")]
        links: LinkPick,
    },
    /// A share of the datagrams arrives twice, the second later by at most `later`.
    Duplicate {
        rate: f64,
        #[serde(with = "crate::span")]
        later: Duration,
        #[serde(default, skip_serializing_if = "is_usual")]
        links: LinkPick,
    },
    /// A share of the datagrams is late by at most `later`, and overtaken.
    Reorder {
        rate: f64,
        #[serde(with = "crate::span")]
        later: Duration,
        #[serde(default, skip_serializing_if = "is_usual")]
        links: LinkPick,
    },
    /// A share of the datagrams comes again, between `after` and `until` later.
    Replay {
        rate: f64,
        #[serde(with = "crate::span")]
        after: Duration,
        #[serde(with = "crate::span")]
        until: Duration,
        #[serde(default, skip_serializing_if = "is_usual")]
        links: LinkPick,
    },
    /// A share of the datagrams has a bit flipped.
    Corrupt {
        rate: f64,
        #[serde(default, skip_serializing_if = "is_usual")]
        links: LinkPick,
    },
    /// A share of the datagrams is cut off.
    Truncate {
        rate: f64,
        #[serde(default, skip_serializing_if = "is_usual")]
        links: LinkPick,
    },
    /// Datagrams of a type are lost: `ping`, `indirect-ping`, `ack`, `nack`, `suspect`, `alive`,
    /// `dead`, `compound`, `user`, `compress`.
    DropType {
        message: String,
        #[serde(default, skip_serializing_if = "is_usual")]
        links: LinkPick,
    },
    /// The `nth` datagram, from 1, is lost.
    DropNth {
        nth: u64,
        #[serde(default, skip_serializing_if = "is_usual")]
        links: LinkPick,
    },
    /// Everything takes longer, by an exponential time with this mean and floor.
    Delay {
        #[serde(with = "crate::span")]
        min: Duration,
        #[serde(with = "crate::span")]
        mean: Duration,
        #[serde(default, skip_serializing_if = "is_usual")]
        links: LinkPick,
    },
    /// Links carry this many bytes a second, and queue this many.
    Rate {
        bytes_per_second: u64,
        queue_bytes: u64,
        #[serde(default, skip_serializing_if = "is_usual")]
        links: LinkPick,
    },
    /// Datagrams above this size, headers included, are lost.
    Mtu {
        bytes: usize,
        #[serde(default, skip_serializing_if = "is_usual")]
        links: LinkPick,
    },
    /// Nothing passes; or only streams, or only datagrams, do.
    Block {
        #[serde(default = "yes")]
        datagrams: bool,
        #[serde(default = "yes")]
        streams: bool,
        #[serde(default, skip_serializing_if = "is_usual")]
        links: LinkPick,
    },
    /// What is sent waits, then arrives in order.
    Clog {
        #[serde(default, skip_serializing_if = "is_usual")]
        links: LinkPick,
    },
    /// The links of these members are clogged one by one over `over`, and released one by one in
    /// another order.
    SwizzleClog {
        members: Pick,
        #[serde(with = "crate::span")]
        over: Duration,
    },
    /// The streams of these members are reset.
    ResetStreams { members: Pick },
    /// The network falls apart.
    Partition { shape: Shape },
    /// As a partition, but it comes and goes every `every`.
    Flap {
        shape: Shape,
        #[serde(with = "crate::span")]
        every: Duration,
    },
    /// Processes end; they come back when the fault ends. `rolling`: one after the other, spread
    /// over the fault's time.
    Crash {
        members: Pick,
        #[serde(default, rename = "return", skip_serializing_if = "is_usual")]
        comes_back: Return,
        #[serde(default, skip_serializing_if = "is_usual")]
        rolling: bool,
    },
    /// Machines lose their power: unflushed writes tear, and nobody resets their streams.
    PowerLoss {
        members: Pick,
        #[serde(default, rename = "return", skip_serializing_if = "is_usual")]
        comes_back: Return,
    },
    /// Processes stand still: nothing runs, timers are late; received datagrams wait in the
    /// socket's buffer.
    Freeze { members: Pick },
    /// Processes cannot send or receive, while their timers run (the Lifeguard paper's anomaly).
    BlockIo { members: Pick },
    /// Processes freeze for `on`, run for `off`, and again.
    Pauses {
        members: Pick,
        #[serde(with = "crate::span")]
        on: Duration,
        #[serde(with = "crate::span")]
        off: Duration,
    },
    /// Each input takes this much time.
    SlowCpu {
        members: Pick,
        #[serde(with = "crate::span")]
        service: Duration,
    },
    /// Clocks jump forward.
    ClockJump {
        members: Pick,
        #[serde(with = "crate::span")]
        by: Duration,
    },
    /// Clocks run fast, or slow if negative, by parts in a million.
    ClockDrift { members: Pick, ppm: i64 },
    /// Timers fire only at whole multiples of `grain`.
    CoarseTimers {
        members: Pick,
        #[serde(with = "crate::span")]
        grain: Duration,
    },
    /// Processes stand still together with their clocks, as a virtual machine that is suspended.
    Suspend { members: Pick },
    /// Disks are full.
    FullDisk { members: Pick },
    /// Hosts lie: every `every`, each of them sends a forgery to some other host, beside what its
    /// node sends in good faith.
    Hostile {
        members: Pick,
        #[serde(with = "crate::span")]
        every: Duration,
        #[serde(default = "hostile::all", skip_serializing_if = "hostile::is_all")]
        lies: Vec<Lie>,
    },
}

/// What is undone when a fault ends.
#[derive(Clone, Debug)]
pub(crate) enum Undo {
    Lift(ConditionId),
    Restart { host: HostId, comes_back: Return, contacts: Vec<HostId> },
    Thaw(HostId),
    UnblockIo(HostId),
    Service(HostId, Duration),
    Drift(HostId),
    Grain(HostId),
    ResumeClock(HostId),
    DiskSpace(HostId),
}

/// A fault of a run and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) fault: Fault,
    pub(crate) undo: Vec<Undo>,
    pub(crate) begun: bool,
    pub(crate) over: bool,
    /// Hosts it steps through, in order.
    pub(crate) hosts: Vec<HostId>,
}

impl Planned {
    pub(crate) const fn new(fault: Fault) -> Self {
        Planned { fault, undo: Vec::new(), begun: false, over: false, hosts: Vec::new() }
    }
}

/// All faults of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) planned: Vec<Planned>,
    /// How many are under way.
    pub(crate) active: usize,
}
