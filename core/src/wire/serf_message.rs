//! The messages of the Serf layer (serf-wire, sections 1 and 2).
//!
//! As in [`message`](super::message): `decode` takes the body behind the type byte, `encode`
//! writes the Serf type byte first. On a packet the gossip layer's
//! [`User`](super::message::MessageType::User) byte stands in front of it.

mod gossip;
mod list;
mod query;
mod reply;
mod state;

pub use gossip::{Join, Leave, UserEvent};
pub use list::{Filter, Filters, Pairs, Texts};
pub use query::{Query, QueryResponse, Relay, encode_filters};
pub use reply::{ConflictResponse, KeyRequest, KeyResponse, MemberRecord};
pub use state::{EventSlot, Events, PushPull, StatusTimes, UserEvents, encode_push_pull};

/// The first byte of a Serf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SerfType {
    /// A member is about to leave, or was forced to.
    Leave = 0,
    /// A member is back.
    Join = 1,
    /// Full state, carried by push/pull.
    PushPull = 2,
    /// An application's event.
    UserEvent = 3,
    /// A question.
    Query = 4,
    /// Its answer, or the acknowledgement of it.
    QueryResponse = 5,
    /// What is known of a member whose name is disputed.
    ConflictResponse = 6,
    /// An operation on the keyring.
    KeyRequest = 7,
    /// How that went.
    KeyResponse = 8,
    /// A message for a third node.
    Relay = 9,
    /// Changes of the registry, for members that keep one.
    Registry = b'T',
}

impl SerfType {
    /// The type with this number.
    #[must_use]
    pub const fn from_u8(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Leave,
            1 => Self::Join,
            2 => Self::PushPull,
            3 => Self::UserEvent,
            4 => Self::Query,
            5 => Self::QueryResponse,
            6 => Self::ConflictResponse,
            7 => Self::KeyRequest,
            8 => Self::KeyResponse,
            9 => Self::Relay,
            b'T' => Self::Registry,
            _ => return None,
        })
    }

    /// The word for it in refusals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leave => "leave intent",
            Self::Join => "join intent",
            Self::PushPull => "Serf state",
            Self::UserEvent => "user event",
            Self::Query => "query",
            Self::QueryResponse => "query response",
            Self::ConflictResponse => "conflict response",
            Self::KeyRequest => "key request",
            Self::KeyResponse => "key response",
            Self::Relay => "relay",
            Self::Registry => "registry gossip",
        }
    }
}
