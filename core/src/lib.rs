//! Cluster membership as a pure state machine.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod command;
pub mod config;
mod context;
mod datagram;
mod error;
mod event;
mod exchange;
mod hash;
mod input;
mod metrics;
mod node;
mod output;
mod rng;
mod time;
mod timers;
mod trace;

pub mod serf;
pub mod swim;
pub mod trie;
pub mod view;
pub mod wire;

pub use crate::command::{
    Command, CommandError, JoinFailure, KeyCommand, KeyReport, QueryParams, Reply, Token,
};
pub use crate::config::Config;
pub use crate::error::{ConfigError, Malformed, Misuse, Refusal, Refused};
pub use crate::event::{Answer, AnswerKind, Event, MemberEvent, MemberEventKind, Query, QueryId, UserEvent};
pub use crate::input::{Input, PersistId, ResolveId, StreamEvent, StreamId};
pub use crate::metrics::{Metrics, Stats};
pub use crate::node::{Node, ViewPool};
pub use crate::output::{Output, Persist, StreamAction};
pub use crate::serf::clock::{LamportClock, LamportTime};
pub use crate::serf::coordinate::Coordinate;
pub use crate::serf::restore::Restored;
pub use crate::serf::tags::Tags;
pub use crate::swim::member::{Identity, Incarnation, Member, State, Status, Versions};
pub use crate::time::Time;
pub use crate::trace::{Cause, Decision, ProbeResult, Trace};
pub use crate::view::View;
