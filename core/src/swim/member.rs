//! A member as every view holds it.

use alloc::sync::Arc;
use core::fmt;
use core::net::SocketAddr;

use bytes::Bytes;

use crate::hash;
use crate::registry::marker::is_marked;
use crate::serf::clock::LamportTime;
use crate::serf::tags::Tags;
use crate::trie::Record;

/// How often a member has asserted itself; higher wins.
pub type Incarnation = u32;

/// What SWIM thinks of a member (gossip-wire, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// It answers.
    Alive = 0,
    /// Somebody could not reach it.
    Suspect = 1,
    /// The suspicion ran out.
    Dead = 2,
    /// It said good-bye.
    Left = 3,
    /// SWIM has forgotten it; the Serf layer still remembers.
    Forgotten = 4,
}

/// What the application is told about a member (serf-wire, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Status {
    /// Not a member for the Serf layer (pruned, or not yet announced).
    None = 0,
    /// Normal.
    Alive = 1,
    /// It announced its leave and is not gone yet.
    Leaving = 2,
    /// It left gracefully.
    Left = 3,
    /// It failed.
    Failed = 4,
}

impl Status {
    /// The word used in listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Alive => "alive",
            Self::Leaving => "leaving",
            Self::Left => "left",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The six version bytes of an alive message: ranges and current versions of both layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Versions {
    /// Lowest gossip protocol understood.
    pub protocol_min: u8,
    /// Highest gossip protocol understood.
    pub protocol_max: u8,
    /// Gossip protocol spoken.
    pub protocol_cur: u8,
    /// Lowest Serf protocol understood.
    pub delegate_min: u8,
    /// Highest Serf protocol understood.
    pub delegate_max: u8,
    /// Serf protocol spoken.
    pub delegate_cur: u8,
}

impl Versions {
    /// What this implementation says of itself when it speaks Serf protocol `delegate_cur`.
    #[must_use]
    pub const fn ours(delegate_cur: u8) -> Self {
        Versions {
            protocol_min: 1,
            protocol_max: 5,
            protocol_cur: 2,
            delegate_min: 2,
            delegate_max: 5,
            delegate_cur,
        }
    }

    /// Whether they can be true: each layer speaks a version within the range that it understands.
    ///
    /// Others are damaged or forged. Believed, one flipped bit would leave the cluster no version that
    /// all understand, and no push/pull would pass.
    #[must_use]
    pub const fn are_consistent(self) -> bool {
        self.protocol_min > 0
            && self.protocol_min <= self.protocol_cur
            && self.protocol_cur <= self.protocol_max
            && self.delegate_min <= self.delegate_cur
            && self.delegate_cur <= self.delegate_max
    }

    /// In wire order.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 6] {
        [
            self.protocol_min,
            self.protocol_max,
            self.protocol_cur,
            self.delegate_min,
            self.delegate_max,
            self.delegate_cur,
        ]
    }

    /// From wire order.
    #[must_use]
    pub const fn from_bytes(b: [u8; 6]) -> Self {
        Versions {
            protocol_min: b[0],
            protocol_max: b[1],
            protocol_cur: b[2],
            delegate_min: b[3],
            delegate_max: b[4],
            delegate_cur: b[5],
        }
    }
}

/// What a member says of itself: made by [`Identity::new`], immutable from then on, and shared by
/// all views that agree on it.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Hash of all that follows, so that a change of state need not look at it again.
    digest: u64,
    /// Unique name.
    pub name: Arc<str>,
    /// Where its gossip port is.
    pub addr: SocketAddr,
    /// The encoded tags and whatever stands behind them, at most 512 bytes, relayed unchanged.
    pub meta: Bytes,
    /// Protocol versions.
    pub versions: Versions,
    /// Whether the meta says that it keeps a registry.
    registry: bool,
}

impl Identity {
    /// Puts together what a member says of itself.
    #[must_use]
    pub fn new(name: Arc<str>, addr: SocketAddr, meta: Bytes, versions: Versions) -> Self {
        let mut digest = hash::bytes(0, name.as_bytes());
        digest = hash::mix(digest, hash::bytes(1, &meta));
        // An address is told apart by its family as well: 0 and 1 stand for 4 and 6.
        let (family, [high, low], scope) = match addr {
            SocketAddr::V4(v4) => (0, [0, u64::from(v4.ip().to_bits())], 0),
            SocketAddr::V6(v6) => {
                let ip = v6.ip().to_bits();
                (1, [(ip >> 64) as u64, ip as u64], u64::from(v6.scope_id()) << 32 | u64::from(v6.flowinfo()))
            }
        };
        let [a, b, c, d, e, f] = versions.to_bytes();
        let small = u64::from_le_bytes([a, b, c, d, e, f, 0, family]);
        for word in [high, low, scope, u64::from(addr.port()), small] {
            digest = hash::mix(digest, word);
        }
        let registry = is_marked(&meta);
        Identity { digest, name, addr, meta, versions, registry }
    }

    /// The tags, decoded.
    #[must_use]
    pub fn tags(&self) -> Tags {
        Tags::decode(&self.meta)
    }

    /// Whether it keeps a registry and understands ours.
    #[must_use]
    pub const fn keeps_registry(&self) -> bool {
        self.registry
    }
}

/// Shows what was given; the rest follows from it.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("digest", &self.digest)
            .field("name", &self.name)
            .field("addr", &self.addr)
            .field("meta", &self.meta)
            .field("versions", &self.versions)
            .finish()
    }
}

/// A member: who it is, and what is thought of it.
///
/// Two members are equal when everything a view records of them is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub(crate) identity: Arc<Identity>,
    /// Keyed hash of the name: the place in the view.
    pub(crate) hash: u64,
    pub(crate) status_ltime: LamportTime,
    pub(crate) incarnation: Incarnation,
    pub(crate) state: State,
    pub(crate) status: Status,
}

impl Member {
    /// Unique name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// Where its gossip port is.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.identity.addr
    }

    /// What it says of itself.
    #[must_use]
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// What SWIM thinks of it.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// What the application should think of it.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The incarnation known.
    #[must_use]
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// When its status last changed, on the member clock.
    #[must_use]
    pub const fn status_ltime(&self) -> LamportTime {
        self.status_ltime
    }

    /// The tags, decoded.
    #[must_use]
    pub fn tags(&self) -> Tags {
        self.identity.tags()
    }
}

impl Record for Member {
    type Key = str;

    fn hash(&self) -> u64 {
        self.hash
    }

    fn key(&self) -> &str {
        &self.identity.name
    }

    fn digest(&self) -> u64 {
        let opinion = u64::from(self.incarnation) | (self.state as u64) << 32 | (self.status as u64) << 40;
        let digest = hash::mix(self.identity.digest, self.hash);
        hash::mix(hash::mix(digest, opinion), self.status_ltime.0)
    }

    /// Whether it is probed and gossiped to.
    fn live(&self) -> bool {
        matches!(self.state, State::Alive | State::Suspect)
    }

    /// Whether it is told what is new in the registry.
    fn marked(&self) -> bool {
        self.live() && self.identity.keeps_registry()
    }
}

#[cfg(test)]
mod tests {
    use super::Versions;

    #[test]
    fn versions_lie_within_their_ranges() {
        for (bytes, consistent) in [
            ([1, 5, 2, 2, 5, 5], true),
            ([1, 5, 2, 2, 5, 2], true),
            ([1, 2, 2, 0, 0, 0], true),
            ([0, 5, 2, 2, 5, 5], false),
            ([3, 5, 2, 2, 5, 5], false),
            ([1, 1, 2, 2, 5, 5], false),
            ([5, 1, 2, 2, 5, 5], false),
            ([1, 5, 2, 2, 4, 5], false),
            ([1, 5, 2, 6, 5, 5], false),
        ] {
            assert_eq!(Versions::from_bytes(bytes).are_consistent(), consistent, "{bytes:?}");
        }
    }

    /// What leaves a layer's common range without the version spoken is refused.
    #[test]
    fn no_flipped_bit_parts_a_member_from_the_others() {
        let ours = Versions::ours(5).to_bytes();
        for bit in 0..48 {
            let mut bytes = ours;
            bytes[bit / 8] ^= 1 << (bit % 8);
            let [a, b, c, d, e, f] = bytes;
            let fits = |min: u8, max: u8, own: u8, theirs: [u8; 3]| {
                let common = min.max(theirs[0])..=max.min(theirs[1]);
                common.contains(&own) && common.contains(&theirs[2])
            };
            let speaks = fits(1, 5, 2, [a, b, c]) && fits(2, 5, 5, [d, e, f]);
            assert!(speaks || !Versions::from_bytes(bytes).are_consistent(), "bit {bit}: {bytes:?}");
        }
    }
}
