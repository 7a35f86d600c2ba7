//! Cluster membership as a pure state machine: SWIM with Lifeguard, and the events and queries of
//! Serf, wire-compatible with both.
//!
//! A [`Node`] is one member of a cluster. It owns every decision of the protocol (probing,
//! suspicion, gossip, full-state exchange, events, queries, keys) and touches nothing: no clock,
//! no socket, no thread, no environment, no global. What happens outside is handed in as an
//! [`Input`], what is to be done outside comes out as an [`Output`], and time is a number the
//! caller gives.
//!
//! # The law
//!
//! 1. Hand in what happened: [`Node::handle_input`], with a time that never decreases.
//! 2. Take out what there is to do: [`Node::poll_output`], until it says `None`.
//! 3. Come back at [`Node::poll_timeout`] at the latest, with [`Input::Timeout`].
//!
//! Several inputs before one drain are legal, draining is always legal, and superfluous time-outs
//! are harmless. The same configuration, seed and inputs give the same outputs, byte for byte.
//!
//! # Two nodes, by hand
//!
//! No runtime, no sockets: the loop below is the whole network. One node joins the other; both
//! then know two members.
//!
//! ```
//! use core::net::SocketAddr;
//! use core::time::Duration;
//! use std::collections::VecDeque;
//!
//! use tidings_core::{
//!     Command, Config, Input, Node, Output, Reply, StreamAction, StreamEvent, StreamId, Time, Token,
//! };
//!
//! let addrs: [SocketAddr; 2] = ["10.0.0.1:7946".parse()?, "10.0.0.2:7946".parse()?];
//! let mut now = Time::ZERO;
//! let mut nodes = [
//!     Node::new(Config::lan("a", addrs[0]), [1; 32], now)?,
//!     Node::new(Config::lan("b", addrs[1]), [2; 32], now)?,
//! ];
//!
//! // "b" wants to join through "a". The answer will carry the token.
//! let command = Command::Join { addresses: vec!["10.0.0.1".into()], replay: false };
//! nodes[1].handle_input(now, Input::Command { token: Token(7), command })?;
//!
//! // Streams are a pair of numbers here: the dialler's and the one we accepted it under.
//! let mut streams: Vec<[(usize, StreamId); 2]> = Vec::new();
//! let mut joined = None;
//! while now < Time::ZERO + Duration::from_secs(5) {
//!     // Drain: what each node wants done is done at once, by handing it to the other.
//!     for me in 0..2 {
//!         while let Some(output) = nodes[me].poll_output() {
//!             match output {
//!                 Output::Datagram { to, payload } => {
//!                     if let Some(peer) = addrs.iter().position(|addr| *addr == to) {
//!                         nodes[peer].handle_input(now, Input::Datagram { from: addrs[me], payload: &payload })?;
//!                     }
//!                 }
//!                 Output::Stream { id, action: StreamAction::Connect { to } } => {
//!                     let peer = addrs.iter().position(|addr| *addr == to).expect("a known address");
//!                     let accepted = StreamId::accepted(streams.len() as u64);
//!                     streams.push([(me, id), (peer, accepted)]);
//!                     let event = StreamEvent::Accepted { from: addrs[me] };
//!                     nodes[peer].handle_input(now, Input::Stream { id: accepted, event })?;
//!                     nodes[me].handle_input(now, Input::Stream { id, event: StreamEvent::Connected })?;
//!                 }
//!                 Output::Stream { id, action } => {
//!                     let pair = streams.iter().find(|pair| pair.contains(&(me, id))).expect("a known stream");
//!                     let (peer, id) = if pair[0] == (me, id) { pair[1] } else { pair[0] };
//!                     let event = match &action {
//!                         StreamAction::Send(bytes) => StreamEvent::Data(bytes),
//!                         _ => StreamEvent::Closed,
//!                     };
//!                     nodes[peer].handle_input(now, Input::Stream { id, event })?;
//!                 }
//!                 Output::Reply { token: Token(7), result } => joined = Some(result?),
//!                 _ => {} // events, for an application that listens
//!             }
//!         }
//!     }
//!     // Then time passes, up to the next deadline of either node.
//!     now = nodes.iter().filter_map(Node::poll_timeout).min().expect("a node always has a deadline");
//!     for node in &mut nodes {
//!         node.handle_input(now, Input::Timeout)?;
//!     }
//! }
//!
//! assert_eq!(joined, Some(Reply::Joined { contacted: 1, failures: vec![] }));
//! for node in &nodes {
//!     let view = node.view();
//!     assert_eq!(view.len(), 2);
//!     assert!(view.get("a").is_some() && view.get("b").is_some());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`embedding`] has whole programs: a loop of one's own, one with a fixed tick, a simulator, and when to
//! take a driver instead.
//!
//! # The parts, and the way of the data
//!
//! ```text
//!  scripts, programs          your program            your tests
//!       | RPC, HTTP, DNS           |                       |
//!  +----v------------+             |                  +----v---------------+
//!  | agent           |             |                  | sim                |
//!  | files, handlers |             |                  | virtual time and   |
//!  | checks, disk    |             |                  | network, faults    |
//!  +----+------------+             |                  +----+---------------+
//!       | commands, events         |                       |
//!  +----v--------------------------v---------------+       |
//!  | adapters: tokio, async-std, or your own loop  |       |
//!  | sockets, one timer, the task that owns a node |       |
//!  +----+-------------------------------^----------+       |
//!       | Input: datagram, stream,      | Output: datagram, | the same
//!       | command, time-out, ...        | stream, event ... | two ways
//!  +----v-------------------------------+------------------v----+
//!  |  Node: one queue of outputs, one deadline, one generator   |
//!  |  +------------------------------------------------------+  |
//!  |  |  registry  services, checks, their spread and index  |  |
//!  |  +------------------------------------------------------+  |
//!  |  |  serf      intents, events, queries, tags, snapshots |  |
//!  |  +------------------------------------------------------+  |
//!  |  |  swim      probing, suspicion, gossip, push/pull     |  |
//!  |  +------------------------------------------------------+  |
//!  |  |  wire      messages, packets, streams, encryption    |  |
//!  |  +------------------------------------------------------+  |
//!  |    view: the members, a persistent trie, O(1) to copy      |
//!  +------------------------------------------------------------+
//! ```
//!
//! A datagram goes up: the adapter reads it and hands it in; `wire` opens and decodes it, or it is refused
//! and counted; `swim` merges what it says of members, or passes it to `serf`, where duplicates end, and
//! that to `registry`. What is decided goes down the same layers into the queue of outputs: news for the
//! others wait in `swim` for room in the packets that are sent anyway; news for the application come out
//! as [`Event`]s.
//!
//! Each layer knows only those below it. [`View`] is what readers get: immutable, copied in O(1),
//! and shared by nodes of one process that agree ([`Node::handle_input_with`]).
//!
//! # What is bounded
//!
//! Everything a peer can grow: members, intents, events, queries, streams and their buffers,
//! forwarded pings, queues. Bytes from outside are refused and counted, never trusted; see
//! [`Refusal`] and [`Metrics`].
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[macro_use]
mod marks;

#[cfg(tidings_bugs)]
pub mod bugs;
mod command;
pub mod config;
mod context;
mod datagram;
mod error;
mod event;
mod exchange;
#[doc(hidden)]
pub mod fuzz;
mod hash;
mod holdings;
mod input;
mod metrics;
mod node;
mod output;
#[cfg(tidings_bugs)]
pub mod rare;
mod rng;
mod shared;
mod time;
mod timers;
mod trace;
mod warm;

pub mod embedding;
pub mod registry;
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
pub use crate::holdings::Holding;
pub use crate::input::{CheckId, Input, PersistId, ResolveId, StreamEvent, StreamId};
pub use crate::metrics::{Metrics, Stats};
pub use crate::node::Node;
pub use crate::output::{Output, Persist, StreamAction};
pub use crate::serf::clock::{LamportClock, LamportTime};
pub use crate::serf::coordinate::Coordinate;
pub use crate::serf::restore::Restored;
pub use crate::serf::tags::Tags;
pub use crate::shared::ViewPool;
pub use crate::swim::member::{Identity, Incarnation, Member, State, Status, Versions};
pub use crate::time::Time;
pub use crate::trace::{Cause, Decision, ProbeResult, Trace};
pub use crate::view::View;
