//! What a datagram says, in the words of traces.

use std::fmt;

use tidings_core::wire::Keyring;
use tidings_core::wire::message::Message;
use tidings_core::wire::packet::Opener;
use tidings_core::{Config, Incarnation};

/// Messages of the Serf layer, by number.
const SERF: [&str; 10] = [
    "leave-intent",
    "join-intent",
    "push-pull",
    "user-event",
    "query",
    "query-response",
    "conflict-response",
    "key-request",
    "key-response",
    "relay",
];
/// Kinds of messages below the Serf layer, and of what cannot be read.
const SWIM: [&str; 8] = ["ping", "indirect-ping", "ack", "nack", "suspect", "alive", "dead", "unreadable"];

/// A message of a datagram, as far as traces care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Letter {
    Ping { seq: u32, target: String },
    IndirectPing { seq: u32, target: String },
    Ack { seq: u32 },
    Nack { seq: u32 },
    Suspect { member: String, incarnation: Incarnation, from: String },
    Alive { member: String, incarnation: Incarnation },
    Dead { member: String, incarnation: Incarnation, from: String },
    Serf(&'static str),
    Unreadable,
}

impl Letter {
    /// All kinds.
    pub(crate) fn kinds() -> impl Iterator<Item = &'static str> + Clone {
        SWIM.into_iter().chain(SERF)
    }

    /// Its kind.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Ping { .. } => "ping",
            Self::IndirectPing { .. } => "indirect-ping",
            Self::Ack { .. } => "ack",
            Self::Nack { .. } => "nack",
            Self::Suspect { .. } => "suspect",
            Self::Alive { .. } => "alive",
            Self::Dead { .. } => "dead",
            Self::Serf(kind) => kind,
            Self::Unreadable => "unreadable",
        }
    }

    /// The member it is about.
    pub(crate) fn about(&self) -> Option<&str> {
        match self {
            Self::Ping { target, .. } | Self::IndirectPing { target, .. } => Some(target),
            Self::Suspect { member, .. } | Self::Alive { member, .. } | Self::Dead { member, .. } => {
                Some(member)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ping { seq, target } => write!(f, "ping {seq} to {target}"),
            Self::IndirectPing { seq, target } => write!(f, "indirect ping {seq} to {target}"),
            Self::Ack { seq } => write!(f, "ack {seq}"),
            Self::Nack { seq } => write!(f, "nack {seq}"),
            Self::Suspect { member, incarnation, from } => {
                write!(f, "suspect {member} at {incarnation} by {from}")
            }
            Self::Alive { member, incarnation } => write!(f, "alive {member} at {incarnation}"),
            Self::Dead { member, incarnation, from } => write!(f, "dead {member} at {incarnation} by {from}"),
            Self::Serf(kind) => f.write_str(kind),
            Self::Unreadable => f.write_str("something unreadable"),
        }
    }
}

/// Reads datagrams, reusing its memory from one to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Letters(Opener);

impl Letters {
    /// What a datagram says to a node with this configuration.
    pub(crate) fn read(&mut self, config: &Config, payload: &[u8]) -> Vec<Letter> {
        let Ok(keyring) = Keyring::new(&config.security.keys) else { return Vec::new() };
        let mut letters = Vec::new();
        self.0.open(payload, config, &keyring, |message| {
            let message = message.and_then(Message::decode);
            letters.push(message.map_or(Letter::Unreadable, |message| letter(&message)));
        });
        letters
    }
}

/// A message as traces tell it.
pub(crate) fn letter(message: &Message<'_>) -> Letter {
    match message {
        Message::Ping(ping) => Letter::Ping { seq: ping.seq, target: ping.node.to_owned() },
        Message::IndirectPing(ping) => Letter::IndirectPing { seq: ping.seq, target: ping.node.to_owned() },
        Message::Ack(ack) => Letter::Ack { seq: ack.seq },
        Message::Nack(nack) => Letter::Nack { seq: nack.seq },
        Message::Suspect(suspect) => Letter::Suspect {
            member: suspect.node.to_owned(),
            incarnation: suspect.incarnation,
            from: suspect.from.to_owned(),
        },
        Message::Alive(alive) => {
            Letter::Alive { member: alive.node.to_owned(), incarnation: alive.incarnation }
        }
        Message::Dead(dead) => Letter::Dead {
            member: dead.node.to_owned(),
            incarnation: dead.incarnation,
            from: dead.from.to_owned(),
        },
        Message::User(payload) => {
            let kind = payload.first().and_then(|kind| SERF.get(usize::from(*kind)));
            kind.map_or(Letter::Unreadable, |kind| Letter::Serf(kind))
        }
    }
}
