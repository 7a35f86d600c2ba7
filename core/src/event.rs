//! News for the application.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::error::Refused;
use crate::serf::clock::LamportTime;
use crate::swim::member::Member;
use crate::time::Time;

/// One piece of news.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Members changed. With coalescing, several members may share one event.
    Members(MemberEvent),
    /// A user event arrived (or was sent by this very node).
    User(UserEvent),
    /// A query arrived that this node may answer with
    /// [`Command::Respond`](crate::Command::Respond).
    Query(Box<Query>),
    /// Something came back for a query this node asked.
    Answer(Answer),
    /// Another node at `addr` claims the name of a known member.
    Conflict {
        /// The member as it is known here.
        existing: Member,
        /// Where the other one is.
        addr: SocketAddr,
    },
    /// The vote about this node's own name was lost: it must stop, without leaving.
    NameLost {
        /// Votes for this node.
        matching: usize,
        /// Answers in all.
        responses: usize,
    },
    /// Bytes or claims from outside were refused; nothing changed.
    Refused(Box<Refused>),
    /// A queue is long, or dropped messages because it is full.
    QueueWarning {
        /// `Intent`, `Event` or `Query`, the words of the original's logs.
        queue: &'static str,
        /// Messages in the queue.
        depth: usize,
        /// How many were dropped now.
        dropped: usize,
    },
    /// A push/pull with a member failed; the next one is tried in time.
    SyncFailed {
        /// The peer.
        peer: SocketAddr,
        /// Why.
        reason: String,
    },
    /// A failed member is tried again by dialling it.
    Reconnecting {
        /// The member.
        member: Member,
    },
    /// An instance was critical for as long as its check allows, and was deregistered.
    Deregistered {
        /// The instance.
        service: Arc<str>,
        /// The check.
        check: Arc<str>,
    },
    /// This agent spoke for a node that is no agent, and speaks for it no longer.
    NodeClaimLost {
        /// The node.
        node: Arc<str>,
        /// Who speaks for it: an agent that claimed it later, or the node itself.
        to: Arc<str>,
    },
}

/// What happened to members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberEventKind {
    /// It joined, or came back.
    Join,
    /// It left gracefully, or was forced to.
    Leave,
    /// It was declared failed.
    Failed,
    /// Its tags or address changed.
    Update,
    /// It was forgotten.
    Reap,
}

impl MemberEventKind {
    /// The word used in configuration, scripts and RPC.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Join => "member-join",
            Self::Leave => "member-leave",
            Self::Failed => "member-failed",
            Self::Update => "member-update",
            Self::Reap => "member-reap",
        }
    }
}

impl fmt::Display for MemberEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Members that changed in the same way.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberEvent {
    /// How they changed.
    pub kind: MemberEventKind,
    /// Who changed, as they are now; never empty.
    pub members: SmallVec<[Member; 1]>,
}

/// An event sent by some node's application to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvent {
    /// When it was sent, on the cluster's event clock.
    pub ltime: LamportTime,
    /// Its name.
    pub name: Arc<str>,
    /// Its payload, empty if it has none.
    pub payload: Bytes,
    /// The sender allows folding into a newer event of the same name.
    pub coalesce: bool,
}

/// Names a query within the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId {
    /// When it was asked, on the cluster's query clock.
    pub ltime: LamportTime,
    /// The random part.
    pub id: u32,
}

/// A query of some node's application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Its identity, needed to answer it.
    pub id: QueryId,
    /// Its name.
    pub name: Arc<str>,
    /// The question, empty if it has none.
    pub payload: Bytes,
    /// Who asked; empty when an old peer did not say.
    pub source: Arc<str>,
    /// Answers after this moment are refused.
    pub deadline: Time,
}

/// Something that came back for a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The query asked.
    pub query: QueryId,
    /// What came.
    pub kind: AnswerKind,
}

/// The kinds of answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// A member has the query (once for each member).
    Ack {
        /// The member.
        from: Arc<str>,
    },
    /// A member's answer (once for each member).
    Response {
        /// The member.
        from: Arc<str>,
        /// What it says.
        payload: Bytes,
    },
    /// The query's time is over; nothing more will come.
    Done {
        /// How long it was open.
        after: Duration,
    },
}
