//! Configuration: plain fields, presets, one [`Config::validate`].
//!
//! Every field says its unit, what the LAN preset holds, and what moves when it moves. The
//! original's names stand in parentheses where they differ.

mod registry;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;

use crate::error::ConfigError;
use crate::serf::tags::Tags;

pub use self::registry::Registry;

/// Everything a node can be told before it starts.
///
/// ```
/// use tidings_core::Config;
///
/// let mut config = Config::lan("web-1", "10.0.0.7:7946".parse().unwrap());
/// config.tags.insert("role", "web");
/// config.validate().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Unique name of this node in the cluster.
    pub name: String,
    /// Address told to the others. Its port is also the default port of join addresses.
    pub advertise: SocketAddr,
    /// Serf protocol spoken, 2 to 5 (default 5). Below 4 no queries are asked; below 3 the others
    /// see only the tag `role`.
    pub protocol: u8,
    /// Own tags; 512 bytes at most once encoded.
    pub tags: Tags,
    /// Key of the hash that orders views. `None` (default): drawn from the seed, so that peers
    /// cannot guess it. Nodes that are to share views' memory need the same value.
    pub hash_seed: Option<u64>,
    /// Failure detection.
    pub probe: Probe,
    /// How long a suspect may defend itself.
    pub suspicion: Suspicion,
    /// Local health.
    pub awareness: Awareness,
    /// Spreading of updates.
    pub gossip: Gossip,
    /// Full-state exchange.
    pub push_pull: PushPull,
    /// Streams.
    pub stream: Stream,
    /// Packets.
    pub packet: Packet,
    /// Encryption and admission.
    pub security: Security,
    /// Members' comings and goings.
    pub members: Members,
    /// User events.
    pub events: Events,
    /// Queries.
    pub queries: Queries,
    /// Leaving.
    pub leave: Leave,
    /// Queues of the Serf layer.
    pub queues: Queues,
    /// Network coordinates on acks (default on). Off: round-trip times are not estimated.
    pub coordinates: bool,
    /// Other members whose coordinates are remembered at most, default 4096; about 160 bytes each.
    pub coordinate_peers_max: usize,
    /// Hand out snapshot records as [`Output::Persist`](crate::Output::Persist) (default off).
    pub snapshot: bool,
    /// Remember the members in the snapshot across a leave, default off: after a leave the node
    /// starts alone.
    pub rejoin_after_leave: bool,
    /// Services and checks.
    pub registry: Registry,
    /// Hand out decisions as [`Output::Trace`](crate::Output::Trace) (default off).
    pub trace: bool,
    /// Deliberate bugs (default none).
    #[cfg(tidings_bugs)]
    pub bugs: crate::bugs::Bugs,
    /// Places that may take their rare branch more often (default none).
    #[cfg(tidings_bugs)]
    pub rares: crate::rare::Rares,
}

/// Failure detection (gossip-wire, section 9.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Time between probes, default 1 s (ProbeInterval). Shorter finds failures sooner and sends
    /// more.
    pub interval: Duration,
    /// Time an ack may take before helpers are asked, default 500 ms (ProbeTimeout).
    pub timeout: Duration,
    /// Helpers asked after that, default 3 (IndirectChecks); 0: none.
    pub indirect_checks: usize,
    /// Also ping over a stream when the ack is late, default on (not DisableTcpPings).
    pub stream_fallback: bool,
    /// Ask helpers to say so when they fail too, default on. Off: their silence costs no health.
    pub nacks: bool,
    /// When a helper gives up, as a fraction of its time-out in percent, default 80; the original
    /// uses 100 and often comes too late.
    pub nack_percent: u32,
}

/// Suspicion (gossip-wire, section 9.4).
#[derive(Clone, Debug, PartialEq)]
pub struct Suspicion {
    /// Lower bound of the time-out in probe intervals times `log10(members)`, default 4.0
    /// (SuspicionMult; the Lifeguard paper's alpha). Higher: fewer false positives, later finds.
    pub mult: f64,
    /// Upper bound as a multiple of the lower, default 6.0 (SuspicionMaxTimeoutMult; the paper's
    /// beta). 1.0 switches the shrinking time-out off.
    pub max_mult: f64,
    /// Independent confirmations that bring the time-out down to its lower bound (the paper's K).
    /// `None` (default): `mult - 2`.
    pub confirmations: Option<u32>,
    /// A time-out that replaces the computed lower bound, default `None`.
    pub fixed: Option<Duration>,
    /// Send the suspicion to its target with the next ping ("buddy"), default on; likewise, with the
    /// ack of its ping, tell whoever is held dead or left. Off: they learn by gossip and push/pull
    /// alone.
    pub buddy: bool,
}

/// Local health (gossip-wire, section 9.3).
#[derive(Clone, Debug, PartialEq)]
pub struct Awareness {
    /// One more than the highest score, default 8 (AwarenessMaxMultiplier); 1 switches it off.
    pub max: u32,
    /// Stretch the probe time-out as well as the interval, default off (the original stretches
    /// the interval alone; the paper both).
    pub scale_timeout: bool,
}

/// Spreading of updates (gossip-wire, section 8).
#[derive(Clone, Debug, PartialEq)]
pub struct Gossip {
    /// Time between rounds, default 200 ms (GossipInterval).
    pub interval: Duration,
    /// Members told in a round, default 3 (GossipNodes).
    pub nodes: usize,
    /// How often an update is sent, as a multiple of `ceil(log10(members + 1))`, default 4
    /// (RetransmitMult). Higher: surer and costlier.
    pub retransmit_mult: u32,
    /// A transmit limit that replaces the computed one, default `None`.
    pub fixed_limit: Option<u32>,
    /// Updates in one packet at most, default `None`: as many as fit.
    pub updates_per_packet: Option<usize>,
    /// How long the dead are still told, default 30 s (GossipToTheDeadTime), so that they can
    /// refute; also how long SWIM remembers them.
    pub to_the_dead: Duration,
    /// Send fresh updates at once and again after short, growing gaps, default on. Off: wait for
    /// the next round, as the original does.
    pub eager: bool,
    /// The first of those gaps, default 10 ms. Shorter: less latency, less packing.
    pub eager_gap: Duration,
    /// Let updates ride on pings and acks, default on.
    pub piggyback: bool,
}

/// Full-state exchange (gossip-wire, section 10).
#[derive(Clone, Debug, PartialEq)]
pub struct PushPull {
    /// Time between exchanges in a small cluster, default 30 s (PushPullInterval); grows with the
    /// logarithm of the cluster's size. `None`: never.
    pub interval: Option<Duration>,
    /// Streams that peers may have open at the same time, default 128; more are turned away.
    pub concurrent_max: usize,
}

/// Streams.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// Time a stream may take as a whole, default 10 s (TCPTimeout).
    pub timeout: Duration,
    /// Streams open at the same time, default 256; more are turned away.
    pub open_max: usize,
    /// Bytes of one message on a stream, default 20 MiB.
    pub message_max: usize,
    /// Bytes that all streams together may hold unread, default 32 MiB.
    pub buffered_max: usize,
    /// Bytes a compressed stream message may grow to, default 40 MiB.
    pub decompressed_max: usize,
    /// Join addresses dialled at the same time, default 8.
    pub joins_max: usize,
}

/// Packets (gossip-wire, section 4).
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// Bytes a packet is filled to, default 1400 (UDPBufferSize).
    pub size: usize,
    /// Compress streams, and packets where that saves bytes, default on (EnableCompression).
    pub compression: bool,
    /// Packets below this size are not tried, default 512 bytes.
    pub compression_min: usize,
    /// Bytes one packet may grow to, default 64 KiB.
    pub decompressed_max: usize,
    /// Messages a packet may nest or hold, default 1024.
    pub messages_max: usize,
}

/// Encryption and admission (gossip-wire, sections 4.1, 4.2 and 14).
#[derive(Clone, Debug, PartialEq)]
pub struct Security {
    /// Keys of 16, 24 or 32 bytes, the first encrypts; empty (default): no encryption.
    ///
    /// Nonces come from the seed given to the node: with keys, **never use a seed twice**.
    pub keys: Vec<Bytes>,
    /// Refuse plain packets when there are keys, default on (GossipVerifyIncoming).
    pub verify_incoming: bool,
    /// Encrypt what is sent when there are keys, default on (GossipVerifyOutgoing). Both off is a
    /// step of moving a plain cluster to encryption.
    pub verify_outgoing: bool,
    /// Separates clusters that share a network: packets with another label are dropped. At most
    /// 255 bytes; empty (default): none.
    pub label: String,
    /// Accept streams and packets without a label although one is configured, default off
    /// (SkipInboundLabelCheck).
    pub skip_inbound_label_check: bool,
    /// Networks (address, prefix length) members may have addresses in; empty (default): all.
    pub allowed: Vec<(IpAddr, u8)>,
    /// Have each keyring change written (as [`Persist::Keyring`](crate::Persist::Keyring)) before
    /// it is confirmed to the asker, default off.
    pub persist_keyring: bool,
}

/// Members' comings and goings (serf-wire, sections 5 and 12).
#[derive(Clone, Debug, PartialEq)]
pub struct Members {
    /// Members a view holds at most, default 131,072; claims about more are refused.
    pub max: usize,
    /// Time between looks for members to forget, default 15 s (ReapInterval).
    pub reap_interval: Duration,
    /// Time between attempts to reach a failed member, default 30 s (ReconnectInterval).
    pub reconnect_interval: Duration,
    /// A failed member is forgotten after this, default 24 h (ReconnectTimeout).
    pub reconnect_timeout: Duration,
    /// A member that left is forgotten after this, default 24 h (TombstoneTimeout).
    pub tombstone_timeout: Duration,
    /// Intents about unknown members are kept for this long, default 5 min (RecentIntentTimeout).
    pub recent_intent_timeout: Duration,
    /// Intents about unknown members kept at most, default 4096.
    pub recent_intents_max: usize,
    /// A failed member's name may be taken from another address after this, default zero: never
    /// (DeadNodeReclaimTime).
    pub dead_reclaim: Duration,
    /// Let the cluster vote when another node claims the own name, default on
    /// (EnableNameConflictResolution).
    pub resolve_conflicts: bool,
    /// Refuse names with other characters than letters, digits, `-` and `.`, or longer than 128
    /// bytes, default off (ValidateNodeNames).
    pub validate_names: bool,
    /// Fold member events over this time, default `None`: tell each at once.
    pub coalesce: Option<Coalesce>,
}

/// Folding of events (serf-wire, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coalesce {
    /// From the first event to the flush at the latest; the agent uses 3 s.
    pub period: Duration,
    /// Flush after this much quiet; the agent uses 1 s.
    pub quiescent: Duration,
}

/// User events (serf-wire, section 6.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Events {
    /// Lamport times remembered against repetition, default 512 (EventBuffer).
    pub buffer: usize,
    /// Bytes remembered with them at most, default 4 MiB; the oldest go first.
    pub buffer_bytes_max: usize,
    /// Bytes of name and payload at most when sending, default 512, never above 9216
    /// (UserEventSizeLimit).
    pub size_limit: usize,
    /// Fold events that allow it, default `None`.
    pub coalesce: Option<Coalesce>,
    /// Names of events that are told one by one although they allow folding, default none.
    pub told_singly: Vec<String>,
}

/// Queries (serf-wire, section 6.2 onwards).
#[derive(Clone, Debug, PartialEq)]
pub struct Queries {
    /// Lamport times remembered against repetition, default 512 (QueryBuffer).
    pub buffer: usize,
    /// Queries remembered under one Lamport time at most, default 64.
    pub per_time_max: usize,
    /// Default time-out as a multiple of gossip interval and `ceil(log10(members + 1))`,
    /// default 16 (QueryTimeoutMult).
    pub timeout_mult: u32,
    /// Bytes of an encoded query at most, default 1024 (QuerySizeLimit).
    pub size_limit: usize,
    /// Bytes of an encoded response at most, default 1024 (QueryResponseSizeLimit).
    pub response_size_limit: usize,
    /// Own queries open at the same time, default 1024.
    pub open_max: usize,
    /// Received queries that may still be answered at the same time, default 1024.
    pub pending_max: usize,
}

/// Leaving (serf-wire, section 5.5).
#[derive(Clone, Debug, PartialEq)]
pub struct Leave {
    /// How long a broadcast that somebody waits for may take, default 5 s (BroadcastTimeout).
    pub broadcast_timeout: Duration,
    /// Time the word gets to spread after it was sent, default 1 s (LeavePropagateDelay).
    pub propagate_delay: Duration,
}

/// Queues of the Serf layer (serf-wire, section 10).
#[derive(Clone, Debug, PartialEq)]
pub struct Queues {
    /// Time between looks at the queues, default 30 s (QueueCheckInterval).
    pub check_interval: Duration,
    /// Depth from which a warning is given, default 128 (QueueDepthWarning).
    pub depth_warning: usize,
    /// Messages a queue holds at most, default 4096 (MaxQueueDepth).
    /// So many changes of the registry as well.
    pub depth_max: usize,
    /// If not zero, a queue holds at most twice the members but no less than this, default 0
    /// (MinQueueDepth).
    pub depth_min: usize,
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const DAY: Duration = secs(24 * 60 * 60);

impl Config {
    /// For one local network: the original's `lan` profile.
    #[must_use]
    pub fn lan(name: impl Into<String>, advertise: SocketAddr) -> Self {
        Config {
            name: name.into(),
            advertise,
            protocol: 5,
            tags: Tags::new(),
            hash_seed: None,
            probe: Probe {
                interval: secs(1),
                timeout: ms(500),
                indirect_checks: 3,
                stream_fallback: true,
                nacks: true,
                nack_percent: 80,
            },
            suspicion: Suspicion { mult: 4.0, max_mult: 6.0, confirmations: None, fixed: None, buddy: true },
            awareness: Awareness { max: 8, scale_timeout: false },
            gossip: Gossip {
                interval: ms(200),
                nodes: 3,
                retransmit_mult: 4,
                fixed_limit: None,
                updates_per_packet: None,
                to_the_dead: secs(30),
                eager: true,
                eager_gap: ms(10),
                piggyback: true,
            },
            push_pull: PushPull { interval: Some(secs(30)), concurrent_max: 128 },
            stream: Stream {
                timeout: secs(10),
                open_max: 256,
                message_max: 20 << 20,
                buffered_max: 32 << 20,
                decompressed_max: 40 << 20,
                joins_max: 8,
            },
            packet: Packet {
                size: 1400,
                compression: true,
                compression_min: 512,
                decompressed_max: 64 << 10,
                messages_max: 1024,
            },
            security: Security {
                keys: Vec::new(),
                verify_incoming: true,
                verify_outgoing: true,
                label: String::new(),
                skip_inbound_label_check: false,
                allowed: Vec::new(),
                persist_keyring: false,
            },
            members: Members {
                max: 1 << 17,
                reap_interval: secs(15),
                reconnect_interval: secs(30),
                reconnect_timeout: DAY,
                tombstone_timeout: DAY,
                recent_intent_timeout: secs(300),
                recent_intents_max: 4096,
                dead_reclaim: Duration::ZERO,
                resolve_conflicts: true,
                validate_names: false,
                coalesce: None,
            },
            events: Events {
                buffer: 512,
                buffer_bytes_max: 4 << 20,
                size_limit: 512,
                coalesce: None,
                told_singly: Vec::new(),
            },
            queries: Queries {
                buffer: 512,
                per_time_max: 64,
                timeout_mult: 16,
                size_limit: 1024,
                response_size_limit: 1024,
                open_max: 1024,
                pending_max: 1024,
            },
            leave: Leave { broadcast_timeout: secs(5), propagate_delay: secs(1) },
            queues: Queues { check_interval: secs(30), depth_warning: 128, depth_max: 4096, depth_min: 0 },
            coordinates: true,
            coordinate_peers_max: 4096,
            snapshot: false,
            rejoin_after_leave: false,
            registry: Registry::default(),
            trace: false,
            #[cfg(tidings_bugs)]
            bugs: crate::bugs::Bugs::default(),
            #[cfg(tidings_bugs)]
            rares: crate::rare::Rares::default(),
        }
    }

    /// For networks between sites: the original's `wan` profile.
    #[must_use]
    pub fn wan(name: impl Into<String>, advertise: SocketAddr) -> Self {
        let mut config = Self::lan(name, advertise);
        config.stream.timeout = secs(30);
        config.suspicion.mult = 6.0;
        config.push_pull.interval = Some(secs(60));
        config.probe.timeout = secs(3);
        config.probe.interval = secs(5);
        config.gossip.nodes = 4;
        config.gossip.interval = ms(500);
        config.gossip.to_the_dead = secs(60);
        config
    }

    /// For one host: the original's `local` profile.
    #[must_use]
    pub fn local(name: impl Into<String>, advertise: SocketAddr) -> Self {
        let mut config = Self::lan(name, advertise);
        config.stream.timeout = secs(1);
        config.probe.indirect_checks = 1;
        config.gossip.retransmit_mult = 2;
        config.suspicion.mult = 3.0;
        config.push_pull.interval = Some(secs(15));
        config.probe.timeout = ms(200);
        config.probe.interval = secs(1);
        config.gossip.interval = ms(100);
        config.gossip.to_the_dead = secs(15);
        config
    }

    /// Checks every field against what it may be.
    ///
    /// # Errors
    /// The first field that cannot work, with what is allowed.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self.protocol {
            0..2 => return Err(ConfigError::ProtocolTooLow(self.protocol)),
            2..=5 => {}
            _ => return Err(ConfigError::ProtocolTooHigh(self.protocol)),
        }
        if self.tags.encoded_len(self.protocol) > crate::wire::limits::META_MAX {
            return Err(ConfigError::TagsTooLarge);
        }
        if self.security.keys.iter().any(|key| !matches!(key.len(), 16 | 24 | 32)) {
            return Err(ConfigError::KeySize);
        }
        self.validate_names()?;
        self.validate_ranges()
    }

    fn validate_names(&self) -> Result<(), ConfigError> {
        let name = self.name.as_str();
        if name.is_empty() || name.len() > crate::wire::limits::NAME_MAX {
            return field("name", "must have 1 to 255 bytes");
        }
        if self.members.validate_names && !valid_name(name) {
            return field("name", "may hold letters, digits, '-' and '.', and 128 bytes at most");
        }
        if self.security.label.len() > 255 {
            return field("security.label", "must have 255 bytes at most");
        }
        if self.security.allowed.iter().any(|(ip, bits)| *bits > if ip.is_ipv4() { 32 } else { 128 }) {
            return field("security.allowed", "a prefix has 32 bits at most in IPv4 and 128 in IPv6");
        }
        Ok(())
    }

    fn validate_ranges(&self) -> Result<(), ConfigError> {
        let positive = [
            ("probe.interval", self.probe.interval),
            ("probe.timeout", self.probe.timeout),
            ("gossip.interval", self.gossip.interval),
            ("gossip.eager_gap", self.gossip.eager_gap),
            ("push_pull.interval", self.push_pull.interval.unwrap_or(DAY)),
            ("stream.timeout", self.stream.timeout),
            ("members.reap_interval", self.members.reap_interval),
            ("members.reconnect_interval", self.members.reconnect_interval),
            ("queues.check_interval", self.queues.check_interval),
            ("leave.broadcast_timeout", self.leave.broadcast_timeout),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, d)| d.is_zero()) {
            return field(name, "must be longer than zero");
        }
        let counts: [(&'static str, usize, usize, usize); 13] = [
            ("probe.indirect_checks", self.probe.indirect_checks, 0, 64),
            ("gossip.nodes", self.gossip.nodes, 1, 64),
            ("packet.size", self.packet.size, 256, 65_000),
            ("packet.messages_max", self.packet.messages_max, 1, 1 << 16),
            ("events.buffer", self.events.buffer, 1, 1 << 20),
            ("queries.buffer", self.queries.buffer, 1, 1 << 20),
            ("events.size_limit", self.events.size_limit, 1, crate::wire::limits::USER_EVENT_MAX),
            ("queries.size_limit", self.queries.size_limit, 1, 1 << 16),
            ("queries.response_size_limit", self.queries.response_size_limit, 1, 1 << 16),
            ("members.max", self.members.max, 1, u32::MAX as usize),
            ("stream.message_max", self.stream.message_max, 1 << 10, 1 << 30),
            ("probe.nack_percent", self.probe.nack_percent as usize, 1, 100),
            ("awareness.max", self.awareness.max as usize, 1, 1 << 10),
        ];
        for (name, value, min, max) in counts {
            if !(min..=max).contains(&value) {
                return Err(ConfigError::Field {
                    field: name,
                    problem: format!("is {value}, must be {min} to {max}"),
                });
            }
        }
        if !(self.suspicion.mult > 0.0 && self.suspicion.mult <= 1e6) {
            return field("suspicion.mult", "must be above 0 and at most 1,000,000");
        }
        if !(self.suspicion.max_mult >= 1.0 && self.suspicion.max_mult <= 1e6) {
            return field("suspicion.max_mult", "must be 1 to 1,000,000");
        }
        if self.gossip.retransmit_mult == 0 {
            return field("gossip.retransmit_mult", "must be at least 1");
        }
        Ok(())
    }
}

/// Whether a name passes the strict rule of [`Members::validate_names`].
pub(crate) fn valid_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

fn field<T>(field: &'static str, problem: &str) -> Result<T, ConfigError> {
    Err(ConfigError::Field { field, problem: problem.into() })
}
