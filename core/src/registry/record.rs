//! A record, its key and its stamp.

use alloc::sync::Arc;
use core::fmt;

use super::check::Check;
use super::encoding::sealed;
use super::node::NodeInfo;
use super::service::Service;
use crate::hash;
use crate::trie;

/// When a record was written, on its owner's count: newer ones win.
///
/// The generation grows with each start of the owner, so that it never writes a stamp twice even
/// if it forgot what it wrote last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Which run of the owner wrote it.
    pub generation: u64,
    /// Its how many-eth write that was.
    pub version: u64,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.generation, self.version)
    }
}

/// What a record tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A node: its address, meta data.
    Node = 0,
    /// An instance of a service.
    Service = 1,
    /// A check of a node or of an instance.
    Check = 2,
}

impl Kind {
    /// The kind with this number.
    #[must_use]
    pub const fn from_u8(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Node,
            1 => Self::Service,
            2 => Self::Check,
            _ => return None,
        })
    }
}

/// What tells records apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The agent that writes it.
    pub owner: Arc<str>,
    /// The node it is about: the owner itself, or one that is no agent.
    pub node: Arc<str>,
    /// What it tells of.
    pub kind: Kind,
    /// The instance's or check's ID; empty for a node.
    pub id: Arc<str>,
}

impl Key {
    /// The same, lent.
    #[must_use]
    pub(crate) fn lent(&self) -> LentKey<'_> {
        LentKey { owner: &self.owner, node: &self.node, kind: self.kind, id: &self.id }
    }

    /// Its place in tables of this hash seed: an owner's records lie together.
    #[must_use]
    pub(crate) fn hash(&self, seed: u64) -> u64 {
        self.lent().hash(seed)
    }

    /// A number that stands for it in queues of this seed: no two keys that anybody can think of have
    /// the same.
    #[must_use]
    pub(crate) fn topic(&self, seed: u64) -> u64 {
        let owner = hash::bytes(seed, self.owner.as_bytes());
        let node = hash::bytes(seed, self.node.as_bytes());
        let id = hash::bytes(seed, self.id.as_bytes());
        hash::mix(hash::mix(hash::mix(owner, node), self.kind as u64), id)
    }
}

/// A [`Key`] whose texts are still where they were read; it sorts as a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LentKey<'a> {
    pub(crate) owner: &'a str,
    pub(crate) node: &'a str,
    pub(crate) kind: Kind,
    pub(crate) id: &'a str,
}

impl LentKey<'_> {
    /// See [`Key::hash`].
    #[must_use]
    pub(crate) fn hash(&self, seed: u64) -> u64 {
        let node = hash::bytes(seed, self.node.as_bytes());
        let id = hash::bytes(seed, self.id.as_bytes());
        let within = hash::mix(hash::mix(node, self.kind as u64), id);
        owner_place(seed, self.owner) | within >> 32
    }

    /// The digest of a record of this stamp, and whose encoded body has this hash.
    #[must_use]
    pub(crate) fn digest(&self, stamp: Stamp, content: u64) -> u64 {
        hash::mix(hash::mix(hash::mix(self.hash(0), stamp.generation), stamp.version), content)
    }
}

/// The least place that a record of this owner can have.
pub(crate) fn owner_place(seed: u64, owner: &str) -> u64 {
    hash::bytes(seed, owner.as_bytes()) & 0xffff_ffff_0000_0000
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Of a node.
    Node(NodeInfo),
    /// Of an instance.
    Service(Service),
    /// Of a check.
    Check(Check),
}

impl Body {
    /// The kind of record it belongs in.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Body::Node(_) => Kind::Node,
            Body::Service(_) => Kind::Service,
            Body::Check(_) => Kind::Check,
        }
    }
}

/// Something an agent says to all: immutable, and shared by everybody in a process who holds it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its place in tables of this process's seed.
    hash: u64,
    entry: Arc<Entry>,
}

#[derive(Debug, PartialEq)]
struct Entry {
    key: Key,
    stamp: Stamp,
    /// Of all the rest; the same on every node.
    digest: u64,
    body: Body,
}

impl Record {
    /// A record for tables of this hash seed. `content` is a hash of the encoded body, the same on
    /// every node: should an owner write a stamp twice, the two are told apart by it.
    pub(crate) fn new(seed: u64, key: Key, stamp: Stamp, content: u64, body: Body) -> Self {
        debug_assert_eq!(key.kind, body.kind());
        let digest = key.lent().digest(stamp, content);
        let hash = key.hash(seed);
        Record { hash, entry: Arc::new(Entry { key, stamp, digest, body }) }
    }

    /// A record of this content, for tables of this hash seed: what simulators and tests need.
    ///
    /// # Panics
    /// If `key` is that of another kind of record than `body`.
    #[must_use]
    pub fn of(seed: u64, key: Key, stamp: Stamp, body: Body) -> Self {
        assert_eq!(key.kind, body.kind(), "the key of another kind of record");
        sealed(seed, key, stamp, body)
    }

    /// What tells it apart.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.entry.key
    }

    /// When it was written.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.entry.stamp
    }

    /// What it says.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.entry.body
    }

    /// A number that differs from that of any other version of it, the same on every node.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.entry.digest
    }

    /// The node, if it tells of one.
    #[must_use]
    pub fn node(&self) -> Option<&NodeInfo> {
        if let Body::Node(node) = self.body() { Some(node) } else { None }
    }

    /// The instance, if it tells of one.
    #[must_use]
    pub fn service(&self) -> Option<&Service> {
        if let Body::Service(service) = self.body() { Some(service) } else { None }
    }

    /// The check, if it tells of one.
    #[must_use]
    pub fn check(&self) -> Option<&Check> {
        if let Body::Check(check) = self.body() { Some(check) } else { None }
    }

    /// Whether it replaces `other`, another version of it.
    #[must_use]
    pub(crate) fn beats(&self, other: &Record) -> bool {
        (self.stamp(), self.digest()) > (other.stamp(), other.digest())
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.entry, &other.entry) || self.entry == other.entry
    }
}

impl trie::Record for Record {
    type Key = Key;

    fn hash(&self) -> u64 {
        self.hash
    }

    fn key(&self) -> &Key {
        &self.entry.key
    }

    fn digest(&self) -> u64 {
        self.entry.digest
    }

    fn live(&self) -> bool {
        true
    }
}
