//! What datagrams are lost to.

use std::fmt;

/// Why a datagram did not reach the process it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LostTo {
    /// The dice of a lossy link.
    Loss,
    /// A burst of losses.
    Burst,
    /// A partition, or a link that is blocked.
    Cut,
    /// A link that carries too little.
    LinkQueue,
    /// It was larger than the link takes.
    Mtu,
    /// A fault that drops its type of message.
    DropType,
    /// A fault that drops the n-th datagram.
    DropNth,
    /// The sending process, whose I/O is blocked, has its hands full.
    BlockedSender,
    /// The receiver's socket buffer was full.
    SocketBuffer,
    /// Nobody has the address.
    NoAddress,
    /// The receiver's process does not run.
    NoProcess,
}

impl fmt::Display for LostTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loss => "random loss",
            Self::Burst => "a burst of losses",
            Self::Cut => "a partition or blocked link",
            Self::LinkQueue => "the full queue of a slow link",
            Self::Mtu => "the link's MTU",
            Self::DropType => "a fault that drops its type",
            Self::DropNth => "a fault that drops one datagram",
            Self::BlockedSender => "the sender's blocked I/O",
            Self::SocketBuffer => "the receiver's full socket buffer",
            Self::NoAddress => "an address nobody has",
            Self::NoProcess => "a process that does not run",
        })
    }
}
