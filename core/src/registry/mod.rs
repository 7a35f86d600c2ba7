//! The registry: services, checks and what nodes say of themselves, known to every member.
//!
//! # Owner writes
//! Each agent is the only writer of its own records. A record's [`Stamp`](record::Stamp) says when its owner wrote
//! it; whoever holds two versions keeps the newer one, and nothing else needs to be reconciled.
//! A node that is no agent is registered through one, which owns the records about it.
//!
//! # How it spreads
//! A change rides the gossip to those members that understand it. What gossip misses, anti-entropy
//! finds: members compare digests of all they hold, and fetch what differs ([`sketch`]).
//!
//! # What lies where
//! | file | purpose |
//! |---|---|
//! | `record` | a record, its key and its stamp |
//! | `service`, `check`, `node` | what records say |
//! | `encoding` | their form on the wire and in the log |
//! | `marker` | which members keep a registry |
//! | `table` | all records known; the newer one wins |
//! | `own`, `run`, `external` | what this agent registers, how its checks fare, nodes it speaks for |
//! | `about_me`, `forward` | catalog writes about an agent: here, and sent on to it |
//! | `store` | what of it is on disk, and what a later run makes of it |
//! | `state` | all of it for one node, and how requests reach it |
//! | `messages`, `spread` | changes in datagrams: told, passed on, fetched |
//! | `frames`, `session`, `sync` | comparing all that is known, on streams |
//! | `catalog` | what readers look things up in |
//! | [`sketch`] | which records differ, at the cost of the difference |
//! | [`log`] | registrations on disk |
//! | `holdings`, `warm` | for simulators: bounds to be checked; starting in the middle |

pub mod catalog;
pub mod check;
pub mod command;
pub mod encoding;
pub mod log;
pub mod node;
pub mod record;
pub mod service;
pub mod sketch;

mod about_me;
mod external;
mod forward;
mod frames;
mod holdings;
pub(crate) mod marker;
mod messages;
mod own;
mod run;
mod session;
mod spread;
mod state;
mod store;
mod sync;
mod table;
mod texts;
mod warm;

pub(crate) use self::state::Registry;

pub use self::own::{NODE_MAINTENANCE, OwnCheck, SERVICE_MAINTENANCE};
pub use self::state::RegistryView;
